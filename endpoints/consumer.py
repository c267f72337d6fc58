"""How every queue handler treats trouble: outages are waited out, what can never be accepted is parked (rule 15)."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import azure.functions as func
from azure.functions.servicebus import ServiceBusMessage

from adapters.telemetry.instruments import PARKED
from adapters.wiring import ports
from domain.errors import RejectedError, UnavailableError
from endpoints.observing import message_span

if TYPE_CHECKING:
    from domain.queues import QueueName

log = logging.getLogger("tocsin.queues")

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 15.0
PATIENCE_SECONDS = 240.0
"""Shorter than the five minutes for which a message's lock is renewed."""

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 30.0
"""After an error that nobody expected, before the message is delivered again."""

SIZE = "size"
"""The application property that tells how many (alert × group) pairs of the ledger a message carries."""

_FIELDS = [
    name
    for name in inspect.signature(ServiceBusMessage.__init__).parameters
    if name not in ("self", "body", "trigger_metadata")
]

type Consumer = Callable[[func.ServiceBusMessage], Awaitable[None]]


def consumer(queue: QueueName) -> Callable[[Consumer], Consumer]:
    """Wrap the handler of this queue's messages; goes directly below the trigger's decorator.

    While the store or the queue is unavailable the handler is run again, with growing pauses and the message's lock
    held; after four minutes its error goes to the host, which delivers the message again.  A RejectedError parks the
    message with its reason, and the host completes it.  Where the broker sent the body by reference, the handler gets
    the body itself.
    """

    def wrap(handler: Consumer) -> Consumer:
        @functools.wraps(handler)
        async def run(message: func.ServiceBusMessage) -> None:
            with message_span(queue, message):
                try:
                    await attempt(message)
                except UnavailableError as error:
                    await _wait_out(message, error)
                except Exception:
                    # The host would deliver it again at once, a thousand times in a few seconds.  Meanwhile its lock is
                    # held, so that nothing of the same session overtakes it.
                    failures = (message.delivery_count or 1) - 1
                    await asyncio.sleep(min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 20), LONGEST_PAUSE_SECONDS))
                    raise

        async def attempt(message: func.ServiceBusMessage) -> None:
            opened = message
            try:
                opened = await _open(message)
                await handler(opened)
            except RejectedError as error:
                await _park(opened, error)

        async def _wait_out(message: func.ServiceBusMessage, error: UnavailableError) -> None:
            # By the clock: an attempt takes its time too, and the lock is not renewed for ever.
            wait, until = FIRST_WAIT_SECONDS, time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() + wait < until:
                log.warning("queue %s waits %.1f s: %s", queue, wait, error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                try:
                    return await attempt(message)
                except UnavailableError as again:
                    error = again
            raise error

        return run

    async def _park(message: func.ServiceBusMessage, error: RejectedError) -> None:
        log.error("a message of queue %s is parked: %s", queue, error)
        PARKED.count(queue)
        size = (message.application_properties or {}).get(SIZE, 0)
        await ports().queues.park(queue, message.get_body(), str(error), int(size))

    return wrap


async def _open(message: func.ServiceBusMessage) -> func.ServiceBusMessage:
    received = message.get_body()
    body = await ports().broker.open(received, message.application_properties or {})
    if body is received:
        return message
    return ServiceBusMessage(body=body, **{name: getattr(message, name) for name in _FIELDS})
