"""Implements `SourceStore` on the journal: a row for each source, and the documents in use kept in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.errors import UnavailableError
from domain.inhibition import InhibitRule, Source, SourceKey, Sources, with_reports
from domain.labels import Fingerprint

DOCUMENTS_CACHED = 20_000


class SqliteSourceStore:
    """Shows a document with the changes that wait for their commit: the single writer reads what it wrote."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._documents: dict[SourceKey, Sources] = {}
        self._changed: dict[tuple[SourceKey, Fingerprint], Source | None] = {}
        journal.add(self)

    async def report_sources(self, reports: Mapping[SourceKey, Sequence[Source]], now: datetime) -> None:
        if not reports:
            return
        try:
            documents = {key: self.find(key) for key in reports}
        except sqlite3.Error as error:
            raise UnavailableError(f"the store failed: {error}") from error
        for key, sources in reports.items():
            before = documents[key]
            after = self._documents[key] = with_reports(before, sources, now)
            for name in before.keys() | after.keys():
                if before.get(name) is not after.get(name):
                    self._changed[key, name] = after.get(name)
        self._journal.join()
        await self._journal.committed()

    async def forget_rules(self, rules: Collection[InhibitRule]) -> None:
        with self._journal.writing() as db:
            for rule in rules:
                # In the order of text, `g` follows every hexadecimal digit.
                db.execute("delete from sources where key >= ? and key < ?", (rule.id, f"{rule.id}g"))
        ids = {rule.id for rule in rules}
        for key in [key for key in self._documents if key[:16] in ids]:
            del self._documents[key]
        for changed in [changed for changed in self._changed if changed[0][:16] in ids]:
            del self._changed[changed]
        await self._journal.committed()

    async def forget_sources(self, now: datetime) -> None:
        with self._journal.writing() as db:
            gone = db.execute("delete from sources where kept_until < ? returning key", (now.timestamp(),)).fetchall()
        for (key,) in gone:
            if key in self._documents:
                self._documents[key] = with_reports(self._documents[key], (), now)
        await self._journal.committed()

    async def get_sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sources]:
        return {key: self.find(key) for key in keys}

    def find(self, key: SourceKey) -> Sources:
        """That document, for a decision that is being made in the same transaction as well."""
        document = self._documents.get(key)
        if document is None:
            rows = self._journal.db.execute("select fingerprint, document from sources where key = ?", (key,))
            document = self._documents[key] = {name: decode(Source, source) for name, source in rows}
            if len(self._documents) > DOCUMENTS_CACHED:
                self._drop_oldest()
        return document

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._documents))
        if not any(key == oldest for key, _ in self._changed):  # its rows do not say yet what it says
            del self._documents[oldest]

    def write(self, db: sqlite3.Connection) -> None:
        """The sources that changed."""
        changed = self._changed.items()
        if written := [
            (*key, source.kept_until.timestamp(), encode(source)) for key, source in changed if source is not None
        ]:
            db.executemany("insert or replace into sources values (?, ?, ?, ?)", written)
        if deleted := [key for key, source in changed if source is None]:
            db.executemany("delete from sources where key = ? and fingerprint = ?", deleted)

    def done(self) -> None:
        """They are durable."""
        self._changed.clear()

    def undone(self) -> None:
        """Forget what was not committed, and what was reckoned from it."""
        self._changed.clear()
        self._documents.clear()
