"""Contender: one way of triage that is compared with others, all by the port `Triager`; and the score of one."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median

from adapters.identity import Identity
from adapters.settings import Settings
from adapters.triagers import make_triager
from bench import nezha
from domain.lifecycle import SEVERITY_LABEL, severity_rank
from domain.triage import (
    NO_MODEL,
    Allowance,
    Cause,
    Confidence,
    Exchange,
    Finding,
    FirstLook,
    Limits,
    Onset,
    Question,
    Reply,
    Triager,
    claims_of,
    judge,
)
from tests.eval.incidents import Expected


@dataclass(frozen=True)
class Contender:
    """One way of triage."""

    name: str
    triager: Triager
    allowance: Allowance = NO_MODEL
    is_rival: bool = False
    """A trivial one, which names services, cites nothing, and never says how sure it is."""


class Naming:
    """Implements `Triager` by one order of the alerts: the services of the first three."""

    def __init__(self, order: Callable[[Question], Callable[[Onset], tuple[float, ...]]]) -> None:
        self._order = order

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        """Name them, and cite nothing."""
        ordered = sorted(question.onsets, key=self._order(question))
        services = list(dict.fromkeys(question.service_of(onset.alert) for onset in ordered))
        causes = tuple(Cause(service, Confidence.LOW, ()) for service in services[:3])
        return Finding(question.incident.id, "rival", causes=causes)

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        """Nothing: a rival is not asked."""
        yield Reply(question.incident.id, "rival")


def _loudest(question: Question) -> Callable[[Onset], tuple[float, ...]]:
    """The highest deviation where there are any; else the highest severity, then whoever has most alerts."""
    times = Counter(question.service_of(onset.alert) for onset in question.onsets)

    def key(onset: Onset) -> tuple[float, ...]:
        deviation = float(onset.alert.annotations.get(nezha.VALUE, 0))
        severity = severity_rank(onset.alert.labels.get(SEVERITY_LABEL, ""))
        return -deviation, -severity, -times[question.service_of(onset.alert)], onset.began_at.timestamp()

    return key


def _earliest(question: Question) -> Callable[[Onset], tuple[float, ...]]:
    return lambda onset: (onset.began_at.timestamp(),)


LOUDEST = Contender("the loudest wins", Naming(_loudest), is_rival=True)
EARLIEST = Contender("the earliest wins", Naming(_earliest), is_rival=True)
FIRST_LOOK = Contender("first look (no model)", FirstLook())


ALLOWANCE = Allowance(True, "it is compared with others", Limits(tokens=60_000, calls=20, seconds=90))


@asynccontextmanager
async def contenders() -> AsyncIterator[Sequence[Contender]]:
    """All that the settings of this process name; those with a model are closed at the end.

    The model of `TOCSIN_MODEL` comes twice, with its reviewer and without.  What it may read is in the question:
    `rules.prometheus` has the incident's own series.
    """
    settings, identity = Settings.read(os.environ), Identity()
    ways = [LOUDEST, EARLIEST, FIRST_LOOK]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(identity.close)
        for is_reviewed in (True, False) if settings.model else ():
            triager = make_triager(settings.model_copy(update={"model_review": is_reviewed}), identity)
            stack.push_async_callback(triager.close)
            name = f"{settings.model}, {'reviewed' if is_reviewed else 'not reviewed'}"
            ways.append(Contender(name, triager, ALLOWANCE))
        yield ways


@dataclass(frozen=True)
class Asked:
    """One question, and what would be right."""

    name: str
    question: Question
    expected: Expected


@dataclass(frozen=True)
class Score:
    """What one contender made of many questions."""

    asked: int
    """Questions with a known cause."""
    first: int
    three: int
    valid: int
    """Findings that say something that stands, or why they do not; of all questions."""
    claims: int
    struck: int
    unknown: tuple[int, int]
    """Of the questions without a known cause: for how many none was named with more than low confidence."""
    changes: tuple[int, int]
    """Of the questions with a change to blame: for how many it was the one suspected."""
    blamed: int
    """Changes that were suspected, and are not to blame."""
    tokens: int
    seconds: float
    """Of the median finding."""
    by_confidence: Counter[tuple[Confidence, bool]]
    misses: tuple[str, ...]
    fallbacks: Counter[str]
    """Why a model's findings are the first look's, with how often."""
    unsupported: int
    """Claims that a triager let stand and that rest on nothing: none, or something is broken."""

    @property
    def total(self) -> int:
        """All questions."""
        return self.asked + self.unknown[1]


async def score(contender: Contender, questions: Iterable[Asked]) -> Score:
    """Ask all of them, one after the other; each finding is judged as Tocsin judges it."""
    first = three = valid = claims = struck = unknown = unknowable = changes = blamable = blamed = tokens = known = 0
    seconds, misses = list[float](), list[str]()
    by_confidence: Counter[tuple[Confidence, bool]] = Counter()
    fallbacks: Counter[str] = Counter()
    unsupported = 0
    for one in questions:
        begin = time.perf_counter()
        made = await contender.triager.triage(one.question, contender.allowance)
        seconds.append(time.perf_counter() - begin)
        found = judge(made, made.evidence, one.question)
        standing = len(list(claims_of(found)))
        if not contender.is_rival:
            unsupported += len(list(claims_of(made))) - standing
        if found.fallback:
            fallbacks[found.fallback.removesuffix(": this is the first look, without a model")] += 1
        claims, struck, tokens = claims + standing, struck + found.struck, tokens + found.usage.tokens
        valid += bool(standing or found.fallback or not one.question.onsets)
        named = made if contender.is_rival else found  # rivals cite nothing, so nothing of theirs would stand
        suspected = found.suspected_change.change if found.suspected_change else ""
        blamable += bool(one.expected.change)
        changes += bool(one.expected.change) and suspected == one.expected.change
        blamed += bool(suspected) and suspected != one.expected.change
        if not one.expected.causes:
            unknowable += 1
            unknown += all(cause.confidence is Confidence.LOW for cause in named.causes)
            continue
        known += 1
        is_right = one.expected.is_first(named)
        first += is_right
        three += one.expected.is_among(named)
        if named.causes:
            by_confidence[named.causes[0].confidence, is_right] += 1
        if not is_right:
            wanted = " and ".join("/".join(sorted(names)) for names in one.expected.causes)
            said = ", ".join(cause.service for cause in named.causes[:3]) or "nothing"
            misses.append(f"{one.name}: {wanted}; named: {said}")
    return Score(
        known,
        first,
        three,
        valid,
        claims,
        struck,
        (unknown, unknowable),
        (changes, blamable),
        blamed,
        tokens,
        median(seconds),
        by_confidence,
        tuple(misses),
        fallbacks,
        unsupported,
    )
