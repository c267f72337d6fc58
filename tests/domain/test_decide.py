"""What one fold changes: occurrences and incidents, leases, repetition; and what holds however things interleave."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.door import Door
from domain.groups import (
    NO_NEWS,
    Decision,
    GroupState,
    ReasonCode,
    Reported,
    Tick,
    Wanted,
)
from domain.incidents import DOORS_REMEMBERED, decide
from domain.notifications import Settled, pack, unpack
from domain.situations import Situation
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.domain.story import (
    FAILS,
    HANGS,
    LOST,
    OK,
    Answer,
    Story,
    configuration,
    explain_again,
    in_order,
    never,
    on_time,
    read,
)

PLAIN = configuration()
LONG = 24 * HOUR
TINY = timedelta(microseconds=1)

FIRST = "0:00:30 team: db fires (first notification)"


# --- what is asked for (port `GroupStore`) --------------------------------------------------------------------------


def situation(text: str = PLAIN) -> Situation:
    return Situation(read(text), NOON)


def partly(story: Story, **changes: object) -> GroupState:
    """The one group as a transaction first shows it, with nothing named."""
    return replace(GroupState(story.head, {}, None, is_complete=False), **changes)  # type: ignore[arg-type]


def test_a_fold_needs_only_the_members_it_names() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    report = replace(story.entries[0].reported, door="other")  # type: ignore[type-var]
    assert report is not None
    answer = decide(partly(story), report, situation(), story.now)
    assert isinstance(answer, Decision)


@pytest.mark.parametrize(
    ("after", "event_at", "wants"),
    [
        pytest.param(MINUTE, MINUTE, False, id="not due"),
        pytest.param(6 * MINUTE, 4 * MINUTE, False, id="not due when the report came: its tick is under way"),
        pytest.param(6 * MINUTE, 6 * MINUTE, True, id="due when the report came"),
    ],
)
def test_a_report_wants_everything_only_where_it_finds_the_group_due(
    after: timedelta, event_at: timedelta, wants: bool
) -> None:
    story = Story(PLAIN, ticks=lambda tick, now: [tick.due_at] if tick.due_at < NOON + MINUTE else [], is_swept=False)
    story.fire("db", lease=LONG).run(MINUTE).fire("web", lease=LONG).run(after)
    first = story.entries[0].reported
    assert first is not None
    report = replace(first, door="other", received_at=NOON + event_at)
    assert (decide(partly(story), report, situation(), story.now) == Wanted()) is wants


def test_a_tick_wants_everything_only_where_the_group_is_due() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    due_at = story.head.next_due_at
    assert due_at is not None
    tick = Tick(story.head.id, due_at)
    assert decide(partly(story), tick, situation(), story.now) == Wanted(), "it may come early"
    assert decide(partly(story), replace(tick, due_at=NOON), situation(), story.now) == NO_NEWS
    assert decide(partly(story), Tick(story.head.id, NOON), situation(), due_at) == Wanted()
    assert decide(partly(story), Tick(story.head.id, NOON), situation(), story.now) == NO_NEWS


def test_a_result_wants_the_logs_and_then_those_it_drops() -> None:
    story = Story(PLAIN).fire("db", "web", lease=LONG).run(MINUTE)
    story.answers["team"] = [LOST]
    story.resolve("db").run(5 * MINUTE)
    settled = Settled(story.head.id, story.due[-1].id, 0, is_delivered=True, settled_at=story.now)
    state = partly(story)
    assert decide(state, settled, situation(), story.now) == Wanted(frozenset())
    state = replace(state, logs=story.group.logs)
    name = story.member("db").alert.fingerprint
    assert decide(state, settled, situation(), story.now) == Wanted(frozenset({name}))
    state = replace(state, members={name: story.member("db")})
    answer = decide(state, settled, situation(), story.now)
    assert isinstance(answer, Decision)
    assert [member.alert.fingerprint for member in answer.members] == [name]


def test_another_configuration_wants_everything() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    other = situation(configuration(repeat="5h"))
    for event in (Tick(story.head.id, story.now), Settled(story.head.id, "x", 0, is_delivered=True, settled_at=NOON)):
        assert decide(partly(story), event, other, story.now) == Wanted()


# --- occurrences and incidents (rule 11) ----------------------------------------------------------------------------


def test_re_sends_merges_and_a_moved_start_begin_no_occurrence() -> None:
    story = Story(PLAIN, resend_every=MINUTE).fire("db").run(HOUR)
    story.fire("db", starts_at=NOON - HOUR).run(MINUTE).fire("db", starts_at=story.now).run(HOUR)
    assert story.member("db").occurrence == 1
    assert story.head.incidents == 1


def test_a_refire_after_the_resolve_is_settled_is_another_incident() -> None:
    story = Story(PLAIN).fire("db").run(MINUTE).resolve("db").run(6 * MINUTE).fire("db", lease=LONG).run(MINUTE)
    first, second = story.incidents.values()
    assert (story.clock(first.opened_at), story.clock(first.resolved_at)) == ("0:00:00", "0:05:30")
    assert (story.clock(second.opened_at), story.clock(second.resolved_at)) == ("0:07:00", "never")
    assert (first.pages, second.pages) == (2, 1)
    assert story.member("db").occurrence == 2
    assert [ReasonCode.OPENED, ReasonCode.INCIDENT_OPENED, ReasonCode.REFIRED] in story.reasons


def test_a_refire_before_the_resolve_is_settled_is_the_same_incident() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db").run(MINUTE).fire("db", lease=LONG).run(HOUR)
    (only,) = story.incidents.values()
    assert only.resolved_at is None
    assert story.member("db").occurrence == 2


def test_a_refire_while_the_resolve_is_under_way_is_the_same_incident() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db")
    story.answers["team"] = [Answer(after=MINUTE)]
    story.run(5 * MINUTE).fire("db", lease=LONG).run(HOUR)
    assert story.head.incidents == 1


def test_an_incident_stays_open_while_its_resolve_cannot_be_told() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db")
    story.answers["team"] = [FAILS]
    story.run(HOUR)
    assert story.head.incident is not None
    assert story.head.incident.firing == 0
    story.answers["team"] = [OK]
    story.run(5 * MINUTE)
    (only,) = story.incidents.values()
    assert story.clock(only.resolved_at) == "1:05:30"


def test_an_incident_counts_and_is_named_after_its_alerts() -> None:
    story = Story(configuration(group_by="[]")).fire("db", "web", lease=LONG).run(MINUTE)
    story.resolve("db").run(5 * MINUTE)
    (only,) = story.incidents.values()
    assert (only.title, only.firing, only.alerts, only.pages) == ("DiskFull", 1, 2, 2)
    assert only.id == f"{story.head.id}-1"
    assert {delivery.incident for delivery in story.due} == {only.id}


def test_only_the_leading_route_opens_incidents() -> None:
    story = Story("""
route:
  receiver: team
  routes:
    - {receiver: team, matchers: [instance="db"], continue: true}
    - {receiver: log}
receivers: [{name: team, webhook_configs: [{url: "http://team"}]}, {name: log, webhook_configs: [{url: "http://log"}]}]
""")
    story.fire("db", lease=LONG).run(MINUTE)
    assert [incident.receiver for incident in story.incidents.values()] == ["team"]
    assert [page.receiver for page in story.pages] == ["team", "log"]
    assert [bool(delivery.incident) for delivery in story.due] == [True, False]
    story.fire("web", lease=LONG).run(6 * MINUTE)
    assert [incident.receiver for incident in story.incidents.values()] == ["team", "log"], "`web` leads there"


# --- leases and queues (rules 7 and 8) ------------------------------------------------------------------------------


def test_an_event_that_waited_past_the_flush_is_told_at_the_next() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(25 * SECOND)
    story.lag = 10 * SECOND
    story.fire("web", lease=LONG).run(HOUR)
    assert story.told() == [FIRST, "0:05:30 team: db, web fire (new alerts added)"]


def test_an_event_that_came_before_the_flush_is_folded_before_it() -> None:
    story = Story(PLAIN, ticks=never, is_swept=False).fire("db", lease=LONG).run(20 * SECOND)
    story.lag = 20 * SECOND
    story.resolve("db").run(30 * SECOND)  # came at 0:20, is folded at 0:40, and the flush was due at 0:30
    story.fold(Tick(story.head.id, NOON + 30 * SECOND))
    assert story.told() == []
    assert story.reasons[-1][0] is ReasonCode.NEVER_TOLD


def test_a_lease_that_ran_out_in_the_queue_counts_from_the_fold() -> None:
    story = Story(PLAIN)
    story.lag = HOUR
    story.fire("db", lease=4 * MINUTE).run(HOUR + MINUTE)
    assert story.told() == ["1:00:00 team: db fires (first notification)"]
    assert story.clock(story.member("db").leased_at) == "1:00:00"
    story.lag = timedelta(0)
    story.run(HOUR)
    # The group opened at its receipt and fell due at once: 1:00:00 is where its grid begins.
    assert story.told()[1:] == ["1:05:00 team: db resolved (all alerts resolved)"]


def test_a_report_older_than_what_is_known_does_not_revive_it() -> None:
    # A dead letter is replayed: it comes as from a door of its own, and out of order.
    story = Story(PLAIN).fire("db", lease=4 * MINUTE).run(MINUTE)
    dead = story.entries[0].reported
    story.fire("db", lease=4 * MINUTE).fire("web", lease=LONG).run(20 * MINUTE)
    assert story.told()[-1].endswith("web fires; db resolved (some alerts resolved)")
    assert dead is not None
    story.fold(replace(dead, door="replayed-1"))
    assert not story.member("db").is_firing
    story.run(HOUR)
    assert story.told()[-1].endswith("web fires; db resolved (some alerts resolved)")


def test_a_resolve_is_never_stretched() -> None:
    story = Story(PLAIN).fire("db").run(MINUTE)
    story.lag = HOUR
    story.resolve("db").run(2 * HOUR)
    assert story.told()[-1].endswith("db resolved (all alerts resolved)")


def test_stopped_for_twice_the_lease_and_re_sent_tells_nothing() -> None:
    story = Story(PLAIN, resend_every=MINUTE).fire("db").run(20 * MINUTE)
    story.stop().run(8 * MINUTE).begin().run(HOUR)
    assert story.told() == [FIRST]
    assert story.member("db").occurrence == 1


def test_stopped_and_not_re_sent_resolves_one_lease_after_the_start() -> None:
    story = Story(PLAIN, resend_every=MINUTE).fire("db").run(20 * MINUTE)
    story.stop().fall_silent("db").run(8 * MINUTE).begin().run(HOUR)
    # It began at 0:28, so the lease ended at 0:32; nothing was due while it was stopped, so the grid is the old one.
    assert story.told() == [FIRST, "0:35:30 team: db resolved (all alerts resolved)"]


def test_a_short_stop_changes_no_lease() -> None:
    story = Story(PLAIN, resend_every=MINUTE).fire("db").run(20 * MINUTE)
    story.stop().run(2 * MINUTE).begin().run(HOUR)
    assert story.told() == [FIRST]
    assert story.listening_since == NOON


# --- seen twice, out of order ---------------------------------------------------------------------------------------


def test_a_message_seen_twice_is_known_by_its_number() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    first = story.entries[0].reported
    story.resolve("db").run(SECOND)
    assert first is not None
    assert story.fold(first) == NO_NEWS
    assert not story.member("db").is_firing


def test_a_group_remembers_the_last_few_doors() -> None:
    story = Story(PLAIN)
    for number in range(DOORS_REMEMBERED + 3):
        story.door = Door(f"d{number}")
        story.fire("db", lease=LONG).run(timedelta(0))
        story.door = Door("busy")
        story.door._number = number
        story.fire("db", lease=LONG).run(timedelta(0))
    assert len(story.head.folded) == DOORS_REMEMBERED
    assert story.head.folded["busy"] == DOORS_REMEMBERED + 3
    assert "d0" not in story.head.folded


def test_one_alert_twice_in_a_request_counts_once() -> None:
    story = Story(PLAIN)
    story.post(alert(annotations={"text": "one"}), alert(annotations={"text": "two"})).run(MINUTE)
    assert (story.head.present, story.head.firing) == (1, 1)
    (page,) = story.pages
    assert page.delivery.notification.alerts[0].alert.annotations == {"text": "two"}


@given(st.permutations(range(5)), st.integers(0, 4))
def test_the_order_of_arrival_does_not_matter(order: Sequence[int], doors: int) -> None:
    """Re-sends of one alert, and at last its resolve, from several doors: the group's copy comes out the same."""
    story = Story(PLAIN).fire("db").fire("web", lease=LONG).run(MINUTE)
    first = story.entries[0].reported
    assert first is not None
    (known,) = first.alerts
    for place in order:
        received_at = known.received_at + (place + 1) * 10 * SECOND
        ends_at = received_at if place == 4 else received_at + 4 * MINUTE
        again = replace(known, received_at=received_at, ends_at=ends_at, annotations={"text": str(place)})
        event = Reported(first.group, f"other-{place % (doors + 1)}-{place}", place, received_at, (again,))
        story.fold(event)
    copy = story.member("db")
    assert not copy.is_firing
    assert (copy.alert.received_at, copy.alert.annotations) == (NOON + 50 * SECOND, {"text": "4"})
    assert story.head.firing == 1


# --- however things interleave --------------------------------------------------------------------------------------

SIBLINGS = """
route:
  receiver: rest
  group_by: [service]
  group_wait: 20s
  group_interval: 2m
  repeat_interval: 1h
  routes:
    - {receiver: team, matchers: [service="shop"], continue: true}
    - {receiver: log, matchers: [service="shop"], group_by: [], group_wait: 1m, group_interval: 5m}
receivers:
  - {name: rest, webhook_configs: [{url: "http://rest"}]}
  - {name: team, webhook_configs: [{url: "http://0"}, {url: "http://1", send_resolved: false}]}
  - {name: log, webhook_configs: [{url: "http://log"}]}
"""
ELSEWHERE = SIBLINGS.replace("group_by: [service]", "group_by: [alertname]").replace(
    "group_interval: 5m", "group_interval: 3m"
)
NARROW = configuration(wait="0s", interval="3s", repeat="1h", send_resolved=[True, True])

NAMES = ["db", "web", "api"]
SERVICES = ["shop", "bank"]


# A walk takes some 30 ms; `WALKS=2000 pytest -k whatever` looks longer.
WALKS = int(os.environ.get("WALKS", "25"))
A_FEW = settings(deadline=None, max_examples=WALKS)
FEWER = settings(deadline=None, max_examples=WALKS // 2)


@dataclass(frozen=True)
class Chance:
    """What may go wrong in a walk; each a probability."""

    lost: float = 0.0
    doubled: float = 0.0
    failing: float = 0.0


def walk(seed: int, chance: Chance, texts: Sequence[str], steps: int = 40) -> Story:
    """A story that chance tells; the checks of `Story` hold at each of its steps."""
    random = Random(seed)

    def ticks(tick: Tick, now: datetime) -> list[datetime]:
        if random.random() < chance.lost:
            return []
        drift = random.choice([-5, 0, 0, 0, 7, 45]) * SECOND if chance.doubled else timedelta(0)
        times = 2 if random.random() < chance.doubled else 1
        return [max(now, tick.due_at + drift)] * times

    story = Story(
        texts[0], ticks=ticks if chance != Chance() else on_time, resend_every=MINUTE, is_triaged=seed % 2 == 0
    )
    bad = [
        FAILS,
        HANGS,
        LOST,
        Answer(folded_after=3 * MINUTE),
        Answer(after=90 * SECOND),
        Answer(is_delivered=False, after=SECOND),
    ]
    for _ in range(steps):
        for receiver in ("team", "team[0]", "team[1]", "log", "rest"):
            story.answers[receiver] = [random.choice(bad) if random.random() < chance.failing else OK]
        happen(story, random, texts)
        story.run(random.choice([0, 1, 10, 30, 60, 150, 600]) * SECOND)
    return story


def happen(story: Story, random: Random, texts: Sequence[str]) -> None:
    """One thing that may happen, whatever else is going on."""
    name = random.choice(NAMES)
    service = SERVICES[NAMES.index(name) % 2]
    match random.choice(["fires", "fires", "fires", "resolves", "resolves", "silent", "lag", "stops", "reload"]):
        case "fires":
            story.fire(name, lease=random.choice([SECOND, MINUTE, 4 * MINUTE, 30 * MINUTE]), service=service)
        case "resolves" if story.knows(name):
            story.resolve(name)
        case "silent":
            story.fall_silent(name)
        case "lag":
            story.lag = random.choice([0, 0, 1, 40, 400]) * SECOND
        case "stops":
            story.stop().run(random.choice([SECOND, 2 * MINUTE, 10 * MINUTE])).begin()
        case "reload":
            story.reload(random.choice(texts))
        case _:
            pass


def settle_down(story: Story) -> None:
    """From here on nothing goes wrong any more, and nothing new happens for a while."""
    story.answers.clear()
    story.ticks = on_time
    story.lag = timedelta(0)
    for name in sorted(story.sending):
        story.fire(name, lease=6 * HOUR)
    story.run(75 * MINUTE)


def assert_everyone_knows(story: Story) -> None:
    """What fires has been told as firing, to every integration of every group; what does not, not."""
    for stored in story.groups.values():
        head = stored.head
        assert head is not None
        if head.configuration_version != story.configuration.version:
            assert head.present == 0, "a live group would have been routed anew"
            continue
        assert not head.pending
        assert not head.has_news
        assert not head.is_flush_failed
        firing = frozenset(member.alert.fingerprint for member in stored.present if member.is_firing)
        assert head.present == head.firing == len(firing), "all that resolved is told and dropped"
        if not head.present:
            continue
        for number in range(len(story.configuration.receiver(head.receiver).integrations)):
            known = unpack(stored.logs[number].firing)
            assert firing <= known, "it fires, and they have not heard"
    present = {member.alert.labels["instance"] for stored in story.groups.values() for member in stored.present}
    assert present == story.sending


def assert_resolves_were_told(story: Story) -> None:
    """Per group and integration that is told of resolves: what it last heard of an alert is what became of it.

    What was heard without anyone learning of it does not count: nobody can know that it needs a resolve.
    """
    known = {
        entry.settled.delivery_id
        for entry in story.entries
        if entry.settled and any(reason.code is ReasonCode.DELIVERED for reason in entry.reasons)
    }
    for group_id, stored in story.groups.items():
        for number, log in stored.logs.items():
            heard: dict[str, bool] = {}
            for page in story.pages:
                if page.group_id == group_id and page.integration == number and page.delivery.id in known:
                    heard |= dict.fromkeys(page.firing, True) | dict.fromkeys(page.resolved, False)
            receiver = story.configuration.receiver(stored.head.receiver) if stored.head else None
            if receiver is None or not receiver.integrations[number].send_resolved:
                continue
            present = {member.alert.labels["instance"] for member in stored.present}
            assert {name for name, fires in heard.items() if fires} == present
            assert log.pending is None


@A_FEW
@given(st.integers(0, 2**32))
def test_where_nothing_goes_wrong_everyone_hears_in_time(seed: int) -> None:
    story = walk(seed, Chance(), [SIBLINGS])
    for stored in story.groups.values():
        head = stored.head
        assert head is not None
        route = story.configuration.routes[head.route_id]
        for member in stored.present:
            told = unpack(log.firing) if (log := stored.logs.get(0)) else frozenset()
            pending = unpack(log.pending.firing) if log and log.pending else frozenset()
            if member.is_firing and member.alert.fingerprint not in told | pending:
                # Since when it fires here: its occurrence began at the latest when it was last reported anew.
                since = max(
                    entry.at
                    for entry in stored.entries
                    for reason in entry.reasons
                    if reason.code in (ReasonCode.FIRED, ReasonCode.REFIRED)
                    and member.alert.fingerprint in reason.fingerprints
                )
                assert story.now - since <= route.group_wait + route.group_interval
    settle_down(story)
    assert_everyone_knows(story)
    assert_resolves_were_told(story)
    assert story.tally.failed == story.tally.superseded == 0


@A_FEW
@given(st.integers(0, 2**32), st.sampled_from([SIBLINGS, NARROW]))
def test_whatever_goes_wrong_everyone_knows_in_the_end(seed: int, text: str) -> None:
    story = walk(seed, Chance(lost=0.2, doubled=0.2, failing=0.3), [text])
    settle_down(story)
    assert_everyone_knows(story)
    assert_resolves_were_told(story)
    tally = story.tally
    assert tally.due == tally.delivered + tally.failed + tally.superseded + story.pending == len(story.due)
    assert tally.folded == sum(
        len(story.configuration.group_addresses(one.labels)) for each in story.acknowledged for one in each.alerts
    )


@A_FEW
@given(st.integers(0, 2**32))
def test_whatever_is_reloaded_everyone_knows_in_the_end(seed: int) -> None:
    texts = [SIBLINGS, ELSEWHERE, configuration(interval="1m", group_by="[service]", send_resolved=[True])]
    story = walk(seed, Chance(lost=0.1, doubled=0.1, failing=0.2), texts)
    settle_down(story)
    assert_everyone_knows(story)
    tally = story.tally
    assert tally.due == tally.delivered + tally.failed + tally.superseded + story.pending == len(story.due)


@FEWER
@given(st.integers(0, 2**32))
def test_the_log_explains_itself(seed: int) -> None:
    """Deciding anew from the log of a group alone comes to the same reasons, word for word (rule 2)."""
    texts = [SIBLINGS, ELSEWHERE]
    story = walk(seed, Chance(lost=0.1, doubled=0.1, failing=0.2), texts)
    for stored in story.groups.values():
        assert explain_again(stored.entries, texts) == [in_order(entry.reasons) for entry in stored.entries]


@FEWER
@given(st.integers(0, 2**32))
def test_acknowledged_events_tell_the_same_pages_again(seed: int) -> None:
    """What is due is what the core decides from what was acknowledged: late, doubled and lost ticks change no page."""
    random = Random(seed)
    live = Story(SIBLINGS, resend_every=MINUTE)
    for _ in range(30):
        name = random.choice(NAMES)
        if random.random() < 0.6:
            live.fire(name, service=SERVICES[NAMES.index(name) % 2])
        elif live.knows(name):
            live.resolve(name)
        # Never at the instant of a flush: who is first then is chance.
        live.run((random.choice([1, 10, 60, 150, 600]) + random.random()) * SECOND)
    live.run(HOUR)
    again = Story(SIBLINGS).replay(live.acknowledged).run_until(live.now)
    assert again.told() == live.told()
    assert again.acknowledged == live.acknowledged


def test_a_replay_under_another_configuration_shows_the_difference() -> None:
    live = Story(PLAIN, resend_every=MINUTE).fire("db").run(10 * MINUTE).resolve("db").run(HOUR)
    other = Story(configuration(wait="2m", send_resolved=[False])).replay(live.acknowledged).run_until(live.now)
    assert live.told() == [FIRST, "0:10:30 team: db resolved (all alerts resolved)"]
    assert other.told() == ["0:02:00 team: db fires (first notification)"]


def test_a_group_store_may_ask_for_nothing_more_than_is_wanted() -> None:
    """A member that a result should drop, and that is gone, is not waited for."""
    story = Story(PLAIN).fire("db", "web", lease=LONG).run(MINUTE)
    story.answers["team"] = [LOST]
    story.resolve("db", "web").run(5 * MINUTE)
    del story.group.members[story.member("db").alert.fingerprint]
    settled = Settled(story.head.id, story.due[-1].id, 0, is_delivered=True, settled_at=story.now)
    decision = story.group.ask(settled, story.situation, story.now, ())
    assert isinstance(decision, Decision)
    assert len(decision.members) == 1


def test_pending_sets_are_packed() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [LOST]
    story.run(MINUTE)
    pending = story.group.logs[0].pending
    assert pending is not None
    assert pending.firing == pack([story.member("db").alert.fingerprint])
