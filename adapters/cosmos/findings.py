"""Implements `FindingStore` on Cosmos DB: one logical partition for each incident, whose items end by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.cosmos.client import ConflictError, Cosmos, Item, UnsureError
from adapters.cosmos.containers import FINDINGS
from adapters.cosmos.items import item_id, sortable
from adapters.cosmos.repeating import repeat
from adapters.documents import embed, extract
from domain.triage.keeping import Asked, Look


class CosmosFindingStore:
    """Keeping costs one write; reading a look by its number one point read."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(FINDINGS)

    async def keep_look(self, look: Look) -> Look:
        item = {"id": _look_id(look.number), "incident": look.incident, "number": look.number, "body": embed(look)}

        async def attempt() -> Look:
            if await self._create(item):
                return look
            found = await self._container.read(item["id"], look.incident)
            if found is None:
                raise UnsureError(f"look {look.number} at incident {look.incident} was there, and is gone")
            return extract(Look, found["body"])

        return await repeat("a look at an incident", attempt)

    async def get_look(self, incident: str, number: int | None = None) -> Look | None:
        if number is not None:
            item = await self._container.read(_look_id(number), incident)
            return None if item is None else extract(Look, item["body"])
        text = "SELECT TOP 1 c.body FROM c WHERE IS_DEFINED(c.number) ORDER BY c.number DESC"
        found, _ = await self._container.query(text, incident)
        return extract(Look, found[0]["body"]) if found else None

    async def keep_asked(self, asked: Asked) -> None:
        item = {
            "id": item_id("asked", asked.id),
            "incident": asked.incident,
            "at": sortable(asked.at),
            "body": embed(asked),
        }
        await repeat("a question about an incident", lambda: self._create(item))

    async def list_asked(self, incident: str, *, limit: int = 20) -> Sequence[Asked]:
        text = "SELECT TOP @limit c.body FROM c WHERE IS_DEFINED(c.at) ORDER BY c.at DESC"
        found, _ = await self._container.query(text, incident, limit=limit)
        return sorted([extract(Asked, item["body"]) for item in found], key=lambda one: (one.at, one.id))

    async def forget_findings(self, before: datetime) -> None:
        """Their time to live does it."""

    async def _create(self, item: Item) -> bool:
        """Whether it was not there yet."""
        try:
            await self._container.create(item)
        except ConflictError:
            return False
        return True


def _look_id(number: int) -> str:
    return f"look-{number}"
