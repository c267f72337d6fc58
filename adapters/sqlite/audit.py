"""Implements `AuditStore` on the journal."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.audit import AuditEntry, AuditRecord, Head, chain


class SqliteAuditStore:
    """One row for each entry; the head is the last row, also while its commit is under way."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def append(self, record: AuditRecord) -> AuditEntry:
        # Nothing is awaited between reading the head and writing behind it; where that commit is undone, so is all
        # that was appended in it.
        with self._journal.writing() as db:
            (entry,) = chain(self._head(), [record])
            db.execute("insert into audit values (?, ?)", (entry.number, encode(entry)))
        await self._journal.committed()
        return entry

    async def get_head(self) -> Head:
        return self._head()

    def _head(self) -> Head:
        row = self._journal.db.execute("select document from audit order by number desc limit 1").fetchone()
        if row is None:
            return Head()
        entry = decode(AuditEntry, row[0])
        return Head(entry.number, entry.hash)

    async def list_entries(
        self, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        if before is None:
            query, bounds = "select document from audit where number > ? order by number limit ?", (after, limit)
        else:
            query = "select document from audit where number > ? and number < ? order by number desc limit ?"
            bounds = (after, before, limit)  # type: ignore[assignment]
        return [decode(AuditEntry, row[0]) for row in self._journal.db.execute(query, bounds)]
