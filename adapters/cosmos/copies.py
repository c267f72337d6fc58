"""Copy: what a live view held at some time, packed, so that another process need not read every member by itself.

A view that has read a good part of all members leaves one behind, and one that begins takes it and asks for what was
written since.  See docs/decisions/0013.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

import msgspec

from adapters.cosmos.client import Cosmos
from adapters.cosmos.containers import PAYLOADS
from adapters.cosmos.payloads import CosmosPayloads
from adapters.documents import decode, encode
from domain.errors import NotFoundError, RejectedError, UnavailableError
from domain.labels import Fingerprint

log = logging.getLogger("tocsin.cosmos")

NEWEST = "live-view"
"""The id of the item that says which copy is the newest."""

FORM = 1
"""Of what is in a copy; one of another form is not read."""

type Held = tuple[Fingerprint, int | None, msgspec.Raw]
"""A member: its fingerprint, its slot, and its document."""

type Group = tuple[msgspec.Raw, str, list[Held]]
"""Its head, its renewals, and its present members."""


@dataclass(frozen=True, slots=True)
class Copy:
    """All groups, as they were when the newest document that was known had been written at `known_until`."""

    taken_at: datetime
    known_until: int
    groups: list[Group]


class Copies:
    """The newest copy, and what it takes to replace it; two that are written at once are both good."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(PAYLOADS)
        self._payloads = CosmosPayloads(cosmos)

    async def read(self, not_before: datetime) -> Copy | None:
        """The newest one; None where there is none from that time on."""
        newest = await self._container.read(NEWEST, NEWEST)
        if newest is None or newest["form"] != FORM or newest["taken_at"] < not_before.timestamp():
            return None
        try:
            body = await self._payloads.get(newest["reference"])
            return await asyncio.to_thread(decode, Copy, body)
        except (NotFoundError, RejectedError) as error:
            log.warning("the copy of the live view cannot be read, so every member is: %s", error)
            return None

    async def write(self, copy: Copy) -> None:
        """Leave it for others; without it they only pay more."""
        try:
            reference = await self._payloads.put(await asyncio.to_thread(encode, copy))
            taken_at = copy.taken_at.timestamp()
            newest = {"id": NEWEST, "form": FORM, "reference": reference, "taken_at": taken_at}
            await self._container.upsert(newest)
        except (UnavailableError, RejectedError) as error:
            log.warning("no copy of the live view could be written: %s", error)
