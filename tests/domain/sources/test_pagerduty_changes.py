"""PagerDuty's change events: what is made of one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.errors import RejectedError
from domain.sources.definitions import Source
from domain.sources.pagerduty_changes import read_change
from domain.sources.reading import Payload
from tests.builders import HOUR, MINUTE, NOON

SOURCE = Source("pagerduty", "payments")

# As PagerDuty's page shows it.
SHOWN: dict[str, Any] = {
    "routing_key": "0123456789abcdef0123456789abcdef",
    "payload": {
        "summary": "Build Success - Increase snapshot create timeout to 30 seconds",
        "timestamp": "2026-11-22T11:58:58.315+0000",
        "source": "acme-build-pipeline-tool-default-i-9999",
        "custom_details": {
            "build_state": "passed",
            "build_number": "2",
            "run_time": "1236s",
        },
    },
    "links": [
        {"href": "https://acme.pagerduty.dev/build/2", "text": "View more details in Acme!"},
        {"href": "https://acme2.pagerduty.dev/build/2", "text": "View more details in Acme2!"},
    ],
}


def read(event: Any, source: Source = SOURCE, **details: Any) -> Any:
    if details:
        event = {**event, "payload": {**event["payload"], **details}}
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return read_change(Payload(body, {}), source, NOON)


def test_the_example_of_the_page() -> None:
    change = read(SHOWN)
    assert (change.at.isoformat(), change.summary) == ("2026-11-22T11:58:58.315000+00:00", SHOWN["payload"]["summary"])
    assert (change.source, change.service) == ("acme-build-pipeline-tool-default-i-9999", "")
    assert change.url == "https://acme.pagerduty.dev/build/2"
    assert change.labels == SHOWN["payload"]["custom_details"]


def test_the_least_is_a_summary() -> None:
    change = read({"payload": {"summary": " deployed "}})
    assert (change.at, change.summary, change.labels, change.url) == (NOON, "deployed", {}, "")


@pytest.mark.parametrize(
    ("details", "labels", "override", "expected"),
    [
        pytest.param({}, {}, False, "", id="nothing says it"),
        pytest.param({"service": "cart"}, {}, False, "cart", id="the event says it"),
        pytest.param({}, {"service": "payments"}, False, "payments", id="the source's labels do"),
        pytest.param({"service": "cart"}, {"service": "payments"}, False, "cart", id="both: the event goes first"),
        pytest.param({"service": "cart"}, {"service": "payments"}, True, "payments", id="unless they override it"),
    ],
)
def test_what_it_concerns(details: Any, labels: Any, override: bool, expected: str) -> None:
    source = Source("pagerduty", "payments", labels={**labels, "team": "x"}, override=override)
    change = read(SHOWN, source, custom_details=details)
    assert (change.service, dict(change.labels)) == (expected, {"team": "x"})


def test_the_same_bytes_are_the_same_change_and_others_are_not() -> None:
    other = Source("pagerduty", "other")
    changes = [read(SHOWN), read(SHOWN), read(SHOWN, other), read(SHOWN, summary="s"), read(SHOWN, timestamp=None)]
    assert len({change.id for change in changes}) == 4
    untimed = {"payload": {"summary": "s"}}
    soon, later = (
        read_change(Payload(json.dumps(untimed).encode(), {}), SOURCE, NOON + after) for after in (MINUTE, HOUR)
    )
    assert read(untimed).id == soon.id != later.id


def test_what_is_secret_is_masked() -> None:
    source = Source("pagerduty", "payments", redacted=("$.payload.custom_details.who",))
    change = read(SHOWN, source, custom_details={"api_token": "hunter2", "who": "Ada", "build": 7, "ok": True})
    assert change.labels == {"api_token": "[redacted]", "who": "[redacted]", "build": "7", "ok": "true"}


def test_everything_is_bounded() -> None:
    change = read(
        {
            "payload": {
                "summary": "x" * 5000,
                "source": "y" * 5000,
                "custom_details": {f"{number} {'n' * 300}": "v" * 3000 for number in range(100)},
            },
            "links": [{"href": "javascript:alert(1)"}, "x", {"href": 7}, {"href": "https://" + "h" * 2000}],
        }
    )
    assert (len(change.summary), len(change.source), len(change.labels), change.url) == (1024, 200, 40, "")
    assert {(len(name), len(text)) for name, text in change.labels.items()} == {(200, 500)}


@pytest.mark.parametrize("details", [None, [], {}, "", "deployed by Ada", ["a", {"b": 1}], 7])
def test_details_of_any_form(details: Any) -> None:
    assert list(read(SHOWN, custom_details=details).labels) in ([], ["details"])


@pytest.mark.parametrize("timestamp", ["", "yesterday", "2026-11-22T11:00:00", "0001-01-01T00:00:00Z"])
def test_a_time_that_cannot_be_read_is_when_it_came(timestamp: str) -> None:
    assert read(SHOWN, timestamp=timestamp).at == NOON


@pytest.mark.parametrize(
    ("event", "words"),
    [
        pytest.param([], "change event", id="a list"),
        pytest.param({}, "payload", id="no payload"),
        pytest.param({"payload": {}}, "payload.summary", id="no summary"),
        pytest.param({"payload": {"summary": " "}}, "payload.summary", id="an empty one"),
        pytest.param({"payload": {"summary": 7}}, "payload.summary", id="a number"),
        pytest.param({"payload": {"summary": "s", "timestamp": "2026-10-01T00:00:00Z"}}, "timestamp", id="long ago"),
        pytest.param({"payload": {"summary": "s", "timestamp": "2026-12-01T00:00:00Z"}}, "timestamp", id="far ahead"),
        pytest.param({"payload": {"summary": "s"}, "links": "x"}, "links", id="links that are none"),
        pytest.param(b"{", "change event", id="no JSON"),
        pytest.param(b'{"payload": {"summary": "\xff"', "change event", id="cut off"),
        pytest.param(b'{"payload": {"summary": "\\ud800"}}', "change event", id="half a character"),
        pytest.param(b"[" * 100_000, "change event", id="too deep"),
    ],
)
def test_what_is_none(event: Any, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        read(event)
