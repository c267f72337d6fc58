"""Arrivals: keeps what came from the sources, beside the way of its alerts and never in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

from domain.errors import DomainError, RejectedError

if TYPE_CHECKING:
    from domain.arrivals import ArrivalStore
    from domain.sources.definitions import Source
    from domain.sources.reading import Payload, Reading

log = logging.getLogger("tocsin.arrivals")

PATIENCE_SECONDS = 2.0
"""So long an answer may wait for a copy to be kept; Azure's action groups give a webhook ten seconds."""

PAUSE_SECONDS = 15.0
"""So long nothing is tried after a failure: an outage of the store must not cost each alert that patience."""


class Arrivals:
    """The kept payloads, and the one way to keep another."""

    def __init__(self, store: ArrivalStore, clock: Callable[[], datetime], retention: timedelta) -> None:
        """With a retention of nothing, nothing is kept."""
        self.store = store
        self.retention = retention
        self.lost = 0
        """How many this process could not keep."""
        self._clock = clock
        self._paused_until = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether anything is."""
        return self.retention > timedelta(0)

    async def keep(
        self, source: Source, payload: Payload, received_at: datetime, read: Reading | RejectedError
    ) -> None:
        """Keep the payload, without its secrets, and what was made of it; returns when it is durable, or given up.

        Never raises: what is lost is a copy.  To be awaited beside the sending of the alerts; and before a refusal is
        answered, because of what is refused nothing else is left.
        """
        if not self.is_kept:
            return
        if monotonic() < self._paused_until:
            self.lost += 1
            return
        from domain.sources.keeping import arrive, with_identity_checked
        from domain.sources.receiving import read_source

        try:
            arrival = arrive(source, source.redacted, payload, received_at, read, token_hex(4))
            if arrival.redacted:
                arrival = with_identity_checked(arrival, read, partial(read_source, source))
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.store.record_arrival(arrival)
        except (DomainError, TimeoutError) as error:
            self._paused_until = monotonic() + PAUSE_SECONDS
            self.lost += 1
            reason = str(error) or f"the store did not answer within {PATIENCE_SECONDS:g} s"
            log.warning("a payload of %s is not kept, nor are others for %g s: %s", source.name, PAUSE_SECONDS, reason)
        except Exception:
            # Of a payload that our own fault keeps from being kept, the alerts still count.
            self.lost += 1
            log.exception("a payload of %s is not kept", source.name)

    async def forget(self, now: datetime) -> None:
        """Remove what is older than the retention, and on one machine what is too much."""
        from domain.arrivals import MOST_ARRIVALS

        await self.store.forget_arrivals(now - self.retention, most=MOST_ARRIVALS if self.is_kept else 0)
