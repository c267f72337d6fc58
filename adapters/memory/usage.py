"""Implements `UsageStore` in this process alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

# With it comes all of triage, which a process that only wires its home does not need.
if TYPE_CHECKING:
    from domain.triage.spending import Usage


class MemoryUsageStore:
    """Implements `UsageStore`."""

    def __init__(self) -> None:
        self._hours: dict[datetime, Usage] = {}
        self._looks: dict[str, datetime] = {}

    async def add_usage(self, look: str, at: datetime, usage: Usage) -> None:
        from domain.triage.spending import NOTHING_SPENT, hour_of

        if look in self._looks:
            return
        hour = hour_of(at)
        self._looks[look] = hour
        self._hours[hour] = self._hours.get(hour, NOTHING_SPENT) + usage

    async def list_usage(self, since: datetime) -> Mapping[datetime, Usage]:
        from domain.triage.spending import hour_of

        first = hour_of(since)
        return {hour: self._hours[hour] for hour in sorted(self._hours) if hour >= first}

    async def forget_usage(self, before: datetime) -> None:
        from domain.triage.spending import HOUR

        self._hours = {hour: usage for hour, usage in self._hours.items() if hour + HOUR > before}
        self._looks = {look: hour for look, hour in self._looks.items() if hour + HOUR > before}
