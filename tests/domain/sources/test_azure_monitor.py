"""Azure Monitor's common alert schema: what becomes of each monitoring service's payload, and which are one alert."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from domain.alerts import Alert, combine
from domain.errors import RejectedError, UnreadableError
from domain.sources.azure_monitor import read
from domain.sources.azure_monitor.resources import name_resources, read_id
from domain.sources.azure_monitor.services import service_name
from domain.sources.reading import UNTIL_RESOLVED, Payload, Reception
from tests.builders import HOUR, NOON
from tests.domain.sources.cases import FIXTURES, RECEPTION, alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled

KIND = "azure_monitor"
SUBSCRIPTION = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / KIND / f"{name}.json").read_text())["body"]
    return found


def essentials(payload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = payload["data"]["essentials"]
    return found


def context(payload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = payload["data"]["alertContext"]
    return found


def again(payload: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The same a minute later: another occurrence, another value."""
    later = copy.deepcopy(payload)
    essentials(later).update(
        alertId=f"{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/another",
        originAlertId="another",
        firedDateTime="2026-11-22T11:59:00Z",
    )
    for key in (
        "correlationId",
        "eventDataId",
        "eventTimestamp",
        "submissionTimestamp",
        "ResultCount",
        "expressionValue",
    ):
        if key in context(later):
            context(later)[key] = "another"
    essentials(later).update(changed)
    return later


@pytest.mark.parametrize("case", cases(KIND))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case).items() <= case.items()


FIRED = [
    case.id
    for case in cases(KIND)
    if "expected" in case.values[0] and "metric" not in case.id and not case.id.startswith("hostile")
]


@pytest.mark.parametrize("name", FIRED)
def test_the_same_again_is_the_same_alert(name: str) -> None:
    first = body(name)
    assert alert_of(read, again(first)).fingerprint == alert_of(read, first).fingerprint


@pytest.mark.parametrize("name", [name for name in FIRED if not name.startswith("budget")])
def test_five_machines_under_one_rule_are_five_alerts(name: str) -> None:
    machines = [f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm{i}" for i in range(5)]
    made = []
    for machine in machines:
        payload = again(body(name), alertTargetIDs=[machine])
        if "authorization" in context(payload) and context(payload)["authorization"]:
            context(payload)["authorization"]["scope"] = machine
        if "resourceName" in (context(payload).get("properties") or {}):
            context(payload)["properties"]["resourceName"] = machine
        made.append(alert_of(read, payload))
    assert len({alert.fingerprint for alert in made}) == 5


def test_five_machines_under_one_rule_of_the_activity_log_are_five_though_the_target_is_the_subscription() -> None:
    made = set()
    for i in range(5):
        payload = body("activity_administrative")
        context(payload)["authorization"]["scope"] = f"{SUBSCRIPTION}/resourceGroups/g/providers/a.b/c/vm{i}"
        made.add(alert_of(read, payload).fingerprint)
    assert len(made) == 5


@pytest.mark.parametrize("name", ["platform_metric_fired", "log_alerts_v2", "log_analytics_v1", "simple_log_alert"])
def test_five_dimensions_on_one_resource_are_five_alerts_in_any_order(name: str) -> None:
    made: set[str] = set()
    mirrored: set[str] = set()
    for i in range(5):
        dimensions = [{"name": "Computer", "value": f"c{i}"}, {"name": "Drive", "value": "D"}]
        for order, found in ((1, made), (-1, mirrored)):
            payload = body(name)
            if "Dimensions" in context(payload):
                context(payload)["Dimensions"] = dimensions[::order]
            else:
                context(payload)["condition"]["allOf"][0]["dimensions"] = dimensions[::order]
            found.add(alert_of(read, payload).fingerprint)
    assert len(made) == 5
    assert made == mirrored


def test_rules_of_one_name_in_two_resource_groups_are_two_alerts() -> None:
    fired = body("platform_metric_fired")
    other = copy.deepcopy(fired)
    origin = essentials(other)["originAlertId"].replace("PipeLineAlertRG", "other_group")
    essentials(other)["originAlertId"] = origin
    assert alert_of(read, other).fingerprint != alert_of(read, fired).fingerprint


PAIRS = [
    pytest.param("platform_metric_fired", "platform_metric_resolved", id="metric"),
    pytest.param("service_health_active", "service_health_resolved", id="service health"),
    pytest.param("resource_health_unavailable", "resource_health_available", id="resource health"),
]


@pytest.mark.parametrize(("fired", "resolved"), PAIRS)
def test_a_resolve_closes_its_own(fired: str, resolved: str) -> None:
    opened, closed = alert_of(read, body(fired)), alert_of(read, body(resolved))
    assert is_firing(opened)
    assert not is_firing(closed)
    assert closed.fingerprint == opened.fingerprint
    assert not is_firing(combine(opened, closed))


def closing(name: str, change: str) -> Alert:
    payload = body(name)
    match change:
        case "resource":
            essentials(payload)["alertTargetIDs"] = [f"{SUBSCRIPTION}/resourceGroups/g/providers/a.b/c/other"]
        case "tracking":
            context(payload)["properties"]["trackingId"] = "OTHER-1"
        case _:
            essentials(payload)["alertRule"] = "other"
    return alert_of(read, payload)


@pytest.mark.parametrize(
    ("fired", "resolved", "change"),
    [
        ("platform_metric_fired", "platform_metric_resolved", "resource"),
        ("platform_metric_fired", "platform_metric_resolved", "rule"),
        ("service_health_active", "service_health_resolved", "tracking"),
        ("resource_health_unavailable", "resource_health_available", "resource"),
    ],
)
def test_a_resolve_closes_no_other(fired: str, resolved: str, change: str) -> None:
    assert closing(resolved, change).fingerprint != alert_of(read, body(fired)).fingerprint


@pytest.mark.parametrize(
    ("stage", "status", "fires"),
    [
        ("Active", "Active", True),
        ("Planned", "Active", True),
        ("InProgress", "Active", True),
        ("Rescheduled", "Active", True),
        ("Active", "Resolved", False),
        ("Resolved", "Active", False),
        ("Complete", "Active", False),
        ("Canceled", "Active", False),
        ("RCA", "Active", False),
        (None, {"value": "Resolved", "localizedValue": "Gelöst"}, False),
    ],
)
def test_service_health_is_over_by_its_stage_or_its_status(stage: Any, status: Any, fires: bool) -> None:
    payload = body("service_health_active")
    context(payload)["status"] = status
    context(payload)["properties"]["stage"] = stage
    assert is_firing(alert_of(read, payload)) is fires


@pytest.mark.parametrize(
    ("health", "status", "fires"),
    [
        ("Unavailable", "Active", True),
        ("Degraded", "Resolved", True),
        ("Unknown", "Active", True),
        ("Unknown", "Resolved", False),
        (None, "In Progress", True),
        (None, "Resolved", False),
        ("Available", "Active", False),
        ("available", "Updated", False),
    ],
)
def test_resource_health_is_over_when_the_resource_is_well(health: Any, status: str, fires: bool) -> None:
    payload = body("resource_health_unavailable")
    context(payload)["status"] = status
    context(payload)["properties"]["currentHealthStatus"] = health
    assert is_firing(alert_of(read, payload)) is fires


def test_the_thresholds_of_one_budget_are_alerts_of_their_own() -> None:
    made = set()
    for threshold, kind in (("$25.00", "Actual"), ("$50.00", "Actual"), ("$50.00", "Forecasted")):
        payload = body("budget_forecasted")
        context(payload)["AlertData"].update(NotificationThresholdAmount=threshold, ThresholdType=kind)
        made.add(alert_of(read, payload).fingerprint)
    assert len(made) == 3
    payload = body("budget_forecasted")
    context(payload)["AlertData"].update(SpentAmount="$1,000,000.00", ForecastedTotalForPeriod="$2.00")
    assert alert_of(read, payload).fingerprint in made


def test_what_nobody_resolves_lasts_for_the_lease() -> None:
    payload = Payload(json.dumps(body("activity_administrative")).encode(), {})
    for lease in (HOUR, timedelta(days=7)):
        (alert,) = read(payload, Reception("default", NOON, lease)).alerts
        assert (alert.ends_at, alert.is_timeout) == (NOON + lease, True)


@pytest.mark.parametrize(
    ("said", "lease", "problem"),
    [
        ("4h", timedelta(hours=4), ""),
        ("", UNTIL_RESOLVED, ""),
        ("soon", UNTIL_RESOLVED, 'custom property time_to_live: not a valid duration: "soon"'),
    ],
)
def test_a_stateless_rule_says_how_long_its_alerts_last(said: str, lease: timedelta, problem: str) -> None:
    fired = body("platform_metric_fired")
    fired["data"]["customProperties"]["time_to_live"] = said
    reading = read_json(read, fired)
    assert (reading.alerts[0].lease, list(reading.problems)) == (lease, [problem] if problem else [])


@pytest.mark.parametrize(
    ("name", "changed", "severity"),
    [
        ("activity_administrative", {}, "warning"),
        ("activity_security", {}, "low"),
        ("activity_security", {"severity": "High"}, "high"),
        ("service_health_active", {}, "high"),
        ("service_health_active", {"incidentType": "Maintenance"}, "info"),
        ("service_health_active", {"incidentType": "ActionRequired"}, "warning"),
        ("resource_health_unavailable", {}, "warning"),
        ("resource_health_available", {}, "warning"),
    ],
)
def test_where_azure_says_sev4_of_everything_the_event_tells_how_bad_it_is(
    name: str, changed: dict[str, str], severity: str
) -> None:
    payload = body(name)
    (context(payload)["properties"] or {}).update(changed)
    assert alert_of(read, payload).labels["severity"] == severity
    essentials(payload)["severity"] = "Sev1"  # if ever one can be set
    assert alert_of(read, payload).labels["severity"] == "high"


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ("Sev0", "critical"),
        ("sev1", "high"),
        ("Sev2", "warning"),
        ("Sev3", "info"),
        ("Sev4", "low"),
        (None, "warning"),
        ("Sev9", "warning"),
    ],
)
def test_severity(severity: str | None, expected: str) -> None:
    assert alert_of(read, again(body("log_alerts_v2"), severity=severity)).labels["severity"] == expected


def test_only_custom_properties_that_people_route_on_identify() -> None:
    fired = body("platform_metric_fired")
    resolved = body("platform_metric_resolved")
    fired["data"]["customProperties"]["state"] = "Fired"
    resolved["data"]["customProperties"]["state"] = "Resolved"
    assert alert_of(read, fired).fingerprint == alert_of(read, resolved).fingerprint
    resolved["data"]["customProperties"]["team"] = "network"
    assert alert_of(read, fired).fingerprint != alert_of(read, resolved).fingerprint


def test_no_two_dimensions_become_one_label_and_none_hides_ours() -> None:
    payload = body("log_alerts_v2")
    names = ("a.b", "a-b", "a_b", "severity", "resource")
    context(payload)["condition"]["allOf"][0]["dimensions"] = [{"name": name, "value": name} for name in names]
    labels = alert_of(read, payload).labels
    assert set(names) <= set(labels.values())
    assert (labels["exported_severity"], labels["severity"]) == ("severity", "high")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("ResourceHealth", "Resource Health"),
        ("Service Health", "ServiceHealth"),
        ("Activity Log – Administrative", "Activity Log - Administrative"),
        ("Something New", "Something New"),
    ],
)
def test_a_service_has_one_name(written: str, name: str) -> None:
    assert service_name(written) == name


@pytest.mark.parametrize(
    ("resource_id", "labels"),
    [
        ("/subscriptions/s", {"subscription": "s"}),
        ("/subscriptions/s/", {"subscription": "s"}),
        ("/subscriptions/s/resourcegroups/g", {"subscription": "s", "resource_group": "g"}),
        (
            "/subscriptions/s/resourcegroups/g/providers/microsoft.sql/servers/a/databases/b",
            {
                "subscription": "s",
                "resource_group": "g",
                "resource_type": "microsoft.sql/servers/databases",
                "resource": "a/b",
            },
        ),
        (
            "/providers/microsoft.management/managementgroups/m",
            {"resource_type": "microsoft.management/managementgroups", "resource": "m"},
        ),
        ("vm1", {"resource": "vm1"}),
        ("/", {}),
        ("", {}),
    ],
)
def test_what_a_resource_id_names(resource_id: str, labels: dict[str, str]) -> None:
    assert read_id(resource_id) == labels


def test_several_resources_are_told_apart_as_a_set() -> None:
    one, other = "/subscriptions/S/resourceGroups/g1", "/subscriptions/s/resourcegroups/g2"
    assert name_resources([one, other]) == name_resources([other.upper(), one])
    crossed = ["/subscriptions/a/resourcegroups/g1", "/subscriptions/b/resourcegroups/g2"]
    straight = ["/subscriptions/a/resourcegroups/g2", "/subscriptions/b/resourcegroups/g1"]
    assert name_resources(crossed) != name_resources(straight)
    assert name_resources([one, one.upper()]) == name_resources([one])


@pytest.mark.parametrize(
    "sent", [b"", b"\xff\xfe", b"{", b'{"schemaId": "azureMonitorCommonAlertSchema", "data": ' + b"[" * 100_000]
)
def test_what_is_no_json_is_unreadable(sent: bytes) -> None:
    with pytest.raises(UnreadableError, match="not an alert of Azure Monitor"):
        read(Payload(sent, {}), RECEPTION)


@pytest.mark.parametrize("sent", [{}, [], {"data": {}}, {"schemaId": "azureMonitorCommonAlertSchema", "data": 7}])
def test_what_is_another_shape_is_refused(sent: Any) -> None:
    with pytest.raises(RejectedError, match=r"schemaId|essentials|expected an object"):
        alert_of(read, sent)


def test_a_hundred_thousand_resources_are_refused() -> None:
    with pytest.raises(RejectedError, match="100000 resources"):
        alert_of(read, again(body("log_alerts_v2"), alertTargetIDs=["/subscriptions/s"] * 100_000))


@pytest.mark.parametrize("sent", HOSTILE)
def test_hostile_bodies_are_refused_or_read(sent: bytes) -> None:
    check("azure-monitor", read, sent, {})


@given(mangled("azure-monitor"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    reading = check("azure-monitor", read, *sent)
    assert reading is None or reading.alerts or reading.problems
