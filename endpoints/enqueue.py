"""PagerDuty's Events API v2, at its own paths: whatever pages through PagerDuty pages here when its URL is changed.

The pages: https://developer.pagerduty.com/docs/send-alert-event, and the codes and bodies of the answers in
reference/events-v2/openapiv3.json of PagerDuty/api-schema.

The credential is the `routing_key` of the body (or the header `X-Routing-Key`): with `--auth` an API key with the scope
`ingest`, or, for senders that want 32 characters, a key that a source of kind `pagerduty` lists in the `tocsin.yml`:

    sources:
      - kind: pagerduty
        key: payments
        verify: {header: {name: X-Routing-Key, secrets: [0123456789abcdef0123456789abcdef]}}

It also says which source it is: the one that lists it, the one that the API key is limited to, or else one by the API
key's id.  Without `--auth`, a routing key that no source lists stands for a source of its own, named by its digest.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RejectedError,
    UnauthenticatedError,
)
from domain.principals import LOCAL, Principal, Scope, source_principal
from endpoints.authentication import acting, payload_of, prove
from endpoints.folds import await_folds
from endpoints.groups import head_of
from endpoints.limits import check_rate
from endpoints.pipeline import endpoint, reply
from endpoints.responding import respond
from endpoints.shapes import Shape, show

if TYPE_CHECKING:
    from domain.labels import Fingerprint
    from domain.sources.definitions import Source
    from domain.sources.reading import Payload

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

log = logging.getLogger("tocsin.sources")

KIND = "pagerduty"
HEADER = "x-routing-key"
DEFAULT = "default"
"""The source of those who send no routing key, where none is asked for."""


class Enqueued(Shape):
    """As PagerDuty answers."""

    status: str = Field(examples=["success"])
    message: str = Field(examples=["Event processed"])
    dedup_key: str = Field(examples=["srv01/mysql"], description="Names the alert in what is sent of it later.")


class Invalid(Shape):
    """As PagerDuty answers what is wrong with an event."""

    status: str = Field(examples=["invalid event"])
    message: str = Field(examples=["Event object is invalid"])
    errors: list[str] = Field(examples=[["dedup_key: resolve needs the key of a trigger"]])


class ChangeTaken(Shape):
    """As PagerDuty answers."""

    status: str = Field(examples=["success"])
    message: str = Field(examples=["Change event processed"])


@endpoint(
    blueprint, "POST", "v2/enqueue", scope=None, answers={202: Enqueued, 400: Invalid}, problems=(401, 403, 413, 429)
)
async def enqueue_event(request: func.HttpRequest) -> func.HttpResponse:
    """Take an event of PagerDuty's Events API v2: trigger, acknowledge or resolve an alert.

    An acknowledgement acknowledges the incidents that the alert is in; a resolve resolves the alert.
    """
    try:
        source, payload = await _open(request)
        from endpoints.sources import take_in_from

        await take_in_from(source, payload)
        return reply({"status": "success", "message": "Event processed", "dedup_key": dedup_key_of(payload)}, 202)
    except (UnauthenticatedError, ForbiddenError):
        raise
    except RejectedError as error:
        return _invalid(error)


@endpoint(
    blueprint,
    "POST",
    "v2/change/enqueue",
    scope=None,
    answers={202: ChangeTaken, 400: Invalid},
    problems=(401, 403, 413, 429),
)
async def enqueue_change(request: func.HttpRequest) -> func.HttpResponse:
    """Take a change event of PagerDuty's, and keep it with the changes of `/api/v1/changes`.

    The same event a second time changes nothing.
    """
    try:
        source, payload = await _open(request)
        from domain.sources.pagerduty_changes import read_change

        await ports().changes.add_changes([read_change(payload, source, ports().clock())])
    except (UnauthenticatedError, ForbiddenError):
        raise
    except RejectedError as error:
        return _invalid(error)
    return reply({"status": "success", "message": "Change event processed"}, 202)


def _invalid(error: RejectedError) -> func.HttpResponse:
    return show(Invalid(status="invalid event", message="Event object is invalid", errors=[str(error)]), 400)


# --- whose it is ----------------------------------------------------------------------------------------------------


async def _open(request: func.HttpRequest) -> tuple[Source, Payload]:
    """Whose event it is, which is then whoever asks, and the event.

    Raises:
        UnauthenticatedError: Its routing key is none of ours (401).
        ForbiddenError: It is an API key for something else (403).
        TooManyError: It sends more often than it may (429).
        RejectedError: The body is no JSON object, or too large.
    """
    from domain.sources.bodies import check_size
    from domain.sources.pagerduty import LARGEST_EVENT_BYTES

    payload = payload_of(request)
    check_size(payload.body, LARGEST_EVENT_BYTES)
    given = _object(payload.body).get("routing_key") or payload.headers.get(HEADER) or ""
    routing_key = given.strip() if isinstance(given, str) else ""
    payload = replace(payload, headers={**payload.headers, HEADER: routing_key})
    source, principal = await _prove(request, payload, routing_key)
    acting.set(principal)
    check_rate(principal, Scope.INGEST)
    return source, payload


def _object(body: bytes) -> dict[str, Any]:
    """What stands in the body, as far as it says whose it is; what is wrong with it is said to whoever is proven."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


async def _prove(request: func.HttpRequest, payload: Payload, routing_key: str) -> tuple[Source, Principal]:
    from domain.keys import key_id_of

    home = ports()
    sources = home.configurations.own.sources
    if source := await _listed(payload, routing_key):
        return source, source_principal(source.name)
    if not home.settings.auth:
        return sources.find(KIND, _name_of(routing_key) if routing_key else DEFAULT), LOCAL
    if not routing_key:
        raise UnauthenticatedError("routing_key: an API key is expected, or one that a source lists")
    principal = await prove(home, request, routing_key)
    if not principal.may(Scope.INGEST):
        raise ForbiddenError(f"{principal.name} lacks the scope {Scope.INGEST.value!r}, which this needs")
    kind, _, name = (principal.source or "").partition("/")
    if principal.source is not None and kind != KIND:
        raise ForbiddenError(f"this key may only send as {principal.source!r}")
    return sources.find(KIND, name or key_id_of(routing_key) or DEFAULT), principal


async def _listed(payload: Payload, routing_key: str) -> Source | None:
    """The source that lists this routing key."""
    if not routing_key:
        return None
    home = ports()
    for source in home.configurations.own.sources.definitions:
        if source.kind == KIND and source.verification is not None:
            try:
                await home.verifier.verify(source, payload, home.clock())
            except UnauthenticatedError:
                continue
            return source if source.key else replace(source, key=_name_of(routing_key))
    return None


def _name_of(routing_key: str) -> str:
    """What a source is called whose routing key is all that is known of it: it stands in labels, so no secret may."""
    return sha256(routing_key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


# --- what it asks for -----------------------------------------------------------------------------------------------


def dedup_key_of(payload: Payload) -> str:
    """The event's, or the one that it was given for want of it."""
    from domain.sources.pagerduty import new_key_of

    event = _object(payload.body)
    return event.get("dedup_key") or new_key_of(payload)


async def acknowledge(source: Source, payload: Payload) -> None:
    """Acknowledge the incidents that the event's alert is in; content where there are none.

    As at PagerDuty, a key that nobody triggered is no fault of the sender's.
    """
    from domain.lifecycle import Action

    fingerprint = _alert_of(source, payload)
    await await_folds()  # the trigger may have come just before
    found = 0
    for group_id in await ports().groups.find_groups(fingerprint):
        head = await head_of(group_id)
        if head is None or head.incident is None or head.incident.resolved_at is not None:
            continue
        try:
            await respond(
                head.incident.id,
                Action.ACKNOWLEDGE,
                id=uuid.uuid4().hex,
                reason="acknowledged at its source",
                actor=source.name,
            )
        except (ConflictError, NotFoundError) as error:
            log.info("source %s acknowledges what is over: %s", source.name, error)
        else:
            found += 1
    if not found:
        log.warning("source %s acknowledges an alert that no incident has: %s", source.name, fingerprint)


def _alert_of(source: Source, payload: Payload) -> Fingerprint:
    """The alert that it is about: that which a resolve of the same key would be, with all that is made of it."""
    from domain.sources.reading import Payload
    from domain.sources.receiving import read_source

    event = {"event_action": "resolve", "dedup_key": dedup_key_of(payload)}
    reading = read_source(source, Payload(json.dumps(event).encode(), payload.headers), ports().clock())
    return reading.alerts[0].fingerprint
