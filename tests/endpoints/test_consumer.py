"""What every queue handler is wrapped in: the real body, outages waited out, refusals parked."""

from __future__ import annotations

from types import SimpleNamespace

import azure.functions as func
import pytest
from azure.functions.servicebus import ServiceBusMessage

from adapters.memory.broker import MemoryBroker
from adapters.messages import MessageQueues
from adapters.servicebus.broker import ServiceBusBroker
from adapters.servicebus.connection import Connection
from domain.errors import NotFoundError, RejectedError, UnavailableError
from endpoints import consumer as module
from endpoints.consumer import consumer
from tests.builders import NOON
from tests.servicebus import MemoryStore, now


class Outage(MemoryStore):
    """A store whose payloads cannot be had the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self._get = self.payloads.get
        self.payloads.get = self._fail_first  # type: ignore[method-assign]

    async def _fail_first(self, reference: str) -> bytes:
        self.times -= 1
        if self.times >= 0:
            raise UnavailableError("not now")
        return await self._get(reference)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)


def use(monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> ServiceBusBroker:
    """Let the handlers have this store behind Service Bus, which nothing here connects to."""
    broker = ServiceBusBroker(Connection(connection_string="nowhere"), store.store, now)
    home = SimpleNamespace(broker=broker, queues=MessageQueues(broker))
    monkeypatch.setattr(module, "ports", lambda: home)
    return broker


def message(body: bytes = b"body", **properties: object) -> ServiceBusMessage:
    return ServiceBusMessage(
        body=body,
        message_id="id",
        session_id="5",
        delivery_count=2,
        application_properties=properties,
        user_properties={},
    )


async def test_a_handler_gets_the_body_that_went_by_reference_and_all_else_as_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    store.payloads.bodies["payload-1"] = b"long"
    use(monkeypatch, store)
    seen: list[func.ServiceBusMessage] = []

    @consumer("groups")
    async def handle(message: func.ServiceBusMessage) -> None:
        seen.append(message)

    await handle(message(b"payload-1", reference="payload-1", causality="token", size=3))
    (opened,) = seen
    assert (opened.get_body(), opened.message_id, opened.session_id, opened.delivery_count) == (b"long", "id", "5", 2)
    assert opened.application_properties["size"] == 3
    assert store.tokens.learnt == ["token"]


async def test_a_message_that_carries_its_body_is_handed_on_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, MemoryStore())
    seen: list[func.ServiceBusMessage] = []

    @consumer("groups")
    async def handle(message: func.ServiceBusMessage) -> None:
        seen.append(message)

    received = message()
    await handle(received)
    assert seen == [received]


async def test_a_body_that_cannot_be_had_just_now_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Outage(2)
    store.payloads.bodies["payload-1"] = b"long"
    use(monkeypatch, store)
    seen: list[bytes] = []

    @consumer("groups")
    async def handle(message: func.ServiceBusMessage) -> None:
        seen.append(message.get_body())

    await handle(message(b"payload-1", reference="payload-1"))
    assert seen == [b"long"]


async def test_at_last_the_host_is_told_so_that_it_delivers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    use(monkeypatch, Outage(1000))

    @consumer("groups")
    async def handle(message: func.ServiceBusMessage) -> None:
        raise AssertionError

    with pytest.raises(UnavailableError, match="not now"):
        await handle(message(b"payload-1", reference="payload-1"))


async def test_a_refused_message_is_parked_with_its_real_body(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.payloads.bodies["payload-1"] = b"long"
    use(monkeypatch, store)

    @consumer("ticks")
    async def handle(message: func.ServiceBusMessage) -> None:
        raise RejectedError("not a tick")

    await handle(message(b"payload-1", reference="payload-1", size=2))
    (kept,) = store.letters.kept.values()
    assert (kept.letter.queue, kept.letter.body, kept.letter.reason, kept.letter.size) == (
        "ticks",
        b"long",
        "not a tick",
        2,
    )


async def test_one_whose_body_is_gone_is_parked_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    use(monkeypatch, store)

    @consumer("ticks")
    async def handle(message: func.ServiceBusMessage) -> None:
        raise AssertionError

    await handle(message(b"payload-9", reference="payload-9"))
    (kept,) = store.letters.kept.values()
    assert (kept.letter.body, kept.letter.reason) == (b"payload-9", "no payload 'payload-9'")


async def test_a_message_without_properties_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = MemoryBroker(NOON.timestamp)
    home = SimpleNamespace(broker=broker, queues=MessageQueues(broker))
    monkeypatch.setattr(module, "ports", lambda: home)

    @consumer("intake")
    async def handle(message: func.ServiceBusMessage) -> None:
        raise NotFoundError("no such source")

    bare = ServiceBusMessage(body=b"body", message_id="id", application_properties=None, user_properties={})  # type: ignore[arg-type]
    await handle(bare)
    (letter,) = await broker.list_dead()
    assert (letter.body, letter.size) == (b"body", 0)
