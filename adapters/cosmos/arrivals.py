"""Implements `ArrivalStore` on Cosmos DB: parts of an hour and a bucket of sources, and a calendar of those there are.

A listing asks the parts that the calendar names, each a single partition, and no other.  An arrival's part follows from
its id.  The time to live forgets.
"""

from __future__ import annotations

import asyncio
import base64
import heapq
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adapters.cosmos.client import ConflictError, Cosmos, Item
from adapters.cosmos.containers import ARRIVALS
from adapters.cosmos.repeating import repeat, together
from adapters.documents import embed, extract
from domain.arrivals import Arrival, ArrivalFilter, bucket_of, received_at_of
from domain.errors import NotFoundError

CALENDAR = "calendar"

HOUR_SECONDS = 3600
ZIPPED_CHARACTERS = 1024
"""A longer body is compressed: request units are counted by the kilobyte."""

PARTS_KNOWN = 4 * 64
"""So many entries of the calendar a process knows to be written: those of an hour, and some more."""


class CosmosArrivalStore:
    """One write for an arrival; one more for the first of a bucket in an hour."""

    def __init__(self, cosmos: Cosmos, clock: Callable[[], datetime], retention: timedelta) -> None:
        self._container = cosmos.container(ARRIVALS)
        self._clock = clock
        self._retention = retention
        self._noted: dict[str, None] = {}

    async def record_arrival(self, arrival: Arrival) -> None:
        part = _part_of(arrival.id)
        left = self._retention - (self._clock() - arrival.received_at)
        if left <= timedelta(0):
            return
        body = arrival.body
        is_zipped = len(body) > ZIPPED_CHARACTERS
        if is_zipped:
            body = base64.b64encode(await asyncio.to_thread(zlib.compress, body.encode(), 1)).decode()
        item = {
            "id": arrival.id,
            "part": part,
            "ttl": int(left.total_seconds()) + 1,
            "kind": arrival.kind,
            "key": arrival.key,
            "is_rejected": bool(arrival.rejection),
            "arrival": embed(replace(arrival, body="")),
            "body": body,
            "is_zipped": is_zipped,
        }
        # First: an arrival of a part that is not in the calendar would not be listed.
        await self._note(part, item["ttl"])
        await repeat("an arrival", partial(self._container.upsert, item))

    async def _note(self, part: str, seconds: int) -> None:
        if part in self._noted:
            return
        entry = {"id": part, "part": CALENDAR, "ttl": seconds + HOUR_SECONDS}
        try:
            await repeat("the calendar of arrivals", partial(self._create, entry))
        finally:
            while len(self._noted) > PARTS_KNOWN:
                del self._noted[next(iter(self._noted))]
        self._noted[part] = None

    async def _create(self, entry: Item) -> None:
        try:
            await self._container.create(entry)
        except ConflictError:
            return  # it is known

    async def list_arrivals(
        self,
        wanted: ArrivalFilter,
        *,
        beyond: str = "",
        newest_first: bool = True,
        limit: int = 100,
        with_bodies: bool = False,
    ) -> Sequence[Arrival]:
        first, end = wanted.bounds()
        if beyond:
            first, end = (first, min(end, beyond)) if newest_first else (max(first, beyond), end)
        conditions = ["c.id >= @first", "c.id < @end", "c.id != @beyond"]
        parameters: dict[str, Any] = {"first": first, "end": end, "beyond": beyond}
        for name, value in (("kind", wanted.kind), ("key", wanted.key), ("is_rejected", wanted.is_rejected)):
            if value not in ("", None):
                conditions.append(f"c.{name} = @{name}")
                parameters[name] = value
        columns = "c.id, c.arrival, c.body, c.is_zipped" if with_bodies else "c.id, c.arrival"
        order = "desc" if newest_first else "asc"
        found: list[Item] = []
        for parts in await self._list_parts(wanted, first, end, newest_first=newest_first):
            left = limit - len(found)
            if left <= 0:
                break
            query = f"select top {left} {columns} from c where {' and '.join(conditions)} order by c.id {order}"
            answers = await together(partial(self._container.query, query, part, **parameters) for part in parts)
            pick = heapq.nlargest if newest_first else heapq.nsmallest
            found += pick(left, [item for answer, _ in answers for item in answer], key=lambda item: str(item["id"]))
        return [_arrival(item) for item in found]

    async def _list_parts(
        self, wanted: ArrivalFilter, first: str, end: str, *, newest_first: bool
    ) -> Iterable[list[str]]:
        """The parts that hold what is between those ids, those of an hour together, in the order of the listing."""
        bounds = {"first": _hour_of(first) if first else "", "end": f"{_hour_of(end)}~" if end != "~" else "~"}
        query = "select value c.id from c where c.id >= @first and c.id < @end"
        parts, _ = await self._container.query(query, CALENDAR, **bounds)
        if wanted.kind and wanted.key:
            bucket = f"-{bucket_of(wanted.kind, wanted.key):02x}"
            parts = [part for part in parts if part.endswith(bucket)]
        hours: dict[str, list[str]] = {}
        for part in sorted(parts, reverse=newest_first):
            hours.setdefault(part.partition("-")[0], []).append(part)
        return hours.values()

    async def get_arrival(self, arrival_id: str) -> Arrival:
        try:
            received_at_of(arrival_id)
        except ValueError as error:
            raise NotFoundError(str(error)) from error
        item = await self._container.read(arrival_id, _part_of(arrival_id))
        if item is None:
            raise NotFoundError(f"no arrival {arrival_id!r}")
        return _arrival(item)

    async def forget_arrivals(self, before: datetime, *, most: int) -> None:
        """Their time to live does it."""


def _hour_of(id: str) -> str:
    return f"{int(id[:16]) // (HOUR_SECONDS * 1_000_000):07d}"


def _part_of(id: str) -> str:
    return f"{_hour_of(id)}-{id[17:19]}"


def _arrival(item: Item) -> Arrival:
    body = item.get("body", "")
    if item.get("is_zipped"):
        body = zlib.decompress(base64.b64decode(body)).decode()
    return replace(extract(Arrival, item["arrival"]), body=body)
