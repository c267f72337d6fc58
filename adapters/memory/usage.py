"""Implements `UsageStore` in this process alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain.triage.spending import HOUR, NOTHING_SPENT, Usage, hour_of


class MemoryUsageStore:
    """Implements `UsageStore`."""

    def __init__(self) -> None:
        self._hours: dict[datetime, Usage] = {}
        self._looks: dict[str, datetime] = {}

    async def add_usage(self, look: str, at: datetime, usage: Usage) -> None:
        if look in self._looks:
            return
        hour = hour_of(at)
        self._looks[look] = hour
        self._hours[hour] = self._hours.get(hour, NOTHING_SPENT) + usage

    async def list_usage(self, since: datetime) -> Mapping[datetime, Usage]:
        first = hour_of(since)
        return {hour: self._hours[hour] for hour in sorted(self._hours) if hour >= first}

    async def forget_usage(self, before: datetime) -> None:
        self._hours = {hour: usage for hour, usage in self._hours.items() if hour + HOUR > before}
        self._looks = {look: hour for look, hour in self._looks.items() if hour + HOUR > before}
