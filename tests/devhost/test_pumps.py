"""The queue pump: hands every message out, within its limit, whatever its function does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
import pytest

from adapters.memory.broker import MemoryBroker
from adapters.messages import OutgoingMessage
from devhost import pumps
from devhost.index import Function
from devhost.pumps import QueuePump
from devhost.sharing import Loop

DEADLINE_SECONDS = 5.0


class Handler:
    """A function that notes what it is given, and waits a turn of the loop as every real one does."""

    def __init__(self, expected: int, fails: Callable[[str], bool] = lambda body: False) -> None:
        self.seen: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._left = expected
        self._fails = fails
        self.done = asyncio.Event()

    async def __call__(self, message: func.ServiceBusMessage) -> None:
        body = message.get_body().decode()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        self.seen.append(body)
        if self._fails(body):
            raise ValueError(body)
        self._left -= 1
        if self._left == 0:
            self.done.set()


async def pump(broker: Any, queue: str, call: Callable[..., Awaitable[None]], done: asyncio.Event, limit: int) -> None:
    function = Function("handle", "serviceBusTrigger", "message", {"queueName": queue}, None, call)
    task = asyncio.create_task(QueuePump(function, broker, Loop(), limit=limit).run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await done.wait()
    finally:
        task.cancel()


@pytest.mark.parametrize("limit", [1, 2, 64])
@pytest.mark.parametrize("queue", ["groups", "ticks"])
async def test_more_messages_than_the_limit_are_all_handed_out(queue: str, limit: int) -> None:
    broker = MemoryBroker(time.time)
    handler = Handler(200)
    await broker.send(queue, [OutgoingMessage(b"%d" % n, session=str(n % 8)) for n in range(200)])  # type: ignore[arg-type]
    await pump(broker, queue, handler, handler.done, limit)
    assert sorted(map(int, handler.seen)) == list(range(200))
    assert handler.most_at_once <= limit


async def test_one_session_is_handed_out_in_order_also_when_a_message_fails_first() -> None:
    broker = MemoryBroker(time.time)
    failed: set[str] = set()

    def fails_once(body: str) -> bool:
        is_first = body == "1" and body not in failed
        failed.add(body)
        return is_first

    handler = Handler(4, fails_once)
    await broker.send("groups", [OutgoingMessage(b"%d" % n, session="a") for n in range(4)])
    await pump(broker, "groups", handler, handler.done, 64)
    assert handler.seen == ["0", "1", "1", "2", "3"]


async def test_a_message_sent_while_the_pump_waits_is_handed_out_at_once() -> None:
    broker = MemoryBroker(time.time)
    handler = Handler(1)
    pumping = asyncio.create_task(pump(broker, "ticks", handler, handler.done, 1))
    await asyncio.sleep(0)
    await broker.send("ticks", [OutgoingMessage(b"late")])
    await pumping
    assert handler.seen == ["late"]


async def test_nobody_looks_at_incidents_while_many_folds_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pumps, "FOLDS_FIRST", 3)
    monkeypatch.setattr(pumps, "LET_PASS_SECONDS", 0.001)
    broker = MemoryBroker(time.time)
    await broker.send("groups", [OutgoingMessage(b"fold", session="a") for _ in range(4)])
    await broker.send("triage", [OutgoingMessage(b"look")])
    waiting: list[int] = []

    async def look(message: func.ServiceBusMessage) -> None:
        waiting.append(len(broker.lanes["groups"]))
        handler.done.set()

    handler = Handler(5)
    looking = asyncio.create_task(pump(broker, "triage", look, handler.done, 4))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting
    folding = asyncio.create_task(pump(broker, "groups", handler, handler.done, 1))
    await asyncio.gather(looking, folding)
    assert waiting[0] <= 3
