"""Shrinking, without servers: strict and Tocsin's own rules differ, and a short story is left that shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.differential.campaign import SIDES, Campaign, Verdict
from tests.differential.comparison import compare
from tests.differential.pure import PureStory
from tests.differential.scenario import ALL, Job, Scenario, story


class PureCampaign(Campaign):
    """Plays strict for the oracle and Tocsin's own rules for the subject."""

    def _run(self, scenarios: Sequence[Scenario]) -> list[Verdict]:
        verdicts = []
        for scenario in scenarios:
            oracle, subject = [
                PureStory(Job("s0", scenario), is_strict=is_strict).play() for is_strict in (True, False)
            ]
            verdicts.append(Verdict(scenario, oracle, subject, compare(scenario, oracle, subject)))
        return verdicts


def test_what_differs_is_shrunk_to_a_short_story() -> None:
    campaign = PureCampaign(SIDES["self"], ALL)
    verdict = next(one for seed in range(100) for one in campaign.judge([seed]) if one.comparison.differences)
    shrunk = campaign.shrink(verdict)
    assert shrunk.comparison.differences
    assert len(shrunk.scenario.events) <= 5, story(shrunk.scenario)
