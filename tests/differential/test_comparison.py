"""The comparison: what it finds, and what it lets pass and under which name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.differential import intended
from tests.differential.comparison import Comparison, compare
from tests.differential.recording import NO_END, Page, Recording, moment, normalise
from tests.differential.scenario import Contact, Hook, Job, Node, Outage, Post, Report, Scenario, label_set

A = label_set({"alertname": "DiskFull", "instance": "a"})
KEY = '{}:{alertname="DiskFull"}'


def scenario(
    *, repeat: float = 7.5, outage: Outage | None = None, reports: tuple[tuple[float, float], ...] = ((0, 90),)
) -> Scenario:
    """One route, and the alert A as it is reported: at which moments, and until when; an end that is past resolves."""
    root = Node((), "team", ("alertname",), 0.5, 2.0, repeat)
    events = tuple(Post(at, (Report(A, at if ends > at else 0, ends),)) for at, ends in reports)
    return Scenario(1, root, (Contact("team", (Hook(outage=outage),)),), events, 22.0)


def page(at: float, firing: str = "", resolved: str = "", *, is_taken: bool = True, **fields: Any) -> Page:
    alerts = [
        {"status": status, "labels": {"alertname": "DiskFull", "instance": name}, "startsAt": "0Z", "endsAt": NO_END}
        for status, names in (("firing", firing), ("resolved", resolved))
        for name in names
    ]
    body = {"groupKey": KEY, "alerts": alerts, "commonLabels": {}, "truncatedAlerts": 0}
    return Page(at, "team/0", is_taken, body | fields)


def difference(of: Scenario, oracle: list[Page], subject: list[Page]) -> Comparison:
    return compare(of, Recording(tuple(oracle)), Recording(tuple(subject)))


NEWS = [page(0.5, "a"), page(4.5, "ab"), page(8.5, "b", "a"), page(10.5, "", "b")]


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        pytest.param(NEWS, "", id="the same"),
        pytest.param(NEWS[:3], "only the oracle", id="one less"),
        pytest.param([*NEWS, page(12.5, "a")], "only the subject", id="one more"),
        pytest.param([NEWS[0], page(4.7, "ab"), *NEWS[2:]], "0.200 s later", id="late"),
        pytest.param([NEWS[0], page(4.6, "ab"), *NEWS[2:]], "", id="late, but little"),
        pytest.param([NEWS[0], page(6.5, "ab"), *NEWS[2:]], "only the oracle", id="a tick later"),
        pytest.param([NEWS[0], page(4.5, "ba"), *NEWS[2:]], "the alerts are", id="in another order"),
        pytest.param([NEWS[0], page(4.5, "a"), *NEWS[2:]], "the alerts are", id="an alert less"),
        pytest.param([*NEWS[:2], page(8.5, "ab"), NEWS[3]], "the alerts are", id="another status"),
        pytest.param([page(0.5, "a", truncatedAlerts=1), *NEWS[1:]], "truncatedAlerts is 0", id="another count"),
        pytest.param([page(0.5, "a", unheard="of"), *NEWS[1:]], "only the subject has unheard", id="a strange field"),
        pytest.param([page(0.5, "a", routeLabels={}), *NEWS[1:]], "", id="a field of 0.34"),
    ],
)
def test_news_must_agree(subject: list[Page], words: str) -> None:
    found = difference(scenario(), NEWS, subject).differences
    assert words in str(found[0]) if words else not found, list(map(str, found))


@pytest.mark.parametrize(
    ("oracle", "subject", "is_same"),
    [
        pytest.param([2.5, 6.5, 10.5], [2.5, 6.5, 10.5], True, id="the same ticks"),
        pytest.param([2.5, 6.5, 10.5], [2.5, 8.5, 14.5], True, id="each a tick later"),
        pytest.param([2.5, 6.5, 10.5, 14.5, 18.5], [2.5, 8.5, 12.5, 18.5], True, id="so fewer in the end"),
        pytest.param([2.5, 6.5, 10.5], [2.5, 10.5], False, id="two ticks later"),
        pytest.param([2.5, 6.5, 10.5], [2.5, 6.5], False, id="no more of them"),
    ],
)
def test_a_repeat_may_come_a_tick_later(oracle: list[float], subject: list[float], is_same: bool) -> None:
    found = difference(scenario(repeat=4.0), [page(at, "a") for at in oracle], [page(at, "a") for at in subject])
    assert bool(found.differences) is not is_same, list(map(str, found.differences))


def test_a_repeat_that_is_no_multiple_comes_at_its_tick() -> None:
    found = difference(scenario(repeat=3.5), [page(0.5, "a"), page(4.5, "a")], [page(0.5, "a"), page(6.5, "a")])
    assert found.differences


REOPENED = ((0, 90), (3, 3), (7, 90))
"""Fires, is resolved, and fires anew when the old grid and a new one disagree: 8.5 and 7.5."""


@pytest.mark.parametrize(
    ("subject", "is_same"),
    [
        pytest.param([page(0.5, "a"), page(4.5, "", "a"), page(7.5, "a")], True, id="on a new grid"),
        pytest.param([page(0.5, "a"), page(4.5, "", "a"), page(8.5, "a")], True, id="on the old one"),
        pytest.param([page(0.5, "a"), page(4.5, "", "a")], False, id="never"),
        pytest.param([page(0.5, "a"), page(4.5, "", "a"), page(12.5, "a")], False, id="too late for either"),
        pytest.param([page(0.5, "a"), page(4.5, "", "a"), page(7.5, "b")], False, id="another alert"),
    ],
)
def test_an_emptied_group_may_begin_anew(subject: list[Page], is_same: bool) -> None:
    oracle = [page(0.5, "a"), page(4.5, "", "a"), page(8.5, "a")]
    found = difference(scenario(reports=REOPENED), oracle, subject)
    assert bool(found.differences) is not is_same, list(map(str, found.differences))
    if is_same and subject[-1].at == 7.5:
        assert found.allowed == {intended.OLD_GRID.name: 1}


def test_what_gets_through_after_a_failure_may_come_at_any_moment() -> None:
    fails = scenario(outage=Outage(0, 3, 503))
    refused = [page(0.5, "a", is_taken=False), page(1.1, "a", is_taken=False)]
    found = difference(fails, [*refused, page(3.4, "a")], [refused[0], page(5.1, "a")])
    assert not found.differences
    assert found.allowed == {intended.RETRY_MOMENT.name: 1}
    assert difference(fails, [*refused, page(3.4, "a")], refused).differences


def test_what_is_refused_is_not_tried_again_before_the_next_tick() -> None:
    refuses = scenario(outage=Outage(0, 3, 400))
    oracle = [page(0.5, "a", is_taken=False), page(2.5, "a", is_taken=False), page(4.5, "a")]
    assert not difference(refuses, oracle, oracle).differences
    assert difference(refuses, oracle, [oracle[0], *oracle]).differences


def test_an_instant_of_the_servers_clock_may_differ() -> None:
    oracle, subject = page(0.5, "a"), page(0.5, "a")
    oracle.body["alerts"][0]["startsAt"], subject.body["alerts"][0]["startsAt"] = "0.00132Z", "0.0041Z"
    assert difference(scenario(), [oracle], [subject]).allowed == {intended.STAMPED.name: 1}
    subject.body["alerts"][0]["startsAt"] = "0Z"
    assert difference(scenario(), [oracle], [subject]).differences


def test_answers_must_agree() -> None:
    recorded = [Recording((), (status,)) for status in ("200", "400")]
    assert "answered 200 by the oracle, 400" in str(compare(scenario(), *recorded).differences[0])


def test_a_recording_knows_no_scope_and_no_date() -> None:
    job = Job("s7", scenario())
    body = {
        "receiver": "s7\\.team",
        "groupKey": '{}/{scenario="s7"}/{a="b"}:{alertname="X", scenario="s7"}',
        "groupLabels": {"alertname": "X", "scenario": "s7"},
        "commonLabels": {"scenario": "s7"},
        "alerts": [
            {
                "labels": {"alertname": "X", "scenario": "s7"},
                "startsAt": "2026-11-22T12:00:01.5+02:00",
                "endsAt": NO_END,
                "fingerprint": "0",
            }
        ],
    }
    found = normalise(job, body, 1795341600.0)
    assert found["receiver"] == "team"
    assert found["groupKey"] == '{}/{a="b"}:{alertname="X"}'
    assert found["groupLabels"] == {"alertname": "X"}
    assert found["commonLabels"] == {}
    assert found["alerts"][0] == {
        "labels": {"alertname": "X"},
        "startsAt": "1.5+02:00",
        "endsAt": NO_END,
        "fingerprint": "0",
    }


def test_an_instant_with_nanoseconds() -> None:
    assert moment("2026-11-22T10:00:01.123456789Z", 1795341600.0) == "1.12346Z"


def test_every_allowance_has_a_name_and_a_reason() -> None:
    assert len({one.name for one in intended.ALL}) == len(intended.ALL)
    assert all(one.reason.endswith(".") for one in intended.ALL)
