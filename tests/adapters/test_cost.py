"""What an alert costs on Azure, in operations of the store and messages of the queues: a budget for each event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

import function_app
from adapters.delivery import Deliverer
from adapters.servicebus.broker import ServiceBusBroker
from adapters.servicebus.connection import close
from adapters.wiring import Ports, ports
from devhost.host import NAMES
from devhost.index import Function, index
from devhost.servicebus_pump import decode
from domain.notifications import Outcome
from domain.queues import QueueName
from domain.times import print_instant
from endpoints import ingest
from tests.contract.conftest import Clock
from tests.standins.azure import AzureStandIn, azure
from tests.standins.servicebus import QUEUES

CONFIGURATION = """\
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: team, webhook_configs: [{url: "http://127.0.0.1:9/"}]}]
"""

ONCE = ("account", "read-container", "ranges")
"""What a client asks once in its life, not for an alert."""


@dataclass
class Running:
    """The app on stand-ins, whose queues are emptied by hand."""

    azure: AzureStandIn
    home: Ports
    clock: Clock
    functions: dict[str, Function]
    links: dict[str, Any]

    async def post(self, *alerts: dict[str, Any]) -> None:
        assert not await ingest.take_in(json.dumps(alerts).encode())

    async def drain(self) -> None:
        """Run the functions until no message is due."""
        queues = ["groups", "ticks", "deliveries"]
        while any([await self.run_next(queue) for queue in queues]):
            pass

    async def run_next(self, queue: str) -> bool:
        waiting = [stored for stored in self.azure.service_bus.peek(queue) if stored.state.name == "ACTIVE"]
        if not waiting:
            return False
        session = waiting[0].content.session_id if queue == "groups" else None
        link = self.links.get(f"{queue} {session}")
        if link is None:
            broker = self.home.broker
            assert isinstance(broker, ServiceBusBroker)
            options: dict[str, Any] = {"session_id": session} if session else {}
            link = self.links[f"{queue} {session}"] = broker.client.get_queue_receiver(queue, **options)
        (message,) = await link.receive_messages(1, max_wait_time=5)
        await self.functions[queue].call(message=decode(message))
        await link.complete_message(message)
        return True

    async def advance(self, delta: timedelta) -> None:
        self.clock.advance(delta)
        self.azure.service_bus.advance(0)

    async def counted(self) -> tuple[Counter[str], Counter[str]]:
        """What was asked of the store, and what was sent to the queues, since this was last called."""
        calls = [call for call in self.azure.cosmos.calls if call.operation not in ONCE]
        operations = Counter(f"{call.operation} {call.container}" for call in calls)
        self.azure.cosmos.calls.clear()
        bus = self.azure.service_bus.calls
        queues = {queue: bus.count_messages("send", queue) for queue in get_args(QueueName.__value__)}
        bus.clear()
        return operations, Counter({queue: number for queue, number in queues.items() if number})


class Told:
    """A deliverer that tells nobody, and says that it has."""

    async def deliver(self, *_: Any) -> Outcome:
        return Outcome(is_delivered=True, detail="200 OK")


@pytest.fixture
async def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Running]:
    clock = Clock()
    # The test's clock jumps, and no lock of the receivers' may end by that.
    queues = {name: replace(settings, lock_seconds=1e9) for name, settings in QUEUES.items()}
    async with azure(lambda: clock().timestamp(), partitions=1, queues=queues) as stand_in:
        for name, value in {**NAMES, **stand_in.environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("adapters.wiring.utc_now", clock)
        monkeypatch.setattr(Deliverer, "deliver", Told.deliver)
        monkeypatch.setattr("adapters.wiring.wire.__defaults__", (clock,))
        ports.cache_clear()
        home = ports()
        functions = {
            function.binding["queueName"]: function
            for function in index(function_app.app)
            if function.trigger == "serviceBusTrigger"
        }
        running = Running(stand_in, home, clock, functions, {})
        await home.policy.heard(clock(), resumed=True)
        await home.configurations.push(CONFIGURATION, name="alertmanager.yml")
        await running.counted()
        yield running
        await close(*running.links.values())
        await home.close()
        ports.cache_clear()


def firing(name: str, clock: Clock, lease: timedelta = timedelta(minutes=4)) -> dict[str, Any]:
    now = clock()
    return {
        "labels": {"alertname": name, "instance": "db"},
        "startsAt": print_instant(now),
        "endsAt": print_instant(now + lease),
    }


# What the store is asked (operation and container), and what is sent to which queue.
POLICY = {"read policy": 1}
FOLD = POLICY | {"query groups": 1, "batch groups": 1}
CLEAR = {"batch groups": 1}


def added(*operations: dict[str, int]) -> Counter[str]:
    return sum(map(Counter, operations), Counter())


async def test_every_event_keeps_to_its_budget(running: Running) -> None:
    clock = running.clock
    alert = firing("DiskFull", clock)

    await running.post(alert)
    await running.drain()
    assert await running.counted() == (added(POLICY, FOLD, CLEAR), {"groups": 1, "ticks": 1, "triage": 1})

    # A re-send that only moves the end: nothing is written, nothing is sent.
    await running.advance(timedelta(seconds=5))
    await running.post({**alert, "endsAt": print_instant(clock() + timedelta(minutes=4))})
    assert await running.counted() == (POLICY, {})

    # From the tick to the receiver: one read of the group, one batch, one send; then the result is folded.
    await running.advance(timedelta(seconds=6))
    await running.run_next("ticks")
    assert await running.counted() == (added(FOLD, CLEAR), {"deliveries": 1, "ticks": 1})
    await running.drain()
    assert await running.counted() == (FOLD, {})

    # Half of the lease is used: the moved end is stored.
    await running.advance(timedelta(minutes=3))
    await running.post({**alert, "endsAt": print_instant(clock() + timedelta(minutes=4))})
    await running.drain()
    assert await running.counted() == (added(POLICY, FOLD), {"groups": 1})

    await running.advance(timedelta(seconds=5))
    await running.post({**alert, "endsAt": print_instant(clock())})
    await running.drain()
    assert await running.counted() == (added(POLICY, FOLD), {"groups": 1})

    # The resolve is told at the next point of the grid, and with its result the incident ends.  Whom the result drops
    # is known only by the log, so that fold reads twice.
    await running.advance(timedelta(minutes=2))
    await running.drain()
    assert await running.counted() == (
        added(FOLD, CLEAR, FOLD, {"query groups": 1}),
        {"deliveries": 1, "ticks": 1},
    )


async def test_a_batch_costs_hardly_more_operations_than_one(running: Running) -> None:
    many = [firing("DiskFull", running.clock) for _ in range(64)]
    for number, alert in enumerate(many):
        alert["labels"]["instance"] = f"db-{number}"
    await running.post(*many)
    await running.drain()
    assert await running.counted() == (added(POLICY, FOLD, CLEAR), {"groups": 1, "ticks": 1, "triage": 1})


async def test_leases_that_are_renewed_are_written_with_the_head_alone(running: Running) -> None:
    clock = running.clock
    many = [firing("DiskFull", clock) for _ in range(64)]
    for number, alert in enumerate(many):
        alert["labels"]["instance"] = f"db-{number}"
    await running.post(*many)
    await running.drain()
    await running.advance(timedelta(seconds=11))
    await running.drain()
    await running.advance(timedelta(minutes=2))
    await running.counted()
    await running.post(*({**alert, "endsAt": print_instant(clock() + timedelta(minutes=4))} for alert in many))
    await running.drain()
    batches = [call for call in running.azure.cosmos.calls if call.operation == "batch"]
    charge = running.azure.cosmos.calls.charge()
    assert await running.counted() == (added(POLICY, FOLD), {"groups": 1})
    # The head and the entry, whatever the number of alerts; most of the charge is the query for the 64 members.
    assert [call.operations for call in batches] == [2]
    assert sum(call.charge for call in batches) < 30
    assert charge < 70
    assert {member.alert.ends_at for _, member in await running.home.groups.list_members()} == {
        clock() + timedelta(minutes=4)
    }


async def test_an_incident_knows_what_it_has_cost(running: Running) -> None:
    await running.post(firing("DiskFull", running.clock))
    await running.drain()
    await running.advance(timedelta(seconds=11))
    await running.drain()
    calls = [call for call in running.azure.cosmos.calls if call.container == "groups" and call.operation not in ONCE]
    (head,) = await running.home.groups.list_heads()
    assert head.incident is not None
    cost = await running.home.groups.get_cost(head.incident.id)
    assert cost is not None
    # All but the last batch, which could not know its own charge.
    assert cost.operations == len(calls) - 1
    assert cost.request_units == pytest.approx(sum(call.charge for call in calls[:-1]), abs=0.1)
    assert cost.messages == 4  # two ticks, one delivery, one look


async def test_a_look_asks_for_little(running: Running) -> None:
    await running.post(firing("DiskFull", running.clock))
    await running.drain()
    await running.run_next("triage")  # the first of a process reads what the others have at hand: history and changes
    await running.advance(timedelta(seconds=5))
    await running.post(firing("Other", running.clock))
    await running.drain()
    await running.counted()
    await running.run_next("triage")
    charge = running.azure.cosmos.calls.charge()
    known = {"read groups": 3, "query groups": 2, "create findings": 1}
    # One look sends for the next one, and its finding is folded: by a point read here, for the group is known.
    assert await running.counted() == (added(known, POLICY, CLEAR), {"triage": 1})
    assert charge < 60
