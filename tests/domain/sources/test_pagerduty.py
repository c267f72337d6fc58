"""PagerDuty's Events API v2 as a source."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from domain.errors import TooLargeError
from domain.sources.pagerduty import PagerdutyEvent, read, read_event
from domain.sources.reading import Payload, Reception
from tests.builders import HOUR, NOON
from tests.domain.sources.cases import RECEPTION, cases, is_firing, outcome
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("pagerduty"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


def event(action: str, key: str | None = "srv01/mysql", **details: Any) -> Payload:
    body: dict[str, Any] = {"routing_key": "e93facc04764012d7bfb002500d5d1a6", "event_action": action}
    if key is not None:
        body["dedup_key"] = key
    if details:
        body["payload"] = {"summary": "s", "severity": "critical", "source": "db1", **details}
    return Payload(json.dumps(body).encode(), {})


def read_one(payload: Payload, key: str = "default") -> PagerdutyEvent:
    return read_event(payload, Reception(key, NOON, HOUR), "new-key")


def test_a_trigger_and_all_that_follows_are_about_one_alert() -> None:
    first = read_one(event("trigger", summary="97 %", severity="warning"))
    again = read_one(event("trigger", summary="99 %", severity="critical", source="db2", component="x"))
    seen = read_one(event("acknowledge"))
    over = read_one(event("resolve"))
    assert {first.fingerprint, again.fingerprint, seen.fingerprint, over.fingerprint} == {first.fingerprint}
    assert first.alert is not None
    assert over.alert is not None
    assert (first.alert.fingerprint, is_firing(first.alert)) == (first.fingerprint, True)
    assert (over.alert.fingerprint, is_firing(over.alert)) == (first.fingerprint, False)
    assert seen.alert is None
    assert [found.action for found in (first, seen, over)] == ["trigger", "acknowledge", "resolve"]


def test_another_key_or_another_source_is_another_alert() -> None:
    mine = read_one(event("resolve", "a")).fingerprint
    assert mine != read_one(event("resolve", "b")).fingerprint
    assert mine != read_one(event("resolve", "a"), "other").fingerprint


def test_a_trigger_without_a_key_gets_the_one_that_the_answer_tells() -> None:
    found = read_one(event("trigger", None, group="web"))
    assert found.answer() == {"status": "success", "message": "Event processed", "dedup_key": "new-key"}
    assert found.fingerprint == read_one(event("resolve", "new-key")).fingerprint
    assert found.details == {"severity": "critical", "host": "db1", "group": "web"}


def test_an_empty_key_is_none() -> None:
    assert read_one(event("trigger", "", group="web")).dedup_key == "new-key"


def test_repeated_bytes_without_a_key_are_one_alert() -> None:
    payload = event("trigger", None, group="web")
    other = event("trigger", None, group="mail")
    assert read(payload, RECEPTION).alerts[0].fingerprint == read(payload, RECEPTION).alerts[0].fingerprint
    assert read(payload, RECEPTION).alerts[0].fingerprint != read(other, RECEPTION).alerts[0].fingerprint


def test_the_routing_key_may_stand_in_a_header() -> None:
    assert read_one(event("resolve")).routing_key == "e93facc04764012d7bfb002500d5d1a6"
    bare = Payload(b'{"event_action": "resolve", "dedup_key": "k"}', {"x-routing-key": "abc"})
    assert read_one(bare).routing_key == "abc"


def test_a_timestamp_that_cannot_be_read_is_told() -> None:
    reading = read(event("trigger", timestamp="2026-11-22"), RECEPTION)
    assert len(reading.alerts) == 1
    assert reading.problems == ("payload.timestamp: '2026-11-22' is no date-time with an offset",)


def test_more_than_512_kb_is_too_large() -> None:
    with pytest.raises(TooLargeError):
        read_one(event("trigger", summary="x" * 512 * 1024))


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("pagerduty", read, body, {"content-type": "application/json"})


@given(mangled("pagerduty"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("pagerduty", read, *sent)
