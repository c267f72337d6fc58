"""Implements `ShadowStore` on the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.shadowing import Heard, ShadowRecord


class SqliteShadowStore:
    """One row for each record; what is being committed is shown already."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def add_record(self, record: ShadowRecord) -> None:
        row = (record.id, record.at.timestamp(), record.side, record.receiver, encode(record))
        with self._journal.writing() as db:
            db.execute("insert or ignore into shadow_records values (?, ?, ?, ?, ?)", row)
        await self._journal.committed()

    async def list_records(
        self, since: datetime, until: datetime, *, after: ShadowRecord | None = None, limit: int = 1000
    ) -> Sequence[ShadowRecord]:
        begin = (after.at.timestamp(), after.id) if after else (since.timestamp(), "")
        rows = self._journal.db.execute(
            "select document from shadow_records where (at, id) > (?, ?) and at >= ? and at < ?"
            " order by at, id limit ?",
            (*begin, since.timestamp(), until.timestamp(), limit),
        )
        return [decode(ShadowRecord, document) for (document,) in rows]

    async def get_heard(self) -> Heard:
        rows = self._journal.db.execute(
            "select receiver, min(at) from shadow_records where side = 'alertmanager' group by receiver"
        ).fetchall()
        since = min((at for _, at in rows), default=None)
        return Heard(
            frozenset(receiver for receiver, _ in rows), None if since is None else datetime.fromtimestamp(since, UTC)
        )

    async def forget_records(self, before: datetime, *, most: int) -> None:
        with self._journal.writing() as db:
            db.execute("delete from shadow_records where at < ?", (before.timestamp(),))
            db.execute(
                "delete from shadow_records where id in"
                " (select id from shadow_records order by at desc, id desc limit -1 offset ?)",
                (most,),
            )
        await self._journal.committed()
