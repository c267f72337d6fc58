"""When a group is looked at, what each integration hears then, and what the results change: told as stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.flushing import ALERTS_PER_NOTIFICATION
from domain.groups import Reason, ReasonCode, Tally, Tick
from domain.scheduling import grid_after
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.domain.story import FAILS, HANGS, LOST, OK, Answer, Story, Timing, configuration, never, shifted, twice

TINY = timedelta(microseconds=1)
PLAIN = configuration()
LONG = 24 * HOUR


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        pytest.param(NOON - HOUR, 5, id="before the anchor: the first point"),
        pytest.param(NOON, 5, id="at the anchor: the first point"),
        pytest.param(NOON + 5 * MINUTE, 5, id="at a point: that one"),
        pytest.param(NOON + 5 * MINUTE + TINY, 10, id="just after a point: the next"),
        pytest.param(NOON + HOUR, 60, id="much later"),
    ],
)
def test_grid_after(instant: datetime, expected: int) -> None:
    assert grid_after(NOON, 5 * MINUTE, instant) == NOON + expected * MINUTE


# --- group_wait, the grid, the end (TM-1 to TM-6) -------------------------------------------------------------------


def test_the_first_flush_comes_after_group_wait() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(20 * SECOND).fire("web", lease=LONG).run(MINUTE)
    assert story.told() == ["0:00:30 team: db, web fire (first notification)"]


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(30 * SECOND, "0:00:30", id="as old as group_wait"),
        pytest.param(30 * SECOND + TINY, "0:00:00", id="older"),
    ],
)
def test_an_alert_older_than_group_wait_is_told_at_once(age: timedelta, expected: str) -> None:
    story = Story(PLAIN, is_strict=True).fire("db", starts_at=NOON - age, lease=LONG).run(MINUTE)
    assert story.told() == [f"{expected} team: db fires (first notification)"]


def test_an_old_alert_waits_too_where_alertmanager_is_mended() -> None:
    story = Story(PLAIN).fire("db", starts_at=NOON - HOUR, lease=LONG).run(MINUTE)
    assert story.told() == ["0:00:30 team: db fires (first notification)"]


def test_only_the_alert_that_opens_the_group_hurries_it() -> None:
    # In 0.25 any alert that joins before the first flush does, in 0.34 and here the first one.
    story = (
        Story(PLAIN).fire("db", lease=LONG).run(5 * SECOND).fire("web", starts_at=NOON - HOUR, lease=LONG).run(MINUTE)
    )
    assert story.told() == ["0:00:30 team: db, web fire (first notification)"]


def test_a_batch_of_old_alerts_is_told_whole() -> None:
    story = Story(PLAIN, is_strict=True)
    story.post(*[alert(instance=name, starts_at=NOON - HOUR, lease=LONG) for name in ("a", "b", "c")]).run(MINUTE)
    assert story.told() == ["0:00:00 team: a, b, c fire (first notification)"]


def test_what_follows_waits_for_the_grid() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    story.fire("web", lease=LONG).run(MINUTE).resolve("db").run(10 * MINUTE)
    assert story.told()[1:] == ["0:05:30 team: web fires; db resolved (new alerts added)"]


def test_a_repeat_comes_at_the_next_point_of_the_grid() -> None:
    story = Story(configuration(interval="5m", repeat="12m")).fire("db", lease=LONG).run(40 * MINUTE)
    assert [page.split()[0] for page in story.told()] == ["0:00:30", "0:15:30", "0:30:30"]
    assert story.told()[1].endswith("(repeat interval elapsed)")


@pytest.mark.parametrize(
    ("answered_after", "expected"),
    [
        pytest.param(timedelta(0), "0:15:30", id="exactly the interval has passed: not yet"),
        pytest.param(SECOND, "0:15:30", id="counted from the answer, not from the tick"),
        pytest.param(-TINY, "0:10:30", id="more has passed"),
    ],
)
def test_the_repeat_interval_counts_from_the_delivery(answered_after: timedelta, expected: str) -> None:
    story = Story(configuration(repeat="10m", wait="30s")).fire("db", lease=LONG)
    story.answers["team"] = [Answer(after=answered_after)]
    story.run(16 * MINUTE)
    assert story.clock(story.due[1].due_at) == expected


def test_an_entry_of_the_log_counts_for_120_hours_at_most() -> None:
    story = Story(configuration(interval="1h", repeat="1000h", wait="0s")).fire("db", lease=timedelta(days=30))
    story.run(timedelta(days=6))
    assert story.told()[1:] == ["5 days, 1:00:00 team: db fires (first notification)"]


def test_resolved_before_the_first_flush_tells_nothing() -> None:
    story = Story(PLAIN).fire("db").run(10 * SECOND).resolve("db").run(HOUR)
    assert story.told() == []
    assert story.reasons == [
        [ReasonCode.OPENED, ReasonCode.INCIDENT_OPENED, ReasonCode.FIRED],
        [ReasonCode.RESOLVED],
        [ReasonCode.NEVER_TOLD, ReasonCode.DROPPED, ReasonCode.INCIDENT_RESOLVED],
    ]


def test_a_resolve_of_what_nobody_knows_tells_nothing() -> None:
    story = Story(PLAIN).fire("db").fire("web", service="x")
    story = Story(PLAIN)
    story.post(alert("resolved")).run(HOUR)
    assert story.told() == []
    assert story.incidents == {}
    assert story.head.present == 0


def test_the_group_dies_when_it_is_empty_and_starts_anew() -> None:
    story = Story(PLAIN).fire("db").run(MINUTE).resolve("db").run(5 * MINUTE)
    assert story.told()[-1] == "0:05:30 team: db resolved (all alerts resolved)"
    assert (story.head.present, story.head.flushed_at, story.head.next_due_at) == (0, None, None)
    story.fire("db", lease=LONG).run(31 * SECOND)
    assert story.told()[-1] == "0:06:30 team: db fires (first notification)"


def test_a_group_that_starts_anew_has_a_tick_again() -> None:
    # The tick of the grid that died finds an empty group, and must not pass for the new one's.
    story = Story(PLAIN, is_swept=False).fire("db", lease=LONG).run(MINUTE).resolve("db").run(5 * MINUTE)
    assert story.head.present == 0
    story.run(24 * HOUR).fire("db", lease=LONG).run(MINUTE)
    assert len(story.told()) == 3


def test_a_refire_before_the_resolve_is_told_keeps_the_grid() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db").run(MINUTE).fire("db", lease=LONG)
    story.run(HOUR)
    assert story.told() == ["0:00:30 team: db fires (first notification)"]
    assert story.member("db").occurrence == 2


def test_what_resolves_while_its_resolve_is_under_way_is_dropped_once() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db")
    story.answers["team"] = [Answer(after=MINUTE)]
    story.run(5 * MINUTE).fire("db").run(SECOND).resolve("db").run(HOUR)
    assert story.told()[1:] == ["0:06:30 team: db resolved (all alerts resolved)"]
    assert (story.head.present, story.head.incident, story.head.has_news) == (0, None, False)


def test_a_refire_while_its_resolve_is_under_way_is_told_next() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db")
    story.answers["team"] = [Answer(after=MINUTE), Answer()]
    story.run(5 * MINUTE).fire("db", lease=LONG).run(HOUR)
    assert story.told()[1:] == [
        "0:06:30 team: db resolved (all alerts resolved)",
        "0:10:30 team: db fires (first notification)",
    ]


# --- what is news, over time (DD) -----------------------------------------------------------------------------------


def test_what_a_team_hears_of_three_alerts() -> None:
    story = Story(configuration(repeat="1h"))
    story.fire("a", lease=LONG).fire("b", lease=LONG).run(MINUTE)
    story.fire("c", lease=LONG).run(5 * MINUTE)
    story.resolve("a").run(5 * MINUTE)
    story.run(10 * MINUTE)
    story.resolve("b", "c").run(HOUR)
    assert story.told() == [
        "0:00:30 team: a, b fire (first notification)",
        "0:05:30 team: a, b, c fire (new alerts added)",
        "0:10:30 team: b, c fire; a resolved (some alerts resolved)",
        "0:25:30 team: b, c resolved (all alerts resolved)",
    ]


def test_a_receiver_that_is_not_told_of_resolves() -> None:
    story = Story(configuration(send_resolved=[False])).fire("a", "b", lease=LONG).run(MINUTE)
    story.resolve("a").run(5 * MINUTE)
    story.fire("a", lease=LONG).run(5 * MINUTE)  # the last firing set decides (DD-9)
    assert len(story.told()) == 1
    story.resolve("a", "b").run(5 * MINUTE)
    assert [ReasonCode.NOT_SENT, ReasonCode.DROPPED, ReasonCode.INCIDENT_RESOLVED] in story.reasons
    story.fire("a", lease=LONG).run(HOUR)
    assert story.told() == [
        "0:00:30 team: a, b fire (first notification)",
        "0:16:30 team: a fires (first notification)",
    ]


def test_where_resolves_are_not_sent_only_what_fires_is_shown() -> None:
    story = Story(configuration(send_resolved=[False])).fire("a", "b", lease=LONG).run(MINUTE)
    story.resolve("a").fire("c", lease=LONG).run(5 * MINUTE)
    assert story.told()[1:] == ["0:05:30 team: b, c fire (new alerts added)"]


def test_a_receiver_without_integrations_is_told_nothing_and_says_so() -> None:
    story = Story(configuration(send_resolved=[])).fire("db").run(MINUTE).resolve("db").run(HOUR)
    assert story.due == []
    assert story.count(ReasonCode.NO_INTEGRATION) == 2
    assert story.head.present == 0


def test_a_changed_annotation_is_no_news() -> None:
    story = Story(PLAIN).fire("db", lease=LONG, annotations={"text": "old"}).run(MINUTE)
    story.fire("db", lease=LONG, annotations={"text": "new"}).run(HOUR)
    assert len(story.told()) == 1
    assert story.member("db").alert.annotations == {"text": "new"}


# --- a tick is a hint (rule 5) --------------------------------------------------------------------------------------


def drifting(tick: Tick, now: datetime) -> list[datetime]:
    return [max(tick.due_at + timedelta(seconds=tick.due_at.minute % 7 - 3), now)]


@pytest.mark.parametrize(
    "ticks",
    [
        pytest.param(shifted(-20 * SECOND), id="early"),
        pytest.param(shifted(20 * SECOND), id="late"),
        pytest.param(twice, id="twice"),
        pytest.param(drifting, id="now early, now late"),
        pytest.param(never, id="never: the sweep finds what is overdue"),
    ],
)
def test_however_ticks_come_each_point_of_the_grid_is_flushed_once(ticks: Timing) -> None:
    plain, story = [Story(configuration(repeat="1m"), ticks=timing) for timing in (shifted(timedelta(0)), ticks)]
    for one in (plain, story):
        one.fire("db", lease=LONG).run(33 * MINUTE)
    grid = [NOON + 30 * SECOND + number * 5 * MINUTE for number in range(7)]
    assert [delivery.due_at for delivery in plain.due] == grid
    assert len(story.due) == len(story.flushes) == 7
    assert all(abs(delivery.due_at - point) < 2 * MINUTE for delivery, point in zip(story.due, grid, strict=True))
    assert story.head.flushed_at == grid[-1], "the grid stays where it was"


def lost_after(duration: timedelta) -> Timing:
    return lambda tick, now: [tick.due_at] if tick.due_at <= NOON + duration else []


def test_an_early_tick_decides_as_if_it_were_due() -> None:
    story = Story(PLAIN, ticks=shifted(-10 * SECOND)).fire("db", lease=LONG).run(25 * SECOND)
    assert story.told() == ["0:00:20 team: db fires (first notification)"]
    assert story.due[0].due_at == NOON + 30 * SECOND


def test_a_tick_before_its_time_sends_the_next_one() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    due_at = story.head.next_due_at
    assert due_at is not None
    story.fold(Tick(story.head.id, due_at - MINUTE))
    assert story.flushes == [(NOON + 30 * SECOND, story.head.id)]
    decision = story.fold(Tick(story.head.id, due_at - SECOND))
    assert decision.outbox == (), "the one under way will do"


def test_a_whole_missed_interval_moves_the_grid() -> None:
    story = Story(configuration(interval="1m", repeat="1m"), ticks=shifted(90 * SECOND), is_swept=False)
    story.fire("db", lease=LONG).run(3 * MINUTE)
    assert (story.clock(story.head.flushed_at), story.clock(story.head.next_due_at)) == ("0:02:00", "0:04:00")


def test_any_event_does_what_is_due_first() -> None:
    story = Story(PLAIN, ticks=never, is_swept=False).fire("db", lease=LONG).run(45 * SECOND)
    assert story.told() == []
    story.fire("web", lease=LONG).run(SECOND)
    assert story.told() == ["0:00:45 team: db fires (first notification)"]
    story.run(10 * MINUTE).fold(Tick(story.head.id, NOON))
    story.run(SECOND)
    assert story.told()[1:] == ["0:10:46 team: db, web fire (new alerts added)"]


def test_what_is_due_when_a_result_comes_is_not_put_off() -> None:
    story = Story(PLAIN, ticks=shifted(40 * SECOND), is_swept=False).fire("db", lease=3 * MINUTE)
    story.answers["team"] = [Answer(folded_after=4 * MINUTE + 30 * SECOND)]
    # The result is folded at 5:40, ten seconds after the point at which `db` must be seen to have ended.
    story.run(HOUR)
    assert story.told()[1:] == ["0:06:10 team: db resolved (all alerts resolved)"]


def test_who_flushes_in_the_place_of_a_lost_tick_sends_the_next_one() -> None:
    lost = NOON + 5 * MINUTE + 30 * SECOND
    story = Story(PLAIN, ticks=lambda tick, now: [] if tick.due_at == lost else [tick.due_at], is_swept=False)
    story.fire("db", lease=LONG).run(2 * MINUTE).fire("web", lease=LONG).run(4 * MINUTE)
    story.fire("api", lease=LONG).run(HOUR)
    assert story.told()[1:] == [
        "0:06:00 team: db, web fire (new alerts added)",
        "0:10:30 team: api, db, web fire (new alerts added)",
    ]


def test_events_of_a_group_that_never_was_are_no_news() -> None:
    story = Story(PLAIN)
    assert story.fold(Tick("0" * 32, NOON)).head is None  # type: ignore[arg-type]


# --- a quiet group hardly ticks (rule 9) ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lease", "interval", "most"),
    [
        pytest.param(4 * MINUTE, "5m", 160, id="as Prometheus sends: once in a lease, at the next point of the grid"),
        pytest.param(4 * MINUTE, "10s", 420, id="a narrow grid costs no more"),
        pytest.param(HOUR, "5m", 40, id="a long lease"),
        pytest.param(LONG, "5m", 12, id="for a lease that outlasts the day only the repeats are left"),
    ],
)
def test_a_quiet_group_hardly_ticks(lease: timedelta, interval: str, most: int) -> None:
    story = Story(configuration(interval=interval), resend_every=MINUTE).fire("db", lease=lease).run(24 * HOUR)
    assert len(story.told()) == 6, "the first, and every four hours"
    assert len(story.ticked) <= most
    assert len(story.flushes) <= 15, "a tick that finds the leases renewed only sends the next one"


def test_a_group_that_is_told_nothing_ticks_no_more_than_its_leases() -> None:
    story = Story(configuration(send_resolved=[]), resend_every=MINUTE).fire("db", lease=HOUR).run(24 * HOUR)
    assert len(story.ticked) <= 24
    story = Story(configuration(send_resolved=[])).fire("db", lease=timedelta(days=3_000_000)).run(24 * HOUR)
    assert len(story.ticked) == 1
    assert story.head.next_due_at is None, "it fires until the end of time"
    story.resolve("db").run(HOUR)
    assert story.head.present == 0


def test_the_year_9999_is_no_trouble() -> None:
    story = Story(PLAIN)
    forever = alert(ends_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    story.post(forever).run(MINUTE).post(replace(forever, received_at=story.now)).run(24 * HOUR)
    assert len(story.told()) == 6


def test_a_lapsed_lease_is_seen_at_the_first_point_after_it() -> None:
    story = Story(PLAIN).fire("db", lease=4 * MINUTE).run(HOUR)
    assert story.told()[1:] == ["0:10:30 team: db resolved (all alerts resolved)"]
    assert story.reasons[-2] == [ReasonCode.LEASE_ENDED, ReasonCode.NOTIFY]


def test_strict_leases_are_half_as_long_again_shorter() -> None:
    story = Story(PLAIN, is_strict=True).fire("db", lease=4 * MINUTE).run(HOUR)
    assert story.told()[1:] == ["0:05:30 team: db resolved (all alerts resolved)"]


# --- results (rule 10, TM-5) ----------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_at_the_next_point_of_the_grid() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [FAILS, FAILS, Answer()]
    story.run(HOUR)
    assert story.told() == ["0:10:30 team: db fires (first notification)"]
    assert story.tally == Tally(folded=1, due=3, delivered=1, failed=2)


def test_a_failed_resolve_is_tried_again_and_nothing_is_dropped_before() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db")
    story.answers["team"] = [FAILS, Answer()]
    story.run(6 * MINUTE)
    assert (story.head.present, story.head.is_flush_failed) == (1, True)
    assert story.head.incident is not None
    story.run(HOUR)
    assert story.told()[1:] == ["0:10:30 team: db resolved (all alerts resolved)"]
    assert story.head.present == 0


def test_what_nobody_could_be_told_is_not_told_to_be_over() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [FAILS]
    story.run(MINUTE).resolve("db").run(HOUR)
    assert story.told() == []
    assert story.head.present == 0


def test_a_delivery_without_an_answer_is_superseded_at_the_next_flush() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [LOST, Answer()]
    story.run(MINUTE)
    assert story.head.pending == (0,)
    story.run(HOUR)
    assert [ReasonCode.SUPERSEDED, ReasonCode.NOTIFY] in story.reasons
    assert story.tally == Tally(folded=1, due=2, delivered=1, superseded=1)
    assert len(story.told()) == 2, "it was heard twice: nobody could know"


def test_a_result_that_comes_too_late_changes_nothing() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [Answer(folded_after=6 * MINUTE), HANGS]
    story.run(8 * MINUTE)
    assert story.reasons[-1] == [ReasonCode.LATE]
    assert story.head.pending == (0,)
    story.run(HOUR)
    assert story.tally.delivered == 0


def test_a_late_failure_of_what_was_told_since_is_not_even_mentioned() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [Answer(is_delivered=False, folded_after=6 * MINUTE), Answer()]
    story.run(HOUR)
    assert story.count(ReasonCode.LATE) == 0
    assert story.tally == Tally(folded=1, due=2, delivered=1, superseded=1)


def test_a_late_word_that_is_no_longer_true_is_followed_by_the_true_one() -> None:
    # Heard: both fire; web is over.  That result comes after web fires again, and after the flush that gave it up.
    story = Story(PLAIN).fire("db", "web", lease=LONG)
    story.answers["team"] = [Answer(), Answer(folded_after=6 * MINUTE), Answer()]
    story.run(MINUTE).resolve("web").run(5 * MINUTE).fire("web", lease=LONG).run(HOUR)
    assert story.told() == [
        "0:00:30 team: db, web fire (first notification)",
        "0:05:30 team: db fires; web resolved (some alerts resolved)",
        "0:15:30 team: db, web fire (new alerts added)",
    ]
    assert (story.count(ReasonCode.SUPERSEDED), story.count(ReasonCode.LATE)) == (1, 1)


def test_who_heard_of_it_late_hears_that_it_is_over() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [Answer(folded_after=6 * MINUTE), Answer()]
    story.run(MINUTE).resolve("db").run(HOUR)
    assert story.told() == [
        "0:00:30 team: db fires (first notification)",
        "0:10:30 team: db resolved (all alerts resolved)",
    ]
    assert story.head.present == 0


@pytest.mark.parametrize("answer", [Answer(is_delivered=False, folded_after=6 * MINUTE), LOST])
def test_what_nobody_heard_of_is_over_in_silence(answer: Answer) -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [answer]
    story.run(MINUTE).resolve("db").run(HOUR)
    assert story.tally == Tally(folded=2, due=1, superseded=1)
    assert (story.head.present, story.head.incident) == (0, None)


@pytest.mark.parametrize("folded_after", [timedelta(0), 6 * MINUTE])
def test_who_may_have_heard_of_it_hears_that_it_is_over(folded_after: timedelta) -> None:
    # The process that told it died; the one that came after was too late to try.
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [Answer(is_delivered=False, is_unsure=True, folded_after=folded_after), Answer()]
    story.run(MINUTE).resolve("db").run(HOUR)
    assert [page.split(" ", 1)[1] for page in story.told()] == ["team: db resolved (all alerts resolved)"]
    assert story.head.present == 0


def test_who_may_have_heard_of_it_hears_again_that_it_fires() -> None:
    story = Story(PLAIN).fire("db", lease=LONG)
    story.answers["team"] = [Answer(is_delivered=False, is_unsure=True), Answer()]
    assert story.run(HOUR).told() == ["0:05:30 team: db fires (first notification)"]


def test_strict_forgets_what_came_late() -> None:
    story = Story(PLAIN, is_strict=True).fire("db", lease=LONG)
    story.answers["team"] = [Answer(folded_after=6 * MINUTE)]
    story.run(MINUTE).resolve("db").run(HOUR)
    assert story.told() == ["0:00:30 team: db fires (first notification)"]


def test_a_delivery_under_way_is_not_doubled_on_a_narrow_grid() -> None:
    # A delivery has ten seconds, the grid two: the receiver hears of `web` once the first answer is in (TM-5).
    story = Story(configuration(wait="0s", interval="2s")).fire("db", lease=LONG)
    story.answers["team"] = [Answer(after=7 * SECOND), Answer()]
    story.run(3 * SECOND).fire("web", lease=LONG).run(HOUR)
    assert story.told() == [
        "0:00:07 team: db fires (first notification)",
        "0:00:08 team: db, web fire (new alerts added)",
    ]
    assert story.count(ReasonCode.UNSETTLED) == 3


def test_a_hanging_receiver_has_at_least_ten_seconds() -> None:
    story = Story(configuration(wait="0s", interval="2s")).fire("db", lease=LONG)
    story.answers["team"] = [HANGS, Answer()]
    story.run(MINUTE)
    assert story.told() == ["0:00:10 team: db fires (first notification)"]
    assert story.count(ReasonCode.UNSETTLED) == 4


BOTH = configuration(send_resolved=[True, True])


def test_one_failing_integration_does_not_bother_the_other() -> None:
    story = Story(BOTH).fire("db", lease=LONG)
    story.answers["team[1]"] = [FAILS, FAILS, Answer()]
    story.run(HOUR)
    assert story.told() == [
        "0:00:30 team[0]: db fires (first notification)",
        "0:10:30 team[1]: db fires (first notification)",
    ]


def test_what_resolved_is_dropped_when_all_integrations_know() -> None:
    story = Story(BOTH).fire("db", "web", lease=LONG).run(MINUTE).resolve("db")
    story.answers["team[1]"] = [FAILS, Answer(after=MINUTE)]
    story.run(9 * MINUTE)
    assert story.head.present == 2
    story.run(MINUTE)
    assert story.told()[2:] == ["0:05:30 team[0]: web fires; db resolved (some alerts resolved)"]
    assert story.head.present == 2
    story.run(HOUR)
    assert story.told()[3:] == ["0:11:30 team[1]: web fires; db resolved (some alerts resolved)"]
    assert story.head.present == 1


def test_integrations_that_want_different_things() -> None:
    story = Story(configuration(send_resolved=[True, False])).fire("db", "web", lease=LONG).run(MINUTE)
    story.resolve("db").run(5 * MINUTE).resolve("web").run(HOUR)
    assert story.told()[2:] == [
        "0:05:30 team[0]: web fires; db resolved (some alerts resolved)",
        "0:10:30 team[0]: web resolved (all alerts resolved)",
    ]
    assert story.head.present == 0


def test_nothing_is_dropped_that_an_integration_could_not_be_told() -> None:
    # On a narrow grid the first integration is still busy with `db` when the second hears that it is over.
    story = Story(configuration(wait="0s", interval="2s", send_resolved=[True, True])).fire("db", "web", lease=LONG)
    story.answers["team[0]"] = [Answer(after=5 * SECOND), OK]
    story.answers["team[1]"] = [OK, Answer(after=4 * SECOND), OK]
    story.run(SECOND).resolve("db").run(HOUR)
    assert story.told() == [
        "0:00:00 team[1]: db, web fire (first notification)",
        "0:00:05 team[0]: db, web fire (first notification)",
        "0:00:06 team[1]: web fires; db resolved (some alerts resolved)",
        "0:00:06 team[0]: web fires; db resolved (some alerts resolved)",
    ]
    assert story.head.present == 1


def test_each_integration_repeats_in_its_own_time() -> None:
    story = Story(configuration(send_resolved=[True, True], repeat="1h")).fire("db", lease=LONG)
    story.answers["team[1]"] = [FAILS, FAILS, Answer()]
    story.run(2 * HOUR)
    assert story.told()[2:] == [
        "1:05:30 team[0]: db fires (repeat interval elapsed)",
        "1:15:30 team[1]: db fires (repeat interval elapsed)",
    ]


# --- huge groups, tombstones (rule 13, MG-3) ------------------------------------------------------------------------

CROWD = [f"host-{number:04}" for number in range(ALERTS_PER_NOTIFICATION + 5)]


@pytest.mark.parametrize(
    ("is_strict", "shown", "truncated"),
    [pytest.param(False, 1000, 5, id="a thousand"), pytest.param(True, 1005, 0, id="strict: all")],
)
def test_a_notification_shows_so_many(is_strict: bool, shown: int, truncated: int) -> None:
    story = Story(PLAIN, is_strict=is_strict).fire(*CROWD, lease=LONG).run(MINUTE)
    (page,) = story.pages
    assert page.firing == tuple(CROWD[:shown])
    assert page.truncated == truncated
    story.resolve(*CROWD).run(HOUR)
    assert story.told()[1:], "those that were not shown count as told"
    assert story.head.present == 0


def test_a_tombstone_can_be_merged_for_half_an_hour() -> None:
    story = Story(PLAIN, is_swept=False).fire("db").run(MINUTE).resolve("db").run(5 * MINUTE)
    dropped_at = story.member("db").dropped_at
    assert dropped_at == NOON + 5 * MINUTE + 30 * SECOND
    story.run_until(dropped_at + 30 * MINUTE).fire("db", starts_at=NOON + 30 * SECOND, lease=LONG)
    story.run(timedelta(0))
    assert story.member("db").alert.starts_at == NOON, "overlapping, it goes on where the old one began"
    assert story.member("db").occurrence == 2


def test_a_tombstone_older_than_that_is_forgotten() -> None:
    story = Story(PLAIN, is_swept=False).fire("db").run(MINUTE).resolve("db").run(5 * MINUTE)
    story.run(31 * MINUTE).fire("db", starts_at=NOON + 30 * SECOND, lease=LONG).run(timedelta(0))
    assert story.member("db").alert.starts_at == NOON + 30 * SECOND
    assert story.member("db").occurrence == 1


def test_a_flush_forgets_old_tombstones() -> None:
    story = Story(configuration(repeat="1h"), is_swept=False).fire("db", "web", lease=LONG).run(MINUTE)
    story.resolve("db").run(HOUR)
    assert len(story.group.members) == 2
    story.run(HOUR)
    assert len(story.group.members) == 1


def test_what_fires_as_its_tombstone_is_forgotten_is_kept() -> None:
    story = Story(configuration(repeat="1h"), ticks=lost_after(10 * MINUTE), is_swept=False)
    story.fire("db", "web", lease=LONG).run(MINUTE).resolve("db").run(2 * HOUR)
    # The flush that is due, and lost its tick, forgets `db` in the same decision.
    story.fire("db", lease=LONG).run(SECOND)
    assert story.told()[-1] == "2:01:00 team: web fires (repeat interval elapsed)"
    assert (story.head.present, story.head.firing) == (2, 2)


# --- reasons for silence (rule 2) -----------------------------------------------------------------------------------


def test_every_flush_says_why_it_is_silent() -> None:
    story = Story(configuration(send_resolved=[True, False])).fire("db", "web", lease=LONG).run(MINUTE)
    story.resolve("db").run(5 * MINUTE)
    last = story.entries[-2]
    assert [(reason.code, reason.integration) for reason in last.reasons] == [
        (ReasonCode.NOTIFY, 0),
        (ReasonCode.NO_NEWS, 1),
    ]
    assert last.reasons[0].text == "1 firing and 1 resolved: some alerts resolved"


def test_each_delivery_of_a_flush_says_what_it_tells() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).resolve("db").run(HOUR)
    texts = [reason.text for entry in story.entries for reason in entry.reasons if reason.code is ReasonCode.NOTIFY]
    assert texts == ["1 firing: first notification", "1 resolved: all alerts resolved"]


# --- what the trail and the incident say of failures ----------------------------------------------------------------


def last_reasons(story: Story, code: ReasonCode) -> list[Reason]:
    """The reasons of this kind, of all entries, the oldest first."""
    return [
        reason
        for stored in story.groups.values()
        for entry in stored.entries
        for reason in entry.reasons
        if reason.code is code
    ]


def test_an_incident_counts_what_arrived_and_apart_from_it_what_did_not() -> None:
    story = Story(configuration(send_resolved=(True, True)), resend_every=MINUTE)
    story.answers["team[1]"] = [FAILS, Answer(is_delivered=False, folded_after=None), OK]
    story.fire("db").run(MINUTE)
    counts = []
    for _ in range(3):
        (incident,) = story.incidents.values()
        counts.append((incident.pages, incident.failed))
        story.run(5 * MINUTE)
    # Known as soon as the result is; what brings none counts when it is given up.
    assert counts == [(1, 1), (1, 1), (2, 2)]
    story.resolve("db").run(HOUR)
    (incident,) = story.incidents.values()
    assert (incident.pages, incident.failed, incident.resolved_at is None) == (4, 2, False)


def test_who_was_told_of_the_end_is_not_said_to_have_heard_nothing() -> None:
    story = Story(configuration(interval="1m", send_resolved=(True, True)), resend_every=MINUTE)
    story.answers["team[1]"] = [OK, FAILS]
    story.fire("db").run(MINUTE).resolve("db").run(3 * MINUTE)
    assert last_reasons(story, ReasonCode.NEVER_TOLD) == []
    assert {reason.integration for reason in last_reasons(story, ReasonCode.NO_NEWS)} == {0}


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([FAILS], id="never at all"),
        pytest.param([OK, OK, FAILS], id="only of the incident before"),
    ],
)
def test_who_never_heard_of_it_is_named_when_it_is_let_go(answers: list[Answer]) -> None:
    story = Story(configuration(interval="1m", send_resolved=(True, True)), resend_every=MINUTE)
    story.answers["team[1]"] = list(answers)
    for _ in range(2):
        story.fire("db").run(2 * MINUTE).resolve("db").run(10 * MINUTE)
    assert last_reasons(story, ReasonCode.DROPPED)[-1].text == "webhook[1]"
    assert last_reasons(story, ReasonCode.NEVER_TOLD)[-1].integration == 1
