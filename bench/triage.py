"""`python -m bench.triage`: how often each way of triage names the cause, and how long it takes.

So far over the Nezha day (`bench/nezha.py`), whose faults nobody here made.  A triager is asked five minutes after each
fault was injected, about what the metrics alone raised; it is right in top 1 if its first cause is the service that the
fault was injected into, and in top 3 if one of its three is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Protocol

from bench import nezha
from domain.labels import fingerprint
from domain.triage import Cause, Confidence, Finding, FirstLook, Onset, Question, TriageRules, claims_of

QUIET_AFTER = timedelta(minutes=20)
"""So long after the last fault the quiet part of the day begins."""


class Triages(Protocol):
    """Of the port as much as is compared here."""

    async def triage(self, question: Question) -> Finding: ...


class LoudestWins:
    """The floor to beat: the service with the highest deviation, whatever else fires."""

    async def triage(self, question: Question) -> Finding:
        """Name the three loudest, and cite nothing: it is never judged."""
        return _named(question, lambda onset: -float(onset.alert.annotations[nezha.VALUE]))


class EarliestWins:
    """The service that fired first."""

    async def triage(self, question: Question) -> Finding:
        return _named(question, lambda onset: onset.began_at.timestamp())


def _named(question: Question, key: Callable[[Onset], float]) -> Finding:
    ordered = dict.fromkeys(question.service_of(onset.alert) for onset in sorted(question.onsets, key=key))
    causes = tuple(Cause(service, Confidence.LOW, ()) for service in list(ordered)[:3])
    return Finding(question.incident.id, "baseline", causes=causes)


@dataclass(frozen=True)
class Row:
    """One way of triage, and what is kept from it."""

    name: str
    triager: Triages
    rarity: nezha.Rarity = "day"
    change: Callable[[Question], Question] = lambda question: question


@dataclass(frozen=True)
class Score:
    """What came of it."""

    first: int
    three: int
    asked: int
    seconds: float
    """Of the median finding."""
    claims: int
    struck: int
    by_confidence: Counter[tuple[Confidence, bool]]
    misses: tuple[str, ...]


def without_graph(question: Question) -> Question:
    return replace(question, rules=TriageRules())


def without_order(question: Question) -> Question:
    """Every alert begins when the incident is five minutes old less what it lasted: nothing is first."""
    since = question.now - nezha.LASTS
    return replace(
        question,
        onsets=[
            replace(one, began_at=since, ended_at=since + one.lasted(question.now), paused=timedelta(0))
            for one in question.onsets
        ],
    )


def without_names(question: Question) -> Question:
    """The names of the alerts say nothing of what they are about."""

    def blind(onset: Onset) -> Onset:
        name = "Alert" + blake2b(onset.alert.labels["alertname"].encode(), digest_size=4).hexdigest().upper()
        labels = {**onset.alert.labels, "alertname": name}
        return replace(onset, alert=replace(onset.alert, labels=labels, fingerprint=fingerprint(labels)))

    return replace(question, onsets=[blind(onset) for onset in question.onsets])


def without_severity(question: Question) -> Question:
    def mute(onset: Onset) -> Onset:
        labels = {name: value for name, value in onset.alert.labels.items() if name != "severity"}
        return replace(onset, alert=replace(onset.alert, labels=labels, fingerprint=fingerprint(labels)))

    return replace(question, onsets=[mute(onset) for onset in question.onsets])


FIRST_LOOK = Row("first look (no model)", FirstLook())

ROWS = (
    Row("highest deviation wins", LoudestWins()),
    Row("earliest wins", EarliestWins()),
    FIRST_LOOK,
    Row("  rarity by what came before", FirstLook(), "before"),
    Row("  without rarity", FirstLook(), "unknown"),
    Row("  without the call graph", FirstLook(), change=without_graph),
    Row("  without onset order", FirstLook(), change=without_order),
    Row("  without severities", FirstLook(), change=without_severity),
    Row("  without the alerts' names", FirstLook(), change=without_names),
)


async def score(
    row: Row, day: nezha.Day, *, lasts: timedelta = nezha.LASTS, deviations: float = nezha.DEVIATIONS
) -> Score:
    """Ask about each fault of the day."""
    first = three = claims = struck = 0
    seconds, misses = list[float](), list[str]()
    by_confidence: Counter[tuple[Confidence, bool]] = Counter()
    for fault in day.faults:
        question = row.change(nezha.question_at(day, fault.at, lasts=lasts, deviations=deviations, rarity=row.rarity))
        begin = time.perf_counter()
        finding = await row.triager.triage(question)
        seconds.append(time.perf_counter() - begin)
        named = [cause.service for cause in finding.causes]
        is_right = named[:1] == [fault.service]
        first += is_right
        three += fault.service in named[:3]
        claims += len(list(claims_of(finding)))
        struck += finding.struck
        if finding.causes:
            by_confidence[finding.causes[0].confidence, is_right] += 1
        if not is_right:
            misses.append(f"{fault.at:%H:%M} {fault.service} {fault.kind}: {', '.join(named) or 'nothing'}")
    return Score(first, three, len(day.faults), median(seconds), claims, struck, by_confidence, tuple(misses))


async def quiet(row: Row, day: nezha.Day) -> Counter[str]:
    """How sure it is where nothing was injected: every five minutes of the rest of the day."""
    at, end = day.faults[-1].at + QUIET_AFTER, max(one.samples[-1][0] for one in day.series)
    said: Counter[str] = Counter()
    while at + nezha.LASTS <= end:
        finding = await row.triager.triage(row.change(nezha.question_at(day, at, rarity=row.rarity)))
        said[finding.causes[0].confidence if finding.causes else "nothing"] += 1
        at += nezha.LASTS
    return said


async def run(folder: Path, *, each: bool, sensitivity: bool) -> None:
    """Print the tables."""
    day = nezha.read_day(folder)
    print(f"{'':30}  {'top 1':>7}  {'top 3':>7}  {'claims held':>12}  {'ms':>6}")
    own: Score | None = None
    for row in ROWS:
        found = await score(row, day)
        held = f"{found.claims}/{found.claims + found.struck}" if found.claims else "-"
        shares = f"{found.first:>4}/{found.asked}  {found.three:>4}/{found.asked}"
        print(f"{row.name:30}  {shares}  {held:>12}  {found.seconds * 1000:6.1f}")
        own = found if row is FIRST_LOOK else own
    assert own is not None
    print("\nHow sure the first look was, and how often right:")
    for confidence in reversed(Confidence):
        right, wrong = own.by_confidence[confidence, True], own.by_confidence[confidence, False]
        print(f"  {confidence:8} {right} of {right + wrong}")
    said = await quiet(FIRST_LOOK, day)
    print(
        "Where nothing was injected: "
        + ", ".join(f"{said[word]} {word}" for word in (*reversed(Confidence), "nothing"))
    )
    if each:
        print("\nNot right in top 1, and what was named:", *own.misses, sep="\n  ")
    if sensitivity:
        await _sensitivity(day, nezha.read_day(folder, is_clipped=False))


async def _sensitivity(day: nezha.Day, plain: nezha.Day) -> None:
    """Other thresholds and other times of asking than those that the rest is measured with."""
    print("\nOther choices (top 1, top 3): highest deviation wins; first look")
    choices: Sequence[tuple[str, timedelta, float]] = [
        *((f"{deviations:g} deviations", nezha.LASTS, deviations) for deviations in (3.0, 3.5, 4.0, 5.0, 6.0)),
        *((f"after {minutes} minutes", timedelta(minutes=minutes), nezha.DEVIATIONS) for minutes in (2, 3, 4, 6, 7)),
    ]
    for name, lasts, deviations in choices:
        floor, own = [await score(row, day, lasts=lasts, deviations=deviations) for row in (ROWS[0], FIRST_LOOK)]
        print(f"  {name:20} {floor.first:3} {floor.three:3};  {own.first:3} {own.three:3}")
    floor, own = [await score(row, plain) for row in (ROWS[0], FIRST_LOOK)]
    print(f"  {'nothing clipped away':20} {floor.first:3} {floor.three:3};  {own.first:3} {own.three:3}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=nezha.DAY, help="the folder of the Nezha day")
    parser.add_argument("--each", action="store_true", help="a line for each fault whose cause was not named first")
    parser.add_argument("--sensitivity", action="store_true", help="again with other thresholds and times")
    arguments = parser.parse_args()
    if not (arguments.data / "fault_list.json").exists():
        print(f"no Nezha day in {arguments.data}: name its folder with --data", file=sys.stderr)
        return 2
    asyncio.run(run(arguments.data, each=arguments.each, sensitivity=arguments.sensitivity))
    return 0


if __name__ == "__main__":
    sys.exit(main())
