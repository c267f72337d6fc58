"""Implements `UsageStore` on Cosmos DB: an item for each hour, and one for each look that it counted.

All in one part, so that a look and its hour are written in one transaction: whoever counts the same look a second time
meets its item, in whichever hour, and of two who count at the same time one asks again, knowing what the other wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from adapters.cosmos.client import Cosmos, Operation
from adapters.cosmos.containers import TRIAGE
from adapters.cosmos.items import item_id
from adapters.cosmos.repeating import repeat
from adapters.documents import embed, extract

# With it comes all of triage, which a process that only wires its home does not need.
if TYPE_CHECKING:
    from domain.triage.spending import Usage

PART = "usage"


class CosmosUsageStore:
    """A look costs two reads and a batch of two writes; it has cost a model's call before."""

    def __init__(self, cosmos: Cosmos, clock: Callable[[], datetime]) -> None:
        self._container = cosmos.container(TRIAGE)
        self._clock = clock

    async def add_usage(self, look: str, at: datetime, usage: Usage) -> None:
        from domain.triage.spending import hour_of

        await repeat("what models have cost", partial(self._add, item_id("look", look), hour_of(at), usage))

    async def _add(self, look: str, hour: datetime, usage: Usage) -> None:
        from domain.triage.spending import HOUR, NOTHING_SPENT, USAGE_KEPT, Usage

        if await self._container.read(look, PART) is not None:
            return
        known = await self._container.read(_id(hour), PART)
        spent = extract(Usage, known["usage"]) if known else NOTHING_SPENT
        ttl = max(1, int((hour + HOUR + USAGE_KEPT - self._clock()).total_seconds()) + 1)
        item = {"id": _id(hour), "part": PART, "ttl": ttl, "usage": embed(spent + usage)}
        count: Operation = ("create", (item,), {})
        if known is not None:
            count = ("replace", (item["id"], item), {"if_match_etag": known["_etag"]})
        await self._container.batch(PART, [("create", ({"id": look, "part": PART, "ttl": ttl},), {}), count])

    async def list_usage(self, since: datetime) -> Mapping[datetime, Usage]:
        from domain.triage.spending import Usage, hour_of

        items, _ = await self._container.query(
            "select c.id, c.usage from c where c.id >= @first and c.id < 'hour~' order by c.id",
            PART,
            first=_id(hour_of(since)),
        )
        return {_hour(item["id"]): extract(Usage, item["usage"]) for item in items}

    async def forget_usage(self, before: datetime) -> None:
        """Their time to live does it."""


def _id(hour: datetime) -> str:
    return f"hour-{hour:%Y-%m-%dT%H}"


def _hour(id: str) -> datetime:
    return datetime.strptime(id, "hour-%Y-%m-%dT%H").replace(tzinfo=UTC)
