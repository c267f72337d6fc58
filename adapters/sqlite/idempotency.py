"""Implements `IdempotencyStore` on the journal."""

from __future__ import annotations

from datetime import datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.idempotency import KnownRequest, is_free


class SqliteIdempotencyStore:
    """One row for each request; what is being committed counts already, so two cannot claim the same."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def begin_request(self, request: KnownRequest) -> KnownRequest | None:
        with self._journal.writing() as db:
            row = db.execute("select document from requests where id = ?", (request.id,)).fetchone()
            standing = decode(KnownRequest, row[0]) if row else None
            if standing is None or is_free(standing, request.began_at):
                values = (request.id, request.claim, request.began_at.timestamp(), encode(request))
                db.execute("insert or replace into requests values (?, ?, ?, ?)", values)
                standing = None
        await self._journal.committed()
        return standing

    async def finish_request(self, request: KnownRequest) -> None:
        with self._journal.writing() as db:
            values = (encode(request), request.id, request.claim)
            db.execute("update requests set document = ? where id = ? and claim = ?", values)
        await self._journal.committed()

    async def forget_request(self, request: KnownRequest) -> None:
        with self._journal.writing() as db:
            db.execute("delete from requests where id = ? and claim = ?", (request.id, request.claim))
        await self._journal.committed()

    async def forget_requests(self, before: datetime) -> None:
        with self._journal.writing() as db:
            db.execute("delete from requests where began_at < ?", (before.timestamp(),))
        await self._journal.committed()
