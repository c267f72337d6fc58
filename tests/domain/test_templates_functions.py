"""The functions and methods of templates; tests/adapters/test_template_oracle.py asks Alertmanager the same."""

# ruff: noqa: E501 - a row of a table is one line, however long its template

from __future__ import annotations

import pytest

from domain.templates import TemplateError
from tests.domain.test_templates import render

TIME = "(index .Alerts 1).EndsAt"
"""Noon."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Go's
        pytest.param("and 1 `` 2", "", id="and gives the first that is not"),
        pytest.param("and 1 2", "2", id="and gives the last"),
        pytest.param("or `` 0 `x` 1", "x", id="or gives the first that is"),
        pytest.param("or `` 0", "0", id="or gives the last"),
        pytest.param("or true (index .Alerts 99)", "true", id="or stops"),
        pytest.param("and false (index .Alerts 99)", "false", id="and stops"),
        pytest.param("0 | or `` ", "0", id="or of a piped value"),
        pytest.param("1 | or `x` ", "x", id="or before a piped value"),
        pytest.param("not 1", "false", id="not"),
        pytest.param("eq 1 1", "true", id="eq"),
        pytest.param("eq `a` `b` `a`", "true", id="eq of any"),
        pytest.param("eq `a` `b` `c`", "false", id="eq of none"),
        pytest.param("eq nil nil", "true", id="eq of nil"),
        pytest.param("eq `` nil", "false", id="eq of something and nil"),
        pytest.param("eq true true", "true", id="eq of truth values"),
        pytest.param("eq (index .Alerts 0).StartsAt (index .Alerts 0).StartsAt", "true", id="eq of times"),
        pytest.param("eq (index .Alerts 0).StartsAt.Month 11", "true", id="eq of a month"),
        pytest.param("ne 1 2", "true", id="ne"),
        pytest.param("lt 1 2", "true", id="lt"),
        pytest.param("le 2 2", "true", id="le"),
        pytest.param("gt 2 2", "false", id="gt"),
        pytest.param("ge `b` `a`", "true", id="ge"),
        pytest.param("lt `Z` `a`", "true", id="strings by their bytes"),
        pytest.param("gt (since (index .Alerts 0).StartsAt) 0", "true", id="a duration is a number"),
        pytest.param("len `ü`", "2", id="len counts bytes"),
        pytest.param("len .CommonLabels", "2", id="len of a map"),
        pytest.param("index .CommonLabels `job`", "api", id="index of a map"),
        pytest.param("index .CommonLabels `nope`", "", id="index of what a map lacks"),
        pytest.param("index (dict `a` 1) `b`", "<no value>", id="index of what a dict lacks"),
        pytest.param("(dict `a` 1).b", "<no value>", id="a field that a dict lacks"),
        pytest.param("index (list (list 1 2)) 0 1", "2", id="index of index"),
        pytest.param("index `abc` 1", "98", id="index of a string is a byte"),
        pytest.param("slice `abcdef` 1 3", "bc", id="slice"),
        pytest.param("slice `abc` 1", "bc", id="slice to the end"),
        pytest.param("slice `abc`", "abc", id="slice of all"),
        pytest.param("slice `aü` 0 2", "a\ufffd", id="a slice through a letter"),
        pytest.param("len (slice .Alerts 1 2 2)", "1", id="slice of a list, with a capacity"),
        pytest.param("print 1 2 `a` `b` 3 nil", "1 2ab3 <nil>", id="print"),
        pytest.param("println 1 `a`", "1 a\n", id="println"),
        pytest.param("println", "\n", id="println of nothing"),
        pytest.param("html `<a href=\"x\">'&+`", "&lt;a href=&#34;x&#34;&gt;&#39;&amp;+", id="html"),
        pytest.param("html 1 2", "1 2", id="html of numbers"),
        pytest.param("js `a<'\"=&>\\`", r"a\u003C\'\"\u003D\u0026\u003E" + "\\\\", id="js"),
        pytest.param('js "\\n\\u200bü"', r"\u000A\u200Bü", id="js of what does not print"),
        pytest.param("urlquery `a b/ü~+`", "a+b%2F%C3%BC~%2B", id="urlquery"),
        # Alertmanager's
        pytest.param("toUpper `aßé`", "AßÉ", id="toUpper"),
        pytest.param("toUpper `abc`", "ABC", id="toUpper of ASCII"),
        pytest.param("toLower `AÉİ`", "aéi", id="toLower"),
        pytest.param("title `hELLO foo_bar foo-bar don't 10gb 99 it's`", "Hello Foo_bar Foo-Bar Don't 10Gb 99 It's", id="title"),
        pytest.param("trimSpace ` \t a b\n `", "a b", id="trimSpace"),
        pytest.param("join `, ` (stringSlice `a` `b`)", "a, b", id="join"),
        pytest.param("join `-` (list `a` `b`)", "a-b", id="join of a list of strings"),
        pytest.param("match `^a.c$` `abc`", "true", id="match"),
        pytest.param("match `b` `abc`", "true", id="match is not anchored"),
        pytest.param("match `B` `abc`", "false", id="no match"),
        pytest.param("reReplaceAll `(\\\\w)-(\\\\w)` `$2-$1` `a-b`", "a-b", id="raw strings keep backslashes"),
        pytest.param("reReplaceAll `([a-z])-([a-z])` `$2-${1}$$` `a-b c-d`", "b-a$ d-c$", id="reReplaceAll by numbers"),
        pytest.param("reReplaceAll `(?P<x>b)` `<${x}$x_$y>` `abc`", "a<b>c", id="reReplaceAll by names"),
        pytest.param("reReplaceAll `b|(c)` `[$1$9]` `abc`", "a[][c]", id="a group that took no part is empty"),
        pytest.param("reReplaceAll `x*` `-` `abxc`", "-a-b-c-", id="the empty match"),
        pytest.param("reReplaceAll `` `.` `é✓`", ".é.✓.", id="the empty match is not inside of a letter"),
        pytest.param("reReplaceAll `a*` `<$0>` `baac`", "<>b<aa>c<>", id="nor after a match"),
        pytest.param("reReplaceAll `b` `$` `abc`", "a$c", id="a lone dollar"),
        pytest.param("safeHtml `<b>`", "<b>", id="safeHtml in text"),
        pytest.param("safeUrl `x:y`", "x:y", id="safeUrl in text"),
        pytest.param("urlUnescape `a%20b+c%C3%BC`", "a b cü", id="urlUnescape"),
        pytest.param("stringSlice `a` `b`", "[a b]", id="stringSlice"),
        pytest.param("list 1 `a` nil", "[1 a <nil>]", id="list"),
        pytest.param("append (list 1) 2 3", "[1 2 3]", id="append"),
        pytest.param("append (stringSlice `a`) `b`", "[a b]", id="append to strings"),
        pytest.param("dict `b` 1 `a` (list)", "map[a:[] b:1]", id="dict"),
        pytest.param("toJson .CommonLabels", '{"alertname":"DiskFull","job":"api"}', id="toJson of labels"),
        pytest.param("toJson (list 1 1.5 true nil `a<b`)", '[1,1.5,true,null,"a\\u003cb"]', id="toJson of values"),
        pytest.param("toJson (list 1e21 1e-7 2.0 1e20 0.000001)", "[1e+21,1e-7,2,100000000000000000000,0.000001]", id="toJson of floats"),
        pytest.param(f"toJson (list {TIME} (since {TIME}))", '["2026-11-22T12:00:00Z",3600000000000]', id="toJson of times"),
        pytest.param("toJson .GroupLabels.SortedPairs", '[{"Name":"alertname","Value":"DiskFull"}]', id="toJson of pairs"),
        pytest.param("toJson (dict `b` (dict) `a` 1)", '{"a":1,"b":{}}', id="toJson of a dict"),
        # Times
        pytest.param(f"since {TIME}", "1h0m0s", id="since"),
        pytest.param(f"{TIME} | since | humanizeDuration", "1h 0m 0s", id="since for people"),
        pytest.param(f"{TIME} | tz `Europe/Paris` | date `15:04 MST -0700`", "13:00 CET +0100", id="tz and date"),
        pytest.param(f"({TIME}.AddDate 0 -5 0) | tz `America/Sao_Paulo` | date `15:04 MST`", "09:00 -03", id="a zone without a name"),
        pytest.param(f"tz `` {TIME} | date `MST`", "UTC", id="tz of no name"),
        pytest.param("(index .Alerts 0).EndsAt | tz `America/New_York`", "0000-12-31 19:03:58 -0456 LMT", id="the zero time in the west"),
        pytest.param("date `Z07:00:00 -07:00:00 -070000` (tz `America/New_York` (index .Alerts 0).EndsAt)", "-04:56:02 -04:56:02 -045602", id="seconds of a zone"),
        pytest.param(f"{TIME}", "2026-11-22 12:00:00 +0000 UTC", id="a time"),
        pytest.param(f"{TIME}.Format `Jan _2 __2 002 06 3:4:5pm PM`", "Nov 22 326 326 26 12:0:0pm PM", id="a layout"),
        pytest.param(f"{TIME}.Format `January Monday Mon 01/1/02 03 _2006 15.000 15.999 Juneau`", "November Sunday Sun 11/11/22 12 _2026 12.000 12 Juneau", id="more of a layout"),
        pytest.param(f"({TIME}.AddDate 8000 0 0).Format `2006`", "10026", id="years of five digits"),
        pytest.param(f"({TIME}.AddDate -2030 0 0).Format `2006`", "-0004", id="years before year 0"),
        pytest.param(f"{TIME}.AddDate 0 3 9", "2027-03-03 12:00:00 +0000 UTC", id="a day that the month lacks"),
        pytest.param(f"{TIME}.Local", "2026-11-22 12:00:00 +0000 UTC", id="local is UTC"),
        pytest.param(f"{TIME}.Add 1500000000", "2026-11-22 12:00:01.5 +0000 UTC", id="Add"),
        pytest.param(f"{TIME}.Add (since {TIME})", "2026-11-22 13:00:00 +0000 UTC", id="Add a duration"),
        pytest.param(f"{TIME}.Truncate 86400000000000", "2026-11-22 00:00:00 +0000 UTC", id="Truncate"),
        pytest.param(f"{TIME}.Round 86400000000000", "2026-11-23 00:00:00 +0000 UTC", id="Round"),
        pytest.param(f"{TIME}.Round 0", "2026-11-22 12:00:00 +0000 UTC", id="Round to nothing"),
        pytest.param(f"print {TIME}.Year {TIME}.Month {TIME}.Day {TIME}.YearDay {TIME}.Weekday", "2026 November 22 326 Sunday", id="a date"),
        pytest.param(f"print {TIME}.Hour {TIME}.Minute {TIME}.Second {TIME}.Nanosecond", "12 0 0 0", id="a time of day"),
        pytest.param(f"print {TIME}.Unix {TIME}.UnixMilli {TIME}.UnixMicro {TIME}.UnixNano", "1795348800 1795348800000 1795348800000000 1795348800000000000", id="since 1970"),
        pytest.param(f"print ({TIME}.Before {TIME}) ({TIME}.After {TIME}) ({TIME}.Equal {TIME}) ({TIME}.Compare {TIME}) {TIME}.IsZero", "false false true 0 false", id="comparing times"),
        pytest.param("((index .Alerts 0).StartsAt.Sub (index .Alerts 0).EndsAt)", "2562047h47m16.854775807s", id="the longest duration"),
        pytest.param(f"{TIME}.Sub ({TIME}.Add -3723004005006)", "1h2m3.004005006s", id="a duration"),
        pytest.param(f"{TIME}.Sub ({TIME}.Add 90000000000)", "-1m30s", id="a duration before"),
        pytest.param(f"{TIME}.Sub ({TIME}.Add -1500)", "1.5µs", id="microseconds"),
        pytest.param(f"{TIME}.Sub ({TIME}.Add -1)", "1ns", id="a nanosecond"),
        pytest.param(f"({TIME}.Sub ({TIME}.Add -1500000)).String", "1.5ms", id="milliseconds"),
        pytest.param(f"{TIME}.Sub {TIME}", "0s", id="no duration"),
        pytest.param(f"(since {TIME}).Hours", "1", id="Hours"),
        pytest.param(f"print (since {TIME}).Minutes (since {TIME}).Seconds (since {TIME}).Milliseconds (since {TIME}).Microseconds (since {TIME}).Nanoseconds", "60 3600 3600000 3600000000 3600000000000", id="in other units"),
        pytest.param(f"({TIME}.Sub {TIME}).Round 0", "0s", id="Round a duration to nothing"),
        pytest.param("printf `%v %v %8v|` 1e999 -1e999 1e999", "+Inf -Inf     +Inf|", id="infinities"),
        pytest.param(f"(({TIME}.Sub ({TIME}.Add 1500)).Round 1000)", "-2µs", id="Round a duration"),
        pytest.param(f"print (({TIME}.Sub ({TIME}.Add 1500)).Truncate 1000) ({TIME}.Sub ({TIME}.Add 1500)).Abs ({TIME}.Sub ({TIME}.Add 1500)).Microseconds", "-1µs 1.5µs -1", id="toward zero"),
        pytest.param(f"{TIME}.Month.String", "November", id="a month's name"),
        pytest.param(f"{TIME}.String", "2026-11-22 12:00:00 +0000 UTC", id="a time's text"),
        # humanizeDuration
        pytest.param("humanizeDuration 0", "0s", id="no time"),
        pytest.param("humanizeDuration 90061", "1d 1h 1m 1s", id="days"),
        pytest.param("humanizeDuration 86400", "1d 0h 0m 0s", id="a day"),
        pytest.param("humanizeDuration -90", "-1m 30s", id="less than none"),
        pytest.param("humanizeDuration `59.5`", "59.5s", id="text with seconds"),
        pytest.param("humanizeDuration 1.23456", "1.235s", id="four digits"),
        pytest.param("humanizeDuration 0.0123", "12.3ms", id="milliseconds of seconds"),
        pytest.param("humanizeDuration -0.0000123", "-12.3us", id="microseconds of seconds"),
        pytest.param("humanizeDuration `1e-30`", "1e-06ys", id="the smallest prefix"),
        pytest.param("humanizeDuration `inf`", "+Inf", id="for ever"),
        pytest.param("humanizeDuration `-Inf`", "-Inf", id="since ever"),
        pytest.param("humanizeDuration `NaN`", "NaN", id="no number"),
        # KV
        pytest.param(".CommonLabels", "alertname=DiskFull, job=api", id="labels as a whole, since 0.28"),
        pytest.param(".CommonLabels.String", "alertname=DiskFull, job=api", id="labels' text"),
        pytest.param(".CommonLabels.SortedPairs.String", "alertname=DiskFull, job=api", id="pairs' text"),
        pytest.param("index .CommonLabels.SortedPairs 0", "{alertname DiskFull}", id="a pair"),
        pytest.param("(index .Alerts 0).Labels.Names", "[alertname instance job severity]", id="alertname comes first"),
        pytest.param(".CommonLabels.SortedPairs.Values", "[DiskFull api]", id="pairs' values"),
        pytest.param("(.CommonLabels.Remove (list `job`)).Names", "[alertname]", id="Remove"),
    ],
)  # fmt: skip
def test_values(text: str, expected: str) -> None:
    assert render(f"{{{{ {text} }}}}") == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param("`%s|%q|%v|%x|%X`  `é` `\"` `v` `hi` `hi`", 'é|"\\""|v|6869|6869', id="strings"),
        pytest.param("`%5s|%-5s|%05s|%.1s|%.s|` `ab` `ab` `ab` `éb` `ab`", "   ab|ab   |000ab|é||", id="strings' widths"),
        pytest.param("`%#q|%#q|%# x|% x` `a` \"\\t\" `hi` `hi`", '`a`|"\\t"|0x68 69|68 69', id="strings' flags"),
        pytest.param("`%d|%5d|%-5d|%05d|%+d|% d` 42 42 42 42 42 42", "42|   42|42   |00042|+42| 42", id="numbers"),
        pytest.param("`%b|%o|%O|%x|%X|%#x|%#X|%#o|%#b` 5 8 8 255 255 255 255 8 5", "101|10|0o10|ff|FF|0xff|0XFF|010|0b101", id="bases"),
        pytest.param("`%c|%q|%q|%q|%U|%#U|%c` 65 65 39 34 65 65 -1", "A|'A'|'\\''|'\"'|U+0041|U+0041 'A'|\ufffd", id="characters"),
        pytest.param("`%05d|%x|%6.3d|%.0d|` -42 -255 -7 0", "-0042|-ff|  -007||", id="numbers' signs and digits"),
        pytest.param("`%f|%.2f|%8.3f|%-8.1f|%08.3f|%+.1f|% .1f` 2.5 3.14159 2.5 2.5 -1.5 1.0 1.0", "2.500000|3.14|   2.500|2.5     |-001.500|+1.0| 1.0", id="floats"),
        pytest.param("`%e|%.1E|%g|%G|%.3g|%v|%08.1f` 12345.678 12345.678 1e21 1e-7 1234567.0 0.00012 2.5", "1.234568e+04|1.2E+04|1e+21|1E-07|1.23e+06|0.00012|000002.5", id="floats' forms"),
        pytest.param("`%v %v %v` 0.0 -0.5 123456.0", "0 -0.5 123456", id="floats as they are"),
        pytest.param("`%t|%v|%5t|` true false true", "true|false| true|", id="truth values"),
        pytest.param("`%s` .CommonLabels.Names", "[alertname job]", id="a list"),
        pytest.param("`%q` .CommonLabels.Names", '["alertname" "job"]', id="a list's elements"),
        pytest.param("`%q` (dict `a` 1)", "map[\"a\":'\\x01']", id="a map's elements"),
        pytest.param("`%v %s` .CommonLabels .CommonLabels", "alertname=DiskFull, job=api alertname=DiskFull, job=api", id="labels"),
        pytest.param("`%v|%+v` (index .GroupLabels.SortedPairs 0) (index .GroupLabels.SortedPairs 0)", "{alertname DiskFull}|{Name:alertname Value:DiskFull}", id="a pair"),
        pytest.param("`%d %s %v` (since (index .Alerts 1).EndsAt) (since (index .Alerts 1).EndsAt) (index .Alerts 1).EndsAt.Month", "3600000000000 1h0m0s November", id="a duration, a month"),
        pytest.param("`%d` (index .Alerts 1).EndsAt.Month", "11", id="a month's number"),
        pytest.param("`%d` (index .Alerts 1).EndsAt", "%!d(time.Time=2026-11-22 12:00:00 +0000 UTC)", id="a time is no number"),
        pytest.param("`%T %T %T %T` . .Status nil (safeHtml `x`)", "*template.Data string <nil> template.HTML", id="types"),
        pytest.param("`%d|%s|%t` `a` 1 1", "%!d(string=a)|%!s(int=1)|%!t(int=1)", id="the wrong verb"),
        pytest.param("`%z|%s|%v` 1 nil nil", "%!z(int=1)|%!s(<nil>)|<nil>", id="no verb, no value"),
        pytest.param("`%s %s` `a`", "a %!s(MISSING)", id="too few"),
        pytest.param("`%d` 1 2 `x`", "1%!(EXTRA int=2, string=x)", id="too many"),
        pytest.param("`100%%|%`", "100%|%!(NOVERB)", id="a percent sign"),
        pytest.param("`%[2]d %[1]d` 1 2", "2 1", id="by position"),
        pytest.param("`%[5]d` 1", "%!d(BADINDEX)", id="by a position that there is not"),
        pytest.param("`%*d|%-*d|%.*f|%*d` 5 42 5 42 2 3.14159 -4 7", "   42|42   |3.14|7   ", id="a width from an argument"),
        pytest.param("`%[1]*[2]d` 4 7", "   7", id="a width from a position"),
        pytest.param("`%*d` `a` 1", "%!(BADWIDTH)1", id="a width that is none"),
        pytest.param("`%.*f` `a` 1.5", "%!(BADPREC)1.500000", id="a precision that is none"),
    ],
)  # fmt: skip
def test_printf(arguments: str, expected: str) -> None:
    assert render(f"{{{{ printf {arguments} }}}}") == expected


def test_an_alert_prints_with_all_its_fields() -> None:
    text = render("{{ index .Alerts 1 }}|{{ printf `%+v` (index .Alerts 1) }}")
    plain, _, named = text.partition("|")
    assert plain.startswith("{resolved alertname=DiskFull, instance=b:1, job=api  2026-11-22 11:59:00 +0000 UTC")
    assert named.startswith(
        "{Status:resolved Labels:alertname=DiskFull, instance=b:1, job=api Annotations: StartsAt:2026"
    )


def test_the_data_print_as_what_they_are_in_go_a_pointer() -> None:
    assert render("{{ . }}").startswith("{team firing [{firing ")
    assert render("{{ printf `%v` . }}").startswith("&{team firing [{firing ")


def test_the_data_as_json_are_the_webhooks() -> None:
    text = render("{{ toJson . }}")
    assert text.startswith('{"receiver":"team","status":"firing","alerts":[{"status":"firing","labels":{"alertname":')
    assert '"description":"ünïcode \\u003cb\\u003e"' in text
    assert text.endswith('"commonAnnotations":{},"routeLabels":{},"externalURL":"http://am"}')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("index .Alerts 9", "index: index out of range: 9", id="an index too great"),
        pytest.param("index .Alerts -1", "index: index out of range: -1", id="an index below zero"),
        pytest.param("index .Alerts `a`", "index: an int wanted as position, not string", id="a list by a name"),
        pytest.param("index .CommonLabels 1", "index: a map is indexed by a string, not by int", id="a map by a number"),
        pytest.param("index nil 1", "index: nil cannot be indexed", id="nil"),
        pytest.param("index 1 1", "index: int cannot be indexed", id="a number"),
        pytest.param("slice `abc` 2 1", "slice: invalid slice: 2 is after 1", id="a slice backwards"),
        pytest.param("slice `abc` 0 9", "slice: index out of range: 9", id="a slice too long"),
        pytest.param("slice `abc` 0 1 2", "slice: a string cannot be sliced by 3 positions", id="a string's capacity"),
        pytest.param("slice .Alerts 0 1 2 3", "slice: at most 3 positions, not 4", id="four positions"),
        pytest.param("slice .CommonLabels 1", "slice: template.KV cannot be sliced", id="a slice of a map"),
        pytest.param("len 3", "len: int has no length", id="a number's length"),
        pytest.param("eq 1 1.0", "eq: int and float64 cannot be compared", id="int and float"),
        pytest.param("eq .Alerts .Alerts", "eq: template.Alerts cannot be compared", id="lists"),
        pytest.param("lt 1 `a`", "lt: int and string cannot be compared", id="less of two kinds"),
        pytest.param("lt true false", "lt: bool has no order", id="truth values have no order"),
        pytest.param("toJson 1e999", "toJson: float64 without a JSON form", id="infinity"),
        pytest.param("(index .Alerts 0).StartsAt.AddDate (index (list true) 0) 0 0", "AddDate: int wanted, not bool", id="truth as a number"),
        pytest.param("dict `a`", "dict: dict takes names and values, an even number of arguments", id="half a pair"),
        pytest.param("dict 1 2", "dict: string wanted, not int", id="a name that is a number"),
        pytest.param("toUpper (index (list 1) 0)", "toUpper: string wanted, not int", id="a class known only later"),
        pytest.param("join `,` (list `a` 1)", "join: []string wanted, not []interface {}", id="a list of more than strings"),
        pytest.param("match (print `(`) `x`", "match: '(' is not a regular expression: missing ): (", id="a pattern known only later"),
        pytest.param("tz (print `Mars`) (index .Alerts 0).StartsAt", "tz: there is no time zone 'Mars'", id="a zone known only later"),
        pytest.param("tz (print `../etc/passwd`) (index .Alerts 0).StartsAt", "tz: there is no time zone '../etc/passwd'", id="a file as a zone"),
        pytest.param("urlUnescape `%zz`", "urlUnescape: invalid URL escape '%zz'", id="an escape that is none"),
        pytest.param("humanizeDuration `1_0`", "humanizeDuration: '1_0' is not a number", id="a number that is none"),
        pytest.param("humanizeDuration true", "humanizeDuration: a number wanted, not bool", id="a duration of truth"),
        pytest.param("printf `%#v` 1", "printf: %#v is not supported", id="Go's own syntax"),
        pytest.param("printf `%p` 1", "printf: %p is not supported", id="a pointer"),
        pytest.param("printf `%9999999d` 1", "printf: a width or precision is at most 1000000", id="a great width"),
        pytest.param("(index .Alerts 0).StartsAt.AddDate 999999999 0 0", "AddDate: AddDate: the date is too far away", id="a far date"),
        pytest.param("(index (list .) 0).Foo", "*template.Data has no field Foo", id="a field known only later"),
        pytest.param("(index (list nil) 0).Foo", "nil has no field Foo", id="a field of nil"),
        pytest.param("(index (list .) 0).Status 1", "Status is no method of *template.Data and takes no arguments", id="an argument known only later"),
        pytest.param("(index (list .CommonLabels) 0).Remove", "Remove takes 1 arguments, not 0", id="a missing argument known only later"),
        pytest.param("(index (list .CommonLabels) 0).Remove 1", "Remove: []string wanted, not int", id="an argument's class known only later"),
    ],
)  # fmt: skip
def test_what_fails_with_these_values(text: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(f"x\n {{{{ {text} }}}}")
    assert caught.value.problem == problem
    assert (caught.value.place.name, caught.value.place.line) == ("text", 2)


def test_a_range_over_what_has_no_elements_fails() -> None:
    for value, name in (("`abc`", "string"), ("true", "bool"), ("1.5", "float64")):
        with pytest.raises(TemplateError, match=f"range does not go over {name}"):
            render(f"{{{{ range index (list {value}) 0 }}}}{{{{ end }}}}")


def test_a_range_over_nil_is_empty() -> None:
    assert render("{{ range index (list nil) 0 }}x{{ else }}none{{ end }}") == "none"


def test_a_float_is_taken_where_a_whole_number_is_wanted() -> None:
    assert render("{{ (index .Alerts 1).EndsAt.AddDate 1.0 0 0 }}").startswith("2027-11-22")
