"""Announcing: what the change feed shows is published, for homes in which no process sees everything happen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adapters.live.narrating import Narrator
from domain.errors import DomainError
from domain.groups import LogEntry
from domain.live import LivePublisher

log = logging.getLogger("tocsin.live")

ANNOUNCE_SECONDS = 10.0
"""Longer, and the history that the same function writes would wait for an audience."""

type Entries = Callable[[Iterable[Mapping[str, Any]]], list[LogEntry]]


class Announcer:
    """Publishes the entries among the documents of the feed; by its best efforts, for the live log keeps them all."""

    def __init__(self, publisher: LivePublisher, narrator: Narrator, entries_in: Entries) -> None:
        self._publisher = publisher
        self._narrator = narrator
        self._entries_in = entries_in

    async def announce(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Tell whoever listens; never raises for what cannot be told, and does not try for ever."""
        entries = self._entries_in(documents)
        try:
            async with asyncio.timeout(ANNOUNCE_SECONDS):
                events = await self._narrator.tell(entries, before=None, behind=None)
                if events:
                    await self._publisher.publish(events)
        except (DomainError, TimeoutError) as error:
            log.warning("%d entries were not told to those who listen: %s", len(entries), error)
