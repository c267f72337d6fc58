"""Grid: which groups a scenario has, when they flush, and what the comparison must therefore know about them.

This is a model of the timers alone (TM-1, TM-2, TM-4), not of what is told.  It computes every group twice: as
Alertmanager 0.25 does, where an emptied group keeps its grid until a sweep that no scenario lives to see, and as 0.34
does, where it dies.  The generator asks it whether any event comes too near a tick of either grid; the comparison asks
it where the two part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from domain.alerts import Alert, combine
from domain.labels import Fingerprint
from tests.builders import NOON
from tests.differential.scenario import (
    ExpireSilence,
    LabelSet,
    Node,
    Post,
    PutSilence,
    Report,
    Scenario,
    all_hold,
    label_set,
)

GAP = 0.25
"""No event is nearer than this to a tick."""

ALL_LABELS = "..."
_INSTANT = 1e-6


@dataclass(frozen=True)
class Place:
    """A route with everything inherited filled in (RT-3, RT-4)."""

    path: tuple[int, ...]
    key: str
    receiver: str
    group_by: frozenset[str]
    wait: float
    interval: float
    repeat: float

    def child(self, number: int, node: Node) -> Place:
        conditions = sorted(
            (one.name, _regex(one.value, node), "=!=~!~".index(one.operator), one.operator) for one in node.matchers
        )
        words = ",".join(f'{name}{operator}"{_escape(value)}"' for name, value, _, operator in conditions)
        return replace(self, path=(*self.path, number), key=f"{self.key}/{{{words}}}").under(node)

    def under(self, node: Node) -> Place:
        return replace(
            self,
            receiver=node.receiver or self.receiver,
            group_by=self.group_by if node.group_by is None else frozenset(node.group_by),
            wait=self.wait if node.group_wait is None else node.group_wait,
            interval=node.group_interval or self.interval,
            repeat=node.repeat_interval or self.repeat,
        )


def _regex(value: str, node: Node) -> str:
    # `match_re` shows the regular expression with its anchors (GK-1).
    is_regex = node.is_legacy and any(one.value == value and one.operator == "=~" for one in node.matchers)
    return f"^(?:{value})$" if is_regex else value


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def places(scenario: Scenario, labels: Mapping[str, str]) -> list[Place]:
    """The routes that an alert with these labels takes (RT-2)."""
    root = Place((), "{}", "", frozenset(), 30.0, 300.0, 14_400.0).under(scenario.root)
    return list(_walk(root, scenario.root, labels))


def _walk(place: Place, node: Node, labels: Mapping[str, str]) -> Iterator[Place]:
    is_leaf = True
    for number, child in enumerate(node.children):
        if all_hold(child.matchers, labels):
            is_leaf = False
            yield from _walk(place.child(number, child), child, labels)
            if not child.goes_on:
                break
    if is_leaf:
        yield place


@dataclass(frozen=True)
class Version:
    """One alert from one moment on, merged with what was known of it (MG-1, MG-2)."""

    at: float
    order: int
    """The place of its report among all reports of the scenario."""
    starts: float
    ends: float


@dataclass(frozen=True)
class Reopening:
    """An alert came into a group that had been emptied."""

    at: float
    old_tick: float
    """When Alertmanager 0.25 flushes next, on the grid the group had."""
    new_tick: float
    """When 0.34 does: the group begins anew."""

    @property
    def is_aligned(self) -> bool:
        return abs(self.old_tick - self.new_tick) < _INSTANT


@dataclass(frozen=True)
class Group:
    place: Place
    labels: LabelSet
    versions: Mapping[LabelSet, Sequence[Version]]
    horizon: float

    @property
    def key(self) -> str:
        return f"{self.place.key}:{{{', '.join(f'{name}="{_escape(value)}"' for name, value in self.labels)}}}"

    @property
    def begins(self) -> float:
        return min(history[0].at for history in self.versions.values())

    @cached_property
    def ticks(self) -> tuple[float, ...]:
        """Of both grids."""
        return tuple(sorted({*self._run(keeps_grid=True)[0], *self._run(keeps_grid=False)[0]}))

    @cached_property
    def reopenings(self) -> tuple[Reopening, ...]:
        return self._run(keeps_grid=True)[1]

    def _run(self, *, keeps_grid: bool) -> tuple[list[float], tuple[Reopening, ...]]:
        wait, interval = self.place.wait, self.place.interval
        ticks: list[float] = []
        reopenings: list[Reopening] = []
        present: dict[LabelSet, Version] = {}
        due: float | None = None
        is_fresh = True
        arrivals = sorted(
            (version.order, alert, version) for alert, history in self.versions.items() for version in history
        )
        for alert, version in [*((alert, version) for _, alert, version in arrivals), ((), None)]:
            at = version.at if version else self.horizon
            while due is not None and due <= at:
                ticks.append(due)
                present = {name: one for name, one in present.items() if one.ends > due}
                is_fresh = False
                due = due + interval if present or keeps_grid else None
            if version is None:
                break
            first = at if version.starts + wait < at - _INSTANT else at + wait
            if due is None:
                due, is_fresh = first, True
            elif not present and not is_fresh:
                reopenings.append(Reopening(at, due, first))
            elif is_fresh and first == at and keeps_grid:
                due = at
            present[alert] = version
        return ticks, tuple(reopenings)


class Grid:
    """The groups of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.histories = histories(scenario)
        found: dict[tuple[tuple[int, ...], LabelSet], tuple[Place, dict[LabelSet, Sequence[Version]]]] = {}
        for alert, history in self.histories.items():
            labels = dict(alert)
            for place in places(scenario, labels):
                names = labels.keys() if ALL_LABELS in place.group_by else place.group_by & labels.keys()
                group_labels = label_set({name: labels[name] for name in names})
                found.setdefault((place.path, group_labels), (place, {}))[1][alert] = history
        self.groups = [
            Group(place, labels, versions, scenario.horizon) for (_, labels), (place, versions) in found.items()
        ]

    def of(self, alert: LabelSet) -> list[Group]:
        return [group for group in self.groups if alert in group.versions]

    def problems(self) -> list[Problem]:
        """What forbids the scenario; each names the report or the event that is to blame."""
        return [*self._too_near(), *self._old_starts(), *self._reopened()]

    def _too_near(self) -> Iterator[Problem]:
        for number, event in enumerate(self.scenario.events):
            if isinstance(event, Post):
                for place, report in enumerate(event.reports):
                    groups = self.groups if self.scenario.inhibit_rules else self.of(report.labels)
                    moments = {event.at} | {
                        version.ends for version in self.histories[report.labels] if version.at == event.at
                    }
                    for group in groups:
                        for moment in moments:
                            is_cause = moment == event.at == group.begins
                            if near := _near(group, moment, moment if is_cause else None):
                                yield Problem(number, place, f"{near:g} is a tick, and something happens at {moment:g}")
            else:
                for moment in _instants(event):
                    if any(_near(group, moment, None) for group in self.groups):
                        yield Problem(number, 0, f"too near a tick at {moment:g}")

    def _old_starts(self) -> Iterator[Problem]:
        """An alert that is older than `group_wait` may hasten a flush; with others in the group, at random (TM-1)."""
        for number, event in enumerate(self.scenario.events):
            if not isinstance(event, Post):
                continue
            for place, report in enumerate(event.reports):
                version = next(one for one in reversed(self.histories[report.labels]) if one.at == event.at)
                for group in self.of(report.labels):
                    is_old = version.starts + group.place.wait < event.at - _INSTANT
                    is_fresh = not any(tick < event.at for tick in group.ticks)
                    if is_old and is_fresh and (len(group.versions) > 1 or event.at % 1.0 != 0.5):
                        yield Problem(number, place, "an old start among other alerts, or at a whole second")

    def _reopened(self) -> Iterator[Problem]:
        """Where the grids part, everything later must leave both of them time to tell the same."""
        is_failing = any(hook.outage for contact in self.scenario.receivers for hook in contact.hooks)
        for group in self.groups:
            parted = next((one for one in group.reopenings if is_failing or not one.is_aligned), None)
            if parted is None:
                continue
            muted = self.muting_moments(group)
            # A repeat that comes while a part of the group is muted makes the rest news again, on one grid or both.
            is_strange = is_failing or (bool(muted) and group.place.repeat < self.scenario.horizon)
            later_ones = {moment for moment in muted if parted.at <= moment < self.scenario.horizon}
            moments = sorted(_moments(group, parted.at, self.scenario.horizon) | later_ones)
            least = max(group.place.wait, group.place.interval) + 2 * GAP
            for earlier, later in zip([parted.at, *moments], moments, strict=False):
                if is_strange or (later - earlier > _INSTANT and later - earlier < least):
                    blamed = max(earlier, parted.at) if is_strange else later
                    yield self._blame(group, blamed, f"the grids part at {parted.at:g}, and {later:g} is too soon")
                    break

    def muting_moments(self, group: Group) -> set[float]:
        """When silences and sources begin or cease to mute any alert of the group, or might."""
        moments: set[float] = set()
        for event in self.scenario.events:
            if isinstance(event, PutSilence) and any(all_hold(event.matchers, dict(one)) for one in group.versions):
                ends = {one.at for one in self.scenario.events if not isinstance(one, Post) and one.name == event.name}
                moments |= {event.starts, event.ends} | ends
        for rule in self.scenario.inhibit_rules:
            if any(all_hold(rule.targets, dict(one)) for one in group.versions):
                for alert, history in self.histories.items():
                    if all_hold(rule.sources, dict(alert)):
                        moments |= {moment for one in history for moment in (one.at, one.ends)}
        return moments

    def _blame(self, group: Group, moment: float, words: str) -> Problem:
        """The report, or else the event, that brought that moment about; the group's own first."""
        for histories_asked in (group.versions, self.histories):
            for number, event in enumerate(self.scenario.events):
                if isinstance(event, Post):
                    for place, report in enumerate(event.reports):
                        if report.labels in histories_asked and (
                            event.at == moment
                            or any(one.at == event.at and one.ends == moment for one in histories_asked[report.labels])
                        ):
                            return Problem(number, place, words)
                elif histories_asked is self.histories and moment in _instants(event):
                    return Problem(number, 0, words)
        raise AssertionError(f"nobody is to blame: {words}")

    def rules(self) -> dict[tuple[str, str], Rules]:
        """What the comparison must know, by receiver and group key; twins share theirs (GK-1)."""
        if self.scenario.changes:
            # No two grids part there, and nothing repeats (`reloading.py`).
            trees = [Grid(replace(self.scenario, root=root, changes=())) for root in self.scenario.roots]
            return {
                (group.place.receiver, group.key): Rules(group.place.interval)
                for tree in trees
                for group in tree.groups
            }
        rules: dict[tuple[str, str], Rules] = {}
        for group in self.groups:
            place = group.place
            parted = next((one.at for one in group.reopenings if not one.is_aligned), None)
            own = Rules(
                interval=place.interval,
                is_repeat_vague=abs(place.repeat % place.interval) < _INSTANT,
                parted_at=parted,
                slack=max(place.wait, place.interval),
            )
            name = (place.receiver, group.key)
            rules[name] = own.joined(rules[name]) if name in rules else own
        return rules


@dataclass(frozen=True)
class Problem:
    event: int
    report: int
    words: str


@dataclass(frozen=True)
class Rules:
    """What is left open about one stream of pages."""

    interval: float
    is_repeat_vague: bool = False
    """The repeat interval is a multiple of the group interval: a repeat comes at one tick or the next (DD-11)."""
    parted_at: float | None = None
    """From here on 0.25 flushes on the group's old grid and 0.34 on a new one (TM-4)."""
    slack: float = 0.0
    """By how much the two grids may differ."""
    twins: int = 1

    def joined(self, other: Rules) -> Rules:
        parted = [moment for moment in (self.parted_at, other.parted_at) if moment is not None]
        return Rules(
            max(self.interval, other.interval),
            self.is_repeat_vague or other.is_repeat_vague,
            min(parted, default=None),
            max(self.slack, other.slack),
            self.twins + other.twins,
        )


def _instants(event: PutSilence | ExpireSilence) -> set[float]:
    return {event.at} if isinstance(event, ExpireSilence) else {event.at, event.starts, event.ends}


def _near(group: Group, moment: float, caused: float | None) -> float | None:
    """The tick that is too near; what an event causes itself, at its own moment, is none."""
    for tick in group.ticks:
        if abs(tick - moment) < GAP - _INSTANT and not (caused is not None and tick == caused):
            return tick
    return None


def _moments(group: Group, since: float, horizon: float) -> set[float]:
    """When anything changes in the group, from that moment on: reports, and ends."""
    versions = [version for history in group.versions.values() for version in history]
    moments = {moment for one in versions for moment in (one.at, one.ends) if since <= moment < horizon}
    return {moment for moment in moments if moment >= since}


def histories(scenario: Scenario) -> dict[LabelSet, list[Version]]:
    """Each alert's versions, in order."""
    known: dict[LabelSet, Alert] = {}
    found: dict[LabelSet, list[Version]] = {}
    order = 0
    for event in scenario.events:
        if isinstance(event, Post):
            for report in event.reports:
                alert = _alert(report, event.at, scenario.resolve_timeout)
                if old := known.get(report.labels):
                    alert = combine(old, alert)
                known[report.labels] = alert
                order += 1
                version = Version(event.at, order, _seconds(alert.starts_at), _seconds(alert.ends_at))
                found.setdefault(report.labels, []).append(version)
    return found


def _alert(report: Report, at: float, resolve_timeout: float) -> Alert:
    ends = at + resolve_timeout if report.ends is None else report.ends
    starts = report.starts
    if starts is None:
        starts = at if report.ends is None else report.ends
    labels = dict(report.labels)
    is_timeout = report.ends is None
    return Alert(Fingerprint(""), labels, {}, _instant(starts), _instant(ends), _instant(at), is_timeout=is_timeout)


def _instant(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _seconds(instant: datetime) -> float:
    return (instant - NOON) / timedelta(seconds=1)
