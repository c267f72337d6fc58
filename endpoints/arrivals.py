"""What came from the sources: payloads as they were kept, and what is suspicious about them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.principals import Scope
from endpoints.cursors import cut, read_cursor, refused, write_cursor
from endpoints.later import later
from endpoints.moments import read_moment_or_age
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Query, Shape, read_query, show

if TYPE_CHECKING:
    from domain.arrivals import Arrival, ArrivalFilter, ArrivedAlert
    from domain.sources.suspicions import Finding, Kind, Strength
else:
    Kind, Strength = later("domain.sources.suspicions", "Kind", "Strength")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

MOST_COMPARED = 5_000
"""So many payloads, the latest, are looked at for collisions; it takes some seconds."""
MOST_CHARACTERS = 100_000_000
"""Of their bodies: mostly they have a hundredth of that."""
PAGE = 200
ALERTS_SHOWN = 20
"""In a list; one arrival by itself shows more."""

SOURCE = "`kind`, or `kind/key` for one of its senders."


# --- shapes ---------------------------------------------------------------------------------------------------------


class ArrivalsQuery(Page):
    """Which arrivals are wanted."""

    source: str | None = Field(None, max_length=200, description=SOURCE)
    rejected: bool | None = Field(None, description="Whether nothing could be made of it; by default both.")
    since: str | None = Field(None, description="From when on: an instant, or how long ago.")
    until: str | None = Field(None, description="Until when; an instant, or how long ago.")


class ArrivedAlertShape(Shape):
    """An alert that a payload became."""

    fingerprint: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]


class ArrivalSummary(Shape):
    """One payload of a source, without its body."""

    id: str
    source: str
    """`kind/key`."""
    received_at: datetime
    size: int
    """Bytes of the body as it came."""
    alert_count: int
    alerts: list[ArrivedAlertShape]
    """What was made of it, or of it when it was last replayed; the first of them."""
    problems: list[str]
    """What is wrong with what was left out of it."""
    rejection: str | None
    """Why nothing was made of it."""
    is_replayable: bool
    """False where it was too long to be kept whole, or what was masked in it identifies its alerts."""
    replayed_at: datetime | None


class ArrivalsPage(Shape):
    """The newest first."""

    arrivals: list[ArrivalSummary]
    retention_hours: float
    """For how long they are kept; 0 where nothing is."""
    lost: int
    """How many this process could not keep, since it began; their alerts are not lost."""
    next: str | None


class ArrivalDetail(ArrivalSummary):
    """One payload as it came, with a mask for everything secret in it."""

    headers: dict[str, str]
    """Of those that came, the ones that say what it is."""
    body_encoding: Literal["json", "text", "base64"]
    """How `body` shows it: as the JSON value that it spells, as UTF-8, or as neither."""
    body: Any
    is_cut: bool
    """Whether the body, or a header, was longer than what is kept."""
    redacted: list[str]
    """Some of the places where a mask stands."""


class CollisionsQuery(Query):
    """Of what the collisions are wanted."""

    source: str | None = Field(None, max_length=200, description=SOURCE)
    since: str = Field("7d", description="From when on: an instant, or how long ago.")
    until: str | None = Field(None, description="Until when; an instant, or how long ago.  Without it, until now.")


class CollisionExample(Shape):
    """A payload that a suspicion is made of."""

    arrival: str
    """Its id, to look at it by."""
    at: datetime
    words: str


class Collision(Shape):
    """Two things that became one alert, or one that became several; a suspicion."""

    kind: Kind
    strength: Strength
    source: str
    words: str
    advice: str
    labels: dict[str, str]
    """Of the alert, or what the alerts have in common."""
    differs: dict[str, list[str]]
    """What differs, by the path in the payload or the label, with some of the values."""
    count: int
    examples: list[CollisionExample]


class Collisions(Shape):
    """The most likely first."""

    collisions: list[Collision]
    arrivals: int
    """How many payloads were looked at."""
    alerts: int
    """How many different alerts they became."""
    since: datetime | None
    """When the first of them came."""
    until: datetime | None
    is_cut: bool
    """Whether there was more than is looked at: then the earlier payloads are left out."""


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(blueprint, "GET", "api/v1/arrivals", scope=Scope.READ, query=ArrivalsQuery, answers={200: ArrivalsPage})
async def list_arrivals(request: func.HttpRequest) -> func.HttpResponse:
    """The payloads that came from sources, and what was made of each, the newest first."""
    from domain.arrivals import received_at_of

    query = read_query(ArrivalsQuery, request)
    place = read_cursor(query.cursor, "arrivals", str)
    if place is not None:
        try:
            received_at_of(place[0])
        except ValueError:
            raise refused("it is not one that was given out here") from None
    wanted = read_filter(query.source, query.since, query.until, query.rejected)
    home = ports().arrivals
    found = await home.store.list_arrivals(wanted, beyond=place[0] if place else "", limit=query.limit + 1)
    shown, following = cut(found, query.limit, lambda arrival: write_cursor("arrivals", arrival.id))
    return show(
        ArrivalsPage(
            arrivals=[ArrivalSummary(**_summary(arrival, ALERTS_SHOWN)) for arrival in shown],
            retention_hours=home.retention / timedelta(hours=1),
            lost=home.lost,
            next=following,
        )
    )


@endpoint(
    blueprint,
    "GET",
    "api/v1/arrivals/{id}",
    scope=Scope.READ,
    answers={200: ArrivalDetail},
    problems=(404,),
    conditional=True,
)
async def show_arrival(request: func.HttpRequest) -> func.HttpResponse:
    """One payload as it came; what is secret in it was never kept."""
    arrival = await ports().arrivals.store.get_arrival(request.route_params["id"])
    encoding, body = _readable(arrival)
    return show(
        ArrivalDetail(
            **_summary(arrival, len(arrival.alerts)),
            headers=dict(arrival.headers),
            body_encoding=encoding,
            body=body,
            is_cut=arrival.is_cut,
            redacted=list(arrival.redacted),
        )
    )


@endpoint(
    blueprint,
    "GET",
    "api/v1/sources/collisions",
    scope=Scope.READ,
    query=CollisionsQuery,
    answers={200: Collisions},
)
async def list_collisions(request: func.HttpRequest) -> func.HttpResponse:
    """Alerts that may be wrongly merged or split, from what is kept of their payloads; the most likely first."""
    from domain.sources.collisions import find_collisions

    query = read_query(CollisionsQuery, request)
    wanted = read_filter(query.source, query.since, query.until)
    arrivals, is_cut = await read_arrivals(wanted, MOST_COMPARED)
    report = await asyncio.to_thread(find_collisions, arrivals)
    return show(
        Collisions(
            collisions=[_collision(finding) for finding in report.findings],
            arrivals=report.arrivals,
            alerts=report.identities,
            since=report.since,
            until=report.until,
            is_cut=is_cut or report.is_cut,
        )
    )


# --- gathering ------------------------------------------------------------------------------------------------------


def read_filter(
    source: str | None, since: str | None, until: str | None, is_rejected: bool | None = None
) -> ArrivalFilter:
    """What a request wants; raises InputError where that cannot be read."""
    from domain.arrivals import ArrivalFilter

    now = ports().clock()
    kind, _, key = (source or "").partition("/")
    return ArrivalFilter(
        kind=kind,
        key=key,
        is_rejected=is_rejected,
        since=read_moment_or_age(since, "since", now) if since else None,
        until=read_moment_or_age(until, "until", now) if until else None,
    )


async def read_arrivals(wanted: ArrivalFilter, most: int) -> tuple[list[Arrival], bool]:
    """The latest of those, with their bodies and the oldest first; and whether there are more than so many."""
    found: deque[Arrival] = deque()
    beyond, characters = "", 0
    while len(found) <= most and characters <= MOST_CHARACTERS:
        page = await ports().arrivals.store.list_arrivals(
            wanted, beyond=beyond, limit=min(PAGE, most + 1 - len(found)), with_bodies=True
        )
        if not page:
            return list(found), False
        found.extendleft(page)
        characters += sum(len(arrival.body) for arrival in page)
        beyond = page[-1].id
        await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
    if len(found) > most:
        found.popleft()
    return list(found), True


# --- showing --------------------------------------------------------------------------------------------------------


def _summary(arrival: Arrival, alerts: int) -> dict[str, Any]:
    return {
        "id": arrival.id,
        "source": arrival.source,
        "received_at": arrival.received_at,
        "size": arrival.size,
        "alert_count": arrival.alert_count,
        "alerts": [shown_alert(alert) for alert in arrival.alerts[:alerts]],
        "problems": list(arrival.problems),
        "rejection": arrival.rejection or None,
        "is_replayable": not (arrival.is_cut or arrival.is_identity_masked),
        "replayed_at": arrival.replayed_at,
    }


def shown_alert(alert: ArrivedAlert) -> ArrivedAlertShape:
    """The alert as answers show it."""
    return ArrivedAlertShape(
        fingerprint=alert.fingerprint,
        status="firing" if alert.is_firing else "resolved",
        labels=dict(alert.labels),
    )


def _readable(arrival: Arrival) -> tuple[Literal["json", "text", "base64"], Any]:
    from pydantic_core import to_json

    if arrival.encoding == "base64":
        return "base64", arrival.body
    try:
        value = json.loads(arrival.body)
        to_json(value)  # which gives up on what is nested too deeply
    except (ValueError, RecursionError):
        return "text", arrival.body
    return "json", value


def _collision(finding: Finding) -> Collision:
    return Collision(
        kind=finding.kind,
        strength=finding.strength,
        source=finding.source,
        words=finding.words,
        advice=finding.advice,
        labels=dict(finding.labels),
        differs={name: list(values) for name, values in finding.differs.items()},
        count=finding.count,
        examples=[
            CollisionExample(arrival=example.arrival_id, at=example.at, words=example.words)
            for example in finding.examples
        ],
    )
