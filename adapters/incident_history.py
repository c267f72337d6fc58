"""History: the latest incidents and changes, and how often each rule fires; at hand, for each look asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.changes import MOST_AHEAD, Change, ChangeStore
from domain.groups import GroupStore, Incident
from domain.routing import GroupId
from domain.statistics import StatisticsStore, day_of
from domain.triage.questions import HISTORY_SEARCHED, Past

REFRESHED = timedelta(seconds=30)
"""What opened or ended since may be missing."""

CHANGES_REFRESHED = timedelta(seconds=10)
CHANGES_READ = timedelta(days=2)
MOST_CHANGES = 500

READ_ANEW = timedelta(minutes=15)
AT_ONCE = 200
ENTRIES_READ = 100
NOTES_READ = 20
"""Of so many incidents at most the notes are read at one time: of those that people did something about."""

USUAL_DAYS = 7


class IncidentHistory:
    """Reads as little as it can: the newest incidents now and then, and the notes of each once it is over."""

    def __init__(
        self, groups: GroupStore, statistics: StatisticsStore, changes: ChangeStore, clock: Callable[[], datetime]
    ) -> None:
        self._groups = groups
        self._statistics = statistics
        self._store = changes
        self._changes: Sequence[Change] = ()
        self._changes_at: datetime | None = None
        self._clock = clock
        self._past: tuple[Past, ...] = ()
        self._notes: dict[str, tuple[str, ...]] = {}
        self.usual: Mapping[str, float] = {}
        """How often a day alerts of each rule began to fire in the last week, as `past` read it last."""
        self._read_at: datetime | None = None
        self._refreshed_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def past(self, group_id: GroupId) -> Sequence[Past]:
        """The latest incidents, the newest first; the same object as long as nothing was read anew.

        Of this group the last incident that is over has its notes.

        Raises:
            UnavailableError: The store did not answer.
        """
        async with self._lock:
            now = self._clock()
            if self._refreshed_at is None or now - self._refreshed_at > REFRESHED:
                await self._refresh(now)
            of_group = (one for one in self._past if one.incident.group_id == group_id)
            last = next((one.incident for one in of_group if one.incident.resolved_at is not None), None)
            if last is not None and last.id not in self._notes:
                await self._read_notes([last])
                self._past = tuple(replace(one, notes=self._notes.get(one.incident.id, ())) for one in self._past)
            return self._past

    async def changes(self, since: datetime) -> Sequence[Change]:
        """The changes from then on, of the last two days; the latest first, and what came just now may be missing.

        Raises:
            UnavailableError: The store did not answer.
        """
        now = self._clock()
        async with self._lock:
            if self._changes_at is None or now - self._changes_at > CHANGES_REFRESHED:
                self._changes = await self._store.list_changes(now - CHANGES_READ, now + MOST_AHEAD, limit=MOST_CHANGES)
                self._changes_at = now
        return [change for change in self._changes if change.at >= since]

    async def _refresh(self, now: datetime) -> None:
        is_anew = self._read_at is None or now - self._read_at > READ_ANEW
        found: list[Incident] = []
        while len(found) < (HISTORY_SEARCHED if is_anew else AT_ONCE):
            part = await self._groups.list_incidents(before=found[-1].id if found else None, limit=AT_ONCE)
            found += part
            if len(part) < AT_ONCE:
                break
            await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
        touched = [one for one in found if one.response and one.resolved_at is not None and one.id not in self._notes]
        await self._read_notes(touched[:NOTES_READ])
        newest = {incident.id for incident in found}
        older = [] if is_anew else [one for one in self._past if one.incident.id not in newest]
        past = [Past(incident, notes=self._notes.get(incident.id, ())) for incident in found] + older
        if is_anew:
            self.usual = await self._read_usual(now)
            self._notes = {id: notes for id, notes in self._notes.items() if id in newest}
            self._read_at = now
        if tuple(past[:HISTORY_SEARCHED]) != self._past:
            self._past = tuple(past[:HISTORY_SEARCHED])
        self._refreshed_at = now

    async def _read_notes(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            entries = await self._groups.list_entries(incident.group_id, incident=incident.id, limit=ENTRIES_READ)
            said = [entry.responded.reason for entry in entries if entry.responded and entry.responded.reason]
            self._notes[incident.id] = tuple(said[-3:])

    async def _read_usual(self, now: datetime) -> Mapping[str, float]:
        today = day_of(now)
        days = await self._statistics.list_days(today - timedelta(days=USUAL_DAYS), today - timedelta(days=1))
        fired: dict[str, float] = {}
        for counts in days.values():
            for (dimension, name, what), count in counts.items():
                if dimension == "rule" and what == "fired":
                    fired[name] = fired.get(name, 0.0) + count
        return {name: count / len(days) for name, count in fired.items()}
