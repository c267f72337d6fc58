"""Service Bus for tests: the stand-in with the app's queues, and a store in memory for what it cannot keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import get_args

from adapters.messages import Mark
from adapters.servicebus.broker import ServiceBusBroker, Store
from adapters.servicebus.connection import Connection
from adapters.servicebus.store import KeptLetter
from domain.errors import NotFoundError
from domain.queues import QueueName
from domain.routing import GroupId
from tests.standins.servicebus import QueueSettings, ServiceBusStandIn

MOST_FAILURES = 5
"""Stands for `MAX_DELIVERY_COUNT`: a thousand round trips for each dead letter would take seconds."""


def queue_settings(**changes: object) -> dict[str, QueueSettings]:
    """Every queue as `infra/` makes it, but for what the test changes."""
    settings = {}
    for queue in get_args(QueueName.__value__):
        own: dict[str, object] = {"max_delivery_count": MOST_FAILURES, "sessions": queue == "groups"}
        if queue == "deliveries":
            own["duplicate_window_seconds"] = 600
        settings[queue] = QueueSettings(**(own | changes))  # type: ignore[arg-type]
    return settings


class MemoryPayloads:
    """Implements `Payloads`."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    async def put(self, body: bytes) -> str:
        reference = f"payload-{len(self.bodies) + 1}"
        self.bodies[reference] = body
        return reference

    async def get(self, reference: str) -> bytes:
        try:
            return self.bodies[reference]
        except KeyError:
            raise NotFoundError(f"no payload {reference!r}") from None


class MemoryLetters:
    """Implements `DeadLetters`."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptLetter] = {}

    async def add(self, kept: KeptLetter) -> None:
        self.kept.setdefault(kept.letter.id, kept)

    async def list_newest(self, limit: int, before: tuple[datetime, str] | None = None) -> list[KeptLetter]:
        newest = sorted(self.kept.values(), key=lambda kept: kept.letter.at, reverse=True)
        if before is not None:
            places = [place for place, kept in enumerate(newest) if kept.letter.id == before[1]]
            newest = newest[places[0] + 1 :] if places else [kept for kept in newest if kept.letter.at <= before[0]]
        return newest[:limit]

    async def get(self, dead_letter_id: str) -> KeptLetter:
        try:
            return self.kept[dead_letter_id]
        except KeyError:
            raise NotFoundError(f"no dead letter {dead_letter_id!r}") from None

    async def remove(self, dead_letter_id: str) -> None:
        await self.get(dead_letter_id)
        del self.kept[dead_letter_id]

    async def sum_sizes(self, queue: QueueName) -> int:
        return sum(kept.letter.size for kept in self.kept.values() if kept.letter.queue == queue)

    async def count(self) -> Mapping[str, int]:
        return Counter(kept.letter.queue for kept in self.kept.values())


class Tokens:
    """Implements `Causality`: stamps what the test says, and notes what it learns."""

    def __init__(self) -> None:
        self.current = ""
        self.learnt: list[str] = []

    def stamp(self) -> str:
        return self.current

    def learn(self, token: str) -> None:
        self.learnt.append(token)


class Folds:
    """What the groups have folded, as the test says."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[GroupId, str], int] = {}
        self.size = 0
        self.is_all_folded = False
        self.asked = count()

    def fold(self, marks: Iterable[Mark], size: int) -> None:
        """Note that a message of these events has been folded."""
        self.size += size
        for group_id, door, number in marks:
            self.numbers[group_id, door] = max(number, self.numbers.get((group_id, door), -1))

    async def has_folded(self, numbers: Mapping[tuple[GroupId, str], int]) -> bool:
        next(self.asked)
        return self.is_all_folded or all(self.numbers.get(key, -1) >= number for key, number in numbers.items())

    async def count_folded(self) -> int:
        return self.size


class MemoryStore:
    """What `ServiceBusBroker` asks of the store, in memory."""

    def __init__(self) -> None:
        self.payloads = MemoryPayloads()
        self.letters = MemoryLetters()
        self.tokens = Tokens()
        self.folds = Folds()

    @property
    def store(self) -> Store:
        return Store(self.payloads, self.letters, self.tokens, self.folds.has_folded, self.folds.count_folded)

    def clear(self) -> None:
        """As if new, for whoever holds `store`."""
        self.payloads.bodies.clear()
        self.letters.kept.clear()
        self.tokens.current = ""
        self.tokens.learnt.clear()
        self.folds.numbers.clear()
        self.folds.size = 0
        self.folds.is_all_folded = False


def now() -> datetime:
    return datetime.now(UTC)


def broker_on(
    stand_in: ServiceBusStandIn, store: MemoryStore, clock: Callable[[], datetime] = now, **options: object
) -> ServiceBusBroker:
    """The adapter, connected to the stand-in; `options` are for the SDK's client."""
    connection = Connection(connection_string=stand_in.connection_string, options=options)
    return ServiceBusBroker(connection, store.store, clock)
