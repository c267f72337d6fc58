"""Scenario: one small story about alerts, its configuration and its events, at moments relative to its own start.

All moments are seconds after the start.  Events stand at whole seconds and every flush of a group at a half one, so
that nothing happens within 250 ms of a tick; `tests.differential.grid` proves it for each scenario.

Many scenarios share one pair of servers, for they only wait: each is a *scope*, a subtree of the shared root that a
label `scenario` leads into, with receivers, inhibition rules and silences of its own.  What only a true root can show
(a group key without a matcher, its own `resolve_timeout`) is left to the scenarios that are alone, with a pair of
servers to themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter

SCOPE_LABEL = "scenario"

TODAY = frozenset(
    {
        "continue",
        "siblings",
        "group_by",
        "legacy",
        "resolves",
        "refires",
        "resends",
        "ends",
        "timeouts",
        "old_starts",
        "repeats",
        "max_alerts",
        "send_resolved",
        "refusing",
        "failing",
    }
)
"""All but what mutes."""

MUTING = frozenset({"inhibition", "silences", "intervals"})
ALL = TODAY | MUTING
"""The generator may use any part of it."""

RELOADS = "reloads"
"""Stories about another configuration; a kind of their own (`reloading.py`)."""

SHARED_LOGS = "shared_logs"
"""Identical siblings with one receiver: in Alertmanager they share a log and race for it, so only asked for by name."""

RESOLVE_TIMEOUT = 4.2
"""In force for all scenarios that share servers; an end that it sets meets no event's moment by chance."""

INTERVALS = {"always": [{"years": ["2000:2999"]}], "never": [{"years": ["1999"]}]}
"""Time intervals know no seconds, so these two must do."""

type LabelSet = tuple[tuple[str, str], ...]
"""Sorted by name."""


def label_set(labels: Mapping[str, str]) -> LabelSet:
    return tuple(sorted(labels.items()))


@dataclass(frozen=True)
class Condition:
    """One matcher; its meaning here is written a second time, so that Tocsin's is not its own judge."""

    name: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        text = labels.get(self.name, "")
        is_equal = text == self.value if "~" not in self.operator else re.fullmatch(self.value, text) is not None
        return is_equal is not self.operator.startswith("!")

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{escaped}"'


def all_hold(conditions: Iterable[Condition], labels: Mapping[str, str]) -> bool:
    return all(condition.holds(labels) for condition in conditions)


@dataclass(frozen=True)
class Node:
    """One route; None is inherited."""

    matchers: tuple[Condition, ...] = ()
    receiver: str | None = None
    group_by: tuple[str, ...] | None = None
    group_wait: float | None = None
    group_interval: float | None = None
    repeat_interval: float | None = None
    goes_on: bool = False
    is_legacy: bool = False
    """Written as `match` and `match_re`, which only know `=` and `=~`."""
    muted_in: tuple[str, ...] = ()
    active_in: tuple[str, ...] = ()
    children: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Outage:
    """A receiver answers with this status from one moment to another: 4xx refuses, 5xx fails."""

    begins: float
    ends: float
    status: int


@dataclass(frozen=True)
class Hook:
    send_resolved: bool = True
    max_alerts: int = 0
    outage: Outage | None = None


@dataclass(frozen=True)
class Contact:
    """A receiver, with one webhook for each hook."""

    name: str
    hooks: tuple[Hook, ...]


@dataclass(frozen=True)
class InhibitRule:
    sources: tuple[Condition, ...]
    targets: tuple[Condition, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """One alert of a request; a moment that is None is left out of the body."""

    labels: LabelSet
    starts: float | None = None
    ends: float | None = None
    annotations: LabelSet = ()
    zone: int = 0
    """The offset from UTC, in hours, in which its moments are written."""


@dataclass(frozen=True)
class Post:
    at: float
    reports: tuple[Report, ...]
    kind: Literal["post"] = "post"


@dataclass(frozen=True)
class PutSilence:
    """Create the silence, or edit it where an earlier event of that name did."""

    at: float
    name: str
    matchers: tuple[Condition, ...]
    starts: float
    ends: float
    kind: Literal["put"] = "put"


@dataclass(frozen=True)
class ExpireSilence:
    at: float
    name: str
    kind: Literal["expire"] = "expire"


type Event = Post | PutSilence | ExpireSilence


@dataclass(frozen=True)
class Change:
    """Both systems reload, with this tree in the place of the one before."""

    at: float
    root: Node


@dataclass(frozen=True)
class Scenario:
    seed: int
    root: Node
    receivers: tuple[Contact, ...]
    events: tuple[Event, ...]
    horizon: float
    """When the recording ends."""
    inhibit_rules: tuple[InhibitRule, ...] = ()
    resolve_timeout: float = RESOLVE_TIMEOUT
    is_alone: bool = False
    changes: tuple[Change, ...] = ()
    """In order; scenarios that share servers change at the same moments, for a reload concerns them all."""

    @property
    def roots(self) -> tuple[Node, ...]:
        """The trees, one after the other."""
        return (self.root, *(change.root for change in self.changes))

    def hook(self, path: str) -> Hook:
        """The hook at the path `receiver/index`."""
        name, _, index = path.rpartition("/")
        return next(contact.hooks[int(index)] for contact in self.receivers if contact.name == name)

    @property
    def is_muting(self) -> bool:
        return bool(self.inhibit_rules) or any(not isinstance(event, Post) for event in self.events)


READER: TypeAdapter[Scenario] = TypeAdapter(Scenario)


# --- alertmanager.yml -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A scenario to run, under a name that no other of the same run has."""

    name: str
    scenario: Scenario

    @property
    def scope(self) -> str:
        """The value of the label that leads into its subtree; empty when it has the servers to itself."""
        return "" if self.scenario.is_alone else self.name

    def receiver(self, name: str) -> str:
        return f"{self.scope}.{name}" if self.scope else name

    def labels(self, labels: Iterable[tuple[str, str]]) -> dict[str, str]:
        return dict(labels) | ({SCOPE_LABEL: self.scope} if self.scope else {})

    def conditions(self, conditions: Iterable[Condition]) -> list[Condition]:
        return [*conditions, *([Condition(SCOPE_LABEL, "=", self.scope)] if self.scope else [])]


WARM_UP = "warm-up"
"""The scope, the receiver and the path of the one alert that both systems page before anything is compared.

The first page of a process takes longer than all later ones; that is the bench's to measure.
"""


def render(jobs: Sequence[Job], url: Callable[[str], str], *, reloads: int = 0) -> str:
    """The `alertmanager.yml` of all these jobs after so many reloads.

    `url` gives the webhook at the path `job/receiver/index`.  No two reloads are given the same text.
    """
    if [job.scope for job in jobs] == [""]:
        route = _route(jobs[0], jobs[0].scenario.roots[reloads])
        resolve_timeout = jobs[0].scenario.resolve_timeout
    else:
        assert all(job.scope for job in jobs)
        route = {
            "receiver": "nobody",
            "routes": [_route(job, job.scenario.roots[reloads], is_top=True) for job in jobs],
        }
        resolve_timeout = RESOLVE_TIMEOUT
    warm_up: dict[str, Any] = {
        "receiver": WARM_UP,
        "group_wait": "0s",
        "group_interval": "1h",
        "repeat_interval": "24h",
    }
    warm_up["matchers"] = [str(Condition(SCOPE_LABEL, "=", WARM_UP))]
    route["routes"] = [warm_up, *route.get("routes", [])]
    receivers: list[dict[str, Any]] = [{"name": "nobody"}]
    receivers.append({"name": WARM_UP, "webhook_configs": [{"url": url(WARM_UP)}]})
    receivers += [
        _contact(job, contact, url)
        for job in jobs
        for contact in job.scenario.receivers
        if not job.scenario.changes or contact.name in _told(job.scenario.roots[reloads])
    ]
    document: dict[str, Any] = {
        "global": {"resolve_timeout": _duration(resolve_timeout)},
        "route": route,
        "receivers": receivers,
    }
    if rules := [_rule(job, rule) for job in jobs for rule in job.scenario.inhibit_rules]:
        document["inhibit_rules"] = rules
    if any(_names_intervals(job.scenario.root) for job in jobs):
        document["time_intervals"] = [{"name": name, "time_intervals": spans} for name, spans in INTERVALS.items()]
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    return f"{text}# after {reloads} reloads\n" if reloads else text


def _told(node: Node) -> set[str]:
    """The receivers that the tree names."""
    return {node.receiver or ""}.union(*map(_told, node.children))


def _route(job: Job, node: Node, *, is_top: bool = False) -> dict[str, Any]:
    route: dict[str, Any] = {}
    if node.receiver is not None:
        route["receiver"] = job.receiver(node.receiver)
    if node.group_by is not None:
        route["group_by"] = list(node.group_by)
    for name in ("group_wait", "group_interval", "repeat_interval"):
        seconds = getattr(node, name)
        if seconds is not None:
            route[name] = _duration(seconds)
    matchers = job.conditions(node.matchers) if is_top else node.matchers
    if node.is_legacy:
        route["match"] = {one.name: one.value for one in matchers if one.operator == "="}
        route["match_re"] = {one.name: one.value for one in matchers if one.operator == "=~"}
    elif matchers:
        route["matchers"] = list(map(str, matchers))
    if node.goes_on:
        route["continue"] = True
    if node.muted_in:
        route["mute_time_intervals"] = list(node.muted_in)
    if node.active_in:
        route["active_time_intervals"] = list(node.active_in)
    if node.children:
        route["routes"] = [_route(job, child) for child in node.children]
    return route


def _contact(job: Job, contact: Contact, url: Callable[[str], str]) -> dict[str, Any]:
    hooks = []
    for index, hook in enumerate(contact.hooks):
        hooks.append(
            {"url": url(f"{job.name}/{contact.name}/{index}"), "send_resolved": hook.send_resolved}
            | ({"max_alerts": hook.max_alerts} if hook.max_alerts else {})
        )
    return {"name": job.receiver(contact.name), "webhook_configs": hooks}


def _rule(job: Job, rule: InhibitRule) -> dict[str, Any]:
    return {
        "source_matchers": list(map(str, job.conditions(rule.sources))),
        "target_matchers": list(map(str, job.conditions(rule.targets))),
        "equal": list(rule.equal),
    }


def _names_intervals(node: Node) -> bool:
    return bool(node.muted_in or node.active_in) or any(_names_intervals(child) for child in node.children)


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


# --- the story ------------------------------------------------------------------------------------------------------


def story(scenario: Scenario) -> str:
    """The scenario as a person would tell it, in a few lines."""
    lines = [f"seed {scenario.seed}{', alone' if scenario.is_alone else ''}"]
    lines += _tree(scenario.root, "  ")
    for contact in scenario.receivers:
        if words := [f"[{index}] {_hook(hook)}" for index, hook in enumerate(contact.hooks) if hook != Hook()]:
            lines.append(f"  receiver {contact.name}: {'; '.join(words)}")
    for rule in scenario.inhibit_rules:
        equal = f" with equal {', '.join(rule.equal)}" if rule.equal else ""
        lines.append(f"  {_all(rule.sources)} inhibits {_all(rule.targets)}{equal}")
    if scenario.is_alone:
        lines.append(f"  resolve_timeout {scenario.resolve_timeout:g} s")
    for event in scenario.events:
        match event:
            case Post():
                lines += [f"  {event.at:6.2f}  {_report(report, event.at)}" for report in event.reports]
            case PutSilence():
                span = f"from {event.starts:g} to {event.ends:g}"
                lines.append(f"  {event.at:6.2f}  silence {event.name}: {_all(event.matchers)} {span}")
            case ExpireSilence():
                lines.append(f"  {event.at:6.2f}  silence {event.name} is expired")
    for change in scenario.changes:
        lines += [f"  {change.at:6.2f}  reloaded with", *_tree(change.root, " " * 12)]
    return "\n".join(lines)


def _tree(node: Node, indent: str) -> list[str]:
    words = [_all(node.matchers) + (" (match)" if node.is_legacy else "") if node.matchers else "every alert"]
    if node.receiver is not None:
        words.append(f"to {node.receiver}")
    if node.group_by is not None:
        words.append(f"by [{', '.join(node.group_by)}]")
    for name, seconds in (
        ("wait", node.group_wait),
        ("interval", node.group_interval),
        ("repeat", node.repeat_interval),
    ):
        if seconds is not None:
            words.append(f"{name} {seconds:g}")
    words += ["continue"] * node.goes_on
    words += [f"muted in {', '.join(node.muted_in)}"] * bool(node.muted_in)
    words += [f"active in {', '.join(node.active_in)}"] * bool(node.active_in)
    lines = [indent + ", ".join(words)]
    for child in node.children:
        lines += _tree(child, indent + "  ")
    return lines


def _hook(hook: Hook) -> str:
    words = [] if hook.send_resolved else ["is not told of resolves"]
    words += [f"at most {hook.max_alerts} alerts"] * bool(hook.max_alerts)
    if hook.outage:
        words.append(f"answers {hook.outage.status} from {hook.outage.begins:g} to {hook.outage.ends:g}")
    return ", ".join(words)


def _report(report: Report, at: float) -> str:
    if report.ends is None:
        words = "fires without an end"
    elif report.ends <= at:
        words = f"resolved at {report.ends:g}"
    else:
        words = f"fires until {report.ends:g}"
    if report.starts is None:
        words += ", no start"
    elif report.starts != at:
        words += f", since {report.starts:g}"
    if report.annotations:
        words += f", says {dict(report.annotations)}"
    return f"{{{', '.join(f'{name}={value}' for name, value in report.labels)}}} {words}"


def _all(conditions: Iterable[Condition]) -> str:
    return f"{{{', '.join(map(str, conditions))}}}"
