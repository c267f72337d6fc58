"""Implements `Payloads` on Cosmos DB: bodies that are too long for a message, for two weeks."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import uuid4

from adapters.cosmos.client import Cosmos, Item
from adapters.cosmos.containers import DAY, PAYLOADS
from adapters.cosmos.items import pack, split, unpack
from adapters.cosmos.repeating import repeat, together
from domain.errors import NotFoundError

KEPT_FOR_EVER = -1


class CosmosPayloads:
    """A body is compressed, and lies in as many items as it needs; the first one is written last."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(PAYLOADS)

    async def put(self, body: bytes) -> str:
        reference = uuid4().hex
        first, *further = split(await asyncio.to_thread(pack, body))
        texts = dict(zip(_parts(reference, 1 + len(further)), further, strict=True))
        await together(partial(self._write, {"id": id, "text": text}) for id, text in texts.items())
        await self._write({"id": reference, "parts": 1 + len(further), "text": first})
        return reference

    async def get(self, reference: str) -> bytes:
        items = [item for item in await self._read(reference) if item is not None]
        if not items or len(items) < items[0].get("parts", 0):
            days = (PAYLOADS.default_ttl or 0) // DAY
            raise NotFoundError(f"the body of the message is gone: payload {reference!r} is kept for {days} days")
        return await asyncio.to_thread(unpack, "".join(item["text"] for item in items))

    async def keep(self, reference: str) -> None:
        """It stays until it is released; one that is gone is left so."""
        items = [item for item in await self._read(reference) if item is not None]
        await together(partial(self._write, {**_own(item), "ttl": KEPT_FOR_EVER}) for item in items)

    async def release(self, reference: str) -> None:
        """It stays as long from now on as one that was just put."""
        items = [item for item in await self._read(reference) if item is not None]
        await together(partial(self._write, _own(item)) for item in items)

    async def _read(self, reference: str) -> list[Item | None]:
        first = await self._container.read(reference, reference)
        if first is None:
            return []
        parts = _parts(reference, first.get("parts", 1))
        return [first, *await together(partial(self._container.read, id, id) for id in parts)]

    async def _write(self, item: Item) -> None:
        await repeat("a payload", partial(self._container.upsert, item))


def _parts(reference: str, count: int) -> list[str]:
    return [f"{reference}-{number}" for number in range(1, count)]


def _own(item: Item) -> Item:
    return {name: value for name, value in item.items() if not name.startswith("_") and name != "ttl"}
