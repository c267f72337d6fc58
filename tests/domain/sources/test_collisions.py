"""Wrong merges and splits, found in payloads; a payload here is JSON, its alerts read by a mapping of labels."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from domain.arrivals import Arrival
from domain.sources.collisions import MOST_IDENTITIES, find_collisions
from domain.sources.definitions import Source
from domain.sources.keeping import arrive
from domain.sources.marks import is_mark, marks_of, pieces_of
from domain.sources.reading import Payload, Reading, Reception, make_alert
from domain.sources.suspicions import Finding
from tests.builders import MINUTE, NOON


def arrivals(*bodies: Any, labels: Sequence[str] = ("rule",), key: str = "lab", first: int = 0) -> list[Arrival]:
    """One payload a minute; each object in it, or in its `alerts`, is an alert that fires unless it says `resolved`."""
    found = []
    for number, body in enumerate(bodies, start=first):
        at = NOON + number * MINUTE
        each = body if isinstance(body, list) else body.get("alerts", [body])
        made = [
            make_alert(
                Reception(key, at),
                {"alertname": "DiskFull", **{name: str(one[name]) for name in labels if name in one}},
                {},
                is_firing=not one.get("resolved"),
            )
            for one in each
        ]
        payload = Payload(json.dumps(body).encode(), {})
        found.append(arrive(Source("generic", key), (), payload, at, Reading(made), f"{number:04x}"))
    return found


def found(*bodies: Any, labels: Sequence[str] = ("rule",)) -> list[Finding]:
    return list(find_collisions(arrivals(*bodies, labels=labels)).findings)


class TestMerges:
    @pytest.mark.parametrize(
        ("bodies", "strength", "path", "values"),
        [
            pytest.param(
                [{"rule": "a", "host": host} for host in ("x", "y", "x")], "likely", "$.host", ["x", "y"], id="in turns"
            ),
            pytest.param(
                [{"rule": "a", "host": "x"}, {"rule": "a", "host": "y"}],
                "possible",
                "$.host",
                ["x", "y"],
                id="one after the other",
            ),
            pytest.param(
                [{"alerts": [{"rule": "a", "hostName": "x"}, {"rule": "a", "hostName": "y"}]}],
                "likely",
                "$.hostName",
                ["x", "y"],
                id="in one payload",
            ),
            pytest.param(
                [
                    {"rule": "a", "host": "x"},
                    {"rule": "a", "host": "y"},
                    {"rule": "a", "host": "x", "resolved": True},
                ],
                "likely",
                "$.host",
                ["x", "y"],
                id="a resolve that ends another",
            ),
            pytest.param(
                [{"rule": "a", "dimensions": [{"name": "disk", "value": disk}]} for disk in ("sda", "sdb", "sda")],
                "likely",
                "$.dimensions.disk",
                ["sda", "sdb"],
                id="a dimension",
            ),
            pytest.param(
                [{"rule": "a", "node": {"name": name}} for name in "xyx"],
                "likely",
                "$.node.name",
                ["x", "y"],
                id="the name of a thing",
            ),
            pytest.param(
                [{"rule": "a", "tags": f"env:prod,shard:{shard}"} for shard in "121"],
                "likely",
                "$.tags.shard",
                ["1", "2"],
                id="a tag in a text",
            ),
            pytest.param(
                [{"rule": "a", "Message": json.dumps({"Trigger": {"Instance": name}})} for name in "iji"],
                "likely",
                "$.Message.Trigger.Instance",
                ["i", "j"],
                id="JSON in a text",
            ),
        ],
    )
    def test_one_alert_of_several_things(self, bodies: list[Any], strength: str, path: str, values: list[str]) -> None:
        (finding,) = found(*bodies)
        assert (finding.kind, finding.strength, finding.labels["rule"]) == ("merge", strength, "a")
        assert finding.differs == {path: values}
        assert path in finding.words
        assert len(finding.examples) == 2
        assert finding.examples[0].at == NOON

    @pytest.mark.parametrize(
        "bodies",
        [
            pytest.param([{"rule": "a", "host": "x"}] * 3, id="the same thing"),
            pytest.param([{"rule": "a", "value": value} for value in (1, 2, 1)], id="a measurement"),
            pytest.param([{"rule": "a", "at": f"12:0{number}"} for number in range(3)], id="a time"),
            pytest.param([{"rule": rule, "host": "x"} for rule in "aba"], id="two rules"),
            pytest.param(
                [{"rule": "a", "resourceId": str(uuid.UUID(int=n))} for n in (1, 2, 1)], id="ids made each time"
            ),
            pytest.param(
                [{"rule": "a", "host": "x"}, {"rule": "a", "host": "y", "resolved": True}], id="only one ever fired"
            ),
        ],
    )
    def test_nothing_strange(self, bodies: list[Any]) -> None:
        assert [finding for finding in found(*bodies) if finding.kind == "merge"] == []

    def test_what_became_a_label_is_no_merge(self) -> None:
        bodies = [{"rule": "a", "host": host} for host in "xyx"]
        assert found(*bodies, labels=("rule", "host")) == []

    def test_several_of_one_name_in_a_payload_that_say_different_things(self) -> None:
        (finding,) = found([{"rule": "a", "text": "one"}, {"rule": "a", "text": "two"}])
        assert (finding.kind, finding.strength) == ("merge", "likely")
        assert found([{"rule": "a", "text": "one"}, {"rule": "a", "text": "one"}]) == []

    def test_several_senders(self) -> None:
        both = arrivals({"rule": "a"}, key="berlin") + arrivals({"rule": "a"}, key="paris", first=1)
        (finding,) = find_collisions(both).findings
        assert (finding.kind, finding.strength) == ("merge", "possible")
        assert finding.differs == {"sender": ["generic/berlin", "generic/paris"]}


class TestSplits:
    @pytest.mark.parametrize(
        ("values", "strength"),
        [
            pytest.param([str(uuid.UUID(int=10**30 + n)) for n in range(3)], "likely", id="UUIDs"),
            pytest.param([f"{n}f3a9c1b2d4e5" for n in range(1, 4)], "likely", id="hashes"),
            pytest.param(["1795365330", "1795365390", "1795365450"], "likely", id="seconds"),
            pytest.param([f"2026-11-22T12:0{n}:00Z" for n in range(3)], "likely", id="times"),
            pytest.param([f"run-{n}" for n in range(4711, 4716)], "possible", id="a counter"),
        ],
    )
    def test_one_thing_as_several_alerts(self, values: list[str], strength: str) -> None:
        bodies = [{"rule": "a", "run": value} for value in values]
        (finding,) = found(*bodies, labels=("rule", "run"))
        assert (finding.kind, finding.strength, finding.count) == ("split", strength, len(values))
        assert finding.labels == {"alertname": "DiskFull", "rule": "a"}
        assert list(finding.differs["run"])[:3] == values[:3]

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param(["web-1", "web-2", "web-3", "web-4", "web-5"], id="machines"),
            pytest.param(["x", "y", "z"], id="words"),
            pytest.param([str(uuid.UUID(int=n)) for n in (1, 2)], id="two are none"),
            pytest.param([str(uuid.UUID(int=n)) for n in (1, 2, 3, 1)], id="one that comes back"),
            pytest.param([f"run-{n}" for n in (4711, 4709, 4710, 4712, 4713)], id="numbers that do not grow"),
        ],
    )
    def test_nothing_strange(self, values: list[str]) -> None:
        assert found(*[{"rule": "a", "run": value} for value in values], labels=("rule", "run")) == []


class TestResolves:
    def test_one_that_closed_nothing_and_what_it_may_have_meant(self) -> None:
        firing, over = {"rule": "a", "level": "critical"}, {"rule": "a", "level": "ok", "resolved": True}
        (finding,) = found(firing, over, labels=("rule", "level"))
        assert (finding.kind, finding.strength, finding.count) == ("unclosed", "likely", 1)
        assert finding.differs == {"level": ["critical → ok"]}
        assert finding.labels == {"alertname": "DiskFull", "rule": "a"}

    def test_a_label_that_a_resolve_lacks(self) -> None:
        (finding,) = found({"rule": "a", "level": "x"}, {"rule": "a", "resolved": True}, labels=("rule", "level"))
        assert finding.differs == {"level": ["x → (none)"]}

    def test_those_of_one_sort_are_one_finding(self) -> None:
        bodies: list[Any] = [{"rule": rule, "level": "x"} for rule in "abc"]
        bodies += [{"rule": rule, "level": "ok", "resolved": True} for rule in "abc"]
        (finding,) = found(*bodies, labels=("rule", "level"))
        assert finding.count == 3
        assert len(finding.examples) == 3

    def test_a_thing_that_fired_earlier_is_not_taken_for_another(self) -> None:
        """The payload that fired it may be forgotten."""
        for fires in (["x"], ["x", "y"]):
            bodies: list[Any] = [{"rule": "a", "host": host} for host in fires]
            bodies.append({"rule": "a", "host": "z", "resolved": True})
            (finding,) = found(*bodies, labels=("rule", "host"))
            assert (finding.strength, finding.differs) == ("possible", {})
        (finding,) = found({"rule": "a"}, {"rule": "b", "resolved": True})
        assert finding.strength == "possible"

    def test_one_that_nothing_was_like_is_only_possible(self) -> None:
        (finding,) = found({"rule": "a", "resolved": True})
        assert (finding.kind, finding.strength, finding.differs) == ("unclosed", "possible", {})

    def test_a_resolve_that_comes_again_is_nothing_strange(self) -> None:
        over = {"rule": "a", "resolved": True}
        assert found({"rule": "a"}, over, over) == []


def test_the_likely_ones_come_first_and_the_order_of_the_arrivals_means_nothing() -> None:
    made = arrivals(
        *[{"rule": "a", "host": host} for host in "xy"],
        *[{"rule": "b", "host": host} for host in "xyx"],
        {"rule": "c", "resolved": True},
    )
    report = find_collisions(made)
    assert [finding.strength for finding in report.findings] == ["likely", "possible", "possible"]
    assert find_collisions(made[::-1]) == report
    assert (report.arrivals, report.identities, report.is_cut) == (6, 3, False)
    assert (report.since, report.until) == (NOON, NOON + 5 * MINUTE)


def test_nothing_says_nothing() -> None:
    report = find_collisions([])
    assert (report.findings, report.arrivals, report.since) == ([], 0, None)


def test_it_is_bounded() -> None:
    wide = {"rule": "a", "hosts": {f"host{n}": {"host": str(n)} for n in range(5000)}}
    assert len(marks_of(wide)) <= 50
    deep: Any = {"host": "x"}
    for _ in range(500):
        deep = {"a": deep}
    assert marks_of(deep)
    many = arrivals(*[[{"rule": str(n + 1000 * part)} for n in range(200)] for part in range(30)])
    report = find_collisions(many)
    assert report.is_cut
    assert report.identities == MOST_IDENTITIES + 1000


@pytest.mark.parametrize(
    "name", ["host", "hostName", "HOSTNAME", "resourceId", "alertTargetIDs", "pod", "vm_name", "ip"]
)
def test_a_mark(name: str) -> None:
    assert is_mark(name)


@pytest.mark.parametrize("name", ["", "id", "name", "value", "severity", "startsAt", "description", "eventId"])
def test_no_mark(name: str) -> None:
    assert not is_mark(name)


@pytest.mark.parametrize(
    ("body", "count", "expected"),
    [
        pytest.param('{"a": 1}', 1, [{"a": 1}], id="the whole"),
        pytest.param('{"alerts": [{"a": 1}, {"a": 2}]}', 2, [{"a": 1}, {"a": 2}], id="a list of alerts"),
        pytest.param('{"alerts": [{"a": 1}], "b": [{}]}', 1, [{"a": 1}], id="the one alert"),
        pytest.param('[{"a": 1}, {"a": 2}]', 2, [{"a": 1}, {"a": 2}], id="a list"),
        pytest.param('{"items": [{"a": 1}, {"a": 2}], "n": [1]}', 2, [{"a": 1}, {"a": 2}], id="the only list"),
        pytest.param('{"a": [{}, {}], "b": [{}, {}]}', 2, None, id="two such lists"),
        pytest.param('{"alerts": [{"a": 1}]}', 2, None, id="one was left out"),
        pytest.param("{", 1, None, id="no JSON"),
        pytest.param("[" * 100_000, 1, None, id="too deep"),
        pytest.param("a=1", 1, None, id="a form"),
    ],
)
def test_the_parts_of_a_payload(body: str, count: int, expected: Any) -> None:
    assert pieces_of(body, count) == expected
