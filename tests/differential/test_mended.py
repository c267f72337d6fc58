"""Tocsin by its own rules beside `compat: strict`: whatever they tell otherwise has a cause that is listed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.differential import intended, mended
from tests.differential.generator import generate
from tests.differential.intended import MENDED, Mend
from tests.differential.mended import explain
from tests.differential.pure import PureStory
from tests.differential.recording import Recording
from tests.differential.scenario import (
    ALL,
    Condition,
    Contact,
    Event,
    Hook,
    InhibitRule,
    LabelSet,
    Node,
    Post,
    PutSilence,
    Report,
    Scenario,
    label_set,
    story,
)

SEEDS = 200
CHUNK = 25

ONE = label_set({"alertname": "DiskFull", "instance": "1"})
TWO = label_set({"alertname": "Outage", "instance": "2"})
"""In a group of its own."""


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_what_is_told_otherwise_has_a_listed_cause(first: int) -> None:
    for seed in range(first, first + CHUNK):
        scenario = generate(seed, ALL)
        unexplained = explain(scenario).unexplained
        assert not unexplained, "\n".join([story(scenario), *unexplained])


def told(
    *events: Event, rules: Sequence[InhibitRule] = (), repeat: float = 40.5, sends_resolved: bool = True
) -> Scenario:
    """One route that flushes at 0.5, 2.5, 4.5 and so on."""
    root = Node((), "team", ("alertname",), 0.5, 2.0, repeat)
    return Scenario(1, root, (Contact("team", (Hook(sends_resolved),)),), events, 22.0, tuple(rules))


def fires(at: float, labels: LabelSet = ONE, ends: float = 90.0, starts: float | None = None) -> Post:
    return Post(at, (Report(labels, at if starts is None else starts, ends),))


def resolved(at: float, labels: LabelSet = ONE, starts: float = 0.0) -> Post:
    return Post(at, (Report(labels, starts, at),))


def silenced(begins: float, ends: float, instance: str = "1") -> PutSilence:
    return PutSilence(begins, "s1", (Condition("instance", "=", instance),), begins, ends)


INHIBITION = InhibitRule((Condition("instance", "=", "2"),), (Condition("instance", "=", "1"),), ())


@pytest.mark.parametrize(
    ("scenario", "causes"),
    [
        pytest.param(told(fires(0), resolved(5), fires(8)), set(), id="nothing but alerts"),
        pytest.param(told(fires(0), silenced(1, 5)), {intended.SILENCE_ENDED}, id="fires on after a silence"),
        pytest.param(told(silenced(0, 5), fires(1)), set(), id="silenced before anybody was told"),
        pytest.param(told(fires(0), silenced(3, 4)), set(), id="a silence that no flush saw"),
        pytest.param(
            told(fires(0), silenced(1, 6), resolved(3), fires(8)), {intended.RESOLVED_MUTED}, id="resolved under it"
        ),
        pytest.param(
            told(fires(0), fires(1, TWO), resolved(3), resolved(5, TWO, 1), fires(8), rules=[INHIBITION]),
            {intended.RESOLVED_MUTED},
            id="resolved while it was inhibited",
        ),
        pytest.param(told(fires(0), fires(1, TWO), resolved(5, TWO, 1), rules=[INHIBITION]), set(), id="inhibited"),
        pytest.param(told(fires(0.5, starts=-60)), {intended.NEW_START}, id="older than group_wait"),
        pytest.param(
            told(fires(0), fires(1), resolved(7), repeat=1.5),
            set(),
            id="repeated, and resolved",
        ),
        pytest.param(
            told(fires(0), silenced(1, 9), resolved(9.25), repeat=3.5),
            set(),
            id="an entry that has expired and is not collected yet",
        ),
        pytest.param(told(fires(0, ends=6)), {intended.LONGER_LEASE}, id="nobody vouches for it any more"),
        pytest.param(told(fires(0, ends=6), resolved(5)), set(), id="said to be over before"),
    ],
)
def test_the_cause_is_found(scenario: Scenario, causes: set[Mend]) -> None:
    explanation = explain(scenario)
    assert explanation.causes == causes
    assert not explanation.unexplained


def test_what_has_no_cause_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(PureStory):
        def play(self) -> Recording:
            recording = super().play()
            return recording if self.is_strict else Recording(recording.pages[:-1])

    monkeypatch.setattr(mended, "PureStory", Forgetful)
    explanation = explain(told(fires(0), resolved(5)))
    assert not explanation.causes
    assert explanation.unexplained == (
        'only strict pages team/0 {}:{alertname="DiskFull"}: 6.50 {alertname=DiskFull,instance=1} resolved',
    )


def test_every_mend_has_a_name_and_a_reason() -> None:
    assert len({one.name for one in MENDED}) == len(MENDED)
    assert all(one.reason.endswith(".") for one in MENDED)
