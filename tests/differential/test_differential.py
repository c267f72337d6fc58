"""The differential run: Tocsin (strict) and Debian's Alertmanager 0.25, the same scenarios at the same moments.

One test and not one for each seed: the scenarios run side by side, for they only wait, and share their servers.
`TOCSIN_DIFFERENTIAL_SEEDS` says how many, `TOCSIN_DIFFERENTIAL_AZURE_SEEDS` how many on the stand-ins for Cosmos DB and
Service Bus; `python -m tests.differential` is the same with more to choose.  It measures time, so many seeds are best
run with nothing beside them: `pytest -n0 tests/differential/test_differential.py`.
"""

from __future__ import annotations

import os

import pytest

from tests.differential.campaign import SIDES, Campaign, Verdict, azure_campaign
from tests.differential.scenario import ALL, RELOADS, story

SEEDS = int(os.environ.get("TOCSIN_DIFFERENTIAL_SEEDS", "10"))
AZURE_SEEDS = int(os.environ.get("TOCSIN_DIFFERENTIAL_AZURE_SEEDS", str(min(SEEDS, 4))))

pytestmark = [pytest.mark.needs("prometheus-alertmanager"), pytest.mark.timeout(900)]


@pytest.mark.skipif(SEEDS == 0, reason="TOCSIN_DIFFERENTIAL_SEEDS is 0")
def test_tocsin_pages_what_alertmanager_pages() -> None:
    _check(Campaign(SIDES["tocsin"], ALL | {RELOADS}), SEEDS)


@pytest.mark.skipif(AZURE_SEEDS == 0, reason="TOCSIN_DIFFERENTIAL_AZURE_SEEDS is 0")
def test_tocsin_on_azure_pages_what_alertmanager_pages() -> None:
    _check(azure_campaign(ALL), AZURE_SEEDS)


def _check(campaign: Campaign, seeds: int) -> None:
    failed = [verdict for verdict in campaign.judge(range(seeds)) if verdict.comparison.differences]
    if failed:
        simplest = campaign.shrink(min(failed, key=lambda one: len(story(one.scenario))))
        seeds_failed = [verdict.scenario.seed for verdict in failed]
        pytest.fail(f"seeds {seeds_failed} differ; the simplest, shrunk:\n{_words(simplest)}", pytrace=False)


def _words(verdict: Verdict) -> str:
    differences = "\n".join(f"  DIFFERS {difference}" for difference in verdict.comparison.differences[:12])
    return f"{story(verdict.scenario)}\n\n{differences}\n\n{verdict.timeline()}"
