"""Live view: the heads and members of all groups, in memory, brought up to date when asked.

A list of all live alerts read from the store would cost a request unit for each kilobyte of it, each time.  This reads
everything once, and then only what was written since: from the change feed where that is not long ago, else by a query
for heads and members, for the feed shows the log entries too, and a unit for each is most of what it costs.
See docs/decisions/0007 and 0013.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from adapters.cosmos.client import Container, Item
from adapters.cosmos.copies import Copies, Copy, Group
from adapters.cosmos.renewals import Renewals
from adapters.documents import decode, encode, extract
from domain.groups import Head, Member
from domain.labels import Fingerprint
from domain.routing import GroupId

EVERYTHING = (
    "SELECT * FROM c WHERE c.type = 'head' OR (c.type = 'member' AND NOT IS_DEFINED(c.dropped_at)"
    " AND NOT IS_DEFINED(c.is_gone))"
)
WRITTEN = "SELECT * FROM c WHERE c.type IN ('head', 'member') AND c._ts >= @since"

FEED_PAUSE = timedelta(seconds=15)
"""After a longer pause it is asked by a query what was written: beside it the place in the feed costs a few units."""

CLOCKS_DIFFER_SECONDS = 5
"""The clocks of the service's machines differ by less: a query looks so much further back than the newest document."""

CHANGES_AT_ONCE = 1000

LONGEST_PAUSE = timedelta(hours=12)
"""A view that was not asked for so long begins anew: the marks of forgotten members are deleted after a day."""

MANY = 2000
"""Members that are decoded in a thread rather than on the loop; fewer are not worth a copy either."""

NEW_SHARE = 4
"""A copy is left when a fourth of the members had to be read: it costs some such part of reading them all."""


class LiveView:
    """What all groups hold now; one reading at a time, and whoever asks meanwhile waits for the next."""

    def __init__(self, groups: Container, copies: Copies, clock: Callable[[], datetime]) -> None:
        self._groups = groups
        self._copies = copies
        self._clock = clock
        self._continuation = ""
        self._read_at: datetime | None = None
        self._heads: dict[GroupId, Head] = {}
        self._live: list[GroupId] = []
        """In order."""
        self._members: dict[GroupId, dict[Fingerprint, tuple[bytes, int | None]]] = {}
        """As their documents are, with their slots."""
        self._renewals: dict[GroupId, str] = {}
        """Packed."""
        self._newest = 0
        """When the newest document that was seen was written, by the service's clock in seconds."""
        self._known_until = 0
        """The same when the last reading had ended."""
        self._lock = asyncio.Lock()
        self._generation = 0

    async def refresh(self) -> None:
        """Everything that was committed before this was called is in it afterwards."""
        # A reading that began before the call may have missed the newest; the one after it has not.
        wanted = self._generation + (2 if self._lock.locked() else 1)
        async with self._lock:
            if self._generation >= wanted:
                return
            await self._read()
            self._generation += 1

    async def _read(self) -> None:
        now = self._clock()
        is_new = self._read_at is None or now - self._read_at > LONGEST_PAUSE
        read = 0
        if is_new:
            self._clear()
            if copy := await self._copies.read(now - LONGEST_PAUSE):
                self._restore(copy)
                read = await self._ask(WRITTEN, since=copy.known_until - CLOCKS_DIFFER_SECONDS)
            else:
                read = await self._ask(EVERYTHING)
        elif self._read_at is not None and now - self._read_at > FEED_PAUSE:
            await self._ask(WRITTEN, since=self._known_until - CLOCKS_DIFFER_SECONDS)
        while True:
            items, self._continuation = await self._groups.changes(self._continuation, most=CHANGES_AT_ONCE)
            self._take(items)
            if len(items) < CHANGES_AT_ONCE:
                break
        # Only now: a reading that fails half way is made again from where this one began.
        self._read_at = now
        self._known_until = self._newest
        held = sum(map(len, self._members.values()))
        if is_new and held >= MANY and read * NEW_SHARE >= held:
            await self._copies.write(self._copy(now))

    def _copy(self, now: datetime) -> Copy:
        groups: list[Group] = []
        for group_id, head in self._heads.items():
            members = self._members.get(group_id, {})
            held = [(name, slot, msgspec.Raw(body)) for name, (body, slot) in members.items()]
            groups.append((msgspec.Raw(encode(head)), self._renewals.get(group_id, ""), held))
        return Copy(now, self._known_until, groups)

    def _restore(self, copy: Copy) -> None:
        for body, renewals, held in copy.groups:
            head = decode(Head, body)
            self._take_head(head)
            self._renewals[head.id] = renewals
            self._members[head.id] = {name: (bytes(member), slot) for name, slot, member in held}
        self._newest = max(self._newest, copy.known_until)

    def _clear(self) -> None:
        self._heads.clear()
        self._live.clear()
        self._members.clear()
        self._renewals.clear()

    async def _ask(self, query: str, **parameters: int) -> int:
        """Take all that the query finds; returns how many documents of members it was."""
        # The place in the feed first: what is written while the pages are read is read twice, not missed.
        _, self._continuation = await self._groups.changes(start="Now", most=CHANGES_AT_ONCE)
        found = 0
        async for page in self._groups.pages(query, **parameters):
            self._take(page)
            found += sum(item["type"] == "member" for item in page)
        return found

    def _take(self, items: Sequence[Item]) -> None:
        for item in items:
            self._newest = max(self._newest, item["_ts"])
            if item["type"] == "head":
                self._take_head(extract(Head, item["body"]))
                self._renewals[GroupId(item["group"])] = item.get("renewals", "")
            elif item["type"] == "member":
                members = self._members.setdefault(GroupId(item["group"]), {})
                name = Fingerprint(item["id"][2:])
                if item.get("is_gone") or item.get("dropped_at") is not None:
                    members.pop(name, None)
                else:
                    members[name] = encode(extract(Member, item["body"])), item.get("slot")

    def _take_head(self, head: Head) -> None:
        known = self._heads.get(head.id)
        self._heads[head.id] = head
        if (known is not None and known.is_live) == head.is_live:
            return
        place = bisect.bisect_left(self._live, head.id)
        if head.is_live:
            self._live.insert(place, head.id)
        else:
            del self._live[place]

    def heads(self, after: GroupId | None, limit: int) -> list[Head]:
        """Of the live groups, in order of their ids, those behind `after`."""
        begin = bisect.bisect_right(self._live, after) if after is not None else 0
        return [self._heads[group_id] for group_id in self._live[begin : begin + limit]]

    async def members(self) -> list[tuple[GroupId, Member]]:
        """All present members."""
        held = [
            (group_id, self._renewals.get(group_id, ""), [*own.values()]) for group_id, own in self._members.items()
        ]
        if sum(len(own) for _, _, own in held) < MANY:
            return _decoded(held)
        return await asyncio.to_thread(_decoded, held)

    def folded(self, group_id: GroupId, door: str) -> int:
        """The number of that door's last event which the group has folded; 0 for none."""
        head = self._heads.get(group_id)
        return head.folded.get(door, 0) if head else 0


def _decoded(
    held: Sequence[tuple[GroupId, str, Sequence[tuple[bytes, int | None]]]],
) -> list[tuple[GroupId, Member]]:
    members: list[tuple[GroupId, Member]] = []
    for group_id, packed, own in held:
        renewals = Renewals(packed)
        members += [(group_id, renewals.over(decode(Member, body), slot)) for body, slot in own]
    return members
