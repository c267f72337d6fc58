"""The trace of one alert: what its summary and its steps say, as a story goes on and when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.groups import GroupState, LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint, fingerprint
from domain.lifecycle import Action
from domain.muting import source_keys
from domain.routing import GroupId
from domain.situations import Situation
from domain.tracing import (
    Enriched,
    Evidence,
    Heard,
    Life,
    Outcome,
    Step,
    Trace,
    begins,
    look_now,
    look_of,
    narrowed,
    read_life,
    trace,
)
from domain.tracing.words import answer_words, joined, span
from tests.builders import HOUR, MINUTE, SECOND, alert, entry, reported
from tests.domain.story import FAILS, HANGS, OK, Answer, Stored, Story, configuration

MUTED = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  routes:
    - matchers: [alertname="Night"]
      receiver: team
      mute_time_intervals: [noon]
inhibit_rules:
  - source_matchers: [alertname="ClusterDown"]
    target_matchers: [alertname="DiskFull"]
    equal: [cluster]
time_intervals:
  - name: noon
    time_intervals: [{times: [{start_time: "12:00", end_time: "12:20"}]}]
receivers:
  - name: team
    webhook_configs: [{url: http://team/0}]
"""

TWO = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  routes:
    - {receiver: audit, continue: true, matchers: [alertname=~".+"]}
    - {receiver: team, matchers: [alertname=~".+"]}
receivers:
  - name: team
    webhook_configs: [{url: http://team/0}]
  - name: audit
    webhook_configs: [{url: http://audit/0}]
"""


def traces(story: Story, name: str) -> list[Trace]:
    """The traces of the alert that the story calls so, gathered as the endpoint does."""
    source = story._sources.get(name)
    its = fingerprint(source.labels if source else {"alertname": "DiskFull", "instance": name})
    found = []
    for id, stored in story.groups.items():
        life = life_of(stored, its)
        if life.is_known:
            found.append((id, stored, life))
    return [trace(evidence_of(story, id, stored, life, its)) for id, stored, life in found]


def life_of(stored: Stored, its: Fingerprint) -> Life:
    """Read as the endpoint reads it: from the latest entry back, and what is not about it left out."""
    kept: list[LogEntry] = []
    for one in reversed(stored.entries):
        if (narrow := narrowed(one, its)) is not None:
            kept.append(narrow)
        if begins(one, its):
            break
    return read_life(reversed(kept), its)


def evidence_of(story: Story, id: GroupId, stored: Stored, life: Life, its: Fingerprint) -> Evidence:
    assert stored.head is not None
    situation = story.situation
    member = stored.members.get(its)
    is_present = member is not None and member.dropped_at is None and life.dropped_at is None
    known = member.alert if member and is_present else life.last
    assert known is not None
    keys = source_keys([one.alert.labels for one in stored.members.values()] + [known.labels], situation)
    sources = {key: story.sources.get(key, {}) for key in keys}
    state = GroupState(stored.head, dict(stored.members), dict(stored.logs), True, sources)
    evidence = Evidence(
        alert=known,
        head=stored.head,
        life=life,
        situation=situation,
        now=story.now,
        member=member,
        logs=stored.logs,
        sources=sources,
        heard=heard(story, situation),
        silences=story.silences,
    )
    decided = look_now(state, situation, story.now)
    if decided is None or not is_present:
        return evidence
    return replace(evidence, prospect=look_of(decided, its, is_firing=evidence.is_firing))


def heard(story: Story, situation: Situation) -> dict[Fingerprint, Heard]:
    found: dict[Fingerprint, Heard] = {}
    for request in story.acknowledged:
        for one in request.alerts:
            if any(rule.is_source(one.labels) for rule in situation.configuration.inhibit_rules):
                found.setdefault(one.fingerprint, Heard(one, request.received_at))
    return found


def summary(story: Story, name: str = "db") -> str:
    (one,) = traces(story, name)
    return one.summary


def steps(story: Story, stage: str, name: str = "db") -> list[Step]:
    (one,) = traces(story, name)
    return [step for step in one.steps if step.stage == stage]


def words(story: Story, stage: str, name: str = "db") -> list[str]:
    return [f"{step.verdict}: {step.words}" for step in steps(story, stage, name)]


# --- while it fires -------------------------------------------------------------------------------------------------


def test_before_the_first_look_it_waits() -> None:
    story = Story(configuration()).fire("db").run(10 * SECOND)
    assert summary(story) == "Not told yet: the first look at its group is at 12:00:30 (group_wait 30s)"
    (grouped,) = steps(story, "grouped")
    assert grouped.verdict == "waits"
    assert words(story, "notification") == [
        "waits: webhook[0] is due to be told of 1 firing (first notification), at the next look at 12:00:30"
    ]
    assert words(story, "delivery") == []


def test_the_steps_are_in_the_order_of_the_way() -> None:
    story = Story(configuration()).fire("db").run(MINUTE)
    (one,) = traces(story, "db")
    assert [str(step.stage) for step in one.steps] == [
        *("received", "routed", "grouped", "inhibition", "hours", "silences", "notification", "delivery")
    ]
    assert (one.state, one.is_told, one.incident) == ("firing", True, f"{one.group_id}-1")


def test_where_it_came_from_and_what_was_made_of_it_is_told() -> None:
    story = Story(configuration()).fire("db").run(MINUTE)
    assert steps(story, "enriched") == []
    ((id, stored),) = story.groups.items()
    its = fingerprint({"alertname": "DiskFull", "instance": "db"})
    evidence = evidence_of(story, id, stored, life_of(stored, its), its)
    changes = (
        'severity "page" became "critical" (the source\'s table)',
        'team="storage" from lookup services.csv, line 2',
    )
    one = trace(replace(evidence, alert=replace(evidence.alert, origin=("grafana/production", *changes))))
    assert [str(step.stage) for step in one.steps][:3] == ["received", "enriched", "routed"]
    step = one.steps[1]
    assert step.words == (
        'Came from source grafana/production; severity "page" became "critical" (the source\'s table); '
        'team="storage" from lookup services.csv, line 2'
    )
    assert step.facts == Enriched("grafana/production", changes)


def test_what_was_told_is_known() -> None:
    story = Story(configuration()).fire("db").run(MINUTE)
    assert summary(story) == "Told at 12:00:30 by webhook[0]: first notification; nothing new since"
    assert words(story, "notification") == [
        "told: webhook[0] knows: told at 12:00:30; again after 16:00:30 if nothing changes"
    ]
    ((delivery,)) = words(story, "delivery")
    assert delivery.startswith("told: webhook[0] was told at 12:00:30 of 1 firing (first notification): ")


def test_a_delivery_under_way_says_since_when() -> None:
    story = Story(configuration())
    story.answers["team"] = [HANGS]
    story.fire("db").run(2 * MINUTE)
    assert summary(story) == "Being told by webhook[0] since 12:00:30: no answer yet"
    assert words(story, "notification") == [
        "waits: webhook[0] is left alone: a notification is under way since 12:00:30, until 12:05:30 at the latest"
    ]


def test_a_delivery_that_fails_is_told_with_its_answer() -> None:
    story = Story(configuration(), resend_every=MINUTE)
    story.answers["team"] = [FAILS, FAILS, OK]
    story.fire("db").run(6 * MINUTE)
    assert summary(story) == (
        "Not told: webhook[0] (tried 2 times from 12:00:30 to 12:05:30: no reason given). The next look is at 12:10:30"
    )
    assert [step.verdict for step in steps(story, "delivery")] == ["failed"]
    story.run(5 * MINUTE)
    assert summary(story) == "Told at 12:10:30 by webhook[0]: first notification; nothing new since"


def test_of_two_integrations_one_may_not_be_reached() -> None:
    story = Story(configuration(send_resolved=(True, True)))
    story.answers["team[1]"] = [FAILS]
    story.fire("db").run(40 * SECOND)
    assert summary(story) == (
        "Not told: webhook[1] (tried at 12:00:30: no reason given)."
        " Told at 12:00:30 by webhook[0]: first notification; webhook[1] is due at 12:05:30: first notification"
    )
    assert [step.verdict for step in steps(story, "notification")] == ["told", "waits"]


def test_every_integration_that_failed_is_named_before_all_else() -> None:
    story = Story(configuration(send_resolved=(True,) * 4), resend_every=MINUTE)
    name = "receiver 'team' webhook"
    story.answers["team[0]"] = [Answer(False, detail=f"{name}[0] answered 404 Not Found: no_service")]
    story.answers["team[1]"] = [Answer(False, detail=f"{name}[1] answered 404 Not Found: no_service")]
    late = "deadline passed: {0} did not answer within {1} s"
    story.answers["team[2]"] = [
        Answer(False, detail=late.format(f"{name}[2]", seconds)) for seconds in ("9.72", "9.8", "9")
    ]
    story.fire("db").run(11 * MINUTE)
    failed = (
        "Not told: webhook[0] and webhook[1] (tried 3 times from 12:00:30 to 12:10:30: answered 404 Not Found:"
        " no_service) and webhook[2] (tried 3 times from 12:00:30 to 12:10:30: deadline passed: did not answer within"
        " 9 s)"
    )
    assert summary(story).startswith(f"{failed}. Told at 12:00:30 by webhook[3]: first notification; webhook[0], ")
    # What failed alike is told once.
    assert [step.words.partition(" of ")[0] for step in steps(story, "delivery")] == [
        *(f"webhook[{number}] could not be told 3 times from 12:00:30 to 12:10:30" for number in range(3)),
        "webhook[3] was told at 12:00:30",
    ]
    facts: Any = steps(story, "delivery")[0].facts
    assert (facts.times, facts.first_at) == (3, story.start + 30 * SECOND)
    # Also when it is over.
    story.answers["team[3]"] = [FAILS]
    story.resolve("db").run(10 * MINUTE)
    assert summary(story).startswith("Not told: webhook[0] and webhook[1] (tried 3 times")
    assert "and webhook[3] (tried 2 times from 12:15:30 to 12:20:30: no reason given; told last at 12:00:30)." in (
        summary(story)
    )
    assert "It fired from 12:00:00 to 12:11:00: webhook[3] was told at 12:00:30" in summary(story)


def test_while_one_is_being_told_those_that_refused_are_named() -> None:
    story = Story(configuration(send_resolved=(True, True)))
    story.answers["team"] = [FAILS, HANGS]
    story.fire("db").run(MINUTE)
    assert summary(story) == (
        "Not told: webhook[0] (tried at 12:00:30: no reason given)."
        " Being told by webhook[1] since 12:00:30: no answer yet"
    )


def test_failures_of_different_kinds_are_told_apart() -> None:
    story = Story(configuration(), resend_every=MINUTE)
    story.answers["team"] = [Answer(False, detail=text) for text in ("x", "x", "y", "x")]
    story.fire("db").run(16 * MINUTE)
    assert [step.words.rpartition(": ")[2] for step in steps(story, "delivery")] == ["x", "y", "x"]
    assert "(tried 4 times from 12:00:30 to 12:15:30: at last: x)" in summary(story)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("receiver 'team' webhook[0] answered 200 OK", "answered 200 OK"),
        ("receiver 'team' webhook[0] is busy with 16 notifications", "it is busy with 16 notifications"),
        ("deadline passed: receiver 'team' webhook[0] answered 500", "deadline passed: answered 500"),
        ("deadline passed: receiver 'team' webhook[0] is left in peace", "deadline passed: it is left in peace"),
        (
            "deadline passed before receiver 'team' webhook[0] could be tried (the last attempt: refused)",
            "deadline passed before it could be tried (the last attempt: refused)",
        ),
        ("no result by its deadline", "no result by its deadline"),
    ],
)
def test_an_answer_goes_without_the_name_that_stands_before_it(answer: str, said: str) -> None:
    assert answer_words(answer, "webhook[0]") == said


def test_an_answer_is_shown_with_its_end() -> None:
    story = Story(configuration())
    answer = '{"status":"invalid event","message":"Event object is invalid","errors":["\'routing_key\' is missing"]}'
    story.answers["team"] = [Answer(False, detail=f"receiver 'team' webhook[0] answered 400 Bad Request: {answer}")]
    story.fire("db").run(MINUTE)
    assert f"answered 400 Bad Request: {answer})." in summary(story)


def test_what_nothing_had_to_hear_of_before_it_fires_again_is_known_from_before() -> None:
    story = Story(configuration(send_resolved=(False,)), resend_every=MINUTE).fire("db", "web").run(MINUTE)
    story.resolve("db").run(10 * MINUTE)
    story.fire("db").run(10 * MINUTE)
    assert summary(story).startswith("Not told anew: webhook[0] was told at 12:00:30 and has not heard of an end since")
    (asked,) = words(story, "notification")
    assert "told at 12:00:30, before this occurrence, and has not heard of its end" in asked
    (received,) = words(story, "received")
    assert "for the 2nd time in this group" in received


def test_others_of_the_group_are_told_apart() -> None:
    story = Story(configuration()).fire("web").run(MINUTE)
    story.silence('instance="web"', HOUR)
    story.fire("db").run(5 * MINUTE)
    assert [step.verdict for step in steps(story, "delivery", "db")] == ["told"]
    assert [step.verdict for step in steps(story, "delivery", "web")] == ["told", "info"]
    assert words(story, "delivery", "web")[1].endswith("it did not tell of this alert, only of others of its group")


def test_a_receiver_without_integrations_tells_nobody() -> None:
    story = Story(configuration(send_resolved=())).fire("db").run(MINUTE)
    assert summary(story) == 'Nobody is told: receiver "team" has no integrations'
    assert [step.verdict for step in (*steps(story, "routed"), *steps(story, "notification"))] == ["stops", "stops"]


# --- while it is muted ----------------------------------------------------------------------------------------------


def test_a_silence_is_named_with_who_made_it() -> None:
    story = Story(configuration())
    story.silence('instance="db"', HOUR, comment="deploy")
    story.fire("db").run(MINUTE)
    assert summary(story) == "Not told: silenced by ann until 13:00:00 (deploy)"
    assert words(story, "silences") == [
        "stops: Silenced by ann until 13:00:00 (deploy), silence silence-1; so it was at 12:00:30"
    ]
    assert words(story, "notification") == ["stops: webhook[0] is left alone about it while it is muted"]


def test_who_has_it_in_hand_is_named() -> None:
    story = Story(configuration(repeat="1h")).fire("db", lease=24 * HOUR).run(MINUTE)
    story.respond(Action.ACKNOWLEDGE, 5 * HOUR)
    told = "Told at 12:00:30 by webhook[0]: first notification; "
    assert summary(story) == f"{told}ann has acknowledged the incident, until 17:01:00"
    story.run(2 * HOUR)
    assert summary(story) == f"{told}ann has acknowledged the incident, until 17:01:00"
    story.respond(Action.SNOOZE, HOUR, by="bob")
    story.fire("web", lease=24 * HOUR).run(10 * MINUTE)
    assert summary(story, "web") == "Not told: bob has snoozed the incident, until 15:01:00"
    (asked,) = steps(story, "notification", "web")
    assert (asked.verdict, asked.words) == ("stops", "webhook[0] is left alone: bob has snoozed the incident")
    story.respond(Action.RESOLVE, by="eve")
    assert summary(story).endswith("first notification; eve has resolved the incident")
    story.resolve("web").run(10 * MINUTE).resolve("db").run(10 * MINUTE)
    assert "nobody was told: bob has snoozed the incident and eve has resolved the incident" in summary(story, "web")


def test_a_silence_that_is_over_is_told_of_the_looks_that_it_muted() -> None:
    story = Story(configuration(), resend_every=MINUTE)
    id = story.silence('instance="db"', HOUR)
    story.fire("db").run(MINUTE).end_silence(id)
    assert summary(story) == (
        "Not told yet: due at the next look at its group, 12:05:30 (first notification);"
        " at the last one, 12:00:30, it was silenced by ann until 12:01:00"
    )
    # It stops nobody any more, for they are due to be told now.
    assert words(story, "silences") == ["info: Silenced by ann until 12:01:00 at 12:00:30, silence silence-1"]


def test_who_is_told_anew_after_a_silence_reads_why() -> None:
    story = Story(configuration(repeat="1h"), resend_every=MINUTE).fire("db").run(MINUTE)
    id = story.silence('instance="db"', HOUR)
    story.run(5 * MINUTE).end_silence(id)
    assert summary(story) == (
        "Told at 12:00:30 by webhook[0]: first notification; webhook[0] is due at 12:10:30: no longer silenced"
    )
    story.run(10 * MINUTE)
    assert summary(story) == "Told at 12:10:30 by webhook[0]: no longer silenced; nothing new since"
    assert [step.verdict for step in steps(story, "silences")] == ["info"]
    # The payload says it in Alertmanager's words.
    assert [str(page.reason) for page in story.pages] == ["first notification", "first notification"]
    # Another that begins to fire meanwhile is news of its own.
    id = story.silence('instance="db"', HOUR)
    story.run(5 * MINUTE).end_silence(id)
    story.fire("web").run(6 * MINUTE)
    assert "told at 12:25:30 of 2 firing (no longer silenced, and new alerts added)" in words(story, "delivery")[-1]


def test_one_that_was_told_and_then_silenced_says_both() -> None:
    story = Story(configuration()).fire("db").run(MINUTE)
    story.silence('instance="db"', HOUR)
    assert summary(story) == ("Told at 12:00:30 by webhook[0]: first notification; now silenced by ann until 13:01:00")


def test_intervals_are_named() -> None:
    story = Story(MUTED, resend_every=MINUTE).fire("db", alertname="Night").run(11 * MINUTE)
    assert summary(story) == "Not told: muted by noon, inside a mute interval"
    assert words(story, "hours") == [
        "stops: Muted by noon, inside a mute interval; so it was at 3 looks from 12:00:30 to 12:10:30"
    ]
    story.run(10 * MINUTE)
    assert summary(story) == "Told at 12:20:30 by webhook[0]: first notification; nothing new since"
    assert words(story, "hours") == [
        "info: Muted by noon, inside a mute interval at 4 looks from 12:00:30 to 12:15:30",
        "passes: The route's interval noon lets it through",
    ]


def test_what_inhibits_is_named_with_its_rule() -> None:
    story = Story(MUTED, resend_every=MINUTE)
    story.fire("a", alertname="ClusterDown", cluster="one")
    story.fire("db", alertname="DiskFull", cluster="one").run(MINUTE)
    assert summary(story) == "Not told: inhibited by ClusterDown (cluster=one instance=a)"
    ((step,)) = steps(story, "inhibition")
    assert step.verdict == "stops"
    assert 'under rule alertname="ClusterDown" mutes alertname="DiskFull", equal cluster' in step.words
    assert step.words.endswith("so it was at 12:00:30")


def test_a_rule_without_a_source_lets_it_through() -> None:
    story = Story(MUTED).fire("db", alertname="DiskFull", cluster="one").run(MINUTE)
    (said,) = words(story, "inhibition")
    assert said.startswith("passes: Rule alertname=")
    assert said.endswith("aims at it; no source of it fires")


def test_a_source_that_came_after_the_flush_is_late_by_so_much() -> None:
    story = Story(MUTED, resend_every=MINUTE).fire("db", alertname="DiskFull", cluster="one").run(32 * SECOND)
    story.fire("a", alertname="ClusterDown", cluster="one").run(MINUTE)
    ((step,)) = steps(story, "inhibition")
    assert step.verdict == "stops"
    assert step.words.endswith("came 2.0 s after the flush at 12:00:30 that told of this alert")
    assert step.facts.seconds_late == 2.0  # type: ignore[union-attr]
    assert "now inhibited by ClusterDown" in summary(story)
    # Both are over before another look sees them together.
    story.resolve("a").run(10 * SECOND).resolve("db").run(10 * MINUTE)
    ((step,)) = steps(story, "inhibition")
    assert step.verdict == "info"
    assert "but inhibited it at no look" in step.words
    assert step.words.endswith("came 2.0 s after the flush at 12:00:30 that told of this alert")
    assert "which inhibits it, came 2.0 s after the flush at 12:00:30" in summary(story)


def test_a_source_that_was_seen_in_time_is_not_late() -> None:
    story = Story(MUTED, resend_every=MINUTE).fire("a", alertname="ClusterDown", cluster="one")
    story.fire("db", alertname="DiskFull", cluster="one").run(MINUTE)
    ((step,)) = steps(story, "inhibition")
    assert step.facts.seconds_late is None  # type: ignore[union-attr]


# --- when it is over ------------------------------------------------------------------------------------------------


def test_one_whose_lease_ran_out_unseen_says_when() -> None:
    story = Story(configuration()).fire("db").run(7 * MINUTE)
    assert summary(story).startswith("It fired from 12:00:00 until its lease ran out at 12:06:00: webhook[0] was told")
    (received,) = words(story, "received")
    assert received.endswith("it counts as resolved since 12:06:00, for no re-send has come")


def test_one_that_was_told_says_when_it_began_and_ended() -> None:
    story = Story(configuration()).fire("db").run(3 * MINUTE).resolve("db").run(HOUR)
    assert summary(story) == (
        "It fired from 12:00:00 to 12:03:00: webhook[0] was told at 12:00:30 (first notification)"
        " and at 12:05:30 (all alerts resolved)"
    )
    (one,) = traces(story, "db")
    assert (one.state, one.is_told) == ("over", True)


def test_while_its_end_is_to_be_told_it_says_when() -> None:
    story = Story(configuration()).fire("db").run(3 * MINUTE).resolve("db").run(MINUTE)
    assert summary(story).endswith("(first notification); its end is told at 12:05:30")


def test_one_that_was_over_before_the_first_look_says_so() -> None:
    story = Story(configuration()).fire("db").run(10 * SECOND).resolve("db").run(HOUR)
    assert summary(story) == (
        "It fired from 12:00:00 to 12:00:10 and nobody was told: it was over before its group first looked,"
        " at 12:00:30 (group_wait 30s)"
    )


def test_one_that_was_inhibited_names_the_looks() -> None:
    story = Story(MUTED, resend_every=MINUTE).fire("a", alertname="ClusterDown", cluster="one")
    story.fire("db", alertname="DiskFull", cluster="one").run(6 * MINUTE).resolve("db").run(SECOND).resolve("a")
    story.run(12 * HOUR)
    assert summary(story) == (
        "It fired from 2026-11-22 12:00:00 to 12:06:00 and nobody was told: inhibited by"
        " ClusterDown (cluster=one instance=a) at 12:00:30 and 12:05:30"
    )


def test_one_that_was_silenced_names_who_did_it() -> None:
    story = Story(configuration(), resend_every=MINUTE)
    story.silence('instance="db"', HOUR, comment="deploy")
    story.fire("db").run(12 * MINUTE).resolve("db").run(2 * HOUR)
    assert summary(story) == (
        "It fired from 12:00:00 to 12:12:00 and nobody was told: silenced by ann until 13:00:00 (deploy)"
        " at 4 looks from 12:00:30 to 12:15:30"
    )
    assert [step.verdict for step in steps(story, "notification")] == ["stops"]


def test_one_whose_lease_ran_out_says_that_no_resend_came() -> None:
    story = Story(configuration()).fire("db").run(HOUR)
    (received,) = words(story, "received")
    assert received.endswith("counted as resolved at 12:10:30, for no re-send had come")


def test_one_that_only_came_in_resolved_never_fired() -> None:
    story = Story(configuration()).post(alert("resolved", instance="db")).run(MINUTE)
    assert summary(story) == "It came in as resolved at 12:00:00, without having fired here: nobody is told of that"
    assert [step.verdict for step in steps(story, "received")] == ["stops"]


def test_resends_of_a_resolve_change_nothing_of_its_life() -> None:
    story = Story(configuration()).fire("db").run(3 * MINUTE).resolve("db").run(10 * MINUTE)
    before = summary(story)
    story.resolve("db").run(10 * MINUTE)
    assert summary(story) == before


def test_of_several_occurrences_the_last_is_told() -> None:
    story = Story(configuration()).fire("db").run(MINUTE).resolve("db").run(HOUR)
    story.fire("db").run(MINUTE)
    assert summary(story) == "Told at 13:01:30 by webhook[0]: first notification; nothing new since"
    assert len(steps(story, "delivery")) == 1


def test_a_delivery_given_up_that_arrives_late_counts_as_told() -> None:
    story = Story(configuration(), resend_every=MINUTE)
    story.answers["team"] = [Answer(after=4 * MINUTE, folded_after=10 * MINUTE), HANGS]
    story.fire("db").run(7 * MINUTE)
    outcomes = [step.facts.outcome for step in steps(story, "delivery")]  # type: ignore[union-attr]
    assert outcomes == [Outcome.GIVEN_UP, Outcome.UNDER_WAY]
    story.run(10 * MINUTE)
    assert steps(story, "delivery")[0].facts.outcome is Outcome.DELIVERED  # type: ignore[union-attr]


# --- several groups, and other configurations -----------------------------------------------------------------------


def test_each_group_has_a_trace_of_its_own() -> None:
    story = Story(TWO)
    story.answers["audit"] = [FAILS]
    story.fire("db").run(MINUTE)
    found = {one.receiver: one for one in traces(story, "db")}
    assert found["team"].summary.startswith("Told at 12:00:30 by webhook[0]")
    assert found["audit"].summary.startswith("Not told: webhook[0] (tried at 12:00:30: ")
    routed = {name: next(step.words for step in one.steps if step.stage == "routed") for name, one in found.items()}
    assert "its first matching route" in routed["audit"]
    assert "a further route, which opens no incident" in routed["team"]


def test_one_that_a_configuration_moved_says_so() -> None:
    story = Story(configuration()).fire("db").run(MINUTE)
    story.reload(configuration(group_by="[instance]")).run(MINUTE)
    old, new = traces(story, "db")
    assert old.state == "over"
    assert old.summary.startswith("It fired from 12:00:00 to 12:01:00, when a new configuration moved it to another")
    assert new.state == "firing"


def test_a_shadow_tells_nobody() -> None:
    story = Story(configuration()).fire("db").run(MINUTE)
    ((id, stored),) = story.groups.items()
    its = story.member("db").alert.fingerprint
    evidence = evidence_of(story, id, stored, life_of(stored, its), its)
    told = trace(replace(evidence, is_shadow=True))
    assert not told.is_told
    assert told.summary.startswith("As a shadow, which tells nobody: Told at 12:00:30")
    assert told.steps[-1].verdict == "info"
    assert told.steps[-1].words.startswith("webhook[0] would have been told at 12:00:30")


# --- reading a life -------------------------------------------------------------------------------------------------


ITS = alert().fingerprint


@pytest.mark.parametrize(
    ("reasons", "is_kept"),
    [
        ((Reason(ReasonCode.UPDATED, fingerprints=(Fingerprint("0" * 16),)),), False),
        ((Reason(ReasonCode.UPDATED, fingerprints=(ITS,)),), True),
        ((Reason(ReasonCode.NO_NEWS, integration=0),), True),
        ((Reason(ReasonCode.DELIVERED, integration=0),), True),
        ((Reason(ReasonCode.WOKEN, "x"),), False),
    ],
)
def test_only_what_can_concern_it_is_kept(reasons: tuple[Reason, ...], is_kept: bool) -> None:
    assert (narrowed(entry(reasons=reasons), ITS) is not None) is is_kept


def test_of_a_request_only_its_own_report_is_kept() -> None:
    other = alert(instance="web")
    one = entry(reported=reported(other, alert()), reasons=(Reason(ReasonCode.FIRED, fingerprints=(ITS,)),))
    kept = narrowed(one, ITS)
    assert kept is not None
    assert kept.reported is not None
    assert kept.reported.alerts == (alert(),)


def test_a_look_before_the_report_of_the_same_entry_is_not_about_it() -> None:
    reasons = (
        Reason(ReasonCode.NO_NEWS, integration=0),
        Reason(ReasonCode.FIRED, fingerprints=(ITS,)),
        Reason(ReasonCode.NOTIFY, "1 firing: first notification", integration=0),
    )
    life = read_life([entry(reasons=reasons, reported=reported())], ITS)
    assert [[reason.code for reason in look.said] for look in life.looks] == [[ReasonCode.NOTIFY]]
    assert [sent.is_about_it for sent in life.sent] == [True]


def test_nothing_known_is_nothing() -> None:
    assert read_life([entry(reasons=(Reason(ReasonCode.NO_NEWS, integration=0),))], ITS) == Life()


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (timedelta(milliseconds=300), "300ms"),
        (30 * SECOND, "30s"),
        (90 * SECOND, "1m30s"),
        (4 * HOUR, "4h"),
        (26 * HOUR, "1d2h"),
    ],
)
def test_a_length_of_time_reads_as_in_a_configuration(duration: timedelta, said: str) -> None:
    assert span(duration) == said


@pytest.mark.parametrize(("parts", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ([*"abc"], "a, b and c")])
def test_lists_read_as_a_person_writes_them(parts: Sequence[str], said: str) -> None:
    assert joined(parts) == said


def test_what_does_not_print_reaches_nobody() -> None:
    story = Story(configuration())
    story.silence('instance="db"', HOUR, by="\x1b[31mann", comment="a\nb\x00")
    story.fire("db").run(MINUTE)
    (one,) = traces(story, "db")
    said: list[Any] = [one.summary, *(step.words for step in one.steps)]
    assert all(text.isprintable() for text in said)
