"""Implements `ReceiptStore` on the journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.reconciling import Receipt, Reconciliation

REPORT = "reconciliation"
"""The row of table `policy` that holds the last comparison."""


class SqliteReceiptStore:
    """One row for each receipt."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def note_receipts(self, receipts: Sequence[Receipt]) -> None:
        if not receipts:
            return
        rows = [(receipt.id, receipt.at.timestamp(), encode(receipt)) for receipt in receipts]
        with self._journal.writing() as db:
            db.executemany("insert or replace into receipts values (?, ?, ?)", rows)
        await self._journal.committed()

    async def find_receipts(self, ids: Collection[str]) -> Mapping[str, Receipt]:
        found: dict[str, Receipt] = {}
        with self._journal.writing() as db:
            for id in ids:
                if row := db.execute("select document from receipts where id = ?", (id,)).fetchone():
                    found[id] = decode(Receipt, row[0])
        await self._journal.committed()
        return found

    async def forget_receipts(self, before: datetime) -> None:
        with self._journal.writing() as db:
            db.execute("delete from receipts where at < ?", (before.timestamp(),))
        await self._journal.committed()

    async def get_reconciliation(self) -> Reconciliation | None:
        with self._journal.writing() as db:
            row = db.execute("select document from policy where name = ?", (REPORT,)).fetchone()
        await self._journal.committed()
        return decode(Reconciliation, row[0]) if row else None

    async def keep_reconciliation(self, report: Reconciliation | None) -> None:
        with self._journal.writing() as db:
            if report is None:
                db.execute("delete from policy where name = ?", (REPORT,))
            else:
                db.execute("insert or replace into policy values (?, ?)", (REPORT, encode(report)))
        await self._journal.committed()
