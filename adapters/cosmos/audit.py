"""Implements `AuditStore` on Cosmos DB: one chain, cut into partitions by the entries' numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.cosmos.client import Cosmos, Item, Operation
from adapters.cosmos.containers import AUDIT
from adapters.cosmos.items import from_stored, to_stored
from adapters.cosmos.repeating import repeat
from domain.audit import AuditEntry, AuditRecord, Head, chain

SEGMENT_ENTRIES = 1_000_000
"""So many entries share a partition: less than a gigabyte, where the service allows twenty."""

AT_ONCE = 50
"""So many entries at most are one transaction."""

HEAD = "head"


@dataclass(slots=True)
class _Waiting:
    record: AuditRecord
    done: asyncio.Future[AuditEntry] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class CosmosAuditStore:
    """A segment's head is replaced together with each append, under its ETag: the chain cannot fork.

    Which segment an entry lies in follows from its number alone, so neither a clock nor a second document can
    disagree about it.  A full segment is followed by the next, whose first entry names the last hash of the one before.
    What this process appends at the same time is one transaction.
    """

    def __init__(self, cosmos: Cosmos, segment_entries: int = SEGMENT_ENTRIES) -> None:
        self._container = cosmos.container(AUDIT)
        self._size = segment_entries
        self._newest = 0
        """A segment that there is; only later ones can be the newest."""
        self._waiting: list[_Waiting] = []
        self._turn = asyncio.Lock()

    async def append(self, record: AuditRecord) -> AuditEntry:
        mine = _Waiting(record)
        self._waiting.append(mine)
        async with self._turn:
            # Else somebody else's batch has taken it along.
            while any(one is mine for one in self._waiting):
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                # It writes for others too, who do not end with this request.
                await asyncio.shield(asyncio.create_task(self._write(batch)))
        return await mine.done

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        left = list(batch)
        try:
            while left:
                written = await self._append([one.record for one in left])
                for one, entry in zip(left, written, strict=False):
                    one.done.set_result(entry)
                left = left[len(written) :]
        except Exception as error:  # noqa: BLE001 - each of them raises it, whatever it is
            for one in left:
                one.done.set_exception(error)
                one.done.exception()  # whoever waited for it may be gone

    async def _append(self, records: Sequence[AuditRecord]) -> list[AuditEntry]:
        """Append as many of these, from the first, as the newest segment has room for; one at least."""
        tried: list[list[AuditEntry]] = []

        async def attempt() -> list[AuditEntry]:
            for entries in tried:
                # An answer may have been lost: the hash says whether the entry of that number is ours.
                stored = await self._container.read(_id(entries[0].number), self._segment(entries[0].number))
                if stored is not None and stored["hash"] == entries[0].hash:
                    return entries
            head, item = await self._find_head()
            room = self._size - head.number % self._size  # a transaction has one partition
            entries = chain(head, records[:room])
            tried.append(entries)
            segment = self._segment(entries[0].number)
            creates: list[Operation] = [("create", (_item(entry, segment),), {}) for entry in entries]
            await self._container.batch(segment, [_move(entries[-1], segment, item), *creates])
            return entries

        return await repeat("the audit log", attempt)

    async def get_head(self) -> Head:
        return (await self._find_head())[0]

    async def _find_head(self) -> tuple[Head, Item | None]:
        """The end of the chain, and the document that says so in the segment of the next entry; None there is none."""
        head, item = Head(), None
        segment = self._newest
        while (found := await self._container.read(HEAD, str(segment))) is not None:
            self._newest = segment
            head, item = from_stored(Head, found["head"]), found
            if head.number < (segment + 1) * self._size:
                return head, item
            segment, item = segment + 1, None
        return head, item

    async def list_entries(
        self, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        last = (await self._find_head())[0].number
        low, high = after + 1, last if before is None else min(before - 1, last)
        found: list[AuditEntry] = []
        while len(found) < limit and low <= high:
            segment = (low if before is None else high) - 1
            begin = segment // self._size * self._size + 1
            end = begin + self._size - 1
            order = "asc" if before is None else "desc"
            items, _ = await self._container.query(
                f"select top {limit - len(found)} value c.entry from c"
                f" where c.number >= @low and c.number <= @high order by c.number {order}",
                str(segment // self._size),
                low=max(low, begin),
                high=min(high, end),
            )
            found += [from_stored(AuditEntry, item) for item in items]
            low, high = (end + 1, high) if before is None else (low, begin - 1)
        return found

    def _segment(self, number: int) -> str:
        return str((number - 1) // self._size)


def _move(last: AuditEntry, segment: str, item: Item | None) -> Operation:
    moved = {"id": HEAD, "segment": segment, "head": to_stored(Head(last.number, last.hash))}
    if item is None:
        return ("create", (moved,), {})
    return ("replace", (HEAD, moved), {"if_match_etag": item["_etag"]})


def _id(number: int) -> str:
    return f"entry-{number}"


def _item(entry: AuditEntry, segment: str) -> dict[str, Any]:
    return {
        "id": _id(entry.number),
        "segment": segment,
        "number": entry.number,
        "hash": entry.hash,
        "entry": to_stored(entry),
    }
