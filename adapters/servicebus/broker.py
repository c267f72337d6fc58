"""Implements `Broker` on Service Bus, with the store's help for what Service Bus cannot do."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from adapters.messages import REPLAYED, OutgoingMessage
from adapters.servicebus.connection import Closable, Connection
from adapters.servicebus.gathering import DeadLetterQueue
from adapters.servicebus.marks import Marks
from adapters.servicebus.peeking import SINCE, Peeker
from adapters.servicebus.sending import Counts, QueueSender
from adapters.servicebus.store import Causality, CountFolded, DeadLetters, Folded, KeptLetter, Payloads
from adapters.telemetry import TRACEPARENT
from domain.errors import NotFoundError
from domain.queues import DeadLetter, QueueName

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusMessage
    from azure.servicebus.aio import ServiceBusClient

LONGEST_BODY_BYTES = 192 * 1024
"""A longer one goes by reference: a message may have 256 KiB, and so may a batch of them."""

_QUEUES: tuple[QueueName, ...] = get_args(QueueName.__value__)
_LETTER_ID = re.compile(rf"(?:parked|{'|'.join(_QUEUES)})-[0-9a-f]{{1,32}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Store:
    """What the broker asks of the store."""

    payloads: Payloads
    letters: DeadLetters
    causality: Causality
    folded: Folded
    count_folded: CountFolded


class ServiceBusBroker:
    """The sending half; the Functions host receives, and the dev host's `ServiceBusPump` where there is none.

    What differs from the brokers that live in one process: a call whose messages need several batches is not atomic,
    so some of it may be sent when it fails; a dead letter is replayed by sending it and then forgetting it, so a crash
    in between leaves it to be replayed again; and `count_accepted` is derived.
    """

    def __init__(self, connection: Connection, store: Store, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._store = store
        self._clock = clock
        self.sent: Mapping[QueueName, Counts] = {queue: Counts() for queue in _QUEUES}
        """What this process has sent, for the cost of an alert."""
        self._senders = {queue: QueueSender(queue, connection, self.sent[queue]) for queue in _QUEUES}
        self._dead = [DeadLetterQueue(queue, connection, store.letters, clock) for queue in _QUEUES]
        self._peekers: dict[QueueName, Peeker] = {queue: Peeker(queue, connection) for queue in _QUEUES}
        self._marks = Marks(store.folded)
        self._replaying = asyncio.Lock()

    @property
    def client(self) -> ServiceBusClient:
        """For the dev host to receive by."""
        return self._connection.client

    async def close(self) -> None:
        """Send what is waiting to be sent, then close every link."""
        closing: list[Closable] = [*self._senders.values(), *self._dead, *self._peekers.values()]
        await asyncio.gather(*[one.close() for one in closing])
        await self._connection.close()

    # --- sending and receiving --------------------------------------------------------------------------------------

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage], *, replacing: int = 0) -> None:
        if not messages:
            return
        await self._senders[queue].send(self._build_all(messages))
        self._marks.add([mark for message in messages for mark in message.marks])

    async def _build_all(self, messages: Sequence[OutgoingMessage], reference: str = "") -> list[ServiceBusMessage]:
        return [await self._build(message, reference) for message in messages]

    async def _build(self, message: OutgoingMessage, reference: str) -> ServiceBusMessage:
        from azure.servicebus import ServiceBusMessage

        if len(message.body) > LONGEST_BODY_BYTES:
            reference = await self._store.payloads.put(message.body)
        properties: dict[str | bytes, Any] = {"size": message.size}
        if reference:
            properties["reference"] = reference
        if message.trace:
            properties[TRACEPARENT] = message.trace
        if message.since:
            properties[SINCE] = message.since
        # Last, so that whoever receives it can read the long body too.
        if causality := self._store.causality.stamp():
            properties["causality"] = causality
        is_scheduled = message.due_at is not None and message.due_at > self._clock()
        return ServiceBusMessage(
            reference.encode() if reference else message.body,
            # Never a hash of the content: the same tick may be meant twice.
            message_id=message.id or uuid.uuid4().hex,
            session_id=message.session,
            application_properties=properties,
            scheduled_enqueue_time_utc=message.due_at if is_scheduled else None,
        )

    async def open(self, body: bytes, properties: Mapping[str, Any]) -> bytes:
        if causality := properties.get("causality"):
            self._store.causality.learn(str(causality))
        if reference := properties.get("reference"):
            return await self._store.payloads.get(str(reference))
        return body

    # --- dead letters -----------------------------------------------------------------------------------------------

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None:
        reference = await self._store.payloads.put(body) if len(body) > LONGEST_BODY_BYTES else ""
        letter = DeadLetter(
            id=f"parked-{uuid.uuid4().hex}",
            queue=queue,
            kind="parked",
            reason=reason,
            at=self._clock(),
            delivery_count=0,
            size=size,
            body=b"" if reference else body,
        )
        await self._store.letters.add(KeptLetter(letter, reference=reference))

    async def gather_dead(self) -> int:
        return sum(await asyncio.gather(*[queue.gather() for queue in self._dead]))

    async def list_dead(self, *, before: tuple[datetime, str] | None = None, limit: int = 100) -> Sequence[DeadLetter]:
        await self.gather_dead()
        return [await self._whole(kept) for kept in await self._store.letters.list_newest(limit, before)]

    async def get_dead(self, dead_letter_id: str) -> DeadLetter:
        _check(dead_letter_id)
        try:
            kept = await self._store.letters.get(dead_letter_id)
        except NotFoundError:
            await self.gather_dead()
            kept = await self._store.letters.get(dead_letter_id)
        return await self._whole(kept)

    async def _whole(self, kept: KeptLetter) -> DeadLetter:
        if not kept.reference:
            return kept.letter
        try:
            body = await self._store.payloads.get(kept.reference)
        except NotFoundError:
            body = kept.reference.encode()  # what the message itself carries; the others are listed all the same
        return replace(kept.letter, body=body)

    async def replay(self, dead_letter_id: str) -> None:
        _check(dead_letter_id)
        # Two at once on two instances send it twice all the same, as any message may come twice.
        async with self._replaying:
            kept = await self._store.letters.get(dead_letter_id)
            letter = kept.letter
            queue: QueueName = next(queue for queue in _QUEUES if queue == letter.queue)
            session = kept.session
            if session is None and queue == "groups":
                session = "0"  # any will do: sessions only keep order, and this one has lost its place
            outgoing = OutgoingMessage(letter.body, session, f"{REPLAYED}{letter.id}", size=letter.size)
            await self._senders[queue].send(self._build_all([outgoing], kept.reference))
            await self._store.letters.remove(dead_letter_id)

    # --- the ledger -------------------------------------------------------------------------------------------------

    async def passed(self, timeout_seconds: float) -> bool:
        return await self._marks.passed(timeout_seconds)

    async def count_waiting(self) -> int:
        """How many pairs wait; at least so many, when there are more than can be looked at in a few seconds."""
        return await self._peekers["groups"].sum_sizes()

    async def count_parked(self) -> int:
        await self.gather_dead()
        return await self._store.letters.sum_sizes("groups")

    async def count_accepted(self) -> int:
        """What was folded, waits or is parked, added up: Service Bus keeps no such count.

        So on this home the ledger's first sum holds by construction and proves nothing; what was really accepted is
        proven by tests that count what they sent.
        """
        folded, waiting, parked = await asyncio.gather(
            self._store.count_folded(), self.count_waiting(), self.count_parked()
        )
        return folded + waiting + parked

    async def count_dead(self) -> Mapping[str, int]:
        await self.gather_dead()
        return await self._store.letters.count()

    async def oldest(self, queue: QueueName) -> datetime | None:
        """Among the first messages of the queue, which are those that were sent first."""
        return await self._peekers[queue].oldest()


def _check(dead_letter_id: str) -> None:
    if not _LETTER_ID.fullmatch(dead_letter_id):
        raise NotFoundError(f"no dead letter {dead_letter_id!r}")
