"""Explaining: a group's trail in words, so that a person can follow why somebody was told, or was not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType
from typing import Literal

from domain.alerts import Alert
from domain.groups import WITHHELD, LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint
from domain.lifecycle import Action, Responded
from domain.looks import DETERMINISTIC
from domain.notifications import Settled

type EventName = Literal["received", "tick", "result", "woken", "response", "finding"]

ALERTS_NAMED = 3
"""A clause names so many alerts; of more it says how many."""

LONGEST_NAME = 80

_JOINERS = "\u200c\u200d"  # without which some scripts, and some emoji, read wrongly

_FOLDED = frozenset(
    {
        ReasonCode.OPENED,
        ReasonCode.INCIDENT_OPENED,
        ReasonCode.FIRED,
        ReasonCode.REFIRED,
        ReasonCode.UPDATED,
        ReasonCode.RESOLVED,
        ReasonCode.SEEN_RESOLVED,
    }
)
_CONSEQUENCES = frozenset({ReasonCode.OPENED, ReasonCode.INCIDENT_OPENED})

_TRYING = frozenset(
    {
        ReasonCode.NOTIFY,
        ReasonCode.NO_NEWS,
        ReasonCode.NEVER_TOLD,
        ReasonCode.NOT_SENT,
        ReasonCode.UNSETTLED,
        ReasonCode.SUPERSEDED,
        ReasonCode.FAILED,
        *WITHHELD,
    }
)
_LOOKED = frozenset(
    {
        ReasonCode.NOTIFY,
        ReasonCode.NO_NEWS,
        ReasonCode.NEVER_TOLD,
        ReasonCode.UNSETTLED,
        ReasonCode.ALL_MUTED,
        ReasonCode.NO_INTEGRATION,
        *WITHHELD,
    }
)
_CHANGING = re.compile(r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d|\d[\d.]* s\b|\d+ attempts")


@dataclass(frozen=True, slots=True)
class Explained:
    """One entry of the trail, and what it says in words."""

    entry: LogEntry
    event: EventName
    """What made the group decide: alerts came, it fell due, a delivery ended, something outside changed, or a person
    did something about its incident."""
    clauses: tuple[str, ...]
    """Plain text without control characters, in the order of what happened; instants are UTC."""

    @property
    def actor(self) -> str:
        """The person who did it, where one did; may be what a sender wrote, as the words may."""
        return self.entry.responded.actor if self.entry.responded else ""

    @property
    def words(self) -> str:
        """All of it as one sentence."""
        return "; ".join(self.clauses)


@dataclass(frozen=True, slots=True)
class Folded:
    """Entries of a trail that say the same while deliveries fail and are tried again; mostly just one."""

    last: Explained
    first_at: datetime
    times: int = 1


def explain(
    entries: Sequence[LogEntry],
    known: Iterable[Alert] = (),
    *,
    is_shadow: bool = False,
    called: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Explained]:
    """The trail in words.

    Args:
        entries: The whole trail or the later part of it, the oldest first.
        known: Alerts of the group that the entries may not report, so that they can be called by name.
        is_shadow: Whether nobody was told, and all of it is what would have been (`domain.shadowing`).
        called: By the version of the configuration, what the receiver's integrations are called: `slack[1]`.
    """
    names = _names([*known, *(alert for entry in entries for alert in reported_alerts(entry))])
    heard_at: dict[Fingerprint, datetime] = {}
    next_due_at: datetime | None = None
    explained = []
    for entry in entries:
        integrations = called.get(entry.configuration_version, ())
        clauses = [
            _clause(reason, entry, names, heard_at, integrations, is_shadow=is_shadow)
            for reason in _in_order(entry.reasons)
        ]
        clauses += _outlook(entry, next_due_at)
        explained.append(Explained(entry, event_name(entry), tuple([clause for clause in clauses if clause])))
        next_due_at = entry.next_due_at
        heard_at |= {alert.fingerprint: alert.received_at for alert in reported_alerts(entry)}
    return explained


def fold_failures(trail: Sequence[Explained]) -> list[Folded]:
    """The trail with equal failures as one, and the looks that led to them; in order of when each was said last.

    Whatever else happens in between keeps them apart.
    """
    found: list[Folded] = []
    for is_trying, run in groupby(trail, key=_is_trying):
        if not is_trying:
            found += [Folded(explained, explained.entry.at) for explained in run]
            continue
        same: dict[str, Folded] = {}
        for explained in run:
            # How long was waited, until when, and after how many attempts is another each time.
            key = _CHANGING.sub("", explained.words)
            before = same.pop(key, None)
            first_at, times = (before.first_at, before.times + 1) if before else (explained.entry.at, 1)
            same[key] = Folded(explained, first_at, times)
        found += same.values()
    return found


def _is_trying(explained: Explained) -> bool:
    codes = {reason.code for reason in explained.entry.reasons}
    return explained.entry.reported is None and bool(codes) and codes <= _TRYING


def event_name(entry: LogEntry) -> EventName:
    """What the entry's decision was about."""
    if entry.reported is not None:
        return "received"
    if entry.settled is not None:
        return "result"
    if entry.responded is not None:
        return "response"
    if entry.found is not None:
        return "finding"
    return "woken" if entry.why else "tick"


def reported_alerts(entry: LogEntry) -> Sequence[Alert]:
    """The alerts that came with the entry's event; none for any other event."""
    return (*entry.reported.alerts, *entry.reported.further) if entry.reported else ()


def _in_order(reasons: Sequence[Reason]) -> Iterable[Reason]:
    """As they were given, but what came in before what follows from it."""
    for _, run in groupby(reasons, key=lambda reason: reason.code in _FOLDED):
        # What is not folded is never a consequence, so its order stays.
        yield from sorted(run, key=lambda reason: reason.code in _CONSEQUENCES)


def _clause(
    reason: Reason,
    entry: LogEntry,
    names: Mapping[Fingerprint, str],
    heard_at: Mapping[Fingerprint, datetime],
    integrations: Sequence[str],
    *,
    is_shadow: bool = False,
) -> str:
    who, is_one = _who(reason.fingerprints, names), len(reason.fingerprints) == 1
    told = _told(reason.integration, integrations)
    is_ = "would be" if is_shadow else "is"
    text = printable(reason.text)
    match reason.code:
        case ReasonCode.OPENED:
            is_due = entry.next_due_at is not None and not _has_looked(entry)
            due = f", at {clock(entry.next_due_at, entry.at)}" if is_due and entry.next_due_at else ""
            return f"the group is new: {text}{due}"
        case ReasonCode.FIRED:
            return f"{who} began to fire"
        case ReasonCode.REFIRED:
            return f"{who} {'fires' if is_one else 'fire'} again"
        case ReasonCode.UPDATED:
            return f"{who} still {'fires' if is_one else 'fire'}"
        case ReasonCode.RESOLVED:
            return f"{who} resolved"
        case ReasonCode.LEASE_ENDED:
            heard = [heard_at[fingerprint] for fingerprint in reason.fingerprints if fingerprint in heard_at]
            since = f" since {clock(max(heard), entry.at)}" if heard else ""
            return f"{who} {'counts' if is_one else 'count'} as resolved: no re-send came{since}"
        case ReasonCode.SEEN_RESOLVED:
            return f"{who} came in resolved, without having fired here"
        case ReasonCode.WOKEN:
            return f"looked at again, since {text}"
        case ReasonCode.INHIBITED:
            return f"{who} {'is' if is_one else 'are'} inhibited by {_sources(reason, names)} (rule {text})"
        case ReasonCode.OUT_OF_HOURS:
            return f"{who} {'is' if is_one else 'are'} muted by {printable(reason.by)}: {text}"
        case ReasonCode.SILENCED:
            return f"{who} {'is' if is_one else 'are'} silenced by {reason.by} ({text})"
        case ReasonCode.ALL_MUTED:
            return "nobody is told: everything here is muted"
        case ReasonCode.FORGOTTEN:
            return f"{who} will be told of anew when no longer muted, if still firing or firing again"
        case ReasonCode.FAREWELL:
            return f"{told} {is_} told that this group is over: the new configuration has no such group"
        case ReasonCode.WAITING:
            return text or "nothing is due yet"
        case ReasonCode.NOTIFY:
            return f"{told} {is_} told of {text}"
        case ReasonCode.NO_NEWS:
            return f"nothing to tell {told}: it knows"
        case ReasonCode.NEVER_TOLD:
            return f"nothing to tell {told}: it never heard that this fired"
        case ReasonCode.NOT_SENT:
            return f"{told} is not told: {text}"
        case ReasonCode.NO_INTEGRATION:
            return f"nobody is told: receiver {text} has no integrations"
        case ReasonCode.UNSETTLED:
            return f"{told} is left alone: its last notification is still under way"
        case ReasonCode.SUPERSEDED:
            return f"the last notification to {told} is given up: no result by its deadline"
        case ReasonCode.DELIVERED:
            return text if is_shadow else f"delivered: {text or told}{_attempts(entry.settled)}"
        case ReasonCode.FAILED:
            return f"not delivered: {text or told}{_attempts(entry.settled)}"
        case ReasonCode.LATE:
            what = "came to nothing" if entry.settled and not entry.settled.is_delivered else "delivered"
            return f"{what} after it had been given up: {text or told}"
        case ReasonCode.DROPPED:
            known = f"; {text} never heard of it" if text else ", and everyone who had to know knows"
            return f"{who} {'is' if is_one else 'are'} let go: resolved{known}"
        case ReasonCode.INCIDENT_OPENED:
            return "an incident begins"
        case ReasonCode.INCIDENT_RESOLVED:
            return "the incident is over: nothing fires, and nobody waits to be told"
        case ReasonCode.ROUTED_ANEW:
            return f"placed anew under configuration {text}"
        case ReasonCode.MOVED:
            return f"{who} {'belongs' if is_one else 'belong'} to another group now"
        case ReasonCode.RESPONDED:
            return _response(entry.responded) if entry.responded else text
        case ReasonCode.ACKNOWLEDGED:
            return f"{told} is not told of {text}: {_person(reason.by)} has acknowledged it"
        case ReasonCode.SNOOZED:
            return f"{told} is not told of {text}: {_person(reason.by)} has snoozed it"
        case ReasonCode.RESOLVED_BY_PERSON:
            return f"{told} is not told of {text}: {_person(reason.by)} has resolved it"
        case ReasonCode.ACKNOWLEDGEMENT_ENDED:
            return f"the acknowledgement by {_person(reason.by)} has timed out: whoever was told is told again"
        case ReasonCode.SNOOZE_ENDED:
            return f"the snooze by {_person(reason.by)} is over: whoever was told is told again"
        case ReasonCode.REOPENED:
            return f"triggered again, though {_person(reason.by)} had resolved it: {who} began to fire"
        case ReasonCode.FOUND:
            return f"looked at by {_looker(reason.by)}: {text}"
        case ReasonCode.NOT_LOOKED_AT:
            return f"not looked at: {text}"


def _looker(by: str) -> str:
    return "the first responder, by rules alone" if by == DETERMINISTIC else f"the first responder with {printable(by)}"


def _person(name: str) -> str:
    return printable(name) or "somebody"


def _response(event: Responded) -> str:
    """What a person did, and why."""
    who, to = _person(event.actor), printable(event.to)
    until = clock(event.until, event.at) if event.until else ""
    reason = f": {printable(event.reason)}" if event.reason else ""
    what = ""
    match event.action:
        case Action.ACKNOWLEDGE:
            what = f"acknowledged it, until {until} at the latest" if until else "acknowledged it"
        case Action.UNACKNOWLEDGE:
            what = "took the acknowledgement back: whoever was told is told again"
        case Action.SNOOZE:
            what = f"snoozed it until {until}"
        case Action.UNSNOOZE:
            what = "ended the snooze: whoever was told is told again"
        case Action.RESOLVE:
            what = "resolved it"
        case Action.REOPEN:
            what = "reopened it: whoever was told is told again"
        case Action.ASSIGN:
            what = f"assigned it to {to}" if to else "assigned it to nobody"
        case Action.SEVERITY:
            what = f"called it {to}" if to else "left its severity to its alerts"
        case Action.NOTE:
            what = "noted"
    return f"{who} {what}{reason}"


def _told(integration: int | None, called: Sequence[str]) -> str:
    if integration is None:
        return "the receiver"
    # In a version that nobody knows any more there were only webhooks.
    return called[integration] if integration < len(called) else f"webhook[{integration}]"


def _outlook(entry: LogEntry, before: datetime | None) -> list[str]:
    """When the group is looked at again, where that has changed and nothing said so yet."""
    codes = {reason.code for reason in entry.reasons}
    if entry.responded is not None and entry.responded.action is Action.NOTE:
        return []  # it changes nothing, and may be about an incident that is over
    if entry.next_due_at is None:
        is_news = before is not None and ReasonCode.INCIDENT_RESOLVED not in codes
        return ["no further look is planned"] if is_news else []
    if entry.next_due_at == before or (ReasonCode.OPENED in codes and not _has_looked(entry)):
        return []
    return [f"next look at {clock(entry.next_due_at, entry.at)}"]


def _has_looked(entry: LogEntry) -> bool:
    """Whether the group that this entry opened has looked at once: then what is due next is its second look."""
    codes = [reason.code for reason in entry.reasons]
    return ReasonCode.OPENED in codes and not _LOOKED.isdisjoint(codes[codes.index(ReasonCode.OPENED) :])


def _attempts(settled: Settled | None) -> str:
    return f", after {settled.attempts} attempts" if settled and settled.attempts > 1 else ""


def clock(instant: datetime, seen_from: datetime) -> str:
    """The time of day in UTC, with the date where it is another one."""
    instant, seen_from = instant.astimezone(UTC), seen_from.astimezone(UTC)
    return instant.strftime("%H:%M:%S" if instant.date() == seen_from.date() else "%Y-%m-%d %H:%M:%S")


def _names(alerts: Iterable[Alert]) -> dict[Fingerprint, str]:
    """What to call each alert: its name where they have several, and those labels by which some of them differ."""
    by_fingerprint = {alert.fingerprint: alert.labels for alert in alerts}
    first = next(iter(by_fingerprint.values()), {})
    differing = {
        name
        for labels in by_fingerprint.values()
        if labels != first
        for name in first.keys() | labels.keys()
        if first.get(name) != labels.get(name)
    }
    shown = sorted(differing - {"alertname"})
    has_one_name = "alertname" not in differing
    return {
        fingerprint: _name(labels, [name for name in shown if name in labels], is_named_by_them=has_one_name)
        for fingerprint, labels in by_fingerprint.items()
    }


def _name(labels: Mapping[str, str], shown: Sequence[str], *, is_named_by_them: bool) -> str:
    details = " ".join(f"{name}={labels[name]}" for name in shown)
    name = labels.get("alertname") or "an alert"
    text = printable(name if not details else details if is_named_by_them else f"{name} ({details})")
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _who(fingerprints: Sequence[Fingerprint], names: Mapping[Fingerprint, str]) -> str:
    called = [names.get(fingerprint, f"alert {fingerprint}") for fingerprint in fingerprints[:ALERTS_NAMED]]
    if len(fingerprints) <= 1:
        return called[0] if called else "nothing"
    if more := len(fingerprints) - len(called):
        return f"{', '.join(called)} and {more} more"
    return f"{', '.join(called[:-1])} and {called[-1]}"


def _sources(reason: Reason, names: Mapping[Fingerprint, str]) -> str:
    """Which alerts inhibit; `by` has one for each target where they are not all the same."""
    sources = tuple(Fingerprint(name) for name in dict.fromkeys(reason.by.split(",")))
    return _who(sources, names)[0]


def printable(text: str) -> str:
    """The text with what does not print replaced: a sender's text must not steer whoever shows it."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c in _JOINERS else "�" for c in text])
