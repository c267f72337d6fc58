"""Implements `Broker` in this process alone, and what the dev host receives by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, Literal

from adapters.lanes import DUPLICATE_WINDOW_SECONDS, Held, new_lanes, stamp
from adapters.messages import REPLAYED, OutgoingMessage
from domain.errors import NotFoundError
from domain.queues import DeadLetter, QueueName


class MemoryBroker:
    """Implements `Broker`, and what the dev host receives by; its lanes are all there is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._sent: dict[tuple[str, str], float] = {}
        """When an id was last sent to a queue, the earliest first."""
        self._dead: dict[str, tuple[DeadLetter, str | None]] = {}
        """The dead letters, the oldest first, with their sessions."""
        self._accepted = 0
        self.lanes = new_lanes()

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage], *, replacing: int = 0) -> None:
        self._accepted -= replacing
        now = self._clock()
        for message in messages:
            if not message.id or self._is_first(queue, message.id, now):
                due_at = stamp(message.due_at)
                self._put(
                    queue, message.session, message.id, due_at, message.size, message.body, message.trace, message.since
                )
                self._accepted += message.size

    def _is_first(self, queue: str, id: str, now: float) -> bool:
        while self._sent and self._sent[oldest := next(iter(self._sent))] <= now - DUPLICATE_WINDOW_SECONDS:
            del self._sent[oldest]
        if (queue, id) in self._sent:
            return False
        self._sent[queue, id] = now
        return True

    def _put(
        self,
        queue: str,
        session: str | None,
        id: str,
        due_at: float,
        size: int,
        body: bytes,
        trace: str = "",
        since: float = 0.0,
    ) -> None:
        now = self._clock()
        held = Held(next(self._numbers), queue, session, id, due_at, now, size, body, 0, trace, since)
        self.lanes[queue].put(held, now)

    def receive(self, queue: QueueName) -> Held | None:
        """Lock the next message that is due and return it; None when there is none."""
        return self.lanes[queue].take(self._clock())

    def complete(self, message: Held) -> None:
        """It is done with."""
        self.lanes[message.queue].release(message)

    def abandon(self, message: Held, reason: str) -> None:
        """Its handler failed: it comes again, or is dead after too many failures."""
        lane = self.lanes[message.queue]
        if message.count_failure():
            assert message.body is not None
            self._bury(
                message.queue, message.session, "dead", reason, message.delivery_count, message.size, message.body
            )
            lane.release(message)
        else:
            lane.put_back(message)

    def _bury(
        self,
        queue: str,
        session: str | None,
        kind: Literal["parked", "dead"],
        reason: str,
        delivery_count: int,
        size: int,
        body: bytes,
    ) -> None:
        id = str(next(self._numbers))
        at = datetime.fromtimestamp(self._clock(), UTC)
        self._dead[id] = DeadLetter(id, queue, kind, reason, at, delivery_count, size, body), session

    async def open(self, body: bytes, properties: Mapping[str, Any]) -> bytes:
        return body

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None:
        self._bury(queue, None, "parked", reason, 0, size, body)

    async def gather_dead(self) -> int:
        return 0  # they are buried where they are listed

    async def list_dead(self, *, before: tuple[datetime, str] | None = None, limit: int = 100) -> Sequence[DeadLetter]:
        last = int(before[1]) if before and before[1].isdecimal() else None
        found = (letter for letter, _ in reversed(self._dead.values()) if last is None or int(letter.id) < last)
        return list(islice(found, limit))

    async def get_dead(self, dead_letter_id: str) -> DeadLetter:
        return self._find_dead(dead_letter_id)[0]

    def _find_dead(self, dead_letter_id: str) -> tuple[DeadLetter, str | None]:
        found = self._dead.get(dead_letter_id)
        if found is None:
            raise NotFoundError(f"no dead letter {dead_letter_id!r}")
        return found

    async def replay(self, dead_letter_id: str) -> None:
        letter, session = self._find_dead(dead_letter_id)
        del self._dead[dead_letter_id]
        self._put(letter.queue, session, f"{REPLAYED}{letter.id}", 0.0, letter.size, letter.body)

    async def passed(self, timeout_seconds: float) -> bool:
        return await self.lanes["groups"].passed(timeout_seconds)

    async def count_waiting(self) -> int:
        return self.lanes["groups"].size

    async def count_parked(self) -> int:
        return sum(letter.size for letter, _ in self._dead.values() if letter.queue == "groups")

    async def count_accepted(self) -> int:
        return self._accepted

    async def count_dead(self) -> Mapping[str, int]:
        return Counter([letter.queue for letter, _ in self._dead.values()])

    async def oldest(self, queue: QueueName) -> datetime | None:
        since = self.lanes[queue].waiting_since()
        return None if since is None else datetime.fromtimestamp(since, UTC)
