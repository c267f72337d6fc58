"""Implements `DeadLetters` on Cosmos DB: one partition, for there are few."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from adapters.cosmos.client import ConflictError, Cosmos, Item, UnsureError
from adapters.cosmos.containers import DEAD
from adapters.cosmos.items import from_stored, item_id, sortable, to_stored
from adapters.cosmos.payloads import CosmosPayloads
from adapters.cosmos.repeating import repeat
from adapters.servicebus.store import KeptLetter
from domain.errors import NotFoundError
from domain.queues import QueueName

PART = "dead"


class CosmosDeadLetters:
    """A letter is kept until somebody removes it, and so is its body where that lies among the payloads."""

    def __init__(self, cosmos: Cosmos, payloads: CosmosPayloads) -> None:
        self._container = cosmos.container(DEAD)
        self._payloads = payloads

    async def add(self, kept: KeptLetter) -> None:
        letter = kept.letter
        item = {
            "id": item_id("letter", letter.id),
            "part": PART,
            # Of those of one instant the later one counts as the newer.
            "at": f"{sortable(letter.at)} {time.time_ns():020d}",
            "queue": letter.queue,
            "size": letter.size,
            "kept": to_stored(kept),
        }
        if kept.reference:
            await self._payloads.keep(kept.reference)
        await repeat(f"dead letter {letter.id}", partial(self._create, item))

    async def _create(self, item: Item) -> None:
        try:
            await self._container.create(item)
        except ConflictError:
            return  # it is there already

    async def list_newest(self, limit: int, before: tuple[datetime, str] | None = None) -> Sequence[KeptLetter]:
        last = "~"  # behind all digits
        if before is not None:
            at, id = before
            item = await self._container.read(item_id("letter", id), PART)
            last = item["at"] if item else f"{sortable(at)} ~"
        found, _ = await self._container.query(
            f"select top {limit} value c.kept from c where c.at < @last order by c.at desc", PART, last=last
        )
        return [from_stored(KeptLetter, kept) for kept in found]

    async def get(self, dead_letter_id: str) -> KeptLetter:
        item = await self._container.read(item_id("letter", dead_letter_id), PART)
        if item is None:
            raise NotFoundError(f"no dead letter {dead_letter_id!r}")
        return from_stored(KeptLetter, item["kept"])

    async def remove(self, dead_letter_id: str) -> None:
        kept = await self.get(dead_letter_id)
        is_unsure = False

        async def attempt() -> None:
            nonlocal is_unsure
            try:
                was_there = await self._container.delete(item_id("letter", dead_letter_id), PART)
            except UnsureError:
                is_unsure = True
                raise
            # Of two who remove it, one is told that it is gone.
            if not was_there and not is_unsure:
                raise NotFoundError(f"no dead letter {dead_letter_id!r}")

        await repeat(f"dead letter {dead_letter_id}", attempt)
        if kept.reference:
            await self._payloads.release(kept.reference)

    async def sum_sizes(self, queue: QueueName) -> int:
        found, _ = await self._container.query(
            "select value sum(c.size) from c where c.queue = @queue", PART, queue=queue
        )
        return int(sum(size or 0 for size in found))

    async def count(self) -> Mapping[str, int]:
        found, _ = await self._container.query("select value c.queue from c", PART)
        return Counter(found)
