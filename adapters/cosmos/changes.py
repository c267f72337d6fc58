"""Implements `ChangeStore` on Cosmos DB: an item for each change, whose time to live is what forgets it.

The part of a change follows from its id alone.  So a change that is sent again with another time, across midnight say,
meets itself and is refused by the store, without a second item that says where it lies; and a listing asks the same few
parts, however long the time is that it covers.  In one part alone all changes of a month would share 20 GB and the
10,000 request units a second of a logical partition.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adapters.cosmos.client import ConflictError, Cosmos, Item
from adapters.cosmos.containers import TRIAGE
from adapters.cosmos.items import item_id
from adapters.cosmos.repeating import repeat, together
from adapters.documents import embed, extract
from domain.changes import CHANGES_KEPT, Change
from domain.errors import NotFoundError
from domain.times import EPOCH

PARTS = tuple(f"changes-{number}" for number in range(4))

LATEST = 10**18
"""Microseconds; what is subtracted from it sorts the latest first."""


class CosmosChangeStore:
    """One write for a change; a listing asks each of the parts once."""

    def __init__(self, cosmos: Cosmos, clock: Callable[[], datetime]) -> None:
        self._container = cosmos.container(TRIAGE)
        self._clock = clock

    async def add_changes(self, changes: Sequence[Change]) -> Sequence[bool]:
        now = self._clock()
        # Of two of one id the first must be kept, whichever call is the faster.
        firsts = {change.id: number for number, change in reversed(list(enumerate(changes)))}
        made = await together(
            partial(repeat, "a change", partial(self._create, _item(changes[number], now)))
            for number in firsts.values()
        )
        are_new = dict(zip(firsts.values(), made, strict=True))
        return [are_new.get(number, False) for number in range(len(changes))]

    async def _create(self, item: Item) -> bool:
        try:
            await self._container.create(item)
        except ConflictError:
            return False  # it is known
        return True

    async def list_changes(
        self, since: datetime, until: datetime, *, service: str = "", after: str | None = None, limit: int = 100
    ) -> Sequence[Change]:
        # The later an instant, the smaller its number: from the one after that of `until` to that of `since`.
        conditions = ["c.place >= @latest", "c.place < @earliest"]
        parameters: dict[str, Any] = {
            "latest": f"{_number(until) + 1:019d}",
            "earliest": f"{_number(since) + 1:019d}",
        }
        if after is not None:
            conditions.append("c.place > @after")
            parameters["after"] = await self._place_of(after)
        if service:
            conditions.append("c.service = @service")
            parameters["service"] = service
        query = f"select top {limit} c.place, c.change from c where {' and '.join(conditions)} order by c.place"
        answers = await together(partial(self._container.query, query, part, **parameters) for part in PARTS)
        items = (item for found, _ in answers for item in found)
        return [
            extract(Change, item["change"])
            for item in heapq.nsmallest(limit, items, key=lambda item: str(item["place"]))
        ]

    async def _place_of(self, id: str) -> str:
        item = await self._container.read(item_id("change", id), _part_of(id))
        if item is None:
            raise NotFoundError(f"no change {id[:100]!r}")
        return str(item["place"])

    async def forget_changes(self, before: datetime) -> None:
        """Their time to live does it."""


def _item(change: Change, now: datetime) -> Item:
    left = change.at + CHANGES_KEPT - now
    return {
        "id": item_id("change", change.id),
        "part": _part_of(change.id),
        "ttl": max(1, int(left.total_seconds()) + 1),
        "place": _place(change),
        "service": change.service,
        "change": embed(change),
    }


def _part_of(id: str) -> str:
    return PARTS[zlib.crc32(id.encode("utf-8", "surrogatepass")) % len(PARTS)]


def _place(change: Change) -> str:
    return f"{_number(change.at):019d} {change.id}"


def _number(at: datetime) -> int:
    return LATEST - (at - EPOCH) // timedelta(microseconds=1)
