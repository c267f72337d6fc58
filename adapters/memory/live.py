"""The source of the live log in memory: what this process has decided, until it ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.live.cursors import Cursor
from adapters.live.log import Reading, Step
from domain.groups import LogEntry
from domain.live import TooOldError


class MemoryLiveSource:
    """Reads the entries of a `MemoryGroupStore`, which tells it of each."""

    def __init__(self, entries: Sequence[LogEntry], clock: Callable[[], datetime]) -> None:
        self._entries = entries
        self._clock = clock
        self._life = uuid.uuid4().hex[:8]
        """A cursor of another process's memory means nothing here."""
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """There is another entry."""
        self._changed.set()

    async def begin(self) -> Cursor:
        return Cursor(self._place(len(self._entries)), self._clock())

    async def read(self, after: Cursor, *, limit: int) -> Reading:
        first = self._number(after.place)
        found = self._entries[first : first + limit]
        steps = [Step([entry], Cursor(self._place(number), entry.at)) for number, entry in enumerate(found, first + 1)]
        is_end = len(found) < limit
        behind = Cursor(self._place(first + len(found)), self._clock()) if is_end else steps[-1].behind
        return Reading(steps, behind, is_end)

    async def changed(self, after: Cursor) -> None:
        while len(self._entries) <= self._number(after.place):
            self._changed.clear()
            await self._changed.wait()

    def _place(self, number: int) -> str:
        return f"{self._life}.{number}"

    def _number(self, place: str) -> int:
        life, _, number = place.partition(".")
        if life != self._life or not number.isdecimal():
            raise TooOldError("the cursor is not of this store")
        return int(number)
