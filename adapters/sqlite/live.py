"""The source of the live log in SQLite: the table of log entries, whose numbers ascend with the commits."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from adapters.documents import decode
from adapters.live.cursors import Cursor
from adapters.live.log import Reading, Step
from adapters.sqlite.journal import Journal
from domain.errors import RejectedError, UnavailableError
from domain.groups import LogEntry
from domain.live import TooOldError

log = logging.getLogger("tocsin.live")


class SqliteLiveSource:
    """Woken by the commit itself: it costs a comparison for each commit, and nothing while nobody waits."""

    def __init__(self, journal: Journal, last_number: Callable[[], int], clock: Callable[[], datetime]) -> None:
        """`last_number` tells the number of the latest entry that the process has made."""
        self._journal = journal
        self._last_number = last_number
        self._clock = clock
        self._committed = self._last()
        self._changed = asyncio.Event()
        journal.add(self)

    # --- a participant of the journal -------------------------------------------------------------------------------

    def write(self, db: sqlite3.Connection) -> None:
        """Nothing of its own."""

    def done(self) -> None:
        """Whatever was made before is durable."""
        if (number := self._last_number()) != self._committed:
            self._committed = number
            self._changed.set()

    def undone(self) -> None:
        """Nothing was kept here."""

    # --- a source of the live log -----------------------------------------------------------------------------------

    async def begin(self) -> Cursor:
        return Cursor(str(self._last()), self._clock())

    async def read(self, after: Cursor, *, limit: int) -> Reading:
        now = self._clock()
        number = _number(after.place)
        if number > self._last():
            raise TooOldError("the cursor is not of this store")
        rows = self._ask(
            "select number, at, document from entries where number > ? order by number limit ?", number, limit
        )
        steps = [Step(_entries(row), Cursor(str(row[0]), datetime.fromtimestamp(row[1], UTC))) for row in rows]
        is_end = len(rows) < limit
        behind = Cursor(str(rows[-1][0]) if rows else after.place, now) if is_end else steps[-1].behind
        return Reading(steps, behind, is_end)

    async def changed(self, after: Cursor) -> None:
        while self._committed <= _number(after.place):
            self._changed.clear()
            await self._changed.wait()

    def _last(self) -> int:
        return int(self._ask("select coalesce(max(number), 0) from entries")[0][0])

    def _ask(self, statement: str, *values: int) -> list[tuple[Any, ...]]:
        try:
            return self._journal.db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise UnavailableError(f"the store failed: {error}") from error


def _entries(row: tuple[Any, ...]) -> list[LogEntry]:
    try:
        return [decode(LogEntry, row[2])]
    except RejectedError as error:
        log.error("entry %d cannot be read, and is not told: %s", row[0], error)
        return []


def _number(place: str) -> int:
    if not (place.isascii() and place.isdecimal() and len(place) < 19):
        raise TooOldError("the cursor is not of this store")
    return int(place)
