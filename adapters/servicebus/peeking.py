"""Peeking: what waits in a queue, looked at without taking it."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.servicebus.connection import Connection, close, translating
from adapters.servicebus.reading import read_properties
from domain.queues import QueueName

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusSender

log = logging.getLogger("tocsin.servicebus")

PEEK_SECONDS = 15.0
COUNTING_SECONDS = 5.0
"""A backlog is counted for so long; peeking reads whole messages, and a storm's are hundreds of megabytes."""

AT_ONCE = 250

LOOKED_AT = 32
"""So many of the first messages are looked at for the oldest: a peek reads whole messages."""

SINCE = "since"
"""The application property that tells since when somebody waits for what a message carries, as a time stamp."""


class Peeker:
    """Looks at the messages of a queue, perhaps one with sessions; they may all be locked by others.

    A peek that names no session is answered with the messages of all of them, locked and scheduled ones included, when
    .NET asks.  Python's receiver cannot ask so: it first attaches its link, which the service refuses on such a queue
    without a session.  But a sender's link it takes, and beside it on the same connection the SDK speaks to the queue's
    management node; so the request goes that way, through a method of the SDK that is not public, and
    `tests/adapters/test_servicebus.py` fails when a release changes it.  It was never tried on Azure; the service's
    people have called such a peek unreliable (azure-sdk-for-js #7903), so it is for showing, and nothing is decided by
    it.  The alternative would be the management API over HTTP: it needs the right to manage the namespace, and counts
    messages, not alerts.
    """

    def __init__(self, queue: QueueName, connection: Connection) -> None:
        self._queue = queue
        self._connection = connection
        self._sender: ServiceBusSender | None = None
        self._lock = asyncio.Lock()

    async def sum_sizes(self) -> int:
        """How many (alert × group) pairs wait; at least so many, when they are more than can be looked at in time."""
        total, after = 0, 0
        until = time.monotonic() + COUNTING_SECONDS
        while messages := await self._peek(after + 1, AT_ONCE):
            total += sum([int(read_properties(message).get("size", 0)) for message in messages])
            after = messages[-1].sequence_number or 0
            if time.monotonic() > until:
                log.warning("more than %d alerts wait in queue %s; the others are not counted", total, self._queue)
                break
        return total

    async def oldest(self) -> datetime | None:
        """Since when the longest waiting of the first messages waits; None where there is none."""
        since = [_since(message) for message in await self._peek(1, LOOKED_AT)]
        return min(since, default=None)

    async def _peek(self, sequence_number: int, most: int) -> list[ServiceBusReceivedMessage]:
        async with self._lock:
            try:
                with translating(f"peek into queue {self._queue!r}", PEEK_SECONDS):
                    async with asyncio.timeout(PEEK_SECONDS):
                        return await self._ask(sequence_number, most)
            except BaseException:
                await self._drop()
                raise

    async def _ask(self, sequence_number: int, most: int) -> list[ServiceBusReceivedMessage]:
        if self._sender is None:
            self._sender = self._connection.client.get_queue_sender(self._queue)
        transport = self._sender._amqp_transport
        found: list[ServiceBusReceivedMessage] = await self._sender._mgmt_request_response_with_retry(
            b"com.microsoft:peek-message",
            {"from-sequence-number": transport.AMQP_LONG_VALUE(sequence_number), "message-count": most},
            _read_peeked,
            keep_alive_associated_link=False,
        )
        return found

    async def _drop(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await close(sender)

    async def close(self) -> None:
        """Close the link."""
        await self._drop()


def _since(message: ServiceBusReceivedMessage) -> datetime:
    since = read_properties(message).get(SINCE)
    if isinstance(since, int | float):
        return datetime.fromtimestamp(since, UTC)
    return message.enqueued_time_utc or datetime.now(UTC)


def _read_peeked(status: int, answer: Any, description: Any, amqp_transport: Any) -> list[ServiceBusReceivedMessage]:
    from azure.servicebus import ServiceBusReceivedMessage

    if status in (202, 204):
        return []
    if status != 200:
        condition = answer.application_properties.get(b"errorCondition")
        amqp_transport.handle_amqp_mgmt_error(log, "Peek failed.", condition, description, status)
    return [ServiceBusReceivedMessage.from_bytes(bytes(one[b"message"])) for one in answer.value[b"messages"]]
