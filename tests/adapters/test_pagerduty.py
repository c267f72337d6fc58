"""PagerDuty's events as they cross the wire."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.http_client import HttpClient
from adapters.pagerduty import MOST_BYTES, PagerdutyNotifier
from adapters.rendering import Renderer
from domain.alerts import Alert
from domain.configuration import PagerdutyIntegration
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.labels import fingerprint
from tests.adapters.receiving import NOON, SECRET, Receiver, reads, receiving, says, status_line, told

ACCEPTED = status_line("202 Accepted", '{"status":"success","dedup_key":"x"}')
KEY = hashlib.sha256(b'{}:{alertname="Disk"}').hexdigest()


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient("0.1.0", lambda: NOON)
    yield client
    await client.close()


@pytest.fixture
def notifier(client: HttpClient) -> PagerdutyNotifier:
    return PagerdutyNotifier(client, Renderer("http://tocsin.example", lambda: NOON), "http://127.0.0.1:9/nobody")


def pagerduty(receiver: Receiver, lines: str = "") -> PagerdutyIntegration:
    integration: PagerdutyIntegration = reads(
        "pagerduty", f"url: {receiver.url}/v2/enqueue\n{lines or f'routing_key: {SECRET}'}"
    )
    return integration


def sent(receiver: Receiver) -> Any:
    return json.loads(receiver.requests[-1].body)


async def test_a_trigger_on_the_wire(notifier: PagerdutyNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        assert await notifier.notify(pagerduty(receiver), told(), incident="abc-1") == "202 Accepted"
    assert receiver.requests[0].line == "POST /v2/enqueue HTTP/1.1"
    event = sent(receiver)
    details = event["payload"].pop("custom_details")
    assert event == {
        "routing_key": SECRET,
        "dedup_key": KEY,
        "event_action": "trigger",
        "client": "Tocsin",
        "client_url": "http://tocsin.example/incidents/abc-1",
        "payload": {
            "summary": "[FIRING:1] Disk (instance=0, team=db)",
            "source": "Tocsin",
            "severity": "error",
        },
    }
    assert {name: details[name] for name in ("num_firing", "num_resolved", "resolved")} == {
        "num_firing": 1,
        "num_resolved": 0,
        "resolved": [],
    }
    assert [alert["labels"]["instance"] for alert in details["firing"]] == ["0"]


async def test_a_resolve_names_the_same_incident(notifier: PagerdutyNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        await notifier.notify(pagerduty(receiver), told(firing=0, resolved=1))
        await notifier.notify(pagerduty(receiver), told(firing=1, resolved=1))
    events = [json.loads(request.body) for request in receiver.requests]
    assert [(event["event_action"], event["dedup_key"]) for event in events] == [("resolve", KEY), ("trigger", KEY)]


EVERYTHING = """\
routing_key: '{{ .CommonLabels.team }}-key'
client: c
client_url: http://u
description: '{{ .Status }}!'
source: s
severity: '{{ if true }}warning{{ end }}'
class: k
component: o
group: g
details: {firing: f, own: {deep: ['{{ .Receiver }}', 5]}, num_resolved: null}
images: [{src: 'http://i', alt: a, href: 'http://h'}, {alt: gone}]
links: [{href: 'http://l', text: t}, {text: gone}]
"""


async def test_everything_that_can_be_set_is_sent(notifier: PagerdutyNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        await notifier.notify(pagerduty(receiver, EVERYTHING), told())
    assert sent(receiver) == {
        "routing_key": "db-key",
        "dedup_key": KEY,
        "event_action": "trigger",
        "client": "c",
        "client_url": "http://u",
        "images": [{"src": "http://i", "alt": "a", "href": "http://h"}],
        "links": [{"href": "http://l", "text": "t"}],
        "payload": {
            "summary": "firing!",
            "source": "s",
            "severity": "warning",
            "class": "k",
            "component": "o",
            "group": "g",
            "custom_details": {
                "firing": "f",
                "own": {"deep": ["team", 5]},
                "num_firing": 1,
                "num_resolved": None,
                "resolved": [],
            },
        },
    }


async def test_what_an_alert_says_is_never_a_template_and_no_yaml(notifier: PagerdutyNotifier) -> None:
    labels = {"alertname": "{{ .Nope }}", "port": "80"}
    alert = Alert(fingerprint(labels), labels, {"summary": "disk: full"}, NOON, NOON, NOON)
    lines = f"routing_key: {SECRET}\ndetails: {{note: '{{{{ .CommonAnnotations.summary }}}}'}}"
    async with receiving(says(ACCEPTED)) as receiver:
        await notifier.notify(pagerduty(receiver, lines), told(alert))
    details = sent(receiver)["payload"]["custom_details"]
    assert details["note"] == "disk: full"
    assert details["resolved"][0]["labels"] == labels


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .Alerts | len }}", 1),
        ("{{ true }}", True),
        ("{{ .Receiver }}", "team"),
        ('{{ "" }}', ""),
        ('{{ "\\"x\\"" }}', '"x"'),
        ("[{{ range .Alerts }}{{ .Labels.instance }},{{ end }}]", [0]),
        ("{a: {{ .Receiver }}}", {"a": "team"}),
        ("[FIRING] {{ .Receiver }}", "[FIRING] team"),
        ("{{ .Receiver }}: x", "team: x"),
    ],
)
async def test_what_a_detail_becomes(notifier: PagerdutyNotifier, template: str, expected: object) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        integration = replace(pagerduty(receiver), details=json.dumps({"x": template}))
        await notifier.notify(integration, told())
    assert sent(receiver)["payload"]["custom_details"] == {"x": expected}


async def test_a_long_summary_is_cut(notifier: PagerdutyNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        await notifier.notify(replace(pagerduty(receiver), description="ü" * 2000), told())
    assert sent(receiver)["payload"]["summary"] == "ü" * 1023 + "…"


async def test_details_that_are_too_large_are_left_out(notifier: PagerdutyNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        integration = replace(pagerduty(receiver), details=json.dumps({"x": "y" * MOST_BYTES}))
        await notifier.notify(integration, told())
    details = sent(receiver)["payload"]["custom_details"]
    assert details == {"error": "Custom details have been removed because with them the event is larger than 512 kB."}


async def test_a_key_from_a_file_may_be_a_template(notifier: PagerdutyNotifier, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("{{ .CommonLabels.team }}-key\n")
    async with receiving(says(ACCEPTED)) as receiver:
        await notifier.notify(pagerduty(receiver, f"routing_key_file: {key}"), told())
        assert sent(receiver)["routing_key"] == "db-key"
        key.write_text("{{ .CommonLabels.none }}")
        with pytest.raises(RejectedError, match=r"^routing_key is empty$"):
            await notifier.notify(pagerduty(receiver, f"routing_key_file: {key}"), told())
        key.write_text(f"{SECRET}{{{{ nope }}}}")
        with pytest.raises(RejectedError) as caught:
            await notifier.notify(pagerduty(receiver, f"routing_key_file: {key}"), told())
    assert str(caught.value) == "routing_key is a template that cannot be rendered for this notification"


async def test_a_service_key_speaks_the_older_api(client: HttpClient) -> None:
    async with receiving(says(status_line("200 OK", '{"status":"success"}'), status_line("403 Forbidden"))) as receiver:
        notifier = PagerdutyNotifier(client, Renderer("http://t", lambda: NOON), f"{receiver.url}/create_event.json")
        lines = f"service_key: {SECRET}\nrouting_key: gone\ndetails: {{firing: x, resolved: z}}\nclient_url: u"
        integration = pagerduty(receiver, lines)
        await notifier.notify(integration, told())
        assert receiver.requests[0].line == "POST /create_event.json HTTP/1.1"
        assert sent(receiver) == {
            "service_key": SECRET,
            "incident_key": KEY,
            "event_type": "trigger",
            "description": "[FIRING:1] Disk (instance=0, team=db)",
            "client": "Tocsin",
            "client_url": "u",
            "details": {"firing": "x", "resolved": "z", "num_firing": 1, "num_resolved": 0},
        }
        with pytest.raises(UnavailableError, match="answered 403 Forbidden"):
            await notifier.notify(integration, told(firing=0, resolved=1))
    resolve = sent(receiver)
    assert resolve["event_type"] == "resolve"
    assert "client" not in resolve


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        pytest.param(
            status_line("400 Bad Request", json.dumps({"message": "Event object is invalid", "errors": [SECRET]})),
            RejectedError,
            'answered 400 Bad Request: {"message": "Event object is invalid", "errors": ["<hidden>"]}',
            id="refused, and the key is echoed",
        ),
        pytest.param(status_line("403 Forbidden"), RejectedError, "answered 403 Forbidden", id="403"),
        pytest.param(status_line("429 Slow Down"), UnavailableError, "answered 429 Slow Down", id="429"),
        pytest.param(status_line("500 Oops"), UnavailableError, "answered 500 Oops", id="500"),
    ],
)
async def test_answers(notifier: PagerdutyNotifier, answer: bytes, expected: type[DomainError], message: str) -> None:
    async with receiving(says(answer)) as receiver:
        with pytest.raises(expected) as caught:
            await notifier.notify(pagerduty(receiver), told())
    assert str(caught.value) == message
