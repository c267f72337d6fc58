"""Implements `KeyStore` on the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.errors import NotFoundError
from domain.keys import ApiKey, ChangeKeys


class SqliteKeyStore:
    """One row for each key; nothing is awaited between reading and writing, so no two changes overlap."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def get_key(self, key_id: str) -> ApiKey:
        row = self._journal.db.execute("select document from keys where id = ?", (key_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"no key {key_id!r}")
        return decode(ApiKey, row[0])

    async def list_keys(self) -> Sequence[ApiKey]:
        return self._read_all()

    async def change_keys(self, decide: ChangeKeys) -> Sequence[ApiKey]:
        written = decide(self._read_all())
        if written:
            with self._journal.writing() as db:
                rows = [(key.id, encode(key)) for key in written]
                db.executemany("insert or replace into keys values (?, ?)", rows)
            await self._journal.committed()
        return written

    async def note_used(self, key_id: str, at: datetime) -> None:
        try:
            key = await self.get_key(key_id)
        except NotFoundError:
            return
        with self._journal.writing() as db:
            db.execute("insert or replace into keys values (?, ?)", (key_id, encode(replace(key, last_used_at=at))))
        await self._journal.committed()

    def _read_all(self) -> Sequence[ApiKey]:
        rows = self._journal.db.execute("select document from keys order by id")
        return sorted((decode(ApiKey, row[0]) for row in rows), key=lambda key: key.created_at, reverse=True)
