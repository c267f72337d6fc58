"""Narrating: entries of the log become live events, with what must be looked up to tell them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from domain.errors import NotFoundError, UnavailableError
from domain.groups import Incident, LogEntry
from domain.live import LiveEvent, LiveStatus, Subject, kind_of, live_events

if TYPE_CHECKING:
    from domain.groups import GroupStore
    from domain.routing import GroupId

log = logging.getLogger("tocsin.live")

SUBJECTS_KEPT = 5_000

type Called = Callable[[str, str], Awaitable[Sequence[str]]]
"""What the integrations of a receiver are called, by the configuration's version and the receiver's name."""

type ReceiverOf = Callable[[GroupId], Awaitable[str]]
"""The receiver of a group; "" where there is no such group."""


@dataclass(frozen=True, slots=True)
class Library:
    """Where a narrator looks up what an entry does not say."""

    groups: GroupStore
    receiver_of: ReceiverOf
    called: Called


class Narrator:
    """Tells one reader's entries, in order: it remembers the status of each incident from one event to the next."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._subjects: dict[str, Subject] = {}

    async def tell(self, entries: Iterable[LogEntry], *, before: str | None, behind: str | None) -> list[LiveEvent]:
        """The events of these entries, which lie between two cursors; only the last event bears the later one.

        Raises:
            UnavailableError: The store did not answer.
        """
        told: list[LiveEvent] = []
        for entry in entries:
            if any(kind_of(reason.code) is not None for reason in entry.reasons):
                told += await self._tell(entry, before)
        if told:
            told[-1] = replace(told[-1], cursor=behind)
        return told

    async def _tell(self, entry: LogEntry, before: str | None) -> list[LiveEvent]:
        try:
            subject = await self._subject(entry)
            called = await self._library.called(entry.configuration_version, subject.receiver)
            events = live_events(entry, subject, before=before, cursor=before, called=called)
        except UnavailableError:
            raise
        except Exception:
            # One that cannot be told must not keep all later ones from being told.
            log.exception("entry %d of group %s cannot be told", entry.revision, entry.group_id)
            return []
        if events and events[-1].status != subject.status:
            self._remember(_key(entry), replace(subject, status=events[-1].status))
        return events

    async def _subject(self, entry: LogEntry) -> Subject:
        key = _key(entry)
        known = self._subjects.get(key)
        if known is None:
            known = await self._look_up(entry)
            self._remember(key, known)
        return known

    async def _look_up(self, entry: LogEntry) -> Subject:
        if not entry.incident:
            return Subject(await self._library.receiver_of(entry.group_id))
        try:
            incident = await self._library.groups.get_incident(entry.incident)
        except NotFoundError:
            return Subject(await self._library.receiver_of(entry.group_id))
        return Subject(incident.receiver, incident.title, status_at(incident, entry.at))

    def _remember(self, key: str, subject: Subject) -> None:
        self._subjects.pop(key, None)
        self._subjects[key] = subject
        if len(self._subjects) > SUBJECTS_KEPT:
            del self._subjects[next(iter(self._subjects))]


def status_at(incident: Incident, at: datetime) -> LiveStatus:
    """What the incident's status was just before, as far as what is stored of it now can say."""
    response = incident.standing
    if any(end is not None and end < at for end in (incident.resolved_at, response.resolved_at)):
        return "resolved"
    return "acknowledged" if response.acknowledged_at is not None and response.acknowledged_at < at else "triggered"


def _key(entry: LogEntry) -> str:
    return entry.incident or entry.group_id
