"""Where alerts come in over HTTP."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.wiring import ports
from domain.errors import MalformedError
from domain.principals import Scope
from domain.quoting import quote
from endpoints.observing import note_absorbed
from endpoints.pipeline import endpoint, reply

if TYPE_CHECKING:
    from domain.alerts import Alert
    from domain.situations import Situation

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE = re.compile(rf"""\s*(?P<type>{_TOKEN}(?:/{_TOKEN})?)\s*(?:;\s*{_TOKEN}=(?:{_TOKEN}|"[^"]*")\s*)*;?\s*""")


@endpoint(blueprint, "POST", "api/v2/alerts", scope=Scope.INGEST)
async def receive_alerts(request: func.HttpRequest) -> func.HttpResponse:
    """Take alerts in as Alertmanager does; answered when they are durable.  Bad ones cost good ones nothing (IN-4)."""
    body = request.get_body()
    if body:
        check_is_json(request.headers.get("content-type", ""))
    problems = await take_in(body)
    return reply("; ".join(problems), 400) if problems else func.HttpResponse(status_code=200)


async def take_in(body: bytes) -> Sequence[str]:
    """Read, route and enqueue the alerts of one body; returns when they are durable.

    Returns:
        What is wrong with the alerts that were not taken, one line each.

    Raises:
        MalformedError: Nothing of it was taken.
    """
    from domain.sources.alertmanager_api import read_alerts

    door, situation = ports().door, await ports().configurations.gather()
    reading = read_alerts(body, door.receive(ports().clock()), situation.configuration.resolve_timeout)
    if len(reading.alerts) > (most := ports().settings.batch_alerts):
        # They are read in no time, and take a second to route, in which nobody else is answered.
        raise MalformedError(413, 413, f"{len(reading.alerts)} alerts are too many at once; at most {most} are taken")
    await admit(reading.alerts, situation)
    return reading.problems


async def admit(alerts: Sequence[Alert], situation: Situation) -> None:
    """Absorb or enqueue alerts that were all received at once; returns when they are durable.

    Raises:
        UnavailableError: Some may not be: whoever sent them must send all again.
    """
    door = ports().door
    admission = door.admit(alerts, situation)
    note_absorbed(admission.absorbed)
    if admission.messages:
        await ports().configurations.feed_sources(admission.alerts, situation.configuration)
        await ports().queues.send_events(admission.messages)
        door.remember(admission.alerts)


def check_is_json(content_type: str) -> None:
    """As go-openapi does for a request that has a body at all.

    Raises:
        MalformedError: The header says that the body is something else (415), or makes no sense (400).
    """
    match = MEDIA_TYPE.fullmatch(content_type)
    if content_type and match is None:
        raise MalformedError(400, 400, f"parsing Content-Type header from {quote(content_type[:200])} failed")
    media_type = match["type"].lower() if match else "application/octet-stream"
    if media_type != "application/json":
        raise MalformedError(
            415, 415, f"unsupported media type {quote(media_type)}, only [application/json] are allowed"
        )
