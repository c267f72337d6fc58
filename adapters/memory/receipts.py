"""Implements `ReceiptStore` in this process alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from domain.reconciling import Receipt, Reconciliation


class MemoryReceiptStore:
    """Implements `ReceiptStore`."""

    def __init__(self) -> None:
        self._receipts: dict[str, Receipt] = {}
        self._report: Reconciliation | None = None

    async def note_receipts(self, receipts: Sequence[Receipt]) -> None:
        self._receipts |= {receipt.id: receipt for receipt in receipts}

    async def find_receipts(self, ids: Collection[str]) -> Mapping[str, Receipt]:
        return {id: self._receipts[id] for id in ids if id in self._receipts}

    async def forget_receipts(self, before: datetime) -> None:
        self._receipts = {id: receipt for id, receipt in self._receipts.items() if receipt.at >= before}

    async def get_reconciliation(self) -> Reconciliation | None:
        return self._report

    async def keep_reconciliation(self, report: Reconciliation | None) -> None:
        self._report = report
