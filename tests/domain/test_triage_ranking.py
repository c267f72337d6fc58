from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.groups import Member
from domain.triage import Confidence, Onset, Question, confidence_in, onset_of, rank, service_of
from domain.triage.questions import callers, distances, reachable
from domain.triage.ranking import MOST_SIGNS, Aspect, aspect_of, surprise
from tests.builders import HOUR, MINUTE, NOON, alert, incident, member
from tests.domain.triaging import change, onset, past, question

SHOP = {"web": {"api", "ads"}, "api": {"db", "mail"}, "jobs": {"mail"}}


def order(*onsets: Onset, calls: Mapping[str, set[str]] = SHOP) -> list[str]:
    return [one.service for one in rank(question(*onsets, calls=calls))]


@pytest.mark.parametrize(
    ("onsets", "first"),
    [
        pytest.param([onset(service="db")], "db", id="the only one that fires"),
        pytest.param(
            [onset(service="web"), onset(service="api"), onset(service="db")], "db", id="whom all others call"
        ),
        pytest.param([onset(service="web"), onset(service="db")], "db", id="called through one that is silent"),
        pytest.param(
            [onset(service="web", after=MINUTE), onset(service="db", after=2 * MINUTE)],
            "db",
            id="a callee about as early",
        ),
        pytest.param(
            [onset(service="web", severity="critical"), onset(service="ads", after=5 * MINUTE, severity="none")],
            "web",
            id="not a callee that is later and lower",
        ),
        pytest.param(
            [onset("CpuHigh", service="web"), onset(service="web")], "web", id="a resource is the service's own affair"
        ),
        pytest.param(
            [onset("CpuHigh", service="web"), onset("CpuHigh", service="db")],
            "db",
            id="of two resources the first by name, for neither explains the other",
        ),
        pytest.param(
            [onset("ClientLatencyHigh", service="api"), onset("ClientLatencyHigh", service="jobs")],
            "mail",
            id="a silent one that all who complain call",
        ),
        pytest.param(
            [onset("TrafficHigh", service="db"), onset("TrafficHigh", service="web"), onset("Errors", service="api")],
            "api",
            id="errors before traffic",
        ),
        pytest.param(
            [onset(service="ads", lasted=MINUTE), onset(service="web"), onset("CpuHigh", service="web")],
            "web",
            id="not a callee that only blinked",
        ),
        pytest.param(
            [onset(service="ads", usual=100), onset(service="db")], "db", id="what is rare before what is not"
        ),
        pytest.param([onset("A", severity="critical"), onset("B", severity="info")], "A", id="rules without services"),
    ],
)
def test_the_likeliest_cause_is(onsets: list[Onset], first: str) -> None:
    assert order(*onsets)[0] == first
    assert order(*reversed(onsets))[0] == first


def test_nothing_fires_and_nothing_is_the_cause() -> None:
    assert order() == []


def test_without_a_call_graph_the_earlier_of_equals_comes_first() -> None:
    assert order(onset(service="b"), onset(service="a", after=MINUTE), calls={}) == ["b", "a"]


def test_a_callee_that_fires_much_later_explains_half_as_much() -> None:
    def share(after: timedelta) -> float:
        return next(one.share for one in rank(question(onset(service="web"), onset(service="ads", after=after),
                                                       calls=SHOP)) if one.service == "ads")  # fmt: skip

    assert share(MINUTE) > share(3 * MINUTE)


def test_a_service_that_nobody_calls_explains_no_other() -> None:
    found = {one.service: one.explains for one in rank(question(onset(service="web"), onset(service="db"), calls=SHOP))}
    assert found == {"db": ("web",), "web": (), "api": ("web",), "ads": ("web",), "mail": ("web",)}


def test_of_many_services_the_loudest_are_ranked() -> None:
    quiet = [onset(service=f"s{number:03}", severity="info") for number in range(2 * MOST_SIGNS)]
    found = rank(question(*quiet, onset(service="z", severity="critical")))
    assert (len(found), found[0].service) == (MOST_SIGNS, "z")


def test_a_ring_of_calls_is_walked_once() -> None:
    ring = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"})}
    assert reachable(ring, {"a"}) == {"a", "b", "c"}
    assert distances(ring, "a") == {"a": 0, "b": 1, "c": 2}
    assert callers(ring) == {"b": frozenset({"a"}), "c": frozenset({"b"}), "a": frozenset({"c"})}


@pytest.mark.parametrize(
    ("name", "aspect"),
    [
        pytest.param("HostHighCpuLoad", Aspect.RESOURCE, id="processor"),
        pytest.param("KubernetesPodCrashLooping", Aspect.RESOURCE, id="crashes"),
        pytest.param("ContainerOOMKilled", Aspect.RESOURCE, id="memory, all in capitals"),
        pytest.param("node_filesystem_space_filling_up", Aspect.RESOURCE, id="a disk"),
        pytest.param("InstanceDown", Aspect.RESOURCE, id="down"),
        pytest.param("HighErrorRate", Aspect.SYMPTOM, id="errors"),
        pytest.param("HttpRequestLatency", Aspect.SYMPTOM, id="latency of requests"),
        pytest.param("SomethingOdd", Aspect.SYMPTOM, id="whatever else"),
        pytest.param("", Aspect.SYMPTOM, id="no name"),
        pytest.param("GrpcClientErrors", Aspect.OUTWARD, id="a client's errors"),
        pytest.param("UpstreamTimeout", Aspect.OUTWARD, id="upstream"),
        pytest.param("NetworkReceiveBytesHigh", Aspect.TRAFFIC, id="bytes"),
        pytest.param("RequestRateHigh", Aspect.TRAFFIC, id="requests"),
    ],
)
def test_an_alert_is_by_its_name_about(name: str, aspect: Aspect) -> None:
    assert aspect_of(name) is aspect


@pytest.mark.parametrize(
    ("onsets", "confidence"),
    [
        pytest.param([], Confidence.LOW, id="nothing fires"),
        pytest.param([onset(service="db", lasted=10 * MINUTE)], Confidence.MEDIUM, id="one that lasts"),
        pytest.param([onset(service="db", after=9 * MINUTE)], Confidence.LOW, id="one that has just begun"),
        pytest.param([onset(service="db"), onset(service="mail")], Confidence.LOW, id="two alike"),
        pytest.param([onset(service="db", usual=50)], Confidence.LOW, id="one that often fires"),
    ],
)
def test_confidence_in_the_first_is(onsets: list[Onset], confidence: Confidence) -> None:
    assert confidence_in(rank(question(*onsets, calls=SHOP))) is confidence


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        pytest.param({"service": "api", "job": "node"}, "api", id="the first label of the list"),
        pytest.param({"service": "", "job": "node"}, "node", id="an empty one is none"),
        pytest.param({"alertname": "DiskFull", "instance": "a"}, "DiskFull", id="none: the alert's name"),
        pytest.param({}, "an alert", id="no labels"),
        pytest.param({"service": "\u200b", "job": "a"}, "a", id="one that does not print is none"),
        pytest.param({"app": "a\u202eb\n"}, "ab", id="cleaned"),
    ],
)
def test_whose_alert_it_is(labels: dict[str, str], service: str) -> None:
    assert service_of(labels) == service


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        pytest.param(
            question(onset("UpstreamErrors", service="api", upstream="mail", severity="critical"), calls=SHOP),
            "mail",
            id="whom an alert names as its upstream",
        ),
        pytest.param(
            question(onset("UpstreamErrors", service="api", peer="https://db.internal:5432/x"), calls=SHOP),
            "db",
            id="whose host is named",
        ),
        pytest.param(
            question(onset("Errors", service="api", note="mail"), calls=SHOP), "api", id="not who is named elsewhere"
        ),
        pytest.param(
            question(*(onset(service=name, node="n7") for name in ("web", "jobs", "api")), calls={}),
            "n7",
            id="a node that three services share",
        ),
        pytest.param(
            question(*(onset(service="web", node="n7", pod=pod) for pod in "abc"), calls={}),
            "web",
            id="not one that only its own pods share",
        ),
        pytest.param(
            question(
                *(onset(service=name, node="n7") for name in ("web", "jobs", "api")),
                calls={},
                incident=incident(group_labels={"node": "n7"}),
            ),
            "api",
            id="nor one by which the incident is grouped",
        ),
        pytest.param(
            question(onset(service="a"), onset(service="b"), changes=[change(service="b")]), "b", id="who was changed"
        ),
        pytest.param(
            question(onset(service="a"), onset(service="b"), changes=[change(service="b", before=3 * HOUR)]),
            "a",
            id="not who was changed long ago",
        ),
        pytest.param(
            question(onset(service="a"), onset(service="b"), changes=[change("c1"), change("c2", service="c")]),
            "a",
            id="nor what is not of the incident",
        ),
        pytest.param(
            question(
                onset(service="db"),
                calls={"jobs": {"db"}},
                history=[past(1, "DiskFull", "DiskFull HighLatency db", notes=("jobs again",))] * 2,
            ),
            "db",
            id="the one that fires before the one that people noted",
        ),
        pytest.param(
            question(
                onset("CpuHigh", service="db", severity="critical"),
                onset("RequestRateHigh", service="db"),
                onset(service="jobs"),
                onset(service="web"),
                calls={"jobs": {"db"}},
            ),
            "db",
            id="of those alike the one whose callee has too much to do",
        ),
    ],
)
def test_what_points_at_a_service_counts(asked: Question, first: str) -> None:
    assert rank(asked)[0].service == first


def test_a_caller_explains_some_of_what_its_callee_has_to_do() -> None:
    loaded = [onset("CpuHigh", service="db"), onset("RequestRateHigh", service="db"), onset(service="jobs")]
    found = {one.service: one for one in rank(question(*loaded, calls={"jobs": {"db"}}))}
    assert found["jobs"].explains == ("db",)
    assert found["jobs"].score > next(one.score for one in rank(question(onset(service="jobs"))))


def test_whom_people_noted_before_is_a_candidate_though_silent() -> None:
    before = past(1, "DiskFull", "HighLatency db", notes=("jobs again; killed it.",))
    found = [one.service for one in rank(question(onset(service="db"), calls={"jobs": {"db"}}, history=[before]))]
    assert found == ["db", "jobs"]


def test_what_a_name_says_is_read_word_by_word() -> None:
    assert aspect_of("KubePodNotReady") is Aspect.RESOURCE
    assert aspect_of("ProcessFileDescriptorsHigh") is Aspect.RESOURCE


def test_the_rarer_the_more_it_says() -> None:
    said = [surprise(usual) for usual in (0, 1, 10, 100, 10_000)]
    assert said == sorted(said, reverse=True)
    assert said[0] == 1
    assert said[-1] > 0


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(member(alert()), (NOON, None, 1), id="firing"),
        pytest.param(
            member(alert("resolved", at=NOON + MINUTE, starts_at=NOON), is_firing=False, occurrence=3),
            (NOON, NOON + MINUTE, 3),
            id="resolved",
        ),
    ],
)
def test_what_a_group_knows_of_an_alert(known: Member, expected: tuple[datetime, datetime | None, int]) -> None:
    found = onset_of(known, usual=2)
    assert (found.began_at, found.ended_at, found.firings) == expected
    assert found.usual == 2


NAMES = st.sampled_from("abcdef")
ONSETS = st.builds(
    onset,
    st.sampled_from(["CpuHigh", "HighLatency", "ClientErrors", "TrafficHigh"]),
    after=st.timedeltas(-2 * HOUR, 2 * HOUR),
    lasted=st.none() | st.timedeltas(-HOUR, HOUR),
    usual=st.floats(0, 1e6),
    severity=st.sampled_from(["", "info", "critical", "odd"]),
    service=NAMES,
)
GRAPHS = st.dictionaries(NAMES, st.sets(NAMES, max_size=4), max_size=6)


@given(st.lists(ONSETS, max_size=8), GRAPHS)
@settings(deadline=None)
def test_any_incident_is_ranked(onsets: list[Onset], calls: dict[str, set[str]]) -> None:
    asked = question(*onsets, calls=calls)
    found = rank(asked)
    assert {one.service for one in found} >= {one.alert.labels["service"] for one in onsets}
    assert {one.service for one in found} <= asked.services
    assert all(0 <= one.share <= 1 + 1e-9 for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert rank(question(*reversed(onsets), calls=calls)) == found
