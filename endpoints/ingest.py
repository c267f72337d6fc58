"""Where alerts come in over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import azure.functions as func

from adapters.wiring import ports
from domain.sources.alertmanager_api import MalformedError, read_alerts
from endpoints.pipeline import endpoint, reply

blueprint = func.Blueprint()


@endpoint(blueprint, "POST", "api/v2/alerts")
async def receive_alerts(request: func.HttpRequest) -> func.HttpResponse:
    """Take alerts in as Alertmanager does; answered when they are durable. Good ones are kept beside bad ones (IN-4)."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise MalformedError(415, 415, f"unsupported media type {content_type[:200]!r}, only [application/json] are allowed")
    problems = await take_in(request.get_body())
    return reply("; ".join(problems), 400) if problems else func.HttpResponse(status_code=200)


async def take_in(body: bytes) -> Sequence[str]:
    """Read, route and enqueue the alerts of one body; returns when they are durable.

    Returns:
        What is wrong with the alerts that were not taken, one line each.

    Raises:
        MalformedError: Nothing of it was taken.
    """
    door, situation = ports().door, await ports().configurations.gather()
    reading = read_alerts(body, door.receive(ports().clock()), situation.configuration.resolve_timeout)
    admission = door.admit(reading.alerts, situation)
    if admission.messages:
        await ports().queues.send_events(admission.messages)
        door.remember(admission.alerts)
    return reading.problems
