"""Gathering: brings what Service Bus gave up on from its dead-letter queues into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.foreign_messages import keep_foreign, read_foreign
from adapters.servicebus.connection import Connection, close, translating
from adapters.servicebus.reading import read_body, read_properties
from adapters.servicebus.store import DeadLetters, KeptLetter
from domain.queues import DeadLetter, QueueName

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusReceiver

GATHER_SECONDS = 30.0
"""For one round, with the opening of the link."""

AT_ONCE = 100

TAKE_SECONDS = 2.0
"""How long to wait for what peeking has shown; another instance may have taken it meanwhile."""


class DeadLetterQueue:
    """The dead-letter queue that belongs to one queue, read through a link of its own that stays open."""

    def __init__(
        self, queue: QueueName, connection: Connection, letters: DeadLetters, clock: Callable[[], datetime]
    ) -> None:
        self._queue = queue
        self._connection = connection
        self._letters = letters
        self._clock = clock
        self._receiver: ServiceBusReceiver | None = None
        self._lock = asyncio.Lock()

    async def gather(self) -> int:
        """Move everything that lies there to the store, and return how many those were.

        Each is kept before it is completed here, under an id that its place in the queue gives: a round that fails in
        between, or runs on two instances at once, keeps nothing twice.

        Raises:
            UnavailableError: Service Bus or the store does not answer; what was not moved is still there.
        """
        async with self._lock:
            try:
                with translating(f"read the dead letters of queue {self._queue!r}", GATHER_SECONDS):
                    return await self._gather()
            except BaseException:
                await self._drop()
                raise

    async def _gather(self) -> int:
        gathered = 0
        while True:
            async with asyncio.timeout(GATHER_SECONDS):
                receiver = self._open()
                # A receive from an empty queue waits; a peek does not.
                found = await receiver.peek_messages(AT_ONCE, sequence_number=1)
                if not found:
                    return gathered
                messages = await receiver.receive_messages(len(found), max_wait_time=TAKE_SECONDS)
                for message in messages:
                    await self._letters.add(self._letter(message))
                    await receiver.complete_message(message)
            if not messages:
                return gathered
            gathered += len(messages)

    def _open(self) -> ServiceBusReceiver:
        if self._receiver is None:
            self._receiver = self._connection.client.get_queue_receiver(self._queue, sub_queue="deadletter")
        return self._receiver

    def _letter(self, message: ServiceBusReceivedMessage) -> KeptLetter:
        properties = read_properties(message)
        reasons = [reason for reason in (message.dead_letter_reason, message.dead_letter_error_description) if reason]
        reference = str(properties.get("reference", ""))
        letter = DeadLetter(
            id=f"{self._queue}-{message.sequence_number}",
            queue=self._queue,
            kind="dead",
            reason=": ".join(reasons) or "Service Bus does not say why",
            at=self._clock(),
            delivery_count=message.delivery_count or 0,
            size=int(properties.get("size", 0)),
            body=b"" if reference else self._body(message, properties),
        )
        return KeptLetter(letter, message.session_id, reference)

    def _body(self, message: ServiceBusReceivedMessage, properties: Mapping[str, Any]) -> bytes:
        body = read_body(message)
        if self._queue != "intake":
            return body
        foreign = read_foreign(body, properties, message.content_type)
        return body if foreign is None else keep_foreign(foreign)

    async def _drop(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await close(receiver)

    async def close(self) -> None:
        """Close the link."""
        await self._drop()
