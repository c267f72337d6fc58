"""Live: what happens to incidents as it happens, by long poll; and the way in for WebSockets."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import InputError, RejectedError
from domain.principals import Scope
from endpoints.authentication import acting
from endpoints.later import later
from endpoints.pipeline import endpoint
from endpoints.problems import GONE, refuse
from endpoints.shapes import Query, Shape, read_body, read_query, show

if TYPE_CHECKING:
    from domain.live import LiveEvent, LiveKind, LivePage
else:
    (LiveKind,) = later("domain.live", "LiveKind")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LONGEST_WAIT_SECONDS = 30
"""The platform's load balancer gives a request up after 230 s, and proxies much sooner."""

MOST_CHANNELS = 50


# --- shapes ---------------------------------------------------------------------------------------------------------


class EventsQuery(Query):
    """Which events are wanted, and how long to wait for one."""

    after: str | None = Field(
        None, max_length=8000, description="The `cursor` of the answer before, or of an event; without it, from now on."
    )
    wait: float = Field(
        0, ge=0, le=LONGEST_WAIT_SECONDS, description="So many seconds to wait for an event if there is none yet."
    )
    limit: int = Field(100, ge=1, le=1000, description="About so many at most; what belongs together stays together.")
    incident: str | None = Field(None, description="Only those of the incident with this id.")
    receiver: str | None = Field(None, description="Only those of this receiver's groups.")


class EventShape(Shape):
    """One thing that happened; it may be told twice, with the same `id`."""

    id: str
    cursor: str | None
    """Asked with `after` this, what follows comes."""
    at: datetime
    kind: LiveKind
    group_id: str
    incident_id: str | None
    """Null for a group that opens no incidents."""
    receiver: str
    title: str
    status: Literal["triggered", "acknowledged", "resolved"]
    """The incident's, after the event."""
    words: str
    actor: str
    """The person who did it, where one did; else empty."""


class Events(Shape):
    """What happened behind a cursor, in order for each incident."""

    events: list[EventShape]
    cursor: str
    """To ask with next; good for 48 hours."""


class ListenRequest(Shape):
    """What somebody wants to listen to."""

    channels: list[str] = Field(
        default_factory=lambda: ["incidents"],
        min_length=1,
        max_length=MOST_CHANNELS,
        description="`incidents` for everything, `incident:ID`, `receiver:NAME`.",
        examples=[["incidents"]],
    )


class ListenAccess(Shape):
    """Where to listen."""

    url: str
    """A `wss://` address for a client of Azure Web PubSub; whoever has it may listen, so keep it to yourself."""
    expires_at: datetime
    """Until when it can be connected to."""
    channels: list[str]
    """The groups that the client may join."""


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(
    blueprint, "GET", "api/v1/events", scope=Scope.READ, query=EventsQuery, answers={200: Events}, problems=(410,)
)
async def follow_events(request: func.HttpRequest) -> func.HttpResponse:
    """Follow what happens to incidents, by long poll.

    Ask again with the `cursor` of the answer: at least once each event comes, and in order for each incident.
    """
    from adapters.documents import encode
    from domain.live import TooOldError

    query = read_query(EventsQuery, request)
    try:
        page = await _follow(query)
    except TooOldError as error:
        return refuse(request, GONE, f"{error}; ask without `after`, and read what was missed from the incidents")
    except InputError:
        raise
    except RejectedError as error:
        raise InputError(str(error), (("after", str(error)),)) from None
    # Not through the shape, which says the same: of one event as many answers are made as there are who wait.
    body = encode({"events": page.events, "cursor": page.cursor})
    return func.HttpResponse(body, mimetype="application/json")


@endpoint(
    blueprint,
    "POST",
    "api/v1/live/negotiate",
    scope=Scope.READ,
    body=ListenRequest,
    answers={200: ListenAccess},
)
async def negotiate_listening(request: func.HttpRequest) -> func.HttpResponse:
    """Get an address to listen at over WebSockets, with a client of Azure Web PubSub.

    A message on a channel is `{"events": [...]}`, as in `GET /api/v1/events`, which has what was missed.
    """
    from domain.live import check_channel

    wanted = read_body(ListenRequest, request) if request.get_body() else ListenRequest()
    for place, channel in enumerate(wanted.channels):
        try:
            check_channel(channel)
        except RejectedError as error:
            raise InputError(str(error), ((f"channels.{place}", str(error)),)) from None
    channels = list(dict.fromkeys(wanted.channels))
    access = await ports().live.publisher.admit(acting.get().id, channels, ports().clock())
    return show(ListenAccess(url=access.url, expires_at=access.expires_at, channels=channels))


async def _follow(query: EventsQuery) -> LivePage:
    """The first page in which there is something that is wanted; an empty one when the time is over."""
    loop, log = asyncio.get_running_loop(), ports().live.log
    until, after = loop.time() + query.wait, query.after
    while True:
        left = max(0.0, until - loop.time())
        page = await log.read(after, limit=query.limit, wait=timedelta(seconds=left))
        events = tuple(event for event in page.events if _is_wanted(event, query))
        if events or not page.events or loop.time() >= until:
            return type(page)(events, page.cursor)
        after = page.cursor


def _is_wanted(event: LiveEvent, query: EventsQuery) -> bool:
    return query.incident in (None, event.incident_id) and query.receiver in (None, event.receiver)
