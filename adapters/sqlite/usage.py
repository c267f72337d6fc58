"""Implements `UsageStore` on the journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal

# With it comes all of triage, which a process that only wires its home does not need.
if TYPE_CHECKING:
    from domain.triage.spending import Usage


class SqliteUsageStore:
    """A row for each hour, and one for each look that it counted."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def add_usage(self, look: str, at: datetime, usage: Usage) -> None:
        from domain.triage.spending import NOTHING_SPENT, Usage, hour_of

        hour = _seconds(hour_of(at))
        with self._journal.writing() as db:
            if db.execute("insert or ignore into looks values (?, ?)", (look, hour)).rowcount == 1:
                row = db.execute("select document from usage where hour = ?", (hour,)).fetchone()
                spent = decode(Usage, row[0]) if row else NOTHING_SPENT
                db.execute("insert or replace into usage values (?, ?)", (hour, encode(spent + usage)))
        await self._journal.committed()

    async def list_usage(self, since: datetime) -> Mapping[datetime, Usage]:
        from domain.triage.spending import Usage, hour_of

        rows = self._journal.db.execute(
            "select hour, document from usage where hour >= ? order by hour", (_seconds(hour_of(since)),)
        )
        return {datetime.fromtimestamp(hour, UTC): decode(Usage, document) for hour, document in rows}

    async def forget_usage(self, before: datetime) -> None:
        from domain.triage.spending import HOUR

        # Whole seconds: an hour that begins later than this was not over by then.
        last = _seconds(before - HOUR)
        with self._journal.writing() as db:
            db.execute("delete from usage where hour <= ?", (last,))
            db.execute("delete from looks where at <= ?", (last,))
        await self._journal.committed()


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
