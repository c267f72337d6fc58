"""What Azure says fired against what arrived: what is missing, what became of it, and what is none of our affair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.alerts import Alert
from domain.labels import fingerprint
from domain.reconciling import (
    ALERTNAME,
    LAG,
    MOST_MISSING,
    WINDOW,
    FiredAlert,
    Outcome,
    Receipt,
    Reconciliation,
    compare,
    instance_id,
    receipts_of,
    window,
)
from domain.sources import azure_monitor
from domain.sources.reading import Payload, Reading, Reception
from tests.builders import HOUR, MINUTE, NOON
from tests.standins.alerts_management import SUBSCRIPTION, AlertsManagementStandIn, alert_id, payload_of

EARLIER = Reconciliation(at=NOON - HOUR, since=NOON - 48 * HOUR)
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/shop"
TARGET = f"{GROUP}/providers/microsoft.compute/virtualmachines/vm1"


def fired(number: int = 1, *, at: datetime = NOON - 2 * HOUR, **changes: Any) -> FiredAlert:
    known = FiredAlert(
        id=alert_id(number),
        resource_id=f"{TARGET}/providers/Microsoft.AlertsManagement/alerts/{alert_id(number)}",
        subscription=SUBSCRIPTION,
        rule=f"{GROUP}/providers/Microsoft.Insights/metricAlerts/cpu-high",
        service="Platform",
        severity="Sev1",
        target=TARGET,
        started_at=at,
        description="CPU above 90 %",
    )
    return replace(known, **changes)


def receipt(number: int = 1, *, is_resolved: bool = False, **labels: str) -> Receipt:
    return Receipt(alert_id(number), NOON - HOUR, {"alertname": "cpu-high", **labels}, is_resolved)


def compared(
    alerts: Sequence[FiredAlert],
    *receipts: Receipt,
    previous: Reconciliation = EARLIER,
    now: datetime = NOON,
    **rest: Any,
) -> Outcome:
    return compare(alerts, {one.id: one for one in receipts}, previous, now=now, **rest)


def is_firing(alert: Alert) -> bool:
    return alert.ends_at > alert.received_at


# --- what is compared -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("previous", "expected"),
    [
        pytest.param(None, (NOON, NOON), id="nothing at the first time: no receipts were noted before"),
        pytest.param(Reconciliation(NOON, since=NOON - HOUR), (NOON - HOUR, NOON - LAG), id="since it began"),
        pytest.param(Reconciliation(NOON, since=NOON - MINUTE), (NOON - MINUTE,) * 2, id="nothing within the lag"),
        pytest.param(EARLIER, (NOON - WINDOW, NOON - LAG), id="a day at most"),
    ],
)
def test_the_window(previous: Reconciliation | None, expected: tuple[datetime, datetime]) -> None:
    assert window(previous, NOON) == expected


@pytest.mark.parametrize(
    ("alert", "counted"),
    [
        pytest.param(fired(at=NOON - WINDOW), (1, 1), id="at its beginning"),
        pytest.param(fired(at=NOON - WINDOW - timedelta(seconds=1)), (0, 0), id="before it"),
        pytest.param(fired(at=NOON - LAG), (0, 0), id="at its end: it may be on its way"),
        pytest.param(fired(at=NOON - LAG - timedelta(seconds=1)), (1, 1), id="just before its end"),
        pytest.param(fired(is_suppressed=True), (1, 0), id="suppressed"),
    ],
)
def test_what_is_missing(alert: FiredAlert, counted: tuple[int, int]) -> None:
    report = compared([alert]).report
    assert (report.fired, report.missing_count) == counted


def test_what_arrived_is_not_missing() -> None:
    outcome = compared([fired(1), fired(2)], receipt(1), receipt(2))
    assert (outcome.report.arrived, outcome.report.missing, outcome.alerts) == (2, (), ())


def test_what_was_for_others_or_is_not_known_is_not_missing() -> None:
    alerts = [fired(1), fired(2), fired(3)]
    report = compared(alerts, elsewhere={alert_id(1), "of another day"}, unchecked={alert_id(2)}).report
    assert (report.elsewhere, report.unchecked) == ((alert_id(1),), 1)
    assert report.missing == (alerts[2],)


# --- what becomes of it -----------------------------------------------------------------------------------------------


def test_one_that_never_arrived_fires_here_with_what_people_route_on() -> None:
    outcome = compared([fired()])
    (alert,) = outcome.alerts
    assert alert.labels == {
        "alertname": ALERTNAME,
        "source": "azure-monitor",
        "severity": "high",
        "monitoring_service": "Platform",
        "rule_id": f"{GROUP}/providers/microsoft.insights/metricalerts/cpu-high",
        "rule": "cpu-high",
        "alert_id": alert_id(1),
        "subscription": SUBSCRIPTION,
        "resource_group": "shop",
        "resource_type": "microsoft.compute/virtualmachines",
        "resource": "vm1",
    }
    assert alert.annotations["summary"] == "cpu-high fired in Azure and never arrived here"
    assert "fired at 2026-11-22 10:00:00 UTC" in alert.annotations["description"]
    assert alert.annotations["description"].endswith("CPU above 90 %")
    assert (alert.starts_at, is_firing(alert)) == (NOON - 2 * HOUR, True)
    assert alert.generator_url.startswith("https://portal.azure.com/#view/")
    assert outcome.news == (fired(),)


def test_it_is_told_again_each_hour_and_is_news_once() -> None:
    first = compared([fired()])
    again = compared([fired()], previous=first.report, now=NOON + HOUR)
    assert again.news == ()
    (before,), (after,) = first.alerts, again.alerts
    assert before.fingerprint == after.fingerprint
    assert after.ends_at > before.ends_at


def test_it_is_over_when_azure_says_so() -> None:
    first = compared([fired()])
    over = fired(resolved_at=NOON + MINUTE)
    (alert,) = compared([over], previous=first.report, now=NOON + HOUR).alerts
    assert alert.fingerprint == first.alerts[0].fingerprint
    assert not is_firing(alert)


def test_what_azure_changes_of_it_makes_no_other_alert_of_it() -> None:
    first = compared([fired()])
    changed = fired(severity="Sev3", resolved_at=NOON + MINUTE)
    (alert,) = compared([changed], previous=first.report, now=NOON + HOUR).alerts
    assert alert.fingerprint == first.alerts[0].fingerprint


def test_it_is_over_when_it_arrives_after_all() -> None:
    first = compared([fired()])
    outcome = compared([fired()], receipt(), previous=first.report, now=NOON + HOUR)
    assert [is_firing(alert) for alert in outcome.alerts] == [False]
    assert outcome.alerts[0].fingerprint == first.alerts[0].fingerprint
    assert (outcome.report.late, outcome.report.missing) == ((fired(),), ())


def test_what_was_over_before_it_was_missed_pages_nobody() -> None:
    outcome = compared([fired(resolved_at=NOON - HOUR)])
    assert outcome.alerts == ()
    assert (outcome.report.missing_count, len(outcome.news)) == (1, 1), "it is reported, and logged"


def test_a_subscription_that_falls_silent_resolves_nothing() -> None:
    first = compared([fired()])
    outcome = compared([], previous=first.report, silent={SUBSCRIPTION}, failures=["no"], now=NOON + HOUR)
    assert [is_firing(alert) for alert in outcome.alerts] == [True]
    assert (outcome.report.missing, outcome.report.failures) == ((fired(),), ("no",))


def test_a_flood_is_bounded_and_counted() -> None:
    outcome = compared([fired(number) for number in range(MOST_MISSING + 7)])
    assert (len(outcome.alerts), outcome.report.missing_count) == (MOST_MISSING, MOST_MISSING + 7)
    assert len(outcome.news) == MOST_MISSING + 7


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"rule": "", "target": "", "severity": "", "service": "", "description": ""}, id="without all"),
        pytest.param({"rule": "Budget", "severity": "Sev9", "resource_id": "x"}, id="with odd values"),
    ],
)
def test_little_is_needed(changes: dict[str, Any]) -> None:
    (alert,) = compared([fired(**changes)]).alerts
    assert (alert.labels["alertname"], alert.labels["severity"]) == (ALERTNAME, "warning")


# --- ends that never arrived ------------------------------------------------------------------------------------------


def test_an_end_that_never_arrived_resolves_exactly_its_own() -> None:
    over = fired(resolved_at=NOON - HOUR)
    outcome = compared([over, fired(2)], receipt(1, dimension="a"), receipt(2, dimension="b"))
    (alert,) = outcome.alerts
    assert alert.labels == {"alertname": "cpu-high", "dimension": "a"}
    assert (is_firing(alert), alert.ends_at) == (False, NOON - HOUR)
    assert outcome.report.unresolved == (over,)
    assert [one.is_resolved for one in outcome.receipts] == [True]
    again = compared([over, fired(2)], *outcome.receipts, receipt(2, dimension="b"), previous=outcome.report)
    assert again.alerts == ()


@pytest.mark.parametrize(
    ("alerts", "receipts"),
    [
        pytest.param([fired(resolved_at=NOON - HOUR)], [receipt(is_resolved=True)], id="that arrived"),
        pytest.param([fired(resolved_at=NOON - MINUTE)], [receipt()], id="that may be on its way"),
        pytest.param([fired(resolved_at=NOON - HOUR)], [Receipt(alert_id(1), NOON, {})], id="of what was no alert"),
        pytest.param(
            [fired(1, resolved_at=NOON - HOUR), fired(2, at=NOON - HOUR + MINUTE)],
            [receipt(1), receipt(2)],
            id="before the same began to fire again",
        ),
    ],
)
def test_no_end_is_made_up(alerts: Sequence[FiredAlert], receipts: Sequence[Receipt]) -> None:
    assert compared(alerts, *receipts).alerts == ()


# --- receipts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolved_at", [None, NOON - MINUTE])
def test_what_arrives_is_known_again_in_what_azure_lists(resolved_at: datetime | None) -> None:
    stand_in = AlertsManagementStandIn()
    body = json.dumps(payload_of(stand_in.fire(1, NOON - HOUR, resolved_at=resolved_at), 1)).encode()
    reading = azure_monitor.read(Payload(body, {}), Reception("x", NOON))
    (found,) = receipts_of(body, reading, NOON)
    assert found == Receipt(alert_id(1), NOON, reading.alerts[0].labels, is_resolved=resolved_at is not None)
    assert instance_id(stand_in.alerts[0]["id"]) == found.id
    assert fingerprint(found.labels) == reading.alerts[0].fingerprint


def test_what_was_no_news_arrived_too() -> None:
    body = json.dumps(payload_of(AlertsManagementStandIn().fire(1, NOON), 1)).encode()
    assert receipts_of(body, Reading(()), NOON) == (Receipt(alert_id(1), NOON, {}),)


@pytest.mark.parametrize("body", [b"{}", b'{"data": {"essentials": {"alertId": ""}}}', b'{"data": 7}'])
def test_what_does_not_say_which_it_is_has_no_receipt(body: bytes) -> None:
    assert receipts_of(body, Reading(()), NOON) == ()
