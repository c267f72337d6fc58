"""Where alerts of every other form come in: of systems that do not speak Alertmanager's API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import RejectedError
from domain.principals import Scope
from endpoints.authentication import has_key_in_path, payload_of, source_of, verify
from endpoints.ingest import admit
from endpoints.pipeline import SOURCE, endpoint
from endpoints.shapes import Shape, show

if TYPE_CHECKING:
    from domain.sources.definitions import Source
    from domain.sources.reading import Payload, Reading

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


class Validated(Shape):
    """What Event Grid is answered that asks whether its events are wanted."""

    validationResponse: str = Field(examples=["512d38b6-c7b8-40c8-89fe-f46f9e9622b6"])


class Taken(Shape):
    """What was made of one payload."""

    accepted: int = Field(description="How many alerts are durable now; 0 where the payload is about something else.")
    problems: list[str] = Field(description="What is wrong with the others, a line each.")


@endpoint(blueprint, "POST", SOURCE, scope=Scope.INGEST, answers={200: Validated, 202: Taken}, problems=(404,))
async def receive_from_source(request: func.HttpRequest) -> func.HttpResponse:
    """Take in alerts in the form of a monitoring system; answered when they are durable.

    `kind` is the form, and `key` the name that you give this sender, or an API key where it can send no header.
    """
    source = source_of(request)
    if source.verification is not None and has_key_in_path(request):
        await verify(ports(), request, source)
    payload = payload_of(request)
    if "aeg-event-type" in payload.headers:
        from endpoints.handshake import validation_of

        if (response := validation_of(payload)) is not None:
            return response
    reading = await take_in_from(source, payload)
    problems = list(reading.problems)
    if source.kind == "sns" and not reading.alerts:
        problems += await _heed_subscription(source, reading)
    return show(Taken(accepted=len(reading.alerts), problems=problems), 202)


async def _heed_subscription(source: Source, reading: Reading) -> list[str]:
    from domain.sources.sns import SubscriptionReading

    if not isinstance(reading, SubscriptionReading):
        return []
    left = await ports().verifier.confirm(source, reading.subscription)
    return [left] if left else []


async def take_in_from(source: Source, payload: Payload) -> Reading:
    """Read the payload of a source that is proven, and enqueue its alerts; returns when they are durable.

    Raises:
        RejectedError: Nothing can be made of it.
        UnavailableError: Some of its alerts may not be durable: whoever sent it must send it again.
    """
    from domain.sources.receiving import read_source

    home = ports()
    received_at = home.door.receive(home.clock())
    try:
        reading = read_source(source, payload, received_at)
        if len(reading.alerts) > (most := home.settings.batch_alerts):
            raise RejectedError(f"{len(reading.alerts)} alerts are too many at once; at most {most} are taken")
    except RejectedError as error:
        await home.arrivals.keep(source, payload, received_at, error)
        raise
    situation = await home.configurations.gather()
    await asyncio.gather(admit(reading.alerts, situation), home.arrivals.keep(source, payload, received_at, reading))
    if source.kind == "pagerduty" and not reading.alerts:
        from endpoints.enqueue import acknowledge

        await acknowledge(source, payload)
    if source.kind == "azure-monitor" and home.settings.reconcile_subscriptions:
        from endpoints.reconciliation import note_arrival

        await note_arrival(payload, reading, received_at)
    return reading
