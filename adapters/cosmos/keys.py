"""Implements `KeyStore` on Cosmos DB: one partition of the policy's container, for there are few."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.cosmos.client import BATCH_OPERATIONS, Cosmos, Item, Operation
from adapters.cosmos.containers import POLICY
from adapters.cosmos.items import from_stored, item_id, to_stored
from adapters.cosmos.repeating import repeat
from domain.errors import NotFoundError, RejectedError
from domain.keys import ApiKey, ChangeKeys

PART = "keys"
HEAD = "keys-head"

CHANGES_REMEMBERED = 20
"""So many later changes by others may come before one whose answer was lost is looked for."""


class CosmosKeyStore:
    """Every change of keys replaces one small head too, so that two at the same time cannot miss each other."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(POLICY)

    async def get_key(self, key_id: str) -> ApiKey:
        item = await self._container.read(item_id("key", key_id), PART)
        if item is None:
            raise NotFoundError(f"no key {key_id!r}")
        return from_stored(ApiKey, item["key"])

    async def list_keys(self) -> Sequence[ApiKey]:
        found, _ = await self._container.query("select value c.key from c where c.type = 'key'", PART)
        by_id = sorted((from_stored(ApiKey, key) for key in found), key=lambda key: key.id)
        return sorted(by_id, key=lambda key: key.created_at, reverse=True)

    async def change_keys(self, decide: ChangeKeys) -> Sequence[ApiKey]:
        tried: dict[str, Sequence[ApiKey]] = {}

        async def attempt() -> Sequence[ApiKey]:
            head = await self._container.read(HEAD, PART)
            changes: list[str] = head["changes"] if head else []
            for change in changes:
                if change in tried:
                    return tried[change]
            written = decide(await self.list_keys())
            if not written:
                return written
            if len(written) >= BATCH_OPERATIONS:
                raise RejectedError(f"{len(written)} keys are too many to be changed at once")
            change = secrets.token_hex(6)
            tried[change] = written
            item = {"id": HEAD, "part": PART, "type": "head", "changes": [*changes[1 - CHANGES_REMEMBERED :], change]}
            first: Operation = ("create", (item,), {})
            if head:
                first = ("replace", (HEAD, item), {"if_match_etag": head["_etag"]})
            await self._container.batch(PART, [first, *(("upsert", (_item(key),), {}) for key in written)])
            return written

        return await repeat("the API keys", attempt)

    async def note_used(self, key_id: str, at: datetime) -> None:
        async def attempt() -> None:
            item = await self._container.read(item_id("key", key_id), PART)
            if item is not None:
                # With its ETag, or a key that is revoked in between would be valid again.
                key = replace(from_stored(ApiKey, item["key"]), last_used_at=at)
                await self._container.replace(_item(key), item["_etag"])

        await repeat("the use of an API key", attempt)


def _item(key: ApiKey) -> Item:
    return {"id": item_id("key", key.id), "part": PART, "type": "key", "key": to_stored(key)}
