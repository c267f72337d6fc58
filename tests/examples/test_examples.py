"""The producers in examples/: run as they are, against the stand-in for Service Bus, into the app in memory."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import function_app
from adapters.memory.broker import MemoryBroker
from adapters.messages import read_events
from adapters.wiring import ports
from devhost.index import Function
from devhost.servicebus_pump import ServiceBusPump
from tests.servicebus import MemoryStore, broker_on, queue_settings
from tests.standins.servicebus import ServiceBusStandIn

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus() -> AsyncIterator[ServiceBusStandIn]:
    async with ServiceBusStandIn(queue_settings()) as stand_in:
        yield stand_in


@pytest_asyncio.fixture(loop_scope="module")
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryBroker]:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    ports.cache_clear()
    broker = ports().broker
    assert isinstance(broker, MemoryBroker)
    yield broker
    await ports().close()
    ports.cache_clear()


async def run(name: str, bus: ServiceBusStandIn) -> None:
    """Run the example as a user does."""
    environment = {**os.environ, "SERVICE_BUS_CONNECTION_STRING": bus.connection_string}
    process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLES / name), env=environment)
    async with asyncio.timeout(30):
        assert await process.wait() == 0


async def take_in(bus: ServiceBusStandIn) -> None:
    """Hand what lies on the queue to the function, as the host does."""
    broker = broker_on(bus, MemoryStore())
    binding = {"queueName": "intake", "isSessionsEnabled": False}
    handler: Any = function_app.take_in
    pump = ServiceBusPump(Function("take_in", "serviceBusTrigger", "message", binding, None, handler), broker, limit=1)
    task = asyncio.create_task(pump.run())
    async with asyncio.timeout(30):
        while bus.peek("intake"):  # noqa: ASYNC110  the stand-in has no event for it
            await asyncio.sleep(0.01)
    task.cancel()
    await pump.close()
    await broker.close()


def taken(home: MemoryBroker) -> list[tuple[dict[str, str], bool]]:
    """The labels of the alerts on their way to the groups, and whether each fires."""
    found = []
    while (message := home.receive("groups")) is not None:
        assert message.body is not None
        for alert in read_events(message.body, message.id).alerts:
            found.append((dict(alert.labels), alert.ends_at > alert.received_at))
        home.complete(message)
    return found


async def test_queue_producer(bus: ServiceBusStandIn, home: MemoryBroker) -> None:
    await run("queue_producer.py", bus)
    await take_in(bus)
    found = taken(home)
    job = {"alertname": "NightlyJobFailed", "job": "invoices", "severity": "critical"}
    assert sorted(fires for labels, fires in found if labels == job) == [False, True]
    (down,) = [labels for labels, _ in found if labels != job]
    assert down["monitor"] == "shop"
    assert await ports().queues.list_dead() == []


async def test_cloudevents_producer(bus: ServiceBusStandIn, home: MemoryBroker) -> None:
    await run("cloudevents_producer.py", bus)
    await take_in(bus)
    found = taken(home)
    assert {labels["alertname"] for labels, _ in found} == {"com.example.disk.full"}
    assert {labels["severity"] for labels, _ in found} == {"critical"}
    assert sorted((labels["subject"], fires) for labels, fires in found) == [
        ("db-1", True),
        ("db-2", False),
        ("db-2", True),
        ("db-3", True),
        ("db-4", True),
    ]
    assert len({frozenset(labels.items()) for labels, _ in found}) == 4, "the end is that of its own alert"
    assert await ports().queues.list_dead() == []
