"""Handshake: a sender asks whether its events are wanted here, before it sends the first.

By https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md (section 4): OPTIONS with
`WebHook-Request-Origin` at the very address of the source.  Event Grid asks so for a subscription in the CloudEvents
schema: https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema.  Who may send is another
matter, asked at each event; but with `--auth` permission is given only to whoever could send, or else anybody could
point a sender at us.  The callback by which permission may be given later is not called: it is an address that a
stranger chose.

A subscription in Event Grid's own schema is validated by an event, which is answered here too:
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import azure.functions as func

from adapters.wiring import ports
from domain.errors import RejectedError
from endpoints import authentication
from endpoints.problems import path_of, reply

if TYPE_CHECKING:
    from domain.sources.reading import Payload

ADDRESS = re.compile(r"/api/v1/sources/(?P<kind>[^/]+)/(?P<key>[^/]+)/?", re.IGNORECASE)

_ORIGIN = re.compile(r"[A-Za-z0-9.*:_-]{1,253}")
_RATE = re.compile("[1-9][0-9]{0,8}")

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
LARGEST_VALIDATION_BYTES = 16 * 1024


async def grant(request: func.HttpRequest) -> func.HttpResponse | None:
    """The permission that a sender asks for; None where it asks for none, or does not get it."""
    origin = request.headers.get("webhook-request-origin", "").strip()
    match = ADDRESS.fullmatch(path_of(request))
    if request.method != "OPTIONS" or not _ORIGIN.fullmatch(origin) or match is None:
        return None
    asked = func.HttpRequest(
        "POST", request.url, headers=dict(request.headers), route_params=match.groupdict(), body=b""
    )
    if not await _is_wanted(asked):
        return None
    settings = ports().settings
    # What a key may send in a minute; a sender that asks for less is given that.
    most = int(settings.ingest_per_second * 60)
    wanted = request.headers.get("webhook-request-rate", "").strip()
    rate = min(int(wanted), most) if _RATE.fullmatch(wanted) else most
    headers = {"Allow": "POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(max(rate, 1))}
    return func.HttpResponse(status_code=200, headers=headers)


async def _is_wanted(asked: func.HttpRequest) -> bool:
    from domain.principals import Scope

    try:
        if authentication.is_verified(asked):
            return True  # of what it sends, each event is signed
        principal = await authentication.authenticate(asked)
        authentication.check_source(principal, path_of(asked).strip("/"), asked)
        authentication.source_of(asked)
    except RejectedError:
        return False
    return principal.may(Scope.INGEST)


def validation_of(payload: Payload) -> func.HttpResponse | None:
    """The answer to Event Grid's validation event; None for any other payload."""
    body = payload.body
    if payload.headers.get("aeg-event-type") != "SubscriptionValidation" or len(body) > LARGEST_VALIDATION_BYTES:
        return None
    try:
        (event,) = json.loads(body)
        code: Any = event["data"]["validationCode"] if event["eventType"] == VALIDATION else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return reply({"validationResponse": code}) if isinstance(code, str) else None
