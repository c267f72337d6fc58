"""Who hears of an alert: routes from real texts, and what another configuration changes (rule 12)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.groups import GroupEvents, ReasonCode
from tests.builders import HOUR, MINUTE, SECOND
from tests.domain.story import HANGS, LOST, OK, Answer, Story, configuration, never, read

LONG = timedelta(hours=24)
PLAIN = configuration()
FIRST = "0:00:30 team: db fires (first notification)"

# --- routes, receivers, timers (RT, GK) -----------------------------------------------------------------------------

EQUAL_SIBLINGS = """
route:
  receiver: rest
  group_by: [alertname]
  routes:
    - receiver: pager
      matchers: [severity="page"]
      continue: true
      group_wait: 10s
      group_interval: 1m
      repeat_interval: 2m
    - receiver: chat
      matchers: [severity="page"]
      group_wait: 2m
      group_interval: 10m
receivers:
  - {name: rest, webhook_configs: [{url: "http://rest"}]}
  - {name: pager, webhook_configs: [{url: "http://pager"}]}
  - {name: chat, webhook_configs: [{url: "http://chat"}]}
"""


def test_equal_siblings_are_both_told_each_in_its_time() -> None:
    story = Story(EQUAL_SIBLINGS).fire("db", lease=LONG, severity="page").run(5 * MINUTE).resolve("db").run(HOUR)
    assert story.told("pager") == [
        "0:00:10 pager: db fires (first notification)",
        "0:03:10 pager: db fires (repeat interval elapsed)",
        "0:05:10 pager: db resolved (all alerts resolved)",
    ]
    assert story.told("chat") == [
        "0:02:00 chat: db fires (first notification)",
        "0:12:00 chat: db resolved (all alerts resolved)",
    ]
    assert story.told("rest") == []
    keys = {page.delivery.notification.group_key for page in story.pages}
    assert keys == {'{}/{severity="page"}:{alertname="DiskFull"}'}, "they share a key (GK-1)"
    assert len(story.groups) == 2, "and are two groups"


def test_identical_twins_are_two_groups() -> None:
    twin = '    - {receiver: team, matchers: [team="db"], continue: true}\n'
    text = f"route:\n  receiver: team\n  routes:\n{twin}{twin}receivers:\n  - {{name: team, webhook_configs: [{{url: 'http://x'}}]}}"
    story = Story(text).fire("db", lease=LONG, team="db").run(MINUTE)
    assert story.told() == [FIRST, FIRST]
    assert len({page.group_id for page in story.pages}) == 2
    assert len(story.incidents) == 1, "only the first one leads"


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        pytest.param("[alertname]", [["a", "b", "c"]], id="by a label that all share"),
        pytest.param("[zone]", [["a", "b"], ["c"]], id="those that lack the label share a group (GK-2)"),
        pytest.param("['...']", [["a"], ["b"], ["c"]], id="by all labels"),
        pytest.param("[]", [["a", "b", "c"]], id="one single group"),
    ],
)
def test_grouping(group_by: str, groups: list[list[str]]) -> None:
    story = (
        Story(configuration(group_by=group_by)).fire("a", "b", lease=LONG).fire("c", lease=LONG, zone="z").run(MINUTE)
    )
    assert sorted(list(page.firing) for page in story.pages) == groups


def test_a_notification_names_its_route() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE)
    told = story.pages[0].delivery.notification
    assert (told.receiver, told.group_key) == ("team", '{}:{alertname="DiskFull"}')
    assert told.group_labels == {"alertname": "DiskFull"}


# --- another configuration ------------------------------------------------------------------------------------------

TWO = """
route:
  receiver: team
  group_by: [alertname]
  routes:
    - {receiver: shop, matchers: [service="shop"]}
receivers:
  - {name: team, webhook_configs: [{url: "http://team"}]}
  - {name: shop, webhook_configs: [{url: "http://shop"}]}
"""
ONE = TWO.replace('service="shop"', 'service="other"')
BOTH = TWO.replace('service="shop"]', 'service="shop"], continue: true').replace(
    "receivers:", '    - {receiver: team, matchers: [service=~"shop"], group_by: []}\nreceivers:'
)


def test_who_stays_is_told_nothing_new() -> None:
    story = Story(PLAIN, resend_every=MINUTE).fire("db").run(2 * MINUTE)
    story.reload(PLAIN + "# and a comment\n").run(HOUR)
    assert story.told() == [FIRST]
    assert [ReasonCode.ROUTED_ANEW] in story.reasons
    assert story.member("db").occurrence == story.head.incidents == 1
    assert story.head.configuration_version == story.configuration.version


def test_a_reload_before_the_first_flush_moves_nothing() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(10 * SECOND).reload(PLAIN + "# x\n").run(HOUR)
    assert story.told() == [FIRST]


def test_other_timers_hold_from_the_reload_on() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(MINUTE).fire("web", lease=LONG).run(SECOND)
    story.reload(configuration(interval="1m", repeat="10m")).run(20 * MINUTE)
    assert story.told()[1:] == [
        "0:01:30 team: db, web fire (new alerts added)",
        "0:12:30 team: db, web fire (repeat interval elapsed)",
    ]


def test_a_new_receiver_is_told_and_the_old_one_hears_no_more() -> None:
    story = Story(ONE, resend_every=MINUTE, is_strict=True).fire("db", service="shop").run(10 * MINUTE + SECOND)
    story.reload(TWO).run(10 * MINUTE)
    assert story.told() == [FIRST, "0:10:01 shop: db fires (first notification)"]
    story.resolve("db").run(HOUR)
    assert story.told()[2:] == ["0:20:01 shop: db resolved (all alerts resolved)"]
    first, second = story.incidents.values()
    assert (first.receiver, story.clock(first.resolved_at)) == ("team", "0:10:01")
    assert (second.receiver, story.clock(second.opened_at)) == ("shop", "0:10:01")


def test_back_and_forth_tells_nobody_twice() -> None:
    story = Story(ONE, resend_every=MINUTE, is_strict=True).fire("db", service="shop").run(2 * MINUTE)
    for _ in range(3):
        story.reload(TWO).run(7 * MINUTE).reload(ONE).run(7 * MINUTE)
    assert story.told() == [FIRST, "0:02:00 shop: db fires (first notification)"]


def test_who_joins_is_told_and_who_knows_is_not() -> None:
    story = Story(TWO, resend_every=MINUTE, is_strict=True).fire("db", service="shop").run(2 * MINUTE)
    story.reload(BOTH).run(HOUR)
    assert story.told() == [
        "0:00:30 shop: db fires (first notification)",
        "0:02:00 team: db fires (first notification)",
    ]
    assert len(story.incidents) == 1, "the route that joined does not lead"


def test_a_route_that_comes_to_lead_opens_an_incident() -> None:
    story = Story(BOTH, resend_every=MINUTE, is_strict=True).fire("db", service="shop").run(2 * MINUTE)
    assert [incident.receiver for incident in story.incidents.values()] == ["shop"]
    story.reload(BOTH.replace('shop, matchers: [service="shop"]', 'shop, matchers: [service="none"]')).run(SECOND)
    assert [(incident.receiver, incident.resolved_at is None) for incident in story.incidents.values()] == [
        ("shop", False),
        ("team", True),
    ]
    assert len(story.told()) == 2


def test_another_group_by_is_another_group() -> None:
    story = Story(PLAIN, resend_every=MINUTE, is_strict=True).fire("db", "web").run(2 * MINUTE)
    story.reload(configuration(group_by="[instance]")).run(HOUR)
    assert story.told()[1:] == [
        "0:02:00 team: db fires (first notification)",
        "0:02:00 team: web fires (first notification)",
    ]
    assert sum(stored.head.present for stored in story.groups.values() if stored.head) == 2


@pytest.mark.parametrize(
    ("is_strict", "moved"),
    [
        pytest.param(False, "0:02:31 shop: web fires (first notification)", id="mended"),
        pytest.param(True, "0:02:01 shop: web fires; db resolved (first notification)", id="strict"),
    ],
)
def test_what_resolved_is_moved_only_where_strict(is_strict: bool, moved: str) -> None:
    story = Story(ONE, is_strict=is_strict).fire("db", "web", lease=LONG, service="shop").run(2 * MINUTE)
    story.resolve("db").run(SECOND).reload(TWO).run(4 * MINUTE)
    assert story.told("shop") == [moved]


def test_a_lease_that_ran_out_unseen_is_not_moved() -> None:
    story = Story(ONE, ticks=never, is_swept=False).fire("db", service="shop").run(30 * SECOND)
    story.fire("web", lease=LONG, service="shop").run(20 * MINUTE)
    story.reload(TWO).run(MINUTE)
    assert [event for stored in story.groups.values() for event in stored.members.values() if event.dropped_at is None]
    shop = next(stored for stored in story.groups.values() if stored.head and stored.head.receiver == "shop")
    assert [member.alert.labels["instance"] for member in shop.members.values()] == ["web"]


def test_a_route_that_vanishes_leaves_nothing_behind() -> None:
    story = Story(TWO, is_strict=True).fire("db", lease=LONG, service="shop").run(2 * MINUTE)
    story.reload(ONE).run(SECOND)
    shop = next(stored for stored in story.groups.values() if stored.head and stored.head.receiver == "shop")
    assert shop.head is not None
    assert (shop.head.present, shop.head.next_due_at, shop.head.incident) == (0, None, None)
    assert [ReasonCode.MOVED, ReasonCode.INCIDENT_RESOLVED] in story.reasons


def test_a_delivery_under_way_from_a_route_that_vanishes_is_settled() -> None:
    story = Story(TWO, is_strict=True).fire("db", lease=LONG, service="shop")
    story.answers["shop"] = [Answer(after=3 * MINUTE), OK]
    story.run(2 * MINUTE).reload(ONE)
    assert story.pending == 1
    story.run(2 * MINUTE).reload(TWO).run(HOUR)
    assert story.told("shop") == ["0:03:30 shop: db fires (first notification)"], (
        "what it knows by now is not said again"
    )
    assert story.pending == 0


def test_a_delivery_that_nobody_answers_for_is_superseded_though_its_route_has_vanished() -> None:
    story = Story(TWO, is_strict=True).fire("db", lease=LONG, service="shop")
    story.answers["shop"] = [LOST]
    story.run(2 * MINUTE).reload(ONE).run(HOUR)
    assert story.pending == 0
    assert story.tally.superseded == 1
    assert all(incident.resolved_at for incident in story.incidents.values() if incident.receiver == "shop")


def test_the_root_is_told_nothing_of_a_group_that_no_route_leads_to() -> None:
    story = Story(TWO, is_strict=True).fire("db", lease=LONG, service="shop").run(2 * MINUTE)
    story.answers["shop"] = [LOST]
    story.fire("web", lease=LONG, service="shop").run(5 * MINUTE).reload(ONE).run(2 * HOUR)
    assert story.told("team") == ["0:07:00 team: db, web fire (first notification)"]
    assert story.tally.superseded == 1


def test_what_left_is_not_waited_for_by_its_last_result() -> None:
    # `db` resolved and was told so; before the answer it moved away, and half an hour later its tombstone is forgotten.
    text = TWO.replace("[alertname]", "[alertname]\n  group_interval: 2h")
    story = Story(text, is_strict=True).fire("db", "web", lease=LONG, service="shop").run(2 * MINUTE).resolve("db")
    story.answers["shop"] = [Answer(after=HOUR)]
    story.run(2 * HOUR).reload(text.replace('service="shop"', 'service="other"')).run(2 * HOUR)
    assert story.pending == 0
    assert story.tally.delivered == story.tally.due


def test_an_integration_that_is_gone_holds_nothing_up() -> None:
    story = Story(configuration(send_resolved=[True, True])).fire("db", lease=LONG)
    story.answers["team[1]"] = [LOST]
    story.run(2 * MINUTE).reload(configuration()).run(10 * MINUTE).resolve("db").run(HOUR)
    assert story.pending == 0
    assert story.head.present == 0
    assert story.tally.superseded == 1


def test_the_log_of_an_integration_that_is_gone_repeats_nothing() -> None:
    story = Story(configuration(send_resolved=[True, True], repeat="1h")).fire("db", lease=LONG).run(2 * MINUTE)
    story.reload(configuration(repeat="1h")).run(12 * HOUR)
    assert len(story.ticked) < 40, "the flushes of a repeat, its results, and no more"


def test_a_hanging_delivery_outlives_a_shorter_interval() -> None:
    story = Story(configuration(interval="1h")).fire("db", lease=LONG)
    story.answers["team"] = [HANGS, OK]
    story.run(2 * MINUTE).reload(configuration(interval="1m")).run(2 * HOUR)
    assert story.told() == ["1:00:30 team: db fires (first notification)"], "a second try before that could page twice"


def test_a_message_routed_under_the_old_configuration_is_routed_anew() -> None:
    story = Story(ONE)
    story.lag = MINUTE
    story.fire("db", lease=LONG, service="shop").run(SECOND).reload(TWO).run(HOUR)
    assert [page.receiver for page in story.pages] == ["shop"]
    assert len(story.groups) == 1


def test_an_empty_group_has_nothing_to_route_anew() -> None:
    story = Story(TWO).fire("db", service="shop").run(MINUTE).resolve("db").run(HOUR)
    story.reload(ONE).fire("db", lease=LONG, service="shop").run(MINUTE)
    assert [page.receiver for page in story.pages] == ["shop", "shop", "team"]
    story.reload(TWO).run(MINUTE)
    assert [page.receiver for page in story.pages[3:]] == ["team", "shop"]


def test_what_moves_travels_with_the_version_that_moved_it() -> None:
    story = Story(ONE).fire("db", lease=LONG, service="shop").run(2 * MINUTE)
    sent: list[GroupEvents] = []
    story.enqueue = lambda messages: sent.extend(messages)  # type: ignore[method-assign]
    story.reload(TWO)
    (message,) = sent
    assert message.configuration_version == read(TWO).version
    (event,) = message.events
    assert event.received_at == story.now, "it opens its group now, however old its alerts are"
    assert (len(event.alerts), event.further) == (1, ())


# --- as Alertmanager does it: a reload hands out all it still has, and begins every timer anew (strict) -------------

ELSEWHERE = "0:00:30 shop: db fires (first notification)"


def shop(*, lease: timedelta = LONG) -> Story:
    return Story(TWO, is_strict=True).fire("db", lease=lease, service="shop").run(2 * MINUTE)


def test_what_was_moved_away_and_resolved_there_is_told_when_it_is_moved_back() -> None:
    story = shop().reload(ONE).run(5 * MINUTE).resolve("db").run(10 * MINUTE).reload(TWO)
    assert story.told("shop") == [ELSEWHERE, "0:17:00 shop: db resolved (all alerts resolved)"]
    assert story.told("team")[-1] == "0:07:00 team: db resolved (all alerts resolved)"
    story.run(MINUTE).fire("db", lease=LONG).run(HOUR)
    assert story.told("shop")[2:] == ["0:18:30 shop: db fires (first notification)"]


def test_half_an_hour_later_it_is_forgotten() -> None:
    story = shop().reload(ONE).run(5 * MINUTE).resolve("db").run(31 * MINUTE).reload(TWO).run(HOUR)
    assert story.told("shop") == [ELSEWHERE]


def test_a_lease_that_ran_out_there_is_told_when_it_is_moved_back() -> None:
    story = shop(lease=6 * MINUTE).reload(ONE).run(10 * MINUTE).reload(TWO).run(HOUR)
    assert story.told("shop") == [ELSEWHERE, "0:12:00 shop: db resolved (all alerts resolved)"]
    assert story.told("team") == [
        "0:02:00 team: db fires (first notification)",
        "0:07:00 team: db resolved (all alerts resolved)",
    ]


def test_a_reload_repeats_no_resolve() -> None:
    story = shop().resolve("db").run(10 * MINUTE)
    for number in range(3):
        story.reload(f"{TWO}# {number}\n").run(5 * MINUTE)
    assert story.told() == [ELSEWHERE, "0:05:30 shop: db resolved (all alerts resolved)"]
    assert story.head.present == 0


def test_a_reload_begins_the_grid_anew() -> None:
    story = shop().reload(TWO + "# x\n").run(MINUTE).fire("web", lease=LONG, service="shop").run(HOUR)
    assert story.told()[1:] == ["0:07:00 shop: db, web fire (new alerts added)"], "and not at 0:05:30"


def test_what_is_younger_than_group_wait_waits_again() -> None:
    story = Story(TWO, is_strict=True).fire("db", lease=LONG, service="shop").run(20 * SECOND)
    story.reload(TWO + "# x\n").run(HOUR)
    assert story.told() == ["0:00:50 shop: db fires (first notification)"]


def test_what_moved_away_leaves_nothing_that_it_could_be_merged_with() -> None:
    story = shop().reload(ONE).run(SECOND).reload(TWO).run(SECOND).reload(ONE).run(HOUR)
    assert story.told() == [ELSEWHERE, "0:02:00 team: db fires (first notification)"]
    assert [stored.head.present for stored in story.groups.values() if stored.head] == [0, 1]


def test_the_log_of_a_group_is_collected_every_quarter_of_an_hour() -> None:
    # The page came 30 seconds after the start, and its entry expires 4 minutes later.
    text = configuration(interval="14m", repeat="2m")
    early = Story(text, is_strict=True).fire("db", lease=LONG).run(MINUTE).resolve("db").run(HOUR)
    assert early.told()[1:] == ["0:14:30 team: db resolved (all alerts resolved)"]
    late = Story(text, is_strict=True).run(2 * MINUTE).fire("db", lease=LONG).run(MINUTE).resolve("db").run(HOUR)
    assert late.told()[1:] == [], "collected at 0:15:00, looked at at 0:16:30"
    mended = Story(text).run(2 * MINUTE).fire("db", lease=LONG).run(MINUTE).resolve("db").run(HOUR)
    assert mended.told()[1:] == ["0:16:30 team: db resolved (all alerts resolved)"]
