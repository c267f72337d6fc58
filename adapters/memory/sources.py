"""Implements `SourceStore` in this process alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from domain.inhibition import InhibitRule, Source, SourceKey, Sources, with_reports


class MemorySourceStore:
    """Implements `SourceStore`."""

    def __init__(self) -> None:
        self._documents: dict[SourceKey, Sources] = {}

    async def report_sources(self, reports: Mapping[SourceKey, Sequence[Source]], now: datetime) -> None:
        for key, sources in reports.items():
            self._documents[key] = with_reports(self.find(key), sources, now)

    async def forget_rules(self, rules: Collection[InhibitRule]) -> None:
        ids = {rule.id for rule in rules}
        self._documents = {key: found for key, found in self._documents.items() if key[:16] not in ids}

    async def forget_sources(self, now: datetime) -> None:
        pruned = {key: with_reports(found, (), now) for key, found in self._documents.items()}
        self._documents = {key: found for key, found in pruned.items() if found}

    async def get_sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sources]:
        return {key: self.find(key) for key in keys}

    def find(self, key: SourceKey) -> Sources:
        """That document."""
        return self._documents.get(key, {})
