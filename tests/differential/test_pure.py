"""The generated scenarios through the pure core: what must always hold, and what Alertmanager was recorded to page."""

from __future__ import annotations

from functools import cache

import pytest

from tests.differential import recordings
from tests.differential.comparison import compare
from tests.differential.generator import generate
from tests.differential.pure import PureStory
from tests.differential.recording import Recording
from tests.differential.scenario import ALL, RELOADS, Job, Scenario

SEEDS = 200
CHUNK = 25


@cache
def scenario(seed: int) -> Scenario:
    return generate(seed, ALL)


def play(of: Scenario) -> Recording:
    return PureStory(Job("s0", of)).play()


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_rules_hold_at_every_step_and_every_run_is_the_same(first: int) -> None:
    for seed in range(first, first + CHUNK):
        # Each step of a story checks what must always hold, and folds its event in a second time.
        once = play(scenario(seed))
        assert not compare(scenario(seed), once, once).differences, f"seed {seed}"
        if seed % 4 == 0:
            assert once == play(scenario(seed)), f"seed {seed}"


def test_the_rules_hold_over_reloads_in_both_modes() -> None:
    for seed in range(1, SEEDS, 5):
        of = generate(seed, ALL | {RELOADS})
        strict = play(of)
        assert not compare(of, strict, strict).differences, f"seed {seed}"
        PureStory(Job("s0", of), is_strict=False).play()


@pytest.mark.parametrize("name", recordings.names())
def test_the_core_pages_what_alertmanager_paged(name: str) -> None:
    recorded_of, recorded = recordings.load(name)
    found = compare(recorded_of, recorded, play(recorded_of)).differences
    assert not found, "\n".join(map(str, found))


def test_there_are_recordings() -> None:
    assert len(recordings.names()) >= 12
