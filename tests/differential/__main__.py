"""The long run: `uv run python -m tests.differential --seeds 200`; some three minutes.

Prints each scenario in which the two systems differ, shrunk to a short story, and ends with 1; 0 when none does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.differential import recordings
from tests.differential.campaign import SIDES, Campaign, DisturbedError, Verdict, azure_campaign
from tests.differential.scenario import ALL, MUTING, RELOADS, SHARED_LOGS, TODAY, story
from tests.differential.systems import NotReadyError

BATCH = 144
"""So many seeds are run before the next ones are begun: three shared pairs of servers, and those that are alone."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--seeds", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument(
        "--features",
        default="all",
        help=f"`today`, `muting`, `all`, or some of {', '.join(sorted({*ALL, RELOADS, SHARED_LOGS}))} (default all)",
    )
    parser.add_argument("--against", choices=("self", "tocsin"), default="tocsin", help="`self`: Alertmanager")
    parser.add_argument("--home", choices=("sqlite", "azure"), default="sqlite", help="of Tocsin (default sqlite)")
    parser.add_argument("--no-shrink", action="store_true", help="print what differs as it was generated")
    parser.add_argument("--timeline", action="store_true", help="print what both paged, too")
    parser.add_argument("--record", action="store_true", help="only keep what Alertmanager pages, for test_pure.py")
    options = parser.parse_args(arguments)
    against = "self" if options.record else options.against
    features = _features(options.features)
    is_azure = against == "tocsin" and options.home == "azure"
    campaign = azure_campaign(features, _tell) if is_azure else Campaign(SIDES[against], features, _tell)
    seeds = range(options.first, options.first + options.seeds)
    try:
        if options.record:
            return _record(campaign, seeds, options.features)
        return _compare(campaign, seeds, options)
    except (DisturbedError, NotReadyError) as error:
        _tell(f"no verdict: {error}")
        return 2


def _record(campaign: Campaign, seeds: Sequence[int], features: str) -> int:
    for verdict in campaign.judge(seeds):
        assert not verdict.comparison.differences, f"seed {verdict.scenario.seed} differs from itself"
        _tell(f"kept {recordings.keep(f'{features}-{verdict.scenario.seed}', verdict.scenario, verdict.oracle)}")
    return 0


def _compare(campaign: Campaign, seeds: Sequence[int], options: argparse.Namespace) -> int:
    began_at = time.monotonic()
    failed: list[Verdict] = []
    allowed: Counter[str] = Counter()
    pages = 0
    worst = 0.0
    for at in range(0, len(seeds), BATCH):
        for verdict in campaign.judge(seeds[at : at + BATCH]):
            allowed += verdict.comparison.allowed
            pages += len(verdict.oracle.pages)
            worst = max(worst, verdict.comparison.spread)
            if verdict.comparison.differences:
                failed.append(verdict)
    for verdict in failed:
        shown = verdict if options.no_shrink else campaign.shrink(verdict)
        _tell(f"\n{'=' * 100}\n{story(shown.scenario)}\n")
        for difference in shown.comparison.differences[:12]:
            _tell(f"  DIFFERS {difference}")
        if options.timeline:
            _tell(shown.timeline())
    _tell(
        f"\n{len(seeds)} seeds in {time.monotonic() - began_at:.0f} s: {pages} pages of the oracle, whose spread was "
        f"{1000 * worst:.0f} ms; {len(failed)} seeds differ {[one.scenario.seed for one in failed] or ''}"
    )
    for name, count in sorted(allowed.items()):
        _tell(f"  let pass {count:6} × {name}")
    return int(bool(failed))


def _tell(words: str) -> None:
    print(words, flush=True)


def _features(text: str) -> frozenset[str]:
    known = {"today": TODAY, "all": ALL | {RELOADS}, "muting": MUTING}
    features: frozenset[str] = frozenset()
    for name in text.split(","):
        features |= known.get(name, frozenset({name}))
    if unknown := features - ALL - {RELOADS, SHARED_LOGS}:
        sys.exit(f"no such features: {', '.join(sorted(unknown))}")
    return features


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
