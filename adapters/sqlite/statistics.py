"""Implements `StatisticsStore` on the journal: the days are counted in the commits that they count."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from adapters.sqlite.journal import Journal
from adapters.sqlite.table import UNKNOWN, Key, Row, Table, WriteBehind
from domain.groups import Decision, Head
from domain.statistics import Counted, Counts, day_of, observe_decision

STATISTICS = Table("statistics", ("day", "dimension", "name", "counter", "value"), 4)
"""One row for each thing that is counted on a day; written behind, for a storm counts the same few again and again."""


class SqliteStatisticsStore:
    """Implements `StatisticsStore`; made and fed by the group store, whose commits its rows are part of."""

    def __init__(self, journal: Journal, rows: WriteBehind) -> None:
        self._journal = journal
        self._rows = rows
        self._added: dict[date, defaultdict[Counted, float]] = {}
        """Since the last commit: a storm counts the same again and again, so it is written once for all of them."""

    def count(self, head: Head, decision: Decision) -> None:
        """Add what the decision's entry counts, as a part of the commit that the caller has joined."""
        if not (counts := observe_decision(head, decision)) or decision.entry is None:
            return
        day = day_of(decision.entry.at)
        added = self._added.get(day)
        if added is None:
            added = self._added[day] = defaultdict(float)
        for counted, number in counts.items():
            added[counted] += number

    def put(self) -> None:
        """Make rows of what was added, before the commit writes the rows."""
        for day, added in self._added.items():
            for counted, number in added.items():
                key = (day.isoformat(), *counted)
                row = self._find(key)
                self._rows.put(STATISTICS, key, (*key, number + (row[4] if row is not None else 0)))
        self._added.clear()

    def undone(self) -> None:
        """Forget what was not committed."""
        self._added.clear()

    def _find(self, key: Key) -> Row:
        row = self._rows.find(STATISTICS, key)
        if row is UNKNOWN:
            found: Row = self._journal.db.execute(STATISTICS.select, key).fetchone()
            return found
        return row

    async def list_days(self, first: date, last: date) -> dict[date, Counts]:
        with self._journal.writing() as db:
            self.put()
            self._rows.settle()
            rows = db.execute(
                "select * from statistics where day between ? and ?", (first.isoformat(), last.isoformat())
            ).fetchall()
        days: dict[date, dict[Counted, float]] = {}
        for day, dimension, name, counter, number in rows:
            days.setdefault(date.fromisoformat(day), {})[dimension, name, counter] = number
        return {day: days[day] for day in sorted(days)}

    async def forget_days(self, before: date) -> None:
        with self._journal.writing() as db:
            self.put()
            self._rows.settle()
            db.execute("delete from statistics where day < ?", (before.isoformat(),))
        await self._journal.committed()
