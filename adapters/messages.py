"""Messages: how the domain's events travel on a queue; implements port `Queues` over any broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from adapters.documents import decode, encode
from adapters.telemetry import carry
from domain.groups import GroupEvents, Tick, shard
from domain.looks import Triage
from domain.notifications import Delivery
from domain.queues import DeadLetter, QueueName
from domain.routing import GroupId

type Mark = tuple[GroupId, str, int]
"""An event as its group knows it once folded: the group, the door that sent it, and its number there."""

REPLAYED = "replayed-"
"""How the id of a message begins that was a dead letter: its place in the order of its door is lost."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """What a broker is asked to keep: an encoded body and what it must know without reading it."""

    body: bytes
    session: str | None = None
    id: str = ""
    """Where given, a message of the same id sent in the last ten minutes is dropped as a duplicate."""
    due_at: datetime | None = None
    size: int = 0
    """How many (alert × group) pairs of the ledger it carries."""
    marks: tuple[Mark, ...] = ()
    """By what a broker that cannot tell whether a message was handled may ask the store; one for each event."""
    trace: str = ""
    """The `traceparent` of what sends it.  A local broker forgets it in a crash."""
    since: float = 0.0
    """Since when (seconds since 1970) somebody waits for what it carries, if that is not since it is sent."""


class Broker(Protocol):
    """A message broker, or what stands for one: the raw half of port `Queues`, with the same promises."""

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage], *, replacing: int = 0) -> None: ...

    async def open(self, body: bytes, properties: Mapping[str, Any]) -> bytes:
        """What a received message really carries: a broker may have sent its body another way, by reference.

        Args:
            body: As received.
            properties: The application properties as received.

        Raises:
            UnavailableError: The body cannot be had just now.
            RejectedError: It is gone for good.
        """
        ...

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None: ...

    async def gather_dead(self) -> int:
        """Bring what the broker itself gave up on to where it is listed, and return how many those were.

        Listing and counting do it first; the sweep does it too, so that nothing lies dead unseen.

        Raises:
            UnavailableError: Not all could be brought; the others are still where they were.
        """
        ...

    async def list_dead(
        self, *, before: tuple[datetime, str] | None = None, limit: int = 100
    ) -> Sequence[DeadLetter]: ...

    async def get_dead(self, dead_letter_id: str) -> DeadLetter: ...

    async def replay(self, dead_letter_id: str) -> None: ...

    async def passed(self, timeout_seconds: float) -> bool: ...

    async def count_waiting(self) -> int: ...

    async def count_parked(self) -> int: ...

    async def count_accepted(self) -> int: ...

    async def count_dead(self) -> Mapping[str, int]: ...

    async def oldest(self, queue: QueueName) -> datetime | None: ...


def read_events(body: bytes, message_id: str) -> GroupEvents:
    """The events of a `groups` message; a replayed one counts as from a door of its own, since it comes out of order.

    Raises:
        RejectedError: It is no such message.
    """
    events = decode(GroupEvents, body)
    if not message_id.startswith(REPLAYED):
        return events
    return replace(events, events=tuple(replace(event, door=message_id) for event in events.events))


class MessageQueues:
    """Implements `Queues`: encodes, and leaves the keeping to the broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.park = broker.park
        self.list_dead = broker.list_dead
        self.get_dead = broker.get_dead
        self.replay = broker.replay
        self.passed = broker.passed
        self.count_waiting = broker.count_waiting
        self.count_parked = broker.count_parked
        self.count_accepted = broker.count_accepted
        self.count_dead = broker.count_dead
        self.oldest = broker.oldest

    async def send_events(self, events: Sequence[GroupEvents], *, replacing: int = 0) -> None:
        trace = carry()
        await self._broker.send(
            "groups",
            [
                OutgoingMessage(
                    encode(message),
                    session=str(shard(message.events[0].group_id)),
                    size=message.size,
                    marks=tuple([(event.group_id, event.door, event.number) for event in message.events]),
                    trace=trace,
                )
                for message in events
            ],
            replacing=replacing,
        )

    async def send_ticks(self, ticks: Sequence[Tick]) -> None:
        trace = carry()
        await self._broker.send(
            "ticks", [OutgoingMessage(encode(tick), due_at=tick.due_at, trace=trace) for tick in ticks]
        )

    async def send_deliveries(self, deliveries: Sequence[Delivery], not_before: datetime | None = None) -> None:
        trace = carry()
        await self._broker.send(
            "deliveries",
            [
                OutgoingMessage(
                    encode(delivery),
                    id=f"{delivery.id}-{delivery.postponed}",
                    due_at=not_before,
                    trace=trace,
                    since=delivery.due_at.timestamp(),
                )
                for delivery in deliveries
            ],
        )

    async def send_triages(self, triages: Sequence[Triage]) -> None:
        trace = carry()
        await self._broker.send(
            "triage",
            [
                OutgoingMessage(
                    encode(triage),
                    id=f"{triage.incident}-{triage.look}-{triage.postponed}",
                    due_at=triage.due_at,
                    trace=trace,
                )
                for triage in triages
            ],
        )
