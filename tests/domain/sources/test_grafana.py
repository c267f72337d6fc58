"""Grafana's webhook contact point as a source."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from domain.sources.grafana import read
from tests.domain.sources.cases import alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("grafana"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


URL = "https://g/alerting/grafana/cdeq/view?orgId=1"


def told(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"receiver": "r", "status": "firing", "orgId": 1, "version": "1", "alerts": list(alerts), **more}


def fired(changes: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "Memory", **labels},
        "annotations": {"summary": "91 %"},
        "startsAt": "2026-11-22T11:40:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": URL,
        "fingerprint": "c6eadffa33fcdf37",
        "values": {"B": 91.2},
    }
    return {**alert, **(changes or {})}


def test_five_machines_are_five_alerts() -> None:
    alerts = read_json(read, told(*(fired(host=f"web{i}") for i in range(5)))).alerts
    assert len({alert.fingerprint for alert in alerts}) == 5


def test_a_resolve_closes_its_own_and_firing_twice_is_one() -> None:
    first = alert_of(read, told(fired(host="web1")))
    again = alert_of(read, told(fired({"values": {"B": 99}, "startsAt": "2026-11-22T11:50:00Z"}, host="web1")))
    resolved: dict[str, Any] = {
        "status": "resolved",
        "endsAt": "2026-11-22T11:59:00Z",
        "values": None,
        "annotations": {},
    }
    over = alert_of(read, told(fired(resolved, host="web1"), status="resolved"))
    other = alert_of(read, told(fired(resolved, host="web2"), status="resolved"))
    assert first.fingerprint == again.fingerprint == over.fingerprint != other.fingerprint
    assert is_firing(again)
    assert not is_firing(over)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(told(fired({"generatorURL": URL.replace("cdeq", "fghi")})), id="another rule of that name"),
        pytest.param(told(fired({"ruleUID": "fghi", "generatorURL": ""})), id="told by its UID"),
        pytest.param(told(fired(), orgId=2), id="another organisation"),
        pytest.param(told(fired({"orgId": 2})), id="told with the alert"),
        pytest.param(told(fired(rule_uid="cdeq")), id="a label of theirs of our name"),
    ],
)
def test_what_grafana_tells_apart_stays_apart(other: dict[str, Any]) -> None:
    assert alert_of(read, told(fired())).fingerprint != alert_of(read, other).fingerprint


def test_the_rule_is_the_same_before_and_after_an_update_of_grafana() -> None:
    assert alert_of(read, told(fired())).labels == alert_of(read, told(fired({"ruleUID": "cdeq", "orgId": 1}))).labels


def test_what_could_not_be_read_is_told() -> None:
    reading = read_json(read, told(fired(), fired({"status": "pending"}), truncatedAlerts=3))
    assert len(reading.alerts) == 1
    assert reading.problems == [
        "alerts.1.status: 'pending' is neither 'firing' nor 'resolved'",
        "3 more alerts were left out by the sender (Max alerts)",
    ]


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("grafana", read, body, {"content-type": "application/json"})


@given(mangled("grafana"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("grafana", read, *sent)
