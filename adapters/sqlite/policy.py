"""Implements `PolicyStore` on the journal; the head is kept in memory, since nobody else writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
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
        # With the changes that wait for their commit: two in one commit must not undo each other.
        self._latest = self._head
        journal.add(self)

    def write(self, db: sqlite3.Connection) -> None:
        """The head, if it changed."""
        if self._latest is not self._head:
            db.execute("insert or replace into policy values ('head', ?)", (encode(self._latest),))

    def done(self) -> None:
        """It is durable, and so in force."""
        self._head = self._latest

    def undone(self) -> None:
        """Back to what is in force."""
        self._latest = self._head

    def change(self, change: Callable[[PolicyHead], PolicyHead]) -> PolicyHead:
        """Change the head with the next commit; returns the head as it will be."""
        self._latest = change(self._latest)
        self._journal.join()
        return self._latest

    async def get_head(self) -> PolicyHead:
        return self._head

    async def heard(self, now: datetime, *, resumed: bool) -> PolicyHead:
        def hear(head: PolicyHead) -> PolicyHead:
            since = now if resumed or head.listening_since is None else head.listening_since
            silent_since = head.heard_at if resumed else head.silent_since
            return replace(head, listening_since=since, silent_since=silent_since, heard_at=now)

        head = self.change(hear)
        await self._journal.committed()
        return head

    async def activate(self, version: str, text: str, at: datetime) -> PolicyHead:
        with self._journal.writing() as db:
            db.execute("insert or replace into configurations values (?, ?, ?)", (version, at.timestamp(), text))
        head = self.change(lambda head: replace(head, configuration_version=version))
        await self._journal.committed()
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
