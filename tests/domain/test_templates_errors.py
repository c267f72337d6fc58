"""What is refused when a template is read, and what breaks a limit: always with the place."""

# ruff: noqa: E501 - a row of a table is one line, however long its template

from __future__ import annotations

import pytest

from domain.errors import RejectedError
from domain.templates import Limits, TemplateError, TemplateLimitError, read_templates, template_data
from tests.builders import NOON, alert, notification
from tests.domain.test_templates import DATA


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Words
        pytest.param("{{ foo }}", '1:4: function "foo" is not known', id="an unknown function"),
        pytest.param("a\n{{ .Status }}\n  {{ foo 1 }}", '3:6: function "foo" is not known', id="on a later line"),
        pytest.param("{{ .Status | default `x` }}", '1:14: function "default" is not known', id="a function of Sprig's"),
        pytest.param("{{ call .Status }}", "1:4: call is refused: there are no values to call", id="call"),
        pytest.param("{{ $x }}", "1:4: the variable $x is not declared", id="an unknown variable"),
        pytest.param("{{ $x = 1 }}", "1:4: the variable $x is not declared", id="an assignment to an unknown variable"),
        pytest.param("{{ $x := $x }}", "1:10: the variable $x is not declared", id="a variable in its own value"),
        pytest.param("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", "1:39: the variable $x is not declared", id="out of scope"),
        pytest.param("{{ if true }}{{ $x := 1 }}{{ else }}{{ $x }}{{ end }}", "1:40: the variable $x is not declared", id="of another branch"),
        pytest.param("{{ define `a` }}{{ $x }}{{ end }}{{ $x := 1 }}", "1:20: the variable $x is not declared", id="of another template"),
        pytest.param("{{ template `nope` . }}", '1:1: there is no template "nope"', id="an unknown template"),
        pytest.param("{{ template `slack.default.titel` . }}", '1:1: there is no template "slack.default.titel"; is slack.default.title meant?', id="nearly a template"),
        # Characters
        pytest.param("{{ .Status", "1:1: the action is not closed", id="an action that is not closed"),
        pytest.param("{{ .Status }", '1:12: unexpected "}"', id="one brace"),
        pytest.param('{{ "x }}', "1:4: the string is not closed", id="a string that is not closed"),
        pytest.param("{{ 'x }}", "1:4: the character constant is not closed", id="a character that is not closed"),
        pytest.param("{{ `x }}", "1:4: the raw string is not closed", id="a raw string that is not closed"),
        pytest.param("x{{/* x }}", "1:2: the comment is not closed", id="a comment that is not closed"),
        pytest.param("{{/* x */ 1 */}}", "1:1: the comment must end with */}} or */ -}}", id="the end of a comment twice"),
        pytest.param("{{/* x */ 1 }}", "1:1: the comment must end with */}} or */ -}}", id="a comment and more"),
        pytest.param("{{ .CommonLabels.a-b }}", '1:19: unexpected "-" after .a; a name with such a character is read by index: (index .Labels "a-b")', id="a dash in a name"),
        pytest.param("{{ ! }}", '1:4: unexpected "!"', id="a character that means nothing"),
        pytest.param("{{ .5x }}", '1:4: ".5x" is not a number', id="a dot before a number that is none"),
        pytest.param("{{ 12x }}", '1:4: "12x" is not a number', id="a number that is none"),
        pytest.param("{{ 1_ }}", '1:4: "1_" is not a number', id="a number that ends too early"),
        pytest.param("{{ 0x_ }}", '1:4: "0x_" is not a number', id="a number without digits"),
        pytest.param("{{ 2i }}", '1:4: "2i" is not a number', id="a complex number"),
        pytest.param("{{ 9223372036854775808 }}", "1:4: 9223372036854775808 does not fit into 64 bits", id="a great number"),
        pytest.param("{{ 'ab' }}", "1:4: 'ab' is not one character", id="two characters"),
        pytest.param("{{ '\\w' }}", "1:4: '\\w' is not one character", id="an escape of no character"),
        pytest.param('{{ "\\w" }}', "1:4: not a string: invalid escape or line feed at 1 in", id="an escape that is none"),
        pytest.param("{{ . x }}", '1:6: function "x" is not known', id="a dot alone"),
        pytest.param("{{ (.Status). }}", "1:13: a name must follow the dot", id="a dot without a name"),
        # Pipelines
        pytest.param("{{}}", "1:3: the action has no value", id="nothing"),
        pytest.param("{{ if }}x{{ end }}", "1:7: if has no value", id="if of nothing"),
        pytest.param("{{ () }}", "1:5: the parenthesis has no value", id="parentheses of nothing"),
        pytest.param("{{ .Status | }}", "1:14: a command is missing", id="a pipe to nothing"),
        pytest.param("{{ | .Status }}", "1:4: a command is missing", id="a pipe from nothing"),
        pytest.param("{{ 1 | 2 }}", "1:8: a stage after | must be a function or a method", id="a number as a stage"),
        pytest.param("{{ nil }}", "1:4: nil is no command", id="nil alone"),
        pytest.param("{{ 1 2 }}", "only functions and methods take arguments", id="a number with an argument"),
        pytest.param("{{ (print) 1 }}", "only functions and methods take arguments", id="parentheses with an argument"),
        pytest.param("{{ 1 | (print) }}", "1:9: only functions and methods take arguments", id="parentheses as a stage"),
        pytest.param("{{ (print 1 }}", "1:13: unexpected the end of the action in the parenthesis", id="a parenthesis not closed"),
        pytest.param("{{ print 1) }}", "1:11: unexpected ) in the action", id="a parenthesis too many"),
        pytest.param("{{ print 1(2) }}", '1:11: unexpected "(" in the action', id="no space between arguments"),
        pytest.param("{{ print = }}", '1:10: unexpected "=" in the action', id="an equals sign"),
        pytest.param("{{ print if }}", "1:10: unexpected if", id="a keyword as an argument"),
        pytest.param("{{ print ($x := 1) }}", "1:11: a variable is not assigned between parentheses", id="an inner assignment"),
        pytest.param("{{ $ := 1 }}", "1:4: $ is not assigned", id="an assignment to $"),
        pytest.param("{{ $x, $y := 1 }}", "1:6: only range assigns two variables", id="two variables"),
        pytest.param("{{ range $x, y := .Alerts }}{{ end }}", '1:14: unexpected "y" in the assignment', id="a second variable that is none"),
        pytest.param("{{ range $a, $b, $c := .Alerts }}{{ end }}", "1:16: only range assigns two variables", id="three variables"),
        pytest.param('{{ "a".b }}', '1:4: "a" has no fields', id="a field of a string"),
        pytest.param("{{ print.x }}", "1:4: write (print …).x for a field of what print returns", id="a field of a function"),
        # Blocks
        pytest.param("{{ if .Status }}x", "1:18: the end of if is missing, which began at text:1:1", id="if without end"),
        pytest.param("{{ range .Alerts }}{{ if . }}{{ end }}", "1:39: the end of range is missing, which began at text:1:1", id="range without end"),
        pytest.param("{{ define `x` }}x", "1:18: the end of define is missing, which began at text:1:1", id="define without end"),
        pytest.param("{{ end }}", "1:4: unexpected end: no block is open", id="end alone"),
        pytest.param("{{ else }}", "1:4: unexpected else: no block is open", id="else alone"),
        pytest.param("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "this if has an else already", id="two elses"),
        pytest.param("{{ define `x` }}{{ else }}{{ end }}", "unexpected else in define", id="else of define"),
        pytest.param("{{ range 1 }}{{ else if 1 }}{{ end }}", '1:22: unexpected "if" in else', id="else if of range"),
        pytest.param("{{ end 1 }}", "1:4: unexpected end: no block is open", id="an argument of end, alone"),
        pytest.param("{{ if 1 }}{{ end 1 }}", '1:18: unexpected "1" in end', id="an argument of end"),
        pytest.param("{{ break }}", "1:4: break outside of range", id="break alone"),
        pytest.param("{{ range .Alerts }}{{ end }}{{ continue }}", "1:32: continue outside of range", id="continue after range"),
        pytest.param("{{ range .Alerts }}{{ block `x` . }}{{ break }}{{ end }}{{ end }}", "1:40: break outside of range", id="break in a block's own template"),
        pytest.param("{{ if 1 }}{{ define `x` }}{{ end }}{{ end }}", "1:14: a template is defined only outside of blocks", id="define inside"),
        pytest.param("{{ define x }}{{ end }}", "1:11: define needs a name between quotes", id="define without quotes"),
        pytest.param("{{ template .Status }}", "1:13: template needs a name between quotes", id="template by a value"),
        pytest.param("{{ define `x` . }}{{ end }}", '1:15: unexpected "." in define', id="define about something"),
        pytest.param("{{ define `x` }}1{{ end }}\n{{ define `x` }}2{{ end }}", 'the template "x" is defined already, at text:1:1', id="defined twice"),
        # What is known of the data
        pytest.param("{{ .ComonLabels.job }}", "1:4: *template.Data has no field ComonLabels; is CommonLabels meant?", id="a misspelt field"),
        pytest.param("{{ if .Status }}\n{{ $.Receivr }}{{ end }}", "2:4: *template.Data has no field Receivr; is Receiver meant?", id="of $"),
        pytest.param("{{ range .Alerts }}{{ .Label.x }}{{ end }}", "1:23: template.Alert has no field Label; is Labels meant?", id="of an alert"),
        pytest.param("{{ range $i, $a := .Alerts }}{{ $a.Foo }}{{ end }}", "1:33: template.Alert has no field Foo", id="of a variable"),
        pytest.param("{{ with index .Alerts 0 }}{{ .Foo }}{{ end }}", "1:30: template.Alert has no field Foo", id="of an indexed alert"),
        pytest.param("{{ with slice .Alerts 0 1 }}{{ .Foo }}{{ end }}", "1:32: template.Alerts has no field Foo", id="of a slice"),
        pytest.param("{{ with or .CommonLabels .GroupLabels }}{{ .Names.x }}{{ end }}", "1:44: []string has no field x", id="of either of two"),
        pytest.param("{{ range .CommonLabels.SortedPairs }}{{ .Key }}{{ end }}", "1:41: template.Pair has no field Key", id="of a pair"),
        pytest.param("{{ .Alerts.Firing.Resolved }}", "1:4: []template.Alert has no field Resolved", id="of chosen alerts"),
        pytest.param("{{ .Status.Foo }}", "1:4: string has no field Foo", id="of a string"),
        pytest.param("{{ range 3 }}{{ .x }}{{ end }}", "1:17: int has no field x", id="of a number"),
        pytest.param("{{ range $k, $v := .CommonLabels }}{{ $k.x }}{{ end }}", "1:39: string has no field x", id="of a label's name"),
        pytest.param("{{ define `x` }}{{ .Foo }}{{ end }}{{ template `x` . }}", "1:20: *template.Data has no field Foo", id="in a called template"),
        pytest.param("{{ define `x` }}{{ .Foo }}{{ end }}{{ template `x` }}", "1:20: nil has no field Foo", id="in a template about nothing"),
        pytest.param("{{ range .Status }}{{ end }}", "1:10: range does not go over string", id="range over a string"),
        pytest.param("{{ .Status `x` }}", "1:4: Status takes 0 arguments, not 1", id="an argument of a field"),
        pytest.param("{{ .CommonLabels.job `x` }}", "1:4: job is no method of template.KV and takes no arguments", id="an argument of a label"),
        pytest.param("{{ .CommonLabels.Remove }}", "1:4: Remove takes 1 arguments, not 0", id="a method without its argument"),
        pytest.param("{{ .CommonLabels.Remove `x` }}", "1:4: Remove: []string wanted, not string", id="a method's argument of another class"),
        pytest.param("{{ .CommonLabels.Names 1 }}", "1:4: Names takes 0 arguments, not 1", id="an argument of a method without any"),
        pytest.param("{{ toUpper }}", "1:4: toUpper takes 1 arguments, not 0", id="too few arguments"),
        pytest.param("{{ .Status | toUpper `x` }}", "1:14: toUpper takes 1 arguments, not 2", id="too many arguments"),
        pytest.param("{{ eq 1 }}", "1:4: eq takes at least 2 arguments, not 1", id="eq of one"),
        pytest.param("{{ print (len) }}", "1:11: len takes 1 arguments, not 0", id="too few in parentheses"),
        pytest.param("{{ print len }}", "1:10: len takes 1 arguments, not 0", id="a function as an argument"),
        pytest.param("{{ toUpper .Alerts }}", "1:4: toUpper: string wanted, not template.Alerts", id="another class"),
        pytest.param("{{ join .Status .Alerts }}", "1:4: join: []string wanted, not template.Alerts", id="another class of the last"),
        pytest.param("{{ toUpper true }}", "1:4: toUpper: string wanted, not bool", id="truth as a string"),
        pytest.param("{{ match `(` .Status }}", "1:10: match: '(' is not a regular expression: missing ): (", id="a pattern that is none"),
        pytest.param("{{ reReplaceAll `(?=x)` `` .Status }}", "1:17: reReplaceAll: '(?=x)' is not a regular expression", id="a pattern that RE2 lacks"),
        pytest.param("{{ (index .Alerts 0).StartsAt | tz `Europe/Pari` }}", "1:36: tz: there is no time zone 'Europe/Pari'", id="a zone that there is not"),
    ],
)  # fmt: skip
def test_refused_when_read(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read_templates().compile(text, name="text")
    if message[0].isdigit():
        assert str(caught.value).startswith(f"text:{message}")
    else:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ $x := `` }}{{ $x = .Alerts }}{{ $x.Firing }}", id="a variable that changes its class"),
        pytest.param("{{ $x := `` }}{{ if false }}{{ $x.Foo }}{{ end }}{{ range $x = .Alerts }}{{ end }}", id="that range assigns"),
        pytest.param("{{ with index (list .) 0 }}{{ if false }}{{ .Foo }}{{ end }}{{ end }}", id="an element of a list"),
        pytest.param("{{ with (dict `a` 1).a }}{{ if false }}{{ .Foo }}{{ end }}{{ end }}", id="a value of a dict"),
        pytest.param("{{ with or .Status .Alerts }}{{ if false }}{{ .Foo }}{{ end }}{{ end }}", id="either of two classes"),
        pytest.param("{{ if false }}{{ index (index .CommonLabels `a`) 0 }}{{ end }}", id="an index of an index"),
        pytest.param("{{ define `x` }}{{ if .Foo }}{{ end }}{{ end }}", id="a template that nobody calls"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_left_to_the_rendering(text: str) -> None:
    read_templates().compile(text, name="text").render(DATA, NOON)


def test_a_text_begins_at_its_line() -> None:
    with pytest.raises(TemplateError, match=r"^alertmanager\.yml:17:4: function"):
        read_templates().compile("x\n{{ foo }}", name="alertmanager.yml", line=16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("\n{{ define `x` }}{{ foo }}{{ end }}", 'slack.tmpl:2:20: function "foo" is not known', id="a function"),
        pytest.param("{{ define `x` }}{{ template `y` }}{{ end }}", 'slack.tmpl:1:17: there is no template "y"', id="a template"),
        pytest.param("{{ define `x` }}{{ len 1 2 }}{{ end }}", "slack.tmpl:1:20: len takes 1 arguments, not 2", id="arguments"),
        pytest.param("{{ range .Alerts }}{{ template `y` }}{{ end }}", "slack.tmpl:1:20: there is no template", id="in the file's own text"),
    ],
)  # fmt: skip
def test_refused_in_a_file(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read_templates([("ok.tmpl", "{{ define `ok` }}{{ end }}"), ("slack.tmpl", text)])
    assert str(caught.value).startswith(message)


def test_an_error_in_a_file_that_only_a_call_shows_names_the_file() -> None:
    templates = read_templates([("slack.tmpl", "{{ define `x` }}\n {{ .Foo }}{{ end }}")])
    with pytest.raises(TemplateError, match=r"^slack\.tmpl:2:5: \*template\.Data has no field Foo"):
        templates.compile("{{ template `x` . }}", name="text")


def test_an_error_is_a_rejection_and_knows_its_place() -> None:
    with pytest.raises(RejectedError) as caught:
        read_templates().compile("\n  {{ foo }}", name="text")
    assert isinstance(caught.value, TemplateError)
    assert (caught.value.place.name, caught.value.place.line, caught.value.place.column) == ("text", 2, 6)
    assert caught.value.problem == 'function "foo" is not known'


# ---- Limits ---------------------------------------------------------------------------------------------------------

SMALL = Limits(output=100, steps=1000, depth=10, source=500, nesting=5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("{{ range 200 }}x{{ end }}", "the output is longer than 100 characters", id="much output"),
        pytest.param("{{ range 9000 }}{{ end }}", "the template takes more than 1000 steps", id="much work"),
        pytest.param("{{ $x := `x` }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}", "the text is longer than 100 characters", id="a text that doubles"),
        pytest.param("{{ $x := `x` }}{{ range 64 }}{{ $x = printf `%[1]s%[1]s` $x }}{{ end }}", "the text is longer than", id="by printf"),
        pytest.param("{{ $x := `x` }}{{ range 64 }}{{ $x = reReplaceAll `x` `xx` $x }}{{ end }}", "the text is longer than", id="by reReplaceAll"),
        pytest.param("{{ $x := `<` }}{{ range 64 }}{{ $x = html $x }}{{ end }}", "the text is longer than", id="by html"),
        pytest.param("{{ $x := `\"` }}{{ range 64 }}{{ $x = toJson $x }}{{ end }}", "the text is longer than", id="by toJson"),
        pytest.param("{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x $x }}{{ end }}{{ $x }}", None, id="a list that doubles"),
        pytest.param("{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x }}{{ end }}{{ $x }}", "a value nests deeper than 30", id="a list in a list"),
        pytest.param("{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x }}{{ end }}{{ toJson $x }}", "a value nests deeper than 30", id="as JSON"),
        pytest.param("{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x }}{{ end }}{{ eq (print $x) `` }}", "a value nests deeper than 30", id="as text"),
        pytest.param("{{ $x := list }}{{ range 100 }}{{ $x = append $x 1 }}{{ end }}", "the template takes more than 1000 steps", id="a list that grows"),
        pytest.param("{{ printf `%500d` 1 }}", "the text is longer than 100 characters", id="a wide number"),
        pytest.param("{{ printf `%.500f` 1.0 }}", "the text is longer than 100 characters", id="a precise number"),
        pytest.param("{{ (index .Alerts 0).StartsAt.Format (printf `%90s` `x`) }}{{ (index .Alerts 0).StartsAt.Format `January January January January January January January January January January January January January` }}", "the text is longer than 100 characters", id="a long layout"),
        pytest.param("{{ define `r` }}{{ template `r` }}{{ end }}{{ template `r` }}", "blocks and calls nest deeper than 10", id="a template without an end"),
        pytest.param("{{ range .Alerts }}{{ range $.Alerts }}{{ range $.Alerts }}{{ range $.Alerts }}{{ range $.Alerts }}{{ $x := len $.Alerts }}{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}", "takes more than 1000 steps", id="ranges in ranges"),
    ],
)  # fmt: skip
def test_a_rendering_is_bounded(text: str, problem: str | None) -> None:
    template = read_templates(limits=SMALL).compile(text, name="text")
    with pytest.raises(TemplateLimitError) as caught:
        template.render(DATA, NOON)
    assert problem is None or problem in caught.value.problem
    assert caught.value.place.name == "text"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("x" * 501, "a template has at most 500 characters, not 501", id="a long text"),
        pytest.param("{{ x }}" + "x" * 501, "a template has at most 500 characters, not 508", id="a long template"),
        pytest.param("{{ if 1 }}" * 6 + "{{ end }}" * 6, "blocks and parentheses nest deeper than 5", id="deep blocks"),
        pytest.param("{{ " + "(" * 6 + "1" + ")" * 6 + " }}", "blocks and parentheses nest deeper than 5", id="deep parentheses"),
    ],
)  # fmt: skip
def test_a_text_is_bounded(text: str, problem: str) -> None:
    with pytest.raises(TemplateLimitError) as caught:
        read_templates(limits=SMALL).compile(text, name="text")
    assert caught.value.problem == problem


def test_the_usual_limits_stop_a_template_that_never_ends() -> None:
    text = "{{ define `r` }}{{ if true }}{{ template `r` }}{{ end }}{{ end }}{{ template `r` }}"
    with pytest.raises(TemplateLimitError, match="blocks and calls nest deeper than 100"):
        read_templates().compile(text, name="text").render(DATA, NOON)


def test_a_chain_of_many_templates_is_read() -> None:
    chain = "".join(f"{{{{ define `t{n}` }}}}{{{{ template `t{n + 1}` . }}}}{{{{ end }}}}" for n in range(2000))
    templates = read_templates([("chain.tmpl", chain + "{{ define `t2000` }}x{{ end }}")])
    templates.compile("{{ template `t0` . }}", name="text")
    with pytest.raises(TemplateLimitError, match="deeper than 100"):
        templates.compile("{{ template `t0` . }}", name="text", html=True)


def test_so_many_variables_at_once_are_enough() -> None:
    many = "".join(f"{{{{ $x{number} := 1 }}}}" for number in range(250))
    with pytest.raises(TemplateLimitError, match="more than 250 variables are in use at once"):
        read_templates().compile(many, name="text")
    one = "{{ if true }}{{ $x := 1 }}{{ end }}" * 300
    assert read_templates().compile(one, name="text").render(DATA, NOON) == ""


def test_many_uses_of_a_variable_are_read() -> None:
    text = "{{ $x := 1 }}" + "{{ $x }}{{ $x | print }}" * 2_000
    assert read_templates().compile(text, name="text").render(DATA, NOON) == "1" * 4_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("{{ humanizeDuration .x }}", "1" * 500_000 + "x", id="digits"),
        pytest.param("{{ title .x }}", "a'" * 250_000, id="words"),
        pytest.param("{{ urlUnescape .x }}", "%25" * 150_000, id="escapes"),
        pytest.param("{{ reReplaceAll `(a*)*$` `` .x }}", "a" * 500_000 + "b", id="a pattern"),
        pytest.param("<p title='{{ safeHtml .x }}'>", "<a" * 250_000 + '"', id="tags"),
        pytest.param("<a href='{{ .x }}'>{{ js .x }}", ":%" * 250_000, id="an address"),
    ],
)
@pytest.mark.timeout(20)
def test_no_value_takes_long(text: str, value: str) -> None:
    data = template_data(notification(alert(annotations={"x": value})), "")
    text = f"{{{{ with (index .Alerts 0).Annotations }}}}{text}{{{{ end }}}}"
    try:
        read_templates().compile(text, name="text", html=True).render(data, NOON)
    except TemplateError as error:
        assert len(str(error)) < 1000  # noqa: PT017 - an error is one of two good ends


@pytest.mark.parametrize("name", ["__class__", "__init__", "_limits", "pairs", "status", "items", "get"])
def test_no_attribute_of_python_is_reached(name: str) -> None:
    for value in (".", ".Alerts", "(index .Alerts 0)", ".Status", "(index .Alerts 0).StartsAt", "1"):
        with pytest.raises(TemplateError, match="has no field"):
            read_templates().compile(f"{{{{ ({value}).{name} }}}}", name="text")
        later = read_templates().compile(f"{{{{ (index (list {value}) 0).{name} }}}}", name="text")
        with pytest.raises(TemplateError, match="has no field"):
            later.render(DATA, NOON)
    assert read_templates().compile(f"{{{{ .CommonLabels.{name} }}}}", name="text").render(DATA, NOON) == ""
