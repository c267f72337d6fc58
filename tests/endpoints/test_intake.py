"""The queue as a front door: which form a message has, and what becomes of one that cannot be accepted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from azure.functions.servicebus import ServiceBusMessage

import function_app
from adapters.memory.broker import MemoryBroker
from adapters.messages import read_events
from adapters.wiring import Ports, ports
from domain.errors import UnavailableError
from domain.queues import DeadLetter

DOWN = {"monitorID": "7", "monitorFriendlyName": "shop", "alertType": "1"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.disk.full.firing", "subject": "db-1"}
ALERTS = [{"labels": {"alertname": "DiskFull"}}]


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_AUTH", "true")
    ports.cache_clear()
    yield ports()
    await ports().close()
    ports.cache_clear()


async def receive(body: Any, properties: Mapping[str, Any] | None = None, content_type: str | None = None) -> None:
    """Hand a message to the function, as the host does."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = ServiceBusMessage(
        body=encoded,
        message_id="1",
        application_properties=dict(properties or {}),
        user_properties={},
        content_type=content_type,
    )
    await function_app.take_in(message)


def taken() -> list[dict[str, str]]:
    """The labels of the alerts on their way to the groups."""
    broker = ports().broker
    assert isinstance(broker, MemoryBroker)
    found: list[dict[str, str]] = []
    while (message := broker.receive("groups")) is not None:
        assert message.body is not None
        found += [dict(alert.labels) for alert in read_events(message.body, message.id).alerts]
        broker.complete(message)
    return found


async def parked() -> DeadLetter:
    (letter,) = await ports().queues.list_dead()
    assert (letter.queue, letter.kind) == ("intake", "parked")
    return letter


async def replay(letter: DeadLetter) -> None:
    """Send it again, and hand it over as the dev host does."""
    await ports().queues.replay(letter.id)
    broker = ports().broker
    assert isinstance(broker, MemoryBroker)
    message = broker.receive("intake")
    assert message is not None
    broker.complete(message)
    await receive(message.body, {"size": message.size})


# --- which form it is -----------------------------------------------------------------------------------------------


async def test_nothing_said_is_alertmanagers_form(home: Ports) -> None:
    await receive(ALERTS)
    await receive(ALERTS, {"size": 0, "Diagnostic-Id": "x"}, "application/json")
    assert taken() == [{"alertname": "DiskFull"}] * 2


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        pytest.param({"kind": "uptimerobot", "key": "berlin"}, "berlin", id="kind and key"),
        pytest.param({"Kind": "uptimerobot"}, "default", id="no key, and capitals"),
        pytest.param({"kind": b"uptimerobot", "key": 7}, "7", id="of other types"),
    ],
)
async def test_a_property_names_the_kind(home: Ports, properties: dict[str, Any], key: str) -> None:
    await receive(DOWN, properties)
    (labels,) = taken()
    assert labels["monitor"] == "shop"


async def test_the_definition_of_the_source_counts(home: Ports, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    file = tmp_path / "tocsin.yml"
    file.write_text("sources:\n  - {kind: uptimerobot, key: berlin, labels: {team: web}}\n")
    monkeypatch.setenv("TOCSIN_OWN_CONFIGURATION", str(file))
    ports.cache_clear()
    await receive(DOWN, {"kind": "uptimerobot", "key": "berlin"})
    await receive(DOWN, {"kind": "uptimerobot", "key": "paris"})
    assert [labels.get("team") for labels in taken()] == ["web", None]


@pytest.mark.parametrize(
    ("body", "properties", "content_type"),
    [
        pytest.param(EVENT, {}, "application/cloudevents+json; charset=utf-8", id="structured"),
        pytest.param([EVENT], {}, "Application/CloudEvents-Batch+JSON", id="a batch"),
        pytest.param({}, {f"cloudEvents:{name}": EVENT[name] for name in EVENT}, "application/json", id="binary"),
        pytest.param({}, {f"cloudEvents_{name}": EVENT[name] for name in EVENT}, None, id="binary, without colons"),
        pytest.param(EVENT, {"kind": "cloudevents"}, None, id="by its kind, without a content type"),
    ],
)
async def test_cloudevents_need_no_property_of_ours(
    home: Ports, body: Any, properties: dict[str, Any], content_type: str | None
) -> None:
    await receive(body, properties, content_type)
    (labels,) = taken()
    assert (labels["alertname"], labels["subject"]) == ("com.example.disk.full", "db-1")


async def test_properties_of_amqps_own_types_are_read(home: Ports) -> None:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    properties = {f"cloudEvents:{name}": value for name, value in EVENT.items()}
    await receive({}, {**properties, "cloudEvents:time": at, "cloudEvents:sequence": 7, "cloudEvents:ok": True})
    broker = home.broker
    assert isinstance(broker, MemoryBroker)
    message = broker.receive("groups")
    assert message is not None
    assert message.body is not None
    (alert,) = read_events(message.body, message.id).alerts
    assert alert.starts_at == at


# --- what cannot be accepted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "properties", "content_type", "reason"),
    [
        pytest.param(b"{", {"kind": "uptimerobot"}, None, "", id="no JSON"),
        pytest.param(b"\xff\x00", {"kind": "zabbix", "key": "x"}, None, "", id="no text"),
        pytest.param(DOWN, {"kind": "nagios"}, None, 'no kind of source "nagios"; there are', id="no such kind"),
        pytest.param(DOWN, {"kind": "uptimerobot", "key": "a b"}, None, 'key: "a b" is none', id="no key"),
        pytest.param({}, {}, "application/cloudevents+json", "event 0: id: ", id="no CloudEvent"),
        pytest.param(EVENT, {}, "application/cloudevents+avro", "only JSON is taken", id="another format"),
    ],
)
async def test_what_cannot_be_read_is_parked_with_the_reason(
    home: Ports, body: Any, properties: dict[str, Any], content_type: str | None, reason: str
) -> None:
    await receive(body, properties, content_type)
    assert taken() == []
    first = await parked()
    assert reason in first.reason
    await replay(first)
    assert (await parked()).reason == first.reason, "sent again it is what it was"
    assert (await parked()).body == first.body


async def test_what_is_wrong_with_some_costs_the_others_nothing(home: Ports) -> None:
    await receive([EVENT, {"id": "2"}], {}, "application/cloudevents-batch+json")
    assert len(taken()) == 1
    assert (await parked()).reason.startswith("event 1: ")


async def test_what_is_parked_is_shown_as_it_came_and_sent_again_whole(
    home: Ports, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    await receive({"alert": "x", "a": "ü"}, {"kind": "nagios", "key": "berlin", "x": 1}, "application/json")
    letter = await parked()
    assert json.loads(letter.body) == {
        "intake": {
            "kind": "nagios",
            "key": "berlin",
            "headers": {"kind": "nagios", "key": "berlin", "x": "1", "content-type": "application/json"},
            "text": '{"alert": "x", "a": "\\u00fc"}',
            "data": "",
        }
    }


async def test_it_is_taken_in_when_the_fault_is_mended(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    from domain.sources import definitions

    with monkeypatch.context() as broken:
        broken.setattr(definitions, "KINDS", ())
        await receive(DOWN, {"kind": "uptimerobot", "key": "berlin"})
    await replay(await parked())
    assert [labels["monitor"] for labels in taken()] == ["shop"]
    assert await home.queues.list_dead() == []


async def test_a_producer_cannot_pass_for_what_was_parked(home: Ports) -> None:
    await receive({"intake": {"kind": "uptimerobot", "key": "x", "headers": {}, "text": "{}"}}, {"kind": "uptimerobot"})
    assert (await parked()).reason


async def test_alerts_of_our_own_form_are_parked_as_they_came(home: Ports) -> None:
    await receive([{"labels": {}}, *ALERTS])
    letter = await parked()
    assert json.loads(letter.body) == [{"labels": {}}, *ALERTS]
    assert letter.reason == "alert 0: at least one label pair required"


async def test_an_outage_is_waited_out(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    from endpoints import consumer

    monkeypatch.setattr(consumer, "FIRST_WAIT_SECONDS", 0.001)
    tried: list[int] = []
    send = home.queues.send_events

    async def fail_twice(*args: Any, **options: Any) -> None:
        tried.append(1)
        if len(tried) < 3:
            raise UnavailableError("the queue is away")
        await send(*args, **options)

    monkeypatch.setattr(home.queues, "send_events", fail_twice)
    await receive(DOWN, {"kind": "uptimerobot"})
    assert (len(tried), len(taken())) == (3, 1)
    assert await home.queues.list_dead() == []
