"""Implements `ChangeStore` in this process alone."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.changes import Change
from domain.errors import NotFoundError
from domain.times import EPOCH


class MemoryChangeStore:
    """Implements `ChangeStore`."""

    def __init__(self) -> None:
        self._changes: dict[str, Change] = {}

    async def add_changes(self, changes: Sequence[Change]) -> Sequence[bool]:
        are_new = []
        for change in changes:
            are_new.append(change.id not in self._changes)
            self._changes.setdefault(change.id, change)
        return are_new

    async def list_changes(
        self, since: datetime, until: datetime, *, service: str = "", after: str | None = None, limit: int = 100
    ) -> Sequence[Change]:
        if after is not None and after not in self._changes:
            raise NotFoundError(f"no change {after[:100]!r}")
        beyond = None if after is None else _place(self._changes[after])
        wanted = (
            change
            for change in self._changes.values()
            if since <= change.at < until
            and (not service or change.service == service)
            and (beyond is None or _place(change) > beyond)
        )
        return heapq.nsmallest(limit, wanted, key=_place)

    async def forget_changes(self, before: datetime) -> None:
        self._changes = {id: change for id, change in self._changes.items() if change.at >= before}


def _place(change: Change) -> tuple[timedelta, str]:
    return EPOCH - change.at, change.id
