"""Shrinking: the scenarios that are one step simpler than a given one, the boldest steps first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.differential.generator import settle
from tests.differential.scenario import Hook, Node, Post, Scenario


def simpler(scenario: Scenario) -> Iterator[Scenario]:
    """Each can be judged (`Grid.problems`) and none is the given one; none twice."""
    seen = {scenario}
    for candidate in _steps(scenario):
        settled = settle(candidate)
        if settled not in seen and settled.events:
            seen.add(settled)
            yield settled


def _steps(scenario: Scenario) -> Iterator[Scenario]:
    alerts = list(
        dict.fromkeys(report.labels for event in scenario.events if isinstance(event, Post) for report in event.reports)
    )
    for alert in alerts if len(alerts) > 1 else []:
        yield _without_alert(scenario, alert)
    count = len(scenario.events)
    for begin, end in ((0, count // 2), (count // 2, count)):
        yield replace(scenario, events=scenario.events[:begin] + scenario.events[end:])
    for number in range(count):
        yield replace(scenario, events=scenario.events[:number] + scenario.events[number + 1 :])
    for number, event in enumerate(scenario.events):
        if isinstance(event, Post) and len(event.reports) > 1:
            for place in range(len(event.reports)):
                fewer = replace(event, reports=event.reports[:place] + event.reports[place + 1 :])
                yield replace(scenario, events=(*scenario.events[:number], fewer, *scenario.events[number + 1 :]))
    for number in range(len(scenario.inhibit_rules)):
        rules = scenario.inhibit_rules[:number] + scenario.inhibit_rules[number + 1 :]
        yield replace(scenario, inhibit_rules=rules)
    for root in _simpler_nodes(scenario.root):
        yield replace(scenario, root=root)
    for number, contact in enumerate(scenario.receivers):
        for simple in ((Hook(),), contact.hooks[:1], tuple(replace(hook, outage=None) for hook in contact.hooks)):
            others = list(scenario.receivers)
            others[number] = replace(contact, hooks=simple)
            yield replace(scenario, receivers=tuple(others))


def _without_alert(scenario: Scenario, alert: object) -> Scenario:
    events = []
    for event in scenario.events:
        if isinstance(event, Post):
            event = replace(event, reports=tuple(report for report in event.reports if report.labels != alert))
            if not event.reports:
                continue
        events.append(event)
    return replace(scenario, events=tuple(events))


def _simpler_nodes(node: Node) -> Iterator[Node]:
    for number, child in enumerate(node.children):
        before, after = node.children[:number], node.children[number + 1 :]
        yield replace(node, children=before + after)
        if child.children:
            yield replace(node, children=before + child.children + after)
        for simple in _simpler_nodes(child):
            yield replace(node, children=(*before, simple, *after))
    plain = replace(node, is_legacy=False, muted_in=(), active_in=())
    if plain != node:
        yield plain
    if node.group_by is not None and node.matchers:
        yield replace(node, group_by=None)
