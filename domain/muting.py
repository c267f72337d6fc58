"""Muting: why nobody is told of an alert although it is news: it is inhibited, out of hours, or silenced.

What a group's alerts need to be judged is gathered in `Situation` (rules, intervals, silences) and, by point reads, in
documents of inhibition; so a flush and a listing judge alike.

Source: `PipelineBuilder.New` in Alertmanager 0.34, notify/notify.go, for what mutes and in which order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.alerts import Alert, lease_end
from domain.inhibition import InhibitRule, Source, SourceKey, Sources
from domain.labels import Labels
from domain.routing import Route
from domain.silences import Silence
from domain.situations import Situation


@dataclass(frozen=True, slots=True)
class Hours:
    """What the intervals of a route say at one instant: nothing is told while there are `names`."""

    names: tuple[str, ...] = ()
    """The mute intervals that contain the instant, or all active ones when none of them does (TI-5)."""
    is_inactive: bool = False
    """Whether it is the active intervals that mute, by not containing the instant."""


OPEN = Hours()


@dataclass(frozen=True, slots=True)
class Muting:
    """Everything that mutes one alert at one instant; false when nothing does."""

    rule: InhibitRule | None = None
    source: Source | None = None
    """The first source of the first rule that inhibits it (IH-4)."""
    hours: Hours = OPEN
    silences: tuple[Silence, ...] = ()

    def __bool__(self) -> bool:
        return self.rule is not None or bool(self.hours.names) or bool(self.silences)


UNMUTED = Muting()


def source_keys(alerts: Iterable[Labels], situation: Situation) -> frozenset[SourceKey]:
    """The documents of inhibition that decide about alerts with these labels: one for each rule that aims at one."""
    rules = situation.configuration.inhibit_rules
    return frozenset(rule.key(labels) for labels in alerts for rule in rules if rule.is_target(labels))


def hours(route: Route, situation: Situation, at: datetime) -> Hours:
    """What the intervals of the route say at this instant; active ones are asked first, as in Alertmanager."""
    intervals = situation.configuration.time_intervals

    def contains(name: str) -> bool:
        return any(interval.contains(at) for interval in intervals[name])

    if route.active_time_intervals and not any(contains(name) for name in route.active_time_intervals):
        return Hours(route.active_time_intervals, is_inactive=True)
    return Hours(tuple([name for name in route.mute_time_intervals if contains(name)]))


def muting(
    labels: Labels,
    at: datetime,
    route_hours: Hours,
    situation: Situation,
    sources: Mapping[SourceKey, Sources],
    found: dict[tuple[SourceKey, bool], Source | None] | None = None,
) -> Muting:
    """What mutes an alert with these labels, be it firing or resolved (IH-5).

    Args:
        labels: The alert's.
        at: The instant of the flush, or of the question.
        route_hours: What `hours` says of the route; OPEN where no route is meant.
        situation: The rules and silences in force.
        sources: At least the documents of `source_keys`.
        found: Where many alerts are judged at one instant, an empty dictionary to share among them: a thousand targets
            of a thousand sources would otherwise be a million questions.
    """
    found = {} if found is None else found
    silences = tuple(situation.silences.muting(labels, at))
    for rule in situation.configuration.inhibit_rules:
        if rule.is_target(labels) and (source := _inhibiting(rule, labels, at, situation, sources, found)):
            return Muting(rule, source, route_hours, silences)
    if not silences and not route_hours.names:
        return UNMUTED
    return Muting(hours=route_hours, silences=silences)


def _inhibiting(
    rule: InhibitRule,
    labels: Labels,
    at: datetime,
    situation: Situation,
    sources: Mapping[SourceKey, Sources],
    found: dict[tuple[SourceKey, bool], Source | None],
) -> Source | None:
    """The source that inhibits under this rule, of several the one that has been firing the longest."""
    key, is_two_sided = rule.key(labels), rule.is_source(labels)
    if (key, is_two_sided) not in found:
        found[key, is_two_sided] = _longest_firing(sources[key], at, situation, is_two_sided=is_two_sided)
    return found[key, is_two_sided]


def _longest_firing(sources: Sources, at: datetime, situation: Situation, *, is_two_sided: bool) -> Source | None:
    live = [
        source
        for source in sources.values()
        if not (is_two_sided and source.is_two_sided)  # IH-3: neither mutes the other, nor itself
        and _is_firing(source.alert, situation, at)
    ]
    return min(live, key=lambda source: (source.alert.starts_at, source.alert.fingerprint), default=None)


def _is_firing(alert: Alert, situation: Situation, at: datetime) -> bool:
    if situation.lease_end(alert, alert.received_at) <= at:
        return False
    if situation.silent_since is None:
        return True
    # When Tocsin listens again, leases begin anew (rule 8), but not those that had run out before it stopped.
    ended_at = lease_end(alert, alert.received_at, alert.received_at, is_strict=situation.is_strict)
    return ended_at > situation.silent_since
