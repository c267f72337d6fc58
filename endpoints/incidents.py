"""Incidents: what they are and why somebody was told of them or was not; as JSON, and as pages for people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import InputError, NotFoundError
from domain.principals import Scope
from endpoints.cursors import read_cursor, refused, write_cursor
from endpoints.filters import FILTER, read_filter, takes
from endpoints.finding_shapes import UsageShape, show_look, show_usage
from endpoints.folds import await_folds
from endpoints.incident_shapes import (
    CostShape,
    IncidentDetail,
    Incidents,
    Status,
    is_snoozed,
    show_current_alert,
    show_entry,
    summary_of,
)
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Query, read_query, show

if TYPE_CHECKING:
    from domain.explaining import Explained
    from domain.groups import Incident, Member
    from domain.labels import Fingerprint, Matcher
    from domain.triage.keeping import Look

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

CURRENT_ALERTS_SHOWN = 1000
WHY_TOLD = 20
"""Of so many of the current alerts it is said at once why they were told or were not; of the others when asked."""

INCIDENTS_LOOKED_AT = 10_000
"""One answer looks through so many at most for those of a wanted status; `next` says where to go on."""


# --- questions ------------------------------------------------------------------------------------------------------


class IncidentsQuery(Page):
    """Which incidents are wanted."""

    before: str | None = Field(
        None,
        description="The id of the last one seen, or its cursor: what follows it is wanted.  Use `cursor`.",
        json_schema_extra={"deprecated": True},  # as a field's own mark it would warn ourselves, who read it
    )
    status: Status | None = None
    snoozed: bool | None = Field(None, description="Only those that are snoozed now; or false: only the others.")
    filter: str | None = Field(None, description=f"{FILTER}  It asks for the labels that the group is grouped by.")


class TimelineQuery(Query):
    """How much of the timeline is wanted."""

    limit: int = Field(1000, ge=1, le=10_000, description="At most so many entries, the latest ones.")


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(blueprint, "GET", "api/v1/incidents", scope=Scope.READ, query=IncidentsQuery, answers={200: Incidents})
async def list_incidents(request: func.HttpRequest) -> func.HttpResponse:
    """The incidents, the newest first."""
    found, following = await _find(read_query(IncidentsQuery, request), read_filter(request))
    next = None if following is None else write_cursor("incidents", following)
    return show(Incidents(incidents=[summary_of(incident) for incident in found], next=next))


@endpoint(
    blueprint,
    "GET",
    "api/v1/incidents/{id}",
    scope=Scope.READ,
    query=TimelineQuery,
    answers={200: IncidentDetail},
    problems=(404,),
    conditional=True,
)
async def show_incident(request: func.HttpRequest) -> func.HttpResponse:
    """One incident with its timeline: every event and every decision with its reason."""
    return show(await detail_of(request.route_params["id"], read_query(TimelineQuery, request)))


@endpoint(blueprint, "GET", "incidents", scope=Scope.READ, query=IncidentsQuery, answers={200: "text/html"})
async def list_incidents_page(request: func.HttpRequest) -> func.HttpResponse:
    """The list of incidents for people."""
    from endpoints.pages import list_page, page

    found, following = await _find(read_query(IncidentsQuery, request), read_filter(request))
    return page(list_page(found, following, now=ports().clock(), up=_up(request)))


@endpoint(
    blueprint,
    "GET",
    "incidents/{id}",
    scope=Scope.READ,
    query=TimelineQuery,
    answers={200: "text/html", 404: "text/html"},
)
async def show_incident_page(request: func.HttpRequest) -> func.HttpResponse:
    """One incident for people: where the links in notifications lead."""
    from endpoints.finding_page import finding_section
    from endpoints.pages import NO_SUCH_INCIDENT, incident_page, page

    query = read_query(TimelineQuery, request)
    try:
        incident, trail, members, is_cut = await _trail(request.route_params["id"], query.limit)
    except NotFoundError:
        return page(NO_SUCH_INCIDENT, 404)
    why = await _why(incident, trail, members, is_cut=is_cut)
    up, look = _up(request), await latest_look(incident)
    finding = finding_section(look, await ports().findings.list_asked(incident.id), up=up) if look else ""
    return page(
        incident_page(incident, trail, members, why, now=ports().clock(), is_cut=is_cut, up=up, finding=finding)
    )


# The host takes an empty route for none at all; this one is the root, once AzureWebJobsDisableHomepage frees it.
@endpoint(blueprint, "GET", "/", scope=None, answers={302: None})
async def show_home(request: func.HttpRequest) -> func.HttpResponse:
    """Lead people to the list of incidents."""
    return func.HttpResponse(status_code=302, headers={"Location": "incidents"})


# --- gathering ------------------------------------------------------------------------------------------------------


async def detail_of(incident_id: str, query: TimelineQuery) -> IncidentDetail:
    """What is shown of one incident.

    Raises:
        NotFoundError: There is none under that id.
    """
    incident, trail, members, is_cut = await _trail(incident_id, query.limit)
    why = await _why(incident, trail, members, is_cut=is_cut)
    cost = await ports().groups.get_cost(incident.id)
    look = await latest_look(incident)
    return IncidentDetail(
        **dict(summary_of(incident)),
        current_alerts=[show_current_alert(member, why) for member in members],
        timeline=[show_entry(explained) for explained in trail],
        is_timeline_cut=is_cut,
        finding=show_look(look) if look else None,
        model_usage=await _model_usage(incident),
        cost=CostShape(**asdict(cost)) if cost else None,
    )


async def _find(query: IncidentsQuery, matchers: tuple[Matcher, ...]) -> tuple[Sequence[Incident], str | None]:
    """The incidents that the query wants, and behind which one to go on."""
    await await_folds()
    groups, before = ports().groups, await _last_seen(query)
    found: list[Incident] = []
    for _ in range(0, INCIDENTS_LOOKED_AT, 1000):
        is_filtered = query.status is not None or query.snoozed is not None or bool(matchers)
        size = 1000 if is_filtered else query.limit + 1
        incidents = await groups.list_incidents(before=before, limit=size)
        for place, incident in enumerate(incidents):
            if _is_wanted(query, incident) and takes(matchers, incident.group_labels):
                found.append(incident)
            if len(found) == query.limit and place + 1 < len(incidents):
                return found, incident.id
        if len(incidents) < size:
            return found, None
        before = incidents[-1].id
        await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
    return found, before


async def _last_seen(query: IncidentsQuery) -> str | None:
    """The id of the incident that the question goes on behind."""
    if query.cursor is not None and query.before is not None:
        raise refused("'before' says the same; give one of them")
    name = "cursor" if query.before is None else "before"
    place = read_cursor(query.cursor, "incidents", str) if query.before is None else _place(query.before)
    last = place[0] if place else query.before
    if last is not None:
        try:
            await ports().groups.get_incident(last)
        except NotFoundError as error:
            raise InputError(f"query parameter {name!r}: {error}", ((name, str(error)),)) from error
    return last


def _place(before: str) -> tuple[str, ...] | None:
    """Programs of before cursors give `next` as `before`."""
    try:
        return read_cursor(before, "incidents", str)
    except InputError:
        return None


async def _trail(incident_id: str, limit: int) -> tuple[Incident, Sequence[Explained], Sequence[Member], bool]:
    """The incident, its trail in words, its alerts while it lasts, and whether the trail goes further back."""
    from domain.explaining import explain

    await await_folds()
    groups = ports().groups
    incident = await groups.get_incident(incident_id)
    entries = await groups.list_entries(incident.group_id, incident=incident.id, limit=limit + 1)
    members: list[Member] = []
    if incident.resolved_at is None:
        members = [member for _, member in await groups.list_members([incident.group_id])]
        members.sort(key=lambda member: (not member.is_firing, sorted(member.alert.labels.items())))
    versions = {entry.configuration_version for entry in entries}
    called = {version: await integration_names(version, incident.receiver) for version in versions}
    alerts = [member.alert for member in members]
    trail = explain(entries[-limit:], alerts, called=called, is_shadow=ports().settings.shadow)
    return incident, trail, members[:CURRENT_ALERTS_SHOWN], len(entries) > limit


async def latest_look(incident: Incident) -> Look | None:
    """The latest look at it; None where nobody has looked, or what was found is not kept any more."""
    return await ports().findings.get_look(incident.id, incident.looks) if incident.looks else None


async def _model_usage(incident: Incident) -> UsageShape | None:
    if not ports().first_responder.has_model:
        return None
    from endpoints.looking import spent_on

    return show_usage(await spent_on(incident))


async def integration_names(version: str, receiver: str) -> Sequence[str]:
    """What the integrations of a receiver are called in that version of the configuration; none where it has none."""
    try:
        return (await ports().configurations.get(version)).receiver(receiver).integration_names
    except NotFoundError:
        return ()


async def _why(
    incident: Incident, trail: Sequence[Explained], members: Sequence[Member], *, is_cut: bool
) -> dict[Fingerprint, str]:
    """Of the first few of its alerts why they were told or were not."""
    from domain.tracing import trace
    from endpoints.evidence import inquire

    inquiry = await inquire(incident.group_id) if members else None
    why: dict[Fingerprint, str] = {}
    if inquiry is not None:
        entries = [explained.entry for explained in trail]
        for member in members[:WHY_TOLD]:
            evidence = await inquiry.evidence(member.alert.fingerprint, entries, is_cut=is_cut)
            if evidence is not None:
                why[member.alert.fingerprint] = trace(evidence).summary
    return why


def _is_wanted(query: IncidentsQuery, incident: Incident) -> bool:
    if query.status not in (None, incident.status.value):
        return False
    return query.snoozed in (None, is_snoozed(incident))


def _up(request: func.HttpRequest) -> str:
    """What leads from this page's folder to the folder that holds `incidents`, wherever a proxy may have put us."""
    path = request.url.partition("?")[0]
    return ("../" if "id" in request.route_params else "") + ("../" if path.endswith("/") else "")
