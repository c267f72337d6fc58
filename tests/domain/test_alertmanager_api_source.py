"""What `POST /api/v2/alerts` takes and refuses; every code and most messages as measured on Alertmanager 0.25."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.alerts import Alert
from domain.errors import MalformedError
from domain.sources.alertmanager_api import PROBLEMS_SHOWN, read_alerts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEASE = timedelta(minutes=5)
OK = {"alertname": "DiskFull"}


def read(*alerts: Any) -> list[Alert]:
    reading = read_alerts(json.dumps(alerts).encode(), NOON, LEASE)
    assert reading.problems == []
    return list(reading.alerts)


def problems(*alerts: Any) -> list[str]:
    return list(read_alerts(json.dumps(alerts).encode(), NOON, LEASE).problems)


def refusal(body: bytes) -> tuple[int, int, str]:
    with pytest.raises(MalformedError) as caught:
        read_alerts(body, NOON, LEASE)
    return caught.value.status, caught.value.code, str(caught.value)


# --- the body as a whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(b"", (422, 602), "alerts in body is required", id="no body"),
        pytest.param(b" \r\n\t", (422, 602), "alerts in body is required", id="a blank body"),
        pytest.param(b'[{"labels":', (400, 400), "parsing alerts body", id="broken JSON"),
        pytest.param(b"hello", (400, 400), "parsing alerts body", id="no JSON at all"),
        pytest.param(b"\xef\xbb\xbf[]", (400, 400), "parsing alerts body", id="a byte order mark"),
        pytest.param(b'[{"labels":{"a":"\x01"}}]', (400, 400), "parsing alerts body", id="a raw control character"),
        pytest.param(b'{"labels":{"a":"b"}}', (400, 400), "valid list", id="an object instead of an array"),
        pytest.param(b"5", (400, 400), "valid list", id="a number"),
        pytest.param(b"[5]", (400, 400), "0: ", id="an array of numbers"),
        pytest.param(b"[null]", (400, 400), "0: ", id="an array of null, at which Alertmanager panics"),
        pytest.param(b'[{"labels":{"a":1}}]', (400, 400), "0.labels.a: ", id="a label that is no text"),
        pytest.param(b'[{"labels":{"a":{}}}]', (400, 400), "0.labels.a: ", id="a label that is an object"),
        pytest.param(b'[{"labels":["a"]}]', (400, 400), "0.labels: ", id="labels that are an array"),
        pytest.param(b'[{"labels":{"a":"b"},"startsAt":5}]', (400, 400), "0.startsAt: ", id="a time that is a number"),
        pytest.param(
            b'[{"labels":{"a":"b"},"startsAt":"bad"}]', (400, 400), "alert 0: 'bad' is not", id="a time that is none"
        ),
        pytest.param(b'[{"labels":{"a":"b"},"x":NaN},5]', (400, 400), "NaN is not JSON", id="NaN"),
        pytest.param(b"[" * 100_000, (400, 400), "parsing alerts body", id="too deep to read"),
        pytest.param(b"[{}]", (422, 602), "0.labels in body is required", id="no labels field"),
        pytest.param(b'[{"labels":null}]', (422, 602), "0.labels in body is required", id="labels are null"),
        pytest.param(
            b'[{"labels":{"a":"b"}},{}]', (422, 602), "1.labels in body is required", id="the second lacks it"
        ),
        pytest.param(
            b'[{},{"labels":{"a":"b"},"endsAt":"bad"}]', (400, 400), "alert 1: ", id="a bad time comes before all that"
        ),
        pytest.param(
            b'[{"generatorURL":"::"}]',
            (422, 601),
            "0.generatorURL in body must be of type uri",
            id="the URL comes first",
        ),
    ],
)
def test_a_body_is_refused_with_alertmanagers_code(body: bytes, code: tuple[int, int], message: str) -> None:
    status, number, text = refusal(body)
    assert (status, number) == code
    assert message in text


@pytest.mark.parametrize("body", [b"[]", b"null", b" [] "])
def test_nothing_is_fine(body: bytes) -> None:
    assert read_alerts(body, NOON, LEASE).alerts == []


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        pytest.param(b'[{"labels":{"a":"b"},"foo":1}]', {"a": "b"}, id="unknown fields are ignored"),
        pytest.param(b'[{"Labels":{"a":"b"}}]', {"a": "b"}, id="the case of a field's name does not count"),
        pytest.param(b'[{"labels":{"a":"b"}}] and more', {"a": "b"}, id="what stands behind the value is not read"),
        pytest.param(b'[{"labels":{"a":null,"b":"c"}}]', {"b": "c"}, id="null is the empty value"),
        pytest.param(b'[{"labels":{"a":"b","a":"c"}}]', {"a": "c"}, id="of equal names the last one counts"),
        pytest.param(b'[{"labels":{"a":"\xff"}}]', {"a": "\ufffd"}, id="what is no UTF-8 is replaced"),
        pytest.param(b'[{"labels":{"a":"\\ud800\\u00e9"}}]', {"a": "\ufffdé"}, id="so is half a surrogate pair"),
        pytest.param(b'[{"labels":{"a":"\\ud83d\\ude00"}}]', {"a": "\U0001f600"}, id="but not a whole one"),
        pytest.param(b'[{"labels":{"a b":"x"}}]', {"a b": "x"}, id="a name may be any UTF-8 (0.34)"),
        pytest.param(b'[{"labels":{"":"","b":"c"}}]', {"b": "c"}, id="empty values go before names are looked at"),
    ],
)
def test_labels_are_read_as_gos_decoder_reads_them(body: bytes, labels: dict[str, str]) -> None:
    reading = read_alerts(body, NOON, LEASE)
    assert [alert.labels for alert in reading.alerts] == [labels]
    assert reading.problems == []


# --- one alert (FP-3, IN-3, IN-4) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alert", "problem"),
    [
        pytest.param({"labels": {}}, "at least one label pair required", id="no label"),
        pytest.param({"labels": {"a": ""}}, "at least one label pair required", id="only empty labels (FP-3)"),
        pytest.param({"labels": {"": "x"}}, 'invalid label set: invalid name ""', id="a label without a name"),
        pytest.param(
            {"labels": OK, "annotations": {"": "x"}}, 'invalid annotations: invalid name ""', id="such an annotation"
        ),
        pytest.param(
            {"labels": OK, "startsAt": "2030-01-01T00:00:00Z", "endsAt": "2029-01-01T00:00:00Z"},
            "start time must be before end time",
            id="an end before the start",
        ),
        pytest.param(
            {"labels": OK, "startsAt": "2130-01-01T00:00:00Z"},
            "start time must be before end time",
            id="a start behind the end that is filled in",
        ),
    ],
)
def test_a_wrong_alert_is_named_and_the_right_ones_are_kept(alert: Any, problem: str) -> None:
    reading = read_alerts(json.dumps([{"labels": OK}, alert]).encode(), NOON, LEASE)
    assert [kept.labels for kept in reading.alerts] == [OK]
    assert reading.problems == [f"alert 1: {problem}"]


def test_few_of_many_problems_are_told() -> None:
    told = problems(*[{"labels": {}}] * (PROBLEMS_SHOWN + 5))
    assert len(told) == PROBLEMS_SHOWN + 1
    assert told[-1] == "and 5 more"


def test_few_of_many_wrong_types_are_told() -> None:
    _, _, message = refusal(json.dumps([5] * (PROBLEMS_SHOWN + 5)).encode())
    assert message.endswith("and 5 more")


def test_annotations_may_be_null_empty_or_of_any_name() -> None:
    (alert,) = read({"labels": OK, "annotations": {"1 x": "", "y": None}})
    assert alert.annotations == {"1 x": "", "y": ""}
    (alert,) = read({"labels": OK, "annotations": None})
    assert alert.annotations == {}


# --- times (IN-1, IN-2, IN-5) ---------------------------------------------------------------------------------------

LATER, EARLIER = "2026-11-22T13:00:00Z", "2026-11-22T11:00:00Z"
NEVER_SET = "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("times", "starts_at", "ends_at", "is_timeout"),
    [
        pytest.param({}, NOON, NOON + LEASE, True, id="neither: from now, for the resolve timeout"),
        pytest.param({"startsAt": EARLIER}, NOON - HOUR, NOON + LEASE, True, id="no end: the resolve timeout"),
        pytest.param({"endsAt": LATER}, NOON + HOUR, NOON + HOUR, False, id="no start: it starts when it ends"),
        pytest.param({"startsAt": EARLIER, "endsAt": LATER}, NOON - HOUR, NOON + HOUR, False, id="both as they are"),
        pytest.param({"startsAt": LATER, "endsAt": LATER}, NOON + HOUR, NOON + HOUR, False, id="they may be equal"),
        pytest.param({"startsAt": None, "endsAt": None}, NOON, NOON + LEASE, True, id="null is missing"),
        pytest.param({"startsAt": NEVER_SET, "endsAt": NEVER_SET}, NOON, NOON + LEASE, True, id="so is Go's zero time"),
        pytest.param({"startsAt": ""}, datetime(1970, 1, 1, tzinfo=UTC), NOON + LEASE, True, id="but '' is the epoch"),
    ],
)
def test_missing_times_are_filled_in(
    times: dict[str, str | None], starts_at: datetime, ends_at: datetime, is_timeout: bool
) -> None:
    (alert,) = read({"labels": OK, **times})
    assert (alert.starts_at, alert.ends_at, alert.is_timeout) == (starts_at, ends_at, is_timeout)
    assert alert.received_at == NOON


def test_times_keep_what_python_cannot_hold() -> None:
    (alert,) = read({"labels": OK, "startsAt": "2026-11-22T11:00:00.123456789+02:00"})
    assert alert.starts_text == "2026-11-22T11:00:00.123456789+02:00"


# --- the generator's URL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "*",
            "/path",
            "/a b",
            "//host/x",
            "//x y/",
            "http:",
            "http://",
            "http://x",
            "http:a b",
            "a:b:c",
            "mailto:x",
        ),
        *(
            "http://x/a b",
            "http://x/?q=%zz",
            "http://x/é",
            "http://x/<>",
            "http://a_b/",
            "http://x:/",
            "http://x:99999/",
        ),
        *("http://[::1]:9090/x", "http://user:pa%40ss@x/", "http://é/", "http://x%C3%A9/"),
        "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
    ],
)
def test_a_generator_url_is_taken_as_go_takes_it(url: str) -> None:
    (alert,) = read({"labels": OK, "generatorURL": url})
    assert alert.generator_url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "::",
            ":x",
            "foo",
            "foo bar",
            "?x",
            "#x",
            "./x",
            "1http://x",
            "a b:c",
            " http://x",
            "http:// x",
            "http://x y",
        ),
        *(
            "http://[::1",
            "http://[::1]x/",
            "http://x:port/",
            "http://x/%zz",
            "http://x%zz/",
            "http://x%41/",
            "http://x^y/",
        ),
        *("http://x/\x01", "http://x#frag ment", "http://us er@x/", "http://u%zz@x/"),
    ],
)
def test_a_bad_generator_url_refuses_the_whole_body(url: str) -> None:
    body = json.dumps([{"labels": OK}, {"labels": OK, "generatorURL": url}]).encode()
    status, code, message = refusal(body)
    assert (status, code) == (422, 601)
    assert message.startswith("1.generatorURL in body must be of type uri: ")
