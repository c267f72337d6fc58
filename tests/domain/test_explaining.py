"""What the trail says in words."""

from datetime import timedelta
from typing import Any

import pytest

from domain.explaining import explain, fold_failures, printable
from domain.groups import LogEntry, Reason, ReasonCode
from domain.lifecycle import Action
from domain.notifications import Settled
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, entry, group_id, reported, responded

ONE = alert(instance="db-1")
TWO = alert(instance="db-2")
FOUR = [alert(instance=f"db-{number}") for number in range(4)]


def words(code: ReasonCode, text: str = "", **changes: Any) -> str:
    """What an entry with this one reason says."""
    reason_changes = {name: changes.pop(name) for name in ("integration", "fingerprints", "by") if name in changes}
    (explained,) = explain([entry(reasons=(Reason(code, text, **reason_changes),), **changes)], [ONE, TWO, *FOUR])
    return explained.words


def settled(attempts: int = 1, *, is_delivered: bool = True) -> Settled:
    return Settled(group_id(1), "delivery-1", 0, is_delivered, NOON, "webhook[0] answered 200 OK", attempts)


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (ReasonCode.OPENED, "first look after group_wait", "the group is new: first look after group_wait"),
        (ReasonCode.FIRED, "", "instance=db-1 and instance=db-2 began to fire"),
        (ReasonCode.REFIRED, "", "instance=db-1 and instance=db-2 fire again"),
        (ReasonCode.UPDATED, "", "instance=db-1 and instance=db-2 still fire"),
        (ReasonCode.RESOLVED, "", "instance=db-1 and instance=db-2 resolved"),
        (ReasonCode.LEASE_ENDED, "", "instance=db-1 and instance=db-2 count as resolved: no re-send came"),
        (
            ReasonCode.SEEN_RESOLVED,
            "",
            "instance=db-1 and instance=db-2 came in resolved, without having fired here",
        ),
        (ReasonCode.WAITING, "", "nothing is due yet"),
        (ReasonCode.ACKNOWLEDGED, "1 firing: x", "webhook[0] is not told of 1 firing: x: ann has acknowledged it"),
        (ReasonCode.SNOOZED, "1 firing: x", "webhook[0] is not told of 1 firing: x: ann has snoozed it"),
        (ReasonCode.RESOLVED_BY_PERSON, "1 firing: x", "webhook[0] is not told of 1 firing: x: ann has resolved it"),
        (
            ReasonCode.ACKNOWLEDGEMENT_ENDED,
            "",
            "the acknowledgement by ann has timed out: whoever was told is told again",
        ),
        (ReasonCode.SNOOZE_ENDED, "", "the snooze by ann is over: whoever was told is told again"),
        (
            ReasonCode.REOPENED,
            "",
            "triggered again, though ann had resolved it: instance=db-1 and instance=db-2 began to fire",
        ),
        (ReasonCode.NOTIFY, "2 firing: first notification", "webhook[0] is told of 2 firing: first notification"),
        (ReasonCode.NO_NEWS, "", "nothing to tell webhook[0]: it knows"),
        (ReasonCode.NEVER_TOLD, "", "nothing to tell webhook[0]: it never heard that this fired"),
        (ReasonCode.NOT_SENT, "it wants no resolves", "webhook[0] is not told: it wants no resolves"),
        (ReasonCode.NO_INTEGRATION, "nobody", "nobody is told: receiver nobody has no integrations"),
        (ReasonCode.UNSETTLED, "x", "webhook[0] is left alone: its last notification is still under way"),
        (
            ReasonCode.SUPERSEDED,
            "x",
            "the last notification to webhook[0] is given up: no result by its deadline",
        ),
        (ReasonCode.DELIVERED, "webhook[0] answered 200 OK", "delivered: webhook[0] answered 200 OK"),
        (ReasonCode.FAILED, "webhook[0] answered 500", "not delivered: webhook[0] answered 500"),
        (ReasonCode.LATE, "webhook[0] answered", "delivered after it had been given up: webhook[0] answered"),
        (
            ReasonCode.DROPPED,
            "",
            "instance=db-1 and instance=db-2 are let go: resolved, and everyone who had to know knows",
        ),
        (
            ReasonCode.DROPPED,
            "webhook[0], slack[1]",
            "instance=db-1 and instance=db-2 are let go: resolved; webhook[0], slack[1] never heard of it",
        ),
        (ReasonCode.INCIDENT_OPENED, "x-1", "an incident begins"),
        (
            ReasonCode.INCIDENT_RESOLVED,
            "x-1",
            "the incident is over: nothing fires, and nobody waits to be told",
        ),
        (ReasonCode.ROUTED_ANEW, "v2", "placed anew under configuration v2"),
        (ReasonCode.MOVED, "", "instance=db-1 and instance=db-2 belong to another group now"),
    ],
)
def test_every_reason_reads_as_a_clause(code: ReasonCode, text: str, said: str) -> None:
    names = (ONE.fingerprint, TWO.fingerprint)
    assert words(code, text, integration=0, fingerprints=names, by="ann") == said


@pytest.mark.parametrize(
    ("action", "changes", "said"),
    [
        (Action.ACKNOWLEDGE, {}, "ann acknowledged it"),
        (
            Action.ACKNOWLEDGE,
            {"until": NOON + HOUR, "reason": "looking"},
            "ann acknowledged it, until 13:00:00 at the latest: looking",
        ),
        (Action.UNACKNOWLEDGE, {}, "ann took the acknowledgement back: whoever was told is told again"),
        (Action.SNOOZE, {"until": NOON + 24 * HOUR}, "ann snoozed it until 2026-11-23 12:00:00"),
        (Action.UNSNOOZE, {}, "ann ended the snooze: whoever was told is told again"),
        (Action.RESOLVE, {"reason": "noise\a"}, "ann resolved it: noise�"),
        (Action.REOPEN, {}, "ann reopened it: whoever was told is told again"),
        (Action.ASSIGN, {"to": "bob"}, "ann assigned it to bob"),
        (Action.ASSIGN, {}, "ann assigned it to nobody"),
        (Action.SEVERITY, {"to": "critical"}, "ann called it critical"),
        (Action.SEVERITY, {}, "ann left its severity to its alerts"),
        (Action.NOTE, {"reason": "the fan"}, "ann noted: the fan"),
        (Action.NOTE, {"reason": "x", "actor": ""}, "somebody noted: x"),
    ],
)
def test_what_a_person_did_reads_as_a_clause(action: Action, changes: dict[str, Any], said: str) -> None:
    (explained,) = explain(
        [entry(reasons=(Reason(ReasonCode.RESPONDED),), responded=responded(action=action, **changes))]
    )
    assert (explained.words, explained.event) == (said, "response")


def test_one_alert_has_its_own_grammar() -> None:
    names = (ONE.fingerprint,)
    assert words(ReasonCode.REFIRED, fingerprints=names) == "instance=db-1 fires again"
    assert words(ReasonCode.MOVED, fingerprints=names) == "instance=db-1 belongs to another group now"


def test_of_many_alerts_a_few_are_named() -> None:
    names = tuple(one.fingerprint for one in FOUR)
    assert words(ReasonCode.FIRED, fingerprints=names) == (
        "instance=db-0, instance=db-1, instance=db-2 and 1 more began to fire"
    )


@pytest.mark.parametrize(
    ("others", "said"),
    [
        pytest.param([], "DiskFull began to fire", id="alone it has its name"),
        pytest.param([alert(instance="db-2")], "instance=db-1 began to fire", id="the label in which it differs"),
        pytest.param(
            [alert(alertname="Slow", instance="db-2")],
            "DiskFull (instance=db-1) began to fire",
            id="its name too where that differs",
        ),
        pytest.param([alert()], "instance=db-1 began to fire", id="a label that another lacks"),
    ],
)
def test_an_alert_is_called_by_what_tells_it_from_the_others(others: list[Any], said: str) -> None:
    one = entry(reasons=(Reason(ReasonCode.FIRED, fingerprints=(ONE.fingerprint,)),))
    assert explain([one], [ONE, *others])[0].words == said


def test_an_unknown_alert_is_called_by_its_fingerprint() -> None:
    one = entry(reasons=(Reason(ReasonCode.FIRED, fingerprints=(ONE.fingerprint,)),))
    assert explain([one])[0].words == f"alert {ONE.fingerprint} began to fire"


def test_long_names_are_cut() -> None:
    long = alert(alertname="x" * 500)
    one = entry(reasons=(Reason(ReasonCode.FIRED, fingerprints=(long.fingerprint,)),))
    assert len(explain([one], [long])[0].words) < 100


def test_a_lease_that_ended_names_the_last_report() -> None:
    first = entry(reported=reported(ONE), reasons=(Reason(ReasonCode.FIRED, fingerprints=(ONE.fingerprint,)),))
    second = entry(
        at=NOON + 8 * MINUTE,
        due_at=NOON + 8 * MINUTE,
        reasons=(Reason(ReasonCode.LEASE_ENDED, fingerprints=(ONE.fingerprint,)),),
    )
    assert explain([first, second])[1].words == "DiskFull counts as resolved: no re-send came since 12:00:00"


def test_several_attempts_are_counted() -> None:
    said = words(ReasonCode.FAILED, "refused", settled=settled(3, is_delivered=False))
    assert said == "not delivered: refused, after 3 attempts"


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"reported": reported(ONE)}, "received"),
        ({"settled": settled()}, "result"),
        ({"due_at": NOON}, "tick"),
        ({"due_at": NOON, "why": "silence x was created"}, "woken"),
    ],
)
def test_the_event_is_named(changes: dict[str, Any], event: str) -> None:
    assert explain([entry(**changes)])[0].event == event


def test_what_came_in_is_told_before_what_follows_from_it() -> None:
    codes = (ReasonCode.NO_NEWS, ReasonCode.OPENED, ReasonCode.INCIDENT_OPENED, ReasonCode.FIRED, ReasonCode.NOTIFY)
    (explained,) = explain([entry(reasons=tuple(Reason(code, "x", 0, (ONE.fingerprint,)) for code in codes))], [ONE])
    assert explained.clauses == (
        "nothing to tell webhook[0]: it knows",
        "DiskFull began to fire",
        "the group is new: x",
        "an incident begins",
        "webhook[0] is told of x",
    )


def test_the_next_look_is_told_where_it_changed() -> None:
    looks = [NOON + SECOND, NOON + SECOND, NOON + 24 * HOUR, None]
    trail = [entry(reasons=(Reason(ReasonCode.NO_NEWS, integration=0),), next_due_at=at) for at in looks]
    assert [explained.clauses[1:] for explained in explain(trail)] == [
        ("next look at 12:00:01",),
        (),
        ("next look at 2026-11-23 12:00:00",),
        ("no further look is planned",),
    ]


def test_a_new_group_says_itself_when_it_is_looked_at() -> None:
    opened = entry(reasons=(Reason(ReasonCode.OPENED, "first look after group_wait"),), next_due_at=NOON + 30 * SECOND)
    assert explain([opened])[0].clauses == ("the group is new: first look after group_wait, at 12:00:30",)


def test_a_new_group_that_looks_at_once_says_when_it_looks_next() -> None:
    reasons = (
        Reason(ReasonCode.OPENED, "DiskFull is older than group_wait: due at once"),
        Reason(ReasonCode.NOTIFY, "1 firing: first notification", integration=0),
    )
    assert explain([entry(reasons=reasons, next_due_at=NOON + 6 * SECOND)])[0].clauses == (
        "the group is new: DiskFull is older than group_wait: due at once",
        "webhook[0] is told of 1 firing: first notification",
        "next look at 12:00:06",
    )


def look(seconds: int, *told: int) -> LogEntry:
    reasons = [Reason(ReasonCode.NOTIFY, "1 firing: first notification", integration=number) for number in told]
    at = NOON + seconds * SECOND
    return entry(at=at, due_at=at, reasons=tuple(reasons), next_due_at=at + 5 * SECOND)


def result(seconds: int, integration: int, answer: str, *, is_delivered: bool = False) -> LogEntry:
    code = ReasonCode.DELIVERED if is_delivered else ReasonCode.FAILED
    at = NOON + seconds * SECOND
    settled = Settled(group_id(1), "delivery", integration, is_delivered, at, answer)
    return entry(at=at, settled=settled, reasons=(Reason(code, answer, integration=integration),))


def test_equal_failures_are_folded_with_the_looks_that_led_to_them() -> None:
    trail = [look(0, 0, 1), result(1, 0, "refused"), result(1, 1, "fine", is_delivered=True)]
    for seconds in range(5, 50, 5):
        trail += [look(seconds, 0), result(seconds + 1, 0, f"did not answer within {seconds}.5 s")]
    trail += [look(50, 0), result(51, 0, "fine", is_delivered=True)]
    folded = fold_failures(explain(trail))
    assert [(one.times, one.last.clauses[0]) for one in folded] == [
        (1, "webhook[0] is told of 1 firing: first notification"),
        (1, "not delivered: refused"),
        (1, "delivered: fine"),
        (9, "not delivered: did not answer within 45.5 s"),
        (10, "webhook[0] is told of 1 firing: first notification"),
        (1, "delivered: fine"),
    ]
    failed = folded[3]
    assert (failed.first_at, failed.last.entry.at) == (NOON + 6 * SECOND, NOON + 46 * SECOND)


def test_reports_keep_failures_apart_and_are_never_folded() -> None:
    reports = [entry(reported=reported(ONE)) for _ in range(2)]
    trail = [result(1, 0, "refused"), *reports, result(2, 0, "refused"), result(3, 0, "gone")]
    assert [one.times for one in fold_failures(explain(trail))] == [1, 1, 1, 1, 1]


def test_nothing_more_is_looked_for_when_the_incident_is_over() -> None:
    going = entry(next_due_at=NOON + timedelta(hours=4))
    over = entry(reasons=(Reason(ReasonCode.INCIDENT_RESOLVED),))
    assert "planned" not in explain([going, over])[1].words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 漢字", "plain ünïcode 漢字"),
        ("\x1b[31mred", "�[31mred"),
        ("a\u202eb\nc", "a�b�c"),
        ("👩\u200d🚒", "👩\u200d🚒"),
    ],
)
def test_what_does_not_print_does_not_reach_the_reader(text: str, shown: str) -> None:
    assert printable(text) == shown
