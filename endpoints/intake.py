"""Intake: alerts that a producer put on a queue, in any form that comes in over HTTP.

Which form it is, the first of these says that is there:

    application property `kind`, and `key` for the name of the source (without it: `default`)
    content type `application/cloudevents+json` or `application/cloudevents-batch+json`
    application properties `cloudEvents:type`, `cloudEvents:source` and so on: CloudEvents in binary mode
    nothing: the JSON array that `POST /api/v2/alerts` takes

The properties and the content type are to the format what HTTP's headers are.  Who may send, Service Bus has checked:
no key and no signature is asked for here.

What cannot be accepted is parked with the reason, whole; where a message needs its properties to be read, together
with them, so that it can be sent again as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.foreign_messages import Foreign, keep_foreign, read_foreign
from adapters.wiring import ports
from domain.errors import RejectedError
from endpoints import ingest

if TYPE_CHECKING:
    import azure.functions as func


async def take_in(message: func.ServiceBusMessage) -> None:
    """Take in the alerts of one message; returns when they are durable, or the message is parked.

    Raises:
        MalformedError: It is of our own form, and nothing of it can be taken: to be parked as it is.
        UnavailableError: Some may not be durable: it must be delivered again.
    """
    body = message.get_body()
    foreign = read_foreign(body, message.application_properties or {}, message.content_type)
    if foreign is None:
        problems = await ingest.take_in(body)
    else:
        try:
            problems = await _take_in_foreign(foreign)
        except RejectedError as error:
            problems = [str(error)]
        body = keep_foreign(foreign)
    if problems:
        await ports().queues.park("intake", body, "; ".join(problems))


async def _take_in_foreign(message: Foreign) -> Sequence[str]:
    from domain.quoting import quote
    from domain.sources.definitions import KEY_RULE, key_fault
    from domain.sources.reading import Payload
    from endpoints.sources import take_in_from

    if key_fault(message.key):  # said of the message's property
        raise RejectedError(f"key: {quote(message.key[:200])} is none: {KEY_RULE}")
    source = ports().configurations.own.sources.find(message.kind, message.key)
    return (await take_in_from(source, Payload(message.body, message.headers))).problems
