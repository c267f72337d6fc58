"""Alertmanager's webhook payload, as Tocsin reads it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import RejectedError, TooLargeError
from domain.labels import fingerprint
from domain.notifications import pack
from domain.sources.alertmanager_webhook import read_webhook
from domain.sources.bodies import LARGEST_BODY_BYTES
from tests.builders import HOUR, NOON

LABELS = {"alertname": "A", "i": "1"}

# As Alertmanager 0.25 sent it.
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": LABELS,
    "annotations": {},
    "startsAt": "2026-11-22T06:16:20.51690607Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "",
    "fingerprint": "caaaffbd9ccf039f",
}
PAYLOAD: dict[str, Any] = {
    "receiver": "team\\.a",
    "status": "firing",
    "alerts": [ALERT],
    "groupLabels": {"alertname": "A"},
    "commonLabels": {"alertname": "A"},
    "commonAnnotations": {},
    "externalURL": "http://vm:9912",
    "version": "4",
    "groupKey": '{}:{alertname="A"}',
    "truncatedAlerts": 1,
}
RESOLVED = {**ALERT, "status": "resolved", "endsAt": "2026-11-22T07:00:00Z"}


def body(**changes: Any) -> bytes:
    return json.dumps({**PAYLOAD, **changes}).encode()


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: found for name, found in value.items() if name not in names}


def test_what_alertmanager_sent_is_recorded() -> None:
    said = read_webhook(body(alerts=[ALERT, {**RESOLVED, "fingerprint": "00000000000000ff"}]))
    record = said.record("id", NOON, "Alertmanager/0.25.0")
    assert (record.side, record.at, record.sender) == ("alertmanager", NOON, "Alertmanager/0.25.0")
    assert record.receiver == "team.a"
    assert (record.group_key, record.group_labels) == ('{}:{alertname="A"}', {"alertname": "A"})
    assert record.status == "firing"
    assert (record.firing, record.resolved) == (bytes.fromhex("caaaffbd9ccf039f"), bytes.fromhex("00000000000000ff"))
    assert (record.truncated, record.reason) == (1, "")
    assert record.since == datetime(2026, 11, 22, 6, 16, 20, 516906, UTC)
    assert record.labels == {"caaaffbd9ccf039f": LABELS, "00000000000000ff": LABELS}


def test_newer_versions_say_why_and_more() -> None:
    said = read_webhook(body(notification_reason="repeat interval elapsed", routeLabels={"a": "b"}, surprise=[1]))
    assert said.reason == "repeat interval elapsed"


def test_older_ones_have_no_fingerprints_and_count_nothing() -> None:
    old = json.dumps({**without(PAYLOAD, "truncatedAlerts"), "alerts": [without(ALERT, "fingerprint")]}).encode()
    record = read_webhook(old).record("id", NOON, "")
    assert (record.firing, record.truncated) == (pack([fingerprint(LABELS)]), 0)


def test_a_group_of_nothing_is_read() -> None:
    record = read_webhook(body(alerts=None, groupLabels=None, status="resolved")).record("id", NOON, "")
    assert (record.firing, record.group_labels, record.since) == (b"", {}, None)


@pytest.mark.parametrize(
    ("quoted", "receiver"),
    [(r"team\.a", "team.a"), (r"a\\b", r"a\b"), (r"\[x\]\{1\}", "[x]{1}"), ("plain", "plain"), ("größe", "größe")],
)
def test_the_receiver_is_as_the_configuration_writes_it(quoted: str, receiver: str) -> None:
    assert read_webhook(body(receiver=quoted)).receiver == receiver


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        pytest.param(b"", "is not Alertmanager's webhook payload: Invalid JSON", id="nothing"),
        pytest.param(b"[]", "payload: Input should be an object", id="a list"),
        pytest.param(b"\xff", "Invalid JSON", id="no text"),
        pytest.param(json.dumps(without(PAYLOAD, "groupKey")).encode(), "groupKey: Field required", id="no key"),
        pytest.param(body(version="3"), "version '3' of the webhook payload is not known, only '4'", id="version"),
        pytest.param(body(status="odd"), "status: Input should be 'firing' or 'resolved'", id="status"),
        pytest.param(body(truncatedAlerts=-1), "truncatedAlerts: Input should be greater", id="a negative count"),
        pytest.param(body(alerts=[{**ALERT, "labels": {"a": 1}}]), "alerts.0.labels.a: Input should be a", id="label"),
        pytest.param(
            body(alerts=[ALERT, {**ALERT, "fingerprint": "x"}]), "alerts.1.fingerprint: 'x' is not", id="fingerprint"
        ),
        pytest.param(
            body(alerts=[{**ALERT, "startsAt": "noon"}]), "alerts.0.startsAt: 'noon' is not an RFC 3339", id="time"
        ),
        pytest.param(
            body(alerts=[{**ALERT, "status": "resolved"}]), "alerts.0.endsAt: a resolved alert has an end", id="no end"
        ),
    ],
)
def test_what_is_no_payload_is_refused_by_name(said: bytes, complaint: str) -> None:
    with pytest.raises(RejectedError) as refused:
        read_webhook(said)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b" " * (LARGEST_BODY_BYTES + 1), id="bytes"),
        pytest.param(body(alerts=[{"status": "firing", "labels": {}}] * 20_001), id="alerts"),
    ],
)
def test_what_is_too_large_is_refused(said: bytes) -> None:
    with pytest.raises(TooLargeError):
        read_webhook(said)


def test_its_alerts_are_reports_that_last_for_a_lease() -> None:
    said = read_webhook(body(alerts=[ALERT, RESOLVED, without(ALERT, "startsAt", "annotations")]))
    firing, resolved, bare = said.reports(NOON, lambda labels: HOUR if labels == LABELS else timedelta(0))
    assert firing == {
        "labels": LABELS,
        "annotations": {},
        "startsAt": "2026-11-22T06:16:20.51690607Z",
        "endsAt": "2026-11-22T13:00:00Z",
        "generatorURL": "",
    }
    assert (resolved["startsAt"], resolved["endsAt"]) == (ALERT["startsAt"], "2026-11-22T07:00:00Z")
    assert bare["startsAt"] == "2026-11-22T12:00:00Z"
