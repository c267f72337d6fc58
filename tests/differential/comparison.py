"""Comparison: two recordings of one scenario in, their differences in words out; pure.

Pages are compared within a *stream*: one webhook and one group.  There each page of one side must have its like on the
other, in the same order and at the same time.  What is let pass is named by an `Allowance`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from tests.differential import listings
from tests.differential.grid import Grid, Rules
from tests.differential.intended import (
    IGNORED_FIELDS,
    OLD_GRID,
    REPEAT_TICK,
    RETRY_MOMENT,
    STAMPED,
    Allowance,
)
from tests.differential.recording import NO_END, Page, Recording
from tests.differential.scenario import Outage, Scenario

TOLERANCE = 0.150
"""How much a page may come beside the oracle's, beyond the oracle's own spread."""
AZURE_TOLERANCE = 0.500
"""The same for Tocsin on the stand-ins of Cosmos DB and Service Bus; still less than the second between two ticks.

A page is four round trips of the SDKs there, which share two cores with three servers: 50 to 100 ms, so 16 of 20 seeds
keep to 150 ms.  The first page of a process, which opens its links, came up to 190 ms after the oracle's, and those
that follow a reload, where all groups move at once, up to 470 ms.
"""
MOST_SPREAD = 0.150
"""An oracle that spreads more than this runs on a machine that is too busy to compare anything."""
RETRY_SLACK = 6.0
"""How long after the end of a failure the next attempt comes, at most."""
STAMP_SLACK = 0.5
BODY_TICK = 0.5
OFF_GRID = 0.4


@dataclass(frozen=True)
class Difference:
    path: str
    group_key: str
    words: str
    is_lateness: bool = False
    """Everything is right but the time, and that by less than a tick: a busy machine does it too."""

    def __str__(self) -> str:
        return f"{self.path} {self.group_key}: {self.words}" if self.path else self.words


@dataclass
class Comparison:
    """What was found, and what was let pass how often."""

    differences: list[Difference] = field(default_factory=list)
    allowed: Counter[str] = field(default_factory=Counter)
    spread: float = 0.0

    def allow(self, allowance: Allowance) -> None:
        self.allowed[allowance.name] += 1


def compare(scenario: Scenario, oracle: Recording, subject: Recording, *, tolerance: float = TOLERANCE) -> Comparison:
    """What the subject did otherwise than the oracle."""
    result = Comparison(spread=spread(scenario, oracle))
    tolerance += min(result.spread, MOST_SPREAD)
    rules = Grid(scenario).rules()
    if oracle.answers and subject.answers and oracle.answers != subject.answers:
        pairs = zip(scenario.events, oracle.answers, subject.answers, strict=True)
        for event, one, other in pairs:
            if one != other:
                words = f"{event.kind} at {event.at:g} was answered {one} by the oracle, {other} by the subject"
                result.differences.append(Difference("", "", words))
    if oracle.listings and subject.listings:
        shown = listings.unlike(scenario, oracle.listings, subject.listings, result.allow)
        result.differences += [Difference("", "", words) for words in shown]
    ours, theirs = oracle.streams(), subject.streams()
    for path, key in sorted({*ours, *theirs}):
        stream = _Stream(
            path,
            key,
            # A group that the model does not know has no freedom at all, and the words say so.
            rules.get((path.rpartition("/")[0], key), Rules(interval=1.0)),
            scenario.hook(path).outage,
            scenario.horizon,
            tolerance,
            result,
        )
        if (path.rpartition("/")[0], key) not in rules:
            stream.say("the model knows no such group")
        stream.compare(ours.get((path, key), []), theirs.get((path, key), []))
    return result


def spread(scenario: Scenario, recording: Recording) -> float:
    """By how much the pages come after their ticks, which all are at half seconds, at worst.

    A page that is farther from any tick is not late but unforeseen, and for the comparison to judge.
    """
    lags = [_lag(page) for page in recording.pages if not _is_failing(scenario.hook(page.path).outage)]
    return max((lag for lag in lags if lag < OFF_GRID), default=0.0)


def _lag(page: Page) -> float:
    return (page.at - 0.5) % 1.0


@dataclass
class _Stream:
    path: str
    key: str
    rules: Rules
    outage: Outage | None
    horizon: float
    tolerance: float
    result: Comparison

    def say(self, words: str) -> None:
        self.result.differences.append(Difference(self.path, self.key, words))

    def compare(self, oracle: Sequence[Page], subject: Sequence[Page]) -> None:
        if _is_failing(self.outage):
            # How often one tries is not compared, only what gets through.
            oracle, subject = [[page for page in side if page.is_taken] for side in (oracle, subject)]
        oracle, subject = _ordered(oracle), _ordered(subject)
        for page in oracle:
            if _lag(page) >= OFF_GRID and not self._is_retried(page):
                self.say(f"the oracle paged where the model knows no tick: {page.words()}")
        parted = self.rules.parted_at
        if parted is not None:
            late = [[page for page in side if page.at >= parted] for side in (oracle, subject)]
            oracle, subject = [[page for page in side if page.at < parted] for side in (oracle, subject)]
            self._compare_loosely(late[0], late[1])
        if self.rules.is_repeat_vague:
            self._compare_vaguely(oracle, subject)
        else:
            self._compare_exactly(oracle, subject)

    # --- exactly ----------------------------------------------------------------------------------------------------

    def _compare_exactly(self, oracle: Sequence[Page], subject: Sequence[Page]) -> None:
        for one, other in self._paired(oracle, subject):
            if one is None:
                assert other is not None
                self.say(f"only the subject paged: {other.words()}")
            elif other is None:
                self.say(f"only the oracle paged: {one.words()}")
            else:
                self._compare_pages(one, other)

    def _paired(self, oracle: Sequence[Page], subject: Sequence[Page]) -> Iterator[tuple[Page | None, Page | None]]:
        """Pages that belong to one tick; ticks of a group are a second apart or more."""
        ours, theirs = list(oracle), list(subject)
        while ours or theirs:
            if not theirs or (ours and ours[0].at < theirs[0].at - self._reach(ours[0])):
                yield ours.pop(0), None
            elif not ours or theirs[0].at < ours[0].at - self._reach(theirs[0]):
                yield None, theirs.pop(0)
            else:
                yield ours.pop(0), theirs.pop(0)

    def _reach(self, page: Page) -> float:
        return RETRY_SLACK if self._is_retried(page) else BODY_TICK

    def _is_retried(self, page: Page) -> bool:
        outage = self.outage
        return outage is not None and _is_failing(outage) and 0.0 <= page.at - outage.ends <= RETRY_SLACK

    def _compare_pages(self, one: Page, other: Page) -> None:
        late = other.at - one.at
        if abs(late) > self.tolerance:
            if self._is_retried(one) and self._is_retried(other):
                self.result.allow(RETRY_MOMENT)
            else:
                words = f"{one.words()}: the subject is {abs(late):.3f} s {'later' if late > 0 else 'earlier'}"
                self.result.differences.append(Difference(self.path, self.key, words, is_lateness=True))
        self._compare_bodies(one, other)

    def _compare_bodies(self, one: Page, other: Page) -> None:
        if one.is_taken != other.is_taken:
            self.say(f"{one.words()}: the subject came at {other.at:.2f} and was answered otherwise")
        for words in _unlike(one.body, other.body, "", self.result):
            self.say(f"{one.words()}: {words}")

    # --- repeats at one tick or the next ----------------------------------------------------------------------------

    def _compare_vaguely(self, oracle: Sequence[Page], subject: Sequence[Page]) -> None:
        """News must agree exactly; between two pieces of news a repeat may come a tick later than on the other side."""
        ours, theirs = _chapters(oracle), _chapters(subject)
        self._compare_exactly([one.news for one in ours if one.news], [one.news for one in theirs if one.news])
        if len(ours) != len(theirs):
            return  # it is said already
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            following = ours[number + 1].news if number + 1 < len(ours) else None
            self._compare_repeats(one, other, following.at if following else self.horizon)

    def _compare_repeats(self, one: _Chapter, other: _Chapter, ends: float) -> None:
        ours, theirs = one.gaps(), other.gaps()
        for (page, gap), (their_page, their_gap) in zip(ours, theirs, strict=False):
            if abs(gap - their_gap) == self.rules.interval:
                self.result.allow(REPEAT_TICK)
            elif gap != their_gap:
                self.say(f"repeats {page.words()} and {their_page.words()}: after {gap} s and {their_gap} s")
            if _tick(page) == _tick(their_page):
                self._compare_pages(page, their_page)
        for longer, shorter, name in ((ours, theirs, "oracle"), (theirs, ours, "subject")):
            if len(longer) > len(shorter):
                page, gap = longer[len(shorter)]
                begins = shorter[-1][0].at if shorter else (other if name == "oracle" else one).begins
                if begins is None or begins + gap + self.rules.interval < ends - self.tolerance:
                    self.say(f"only the {name} repeated: {page.words()}")
                else:
                    self.result.allow(REPEAT_TICK)

    # --- on two grids -----------------------------------------------------------------------------------------------

    def _compare_loosely(self, oracle: Sequence[Page], subject: Sequence[Page]) -> None:
        """The same news in the same order, each within the slack of the two grids; repeats are not compared."""
        ours, theirs = [[one.news for one in _chapters(side) if one.news] for side in (oracle, subject)]
        slack = self.rules.slack + self.tolerance
        for one, other in zip(ours, theirs, strict=False):
            if abs(one.at - other.at) > self.tolerance:
                if abs(one.at - other.at) <= slack:
                    self.result.allow(OLD_GRID)
                else:
                    self.say(f"{one.words()}: the subject came at {other.at:.2f}, on another grid and too far away")
            self._compare_bodies(one, replace(other, is_taken=one.is_taken))
        for longer, shorter, name in ((ours, theirs, "oracle"), (theirs, ours, "subject")):
            for page in longer[len(shorter) :]:
                if page.at + slack < self.horizon:
                    self.say(f"only the {name} paged: {page.words()}")


@dataclass
class _Chapter:
    """A piece of news, and its repeats until the next one."""

    news: Page | None
    repeats: list[Page] = field(default_factory=list)

    @property
    def begins(self) -> float | None:
        return self.news.at if self.news else None

    def gaps(self) -> list[tuple[Page, int]]:
        """Each repeat, and how long its tick came after that of the page before it."""
        pages = ([self.news] if self.news else []) + self.repeats
        return [(page, _tick(page) - _tick(before)) for before, page in pairwise(pages)]


def _chapters(pages: Sequence[Page]) -> list[_Chapter]:
    """A page is news where an alert is new in it, or newly resolved (DD-3, DD-4, DD-6); otherwise it is a repeat."""
    chapters: list[_Chapter] = []
    firing: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()
    for page in pages:
        is_news = not page.firing <= firing or not page.resolved <= resolved or (not page.firing and firing)
        if is_news or not chapters:
            chapters.append(_Chapter(page))
        else:
            chapters[-1].repeats.append(page)
        firing, resolved = page.firing, page.resolved
    return chapters


def _tick(page: Page) -> int:
    """The tick that the page came with: they all are at half seconds."""
    return int(page.at)


def _ordered(pages: Sequence[Page]) -> list[Page]:
    """By time; the pages of twins, which come at one tick, by their content."""
    return sorted(pages, key=lambda page: (_tick(page), repr(page.body["alerts"])))


def _is_failing(outage: Outage | None) -> bool:
    return outage is not None and outage.status >= 500


# --- bodies ---------------------------------------------------------------------------------------------------------


def _unlike(one: Any, other: Any, name: str, result: Comparison) -> Iterator[str]:
    """In what the two values differ, deep inside, in words."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            if not name and key in IGNORED_FIELDS:
                result.allow(IGNORED_FIELDS[key])
            elif (key in one) is not (key in other):
                yield f"only the {'oracle' if key in one else 'subject'} has {name}{key}"
            else:
                yield from _unlike(one[key], other[key], f"{name}{key}.", result)
    elif name == "alerts." and isinstance(one, list) and isinstance(other, list):
        yield from _unlike_alerts(one, other, result)
    elif one != other:
        if name in {"startsAt.", "endsAt."} and _is_stamped(one, other):
            result.allow(STAMPED)
        else:
            yield f"{name.rstrip('.')} is {one!r} for the oracle, {other!r} for the subject"


def _unlike_alerts(ours: list[Any], theirs: list[Any], result: Comparison) -> Iterator[str]:
    names = [[(one["status"], one["labels"]) for one in side] for side in (ours, theirs)]
    if names[0] != names[1]:
        yield f"the alerts are {_listed(ours)} for the oracle, {_listed(theirs)} for the subject"
        return
    for one, other in zip(ours, theirs, strict=True):
        for words in _unlike_alert(one, other, result):
            yield f"of {_listed([one])}, {words}"


def _unlike_alert(one: Mapping[str, Any], other: Mapping[str, Any], result: Comparison) -> Iterator[str]:
    for key in {**one, **other}:
        yield from _unlike({key: one.get(key)}[key], other.get(key), f"{key}.", result)


def _listed(alerts: Sequence[Mapping[str, Any]]) -> str:
    words = [f"{one['status']} {','.join(f'{n}={v}' for n, v in one['labels'].items())}" for one in alerts]
    return f"[{'; '.join(words)}]"


def _is_stamped(one: Any, other: Any) -> bool:
    """Whether both are instants that a server's clock gave, for nobody posts such fractions."""
    try:
        moments = [float(str(text).removesuffix("Z")) for text in (one, other) if text != NO_END]
    except ValueError:
        return False
    return (
        len(moments) == 2
        and abs(moments[0] - moments[1]) <= STAMP_SLACK
        and all(round(moment, 2) != moment for moment in moments)
    )
