"""Leases: how far the dev host's readers of the change feed have come; on Azure the platform keeps its own."""

from __future__ import annotations

from adapters.cosmos.client import Cosmos
from adapters.cosmos.containers import LEASES


class CosmosPlaces:
    """One item for each reader, beside those of the platform in container `leases`."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._leases = cosmos.container(LEASES)

    async def get_place(self, reader: str) -> str:
        """Where it goes on; "" for one that begins."""
        item = await self._leases.read(_id(reader), _id(reader))
        return str(item["place"]) if item else ""

    async def keep_place(self, reader: str, place: str) -> None:
        """It has done with everything before that place."""
        await self._leases.upsert({"id": _id(reader), "place": place})


def _id(reader: str) -> str:
    return f"devhost-{reader}"
