"""Identity: five machines under one rule are five alerts, a machine twice is one, a resolve closes exactly its own.

A line for each kind of source, and for each monitoring service of Azure Monitor; the machine stands where the format
tells it, and the second report differs in all that is new in each.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.alerts import Alert, combine
from domain.sources.azure_monitor.services import SERVICES
from domain.sources.reading import LONGEST_TEXT, TIME_TO_LIVE, UNTIL_REPEATED, UNTIL_RESOLVED, Payload, Reception
from domain.sources.registry import reader_of
from tests.builders import MINUTE, NOON
from tests.domain.sources.cases import FIXTURES, is_firing

LEASE = timedelta(hours=4)

MACHINES = 5

type Body = dict[str, Any]
type Report = Callable[[str, int], Body]
"""What the sender says of a machine, the first time or a later one."""


@dataclass(frozen=True)
class Line:
    name: str
    fired: Report
    resolved: Report | None = None
    lease: timedelta = UNTIL_RESOLVED
    """How long what fired does so without more being said of it."""
    may_last: bool = True
    """Whether the source's time to live counts instead."""
    counts_key: bool = False
    """Whether the same words from another source of the kind are another alert."""

    @property
    def kind(self) -> str:
        return self.name.partition(",")[0]

    def read(
        self, body: Body, received_at: datetime = NOON, key: str = "default", lasts: timedelta | None = None
    ) -> Alert:
        reception = Reception(key, received_at, lasts)
        (alert,) = reader_of(self.kind)(Payload(json.dumps(body).encode(), {}), reception).alerts
        return alert


def fixture(kind: str, name: str) -> Body:
    body: Body = copy.deepcopy(json.loads((FIXTURES / kind / f"{name}.json").read_text())["body"])
    return body


# --- Azure Monitor: what is new in each report, and where each service tells the machine ------------------------------

SUBSCRIPTION = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"


def machine_id(machine: str) -> str:
    return f"{SUBSCRIPTION}/resourceGroups/Web/providers/Microsoft.Compute/virtualMachines/{machine}"


def azure(name: str, place: Callable[[Body, Body, str], None]) -> Report:
    def report(machine: str, number: int) -> Body:
        body = fixture("azure_monitor", name)
        essentials, context = body["data"]["essentials"], body["data"]["alertContext"]
        essentials["alertId"] = f"{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/{machine}-{number}"
        essentials["firedDateTime"] = f"2026-11-22T11:3{number}:00Z"
        for field in ("correlationId", "eventDataId", "operationId"):
            if field in context:
                context[field] = f"{machine}-{number}"
        place(essentials, context, machine)
        return body

    return report


def by_target(essentials: Body, context: Body, machine: str) -> None:
    essentials["alertTargetIDs"] = [machine_id(machine)]


def by_scope(essentials: Body, context: Body, machine: str) -> None:
    essentials["alertTargetIDs"] = [SUBSCRIPTION]
    context["authorization"] = {"scope": machine_id(machine)}


def by_entity(essentials: Body, context: Body, machine: str) -> None:
    context["properties"]["compromisedEntity"] = machine


def by_dimension(essentials: Body, context: Body, machine: str) -> None:
    dimensions = [{"name": "Computer", "value": machine}]
    if "condition" in context:
        context["condition"]["allOf"][0]["dimensions"] = dimensions
    else:
        context["Dimensions"] = dimensions


def by_row(essentials: Body, context: Body, machine: str) -> None:
    row = [{"name": "Computer", "value": machine}, {"name": "TimeGenerated", "value": essentials["firedDateTime"]}]
    context["condition"]["allOf"][0]["event"] = row


def by_tracking(essentials: Body, context: Body, machine: str) -> None:
    context["properties"]["trackingId"] = machine


def by_label(essentials: Body, context: Body, machine: str) -> None:
    context["labels"]["instance"] = machine
    context["expressionValue"] = essentials["alertId"]


def by_web_test(essentials: Body, context: Body, machine: str) -> None:
    context["condition"]["allOf"][0]["webTestName"] = machine


def by_budget(essentials: Body, context: Body, machine: str) -> None:
    context["AlertData"]["BudgetName"] = machine
    context["AlertData"]["SpentAmount"] = essentials["alertId"]


def over(report: Report) -> Report:
    """The same as Azure resolves it."""

    def resolved(machine: str, number: int) -> Body:
        body = report(machine, number)
        body["data"]["essentials"].update(monitorCondition="Resolved", resolvedDateTime="2026-11-22T11:50:00Z")
        return body

    return resolved


METRIC = azure("platform_metric_fired", by_target)
SERIES = azure("platform_metric_fired", by_dimension)
WEB_TEST = azure("platform_availability_test", by_web_test)
LOG = azure("log_alerts_v2", by_dimension)
PROMETHEUS = azure("prometheus", by_label)

AZURE = [
    Line("azure-monitor,Platform", METRIC, over(METRIC), may_last=False),
    Line("azure-monitor,Platform by dimension", SERIES, over(SERIES), may_last=False),
    Line("azure-monitor,Platform, availability test", WEB_TEST, over(WEB_TEST), may_last=False),
    Line("azure-monitor,Log Alerts V2", LOG, over(LOG), may_last=False),
    Line("azure-monitor,Simple Log Alert", azure("simple_log_alert", by_row), lease=TIME_TO_LIVE),
    Line("azure-monitor,Log Analytics", azure("log_analytics_v1", by_dimension), lease=TIME_TO_LIVE),
    Line("azure-monitor,Application Insights", azure("application_insights_v1", by_dimension), lease=TIME_TO_LIVE),
    Line("azure-monitor,Administrative", azure("activity_administrative", by_scope), lease=TIME_TO_LIVE),
    Line("azure-monitor,Policy", azure("activity_policy", by_scope), lease=TIME_TO_LIVE),
    Line("azure-monitor,Autoscale", azure("activity_autoscale", by_scope), lease=TIME_TO_LIVE),
    Line("azure-monitor,Security", azure("activity_security", by_entity), lease=TIME_TO_LIVE),
    Line(
        "azure-monitor,ServiceHealth",
        azure("service_health_active", by_tracking),
        azure("service_health_resolved", by_tracking),
        may_last=False,
    ),
    Line(
        "azure-monitor,Resource Health",
        azure("resource_health_unavailable", by_target),
        azure("resource_health_available", by_target),
        may_last=False,
    ),
    Line("azure-monitor,SmartDetector", azure("smart_detector", by_target), lease=TIME_TO_LIVE),
    Line("azure-monitor,Prometheus", PROMETHEUS, over(PROMETHEUS), may_last=False),
    Line("azure-monitor,CostAlerts", azure("budget_forecasted", by_budget), lease=TIME_TO_LIVE),
]


# --- the others -------------------------------------------------------------------------------------------------------


def alertmanager(machine: str, number: int, status: str = "firing") -> Body:
    alert = {
        "status": status,
        "labels": {"alertname": "DiskFull", "instance": machine},
        "annotations": {"summary": f"{number} % left"},
        "startsAt": f"2026-11-22T11:1{number}:00Z",
        "endsAt": "2026-11-22T11:50:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus/graph",
    }
    return {"version": "4", "receiver": "r", "status": status, "groupKey": f"g{number}", "alerts": [alert]}


def grafana(machine: str, number: int, status: str = "firing") -> Body:
    body = alertmanager(machine, number, status)
    body["alerts"][0].update(ruleUID="cdeq", values={"B": number}, fingerprint=f"{number:016x}")
    return {**body, "version": "1", "orgId": 1}


def datadog(machine: str, number: int, transition: str = "Triggered") -> Body:
    return {
        "alert_id": "1234",
        "alert_scope": f"host:{machine}",
        "alert_transition": transition,
        "alert_title": f"[{transition} on {{host:{machine}}}] load is {number}",
        "date": f"179534{number}000000",
        "alert_cycle_key": f"{machine}-{number}",
    }


def sentry(machine: str, number: int) -> Body:
    body = fixture("sentry", "event_alert")
    body["data"]["event"].update(issue_id=machine, event_id=f"{number:032x}", title=f"TypeError {number}")
    return body


def sentry_resolved(machine: str, number: int) -> Body:
    body = fixture("sentry", "issue_resolved")
    body["data"]["issue"].update(id=machine, count=str(number))
    return body


def sentry_metric(action: str) -> Report:
    def report(machine: str, number: int) -> Body:
        body = fixture("sentry", "metric_critical") | {"action": action}
        body["data"]["metric_alert"]["id"] = str(number)
        body["data"]["metric_alert"]["alert_rule"]["id"] = machine
        return body

    return report


def sns(machine: str, number: int, state: str = "ALARM") -> Body:
    body = fixture("sns", "alarm")
    alarm = json.loads(body["Message"])
    alarm.update(NewStateValue=state, StateChangeTime=f"2026-11-22T11:4{number}:00.000+0000")
    alarm["Trigger"]["Dimensions"] = [{"name": "InstanceId", "value": machine}]
    return body | {"Message": json.dumps(alarm), "MessageId": f"{machine}-{number}"}


def pagerduty(machine: str, number: int, action: str = "trigger") -> Body:
    details = {"summary": f"{number} % left", "source": f"x{number}", "severity": ("critical", "warning")[number % 2]}
    return {"routing_key": "k" * 32, "event_action": action, "dedup_key": machine, "payload": details}


def kibana(machine: str, number: int, group: str = "threshold met") -> Body:
    alert = {"id": machine, "uuid": f"{machine}-{number}", "actionGroup": group}
    rule = {"id": "r1", "name": "CPU", "spaceId": "default", "tags": ["team: infra"]}
    return {"rule": rule, "alert": alert, "context": {"reason": f"{number} %"}, "date": f"2026-11-22T11:0{number}:00Z"}


def detection(machine: str, number: int) -> Body:
    rule = {"kibana.alert.rule.uuid": "r1", "kibana.alert.rule.rule_type_id": "siem.queryRule"}
    return {**rule, "kibana.alert.uuid": f"{machine}-{number}", "host": {"name": machine}}


def watch(machine: str, number: int) -> Body:
    return {"ctx": {"watch_id": machine, "id": f"{machine}_{number}", "metadata": {"name": "n"}}}


def zabbix(machine: str, number: int, value: str = "1") -> Body:
    return {
        "TRIGGER.ID": "100",
        "HOST.HOST": machine,
        "EVENT.VALUE": value,
        "EVENT.ID": str(number),
        "EVENT.NAME": f"CPU at {number} %",
        "EVENT.NSEVERITY": str(number % 5),
        "TRIGGER.NSEVERITY": "4",
    }


def uptimerobot(machine: str, number: int, alert_type: str = "1") -> Body:
    return {"monitorID": machine, "monitorFriendlyName": "Shop", "alertType": alert_type, "alertDuration": str(number)}


def website(machine: str, number: int, alert_type: str = "1") -> Body:
    return {"monitorURL": f"https://{machine}/", "alertType": alert_type, "alertDuration": str(number)}


def cloudevent(machine: str, number: int, type_: str = "com.acme.disk.firing") -> Body:
    event = {"specversion": "1.0", "type": type_, "source": "/acme", "subject": machine}
    return {**event, "id": f"{machine}-{number}", "time": f"2026-11-22T11:0{number}:00Z", "data": {"value": number}}


def saying(report: Callable[[str, int, str], Body], word: str) -> Report:
    return lambda machine, number: report(machine, number, word)


LINES = [
    Line("alertmanager", alertmanager, saying(alertmanager, "resolved"), UNTIL_REPEATED),
    Line("grafana", grafana, saying(grafana, "resolved"), UNTIL_REPEATED, counts_key=True),
    *AZURE,
    Line("datadog", datadog, saying(datadog, "Recovered")),
    Line("sentry,an issue by a rule", sentry, sentry_resolved, TIME_TO_LIVE),
    Line("sentry,a metric", sentry_metric("critical"), sentry_metric("resolved"), may_last=False),
    Line("sns", sns, saying(sns, "OK")),
    Line("pagerduty", pagerduty, saying(pagerduty, "resolve"), counts_key=True),
    Line("elastic,a rule", kibana, saying(kibana, "recovered"), may_last=False, counts_key=True),
    Line("elastic,a detection", detection, lease=TIME_TO_LIVE, counts_key=True),
    Line("elastic,a watch", watch, lease=TIME_TO_LIVE, counts_key=True),
    Line("zabbix", zabbix, saying(zabbix, "0"), counts_key=True),
    Line("uptimerobot", uptimerobot, saying(uptimerobot, "2"), may_last=False),
    Line("uptimerobot,without ids", website, saying(website, "2"), may_last=False, counts_key=True),
    Line("uptimerobot,a certificate", saying(uptimerobot, "3"), lease=TIME_TO_LIVE),
    Line("cloudevents", cloudevent, saying(cloudevent, "com.acme.disk.resolved"), may_last=False),
    Line("cloudevents,without a state", saying(cloudevent, "com.acme.disk"), lease=TIME_TO_LIVE),
]

EACH = [pytest.param(line, id=line.name) for line in LINES]
RESOLVING = [pytest.param(line, line.resolved, id=line.name) for line in LINES if line.resolved]


@pytest.mark.parametrize("line", EACH)
def test_five_machines_are_five_alerts_and_each_is_one_however_often_it_fires(line: Line) -> None:
    first = [line.read(line.fired(f"m{i}", 1)).fingerprint for i in range(MACHINES)]
    again = [line.read(line.fired(f"m{i}", 2)).fingerprint for i in range(MACHINES)]
    assert len(set(first)) == MACHINES
    assert again == first


@pytest.mark.parametrize(("line", "resolved"), RESOLVING)
def test_a_resolve_closes_exactly_its_own(line: Line, resolved: Report) -> None:
    for i in range(MACHINES):
        over = line.read(resolved(f"m{i}", 3), NOON + MINUTE)
        assert not is_firing(over)
        for j in range(MACHINES):
            fired = line.read(line.fired(f"m{j}", 1))
            assert is_firing(fired)
            assert (over.fingerprint == fired.fingerprint) is (i == j)
            if i == j:
                assert not is_firing(combine(fired, over))


@pytest.mark.parametrize("line", EACH)
def test_what_fired_once_fires_for_as_long_as_its_sender_leaves_it(line: Line) -> None:
    usual = line.read(line.fired("m", 1))
    assert (usual.lease, usual.is_timeout) == (line.lease, True)
    told = line.read(line.fired("m", 1), lasts=LEASE)
    assert told.lease == (LEASE if line.may_last else line.lease)


@pytest.mark.parametrize("line", EACH)
def test_two_servers_of_one_kind_stay_apart_where_their_ids_are_their_own(line: Line) -> None:
    here, there = (line.read(line.fired("m", 1), key=key) for key in ("berlin", "oslo"))
    assert (here.fingerprint != there.fingerprint) is line.counts_key


# PagerDuty refuses longer keys.
LONG = [pytest.param(line, id=line.name) for line in LINES if line.kind != "pagerduty"]


@pytest.mark.parametrize("line", LONG)
def test_what_is_too_long_to_be_kept_still_tells_alerts_apart(line: Line) -> None:
    one, other = (line.read(line.fired("m" * 2 * LONGEST_TEXT + end, 1)) for end in "ab")
    assert one.fingerprint != other.fingerprint
    assert all(len(text) <= LONGEST_TEXT for text in one.labels.values())


def test_every_monitoring_service_has_a_line() -> None:
    told = {line.read(line.fired("m", 1)).labels["monitoring_service"] for line in AZURE}
    unread = {"Activity Log - Recommendation"}  # no sample of it is documented
    assert told == set(SERVICES) - unread


def test_a_label_of_theirs_that_says_what_ours_says_tells_alerts_apart() -> None:
    line = Line("datadog", datadog)
    plain, labelled = (
        line.read(datadog("m", 1) | {"alert_scope": f"host:m{more}"}) for more in ("", ",source:datadog")
    )
    assert plain.fingerprint != labelled.fingerprint
    assert labelled.labels["exported_source"] == "datadog"
