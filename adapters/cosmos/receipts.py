"""Implements `ReceiptStore` on Cosmos DB: an item for each receipt, whose time to live is what forgets it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from adapters.cosmos.client import Cosmos, Item
from adapters.cosmos.containers import RECEIPTS
from adapters.cosmos.items import item_id
from adapters.cosmos.repeating import repeat, together
from adapters.documents import embed, extract
from domain.reconciling import Receipt, Reconciliation

REPORT = "reconciliation"
"""The id of the last comparison's item, which has no end."""


class CosmosReceiptStore:
    """An arrival costs one write; an hour's comparison a point read for each alert that fired."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(RECEIPTS)

    async def note_receipts(self, receipts: Sequence[Receipt]) -> None:
        await together(partial(self._upsert, _item(receipt)) for receipt in receipts)

    async def find_receipts(self, ids: Collection[str]) -> Mapping[str, Receipt]:
        found = await together(partial(self._find, id) for id in set(ids))
        return {receipt.id: receipt for receipt in found if receipt is not None}

    async def forget_receipts(self, before: datetime) -> None:
        """Their time to live does it."""

    async def get_reconciliation(self) -> Reconciliation | None:
        item = await self._container.read(REPORT, REPORT)
        return None if item is None else extract(Reconciliation, item["reconciliation"])

    async def keep_reconciliation(self, report: Reconciliation | None) -> None:
        if report is not None:
            await self._upsert({"id": REPORT, "ttl": -1, "reconciliation": embed(report)})
        else:
            await repeat("the last reconciliation", lambda: self._container.delete(REPORT, REPORT))

    async def _find(self, id: str) -> Receipt | None:
        name = item_id("receipt", id)
        item = await self._container.read(name, name)
        return None if item is None else extract(Receipt, item["receipt"])

    async def _upsert(self, item: Item) -> None:
        await repeat("a receipt", lambda: self._container.upsert(item))


def _item(receipt: Receipt) -> Item:
    return {"id": item_id("receipt", receipt.id), "receipt": embed(receipt)}
