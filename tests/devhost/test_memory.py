"""Back pressure: what waits in memory is bounded, and who comes too much is told to come back."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.functions as func
import pytest

from adapters.messages import OutgoingMessage
from adapters.wiring import ports
from devhost.http import MAX_BODY_BYTES, BusyError, HttpApp, Memory
from devhost.index import Function
from devhost.sharing import Loop
from tests.endpoints.asking import ask


def test_there_is_so_much_and_no_more() -> None:
    memory = Memory(most_bytes=100)
    with memory.share() as one, memory.share() as other:
        one.set(60)
        other.set(40)
        with pytest.raises(BusyError):
            other.set(41)
        one.set(0)
        other.set(80)
    assert memory.held == 0


def test_one_alone_is_never_too_much() -> None:
    memory = Memory(most_bytes=100)
    with memory.share() as one:
        one.set(60)
    with memory.share() as one:
        one.set(1000)
    assert memory.held == 0


class Slow:
    """A function of the app whose store does not answer yet."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.waiting = 0
        self.most = 0

    async def __call__(self, request: func.HttpRequest) -> func.HttpResponse:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.answers.wait()
        self.waiting -= 1
        return func.HttpResponse(status_code=200)


async def test_while_the_store_is_slow_bodies_do_not_pile_up() -> None:
    slow = Slow()
    binding = {"route": "api/v2/alerts", "methods": ["POST"]}
    function = Function(name="slow", trigger="httpTrigger", argument="request", binding=binding, retry=None, call=slow)
    app = HttpApp([function], Loop(), frozenset({"tocsin"}))
    body = bytes(MAX_BODY_BYTES)

    async def post() -> tuple[int, dict[bytes, bytes]]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/api/v2/alerts",
            "query_string": b"",
            "headers": [(b"host", b"tocsin"), (b"content-length", str(len(body)).encode())],
        }
        await app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    posts = [asyncio.create_task(post()) for _ in range(20)]
    refused = 0
    while refused < 14:
        await asyncio.sleep(0)
        refused = sum(post.done() for post in posts)
    slow.answers.set()
    answers = await asyncio.gather(*posts)
    assert sorted(status for status, _ in answers) == [200] * 6 + [503] * 14
    assert all(headers[b"retry-after"] == b"1" for status, headers in answers if status == 503)
    assert slow.most == 6
    assert (await post())[0] == 200, "all is let go of"


async def test_so_many_alerts_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_BATCH_ALERTS", "3")
    ports.cache_clear()
    home: Any = ports()
    alerts = [{"labels": {"alertname": f"Alert{number}"}} for number in range(4)]
    try:
        assert (await ask("receive_alerts", body=alerts[:3])).status == 200
        assert (await ask("receive_alerts", body=alerts)).status == 413
        assert await home.queues.count_waiting() == 3, "nothing of them is taken"
    finally:
        await home.close()
        ports.cache_clear()


async def test_while_too_many_alerts_wait_no_more_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_MOST_WAITING", "3")
    ports.cache_clear()
    home: Any = ports()
    alerts = [{"labels": {"alertname": "DiskFull"}}]
    try:
        await home.broker.send("groups", [OutgoingMessage(b"", session="1", size=1) for _ in range(2)])
        assert (await ask("receive_alerts", body=alerts)).status == 200
        answer = await ask("receive_alerts", body=alerts)
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert (await ask("list_receivers")).status == 200, "whoever looks what is wrong is answered"
        home.broker.complete(home.broker.receive("groups"))
        assert (await ask("receive_alerts", body=alerts)).status == 200
    finally:
        await home.close()
        ports.cache_clear()
