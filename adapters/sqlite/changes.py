"""Implements `ChangeStore` on the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.changes import Change
from domain.errors import NotFoundError
from domain.times import EPOCH

MICROSECOND = timedelta(microseconds=1)


class SqliteChangeStore:
    """A row for each change; what is being committed is shown already."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def add_changes(self, changes: Sequence[Change]) -> Sequence[bool]:
        are_new = []
        with self._journal.writing() as db:
            for change in changes:
                row = (change.id, _micros(change.at), change.service, encode(change))
                cursor = db.execute("insert or ignore into changes values (?, ?, ?, ?)", row)
                are_new.append(cursor.rowcount == 1)
        await self._journal.committed()
        return are_new

    async def list_changes(
        self, since: datetime, until: datetime, *, service: str = "", after: str | None = None, limit: int = 100
    ) -> Sequence[Change]:
        conditions = ["at >= ?", "at < ?"]
        values: list[int | str] = [_micros(since), _micros(until)]
        if after is not None:
            row = self._journal.db.execute("select at from changes where id = ?", (after,)).fetchone()
            if row is None:
                raise NotFoundError(f"no change {after[:100]!r}")
            conditions.append("(at < ? or (at = ? and id > ?))")
            values += [row[0], row[0], after]
        if service:
            conditions.append("service = ?")
            values.append(service)
        rows = self._journal.db.execute(
            f"select document from changes where {' and '.join(conditions)} order by at desc, id limit ?",
            (*values, limit),
        )
        return [decode(Change, document) for (document,) in rows]

    async def forget_changes(self, before: datetime) -> None:
        with self._journal.writing() as db:
            db.execute("delete from changes where at < ?", (_micros(before),))
        await self._journal.committed()


def _micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND
