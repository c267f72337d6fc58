"""Implements `ShadowStore` on Cosmos DB: the records by day, and a small calendar of what each day holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adapters.cosmos.client import BATCH_OPERATIONS, ConflictError, Cosmos, Item
from adapters.cosmos.containers import SHADOW
from adapters.cosmos.items import from_stored, item_id, sortable, to_stored
from adapters.cosmos.repeating import repeat, together
from domain.shadowing import RETENTION, Heard, ShadowRecord

CALENDAR = "calendar"

type Calendar = dict[str, dict[str, datetime]]
"""The days that hold records; with each day from whom Alertmanager's came, and since when on that day."""


class CosmosShadowStore:
    """The calendar says which days to ask, so that a listing asks no day in vain; it changes a few times a day."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(SHADOW)
        self._noted: Calendar = {}
        """What this process knows to be in the calendar."""
        self._counts: dict[str, int] = {}
        """How many records the days before the newest one hold."""

    async def add_record(self, record: ShadowRecord) -> None:
        days = [_day(record.at + timedelta(days=number)) for number in (0, -1, 1)]
        item = {
            "id": item_id("record", record.id),
            "day": days[0],
            "ttl": int(RETENTION.total_seconds()),
            "place": _place(record),
            "record": to_stored(record),
        }
        # First: a record of a day that is not in the calendar would not be listed.
        await self._note(days[0], record)
        # One that is seen twice may have been seen before midnight; days are apart in the store.
        if any(await together(partial(self._container.read, item["id"], day) for day in days[1:])):
            return
        await repeat("a shadow record", partial(self._create, item))

    async def _create(self, item: Item) -> None:
        try:
            await self._container.create(item)
        except ConflictError:
            return  # it is known

    async def list_records(
        self, since: datetime, until: datetime, *, after: ShadowRecord | None = None, limit: int = 1000
    ) -> Sequence[ShadowRecord]:
        begin = max(since, after.at) if after else since
        places = {"after": _place(after) if after else "", "since": sortable(since), "until": sortable(until)}
        found: list[ShadowRecord] = []
        for day in sorted(await self._read_calendar()):
            if len(found) < limit and _day(begin) <= day <= _day(until):
                items, _ = await self._container.query(
                    f"select top {limit - len(found)} value c.record from c"
                    " where c.place > @after and c.place >= @since and c.place < @until order by c.place",
                    day,
                    **places,
                )
                found += [from_stored(ShadowRecord, item) for item in items]
        return found

    async def get_heard(self) -> Heard:
        heard = [pair for receivers in (await self._read_calendar()).values() for pair in receivers.items()]
        return Heard(frozenset(receiver for receiver, _ in heard), min((at for _, at in heard), default=None))

    # --- forgetting -------------------------------------------------------------------------------------------------

    async def forget_records(self, before: datetime, *, most: int) -> None:
        calendar = await self._read_calendar()
        over = [day for day in calendar if day < _day(before)]
        # Mostly their time to live has done it.
        for day in [day for day in calendar if day <= _day(before)]:
            await self._delete(day, "select value c.id from c where c.place < @before", before=sortable(before))
        left = await self._forget_more_than(most, sorted(calendar.keys() - over))
        if over := over + left:
            await self._change_calendar(lambda calendar: {day: calendar[day] for day in calendar if day not in over})
            for day in over:
                self._noted.pop(day, None)
                self._counts.pop(day, None)

    async def _forget_more_than(self, most: int, days: Sequence[str]) -> list[str]:
        """The oldest beyond so many are gone; returns the days that hold none any more."""
        # Past days only shrink: a count from then is too high at worst, so it is taken again before anything is lost.
        for day in days[:-1]:
            if day not in self._counts:
                self._counts[day] = await self._count(day)
        newest = [await self._count(day) for day in days[-1:]]
        if sum(self._counts[day] for day in days[:-1]) + sum(newest) <= most:
            return []
        counts = {day: await self._count(day) for day in days}
        surplus = sum(counts.values()) - most
        emptied: list[str] = []
        for day, count in counts.items():
            if surplus >= count:
                await self._delete(day, "select value c.id from c")
                emptied.append(day)
            elif surplus > 0:
                query = f"select value c.place from c order by c.place offset {surplus} limit 1"
                for first_kept in (await self._container.query(query, day))[0]:
                    await self._delete(day, "select value c.id from c where c.place < @before", before=first_kept)
                self._counts.pop(day, None)
            surplus -= count
        return emptied[: len(days) - 1]

    async def _count(self, day: str) -> int:
        found, _ = await self._container.query("select value count(1) from c", day)
        return int(sum(found))

    async def _delete(self, day: str, query: str, **parameters: Any) -> None:
        """What the query names; asked again where one of those goes by itself meanwhile."""

        async def attempt() -> None:
            ids, _ = await self._container.query(query, day, **parameters)
            for first in range(0, len(ids), BATCH_OPERATIONS):
                await self._container.batch(
                    day, [("delete", (id,), {}) for id in ids[first : first + BATCH_OPERATIONS]]
                )

        await repeat("old shadow records", attempt)

    # --- the calendar -----------------------------------------------------------------------------------------------

    async def _read_calendar(self) -> Calendar:
        item = await self._container.read(CALENDAR, CALENDAR)
        return _calendar(item)

    async def _note(self, day: str, record: ShadowRecord) -> None:
        receivers = [record.receiver] if record.side == "alertmanager" else []
        if not _says(self._noted, day, receivers, record.at):
            self._noted = await self._change_calendar(lambda calendar: _with(calendar, day, receivers, record.at))

    async def _change_calendar(self, change: Callable[[Calendar], Calendar]) -> Calendar:
        async def attempt() -> Calendar:
            item = await self._container.read(CALENDAR, CALENDAR)
            before = _calendar(item)
            after = change(before)
            if after != before:
                written = {"id": CALENDAR, "day": CALENDAR, "days": to_stored(after)}
                await (self._container.replace(written, item["_etag"]) if item else self._container.create(written))
            return after

        return await repeat("the calendar of shadow records", attempt)


def _calendar(item: Item | None) -> Calendar:
    return from_stored(dict[str, dict[str, datetime]], item["days"]) if item else {}


def _says(calendar: Calendar, day: str, receivers: Iterable[str], at: datetime) -> bool:
    known = calendar.get(day)
    return known is not None and all(receiver in known and known[receiver] <= at for receiver in receivers)


def _with(calendar: Calendar, day: str, receivers: Iterable[str], at: datetime) -> Calendar:
    known = calendar.get(day, {})
    return {**calendar, day: known | {receiver: min(at, known.get(receiver, at)) for receiver in receivers}}


def _day(at: datetime) -> str:
    return sortable(at)[:10]


def _place(record: ShadowRecord) -> str:
    return f"{sortable(record.at)} {record.id}"
