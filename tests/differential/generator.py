"""Generator: a seed and a set of features in, a scenario out; the same one for ever.

Every wait ends in a half second and every group interval is whole, so groups that open at a whole second flush at half
ones.  An alert with an old start flushes at once; it is posted at a half second, and has its groups to itself.  What
chance makes that no comparison could judge (`Grid.problems`) is left out again, report by report.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.differential.grid import Grid, Problem, places
from tests.differential.reloading import reloading
from tests.differential.scenario import (
    RELOADS,
    RESOLVE_TIMEOUT,
    TODAY,
    Condition,
    Contact,
    Event,
    ExpireSilence,
    Hook,
    InhibitRule,
    LabelSet,
    Node,
    Outage,
    Post,
    PutSilence,
    Report,
    Scenario,
    label_set,
)

RELOADING_EVERY = 5
"""One seed of so many is about reloads, where they are asked for."""

ALONE_EVERY = 20
"""One seed of so many has servers to itself."""

HORIZON = 22.0
LAST_EVENT = 16.0
FAR = 90.0
"""An end that no scenario lives to see."""
NEVER = 40.5
"""A repeat interval that none does."""

VALUES = {
    "alertname": ("DiskFull", "Slow", "Down"),
    "severity": ("page", "warn"),
    "cluster": ("x", "y", "z"),
    "instance": ("1", "2", "3"),
    "job": ("db", "web"),
    "note": ('a "quoted" \\ one', "grün, blau", "two\nlines", "a.b*c"),
}
_PRESENT = {"alertname": 1.0, "severity": 0.8, "cluster": 0.7, "instance": 0.9, "job": 0.4, "note": 0.08}
MOST_DEPTH = 4


def generate(seed: int, features: frozenset[str] = TODAY) -> Scenario:
    if RELOADS in features and seed % RELOADING_EVERY == 1:
        return reloading(seed)
    return _Generator(seed, features - {RELOADS}).scenario()


class _Generator:
    def __init__(self, seed: int, features: frozenset[str]) -> None:
        self.seed = seed
        self.features = features
        self.chance = chance = random.Random(f"{seed}:{','.join(sorted(features))}")
        # A scenario is about a few things; with all of them in each, none would come far.
        self.has = frozenset(one for one in sorted(features) if chance.random() < _SHARE.get(one, 0.65))
        if {"refusing", "failing"} <= self.has:
            self.has -= {"refusing"}
        self.is_muting = bool(self.has & {"inhibition", "silences"})
        self.is_failing = "failing" in self.has
        if self.is_muting:
            # A repeat at one tick or the next would say another thing where something is muted in between.
            self.has -= {"repeats"}
        if self.has & {"refusing", "failing"}:
            self.has -= {"repeats"}
        if "repeats" in self.has:
            # A resolve that nobody is told of would hide until when a repeat may still come.
            self.has -= {"send_resolved"}
        self.is_alone = seed % ALONE_EVERY == ALONE_EVERY // 2
        self.hushed: _Hushed | None = None
        self.resolve_timeout = chance.choice((3.2, 4.2, 6.2)) if self.is_alone else RESOLVE_TIMEOUT

    def scenario(self) -> Scenario:
        self.receivers = self._contacts()
        alerts = self._alerts()
        if "silences" in self.has and {"resolves", "refires"} <= self.features and self.chance.random() < 0.5:
            self.hushed = self._hushed(alerts)
        root = self._tree(alerts)
        rules = self._rules(alerts) if "inhibition" in self.has else ()
        scenario = Scenario(
            seed=self.seed,
            root=root,
            receivers=self.receivers,
            events=(*self._posts(alerts), *(self._silences(alerts) if "silences" in self.has else ())),
            horizon=HORIZON,
            inhibit_rules=rules,
            resolve_timeout=self.resolve_timeout,
            is_alone=self.is_alone,
        )
        return settle(replace(scenario, events=tuple(sorted(scenario.events, key=lambda event: event.at))))

    # --- configuration ----------------------------------------------------------------------------------------------

    def _contacts(self) -> tuple[Contact, ...]:
        names = ("team", "db", "night.shift", "boss")[: self.chance.randint(1, 4)]
        return tuple(Contact(name, tuple(self._hooks())) for name in names)

    def _hooks(self) -> Iterator[Hook]:
        for _ in range(1 if self.chance.random() < 0.75 else 2):
            yield Hook(
                send_resolved=not ("send_resolved" in self.has and self.chance.random() < 0.35),
                max_alerts=self.chance.choice((1, 2)) if "max_alerts" in self.has and self.chance.random() < 0.3 else 0,
                outage=self._outage() if self.chance.random() < 0.5 else None,
            )

    def _outage(self) -> Outage | None:
        if self.is_failing:
            # Over soon after the first tick, so that a try succeeds before the delivery's deadline.
            return Outage(0.0, float(self.chance.randint(3, 4)), self.chance.choice((500, 503)))
        if "refusing" in self.has:
            begins = float(self.chance.randint(0, 6))
            return Outage(begins, begins + self.chance.randint(2, 6), self.chance.choice((400, 404, 422)))
        return None

    def _tree(self, alerts: Sequence[LabelSet]) -> Node:
        """A tree in which no two groups share a log, unless that is wanted: they race for it (GK-1)."""
        while True:
            root = self._node(0, is_root=True)
            shell = Scenario(self.seed, root, self.receivers, (), HORIZON)
            found = {(place.path, place.key, place.receiver) for one in alerts for place in places(shell, dict(one))}
            if "shared_logs" in self.has or len({(key, receiver) for _, key, receiver in found}) == len(found):
                return root

    def _node(self, depth: int, *, is_root: bool = False) -> Node:
        chance = self.chance
        node = Node(
            matchers=() if is_root else self._conditions(1 if chance.random() < 0.7 else 2),
            receiver=chance.choice(self.receivers).name if is_root or chance.random() < 0.6 else None,
            group_by=self._group_by(is_root=is_root),
            goes_on=not is_root and "continue" in self.has and chance.random() < 0.4,
        )
        node = self._with_timers(node, is_root=is_root)
        if not is_root and "legacy" in self.has and chance.random() < 0.3:
            kept = tuple(one for one in node.matchers if not one.operator.startswith("!"))
            kept = tuple({one.name: one for one in kept}.values())
            node = replace(node, matchers=kept, is_legacy=bool(kept))
        if not is_root and "intervals" in self.has and chance.random() < 0.3:
            name = chance.choice(("always", "never"))
            node = replace(node, muted_in=(name,)) if chance.random() < 0.5 else replace(node, active_in=(name,))
        most = (3, 3, 2, 1, 0)[depth] if depth < MOST_DEPTH else 0
        children: list[Node] = []
        for _ in range(chance.randint(1 if is_root and chance.random() < 0.8 else 0, most)):
            child = self._node(depth + 1)
            children.append(child)
            if "siblings" in self.has and chance.random() < 0.25:
                children[-1] = replace(child, goes_on=True)
                children.append(self._twin(child))
        return replace(node, children=tuple(children))

    def _twin(self, node: Node) -> Node:
        """The same key again; another receiver, for the log of one is shared by twins and they race for it (GK-1)."""
        if "shared_logs" in self.has:
            return replace(node, goes_on=self.chance.random() < 0.3)
        others = [contact.name for contact in self.receivers if contact.name != node.receiver]
        if not others:
            return replace(node, matchers=(*node.matchers, Condition("alertname", "!=", "")), is_legacy=False)
        return replace(self._renamed(node, self.chance.choice(others)), goes_on=self.chance.random() < 0.3)

    def _renamed(self, node: Node, receiver: str) -> Node:
        children = tuple(self._renamed(child, receiver) for child in node.children)
        return replace(node, receiver=receiver, children=children)

    def _with_timers(self, node: Node, *, is_root: bool) -> Node:
        chance = self.chance
        if self.is_failing:
            # A failing receiver holds its group for ten seconds at least (TM-5).
            return replace(node, group_wait=0.5, group_interval=10.0, repeat_interval=11.5) if is_root else node
        if not is_root and chance.random() < 0.6:
            return node
        interval = float(chance.randint(1, 4))
        if "repeats" in self.has and chance.random() < 0.6:
            repeat = interval * chance.randint(1, 4)
        elif self.is_muting and chance.random() < (0.8 if self.hushed else 0.5):
            # None at all: only then can be judged what refires into a group whose alerts are muted at times.
            repeat = NEVER
        else:
            # Never a multiple of an interval, so it falls due in the middle between two ticks.
            repeat = chance.randint(2, 8) + 0.5
        wait = chance.choice((0.5, 0.5, 1.5, 2.5))
        if is_root:
            return replace(node, group_wait=wait, group_interval=interval, repeat_interval=repeat)
        return replace(
            node,
            group_wait=wait if chance.random() < 0.5 else None,
            group_interval=interval if chance.random() < 0.5 else None,
            repeat_interval=repeat if chance.random() < 0.5 else None,
        )

    def _group_by(self, *, is_root: bool) -> tuple[str, ...] | None:
        if "group_by" not in self.has or self.chance.random() < 0.4:
            return None
        if is_root and self.chance.random() < 0.2:
            return ()  # nowhere else: `intended.EMPTY_GROUP_BY`
        return self.chance.choice(
            (
                ("...",),
                ("alertname",),
                ("cluster",),
                ("alertname", "cluster"),
                ("cluster", "severity", "alertname"),
                ("instance",),
                ("missing", "severity"),
                ("note", "job"),
            )
        )

    def _conditions(self, count: int) -> tuple[Condition, ...]:
        return tuple(self._condition(name) for name in self.chance.sample(("alertname", *_MATCHED), count))

    def _condition(self, name: str) -> Condition:
        values = VALUES[name]
        one, other = self.chance.sample(values, 2)
        return self.chance.choice(
            (
                Condition(name, "=", one),
                Condition(name, "=", one),
                Condition(name, "!=", one),
                Condition(name, "=~", f"{one}|{other}"),
                Condition(name, "=~", ".+"),
                Condition(name, "=~", ".*"),
                Condition(name, "!~", f"{one}.*"),
                Condition(name, "=", ""),
            )
        )

    def _rules(self, alerts: Sequence[LabelSet]) -> tuple[InhibitRule, ...]:
        chance = self.chance
        rules = []
        for _ in range(chance.randint(1, 2)):
            if len(alerts) > 1 and chance.random() < 0.7:
                rules.append(self._biting_rule(*map(dict, chance.sample(alerts, 2))))
                continue
            sources, targets = self._conditions(1), self._conditions(1)
            if chance.random() < 0.6:
                sources, targets = (Condition("severity", "=", "page"),), (Condition("severity", "=", "warn"),)
            equal = chance.choice(((), ("cluster",), ("alertname",), ("cluster", "instance"), ("missing",)))
            rules.append(InhibitRule(sources, targets, equal))
        return tuple(rules)

    def _biting_rule(self, source: dict[str, str], target: dict[str, str]) -> InhibitRule:
        """One under which the one alert inhibits the other, unless both are on both sides (IH-3)."""
        chance = self.chance
        name = chance.choice([name for name in _PRESENT if source.get(name) != target.get(name)])
        sides = [
            Condition(name, "=", side[name]) if name in side else Condition(name, "=", "") for side in (source, target)
        ]
        if chance.random() < 0.3:
            sides[0] = Condition("alertname", "=", source["alertname"])
        equal = tuple(name for name in _PRESENT if source.get(name) == target.get(name) and chance.random() < 0.5)
        return InhibitRule((sides[0],), (sides[1],), equal)

    # --- events -----------------------------------------------------------------------------------------------------

    def _alerts(self) -> list[LabelSet]:
        chance = self.chance
        alerts: dict[LabelSet, None] = {}
        for _ in range(chance.randint(2, 6)):
            labels = {name: chance.choice(VALUES[name]) for name, share in _PRESENT.items() if chance.random() < share}
            alerts[label_set(labels)] = None
        return list(alerts)

    def _posts(self, alerts: Sequence[LabelSet]) -> Iterator[Post]:
        """Everything that happens at one moment is one request, in any order."""
        reports: dict[float, list[Report]] = {}
        for alert in alerts:
            hushed = self.hushed
            life = self._hushed_life(hushed) if hushed and hushed.alert == alert else self._life(alert)
            for at, report in life:
                reports.setdefault(at, []).append(report)
        for at, together in sorted(reports.items()):
            self.chance.shuffle(together)
            yield Post(at, tuple(together))

    def _life(self, alert: LabelSet) -> Iterator[tuple[float, Report]]:
        chance = self.chance
        at = float(chance.choice((0, 0, 0, 1, 2, 3, 5, 8)))
        if "old_starts" in self.has and chance.random() < 0.4:
            starts: float | None = at - chance.choice((5, 60))
            at += 0.5
        else:
            starts = self._new_start(at)
        text = chance.choice(("", "", "full", "90 %"))
        zone = chance.choice((0, 0, 0, 2))
        ends = self._end(at)
        yield at, Report(alert, starts, ends, _said(text), zone)
        is_firing = True
        at = float(int(at))
        while (at := at + chance.choice((1, 2, 2, 3, 4, 5))) <= LAST_EVENT:
            if is_firing and "resolves" in self.has and chance.random() < 0.5:
                began = starts if chance.random() < 0.8 else None
                ended = at - chance.choice((0, 0, 0, 1)) if began is None or began < at - 1 else at
                yield at, Report(alert, began, ended, _said(text), zone)
                is_firing = False
            elif is_firing and "resends" in self.has:
                if chance.random() < 0.3:
                    text = chance.choice(("", "worse", "better"))
                yield at, Report(alert, starts, self._end(at), _said(text), zone)
            elif not is_firing and "refires" in self.has:
                # Mostly a new start; sometimes the old one again, as a source that forgets nothing says.
                starts = starts if chance.random() < 0.2 else self._new_start(at)
                yield at, Report(alert, starts, self._end(at), _said(text), zone)
                is_firing = True
            elif not is_firing and chance.random() < 0.3:
                yield at, Report(alert, starts, at, _said(text), zone)

    def _new_start(self, at: float) -> float | None:
        return None if self.chance.random() < 0.15 else at

    def _end(self, at: float) -> float | None:
        chance = self.chance.random()
        if "timeouts" in self.has and chance < 0.25:
            return None
        if "ends" in self.has and chance < 0.65:
            return float(int(at)) + self.chance.choice((2, 3, 4, 6, 9))
        return FAR

    def _silences(self, alerts: Sequence[LabelSet]) -> Iterator[Event]:
        chance = self.chance
        for number in range(chance.randint(1, 3)):
            name = f"s{number + 1}"
            if number == 0 and self.hushed:
                yield from self._hushing(name, self.hushed)
                continue
            matchers = self._conditions(1 if chance.random() < 0.7 else 2)
            if chance.random() < 0.6:
                matchers = (_equals(chance.choice(chance.choice(alerts))),)
            if all(one.operator in ("=", "=~") and (one.value in ("", ".*")) for one in matchers):
                matchers = (Condition("alertname", "=~", ".+"),)
            at = chance.randint(0, 10)
            starts = at + chance.choice((0, 0, 0, 2))
            ends = starts + chance.randint(1, 9)
            yield PutSilence(float(at), name, matchers, float(starts), float(ends))
            at += chance.randint(1, 5)
            deed = chance.choice(_DEEDS)
            if deed == "expire":
                yield ExpireSilence(float(at), name)
                if chance.random() < 0.2:
                    yield ExpireSilence(float(at + 1), name)
            elif deed == "move" and at < ends:
                yield PutSilence(float(at), name, matchers, float(starts), float(at + chance.randint(1, 6)))
            elif deed == "other":
                matchers = (Condition("alertname", "=", chance.choice(VALUES["alertname"])),)
                yield PutSilence(float(at), name, matchers, float(at), float(at + chance.randint(1, 6)))
            elif deed == "again":
                # It may be over, or still active; either way there is a new one.
                yield PutSilence(float(at), name, matchers, float(at), float(at + chance.randint(1, 6)))
            elif deed == "late":
                # Refused, and the old one stays as it was.
                yield PutSilence(float(at + 1), name, matchers, float(starts), at + 0.25)

    # --- one alert that is hushed at the moments that matter --------------------------------------------------------

    def _hushed(self, alerts: Sequence[LabelSet]) -> _Hushed:
        begins = float(self.chance.randint(3, 5))
        ends = begins + self.chance.randint(3, 6)
        resolves = self.chance.choice((None, begins + 1, begins + 1, ends - 1, ends))
        return _Hushed(self.chance.choice(alerts), begins, ends, resolves)

    def _hushing(self, name: str, hushed: _Hushed) -> Iterator[Event]:
        matchers = (_equals(self.chance.choice(hushed.alert)),)
        ends = hushed.ends if self.chance.random() < 0.5 else hushed.ends + 6
        yield PutSilence(hushed.begins, name, matchers, hushed.begins, ends)
        if ends > hushed.ends:
            yield ExpireSilence(hushed.ends, name)

    def _hushed_life(self, hushed: _Hushed) -> Iterator[tuple[float, Report]]:
        """Told, silenced, resolved under the silence or just when it ends, and fires again: the gaps of the log."""
        yield 0.0, Report(hushed.alert, 0.0, FAR)
        if hushed.resolves is not None:
            yield hushed.resolves, Report(hushed.alert, 0.0, hushed.resolves)
            yield hushed.ends + 2, Report(hushed.alert, hushed.ends + 2, FAR)
        if self.chance.random() < 0.5:
            yield LAST_EVENT, Report(hushed.alert, 0.0 if hushed.resolves is None else hushed.ends + 2, LAST_EVENT)


@dataclass(frozen=True)
class _Hushed:
    alert: LabelSet
    begins: float
    ends: float
    resolves: float | None


_DEEDS = ("nothing", "expire", "expire", "expire", "move", "move", "other", "again", "late")

_MATCHED = ("severity", "cluster", "instance", "job")

_SHARE = {"failing": 0.1, "refusing": 0.2, "old_starts": 0.3, "legacy": 0.4, "repeats": 0.35, "inhibition": 0.5,
          "silences": 0.5, "intervals": 0.4, "max_alerts": 0.4, "send_resolved": 0.5}  # fmt: skip


def _equals(label: tuple[str, str]) -> Condition:
    return Condition(label[0], "=", label[1])


def _said(text: str) -> LabelSet:
    return (("summary", text),) if text else ()


def settle(scenario: Scenario) -> Scenario:
    """Leave out, one after the other, the reports that no comparison could judge; and what expires no silence."""
    # Those about reloads are judged by how they are made.
    while not scenario.changes and (problem := next(iter(Grid(scenario).problems()), None)):
        scenario = without(scenario, problem)
    known: set[str] = set()
    events: list[Event] = []
    for event in scenario.events:
        if isinstance(event, PutSilence):
            known.add(event.name)
        if not isinstance(event, ExpireSilence) or event.name in known:
            events.append(event)
    return replace(scenario, events=tuple(events))


def without(scenario: Scenario, problem: Problem) -> Scenario:
    event = scenario.events[problem.event]
    events = list(scenario.events)
    if isinstance(event, Post) and len(event.reports) > 1:
        reports = (*event.reports[: problem.report], *event.reports[problem.report + 1 :])
        events[problem.event] = replace(event, reports=reports)
    else:
        del events[problem.event]
    return replace(scenario, events=tuple(events))
