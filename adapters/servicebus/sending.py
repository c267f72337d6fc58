"""Sending: one link for each queue, shared by all who send to it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.servicebus.connection import CLOSE_SECONDS, Connection, close, translating
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.queues import QueueName

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusMessage, ServiceBusMessageBatch
    from azure.servicebus.aio import ServiceBusSender

SEND_SECONDS = 30.0
"""For one batch, with all the SDK's attempts and the opening of the link."""

MARGIN_BYTES = 1024
"""The SDK's batches may come out this much longer than it counts: it gives them the first message's ids afterwards."""


@dataclass(slots=True)
class Counts:
    """What has been sent to one queue; Service Bus charges an operation for each 64 KiB of a batch."""

    messages: int = 0
    batches: int = 0
    bytes: int = 0


class _Call:
    """What one caller sends, and its answer."""

    def __init__(self, messages: Coroutine[Any, Any, Sequence[ServiceBusMessage]]) -> None:
        self.messages = asyncio.ensure_future(messages)
        # When sending fails before their turn has come, nobody asks for what became of them.
        self.messages.add_done_callback(lambda made: made.cancelled() or made.exception())
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, error: Exception | None = None) -> None:
        if self.answer.done():  # its caller was cancelled, or it was refused
            return
        if error is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(error)


class QueueSender:
    """Puts messages on one queue, in the order in which they were given.

    The SDK's sender must not be used by two coroutines at once: it then puts messages on the wire many times.  So one
    task sends, and what is given while a batch is under way travels together in the next: many small calls cost few
    round trips.  A batch may hold messages of several sessions, which Service Bus takes as long as the queue is not
    partitioned.
    """

    def __init__(self, queue: QueueName, connection: Connection, counts: Counts) -> None:
        self._queue = queue
        self._connection = connection
        self._counts = counts
        self._sender: ServiceBusSender | None = None
        self._calls: list[_Call] = []
        self._sending: asyncio.Task[None] | None = None

    async def send(self, messages: Coroutine[Any, Any, Sequence[ServiceBusMessage]]) -> None:
        """Return when they are durable.

        Args:
            messages: What makes them; however long that takes, nothing that is given later overtakes them.  A group
                takes an event that comes after a later one of the same door for one that it has seen already.

        Raises:
            UnavailableError: Some of them may be durable and others not; whoever repeats the call sends all again.
            RejectedError: One of them is longer than Service Bus takes.
        """
        call = _Call(messages)
        self._calls.append(call)
        if self._sending is None:
            # A task of its own: a caller that is cancelled must not cut short what others wait for.
            self._sending = asyncio.create_task(self._send_waiting())
        await call.answer

    async def _send_waiting(self) -> None:
        try:
            while self._calls:
                calls, self._calls = self._calls, []
                await self._send(calls)
        finally:
            self._sending = None

    async def _send(self, calls: list[_Call]) -> None:
        try:
            with translating(f"send to queue {self._queue!r}", SEND_SECONDS):
                await self._send_batches(calls)
        except DomainError as error:
            await self._give_up(calls, error)
        except BaseException as error:
            await self._give_up(calls, UnavailableError(f"sending to queue {self._queue!r} was broken off: {error!r}"))
            if not isinstance(error, Exception):
                raise

    async def _give_up(self, calls: Iterable[_Call], error: DomainError) -> None:
        for call in calls:
            call.settle(error)
        # What was under way when time ran out must not go out with the next batch.
        await self._drop()

    async def _send_batches(self, calls: list[_Call]) -> None:
        batch = await self._new_batch()
        whole: list[_Call] = []
        for call in calls:
            if not call.messages.done():
                # It waits for the store: what comes before it should not.
                await self._put(batch, whole)
                batch, whole = await self._new_batch(), []
            try:
                messages = await call.messages
            except Exception as error:  # noqa: BLE001  whatever it is, it is this caller's alone
                call.settle(error)
                continue
            for message in messages:
                if not _add(batch, message):
                    await self._put(batch, whole)
                    batch, whole = await self._new_batch(), []
                    if not _add(batch, message):
                        call.settle(RejectedError(f"a message for queue {self._queue!r} is too long for Service Bus"))
                        break
            whole.append(call)
        await self._put(batch, whole)

    async def _new_batch(self) -> ServiceBusMessageBatch:
        if self._sender is None:
            self._sender = self._connection.client.get_queue_sender(self._queue)
        async with asyncio.timeout(SEND_SECONDS):
            whole = await self._sender.create_message_batch()
            return await self._sender.create_message_batch(whole.max_size_in_bytes - MARGIN_BYTES)

    async def _put(self, batch: ServiceBusMessageBatch, whole: Iterable[_Call]) -> None:
        assert self._sender is not None
        if len(batch) > 0:
            async with asyncio.timeout(SEND_SECONDS):
                await self._sender.send_messages(batch)
            self._counts.messages += len(batch)
            self._counts.batches += 1
            self._counts.bytes += batch.size_in_bytes
        for call in whole:
            call.settle()

    async def _drop(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await close(sender)

    async def close(self) -> None:
        """Wait a little for what is being sent, then close the link."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=CLOSE_SECONDS)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self._drop()


def _add(batch: ServiceBusMessageBatch, message: ServiceBusMessage) -> bool:
    """Whether there was still room for it."""
    from azure.servicebus.exceptions import MessageSizeExceededError

    try:
        batch.add_message(message)
    except MessageSizeExceededError:
        return False
    return True
