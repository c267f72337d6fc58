"""What a `tocsin.yml` may say of a source's enrichment and of its mapping, and what is refused, where."""

from __future__ import annotations

import textwrap

import pytest

from domain.configuration.own import read_own_configuration
from domain.configuration.own_enriching import Files, lookup_files
from domain.errors import ConfigurationError, RejectedError
from domain.sources.definitions import Source
from domain.sources.enriching import Extraction, Lookup, Row
from domain.sources.generic import Expression, JsonMapping

CSV = "service, team,owner\ncheckout,shop,ann\n\n*,ops,\n"


def one(text: str, files: Files | None = None, kind: str = "grafana") -> Source:
    """The source of which this is said."""
    text = f"sources:\n- kind: {kind}\n" + textwrap.indent(textwrap.dedent(text).lstrip("\n"), "  ")
    return read_own_configuration(text, name="own.yml", files=files or {}).sources.find(kind, "k")


def test_severities_are_in_lower_case() -> None:
    assert one("severities: {Page: critical, 5: low}").severities == {"page": "critical", "5": "low"}


def test_extractions() -> None:
    said = one(
        """
        extract:
        - {label: alertname, pattern: '(?P<service>[a-z]+)'}
        - {annotation: summary, pattern: '(?P<n>\\d+)', override: true}
        - {label: host, pattern: '(?P<rack>r\\d+)', into: annotations}
        """
    )
    assert said.extractions == (
        Extraction("labels", "alertname", "(?P<service>[a-z]+)", "labels", False, "extract[0]"),
        Extraction("annotations", "summary", r"(?P<n>\d+)", "annotations", True, "extract[1]"),
        Extraction("labels", "host", r"(?P<rack>r\d+)", "annotations", False, "extract[2]"),
    )


def test_a_table_in_a_file() -> None:
    said = one(
        """
        lookup:
        - file: tables/services.csv
          match: service
          labels: [team]
          default: {team: platform}
        """,
        {"tables/services.csv": CSV},
    )
    assert said.lookups == (
        Lookup(
            "lookup tables/services.csv",
            ("service",),
            (
                Row(("checkout",), {"team": "shop"}, {"owner": "ann"}, "line 2"),
                Row(("*",), {"team": "ops"}, {}, "line 4"),
            ),
            Row((), {"team": "platform"}, {}),
        ),
    )


def test_a_table_in_the_file_itself() -> None:
    said = one(
        """
        lookup:
        - match: [service, env]
          labels: team
          rows:
          - {service: checkout, env: prod, team: shop}
          - {service: checkout, team: tools, owner: bob}
        - match: team
          override: true
          rows:
            shop: {phone: 1}
        """
    )
    first, second = said.lookups
    assert first.rows == (
        Row(("checkout", "prod"), {"team": "shop"}, {}, "rows[0]"),
        Row(("checkout", ""), {"team": "tools"}, {"owner": "bob"}, "rows[1]"),
    )
    assert second == Lookup("lookup[1]", ("team",), (Row(("shop",), {}, {"phone": "1"}, "rows.shop"),), override=True)


def test_a_mapping() -> None:
    said = one(
        """
        mapping:
          alerts: items
          name: [check, $.check]
          status: state
          firing: [CRIT]
          resolved: ok
          labels: {host: node.name}
          annotations: notes
        """,
        kind="generic",
    )
    assert said.mapping == JsonMapping(
        alerts=Expression("items"),
        name=(Expression("check"), Expression("$.check")),
        status=(Expression("state"),),
        firing=frozenset({"crit"}),
        resolved=frozenset({"ok"}),
        labels={"host": (Expression("node.name"),)},
        annotations=(Expression("notes"),),
    )


def test_the_files_that_are_wanted() -> None:
    text = "sources: [{lookup: [{file: a.csv}, {file: b.csv}, {rows: []}]}, {lookup: [{file: a.csv}]}, 7]"
    assert lookup_files(text) == ("a.csv", "b.csv")
    assert lookup_files("sources: {") == lookup_files("") == lookup_files("sources: 7") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "severities: {page: bad}",
            ['3: sources[0].severities.page: "bad" is none of critical, high, warning, info, low'],
            id="a severity that is none",
        ),
        pytest.param(
            "severities: {page: low, PAGE: high}",
            ['3: sources[0].severities.PAGE: "page" is there already: capitals do not count'],
            id="a word twice",
        ),
        pytest.param(
            "extract: [{pattern: (?P<a>x)}]",
            ["3: sources[0].extract[0]: expected either `label` or `annotation`: what is read"],
            id="nothing to read",
        ),
        pytest.param(
            "extract: [{label: a, annotation: b, pattern: (?P<a>x)}]",
            ["3: sources[0].extract[0]: expected either `label` or `annotation`: what is read"],
            id="two things to read",
        ),
        pytest.param(
            "extract: [{annotation: a, pattern: (?P<a>x), into: labels}]",
            [
                "3: sources[0].extract[0].into: labels can be made of labels only: an annotation may be another in the "
                "resolve, which then closes nothing; use `into: annotations`"
            ],
            id="a label of an annotation",
        ),
        pytest.param(
            "extract:\n- label: a\n  pattern: '[a-z'",
            ['5: sources[0].extract[0].pattern: invalid regular expression "[a-z": missing ]: [a-z'],
            id="no expression",
        ),
        pytest.param(
            "extract: [{label: a, pattern: x}]",
            [
                '3: sources[0].extract[0].pattern: "x" has no named group, such as (?P<team>[a-z]+): '
                "nothing would be set"
            ],
            id="no group",
        ),
        pytest.param(
            "extract: [{label: a}]",
            ["3: sources[0].extract[0].pattern: expected a regular expression with named groups"],
            id="no pattern",
        ),
        pytest.param(
            "extract: [{label: a, pattern: (?P<a>x), into: both, why: x}]",
            [
                '3: sources[0].extract[0].into: "both" is neither labels nor annotations',
                "3: sources[0].extract[0].why: unknown key",
            ],
            id="unknown words",
        ),
        pytest.param(
            "lookup: [{rows: []}]",
            ["3: sources[0].lookup[0]: expected `match`: one label, or a list of them, to look up"],
            id="nothing to look up",
        ),
        pytest.param(
            "lookup: [{match: a}]",
            ["3: sources[0].lookup[0]: expected either `file`, a CSV file, or `rows`"],
            id="no table",
        ),
        pytest.param(
            "lookup: [{match: a, file: gone.csv}]",
            ["3: sources[0].lookup[0].file: gone.csv cannot be read"],
            id="no such file",
        ),
        pytest.param(
            "lookup: [{match: service, labels: [crew], file: a.csv}]",
            ['3: sources[0].lookup[0].labels: no column "crew"'],
            id="no such column for a label",
        ),
        pytest.param(
            "lookup: [{match: [svc, service], labels: service, file: a.csv}]",
            [
                '3: sources[0].lookup[0].labels: "service" is matched already, and so is what it says',
                '3: sources[0].lookup[0].file: no column "svc", which is matched',
            ],
            id="no such column to match",
        ),
        pytest.param(
            "lookup: [{match: service, file: short.csv}]",
            [
                "3: sources[0].lookup[0].file: short.csv:3: 3 cells expected, as in the first line; 1 found",
            ],
            id="a row that is too short",
        ),
        pytest.param(
            "lookup: [{match: service, file: twice.csv}]",
            ["3: sources[0].lookup[0].file: twice.csv:1: two columns have one name"],
            id="two columns of one name",
        ),
        pytest.param(
            "lookup: [{match: service, file: empty.csv}]",
            ["3: sources[0].lookup[0].file: empty.csv is empty: a line with the names of its columns is expected"],
            id="an empty file",
        ),
        pytest.param(
            "lookup: [{match: service, file: quote.csv}]",
            ["3: sources[0].lookup[0].file: quote.csv:2: unexpected end of data"],
            id="a quote that does not end",
        ),
        pytest.param(
            "mapping: {name: a}", ["3: sources[0].mapping: only kind generic is read by a mapping"], id="another kind"
        ),
    ],
)
def test_what_is_refused(text: str, expected: list[str]) -> None:
    files: Files = {
        "a.csv": CSV,
        "gone.csv": RejectedError("gone.csv cannot be read"),
        "short.csv": "service,team,owner\na,b,c\nd\n",
        "twice.csv": "service,service\n",
        "empty.csv": "\n\n",
        "quote.csv": 'service\n"a\n',
    }
    with pytest.raises(ConfigurationError) as caught:
        one(text, files)
    assert str(caught.value).splitlines() == [f"own.yml:{line}" for line in expected]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        pytest.param(
            "{status: s}",
            ["3: sources[0].mapping: expected `name` or `labels`: without both no two alerts can be told apart"],
            id="nothing that identifies",
        ),
        pytest.param(
            "{name: 'a['}",
            [
                '3: sources[0].mapping.name: "a[" is no JMESPath expression: Invalid jmespath expression: Incomplete '
                "expression, at character 3"
            ],
            id="an expression that does not end",
        ),
        pytest.param(
            "{name: [a, 'b..c']}",
            [
                '3: sources[0].mapping.name[1]: "b..c" is no JMESPath expression: Expecting: '
                "['quoted_identifier', 'unquoted_identifier', 'lbracket', 'lbrace'], got: dot, at character 3"
            ],
            id="one of several",
        ),
        pytest.param(
            "{name: uppercase(a)}",
            ['3: sources[0].mapping.name: "uppercase(a)" cannot be evaluated: JMESPath has no function "uppercase"'],
            id="no such function",
        ),
        pytest.param(
            "{name: 'join(a)'}",
            ['3: sources[0].mapping.name: "join(a)" cannot be evaluated: join() takes 2 arguments, not 1'],
            id="too few arguments",
        ),
        pytest.param(
            "{name: 'a[::0]'}",
            ['3: sources[0].mapping.name: "a[::0]" cannot be evaluated: a slice\'s step cannot be 0'],
            id="no step",
        ),
        pytest.param(
            "{labels: {host: , 'x': '('}}",
            [
                "3: sources[0].mapping.labels.host: expected a JMESPath expression",
                '3: sources[0].mapping.labels.x: "(" is no JMESPath expression: Invalid jmespath expression: '
                "Incomplete expression, at character 2",
            ],
            id="labels",
        ),
        pytest.param(
            "{name: a, firing: [x]}",
            ["3: sources[0].mapping.status: expected an expression, as there are words for what it finds"],
            id="words for nothing",
        ),
        pytest.param(
            "{name: a, status: s, firing: [x, y], resolved: [Y]}",
            ['3: sources[0].mapping.resolved: "y" is under `firing` too'],
            id="a word for both",
        ),
        pytest.param(
            "{name: a, status: level, severity: [prio, level]}",
            [
                "3: sources[0].mapping.severity: it is made of what tells the status: the severity is a label, and "
                "with another one a resolve closes nothing; map it under `annotations`"
            ],
            id="a severity that cannot be the same",
        ),
        pytest.param(
            "{name: a, alerts: [b, c], key: d}",
            [
                "3: sources[0].mapping.alerts: expected one expression",
                "3: sources[0].mapping.key: unknown key",
            ],
            id="unknown keys",
        ),
    ],
)
def test_what_is_refused_of_a_mapping(mapping: str, expected: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        one(f"mapping: {mapping}", kind="generic")
    assert str(caught.value).splitlines() == [f"own.yml:{line}" for line in expected]
