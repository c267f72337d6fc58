"""History: the projections that the change feed writes, incidents by month and log entries by group and day.

A list over all groups cannot be had from their partitions: an order across partitions cannot be paged.  So every
document that is to be listed is copied, when the feed shows it, to where a list is one partition after the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.cosmos.client import ConflictError, Container, Cosmos, Item
from adapters.cosmos.containers import DAY, HISTORY, INCIDENTS
from adapters.cosmos.partition import HEAD, INCIDENT_TTL, day_of
from adapters.documents import extract
from domain.errors import RejectedError
from domain.groups import ENTRIES_SEARCHED, Incident, LogEntry
from domain.labels import Fingerprint
from domain.routing import GroupId

HISTORY_TTL = 90 * DAY

MONTHS_LISTED = 14
"""Longer than any incident is kept."""

RECENT = "SELECT * FROM c WHERE c.type = 'entry' ORDER BY c.number DESC"
OLDER = "SELECT * FROM c WHERE c.number < @before ORDER BY c.number DESC"
NAMING = 'SELECT c["group"], c.at FROM c WHERE ARRAY_CONTAINS(c.names, @name)'
NEWEST = "SELECT * FROM c ORDER BY c.place DESC OFFSET 0 LIMIT @limit"
NEWEST_BEFORE = "SELECT * FROM c WHERE c.place < @before ORDER BY c.place DESC OFFSET 0 LIMIT @limit"


class History:
    """Reads the projections, and writes them when the feed shows a document."""

    def __init__(self, cosmos: Cosmos) -> None:
        self._incidents = cosmos.container(INCIDENTS)
        self._entries = cosmos.container(HISTORY)

    # --- writing ----------------------------------------------------------------------------------------------------

    async def project(self, document: Mapping[str, Any]) -> None:
        """Copy this document of the feed, if it is one that is listed; safe to repeat, in any order."""
        try:
            match document.get("type"):
                case "incident":
                    await self._project_incident(document)
                case "entry":
                    await self._project_entry(document)
                case _:
                    pass
        except KeyError as error:
            raise RejectedError(f"not a document of a group: {error} is missing") from error

    async def _project_incident(self, document: Mapping[str, Any]) -> None:
        incident = extract(Incident, document["body"])
        item = {
            "id": incident.id,
            "month": _month(incident.opened_at),
            "place": _place(incident),
            "commit": document["commit"],
            "body": document["body"],
            **({"ttl": INCIDENT_TTL} if incident.resolved_at else {}),
        }
        while True:
            known = await self._incidents.read(incident.id, item["month"])
            try:
                if known is None:
                    await self._incidents.create(item)
                elif known["commit"] < item["commit"]:
                    await self._incidents.replace(item, known["_etag"])
            except ConflictError:
                continue  # another reader of the feed was here; the later commit wins
            return

    async def _project_entry(self, document: Mapping[str, Any]) -> None:
        entry = extract(LogEntry, document["body"])
        names = {name for reason in entry.reasons for name in reason.fingerprints}
        if entry.reported is not None:
            names.update(entry.reported.names)
        await self._entries.upsert(
            {
                "id": f"{document['number']:010d}",
                "bucket": f"{entry.group_id}-{day_of(document['at'])}",
                "group": entry.group_id,
                "ttl": HISTORY_TTL,
                "names": sorted(names),
                **{name: document[name] for name in ("number", "at", "previous_at", "incident", "body")},
            }
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    async def incidents(self, last: Incident | None, now: datetime, limit: int) -> Sequence[Incident]:
        """The newest first, behind `last` if given."""
        found: list[Item] = []
        month = last.opened_at if last else now
        for _ in range(MONTHS_LISTED):
            wanted = {"limit": limit - len(found)}
            if last is None:
                items, _ = await self._incidents.query(NEWEST, _month(month), **wanted)
            else:
                items, _ = await self._incidents.query(NEWEST_BEFORE, _month(month), before=_place(last), **wanted)
            found += items
            if len(found) >= limit:
                break
            month = _month_before(month)
        return [extract(Incident, item["body"]) for item in found]

    async def back(self, groups: Container, group_id: GroupId) -> AsyncGenerator[Item]:
        """The documents of a group's entries from the latest one back: its own partition first, then day by day."""
        last: Item | None = None
        async for page in groups.pages(RECENT, group_id):
            for last in page:
                yield last
        if last is not None:
            at, number = last["previous_at"], last["number"]
        elif (head := await groups.read(HEAD, group_id)) is not None:
            at, number = head["entry_at"], head["commit"] + 1
        else:
            return
        # Each entry names the time of the one before, so no day is asked that has none.
        while at is not None:
            bucket, at = f"{group_id}-{day_of(at)}", None
            async for page in self._entries.pages(OLDER, bucket, before=number):
                for item in page:
                    yield item
                    at, number = item["previous_at"], item["number"]

    async def groups_naming(self, fingerprint: Fingerprint) -> Sequence[GroupId]:
        """The groups whose entries name that alert, the latest first."""
        found: list[tuple[float, GroupId]] = []
        async for page in self._entries.pages(NAMING, name=fingerprint):
            found += [(item["at"], GroupId(item["group"])) for item in page]
            if len(found) > ENTRIES_SEARCHED:
                break
        return list(dict.fromkeys(group_id for _, group_id in sorted(found, reverse=True)))


def _month(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m")


def _month_before(instant: datetime) -> datetime:
    instant = instant.astimezone(UTC)
    year, month = (instant.year - 1, 12) if instant.month == 1 else (instant.year, instant.month - 1)
    return datetime(year, month, 1, tzinfo=UTC)


def _place(incident: Incident) -> str:
    """Sorts by the time of opening, then by the id."""
    return f"{incident.opened_at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%fZ')} {incident.id}"
