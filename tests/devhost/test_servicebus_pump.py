"""The Service Bus pump: what the Functions host does, over the wire, whatever becomes of function, link and lock."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.messages import OutgoingMessage
from adapters.servicebus.broker import ServiceBusBroker
from devhost.index import Function
from devhost.servicebus_pump import ServiceBusPump
from domain.queues import QueueName
from tests.servicebus import MOST_FAILURES, MemoryStore, broker_on, now, queue_settings
from tests.standins.servicebus import Fault, ServiceBusStandIn

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The SDK forgets to close what it held of a connection that was cut.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]

DEADLINE_SECONDS = 30.0
SESSIONS = ("1", "2", "3")
LOCK_SECONDS = 2.0


class Bus:
    def __init__(self, stand_in: ServiceBusStandIn, **options: Any) -> None:
        self.stand_in = stand_in
        self.broker: ServiceBusBroker = broker_on(stand_in, MemoryStore(), **{"retry_backoff_factor": 0.02, **options})

    async def send(self, queue: QueueName, *bodies: str, session: str | None = None, **fields: Any) -> None:
        session = session or ("1" if queue == "groups" else None)
        await self.broker.send(queue, [OutgoingMessage(body.encode(), session=session, **fields) for body in bodies])

    def is_empty(self, queue: str) -> bool:
        return not self.stand_in.peek(queue)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Bus]:
    async with ServiceBusStandIn(queue_settings(lock_seconds=LOCK_SECONDS)) as stand_in:
        bus = Bus(stand_in)
        yield bus
        await bus.broker.close()
    gc.collect()  # here, where the warnings of what the SDK did not close are not errors


@pytest_asyncio.fixture(loop_scope="module")
async def bus(shared: Bus) -> AsyncIterator[Bus]:
    shared.stand_in.purge()
    shared.stand_in.calls.clear()
    yield shared
    shared.stand_in.faults.clear()
    await shared.stand_in.up()


class Handler:
    """A function that notes what it is given."""

    def __init__(self, act: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.messages: list[func.ServiceBusMessage] = []
        self.most_at_once = 0
        self._at_once = 0
        self._act = act

    @property
    def seen(self) -> list[str]:
        return [message.get_body().decode() for message in self.messages]

    async def __call__(self, message: func.ServiceBusMessage) -> None:
        self.messages.append(message)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self._act is not None:
                await self._act(message.get_body().decode())
            else:
                await asyncio.sleep(0.001)
        finally:
            self._at_once -= 1


@asynccontextmanager
async def pumping(
    bus: Bus, queue: str, handler: Handler, limit: int = 64, **options: float
) -> AsyncIterator[asyncio.Task[None]]:
    binding = {"queueName": queue, "isSessionsEnabled": queue == "groups"}
    function = Function("handle", "serviceBusTrigger", "message", binding, None, handler)
    pump = ServiceBusPump(function, bus.broker, limit=limit, sessions=SESSIONS, **options)
    task = asyncio.create_task(pump.run())
    try:
        yield task
    finally:
        task.cancel()
        await pump.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():  # noqa: ASYNC110  the stand-in has no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("limit", [2, 64])
async def test_without_sessions_all_are_handed_out_within_the_limit(bus: Bus, limit: int) -> None:
    handler = Handler()
    await bus.send("ticks", *(str(number) for number in range(100)))
    async with pumping(bus, "ticks", handler, limit):
        await until(lambda: bus.is_empty("ticks"))
    assert sorted(map(int, handler.seen)) == list(range(100))
    assert handler.most_at_once <= limit


async def test_messages_of_a_session_come_in_order_and_a_failed_one_again_before_the_next(bus: Bus) -> None:
    failed: list[str] = []

    async def fail_once(body: str) -> None:
        if body == "a1" and not failed:
            failed.append(body)
            raise ValueError(body)

    handler = Handler(fail_once)
    await bus.send("groups", "a0", "a1", "a2", session="1")
    await bus.send("groups", "b0", "b1", session="2")
    async with pumping(bus, "groups", handler):
        await until(lambda: bus.is_empty("groups"))
    assert [body for body in handler.seen if body[0] == "a"] == ["a0", "a1", "a1", "a2"]
    assert [body for body in handler.seen if body[0] == "b"] == ["b0", "b1"]
    assert [message.delivery_count for message in handler.messages if message.get_body() == b"a1"] == [1, 2]


async def test_sessions_are_handled_side_by_side_and_each_one_at_a_time(bus: Bus) -> None:
    together = asyncio.Barrier(3)

    async def meet(body: str) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await together.wait()

    handler = Handler(meet)
    for session in SESSIONS:
        await bus.send("groups", "0", "1", session=session)
    async with pumping(bus, "groups", handler):
        await until(lambda: bus.is_empty("groups"))
    assert handler.most_at_once == 3


async def test_a_function_is_given_what_the_host_would_give_it(bus: Bus) -> None:
    handler = Handler()
    await bus.send("groups", "body", session="2", size=3, id="an id")
    async with pumping(bus, "groups", handler):
        await until(lambda: bus.is_empty("groups"))
    (message,) = handler.messages
    assert (message.get_body(), message.message_id, message.session_id, message.delivery_count) == (
        b"body",
        "an id",
        "2",
        1,
    )
    assert message.application_properties == {"size": 3}
    assert message.enqueued_time_utc is not None
    assert message.enqueued_time_utc.tzinfo is None


async def test_a_scheduled_message_comes_at_its_time(bus: Bus) -> None:
    handler = Handler()
    due_at = now() + timedelta(seconds=1.5)
    await bus.send("ticks", "later", due_at=due_at)
    async with pumping(bus, "ticks", handler):
        await until(lambda: bus.is_empty("ticks"))
        assert now() >= due_at
    assert handler.seen == ["later"]


async def test_one_that_always_fails_is_dead_in_the_end(bus: Bus) -> None:
    async def fail(body: str) -> None:
        raise ValueError(body)

    handler = Handler(fail)
    await bus.send("ticks", "poison")
    async with pumping(bus, "ticks", handler):
        await until(lambda: not bus.is_empty("ticks/$DeadLetterQueue"))
    assert len(handler.messages) == MOST_FAILURES


async def test_locks_are_renewed_of_functions_that_take_long_and_of_sessions_that_wait(bus: Bus) -> None:
    async def take_long(body: str) -> None:
        if body == "long":
            await asyncio.sleep(1.5 * LOCK_SECONDS)

    ticks, events = Handler(take_long), Handler(take_long)
    await bus.send("ticks", "long")
    await bus.send("groups", "long", session="1")
    async with pumping(bus, "ticks", ticks), pumping(bus, "groups", events):
        await until(lambda: bus.is_empty("ticks") and bus.is_empty("groups"))
        await bus.send("groups", "late", session="2")
        await until(lambda: bus.is_empty("groups"))
    assert (ticks.seen, events.seen) == (["long"], ["long", "late"])
    assert bus.stand_in.calls.count("renew-lock") > 0
    assert bus.stand_in.calls.count("renew-session-lock") >= len(SESSIONS)
    assert bus.stand_in.calls.count("accept-session") == len(SESSIONS)


@pytest.mark.parametrize("trouble", ["detach", "drop", "down"])
async def test_a_lost_link_is_opened_again(bus: Bus, trouble: str) -> None:
    ticks, events = Handler(), Handler()

    async def send(body: str) -> None:
        await asyncio.gather(bus.send("ticks", body), bus.send("groups", body))

    def is_handled(body: str) -> bool:
        return body in ticks.seen and body in events.seen and bus.is_empty("ticks") and bus.is_empty("groups")

    async with pumping(bus, "ticks", ticks), pumping(bus, "groups", events):
        await send("before")
        await until(lambda: is_handled("before"))
        match trouble:
            case "detach":
                assert bus.stand_in.detach_links(role="receiver") > len(SESSIONS)
            case "drop":
                assert bus.stand_in.drop_connections() > len(SESSIONS)
            case _:
                await bus.stand_in.down()
                await asyncio.sleep(0.5)  # time enough to fail at opening them
                await bus.stand_in.up()
        await send("after")
        await until(lambda: is_handled("after"))


@pytest.mark.parametrize("queue", ["ticks", "groups"])
async def test_a_message_whose_lock_is_lost_comes_again(bus: Bus, queue: QueueName) -> None:
    handler = Handler()
    bus.stand_in.fault(Fault(at="settle", does="lose-lock", queue=queue))
    await bus.send(queue, "1")
    await bus.send(queue, "2")
    async with pumping(bus, queue, handler):
        await until(lambda: bus.is_empty(queue))
    assert sorted(handler.seen) == ["1", "1", "2"]


async def test_a_session_that_another_holds_is_taken_once_it_is_free(bus: Bus) -> None:
    handler = Handler()
    other = await bus.broker.client.get_queue_receiver("groups", session_id="1").__aenter__()
    await bus.send("groups", "body")
    async with pumping(bus, "groups", handler):
        await until(lambda: any(call.error for call in bus.stand_in.calls.find("accept-session")))
        await other.close()
        await until(lambda: bus.is_empty("groups"))
    assert handler.seen == ["body"]


async def test_a_message_that_comes_while_the_session_is_renewed_is_handed_out_soon(bus: Bus) -> None:
    # The SDK gives back what comes while nobody receives.
    handler = Handler()
    async with pumping(bus, "groups", handler):
        await bus.send("groups", "first")
        await until(lambda: bus.is_empty("groups"))
        for trouble in ("refuse", "hang"):
            bus.stand_in.fault(Fault(at="settle", does=trouble, operation="release"))
        renewing = Fault(at="manage", does="hang", seconds=0.5, operation="renew-session-lock", times=len(SESSIONS))
        order = bus.stand_in.fault(renewing)
        await until(lambda: order.done)
        await asyncio.gather(*[bus.send("groups", f"body-{session}", session=session) for session in SESSIONS])
        await until(lambda: bus.is_empty("groups"))
    assert bus.stand_in.calls.count("release") > 0
    assert sorted(handler.seen) == [*[f"body-{session}" for session in SESSIONS], "first"]


async def test_a_link_that_was_given_up_is_not_opened_again_by_a_renewal(bus: Bus) -> None:
    patient = Bus(bus.stand_in, retry_backoff_factor=0.5)
    renewal = bus.stand_in.fault(Fault(at="manage", does="refuse", operation="renew-session-lock"))
    lost = Fault(at="settle", does="refuse", queue="groups", condition="com.microsoft:session-lock-lost")
    bus.stand_in.fault(lost)

    async def act(_: str) -> None:
        # First until the SDK waits to repeat the renewal, then until it would have done so.
        await (asyncio.sleep(1.5) if renewal.done else until(lambda: renewal.done))

    await bus.send("groups", "body")
    async with pumping(patient, "groups", handler := Handler(act)):
        await until(lambda: bus.is_empty("groups"))
    await patient.broker.close()
    assert handler.seen == ["body", "body"]
    assert [call.error for call in bus.stand_in.calls.find("accept-session") if call.session == "1"] == [None, None]


async def test_what_a_lost_link_brought_is_settled_over_the_next_one(bus: Bus) -> None:
    patient = Bus(bus.stand_in, retry_backoff_factor=0.5)
    refusal = bus.stand_in.fault(Fault(at="settle", does="refuse", queue="ticks"))

    async def act(body: str) -> None:
        if body == "last":
            await asyncio.sleep(1.5)  # until the SDK would have settled the first one

    async with pumping(patient, "ticks", handler := Handler(act)):
        await bus.send("ticks", "first")
        await until(lambda: refusal.done)
        bus.stand_in.fault(Fault(at="deliver", does="detach", queue="ticks", condition="amqp:unauthorized-access"))
        await bus.send("ticks", "last")
        await until(lambda: bus.is_empty("ticks"))
        assert len(bus.stand_in.describe_links("ticks")) == 2  # its sender's, and one
    await patient.broker.close()
    assert handler.seen == ["first", "last"]


@pytest.mark.parametrize("queue", ["ticks", "groups"])
async def test_an_idle_link_is_opened_again_and_loses_nothing(bus: Bus, queue: QueueName) -> None:
    handler = Handler()
    opened = "accept-session" if queue == "groups" else "open"
    bodies = [str(number) for number in range(20)]
    async with pumping(bus, queue, handler, idle_seconds=0.3):
        for body in bodies:
            await bus.send(queue, body)
            await asyncio.sleep(0.2)
        await until(lambda: bus.is_empty(queue))
        await until(lambda: len(bus.stand_in.calls.find(opened, queue)) > 2 * len(SESSIONS))
    assert handler.seen == bodies


@pytest.mark.parametrize("queue", ["ticks", "groups"])
async def test_closing_waits_for_the_function_under_way(bus: Bus, queue: QueueName) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def take_time(body: str) -> None:
        started.set()
        await asyncio.sleep(0.5)
        ended.set()

    await bus.send(queue, "body")
    async with pumping(bus, queue, Handler(take_time)):
        await started.wait()
        assert not ended.is_set()
    assert ended.is_set()
    assert bus.is_empty(queue)
