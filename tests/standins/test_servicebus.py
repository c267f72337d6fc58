"""What Tocsin leans on, asked of the stand-in with the real SDK for Python."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus._common import mgmt_handlers
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusError,
    ServiceBusServerBusyError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from tests.standins.servicebus import Fault, QueueSettings, ServiceBusStandIn
from tests.standins.servicebus.control import stand_in_process
from tests.standins.servicebus.frames import (
    AMQP_HEADER,
    OPEN,
    SASL_HEADER,
    SASL_INIT,
    SASL_MECHANISMS,
    SASL_OUTCOME,
    Frame,
    read_frame,
    write_frame,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The SDK forgets to close what it held of a connection that was cut.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]

QUEUES = {
    "intake": QueueSettings(max_delivery_count=3, lock_seconds=30),
    "groups": QueueSettings(max_delivery_count=3, lock_seconds=30, sessions=True),
    "deliveries": QueueSettings(duplicate_window_seconds=600),
}
DEAD = ServiceBusSubQueue.DEAD_LETTER


class Client:
    """The SDK's client for a whole module: an open sender for each queue, and receivers whose closing nobody waits for.

    Opening and closing cost up to a second each, all of it sleep.
    """

    def __init__(self, client: ServiceBusClient) -> None:
        self.sdk = client
        self._senders: dict[str, ServiceBusSender] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def sender(self, queue: str) -> ServiceBusSender:
        if queue not in self._senders:
            self._senders[queue] = await self.sdk.get_queue_sender(queue).__aenter__()
        return self._senders[queue]

    async def send(self, queue: str, *messages: ServiceBusMessage) -> None:
        """As one batch."""
        await (await self.sender(queue)).send_messages(list(messages))

    @asynccontextmanager
    async def receiver(self, queue: str, **how: Any) -> AsyncIterator[ServiceBusReceiver]:
        receiver = self.sdk.get_queue_receiver(queue, **how)
        await receiver.__aenter__()
        try:
            yield receiver
        finally:
            self._closing.add(asyncio.create_task(receiver.close()))

    async def close(self) -> None:
        await asyncio.gather(*self._closing)


@asynccontextmanager
async def connected(connection_string: str, **settings: Any) -> AsyncIterator[ServiceBusClient]:
    # The SDK sleeps through its `socket_timeout` wherever it waits for a frame.
    quick = {"socket_timeout": 0.05, "retry_total": 2, "retry_backoff_factor": 0.05, "try_timeout": 5}
    async with ServiceBusClient.from_connection_string(connection_string, **{**quick, **settings}) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[ServiceBusStandIn, Client]]:
    async with ServiceBusStandIn(QUEUES) as broker, connected(broker.connection_string) as sdk:
        client = Client(sdk)
        yield broker, client
        await client.close()


@pytest.fixture
def broker(running: tuple[ServiceBusStandIn, Client]) -> ServiceBusStandIn:
    broker = running[0]
    broker.purge()
    broker.faults.clear()
    broker.calls.clear()
    return broker


@pytest.fixture
def client(running: tuple[ServiceBusStandIn, Client], broker: ServiceBusStandIn) -> Client:
    return running[1]


def after(broker: ServiceBusStandIn, **span: float) -> datetime:
    """By the broker's clock, which tests move on."""
    return datetime.fromtimestamp(broker.clock.now(), UTC) + timedelta(**span)


async def receive(receiver: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    """Exactly so many, locked."""
    found: list[ServiceBusReceivedMessage] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += await receiver.receive_messages(count - len(found), max_wait_time=1)
    return found


async def nothing_comes(receiver: ServiceBusReceiver) -> bool:
    return await receiver.receive_messages(1, max_wait_time=0.2) == []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110, what is awaited happens inside the SDK
            await asyncio.sleep(0.01)


async def send(client: ServiceBusClient, queue: str, message: ServiceBusMessage) -> None:
    async with client.get_queue_sender(queue) as sender:
        await sender.send_messages(message)


def texts(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]


# Sending


async def test_what_a_message_carries_arrives_with_the_types_it_had(broker: ServiceBusStandIn, client: Client) -> None:
    some_id = uuid.uuid4()
    properties: dict[str | bytes, Any] = {
        "int": 7,
        "float": 1.5,
        "str": "é",
        "bool": True,
        "uuid": some_id,
    }
    message = ServiceBusMessage(
        b"\x00\x01body",
        message_id="m1",
        session_id="s",
        subject="created",
        correlation_id="c1",
        content_type="application/json",
        application_properties=properties,
    )
    await client.send("intake", message)
    async with client.receiver("intake") as receiver:
        [got] = await receive(receiver, 1)
        await receiver.complete_message(got)

    assert (b"".join(got.body), got.message_id, got.session_id, got.subject) == (b"\x00\x01body", "m1", "s", "created")
    assert (got.correlation_id, got.content_type) == ("c1", "application/json")
    # The SDK gives the keys, and the strings, as bytes.
    assert got.application_properties == {
        **{str(name).encode(): value for name, value in properties.items()},
        b"str": "é".encode(),
    }
    assert got.delivery_count == 0
    assert got.enqueued_time_utc is not None
    assert abs(got.enqueued_time_utc - after(broker)) < timedelta(seconds=30)


async def test_one_message_a_list_and_a_batch_are_stored_in_order_and_a_batch_is_one_transfer(
    broker: ServiceBusStandIn, client: Client
) -> None:
    sender = await client.sender("intake")
    await sender.send_messages(ServiceBusMessage("single"))
    await sender.send_messages([ServiceBusMessage("list 1"), ServiceBusMessage("list 2")])
    batch = await sender.create_message_batch()
    for number in range(100):
        batch.add_message(ServiceBusMessage(f"batch {number}", application_properties={"number": number}))
    await sender.send_messages(batch)
    stored = broker.peek("intake")

    expected = ["single", "list 1", "list 2", *(f"batch {number}" for number in range(100))]
    assert [message.content.body.decode() for message in stored] == expected
    assert stored[-1].content.application_properties == {"number": 99}
    assert [len(call.messages) for call in broker.calls.find("send", "intake")] == [1, 2, 100]
    assert broker.calls.count_messages("send", "intake") == 103
    assert {call.identity for call in broker.calls.find("send")} == {"RootManageSharedAccessKey"}


async def test_a_message_of_many_frames_passes_and_one_over_256_kib_does_not(
    broker: ServiceBusStandIn, client: Client
) -> None:
    sender = await client.sender("intake")
    async with client.receiver("intake") as receiver:
        await sender.send_messages(ServiceBusMessage(b"x" * 250_000))
        [big] = await receive(receiver, 1)
        assert b"".join(big.body) == b"x" * 250_000
        await receiver.complete_message(big)
        with pytest.raises(MessageSizeExceededError):
            await sender.send_messages(ServiceBusMessage(b"x" * 270_000))
        batch = await sender.create_message_batch()
        assert batch.max_size_in_bytes == 262_144
        for _ in range(13):
            batch.add_message(ServiceBusMessage(b"y" * 20_000))
        with pytest.raises(MessageSizeExceededError):
            batch.add_message(ServiceBusMessage(b"y" * 20_000))
    assert broker.counts("intake").active == 0


async def test_what_is_scheduled_comes_when_it_is_due_and_not_before(broker: ServiceBusStandIn, client: Client) -> None:
    sender = await client.sender("intake")
    async with client.receiver("intake") as receiver:
        later = ServiceBusMessage("annotated", scheduled_enqueue_time_utc=after(broker, hours=2))
        await sender.send_messages(later)
        numbers = await sender.schedule_messages(
            [ServiceBusMessage("by request"), ServiceBusMessage("cancelled")], after(broker, hours=1)
        )
        await sender.cancel_scheduled_messages(numbers[1])
        assert await nothing_comes(receiver)
        assert broker.counts("intake").scheduled == 2
        broker.advance(3601)
        [first] = await receive(receiver, 1)
        await receiver.complete_message(first)
        broker.advance(3600)
        [second] = await receive(receiver, 1)
        await receiver.complete_message(second)
        assert texts([first, second]) == ["by request", "annotated"]
        assert (first.sequence_number or 0) < (second.sequence_number or 0)


async def test_a_duplicate_within_the_window_is_accepted_and_dropped(broker: ServiceBusStandIn, client: Client) -> None:
    sender = await client.sender("deliveries")
    for _ in range(2):
        await sender.send_messages(ServiceBusMessage("x", message_id="same"))
    await sender.send_messages([ServiceBusMessage("y", message_id="same"), ServiceBusMessage("z", message_id="2")])
    assert [message.content.body for message in broker.peek("deliveries")] == [b"x", b"z"]
    broker.advance(601)
    await sender.send_messages(ServiceBusMessage("again", message_id="same"))
    assert broker.counts("deliveries").active == 3


async def test_what_is_no_queue_or_no_part_of_the_stand_in_is_refused_by_name(
    broker: ServiceBusStandIn, client: Client
) -> None:
    async with connected(broker.connection_string, retry_total=0) as other:
        with pytest.raises(ServiceBusAuthenticationError):  # the SDK keeps the broker's words to itself
            await send(other, "nowhere", ServiceBusMessage("x"))
    assert broker.calls.find("token")[-1].error == "amqp:not-found"
    with pytest.raises(ServiceBusError, match="SessionId was not set"):
        await client.send("groups", ServiceBusMessage("x"))
    async with client.receiver("intake") as receiver:
        with pytest.raises(ServiceBusError, match="stand-in has no operation 'enumerate-rules'"):
            await receiver._mgmt_request_response_with_retry(  # no public method of a queue asks for that
                b"com.microsoft:enumerate-rules", {}, mgmt_handlers.default
            )


# Receiving


async def test_an_abandoned_message_comes_again_and_dies_of_the_last_time(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.send("intake", ServiceBusMessage("poison", message_id="p"))
    async with client.receiver("intake") as receiver:
        for count in range(3):
            [message] = await receive(receiver, 1)
            assert message.delivery_count == count
            await receiver.abandon_message(message)
        assert broker.counts("intake").active == 0
    async with client.receiver("intake", sub_queue=DEAD) as receiver:
        [dead] = await receive(receiver, 1)
        assert (dead.dead_letter_reason, dead.dead_letter_source) == ("MaxDeliveryCountExceeded", "intake")
        assert (dead.message_id, dead.delivery_count) == ("p", 3)


@pytest.mark.parametrize("queue", ["intake", "groups"])
async def test_a_dead_letter_keeps_what_it_had_and_says_why_and_needs_no_session_to_be_read(
    queue: str, client: Client
) -> None:
    await client.send(queue, ServiceBusMessage("b", message_id="m", session_id="1", application_properties={"k": 1}))
    session = "1" if queue == "groups" else None
    async with client.receiver(queue, session_id=session) as receiver:
        [message] = await receive(receiver, 1)
        await receiver.dead_letter_message(message, reason="BadSchema", error_description="field a")
    async with client.receiver(queue, sub_queue=DEAD) as receiver:
        assert [peeked.message_id for peeked in await receiver.peek_messages(10)] == ["m"]
        [dead] = await receive(receiver, 1)
        await receiver.complete_message(dead)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("BadSchema", "field a")
    assert (dead.session_id, (dead.application_properties or {})[b"k"], str(dead)) == ("1", 1, "b")
    assert dead.sequence_number == message.sequence_number


async def test_peeking_changes_nothing_and_shows_what_is_locked_or_scheduled(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.send("intake", *(ServiceBusMessage(f"{number}") for number in range(3)))
    await client.send("intake", ServiceBusMessage("later", scheduled_enqueue_time_utc=after(broker, hours=1)))
    async with client.receiver("intake") as receiver:
        [locked] = await receive(receiver, 1)
        peeked = await receiver.peek_messages(10, sequence_number=1)
        assert texts(peeked) == ["0", "1", "2", "later"]
        assert [message.state.name for message in peeked] == ["ACTIVE", "ACTIVE", "ACTIVE", "SCHEDULED"]
        await receiver.complete_message(locked)
        assert broker.counts("intake").active == 2


async def test_a_lock_holds_while_it_is_renewed_and_no_longer(broker: ServiceBusStandIn, client: Client) -> None:
    await client.send("intake", ServiceBusMessage("m"))
    async with client.receiver("intake") as receiver:
        [message] = await receive(receiver, 1)
        broker.advance(20)
        await receiver.renew_message_lock(message)
        broker.advance(20)
        assert broker.counts("intake").locked == 1
        broker.advance(11)
        with pytest.raises(MessageLockLostError):
            await receiver.complete_message(message)
        [again] = await receive(receiver, 1)
        assert again.delivery_count == 1
        await receiver.complete_message(again)
    assert broker.counts("intake") == broker.counts("deliveries")


async def test_the_sdk_renews_locks_by_itself(broker: ServiceBusStandIn, client: Client) -> None:
    await client.send("groups", ServiceBusMessage("m", session_id="renewed"))
    async with AutoLockRenewer() as renewer, client.receiver("groups", session_id="renewed") as receiver:
        # It renews what ends within ten seconds.
        broker.namespace.find("groups").sessions["renewed"].locked_until -= 25
        assert receiver.session is not None
        receiver.session._locked_until_utc = datetime.now(UTC) + timedelta(seconds=5)
        renewer.register(receiver, receiver.session)
        await until(lambda: broker.calls.count("renew-session-lock", "groups") > 0)


async def test_prefetched_messages_go_back_uncounted_when_their_receiver_closes(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.send("intake", *(ServiceBusMessage(f"{number}") for number in range(20)))
    async with client.sdk.get_queue_receiver("intake", prefetch_count=10) as receiver:
        for message in await receive(receiver, 2):
            await receiver.complete_message(message)
    await until(lambda: broker.counts("intake").locked == 0)
    assert [(message.content.body, message.delivery_count) for message in broker.peek("intake")] == [
        (str(number).encode(), 0) for number in range(2, 20)
    ]


async def test_a_drain_uses_up_the_credit_so_that_nothing_is_locked_for_nobody(
    broker: ServiceBusStandIn, client: Client
) -> None:
    sender = await client.sender("intake")
    async with client.receiver("intake") as receiver:
        assert await receiver.receive_messages(5, max_wait_time=0.2) == []
        await sender.send_messages(ServiceBusMessage("m"))
        [message] = await receive(receiver, 1)
        await receiver.complete_message(message)
    assert broker.counts("intake").locked == 0


async def test_receive_and_delete_takes_for_good(broker: ServiceBusStandIn, client: Client) -> None:
    await client.send("intake", ServiceBusMessage("m"))
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    async with client.receiver("intake", receive_mode=mode) as receiver:
        assert texts(await receive(receiver, 1)) == ["m"]
    assert broker.peek("intake") == []


# Sessions


async def test_a_session_gives_its_own_messages_in_order_to_one_receiver(
    broker: ServiceBusStandIn, client: Client
) -> None:
    messages = [ServiceBusMessage(f"{name}{number}", session_id=name) for number in range(3) for name in "AB"]
    await client.send("groups", *messages)
    async with client.receiver("groups", session_id="A") as first:
        taken = await receive(first, 3)
        assert texts(taken) == ["A0", "A1", "A2"]
        async with connected(broker.connection_string, retry_total=0) as other:
            with pytest.raises(SessionCannotBeLockedError):
                async with other.get_queue_receiver("groups", session_id="A"):
                    pass
        async with client.receiver("groups", session_id=NEXT_AVAILABLE_SESSION) as second:
            assert second.session is not None
            assert second.session.session_id == "B"
            for message in await receive(second, 3):
                await second.complete_message(message)
        assert [name async for name in client.sdk.list_queue_sessions("groups")] == ["A"]
        await first.abandon_message(taken[0])
        [again] = await receive(first, 1)
        assert (str(again), again.delivery_count) == ("A0", 1)
    # Documented: what a closed session held counts as never delivered.
    await until(lambda: broker.counts("groups").locked == 0)
    assert [message.delivery_count for message in broker.peek("groups")] == [1, 0, 0]


async def test_a_session_without_messages_is_accepted_by_its_id_and_waits_for_some(client: Client) -> None:
    async with client.receiver("groups", session_id="empty") as receiver:
        waiting = asyncio.ensure_future(receive(receiver, 1))
        await client.send("groups", ServiceBusMessage("m", session_id="empty"))
        assert texts(await waiting) == ["m"]


async def test_with_no_session_to_be_had_the_wait_for_one_ends(broker: ServiceBusStandIn) -> None:
    async with connected(broker.connection_string, retry_total=0) as client:
        with pytest.raises(OperationTimeoutError):
            async with client.get_queue_receiver("groups", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1):
                pass
        with pytest.raises(ServiceBusError, match="requires sessions"):
            async with client.get_queue_receiver("groups"):
                pass


async def test_a_session_lock_is_renewed_or_lost_with_all_it_held(broker: ServiceBusStandIn, client: Client) -> None:
    await client.send("groups", ServiceBusMessage("m", session_id="S"))
    async with client.receiver("groups", session_id="S") as receiver:
        [message] = await receive(receiver, 1)
        broker.advance(20)
        assert receiver.session is not None
        await receiver.session.renew_lock()
        broker.advance(20)
        assert broker.counts("groups").locked == 1
        broker.advance(11)
        with pytest.raises(SessionLockLostError):
            await receiver.complete_message(message)
    [returned] = broker.peek("groups")
    assert (returned.token, returned.delivery_count) == (None, 1)


async def test_no_heartbeat_comes_before_the_client_has_opened(broker: ServiceBusStandIn) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)

    async def read() -> Frame:
        size = await reader.readexactly(4)
        return read_frame(size + await reader.readexactly(int.from_bytes(size) - 4))

    async with asyncio.timeout(10):
        writer.write(SASL_HEADER)
        assert await reader.readexactly(8) == SASL_HEADER
        assert (await read()).code == SASL_MECHANISMS
        broker.beat()
        writer.write(write_frame(0, SASL_INIT, ["ANONYMOUS"], sasl=True))
        assert (await read()).code == SASL_OUTCOME
        writer.write(AMQP_HEADER)
        assert await reader.readexactly(8) == AMQP_HEADER
        broker.beat()
        writer.write(write_frame(0, OPEN, ["client", None, None]))
        assert (await read()).code == OPEN
        broker.beat()
        assert (await read()).code is None
    writer.close()
    await writer.wait_closed()


# Trouble


async def test_a_sender_recovers_from_detached_links_closed_and_cut_connections(
    broker: ServiceBusStandIn, client: Client
) -> None:
    sender = await client.sender("intake")
    await sender.send_messages(ServiceBusMessage("1"))
    assert broker.detach_links("intake", "sender") == 1
    await sender.send_messages(ServiceBusMessage("2"))
    broker.drop_connections()
    await sender.send_messages(ServiceBusMessage("3"))
    broker.faults.add(Fault(at="send", does="drop", queue="intake"))
    await sender.send_messages(ServiceBusMessage("4"))
    broker.faults.add(Fault(at="send", does="detach", queue="intake"))
    await sender.send_messages(ServiceBusMessage("5"))
    assert [message.content.body for message in broker.peek("intake")] == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize(("queue", "copies"), [("intake", 2), ("deliveries", 1)])
async def test_a_lost_acknowledgement_makes_a_second_copy_unless_duplicates_are_detected(
    queue: str, copies: int, broker: ServiceBusStandIn, client: Client
) -> None:
    broker.faults.add(Fault(at="send", does="drop", when="after", queue=queue))
    sender = await client.sender(queue)
    await sender.send_messages(ServiceBusMessage("x", message_id="fixed"))
    assert broker.calls.count_messages("send", queue) == 2
    assert broker.counts(queue).active == copies


async def test_a_busy_server_is_ridden_out_as_often_as_the_client_retries(
    broker: ServiceBusStandIn, client: Client
) -> None:
    sender = await client.sender("intake")
    broker.faults.add(Fault(at="send", does="refuse", times=2))
    await sender.send_messages(ServiceBusMessage("ok"))
    broker.faults.add(Fault(at="send", does="refuse", times=3))
    with pytest.raises(ServiceBusServerBusyError):
        await sender.send_messages(ServiceBusMessage("lost"))
    assert [call.error for call in broker.calls.find("send")].count("com.microsoft:server-busy") == 5
    assert broker.counts("intake").active == 1


async def test_opening_and_sending_may_hang(broker: ServiceBusStandIn) -> None:
    async with connected(broker.connection_string, try_timeout=1.5, retry_total=0) as client:
        broker.faults.add(Fault(at="open", does="hang", queue="intake", role="sender"))
        with pytest.raises(OperationTimeoutError):
            await send(client, "intake", ServiceBusMessage("x"))
        broker.faults.add(Fault(at="open", does="refuse", queue="intake"))
        with pytest.raises(ServiceBusServerBusyError):
            await send(client, "intake", ServiceBusMessage("x"))
        broker.faults.add(Fault(at="send", does="hang", when="after"))
        with pytest.raises(OperationTimeoutError):
            await send(client, "intake", ServiceBusMessage("stored"))
    assert [message.content.body for message in broker.peek("intake")] == [b"stored"]


async def test_what_a_detached_receiver_held_is_settled_by_its_lock_token(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.send("intake", ServiceBusMessage("m"))
    async with client.receiver("intake") as receiver:
        [message] = await receive(receiver, 1)
        broker.detach_links("intake", "receiver")
        await receiver.complete_message(message)
    assert broker.peek("intake") == []
    assert broker.calls.count("complete", "intake") == 1


async def test_locks_can_be_lost_and_completed_messages_can_come_again(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.send("intake", ServiceBusMessage("m"))
    async with client.receiver("intake") as receiver:
        broker.faults.add(Fault(at="settle", does="lose-lock", queue="intake"))
        [message] = await receive(receiver, 1)
        with pytest.raises(MessageLockLostError):
            await receiver.complete_message(message)
        broker.faults.add(Fault(at="settle", does="repeat", queue="intake", operation="complete"))
        for count in (1, 2):
            [message] = await receive(receiver, 1)
            assert message.delivery_count == count
            await receiver.complete_message(message)
        assert await nothing_comes(receiver)


async def test_what_the_client_has_settled_can_be_neither_refused_nor_kept_waiting(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.sender("groups")  # open, so that it is quick
    async with client.receiver("groups", session_id="S") as receiver:
        assert await nothing_comes(receiver)
        refused = broker.faults.add(Fault(at="settle", does="refuse"))
        hung = broker.faults.add(Fault(at="settle", does="hang"))
        renewal = broker.faults.add(Fault(at="manage", does="hang", seconds=2))
        assert receiver.session is not None
        renewing = asyncio.create_task(receiver.session.renew_lock())
        await until(lambda: renewal.done)
        # It comes by the credit that the receive left, while only the renewal listens: the SDK gives it back, settled.
        await client.send("groups", ServiceBusMessage("m", session_id="S"))
        await until(lambda: broker.calls.count("release", "groups") == 1)
        await renewing
        assert (refused.struck, hung.struck) == (0, 0)
        assert texts(await receive(receiver, 1)) == ["m"]


async def test_what_was_to_be_settled_before_a_hang_is_settled_after_it(
    broker: ServiceBusStandIn, client: Client
) -> None:
    await client.send("intake", ServiceBusMessage("m"))
    async with client.receiver("intake") as receiver:
        [message] = await receive(receiver, 1)
        broker.faults.add(Fault(at="settle", does="hang", seconds=0.3))
        completing = asyncio.create_task(receiver.complete_message(message))
        await until(lambda: not broker.faults.pending)
        assert broker.counts("intake").locked == 1
        await completing
    assert broker.peek("intake") == []


async def test_one_of_each_fault_is_outlived_by_a_client_that_tries_again(broker: ServiceBusStandIn) -> None:
    faults = [
        Fault(at="connect", does="drop"),
        Fault(at="connect", does="hang"),
        Fault(at="connect", does="hang", seconds=0.3),
        Fault(at="token", does="drop"),
        Fault(at="token", does="refuse", condition="amqp:unauthorized-access"),
        Fault(at="token", does="hang", seconds=0.3),
        Fault(at="open", does="drop"),
        Fault(at="open", does="refuse"),
        Fault(at="open", does="hang", seconds=0.3),
        Fault(at="send", does="hang", seconds=0.3),
        Fault(at="deliver", does="drop"),
        Fault(at="deliver", does="detach", condition="amqp:link:detach-forced"),
        Fault(at="deliver", does="lose-lock"),
        Fault(at="deliver", does="late", seconds=0.3),
        Fault(at="settle", does="refuse"),
        Fault(at="settle", does="drop"),
        Fault(at="settle", does="drop", when="after"),
        Fault(at="settle", does="detach"),
        Fault(at="settle", does="hang", seconds=0.3),
    ]

    async def outlive(client: ServiceBusClient, number: int, fault: Fault) -> None:
        queue = broker.namespace.declare(f"queue-{number}", QueueSettings(lock_seconds=1)).name
        broker.faults.add(replace(fault, queue=None if fault.at == "connect" else queue))
        await persist(lambda: send(client, queue, ServiceBusMessage("m")))

        async def consume() -> None:
            async with client.get_queue_receiver(queue) as receiver:
                while broker.peek(queue):
                    for message in await receiver.receive_messages(1, max_wait_time=0.2):
                        await receiver.complete_message(message)

        await persist(consume)
        assert broker.peek(queue) == []

    async with connected(broker.connection_string, socket_timeout=0.2) as client:
        await asyncio.gather(*(outlive(client, number, fault) for number, fault in enumerate(faults)))
    assert broker.faults.pending == []


async def persist(act: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(90):  # two dozen links that open at once take their time on a busy machine
        while True:
            with suppress(ServiceBusError):
                return await act()


async def test_a_lost_session_is_there_for_another_receiver(broker: ServiceBusStandIn, client: Client) -> None:
    await client.send("groups", ServiceBusMessage("m", session_id="S"))
    broker.faults.add(Fault(at="deliver", does="lose-lock", queue="groups", session="S"))
    async with client.receiver("groups", session_id="S") as receiver:
        [message] = await receive(receiver, 1)
        with pytest.raises(SessionLockLostError):
            await receiver.complete_message(message)
    async with client.receiver("groups", session_id="S") as receiver:
        [message] = await receive(receiver, 1)
        assert message.delivery_count == 1
        await receiver.complete_message(message)


async def test_a_late_session_is_overtaken_and_keeps_its_own_order(broker: ServiceBusStandIn, client: Client) -> None:
    broker.faults.add(Fault(at="deliver", does="late", queue="groups", session="A", seconds=60))
    messages = [ServiceBusMessage(f"{name}{number}", session_id=name) for number in range(2) for name in "AB"]
    await client.send("groups", *messages)
    async with (
        client.receiver("groups", session_id="A") as a,
        client.receiver("groups", session_id="B") as b,
    ):
        assert await nothing_comes(a)
        assert texts(await receive(b, 2)) == ["B0", "B1"]
        broker.namespace.find("groups").renew_session("A")
        broker.namespace.find("groups").sessions["A"].locked_until += 100
        broker.advance(61)
        assert texts(await receive(a, 2)) == ["A0", "A1"]


async def test_a_broker_that_is_down_refuses_and_remembers(broker: ServiceBusStandIn, client: Client) -> None:
    sender = await client.sender("intake")
    await sender.send_messages(ServiceBusMessage("before"))
    port = broker.port
    await broker.down()
    with pytest.raises(ServiceBusError):
        await sender.send_messages(ServiceBusMessage("lost"))
    await broker.up()
    assert broker.port == port
    await sender.send_messages(ServiceBusMessage("after"))
    assert [message.content.body for message in broker.peek("intake")] == [b"before", b"after"]


async def test_a_fault_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault 'late' at 'send'"):
        Fault(at="send", does="late")


# The rest


async def test_sixty_four_sessions_at_once(broker: ServiceBusStandIn, client: Client) -> None:
    names = [str(number) for number in range(64)]
    await client.send("groups", *(ServiceBusMessage("m", session_id=name) for name in names for _ in range(5)))

    async def consume(sdk: ServiceBusClient, name: str) -> None:
        async with sdk.get_queue_receiver("groups", session_id=name) as receiver:
            for message in await receive(receiver, 5):
                await receiver.complete_message(message)

    # So many handshakes in one loop take longer than a short `socket_timeout`, and the SDK stumbles over that.
    async with connected(broker.connection_string, socket_timeout=0.5, try_timeout=30) as sdk:
        await asyncio.gather(*(consume(sdk, name) for name in names))
    assert broker.peek("groups") == []
    assert broker.calls.count("complete", "groups") == 320


async def test_as_a_process_it_is_steered_over_its_control_port_and_outlives_its_clients() -> None:
    async with stand_in_process() as remote:
        async with connected(remote.connection_string) as client:
            await send(client, "ticks", ServiceBusMessage("m", message_id="1"))
        await remote.order("fault", at="send", does="refuse", queue="ticks", times=1)
        async with connected(remote.connection_string, retry_total=1) as client:
            await send(client, "ticks", ServiceBusMessage("m", message_id="2"))
        assert (await remote.order("counts"))["ticks"]["active"] == 2
        assert [message["message_id"] for message in await remote.order("peek", queue="ticks")] == ["1", "2"]
        await remote.order("down")
        async with connected(remote.connection_string, retry_total=0) as client:
            with pytest.raises(ServiceBusError):
                await send(client, "ticks", ServiceBusMessage("lost"))
        await remote.order("up")
        with pytest.raises(RuntimeError, match="no order 'dance'"):
            await remote.order("dance")
