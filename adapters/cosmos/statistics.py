"""Implements `StatisticsStore` on Cosmos DB: a small document for each group and day, counted from the change feed.

Each holds the number of the last entry that it counted, so what the feed shows twice counts once, and two readers of
one range disturb each other no more than a lost race does: `docs/decisions/0011`.  A day that nothing can be added to
any more is kept as one document, made by whoever lists it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from adapters.cosmos.client import ConflictError, Cosmos, Item
from adapters.cosmos.containers import DAY, GROUPS, STATISTICS
from adapters.cosmos.partition import ENTRY_TTL, HEAD, ids, incident_place
from adapters.cosmos.repeating import repeat, together
from adapters.documents import embed, extract
from domain.errors import RejectedError
from domain.groups import Head, Incident, LogEntry, Member
from domain.labels import Fingerprint, Labels
from domain.routing import GroupId
from domain.statistics import (
    MOST_DAYS,
    RETENTION,
    Counts,
    Known,
    capped,
    day_of,
    is_counted,
    merged,
    observe,
    unnamed,
    wants_incident,
)

TOTALS = "totals"
"""The partition of the days that are over."""

TOTALS_TTL = int(RETENTION.total_seconds())
PARTS_TTL = (MOST_DAYS + 8) * DAY
"""Of a group's part of a day, which is needed until somebody asks for the day."""

NAMES_A_PART = 200
"""A group's part of a day has so many rules at most, so that it stays small."""

REMEMBERED = 5000
"""Groups, and parts of days, that a process need not read again."""

MEMBERS_AT_ONCE = 100

PARTS = "SELECT VALUE c.counts FROM c"
OVER = "SELECT * FROM c WHERE c.id >= @first AND c.id <= @last"
NAMED = "SELECT * FROM c WHERE c.type = 'member' AND c.id IN ({})"


class CosmosStatisticsStore:
    """Implements `StatisticsStore`, and writes it when the feed shows an entry."""

    def __init__(self, cosmos: Cosmos, clock: Callable[[], datetime]) -> None:
        self._days = cosmos.container(STATISTICS)
        self._groups = cosmos.container(GROUPS)
        self._clock = clock
        self._known: dict[GroupId, tuple[str, Labels]] = {}
        """The receiver and the labels of a group, which never change: its id is made of them."""
        self._parts: dict[tuple[str, GroupId], Item] = {}
        """As this process last wrote them: a guess, held against their etags."""

    # --- writing ----------------------------------------------------------------------------------------------------

    async def project(self, document: Mapping[str, Any]) -> None:
        """Count this document of the feed, if it is an entry that counts; safe to repeat."""
        if document.get("type") != "entry":
            return
        entry = extract(LogEntry, document["body"])
        if not is_counted(entry):
            return
        counts = observe(entry, await self._about(entry))
        if counts:
            day = day_of(entry.at).isoformat()
            await repeat("a day's statistics", partial(self._add, day, entry.group_id, document["number"], counts))

    async def _add(self, day: str, group_id: GroupId, number: int, counts: Counts) -> None:
        key = day, group_id
        known = self._parts.pop(key, None) or await self._days.read(group_id, day)
        if known is not None and known["number"] >= number:
            self._remember(self._parts, key, known)
            return
        before = _read(known["counts"]) if known else {}
        item = {
            "id": group_id,
            "day": day,
            "number": number,
            "ttl": PARTS_TTL,
            "counts": _stored(capped(merged([before, counts]), NAMES_A_PART)),
        }
        if known is None:
            item["_etag"] = (await self._days.create(item))["_etag"]
        else:
            item["_etag"] = await self._days.replace(item, known["_etag"])
        self._remember(self._parts, key, item)

    async def _about(self, entry: LogEntry) -> Known:
        """What the entry does not say itself: a point read or two, and only for few entries."""
        receiver, labels = await self._group(entry.group_id)
        names: dict[Fingerprint, str] = {}
        if nameless := sorted(unnamed(entry, labels)):
            for first in range(0, len(nameless), MEMBERS_AT_ONCE):
                names |= await self._names(entry.group_id, nameless[first : first + MEMBERS_AT_ONCE])
        incident = await self._incident(entry.incident) if wants_incident(entry, labels) else None
        return Known(receiver, labels, names, incident)

    async def _group(self, group_id: GroupId) -> tuple[str, Labels]:
        known = self._known.get(group_id)
        if known is None:
            item = await self._groups.read(HEAD, group_id)
            if item is None:
                raise RejectedError(f"no head of group {group_id}")
            head = extract(Head, item["body"])
            known = head.receiver, head.labels
            self._remember(self._known, group_id, known)
        return known

    async def _names(self, group_id: GroupId, fingerprints: Sequence[Fingerprint]) -> dict[Fingerprint, str]:
        named = {f"i{number}": id for number, id in enumerate(ids(fingerprints))}
        text = NAMED.format(", ".join(f"@{name}" for name in named))
        items, _ = await self._groups.query(text, group_id, **named)
        members = [extract(Member, item["body"]) for item in items if not item.get("is_gone")]
        return {member.alert.fingerprint: member.alert.labels.get("alertname", "") for member in members}

    async def _incident(self, incident_id: str) -> Incident | None:
        place = incident_place(incident_id)
        item = await self._groups.read(place[1], place[0]) if place else None
        return extract(Incident, item["body"]) if item else None

    @staticmethod
    def _remember[K, V](memory: dict[K, V], key: K, thing: V) -> None:
        memory[key] = thing
        if len(memory) > REMEMBERED:
            del memory[next(iter(memory))]

    # --- reading ----------------------------------------------------------------------------------------------------

    async def list_days(self, first: date, last: date) -> dict[date, Counts]:
        today = day_of(self._clock())
        # Before the first day that is kept there is nothing, and behind today neither.
        first, last = max(first, today - RETENTION), min(last, today + timedelta(days=1))
        if first > last:
            return {}
        items, _ = await self._days.query(OVER, TOTALS, first=first.isoformat(), last=last.isoformat())
        days: dict[date, Counts] = {date.fromisoformat(item["id"]): _extracted(item["counts"]) for item in items}
        wanted = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        missing = [day for day in wanted if day not in days]
        days |= dict(zip(missing, await together([partial(self._sum, day) for day in missing]), strict=True))
        return {day: days[day] for day in wanted if days[day]}

    async def _sum(self, day: date) -> Counts:
        """All groups' parts of the day; kept as one document when the feed can show no more of its entries."""
        parts: list[Counts] = []
        async for page in self._days.pages(PARTS, day.isoformat()):
            parts += [_read(counts) for counts in page]
        counts = capped(merged(parts))
        is_over = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, seconds=ENTRY_TTL)
        if is_over <= self._clock():
            await self._close(day, counts)
        return counts

    async def _close(self, day: date, counts: Counts) -> None:
        item = {"id": day.isoformat(), "day": TOTALS, "ttl": TOTALS_TTL, "counts": embed(_stored(counts))}
        try:
            await self._days.create(item)
        except ConflictError:
            return  # somebody else has summed the same

    async def forget_days(self, before: date) -> None:
        """The service does it, by their `ttl`."""


type _Row = tuple[str, str, str, float]


def _stored(counts: Counts) -> list[_Row]:
    return [(*counted, round(number, 3)) for counted, number in sorted(counts.items())]


def _read(stored: Sequence[_Row]) -> Counts:
    return {(dimension, name, what): number for dimension, name, what, number in stored}  # type: ignore[misc]


def _extracted(embedded: Any) -> Counts:
    return _read(extract(list[tuple[str, str, str, float]], embedded))
