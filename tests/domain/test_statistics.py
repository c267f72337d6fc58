"""What one log entry adds to its day, and what the counts of days say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.groups import Decision, Incident, LogEntry, Reason, ReasonCode, Tally
from domain.lifecycle import Action, Responded, Response
from domain.statistics import (
    OTHERS,
    Counts,
    Known,
    ReceiverCounts,
    RuleCounts,
    capped,
    day_of,
    is_counted,
    merged,
    observe,
    observe_decision,
    statistics,
    unnamed,
    wants_incident,
)
from tests.builders import HOUR, MINUTE, NOON, alert, entry, group_id, head, incident, member, reported

DB, WEB, API = (alert(instance=name) for name in ("db", "web", "api"))
MIXED = {"team": "db"}
INCIDENT = f"{group_id(1)}-1"


def saying(*reasons: Reason, of: Any = None, incident: str = INCIDENT, **changes: Any) -> LogEntry:
    return entry(reasons=reasons, reported=of, incident=incident, **changes)


def about(code: ReasonCode, *alerts: Any) -> Reason:
    return Reason(code, fingerprints=tuple(one.fingerprint for one in alerts))


def known(labels: Any = None, names: Any = None, incident: Incident | None = None) -> Known:
    return Known("team", {"alertname": "DiskFull"} if labels is None else labels, names or {}, incident)


def rule(name: str = "DiskFull", **counts: int) -> dict[Any, float]:
    return {("rule", name, what): number for what, number in counts.items()}


def acknowledged(at: datetime = NOON + MINUTE, action: Action = Action.ACKNOWLEDGE) -> LogEntry:
    responded = Responded(group_id(1), INCIDENT, "request-1", action, "ada", at)
    return entry(at=at, incident=INCIDENT, reasons=(Reason(ReasonCode.RESPONDED),), responded=responded)


FIRED = about(ReasonCode.FIRED, DB, WEB)
OPENED = Reason(ReasonCode.INCIDENT_OPENED, INCIDENT)
FURTHER = replace(reported(), alerts=(), further=(DB, WEB))
BOTH = replace(reported(), alerts=(DB,), further=(WEB,))
OTHER = alert(alertname="Slow", instance="web")


@pytest.mark.parametrize(
    ("said", "about_group", "counts"),
    [
        pytest.param(saying(FIRED, of=reported(DB, WEB)), known(), rule(fired=2), id="what fires, by its rule"),
        pytest.param(
            saying(about(ReasonCode.FIRED, DB, OTHER), of=reported(DB, OTHER)),
            known(MIXED),
            rule(fired=1) | rule("Slow", fired=1),
            id="by the alerts' own names where the group has none",
        ),
        pytest.param(
            saying(about(ReasonCode.FIRED, alert(alertname="")), of=reported(alert(alertname=""))),
            known(MIXED),
            rule("", fired=1),
            id="an alert without a name has the empty one",
        ),
        pytest.param(saying(FIRED, of=FURTHER, incident=""), known(), {}, id="what goes on here counts elsewhere"),
        pytest.param(saying(FIRED, of=BOTH), known(), rule(fired=1), id="of both kinds only what leads"),
        pytest.param(
            saying(about(ReasonCode.RESOLVED, DB), of=reported(DB)), known(), rule(resolved=1), id="what resolves"
        ),
        pytest.param(
            saying(about(ReasonCode.LEASE_ENDED, DB, OTHER)),
            known(MIXED, {DB.fingerprint: "DiskFull", OTHER.fingerprint: "Slow"}),
            rule(resolved=1) | rule("Slow", resolved=1),
            id="also by the end of a lease",
        ),
        pytest.param(
            saying(about(ReasonCode.LEASE_ENDED, DB), incident=""), known(), {}, id="but not where only others lead"
        ),
        pytest.param(
            saying(about(ReasonCode.REFIRED, DB), of=reported(DB)),
            known(),
            rule(fired=1, refires=1, flaps=1),
            id="what fires again in its incident flaps",
        ),
        pytest.param(
            saying(OPENED, about(ReasonCode.REFIRED, DB), of=reported(DB)),
            known(),
            rule(fired=1, refires=1) | {("incidents", "", "opened"): 1},
            id="what fires again after it does not",
        ),
        pytest.param(
            saying(about(ReasonCode.UPDATED, DB), of=reported(DB)), known(), {}, id="a re-send counts for nothing"
        ),
        pytest.param(
            saying(Reason(ReasonCode.INCIDENT_RESOLVED, INCIDENT), at=NOON + HOUR),
            known(incident=incident()),
            {("incidents", "", "resolved"): 1, ("incidents", "", "resolved_seconds"): 3600},
            id="an incident that is over, and how long it lasted",
        ),
        pytest.param(
            saying(tally=Tally(due=1, delivered=1)),
            known(),
            rule(pages=1) | {("receiver", "team", "delivered"): 1},
            id="a page that arrived",
        ),
        pytest.param(
            saying(tally=Tally(delivered=1)),
            known(MIXED, incident=incident(title="Slow")),
            rule("Slow", pages=1) | {("receiver", "team", "delivered"): 1},
            id="in a group of several rules it is the incident's",
        ),
        pytest.param(
            saying(tally=Tally(delivered=1), incident=""),
            known(),
            {("receiver", "team", "delivered"): 1},
            id="without an incident it is the receiver's alone",
        ),
        pytest.param(
            saying(tally=Tally(failed=1, superseded=2)),
            known(),
            {("receiver", "team", "failed"): 3},
            id="a page that did not arrive, or not in time",
        ),
        pytest.param(
            acknowledged(),
            known(incident=incident(response=Response(first_acknowledged_at=NOON + MINUTE))),
            {("incidents", "", "acknowledged"): 1, ("incidents", "", "acknowledged_seconds"): 60},
            id="the first acknowledgement",
        ),
        pytest.param(
            acknowledged(NOON + HOUR),
            known(incident=incident(response=Response(first_acknowledged_at=NOON + MINUTE))),
            {},
            id="a later one counts no more",
        ),
        pytest.param(acknowledged(action=Action.NOTE), known(incident=incident()), {}, id="a note counts for nothing"),
    ],
)
def test_an_entry_counts(said: LogEntry, about_group: Known, counts: Counts) -> None:
    assert observe(said, about_group) == counts
    assert is_counted(said) or not counts


def test_what_must_be_known_beside_the_entry() -> None:
    ended = saying(about(ReasonCode.LEASE_ENDED, DB))
    assert unnamed(ended, {"alertname": "DiskFull"}) == frozenset()
    assert unnamed(ended, MIXED) == {DB.fingerprint}
    assert not wants_incident(ended, MIXED)
    told = saying(tally=Tally(delivered=1))
    assert (wants_incident(told, MIXED), wants_incident(told, {"alertname": "DiskFull"})) == (True, False)
    assert wants_incident(acknowledged(), {"alertname": "DiskFull"})
    assert not wants_incident(saying(tally=Tally(delivered=1), incident=""), MIXED)


def test_a_decision_brings_along_what_must_be_known() -> None:
    members = [member(OTHER), member(DB)]
    said = saying(about(ReasonCode.LEASE_ENDED, DB, OTHER), Reason(ReasonCode.INCIDENT_RESOLVED), at=NOON + MINUTE)
    closed = Decision(members=members, incident=incident(resolved_at=NOON + MINUTE), entry=said)
    assert observe_decision(head(labels=MIXED), closed) == {
        **rule(resolved=1),
        **rule("Slow", resolved=1),
        ("incidents", "", "resolved"): 1,
        ("incidents", "", "resolved_seconds"): 60,
    }
    assert observe_decision(head(), Decision()) == {}


def test_a_day_is_of_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert day_of(datetime(2026, 11, 23, 8, 59, tzinfo=tokyo)) == date(2026, 11, 22)
    assert day_of(datetime(2026, 11, 22, tzinfo=UTC)) == date(2026, 11, 22)


def test_the_noisiest_come_first() -> None:
    counts = merged(
        [
            rule("quiet", fired=1),
            rule("paging", fired=1, pages=2),
            rule("firing", fired=9),
            rule("also", fired=1),
            {
                ("receiver", "few", "delivered"): 1,
                ("receiver", "many", "delivered"): 2,
                ("receiver", "many", "failed"): 3,
            },
            {("incidents", "", "resolved"): 2, ("incidents", "", "resolved_seconds"): 90.0},
            rule("firing", flaps=2),
        ]
    )
    told = statistics(counts)
    assert list(told.rules) == ["paging", "firing", "also", "quiet"]
    assert told.rules["firing"] == RuleCounts(fired=9, flaps=2)
    assert told.receivers == {"many": ReceiverCounts(2, 3), "few": ReceiverCounts(1, 0)}
    assert (told.delivered, told.failed, told.resolved, told.opened) == (3, 3, 2, 0)
    assert told.mean_time_to_resolve == timedelta(seconds=45)
    assert told.mean_time_to_acknowledge is None


def test_of_too_many_names_the_least_count_together() -> None:
    counts = merged([rule(f"rule-{number}", fired=number, resolved=1) for number in range(1, 6)])
    assert capped(counts, 5) == counts
    few = capped(counts, 2)
    assert set(statistics(few).rules) == {"rule-5", "rule-4", OTHERS}
    assert statistics(few).rules[OTHERS] == RuleCounts(fired=6, resolved=3)


@pytest.mark.parametrize("labels", [MIXED, {"alertname": "DiskFull"}])
def test_a_single_alert_that_fires_counts_as_any(labels: dict[str, str]) -> None:
    opened = Reason(ReasonCode.OPENED)
    for reasons in ([opened, OPENED, about(ReasonCode.FIRED, DB)], [about(ReasonCode.FIRED, DB)]):
        said = saying(*reasons, of=reported(DB))
        counts = observe_decision(head(labels=labels), Decision(entry=said))
        assert counts == observe(said, known(labels))
        assert counts["rule", "DiskFull", "fired"] == 1
