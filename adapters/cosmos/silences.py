"""Implements `SilenceStore` on Cosmos DB: beside the policy head, which holds their version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.cosmos.client import BATCH_OPERATIONS, ConflictError, Item, Operation
from adapters.cosmos.items import from_stored, item_id, to_stored
from adapters.cosmos.policy import PART, Change, PolicyPart
from adapters.cosmos.repeating import repeat
from adapters.silence_documents import SilenceDocument, document_of, silence_of
from domain.errors import NotFoundError
from domain.silences import ChangeSilence, Silence
from domain.situations import PolicyHead


class CosmosSilenceStore:
    """A silence and the version of all of them are written in one transaction."""

    def __init__(self, part: PolicyPart) -> None:
        self._part = part

    async def upsert_silence(self, silence: Silence) -> int:
        async def put(head: PolicyHead) -> Change[int]:
            head = _next_version(head)
            return Change(head, [("upsert", (_item(silence),), {})], head.silences_version)

        return await self._part.change(put)

    async def change_silence(self, silence_id: str, decide: ChangeSilence) -> Sequence[Silence]:
        async def ask(head: PolicyHead) -> Change[Sequence[Silence]]:
            # After the head: if that is still the same at the commit, so is this.
            stored = await self._read(silence_id)
            written = decide(_silence(stored["silence"]) if stored else None)
            if not written:
                return Change(head, (), written)
            return Change(_next_version(head), [_write(silence, silence_id, stored) for silence in written], written)

        return await self._part.change(ask)

    async def get_silence(self, silence_id: str) -> Silence:
        item = await self._read(silence_id)
        if item is None:
            raise NotFoundError(f"no silence {silence_id!r}")
        return _silence(item["silence"])

    async def list_silences(self) -> Sequence[Silence]:
        found, pages = await self._query()
        if pages > 1:
            found = await repeat("the list of silences", self._query_unchanged)
        return sorted(map(_silence, found), key=lambda silence: silence.id)

    async def _query(self) -> tuple[list[Any], int]:
        return await self._part.container.query("select value c.silence from c where c.type = 'silence'", PART)

    async def _query_unchanged(self) -> list[Any]:
        """Between two pages one silence may have taken the place of another: no list must be without both."""
        before = await self._part.get_head()
        found, _ = await self._query()
        if (await self._part.get_head()).silences_version != before.silences_version:
            raise ConflictError("the silences changed while they were listed")
        return found

    async def forget_silences(self, before: datetime) -> None:
        async def forget() -> None:
            found, _ = await self._part.container.query(
                "select c.id, c._etag from c where c.type = 'silence' and c.ends < @before",
                PART,
                before=before.timestamp(),
            )
            # Each as it was read: one that is being extended stays.
            deletes: list[Operation] = [("delete", (one["id"],), {"if_match_etag": one["_etag"]}) for one in found]
            for first in range(0, len(deletes), BATCH_OPERATIONS):
                await self._part.container.batch(PART, deletes[first : first + BATCH_OPERATIONS])

        async with self._part.turn():
            await repeat("the ended silences", forget)

    async def _read(self, silence_id: str) -> Item | None:
        return await self._part.container.read(item_id("silence", silence_id), PART)


def _next_version(head: PolicyHead) -> PolicyHead:
    return replace(head, silences_version=head.silences_version + 1)


def _write(silence: Silence, decided_on: str, stored: Item | None) -> Operation:
    item = _item(silence)
    if silence.id != decided_on:
        return "upsert", (item,), {}
    # The head guards against other changes, but one that is forgotten goes without it.
    if stored is None:
        return "create", (item,), {}
    return "replace", (item["id"], item), {"if_match_etag": stored["_etag"]}


def _item(silence: Silence) -> Item:
    return {
        "id": item_id("silence", silence.id),
        "part": PART,
        "type": "silence",
        "ends": silence.ends_at.timestamp(),
        "silence": to_stored(document_of(silence)),
    }


def _silence(stored: Any) -> Silence:
    return silence_of(from_stored(SilenceDocument, stored))
