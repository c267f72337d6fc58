"""Campaign: seeds to verdicts; runs, compares, runs again what the machine disturbed, and shrinks what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tests.differential.comparison import AZURE_TOLERANCE, MOST_SPREAD, TOLERANCE, Comparison, compare
from tests.differential.generator import generate
from tests.differential.recording import Recording
from tests.differential.run import AZURE_CELLS, AZURE_SHARING, CELLS, SHARING, Side, run
from tests.differential.scenario import Job, Scenario
from tests.differential.shrinking import simpler
from tests.differential.systems import Alertmanager, Tocsin, tocsin_on_azure

SIDES: dict[str, tuple[Side, Side]] = {
    "tocsin": (Alertmanager, Tocsin),
    "azure": (Alertmanager, tocsin_on_azure),
    "self": (Alertmanager, Alertmanager),
}

MOST_LATENESS = 0.1
"""A harness that is later than this has not pushed at the moments of the scenario."""
MOST_STARVATION = 0.1
"""A server that had to wait longer than this for a processor may page late for that reason alone."""
ATTEMPTS = 4
MOST_ROUNDS = 12


class DisturbedError(Exception):
    """The machine was too busy to run the scenarios at their moments, again and again."""


@dataclass(frozen=True)
class Verdict:
    scenario: Scenario
    oracle: Recording
    subject: Recording
    comparison: Comparison

    @property
    def disturbance(self) -> str:
        """Why the machine was too busy for this run to say anything; empty when it was not."""
        both = (self.oracle, self.subject)
        found = {
            "the harness was late": max(one.lateness for one in both) / MOST_LATENESS,
            "a server had to wait for a processor": max(one.starvation for one in both) / MOST_STARVATION,
            "the oracle spread": self.comparison.spread / MOST_SPREAD,
        }
        worst = max(found, key=lambda name: found[name])
        return f"{worst}, {found[worst]:.1f} times as long as may be" if found[worst] > 1 else ""

    @property
    def is_late_only(self) -> bool:
        return self.is_late() and not self.is_wrong()

    def is_late(self) -> bool:
        return any(difference.is_lateness for difference in self.comparison.differences)

    def is_wrong(self) -> bool:
        """Whether it differs in more than the time, within a tick, at which a page came."""
        return any(not difference.is_lateness for difference in self.comparison.differences)

    def timeline(self) -> str:
        """What both sides paged, stream by stream."""
        ours, theirs = self.oracle.streams(), self.subject.streams()
        lines = []
        for path, key in sorted({*ours, *theirs}):
            lines.append(f"  {path} {key}")
            for name, streams in (("oracle ", ours), ("subject", theirs)):
                lines.append(f"    {name}: {' | '.join(page.words() for page in streams.get((path, key), []))}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Campaign:
    sides: tuple[Side, Side]
    features: frozenset[str]
    tell: Callable[[str], None] = lambda words: None
    tolerance: float = TOLERANCE
    sharing: int = SHARING
    at_once: int = CELLS

    def judge(self, seeds: Iterable[int]) -> list[Verdict]:
        """A verdict for each seed.

        Raises:
            DisturbedError: The machine was too busy, each time.
        """
        return self.judge_all([generate(seed, self.features) for seed in seeds])

    def judge_all(self, scenarios: Sequence[Scenario]) -> list[Verdict]:
        """A verdict for each scenario, in their order.

        Who agrees on a busy machine agrees.  What differs on one runs again, and so does what is only late: a subject
        that is late by its nature is so each time.  How often that happened is told.

        Raises:
            DisturbedError: Something differs, and the machine was too busy each time.
        """
        verdicts: dict[int, Verdict] = {}
        left = dict(enumerate(scenarios))
        for attempt in range(ATTEMPTS):
            is_last = attempt == ATTEMPTS - 1
            reasons: dict[str, list[int]] = {}
            last_seen: list[str] = []
            for number, verdict in zip(list(left), self._run(list(left.values())), strict=True):
                seed = verdict.scenario.seed
                if verdict.comparison.differences and verdict.disturbance:
                    reasons.setdefault(verdict.disturbance, []).append(seed)
                    last_seen += map(str, verdict.comparison.differences[:2])
                elif is_last or not verdict.is_late_only:
                    verdicts[number] = verdict
                    del left[number]
                else:
                    reasons.setdefault("it was only late", []).append(seed)
            if not left:
                break
            words = "; ".join(f"seeds {seeds}, for {reason}" for reason, seeds in reasons.items())
            if is_last:
                raise DisturbedError("\n  ".join([f"they differ, on too busy a machine: {words}", *last_seen[:20]]))
            self.tell(f"run again: {words}")
        return [verdicts[number] for number in sorted(verdicts)]

    def _run(self, scenarios: Sequence[Scenario]) -> list[Verdict]:
        jobs = [Job(f"s{number}", scenario) for number, scenario in enumerate(scenarios)]
        recordings = run(jobs, self.sides, sharing=self.sharing, at_once=self.at_once)
        verdicts = []
        for job in jobs:
            oracle, subject = recordings[job.name]
            comparison = compare(job.scenario, oracle, subject, tolerance=self.tolerance)
            verdicts.append(Verdict(job.scenario, oracle, subject, comparison))
        return verdicts

    def shrink(self, verdict: Verdict) -> Verdict:
        """The simplest scenario found that still differs; each round tries many at once, and each of them once."""
        wanted = Verdict.is_late if verdict.is_late_only else Verdict.is_wrong
        if verdict.scenario.is_alone:
            (again,) = self._run([replace(verdict.scenario, is_alone=False)])
            if not wanted(again):
                return verdict
            verdict = again
        for number in range(MOST_ROUNDS):
            candidates = list(simpler(verdict.scenario))[: 2 * self.sharing]
            failing = [one for one in self._run(candidates) if wanted(one)] if candidates else []
            words = f"{len(failing)} of {len(candidates)} simpler ones differ"
            self.tell(f"shrinking seed {verdict.scenario.seed}, round {number + 1}: {words}")
            if not failing:
                break
            verdict = min(failing, key=lambda one: size(one.scenario))
        return verdict


def azure_campaign(features: frozenset[str], tell: Callable[[str], None] = lambda words: None) -> Campaign:
    """Tocsin on the stand-ins for Cosmos DB and Service Bus."""
    return Campaign(SIDES["azure"], features, tell, AZURE_TOLERANCE, AZURE_SHARING, AZURE_CELLS)


def size(scenario: Scenario) -> int:
    """How much there is to read."""
    return len(repr(scenario))
