"""Zabbix's webhook media types as a source."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from domain.sources.zabbix import read
from tests.domain.sources.cases import alert_of, cases, is_firing, outcome
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("zabbix"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


PROBLEM = {
    "EVENT.ID": "1",
    "EVENT.VALUE": "1",
    "EVENT.NAME": "CPU at 95 %",
    "EVENT.NSEVERITY": "2",
    "TRIGGER.ID": "100",
    "TRIGGER.NSEVERITY": "4",
    "HOST.HOST": "db1",
    "EVENT.TAGSJSON": '[{"tag": "team", "value": "dba"}]',
}


def test_five_machines_are_five_alerts() -> None:
    sent = [{**PROBLEM, "TRIGGER.ID": str(100 + i), "HOST.HOST": f"db{i}", "EVENT.ID": str(i)} for i in range(5)]
    assert len({alert_of(read, one).fingerprint for one in sent}) == 5


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"EVENT.VALUE": "0", "EVENT.RECOVERY.ID": "2", "EVENT.NAME": "CPU at 3 %"}, id="its recovery"),
        pytest.param({"EVENT.VALUE": "0", "EVENT.NSEVERITY": "5"}, id="its recovery, after somebody raised it"),
        pytest.param(
            {"EVENT.TAGSJSON": '[{"tag": "team", "value": "dba"}, {"tag": "__zbx_jira", "value": "OPS-1"}]'},
            id="itself, tagged by another media type",
        ),
        pytest.param({"EVENT.ID": "3", "EVENT.NAME": "CPU at 99 %"}, id="its next occurrence"),
        pytest.param({"EVENT.UPDATE.STATUS": "1", "EVENT.ACK.STATUS": "Yes"}, id="an update"),
        pytest.param({"TRIGGER.STATUS": "OK", "EVENT.VALUE": "*UNKNOWN*"}, id="a recovery by its words"),
    ],
)
def test_it_is_the_same_alert_as(change: dict[str, str]) -> None:
    assert alert_of(read, {**PROBLEM, **change}).labels == alert_of(read, PROBLEM).labels


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"TRIGGER.ID": "101"}, id="another trigger"),
        pytest.param({"HOST.HOST": "db2"}, id="another host"),
        pytest.param({"EVENT.SOURCE": "3"}, id="that the trigger cannot be evaluated"),
    ],
)
def test_it_is_another_alert_than(change: dict[str, str]) -> None:
    assert alert_of(read, {**PROBLEM, **change}).fingerprint != alert_of(read, PROBLEM).fingerprint


def test_spellings_of_a_macro_are_one() -> None:
    spelt = {name.lower().replace(".", "_"): text for name, text in PROBLEM.items()}
    assert alert_of(read, spelt).labels == alert_of(read, PROBLEM).labels


def test_a_recovery_ends_it() -> None:
    assert is_firing(alert_of(read, PROBLEM))
    assert not is_firing(alert_of(read, {**PROBLEM, "EVENT.VALUE": "0"}))
    assert not is_firing(alert_of(read, {**PROBLEM, "EVENT.RECOVERY.VALUE": "0"}))


def test_without_a_trigger_the_event_pairs_problem_and_recovery() -> None:
    service = {"EVENT.SOURCE": "4", "EVENT.ID": "9", "EVENT.VALUE": "1"}
    over = {**service, "EVENT.VALUE": "0"}
    assert alert_of(read, service).fingerprint == alert_of(read, over).fingerprint
    assert alert_of(read, service).fingerprint != alert_of(read, {**over, "EVENT.ID": "10"}).fingerprint


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("zabbix", read, body, {"content-type": "application/json"})


@given(mangled("zabbix"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("zabbix", read, *sent)
