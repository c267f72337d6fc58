"""Question: everything that a triager is asked about one incident, gathered first, so that it need not ask a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from domain.alerts import Alert
from domain.changes import Change
from domain.groups import Incident, LogEntry, Member
from domain.labels import Fingerprint, Labels
from domain.triage.rules import PLACE_LABELS, SERVICE_LABELS, Calls, TriageRules
from domain.triage.text import clean
from domain.values import value

HISTORY_SEARCHED = 2000
"""So many of the latest incidents are looked through for similar ones."""

ALERTS_COMPARED = 20
"""So many of an incident's alerts, the earliest, are compared with those of others."""

LONGEST_NAME = 100

MOST_TEXTS = 64
LONGEST_TEXT = 1_000
"""Of labels and of annotations so many are read, and of each so many characters."""

UNNAMED = "an alert"


@value
class Onset:
    """One alert of the incident, and when it fired."""

    alert: Alert
    began_at: datetime
    """When it first fired in this incident."""
    ended_at: datetime | None = None
    """None as long as it fires."""
    firings: int = 1
    """How often it has begun to fire, having been absent or resolved."""
    paused: timedelta = timedelta(0)
    """For how long it did not fire in between."""
    usual: float = 0.0
    """How often a day it begins to fire, as far as statistics tell; 0 also where nothing is known."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Names the alert."""
        return self.alert.fingerprint

    def lasted(self, until: datetime) -> timedelta:
        """For how long it has fired, at that instant; never less than nothing, whatever the sender's clock says."""
        return max(timedelta(0), (self.ended_at or until) - self.began_at - self.paused)


def onset_of(member: Member, usual: float = 0.0) -> Onset:
    """What a group knows of one of its alerts, as its last look or fold saw it; long texts are cut.

    When it began is its sender's word; of one that has fired several times only the last time is known.
    """
    alert = bounded(member.alert)
    return Onset(alert, alert.starts_at, None if member.is_firing else alert.ends_at, member.occurrence, usual=usual)


def bounded(alert: Alert) -> Alert:
    """The alert with as much of its texts as anybody would read; the same one where that is all of them."""
    labels, annotations = _bounded(alert.labels), _bounded(alert.annotations)
    if labels is alert.labels and annotations is alert.annotations:
        return alert
    return replace(alert, labels=labels, annotations=annotations)


def _bounded(texts: Mapping[str, str]) -> Mapping[str, str]:
    if len(texts) <= MOST_TEXTS and sum(map(len, texts.values())) + sum(map(len, texts)) <= LONGEST_TEXT:
        return texts
    first = sorted(texts.items())[:MOST_TEXTS]
    return {name[:LONGEST_TEXT]: text[:LONGEST_TEXT] for name, text in first}


@value
class Past:
    """An earlier incident, and how it ended."""

    incident: Incident
    text: str = ""
    """The values of its alerts' labels: what tells it from others beyond its own title and labels."""
    notes: tuple[str, ...] = ()
    """What people noted or gave as their reason, the latest last."""

    @property
    def reads(self) -> str:
        """What it is compared by."""
        return f"{_text_of(self.incident)} {self.text}"


@value
class Mute:
    """What keeps alerts of this incident from being told: a silence, a rule's inhibition, or an interval."""

    kind: Literal["silence", "inhibition", "interval"]
    by: str
    """The id of the silence, the fingerprint of the source, or the interval's name."""
    text: str
    """Its comment, or the rule."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """The alerts that it mutes."""


@value
class Question:
    """One incident as of `now`, with everything near it; each sequence may be empty."""

    incident: Incident
    now: datetime
    onsets: Sequence[Onset]
    """Its alerts, in no order."""
    entries: Sequence[LogEntry] = ()
    """The latest of its group's trail, the oldest first."""
    history: Sequence[Past] = ()
    """Other incidents, the newest first; of more than `HISTORY_SEARCHED` the rest is not looked at."""
    changes: Sequence[Change] = ()
    mutes: Sequence[Mute] = ()
    rules: TriageRules = TriageRules()

    def service_of(self, alert: Alert) -> str:
        """Whose alert it is; its name where no label says so, for then each rule is a suspect of its own."""
        return service_of(alert.labels, self.rules.service_labels)

    @property
    def reads(self) -> str:
        """What its incident is compared by."""
        first = sorted(self.onsets, key=lambda one: (one.began_at, one.fingerprint))[:ALERTS_COMPARED]
        return " ".join([_text_of(self.incident), *(" ".join(onset.alert.labels.values()) for onset in first)])

    @property
    def calls(self) -> Calls:
        """Empty where nothing is known of who calls whom."""
        return self.rules.calls

    @property
    def services(self) -> frozenset[str]:
        """Those whose alerts are in the incident, whom these call or are called by however far away, and the places."""
        alerting = {self.service_of(onset.alert) for onset in self.onsets}
        related = reachable(self.calls, alerting) | reachable(callers(self.calls), alerting)
        return frozenset(alerting | related | self.places)

    @property
    def places(self) -> frozenset[str]:
        """Where alerts of two services or more come from: nodes, hosts, racks; by what labels say."""
        found: dict[str, set[str]] = {}
        for onset in self.onsets:
            for place in self.places_of(onset.alert):
                found.setdefault(place, set()).add(self.service_of(onset.alert))
        return frozenset(place for place, services in found.items() if len(services - {place}) > 1)

    def places_of(self, alert: Alert) -> frozenset[str]:
        """Where it comes from; what the incident is grouped by tells nothing apart."""
        labels = (name for name in PLACE_LABELS if name not in self.incident.group_labels)
        return frozenset(filter(None, (clean(alert.labels.get(name, ""), LONGEST_NAME) for name in labels)))


def _text_of(incident: Incident) -> str:
    return " ".join([incident.title, *incident.group_labels.values()])


def service_of(labels: Labels, names: Sequence[str] = SERVICE_LABELS) -> str:
    """The first of those labels that says anything; else the alert's name; `UNNAMED` where it has none."""
    said = (clean(labels.get(name, ""), LONGEST_NAME) for name in (*names, "alertname"))
    return next(filter(None, said), UNNAMED)


def callers(calls: Calls) -> Calls:
    """The graph the other way round: each service with those that call it."""
    found: dict[str, set[str]] = {}
    for caller, callees in calls.items():
        for callee in callees:
            found.setdefault(callee, set()).add(caller)
    return {callee: frozenset(names) for callee, names in found.items()}


def reachable(calls: Calls, starts: frozenset[str] | set[str]) -> set[str]:
    """Everything that is called from there, directly or not; a ring is walked once."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        for callee in calls.get(waiting.pop(), ()):
            if callee not in found:
                found.add(callee)
                waiting.append(callee)
    return found


def distances(calls: Calls, start: str) -> dict[str, int]:
    """How many calls away each service is that is reachable from there; `start` itself is 0 away."""
    found = {start: 0}
    ring = [start]
    while ring:
        step = {callee for name in ring for callee in calls.get(name, ())} - found.keys()
        found |= dict.fromkeys(step, found[ring[0]] + 1)
        ring = list(step)
    return found
