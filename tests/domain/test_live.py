"""What of a group's log is told as it happens, and to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.errors import RejectedError
from domain.explaining import explain
from domain.groups import Reason, ReasonCode
from domain.lifecycle import Action, Responded
from domain.live import (
    KINDS,
    LiveEvent,
    LiveStatus,
    Subject,
    by_channel,
    channels_of,
    check_channel,
    kind_of,
    live_events,
)
from tests.builders import NOON, alert, entry, group_id, reported

INCIDENT = f"{group_id(1)}-1"


def told(*codes: ReasonCode, status: LiveStatus = "triggered", **changes: Any) -> list[LiveEvent]:
    reasons = tuple(Reason(code, fingerprints=(alert().fingerprint,)) for code in codes)
    known: dict[str, Any] = {"incident": INCIDENT, "reported": reported(alert())}
    said = entry(reasons=reasons, **(known | changes))
    return live_events(said, Subject("team", "DiskFull", status), before="before", cursor="behind")


def responded(action: Action, **changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"actor": "ada\u202e", "at": NOON, "id": "r", "until": NOON + timedelta(hours=1)}
    return {
        "reported": None,
        "responded": Responded(group_id=group_id(1), incident=INCIDENT, action=action, **(known | changes)),
    }


@pytest.mark.parametrize(
    ("codes", "kinds"),
    [
        pytest.param(["OPENED", "FIRED", "INCIDENT_OPENED"], ["opened"], id="what it begins with is its beginning"),
        pytest.param(["FIRED"], ["changed"], id="another alert fires"),
        pytest.param(["RESOLVED"], ["changed"], id="an alert resolves"),
        pytest.param(["LEASE_ENDED"], ["changed"], id="a lease ends"),
        pytest.param(["UPDATED"], [], id="a re-send is no event"),
        pytest.param(["NO_NEWS"], [], id="a look that finds nothing is none"),
        pytest.param(["SILENCED", "ALL_MUTED"], [], id="what is muted is said at each look"),
        pytest.param(["ACKNOWLEDGED"], [], id="so is what is withheld"),
        pytest.param(["NOTIFY", "NOTIFY"], ["paged"], id="two integrations are one event"),
        pytest.param(["DELIVERED"], ["delivered"], id="it arrived"),
        pytest.param(["FAILED"], ["failed"], id="it did not"),
        pytest.param(["SUPERSEDED", "NOTIFY"], ["paged", "failed"], id="given up, and told anew"),
        pytest.param(["DELIVERED", "DROPPED", "INCIDENT_RESOLVED"], ["delivered", "resolved"], id="it is over"),
        pytest.param(["FIRED", "INCIDENT_OPENED", "NOTIFY"], ["opened", "paged"], id="at once, as in strict"),
        pytest.param(["ACKNOWLEDGEMENT_ENDED", "NOTIFY"], ["unacknowledged", "paged"], id="a time-out"),
        pytest.param(["SNOOZE_ENDED"], ["unsnoozed"], id="a snooze ends"),
        pytest.param(["REFIRED", "REOPENED"], ["changed", "reopened"], id="reopened by itself"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_an_entry_is_told_as(codes: list[str], kinds: list[str]) -> None:
    assert [event.kind for event in told(*[ReasonCode[code] for code in codes])] == kinds


@pytest.mark.parametrize(
    ("action", "kind", "status"),
    [
        (Action.ACKNOWLEDGE, "acknowledged", "acknowledged"),
        (Action.UNACKNOWLEDGE, "unacknowledged", "triggered"),
        (Action.SNOOZE, "snoozed", "acknowledged"),
        (Action.UNSNOOZE, "unsnoozed", "acknowledged"),
        (Action.RESOLVE, "resolved_by_person", "resolved"),
        (Action.REOPEN, "reopened", "triggered"),
        (Action.ASSIGN, "assigned", "acknowledged"),
        (Action.SEVERITY, "severity", "acknowledged"),
        (Action.NOTE, "noted", "acknowledged"),
    ],
)
def test_what_a_person_does_is_told(action: Action, kind: str, status: str) -> None:
    (event,) = told(ReasonCode.RESPONDED, status="acknowledged", **responded(action))
    assert (event.kind, event.status) == (kind, status)
    assert event.actor == "ada�"
    assert event.words.startswith("ada�")


def test_every_action_has_a_kind_of_its_own() -> None:
    kinds = [told(ReasonCode.RESPONDED, **responded(action))[0].kind for action in Action]
    assert "changed" not in kinds
    assert len(set(kinds)) == len(kinds)


def test_a_reason_that_nobody_named_is_a_change() -> None:
    assert kind_of("struck_by_lightning") == "changed"


def test_every_reason_that_there_is_can_be_told() -> None:
    for code in ReasonCode:
        for event in told(code):
            assert event.kind in KINDS
            assert explain([entry(reasons=(Reason(code),))])


def test_an_id_is_the_same_each_time_and_no_other_event_has_it() -> None:
    codes = [ReasonCode.INCIDENT_OPENED, ReasonCode.NOTIFY, ReasonCode.RESOLVED]
    first, again, next_one = told(*codes), told(*codes), told(*codes, revision=2)
    assert [event.id for event in first] == [event.id for event in again]
    assert len({event.id for event in [*first, *next_one]}) == 6


def test_only_the_last_of_an_entry_leads_behind_it() -> None:
    events = told(ReasonCode.INCIDENT_OPENED, ReasonCode.NOTIFY)
    assert [event.cursor for event in events] == ["before", "behind"]


def test_the_status_follows_from_one_event_to_the_next() -> None:
    events = told(ReasonCode.DELIVERED, ReasonCode.INCIDENT_RESOLVED, status="acknowledged")
    assert [event.status for event in events] == ["acknowledged", "resolved"]


def test_words_say_what_happened_and_not_what_comes() -> None:
    (event,) = told(ReasonCode.FIRED, next_due_at=NOON + timedelta(minutes=5))
    assert event.words == "DiskFull began to fire"


def test_integrations_have_their_names() -> None:
    said = entry(reasons=(Reason(ReasonCode.NOTIFY, "1 firing", integration=1),), incident=INCIDENT)
    (event,) = live_events(said, Subject("team"), before=None, cursor=None, called=["slack[0]", "email[0]"])
    assert event.words == "email[0] is told of 1 firing"


# --- channels -------------------------------------------------------------------------------------------------------


def test_an_event_is_told_on_three_channels() -> None:
    (event,) = told(ReasonCode.FIRED)
    assert set(channels_of(event)) == {"incidents", "receiver:team", f"incident:{INCIDENT}"}
    (event,) = told(ReasonCode.FIRED, incident="")
    assert set(channels_of(event)) == {"incidents", "receiver:team"}


def test_each_channel_hears_its_own_in_order() -> None:
    events = [*told(ReasonCode.FIRED), *told(ReasonCode.FIRED, incident=""), *told(ReasonCode.RESOLVED, revision=2)]
    said = by_channel(events)
    assert said["incidents"] == events
    assert said[f"incident:{INCIDENT}"] == [events[0], events[2]]


@pytest.mark.parametrize("name", ["incidents", f"incident:{INCIDENT}", "receiver:Bereitschaft Süd/2"])
def test_there_is_a_channel(name: str) -> None:
    check_channel(name)


@pytest.mark.parametrize(
    "name", ["", "all", "incident:", "incident:a b", "receiver:", "incidents ", "receiver:" + "x" * 200]
)
def test_there_is_no_channel(name: str) -> None:
    with pytest.raises(RejectedError):
        check_channel(name)


def test_a_channel_of_every_receiver_may_be_asked_for() -> None:
    """Also where its name is longer than a channel's can be: it is cut on both sides."""
    event = live_events(entry(reasons=(Reason(ReasonCode.FIRED),)), Subject("r" * 500), before=None, cursor=None)[0]
    for channel in channels_of(event):
        check_channel(channel)
