"""Enrichment: what is made of labels and annotations, what the trail says of it, and that a resolve finds its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.labels import fingerprint
from domain.sources.definitions import Source
from domain.sources.enriching import (
    LONGEST_STEP,
    STEPS_KEPT,
    WORDS,
    Extraction,
    Lookup,
    Row,
    enrich,
    enrich_alert,
)
from domain.sources.reading import SEVERITIES, Payload
from domain.sources.receiving import read_source
from tests.builders import NOON, alert

SERVICES = Lookup(
    "lookup services.csv",
    ("service", "env"),
    (
        Row(("checkout", "prod"), {"team": "shop"}, {"owner": "ann"}, "line 2"),
        Row(("checkout", "*"), {"team": "tools"}, {}, "line 3"),
        Row(("checkout", "test"), {"team": "never"}, {}, "line 4"),
        Row(("", "prod"), {"team": "ops"}, {}, "line 5"),
    ),
    Row((), {"team": "platform"}, {}),
)


def source(kind: str = "zabbix", **more: Any) -> Source:
    return Source(kind, "k", **more)


# --- severity -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "severities", "word", "expected"),
    [
        pytest.param("zabbix", {}, "crit", "critical", id="a usual word"),
        pytest.param("zabbix", {}, " FATAL ", "critical", id="in capitals, with spaces"),
        pytest.param("zabbix", {}, "Critical", "critical", id="ours in other letters"),
        pytest.param("zabbix", {}, "high", "high", id="ours"),
        pytest.param("zabbix", {}, "error", "high", id="error"),
        pytest.param("zabbix", {}, "wat", "wat", id="a word that nobody knows"),
        pytest.param("grafana", {}, "crit", "crit", id="what the rule's author wrote stays"),
        pytest.param("alertmanager", {}, "Critical", "Critical", id="there too"),
        pytest.param("grafana", {"page": "critical"}, "Page", "critical", id="unless the source says so"),
        pytest.param("grafana", {"page": "critical"}, "crit", "crit", id="and only for what it names"),
        pytest.param("zabbix", {"high": "warning"}, "high", "warning", id="the source's table goes first"),
        pytest.param("zabbix", {"page": "critical"}, "warn", "warning", id="and the usual words follow"),
    ],
)
def test_what_becomes_of_a_severity(kind: str, severities: dict[str, str], word: str, expected: str) -> None:
    labels, annotations, steps = enrich({"severity": word}, {}, source(kind, severities=severities))
    assert labels == {"severity": expected}
    assert annotations == ({} if word == expected else {"original_severity": word})
    assert bool(steps) is (word != expected)


def test_a_severity_that_is_an_annotation_is_translated_there() -> None:
    labels, annotations, steps = enrich({}, {"severity_now": "err"}, source())
    assert (labels, annotations) == ({}, {"severity_now": "high", "original_severity": "err"})
    assert steps == ('annotation severity_now "err" became "high" (the usual words)',)


def test_the_usual_words_are_none_of_ours_and_mean_one_of_them() -> None:
    assert not WORDS.keys() & set(SEVERITIES)
    assert set(WORDS.values()) == set(SEVERITIES)
    assert all(word == word.lower() for word in WORDS)


# --- extraction -----------------------------------------------------------------------------------------------------

BY_NAME = Extraction("labels", "alertname", r"^(?P<service>[a-z]+)-(?P<env>prod|test)?", "labels", place="extract[0]")


@pytest.mark.parametrize(
    ("name", "labels", "steps"),
    [
        pytest.param(
            "checkout-prod",
            {"service": "checkout", "env": "prod"},
            ('env="prod", service="checkout" from label alertname (extract[0])',),
            id="both groups",
        ),
        pytest.param(
            "checkout-",
            {"service": "checkout"},
            ('service="checkout" from label alertname (extract[0])',),
            id="a group that holds nothing sets nothing",
        ),
        pytest.param("Checkout", {}, ("extract[0]: label alertname does not match",), id="no match"),
        pytest.param("", {}, ("extract[0]: no label alertname",), id="no label"),
    ],
)
def test_an_extraction(name: str, labels: dict[str, str], steps: tuple[str, ...]) -> None:
    got = enrich({"alertname": name}, {}, source(extractions=(BY_NAME,)))
    assert got == ({"alertname": name, **labels}, {}, steps)


def test_what_is_there_stays_unless_it_is_overridden() -> None:
    before = {"alertname": "checkout-prod", "service": "old", "env": "prod"}
    labels, _, steps = enrich(before, {}, source(extractions=(BY_NAME,)))
    assert labels == before
    assert steps == ('service="old" stayed as it was: not set from label alertname (extract[0])',)
    labels, _, steps = enrich(before, {}, source(extractions=(replace(BY_NAME, override=True),)))
    assert labels["service"] == "checkout"
    assert steps == ('env="prod", service="checkout" from label alertname (extract[0])',)


def test_annotations_are_made_of_both() -> None:
    wiki = Extraction("annotations", "description", r"wiki/(?P<page>\w+)", "annotations", place="extract[0]")
    about = Extraction("labels", "host", r"(?P<rack>r\d+)", "annotations", place="extract[1]")
    labels, annotations, _ = enrich(
        {"host": "r7-a"}, {"description": "see wiki/Disk"}, source(extractions=(wiki, about))
    )
    assert labels == {"host": "r7-a"}
    assert annotations == {"description": "see wiki/Disk", "page": "Disk", "rack": "r7"}


def test_a_label_is_not_made_of_an_annotation() -> None:
    with pytest.raises(RejectedError, match="labels can be made of labels only"):
        Extraction("annotations", "description", "(?P<team>x)", "labels")


@pytest.mark.parametrize("pattern", ["(?P<a", r"(?P<a>x)\1", "[a-z]+", ""])
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(RejectedError):
        Extraction("labels", "alertname", pattern, "labels")


# --- lookup ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "team", "where"),
    [
        pytest.param({"service": "checkout", "env": "prod"}, "shop", "line 2", id="both labels match"),
        pytest.param({"service": "checkout", "env": "test"}, "tools", "line 3", id="the first row that matches"),
        pytest.param({"service": "checkout"}, "tools", "line 3", id="whatever, also nothing"),
        pytest.param({"env": "prod"}, "ops", "line 5", id="an empty cell is a label that is not there"),
        pytest.param({"service": "x", "env": "prod"}, "platform", "its default", id="no row"),
    ],
)
def test_a_lookup(labels: dict[str, str], team: str, where: str) -> None:
    found, _, steps = enrich(labels, {}, source(lookups=(SERVICES,)))
    assert found["team"] == team
    assert f'team="{team}" from lookup services.csv, {where} (service=' in steps[0]


def test_a_lookup_without_a_default_says_that_it_found_nothing() -> None:
    labels, annotations, steps = enrich({"service": "x"}, {}, source(lookups=(replace(SERVICES, default=None),)))
    assert (labels, annotations) == ({"service": "x"}, {})
    assert steps == ('lookup services.csv: no row for service="x", env=""',)


def test_a_large_table_is_looked_up_in_no_time() -> None:
    rows = tuple([Row((f"s{number}",), {"team": "a"}, {}, f"line {number}") for number in range(50_000)])
    table = Lookup("t", ("service",), rows)
    for _ in range(1000):
        assert table.find({"service": "s49999"}) is rows[-1]


# --- all together ---------------------------------------------------------------------------------------------------

EVERYTHING = source(
    severities={"page": "critical"},
    extractions=(BY_NAME, Extraction("annotations", "summary", r"(?P<number>\d+)", "annotations")),
    lookups=(SERVICES, Lookup("by team", ("team",), (Row(("shop",), {"floor": "3"}, {"phone": "1"}, "rows[0]"),))),
    labels={"region": "eu", "team": "nobody"},
    annotations={"runbook_url": "https://wiki"},
)


def test_the_order_is_severity_extraction_lookup_and_what_is_always_set() -> None:
    got = enrich({"alertname": "checkout-prod", "severity": "page"}, {"summary": "91 %"}, EVERYTHING)
    assert got == (
        {
            "alertname": "checkout-prod",
            "severity": "critical",
            "service": "checkout",
            "env": "prod",
            "team": "shop",
            "floor": "3",
            "region": "eu",
        },
        {
            "summary": "91 %",
            "original_severity": "page",
            "number": "91",
            "owner": "ann",
            "phone": "1",
            "runbook_url": "https://wiki",
        },
        (
            'severity "page" became "critical" (the source\'s table)',
            'env="prod", service="checkout" from label alertname (extract[0])',
            'number="91" from annotation summary (extract)',
            'team="shop" from lookup services.csv, line 2 (service="checkout", env="prod")',
            'owner="ann" from lookup services.csv, line 2 (service="checkout", env="prod")',
            'floor="3" from by team, rows[0] (team="shop")',
            'phone="1" from by team, rows[0] (team="shop")',
            'region="eu" by the source\'s labels',
            'team="shop" stayed as it was: not set by the source\'s labels',
            'runbook_url="https://wiki" by the source\'s annotations',
        ),
    )


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["checkout-prod", "page", "checkout", ""])
_LABELS = st.dictionaries(
    st.sampled_from(["alertname", "service", "env", "team", "severity", "region", "host"]), _TEXTS.filter(bool)
)
_ANNOTATIONS = st.dictionaries(st.sampled_from(["summary", "severity", "severity_now", "owner"]), _TEXTS)


@given(_LABELS, _ANNOTATIONS, _ANNOTATIONS, st.booleans(), st.sampled_from(["zabbix", "grafana"]))
def test_a_resolve_comes_out_with_the_labels_of_its_firing(
    labels: dict[str, str], fired: dict[str, str], over: dict[str, str], override: bool, kind: str
) -> None:
    of = replace(
        EVERYTHING,
        kind=kind,
        override=override,
        extractions=tuple([replace(one, override=override) for one in EVERYTHING.extractions]),
        lookups=tuple([replace(one, override=override) for one in EVERYTHING.lookups]),
    )
    before = json.dumps([labels, fired])
    first, again, resolved = enrich(labels, fired, of), enrich(labels, fired, of), enrich(labels, over, of)
    assert first == again
    assert first[0] == resolved[0]
    assert json.dumps([labels, fired]) == before
    assert all(len(step) <= LONGEST_STEP and step.isprintable() for step in first[2])


# --- on alerts ------------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_that_of_the_labels_and_the_origin_tells_why() -> None:
    enriched = enrich_alert(alert(service="checkout", env="prod"), EVERYTHING)
    assert enriched.fingerprint == fingerprint(enriched.labels)
    assert enriched.origin[0] == "zabbix/k"
    assert 'team="shop" from lookup services.csv, line 2 (service="checkout", env="prod")' in enriched.origin


def test_what_needs_nothing_only_gets_its_origin() -> None:
    one = alert(severity="critical")
    assert enrich_alert(one, source()) == replace(one, origin=("zabbix/k",))


def test_a_trail_is_bounded() -> None:
    many = tuple([Extraction("labels", f"l{number}", "(?P<a>x)", "labels") for number in range(50)])
    origin = enrich_alert(alert(), source(extractions=many)).origin
    assert len(origin) == STEPS_KEPT + 2
    assert origin[-1] == "and 30 steps more"


def test_a_source_reads_and_enriches() -> None:
    def read(*status: str) -> Alert:
        body = {
            "alerts": [{"status": one, "labels": {"alertname": "checkout-prod", "severity": "page"}} for one in status]
        }
        (found,) = read_source(replace(EVERYTHING, kind="grafana"), Payload(json.dumps(body).encode(), {}), NOON).alerts
        return found

    fired, over = read("firing"), read("resolved")
    assert fired.fingerprint == over.fingerprint
    assert fired.labels["team"] == "shop"
    assert fired.origin[:2] == ("grafana/k", 'severity "page" became "critical" (the source\'s table)')
