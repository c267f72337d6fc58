"""Outbox: sends what a decision left to be sent, after its commit, and forgets it then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.documents import extract_outgoing
from adapters.telemetry import span
from domain.errors import RejectedError, UnavailableError
from domain.groups import GroupEvents, GroupStore, Outgone, Tick
from domain.looks import Triage
from domain.notifications import Delivery
from domain.queues import Queues
from domain.routing import GroupId

log = logging.getLogger("tocsin.outbox")

HANDLER_GRACE = timedelta(seconds=2)
"""So long the handler that committed it has to send it; the feed is the net below, and no page waits for it."""


class Outbox:
    """After a crash between the two steps the change feed finds what is left, and sends it a second time (rule 4)."""

    def __init__(self, groups: GroupStore, queues: Queues, clock: Callable[[], datetime]) -> None:
        self._groups = groups
        self._queues = queues
        self._clock = clock

    async def send(self, outbox: Sequence[Outgone]) -> None:
        """Send everything, the deliveries first since people wait for those, then clear it."""
        if not outbox:
            return
        ticks: list[Tick] = []
        deliveries: list[Delivery] = []
        events: list[GroupEvents] = []
        triages: list[Triage] = []
        for outgone in outbox:
            match outgone.outgoing:
                case Tick() as tick:
                    ticks.append(tick)
                case Delivery() as delivery:
                    deliveries.append(delivery)
                case GroupEvents() as moved:
                    events.append(moved)
                case Triage() as triage:
                    triages.append(triage)
        if deliveries:
            await self._queues.send_deliveries(deliveries)
        if events:
            await self._queues.send_events(events)
        if ticks:
            await self._queues.send_ticks(ticks)
        if triages:
            await self._queues.send_triages(triages)
        await self._groups.clear_outbox(outbox)

    async def relay(self, document: Mapping[str, Any]) -> None:
        """Send what this document of the change feed still holds, unless its own handler has done so by now.

        Other documents than those of an outbox are ignored.  A young one is waited for: its handler is at work.

        Raises:
            UnavailableError: It is still there, perhaps sent by now; it must come again.
            RejectedError: The document is not what an outbox holds.
        """
        if document.get("type") != "outbox":
            return
        try:
            group_id, key, kind = GroupId(document["group_id"]), str(document["key"]), document["kind"]
            age = self._clock() - datetime.fromtimestamp(document["at"], UTC)
            outgoing = extract_outgoing(kind, document["outgoing"])
        except (KeyError, TypeError) as error:
            raise RejectedError(f"not a document of an outbox: {error!r}") from error
        if age < HANDLER_GRACE:
            await asyncio.sleep((HANDLER_GRACE - age).total_seconds())
        if await self._groups.has_outbox(group_id, key):
            log.warning("relaying %s of group %s, which a crash left behind", kind, group_id)
            # In the trace of the fold that committed it, whichever process relays it.
            with span("relay", parent=str(document.get("trace", "")), attributes={"tocsin.group.id": group_id}):
                await self.send([Outgone(group_id, key, outgoing)])
            # Clearing may fail in silence, for the feed is the net below; here nothing else is.
            if await self._groups.has_outbox(group_id, key):
                raise UnavailableError(f"the outbox of group {group_id} could not be cleared")
