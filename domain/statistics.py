"""Statistics: what happened on each day, counted from the log entries; port `StatisticsStore`.

An entry is counted once, on the UTC day of its decision, by `observe`: inside the transaction where one process writes
everything, and from the change feed on Azure (docs/decisions/0011).  Nothing is ever counted by scanning.

- A *rule* is an alert's `alertname`.  Its alerts count where they lead, in the group of their first matching route: one
  that goes to three receivers fires once.
- A *refire* is a firing of an alert that its group still knew, which is for half an hour after it was let go.  It is a
  *flap* where the incident that the alert had been part of was not even over.
- A *page* is a notification that arrived; one that did not by its deadline, or was refused, has *failed*.  Each counts
  for its receiver, and for the rule that its group is named after: the label `alertname` that it is grouped by, else
  the title of its incident.
- The time to acknowledge runs from an incident's begin to its first acknowledgement, the time to resolve from there to
  its end; both count on the day on which they end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol

from domain.groups import Decision, Head, Incident, LogEntry, ReasonCode
from domain.labels import Fingerprint, Labels
from domain.lifecycle import Action
from domain.values import value

RETENTION = timedelta(days=400)
"""So long a day is kept."""

MOST_DAYS = 92
"""So many are asked for at once, at most."""

MOST_NAMES = 2000
"""A day that is over is kept with so many rules, the noisiest, and so many receivers; the rest count together."""

OTHERS = "(others)"

type Dimension = Literal["incidents", "rule", "receiver"]

type Counted = tuple[Dimension, str, str]
"""What is counted: of which kind of thing, its name (empty for the incidents), and what about it."""

type Counts = Mapping[Counted, float]
"""How often, or how many seconds."""


# --- one entry --------------------------------------------------------------------------------------------------------


@value
class Known:
    """What an entry does not say itself, and its group does."""

    receiver: str
    labels: Labels
    """The group's."""
    names: Mapping[Fingerprint, str] = field(default_factory=dict)
    """The `alertname` of its alerts: at least of those that `unnamed` asks for."""
    incident: Incident | None = None
    """The entry's own, where `wants_incident` says so."""


_OF_ALERTS = frozenset({ReasonCode.FIRED, ReasonCode.REFIRED, ReasonCode.RESOLVED, ReasonCode.LEASE_ENDED})
_OF_INCIDENTS = frozenset({ReasonCode.INCIDENT_OPENED, ReasonCode.INCIDENT_RESOLVED})


def is_counted(entry: LogEntry) -> bool:
    """Whether anything is: most entries only say that what was known goes on."""
    tally = entry.tally
    if tally.delivered or tally.failed or tally.superseded or _is_acknowledgement(entry):
        return True
    for reason in entry.reasons:  # noqa: SIM110 - a generator for `any` costs more than the looking
        if reason.code in _OF_ALERTS or reason.code in _OF_INCIDENTS:
            return True
    return False


def unnamed(entry: LogEntry, labels: Labels) -> frozenset[Fingerprint]:
    """The alerts whose names must be known beside the entry: those whose leases ended in a group of several rules."""
    if "alertname" in labels:
        return frozenset()
    return frozenset(
        name for reason in entry.reasons if reason.code is ReasonCode.LEASE_ENDED for name in reason.fingerprints
    )


def wants_incident(entry: LogEntry, labels: Labels) -> bool:
    """Whether the entry's incident must be known: when it began, or what it is called."""
    if not entry.incident:
        return False
    if entry.tally.delivered and "alertname" not in labels:
        return True
    if _is_acknowledgement(entry):
        return True
    return any(reason.code is ReasonCode.INCIDENT_RESOLVED for reason in entry.reasons)


def observe(entry: LogEntry, known: Known) -> Counts:
    """What the entry adds to its day; pure, so that whoever sees it again reckons the same."""
    counts: defaultdict[Counted, float] = defaultdict(float)
    for reason in entry.reasons:
        match reason.code:
            case ReasonCode.FIRED:
                _count_alerts(counts, entry, known, reason.fingerprints, "fired")
            case ReasonCode.REFIRED:
                _count_alerts(counts, entry, known, reason.fingerprints, "fired", "refires")
                if entry.incident and all(one.code is not ReasonCode.INCIDENT_OPENED for one in entry.reasons):
                    _count_alerts(counts, entry, known, reason.fingerprints, "flaps")
            case ReasonCode.RESOLVED | ReasonCode.LEASE_ENDED:
                _count_alerts(counts, entry, known, reason.fingerprints, "resolved")
            case ReasonCode.INCIDENT_OPENED:
                counts["incidents", "", "opened"] += 1
            case ReasonCode.INCIDENT_RESOLVED if known.incident is not None:
                _count_time(counts, "resolved", entry.at, known.incident)
            case _:
                pass
    if _is_acknowledgement(entry) and known.incident is not None and entry.responded is not None:
        at = entry.responded.at
        if known.incident.standing.first_acknowledged_at == at:
            _count_time(counts, "acknowledged", at, known.incident)
    _count_pages(counts, entry, known)
    return dict(counts)


def observe_decision(head: Head, decision: Decision) -> Counts:
    """What a decision's entry adds to its day, where the decision itself is at hand; mostly nothing."""
    entry = decision.entry
    if entry is None:
        return {}
    if (counts := _observe_one_fired(entry, head.labels)) is not None:
        return counts
    if not is_counted(entry):
        return {}
    names = {}
    if unnamed(entry, head.labels):
        names = {one.alert.fingerprint: one.alert.labels.get("alertname", "") for one in decision.members}
    incident = decision.incident or head.incident
    return observe(entry, Known(head.receiver, head.labels, names, incident))


def _observe_one_fired(entry: LogEntry, labels: Labels) -> Counts | None:
    """As `observe`, in a fraction of its time, where a single alert begins to fire, as in storms; None for all else."""
    reported = entry.reported
    if reported is None or reported.further or len(reported.alerts) != 1 or entry.tally.superseded:
        return None
    counts: dict[Counted, float] = {}
    for reason in entry.reasons:
        code = reason.code
        if code is ReasonCode.FIRED:
            rule = labels.get("alertname")
            if rule is None:
                rule = reported.alerts[0].labels.get("alertname", "")
            counts["rule", rule, "fired"] = 1
        elif code is ReasonCode.INCIDENT_OPENED:
            counts["incidents", "", "opened"] = 1
        elif code is not ReasonCode.OPENED:
            return None
    return counts


def _count_alerts(
    counts: defaultdict[Counted, float],
    entry: LogEntry,
    known: Known,
    fingerprints: tuple[Fingerprint, ...],
    *what: str,
) -> None:
    reported, rule = entry.reported, known.labels.get("alertname")
    if reported is None:
        # A lease that ended: only a group that leads an alert has incidents.
        leading = fingerprints if entry.incident else ()
    elif not reported.further:
        leading = fingerprints
    else:
        led = {alert.fingerprint for alert in reported.alerts}
        leading = tuple([name for name in fingerprints if name in led])
    if not leading:
        return
    if rule is not None:
        for each in what:
            counts["rule", rule, each] += len(leading)
        return
    names = {one.fingerprint: one.labels.get("alertname", "") for one in reported.alerts} if reported else known.names
    for name in leading:
        for each in what:
            counts["rule", names.get(name, ""), each] += 1


def _count_pages(counts: defaultdict[Counted, float], entry: LogEntry, known: Known) -> None:
    tally = entry.tally
    if tally.delivered:
        counts["receiver", known.receiver, "delivered"] += tally.delivered
        rule = known.labels.get("alertname") or (known.incident.title if known.incident else None)
        if entry.incident and rule is not None:
            counts["rule", rule, "pages"] += tally.delivered
    if failed := tally.failed + tally.superseded:
        counts["receiver", known.receiver, "failed"] += failed


def _count_time(counts: defaultdict[Counted, float], what: str, at: datetime, incident: Incident) -> None:
    seconds = max((at - incident.opened_at).total_seconds(), 0.0)
    counts["incidents", "", what] = 1
    counts["incidents", "", f"{what}_seconds"] = seconds


def _is_acknowledgement(entry: LogEntry) -> bool:
    return entry.responded is not None and entry.responded.action is Action.ACKNOWLEDGE


def day_of(instant: datetime) -> date:
    """The UTC day that an entry of that instant counts on."""
    return instant.astimezone(UTC).date()


# --- many of them -----------------------------------------------------------------------------------------------------


def merged(parts: Iterable[Counts]) -> Counts:
    """All of them together."""
    counts: defaultdict[Counted, float] = defaultdict(float)
    for part in parts:
        for counted, number in part.items():
            counts[counted] += number
    return dict(counts)


def capped(counts: Counts, most: int = MOST_NAMES) -> Counts:
    """With at most so many names of each kind, those that count the most; the others count as `OTHERS`."""
    sizes: dict[Dimension, Counter[str]] = {}
    for (dimension, name, _), number in counts.items():
        sizes.setdefault(dimension, Counter())[name] += int(number)
    if all(len(names) <= most for names in sizes.values()):
        return counts
    kept = {dimension: {name for name, _ in names.most_common(most)} for dimension, names in sizes.items()}
    return merged(
        {(dimension, name if name in kept[dimension] else OTHERS, what): number}
        for (dimension, name, what), number in counts.items()
    )


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """How noisy one rule was."""

    fired: int = 0
    """Refires and flaps among them."""
    resolved: int = 0
    refires: int = 0
    flaps: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class ReceiverCounts:
    """How often one receiver was told."""

    delivered: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What happened in a day, or in several together."""

    opened: int = 0
    acknowledged: int = 0
    resolved: int = 0
    mean_time_to_acknowledge: timedelta | None = None
    """None where nothing was acknowledged; so the other."""
    mean_time_to_resolve: timedelta | None = None
    rules: Mapping[str, RuleCounts] = field(default_factory=dict)
    """The noisiest first: by pages, then by firings, then by name."""
    receivers: Mapping[str, ReceiverCounts] = field(default_factory=dict)
    """By what was delivered, then by name."""

    @property
    def delivered(self) -> int:
        """To all receivers."""
        return sum(each.delivered for each in self.receivers.values())

    @property
    def failed(self) -> int:
        """To all receivers."""
        return sum(each.failed for each in self.receivers.values())


def statistics(counts: Counts) -> Statistics:
    """What the counts say, in their order of noise."""
    of: dict[Dimension, dict[str, dict[str, float]]] = {"incidents": {}, "rule": {}, "receiver": {}}
    for (dimension, name, what), number in counts.items():
        of[dimension].setdefault(name, {})[what] = number
    incidents = of["incidents"].get("", {})
    rules = {name: _as_counts(RuleCounts, each) for name, each in of["rule"].items()}
    receivers = {name: _as_counts(ReceiverCounts, each) for name, each in of["receiver"].items()}
    return Statistics(
        opened=int(incidents.get("opened", 0)),
        acknowledged=int(incidents.get("acknowledged", 0)),
        resolved=int(incidents.get("resolved", 0)),
        mean_time_to_acknowledge=_mean(incidents, "acknowledged"),
        mean_time_to_resolve=_mean(incidents, "resolved"),
        rules=dict(sorted(rules.items(), key=lambda pair: (-pair[1].pages, -pair[1].fired, pair[0]))),
        receivers=dict(sorted(receivers.items(), key=lambda pair: (-pair[1].delivered, pair[0]))),
    )


def _as_counts[T](kind: Callable[..., T], counts: Mapping[str, float]) -> T:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{what: int(number) for what, number in counts.items() if what in known})


def _mean(incidents: Mapping[str, float], what: str) -> timedelta | None:
    number = incidents.get(what, 0)
    return timedelta(seconds=incidents.get(f"{what}_seconds", 0) / number) if number else None


# --- where they are kept ----------------------------------------------------------------------------------------------


class StatisticsStore(Protocol):
    """Where the days are kept; filled by the group store's own commits, or by the change feed that shows them."""

    async def list_days(self, first: date, last: date) -> Mapping[date, Counts]:
        """From the first day to the last one, both included; days of which nothing is known are missing.

        Where the change feed brings them, the last seconds may be missing.  An entry that the feed shows twice counts
        once.

        Raises:
            UnavailableError: The store did not answer.
        """
        ...

    async def forget_days(self, before: date) -> None:
        """The days before that one are gone; safe to repeat.

        Raises:
            UnavailableError: The store did not answer; none may be gone.
        """
        ...
