"""Sentry's webhooks: what becomes of each kind, and which messages are about one alert."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings

from domain.alerts import combine
from domain.errors import RejectedError
from domain.sources.sentry import read
from tests.domain.sources.cases import FIXTURES, alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled

KIND = "sentry"


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / KIND / f"{name}.json").read_text())["body"]
    return found


def event(**changed: Any) -> dict[str, Any]:
    found = body("event_alert")
    found["data"]["event"].update(changed)
    return found


def issue(action: str = "resolved", **changed: Any) -> dict[str, Any]:
    found = body("issue_resolved") | {"action": action}
    found["data"]["issue"].update(changed)
    return found


@pytest.mark.parametrize("case", cases(KIND))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case).items() <= case.items()


@pytest.mark.parametrize(
    ("fired", "resolved"),
    [
        pytest.param("event_alert", "issue_resolved", id="a rule's alert by the issue"),
        pytest.param("error_created", "issue_resolved", id="an error by the issue"),
        pytest.param("issue_created", "issue_archived", id="an issue by archiving"),
        pytest.param("issue_unresolved", "issue_resolved", id="what came back"),
        pytest.param("metric_critical", "metric_resolved", id="a metric alert"),
    ],
)
def test_a_resolve_closes_its_own(fired: str, resolved: str) -> None:
    opened, closed = alert_of(read, body(fired)), alert_of(read, body(resolved))
    assert closed.fingerprint == opened.fingerprint
    assert is_firing(opened)
    assert not is_firing(closed)
    assert not is_firing(combine(opened, closed))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"event_id": "f" * 32, "datetime": "2026-11-22T11:58:00Z"}, id="another event"),
        pytest.param({"title": "ReferenceError: y is not defined", "level": "fatal"}, id="another title and level"),
        pytest.param({"tags": [["browser", "Firefox"], ["environment", "staging"]]}, id="other tags"),
        pytest.param({"issue_id": None}, id="the ID in the URL only"),
        pytest.param({"issue_id": 1117540176}, id="the ID a number"),
    ],
)
def test_every_event_of_an_issue_is_the_same_alert(changed: dict[str, Any]) -> None:
    assert alert_of(read, event(**changed)).fingerprint == alert_of(read, event()).fingerprint


def test_two_rules_make_one_alert_of_an_issue() -> None:
    other = event()
    other["data"]["triggered_rule"] = "Another rule"
    assert alert_of(read, other).fingerprint == alert_of(read, event()).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"issue_id": "1117540177"},
        {"url": "https://sentry.io/api/0/projects/test-org/back-end/events/e4/"},
        {"url": "https://sentry.example.com/api/0/projects/test-org/front-end/events/e4/"},
    ],
)
def test_another_is_another(changed: dict[str, Any]) -> None:
    assert alert_of(read, event(**changed)).fingerprint != alert_of(read, event()).fingerprint


def test_five_issues_are_five_alerts_and_each_resolve_closes_one() -> None:
    made = [alert_of(read, event(issue_id=str(i))).fingerprint for i in range(5)]
    closed = [alert_of(read, issue(id=str(i))).fingerprint for i in range(5)]
    assert len(set(made)) == 5
    assert made == closed


@pytest.mark.parametrize(
    "change", [{"id": "8"}, {"projects": ["foo"]}, {"environment": "staging"}, {"organization_id": "6"}]
)
def test_another_metric_rule_is_another_alert(change: dict[str, Any]) -> None:
    other = copy.deepcopy(body("metric_resolved"))
    other["data"]["metric_alert"]["alert_rule"].update(change)
    assert alert_of(read, other).fingerprint != alert_of(read, body("metric_critical")).fingerprint


def test_a_metric_alert_that_gets_worse_is_the_same() -> None:
    warning = body("metric_critical") | {"action": "warning"}
    worse = alert_of(read, body("metric_critical"))
    assert alert_of(read, warning).fingerprint == worse.fingerprint
    assert (alert_of(read, warning).annotations["severity"], worse.annotations["severity"]) == ("warning", "critical")


@pytest.mark.parametrize(
    ("level", "severity"),
    [("fatal", "critical"), ("error", "high"), ("warning", "warning"), ("info", "info"), ("debug", "low"), ("x", None)],
)
def test_severity_is_an_annotation(level: str, severity: str | None) -> None:
    alert = alert_of(read, event(level=level))
    assert alert.annotations.get("severity") == severity
    assert "severity" not in alert.labels


@pytest.mark.parametrize("header", ["installation", "comment", "seer", "preprod_artifact"])
def test_what_says_nothing_of_what_fires_is_no_alert_and_no_fault(header: str) -> None:
    reading = read_json(read, {"action": "created", "data": {}}, {"sentry-hook-resource": header})
    assert not reading.alerts
    assert header in reading.problems[0]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (issue("exploded"), "expected created, unresolved"),
        (issue(id=None), "ID of the issue is missing"),
        (body("metric_critical") | {"action": "triggered"}, "expected critical, warning"),
        ({"data": {"event": {}}}, "expected data.event"),
    ],
)
def test_what_cannot_be_read_is_refused_with_words(sent: dict[str, Any], words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        alert_of(read, sent)


def test_a_hundred_thousand_tags_are_cut() -> None:
    alert = alert_of(read, event(tags=[["k", "v"]] * 100_000))
    assert len(alert.annotations["tags"]) < 1_000


@pytest.mark.parametrize("sent", HOSTILE)
def test_hostile_bodies_are_refused_or_read(sent: bytes) -> None:
    check("sentry", read, sent, {})


@given(mangled("sentry"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    reading = check("sentry", read, *sent)
    assert reading is None or reading.alerts or reading.problems
