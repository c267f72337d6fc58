"""Implements `AuditStore` in this process alone."""

from __future__ import annotations

from collections.abc import Sequence

from domain.audit import AuditEntry, AuditRecord, Head, chain


class MemoryAuditStore:
    """Implements `AuditStore`."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []

    async def append(self, record: AuditRecord) -> AuditEntry:
        (entry,) = chain(self._head(), [record])
        self._entries.append(entry)
        return entry

    async def get_head(self) -> Head:
        return self._head()

    def _head(self) -> Head:
        return Head(self._entries[-1].number, self._entries[-1].hash) if self._entries else Head()

    async def list_entries(
        self, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        if before is None:
            return self._entries[after : after + limit]
        end = min(before - 1, len(self._entries))
        return self._entries[max(after, end - limit, 0) : end][::-1] if end > 0 else []
