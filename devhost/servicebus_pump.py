"""ServiceBusPump: what the Functions host does between a Service Bus queue and the function that it triggers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from azure.functions.servicebus import ServiceBusMessage

from adapters.servicebus.connection import close
from adapters.servicebus.reading import read_body, read_properties
from devhost.index import Function
from devhost.pumps import CLOSE_SECONDS, LONGEST_CLOSE_SECONDS
from domain.groups import SHARDS

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSession

log = logging.getLogger("tocsin.devhost")

RECEIVE_SECONDS = 30.0
"""How long one receive waits for a message; then the next one does."""

READ_SECONDS = 0.02
"""A receive that waits holds its connection for so long, and whoever completes a message waits until it lets go."""

OPENED_AT_ONCE = 16
"""Opening a link takes half a second, most of it the SDK's pauses; 64 at once would hold up all else."""

FIRST_REOPEN_SECONDS = 0.1
LONGEST_REOPEN_SECONDS = 5.0
STABLE_SECONDS = 10.0
"""A link that has held for so long is opened again at once."""

IDLE_SECONDS = 600.0
"""A link that has brought nothing for so long is closed and another one opened, as Service Bus does with idle senders.

Should the link have died unnoticed, or have lost a message that it holds locked, this is how long that can last.
"""

RENEWED_FOR_SECONDS = 300.0
"""As `maxAutoLockRenewalDuration` in host.json: a function that runs longer loses its message to another one."""

_SHARDS = [str(shard) for shard in range(SHARDS)]


class Client(Protocol):
    """What has the SDK's client: `ServiceBusBroker`."""

    @property
    def client(self) -> ServiceBusClient:
        """The client of this process, on the running event loop."""
        ...


class ServiceBusPump:
    """Hands one queue's messages to its function as the Functions host does, under a lock that is renewed meanwhile.

    A message is completed when its function returns and abandoned when it raises.  Without sessions one link hands
    out up to `limit` at once.  With sessions each shard has a link of its own, held for good; its messages come one
    at a time.  On Azure the host takes whichever session has messages instead, and lets go of it when it is empty.
    """

    def __init__(
        self,
        function: Function,
        broker: Client,
        *,
        limit: int,
        sessions: Iterable[str] = _SHARDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._function = function
        self._broker = broker
        self._idle_seconds = idle_seconds
        self._queue: str = function.binding["queueName"]
        self._sessions = list(sessions) if function.binding.get("isSessionsEnabled") else []
        self._places = asyncio.Semaphore(limit)
        self._opening = asyncio.Semaphore(OPENED_AT_ONCE)
        self._receivers: set[ServiceBusReceiver] = set()
        self._running: set[asyncio.Task[bool]] = set()
        self._renewing: set[asyncio.Task[None]] = set()
        self._link: ServiceBusReceiver | None = None
        """The one of a queue without sessions, while it is open."""
        self._opened = asyncio.Event()
        self._using: dict[asyncio.Task[object], ServiceBusReceiver] = {}
        """What settles and renews, and over which link."""

    async def run(self) -> None:
        """Until cancelled; then `close` waits for what is under way."""
        if not self._sessions:
            await self._keep_receiving(None)
        async with asyncio.TaskGroup() as links:
            for session in self._sessions:
                links.create_task(self._keep_receiving(session))

    async def close(self) -> None:
        """Wait for the functions under way, then close the links; what does not end in time is delivered again."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS.get(self._queue, LONGEST_CLOSE_SECONDS))
        left = [*self._running, *self._renewing, *self._using]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        receivers, self._receivers = self._receivers, set()
        await close(*receivers)

    async def _keep_receiving(self, session: str | None) -> NoReturn:
        """Receive over one link, and over another one when that is lost or idle; only cancelling ends it."""
        pause = FIRST_REOPEN_SECONDS
        while True:
            receiver = self._new_link(session)
            opened_at = time.monotonic()
            problem: Exception | None = None
            try:
                async with self._opening:
                    await receiver.__aenter__()
                if session is None:
                    self._link = receiver
                    self._opened.set()
                await (self._receive(receiver) if session is None else self._receive_session(receiver))
            except Exception as error:  # noqa: BLE001  whatever it was, another link may do better
                problem = error
            if time.monotonic() - opened_at > STABLE_SECONDS:
                pause = FIRST_REOPEN_SECONDS
            if problem is not None:
                # A broker that is down loses 64 links at once, every few seconds.
                level = logging.WARNING if pause == FIRST_REOPEN_SECONDS else logging.DEBUG
                name = self._queue if session is None else f"{self._queue}, session {session}"
                log.log(level, "the link to queue %s is opened again in %.1f s: %s", name, pause, problem)
            self._receivers.discard(receiver)
            self._link = None
            self._opened.clear()
            await self._stop_using(receiver)
            await close(receiver)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_REOPEN_SECONDS)

    async def _stop_using(self, receiver: ServiceBusReceiver) -> None:
        """Before it is closed: the SDK would open it again to repeat what failed, for nobody to close."""
        left = [task for task, link in self._using.items() if link is receiver]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _new_link(self, session: str | None) -> ServiceBusReceiver:
        client = self._broker.client
        if session is None:
            receiver = client.get_queue_receiver(self._queue, socket_timeout=READ_SECONDS)
        else:
            # Such a link either receives or settles, so nothing waits for a receive that waits.
            receiver = client.get_queue_receiver(self._queue, session_id=session)
        self._receivers.add(receiver)
        return receiver

    async def _receive(self, receiver: ServiceBusReceiver) -> None:
        """Until nothing has come for long, nor is under way."""
        last_at = time.monotonic()
        while self._running or time.monotonic() - last_at < self._idle_seconds:
            await self._places.acquire()
            task = None
            try:
                # One at a time: for a second one the SDK waits, a fifth of a second after the first.
                for message in await receiver.receive_messages(1, max_wait_time=self._wait_seconds(RECEIVE_SECONDS)):
                    last_at = time.monotonic()
                    task = self._start(receiver, message)
                    task.add_done_callback(lambda _: self._places.release())
            finally:
                if task is None:
                    self._places.release()

    async def _receive_session(self, receiver: ServiceBusReceiver) -> None:
        """Until nothing has come for long, or a message could not be settled.

        Such a message stays locked for as long as this link holds the session.
        """
        session = receiver.session
        is_settled = True
        last_at = time.monotonic()
        lock_seconds = max(1.0, _seconds_left(session))
        while is_settled and time.monotonic() - last_at < self._idle_seconds:
            if _seconds_left(session) < lock_seconds / 2:
                await session.renew_lock()
            for message in await receiver.receive_messages(1, max_wait_time=self._wait_seconds(lock_seconds / 4)):
                # Whoever cancels this must not cut the function short.
                is_settled = await asyncio.shield(self._start(receiver, message))
                last_at = time.monotonic()

    def _wait_seconds(self, most: float) -> float:
        return min(RECEIVE_SECONDS, self._idle_seconds, most)

    def _start(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._invoke(receiver, message))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _invoke(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> bool:
        """Run the function and settle its message; False when that could not be settled."""
        done = asyncio.Event()
        renewing = asyncio.create_task(self._renew(receiver, message, done))
        self._renewing.add(renewing)
        renewing.add_done_callback(self._renewing.discard)
        try:
            problem = await self._settle(receiver, message, is_done=await self._is_done(message))
        finally:
            # Not cancelled: while it waits for its answer it may be reading a message that is for another function.
            done.set()
        if problem is not None:  # the lock or the link is lost: it comes again by itself
            log.warning("a message of queue %s could not be settled and comes again: %s", self._queue, problem)
        return problem is None

    async def _settle(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, *, is_done: bool
    ) -> BaseException | None:
        """The problem is returned; when the link is lost in between, the next one has another go."""
        while (link := await self._find_link(receiver, message)) is not None:
            settle = link.complete_message if is_done else link.abandon_message
            problem = await self._use(link, settle(message))
            if problem is None or link in self._receivers:
                return problem
        return ConnectionError("its link is lost")

    async def _find_link(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage
    ) -> ServiceBusReceiver | None:
        """Over which it can be settled and its lock renewed, waited for while that lasts.

        That of a session belongs to its link.  Any other is known by its token, and over the next link the SDK asks the
        queue's management node.
        """
        if self._sessions:
            return receiver if receiver in self._receivers else None
        try:
            async with asyncio.timeout(max(0.0, _seconds_left(message))):
                while self._link is None:
                    await self._opened.wait()
        except TimeoutError:
            return None
        return self._link

    async def _use(self, link: ServiceBusReceiver, doing: Coroutine[Any, Any, object]) -> BaseException | None:
        """What went wrong; `_stop_using` may end it."""
        task = asyncio.create_task(doing)
        self._using[task] = link
        task.add_done_callback(self._using.pop)
        await asyncio.wait([task])
        return ConnectionError("its link is lost") if task.cancelled() else task.exception()

    async def _is_done(self, message: ServiceBusReceivedMessage) -> bool:
        try:
            await self._function.call(**{self._function.argument: decode(message)})
        except Exception as error:
            log.exception("%s failed; its message comes again", self._function.name, exc_info=error)
            return False
        return True

    async def _renew(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, done: asyncio.Event
    ) -> None:
        """Renew the lock of the message, or of its session, each time half of it is gone, until `done`."""
        until = time.monotonic() + RENEWED_FOR_SECONDS
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(
                    max(0.1, _seconds_left(receiver.session if self._sessions else message) / 2)
                ):
                    await done.wait()
                return
            except TimeoutError:
                pass
            if (link := await self._find_link(receiver, message)) is None:
                return
            renew = link.session.renew_lock() if self._sessions else link.renew_message_lock(message)
            problem = await self._use(link, renew)
            if problem is not None and link in self._receivers:
                log.debug("a lock of queue %s could not be renewed: %s", self._queue, problem)
                return  # settling will fail, and says so


def _seconds_left(locked: ServiceBusSession | ServiceBusReceivedMessage) -> float:
    until = locked.locked_until_utc
    return (until - datetime.now(UTC)).total_seconds() if until else RENEWED_FOR_SECONDS


def decode(message: ServiceBusReceivedMessage) -> ServiceBusMessage:
    """What the host makes of a received message for the function."""
    properties = read_properties(message)
    return ServiceBusMessage(
        body=read_body(message),
        message_id=message.message_id or "",
        session_id=message.session_id,
        sequence_number=message.sequence_number,
        # The host counts this delivery too.
        delivery_count=(message.delivery_count or 0) + 1,
        enqueued_time_utc=_naive(message.enqueued_time_utc),
        expires_at_utc=_naive(message.expires_at_utc),
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        subject=message.subject,
        label=message.subject,
        to=message.to,
        reply_to=message.reply_to,
        reply_to_session_id=message.reply_to_session_id,
        partition_key=message.partition_key,
        lock_token=str(message.lock_token),
        application_properties=properties,
        user_properties=properties,
    )


def _naive(instant: datetime | None) -> datetime | None:
    # The host sends it without its zone.
    return instant.astimezone(UTC).replace(tzinfo=None) if instant else None
