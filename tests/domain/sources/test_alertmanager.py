"""Alertmanager's webhook as a source."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from domain.sources.alertmanager import read
from tests.domain.sources.cases import alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("alertmanager"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


def told(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"version": "4", "receiver": "r", "status": "firing", "groupKey": "g", "alerts": list(alerts)}
    return {**message, **more}


def fired(**labels: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "DiskFull", **labels},
        "annotations": {"summary": "3 % left"},
        "startsAt": "2026-11-22T11:40:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prom/graph",
    }


RESOLVED = {"status": "resolved", "annotations": {"summary": "40 % left"}, "endsAt": "2026-11-22T11:59:00Z"}


def test_five_machines_are_five_alerts() -> None:
    alerts = read_json(read, told(*(fired(instance=f"db{i}") for i in range(5)))).alerts
    assert len({alert.fingerprint for alert in alerts}) == 5


def test_a_resolve_closes_its_own_however_it_was_grouped() -> None:
    first = alert_of(read, told(fired(instance="db1"), groupKey="a", receiver="x"))
    other = alert_of(read, told(fired(instance="db2")))
    again = alert_of(read, told({**fired(instance="db1"), "startsAt": "2026-11-22T11:50:00Z"}, groupKey="b"))
    over = alert_of(read, told({**fired(instance="db1"), **RESOLVED}, status="resolved"))
    assert first.fingerprint == again.fingerprint == over.fingerprint != other.fingerprint
    assert is_firing(first)
    assert not is_firing(over)


def test_a_label_of_our_name_tells_alerts_apart() -> None:
    named = {
        alert_of(read, told(fired(source=text) if text else fired())).fingerprint for text in ("", "alertmanager", "x")
    }
    assert len(named) == 3


def test_what_was_left_out_is_told() -> None:
    reading = read_json(read, told(fired(), truncatedAlerts=7))
    assert reading.problems == ["7 more alerts were left out by the sender (max_alerts)"]


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("alertmanager", read, body, {"content-type": "application/json"})


@given(mangled("alertmanager"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("alertmanager", read, *sent)
