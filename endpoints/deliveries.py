"""Deliveries: what was sent to whom, and what became of it; read from the trails of incidents and groups."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import NotFoundError
from domain.principals import Scope
from endpoints.cursors import read_cursor, refused, write_cursor
from endpoints.folds import await_folds
from endpoints.groups import head_of
from endpoints.later import later
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Shape, read_query, show

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from domain.deliveries import DeliveryStatus, TrackedDelivery
    from domain.groups import Incident, LogEntry
    from domain.routing import GroupId
else:
    (DeliveryStatus,) = later("domain.deliveries", "DeliveryStatus")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

INCIDENTS_LOOKED_AT = 200
"""One answer reads the trails of so many incidents at most; `next` says where to go on."""

ENTRIES_READ = 2000
"""Of one trail, the latest."""

INCIDENTS_AT_ONCE = 100

ENTRIES_WALKED = 10_000
"""So many entries of a group are read back for one delivery, and so many revisions before its own."""

ENTRIES_BEFORE = 200


# --- shapes ---------------------------------------------------------------------------------------------------------


class DeliveriesQuery(Page):
    """Which deliveries are wanted."""

    incident: str | None = Field(None, description="The id of an incident.")
    group: str | None = Field(None, description="The id of a group: the way to deliveries that belong to no incident.")
    receiver: str | None = Field(None, description="The name of the receiver.")
    status: DeliveryStatus | None = None


class DeliverySummary(Shape):
    """One notification on its way to one integration, or there."""

    id: str
    status: DeliveryStatus
    """Superseded: given up, for there was no result by its deadline."""
    receiver: str
    integration: int
    """Its place in the receiver, from 0."""
    integration_name: str | None
    """What explanations call it; null where its configuration is not known any more."""
    group_id: str
    incident: str | None
    due_at: datetime
    why: str
    """How many alerts it tells, and why now."""
    firing: list[str]
    """The fingerprints of those that it tells to fire."""
    settled_at: datetime | None
    answer: str
    """The receiver's, or why there is none."""
    attempts: int
    configuration_version: str


class Deliveries(Shape):
    """Those of the newest incident first, and of one incident the newest first."""

    deliveries: list[DeliverySummary]
    next: str | None
    """With a receiver or a status wanted, a part may be short or empty."""


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "GET",
    "api/v1/deliveries",
    scope=Scope.READ,
    query=DeliveriesQuery,
    answers={200: Deliveries},
    problems=(404,),
)
async def list_deliveries(request: func.HttpRequest) -> func.HttpResponse:
    """What was sent: of the newest incident first.  Groups that open no incident are asked for by their id."""
    query = read_query(DeliveriesQuery, request)
    cursor = read_cursor(query.cursor, "deliveries", str, str)
    place = (str(cursor[0]), str(cursor[1])) if cursor else None
    await await_folds()
    found, last = await _find(query, place)
    names = _Names()
    shown = [await _summary(receiver, one, names) for receiver, one in found]
    return show(Deliveries(deliveries=shown, next=write_cursor("deliveries", *last) if last else None))


@endpoint(
    blueprint,
    "GET",
    "api/v1/deliveries/{id}",
    scope=Scope.READ,
    answers={200: DeliverySummary},
    problems=(404,),
    conditional=True,
)
async def show_delivery(request: func.HttpRequest) -> func.HttpResponse:
    """One delivery; of those older than the latest 10,000 entries of its group nothing is known here."""
    from domain.deliveries import find_deliveries, read_delivery_id

    id = request.route_params["id"]
    await await_folds()
    if (parts := read_delivery_id(id)) is not None and (head := await head_of(parts[0])) is not None:
        group_id, revision, _ = parts
        entries: list[LogEntry] = []
        async with aclosing(ports().groups.walk_entries(group_id)) as walk:
            async for entry in walk:
                entries.append(entry)
                # What fired then was mostly said in the same incident.
                if len(entries) == ENTRIES_WALKED or entry.revision < revision - ENTRIES_BEFORE:
                    break
        for one in find_deliveries(reversed(entries)):
            if one.id == id:
                return show(await _summary(head.receiver, one, _Names()))
    raise NotFoundError(f"no delivery {id[:100]!r}")


# --- finding --------------------------------------------------------------------------------------------------------

type Place = tuple[str, str]
"""The trail (an incident's id, or a group's) and the last delivery shown of it; empty where it has been seen whole."""


async def _find(
    query: DeliveriesQuery, place: Place | None
) -> tuple[Sequence[tuple[str, TrackedDelivery]], Place | None]:
    """The deliveries that the query wants with their receivers, and behind which place to go on."""
    found: list[tuple[str, TrackedDelivery]] = []
    last: Place | None = None
    looked = 0
    async with aclosing(_trails(query, place)) as trails:
        async for key, receiver, deliveries in trails:
            for one in deliveries:
                if place is not None and key == place[0] and not _is_behind(one, place[1]):
                    continue
                if query.status in (None, one.status):
                    if len(found) == query.limit:
                        return found, last
                    found.append((receiver, one))
                    last = (key, one.id)
            looked += 1
            if looked == INCIDENTS_LOOKED_AT:
                return found, (key, "")
    return found, None


def _is_behind(one: TrackedDelivery, id: str) -> bool:
    from domain.deliveries import read_delivery_id

    if not id or (parts := read_delivery_id(id)) is None:
        return False
    return (one.revision, one.integration) < parts[1:]


async def _trails(
    query: DeliveriesQuery, place: Place | None
) -> AsyncGenerator[tuple[str, str, Sequence[TrackedDelivery]]]:
    """The trails to look at, each with its receiver and its deliveries, the newest first."""
    if query.group is not None:
        head = await head_of(_group_id(query.group))
        if head is None:
            raise NotFoundError(f"no group {query.group[:100]!r}")
        if query.receiver in (None, head.receiver):
            found = await _deliveries(head.id, query.incident)
            yield head.id, head.receiver, found
        return
    async with aclosing(_incidents(query, place)) as incidents:
        async for incident in incidents:
            if _may_have(incident, query):
                yield incident.id, incident.receiver, await _deliveries(incident.group_id, incident.id)


def _group_id(text: str) -> GroupId:
    from domain.routing import GroupId

    return GroupId(text)


async def _incidents(query: DeliveriesQuery, place: Place | None) -> AsyncGenerator[Incident]:
    """The newest first, from that of the place on."""
    if query.incident is not None:
        yield await ports().groups.get_incident(query.incident)
        return
    before: str | None = None
    if place is not None:
        try:
            yield await ports().groups.get_incident(place[0])
        except NotFoundError:
            raise refused("its incident is no longer there") from None
        before = place[0]
    while incidents := await ports().groups.list_incidents(before=before, limit=INCIDENTS_AT_ONCE):
        for incident in incidents:
            yield incident
        before = incidents[-1].id


def _may_have(incident: Incident, query: DeliveriesQuery) -> bool:
    """Whether its trail is worth reading: its counts say what it cannot have."""
    from domain.deliveries import DeliveryStatus

    if query.receiver not in (None, incident.receiver):
        return False
    match query.status:
        case DeliveryStatus.DELIVERED:
            return incident.pages > 0
        case DeliveryStatus.FAILED | DeliveryStatus.SUPERSEDED:
            return incident.failed > 0
        case DeliveryStatus.PENDING:
            return incident.resolved_at is None
        case _:
            return True


async def _deliveries(group_id: GroupId, incident: str | None) -> Sequence[TrackedDelivery]:
    from domain.deliveries import find_deliveries, newest_first

    entries = await ports().groups.list_entries(group_id, incident=incident, limit=ENTRIES_READ)
    return newest_first(find_deliveries(entries))


# --- showing --------------------------------------------------------------------------------------------------------


class _Names(dict[tuple[str, str], "Sequence[str]"]):
    """What the integrations of receivers are called, by the version of the configuration and the receiver."""


async def _summary(receiver: str, one: TrackedDelivery, names: _Names) -> DeliverySummary:
    key = one.configuration_version, receiver
    if key not in names:
        try:
            configuration = await ports().configurations.get(one.configuration_version)
            names[key] = configuration.receiver(receiver).integration_names
        except NotFoundError:
            names[key] = ()
    called = names[key]
    return DeliverySummary(
        id=one.id,
        status=one.status,
        receiver=receiver,
        integration=one.integration,
        integration_name=called[one.integration] if one.integration < len(called) else None,
        group_id=one.group_id,
        incident=one.incident or None,
        due_at=one.due_at,
        why=one.why,
        firing=sorted(one.firing),
        settled_at=one.settled_at,
        answer=one.answer,
        attempts=one.attempts,
        configuration_version=one.configuration_version,
    )
