"""The source of the live log in Cosmos DB: the change feed of container `groups`, asked while somebody waits.

Entries are created once and never changed, so the feed shows those of a group in their order; it shows them until the
service deletes them, two days later.  See docs/decisions/0010.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from adapters.cosmos.client import Cosmos
from adapters.cosmos.containers import GROUPS
from adapters.cosmos.partition import HEAD
from adapters.documents import extract
from adapters.live.cursors import Cursor
from adapters.live.log import Reading, Step
from domain.errors import RejectedError
from domain.groups import Head, LogEntry
from domain.live import TooOldError
from domain.routing import GroupId

log = logging.getLogger("tocsin.live")

POLL_SECONDS = 1.0
"""A look at a feed in which nothing has changed costs two request units for each physical partition."""

ITEMS_AT_ONCE = 1000


class CosmosLiveSource:
    """A place is the feed's own continuation, so it is good in every instance of the app."""

    def __init__(self, cosmos: Cosmos, clock: Callable[[], datetime]) -> None:
        self._groups = cosmos.container(GROUPS)
        self._clock = clock

    async def begin(self) -> Cursor:
        now = self._clock()
        _, place = await self._groups.changes(start="Now", most=ITEMS_AT_ONCE)
        return Cursor(place, now)

    async def read(self, after: Cursor, *, limit: int) -> Reading:
        now = self._clock()
        _check(after.place)
        try:
            items, place = await self._groups.changes(after.place, most=ITEMS_AT_ONCE)
        except (RejectedError, ValueError, LookupError, TypeError) as error:
            # A place is what a caller sent, and the SDK looks into it: no other error of that kind can come from there.
            raise TooOldError("the cursor is not of this store") from error
        is_end = len(items) < ITEMS_AT_ONCE
        # What was read lies anywhere between the two: nothing later than the older one is sure.
        behind = Cursor(place, now if is_end else after.at)
        entries = entries_in(items)
        return Reading([Step(entries, behind)] if entries else [], behind, is_end)

    async def changed(self, after: Cursor) -> None:
        await asyncio.sleep(POLL_SECONDS)

    async def receiver_of(self, group_id: GroupId) -> str:
        """The receiver of a group; "" where there is no such group."""
        item = await self._groups.read(HEAD, group_id)
        return extract(Head, item["body"]).receiver if item else ""


def entries_in(documents: Iterable[Mapping[str, Any]]) -> list[LogEntry]:
    """The log entries among the documents of the feed, in order; one that cannot be read is left out."""
    entries: list[LogEntry] = []
    for document in documents:
        if document.get("type") != "entry":
            continue
        try:
            entries.append(extract(LogEntry, document["body"]))
        except (RejectedError, KeyError) as error:
            log.error("document %s of the feed cannot be read, and is not told: %s", document.get("id"), error)
    return entries


def _check(place: str) -> None:
    """The SDK is handed what a caller sent: it must look like what `changes` gives out."""
    try:
        ranges = msgspec.json.decode(place, type=list[tuple[dict[str, Any], str]])
    except msgspec.MsgspecError:
        raise TooOldError("the cursor is not of this store") from None
    # Without a place of its own a range would be read from its beginning, which is all there is.
    if not ranges or len(ranges) > 1000 or not all(token for _, token in ranges):
        raise TooOldError("the cursor is not of this store")
