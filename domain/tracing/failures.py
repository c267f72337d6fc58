"""Failures: who should have heard of an alert and has not; what failed alike is told once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.explaining import clock
from domain.tracing.evidence import Evidence
from domain.tracing.life import Outcome, Sent
from domain.tracing.words import answer_words, joined

_SECONDS = re.compile(r"\d[\d.]* s\b")


def folded(deliveries: Iterable[Sent]) -> list[tuple[Sent, ...]]:
    """The deliveries in their order, each by itself; but failures of one integration that say the same are one.

    Another outcome of that integration in between keeps them apart.
    """
    found: list[list[Sent]] = []
    running: dict[int, list[Sent]] = {}
    for sent in deliveries:
        run = running.get(sent.integration)
        if run is not None and _alike(run[-1], sent):
            run.append(sent)
        else:
            found.append([sent])
            running[sent.integration] = found[-1]
    return [tuple(run) for run in found]


def _alike(one: Sent, other: Sent) -> bool:
    return (
        one.is_missed
        and one.outcome is other.outcome
        and one.is_about_it == other.is_about_it
        and _same(one.answer, other.answer)
    )


def _same(one: str, other: str) -> bool:
    """Whether two answers say the same; how long each was waited for does not count."""
    return one == other or _SECONDS.sub("", one) == _SECONDS.sub("", other)


def unreached(evidence: Evidence) -> list[tuple[Sent, ...]]:
    """For each integration whose last delivery about the alert did not arrive: those since the last one that did."""
    runs: dict[int, list[Sent]] = {}
    for sent in evidence.life.sent:
        if not sent.is_about_it or sent.outcome is Outcome.UNDER_WAY:
            continue
        run = runs.setdefault(sent.integration, [])
        if sent.is_missed:
            run.append(sent)
        else:
            run.clear()
    return [tuple(runs[number]) for number in sorted(runs) if runs[number]]


def missed_words(evidence: Evidence) -> str:
    """Who was not told, how often that was tried, and why it failed; empty where nothing failed."""
    alike: dict[str, list[str]] = {}
    for run in unreached(evidence):
        called = evidence.called(run[-1].integration)
        alike.setdefault(_words(evidence, run, called), []).append(called)
    return joined([f"{joined(who)} {words}" for words, who in alike.items()])


def _words(evidence: Evidence, run: Sequence[Sent], called: str) -> str:
    last = run[-1]
    answer = answer_words(last.answer, called) or "no reason given"
    if not all(_same(last.answer, sent.answer) for sent in run):
        answer = f"at last: {answer}"
    told = [sent for sent in evidence.life.told if sent.integration == last.integration]
    heard = f"; told last at {_clock(told[-1], evidence.now)}" if told else ""
    return f"(tried {times(run, evidence.now)}: {answer}{heard})"


def times(run: Sequence[Sent], now: datetime) -> str:
    """When it was tried: `at 09:01:02`, or `41 times from 09:01:02 to 09:03:40`."""
    if len(run) == 1:
        return f"at {_clock(run[0], now)}"
    return f"{len(run)} times from {_clock(run[0], now)} to {_clock(run[-1], now)}"


def _clock(sent: Sent, now: datetime) -> str:
    return clock(sent.settled_at or sent.at, now)
