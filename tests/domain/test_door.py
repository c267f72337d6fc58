"""What the door lets through, what it absorbs, and where it sends the rest."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain import door as module
from domain.alerts import END_OF_TIME, Alert
from domain.door import Door
from domain.groups import GroupEvents, Reported, shard
from domain.situations import Situation
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.domain.story import read

TINY = timedelta(microseconds=1)
FOUR = 4 * MINUTE

PLAIN = """
route: {receiver: team, group_by: [alertname]}
receivers: [{name: team}]
"""
BRANCHED = """
route:
  receiver: rest
  routes:
    - {receiver: archive, group_by: [alertname], continue: true}
    - {receiver: db, group_by: [instance], matchers: [team="db"], continue: true}
    - {receiver: db-too, matchers: [team="db"]}
receivers: [{name: rest}, {name: archive}, {name: db}, {name: db-too}]
"""


def situation(text: str = PLAIN, *, is_strict: bool = False) -> Situation:
    return Situation(read(text), NOON - HOUR, is_strict)


def knowing(*alerts: Alert, text: str = PLAIN) -> Door:
    door = Door("door")
    door.admit(alerts, situation(text))
    door.remember(alerts)
    return door


def absorbs(door: Door, again: Alert, text: str = PLAIN, *, is_strict: bool = False) -> bool:
    admission = door.admit([again], situation(text, is_strict=is_strict))
    assert len(admission.alerts) + admission.absorbed == 1
    assert bool(admission.messages) == bool(admission.alerts)
    return bool(admission.absorbed)


KNOWN = alert(lease=FOUR, annotations={"text": "full"})


def resent(after: timedelta, lease: timedelta = FOUR) -> Alert:
    return replace(KNOWN, received_at=NOON + after, ends_at=NOON + after + lease)


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        pytest.param(resent(MINUTE), True, id="only endsAt moved"),
        pytest.param(resent(MINUTE, 3 * MINUTE), True, id="endsAt is the same"),
        pytest.param(resent(2 * MINUTE - TINY), True, id="not quite half of the lease is used"),
        pytest.param(resent(2 * MINUTE), False, id="half of the lease is used"),
        pytest.param(resent(MINUTE, FOUR + MINUTE), True, id="endsAt moved to one lease and a half"),
        pytest.param(resent(MINUTE, FOUR + MINUTE + TINY), False, id="endsAt moved further than the copy is read"),
        pytest.param(resent(MINUTE, 2 * MINUTE), False, id="endsAt moved back"),
        pytest.param(resent(MINUTE, timedelta(0)), False, id="resolved"),
        pytest.param(replace(resent(MINUTE), annotations={"text": "fuller"}), False, id="a changed annotation"),
        pytest.param(replace(resent(MINUTE), generator_url="http://x"), False, id="a changed generatorURL"),
        pytest.param(replace(resent(MINUTE), starts_at=NOON + SECOND), False, id="a changed startsAt"),
        pytest.param(replace(resent(MINUTE), is_timeout=True), False, id="the end is the door's own now"),
        pytest.param(
            replace(resent(MINUTE), labels={"alertname": "Other"}), False, id="a fingerprint shared by chance"
        ),
        pytest.param(alert(at=NOON + MINUTE, alertname="Other"), False, id="another alert"),
    ],
)
def test_absorbed(again: Alert, expected: bool) -> None:
    assert absorbs(knowing(KNOWN), again) is expected


def test_half_of_the_lease_counts_from_the_durable_copy() -> None:
    door = knowing(KNOWN)
    for after in (30, 60, 90):
        assert absorbs(door, resent(after * SECOND)), after
    again = resent(120 * SECOND)
    assert not absorbs(door, again)
    assert not absorbs(door, again), "it is not known to be durable"
    door.remember([again])
    assert absorbs(door, resent(180 * SECOND))
    assert door.absorbed == 4


def test_nothing_is_absorbed_under_strict_compatibility() -> None:
    assert not absorbs(knowing(KNOWN), resent(MINUTE), is_strict=True)


def test_nothing_is_absorbed_under_another_configuration() -> None:
    door = knowing(KNOWN)
    assert not absorbs(door, resent(MINUTE), BRANCHED)
    assert not absorbs(door, resent(MINUTE)), "and what was durable under the one before is forgotten"


def test_nothing_is_absorbed_after_a_resolve() -> None:
    door = knowing(KNOWN)
    door.remember([resent(MINUTE, timedelta(0))])
    assert not absorbs(door, resent(61 * SECOND))


def test_ends_from_resolve_timeout_are_absorbed_too() -> None:
    known = replace(KNOWN, is_timeout=True)
    assert absorbs(knowing(known), replace(resent(MINUTE), is_timeout=True))


def test_the_end_of_time_is_absorbed_too() -> None:
    known = replace(KNOWN, ends_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert absorbs(knowing(known), replace(known, received_at=NOON + MINUTE))
    assert absorbs(knowing(known), replace(known, received_at=NOON + MINUTE, ends_at=END_OF_TIME))


def test_what_became_durable_late_does_not_replace_what_is_younger() -> None:
    door = knowing(KNOWN)
    younger = resent(2 * MINUTE)
    door.remember([younger])
    door.remember([resent(MINUTE)])
    assert absorbs(door, resent(4 * MINUTE - TINY))


def test_the_door_forgets_who_was_durable_the_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALERTS_REMEMBERED", 2)
    first, second, third = (alert(lease=FOUR, instance=name) for name in "abc")
    door = knowing(first, second)
    door.remember([first])
    door.remember([third])
    later = [replace(one, received_at=NOON + MINUTE) for one in (first, second, third)]
    assert [absorbs(door, one) for one in later] == [True, False, True]


def test_stamps_ascend_whatever_the_clock_does() -> None:
    door = Door("door")
    clock = [NOON, NOON, NOON - HOUR, NOON + SECOND]
    assert [door.receive(now) for now in clock] == [NOON, NOON + TINY, NOON + 2 * TINY, NOON + SECOND]


# --- addressing -----------------------------------------------------------------------------------------------------


def reports(messages: object) -> dict[str, Reported]:
    """Each receiver's one event."""
    assert isinstance(messages, list)
    found = {}
    routes = read(BRANCHED).routes
    for message in messages:
        assert len({shard(event.group_id) for event in message.events}) == 1, "a message is for one shard"
        for event in message.events:
            found[routes[event.group.route_id].receiver] = event
    return found


DB = alert(instance="db", team="db")
WEB = alert(instance="web")


def test_only_the_first_route_leads() -> None:
    messages = Door("door").route([DB, WEB], situation(BRANCHED))
    events = reports(messages)
    assert {name: (event.alerts, event.further) for name, event in events.items()} == {
        "archive": ((DB, WEB), ()),
        "db": ((), (DB,)),
        "db-too": ((), (DB,)),
    }
    assert {message.configuration_version for message in messages} == {read(BRANCHED).version}
    assert sum(message.size for message in messages) == 4
    assert events["archive"].group.labels == {"alertname": "DiskFull"}
    assert events["db"].group.labels == {"instance": "db"}


def test_each_request_has_a_number_of_its_own() -> None:
    door = Door("door-7")
    events = [event for _ in range(2) for event in reports(door.route([DB], situation(BRANCHED))).values()]
    assert [event.number for event in events] == [1, 1, 1, 2, 2, 2]
    assert {(event.door, event.received_at) for event in events} == {("door-7", NOON)}
    assert events[0].names == [DB.fingerprint]


def test_nothing_is_sent_for_nothing() -> None:
    door = Door("door")
    assert door.route([], situation()) == ()
    assert door.admit([], situation()).messages == ()


def test_many_groups_of_one_shard_share_a_message() -> None:
    text = PLAIN.replace("[alertname]", "['...']")
    messages = Door("door").route([alert(instance=str(number)) for number in range(1000)], situation(text))
    shards = [{shard(event.group_id) for event in message.events} for message in messages]
    assert sorted(one for some in shards for one in some) == list(range(64))
    assert sum(message.size for message in messages) == 1000


def test_a_message_of_another_configuration_is_routed_anew() -> None:
    old = [*Door("old").route([DB, WEB], situation(BRANCHED))]
    whole = GroupEvents(old[0].configuration_version, tuple(event for message in old for event in message.events))
    (message,) = Door("new").route_anew(whole, situation())
    (event,) = message.events
    assert message.configuration_version == read(PLAIN).version
    assert (event.door, event.number, event.received_at) == ("new", 1, NOON)
    assert set(event.names) == {DB.fingerprint, WEB.fingerprint}
    assert event.size == 2, "each alert once, though it had three groups"
    assert event.further == ()
