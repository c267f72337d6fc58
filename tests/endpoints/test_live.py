"""Live, over HTTP and WebSockets: what a client sees of an incident, step by step, and what it is refused."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, OnGroupDataMessageArgs

from adapters.live.cursors import Cursor
from tests.e2e.receiver import Receiver
from tests.serving import ROOT, UNTRIAGED, Serving, eventually

CONFIGURATION = """\
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 200ms
  repeat_interval: 1h
  routes:
    - matchers: [alertname=~"Paged.*"]
      receiver: team
receivers:
  - name: nobody
  - name: team
    webhook_configs:
      - url: {url}
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def tocsin(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    text = CONFIGURATION.format(url=receiver.url("/team"))
    with Serving(tmp_path_factory.mktemp("live"), text, environment=UNTRIAGED) as tocsin:
        yield tocsin


def send(tocsin: Serving, name: str, *, ended: bool = False) -> None:
    alert: dict[str, Any] = {"labels": {"alertname": name, "instance": "db-1"}}
    if ended:
        alert["endsAt"] = datetime.now(UTC).isoformat()
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


def ask(tocsin: Serving, **query: Any) -> Any:
    answer = tocsin.get(f"/api/v1/events?{urlencode(query)}")
    assert answer.status == 200, answer.text
    return answer.json()


def follow(tocsin: Serving, cursor: str, until: str, **query: Any) -> list[Any]:
    """The events behind that cursor, up to the first of that kind."""
    events: list[Any] = []

    def go_on() -> bool:
        nonlocal cursor
        answer = ask(tocsin, after=cursor, wait=5, **query)
        events.extend(answer["events"])
        cursor = answer["cursor"]
        return any(event["kind"] == until for event in events)

    eventually(go_on, f"an event {until!r} behind {events}", seconds=20)
    return events


def test_an_incident_is_followed_from_its_beginning_to_its_end(tocsin: Serving) -> None:
    cursor = ask(tocsin)["cursor"]
    send(tocsin, "PagedOne")
    events = follow(tocsin, cursor, "delivered", receiver="team")
    send(tocsin, "PagedOne", ended=True)
    events += follow(tocsin, events[-1]["cursor"], "resolved", receiver="team")
    kinds = [event["kind"] for event in events]
    assert kinds == ["opened", "paged", "delivered", "changed", "paged", "delivered", "resolved"]
    assert [event["status"] for event in events] == ["triggered"] * 6 + ["resolved"]
    assert len({event["id"] for event in events}) == 7
    (incident_id,) = {event["incident_id"] for event in events}
    assert tocsin.get(f"/api/v1/incidents/{incident_id}").json()["status"] == "resolved"
    assert events[1]["words"] == "webhook[0] is told of 1 firing: first notification"
    # Whoever comes back later is told all of it again.
    assert [event["id"] for event in ask(tocsin, after=cursor, receiver="team")["events"]] == [
        event["id"] for event in events
    ]


def test_a_person_s_response_is_an_event(tocsin: Serving) -> None:
    cursor = ask(tocsin)["cursor"]
    send(tocsin, "Acknowledged")
    (opened, *_) = follow(tocsin, cursor, "opened")
    path = f"/api/v1/incidents/{opened['incident_id']}"
    assert tocsin.post(f"{path}/acknowledge", {"reason": "on it"}).status == 200
    events = follow(tocsin, opened["cursor"], "acknowledged", incident=opened["incident_id"])
    assert (events[-1]["status"], events[-1]["actor"]) == ("acknowledged", "local")
    assert "on it" in events[-1]["words"]


def test_waiting_costs_no_processor_and_ends_with_nothing(tocsin: Serving) -> None:
    cursor = ask(tocsin)["cursor"]
    ticks = os.sysconf("SC_CLK_TCK")

    def used() -> float:
        with open(f"/proc/{tocsin.pid}/stat") as stat:  # noqa: PTH123
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    with ThreadPoolExecutor(50) as pool:
        before, began = used(), time.monotonic()
        answers = list(pool.map(lambda _: ask(tocsin, after=cursor, wait=1.5), range(50)))
        took = time.monotonic() - began
    assert all(answer["events"] == [] for answer in answers)
    assert took >= 1.5
    assert used() - before < 0.8
    assert ask(tocsin, after=answers[0]["cursor"])["events"] == []


def test_only_what_is_wanted_wakes_whoever_waits(tocsin: Serving) -> None:
    cursor = ask(tocsin)["cursor"]
    with ThreadPoolExecutor(2) as pool:
        narrow = pool.submit(lambda: ask(tocsin, after=cursor, wait=15, receiver="team"))
        send(tocsin, "Unwanted")
        send(tocsin, "PagedTwo")
        events = narrow.result(20)["events"]
    assert {event["receiver"] for event in events} == {"team"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("after=nonsense", 422, id="no cursor"),
        pytest.param("wait=31", 422, id="too long a wait"),
        pytest.param("wait=x", 422, id="no number"),
        pytest.param("wait=nan", 422, id="not a number"),
        pytest.param("limit=0", 422, id="no limit"),
        pytest.param("colour=red", 422, id="unknown"),
        pytest.param(f"after={quote(str(Cursor('1', datetime(2020, 1, 1, tzinfo=UTC))))}", 410, id="too old"),
        pytest.param(f"after={quote(str(Cursor('99999999', datetime.now(UTC))))}", 410, id="of another store"),
    ],
)
def test_wrong_questions_are_refused(tocsin: Serving, query: str, status: int) -> None:
    answer = tocsin.get(f"/api/v1/events?{query}")
    assert answer.status == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "body",
    [{"channels": []}, {"channels": ["everything"]}, {"channels": ["incidents"] * 51}, {"channels": "x"}, {"x": 1}, []],
)
def test_wrong_channels_are_refused(tocsin: Serving, body: Any) -> None:
    answer = tocsin.post("/api/v1/live/negotiate", body)
    assert answer.status == 422
    assert answer.json()["errors"]


def test_an_azure_client_sees_every_step(tocsin: Serving) -> None:
    heard: list[tuple[str, str]] = []

    async def listen() -> None:
        access = tocsin.post("/api/v1/live/negotiate", {"channels": ["incidents", "receiver:team"]}).json()
        assert access["channels"] == ["incidents", "receiver:team"]
        client = WebPubSubClient(access["url"])

        async def hear(message: OnGroupDataMessageArgs) -> None:
            # What happened just before may be told as well, where a feed is polled.
            own = [event for event in message.data["events"] if event["title"] == "PagedThree"]
            heard.extend((message.group, event["kind"]) for event in own)

        await client.subscribe(CallbackType.GROUP_MESSAGE, hear)
        await client.open()
        try:
            await client.join_group("receiver:team")
            await asyncio.to_thread(send, tocsin, "PagedThree")
            async with asyncio.timeout(10):
                while len(heard) < 3:  # noqa: ASYNC110  the client has a callback, and no event
                    await asyncio.sleep(0.01)
        finally:
            await client.close()

    asyncio.run(listen())
    assert heard == [("receiver:team", kind) for kind in ("opened", "paged", "delivered")]
    assert "access_token" not in tocsin.output


# --- tocsin tail ----------------------------------------------------------------------------------------------------


def tail(tocsin: Serving, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "devhost.cli", "tail", "--url", tocsin.url, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, output, errors


def test_tail_prints_a_line_for_each_event(tocsin: Serving) -> None:
    cursor = ask(tocsin)["cursor"]
    send(tocsin, "Tailed")
    code, output, errors = ends(tail(tocsin, "--after", cursor, "--receiver", "nobody", "--limit", "1"))
    assert (code, errors) == (0, "")
    assert "opened" in output
    assert "Tailed: Tailed began to fire" in output
    assert output.count("\n") == 1
    code, output, errors = ends(tail(tocsin, "--after", cursor, "--json", "--limit", "1"))
    assert (code, errors) == (0, "")
    assert json.loads(output)["title"] == "Tailed"


def test_tail_says_what_is_wrong(tocsin: Serving) -> None:
    code, output, errors = ends(tail(tocsin, "--after", "nonsense"))
    assert (code, output) == (1, "")
    assert "not a cursor" in errors


def test_tail_goes_on_after_a_restart_and_misses_nothing(tocsin: Serving) -> None:
    cursor = ask(tocsin)["cursor"]
    send(tocsin, "BeforeTheRestart")
    follow(tocsin, cursor, "opened")
    process = tail(tocsin, "--after", cursor, "--limit", "2")
    assert process.stdout is not None
    first = process.stdout.readline()
    began = time.monotonic()
    tocsin.stop()
    assert time.monotonic() - began < 5, "whoever waits is let go"
    tocsin.start()
    send(tocsin, "AfterTheRestart")
    code, output, _ = ends(process)
    assert code == 0
    assert "BeforeTheRestart" in first
    assert "AfterTheRestart" in output
