"""Marks: what this process has just sent, so that a reader can wait until it has been folded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from adapters.messages import Mark
from adapters.servicebus.store import Folded
from domain.routing import GroupId

REMEMBERED_SECONDS = 10.0
"""Longer than anybody waits for it, and than a fold takes unless the queue is behind."""

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.2


class Marks:
    """Service Bus cannot tell when a message has been handled; the groups can, by the numbers that they have folded."""

    def __init__(self, folded: Folded, clock: Callable[[], float] = time.monotonic) -> None:
        self._folded = folded
        self._clock = clock
        self._sent: dict[tuple[GroupId, str], tuple[int, float]] = {}
        """The latest number for each group and door with the time it was sent, the earliest sent first."""

    def add(self, marks: Iterable[Mark]) -> None:
        """Remember them for a while."""
        now = self._clock()
        self._forget(now)
        for group_id, door, number in marks:
            key = group_id, door
            known, _ = self._sent.pop(key, (number, now))
            self._sent[key] = max(known, number), now

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[oldest := next(iter(self._sent))][1] < now - REMEMBERED_SECONDS:
            del self._sent[oldest]

    async def passed(self, timeout_seconds: float) -> bool:
        """Wait until all that is remembered now has been folded; False when time ran out first.

        An event that was addressed anew, under another configuration, is never folded by the group that it was first
        sent to: it is waited for until it is forgotten.
        """
        self._forget(self._clock())
        awaited = {key: number for key, (number, _) in self._sent.items()}
        until = self._clock() + timeout_seconds
        pause = FIRST_PAUSE_SECONDS
        while awaited and not await self._folded(awaited):
            left = until - self._clock()
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
            self._forget(self._clock())
            awaited = {key: number for key, number in awaited.items() if key in self._sent}
        for key, number in awaited.items():
            if key in self._sent and self._sent[key][0] == number:
                del self._sent[key]
        return True
