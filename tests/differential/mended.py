"""Mended: in which scenarios Tocsin by its own rules pages otherwise than under `compat: strict`, and through what.

Both play the same scenario through the pure core.  What a lease or an old start brings about is known by taking that
out of the scenario: leases by having the source say that it is over when it is, old starts by making them new.  What is
left is known by the trail: it must have been forgotten there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.groups import ReasonCode
from domain.labels import fingerprint
from domain.routing import GroupId
from tests.builders import NOON
from tests.differential.grid import histories
from tests.differential.intended import LONGER_LEASE, NEW_START, RESOLVED_MUTED, SILENCE_ENDED, Mend
from tests.differential.pure import PureStory
from tests.differential.recording import Page
from tests.differential.scenario import Event, Job, Post, Report, Scenario


@dataclass(frozen=True)
class Odd:
    """A page that only one of the two modes sends."""

    page: Page
    is_strict: bool

    def __str__(self) -> str:
        mode = "strict" if self.is_strict else "mended"
        return f"only {mode} pages {self.page.path} {self.page.group_key}: {self.page.words()}"


@dataclass(frozen=True)
class Explanation:
    causes: frozenset[Mend]
    unexplained: tuple[str, ...]


def explain(scenario: Scenario) -> Explanation:
    """Through which mends the scenario is told otherwise than under strict compatibility."""
    causes: set[Mend] = set()
    both = _Both(scenario)
    for mend, without in ((NEW_START, with_new_starts), (LONGER_LEASE, with_resolves)):
        if both.odd and (other := without(both.scenario)) != both.scenario:
            before, both = both, _Both(other)
            if list(map(str, before.odd)) != list(map(str, both.odd)):
                causes.add(mend)
    unexplained = []
    seen: set[str] = set()
    for one in both.odd:
        if cause := both.cause(one, is_first=one.page.group_key not in seen):
            causes.add(cause)
        else:
            unexplained.append(str(one))
        seen.add(one.page.group_key)
    return Explanation(frozenset(causes), tuple(unexplained))


class _Both:
    """One scenario in both modes."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.job = Job("s0", scenario)
        self.histories = histories(scenario)
        self.strict, self.mended = [PureStory(self.job, is_strict=is_strict) for is_strict in (True, False)]
        ours, theirs = self.strict.play().pages, self.mended.play().pages
        known = [{_content(page) for page in pages} for pages in (ours, theirs)]
        odd = [Odd(page, True) for page in ours if _content(page) not in known[1]]
        odd += [Odd(page, False) for page in theirs if _content(page) not in known[0]]
        self.odd = sorted(odd, key=lambda one: one.page.at)

    def cause(self, one: Odd, *, is_first: bool) -> Mend | None:
        """What made only one of the modes send this page, as the trail tells; None if that tells nothing.

        The first odd page of a group must itself be about what was forgotten.  From then on the logs differ, and with
        them when something is repeated.
        """
        page = one.page
        firing = {self._name(alert["labels"]) for alert in page.body["alerts"] if alert["status"] == "firing"}
        forgotten = self._forgotten(page)
        if forgotten and (not is_first or one.is_strict or forgotten.keys() & firing):
            about = forgotten.keys() & firing or forgotten.keys()
            return RESOLVED_MUTED if any(forgotten[name] for name in about) else SILENCE_ENDED
        return None

    def _forgotten(self, page: Page) -> dict[str, bool]:
        """What had been forgotten in the group until the page came, and whether it was over then."""
        at = NOON + timedelta(seconds=page.at)
        found: dict[str, bool] = {}
        for entry in self.mended.groups[self._group_id(page)].entries:
            for reason in entry.reasons:
                if reason.code is ReasonCode.FORGOTTEN and entry.at <= at:
                    found |= {name: self._was_over(name, entry.at) for name in reason.fingerprints}
        return found

    def _group_id(self, page: Page) -> GroupId:
        known = self.strict.group_ids | self.mended.group_ids
        return known[page.path, page.group_key]

    def _was_over(self, name: str, at: datetime) -> bool:
        seconds = (at - NOON) / timedelta(seconds=1)
        history = next(history for labels, history in self.histories.items() if self._name(dict(labels)) == name)
        return [version for version in history if version.at <= seconds][-1].ends <= seconds

    def _name(self, labels: Mapping[str, str]) -> str:
        return fingerprint(self.job.labels(labels.items()))


def _content(page: Page) -> tuple[object, ...]:
    """What the receiver heard; the reason that is given for it may be another one."""
    body = {name: value for name, value in page.body.items() if name != "notification_reason"}
    return page.at, page.path, page.is_taken, json.dumps(body, sort_keys=True)


# --- without some mends ---------------------------------------------------------------------------------------------


def with_resolves(scenario: Scenario) -> Scenario:
    """The same, but what ends because nobody vouches for it any more is reported as resolved then."""
    added: list[Event] = []
    for labels, history in histories(scenario).items():
        for number, version in enumerate(history):
            following = history[number + 1].at if number + 1 < len(history) else scenario.horizon
            if version.at < version.ends <= following:
                added.append(Post(version.ends, (Report(labels, version.starts, version.ends),)))
    # Whatever else happens at that moment finds it over.
    return replace(scenario, events=tuple(sorted((*added, *scenario.events), key=lambda event: event.at)))


def with_new_starts(scenario: Scenario) -> Scenario:
    """The same, but all that is reported began at that moment.

    What was reported at half a second, as an alert that flushes at once, comes earlier by as much: group_wait then ends
    where no event stands.
    """
    events = []
    for event in scenario.events:
        if isinstance(event, Post):
            at = event.at - 0.5 if event.at % 1.0 == 0.5 else event.at
            event = replace(event, at=at, reports=tuple(_begun(report, at) for report in event.reports))
        events.append(event)
    return replace(scenario, events=tuple(sorted(events, key=lambda event: event.at)))


def _begun(report: Report, at: float) -> Report:
    if report.ends is not None and report.ends <= at:
        return replace(report, starts=at, ends=at)
    return replace(report, starts=max(report.starts, at)) if report.starts is not None else report
