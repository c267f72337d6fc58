"""Scenarios: what the generator promises, and the model of groups and ticks that it leans on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from tests.differential.generator import generate, settle
from tests.differential.grid import Grid, places
from tests.differential.scenario import (
    ALL,
    MUTING,
    READER,
    RELOADS,
    TODAY,
    Change,
    Condition,
    Contact,
    ExpireSilence,
    Hook,
    Job,
    LabelSet,
    Node,
    Outage,
    Post,
    PutSilence,
    Report,
    Scenario,
    label_set,
    render,
    story,
)
from tests.differential.shrinking import simpler

DISK = label_set({"alertname": "DiskFull", "instance": "1"})
OTHER = label_set({"alertname": "DiskFull", "instance": "2"})
ROOT = Node(receiver="team", group_by=("alertname",), group_wait=0.5, group_interval=2.0, repeat_interval=7.5)


def scenario(*events: Post, root: Node = ROOT, hook: Hook | None = None) -> Scenario:
    return Scenario(1, root, (Contact("team", (hook or Hook(),)),), events, 22.0)


def fires(
    at: float, labels: tuple[tuple[str, str], ...] = DISK, ends: float = 90.0, starts: float | None = None
) -> Post:
    return Post(at, (Report(labels, at if starts is None else starts, ends),))


def resolved(at: float, labels: LabelSet = DISK, starts: float = 0.0) -> Post:
    return Post(at, (Report(labels, starts, at),))


@pytest.mark.parametrize("features", [TODAY, ALL, TODAY - {"refires"}, MUTING], ids=["today", "all", "few", "muting"])
def test_a_seed_is_one_scenario_that_can_be_judged(features: frozenset[str]) -> None:
    for seed in range(60):
        one = generate(seed, features)
        assert one == generate(seed, features)
        assert not Grid(one).problems()
        assert READER.validate_json(READER.dump_json(one)) == one
        assert f"seed {seed}" in story(one)


def test_no_event_is_within_a_quarter_of_a_second_of_a_tick() -> None:
    for seed in range(100):
        one = generate(seed)
        for group in Grid(one).groups:
            moments = {version.at for history in group.versions.values() for version in history}
            assert all(abs(tick - at) >= 0.25 for tick in group.ticks for at in moments if at != group.begins)


def test_what_a_scenario_uses_was_asked_for() -> None:
    for seed in range(60):
        one = generate(seed, TODAY - {"continue", "siblings", "timeouts", "failing", "refusing"})
        assert not one.is_muting
        assert all(hook.outage is None for contact in one.receivers for hook in contact.hooks)
        assert all(
            report.ends is not None for event in one.events if isinstance(event, Post) for report in event.reports
        )


def test_scenarios_that_share_servers_are_told_apart_by_a_label() -> None:
    jobs = [Job("s1", generate(1)), Job("s2", generate(2))]
    document = yaml.safe_load(render(jobs, lambda path: f"http://receiver/{path}"))
    assert [route["matchers"] for route in document["route"]["routes"]] == [
        ['scenario="warm-up"'],
        ['scenario="s1"'],
        ['scenario="s2"'],
    ]
    assert len({receiver["name"] for receiver in document["receivers"]}) == len(document["receivers"])


def test_stories_about_reloads() -> None:
    stories = [generate(seed, ALL | {RELOADS}) for seed in range(1, 200, 5)]
    for one in stories:
        assert one == generate(one.seed, ALL | {RELOADS})
        assert READER.validate_json(READER.dump_json(one)) == one
        assert story(one).count("reloaded with") == len(one.changes) == 2
        for root in one.roots:
            groups = Grid(replace(one, root=root, changes=())).groups
            assert all(len(group.versions) == 1 for group in groups), "with two, Alertmanager differs from itself"
        ends = {report.ends for event in one.events if isinstance(event, Post) for report in event.reports}
        moments = {event.at for event in one.events} | ends
        assert not any(change.at - 2 < moment <= change.at for change in one.changes for moment in moments if moment)
    assert generate(2, ALL | {RELOADS}) == generate(2, ALL)


def test_a_reload_changes_the_text_and_names_only_who_is_told() -> None:
    one = replace(generate(1, ALL | {RELOADS}), changes=(Change(7.5, replace(ROOT, receiver="boss")),))
    before, after = [render([Job("s1", one)], str, reloads=number) for number in range(2)]
    assert [receiver["name"] for receiver in yaml.safe_load(after)["receivers"]] == ["nobody", "warm-up", "s1.boss"]
    assert before != after
    same = replace(one, changes=(Change(7.5, one.root),))
    assert render([Job("s1", same)], str, reloads=1) != render([Job("s1", same)], str)


def test_a_simpler_scenario_can_be_judged_and_is_another_one() -> None:
    one = generate(3, ALL)
    candidates = list(simpler(one))
    assert len(candidates) > 5
    assert one not in candidates
    assert all(not Grid(candidate).problems() for candidate in candidates)


@pytest.mark.parametrize(
    ("events", "ticks"),
    [
        pytest.param((fires(0),), (0.5, 2.5, 4.5), id="after group_wait, then every group_interval"),
        pytest.param((fires(1), fires(2, OTHER)), (1.5, 3.5, 5.5), id="who joins moves nothing"),
        pytest.param((fires(0.5, starts=-60),), (0.5, 2.5, 4.5), id="an old alert at once"),
    ],
)
def test_ticks(events: tuple[Post, ...], ticks: tuple[float, ...]) -> None:
    (group,) = Grid(scenario(*events)).groups
    assert group.ticks[:3] == ticks


@pytest.mark.parametrize(
    ("refired_at", "is_aligned"),
    [pytest.param(6.0, True, id="both grids agree"), pytest.param(7.0, False, id="the old one is later")],
)
def test_a_reopening(refired_at: float, is_aligned: bool) -> None:
    (group,) = Grid(scenario(fires(0), resolved(3), fires(refired_at))).groups
    (reopening,) = group.reopenings
    assert reopening.is_aligned is is_aligned


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((fires(0), fires(2.5)), id="a report at a tick"),
        pytest.param((fires(0, ends=2.4),), id="an end beside a tick"),
        pytest.param((fires(0, OTHER), fires(0.5, starts=-60)), id="an old start among others"),
        pytest.param((fires(0), resolved(3), fires(7), resolved(8, starts=7)), id="too soon after the grids part"),
    ],
)
def test_what_cannot_be_judged_is_left_out(events: tuple[Post, ...]) -> None:
    one = scenario(*events)
    assert Grid(one).problems()
    assert not Grid(settle(one)).problems()


def test_an_outage_allows_no_reopening() -> None:
    refires = scenario(fires(0), resolved(3), fires(6), hook=Hook(outage=Outage(0, 4, 400)))
    assert settle(refires).events == (fires(0), resolved(3))


@pytest.mark.parametrize(
    ("repeat", "is_kept"),
    [pytest.param(40.5, True, id="nothing is repeated"), pytest.param(7.5, False, id="a repeat could make it news")],
)
def test_what_resolved_under_a_silence_may_refire_into_its_emptied_group(repeat: float, is_kept: bool) -> None:
    silence = PutSilence(1.0, "s1", (Condition("instance", "=", "1"),), 1.0, 5.0)
    refires = scenario(fires(0), resolved(3), fires(9), root=replace(ROOT, repeat_interval=repeat))
    refires = replace(refires, events=(refires.events[0], silence, *refires.events[1:]))
    assert (fires(9) in settle(refires).events) is is_kept


def test_a_silence_that_is_left_out_takes_its_end_along() -> None:
    silence = PutSilence(0.5, "s1", (Condition("instance", "=", "1"),), 0.5, 9.0)
    one = replace(scenario(fires(0)), events=(fires(0), silence, ExpireSilence(5.0, "s1")))
    assert settle(one).events == (fires(0),)


def test_places_are_found_as_alertmanager_routes() -> None:
    leaf = Node(matchers=(Condition("instance", "=~", "1|2"),), receiver="db", group_by=("...",))
    first = Node(matchers=(Condition("alertname", "=", "DiskFull"),), goes_on=True, is_legacy=True)
    root = replace(ROOT, children=(first, leaf, replace(leaf, receiver="late")))
    found = places(scenario(root=root), dict(DISK))
    assert [(place.key, place.receiver) for place in found] == [
        ('{}/{alertname="DiskFull"}', "team"),
        ('{}/{instance=~"1|2"}', "db"),
    ]
