"""What a contract cannot see of the Service Bus adapter: what goes over the wire, and what trouble there becomes."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusReceiver

from adapters.foreign_messages import read_foreign
from adapters.messages import MessageQueues, OutgoingMessage
from adapters.servicebus.broker import LONGEST_BODY_BYTES, ServiceBusBroker
from adapters.servicebus.connection import BUSY, Connection, close
from adapters.servicebus.peeking import AT_ONCE
from domain.errors import NotFoundError, RejectedError, UnavailableError
from domain.queues import QueueName
from tests.builders import HOUR, MINUTE, delivery, events, reported, tick
from tests.servicebus import MOST_FAILURES, MemoryStore, broker_on, now, queue_settings
from tests.standins.servicebus import Fault, ServiceBusStandIn
from tests.standins.servicebus.messages import Content, State

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The SDK forgets to close what it held of a connection that was cut.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 20.0
LONG = b"x" * (LONGEST_BODY_BYTES + 1)


class Wire:
    """The adapter with its links to the stand-in, which stay open from test to test."""

    def __init__(self, stand_in: ServiceBusStandIn) -> None:
        self.stand_in = stand_in
        self.store = MemoryStore()
        self.broker = broker_on(stand_in, self.store, retry_backoff_factor=0.02)
        self.queues = MessageQueues(self.broker)
        # Of one that has no patience the test sees what the SDK has given up on.
        self.hasty = broker_on(stand_in, self.store, retry_total=1, retry_backoff_factor=0.01, try_timeout=1)
        self._receivers: dict[str, ServiceBusReceiver] = {}

    async def clear(self) -> None:
        self.stand_in.faults.clear()
        await self.stand_in.up()
        self.store.folds.is_all_folded = True
        assert await self.broker.passed(0)
        self.stand_in.purge()
        self.stand_in.calls.clear()
        self.store.clear()

    def waiting(self, queue: str) -> list[Content]:
        return [stored.content for stored in self.stand_in.peek(queue)]

    def batches(self, queue: str) -> list[int]:
        """How many messages each of them had."""
        return [len(call.messages) for call in self.stand_in.calls.find("send", queue) if call.error is None]

    async def kill(self, body: bytes = b"body", queue: QueueName = "ticks", **fields: Any) -> None:
        """Send a message and let Service Bus give it up."""
        await self.broker.send(queue, [OutgoingMessage(body, **fields)])
        receiver = self.receiver(queue)
        for _ in range(MOST_FAILURES):
            (message,) = await receiver.receive_messages(1, max_wait_time=5)
            await receiver.abandon_message(message)

    def receiver(self, queue: QueueName, session: str | None = None) -> ServiceBusReceiver:
        """Of a link that stays open."""
        if queue not in self._receivers:
            options: Any = {} if session is None else {"session_id": session}
            self._receivers[queue] = self.broker.client.get_queue_receiver(queue, **options)
        return self._receivers[queue]

    async def close(self) -> None:
        await close(*self._receivers.values())
        await asyncio.gather(self.broker.close(), self.hasty.close())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Wire]:
    async with ServiceBusStandIn(queue_settings()) as stand_in:
        wire = Wire(stand_in)
        yield wire
        await wire.close()
    gc.collect()  # here, where the warnings of what the SDK did not close are not errors


@pytest_asyncio.fixture(loop_scope="module")
async def wire(shared: Wire) -> AsyncIterator[Wire]:
    await shared.clear()
    yield shared
    shared.stand_in.faults.clear()


def plain(*bodies: bytes) -> list[OutgoingMessage]:
    return [OutgoingMessage(body) for body in bodies]


class TestMessages:
    async def test_events_go_to_their_session_with_their_size_and_an_id_of_no_meaning(self, wire: Wire) -> None:
        one = events(reported(group=5, number=1), reported(group=69, number=2))
        await wire.queues.send_events([one, one])
        first, second = wire.waiting("groups")
        assert (first.session_id, first.application_properties, first.scheduled_at) == ("5", {"size": 2}, None)
        assert first.body == second.body
        assert len({first.message_id, second.message_id}) == 2

    async def test_a_delivery_has_its_own_id_so_that_a_second_one_is_dropped(self, wire: Wire) -> None:
        await wire.queues.send_deliveries([delivery("a", postponed=2)])
        await wire.queues.send_deliveries([delivery("a", postponed=2)])
        assert [(content.message_id, content.session_id) for content in wire.waiting("deliveries")] == [("a-2", None)]

    async def test_a_tick_is_scheduled_unless_its_time_has_passed(self, wire: Wire) -> None:
        due_at = (now() + HOUR).replace(microsecond=0)
        await wire.queues.send_ticks([tick(due_at=due_at), tick(due_at=now() - MINUTE)])
        later, at_once = sorted(wire.stand_in.peek("ticks"), key=lambda stored: stored.state, reverse=True)
        assert (later.state, later.content.scheduled_at) == (State.SCHEDULED, due_at.timestamp())
        assert (at_once.state, at_once.content.scheduled_at) == (State.ACTIVE, None)

    async def test_the_stores_newest_token_goes_with_every_message_and_is_learnt(self, wire: Wire) -> None:
        wire.store.tokens.current = "0:1#42"
        await wire.broker.send("ticks", plain(b"body"))
        (sent,) = wire.waiting("ticks")
        assert await wire.broker.open(sent.body, sent.application_properties) == b"body"
        assert wire.store.tokens.learnt == ["0:1#42"]

    async def test_without_a_token_there_is_nothing_to_learn(self, wire: Wire) -> None:
        await wire.broker.send("ticks", plain(b"body"))
        (sent,) = wire.waiting("ticks")
        assert "causality" not in sent.application_properties
        assert await wire.broker.open(sent.body, sent.application_properties) == b"body"
        assert not wire.store.tokens.learnt

    async def test_importing_the_adapter_does_not_import_the_sdk(self) -> None:
        code = "import adapters.wiring, adapters.servicebus.broker, sys; sys.exit('azure.servicebus' in sys.modules)"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
        assert await process.wait() == 0


class TestLongBodies:
    async def test_a_long_body_goes_by_reference(self, wire: Wire) -> None:
        wire.store.tokens.current = "token"
        await wire.broker.send("groups", [OutgoingMessage(LONG, session="1", size=7)])
        (sent,) = wire.waiting("groups")
        assert (sent.body, sent.application_properties) == (
            b"payload-1",
            {"size": 7, "reference": "payload-1", "causality": "token"},
        )
        assert await wire.broker.open(sent.body, sent.application_properties) == LONG

    async def test_the_longest_that_fits_goes_as_it_is(self, wire: Wire) -> None:
        await wire.broker.send("groups", [OutgoingMessage(LONG[1:], session="1")])
        (sent,) = wire.waiting("groups")
        assert sent.body == LONG[1:]
        assert not wire.store.payloads.bodies

    async def test_nothing_overtakes_it_while_it_is_put_into_the_store(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put, may_go_on = wire.store.payloads.put, asyncio.Event()

        async def put_later(body: bytes) -> str:
            await may_go_on.wait()
            return await put(body)

        monkeypatch.setattr(wire.store.payloads, "put", put_later)
        sends = []
        for body in (b"before", LONG, b"after"):
            sends.append(asyncio.create_task(wire.broker.send("groups", [OutgoingMessage(body, session="1")])))
            await asyncio.sleep(0)
        await sends[0]
        assert [send.done() for send in sends] == [True, False, False]
        may_go_on.set()
        await asyncio.gather(*sends)
        assert [content.body for content in wire.waiting("groups")] == [b"before", b"payload-1", b"after"]

    async def test_one_that_the_store_does_not_take_fails_alone(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(body: bytes) -> str:
            raise UnavailableError("the store is down")

        monkeypatch.setattr(wire.store.payloads, "put", refuse)
        results = await asyncio.gather(
            *(wire.broker.send("ticks", plain(body)) for body in (b"before", LONG, b"after")), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), UnavailableError, type(None)]
        assert [content.body for content in wire.waiting("ticks")] == [b"before", b"after"]

    async def test_one_that_is_gone_is_rejected(self, wire: Wire) -> None:
        with pytest.raises(RejectedError):
            await wire.broker.open(b"payload-9", {"reference": "payload-9"})

    async def test_a_long_one_is_parked_read_and_replayed_by_reference(self, wire: Wire) -> None:
        await wire.broker.park("ticks", LONG, "reason", 3)
        assert {kept.letter.body for kept in wire.store.letters.kept.values()} == {b""}
        (letter,) = await wire.broker.list_dead()
        assert (letter.body, await wire.broker.get_dead(letter.id)) == (LONG, letter)
        await wire.broker.replay(letter.id)
        (sent,) = wire.waiting("ticks")
        assert (sent.body, len(wire.store.payloads.bodies)) == (b"payload-1", 1)
        assert await wire.broker.open(sent.body, sent.application_properties) == LONG

    async def test_one_whose_body_is_gone_is_listed_with_its_reference(self, wire: Wire) -> None:
        await wire.broker.park("ticks", LONG, "reason")
        wire.store.payloads.bodies.clear()
        (letter,) = await wire.broker.list_dead()
        assert letter.body == b"payload-1"

    async def test_a_dead_one_keeps_its_reference(self, wire: Wire) -> None:
        await wire.kill(LONG, size=2)
        (letter,) = await wire.broker.list_dead()
        assert (letter.body, letter.size) == (LONG, 2)
        await wire.broker.replay(letter.id)
        (sent,) = wire.waiting("ticks")
        assert (sent.application_properties["reference"], len(wire.store.payloads.bodies)) == ("payload-1", 1)


class TestBatches:
    async def test_the_messages_of_a_call_travel_together(self, wire: Wire) -> None:
        await wire.broker.send("groups", [OutgoingMessage(b"body", session=str(n)) for n in range(40)])
        assert wire.batches("groups") == [40]

    async def test_more_than_a_batch_holds_travels_in_several_in_order(self, wire: Wire) -> None:
        bodies = [b"%d " % n + b"x" * 30_000 for n in range(20)]
        await wire.broker.send("groups", [OutgoingMessage(body, session="1") for body in bodies])
        assert wire.batches("groups") == [8, 8, 4]
        assert [content.body for content in wire.waiting("groups")] == bodies

    async def test_many_small_messages_fill_a_batch_and_no_more(self, wire: Wire) -> None:
        await wire.broker.send("groups", [OutgoingMessage(b"x" * (n % 300), session="1") for n in range(3000)])
        assert sum(wire.batches("groups")) == 3000
        assert len(wire.batches("groups")) < 6

    async def test_senders_at_once_share_batches_and_put_each_message_on_the_wire_once(self, wire: Wire) -> None:
        await wire.broker.send("ticks", plain(b"first"))
        await asyncio.gather(*(wire.broker.send("ticks", plain(b"%d" % n)) for n in range(50)))
        sent = wire.stand_in.calls.messages("send", "ticks")
        assert [content.body for content in sent] == [b"first", *(b"%d" % n for n in range(50))]
        assert len(wire.batches("ticks")) <= 3

    async def test_a_first_send_may_come_from_many_at_once(self, wire: Wire) -> None:
        broker = broker_on(wire.stand_in, wire.store)
        await asyncio.gather(*(broker.send("ticks", plain(b"%d" % n)) for n in range(20)))
        await broker.close()
        assert sorted(int(content.body) for content in wire.waiting("ticks")) == list(range(20))

    async def test_a_caller_that_gives_up_cuts_short_nobody_else(self, wire: Wire) -> None:
        wire.stand_in.fault(Fault(at="send", does="hang", seconds=0.3, queue="ticks"))
        sends = [asyncio.create_task(wire.broker.send("ticks", plain(b"%d" % n))) for n in range(3)]
        await until(lambda: bool(wire.stand_in.calls.find("fault")))
        sends[0].cancel()
        await asyncio.gather(*sends[1:])
        assert {b"1", b"2"} <= {content.body for content in wire.waiting("ticks")}

    async def test_one_that_is_too_long_is_refused_alone(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        async def put(body: bytes) -> str:
            return "x" * 300_000

        monkeypatch.setattr(wire.store.payloads, "put", put)
        results = await asyncio.gather(
            *(wire.broker.send("ticks", plain(body)) for body in (b"before", LONG, b"after")), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), RejectedError, type(None)]
        assert [content.body for content in wire.waiting("ticks")] == [b"before", b"after"]

    async def test_what_was_sent_is_counted(self, wire: Wire) -> None:
        before = wire.broker.sent["intake"].messages, wire.broker.sent["intake"].batches
        await wire.broker.send("intake", plain(b"a", b"b"))
        await wire.broker.send("intake", plain(b"c"))
        sent = wire.broker.sent["intake"]
        assert (sent.messages - before[0], sent.batches - before[1]) == (3, 2)
        assert 0 < sent.bytes <= wire.stand_in.calls.count_bytes("send", "intake")

    async def test_no_messages_are_no_batch(self, wire: Wire) -> None:
        await wire.broker.send("ticks", [])
        assert not wire.stand_in.calls.find("send")


class TestTrouble:
    async def test_a_link_that_the_service_detached_is_opened_again(self, wire: Wire) -> None:
        await wire.broker.send("ticks", plain(b"1"))
        assert wire.stand_in.detach_links("ticks") > 0
        await wire.broker.send("ticks", plain(b"2"))
        assert [content.body for content in wire.waiting("ticks")] == [b"1", b"2"]

    async def test_a_connection_that_was_dropped_is_opened_again(self, wire: Wire) -> None:
        await wire.broker.send("ticks", plain(b"1"))
        wire.stand_in.drop_connections()
        await wire.broker.send("ticks", plain(b"2"))
        assert {b"1", b"2"} == {content.body for content in wire.waiting("ticks")}

    async def test_a_busy_service_is_asked_again(self, wire: Wire) -> None:
        wire.stand_in.fault(Fault(at="send", does="refuse", queue="ticks"))
        await wire.broker.send("ticks", plain(b"1"))
        assert wire.batches("ticks") == [1]

    async def test_one_that_stays_busy_says_when_to_come_again(self, wire: Wire) -> None:
        fault = wire.stand_in.fault(Fault(at="send", does="refuse", queue="ticks", times=None))
        with pytest.raises(UnavailableError, match="queue 'ticks': Service Bus is busy") as caught:
            await wire.hasty.send("ticks", plain(b"1"))
        assert caught.value.retry_after == BUSY
        wire.stand_in.faults.remove(fault)
        await wire.broker.send("ticks", plain(b"2"))
        assert [content.body for content in wire.waiting("ticks")] == [b"2"]

    async def test_a_lost_acknowledgement_repeats_the_batch_and_duplicates_are_dropped(self, wire: Wire) -> None:
        for queue in ("ticks", "deliveries"):
            wire.stand_in.fault(Fault(at="send", does="drop", when="after", queue=queue))
        await asyncio.gather(
            wire.broker.send("ticks", [OutgoingMessage(b"tick")]),
            wire.broker.send("deliveries", [OutgoingMessage(b"delivery", id="a-0")]),
        )
        ticks = wire.waiting("ticks")
        assert len(ticks) == 2
        assert len({content.message_id for content in ticks}) == 1
        assert len(wire.waiting("deliveries")) == 1

    async def test_a_broker_that_is_down_is_unavailable_and_found_again(self, wire: Wire) -> None:
        await wire.broker.send("ticks", plain(b"1"))
        await wire.stand_in.down()
        results = await asyncio.gather(
            wire.broker.send("ticks", plain(b"2")),
            wire.broker.send("groups", [OutgoingMessage(b"3", session="1")]),
            wire.broker.list_dead(),
            wire.broker.count_waiting(),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [UnavailableError] * 4
        await wire.stand_in.up()
        await wire.broker.send("ticks", plain(b"4"))
        assert [content.body for content in wire.waiting("ticks")] == [b"1", b"4"]
        assert not await wire.broker.list_dead()
        assert await wire.broker.count_waiting() == 0

    async def test_one_that_never_answers_is_given_up(self, wire: Wire) -> None:
        wire.stand_in.fault(Fault(at="open", does="hang", queue="ticks", role="sender", times=None))
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="cannot send to queue 'ticks'"):
            await wire.hasty.send("ticks", plain(b"1"))
        assert time.monotonic() - started < 10

    @pytest.mark.parametrize(
        ("condition", "words"),
        [
            pytest.param(
                "amqp:unauthorized-access", "this identity may not, or there is no such queue", id="not allowed"
            ),
            pytest.param("amqp:not-found", "there is no such queue in the namespace", id="no such queue"),
            pytest.param("amqp:resource-limit-exceeded", "the queue is full", id="full"),
        ],
    )
    async def test_a_fault_of_the_configuration_is_named(self, wire: Wire, condition: str, words: str) -> None:
        at: Any = "send" if "limit" in condition else "open"
        wire.stand_in.fault(Fault(at=at, does="refuse", queue="ticks", condition=condition, times=None))
        with pytest.raises(UnavailableError, match=f"cannot send to queue 'ticks': {words}"):
            await wire.hasty.send("ticks", plain(b"1"))

    async def test_a_queue_that_nobody_made_is_named(self, wire: Wire) -> None:
        queues = {name: settings for name, settings in queue_settings().items() if name != "intake"}
        async with ServiceBusStandIn(queues) as stand_in:
            broker = broker_on(stand_in, wire.store, retry_total=0)
            with pytest.raises(UnavailableError, match=r"cannot send to queue 'intake': .*there is no such queue"):
                await broker.send("intake", plain(b"1"))
            with pytest.raises(UnavailableError, match="cannot read the dead letters of queue 'intake'"):
                await broker.list_dead()
            await broker.close()

    async def test_an_identity_that_gets_no_token_is_unavailable(self, wire: Wire) -> None:
        class NoToken(Token):
            async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
                from azure.core.exceptions import ClientAuthenticationError

                raise ClientAuthenticationError("no managed identity endpoint found")

        broker = ServiceBusBroker(on_namespace(wire, NoToken()), wire.store.store, now)
        with pytest.raises(UnavailableError, match="no managed identity endpoint found"):
            await broker.send("ticks", plain(b"1"))
        await broker.close()

    async def test_a_namespace_is_asked_with_the_credentials_token(self, wire: Wire) -> None:
        broker = ServiceBusBroker(on_namespace(wire, Token()), wire.store.store, now)
        await broker.send("ticks", plain(b"1"))
        await broker.close()
        assert any(call.identity.startswith("jwt") for call in wire.stand_in.calls.find("token"))


class TestDeadLetters:
    async def test_they_are_gathered_from_every_queue(self, wire: Wire) -> None:
        await wire.kill(b"a", "ticks", size=1)
        await wire.kill(b"b", "intake", size=2)
        assert await wire.broker.gather_dead() == 2
        assert await wire.broker.gather_dead() == 0
        letters = await wire.broker.list_dead()
        assert {(letter.queue, letter.body, letter.size, letter.delivery_count) for letter in letters} == {
            ("ticks", b"a", 1, MOST_FAILURES),
            ("intake", b"b", 2, MOST_FAILURES),
        }

    async def test_one_that_could_not_be_completed_is_kept_once(self, wire: Wire) -> None:
        await wire.kill()
        queue = "ticks/$DeadLetterQueue"
        wire.stand_in.fault(Fault(at="settle", does="lose-lock", queue=queue))
        with pytest.raises(UnavailableError):
            await wire.broker.gather_dead()
        assert len(wire.store.letters.kept) == 1
        assert len(await wire.broker.list_dead()) == 1
        assert not wire.waiting(queue)

    async def test_two_instances_gather_none_twice(self, wire: Wire) -> None:
        for body in (b"a", b"b", b"c"):
            await wire.kill(body)
        other = broker_on(wire.stand_in, wire.store)
        await asyncio.gather(wire.broker.gather_dead(), other.gather_dead())
        await other.close()
        assert sorted(kept.letter.body for kept in wire.store.letters.kept.values()) == [b"a", b"b", b"c"]

    async def test_one_is_found_by_its_id_before_anybody_has_listed_it(self, wire: Wire) -> None:
        await wire.kill()
        (dead,) = wire.stand_in.peek("ticks/$DeadLetterQueue")
        assert (await wire.broker.get_dead(f"ticks-{dead.number}")).body == b"body"

    async def test_what_a_producer_dead_lettered_itself_says_why(self, wire: Wire) -> None:
        await wire.broker.send("intake", plain(b"odd"))
        (message,) = await wire.receiver("intake").receive_messages(1, max_wait_time=5)
        await wire.receiver("intake").dead_letter_message(message, "odd", "I do not like it")
        (letter,) = await wire.broker.list_dead()
        assert letter.reason == "odd: I do not like it"

    async def test_a_foreign_one_is_kept_with_what_says_what_it_is(self, wire: Wire) -> None:
        async with wire.broker.client.get_queue_sender("intake") as sender:
            await sender.send_messages(
                ServiceBusMessage(b"\xff", application_properties={"kind": "zabbix", "key": "x"})
            )
        (message,) = await wire.receiver("intake").receive_messages(1, max_wait_time=5)
        await wire.receiver("intake").dead_letter_message(message, "odd", "I do not like it")
        (letter,) = await wire.broker.list_dead()
        again = read_foreign(letter.body, {"size": 0}, None)
        assert again is not None
        assert (again.kind, again.key, again.body) == ("zabbix", "x", b"\xff")

    async def test_a_replay_that_cannot_be_sent_keeps_the_letter(self, wire: Wire) -> None:
        await wire.broker.park("ticks", b"body", "reason")
        (letter,) = await wire.broker.list_dead()
        await wire.stand_in.down()
        with pytest.raises(UnavailableError):
            await wire.broker.replay(letter.id)
        await wire.stand_in.up()
        await wire.broker.replay(letter.id)
        with pytest.raises(NotFoundError):
            await wire.broker.replay(letter.id)
        assert [content.body for content in wire.waiting("ticks")] == [b"body"]


class TestCounting:
    async def test_all_sessions_are_counted_locked_or_not_over_several_pages(self, wire: Wire) -> None:
        many = AT_ONCE + 50
        await wire.broker.send("groups", [OutgoingMessage(b"", session=str(n % 64), size=2) for n in range(many)])
        assert await wire.receiver("groups", "3").receive_messages(2, max_wait_time=5)
        assert await wire.broker.count_waiting() == 2 * many

    async def test_a_fault_at_peeking_is_unavailable_and_passes(self, wire: Wire) -> None:
        wire.stand_in.fault(Fault(at="manage", does="refuse", queue="groups", times=None))
        with pytest.raises(UnavailableError, match="cannot peek into queue 'groups'"):
            await wire.hasty.count_waiting()
        wire.stand_in.faults.clear()
        assert await wire.broker.count_waiting() == 0

    async def test_what_is_accepted_is_added_up(self, wire: Wire) -> None:
        wire.store.folds.size = 100
        await wire.broker.park("groups", b"", "reason", 10)
        await wire.broker.send("groups", [OutgoingMessage(b"", session="1", size=1)])
        assert await wire.broker.count_accepted() == 111


class Token:
    """A credential."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("a.b.c", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Token:
        return self

    async def __aexit__(self, *_: object) -> None: ...


def on_namespace(wire: Wire, credential: Token) -> Connection:
    """As on Azure, but for TLS."""
    namespace = wire.stand_in.url.removeprefix("sb://")
    options = {"use_tls": False, "retry_total": 0}
    return Connection(namespace=namespace, credential=credential, options=options)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():  # noqa: ASYNC110  the stand-in has no event for it
            await asyncio.sleep(0.005)
