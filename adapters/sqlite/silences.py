"""Implements `SilenceStore` on the journal; all silences are kept in memory, since nobody else writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from adapters.sqlite.policy import SqlitePolicyStore
from domain.errors import NotFoundError
from domain.labels import Matcher, MatchType
from domain.silences import Silence


class SqliteSilenceStore:
    """Shows a silence when it is durable, not before: what a reader keeps under a version must not be undone."""

    def __init__(self, journal: Journal, policy: SqlitePolicyStore) -> None:
        self._journal = journal
        self._policy = policy
        rows = journal.db.execute("select document from silences order by id")
        self._silences = {silence.id: silence for silence in (_read(row[0]) for row in rows)}
        self._changed: dict[str, Silence] = {}
        journal.add(self)

    def write(self, db: sqlite3.Connection) -> None:
        """The silences that changed."""
        if self._changed:
            db.executemany(
                "insert or replace into silences values (?, ?)",
                [(silence.id, _write(silence)) for silence in self._changed.values()],
            )

    def done(self) -> None:
        """They are durable, and shown from now on."""
        self._silences.update(self._changed)
        self._changed.clear()

    def undone(self) -> None:
        """Forget what was not committed."""
        self._changed.clear()

    async def upsert_silence(self, silence: Silence) -> int:
        self._changed[silence.id] = silence
        head = self._policy.change(lambda head: replace(head, silences_version=head.silences_version + 1))
        await self._journal.committed()
        return head.silences_version

    async def get_silence(self, silence_id: str) -> Silence:
        silence = self._silences.get(silence_id)
        if silence is None:
            raise NotFoundError(f"no silence {silence_id!r}")
        return silence

    async def list_silences(self) -> Sequence[Silence]:
        return sorted(self._silences.values(), key=lambda silence: silence.id)


class _Document(msgspec.Struct):
    """As stored: a matcher is what it was made from, without what it keeps to match faster."""

    id: str
    matchers: list[tuple[str, MatchType, str]]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime


def _write(silence: Silence) -> bytes:
    return encode(
        _Document(
            silence.id,
            [(matcher.name, matcher.type, matcher.value) for matcher in silence.matchers],
            silence.starts_at,
            silence.ends_at,
            silence.created_by,
            silence.comment,
            silence.updated_at,
        )
    )


def _read(document: bytes) -> Silence:
    stored = decode(_Document, document)
    return Silence(
        stored.id,
        tuple(Matcher(name, kind, value) for name, kind, value in stored.matchers),
        stored.starts_at,
        stored.ends_at,
        stored.created_by,
        stored.comment,
        stored.updated_at,
    )
