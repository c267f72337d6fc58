"""Bad input of every kind: the reference's code, words that name the fault, and a host that neither grows nor stops."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Answer, Serving, eventually

JSON = {"Content-Type": "application/json"}
MOST_RESIDENT_MB = 300
ALERTS = "/api/v2/alerts"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("bad_input")) as serving:
        yield serving


@pytest.fixture
def tocsin(shared: Serving) -> Iterator[Serving]:
    with staying_small_and_well(shared):
        yield shared


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Serving]:
    """One for the test alone: whatever it takes is kept, and takes memory for as long."""
    with Serving(tmp_path) as serving, staying_small_and_well(serving):
        yield serving


@contextmanager
def staying_small_and_well(tocsin: Serving) -> Iterator[None]:
    """Its peak of memory is bounded, everything taken is folded, and good alerts are still taken."""
    Path(f"/proc/{tocsin.pid}/clear_refs").write_text("5")  # forgets the peak so far
    yield
    eventually(lambda: tocsin.get("/api/v1/ledger").json()["waiting"] == 0, "what was taken to be folded", seconds=30)
    assert peak_mb(tocsin) < MOST_RESIDENT_MB
    assert tocsin.post(ALERTS, [{"labels": {"alertname": "Well"}}]).status == 200
    assert tocsin.get("/-/healthy").status == 200
    assert "Traceback" not in tocsin.output


def peak_mb(tocsin: Serving) -> int:
    lines = Path(f"/proc/{tocsin.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


def post(tocsin: Serving, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return tocsin.request("POST", ALERTS, body, JSON if headers is None else headers)


def code_and_message(answer: Answer) -> tuple[int, str]:
    """As Alertmanager's clients read an error: an object with its own code, or a bare text."""
    value = answer.json()
    return (0, value) if isinstance(value, str) else (value["code"], value["message"])


def alert(**fields: Any) -> bytes:
    return json.dumps([{"labels": {"alertname": "Bad"}, **fields}]).encode()


# --- small ones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        pytest.param(b"", 422, 602, "alerts in body is required", id="nothing"),
        pytest.param(b" \n", 422, 602, "alerts in body is required", id="blanks"),
        pytest.param(b"{", 400, 400, "Expecting property name", id="cut off"),
        pytest.param(b'[{"labels": {"a": "b"}}', 400, 400, "Expecting ',' delimiter", id="not closed"),
        pytest.param(b"labels: {a: b}", 400, 400, "Expecting value", id="YAML"),
        pytest.param(b"{}", 400, 400, "valid list", id="an object"),
        pytest.param(b'"alert"', 400, 400, "valid list", id="a text"),
        pytest.param(b"[1]", 400, 400, "0: Input should be a valid dictionary", id="a number for an alert"),
        pytest.param(b"[null]", 400, 400, "0: Input should be a valid dictionary", id="null for an alert"),
        pytest.param(b"[{}]", 422, 602, "0.labels in body is required", id="no labels"),
        pytest.param(b'[{"labels": []}]', 400, 400, "0.labels", id="a list of labels"),
        pytest.param(b'[{"labels": {"a": 1}}]', 400, 400, "0.labels.a", id="a number for a label"),
        pytest.param(b'[{"labels": {"a": NaN}}]', 400, 400, "NaN is not JSON", id="NaN"),
        pytest.param(b'[{"labels": {"a": -Infinity}}]', 400, 400, "-Infinity is not JSON", id="infinity"),
        pytest.param(b"[" + b"9" * 5000 + b"]", 400, 400, "", id="a number of 5,000 digits"),
        pytest.param(b'[{"labels": {"a": {"b": "c"}}}]', 400, 400, "0.labels.a", id="an object for a label"),
        pytest.param(b'[{"labels": {}}]', 400, 0, "alert 0: at least one label pair required", id="empty labels"),
        pytest.param(b'[{"labels": {"a": ""}}]', 400, 0, "at least one label pair", id="only an empty label"),
        pytest.param(b'[{"labels": {"": "a"}}]', 400, 0, 'invalid name ""', id="a label without a name"),
        pytest.param(alert(generatorURL="nowhere"), 422, 601, "0.generatorURL", id="no URL"),
        pytest.param(alert(generatorURL="http://[::1"), 422, 601, "0.generatorURL", id="a broken URL"),
        pytest.param(alert(startsAt=7), 400, 400, "0.startsAt", id="a number for a time"),
        pytest.param(alert(startsAt="noon"), 400, 400, "'noon' is not an RFC 3339 date-time", id="no time"),
        pytest.param(alert(startsAt="2026-02-30T00:00:00Z"), 400, 400, "2026-02-30", id="the 30th of February"),
        pytest.param(alert(startsAt="2026-01-01T25:00:00Z"), 400, 400, "25:00", id="the 25th hour"),
        pytest.param(alert(startsAt="2026-01-01T00:00:00+99:99"), 400, 400, "+99:99", id="no offset"),
        pytest.param(alert(startsAt="10000-01-01T00:00:00Z"), 400, 400, "10000", id="the year 10,000"),
        pytest.param(
            alert(startsAt="x" * 100_000), 400, 400, "is not an RFC 3339 date-time", id="a long text for a time"
        ),
        pytest.param(
            alert(startsAt="2026-11-22T12:00:00Z", endsAt="2026-11-22T11:00:00Z"),
            400,
            0,
            "start time must be before end time",
            id="the end before the start",
        ),
    ],
)
def test_the_fault_is_named_with_the_references_code(
    tocsin: Serving, body: bytes, status: int, code: int, says: str
) -> None:
    answer = post(tocsin, body)
    assert (answer.status, *code_and_message(answer)) == (status, code, code_and_message(answer)[1])
    assert says in code_and_message(answer)[1]
    assert len(answer.body) < 5000


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        pytest.param("application/x-www-form-urlencoded", 415, id="a form"),
        pytest.param("text/plain", 415, id="text"),
        pytest.param("application/jsonx", 415, id="nearly JSON"),
        pytest.param("", 415, id="none"),
        pytest.param("application/json; charset", 400, id="half a parameter"),
        pytest.param("application//json", 400, id="two slashes"),
    ],
)
def test_another_content_type_is_refused(tocsin: Serving, content_type: str, status: int) -> None:
    answer = post(tocsin, alert(), {"Content-Type": content_type} if content_type else {})
    assert answer.status == status
    assert code_and_message(answer)[0] == status


@pytest.mark.parametrize(
    "times",
    [
        pytest.param({"startsAt": "0000-01-01T00:00:00Z"}, id="year 0"),
        pytest.param({"startsAt": "0001-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}, id="Go's zero"),
        pytest.param({"startsAt": "0001-01-01T00:00:00+23:59"}, id="before the calendar"),
        pytest.param(
            {"startsAt": "9999-12-31T23:59:59.999999999Z", "endsAt": "9999-12-31T23:59:59.999999999Z"}, id="9999"
        ),
        pytest.param(
            {"startsAt": "2026-01-01T00:00:00Z", "endsAt": "9999-12-31T23:59:59-23:59"}, id="behind the calendar"
        ),
        pytest.param({"endsAt": "0001-01-01T00:00:01Z"}, id="ended in the year 1"),
        pytest.param({"startsAt": "1969-12-31T23:59:59.999999999-07:30"}, id="before the epoch"),
        pytest.param({"startsAt": ""}, id="an empty text"),
    ],
)
def test_absurd_dates_that_the_reference_reads_are_taken(tocsin: Serving, times: dict[str, str]) -> None:
    answer = post(tocsin, alert(**times))
    assert (answer.status, answer.body) == (200, b"")
    shown = tocsin.get(ALERTS)
    assert shown.status == 200
    assert tocsin.get("/api/v2/alerts/groups").status == 200
    assert tocsin.get("/api/v1/incidents").status in (200, 404)


def test_good_alerts_of_a_bad_batch_are_kept(tocsin: Serving) -> None:
    good = [{"labels": {"alertname": f"Kept{number}"}} for number in range(3)]
    bad: list[dict[str, Any]] = [
        {"labels": {"": "a"}},
        {"labels": {}},
        {"labels": {"alertname": "Late"}, "startsAt": "2026-11-22T12:00:00Z", "endsAt": "2026-11-22T11:00:00Z"},
    ]
    answer = tocsin.post(ALERTS, [good[0], bad[0], good[1], bad[1], bad[2], good[2]])
    assert answer.status == 400
    assert answer.json().split("; ") == [
        'alert 1: invalid label set: invalid name ""',
        "alert 3: at least one label pair required",
        "alert 4: start time must be before end time",
    ]
    names = {each["labels"].get("alertname") for each in tocsin.get(ALERTS).json()}
    assert {"Kept0", "Kept1", "Kept2"} <= names
    assert "Late" not in names


def test_what_is_no_utf8_is_read_as_go_reads_it(tocsin: Serving) -> None:
    assert post(tocsin, b'[{"labels": {"alertname": "caf\xe9 \xff\xfe"}}]').status == 200
    assert post(tocsin, b'[{"labels": {"alertname": "half a pair: \\ud83d"}}]').status == 200
    names = {each["labels"].get("alertname") for each in tocsin.get(ALERTS).json()}
    assert {"caf� ��", "half a pair: �"} <= names


# --- large ones -----------------------------------------------------------------------------------------------------


def many(count: int, part: Callable[[int], bytes], *, before: bytes = b"[", after: bytes = b"]") -> bytes:
    return before + b",".join([part(number) for number in range(count)]) + after


LABELS = {"before": b'[{"labels":{', "after": b"}}]"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda: many(360_000, lambda n: b'"l%d":"v"' % n, **LABELS), id="labels"),
        pytest.param(
            lambda: many(
                19_000,
                lambda n: b'{"labels":{"alertname":"Many","n":"%d"},"annotations":{"text":"%s"}}' % (n, b"x" * 200),
            ),
            id="alerts",
        ),
        pytest.param(lambda: b'[{"labels":{"a":"' + b"x" * 5_200_000 + b'"}}]', id="a huge value"),
        pytest.param(lambda: b'[{"labels":{"a":"' + b"\\u0000" * 860_000 + b'"}}]', id="escapes"),
        pytest.param(lambda: b'[{"labels":{"a":"' + b"\xff" * 5_200_000 + b'"}}]', id="no UTF-8"),
    ],
)
def test_the_most_of_each_is_taken_in_bounded_memory(fresh: Serving, body: Callable[[], bytes]) -> None:
    answer = post(fresh, body())
    assert answer.status == 200, answer.text[:300]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param(
            lambda: many(1_000_000, lambda n: b'"l%d":"v"' % n, **LABELS), 413, "bytes", id="a million labels"
        ),
        pytest.param(lambda: many(410_000, lambda n: b'"%x":"v"' % n, **LABELS), 413, "values", id="too many labels"),
        pytest.param(lambda: many(300_000, lambda n: b'"l%d":%d' % (n, n), **LABELS), 400, "0.labels.l0", id="numbers"),
        pytest.param(
            lambda: many(200_000, lambda n: b'{"labels":{"a":"%d"}}' % n), 413, "at most 20000", id="many alerts"
        ),
        pytest.param(
            lambda: many(25_000, lambda n: b'{"labels":{"a":"b"}}'), 413, "25000 alerts", id="too many alerts"
        ),
        pytest.param(lambda: many(19_000, lambda n: b'{"labels":{"a":""}}'), 400, "and 18980 more", id="only bad ones"),
        pytest.param(lambda: many(1_500_000, lambda n: b"{}"), 413, "values", id="empty objects"),
        pytest.param(lambda: many(1_500_000, lambda n: b"[]"), 413, "values", id="empty lists"),
        pytest.param(lambda: many(2_500_000, lambda n: b"0"), 413, "values", id="zeros"),
        pytest.param(lambda: many(390_000, lambda n: b"0"), 400, "0: Input should be", id="fewer zeros"),
        pytest.param(lambda: b"[" * 5_200_000, 413, "too much", id="deep lists"),
        pytest.param(lambda: b"[" * 70_000, 400, "recursion", id="less deep lists"),
        pytest.param(lambda: b'[{"labels":' * 7_000, 400, "recursion", id="deep objects"),
        pytest.param(lambda: b"[" + b"9" * 5_200_000 + b"]", 400, "", id="one number"),
        pytest.param(lambda: b" " * 5_200_000, 422, "required", id="blanks"),
    ],
)
def test_a_large_body_is_refused_in_bounded_memory(
    tocsin: Serving, body: Callable[[], bytes], status: int, says: str
) -> None:
    answer = post(tocsin, body())
    assert answer.status == status, answer.text[:300]
    assert says in answer.text
    assert len(answer.body) < 5000


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "chunked"])
def test_100_mb_are_refused(tocsin: Serving, is_chunked: bool) -> None:
    piece = b'[{"labels": {"alertname": "' + b"x" * (1024 * 1024)

    def pieces() -> Iterable[bytes]:
        for _ in range(100):
            yield piece

    headers = JSON if is_chunked else {**JSON, "Content-Length": str(100 * len(piece))}
    connection = HTTPConnection("127.0.0.1", tocsin.port, timeout=60)
    try:
        connection.request("POST", ALERTS, pieces(), headers, encode_chunked=is_chunked)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    assert response.status == 413
    assert "the most that is taken" in text


def test_100_mb_are_refused_before_they_are_sent_where_the_client_asks(tocsin: Serving) -> None:
    with socket.create_connection(("127.0.0.1", tocsin.port), timeout=30) as connection:
        connection.sendall(
            b"POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n" % tocsin.port
        )
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")


# --- slow and broken ones -------------------------------------------------------------------------------------------


def test_bodies_that_never_end_hold_nobody_else_up(tocsin: Serving) -> None:
    head = (
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000\r\n\r\n" % tocsin.port
    )
    connections = [socket.create_connection(("127.0.0.1", tocsin.port), timeout=30) for _ in range(200)]
    try:
        for number, connection in enumerate(connections):
            # Half of them have not even finished their headers.
            connection.sendall(head + b'[{"labels"' if number % 2 else head[:60])
        for _ in range(5):
            for connection in connections[1::2]:
                connection.sendall(b" ")
            begun_at = time.monotonic()
            assert tocsin.post(ALERTS, [{"labels": {"alertname": "Quick"}}]).status == 200
            assert time.monotonic() - begun_at < 2
    finally:
        for connection in connections:
            connection.close()


def test_a_body_that_breaks_off_is_not_taken(tocsin: Serving) -> None:
    body = json.dumps([{"labels": {"alertname": "BrokenOff"}}]).encode()
    with socket.create_connection(("127.0.0.1", tocsin.port), timeout=30) as connection:
        connection.sendall(
            b"POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (tocsin.port, len(body) + 10, body)
        )
    assert tocsin.post(ALERTS, [{"labels": {"alertname": "Whole"}}]).status == 200
    names = {each["labels"].get("alertname") for each in tocsin.get(ALERTS).json()}
    assert "Whole" in names
    assert "BrokenOff" not in names


def test_what_is_no_http_at_all_is_answered_400(tocsin: Serving) -> None:
    with socket.create_connection(("127.0.0.1", tocsin.port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_large_bodies_at_once_stay_within_the_same_bounds(fresh: Serving) -> None:
    body = many(
        2_000, lambda n: b'{"labels":{"alertname":"Storm","n":"%d"},"annotations":{"a":"%s"}}' % (n, b"x" * 500)
    )
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(post(fresh, body).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("PUT", ALERTS, 405, id="another method"),
        pytest.param("POST", "/api/v2/alert", 404, id="no such path"),
        pytest.param("GET", f"{ALERTS}?filter=%ff", 400, id="a query that is no UTF-8"),
        pytest.param("GET", f"{ALERTS}?filter=" + "x" * 20_000, 400, id="a long matcher"),
        pytest.param("GET", f"{ALERTS}?filter=a=~%22(%22", 400, id="a broken expression"),
        pytest.param("GET", f"{ALERTS}?receiver=(", 400, id="a broken receiver"),
        pytest.param("GET", "/" + "../" * 100 + "etc/passwd", 404, id="a path out of here"),
        pytest.param("GET", "/api/v1/dead-letters/" + "9" * 5_000, 404, id="a huge number"),
        pytest.param("GET", "/api/v1/dead-letters?limit=-1", 422, id="a negative limit"),
    ],
)
def test_a_bad_question_is_refused(tocsin: Serving, method: str, path: str, status: int) -> None:
    assert tocsin.request(method, path).status == status
