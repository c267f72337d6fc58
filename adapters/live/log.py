"""Implements `LiveLog` over a home's own source: whoever waits shares one reader, however many they are."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from adapters.live.cursors import Cursor, read_cursor
from adapters.live.narrating import Library, Narrator
from domain.errors import UnavailableError
from domain.groups import LogEntry
from domain.live import LiveEvent, LivePage

log = logging.getLogger("tocsin.live")

LINGER_SECONDS = 60.0
"""So long the reader goes on after the last one who waited: pollers come back at once."""

STEPS_KEPT = 5_000
"""Who is further behind than that reads the source itself, until it has caught up."""

ENTRIES_AT_ONCE = 100
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """Some entries that can only be passed together, and where one is behind them."""

    entries: Sequence[LogEntry]
    behind: Cursor


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source had behind a place."""

    steps: Sequence[Step]
    behind: Cursor
    is_end: bool
    """Whether there was nothing more."""


class Source(Protocol):
    """The log entries of all groups, in an order that keeps those of each group."""

    async def begin(self) -> Cursor:
        """Behind everything that is committed."""
        ...

    async def read(self, after: Cursor, *, limit: int) -> Reading:
        """The entries behind that place, about so many.

        Raises:
            TooOldError: The place is not of this source any more.
            RejectedError: It is no place.
            UnavailableError: The store did not answer.
        """
        ...

    async def changed(self, after: Cursor) -> None:
        """Wait until there may be something behind that place; only one waits at a time."""
        ...


class SharedLog:
    """Implements `LiveLog`: one task follows the source while anybody waits, and keeps the latest events for all.

    A place that the task has passed is known by its text, so a source need not be able to compare two.  Whoever comes
    with another one reads the source itself up to its end, and goes on where the task was before that: what lies
    in between is told twice, and nothing is missed.
    """

    def __init__(self, source: Source, library: Library, clock: Callable[[], datetime]) -> None:
        self._source = source
        self._library = library
        self._clock = clock
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._end: Cursor | None = None
        """How far the task has come."""
        self._told: deque[tuple[list[LiveEvent], Cursor]] = deque()
        self._first = 0
        """The number of the first of them."""
        self._numbers: dict[str, int] = {}
        """By place, the number of what follows it."""
        self._news = asyncio.Event()
        self._wanted_until = 0.0
        self._is_closed = False

    async def read(self, after: str | None, *, limit: int, wait: timedelta) -> LivePage:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait.total_seconds()
        cursor = read_cursor(after, self._clock()) if after is not None else None
        if not wait:
            return await self._look(cursor, limit)
        end = await self._attend(until)
        cursor = cursor or end
        while True:
            number = self._numbers.get(cursor.place)
            if number is None:
                joined = self._end or end
                events, behind, is_end = await self._read_source(cursor, limit)
                cursor = joined if is_end else behind
                if events:
                    return LivePage(tuple(events), str(cursor))
                if not is_end and loop.time() >= until:
                    return LivePage((), str(cursor))
                continue
            # Looked at and waited for without an await in between, so nothing is told unseen.
            news = self._news
            if number < self._first + len(self._told):
                return self._page(number, limit)
            cursor = self._end or cursor
            if self._is_closed or not await _comes(news, until):
                # Nothing has come up to now, so the place is as good as new: a cursor that only waits does not age.
                return LivePage((), str(Cursor(cursor.place, self._clock())))
            await self._attend(until)

    async def _look(self, cursor: Cursor | None, limit: int) -> LivePage:
        if cursor is None:
            return LivePage((), str(await self._source.begin()))
        while True:
            events, cursor, is_end = await self._read_source(cursor, limit)
            if events or is_end:
                return LivePage(tuple(events), str(cursor))

    async def _read_source(self, cursor: Cursor, limit: int) -> tuple[list[LiveEvent], Cursor, bool]:
        reading = await self._source.read(cursor, limit=max(limit, ENTRIES_AT_ONCE))
        narrator = Narrator(self._library)
        events: list[LiveEvent] = []
        for step in reading.steps:
            events += await narrator.tell(step.entries, before=str(cursor), behind=str(step.behind))
            cursor = step.behind
            if len(events) >= limit:
                return events, cursor, False
        await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
        return events, reading.behind, reading.is_end

    def _page(self, number: int, limit: int) -> LivePage:
        events: list[LiveEvent] = []
        for place in range(max(number - self._first, 0), len(self._told)):
            told, behind = self._told[place]
            events += told
            if len(events) >= limit and place + 1 < len(self._told):
                return LivePage(tuple(events), str(behind))
        # All that is there is given: what the task has passed since without an event is passed for this reader too.
        return LivePage(tuple(events), str(self._end))

    # --- the one reader ---------------------------------------------------------------------------------------------

    async def _attend(self, until: float) -> Cursor:
        """Let the task run until then, and a while longer; returns how far it has come."""
        async with self._lock:
            self._wanted_until = max(self._wanted_until, until + LINGER_SECONDS)
            if self._end is None or self._task is None or self._task.done():
                end = await self._source.begin()
                self._told.clear()
                self._end, self._numbers = end, {end.place: self._first}
                if not self._is_closed:
                    self._task = asyncio.create_task(self._follow(end))
            return self._end

    async def _follow(self, end: Cursor) -> None:
        narrator = Narrator(self._library)
        while asyncio.get_running_loop().time() < self._wanted_until:
            try:
                async with asyncio.timeout_at(self._wanted_until):
                    await self._source.changed(end)
            except TimeoutError:
                continue  # somebody may want it for longer by now
            try:
                end = await self._go_on(narrator, end)
            except UnavailableError as error:
                log.warning("the live log stands still: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)
                end = self._end or end
            except Exception:
                log.exception("the live log begins anew; whoever waits reads what is missing from the store")
                return

    async def _go_on(self, narrator: Narrator, end: Cursor) -> Cursor:
        reading = await self._source.read(end, limit=ENTRIES_AT_ONCE)
        for step in reading.steps:
            events = await narrator.tell(step.entries, before=str(end), behind=str(step.behind))
            self._pass(events, step.behind)
            end = step.behind
        self._pass([], reading.behind)
        if reading.steps:
            news, self._news = self._news, asyncio.Event()
            news.set()
            await asyncio.sleep(0)
        return reading.behind

    def _pass(self, events: list[LiveEvent], behind: Cursor) -> None:
        """Keep what was told, and let readers go on behind it; a few at most that were long before are forgotten."""
        if events:
            self._told.append((events, behind))
        self._end = behind
        self._numbers.pop(behind.place, None)
        self._numbers[behind.place] = self._first + len(self._told)
        while len(self._told) > STEPS_KEPT:
            self._told.popleft()
            self._first += 1
        while len(self._numbers) > 2 * STEPS_KEPT or self._numbers[next(iter(self._numbers))] < self._first:
            del self._numbers[next(iter(self._numbers))]

    async def close(self) -> None:
        self._is_closed = True
        self._news.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _comes(news: asyncio.Event, until: float) -> bool:
    """Whether there is news before that time."""
    try:
        async with asyncio.timeout_at(until):
            await news.wait()
    except TimeoutError:
        return False
    return True
