"""The receiving side of the queues, as the host has it: for the tests that ask every home the same."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from adapters.documents import decode
from adapters.lanes import Held
from adapters.messages import MessageQueues
from adapters.servicebus.broker import ServiceBusBroker
from adapters.servicebus.connection import close
from adapters.servicebus.reading import read_body, read_properties
from devhost.pumps import LocalBroker
from domain.groups import GroupEvents
from domain.queues import MAX_DELIVERY_COUNT, QueueName, Queues
from tests.servicebus import MOST_FAILURES, Folds, MemoryStore, broker_on, now, queue_settings
from tests.standins.servicebus import ServiceBusStandIn
from tests.standins.servicebus.messages import State

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusReceiver


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is locked by the test until it completes or abandons it."""

    body: bytes
    """What it really carries."""
    id: str
    session: str | None
    failures: int
    enqueued_at: float
    queue: QueueName
    held: Any
    """As the home's receiver knows it."""


class Receiver(Protocol):
    most_failures: int
    """After so many a message is dead."""
    hears_reasons: bool
    """Whether the dead letter of a message knows why its last handler failed."""

    async def take(self, queue: QueueName) -> Taken | None:
        """Lock the next message that is due; None when there is none that may be handed out now.

        As by the host, of each session only one message is out at a time.
        """
        ...

    async def complete(self, taken: Taken) -> None: ...

    async def abandon(self, taken: Taken, reason: str) -> None: ...


class LaneReceiver:
    """Receives from a broker that lives in this process, as `QueuePump` does."""

    most_failures = MAX_DELIVERY_COUNT
    hears_reasons = True

    def __init__(self, broker: LocalBroker) -> None:
        self._broker = broker

    async def take(self, queue: QueueName) -> Taken | None:
        held = self._broker.receive(queue)
        if held is None:
            return None
        assert held.body is not None
        return Taken(held.body, held.id, held.session, held.delivery_count, held.enqueued_at, queue, held)

    async def complete(self, taken: Taken) -> None:
        self._broker.complete(cast(Held, taken.held))

    async def abandon(self, taken: Taken, reason: str) -> None:
        held = cast(Held, taken.held)
        self._broker.abandon(held, reason)
        if held.delivery_count == MAX_DELIVERY_COUNT:
            await let_others_run()


class LinkReceiver:
    """Receives by the SDK, over links that stay open from test to test: opening one takes half a second.

    Where the next message is, the stand-in is asked, because a receive from a link that has none would wait; the
    message itself comes over the wire.
    """

    most_failures = MOST_FAILURES
    hears_reasons = False

    def __init__(self, stand_in: ServiceBusStandIn, broker: ServiceBusBroker, folds: Folds) -> None:
        self._stand_in = stand_in
        self._broker = broker
        self._folds = folds
        self._links: dict[tuple[QueueName, str | None], ServiceBusReceiver] = {}
        self._out: dict[tuple[QueueName, str | None], deque[ServiceBusReceivedMessage]] = {}

    async def take(self, queue: QueueName) -> Taken | None:
        self._stand_in.wake()
        place = self._next(queue)
        if place is None:
            return None
        link = self._link(*place)
        (message,) = await link.receive_messages(1, max_wait_time=5)
        self._out.setdefault(place, deque()).append(message)
        assert message.enqueued_time_utc is not None
        return Taken(
            await self._broker.open(read_body(message), read_properties(message)),
            message.message_id or "",
            message.session_id,
            message.delivery_count or 0,
            message.enqueued_time_utc.timestamp(),
            queue,
            message,
        )

    def _next(self, queue: QueueName) -> tuple[QueueName, str | None] | None:
        for stored in self._stand_in.peek(queue):
            place = queue, stored.content.session_id
            is_held_up = queue == "groups" and self._out.get(place)
            if stored.state == State.ACTIVE and stored.token is None and not is_held_up:
                return place
        return None

    def _link(self, queue: QueueName, session: str | None) -> ServiceBusReceiver:
        session = session if queue == "groups" else None
        link = self._links.get((queue, session))
        if link is None:
            options: dict[str, Any] = {} if session is None else {"session_id": session}
            link = self._broker.client.get_queue_receiver(queue, **options)
            self._links[queue, session] = link
        return link

    async def complete(self, taken: Taken) -> None:
        await self._forget(taken).complete_message(taken.held)
        if taken.queue == "groups":
            events = decode(GroupEvents, taken.body)
            self._folds.fold([(event.group_id, event.door, event.number) for event in events.events], events.size)

    async def abandon(self, taken: Taken, reason: str) -> None:
        await self._forget(taken).abandon_message(taken.held)

    def _forget(self, taken: Taken) -> ServiceBusReceiver:
        self._out[taken.queue, taken.session].remove(taken.held)
        return self._link(taken.queue, taken.session)

    async def let_go(self) -> None:
        """Abandon whatever the test has left locked."""
        for (queue, session), messages in self._out.items():
            while messages:
                await self._link(queue, session).abandon_message(messages.popleft())

    async def close(self) -> None:
        await close(*self._links.values())


@dataclass(frozen=True, slots=True)
class QueueHome:
    """One home's queues for one test."""

    queues: Queues
    receiver: Receiver
    local: LocalBroker | None = None
    """Where the broker lives in this process."""


class ServiceBusHome:
    """The stand-in and the links to it, made when first used and emptied after each test."""

    def __init__(self) -> None:
        self._clock: Callable[[], datetime] = now
        self._store = MemoryStore()
        self._stand_in = ServiceBusStandIn(
            # Tests move the clock by minutes under locks that they hold.
            queue_settings(lock_seconds=timedelta(days=100).total_seconds()),
            clock=lambda: self._clock().timestamp(),
        )
        self._broker: ServiceBusBroker | None = None
        self._receiver: LinkReceiver | None = None

    async def begin(self, clock: Callable[[], datetime]) -> QueueHome:
        """The home, empty, for a test with this clock."""
        self._clock = clock
        if self._broker is None or self._receiver is None:
            await self._stand_in.__aenter__()
            self._broker = broker_on(self._stand_in, self._store, lambda: self._clock())
            self._receiver = LinkReceiver(self._stand_in, self._broker, self._store.folds)
        return QueueHome(MessageQueues(self._broker), self._receiver)

    async def end(self) -> None:
        """Forget what the test left behind, but keep the links."""
        assert self._broker is not None
        assert self._receiver is not None
        await self._receiver.let_go()
        self._store.folds.is_all_folded = True
        assert await self._broker.passed(0)
        self._stand_in.purge()
        self._store.clear()

    async def close(self) -> None:
        if self._broker is not None and self._receiver is not None:
            await self._receiver.close()
            await self._broker.close()
            await self._stand_in.__aexit__(None, None, None)


async def let_others_run() -> None:
    """Until nothing is left that waits for its turn only, commits included."""
    for _ in range(10):
        await asyncio.sleep(0)
