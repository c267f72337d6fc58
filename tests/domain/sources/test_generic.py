"""JSON of any shape as a source: by a mapping, and by the names that senders use most."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.configuration.own import read_own_configuration
from domain.errors import RejectedError, TooLargeError
from domain.labels import fingerprint
from domain.sources.generic import Expression, JsonMapping, read
from domain.sources.reading import Payload, Read
from tests.domain.sources.cases import RECEPTION, alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled


def mapped(mapping: dict[str, Any]) -> Read:
    """A reader by what a `tocsin.yml` says."""
    text = json.dumps({"sources": [{"kind": "generic", "mapping": mapping}]})
    return partial(read, mapping=read_own_configuration(text).sources.find("generic", "x").mapping)


@pytest.mark.parametrize("case", cases("generic"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    reader = mapped(case["mapping"]) if "mapping" in case else read
    assert outcome(reader, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


# --- by a mapping ---------------------------------------------------------------------------------------------------

CHECKS = mapped(
    {
        "alerts": "checks",
        "name": "check",
        "status": "state",
        "firing": ["CRIT", "WARN"],
        "resolved": ["OK"],
        "title": "join(': ', [check, output || 'no output'])",
        "labels": {"host": "node.name", "site": ["site", "$.site"]},
        "annotations": {"severity_now": "state"},
        "starts_at": "since",
    }
)


def check_of(host: str, state: str = "CRIT", **more: Any) -> dict[str, Any]:
    return {"check": "disk", "node": {"name": host}, "state": state, "output": "91 %", "since": 1795348800, **more}


def told(*checks: dict[str, Any]) -> dict[str, Any]:
    return {"site": "muc", "checks": list(checks)}


def test_five_machines_are_five_alerts() -> None:
    alerts = read_json(CHECKS, told(*(check_of(f"web{number}") for number in range(5)))).alerts
    assert len({alert.fingerprint for alert in alerts}) == 5


def test_a_resolve_closes_its_own_and_firing_twice_is_one() -> None:
    first = alert_of(CHECKS, told(check_of("web1")))
    again = alert_of(CHECKS, told(check_of("web1", "WARN", output="85 %", since=1795349000)))
    over = alert_of(CHECKS, told(check_of("web1", "OK", output=None)))
    other = alert_of(CHECKS, told(check_of("web2", "OK")))
    assert first.fingerprint == again.fingerprint == over.fingerprint != other.fingerprint
    assert is_firing(again)
    assert not is_firing(over)


def test_two_senders_never_share_an_alert() -> None:
    body = Payload(json.dumps(told(check_of("web1"))).encode(), {})
    other = type(RECEPTION)("other", RECEPTION.received_at)
    assert CHECKS(body, RECEPTION).alerts[0].fingerprint != CHECKS(body, other).alerts[0].fingerprint


def test_what_cannot_be_told_apart_or_judged_is_a_problem_of_its_own() -> None:
    reading = read_json(CHECKS, told(check_of("web1"), check_of("web2", "wobbling"), {"state": "OK"}))
    assert [alert.labels.get("host") for alert in reading.alerts] == ["web1"]
    assert reading.problems[0] == 'alerts[1]: status: nothing says whether "wobbling" is firing or resolved'
    assert reading.problems[1].startswith(
        "alerts[2]: \"join(': ', [check, output || 'no output'])\" cannot be evaluated:"
    )


@pytest.mark.parametrize(
    ("mapping", "body", "expected"),
    [
        pytest.param({"alerts": "a", "name": "n"}, {}, 'mapping.alerts: "a" finds nothing in this body', id="no list"),
        pytest.param(
            {"name": "n"}, {"x": 1}, "no name and no label is found: nothing tells it from others", id="nothing found"
        ),
        pytest.param(
            {"name": "n", "labels": {"host": "h"}},
            {"n": "Disk"},
            "none of the labels is found: it would be one with all others of its name",
            id="a name alone, where labels were expected",
        ),
        pytest.param(
            {"name": "n", "status": "s"},
            {"n": "Disk", "s": "wobbling"},
            'status: nothing says whether "wobbling" is firing or resolved',
            id="an unknown word",
        ),
        pytest.param(
            {"name": "abs(n)"},
            {"n": "Disk"},
            '"abs(n)" cannot be evaluated: In function abs(), invalid type for value: Disk, expected one of: '
            "['number'], received: \"string\"",
            id="a wrong type",
        ),
        pytest.param(
            {"name": "n", "status": "a < b"},
            {"n": "Disk", "a": 1, "b": "x"},
            "\"a < b\" cannot be evaluated: '<' not supported between instances of 'int' and 'str'",
            id="what the library leaves to Python",
        ),
    ],
)
def test_what_is_refused(mapping: dict[str, Any], body: object, expected: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read_json(mapped(mapping), body)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("words", "word", "fires"),
    [
        pytest.param({}, "CLOSED", False, id="a usual word"),
        pytest.param({}, "Alerting", True, id="another"),
        pytest.param({}, None, True, id="no word"),
        pytest.param({}, True, True, id="true"),
        pytest.param({}, 0, False, id="zero"),
        pytest.param({"resolved": "gone"}, "ok", True, id="only words for resolved: others fire"),
        pytest.param({"resolved": "gone"}, "Gone", False, id="capitals do not count"),
        pytest.param({"firing": ["bad"]}, "fine", False, id="only words for firing: others are over"),
    ],
)
def test_which_words_say_that_it_fires(words: dict[str, Any], word: object, fires: bool) -> None:
    assert is_firing(alert_of(mapped({"name": "n", "status": "s", **words}), {"n": "Disk", "s": word})) is fires


def test_a_severity_that_differs_when_it_is_over_is_warned_of() -> None:
    reading = read_json(
        mapped({"name": "n", "status": "s", "severity": "l"}), {"n": "Disk", "s": "resolved", "l": "ok"}
    )
    assert len(reading.alerts) == 1
    assert reading.problems == [
        'severity is "ok" in what is over, and a label: if it was another when it fired, this closes nothing; '
        "map it under annotations"
    ]


def test_a_time_that_is_none_is_told_and_costs_nothing() -> None:
    reading = read_json(mapped({"name": "n", "starts_at": "t"}), {"n": "Disk", "t": "yesterday"})
    assert reading.alerts[0].starts_at == RECEPTION.received_at
    assert reading.problems == ['starts_at: "yesterday" is no date-time with an offset and no seconds since 1970']


def test_an_object_of_labels_and_lists_in_it() -> None:
    alert = alert_of(
        mapped({"labels": "tags"}),
        {"tags": {"host": "a", "cpu": 3, "zones": ["b", "a"], "inner": {"x": 1}, "no": None, "alertname": "Disk"}},
    )
    assert alert.labels == {
        "alertname": "Disk",
        "source": "generic",
        "source_key": "default",
        "host": "a",
        "cpu": "3",
        "zones": "a,b",
    }


def test_their_labels_of_our_names_do_not_pass_for_ours() -> None:
    alert = alert_of(mapped({"name": "n", "labels": "l"}), {"n": "Disk", "l": {"source": "x", "alertname": "y"}})
    assert alert.labels == {
        "alertname": "Disk",
        "exported_alertname": "y",
        "source": "generic",
        "exported_source": "x",
        "source_key": "default",
    }


def test_a_body_that_takes_too_long_is_refused() -> None:
    body = {"n": [3] * 50_000}
    with pytest.raises(TooLargeError, match="takes more than 200000 steps"):
        read_json(mapped({"name": "to_string(length(n[?@ > `1` && @ > `2`]))"}), body)


def test_a_large_part_of_the_body_is_written_down_once() -> None:
    body = {"all": ["x" * 100] * 8000, "a": [{"n": f"Disk{number}"} for number in range(1000)]}
    assert len(read_json(mapped({"alerts": "a", "name": "n", "description": "$.all"}), body).alerts) == 1000


# --- without one ----------------------------------------------------------------------------------------------------


def test_the_key_alone_identifies() -> None:
    fired = alert_of(read, {"dedup_key": "k", "title": "Disk 91 %", "name": "Disk", "severity": "critical"})
    over = alert_of(read, {"dedup_key": "k", "status": "resolved"})
    other = alert_of(read, {"dedup_key": "l", "status": "resolved"})
    assert fired.fingerprint == over.fingerprint != other.fingerprint
    assert fired.annotations == {"summary": "Disk 91 %", "severity_now": "critical"}


def test_without_a_key_the_labels_do() -> None:
    def labelled(host: str, **more: object) -> dict[str, object]:
        return {"title": "Disk", "labels": {"host": host}, **more}

    fired = alert_of(read, labelled("a", message="91 %"))
    over = alert_of(read, labelled("a", message="80 %", state="ok"))
    assert fired.fingerprint == over.fingerprint != alert_of(read, labelled("b", state="ok")).fingerprint


def test_what_goalert_pairs_is_paired() -> None:
    fired = alert_of(read, {"summary": "Disk", "details": "on a"})
    over = alert_of(read, {"details": "on a", "action": "close", "summary": "Disk"})
    other = alert_of(read, {"summary": "Disk", "details": "on b", "action": "close"})
    assert fired.fingerprint == over.fingerprint != other.fingerprint
    assert is_firing(fired)
    assert not is_firing(over)


def test_anything_else_is_known_by_what_it_says_and_that_is_told() -> None:
    def reading(**body: object) -> Any:
        return read_json(read, body)

    fired, over = reading(host="a", cpu=91, state="alerting"), reading(cpu=91, host="a", state="ok")
    assert fired.alerts[0].fingerprint == over.alerts[0].fingerprint != reading(host="b", cpu=91).alerts[0].fingerprint
    assert len(fired.problems) == 1
    assert "known by a hash of what was sent" in fired.problems[0]


@pytest.mark.parametrize("body", [{}, {"status": "firing"}, {"state": "ok", "url": "https://x"}])
def test_what_says_nothing_is_refused(body: dict[str, str]) -> None:
    with pytest.raises(RejectedError, match="nothing tells it from others"):
        read_json(read, body)


def test_several_at_once() -> None:
    for body in ([{"dedup_key": "a"}, {"dedup_key": "b"}, 7], {"alerts": [{"dedup_key": "a"}, {"dedup_key": "b"}, 7]}):
        reading = read_json(read, body)
        assert [alert.labels["dedup_key"] for alert in reading.alerts] == ["a", "b"]
        assert reading.problems == ["alerts[2]: expected an object with names such as dedup_key, title and status"]


# --- what no sender sends -------------------------------------------------------------------------------------------

ANYTHING_GOES = mapped(
    {
        "alerts": "alerts || checks || @",
        "name": "name || title || to_string(@)",
        "status": "state",
        "severity": "to_string(level)",
        "labels": ["labels", "@"],
        "annotations": {"text": "to_string(@)", "count": "length(alerts)", "all": "$"},
        "starts_at": "since",
        "url": ["url", "$.url"],
    }
)


@pytest.mark.parametrize("reader", [read, ANYTHING_GOES], ids=["by names", "by a mapping"])
@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(reader: Read, body: bytes) -> None:
    check("generic", reader, body, {"content-type": "application/json"})


@given(mangled("generic"), st.sampled_from([read, ANYTHING_GOES]))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]], reader: Read) -> None:
    check("generic", reader, *sent)


_NAMES = [
    "a",
    "b",
    "*",
    "[]",
    "[*]",
    "[0]",
    "[-1]",
    "[?a]",
    "[?a>b]",
    "[::2]",
    "@",
    "$",
    "`1`",
    "'x'",
    "{a:b}",
    "[a,b]",
]
_BETWEEN = [".", "|", "||", "&&", "!", "==", "<"]
_CALLS = ["length(@)", "to_number(a)", "ceil(a)", "sort(@)", "max_by(@,&a)", "join(',',@)"]
_PARTS = st.sampled_from([*_NAMES, *_BETWEEN, *_CALLS])


@given(
    st.lists(_PARTS, min_size=1, max_size=6).map("".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=8,
    ),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_expression_the_reader_answers(text: str, body: object) -> None:
    try:
        mapping = JsonMapping(name=(Expression(text),))
    except RejectedError:
        return
    encoded = json.dumps(body, allow_nan=True).encode()
    try:
        reading = read(Payload(encoded, {}), RECEPTION, mapping)
    except RejectedError:
        return
    assert all(alert.fingerprint == fingerprint(alert.labels) for alert in reading.alerts)
