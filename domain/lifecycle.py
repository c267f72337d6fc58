"""Lifecycle: what people do about an incident, and what that means for who is told; also in docs/incidents.md.

- *Acknowledged*: somebody knows.  What has been told is not repeated; news still is told: an alert that begins to fire,
  also again, whatever a receiver had heard of it before; and what resolves.  It ends with its time-out, if it has one:
  then the incident is triggered again, and told again.
- *Snoozed until T*: nothing of the incident is told before T, except that all of it is over, to those who had been
  told of it.  At T, if anything fires, it is told again, and the snooze is gone.  Nobody's resolve is lost by it.
- *Resolved by a person* while alerts still fire: nothing more of what fires is told.  An alert that begins to fire,
  also again, makes the incident triggered by itself, and is told, whatever a receiver had heard of it before.
- What a person takes back is told again: an acknowledgement, a snooze, a resolve.
- An assignee, a severity and a note change nothing about who is told.
- The end is the source's: when the last alert of the group has ended the incident is over, with all of this, and the
  next one begins triggered.  From then on only notes are taken.

All of it happens at the looks of the group: what ends at T is told at the first point of the group's grid from T on.
Only incidents have a lifecycle: a group that opens none, since all its alerts come by a further `continue` route, tells
as ever.  `compat: strict` changes nothing here, for Alertmanager knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import product
from typing import ClassVar

from domain.labels import Fingerprint
from domain.routing import GroupId
from domain.values import value

RESPONSES_REMEMBERED = 16
"""A group knows the last few responses by their ids, so that one that comes twice is no news."""

LONGEST_SNOOZE = timedelta(days=90)


class Status(StrEnum):
    """How an incident stands."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    """By a person, while alerts still fire; or because none does any more."""


class Action(StrEnum):
    """What a person does about an incident."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE = "snooze"
    UNSNOOZE = "unsnooze"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    ASSIGN = "assign"
    SEVERITY = "severity"
    NOTE = "note"


@value
class Refusal:
    """Why something cannot be done now; in words for whoever wants to."""

    reason: str


_UNRESOLVED = Refusal("it is not resolved")
_NOBODY = Refusal("nobody has acknowledged it")
_RESOLVED = Refusal("it is resolved; reopen it first")
_ALREADY = Refusal("it is resolved already")

OVER = Refusal("it is over: none of its alerts fires any more; only notes are taken")
NOT_SNOOZED = Refusal("it is not snoozed")

TRANSITIONS: Mapping[tuple[Status, Action], Status | Refusal] = {
    **{(status, action): status for status, action in product(Status, (Action.ASSIGN, Action.SEVERITY, Action.NOTE))},
    (Status.TRIGGERED, Action.ACKNOWLEDGE): Status.ACKNOWLEDGED,
    (Status.TRIGGERED, Action.UNACKNOWLEDGE): _NOBODY,
    (Status.TRIGGERED, Action.SNOOZE): Status.TRIGGERED,
    (Status.TRIGGERED, Action.UNSNOOZE): Status.TRIGGERED,
    (Status.TRIGGERED, Action.RESOLVE): Status.RESOLVED,
    (Status.TRIGGERED, Action.REOPEN): _UNRESOLVED,
    (Status.ACKNOWLEDGED, Action.ACKNOWLEDGE): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, Action.UNACKNOWLEDGE): Status.TRIGGERED,
    (Status.ACKNOWLEDGED, Action.SNOOZE): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, Action.UNSNOOZE): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, Action.RESOLVE): Status.RESOLVED,
    (Status.ACKNOWLEDGED, Action.REOPEN): _UNRESOLVED,
    (Status.RESOLVED, Action.ACKNOWLEDGE): _RESOLVED,
    (Status.RESOLVED, Action.UNACKNOWLEDGE): _RESOLVED,
    (Status.RESOLVED, Action.SNOOZE): _RESOLVED,
    (Status.RESOLVED, Action.UNSNOOZE): _RESOLVED,
    (Status.RESOLVED, Action.RESOLVE): _ALREADY,
    (Status.RESOLVED, Action.REOPEN): Status.TRIGGERED,
}
"""What each action makes of each status, while any alert of the incident fires or its end is still to be told."""

TOLD_AGAIN = frozenset({Action.UNACKNOWLEDGE, Action.UNSNOOZE, Action.REOPEN})
"""What takes something back: whoever had been told is told again."""


@value
class Response:
    """How people stand to one incident; it is kept when the incident is over, as what was so at its end."""

    status: Status = Status.TRIGGERED
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    until: datetime | None = None
    """When the acknowledgement times out; None if it does not."""
    first_acknowledged_at: datetime | None = None
    """Whatever became of that acknowledgement."""
    snoozed_until: datetime | None = None
    snoozed_by: str = ""
    assignee: str = ""
    severity: str = ""
    """A person's word, which overrides that of the alerts; empty without one."""
    resolved_at: datetime | None = None
    """When a person resolved it."""
    resolved_by: str = ""

    @property
    def is_withholding(self) -> bool:
        """Whether anything is not told that would be."""
        return self.status is not Status.TRIGGERED or self.snoozed_until is not None

    @property
    def ends(self) -> Sequence[datetime]:
        """When it changes by itself."""
        return [instant for instant in (self.until, self.snoozed_until) if instant is not None]


UNTOUCHED = Response()


@value
class Responded:
    """A person did something about an incident, as an event for its group."""

    group_id: GroupId
    incident: str
    id: str
    """The request's: the same one again is no news."""
    action: Action
    actor: str
    """Who did it, for people."""
    at: datetime
    reason: str = ""
    """In the person's words; of a note, the note."""
    until: datetime | None = None
    """When the acknowledgement times out, or until when it is snoozed."""
    to: str = ""
    """Whom it is assigned to, nobody if empty; or its severity, that of the alerts if empty."""
    actor_id: str = ""
    names: ClassVar[Sequence[Fingerprint]] = ()


def respond(before: Response, event: Responded) -> Response | Refusal:
    """What the response makes of an incident that is not over."""
    status = TRANSITIONS[before.status, event.action]
    if isinstance(status, Refusal):
        return status
    match event.action:
        case Action.ACKNOWLEDGE:
            return replace(
                before,
                status=status,
                acknowledged_at=event.at,
                acknowledged_by=event.actor,
                until=event.until,
                first_acknowledged_at=before.first_acknowledged_at or event.at,
            )
        case Action.UNACKNOWLEDGE:
            return _unacknowledged(before)
        case Action.SNOOZE:
            return replace(before, snoozed_until=event.until, snoozed_by=event.actor)
        case Action.UNSNOOZE:
            return _unsnoozed(before) if before.snoozed_until else NOT_SNOOZED
        case Action.RESOLVE:
            resolved = _unsnoozed(_unacknowledged(before))
            return replace(resolved, status=status, resolved_at=event.at, resolved_by=event.actor)
        case Action.REOPEN:
            return reopened(before)
        case Action.ASSIGN:
            return replace(before, assignee=event.to)
        case Action.SEVERITY:
            return replace(before, severity=event.to)
        case Action.NOTE:
            return before


def reopened(before: Response) -> Response:
    """Triggered again, after a person had resolved it."""
    return replace(before, status=Status.TRIGGERED, resolved_at=None, resolved_by="")


def _unacknowledged(before: Response) -> Response:
    return replace(before, status=Status.TRIGGERED, acknowledged_at=None, acknowledged_by="", until=None)


def _unsnoozed(before: Response) -> Response:
    return replace(before, snoozed_until=None, snoozed_by="")


def expire(before: Response, at: datetime) -> Response:
    """How people stand to it at that instant: what has timed out, or was snoozed until then, is so no longer."""
    after = before
    if after.until is not None and after.until <= at:
        after = _unacknowledged(after)
    if after.snoozed_until is not None and after.snoozed_until <= at:
        after = _unsnoozed(after)
    return after


# --- severities -----------------------------------------------------------------------------------------------------

SEVERITY_LABEL = "severity"

_RANKS: Mapping[str, int] = {
    word: rank
    for rank, words in enumerate(
        (
            ("none", "ok", "debug"),
            ("info", "informational", "notice"),
            ("low", "minor"),
            ("warning", "warn", "medium", "moderate"),
            ("error", "high", "major"),
            ("critical", "crit", "severe"),
            ("page", "emergency", "fatal", "disaster"),
        )
    )
    for word in words
}
"""The words that people give the label, from the least; what none of them is ranks beneath all."""


def highest_severity(severities: Iterable[str]) -> str:
    """The highest of these words, as it is written; of those that nobody knows the last one by the alphabet."""
    return max(severities, key=lambda word: (severity_rank(word), word), default="")


def severity_rank(word: str) -> int:
    """How high a word stands, from 0 for `none` to 6 for `page`; -1 for one that nobody knows."""
    return _RANKS.get(word.strip().lower(), -1)
