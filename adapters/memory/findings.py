"""Implements `FindingStore` in this process alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.triage.keeping import Asked, Look


class MemoryFindingStore:
    """Implements `FindingStore`."""

    def __init__(self) -> None:
        self._looks: dict[str, dict[int, Look]] = {}
        self._asked: dict[str, dict[str, Asked]] = {}

    async def keep_look(self, look: Look) -> Look:
        return self._looks.setdefault(look.incident, {}).setdefault(look.number, look)

    async def get_look(self, incident: str, number: int | None = None) -> Look | None:
        looks = self._looks.get(incident, {})
        return looks.get(max(looks, default=0) if number is None else number)

    async def keep_asked(self, asked: Asked) -> None:
        self._asked.setdefault(asked.incident, {}).setdefault(asked.id, asked)

    async def list_asked(self, incident: str, *, limit: int = 20) -> Sequence[Asked]:
        return sorted(self._asked.get(incident, {}).values(), key=lambda one: (one.at, one.id))[-limit:]

    async def forget_findings(self, before: datetime) -> None:
        for looks in self._looks.values():
            for number in [number for number, look in looks.items() if look.at < before]:
                del looks[number]
        for questions in self._asked.values():
            for id in [id for id, one in questions.items() if one.at < before]:
                del questions[id]
