"""Implements `PolicyStore` on the journal; the head is kept in memory, since nobody else writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.errors import NotFoundError
from domain.situations import PolicyHead


class SqlitePolicyStore:
    """The policy head, and every version of the configuration that was ever in force."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        row = journal.db.execute("select document from policy where name = 'head'").fetchone()
        self._head = decode(PolicyHead, row[0]) if row else PolicyHead()

    async def get_head(self) -> PolicyHead:
        return self._head

    async def heard(self, now: datetime, *, resumed: bool) -> PolicyHead:
        since = now if resumed or self._head.listening_since is None else self._head.listening_since
        return await self._put(replace(self._head, listening_since=since, heard_at=now))

    async def activate(self, version: str, text: str, at: datetime) -> PolicyHead:
        with self._journal.writing() as db:
            db.execute("insert or replace into configurations values (?, ?, ?)", (version, at.timestamp(), text))
        return await self._put(replace(self._head, configuration_version=version))

    async def _put(self, head: PolicyHead) -> PolicyHead:
        with self._journal.writing() as db:
            db.execute("insert or replace into policy values ('head', ?)", (encode(head),))
        await self._journal.committed()
        self._head = head
        return head

    async def get_configuration(self, version: str) -> str:
        row = self._journal.db.execute("select text from configurations where version = ?", (version,)).fetchone()
        if row is None:
            raise NotFoundError(f"no configuration {version!r}")
        text: str = row[0]
        return text

    async def list_configurations(self) -> list[tuple[str, datetime]]:
        rows = self._journal.db.execute("select version, at from configurations order by at desc, version")
        return [(version, datetime.fromtimestamp(at, UTC)) for version, at in rows]
