"""Templates that people really write, rendered by Debian's amtool and by us: byte for byte the same.

amtool is Alertmanager 0.25, built by Go 1.19.  What came later (`trimSpace`, `since`, `tz`, `toJson`, how labels print as a whole)
is in tests/domain, and so are the default templates, which are in our own words.
"""

# ruff: noqa: E501 - a row of a table is one line, however long its template

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from adapters.webhook import payload
from domain.alerts import Alert
from domain.labels import fingerprint
from domain.notifications import ToldAlert
from domain.templates import TemplateError, read_templates, template_data
from tests.builders import HOUR, NOON, notification

pytestmark = pytest.mark.needs("amtool")

EXTERNAL_URL = "https://alerts.example.com/am"
SEPARATOR = "\n=====\n"

SUMMER = timezone(timedelta(hours=2))


def told(number: int, *, is_firing: bool, labels: dict[str, str], annotations: dict[str, str]) -> ToldAlert:
    labels = {"alertname": "HighLatency", "job": "api", "severity": "critical", **labels}
    starts_at = datetime(2026, 7, 3, 4, 5, 6, 123456, SUMMER if number == 1 else UTC)
    url = f'http://prometheus:9090/graph?g0.expr=rate(x[5m])+>+{number}&g0.tab=1&q="x"'
    return ToldAlert(
        Alert(
            fingerprint(labels),
            labels,
            annotations,
            starts_at,
            starts_at + HOUR,
            NOON,
            url,
            starts_text=starts_at.strftime("%Y-%m-%dT%H:%M:%S.123456789+02:00") if number == 1 else "",
        ),
        is_firing,
    )


NOTIFICATION = notification(
    receiver="team.a+b",
    group_labels={"alertname": "HighLatency", "cluster": "eu-1"},
    alerts=(
        told(
            1,
            is_firing=True,
            labels={"instance": "web-1:9100", "cluster": "eu-1", "env": "prod"},
            annotations={
                "summary": "p99 <b>latency</b> on web-1 is high & rising",
                "description": "Ünïcode ✓ \"quoted\" 'single' a+b=c\nsecond line",
                "runbook_url": "https://runbooks.example.com/High Latency?team=a&b=c#top",
            },
        ),
        told(
            2,
            is_firing=True,
            labels={"instance": "web-2:9100", "cluster": "eu-1", "severity": "warning"},
            annotations={"summary": "p99 on web-2", "runbook_url": "javascript:alert(1)"},
        ),
        told(
            3,
            is_firing=False,
            labels={"instance": "web-3:9100", "cluster": "eu-1", "empty": ""},
            annotations={"summary": "p99 on web-3", "value": "12.5"},
        ),
    ),
)

SUBJECT = (
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] '
    '{{ .GroupLabels.SortedPairs.Values | join " " }} {{ if gt (len .CommonLabels) (len .GroupLabels) }}'
    '({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }}){{ end }}'
)

TEXTS = {
    # What the documentation and its examples show.
    "a wiki link of group labels": "https://wiki/alerts/{{ .GroupLabels.app }}/{{ .GroupLabels.alertname }}",
    "common annotations": "<!channel> \nsummary: {{ .CommonAnnotations.summary }}\nd: {{ .CommonAnnotations.description }}",
    "annotations of all alerts": "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ end }}",
    "a defined template": '{{ define "slack.myorg.text" }}x/{{ .GroupLabels.cluster }}{{ end }}{{ template "slack.myorg.text" . }}',
    "the subject": SUBJECT,
    "labels in order": "{{ range .CommonLabels.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}",
    "names and values": '{{ .CommonLabels.Names | join "," }} {{ .CommonLabels.Values | join "," }}',
    "pairs' names": '{{ .CommonLabels.SortedPairs.Names | join "," }} {{ .CommonLabels.SortedPairs.Values | join "," }}',
    "removing labels": '{{ range (.CommonLabels.Remove (stringSlice "job" "alertname")).SortedPairs }}{{ .Name }} {{ end }}',
    # Slack, as it circulates.
    "a monzo title": '{{ define "t1" }}[{{ .Status | toUpper -}}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}'
    '{{- end -}}] {{ .CommonLabels.alertname }}{{ end }}{{ template "t1" . }}',
    "a colour by severity": '{{ define "color" }}{{ if eq .Status "firing" -}}{{ if eq .CommonLabels.severity "warning" -}}'
    'warning{{- else if eq .CommonLabels.severity "critical" -}}danger{{- else -}}#439FE0{{- end -}}'
    '{{ else -}}good{{- end }}{{ end }}{{ template "color" . }}',
    "a silence link": '{{ define "silence" }}{{ .ExternalURL }}/#/silences/new?filter=%7B{{ range .CommonLabels.SortedPairs }}'
    '{{ if ne .Name "alertname" }}{{ .Name }}%3D%22{{ .Value }}%22%2C%20{{ end }}{{ end }}alertname%3D%22'
    '{{ .CommonLabels.alertname }}%22%7D{{ end }}{{ template "silence" . }}',
    "the first alert's fields": "{{ (index .Alerts 0).Labels.alertname }} {{ (index .Alerts 0).Annotations.runbook_url }}",
    "with index": "{{ with index .Alerts 0 -}}\n:chart: *<{{ .GeneratorURL }}|Graph>*\n{{- end }}",
    "runbook if there is one": "{{ range .Alerts }}{{ if .Annotations.runbook_url }}<{{ .Annotations.runbook_url }}|R>{{ else }}-{{ end }} {{ end }}",
    "firing and resolved": "{{ if gt (len .Alerts.Firing) 0 }}F:{{ range .Alerts.Firing }}{{ .Labels.instance }} {{ end }}{{ end }}"
    "{{ if gt (len .Alerts.Resolved) 0 }}R:{{ range .Alerts.Resolved }}{{ .Labels.instance }} {{ end }}{{ end }}",
    "an emoji by status": '{{ if eq .Status "firing" }}:fire:{{ else }}:ok:{{ end }}',
    "all details": "{{ range .Alerts }}\n*Alert:* {{ .Annotations.summary }} - `{{ .Labels.severity }}`\n*Details:*\n"
    "{{ range .Labels.SortedPairs }} • *{{ .Name }}:* `{{ .Value }}`\n{{ end }}\n{{ end }}",
    "details but for some": '{{ range (index .Alerts 1).Labels.SortedPairs }}{{ if and (ne .Name "alertname") (ne .Name "severity") }}'
    "• {{ .Name }}: {{ .Value }}\n{{ end }}{{ end }}",
    "a list with commas": "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Labels.instance }}{{ end }}",
    "a map in order": "{{ range $k, $v := .CommonLabels }}{{ $k }}={{ $v }};{{ end }}",
    "the root inside of range": "{{ range .Alerts }}{{ $.Status }} {{ $.CommonLabels.job }} {{ .Status }}|{{ end }}",
    "a variable from outside": "{{ $url := .ExternalURL }}{{ range .Alerts }}{{ $url }}/{{ .Fingerprint }} {{ end }}",
    "a variable reassigned": '{{ $p := "" }}{{ range .Alerts.Firing }}{{ $s := index .Labels "severity" }}{{ if eq $s "critical" }}'
    '{{ $p = "High" }}{{ else if and (eq $s "warning") (ne $p "High") }}{{ $p = "Medium" }}{{ end }}{{ end }}{{ $p }}',
    "a count of one or more": "{{ len .Alerts }} alert{{ if gt (len .Alerts) 1 }}s{{ end }}",
    "else of range": "{{ range .GroupLabels.Remove .GroupLabels.Names }}x{{ else }}none{{ end }}",
    "break": "{{ range .Alerts }}{{ if eq .Labels.instance `web-2:9100` }}{{ break }}{{ end }}{{ .Labels.instance }}{{ end }}",
    "continue": "{{ range .Alerts }}{{ if eq .Status `firing` }}{{ continue }}{{ end }}{{ .Labels.instance }}{{ end }}",
    "a block": '{{ block "footer" .CommonLabels }}by {{ .job }}{{ end }}',
    "a template without data": '{{ define "empty dot" }}[{{ . }}]{{ end }}{{ template "empty dot" }}',
    "nested templates": '{{ define "a1" }}<{{ template "b1" .Labels }}>{{ end }}{{ define "b1" }}{{ .instance }}{{ end }}'
    '{{ range .Alerts }}{{ template "a1" . }}{{ end }}',
    "else with of else if": '{{ if eq .Status "x" }}1{{ else if .CommonLabels.nothing }}2{{ else }}3{{ end }}',
    "with and else": "{{ with .CommonAnnotations.summary }}{{ . }}{{ else }}no summary{{ end }}",
    "with a variable": "{{ with $a := index .Alerts 1 }}{{ $a.Status }}{{ .Labels.env }}|{{ end }}",
    # White space.
    "trimming both sides": "a \n {{- .Status -}} \n b",
    "trimming one side": "a {{- .Status }} b",
    "trimming in a range": "{{- range .Alerts -}}\n  {{ .Status }}\n{{- end -}}\n x",
    "a negative number is not trimmed": "{{-3}} {{ -3 }}",
    "a comment": "a{{/* nothing */}}b{{- /* trimmed\n */ -}} c",
    "an action over lines": "{{ .Status\n  | toUpper\n}}",
    "braces in text": "{ {{ `{{x}}` }} }",
    # Functions.
    "toLower": '{{ "HÉLLO" | toLower }} {{ toUpper "straße" }}',
    "title": '{{ title "HELLO wORLD foo_bar foo-bar foo.bar 1st 10gb don\'t a:b x1y élan _x1 a__b 3.5gb" }}',
    "join": '{{ join "-" (stringSlice "a" "b") }} {{ stringSlice "x" | join "," }} {{ join "," stringSlice }}',
    "match": '{{ match "^web-[0-9]" "web-1" }} {{ match "x" "abc" }} {{ if match "web.*" (index .Alerts 0).Labels.instance }}y{{ end }}',
    "reReplaceAll": '{{ reReplaceAll ":[0-9]+$" "" "web-1:9100" }} {{ "a-b" | reReplaceAll "(.)-(.)" "$2-$1" }}',
    "reReplaceAll by names": '{{ reReplaceAll "(?P<first>[a-z]+)(\\\\d+)" "${2}_${first}_$first_$$1$9" "ab12" }}',
    "reReplaceAll of the empty match": '{{ reReplaceAll "x*" "-" "abxc" }} {{ reReplaceAll "" "." "é" }} {{ reReplaceAll "a*" "<$0>" "baac" }}',
    "safeHtml in text": '{{ safeHtml "<b>" }}',
    "and, or, not": '{{ and 1 "" 2 }}|{{ or "" 0 "x" }}|{{ not "" }}|{{ and true }}|{{ or false 0 }}',
    "or stops early": '{{ or "x" (index .Alerts 99) }}{{ and "" (index .Alerts 99) }}',
    "eq of several": '{{ eq .Status "resolved" "firing" }} {{ eq 1 2 3 }} {{ ne "a" "b" }}',
    "comparisons": '{{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 2.5 }} {{ ge "b" "a" }} {{ lt "Z" "a" }} {{ lt -1 0 }}',
    "len": '{{ len "ü✓" }} {{ len .CommonLabels }} {{ .Alerts | len }} {{ len .CommonLabels.SortedPairs }}',
    "index": '{{ index .CommonLabels "job" }}|{{ index .CommonLabels "nope" }}|{{ index "abc" 1 }}|{{ index (stringSlice "a" "b") 1 }}',
    "slice": '{{ slice "abcdef" 1 3 }} {{ slice "abc" 1 }} {{ slice "abc" }} {{ len (slice .Alerts 1) }} {{ slice (stringSlice "a" "b" "c") 0 2 }}',
    "print": '{{ print 1 2 "a" "b" 3 4 nil true }} {{ println 1 "a" }}|{{ print }}',
    "printf of strings": '{{ printf "%s|%q|%10s|%-10s|%.2s|%05s|%x|%X|% x|%#q|%v" "héy" "a\\"\\n" "ab" "ab" "héy" "ab" "hi" "hi" "hi" "x" "v" }}',
    "printf of numbers": '{{ printf "%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%b|%c|%q|%U|%v" 42 42 42 42 42 42 255 255 255 8 5 65 65 65 7 }}',
    "printf of negative numbers": '{{ printf "%d|%05d|%x|%8.3d|%-6d|" -42 -42 -255 -7 -7 }}',
    "printf of floats": '{{ printf "%f|%.2f|%8.3f|%-8.1f|%08.3f|%e|%.1E|%g|%G|%.3g|%v|%+.1f|%6.3v" 2.5 3.14159 2.5 2.5 -1.5 12345.678 12345.678 1e21 1e-7 1234567.0 2.0 1.0 3.14159 }}',
    "printf of truth values": '{{ printf "%t|%v|%5t|%q" true false true true }}',
    "printf of lists": '{{ printf "%v|%s|%q|%d|%x" .CommonLabels.Names .CommonLabels.Names .CommonLabels.Names .CommonLabels.Names .CommonLabels.Names }}',
    "printf's complaints": '{{ printf "%d|%s|%!|%z|%s" "hi" 5 1 nil }}|{{ printf "%s %s" "a" }}|{{ printf "%d" 1 2 "x" }}|{{ printf "%" }}|{{ printf "%[5]d" 1 }}|{{ printf "%*d" "a" 1 }}',
    "printf by position": '{{ printf "%[2]d %[1]d %d" 1 2 }} {{ printf "%*d|%-*d|%.*f" 5 42 5 42 2 3.14159 }} {{ printf "%[1]*[2]d" 4 7 }}',
    "printf of percent": '{{ printf "100%% %3c|%-3c|" 65 66 }}',
    "printf of types": '{{ printf "%T %T %T %T %T %T %T" 1 1.5 "s" true .Alerts .CommonLabels (index .Alerts 0) }} {{ printf "%T %T" .Alerts.Firing nil }}',
    "printf of a pair": '{{ range .GroupLabels.SortedPairs }}{{ printf "%v %+v %s %q" . . . . }} {{ end }}',
    "html": '{{ html "<a href=\\"x\\">\'&+</a>" }} {{ "<" | html }} {{ html 1 2 "x" }}',
    "js": '{{ js "a<b\'\\"=&\\\\\\n\\t\\u2028ü" }} {{ js 1 2 }}',
    "urlquery": '{{ urlquery "a b/&ü?=+~-_." }} {{ .GroupLabels.cluster | urlquery }} {{ urlquery 1 2 "a" }}',
    # Numbers, strings, truth.
    "numbers": "{{ 1e3 }} {{ 1000000.0 }} {{ 123456789.5 }} {{ 0.00001 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ +5 }} {{ .5 }} {{ 1. }}",
    "characters": "{{ 'a' }} {{ '\\n' }} {{ '✓' }} {{ '\\'' }} {{ '\\u00e9' }}",
    "strings": '{{ "a\\tb\\x41\\u00e9\\101" }} {{ `raw "x" \\n` }}',
    "truth": '{{ if 0 }}1{{ end }}{{ if "" }}2{{ end }}{{ if .GroupLabels.Remove .GroupLabels.Names }}3{{ end }}{{ if 0.0 }}4{{ end }}'
    "{{ if false }}5{{ end }}{{ if index .Alerts 0 }}6{{ end }}{{ if -1 }}7{{ end }}{{ if (index .Alerts 0).EndsAt }}8{{ end }}",
    "a pipeline in parentheses": '{{ (printf "%s-%s" .Status .Receiver) | toUpper }} {{ len (slice (print "abc" 1) 1) }}',
    "a final argument": '{{ "b" | printf "%s%s" "a" }} {{ .CommonLabels.job | eq "api" }} {{ stringSlice "job" | .CommonLabels.Remove | len }}',
    "the receiver is quoted": "{{ .Receiver }} {{ .ExternalURL }}",
    "a missing key": "[{{ .CommonLabels.nope }}] [{{ with .CommonLabels.nope }}x{{ end }}]",
    # Times.
    "a time as it prints": "{{ range .Alerts }}{{ .StartsAt }} {{ .EndsAt }}\n{{ end }}",
    "a time by layouts": "{{ range .Alerts }}{{ .StartsAt.Format `2006-01-02 15:04:05 MST` }} {{ .StartsAt.Format `Jan 2, 2006 at 3:04pm (MST)` }} "
    "{{ .EndsAt.Format `Mon, 02 Jan 2006 15:04:05 -0700` }}\n{{ end }}",
    "every part of a layout": "{{ (index .Alerts 0).StartsAt.Format `January Jan 01 1 Monday Mon 2006 06 02 _2 2 002 __2 15 03 3 04 4 05 5 PM pm MST "
    "Z07:00 Z0700 Z07 -07:00 -0700 -07 Z07:00:00 -070000 .000 .999 ,000000000 .0001 _2006 Month Junes` }}",
    "layouts of a whole second": "{{ (index .Alerts 2).EndsAt.Format `05.999 05.000 05,999999999` }} {{ (index .Alerts 0).EndsAt.Format `2006-01-02T15:04:05.999Z07:00` }}",
    "the parts of a time": "{{ with (index .Alerts 0).StartsAt }}{{ .Year }} {{ .Month }} {{ printf `%d` .Month }} {{ .Day }} {{ .Hour }} {{ .Minute }} "
    "{{ .Second }} {{ .Nanosecond }} {{ .Weekday }} {{ .YearDay }} {{ .Unix }} {{ .UnixMilli }} {{ .UnixNano }} {{ .IsZero }}{{ end }}",
    "UTC": "{{ (index .Alerts 0).StartsAt.UTC }} {{ (index .Alerts 0).StartsAt.UTC.Hour }} {{ (index .Alerts 0).EndsAt.IsZero }}",
    "differences": "{{ with index .Alerts 2 }}{{ .EndsAt.Sub .StartsAt }} {{ (.EndsAt.Sub .StartsAt).Minutes }} {{ .StartsAt.Sub .EndsAt }} "
    "{{ (.StartsAt.Sub .EndsAt).Seconds }} {{ printf `%.1f` (.EndsAt.Sub .StartsAt).Hours }}{{ end }}",
    "arithmetic of times": "{{ with (index .Alerts 0).StartsAt }}{{ .Add -1800000000000 }} {{ (.Add 3600000000000).UnixMilli }} {{ .AddDate 0 1 30 }} "
    "{{ .AddDate 1 -9 0 }} {{ .Truncate 3600000000000 }} {{ .Round 60000000000 }}{{ end }}",
    "comparing times": "{{ with index .Alerts 0 }}{{ .StartsAt.After .EndsAt }} {{ .StartsAt.Before .EndsAt }} {{ .StartsAt.Equal .StartsAt.UTC }}{{ end }}",
    "durations": "{{ with index .Alerts 0 }}{{ $d := .StartsAt.Sub (.StartsAt.Add -3723004005006) }}{{ $d }} {{ $d.Milliseconds }} {{ $d.Round 1000000000 }} "
    "{{ $d.Truncate 60000000000 }} {{ $d.Hours }} {{ printf `%d %v %s` $d $d $d }} {{ .StartsAt.Sub (.StartsAt.Add -1500) }} {{ .StartsAt.Sub .StartsAt }} "
    "{{ .StartsAt.Sub (.StartsAt.Add 1500000) }} {{ .StartsAt.Sub (.StartsAt.Add -1) }}{{ end }}",
}  # fmt: skip

PAGES = {
    "text is escaped": "<p>{{ (index .Alerts 0).Annotations.summary }}</p>{{ (index .Alerts 0).Annotations.description }}",
    "an attribute is escaped": "<p title=\"{{ (index .Alerts 0).Annotations.description }}\" class='{{ .Status }} x'>x</p>",
    "a link": '<a href="{{ (index .Alerts 0).GeneratorURL }}">Source</a>',
    "a link that runs a script": '{{ range .Alerts }}<a href="{{ .Annotations.runbook_url }}">R</a>{{ end }}',
    "a link that continues": '<a href="{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver }}&x={{ .Status }}">x</a>',
    "a query": '<a href="/x?q={{ (index .Alerts 0).Annotations.description }}&z={{ "a b" | urlquery }}">x</a>',
    "a path": '<a href="/x/{{ (index .Alerts 0).Annotations.runbook_url }}">x</a>',
    "a link from a template": '{{ define "link" }}{{ .ExternalURL }}/#/a?b={{ .Receiver }}{{ end }}<a href="{{ template "link" . }}">{{ template "link" . }}</a>',
    "safeHtml": '{{ safeHtml "<b>x</b>" }} <p title="{{ safeHtml "<b>x</b> & &amp;" }}">',
    "html is not escaped twice": '{{ "<x>" | html }} <p title="{{ "<x>" | html }}">',
    "comments are dropped": "a<!-- {{ .Status }} <b> -->b<!--[if mso]><p><![endif]-->c",
    "a lone bracket": "1 < 2 {{ .Status }} <3 <!x></ >",
    "a doctype": "<!DOCTYPE html PUBLIC \"-//W3C//DTD\"><html><head><title>{{ (index .Alerts 0).Annotations.summary }}</title></head>",
    "a colour of a branch": '<p style="color: {{ if eq .Status "firing" }}#b00{{ else }}green{{ end }}; top: 0">x</p>',
    "a colour of a value": '<p style="color: {{ .CommonLabels.job }}; width: {{ 3 }}px; background: {{ "url(x)" }}; x: {{ "a--b" }}">x</p>',
    "an attribute without quotes": "<p class={{ (index .Alerts 0).Annotations.summary }} id={{ .Status }}>x</p>",
    "an address without quotes": "<a href={{ (index .Alerts 0).GeneratorURL }}>x</a><a href=/a/{{ .Status }}>y</a>",
    "an optional attribute": '<tr {{ if eq .Status "firing" }}class="a"{{ end }}><td{{ if .CommonLabels.job }} id="b"{{ end }}>x</td></tr>',
    "nil shows nothing": '{{ define "nothing" }}[{{ . }}]{{ end }}{{ template "nothing" }}',
    "a style sheet and a script": "<style>p > a { color: red }</style><script>var x = 1 < 2;</script>{{ .Status }}",
    "an e-mail": '<html><body><table width="100%">{{ range .Alerts }}<tr><td bgcolor="#fff">{{ .Labels.alertname }}</td><td>'
    "{{ range .Labels.SortedPairs }}{{ .Name }} = {{ .Value }}<br/>{{ end }}</td>"
    '<td><a href="{{ .GeneratorURL }}" style="color: #348eda;">Source</a></td></tr>{{ else }}<tr></tr>{{ end }}</table></body></html>',
    "numbers and times": "{{ len .Alerts }} {{ (index .Alerts 0).StartsAt }} {{ printf \"%v\" .GroupLabels.Names }}",
    "a mail address": '<a href="mailto:{{ "a b@x.org" }}">x</a><a href="{{ "MAILTO:a@x" }}">x</a><a href="{{ "tel:1" }}">x</a><a href="{{ "//x/y" }}">x</a>',
}  # fmt: skip

FAILURES = [
    pytest.param("{{ .Foo }}", id="an unknown field"),
    pytest.param("{{ range .Alerts }}{{ .Label }}{{ end }}", id="an unknown field of an alert"),
    pytest.param("{{ foo }}", id="an unknown function"),
    pytest.param('{{ template "nope" }}', id="an unknown template"),
    pytest.param("{{ $x }}", id="an unknown variable"),
    pytest.param("{{ index .Alerts 9 }}", id="an index out of range"),
    pytest.param('{{ eq 1 "a" }}', id="kinds that cannot be compared"),
    pytest.param("{{ eq 1 1.0 }}", id="a whole number and a float"),
    pytest.param("{{ lt true false }}", id="truth values have no order"),
    pytest.param("{{ len 3 }}", id="a number has no length"),
    pytest.param("{{ range .Status }}{{ end }}", id="a range over a string"),
    pytest.param("{{ toUpper }}", id="too few arguments"),
    pytest.param('{{ toUpper "a" "b" }}', id="too many arguments"),
    pytest.param("{{ toUpper 1 }}", id="an argument of the wrong class"),
    pytest.param('{{ .Status "x" }}', id="an argument for a field"),
    pytest.param('{{ "x" | .Status }}', id="a final argument for a field"),
    pytest.param("{{ .CommonLabels.a-b }}", id="a field with a dash"),
    pytest.param('{{ match "(" "x" }}', id="a pattern that is none"),
    pytest.param("{{ if .Status }}x", id="an if without end"),
    pytest.param("{{ end }}", id="an end without if"),
    pytest.param("{{ else }}", id="an else without if"),
    pytest.param("{{ break }}", id="a break outside of range"),
    pytest.param('{{ "x" }', id="an action that is not closed"),
    pytest.param("{{ nil }}", id="nil as a command"),
    pytest.param("{{ 1 | 2 }}", id="a number as a stage"),
    pytest.param('{{ "a\\w" }}', id="an escape that is none"),
    pytest.param("{{ 'ab' }}", id="two characters as one"),
    pytest.param("{{ 12x }}", id="a number that is none"),
    pytest.param("{{/* x }}", id="a comment that is not closed"),
    pytest.param("{{ $x := 1 $y }}", id="a variable as an argument of a number"),
    pytest.param("{{ (1).x }}", id="a field of a number"),
    pytest.param("{{ index nil 1 }}", id="an index of nil"),
    pytest.param('{{ slice "abc" 2 1 }}', id="a slice that ends before it begins"),
]

type Amtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def amtool(program: Callable[[str], Path], tmp_path: Path) -> Amtool:
    (tmp_path / "data.json").write_text(json.dumps(payload(NOTIFICATION, EXTERNAL_URL, 0)))

    def run(files: Sequence[tuple[str, str]], text: str, kind: str) -> subprocess.CompletedProcess[str]:
        for name, content in files:
            (tmp_path / name).write_text(content)
        command = [str(program("amtool")), "template", "render", f"--template.glob={tmp_path}/*.tmpl"]
        command += [f"--template.data={tmp_path}/data.json", f"--template.text={text}", f"--template.type={kind}"]
        environment = {**os.environ, "TZ": "UTC"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path, env=environment
        )

    return run


@pytest.mark.parametrize(
    ("rows", "kind"), [pytest.param(TEXTS, "text", id="text"), pytest.param(PAGES, "html", id="html")]
)
def test_what_people_write_renders_as_in_alertmanager(amtool: Amtool, rows: dict[str, str], kind: str) -> None:
    files = [(f"row{number}.tmpl", text) for number, text in enumerate(rows.values())]
    text = SEPARATOR.join(f'{{{{ template "{name}" . }}}}' for name, _ in files)
    done = amtool(files, text, kind)
    assert done.returncode == 0, done.stderr
    template = read_templates(files).compile(text, name="all", html=kind == "html")
    ours = template.render(template_data(NOTIFICATION, EXTERNAL_URL), NOON)
    theirs = done.stdout.removesuffix("\n")
    assert dict(zip(rows, ours.split(SEPARATOR), strict=True)) == dict(zip(rows, theirs.split(SEPARATOR), strict=True))
    assert ours == theirs


@pytest.mark.parametrize("text", FAILURES)
def test_what_fails_in_alertmanager_is_refused(amtool: Amtool, text: str) -> None:
    assert amtool([("x.tmpl", "")], text, "text").returncode != 0
    with pytest.raises(TemplateError):
        read_templates().compile(text, name="x").render(template_data(NOTIFICATION, EXTERNAL_URL), NOON)
