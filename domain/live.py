"""Live: what happens to incidents, told as it happens; events, channels, and ports `LiveLog` and `LivePublisher`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

from domain.errors import RejectedError
from domain.groups import LogEntry, Reason
from domain.routing import GroupId
from domain.values import value

type LiveKind = Literal[
    "opened",
    "changed",
    "acknowledged",
    "unacknowledged",
    "snoozed",
    "unsnoozed",
    "assigned",
    "severity",
    "noted",
    "resolved_by_person",
    "reopened",
    "found",
    "answered",
    "paged",
    "delivered",
    "failed",
    "resolved",
]
"""What an event is about; in the order in which events of one decision are told."""

type LiveStatus = Literal["triggered", "acknowledged", "resolved"]

KINDS: tuple[LiveKind, ...] = LiveKind.__value__.__args__

RETENTION = timedelta(hours=48)
"""So long a cursor can be resumed from: as long as log entries stay in their group's partition (rule 13)."""

# By the code's text, so that a code which nobody has named here yet is an event all the same: see `kind_of`.
_NAMED: Mapping[str, LiveKind] = {
    "incident_opened": "opened",
    "incident_resolved": "resolved",
    "notify": "paged",
    "farewell": "paged",
    "delivered": "delivered",
    "late": "delivered",
    "failed": "failed",
    "superseded": "failed",
    "acknowledgement_ended": "unacknowledged",
    "snooze_ended": "unsnoozed",
    "reopened": "reopened",
    "found": "found",
}

_ACTIONS: Mapping[str, LiveKind] = {
    "acknowledge": "acknowledged",
    "unacknowledge": "unacknowledged",
    "snooze": "snoozed",
    "unsnooze": "unsnoozed",
    "resolve": "resolved_by_person",
    "reopen": "reopened",
    "assign": "assigned",
    "severity": "severity",
    "note": "noted",
}

_QUIET = frozenset(
    {
        "opened",
        "updated",
        "seen_resolved",
        "woken",
        "inhibited",
        "out_of_hours",
        "silenced",
        "all_muted",
        "forgotten",
        "waiting",
        "no_news",
        "never_told",
        "no_integration",
        "unsettled",
        "dropped",
        "routed_anew",
        "acknowledged",
        "snoozed",
        "resolved_by_person",
        "not_looked_at",
    }
)
"""What alone is no event: it changes nothing that anybody sees, or is said anew at each look."""

_BEGINNING = frozenset({"fired", "refired"})
"""What an incident begins with is told with its beginning, not apart from it."""

_STATUS: Mapping[LiveKind, LiveStatus] = {
    "opened": "triggered",
    "resolved": "resolved",
    "resolved_by_person": "resolved",
    "acknowledged": "acknowledged",
    "unacknowledged": "triggered",
    "reopened": "triggered",
}


@value
class Subject:
    """What an event is about, as far as its entry in the log does not say it."""

    receiver: str
    title: str = ""
    status: LiveStatus = "triggered"
    """The incident's, before the event."""


@value
class LiveEvent:
    """One thing that happened to a group, mostly to its incident; told at least once, in order for each group."""

    id: str
    """The same each time it is told."""
    cursor: str | None
    """Where `LiveLog` goes on for whoever has dealt with this event; None where the teller does not know its place."""
    at: datetime
    kind: LiveKind
    group_id: GroupId
    incident_id: str | None
    """None for a group that opens no incidents: its alerts came by a further `continue` route."""
    receiver: str
    title: str
    status: LiveStatus
    """The incident's, after the event."""
    words: str
    """What happened, for people: plain text without control characters."""
    actor: str = ""
    """The person who did it, where one did."""


# --- from the log to events -----------------------------------------------------------------------------------------


def kind_of(code: str) -> LiveKind | None:
    """What a reason of the log is about; None where it alone is no event, and `changed` for any that is unknown."""
    return None if code in _QUIET else _NAMED.get(code, "changed")


def live_events(
    entry: LogEntry, subject: Subject, *, before: str | None, cursor: str | None, called: Sequence[str] = ()
) -> list[LiveEvent]:
    """What one entry of the log means to those who look on; mostly one event, for many entries none.

    Args:
        entry: What was decided.
        subject: What it is about.
        before: The cursor before the entry.
        cursor: The cursor behind it, which only the last of its events bears: who has dealt with one of several, and
            resumes there, must be told of the others.
        called: What the receiver's integrations are called: `slack[1]`.
    """
    by_kind: dict[LiveKind, list[Reason]] = {}
    is_beginning = any(_NAMED.get(reason.code) == "opened" for reason in entry.reasons)
    for reason in entry.reasons:
        kind = kind_of(reason.code)
        if reason.code == "responded" and entry.responded is not None:
            kind = _ACTIONS.get(entry.responded.action, "changed")
        if kind == "changed" and is_beginning and reason.code in _BEGINNING:
            kind = "opened"
        if kind is not None:
            by_kind.setdefault(kind, []).append(reason)
    if not by_kind:
        return []
    events: list[LiveEvent] = []
    status = subject.status
    # Loaded when first needed: an instance that takes alerts in tells nobody.
    from domain.explaining import printable

    kinds = sorted(by_kind, key=KINDS.index)
    for kind in kinds:
        status = _STATUS.get(kind, status)
        events.append(
            LiveEvent(
                id=f"{entry.group_id}-{entry.revision}-{kind}",
                cursor=cursor if kind == kinds[-1] else before,
                at=entry.at,
                kind=kind,
                group_id=entry.group_id,
                incident_id=entry.incident or None,
                receiver=subject.receiver,
                title=subject.title,
                status=status,
                words=_words(entry, by_kind[kind], called),
                actor=printable(entry.responded.actor) if entry.responded else "",
            )
        )
    return events


def _words(entry: LogEntry, reasons: Sequence[Reason], called: Sequence[str]) -> str:
    from domain.explaining import explain

    # No outlook: when the group is looked at again is nothing that happened.
    said = replace(entry, reasons=tuple(reasons), next_due_at=None)
    (explained,) = explain([said], called={entry.configuration_version: called})
    return explained.words


# --- channels -------------------------------------------------------------------------------------------------------

ALL = "incidents"
"""The channel of every event."""

LONGEST_CHANNEL = 200

_CHANNEL = re.compile(r"incidents|incident:[0-9A-Za-z-]+|receiver:.+", re.DOTALL)


def channels_of(event: LiveEvent) -> tuple[str, ...]:
    """The channels that an event is published on; Web PubSub calls them groups."""
    own = (ALL, f"receiver:{event.receiver}"[:LONGEST_CHANNEL])
    return own if event.incident_id is None else (*own, f"incident:{event.incident_id}")


def by_channel(events: Iterable[LiveEvent]) -> dict[str, list[LiveEvent]]:
    """What is to be said on each channel, in order."""
    said: dict[str, list[LiveEvent]] = {}
    for event in events:
        for channel in channels_of(event):
            said.setdefault(channel, []).append(event)
    return said


def check_channel(name: str) -> None:
    """Raises RejectedError for a name that no event is published on."""
    if len(name) > LONGEST_CHANNEL or not _CHANNEL.fullmatch(name):
        raise RejectedError(
            f"no channel {name[:LONGEST_CHANNEL]!r}: there are {ALL}, incident:ID and receiver:NAME,"
            f" of at most {LONGEST_CHANNEL} characters"
        )


# --- ports ----------------------------------------------------------------------------------------------------------


class TooOldError(RejectedError):
    """What follows that cursor is not kept any more, or was never here: begin anew, from now on."""


@value
class LivePage:
    """Some events, and where to go on behind them."""

    events: tuple[LiveEvent, ...]
    cursor: str


class LiveLog(Protocol):
    """Every event there was in the last 48 hours, for readers that each keep their own place in it."""

    async def read(self, after: str | None, *, limit: int, wait: timedelta) -> LivePage:
        """The events behind that cursor, waiting for the first of them if there are none yet.

        Each event is shown at least once to a reader that goes on at the cursor of a page, or of an event it has dealt
        with; those of one group come in the order of its decisions.  Many readers that wait cost as much as one.

        Args:
            after: A cursor that was given out before; None for what happens from now on.
            limit: About so many at most; never a part of what one decision brought.
            wait: So long nothing is awaited at most; zero looks and returns.

        Returns:
            The events, none when the time is over, and the cursor to ask with next.

        Raises:
            TooOldError: The cursor is older than `RETENTION`, or of another store.
            RejectedError: It is no cursor.
            UnavailableError: The store did not answer.
        """
        ...

    async def close(self) -> None:
        """Let those who wait go with what there is, and whoever comes later not wait; safe to call twice."""
        ...


@value
class LiveAccess:
    """Where one client may listen, for a while; whoever has the URL has the access."""

    url: str
    expires_at: datetime


class LivePublisher(Protocol):
    """Tells those who listen over WebSockets; who was not there misses it, and asks `LiveLog`."""

    async def publish(self, events: Sequence[LiveEvent]) -> None:
        """Say each event on its channels, in order.  Called again with the same events they are said again.

        Raises:
            UnavailableError: The service did not take all of them.
        """
        ...

    async def admit(self, name: str, channels: Sequence[str], now: datetime) -> LiveAccess:
        """Let somebody of that name listen to these channels, and say nothing there.

        Raises:
            UnavailableError: There are no WebSockets here, or the service did not answer.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
