"""What Alertmanager gets wrong and Tocsin mends unless `compat` is strict: each story told in both modes, side by side.

Gap A: what resolves under a silence and fires again is paged.  Gap B: a silence that ends while the alert fires pages.
An alert with an old startsAt waits group_wait like any other (TM-1).  A group that a reload does away with is resolved
at the receivers that keep a state, and an alert that was moved away and comes back firing anew is told (rule 12).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.groups import ReasonCode
from tests.builders import HOUR, MINUTE, NOON, SECOND
from tests.domain.story import FAILS, HANGS, LOST, OK, Answer, Story, configuration, read

LONG = timedelta(hours=24)
PLAIN = configuration(repeat="3h")
FIRST = "0:00:30 team: db fires (first notification)"

MODES = pytest.mark.parametrize("is_strict", [pytest.param(False, id="mended"), pytest.param(True, id="strict")])


def told(story: Story, receiver: str | None = None) -> list[str]:
    """The pages, to the second: a door stamps what comes at one instant a microsecond apart."""
    return [re.sub(r"\.\d+", "", words, count=1) for words in story.told(receiver)]


def begin(text: str = PLAIN, *names: str, is_strict: bool = False, **changes: Any) -> Story:
    """A story in which `db`, or these, fire and have been told of."""
    story = Story(text, is_strict=is_strict, **changes)
    return story.fire(*(names or ("db",)), lease=LONG).run(MINUTE)


# --- gap A: what resolves while it is muted -------------------------------------------------------------------------


@pytest.mark.parametrize("sends_resolved", [True, False])
@MODES
def test_what_resolves_under_a_silence_and_fires_again_is_paged(is_strict: bool, sends_resolved: bool) -> None:
    story = begin(configuration(repeat="3h", send_resolved=[sends_resolved]), is_strict=is_strict)
    story.silence("instance=db", 20 * MINUTE)
    story.run(MINUTE).resolve("db").run(20 * MINUTE)
    assert story.head.present == 0, "dropped in silence"
    story.fire("db", lease=LONG).run(HOUR)
    # The log still says that `db` fires: Alertmanager repeats it three hours after the first page.
    assert told(story) == [FIRST] if is_strict else [FIRST, "0:22:30 team: db fires (first notification)"]
    story.run(3 * HOUR)
    repeat = "3:02:30" if is_strict else "3:27:30"
    assert told(story)[-1] == f"{repeat} team: db fires (repeat interval elapsed)"


@MODES
def test_it_is_paged_although_others_fire_on(is_strict: bool) -> None:
    story = begin(PLAIN, "db", "web", is_strict=is_strict)
    silence = story.silence("instance=db", 5 * HOUR)
    story.run(MINUTE).resolve("db").run(10 * MINUTE).end_silence(silence).run(MINUTE)
    story.fire("db", lease=LONG).run(10 * MINUTE)
    assert told(story)[1:] == ([] if is_strict else ["0:15:30 team: db, web fire (new alerts added)"])


@MODES
def test_it_is_paged_by_every_integration(is_strict: bool) -> None:
    story = begin(configuration(send_resolved=[True, False]), is_strict=is_strict)
    story.silence("instance=db", 10 * MINUTE)
    story.run(MINUTE).resolve("db").run(10 * MINUTE).fire("db", lease=LONG).run(MINUTE)
    assert told(story)[2:] == (
        [] if is_strict else [f"0:12:30 team[{number}]: db fires (first notification)" for number in (0, 1)]
    )


@MODES
def test_a_refire_under_the_same_silence_is_paged_when_it_ends(is_strict: bool) -> None:
    story = begin(is_strict=is_strict)
    story.silence("instance=db", HOUR)
    story.resolve("db").run(10 * MINUTE).fire("db", lease=LONG).run(20 * MINUTE)
    assert told(story) == [FIRST]
    story.run(HOUR)
    assert told(story)[1:] == ([] if is_strict else ["1:01:30 team: db fires (first notification)"])


@MODES
def test_a_lease_that_runs_out_under_a_silence_is_a_resolve(is_strict: bool) -> None:
    story = Story(PLAIN, is_strict=is_strict).fire("db", lease=4 * MINUTE).run(MINUTE)
    story.silence("instance=db", 20 * MINUTE)
    story.run(21 * MINUTE).fire("db", lease=LONG).run(MINUTE)
    assert told(story)[1:] == ([] if is_strict else ["0:22:30 team: db fires (first notification)"])


@MODES
def test_what_resolves_while_it_is_inhibited_is_paged_when_it_fires_again(is_strict: bool) -> None:
    text = PLAIN + "inhibit_rules: [{source_matchers: [role=source], target_matchers: [instance=db]}]\n"
    story = begin(text, is_strict=is_strict)
    story.fire("src", alertname="Outage", role="source", lease=LONG).run(10 * MINUTE).resolve("db").run(10 * MINUTE)
    story.resolve("src").run(10 * MINUTE).fire("db", lease=LONG).run(MINUTE)
    pages = [words for words in told(story) if "db" in words]
    assert pages == [FIRST] if is_strict else [FIRST, "0:31:30 team: db fires (first notification)"]


@MODES
def test_a_silence_that_no_flush_saw_changes_nothing(is_strict: bool) -> None:
    story = begin(is_strict=is_strict)
    story.silence("instance=db", 2 * MINUTE)
    story.resolve("db").run(SECOND).fire("db", lease=LONG).run(3 * MINUTE).run(HOUR)
    assert told(story) == [FIRST], "told once, and fires"


# --- gap B: what fires on when its silence ends ---------------------------------------------------------------------


@pytest.mark.parametrize("sends_resolved", [True, False])
@MODES
def test_a_silence_that_ends_while_the_alert_fires_is_followed_by_a_page(is_strict: bool, sends_resolved: bool) -> None:
    story = begin(configuration(repeat="3h", send_resolved=[sends_resolved]), is_strict=is_strict)
    story.silence("instance=db", 20 * MINUTE)
    story.run(HOUR)
    assert told(story) == [FIRST] if is_strict else [FIRST, "0:25:30 team: db fires (first notification)"]
    assert story.count(ReasonCode.FORGOTTEN) == (0 if is_strict else 1)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        pytest.param("by itself", "0:25:30", id="by itself"),
        pytest.param("by hand", "0:15:30", id="ended by hand"),
        pytest.param("extended", "0:45:30", id="extended"),
        pytest.param("replaced", "0:25:30", id="another one takes its place"),
    ],
)
def test_however_it_ends(ends: str, expected: str) -> None:
    story = begin()
    silence = story.silence("instance=db", 20 * MINUTE)
    story.run(10 * MINUTE)
    if ends in ("by hand", "replaced"):
        story.end_silence(silence)
    if ends == "replaced":
        story.silence("instance=db", 10 * MINUTE)
    if ends == "extended":
        story.change_silence(silence, 30 * MINUTE)
    story.run(HOUR)
    assert told(story)[1:] == [f"{expected} team: db fires (first notification)"]


@MODES
def test_silenced_before_its_first_page_it_is_told_at_the_next_point(is_strict: bool) -> None:
    story = Story(PLAIN, is_strict=is_strict)
    story.silence("instance=db", 7 * MINUTE)
    story.fire("db", lease=LONG).run(HOUR)
    assert told(story) == ["0:10:30 team: db fires (first notification)"]


@MODES
def test_a_silence_shorter_than_an_interval_is_followed_by_a_page_if_a_flush_fell_into_it(is_strict: bool) -> None:
    quiet = begin(is_strict=is_strict)
    quiet.silence("instance=db", 3 * MINUTE)  # 1:00 to 4:00, between two points of the grid
    quiet.run(HOUR)
    assert told(quiet) == [FIRST]
    story = begin(is_strict=is_strict).run(4 * MINUTE)
    story.silence("instance=db", MINUTE)  # 5:00 to 6:00
    story.run(HOUR)
    assert told(story)[1:] == ([] if is_strict else ["0:10:30 team: db fires (first notification)"])


@MODES
def test_while_it_lasts_the_others_are_told_as_ever(is_strict: bool) -> None:
    story = begin(PLAIN, "db", "web", is_strict=is_strict)
    story.silence("instance=db", 40 * MINUTE)
    story.run(5 * MINUTE).fire("api", lease=LONG).run(5 * MINUTE).resolve("web").run(5 * MINUTE)
    assert told(story)[1:] == [
        "0:10:30 team: api, web fire (new alerts added)",
        "0:15:30 team: api fires; web resolved (some alerts resolved)",
    ]
    story.run(HOUR)
    # The page about `api` replaced the log, in which `db` then was no more: here Alertmanager tells it too.
    assert told(story)[3:] == ["0:45:30 team: api, db fire (new alerts added)"]


@MODES
def test_of_a_group_only_what_was_silenced_is_news_but_all_is_shown(is_strict: bool) -> None:
    story = begin(PLAIN, "db", "web", is_strict=is_strict)
    story.silence("instance=db", 20 * MINUTE)
    story.run(HOUR)
    assert told(story)[1:] == ([] if is_strict else ["0:25:30 team: db, web fire (new alerts added)"])


@pytest.mark.parametrize("sends_resolved", [True, False])
@MODES
def test_what_is_over_when_its_silence_ends_is_told_to_be_over(is_strict: bool, sends_resolved: bool) -> None:
    # It resolves after the silence and before the next point of the grid: whoever was told that it fires must hear.
    story = begin(configuration(send_resolved=[sends_resolved]), is_strict=is_strict)
    silence = story.silence("instance=db", HOUR)
    story.run(10 * MINUTE).end_silence(silence).run(SECOND).resolve("db").run(HOUR)
    assert told(story)[1:] == (["0:15:30 team: db resolved (all alerts resolved)"] if sends_resolved else [])
    story.fire("db", lease=LONG).run(MINUTE)
    assert told(story)[-1] == "1:11:31 team: db fires (first notification)", "and it is known to be over"


@MODES
def test_a_silence_upon_a_quiet_group_is_seen_at_the_next_point(is_strict: bool) -> None:
    story = begin(is_strict=is_strict).run(HOUR)
    ticked = len(story.ticked)
    assert len(story.flushes) == 1, "a quiet group is not looked at"
    story.silence("instance=db", 7 * MINUTE)
    story.run(5 * MINUTE)
    assert story.count(ReasonCode.WOKEN) == 1
    assert story.count(ReasonCode.SILENCED) == 1
    assert [story.clock(at) for at, _ in story.flushes[1:]] == ["1:05:30"]
    story.run(HOUR)
    assert told(story)[1:] == ([] if is_strict else ["1:10:30 team: db fires (first notification)"])
    assert len(story.ticked) - ticked <= 6, "and then it is quiet again"


@MODES
def test_the_repeat_falls_due_while_it_is_silenced(is_strict: bool) -> None:
    story = begin(configuration(repeat="20m"), is_strict=is_strict)
    story.silence("instance=db", 30 * MINUTE)
    story.run(40 * MINUTE)
    reason = "repeat interval elapsed" if is_strict else "first notification"
    assert told(story)[1:] == [f"0:35:30 team: db fires ({reason})"]


# --- with receivers that fail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "strict", "mended"),
    [
        pytest.param([OK], [], ["0:25:30"], id="answers"),
        pytest.param([FAILS, OK], ["0:25:30"], ["0:25:30"], id="fails: nobody was told before the silence"),
        pytest.param([LOST, OK], ["0:25:30"], ["0:25:30"], id="nobody learns that it heard"),
        pytest.param([HANGS, OK], ["0:25:30"], ["0:25:30"], id="hangs"),
        pytest.param([Answer(after=3 * MINUTE), OK], [], ["0:25:30"], id="hears it while the silence lasts"),
        pytest.param([Answer(folded_after=3 * MINUTE), OK], [], ["0:25:30"], id="is known late"),
        pytest.param([Answer(folded_after=7 * MINUTE), OK], ["0:25:30"], ["0:25:30"], id="is known too late"),
    ],
)
@MODES
def test_a_page_is_under_way_as_the_silence_begins(
    answers: list[Answer], strict: list[str], mended: list[str], is_strict: bool
) -> None:
    story = Story(PLAIN, is_strict=is_strict).fire("db", lease=LONG)
    story.answers["team"] = list(answers)
    story.run(MINUTE).silence("instance=db", 20 * MINUTE)
    story.run(20 * MINUTE)
    before = len(story.pages)
    story.run(HOUR)
    expected = strict if is_strict else mended
    assert told(story)[before:] == [f"{at} team: db fires (first notification)" for at in expected]


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(FAILS, id="fails"),
        pytest.param(HANGS, id="hangs"),
        pytest.param(LOST, id="nobody learns that it heard"),
    ],
)
def test_the_page_after_a_silence_is_tried_until_it_succeeds(is_strict: bool, answer: Answer) -> None:
    story = begin(configuration(repeat="2m"), is_strict=is_strict)  # so that strict has something to tell as well
    story.silence("instance=db", 20 * MINUTE)
    story.answers["team"] = [answer, answer, OK]
    story.run(34 * MINUTE)
    assert [page for page in told(story) if page.startswith("0:35:30")] == []
    story.run(MINUTE)
    assert told(story)[-1].startswith("0:35:30 team: db fires")
    assert story.pending == 0


def test_a_page_under_way_on_a_narrow_grid_when_the_silence_begins_and_ends() -> None:
    # The grid is three seconds, the page takes seven, and a flush falls into the silence: it arrives in the end.
    story = Story(configuration(wait="0s", interval="3s")).fire("db", lease=LONG)
    story.answers["team"] = [Answer(after=7 * SECOND), OK]
    story.run(SECOND).silence("instance=db", 4 * SECOND)
    story.run(HOUR)
    assert told(story) == ["0:00:07 team: db fires (first notification)"], "after the silence: once is enough"


def test_what_resolves_while_its_page_is_under_way_and_muted_is_told_anew() -> None:
    story = Story(configuration(wait="0s", interval="3s")).fire("db", lease=LONG)
    story.answers["team"] = [Answer(after=7 * SECOND), OK]
    story.run(SECOND).silence("instance=db", 20 * SECOND)
    story.resolve("db").run(21 * SECOND)
    assert story.head.present == 0
    story.fire("db", lease=LONG).run(HOUR)
    assert told(story) == [
        "0:00:07 team: db fires (first notification)",
        "0:00:22 team: db fires (first notification)",
    ]


def test_one_integration_fails_as_the_silence_begins() -> None:
    story = Story(configuration(send_resolved=[True, True])).fire("db", lease=LONG)
    story.answers["team[1]"] = [FAILS, OK]
    story.run(MINUTE).silence("instance=db", 20 * MINUTE)
    story.run(HOUR)
    assert told(story) == [
        "0:00:30 team[0]: db fires (first notification)",
        "0:25:30 team[0]: db fires (first notification)",
        "0:25:30 team[1]: db fires (first notification)",
    ]


def test_a_resolve_that_could_not_be_told_before_the_silence_is_told_to_nobody() -> None:
    # As by Alertmanager: the resolve is muted and dropped.  If it fires again, it is told.
    story = begin().resolve("db")
    story.answers["team"] = [FAILS, OK]
    story.run(6 * MINUTE).silence("instance=db", 20 * MINUTE)
    story.run(30 * MINUTE)
    assert (told(story), story.head.present) == ([FIRST], 0)
    story.fire("db", lease=LONG).run(MINUTE)
    assert told(story)[1:] == ["0:37:30 team: db fires (first notification)"]


# --- an old startsAt ------------------------------------------------------------------------------------------------


@MODES
def test_an_old_alert_waits_for_the_source_that_inhibits_it(is_strict: bool) -> None:
    # Alertmanager's issue #4064: after a restart everything is old, and targets come before their sources.
    text = PLAIN + "inhibit_rules: [{source_matchers: [role=source], target_matchers: [role=target]}]\n"
    story = Story(text, is_strict=is_strict, start=NOON)
    story.fire("tgt", alertname="Slow", role="target", starts_at=NOON - HOUR, lease=LONG).run(5 * SECOND)
    story.fire("src", alertname="Outage", role="source", starts_at=NOON - HOUR, lease=LONG).run(HOUR)
    assert told(story) == (
        ["0:00:00 team: tgt fires (first notification)", "0:00:05 team: src fires (first notification)"]
        if is_strict
        else ["0:00:35 team: src fires (first notification)"]
    )


@MODES
def test_an_old_alert_waits_for_its_group(is_strict: bool) -> None:
    story = Story(PLAIN, is_strict=is_strict)
    for name in ("a", "b", "c"):
        story.fire(name, starts_at=NOON - HOUR, lease=LONG).run(SECOND)
    story.run(HOUR)
    assert told(story) == (
        ["0:00:00 team: a fires (first notification)", "0:05:00 team: a, b, c fire (new alerts added)"]
        if is_strict
        else ["0:00:30 team: a, b, c fire (first notification)"]
    )


@MODES
def test_a_reload_that_makes_one_group_of_several_tells_all_together(is_strict: bool) -> None:
    story = Story(configuration(group_by="[instance]"), is_strict=is_strict).fire("a", lease=LONG).run(SECOND)
    story.fire("b", lease=LONG).run(SECOND).fire("c", lease=LONG).run(10 * MINUTE)
    before = len(told(story))
    story.reload(PLAIN).run(HOUR)
    pages = [words for words in told(story)[before:] if "fire" in words]
    assert pages == (
        ["0:10:02 team: a fires (first notification)", "0:15:02 team: a, b, c fire (new alerts added)"]
        if is_strict
        else ["0:10:32 team: a, b, c fire (first notification)"]
    )


def test_a_reload_that_makes_several_groups_of_one_lets_each_wait() -> None:
    story = begin(PLAIN, "a", "b").reload(configuration(group_by="[instance]")).run(HOUR)
    assert told(story)[1:] == [
        "0:01:00 team: a, b resolved (all alerts resolved)",
        "0:01:30 team: a fires (first notification)",
        "0:01:30 team: b fires (first notification)",
    ]


# --- groups that a reload does away with, and what comes back (rule 12) ---------------------------------------------

ROUTED = """
route:
  receiver: team
  group_by: [alertname]
  repeat_interval: 12h
  routes:
    - {receiver: shop, matchers: [service="shop"]}
receivers:
  - {name: team, webhook_configs: [{url: "http://team"}]}
  - name: shop
    webhook_configs: [{url: "http://shop/0"}, {url: "http://shop/1", send_resolved: false}]
    slack_configs: [{api_url: "http://slack", channel: "#shop", send_resolved: true}]
    pagerduty_configs: [{routing_key: "0123456789abcdef0123456789abcdef"}]
"""
ELSEWHERE = ROUTED.replace('service="shop"', 'service="other"')
"""The alerts of service shop go to `team` here, and the group of `shop` is no more."""
DB_ELSEWHERE = ROUTED.replace("routes:\n", 'routes:\n    - {receiver: team, matchers: [instance="db"]}\n')
"""Only `db` goes to `team`; the group of `shop` stays for the others."""
WEBHOOK, SILENT_WEBHOOK, SLACK, PAGERDUTY = range(4)


def shop(text: str = ROUTED, is_strict: bool = False, **changes: Any) -> Story:
    story = Story(text, is_strict=is_strict, **changes)
    return story.fire("db", service="shop", lease=LONG)


def heard(story: Story, receiver: str = "shop") -> list[tuple[int, str, str]]:
    """The integration, when, and what, of each page to this receiver."""
    return sorted(
        (page.integration, story.clock(page.at).partition(".")[0], "fires" if page.firing else "resolved")
        for page in story.pages
        if page.receiver == receiver
    )


def test_the_integrations_are_those_that_the_stories_speak_of() -> None:
    kinds = [(each.kind, each.keeps_state, each.send_resolved) for each in read(ROUTED).receiver("shop").integrations]
    assert kinds == [
        ("webhook", True, True),
        ("webhook", True, False),
        ("slack", False, True),
        ("pagerduty", True, True),
    ]


@MODES
def test_a_group_that_vanishes_is_resolved_where_a_state_is_kept(is_strict: bool) -> None:
    story = shop(is_strict=is_strict).run(MINUTE).reload(ELSEWHERE).run(HOUR)
    resolved = [] if is_strict else [(WEBHOOK, "0:01:00", "resolved"), (PAGERDUTY, "0:01:00", "resolved")]
    assert heard(story) == sorted([*((number, "0:00:30", "fires") for number in range(4)), *resolved])
    assert heard(story, "team") == [(0, "0:01:00" if is_strict else "0:01:30", "fires")]
    for page in story.pages[4:]:
        if page.receiver == "shop":
            told_first = story.pages[0].delivery.notification
            assert page.delivery.notification.group_key == told_first.group_key, "they know it by its old key"
    assert story.pending == 0
    assert story.tally.due == story.tally.delivered


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([FAILS, OK], [], id="it never heard of the group"),
        pytest.param([HANGS, OK], [("0:05:30", "resolved")], id="it may have heard: only once that is out of the way"),
        pytest.param(
            [Answer(after=3 * MINUTE), OK],
            [("0:03:30", "fires"), ("0:05:30", "resolved")],
            id="it hears that it fires after the reload: not before it may have",
        ),
        pytest.param([OK, FAILS], [("0:00:30", "fires")], id="it cannot be told"),
        pytest.param([OK, Answer(after=2 * MINUTE)], [("0:00:30", "fires"), ("0:03:00", "resolved")], id="slow"),
    ],
)
def test_a_farewell_to_a_receiver_in_trouble(answers: list[Answer], expected: list[tuple[str, str]]) -> None:
    story = shop()
    story.answers[f"shop[{PAGERDUTY}]"] = list(answers)
    story.run(MINUTE).reload(ELSEWHERE).run(HOUR)
    assert [page[1:] for page in heard(story) if page[0] == PAGERDUTY] == expected
    assert story.pending == 0
    tally = story.tally
    assert tally.due == tally.delivered + tally.failed + tally.superseded


def test_a_farewell_speaks_of_what_they_knew() -> None:
    story = shop().run(MINUTE).fire("web", service="shop", lease=LONG).run(SECOND).reload(ELSEWHERE).run(HOUR)
    farewell = [page for page in story.pages if page.resolved]
    assert {page.resolved for page in farewell} == {("db",)}, "nobody had heard of `web` yet"


def test_a_silenced_group_that_vanishes_is_resolved_too() -> None:
    story = shop().run(MINUTE)
    story.silence("instance=db", 5 * HOUR)
    story.run(10 * MINUTE).reload(ELSEWHERE).run(HOUR)
    assert heard(story)[1:2] == [(WEBHOOK, "0:11:00", "resolved")]
    assert heard(story, "team") == []


def test_what_had_resolved_before_the_group_vanished() -> None:
    story = shop().run(MINUTE).resolve("db").run(SECOND).reload(ELSEWHERE).run(HOUR)
    assert [page for page in heard(story) if page[0] == PAGERDUTY] == [
        (PAGERDUTY, "0:00:30", "fires"),
        (PAGERDUTY, "0:01:01", "resolved"),
    ]
    assert heard(story, "team") == []


def test_a_group_that_others_stay_in_says_no_farewell() -> None:
    story = shop().fire("web", service="shop", lease=LONG).run(MINUTE).reload(DB_ELSEWHERE).run(HOUR)
    assert story.count(ReasonCode.FAREWELL) == 0
    # At the next point those that are told of resolves are not: `db` did not resolve, it went elsewhere.
    assert [page for page in heard(story) if page[2] == "resolved"] == []


@pytest.mark.parametrize("is_strict", [False, True])
def test_moved_there_and_back_without_resolving_is_not_told_again(is_strict: bool) -> None:
    story = shop(is_strict=is_strict).run(MINUTE).reload(ELSEWHERE).run(20 * MINUTE).reload(ROUTED).run(HOUR)
    assert [page for page in heard(story) if page[0] == SLACK] == [(SLACK, "0:00:30", "fires")]
    # Whom the farewell told that it is over hears that it fires.
    again = [page for page in heard(story) if page[0] == PAGERDUTY][1:]
    assert again == ([] if is_strict else [(PAGERDUTY, "0:01:00", "resolved"), (PAGERDUTY, "0:21:30", "fires")])


@pytest.mark.parametrize(
    ("away", "lease"),
    [
        pytest.param([10, 1, 10], LONG, id="for a long time"),
        pytest.param([1, 0.2, 0.2], LONG, id="within the lease that its old copy had"),
        pytest.param([1, 0.2, 0.2], 4 * MINUTE, id="as Prometheus sends"),
    ],
)
@MODES
def test_moved_away_resolved_there_moved_back_and_firing_anew_is_told(
    is_strict: bool, away: Sequence[float], lease: timedelta
) -> None:
    story = Story(ROUTED, is_strict=is_strict, resend_every=MINUTE).fire("db", service="shop", lease=lease).run(MINUTE)
    story.reload(ELSEWHERE).run(away[0] * MINUTE).resolve("db").run(away[1] * MINUTE)
    story.fire("db", lease=lease).run(away[2] * MINUTE)
    back = story.now
    story.reload(ROUTED).run(20 * MINUTE)
    again = [page for page in heard(story) if page[0] == SLACK][1:]
    assert again == ([] if is_strict else [(SLACK, story.clock(back + 30 * SECOND), "fires")])
    # No silence was there, so the trail names none.
    said = [reason.text for stored in story.groups.values() for one in stored.entries for reason in one.reasons]
    assert ("1 firing: to be told anew" in said) is not is_strict
    assert not any("silenced" in text for text in said)


@MODES
def test_resolved_there_and_firing_anew_only_after_the_way_back_is_told(is_strict: bool) -> None:
    story = shop(is_strict=is_strict).run(MINUTE).reload(ELSEWHERE).run(10 * MINUTE).resolve("db").run(10 * MINUTE)
    story.reload(ROUTED).run(10 * MINUTE).fire("db", lease=LONG).run(10 * MINUTE)
    again = [page for page in heard(story) if page[0] == SLACK][1:]
    # Alertmanager's reload back hands out what has resolved too.
    assert again == [(SLACK, "0:21:00", "resolved")] * is_strict + [(SLACK, "0:31:30", "fires")]


def test_moved_away_while_its_page_was_under_way_it_is_told_when_it_fires_anew() -> None:
    story = shop()
    story.answers[f"shop[{SLACK}]"] = [Answer(after=3 * MINUTE), OK]
    story.run(MINUTE).reload(ELSEWHERE).run(5 * MINUTE).resolve("db").run(MINUTE).fire("db", lease=LONG).run(MINUTE)
    story.reload(ROUTED).run(HOUR)
    assert [page for page in heard(story) if page[0] == SLACK] == [
        (SLACK, "0:03:30", "fires"),
        (SLACK, "0:08:30", "fires"),
    ]


def test_who_stays_when_others_go_and_come_back_is_no_news() -> None:
    story = shop().fire("web", service="shop", lease=LONG).run(MINUTE)
    story.reload(DB_ELSEWHERE).run(10 * MINUTE).resolve("db").run(MINUTE).fire("db", lease=LONG).run(MINUTE)
    story.reload(ROUTED).run(HOUR)
    slack = [page for page in story.pages if page.receiver == "shop" and page.integration == SLACK]
    assert [(story.clock(page.at), page.firing) for page in slack] == [
        ("0:00:30", ("db", "web")),
        ("0:15:30", ("db", "web")),
    ], "`db` is, and `web` is shown with it"
