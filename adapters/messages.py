"""Messages: how the domain's events travel on a queue; implements port `Queues` over any broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from adapters.documents import decode, encode
from domain.groups import GroupEvents, Tick, shard
from domain.notifications import Delivery
from domain.queues import DeadLetter, QueueName

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


class Broker(Protocol):
    """A message broker, or what stands for one: the raw half of port `Queues`, with the same promises."""

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage], *, replacing: int = 0) -> None: ...

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None: ...

    async def list_dead(self, *, limit: int = 100) -> Sequence[DeadLetter]: ...

    async def get_dead(self, dead_letter_id: str) -> DeadLetter: ...

    async def replay(self, dead_letter_id: str) -> None: ...

    async def passed(self, timeout_seconds: float) -> bool: ...

    async def count_waiting(self) -> int: ...

    async def count_parked(self) -> int: ...

    async def count_accepted(self) -> int: ...


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

    async def send_events(self, events: Sequence[GroupEvents], *, replacing: int = 0) -> None:
        await self._broker.send(
            "groups",
            [
                OutgoingMessage(encode(message), session=str(shard(message.events[0].group_id)), size=message.size)
                for message in events
            ],
            replacing=replacing,
        )

    async def send_ticks(self, ticks: Sequence[Tick]) -> None:
        await self._broker.send("ticks", [OutgoingMessage(encode(tick), due_at=tick.due_at) for tick in ticks])

    async def send_deliveries(self, deliveries: Sequence[Delivery], not_before: datetime | None = None) -> None:
        await self._broker.send(
            "deliveries",
            [
                OutgoingMessage(encode(delivery), id=f"{delivery.id}-{delivery.postponed}", due_at=not_before)
                for delivery in deliveries
            ],
        )
