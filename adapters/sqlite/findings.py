"""Implements `FindingStore` on the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.triage.keeping import Asked, Look


class SqliteFindingStore:
    """One row for each look and for each question."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def keep_look(self, look: Look) -> Look:
        row = (look.incident, look.number, look.at.timestamp(), encode(look))
        with self._journal.writing() as db:
            db.execute("insert or ignore into findings values (?, ?, ?, ?)", row)
            found = db.execute(
                "select document from findings where incident = ? and number = ?", (look.incident, look.number)
            ).fetchone()
        await self._journal.committed()
        return decode(Look, found[0])

    async def get_look(self, incident: str, number: int | None = None) -> Look | None:
        with self._journal.writing() as db:
            row = db.execute(
                "select document from findings where incident = ?1 and (?2 is null or number = ?2)"
                " order by number desc limit 1",
                (incident, number),
            ).fetchone()
        return decode(Look, row[0]) if row else None

    async def keep_asked(self, asked: Asked) -> None:
        row = (asked.incident, asked.id, asked.at.timestamp(), encode(asked))
        with self._journal.writing() as db:
            db.execute("insert or ignore into asked values (?, ?, ?, ?)", row)
        await self._journal.committed()

    async def list_asked(self, incident: str, *, limit: int = 20) -> Sequence[Asked]:
        with self._journal.writing() as db:
            rows = db.execute(
                "select document from asked where incident = ? order by at desc, id desc limit ?", (incident, limit)
            ).fetchall()
        return [decode(Asked, row[0]) for row in reversed(rows)]

    async def forget_findings(self, before: datetime) -> None:
        with self._journal.writing() as db:
            db.execute("delete from findings where at < ?", (before.timestamp(),))
            db.execute("delete from asked where at < ?", (before.timestamp(),))
        await self._journal.committed()
