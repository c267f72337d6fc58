"""Elastic's rules, documents and watches as a source."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from domain.sources.elastic import read
from tests.domain.sources.cases import alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("elastic"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


RULE = {"id": "r1", "name": "CPU", "spaceId": "default", "tags": ["team: infra"]}


def action(alert: str, group: str = "threshold met", *, rule: dict[str, Any] = RULE, **more: Any) -> dict[str, Any]:
    return {"rule": rule, "alert": {"id": alert, "uuid": f"{alert}-{len(more)}", "actionGroup": group}, **more}


def document(host: str, uuid: str, **more: Any) -> dict[str, Any]:
    found = {"kibana.alert.rule.uuid": "r1", "kibana.alert.rule.rule_type_id": "siem.queryRule"}
    return {**found, "kibana.alert.uuid": uuid, "host": {"name": host}, **more}


def test_five_machines_are_five_alerts() -> None:
    assert len({alert_of(read, action(f"host-{i}")).fingerprint for i in range(5)}) == 5
    documents = read_json(read, [document(f"web{i}", "u") for i in range(5)]).alerts
    assert len({alert.fingerprint for alert in documents}) == 5


def test_a_recovery_closes_its_own_and_firing_twice_is_one() -> None:
    first = alert_of(read, action("host-1", "warning", context={"reason": "81 %"}, date="2026-11-22T11:00:00Z"))
    again = alert_of(read, action("host-1", "critical", context={"reason": "95 %"}, date="2026-11-22T11:05:00Z"))
    over = alert_of(read, action("host-1", "recovered", date="2026-11-22T11:10:00Z"))
    other = alert_of(read, action("host-2", "recovered"))
    assert first.fingerprint == again.fingerprint == over.fingerprint != other.fingerprint
    assert is_firing(again)
    assert not is_firing(over)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({**RULE, "id": "r2"}, id="another rule of that name"),
        pytest.param({**RULE, "spaceId": "ops"}, id="another space"),
    ],
)
def test_what_kibana_tells_apart_stays_apart(rule: dict[str, Any]) -> None:
    assert alert_of(read, action("h")).fingerprint != alert_of(read, action("h", rule=rule)).fingerprint


def test_a_template_in_texts_is_the_same_alert() -> None:
    sent = action("host-1")
    texts = {"webhook_body": {"rule_info": json.dumps(RULE), "alert_info": json.dumps(sent["alert"])}}
    single = {"rule.id": "r1", "rule.name": "CPU", "rule.spaceId": "default", "rule.tags": "team: infra"}
    labels = alert_of(read, sent).labels
    assert labels == alert_of(read, texts).labels == alert_of(read, {**single, "alert.id": "host-1"}).labels


def test_a_document_of_a_rule_is_the_alert_of_its_action() -> None:
    found = {
        "kibana": {
            "alert": {
                "rule": {"uuid": "r1", "name": "CPU", "tags": ["team: infra"], "rule_type_id": "metrics.threshold"},
                "instance": {"id": "host-1"},
                "uuid": "u",
                "status": "recovered",
            },
            "space_ids": ["default"],
        }
    }
    over = alert_of(read, found)
    assert over.labels == alert_of(read, action("host-1")).labels
    assert not is_firing(over)


def test_detections_on_one_machine_are_one_alert_and_of_nobody_each_their_own() -> None:
    first, again = alert_of(read, document("web1", "u1")), alert_of(read, document("web1", "u2"))
    assert first.fingerprint == again.fingerprint
    nobody = {alert_of(read, document("", uuid)).fingerprint for uuid in ("u1", "u2", "u1")}
    assert len(nobody) == 2


@pytest.mark.parametrize(
    "change", [{"kibana.alert.workflow_status": "closed"}, {"kibana.alert.status": "untracked"}], ids=str
)
def test_a_document_that_is_over(change: dict[str, str]) -> None:
    assert not is_firing(alert_of(read, document("web1", "u", **change)))


def test_a_watch_is_one_alert_until_it_says_that_it_is_over() -> None:
    ctx = {
        "watch_id": "w",
        "id": "w_1",
        "metadata": {"name": "n"},
        "trigger": {"triggered_time": "2026-11-22T11:00:00Z"},
    }
    first = alert_of(read, {"payload": ctx, "status": "Alert"})
    again = alert_of(read, {"ctx": json.dumps({**ctx, "id": "w_2"})})
    over = alert_of(read, {"ctx": ctx, "status": "OK"})
    other = alert_of(read, {**ctx, "watch_id": "v"})
    assert first.fingerprint == again.fingerprint == over.fingerprint != other.fingerprint
    assert is_firing(again)
    assert not is_firing(over)


def test_what_could_not_be_read_is_told() -> None:
    reading = read_json(read, [document("web1", "u"), {"message": "hello"}])
    assert len(reading.alerts) == 1
    assert "alert 1: it is not one of" in reading.problems[0]


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("elastic", read, body, {"content-type": "application/json"})


@given(mangled("elastic"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("elastic", read, *sent)
