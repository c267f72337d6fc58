"""Datadog's webhook: what becomes of a notification, whatever its template, and which are one alert."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from domain.alerts import combine
from domain.errors import RejectedError
from domain.sources.datadog import MOST_FIELDS, read
from tests.domain.sources.cases import FIXTURES, alert_of, cases, is_firing, outcome
from tests.domain.sources.mangling import HOSTILE, check, mangled

KIND = "datadog"


def body(name: str = "fired", **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / KIND / f"{name}.json").read_text())["body"]
    return found | changed


@pytest.mark.parametrize("case", cases(KIND))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case).items() <= case.items()


@pytest.mark.parametrize(
    ("fired", "recovered"), [("fired", "recovered"), ("default_template", "default_template_recovered")]
)
def test_a_recovery_closes_its_own(fired: str, recovered: str) -> None:
    opened, closed = alert_of(read, body(fired)), alert_of(read, body(recovered))
    assert closed.fingerprint == opened.fingerprint
    assert is_firing(opened)
    assert not is_firing(combine(opened, closed))


def test_five_hosts_under_one_monitor_are_five_alerts() -> None:
    made = [alert_of(read, body(alert_scope=f"host:h{i}")) for i in range(5)]
    closed = [alert_of(read, body("recovered", alert_scope=f"host:h{i}")) for i in range(5)]
    assert len({alert.fingerprint for alert in made}) == 5
    assert [alert.fingerprint for alert in made] == [alert.fingerprint for alert in closed]


def test_five_hosts_are_five_alerts_of_the_default_template_too() -> None:
    made = {
        alert_of(read, body("default_template", title=f"[Triggered on {{host:h{i}}}] CPU is high")).fingerprint
        for i in range(5)
    }
    assert len(made) == 5


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"alert_transition": "Re-Triggered"}, id="triggered again"),
        pytest.param({"alert_transition": "Warn", "alert_type": "warning"}, id="less bad"),
        pytest.param({"alert_transition": "No Data"}, id="no data"),
        pytest.param({"alert_title": "[Triggered] load is 97.3", "event_title": ""}, id="a value in the title"),
        pytest.param({"date": "1795349999000", "link": "https://app.datadoghq.com/other"}, id="another event"),
        pytest.param({"tags": "env:prod,team:web,service:shop,version:9"}, id="another version on the host"),
        pytest.param({"alert_scope": "host:ip-012345 ,availability-zone:us-east-1a,role:computing-node"}, id="order"),
    ],
)
def test_the_same_again_is_the_same_alert(changed: dict[str, Any]) -> None:
    assert alert_of(read, body(**changed)).fingerprint == alert_of(read, body()).fingerprint


@pytest.mark.parametrize(
    "changed", [{"alert_id": "1235"}, {"org_id": "11024"}, {"alert_scope": "host:other"}, {"alert_scope": "*"}]
)
def test_another_is_another(changed: dict[str, Any]) -> None:
    assert alert_of(read, body(**changed)).fingerprint != alert_of(read, body()).fingerprint


@pytest.mark.parametrize(
    ("transition", "alert_type", "fires"),
    [
        ("Triggered", "success", True),
        ("Re-Triggered", "", True),
        ("No Data", "", True),
        ("Re-No Data", "", True),
        ("Warn", "", True),
        ("Re-Warn", "", True),
        ("Renotify", "", True),
        ("Recovered", "error", False),
        ("", "success", False),
        ("", "error", True),
        ("$ALERT_TRANSITION", "warning", True),
    ],
)
def test_whether_it_fires(transition: str, alert_type: str, fires: bool) -> None:
    sent = {"alert_id": 1, "alert_transition": transition, "alert_type": alert_type}
    assert is_firing(alert_of(read, sent)) is fires


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"alert_priority": "P1"}, "critical"),
        ({"severity": "P2"}, "high"),
        ({"priority": "normal", "title": "[P3] [Triggered] x"}, "warning"),
        ({"priority": "P4"}, "info"),
        ({"alert_priority": "P5"}, "low"),
        ({"alert_priority": "$ALERT_PRIORITY"}, None),
        ({"priority": "normal", "alert_type": "error"}, None),
    ],
)
def test_severity_is_the_priority_of_the_monitor(fields: dict[str, str], severity: str | None) -> None:
    sent = {"alert_id": 1, "alert_transition": "Triggered"} | fields
    assert alert_of(read, sent).labels.get("severity") == severity


@pytest.mark.parametrize(
    "sent",
    [
        {"ALERT_ID": "1", "ALERT_TRANSITION": "Triggered", "ALERT_SCOPE": "host:a"},
        {"alertId": 1, "alertTransition": "Triggered", "alertScope": "host:a"},
        {"monitor_id": "1", "transition": "Triggered", "scopes": ["host:a"]},
        {"metadata": {"Alert-Id": "1", "alert transition": "Triggered", "alert.scope": "host:a"}},
        {"alert_id": "1", "title": "[TEST] [P3] [Triggered on {host:a}] x"},
        {"alert_id": "1", "alert_transition": "Triggered", "hostname": "a"},
    ],
)
def test_fields_are_found_under_any_spelling(sent: dict[str, Any]) -> None:
    labels = alert_of(read, sent).labels
    assert (labels["monitor_id"], labels["host"]) == ("1", "a")


def test_a_tag_may_name_the_alert_and_hides_none_of_ours() -> None:
    labels = alert_of(read, body(tags="alertname:HostDown,team:web", alert_scope="source:nginx,a.b:1,a-b:2")).labels
    assert (labels["alertname"], labels["source"], labels["exported_source"]) == ("HostDown", "datadog", "nginx")
    assert {"1", "2"} <= set(labels.values())


def test_bare_tags_and_several_of_one_name_are_all_kept() -> None:
    first = alert_of(read, body(alert_scope="prod,host:b,host:a,canary"))
    assert (first.labels["host"], first.labels["tag"]) == ("a,b", "canary,prod")
    assert alert_of(read, body(alert_scope="canary,host:a,prod,host:b")).fingerprint == first.fingerprint


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(RejectedError, match="more than 1000 fields"):
        alert_of(read, {f"f{i}": "x" for i in range(MOST_FIELDS + 1)})
    with pytest.raises(RejectedError, match="more than 500"):
        alert_of(read, body(alert_scope=",".join(["host:a"] * 100_000)))


@pytest.mark.parametrize("sent", HOSTILE)
def test_hostile_bodies_are_refused_or_read(sent: bytes) -> None:
    check("datadog", read, sent, {})


@given(mangled("datadog"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    reading = check("datadog", read, *sent)
    assert reading is None or reading.alerts or reading.problems
