"""CloudEvents as a source."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings

from domain.errors import UnreadableError
from domain.sources.cloudevents import read
from domain.sources.reading import Payload
from tests.domain.sources.cases import RECEPTION, alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("cloudevents"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


def event(type_: str = "com.acme.disk.firing", **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "type": type_, "source": "/acme", "id": "1", "subject": "db1", **more}


def in_headers(found: dict[str, Any], data: bytes = b"") -> Payload:
    return Payload(data, {f"ce-{name}": quote(text) for name, text in found.items()})


def test_five_subjects_are_five_alerts() -> None:
    alerts = read_json(read, [event(subject=f"db{i}") for i in range(5)]).alerts
    assert len({alert.fingerprint for alert in alerts}) == 5


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(event("com.acme.disk.resolved", id="2", time="2026-11-22T11:00:00Z"), id="its end"),
        pytest.param(event("com.acme.disk.Recovered", data={"severity": "info", "value": 3}), id="its end, otherwise"),
        pytest.param(event("com.acme.disk", status="ok"), id="told by an attribute"),
        pytest.param(event("com.acme.disk", data={"state": "OK"}), id="told by the data"),
    ],
)
def test_an_end_closes_its_own(other: dict[str, Any]) -> None:
    first, over = alert_of(read, event()), alert_of(read, other)
    assert (first.fingerprint, is_firing(first)) == (over.fingerprint, True)
    assert not is_firing(over)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(event("com.acme.cpu.firing"), id="of another type"),
        pytest.param(event(source="/other"), id="of another source"),
        pytest.param(event(subject=None), id="of no subject"),
        pytest.param(event(subject=None, data={"labels": {"subject": "db1"}}), id="with a label for a subject"),
        pytest.param(event(team="x"), id="of another team"),
        pytest.param(event(data={"labels": {"mount": "/"}}), id="with a label of its own"),
    ],
)
def test_it_is_another_alert(other: dict[str, Any]) -> None:
    assert alert_of(read, event()).fingerprint != alert_of(read, other).fingerprint


def test_firing_twice_is_one() -> None:
    again = event(id="2", time="2026-11-22T11:00:00Z", traceparent="00-2", data={"severity": "critical"})
    assert alert_of(read, event()).fingerprint == alert_of(read, again).fingerprint


@pytest.mark.parametrize("text", ["db1", "a b", "Euro €", '"x"', "100%", "back\\slash"])
def test_the_modes_are_one(text: str) -> None:
    found = event(subject=text)
    structured = Payload(json.dumps(found).encode(), {"content-type": "application/cloudevents+json"})
    batch = Payload(json.dumps([found]).encode(), {"content-type": "application/cloudevents-batch+json"})
    quoted = Payload(b"", {**in_headers(found).headers, "ce-subject": f'"{quote(text)}"'})
    ways = (structured, batch, in_headers(found), quoted, Payload(structured.body, {}), Payload(batch.body, {}))
    assert {read(way, RECEPTION).alerts[0].fingerprint for way in ways} == {alert_of(read, found).fingerprint}


def test_data_of_a_binary_event_must_be_what_it_says() -> None:
    sent = Payload(b"{", {**in_headers(event()).headers, "content-type": "application/vnd.acme+json; charset=utf-8"})
    with pytest.raises(UnreadableError, match="JSON"):
        read(sent, RECEPTION)


@pytest.mark.parametrize("kind", ["", "application/x-www-form-urlencoded", "application/octet-stream"])
def test_data_without_a_content_type_of_its_own_is_read_where_it_is_json(kind: str) -> None:
    for body, summary in ((b'{"summary": "91 % full"}', "91 % full"), (b"{no JSON", "com.acme.disk: db1")):
        sent = Payload(body, {**in_headers(event()).headers, "content-type": kind})
        assert read(sent, RECEPTION).alerts[0].annotations["summary"] == summary


def test_what_could_not_be_read_is_told() -> None:
    reading = read_json(read, [event(), 7, event(specversion="0.3"), {**event(), "id": ""}])
    assert len(reading.alerts) == 1
    assert reading.problems == [
        "event 1: it is no JSON object",
        "event 2: specversion: '0.3' found, '1.0' expected",
        "event 3: id: a text that is not empty is expected",
    ]


def test_an_empty_batch_has_no_alerts() -> None:
    assert read_json(read, []).alerts == []


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_events_are_refused_or_read(body: bytes) -> None:
    check("cloudevents", read, body, {"content-type": "application/cloudevents-batch+json"})
    check("cloudevents", read, body, {**in_headers(event()).headers, "content-type": "application/json"})


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("cloudevents", read, body, {"content-type": "application/json"})


@given(mangled("cloudevents"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("cloudevents", read, *sent)
