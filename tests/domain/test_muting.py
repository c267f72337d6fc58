"""What mutes at a flush: hours, silences, sources, with one trail of it all; and walks in which all of it happens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.groups import Outgoing, Reason, ReasonCode, Tick
from domain.inhibition import SourceKey, Sources
from domain.labels import Labels, fingerprint
from domain.muting import Muting, hours, muting, source_keys
from domain.notifications import Delivery, NotificationReason, unpack
from domain.routing import Route
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.domain.story import FAILS, HANGS, LOST, OK, Answer, Story, configuration, on_time

LONG = 24 * HOUR
PLAIN = configuration()
FIRST = "(first notification)"

MODES = pytest.mark.parametrize("is_strict", [pytest.param(False, id="mended"), pytest.param(True, id="strict")])


# --- time intervals -------------------------------------------------------------------------------------------------


def hourly(route: str, *intervals: str, base: str = PLAIN) -> str:
    """A configuration whose only child, for everything, is muted or active so; NOON is a Sunday in UTC."""
    child = f"  routes: [{{matchers: ['alertname=~\".+\"'], {route}}}]\nreceivers:"
    listed = "".join(f"  - {interval}\n" for interval in intervals)
    return base.replace("receivers:", child) + f"time_intervals:\n{listed}"


def times(name: str, start: str, end: str) -> str:
    return f"{{name: {name}, time_intervals: [{{times: [{{start_time: '{start}', end_time: '{end}'}}]}}]}}"


LUNCH = times("lunch", "12:00", "12:25")
TEA = times("tea", "12:10", "12:45")
WORK = times("work", "12:25", "18:00")
EVENING = times("evening", "18:00", "20:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(hourly("mute_time_intervals: [lunch]", LUNCH), "0:25:30", id="muted until the interval ends"),
        pytest.param(hourly("mute_time_intervals: [lunch, tea]", LUNCH, TEA), "0:45:30", id="muted by either of two"),
        pytest.param(hourly("mute_time_intervals: [evening]", EVENING), "0:00:30", id="another time of the day"),
        pytest.param(hourly("active_time_intervals: [work]", WORK), "0:25:30", id="active from then on"),
        pytest.param(hourly("active_time_intervals: [evening, work]", WORK, EVENING), "0:25:30", id="active in either"),
        pytest.param(
            hourly("active_time_intervals: [work], mute_time_intervals: [tea]", WORK, TEA), "0:45:30", id="both kinds"
        ),
        pytest.param(
            hourly("mute_time_intervals: [lunch]", LUNCH.replace("lunch", "other"), TEA.replace("tea", "lunch")),
            "0:00:30",
            id="only those that the route names",
        ),
    ],
)
@MODES
def test_a_route_tells_when_its_hours_allow_and_keeps_to_its_grid(text: str, expected: str, is_strict: bool) -> None:
    story = Story(text, is_strict=is_strict).fire("db", lease=LONG).run(2 * HOUR)
    assert story.told() == [f"{expected} team: db fires {FIRST}"]
    flushes = [story.clock(at) for at, _ in story.flushes]
    muted = story.count(ReasonCode.ALL_MUTED)
    assert flushes == [story.clock(NOON + 30 * SECOND + number * 5 * MINUTE) for number in range(muted + 1)]
    assert (story.head.has_muted, story.head.has_news) == (False, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            hourly("mute_time_intervals: [lunch, evening, tea]", LUNCH, EVENING, times("tea", "12:00", "12:45")),
            ("inside a mute interval", "lunch, tea"),
            id="the mute intervals that contain the instant",
        ),
        pytest.param(
            hourly("active_time_intervals: [work, evening]", WORK, EVENING),
            ("outside of its active intervals", "work, evening"),
            id="all active intervals",
        ),
        pytest.param(
            hourly("active_time_intervals: [work], mute_time_intervals: [lunch]", WORK, LUNCH),
            ("outside of its active intervals", "work"),
            id="the active ones are asked first",
        ),
    ],
)
def test_the_trail_names_the_intervals(text: str, expected: tuple[str, str]) -> None:
    story = Story(text).fire("db", "web", lease=LONG).run(MINUTE)
    (said,) = reasons(story, ReasonCode.OUT_OF_HOURS)
    assert (said.text, said.by) == expected
    assert len(said.fingerprints) == 2


def reasons(story: Story, code: ReasonCode) -> list[Reason]:
    return [reason for entry in story.entries for reason in entry.reasons if reason.code is code]


def test_intervals_are_not_inherited() -> None:
    text = PLAIN.replace(
        "receivers:",
        "  routes:\n    - matchers: ['alertname=~\".+\"']\n      mute_time_intervals: [lunch]\n"
        "      routes: [{matchers: [instance=db]}]\nreceivers:",
    )
    story = Story(text + f"time_intervals: [{LUNCH}]\n").fire("db", lease=LONG).fire("web", lease=LONG).run(MINUTE)
    assert story.told() == [f"0:00:30 team: db fires {FIRST}"]


AFTERNOON = hourly("mute_time_intervals: [break]", times("break", "12:10", "12:40"), base=configuration(repeat="3h"))


@MODES
def test_what_fires_on_when_its_interval_ends_is_not_told_again(is_strict: bool) -> None:
    # Nobody silenced it: in the hours before it was told of, and nothing has changed since.
    story = Story(AFTERNOON, is_strict=is_strict).fire("db", lease=LONG).run(HOUR)
    assert story.told() == [f"0:00:30 team: db fires {FIRST}"]


@MODES
def test_what_resolves_out_of_hours_and_fires_again_is_told_where_mended(is_strict: bool) -> None:
    story = Story(AFTERNOON, is_strict=is_strict).fire("db", lease=LONG).run(15 * MINUTE).resolve("db").run(10 * MINUTE)
    assert story.head.present == 0
    story.fire("db", lease=LONG).run(5 * MINUTE)
    assert len(story.told()) == 1, "it is still out of hours"
    story.run(HOUR)
    assert story.told()[1:] == ([] if is_strict else [f"0:40:30 team: db fires {FIRST}"])


@MODES
def test_what_began_and_ended_out_of_hours_is_told_to_nobody(is_strict: bool) -> None:
    story = Story(AFTERNOON, is_strict=is_strict).run(15 * MINUTE).fire("db", lease=LONG).run(10 * MINUTE)
    story.resolve("db").run(2 * HOUR)
    assert (story.told(), story.head.present) == ([], 0)


@MODES
def test_the_repeat_waits_for_the_hours(is_strict: bool) -> None:
    text = hourly("mute_time_intervals: [break]", times("break", "12:10", "12:40"), base=configuration(repeat="25m"))
    story = Story(text, is_strict=is_strict).fire("db", lease=LONG).run(50 * MINUTE)
    assert story.told()[1:] == ["0:40:30 team: db fires (repeat interval elapsed)"]


def test_a_reload_that_brings_hours_mutes_from_the_next_flush_on() -> None:
    text = hourly("mute_time_intervals: [lunch]", LUNCH)
    without = text.replace("mute_time_intervals: [lunch]", "mute_time_intervals: []")
    story = Story(without).fire("db", lease=LONG).run(MINUTE).fire("web", lease=LONG).reload(text).run(HOUR)
    assert [words for words in story.told() if "web" in words] == [
        "0:25:30 team: db, web fire (new alerts added)",
    ]
    story = Story(text).fire("db", lease=LONG).run(MINUTE).reload(without).run(HOUR)
    assert story.told() == [f"0:05:30 team: db fires {FIRST}"]


# --- several causes -------------------------------------------------------------------------------------------------


def test_all_causes_are_in_the_trail() -> None:
    text = hourly("mute_time_intervals: [lunch]", LUNCH)
    text += """inhibit_rules: [{source_matchers: [role=source], target_matchers: ['instance=~"db|web"']}]\n"""
    story = Story(text).fire("src", alertname="Outage", role="source", lease=LONG)
    story.silence("instance=db", HOUR, by="ann", comment="being replaced")
    story.silence('alertname=~"Disk.*"', HOUR, by="bob", comment="all disks")
    story.fire("db", "web", "api", lease=LONG).run(MINUTE)
    said = [
        (reason.code, len(reason.fingerprints), reason.by.partition("-")[0], reason.text)
        for entry in story.entries
        if entry.reasons[-1].code is ReasonCode.ALL_MUTED and "all disks" in str(entry.reasons)
        for reason in entry.reasons
    ]
    codes = [each[0] for each in said]
    assert codes == [
        ReasonCode.INHIBITED,
        ReasonCode.OUT_OF_HOURS,
        ReasonCode.SILENCED,
        ReasonCode.SILENCED,
        ReasonCode.ALL_MUTED,
    ]
    assert [each[1] for each in said] == [2, 3, 1, 3, 0]
    assert {each[3] for each in said[2:4]} == {"ann: being replaced", "bob: all disks"}


def test_each_cause_alone_is_enough() -> None:
    text = PLAIN + "inhibit_rules: [{source_matchers: [role=source], target_matchers: [instance=db]}]\n"
    story = Story(text).fire("src", alertname="Outage", role="source", lease=LONG)
    silence = story.silence("instance=db", LONG)
    story.fire("db", lease=LONG).run(10 * MINUTE).end_silence(silence).run(10 * MINUTE)
    assert len(story.told()) == 1
    story.silence("instance=db", 20 * MINUTE)
    story.resolve("src").run(10 * MINUTE)
    assert story.told()[1:] == ["0:20:30 team: src resolved (all alerts resolved)"]
    story.run(20 * MINUTE)
    assert [words.partition(".")[0] for words in story.told() if "db" in words] == ["0:40:30"]


# --- a quiet group hardly ticks (rule 9) ----------------------------------------------------------------------------


def test_silences_that_match_nothing_of_a_group_cost_it_no_tick() -> None:
    plain, story = (Story(PLAIN, resend_every=MINUTE).fire("db") for _ in range(2))
    for hour in range(24):
        plain.run(HOUR)
        story.silence(f"instance=other-{hour}", 30 * MINUTE)
        story.silence("alertname=DiskFull, instance!=db", 10 * MINUTE)
        story.run(HOUR)
    assert len(story.ticked) == len(plain.ticked)
    assert [each.due_at for each in story.ticked] == [each.due_at for each in plain.ticked]
    assert story.told() == plain.told()


def test_rules_that_inhibit_nothing_of_a_group_cost_it_no_tick() -> None:
    text = PLAIN + "inhibit_rules: [{source_matchers: [role=source], target_matchers: [instance=db], equal: [zone]}]\n"
    plain, story = (Story(each, resend_every=MINUTE).fire("db") for each in (PLAIN, text))
    for each in (plain, story):
        each.fire("src", alertname="Outage", role="source", zone="far").run(12 * HOUR)
    assert len(story.ticked) == len(plain.ticked)
    assert story.told() == plain.told()


def test_a_silence_that_matches_costs_two_looks_and_the_grid_while_it_lasts() -> None:
    story = Story(configuration(repeat="24h")).fire("db", lease=2 * LONG).run(HOUR)
    story.ticked.clear()
    story.silence("instance=db", HOUR)
    story.run(4 * HOUR)
    assert len(story.flushes) == 1 + 12 + 1, "each point of the hour, and the one after it"
    assert len(story.ticked) <= 2 + 13 + 2, "the wakes of its begin and its end, the looks, and what a page needs"


def test_a_wake_is_no_news_to_a_group_that_has_not_been_looked_at_yet() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(SECOND)
    story.silence("instance=db", 5 * SECOND)
    story.run(HOUR)
    assert story.count(ReasonCode.WOKEN) == 0
    assert story.told() == [f"0:00:30 team: db fires {FIRST}"]


def test_a_wake_that_comes_twice_or_late_wakes_once() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(HOUR)
    tick = Tick(story.head.id, story.now, "silence x began")
    for _ in range(3):
        story.fold(tick)
    assert story.count(ReasonCode.WOKEN) == 1
    story.run(5 * MINUTE)
    assert len(story.flushes) == 2


def test_an_empty_group_is_not_woken() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db").run(10 * MINUTE)
    story.fold(Tick(story.head.id, story.now, "silence x began"))
    assert story.head.next_due_at is None


# --- however things interleave --------------------------------------------------------------------------------------

ROUTES = """
route:
  receiver: rest
  group_by: [service]
  group_wait: 20s
  group_interval: 2m
  repeat_interval: 2h
  routes:
    - receiver: team
      matchers: [service="shop"]
      continue: true
      mute_time_intervals: [breaks]
    - {receiver: log, matchers: [service="shop"], group_by: [], group_interval: 5m, active_time_intervals: [work]}
receivers:
  - {name: rest, webhook_configs: [{url: "http://rest"}]}
  - {name: team, webhook_configs: [{url: "http://0"}, {url: "http://1", send_resolved: false}]}
  - {name: log, webhook_configs: [{url: "http://log"}]}
inhibit_rules:
  - {source_matchers: [instance=db], target_matchers: [instance=~"web|api"], equal: [service]}
  - {source_matchers: [instance=~"db|queue"], target_matchers: [instance=~"queue|cache"]}
time_intervals:
  - name: breaks
    time_intervals:
      - times: [{start_time: '12:15', end_time: '12:40'}, {start_time: '14:00', end_time: '14:07'}]
  - name: work
    time_intervals: [{times: [{start_time: '12:00', end_time: '13:00'}, {start_time: '13:30', end_time: '24:00'}]}]
"""
ELSEWHERE = ROUTES.replace("group_by: [service]", "group_by: [alertname]").replace("equal: [service]", "equal: [zone]")
NO_RULES = ROUTES.partition("inhibit_rules:")[0] + "time_intervals:\n" + ROUTES.partition("\ntime_intervals:\n")[2]
NARROW = ROUTES.replace("group_interval: 2m", "group_interval: 3s").replace("group_wait: 20s", "group_wait: 0s")

NAMES = {"db": "shop", "web": "shop", "api": "bank", "queue": "shop", "cache": "bank"}
SELECTED = ["instance=db", "instance=web", 'service="shop"', 'instance=~"web|cache|queue"', 'instance!="db"']

WALKS = int(os.environ.get("WALKS", "25"))
A_FEW = settings(deadline=None, max_examples=WALKS)
FEWER = settings(deadline=None, max_examples=WALKS // 2)


class Watched(Story):
    """A story that looks at each delivery as it is decided: it speaks of nothing that is muted at its flush."""

    def _send(self, outgoing: Outgoing) -> None:
        if isinstance(outgoing, Delivery) and outgoing.configuration_version == self.configuration.version:
            head = self.groups[outgoing.group_id].head
            assert head is not None
            route = self.configuration.routes[head.route_id]
            for told in outgoing.notification.alerts:
                found = self.mutes(told.alert.labels, outgoing.due_at, route)
                assert not found, f"{told.alert.labels} is told of at {self.clock(outgoing.due_at)}"
        super()._send(outgoing)

    def mutes(self, labels: Labels, at: datetime, route: Route) -> Muting:
        situation = self.situation
        kept: dict[SourceKey, Sources] = {key: self.sources.get(key, {}) for key in source_keys([labels], situation)}
        return muting(labels, at, hours(route, situation, at), situation, kept)


def happen(story: Story, random: Random, texts: Sequence[str]) -> None:
    """One thing that may happen, whatever else is going on."""
    name = random.choice(list(NAMES))
    match random.choice(["fires"] * 4 + ["resolves"] * 3 + ["silence"] * 3 + ["ends"] * 2 + ["silent", "lag", "stops"]):
        case "fires":
            story.fire(name, lease=random.choice([SECOND, MINUTE, 4 * MINUTE, 30 * MINUTE]), service=NAMES[name])
        case "resolves" if story.knows(name):
            story.resolve(name)
        case "silence":
            story.silence(random.choice(SELECTED), random.choice([1, 30, 170, 600, 3600]) * SECOND)
        case "ends" if live := [id for id, one in story.silences.items() if one.ends_at > story.now]:
            story.end_silence(random.choice(live))
        case "silent":
            story.fall_silent(name)
        case "lag":
            story.lag = random.choice([0, 0, 1, 40]) * SECOND
        case "stops":
            story.stop().run(random.choice([SECOND, 2 * MINUTE, 10 * MINUTE])).begin()
        case _:
            pass
    if len(texts) > 1 and random.random() < 0.1:
        story.reload(random.choice(texts))


BAD = [FAILS, HANGS, LOST, Answer(folded_after=3 * MINUTE), Answer(after=90 * SECOND), Answer(after=4 * SECOND)]


def walk(
    seed: int, texts: Sequence[str], *, is_strict: bool = False, failing: float = 0.0, lost: float = 0.0
) -> Watched:
    random = Random(seed)

    def ticks(tick: Tick, now: datetime) -> list[datetime]:
        if random.random() < lost:
            return []
        return [max(now, tick.due_at + random.choice([-5, 0, 0, 7, 45]) * SECOND)] * random.choice([1, 1, 2])

    story = Watched(texts[0], is_strict=is_strict, ticks=ticks if lost else on_time, resend_every=MINUTE)
    for _ in range(35):
        for receiver in ("team[0]", "team[1]", "log", "rest"):
            story.answers[receiver] = [random.choice(BAD) if random.random() < failing else OK]
        happen(story, random, texts)
        story.run(random.choice([0, 1, 10, 30, 60, 150, 600]) * SECOND)
    return story


def settle_down(story: Story) -> None:
    """From here on nothing goes wrong any more, nothing new happens, and everyone keeps silent about silences."""
    story.answers.clear()
    story.ticks = on_time
    story.lag = timedelta(0)
    for id, silence in story.silences.items():
        if silence.ends_at > story.now:
            story.end_silence(id)
    for name in sorted(story.sending):
        story.fire(name, lease=6 * HOUR)
    story.run(20 * MINUTE)


def assert_all_that_is_not_muted_is_told(story: Watched) -> int:
    """What fires, and has been free to be told for two intervals, has been told; how many alerts were looked at."""
    looked = 0
    for stored in story.groups.values():
        head = stored.head
        assert head is not None
        if head.configuration_version != story.configuration.version:
            assert head.present == 0, "a live group would have been routed anew"
            continue
        route = story.configuration.routes[head.route_id]
        since = story.now - 2 * route.group_interval
        assert not head.pending
        assert not head.has_news
        free = {
            member.alert.fingerprint
            for member in stored.present
            if member.is_firing
            and not any(
                story.mutes(member.alert.labels, since + number * route.group_interval / 4, route)
                for number in range(9)
            )
        }
        for number in range(len(story.configuration.receiver(head.receiver).integrations)):
            log = stored.logs.get(number)
            known = unpack(log.firing) - unpack(log.void) if log else frozenset()
            assert free <= known, "it fires, nothing mutes it, and they have not heard"
            looked += len(free)
        is_any_muted = any(story.mutes(member.alert.labels, story.now, route) for member in stored.present)
        assert head.next_due_at is not None or not is_any_muted, "somebody must look whether it is still muted"
    return looked


@A_FEW
@given(st.integers(0, 2**32), st.booleans())
def test_no_page_is_about_what_is_muted_and_all_else_is_told_in_time(seed: int, is_strict: bool) -> None:
    story = walk(seed, [ROUTES], is_strict=is_strict)
    settle_down(story)
    assert_all_that_is_not_muted_is_told(story)
    assert story.tally.failed == story.tally.superseded == 0


@A_FEW
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([ROUTES, NARROW]))
def test_whatever_goes_wrong_all_that_is_not_muted_is_told_in_the_end(seed: int, is_strict: bool, text: str) -> None:
    story = walk(seed, [text], is_strict=is_strict, failing=0.3, lost=0.2)
    settle_down(story)
    assert_all_that_is_not_muted_is_told(story)
    tally = story.tally
    assert tally.due == tally.delivered + tally.failed + tally.superseded + story.pending == len(story.due)


@A_FEW
@given(st.integers(0, 2**32), st.booleans())
def test_whatever_is_reloaded_all_that_is_not_muted_is_told_in_the_end(seed: int, is_strict: bool) -> None:
    story = walk(seed, [ROUTES, ELSEWHERE, NO_RULES, NARROW], is_strict=is_strict, failing=0.2, lost=0.1)
    settle_down(story)
    assert_all_that_is_not_muted_is_told(story)
    tally = story.tally
    assert tally.due == tally.delivered + tally.failed + tally.superseded + story.pending == len(story.due)


@A_FEW
@given(st.integers(0, 2**32))
def test_who_was_told_that_it_fires_is_told_that_it_is_over_unless_that_is_muted(seed: int) -> None:
    """A mended log forgets nothing that a resolve must still be told of."""
    story = walk(seed, [ROUTES])
    settle_down(story)
    for group_id, stored in story.groups.items():
        for number in stored.logs:
            told: dict[str, datetime] = {}
            for page in story.pages:
                if page.group_id == group_id and page.integration == number:
                    told |= dict.fromkeys(page.firing, page.at)
                    over = told if page.reason is NotificationReason.ALL_RESOLVED else page.resolved
                    told = {name: at for name, at in told.items() if name not in over}
            assert stored.head is not None
            if not story.configuration.receiver(stored.head.receiver).integrations[number].send_resolved:
                continue
            firing = {member.alert.labels["instance"] for member in stored.present}
            for name in told.keys() - firing:
                labels = {"alertname": "DiskFull", "instance": name, "service": NAMES[name]}
                assert any(
                    fingerprint(labels) in reason.fingerprints
                    for entry in stored.entries
                    if entry.at >= told[name]
                    for reason in entry.reasons
                    if reason.code in MUTED
                ), f"{name} was told of at {story.clock(told[name])}, and nothing muted it since"


MUTED = (ReasonCode.SILENCED, ReasonCode.INHIBITED, ReasonCode.OUT_OF_HOURS)


def test_the_walks_see_much() -> None:
    """The walks above would prove nothing if hardly anything were muted, or told, in them."""
    stories = [walk(seed, [ROUTES, ELSEWHERE]) for seed in range(8)]
    for code in (ReasonCode.INHIBITED, ReasonCode.OUT_OF_HOURS, ReasonCode.SILENCED, ReasonCode.FORGOTTEN):
        assert sum(story.count(code) for story in stories) >= 8, code
    assert sum(len(story.pages) for story in stories) >= 80
    assert sum(story.count(ReasonCode.FAREWELL) for story in stories) >= 2


@FEWER
@given(st.integers(0, 2**32))
def test_the_same_happens_again(seed: int) -> None:
    """Acknowledged events under the same silences tell the same pages: nothing else is looked at (rule 2)."""
    random = Random(seed)
    live = Story(ROUTES, resend_every=MINUTE)
    silenced: list[tuple[datetime, str, timedelta]] = []
    for _ in range(25):
        name = random.choice(list(NAMES))
        if random.random() < 0.3:
            silenced.append((live.now, random.choice(SELECTED), random.choice([100, 1000, 4000]) * SECOND))
            live.silence(*silenced[-1][1:])
        elif random.random() < 0.6:
            live.fire(name, service=NAMES[name])
        elif live.knows(name):
            live.resolve(name)
        # Never at the instant of a flush: who is first then is chance.
        live.run((random.choice([1, 10, 60, 150, 600]) + random.random()) * SECOND)
    live.run(HOUR)
    again = Story(ROUTES)
    for at, matchers, duration in silenced:
        again.at(at, partial(again.silence, matchers, duration))
    again.replay(live.acknowledged).run_until(live.now)
    assert again.told() == live.told()
    assert again.sources == live.sources


def test_an_alert_is_judged_by_its_labels_alone() -> None:
    story = Watched(ROUTES).run(20 * MINUTE)
    story.silence("instance=web", HOUR)
    route = story.configuration.routes[1]
    web = {**alert(instance="web", service="shop").labels}
    found = story.mutes(web, story.now, route)
    assert (found.rule, found.hours.names, len(found.silences)) == (None, ("breaks",), 1)
    assert not story.mutes({**web, "instance": "db"}, NOON, route)
