"""Implements `IdempotencyStore` on Cosmos DB: an item for each request, whose time to live is what forgets it."""

from __future__ import annotations

from datetime import datetime

from adapters.cosmos.client import ConflictError, Cosmos, Item
from adapters.cosmos.containers import REQUESTS
from adapters.cosmos.repeating import repeat
from adapters.documents import embed, extract
from domain.idempotency import KnownRequest, is_free


class CosmosIdempotencyStore:
    """A new request costs a create, a read and a replace; one that comes again a refused create and a read."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(REQUESTS)

    async def begin_request(self, request: KnownRequest) -> KnownRequest | None:
        async def attempt() -> KnownRequest | None:
            try:
                await self._container.create(_item(request))
            except ConflictError:
                item = await self._container.read(request.id, request.id)
                if item is None:
                    raise  # forgotten in between: create it
            else:
                return None
            standing = _request(item)
            if standing.claim == request.claim:
                return None  # ours: the answer to the write was lost
            if not is_free(standing, request.began_at):
                return standing
            await self._container.replace(_item(request), item["_etag"])
            return None

        return await repeat("a request under a key", attempt)

    async def finish_request(self, request: KnownRequest) -> None:
        async def attempt() -> None:
            item = await self._container.read(request.id, request.id)
            if item is not None and (standing := _request(item)).claim == request.claim and standing != request:
                await self._container.replace(_item(request), item["_etag"])

        await repeat("the answer to a request under a key", attempt)

    async def forget_request(self, request: KnownRequest) -> None:
        async def attempt() -> None:
            item = await self._container.read(request.id, request.id)
            if item is not None and _request(item).claim == request.claim:
                delete = ("delete", (request.id,), {"if_match_etag": item["_etag"]})
                await self._container.batch(request.id, [delete])

        await repeat("a request under a key", attempt)

    async def forget_requests(self, before: datetime) -> None:
        """Their time to live does it."""


def _item(request: KnownRequest) -> Item:
    return {"id": request.id, "request": embed(request)}


def _request(item: Item) -> KnownRequest:
    return extract(KnownRequest, item["request"])
