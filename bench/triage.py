"""`python -m bench.triage`: how often each way of triage names the cause, what it cites, and what it takes.

Over two sets.  The evaluation set (`tests/eval/incidents`) was made here, its causes are known because they were
written; a third of it is held out.  The Nezha day (`bench/nezha.py`) was made by others: each fault that was injected
is asked about five minutes later, with what the metrics alone raised.  A triager is right in top 1 if the first cause
that it names is a right one, in top 3 if all right ones are among its three.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import nezha
from bench.triagers import FIRST_LOOK, LOUDEST, Asked, Contender, Score, contenders, score
from domain.labels import fingerprint
from domain.triage import Confidence, Onset, PrometheusSource, Question, TriageRules
from tests.eval.incidents import Case, Expected, read_cases
from tests.eval.prometheus import serving

QUIET_AFTER = timedelta(minutes=20)
"""So long after the last fault the quiet part of the day begins."""

EARLIER = (timedelta(seconds=0), timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2))
"""Also asked so long after an incident opened: half a minute is Alertmanager's `group_wait`."""


# --- what is kept from a triager -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Without:
    """The same question, less one thing that it tells."""

    name: str
    change: Callable[[Question], Question]


def without_graph(question: Question) -> Question:
    return replace(question, rules=replace(question.rules, calls=TriageRules().calls))


def without_order(question: Question) -> Question:
    """Every alert begins when the first one did, and has fired as long as it had: nothing is first."""
    since = min((one.began_at for one in question.onsets), default=question.now)
    return replace(
        question,
        onsets=[
            replace(one, began_at=since, ended_at=since + one.lasted(question.now), paused=timedelta(0))
            for one in question.onsets
        ],
    )


def without_names(question: Question) -> Question:
    """The names of the alerts say nothing of what they are about."""
    return _relabelled(question, alertname=_hashed)


def without_severity(question: Question) -> Question:
    return _relabelled(question, severity=lambda _: "")


def without_rarity(question: Question) -> Question:
    return replace(question, onsets=[replace(onset, usual=0.0) for onset in question.onsets])


def _hashed(name: str) -> str:
    return "Alert" + blake2b(name.encode(), digest_size=4).hexdigest().upper()


def _relabelled(question: Question, **changes: Callable[[str], str]) -> Question:
    def other(onset: Onset) -> Onset:
        labels = {
            name: changes[name](value) if name in changes else value for name, value in onset.alert.labels.items()
        }
        return replace(onset, alert=replace(onset.alert, labels=labels, fingerprint=fingerprint(labels)))

    return replace(question, onsets=[other(onset) for onset in question.onsets])


WITHOUT = (
    Without("without rarity", without_rarity),
    Without("without the call graph", without_graph),
    Without("without onset order", without_order),
    Without("without severities", without_severity),
    Without("without the alerts' names", without_names),
)


# --- the two sets ----------------------------------------------------------------------------------------------------


def of_cases(cases: Sequence[Case], since: timedelta | None = None) -> list[Asked]:
    """The questions of the evaluation set, as they are meant to be asked, or at another age of the incident."""
    return [
        Asked(case.name, case.question if since is None else case.question_after(since), case.expected)
        for case in cases
    ]


def with_metrics(cases: Sequence[Case]) -> Iterator[Asked]:
    """The same, each with a Prometheus that has the incident's series for as long as it is asked about.

    Raises:
        FileNotFoundError: There is no Prometheus on this machine: on PATH, or where PROMETHEUS and PROMTOOL say.
    """
    found = {name: shutil.which(os.environ.get(name.upper(), name)) for name in ("prometheus", "promtool")}
    if not all(found.values()):
        raise FileNotFoundError(f"a model reads metrics: {found}")
    programs = {name: Path(path or "") for name, path in found.items()}
    for case in cases:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            url = stack.enter_context(serving(case, folder, programs["prometheus"], programs["promtool"]))
            question = case.question
            rules = replace(question.rules, prometheus=PrometheusSource(url))
            yield Asked(case.name, replace(question, rules=rules), case.expected)


def of_day(
    day: nezha.Day,
    *,
    lasts: timedelta = nezha.LASTS,
    deviations: float = nezha.DEVIATIONS,
    rarity: nezha.Rarity = "day",
) -> list[Asked]:
    """A question about each fault of the day."""
    return [
        Asked(
            f"{fault.at:%H:%M} {fault.kind}",
            nezha.question_at(day, fault.at, lasts=lasts, deviations=deviations, rarity=rarity),
            Expected([frozenset({fault.service})]),
        )
        for fault in day.faults
    ]


def changed(questions: Sequence[Asked], without: Without) -> list[Asked]:
    return [replace(one, question=without.change(one.question)) for one in questions]


# --- the tables ------------------------------------------------------------------------------------------------------


def _head(title: str) -> str:
    return "\n" + _line(title, "valid", "claims held", "top 1", "top 3", "unknown", "tokens", "ms")


def _row(name: str, found: Score, *, is_rival: bool = False) -> str:
    tops = [f"{found.first}/{found.asked}", f"{found.three}/{found.asked}"]
    took = [str(found.tokens), f"{found.seconds * 1000:.1f}"]
    if is_rival:
        return _line(name, "-", "-", *tops, "-", *took)
    unknown = "{}/{}".format(*found.unknown) if found.unknown[1] else "-"
    return _line(
        name, f"{found.valid}/{found.total}", f"{found.claims}/{found.claims + found.struck}", *tops, unknown, *took
    )


def _line(name: str, *cells: str) -> str:
    return "  ".join([f"{name:32}", *(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))])


def _fallbacks(found: Score) -> str:
    """How many findings are a model's own, why the others are not, and what should never be there."""
    own = found.total - found.fallbacks.total()
    why = [f"    {count} x {reason}" for reason, count in found.fallbacks.most_common()]
    return "\n".join(
        [f"    {own} of {found.total} by the model; {found.unsupported} unsupported claims survived", *why]
    )


_WIDTHS = (7, 12, 7, 7, 7, 7, 7)


def _sureness(found: Score) -> str:
    said = []
    for confidence in reversed(Confidence):
        right, wrong = found.by_confidence[confidence, True], found.by_confidence[confidence, False]
        said.append(f"{confidence} {right} of {right + wrong}")
    return f"How sure the first look was, and how often right: {', '.join(said)}."


async def some(ways: Sequence[Contender], most: int) -> None:
    """So many incidents, spread over the open part: what a slow model has time for."""
    cases = [case for case in read_cases() if not case.is_held_out]
    chosen = cases[:: max(1, len(cases) // most)][:most]
    print(_head(f"evaluation set, {len(chosen)} open ones"))
    for way in ways:
        found = await score(way, with_metrics(chosen) if way.allowance.is_asked else of_cases(chosen))
        print(_row(way.name, found, is_rival=way.is_rival), flush=True)
        if way.allowance.is_asked:
            print(_fallbacks(found), flush=True)


async def evaluation(ways: Sequence[Contender], *, each: bool) -> None:
    """The evaluation set: open and held out apart, for the rules alone also with less and earlier."""
    cases = read_cases()
    parts = {
        "evaluation set, open": [case for case in cases if not case.is_held_out],
        "evaluation set, held out": [case for case in cases if case.is_held_out],
    }
    for title, part in parts.items():
        print(_head(title))
        for way in ways:
            asked = with_metrics(part) if way.allowance.is_asked else iter(of_cases(part))
            found = await score(way, asked)
            print(_row(way.name, found, is_rival=way.is_rival))
            if way.allowance.is_asked:
                print(_fallbacks(found))
            if each and way is FIRST_LOOK:
                print(*(f"    {miss}" for miss in found.misses), sep="\n")
    print(_head("first look, whole set"))
    whole = await score(FIRST_LOOK, of_cases(cases))
    print(_row("as it is", whole))
    for without in WITHOUT:
        print(_row(f"  {without.name}", await score(FIRST_LOOK, changed(of_cases(cases), without))))
    for since in EARLIER:
        print(_row(f"  asked after {since.seconds} s", await score(FIRST_LOOK, of_cases(cases, since))))
    print(_sureness(whole))
    right, blamable = whole.changes
    print(
        f"The change to blame was suspected {right} times of {blamable}; {whole.blamed} others were suspected wrongly."
    )


async def nezha_day(ways: Sequence[Contender], folder: Path, *, each: bool, sensitivity: bool) -> None:
    """The Nezha day, for the rules alone also with less."""
    day = nezha.read_day(folder)
    print(_head("Nezha day"))
    own: Score | None = None
    for way in ways:
        found = await score(way, of_day(day))
        print(_row(way.name, found, is_rival=way.is_rival))
        own = found if way is FIRST_LOOK else own
    before = await score(FIRST_LOOK, of_day(day, rarity="before"))
    print(_row("  rarity by what came before", before))
    for without in WITHOUT:
        print(_row(f"  {without.name}", await score(FIRST_LOOK, changed(of_day(day), without))))
    if own is not None:
        print(_sureness(own))
        if each:
            print("Not right in top 1, and what was named:", *own.misses, sep="\n    ")
    said = await _quiet(day)
    counts = ", ".join(f"{said[word]} {word}" for word in (*reversed(Confidence), "nothing"))
    print(f"Where nothing was injected: {counts}")
    if sensitivity:
        await _sensitivity(day, nezha.read_day(folder, is_clipped=False))


async def _quiet(day: nezha.Day) -> Counter[str]:
    """How sure the first look is where nothing was injected: every five minutes of the rest of the day."""
    at, end = day.faults[-1].at + QUIET_AFTER, max(one.samples[-1][0] for one in day.series)
    said: Counter[str] = Counter()
    while at + nezha.LASTS <= end:
        finding = await FIRST_LOOK.triager.triage(nezha.question_at(day, at))
        said[finding.causes[0].confidence if finding.causes else "nothing"] += 1
        at += nezha.LASTS
    return said


async def _sensitivity(day: nezha.Day, plain: nezha.Day) -> None:
    """Other thresholds and other times of asking than those that the rest is measured with."""
    print("\nOther choices (top 1, top 3): the loudest wins; first look")
    choices: Sequence[tuple[str, list[Asked]]] = [
        *(
            (f"{deviations:g} deviations", of_day(day, deviations=deviations))
            for deviations in (3.0, 3.5, 4.0, 5.0, 6.0)
        ),
        *((f"after {minutes} minutes", of_day(day, lasts=timedelta(minutes=minutes))) for minutes in (2, 3, 4, 6, 7)),
        ("nothing clipped away", of_day(plain)),
    ]
    for name, asked in choices:
        floor, own = [await score(way, asked) for way in (LOUDEST, FIRST_LOOK)]
        print(f"  {name:20} {floor.first:3} {floor.three:3};  {own.first:3} {own.three:3}")


async def run(arguments: argparse.Namespace) -> None:
    """Print the tables."""
    async with contenders() as ways:
        if arguments.only:
            await some(ways, arguments.only)
            return
        await evaluation(ways, each=arguments.each)
        if (arguments.data / "fault_list.json").exists():
            await nezha_day(ways, arguments.data, each=arguments.each, sensitivity=arguments.sensitivity)
        else:
            print(f"\nNo Nezha day in {arguments.data}: name its folder with --data", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=nezha.DAY, help="the folder of the Nezha day")
    parser.add_argument("--each", action="store_true", help="a line for each question whose cause was not named first")
    parser.add_argument("--only", type=int, metavar="N", help="N incidents of the open part, and nothing else")
    parser.add_argument("--sensitivity", action="store_true", help="the Nezha day with other thresholds and times")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
