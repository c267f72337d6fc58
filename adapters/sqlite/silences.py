"""Implements `SilenceStore` on the journal; all silences are kept in memory, since nobody else writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.documents import decode, encode
from adapters.silence_documents import SilenceDocument, document_of, silence_of
from adapters.sqlite.journal import Journal
from adapters.sqlite.policy import SqlitePolicyStore
from domain.errors import NotFoundError
from domain.silences import ChangeSilence, Silence


class SqliteSilenceStore:
    """Shows a silence when it is durable, not before: what a reader keeps under a version must not be undone."""

    def __init__(self, journal: Journal, policy: SqlitePolicyStore) -> None:
        self._journal = journal
        self._policy = policy
        rows = journal.db.execute("select document from silences order by id")
        documents = [decode(SilenceDocument, document) for (document,) in rows]
        self._silences = {document.id: silence_of(document) for document in documents}
        # What the next commit makes of them, by their ids; None for the forgotten ones.
        self._changed: dict[str, Silence | None] = {}
        journal.add(self)

    def write(self, db: sqlite3.Connection) -> None:
        """The silences that changed, and that are forgotten."""
        if self._changed:
            db.executemany("delete from silences where id = ?", [(id,) for id in self._changed])
            db.executemany(
                "insert into silences values (?, ?)",
                [(one.id, encode(document_of(one))) for one in self._changed.values() if one is not None],
            )

    def done(self) -> None:
        """They are durable, and shown from now on."""
        for id, silence in self._changed.items():
            if silence is None:
                self._silences.pop(id, None)
            else:
                self._silences[id] = silence
        self._changed.clear()

    def undone(self) -> None:
        """Drop what was not committed."""
        self._changed.clear()

    async def upsert_silence(self, silence: Silence) -> int:
        version = self._change([silence])
        await self._journal.committed()
        return version

    async def change_silence(self, silence_id: str, decide: ChangeSilence) -> Sequence[Silence]:
        written = decide(self._changed.get(silence_id, self._silences.get(silence_id)))
        if written:
            self._change(written)
        # Also where nothing is written: what that was decided on may be part of the commit under way.
        await self._journal.committed()
        return written

    def _change(self, silences: Sequence[Silence]) -> int:
        """Keep them with the next commit, under the version that is returned."""
        self._changed.update((silence.id, silence) for silence in silences)
        head = self._policy.change(lambda head: replace(head, silences_version=head.silences_version + 1))
        return head.silences_version

    async def get_silence(self, silence_id: str) -> Silence:
        silence = self._silences.get(silence_id)
        if silence is None:
            raise NotFoundError(f"no silence {silence_id!r}")
        return silence

    async def list_silences(self) -> Sequence[Silence]:
        return sorted(self._silences.values(), key=lambda silence: silence.id)

    async def forget_silences(self, before: datetime) -> None:
        latest = self._silences | self._changed
        ended = [id for id, silence in latest.items() if silence is not None and silence.ends_at < before]
        if ended:
            self._changed.update(dict.fromkeys(ended))
            self._journal.join()
            await self._journal.committed()
