"""Inhibition across groups (rule 14, IH-1 to IH-5): tables, stories, and documents held against a full scan."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alerts import TOMBSTONE_RETENTION, Alert, combine, lease_end
from domain.groups import GroupState, ReasonCode, Tick, Wanted
from domain.incidents import decide
from domain.inhibition import (
    LAPSED_SOURCE_RETENTION,
    InhibitRule,
    Source,
    SourceKey,
    Sources,
    source_reports,
    with_reports,
)
from domain.labels import Fingerprint, Labels, fingerprint
from domain.muting import OPEN, muting, source_keys
from domain.situations import Situation
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.domain.story import Answer, Story, configuration, read, shifted

LONG = 24 * HOUR
PLAIN = configuration()
FIRST = "(first notification)"

CRITICAL = "{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [cluster]}"


def inhibiting(*rules: str, base: str = PLAIN) -> str:
    """A configuration with these rules, each in YAML's flow style."""
    return base + "inhibit_rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


PAIR = inhibiting("{source_matchers: [role=source], target_matchers: [role=target], equal: [cluster]}")
"""Sources and targets are in one group of alertname DiskFull, unless they say otherwise."""


def labelled(labels: Labels, *status: Any, **changes: Any) -> Alert:
    """A report with these labels."""
    return alert(*status, **(changes | dict(labels)))


def fire(story: Story, name: str, labels: Labels, **changes: Any) -> Story:
    """The source reports that an alert with these labels fires."""
    return story.fire(name, **(changes | dict(labels)))


def documents(alerts: Sequence[Alert], rules: Sequence[InhibitRule], now: datetime = NOON) -> dict[SourceKey, Sources]:
    kept: dict[SourceKey, Sources] = {}
    for one in alerts:
        for key, reports in source_reports([one], rules).items():
            kept[key] = with_reports(kept.get(key, {}), reports, now)
    return kept


def found_source(
    target: Labels, kept: Mapping[SourceKey, Sources], situation: Situation, at: datetime
) -> tuple[InhibitRule, Fingerprint] | None:
    """What the documents say inhibits an alert with these labels."""
    read_by_point = {key: kept.get(key, {}) for key in source_keys([target], situation)}
    found = muting(target, at, OPEN, situation, read_by_point)
    return (found.rule, found.source.alert.fingerprint) if found.rule and found.source else None


# --- who inhibits whom (IH-1 to IH-4) -------------------------------------------------------------------------------

BROAD = (
    "{source_matchers: ['severity=~\"critical|warning\"'], target_matchers: ['severity=~\"warning|info\"'],"
    " equal: [cluster]}"
)
ALIKE = "{source_matchers: [alertname=Down], target_matchers: [alertname=Down], equal: [cluster]}"
BARE = "{source_matchers: [severity=critical], target_matchers: [severity=warning]}"


@pytest.mark.parametrize(
    ("rule", "source", "target", "expected"),
    [
        pytest.param(CRITICAL, "critical a", "warning a", True, id="both sides match, the values are equal"),
        pytest.param(CRITICAL, "critical a", "warning b", False, id="other values"),
        pytest.param(CRITICAL, "info a", "warning a", False, id="no source"),
        pytest.param(CRITICAL, "critical a", "info a", False, id="no target"),
        pytest.param(CRITICAL, "warning a", "critical a", False, id="the other way round"),
        pytest.param(CRITICAL, "critical -", "warning -", True, id="missing on both sides is equal (IH-2)"),
        pytest.param(CRITICAL, "critical -", "warning a", False, id="missing in the source only"),
        pytest.param(CRITICAL, "critical a", "warning -", False, id="missing in the target only"),
        pytest.param(CRITICAL, "critical ''", "warning -", True, id="empty in the source is missing (IH-2)"),
        pytest.param(CRITICAL, "critical -", "warning ''", True, id="empty in the target is missing (IH-2)"),
        pytest.param(BARE, "critical a", "warning b", True, id="nothing need be equal: any source inhibits (IH-4)"),
        pytest.param(BROAD, "critical a", "warning a", True, id="a one-sided source mutes a two-sided target"),
        pytest.param(BROAD, "warning a", "info a", True, id="a two-sided source mutes a one-sided target"),
        pytest.param(BROAD, "warning a", "warning a", False, id="two-sided alerts leave each other alone (IH-3)"),
        pytest.param(BROAD, "critical a", "info a", True, id="one-sided both"),
        pytest.param(ALIKE, "x a", "x a", False, id="whoever matches both sides does not mute himself (IH-3)"),
    ],
)
def test_who_inhibits_whom(rule: str, source: str, target: str, expected: bool) -> None:
    situation = Situation(read(inhibiting(rule)), NOON)

    def labels(text: str, instance: str) -> dict[str, str]:
        severity, cluster = text.split()
        pairs = {"alertname": "Down", "severity": severity, "instance": instance}
        return pairs if cluster == "-" else pairs | {"cluster": cluster.strip("'")}

    firing = labelled(labels(source, "source"))
    kept = documents([firing], situation.configuration.inhibit_rules)
    found = found_source(labels(target, "target"), kept, situation, NOON)
    assert (found is not None) is expected
    assert found is None or found[1] == firing.fingerprint
    brute = scan(labels(target, "target"), [firing], situation.configuration.inhibit_rules)
    assert brute is expected, "the test's own scan is right about it as well"


@pytest.mark.parametrize(
    ("same", "expected"),
    [
        pytest.param("cluster=a namespace=b", True, id="all of several labels are equal"),
        pytest.param("cluster=a namespace=c", False, id="one of them differs"),
        pytest.param("cluster=ab namespace=", False, id="what one lacks the other does not make up for"),
        pytest.param("namespace=a cluster=b", False, id="each name has its own value"),
    ],
)
def test_all_equal_labels_count(same: str, expected: bool) -> None:
    rule = "{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [namespace, cluster]}"
    situation = Situation(read(inhibiting(rule)), NOON)
    kept = documents([alert(severity="critical", cluster="a", namespace="b")], situation.configuration.inhibit_rules)
    labels = {"severity": "warning"} | dict(pair.split("=") for pair in same.split())
    assert (found_source(labels, kept, situation, NOON) is not None) is expected


def test_rules_are_tried_in_order_and_the_first_hit_is_reported() -> None:
    first, second = (f"{{name: {name}, {BARE[1:]}" for name in ("first", "second"))
    rules = inhibiting("{name: elsewhere, source_matchers: [severity=critical], target_matchers: [x=y]}", first, second)
    situation = Situation(read(rules), NOON)
    firing = [alert(severity="critical", instance=name, at=NOON + number * SECOND) for number, name in enumerate("ba")]
    kept = documents(firing, situation.configuration.inhibit_rules)
    found = found_source({"severity": "warning"}, kept, situation, NOON)
    assert found is not None
    assert found[0].name == "first"
    assert found[1] == firing[0].fingerprint, "of several sources the one that fires the longest"


@pytest.mark.parametrize(
    ("at", "is_strict", "expected"),
    [
        pytest.param(NOON, False, True, id="fires"),
        pytest.param(NOON + 4 * MINUTE, False, True, id="at the end of its lease: re-sends may have been absorbed"),
        pytest.param(NOON + 6 * MINUTE - SECOND, False, True, id="just before half a lease later"),
        pytest.param(NOON + 6 * MINUTE, False, False, id="half a lease later"),
        pytest.param(NOON + 4 * MINUTE - SECOND, True, True, id="strict: just before its end"),
        pytest.param(NOON + 4 * MINUTE, True, False, id="strict: at its end"),
    ],
)
def test_a_source_inhibits_as_long_as_its_lease_lasts(at: datetime, is_strict: bool, expected: bool) -> None:
    situation = Situation(read(PAIR), NOON, is_strict)
    kept = documents([alert(role="source", lease=4 * MINUTE)], situation.configuration.inhibit_rules)
    assert (found_source({"role": "target"}, kept, situation, at) is not None) is expected


def test_a_source_lives_on_for_a_lease_after_an_outage() -> None:
    situation = Situation(read(PAIR), NOON + HOUR)
    kept = documents([alert(role="source", lease=4 * MINUTE)], situation.configuration.inhibit_rules)
    assert found_source({"role": "target"}, kept, situation, NOON + HOUR + 4 * MINUTE - SECOND)
    assert not found_source({"role": "target"}, kept, situation, NOON + HOUR + 4 * MINUTE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(CRITICAL, BARE, id="other equal labels"),
        pytest.param(CRITICAL, CRITICAL.replace("=warning", "!=warning"), id="another operator"),
        pytest.param(
            "{source_matchers: [a=b], target_matchers: [c=d], equal: [e]}",
            "{source_matchers: [a=b, c=d], equal: [e]}",
            id="a matcher on the other side",
        ),
    ],
)
def test_each_rule_has_its_own_documents(one: str, other: str) -> None:
    rules = read(inhibiting(one, other)).inhibit_rules
    assert len({rule.key({"cluster": "a"}) for rule in rules}) == 2


def test_a_document_is_the_same_under_any_configuration_that_leaves_its_rule_alone() -> None:
    (rule,) = read(inhibiting(CRITICAL)).inhibit_rules
    named = "{name: x, " + CRITICAL[1:].replace("[cluster]", "[cluster, cluster]")
    (_, same) = read(inhibiting(BARE, named)).inhibit_rules
    assert rule.key({"cluster": "a", "other": "x"}) == same.key({"cluster": "a"})


# --- what one document keeps ----------------------------------------------------------------------------------------


def source(*status: Any, is_two_sided: bool = False, **changes: Any) -> Source:
    return Source(alert(*status, role="source", **changes), is_two_sided)


def test_the_door_tells_of_sources_only_and_leaves_out_their_annotations() -> None:
    rules = read(inhibiting(CRITICAL, BARE, BROAD)).inhibit_rules
    told = source_reports(
        [alert(severity="critical", annotations={"text": "x"}), alert(severity="none"), alert(severity="warning")],
        rules,
    )
    assert sorted(len(sources) for sources in told.values()) == [1, 1, 2], "BROAD has both as sources"
    assert all(not one.alert.annotations for sources in told.values() for one in sources)
    assert {one.is_two_sided for one in told[rules[2].key({})]} == {True, False}


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_reports_may_come_in_any_order_and_again(order: Sequence[int], again: Sequence[int]) -> None:
    """Re-sends of one source, and at last its resolve."""
    reports = [source(at=NOON + number * MINUTE, starts_at=NOON, lease=4 * MINUTE) for number in range(3)]
    reports.append(source("resolved", at=NOON + 3 * MINUTE, starts_at=NOON))
    kept: Sources = {}
    for place in [*order, *again]:
        kept = with_reports(kept, [reports[place]], NOON + 3 * MINUTE)
    (only,) = kept.values()
    assert (only.alert.received_at, only.alert.ends_at) == (NOON + 3 * MINUTE, NOON + 3 * MINUTE)


@pytest.mark.parametrize(
    ("report", "kept_for"),
    [
        pytest.param(source("resolved"), TOMBSTONE_RETENTION, id="resolved: as long as a late report may overlap it"),
        pytest.param(source(), 5 * MINUTE + LAPSED_SOURCE_RETENTION, id="lapsed: its lease may begin anew"),
        pytest.param(source(ends_at=datetime.max.replace(tzinfo=NOON.tzinfo)), None, id="for ever"),
    ],
)
def test_what_ended_long_ago_is_left_out(report: Source, kept_for: timedelta | None) -> None:
    kept = with_reports({}, [report], NOON)
    other = source(instance="other", lease=LONG)
    if kept_for is None:
        assert len(with_reports(kept, [other], NOON + 100 * LONG)) == 1, "and the other is over"
        return
    assert len(with_reports(kept, [other], NOON + kept_for)) == 2
    assert len(with_reports(kept, [other], NOON + kept_for + SECOND)) == 1


# --- stories --------------------------------------------------------------------------------------------------------


def told(story: Story) -> list[str]:
    """The pages, to the second: a door stamps what comes at one instant a microsecond apart."""
    return [re.sub(r"\.\d+", "", words, count=1) for words in story.told()]


def told_of(story: Story, name: str) -> list[str]:
    """The pages that speak of it."""
    return [words for page, words in zip(story.pages, told(story), strict=True) if name in page.firing + page.resolved]


def pair(text: str = PAIR, **changes: Any) -> Story:
    """A story in which `src` fires and inhibits whatever `fire_target` fires; each in a group of its own."""
    story = Story(text, **changes)
    return story.fire("src", alertname="Outage", role="source", lease=LONG)


def fire_target(story: Story, *names: str, **labels: Any) -> Story:
    return story.fire(*names, alertname="Slow", role="target", lease=LONG, **labels)


@pytest.mark.parametrize("is_strict", [False, True])
def test_a_target_is_not_told_until_its_source_resolves(is_strict: bool) -> None:
    story = fire_target(pair(is_strict=is_strict), "tgt").run(20 * MINUTE)
    assert told_of(story, "tgt") == []
    story.resolve("src").run(HOUR)
    assert told_of(story, "tgt") == [f"0:20:30 team: tgt fires {FIRST}"]


def test_the_trail_says_who_inhibits() -> None:
    story = fire_target(pair(), "tgt").run(MINUTE)
    (said,) = [reason for entry in story.entries for reason in entry.reasons if reason.code is ReasonCode.INHIBITED]
    assert said.text == 'role="source" mutes role="target", equal cluster'
    assert said.by == fingerprint({"alertname": "Outage", "instance": "src", "role": "source"})
    assert len(said.fingerprints) == 1


def test_what_comes_after_the_target_mutes_it_from_the_next_flush_on() -> None:
    story = fire_target(Story(PAIR), "tgt").run(MINUTE)
    story.fire("src", alertname="Outage", role="source", lease=LONG).run(HOUR).resolve("tgt").run(HOUR)
    assert told_of(story, "tgt") == [f"0:00:30 team: tgt fires {FIRST}"], "nor of its resolve: it is muted too (IH-5)"
    story.resolve("src").run(HOUR)
    assert told_of(story, "tgt")[1:] == []


def test_targets_go_on_being_told_of_elsewhere() -> None:
    story = Story(inhibiting(CRITICAL)).fire("src", alertname="Outage", severity="critical", cluster="a", lease=LONG)
    for cluster in "ab":
        story.fire(f"tgt-{cluster}", alertname="Slow", severity="warning", cluster=cluster, lease=LONG)
    story.run(MINUTE)
    assert told(story) == [
        f"0:00:30 team: src fires {FIRST}",
        f"0:00:30 team: tgt-b fires {FIRST}",
    ]
    story.resolve("src").run(10 * MINUTE)
    assert told(story)[-1] == "0:05:30 team: tgt-a, tgt-b fire (new alerts added)"


def test_chained_an_inhibited_source_still_inhibits() -> None:
    text = inhibiting(
        "{source_matchers: [level=top], target_matchers: [level=middle]}",
        "{source_matchers: [level=middle], target_matchers: [level=low]}",
    )
    story = Story(text)
    for level in ("top", "middle", "low"):
        story.fire(level, alertname=level, level=level, lease=LONG)
    story.run(20 * MINUTE)
    assert told(story) == [f"0:00:30 team: top fires {FIRST}"]
    story.resolve("top").run(20 * MINUTE)
    assert told_of(story, "middle") == [f"0:20:30 team: middle fires {FIRST}"]
    assert told_of(story, "low") == []
    story.resolve("middle").run(20 * MINUTE)
    assert told_of(story, "low") == [f"0:40:30 team: low fires {FIRST}"]


@pytest.mark.parametrize("is_strict", [False, True])
def test_a_silenced_source_still_inhibits(is_strict: bool) -> None:
    story = Story(PAIR, is_strict=is_strict)
    story.silence("role=source", LONG)
    story.fire("src", alertname="Outage", role="source", lease=LONG)
    fire_target(story, "tgt").run(HOUR)
    assert told(story) == []
    assert story.count(ReasonCode.SILENCED)
    assert story.count(ReasonCode.INHIBITED)


def test_a_source_of_a_route_that_is_out_of_hours_still_inhibits() -> None:
    base = PLAIN.replace(
        "receivers:", "  routes: [{matchers: [role=source], mute_time_intervals: [always]}]\nreceivers:"
    )
    story = pair(inhibiting("{source_matchers: [role=source], target_matchers: [role=target]}", base=base) + ALWAYS)
    fire_target(story, "tgt").run(HOUR)
    assert told(story) == []


ALWAYS = "time_intervals: [{name: always, time_intervals: [{years: ['1:9999']}]}]\n"


def test_where_both_resolve_together_the_last_word_has_both() -> None:
    # Acceptance test TestAlwaysInhibiting (IH-5).
    story = Story(PAIR).fire("tgt", role="target", lease=LONG).run(10 * SECOND)
    story.fire("src", role="source", lease=LONG).run(MINUTE).resolve("src", "tgt").run(HOUR)
    assert told(story) == [
        f"0:00:30 team: src fires {FIRST}",
        "0:05:30 team: src, tgt resolved (all alerts resolved)",
    ]
    assert story.head.present == 0


def test_a_target_that_resolves_while_it_is_muted_is_dropped_in_silence() -> None:
    story = fire_target(pair(), "tgt").run(MINUTE).resolve("tgt").run(10 * MINUTE)
    assert told_of(story, "tgt") == []
    (group,) = [stored for stored in story.groups.values() if stored.head and stored.head.labels["alertname"] == "Slow"]
    assert group.head is not None
    assert (group.head.present, group.head.next_due_at) == (0, None)


def test_only_the_targets_of_a_group_are_muted() -> None:
    story = pair()
    fire_target(story, "tgt").fire("free", alertname="Slow", lease=LONG).run(MINUTE)
    assert told(story)[1:] == [f"0:00:30 team: free fires {FIRST}"]
    story.resolve("free").run(10 * MINUTE)
    assert told(story)[2:] == ["0:05:30 team: free resolved (all alerts resolved)"]
    story.resolve("src").run(10 * MINUTE)
    assert told_of(story, "tgt") == [f"0:15:30 team: tgt fires {FIRST}"]


def test_a_source_whose_lease_runs_out_inhibits_no_more() -> None:
    story = Story(PAIR).fire("src", alertname="Outage", role="source", lease=4 * MINUTE)
    fire_target(story, "tgt").run(HOUR)
    assert told(story)[1:] == [
        "0:10:30 team: src resolved (all alerts resolved)",
        f"0:10:30 team: tgt fires {FIRST}",
    ]


def test_absorbed_re_sends_keep_a_source_alive() -> None:
    story = Story(PAIR, resend_every=MINUTE).fire("src", alertname="Outage", role="source", lease=4 * MINUTE)
    fire_target(story, "tgt").run(6 * HOUR)
    assert story.door.absorbed > 100
    assert told_of(story, "tgt") == []


def test_after_a_stop_a_source_that_is_not_heard_of_yet_still_inhibits() -> None:
    story = Story(PAIR, resend_every=MINUTE).fire("src", alertname="Outage", role="source", lease=4 * MINUTE)
    fire_target(story, "tgt").run(20 * MINUTE + SECOND)
    # Three hours later its lease ran out long ago, and the first flush comes before it is re-sent.
    story.stop().run(3 * HOUR).begin().run(30 * SECOND)
    assert story.flushes[-1][0] == story.now - 30 * SECOND
    assert told_of(story, "tgt") == []
    story.run(20 * MINUTE)
    assert told_of(story, "tgt") == []


def test_after_a_stop_a_source_that_had_ended_before_inhibits_no_more() -> None:
    story = Story(PAIR).fire("src", alertname="Outage", role="source", lease=HOUR).run(2 * HOUR)
    assert told(story)[-1] == "1:30:30 team: src resolved (all alerts resolved)"
    story.stop().run(10 * MINUTE).begin()
    fire_target(story, "tgt").run(MINUTE)
    assert told_of(story, "tgt") == [f"2:10:30 team: tgt fires {FIRST}"]


# --- the three defects since 0.28, which a look at all live sources has not -----------------------------------------


def test_one_of_two_sources_resolves_while_the_other_fires() -> None:
    story = pair().fire("src-2", alertname="Outage", role="source", lease=LONG)
    fire_target(story, "tgt").run(MINUTE)
    for first, then in (("src", "src-2"), ("src-2", "src")):
        story.resolve(first).run(20 * MINUTE)
        assert told_of(story, "tgt") == [], f"{then} fires on, and is not re-sent"
        story.fire(first, lease=LONG).run(10 * MINUTE)


def test_forgetting_an_old_source_forgets_no_live_one() -> None:
    story = pair().fire("src-2", alertname="Outage", role="source", lease=LONG)
    fire_target(story, "tgt").run(MINUTE).resolve("src").run(2 * HOUR)
    # A report to the same document has the old one forgotten.
    story.fire("src-3", alertname="Outage", role="source", lease=LONG).run(MINUTE).resolve("src-3").run(HOUR)
    (document,) = story.sources.values()
    assert fingerprint({"alertname": "Outage", "instance": "src", "role": "source"}) not in document
    assert told_of(story, "tgt") == []


@pytest.mark.parametrize("order", [("both", "one"), ("one", "both")])
def test_a_two_sided_source_hides_no_one_sided_one(order: tuple[str, str]) -> None:
    labels = {"both": {"severity": "warning"}, "one": {"severity": "critical"}}
    story = Story(inhibiting(BROAD))
    for name in order:
        fire(story, name, labels[name], alertname=name, lease=LONG)
    story.fire("tgt", alertname="Slow", severity="warning", lease=LONG).run(HOUR)
    assert told_of(story, "tgt") == [], "two-sided, and so muted by the one-sided source alone"
    assert told_of(story, "both") == []
    assert told_of(story, "one") == [f"0:00:30 team: one fires {FIRST}"]
    story.resolve("one").run(10 * MINUTE)
    assert told_of(story, "tgt") == [f"1:00:30 team: tgt fires {FIRST}"]


# --- the promise: what was acknowledged two seconds before a flush is seen -------------------------------------------


@pytest.mark.parametrize(
    "lag",
    [
        pytest.param(timedelta(0), id="the queue is empty"),
        pytest.param(28 * SECOND, id="half a minute of backlog"),
        pytest.param(HOUR, id="an hour of backlog"),
    ],
)
def test_a_source_that_waits_in_the_queue_is_seen(lag: timedelta) -> None:
    story = Story(PAIR)
    fire_target(story, "tgt").run(28 * SECOND)
    story.lag = lag
    story.fire("src", alertname="Outage", role="source", lease=LONG).run(10 * MINUTE)
    assert told_of(story, "tgt") == []
    assert story.count(ReasonCode.INHIBITED) == 2
    assert len(story.groups) == (2 if lag < HOUR else 1), "the source's own group has not heard of it yet"
    story.resolve("src").run(5 * MINUTE)
    assert told_of(story, "tgt") == [f"0:10:30 team: tgt fires {FIRST}"], "nor of its end"


def test_a_source_that_waits_is_seen_by_targets_that_waited_longer() -> None:
    story = Story(PAIR, lag=10 * MINUTE)
    fire_target(story, "tgt").run(MINUTE).fire("src", alertname="Outage", role="source", lease=LONG).run(HOUR)
    assert told_of(story, "tgt") == []


def test_a_source_that_came_after_the_flush_does_not_undo_it() -> None:
    story = fire_target(Story(PAIR), "tgt").run(30 * SECOND)
    story.fire("src", alertname="Outage", role="source", lease=LONG).run(HOUR)
    assert told_of(story, "tgt") == [f"0:00:30 team: tgt fires {FIRST}"]
    story.resolve("tgt").run(10 * MINUTE)
    assert story.count(ReasonCode.INHIBITED) == 1, "the next flush says so"


def test_a_late_tick_sees_what_came_meanwhile() -> None:
    story = Story(PAIR, ticks=shifted(20 * SECOND))
    fire_target(story, "tgt").run(40 * SECOND).fire("src", alertname="Outage", role="source", lease=LONG).run(HOUR)
    assert told_of(story, "tgt") == []


# --- another configuration ------------------------------------------------------------------------------------------


def test_a_rule_that_is_added_while_both_fire_mutes_from_the_next_flush_on() -> None:
    story = fire_target(pair(PLAIN), "tgt").run(MINUTE)
    assert told_of(story, "tgt") == [f"0:00:30 team: tgt fires {FIRST}"]
    story.reload(PAIR).run(MINUTE).fire("tgt-2", alertname="Slow", role="target", lease=LONG).run(HOUR)
    assert told_of(story, "tgt-2") == []
    story.resolve("src").run(HOUR)
    assert told_of(story, "tgt-2") == ["1:05:30 team: tgt, tgt-2 fire (new alerts added)"]


def test_a_rule_that_is_added_before_the_first_flush_knows_the_source() -> None:
    story = fire_target(pair(PLAIN), "tgt").run(20 * SECOND).reload(PAIR).run(HOUR)
    assert told_of(story, "tgt") == []


def test_a_rule_that_is_taken_away_mutes_no_more() -> None:
    story = fire_target(pair(), "tgt").run(MINUTE).reload(PLAIN).run(HOUR)
    assert told_of(story, "tgt") == [f"0:05:30 team: tgt fires {FIRST}"]


def test_a_source_that_waited_in_the_queue_under_the_old_rules_is_known_under_the_new() -> None:
    story = Story(PLAIN, lag=2 * MINUTE).fire("src", alertname="Outage", role="source", lease=LONG)
    # Its group has not heard of it when the rule comes, so it is fed when its message is addressed anew.
    story.run(MINUTE).reload(PAIR)
    assert story.sources == {}
    fire_target(story, "tgt").run(HOUR)
    assert told(story) == [f"0:04:00 team: src fires {FIRST}"]


def test_a_resolve_that_waited_in_the_queue_under_the_old_rules_ends_it() -> None:
    story = pair(PLAIN).run(MINUTE)
    story.lag = 2 * MINUTE
    story.resolve("src").run(SECOND).reload(PAIR)
    fire_target(story, "tgt").run(10 * MINUTE)
    assert told_of(story, "tgt") == [f"0:03:01 team: tgt fires {FIRST}"]
    assert found_source({"role": "target"}, story.sources, story.situation, story.now) is None


def test_a_rule_that_comes_back_knows_what_ended_meanwhile() -> None:
    story = pair().run(MINUTE).reload(PLAIN).run(MINUTE).resolve("src").run(HOUR).reload(PAIR)
    fire_target(story, "tgt").run(MINUTE)
    assert told_of(story, "tgt") == [f"1:02:30 team: tgt fires {FIRST}"]


# --- what a flush asks for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "targets", "expected"),
    [
        pytest.param([CRITICAL], [{"severity": "info"}], 0, id="no rule aims at it"),
        pytest.param([CRITICAL], [{"severity": "warning"}] * 50, 1, id="fifty targets with equal values"),
        pytest.param([CRITICAL, BARE], [{"severity": "warning"}], 2, id="two rules"),
        pytest.param(
            [CRITICAL], [{"severity": "warning", "cluster": name} for name in "aabbc"], 3, id="distinct equal values"
        ),
        pytest.param(
            [CRITICAL, BARE], [{"severity": "warning", "cluster": name} for name in "aabbc"], 4, id="with both rules"
        ),
        pytest.param([CRITICAL] * 9, [{"severity": "warning"}], 1, id="a rule that stands there nine times"),
    ],
)
def test_a_flush_asks_for_one_document_for_each_rule_that_aims_at_it(
    rules: Sequence[str], targets: Sequence[Mapping[str, str]], expected: int
) -> None:
    story = Story(inhibiting(*rules))
    story.post(*[labelled(labels, lease=LONG, instance=str(number)) for number, labels in enumerate(targets)])
    story.run(SECOND)
    stored = story.group
    state = GroupState(stored.head, stored.members, stored.logs, is_complete=True)
    answer = decide(state, Tick(story.head.id, NOON + 30 * SECOND), story.situation, NOON + 30 * SECOND)
    if not expected:
        assert not isinstance(answer, Wanted)
        return
    assert isinstance(answer, Wanted)
    assert answer.members == frozenset()
    assert len(answer.sources) == expected


def test_only_a_flush_asks_for_documents() -> None:
    story = fire_target(Story(PAIR), "tgt").run(MINUTE)
    stored = story.group
    tick = Tick(story.head.id, story.now)
    report = story.entries[0].reported
    assert report is not None
    state = GroupState(stored.head, stored.members, stored.logs, is_complete=True)
    for event in (tick, replace(report, door="other")):
        assert not isinstance(decide(state, event, story.situation, story.now), Wanted)


class Counted(dict[Fingerprint, Source]):
    """A document that counts how often all its sources are looked at."""

    looks = 0

    def values(self) -> Any:
        self.looks += 1
        return super().values()


def test_a_flush_looks_at_the_sources_of_a_document_once_however_many_targets_there_are() -> None:
    story = fire_target(Story(PAIR), *[f"tgt-{number}" for number in range(100)]).run(SECOND)
    (key,) = source_keys([{"role": "target"}], story.situation)
    sources = [source(instance=f"src-{number}", lease=LONG) for number in range(100)]
    story.sources[key] = document = Counted(with_reports({}, sources, NOON))
    story.run(29 * SECOND)
    assert story.count(ReasonCode.INHIBITED) == 1
    assert document.looks == 1


# --- held against a full scan ---------------------------------------------------------------------------------------


def scan(target: Labels, firing: Sequence[Alert], rules: Sequence[InhibitRule]) -> bool:
    """IH-1 to IH-4 as they are written, asked of every firing alert there is."""

    def matches(side: Sequence[object], labels: Labels) -> bool:
        return all(matcher.matches(labels) for matcher in side)  # type: ignore[attr-defined]

    for rule in rules:
        if not matches(rule.targets, target):
            continue
        for one in firing:
            if not matches(rule.sources, one.labels):
                continue
            if matches(rule.targets, one.labels) and matches(rule.sources, target):
                continue
            if all((one.labels.get(name) or "") == (target.get(name) or "") for name in rule.equal):
                return True
    return False


RULES = [
    CRITICAL,
    BROAD,
    "{source_matchers: ['instance=~\"a|b\"'], target_matchers: ['severity!=critical'], equal: [alertname]}",
    "{source_matchers: [severity=info], target_matchers: [severity=warning], equal: [cluster, zone]}",
]
ROUTES = PLAIN.replace(
    "receivers:",
    """  routes:
    - {matchers: [cluster=x], continue: true, group_by: [severity]}
    - {matchers: [severity=critical], group_by: ['...'], group_interval: 1m}
receivers:""",
)
TEXTS = [
    inhibiting(*RULES, base=ROUTES),
    inhibiting(*RULES[::-1], base=PLAIN),
    inhibiting(*RULES, base=configuration(group_by="[]", interval="1m")),
]
WORLD = [
    (name, {"alertname": alertname, "severity": severity, **place})
    for name, alertname, severity, place in (
        ("a", "Down", "critical", {"cluster": "x"}),
        ("b", "Down", "critical", {}),
        ("c", "Slow", "warning", {"cluster": "x"}),
        ("d", "Slow", "warning", {"cluster": "x", "zone": "1"}),
        ("e", "Down", "warning", {}),
        ("f", "Slow", "info", {"cluster": "x", "zone": "1"}),
        ("g", "Down", "info", {"cluster": "y"}),
        ("h", "Slow", "critical", {"cluster": "y"}),
    )
]
TARGETS = [{**labels, "instance": name} for name, labels in WORLD] + [{"alertname": "Down", "severity": "warning"}]

# A walk takes some 50 ms; `WALKS=2000 pytest -k documents_agree` looks longer.
WALKS = int(os.environ.get("WALKS", "25"))
MANY = settings(deadline=None, max_examples=WALKS)


def firing_members(story: Story) -> list[Alert]:
    """All that fires, by the groups' own copies.

    What ran out just before a stop, and no flush has seen it, counts as over: a group may yet revive it (rule 8).
    """
    return [
        member.alert
        for stored in story.groups.values()
        for member in stored.present
        if member.is_firing
        and story.situation.lease_end(member.alert, member.leased_at) > story.now
        and not _is_over_before_the_stop(story, member.alert)
    ]


def _is_over_before_the_stop(story: Story, one: Alert) -> bool:
    since = story.silent_since
    return since is not None and lease_end(one, one.received_at, one.received_at, is_strict=story.is_strict) <= since


def firing_acknowledged(story: Story) -> list[Alert]:
    """All that fires, by what the door made durable."""
    copies: dict[Fingerprint, Alert] = {}
    for request in story.acknowledged:
        for one in request.alerts:
            known = copies.get(one.fingerprint)
            copies[one.fingerprint] = combine(known, one) if known else one
    return [one for one in copies.values() if story.situation.lease_end(one, one.received_at) > story.now]


def assert_agrees(story: Story, firing: Sequence[Alert]) -> int:
    """The documents say of every target what a scan of everything says; how many are inhibited."""
    rules = story.configuration.inhibit_rules
    inhibited = 0
    for target in TARGETS:
        found = found_source(target, story.sources, story.situation, story.now)
        assert (found is not None) is scan(target, firing, rules), f"{target} at {story.clock(story.now)}"
        inhibited += found is not None
    return inhibited


def step(story: Story, random: Random) -> None:
    """One thing that may happen to a source or a target."""
    name, labels = random.choice(WORLD)
    lease = random.choice([SECOND, MINUTE, 4 * MINUTE, HOUR])
    match random.choice(["fires", "fires", "fires", "again", "resolves", "resolves", "silent", "moved"]):
        case "fires":
            fire(story, name, labels, lease=lease)
        case "again" if name in story.sending:
            story.fire(name, lease=lease)
        case "resolves" if story.knows(name):
            story.resolve(name)
        case "silent":
            story.fall_silent(name)
        case "moved" if story.knows(name):
            story.fire(name, lease=lease, starts_at=story.now - random.choice([0, 30, 600]) * SECOND)
        case _:
            pass


def pause(random: Random) -> timedelta:
    return random.choice([0, 1, 10, 30, 60, 60, 240, 240, 600, 2400]) * SECOND


@MANY
@given(st.integers(0, 2**32), st.booleans())
def test_the_documents_agree_with_a_scan_of_all_groups(seed: int, is_strict: bool) -> None:
    """Fires, resolves, refires, re-sends, lapsing leases, stops, and reports from the past, in any mix."""
    random = Random(seed)
    story = Story(random.choice(TEXTS), is_strict=is_strict, resend_every=random.choice([None, MINUTE]))
    inhibited = 0
    for _ in range(25):
        if random.random() < 0.15:
            late(story, random)
        elif random.random() < 0.05:
            story.stop().run(random.choice([SECOND, 10 * MINUTE, 2 * HOUR])).begin()
        else:
            step(story, random)
        story.run(timedelta(0))
        inhibited += assert_agrees(story, firing_members(story))
        story.run(pause(random))
        assert_agrees(story, firing_members(story))


def late(story: Story, random: Random) -> None:
    """A report of some time ago, that another instance took in; its lease has not run out yet."""
    name, labels = random.choice(WORLD)
    at = story.now - random.choice([1, 30, 100]) * SECOND
    known = {**labels, "instance": name}
    if random.random() < 0.5:
        story.post(labelled(known, "resolved", at=at))
    else:
        starts_at = at - random.choice([0, 60, 900]) * SECOND
        story.post(labelled(known, at=at, starts_at=starts_at, lease=random.choice([2 * MINUTE, HOUR])))


@MANY
@given(st.integers(0, 2**32))
def test_the_documents_agree_with_what_was_acknowledged_whatever_the_queues_do(seed: int) -> None:
    """Backlogs and reloads: groups hear late, messages are addressed anew, sources move; the promise holds."""
    random = Random(seed)
    story = Story(random.choice(TEXTS), resend_every=random.choice([None, MINUTE]))
    for _ in range(25):
        if random.random() < 0.1:
            story.lag = random.choice([0, 1, 40, 400]) * SECOND
        if random.random() < 0.1:
            story.reload(random.choice(TEXTS))
        step(story, random)
        assert_agrees(story, firing_acknowledged(story))
        story.run(pause(random))
        assert_agrees(story, firing_acknowledged(story))


@MANY
@given(st.integers(0, 2**32))
def test_no_page_speaks_of_an_alert_that_is_inhibited(seed: int) -> None:
    """Each page was right at its flush, by what had been acknowledged until then."""
    random = Random(seed)
    story = Story(random.choice(TEXTS), resend_every=MINUTE, lag=random.choice([0, 1, 40]) * SECOND)
    seen = 0
    for _ in range(20):
        step(story, random)
        for _ in range(random.choice([1, 3, 6])):
            firing = firing_acknowledged(story)
            story.run(random.choice([1, 10, 20, 40]) * SECOND)
            seen = _check_pages(story, seen, firing)


def _check_pages(story: Story, seen: int, before: Sequence[Alert]) -> int:
    rules = story.configuration.inhibit_rules
    after = {one.fingerprint for one in firing_acknowledged(story)}
    throughout = [
        one
        for one in before
        if one.fingerprint in after and story.situation.lease_end(one, one.received_at) > story.now
    ]
    for delivery in story.due[seen:]:
        for shown in delivery.notification.alerts:
            assert not scan(shown.alert.labels, throughout, rules), f"{shown.alert.labels} in {delivery.id}"
    return len(story.due)


def test_the_walks_see_much_inhibition() -> None:
    """The walks above would prove nothing if hardly anything were inhibited in them."""
    inhibited = free = 0
    for seed in range(6):
        random = Random(seed)
        story = Story(TEXTS[seed % 3], resend_every=MINUTE)
        for _ in range(20):
            step(story, random)
            story.run(pause(random))
            found = assert_agrees(story, firing_members(story))
            inhibited, free = inhibited + found, free + len(TARGETS) - found
    assert inhibited > 100
    assert free > 100


def test_a_slow_receiver_hears_what_was_right_at_the_flush() -> None:
    story = Story(PAIR)
    story.answers["team"] = [Answer(after=2 * MINUTE)]
    fire_target(story, "tgt").run(MINUTE).fire("src", alertname="Outage", role="source", lease=LONG).run(MINUTE)
    story.run(MINUTE)
    assert told_of(story, "tgt") == [f"0:02:30 team: tgt fires {FIRST}"]
