"""Implements `ShadowStore` in this process alone."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime

from domain.shadowing import Heard, ShadowRecord


class MemoryShadowStore:
    """Implements `ShadowStore`."""

    def __init__(self) -> None:
        self._records: dict[str, ShadowRecord] = {}

    async def add_record(self, record: ShadowRecord) -> None:
        self._records.setdefault(record.id, record)

    async def list_records(
        self, since: datetime, until: datetime, *, after: ShadowRecord | None = None, limit: int = 1000
    ) -> Sequence[ShadowRecord]:
        begin = _place(after) if after else (since, "")
        wanted = (one for one in self._records.values() if since <= one.at < until and _place(one) > begin)
        return heapq.nsmallest(limit, wanted, key=_place)

    async def get_heard(self) -> Heard:
        theirs = [one for one in self._records.values() if one.side == "alertmanager"]
        return Heard(frozenset(one.receiver for one in theirs), min((one.at for one in theirs), default=None))

    async def forget_records(self, before: datetime, *, most: int) -> None:
        young = (one for one in self._records.values() if one.at >= before)
        self._records = {one.id: one for one in heapq.nlargest(most, young, key=_place)}


def _place(record: ShadowRecord) -> tuple[datetime, str]:
    return record.at, record.id
