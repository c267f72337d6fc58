"""Pumps: what the Functions host does between a queue, a feed or a clock, and the function that it triggers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import azure.functions as func
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest

from adapters.lanes import Held, Lane
from adapters.telemetry import TRACEPARENT
from devhost.index import Function
from devhost.ncrontab import Schedule
from devhost.sharing import Loop
from domain.errors import UnavailableError
from domain.queues import QueueName

log = logging.getLogger("tocsin.devhost")

PAUSE_SECONDS = 0.05
CLOSE_SECONDS = {"triage": 0.2}
"""For how long the functions of a queue are waited for at the end: a look may take minutes, and is made again."""

LONGEST_CLOSE_SECONDS = 10.0
"""Of all other queues."""

FOLDS_FIRST = 500
"""While more messages than this wait to be folded, nobody looks at incidents: a page comes before what explains it."""

LET_PASS_SECONDS = 0.25


class LocalBroker(Protocol):
    """The receiving half of a local broker; on Azure the platform has it."""

    lanes: dict[Any, Lane]

    def receive(self, queue: QueueName) -> Held | None:
        """Lock the next message that is due; None when there is none."""
        ...

    def complete(self, message: Held) -> None:
        """It is done with."""
        ...

    def abandon(self, message: Held, reason: str) -> None:
        """Its handler failed: it comes again, or is dead."""
        ...


class QueuePump:
    """Hands one queue's messages to its function: one at a time in each session, up to `limit` at once."""

    def __init__(self, function: Function, broker: LocalBroker, loop: Loop, *, limit: int) -> None:
        self._function = function
        self._broker = broker
        self._queue: QueueName = function.binding["queueName"]
        self._lane = broker.lanes[self._queue]
        self._before = broker.lanes["groups"] if self._queue == "triage" else None
        self._loop = loop
        self._limit = limit
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; then `close` waits for what is under way."""
        while True:
            while self._before is not None and len(self._before) > FOLDS_FIRST:  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(LET_PASS_SECONDS)
            is_busy, until = self._loop.begin(self)
            self._lane.arrived.clear()
            started = time.thread_time()
            lag = self._hand_out(until)
            if lag is None:
                await self._wait()
            elif is_busy:
                await self._loop.yield_to_door(time.thread_time() - started, lag)
            else:
                await asyncio.sleep(0)

    def _hand_out(self, until: float) -> float | None:
        """Start functions until then; returns how long the last message had waited, None when there was none."""
        loop, lag = asyncio.get_running_loop(), None
        while len(self._running) < self._limit and (message := self._broker.receive(self._queue)) is not None:
            lag = time.time() - message.enqueued_at
            # Eager: it runs at once, up to the commit that it shares with the others of this slice.
            task = asyncio.Task(self._invoke(message), loop=loop, eager_start=True)
            if not task.done():
                self._running.add(task)
                task.add_done_callback(self._end)
            if time.perf_counter() > until:
                break
        return lag

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # The message was released before this: without another look here, the last place free would stay unseen.
        self._lane.arrived.set()

    async def _wait(self) -> None:
        due_at = self._lane.next_due_at()
        if due_at is None or len(self._running) >= self._limit:
            await self._lane.arrived.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, due_at - time.time())):
                await self._lane.arrived.wait()
        except TimeoutError:
            pass

    async def _invoke(self, message: Held) -> None:
        try:
            await self._function.call(**{self._function.argument: _service_bus_message(message)})
        except Exception as error:
            log.exception("%s failed; its message comes again", self._function.name, exc_info=error)
            self._broker.abandon(message, f"{type(error).__name__}: {error}")
        else:
            await self._complete(message)

    async def _complete(self, message: Held) -> None:
        while True:
            try:
                return self._broker.complete(message)
            except UnavailableError as error:
                log.error("a message of queue %s cannot be completed yet: %s", self._queue, error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Wait for the functions under way; what does not end in time is redelivered at the next start."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS.get(self._queue, LONGEST_CLOSE_SECONDS))
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _service_bus_message(message: Held) -> ServiceBusMessage:
    assert message.body is not None
    properties: dict[str, int | str] = {"size": message.size}
    if message.trace:
        properties[TRACEPARENT] = message.trace
    return ServiceBusMessage(
        body=message.body,
        message_id=message.id or str(message.number),
        session_id=message.session,
        sequence_number=message.number,
        delivery_count=message.delivery_count + 1,
        enqueued_time_utc=datetime.fromtimestamp(message.enqueued_at, UTC).replace(tzinfo=None),
        application_properties=properties,
        user_properties={},
    )


async def keep_running(run: Callable[[], Awaitable[None]]) -> None:
    """Run a pump for ever: one that fails, because the store did, begins again."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("a pump failed and begins again")
            await asyncio.sleep(1)


class ChangeFeed(Protocol):
    """What was written to the groups, in order; on Azure the platform reads it."""

    async def changes(self, after: str, *, limit: int) -> tuple[list[dict[str, Any]], str]:
        """The documents written behind that place, some `limit` of them, and the place behind them; "" is the start."""
        ...


class Places(Protocol):
    """Where readers of a change feed that outlives the host go on."""

    async def get_place(self, reader: str) -> str:
        """Where it goes on; "" for one that begins."""
        ...

    async def keep_place(self, reader: str, place: str) -> None:
        """It has done with everything before that place."""
        ...


class FeedPump:
    """Polls the change feed for its function; a failed batch is run again as the retry policy says."""

    def __init__(self, function: Function, feed: ChangeFeed, places: Places | None = None) -> None:
        """Without `places` it begins at the start: a local feed shows only what was left behind."""
        self._function = function
        self._feed = feed
        self._places = places
        self._reader: str = function.binding["leaseContainerPrefix"]
        self._poll_seconds = function.binding.get("feedPollDelay", 5000) / 1000
        self._retry_seconds = _seconds((function.retry or {}).get("delay_interval", "00:00:05"))

    async def run(self) -> None:
        """Until cancelled."""
        place = await self._places.get_place(self._reader) if self._places else ""
        while True:
            documents, behind = await self._feed.changes(place, limit=100)
            if documents:
                await self._invoke(documents)
                if self._places:
                    await self._places.keep_place(self._reader, behind)
            place = behind
            if not documents:
                await asyncio.sleep(self._poll_seconds)

    async def _invoke(self, documents: list[dict[str, Any]]) -> None:
        batch = func.DocumentList([func.Document.from_json(json.dumps(document)) for document in documents])
        while True:
            try:
                await self._function.call(**{self._function.argument: batch})
            except Exception:
                log.exception("%s failed; the batch comes again", self._function.name)
                await asyncio.sleep(self._retry_seconds)
            else:
                return

    async def close(self) -> None:
        """Nothing runs apart from `run`."""


class TimerPump:
    """Calls its function by its schedule."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._schedule = Schedule(function.binding["schedule"])

    async def run(self) -> None:
        """Until cancelled; at the start too, where the trigger asks for it."""
        if self._function.binding.get("runOnStartup"):
            await self._invoke()
        while True:
            now = datetime.now(UTC)
            await asyncio.sleep((self._schedule.next(now) - now).total_seconds())
            await self._invoke()

    async def _invoke(self) -> None:
        try:
            await self._function.call(**{self._function.argument: TimerRequest()})
        except Exception:
            log.exception("%s failed; the next tick of its schedule calls it again", self._function.name)

    async def close(self) -> None:
        """Nothing runs apart from `run`."""


def _seconds(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
