"""Implements `StatisticsStore` in this process alone."""

from __future__ import annotations

from datetime import date

from domain.groups import Decision, Head
from domain.statistics import Counts, day_of, merged, observe_decision


class MemoryStatisticsStore:
    """Implements `StatisticsStore`; fed by the group store with each decision that it keeps."""

    def __init__(self) -> None:
        self._days: dict[date, Counts] = {}

    def count(self, head: Head, decision: Decision) -> None:
        """Add what the decision's entry counts."""
        if (counts := observe_decision(head, decision)) and decision.entry is not None:
            day = day_of(decision.entry.at)
            self._days[day] = merged([self._days.get(day, {}), counts])

    async def list_days(self, first: date, last: date) -> dict[date, Counts]:
        return {day: self._days[day] for day in sorted(self._days) if first <= day <= last}

    async def forget_days(self, before: date) -> None:
        self._days = {day: counts for day, counts in self._days.items() if day >= before}
