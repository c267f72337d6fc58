"""The language of templates: what each construct prints."""

# ruff: noqa: E501 - a row of a table is one line, however long its template

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.templates import Data, read_templates, template_data
from domain.templates.times import Time
from domain.templates.values import KV, Alert, Alerts
from tests.builders import HOUR, NOON, alert, notification

DATA = template_data(
    notification(
        alert(
            job="api",
            instance="a:1",
            severity="critical",
            annotations={"summary": "disk full", "description": "ünïcode <b>"},
        ),
        alert("resolved", job="api", instance="b:1"),
        alert(job="api", instance="c:1", severity="warning"),
        group_labels={"alertname": "DiskFull"},
    ),
    "http://am",
)


def render(text: str, *files: str, data: Data = DATA, html: bool = False) -> str:
    """What the text says, with those template files, an hour past noon."""
    templates = read_templates([(f"{number}.tmpl", file) for number, file in enumerate(files)])
    return templates.compile(text, name="text", html=html).render(data, NOON + HOUR)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="nothing is nothing"),
        pytest.param("plain } {x} text\n", "plain } {x} text\n", id="text is itself"),
        pytest.param("a {{ .Status }} b", "a firing b", id="an action prints a value"),
        pytest.param("{{.Status}}", "firing", id="spaces are not needed"),
        pytest.param("{{ .Status\n|\ttoUpper }}", "FIRING", id="an action goes over lines"),
        pytest.param("{{ `}}` }}", "}}", id="braces in a string end nothing"),
        pytest.param("{{ `raw\\n` }}{{ `a\r\nb` }}", "raw\\na\nb", id="a raw string keeps all but carriage returns"),
        pytest.param('{{ "a\\tb\\x41\\u00e9\\101\\"" }}', 'a\tbAéA"', id="a string has Go's escapes"),
        pytest.param("{{ 'a' }} {{ '\\n' }} {{ '\\'' }} {{ '\"' }}", "97 10 39 34", id="a character is its number"),
        pytest.param("{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ +5 }}", "31 5 15 15 1000 5", id="bases"),
        pytest.param("{{ 1e3 }} {{ .5 }} {{ 1. }} {{ 1000000.0 }}", "1000 0.5 1 1e+06", id="floats"),
        pytest.param("{{ true }} {{ false }}", "true false", id="truth values"),
        pytest.param("{{ (len .Alerts) }}", "3", id="parentheses"),
        # White space
        pytest.param("a \n\t {{- .Status }} b", "afiring b", id="a dash trims before"),
        pytest.param("a {{ .Status -}} \r\n b", "a firingb", id="a dash trims after"),
        pytest.param("a  {{- `x`   -}}  b", "axb", id="a dash trims on both sides"),
        pytest.param("{{-3}}|{{- 3 -}}|", "-3|3|", id="a dash without a space is a sign"),
        pytest.param("{{- `x` -}}   {{- `y` -}}  ", "xy", id="two dashes meet"),
        pytest.param("   {{- /* all */ -}}   ", "", id="all may be trimmed"),
        # Comments
        pytest.param("a{{/* }} */}}b", "ab", id="a comment prints nothing"),
        pytest.param("a {{- /* x\ny */ -}} b", "ab", id="a comment may trim"),
        # Fields and variables
        pytest.param("{{ .CommonLabels.job }}", "api", id="a label"),
        pytest.param("[{{ .CommonLabels.nope }}]", "[]", id="a label that is missing is empty"),
        pytest.param("{{ $.Status }} {{ $ | len | printf `%v` }}", None, id="the root has no length"),
        pytest.param("{{ $x := .Status }}{{ $x }}", "firing", id="a variable"),
        pytest.param("{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", "2", id="a variable is assigned again"),
        pytest.param("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1", id="an inner variable is another"),
        pytest.param("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2", id="an outer variable is the same"),
        pytest.param("{{ $x:=1 }}{{$x}}", "1", id="no spaces around :="),
        pytest.param("{{ $a := index .Alerts 0 }}{{ $a.Labels.job }}", "api", id="a variable's fields"),
        pytest.param("{{ (index .Alerts 0).Labels.instance }}", "a:1", id="a chain after parentheses"),
        pytest.param("{{ (.CommonLabels.Remove (stringSlice `job`)).alertname }}", "DiskFull", id="a chain after a method"),
        pytest.param("{{ .Alerts.Firing | len }}", "2", id="a method without arguments"),
        pytest.param("{{ $.CommonLabels.Names | join `,` }}", "alertname,job", id="a method of a variable"),
        pytest.param("{{ stringSlice `job` | .CommonLabels.Remove | len }}", "1", id="a method takes the piped value"),
        pytest.param("{{ `b` | printf `%s%s` `a` }}", "ab", id="the piped value is the last argument"),
        # if
        pytest.param("{{ if .Status }}y{{ end }}", "y", id="if"),
        pytest.param("{{ if .CommonLabels.nope }}y{{ end }}", "", id="if not"),
        pytest.param("{{ if false }}1{{ else }}2{{ end }}", "2", id="else"),
        pytest.param("{{ if false }}1{{ else if true }}2{{ else }}3{{ end }}", "2", id="else if"),
        pytest.param("{{ if false }}1{{ else if false }}2{{ else if true }}3{{ end }}", "3", id="else if, twice"),
        pytest.param("{{ if false }}1{{ else with .Status }}{{ . }}{{ end }}", "firing", id="else with"),
        pytest.param("{{ with `` }}1{{ else if true }}2{{ end }}", "2", id="with and else if"),
        pytest.param("{{ with `` }}1{{ else with `x` }}{{ . }}{{ end }}", "x", id="with and else with"),
        pytest.param("{{ if $x := .Status }}{{ $x }}{{ end }}", "firing", id="a variable of if"),
        pytest.param("{{ if $x := `` }}1{{ else }}[{{ $x }}]{{ end }}", "[]", id="a variable of if in else"),
        # with
        pytest.param("{{ with .CommonLabels }}{{ .job }}{{ end }}", "api", id="with moves the dot"),
        pytest.param("{{ with .CommonLabels.nope }}1{{ else }}{{ .Status }}{{ end }}", "firing", id="else of with does not"),
        pytest.param("{{ with $l := .CommonLabels }}{{ $l.job }}{{ .job }}{{ end }}", "apiapi", id="a variable of with"),
        # range
        pytest.param("{{ range .Alerts }}{{ .Labels.instance }} {{ end }}", "a:1 b:1 c:1 ", id="range over alerts"),
        pytest.param("{{ range $a := .Alerts }}{{ $a.Status }} {{ end }}", "firing resolved firing ", id="one variable"),
        pytest.param("{{ range $i, $a := .Alerts }}{{ $i }}{{ $a.Status }} {{ end }}", "0firing 1resolved 2firing ", id="two"),
        pytest.param("{{ range $k, $v := .CommonLabels }}{{ $k }}={{ $v }} {{ end }}", "alertname=DiskFull job=api ", id="a map in order"),
        pytest.param("{{ range .CommonLabels }}{{ . }} {{ end }}", "DiskFull api ", id="a map's values"),
        pytest.param("{{ range stringSlice }}x{{ else }}none{{ end }}", "none", id="else of range"),
        pytest.param("{{ range nil }}x{{ else }}none{{ end }}", None, id="range over a written nil"),
        pytest.param("{{ range 3 }}{{ . }}{{ end }}{{ range $i, $n := 2 }}{{ $i }}{{ end }}", "01201", id="range over a number"),
        pytest.param("{{ range 5 }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "01", id="break"),
        pytest.param("{{ range 4 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "013", id="continue"),
        pytest.param("{{ range 2 }}{{ range 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "01", id="break leaves one range"),
        pytest.param("{{ $v := 0 }}{{ range $v = stringSlice `a` `b` }}{{ end }}{{ $v }}", "b", id="range assigns"),
        pytest.param(
            "{{ $i := 0 }}{{ $v := 0 }}{{ range $i, $v = stringSlice `a` `b` }}{{ end }}{{ $i }}{{ $v }}", "1b", id="range assigns two"
        ),
        pytest.param("{{ range .Alerts }}{{ $.Status }}{{ end }}", "firingfiringfiring", id="$ is the root in range"),
        pytest.param("{{ range .Alerts }}{{ $x := 1 }}{{ end }}{{ range 1 }}{{ $x := 2 }}{{ $x }}{{ end }}", "2", id="scopes end"),
        pytest.param("{{ range (dict `b` 1 `a` nil) }}{{ . }};{{ end }}", "<no value>;1;", id="range over a dict"),
        # Templates
        pytest.param("{{ define `x` }}[{{ . }}]{{ end }}{{ template `x` .Status }}", "[firing]", id="define and template"),
        pytest.param('{{ template "x" . }}{{ define "x" }}{{ .Status }}{{ end }}', "firing", id="a template before its definition"),
        pytest.param("{{ define `x` }}[{{ . }}]{{ end }}{{ template `x` }}", "[<no value>]", id="a template about nothing"),
        pytest.param("{{ block `x` .CommonLabels }}{{ .job }}{{ end }}", "api", id="a block"),
        pytest.param("{{ define `x` }}{{ $ }}{{ end }}{{ template `x` 5 }}", "5", id="$ is the template's own root"),
        pytest.param(
            "{{ define `n` }}{{ if . }}{{ len . }}{{ template `n` (slice . 1) }}{{ end }}{{ end }}{{ template `n` `abc` }}",
            "321",
            id="a template calls itself",
        ),
    ],
)  # fmt: skip
def test_language(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(Exception, match="text:1:"):
            render(text)
    else:
        assert render(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("0", False, id="zero"),
        pytest.param("-1", True, id="a number"),
        pytest.param("0.0", False, id="zero with a point"),
        pytest.param("``", False, id="the empty string"),
        pytest.param("`0`", True, id="a string"),
        pytest.param("false", False, id="false"),
        pytest.param("(list nil)", True, id="a list"),
        pytest.param("(list)", False, id="an empty list"),
        pytest.param("(dict)", False, id="an empty map"),
        pytest.param(".CommonLabels", True, id="a map"),
        pytest.param("(index .Alerts 0)", True, id="an alert"),
        pytest.param("(index .Alerts 0).EndsAt", True, id="even the zero time, as in Go"),
        pytest.param("((index .Alerts 0).EndsAt.Sub (index .Alerts 0).EndsAt)", False, id="no duration"),
        pytest.param("(index (list nil) 0)", False, id="nil"),
    ],
)
def test_truth(value: str, expected: bool) -> None:
    assert render(f"{{{{ if {value} }}}}true{{{{ else }}}}false{{{{ end }}}}") == str(expected).lower()
    assert render(f"{{{{ not {value} }}}}") == str(not expected).lower()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(["{{ define `x` }}1{{ end }}"], "1", id="a file's definition"),
        pytest.param(["{{ define `x` }}1{{ end }}", "{{ define `x` }}2{{ end }}"], "2", id="a later file's counts"),
        pytest.param(["{{ define `x` }}1{{ end }}", "{{ define `x` }} {{ end }}"], "1", id="unless it is empty"),
        pytest.param(["{{ define `x` }} {{ end }}{{ define `x` }}2{{ end }}"], "2", id="an empty one is replaced"),
        pytest.param(["{{ define `x` }}{{ template `y` }}{{ end }}", "{{ define `y` }}3{{ end }}"], "3", id="across files"),
        pytest.param(["{{ define `x` }}{{ template `0.tmpl` }}{{ end }}own"], "own", id="a file is a template itself"),
        pytest.param(
            ["{{ define `__subject` }}mine{{ end }}{{ define `x` }}{{ template `slack.default.title` . }}{{ end }}"],
            "mine",
            id="a built-in template calls what replaced another",
        ),
    ],
)  # fmt: skip
def test_files(files: list[str], expected: str) -> None:
    assert render("{{ template `x` . }}", *files) == expected


def test_a_file_is_called_by_its_name_without_folders() -> None:
    templates = read_templates([("/etc/tocsin/a.tmpl", "x")])
    assert templates.compile("{{ template `a.tmpl` }}", name="t").render(DATA, NOON) == "x"
    assert "a.tmpl" in templates.names


def test_a_text_may_define_its_own_templates() -> None:
    templates = read_templates([("a.tmpl", "{{ define `x` }}{{ template `__subject` . }}{{ end }}")])
    text = "{{ define `__subject` }}mine{{ end }}{{ template `x` . }}"
    assert templates.compile(text, name="t").render(DATA, NOON) == "mine"
    assert templates.compile("{{ template `x` . }}", name="t").render(DATA, NOON) != "mine"


def test_a_rendering_is_repeatable() -> None:
    template = read_templates().compile("{{ range .Alerts }}{{ .Status }}{{ end }}", name="t")
    assert template.render(DATA, NOON) == template.render(DATA, NOON)


def test_a_template_is_rendered_about_other_data() -> None:
    at = Time.of(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    one = Alert("firing", KV({"a": "b"}), KV({}), at, at, "http://p", "f")
    data = Data("r", "firing", Alerts((one,)), "", KV({}), KV({"a": "b"}), KV({}), KV({"team": "x"}), "http://am")
    text = "{{ .Receiver }} {{ .RouteLabels.team }} {{ .TruncatedAlerts }} {{ (index .Alerts 0).GeneratorURL }}"
    assert render(text, data=data) == "r x 0 http://p"
