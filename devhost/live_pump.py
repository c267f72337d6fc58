"""Live pump: what is decided here is published at once, to those who listen to this process or over Web PubSub."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from adapters.live.hub import Hub
from domain.errors import UnavailableError

if TYPE_CHECKING:
    from adapters.live.service import Live

log = logging.getLogger("tocsin.devhost")

WAIT = timedelta(seconds=30)
NOT_AT_ALL = timedelta(0)

EVENTS_AT_ONCE = 500
PAUSE_SECONDS = 1.0


class LivePump:
    """Follows the live log while anybody listens; a local feed shows only what was left behind in an outbox."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def run(self) -> None:
        """Until cancelled."""
        hub = self._live.publisher if isinstance(self._live.publisher, Hub) else None
        while not self._live.is_ending:
            if hub is not None:
                hub.attended.clear()
                await hub.someone.wait()
            cursor = (await self._live.log.read(None, limit=1, wait=NOT_AT_ALL)).cursor
            if hub is not None:
                hub.attended.set()
            while (hub is None or hub.someone.is_set()) and not self._live.is_ending:
                cursor = await self._publish_behind(cursor)
        await asyncio.Event().wait()  # the log lets nobody wait any more

    async def _publish_behind(self, cursor: str) -> str:
        page = await self._live.log.read(cursor, limit=EVENTS_AT_ONCE, wait=WAIT)
        if page.events:
            try:
                await self._live.publisher.publish(page.events)
            except UnavailableError as error:
                log.warning("%d events are told later: %s", len(page.events), error)
                await asyncio.sleep(PAUSE_SECONDS)
                return cursor
        return page.cursor

    async def close(self) -> None:
        """Nothing runs apart from `run`."""
