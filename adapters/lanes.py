"""Lane: one queue's messages in memory, ordered and locked as Service Bus does it; what both local brokers share."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from domain.queues import MAX_DELIVERY_COUNT, QueueName

DUPLICATE_WINDOW_SECONDS = 600.0
"""A message whose id was sent to its queue within this time is dropped."""


@dataclass(slots=True)
class Held:
    """A message that a broker holds; `body` is None while it lies only on disk."""

    number: int
    queue: str
    session: str | None
    id: str
    due_at: float
    enqueued_at: float
    size: int
    body: bytes | None
    delivery_count: int = 0
    trace: str = ""
    """The `traceparent` of what sent it; known until the process ends."""
    since: float = 0.0
    """Since when somebody waits for what it carries, as a time stamp; 0: since it came.  As short-lived."""

    def count_failure(self) -> bool:
        """Its handler failed; returns whether that was once too often, so that it is dead."""
        self.delivery_count += 1
        return self.delivery_count >= MAX_DELIVERY_COUNT


class Lane:
    """The messages of one queue, by their numbers; those of one session one at a time, in order.

    A message taken is locked until it is released or put back; with sessions, so is its session.
    """

    def __init__(self, *, has_sessions: bool) -> None:
        self._has_sessions = has_sessions
        self._ready: deque[Held] = deque()
        self._scheduled: list[tuple[float, int, Held]] = []
        self._sessions: dict[str, deque[Held]] = {}
        self._free_sessions: deque[str] = deque()
        self._locked: set[str] = set()
        self._outstanding: dict[int, Held] = {}
        self._last = 0
        self._waiting_for: list[tuple[int, asyncio.Future[None]]] = []
        self.arrived = asyncio.Event()
        """Set whenever something may have become ready to take."""
        self.size = 0
        """How many (alert × group) pairs are held, taken ones included."""

    def __len__(self) -> int:
        return len(self._outstanding)

    def put(self, message: Held, now: float) -> None:
        """Hold a new message; it can be taken from its due time on."""
        self._outstanding[message.number] = message
        self._last = max(self._last, message.number)
        self.size += message.size
        if message.due_at > now:
            heapq.heappush(self._scheduled, (message.due_at, message.number, message))
        else:
            self._offer(message, first=False)
        self.arrived.set()

    def take(self, now: float) -> Held | None:
        """Lock and return the next message that is due; None when there is none."""
        while self._scheduled and self._scheduled[0][0] <= now:
            self._offer(heapq.heappop(self._scheduled)[2], first=False)
        if not self._has_sessions:
            return self._ready.popleft() if self._ready else None
        if not self._free_sessions:
            return None
        session = self._free_sessions.popleft()
        self._locked.add(session)
        return self._sessions[session].popleft()

    def release(self, message: Held) -> None:
        """The message is done with: forget it, and let its session go on."""
        if self._outstanding.pop(message.number, None) is not None:
            self.size -= message.size
        self._unlock(message)
        if self._waiting_for:
            self._tell_waiting()

    def put_back(self, message: Held) -> None:
        """The message could not be handled: it comes again, before the others of its session."""
        self._offer(message, first=True)
        self._unlock(message)

    def next_due_at(self) -> float | None:
        """When the next scheduled message can be taken, as a time stamp."""
        return self._scheduled[0][0] if self._scheduled else None

    def oldest(self) -> int | None:
        """The number of the oldest message held."""
        return next(iter(self._outstanding), None)

    def waiting_since(self) -> float | None:
        """Since when the longest waiting message held waits, as a time stamp; a look at each of them, where it must."""
        if not self._outstanding:
            return None
        if self._has_sessions:
            return next(iter(self._outstanding.values())).enqueued_at
        return min([message.since or message.enqueued_at for message in self._outstanding.values()])

    async def passed(self, timeout_seconds: float) -> bool:
        """Wait until every message held now has been released; False when time ran out first."""
        oldest = self.oldest()
        if oldest is None:
            return True
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting_for.append((self._last, done))
        try:
            async with asyncio.timeout(timeout_seconds):
                await done
        except TimeoutError:
            return False
        return True

    def _tell_waiting(self) -> None:
        oldest = self.oldest()
        still: list[tuple[int, asyncio.Future[None]]] = []
        for mark, done in self._waiting_for:
            if done.done():
                continue
            if oldest is None or oldest > mark:
                done.set_result(None)
            else:
                still.append((mark, done))
        self._waiting_for = still

    def _offer(self, message: Held, *, first: bool) -> None:
        if not self._has_sessions:
            (self._ready.appendleft if first else self._ready.append)(message)
            return
        session = message.session or ""
        waiting = self._sessions.setdefault(session, deque())
        if not waiting and session not in self._locked:
            self._free_sessions.append(session)
        (waiting.appendleft if first else waiting.append)(message)

    def _unlock(self, message: Held) -> None:
        session = message.session or ""
        if session in self._locked:
            self._locked.discard(session)
            if self._sessions.get(session):
                self._free_sessions.append(session)
        self.arrived.set()


def new_lanes() -> dict[str, Lane]:
    """One for each queue; only `groups` has sessions."""
    return {name: Lane(has_sessions=name == "groups") for name in get_args(QueueName.__value__)}


def stamp(instant: datetime | None) -> float:
    """The instant as seconds since 1970; 0, long past, for none."""
    return instant.timestamp() if instant else 0.0
