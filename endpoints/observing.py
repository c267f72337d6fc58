"""Observing: what requests, messages and folds say of themselves in spans and metrics; nothing where nobody reads."""

from __future__ import annotations

import functools
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.telemetry import TRACEPARENT, Attribute, Kind, Span, carry, current_ids, incident_id, is_tracing, span
from adapters.telemetry.instruments import (
    ABSORBED,
    DELIVERIES,
    DELIVERY_LAG,
    INGEST_LAG,
    LOOKS,
    REQUESTS,
    SPEND,
    TOKENS,
    Switch,
)
from adapters.wiring import ports

if TYPE_CHECKING:
    from adapters.delivery import Postponed
    from domain.configuration import Integration
    from domain.configuration.bundle import Templates
    from domain.groups import Event, GroupEvents, Outgone
    from domain.looks import Found
    from domain.notifications import Delivery, Outcome
    from domain.queues import QueueName
    from domain.triage.spending import Usage

type Respond = Callable[[func.HttpRequest, str], Awaitable[func.HttpResponse]]

MOST_IDS = 16
"""So many ids of groups or incidents stand in one span; what one request brings may concern thousands."""

TICKS_REMEMBERED = 10_000

_INCIDENT = re.compile(r"[0-9a-f]{32}-[0-9]{1,9}", re.ASCII)

_ticks: OrderedDict[str, str] = OrderedDict()
"""For each group the span that sent its last tick: what is folded until then is told with it, and links there."""


# --- requests -------------------------------------------------------------------------------------------------------


def observed_endpoint(path: str, respond: Respond) -> Respond:
    """Answers the same, in a span; `path` is the route, which is all of the address that is written down."""
    route = "" if "*" in path else f"/{path.strip('/')}"
    is_about_incident = "incidents/{id}" in path

    async def run(request: func.HttpRequest, request_id: str) -> func.HttpResponse:
        if not Switch.is_on:
            return await respond(request, request_id)
        method = str(request.method)
        started = time.perf_counter()
        # Where the platform has a span for the request, ours is a part of it.
        kind: Kind = "server" if current_ids() is None else "internal"
        with span(f"{method} {route}" if route else method, kind) as current:
            if is_about_incident and _INCIDENT.fullmatch(given := str(request.route_params.get("id", ""))):
                incident_id.set(given)
                current.set({"tocsin.incident.id": given})
            if kind == "server":
                # Whoever sends alerts must not decide which trace they are in, nor whether it is kept.
                current.link(request.headers.get(TRACEPARENT, ""))
            response = await respond(request, request_id)
            status = int(response.status_code)
            said: dict[str, Attribute] = {
                "http.request.method": method,
                "http.response.status_code": status,
                "tocsin.request.id": request_id,
            }
            current.set(said | ({"http.route": route} if route else {}))
            if status >= 500:
                current.fail(str(status))
        REQUESTS.record(time.perf_counter() - started, method, route or "other", str(status))
        return response

    return run


def note_absorbed(alerts: int) -> None:
    """So many re-sends were answered without being stored."""
    ABSORBED.count(by=alerts)


# --- messages -------------------------------------------------------------------------------------------------------


def message_span(queue: QueueName, message: func.ServiceBusMessage) -> Span:
    """The span in which a queue's message is handled, a part of the trace of what sent it."""
    if not is_tracing():
        return span("")
    attributes: dict[str, Attribute] = {
        "messaging.system": "servicebus" if ports().settings.home == "azure" else "tocsin",
        "messaging.destination.name": queue,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.servicebus.message.delivery_count": message.delivery_count or 1,
    }
    if queue != "intake":  # there the id is a producer's own, who may write anything
        attributes["messaging.message.id"] = message.message_id
    properties: Mapping[str, object] = message.application_properties or {}
    return span(f"process {queue}", "consumer", parent=str(properties.get(TRACEPARENT, "")), attributes=attributes)


def observed[**P](name: str) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Wrap a function of a timer or a feed, which begins a trace of its own; directly below the trigger's decorator."""

    def wrap(handler: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @functools.wraps(handler)
        async def run(*args: P.args, **kwargs: P.kwargs) -> None:
            with span(name):
                await handler(*args, **kwargs)

        return run

    return wrap


# --- folds ----------------------------------------------------------------------------------------------------------


def note_folded(events: GroupEvents) -> None:
    """One message's alerts are folded: how long ago did they arrive?"""
    if Switch.is_on and events.events:
        INGEST_LAG.record((ports().clock() - events.events[0].received_at).total_seconds())


def describe_fold(fold: Span, events: Sequence[Event], outbox: Sequence[Outgone]) -> None:
    """Which groups and incidents it was about, and what will tell of it.

    The alerts of many requests are told by one tick.  The fold that sent the tick is in its trace; the others, as far
    as this process folds them, link to that fold.
    """
    if not is_tracing():
        return
    from domain.groups import Tick
    from domain.looks import Triage
    from domain.notifications import Delivery

    groups = dict.fromkeys(event.group_id for event in events)
    incidents = dict.fromkeys(
        outgone.outgoing.incident for outgone in outbox if isinstance(outgone.outgoing, Delivery | Triage)
    )
    fold.set({"tocsin.group.ids": list(groups)[:MOST_IDS], "tocsin.groups": len(groups)})
    if incidents:
        fold.set({"tocsin.incident.ids": list(incidents)[:MOST_IDS]})
    own = carry()
    sent = {outgone.group_id for outgone in outbox if isinstance(outgone.outgoing, Tick)}
    links = 0
    for group_id in groups:
        if group_id in sent:
            _ticks[group_id] = own
            _ticks.move_to_end(group_id)
            if len(_ticks) > TICKS_REMEMBERED:
                _ticks.popitem(last=False)
        elif (other := _ticks.get(group_id, "")) and other[3:35] != own[3:35] and links < MOST_IDS:
            fold.link(other)
            links += 1


# --- pages and looks ------------------------------------------------------------------------------------------------


async def observe_delivery(delivery: Delivery, integration: Integration, templates: Templates) -> Outcome | Postponed:
    """Make one round for the delivery, as `Deliverer.deliver` does, in a span and counted."""
    if not Switch.is_on:
        return await ports().deliverer.deliver(delivery, integration, templates)
    from domain.notifications import Outcome

    receiver, name = delivery.notification.receiver, f"{integration.kind}[{delivery.integration}]"
    incident_id.set(delivery.incident)
    attributes: dict[str, Attribute] = {
        "tocsin.receiver": receiver,
        "tocsin.integration": name,
        "tocsin.group.id": delivery.group_id,
        "tocsin.delivery.id": delivery.id,
    }
    if delivery.incident:
        attributes["tocsin.incident.id"] = delivery.incident
    with span(f"deliver {integration.kind}", "client", attributes=attributes) as told:
        outcome = await ports().deliverer.deliver(delivery, integration, templates)
        ending = "postponed"
        if isinstance(outcome, Outcome):
            ending = "delivered" if outcome.is_delivered else "failed"
        told.set({"tocsin.outcome": ending, "tocsin.attempts": outcome.attempts})
        if ending != "delivered":
            told.fail(ending)
    DELIVERIES.count(receiver, name, ending)
    if ending == "delivered":
        DELIVERY_LAG.record((ports().clock() - delivery.due_at).total_seconds(), receiver)
    return outcome


def note_look(found: Found) -> None:
    """Something came of a look."""
    from domain.looks import DETERMINISTIC

    LOOKS.count("nobody" if found.is_left_out else "rules" if found.by == DETERMINISTIC else "model")


def note_spent(usage: Usage) -> None:
    """A model was asked."""
    TOKENS.count("input", by=usage.input_tokens)
    TOKENS.count("output", by=usage.output_tokens)
    SPEND.count(by=usage.money)
