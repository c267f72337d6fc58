"""Incidents: what they are and why somebody was told of them or was not; as JSON, and as pages for people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import InputError, NotFoundError
from domain.principals import Scope
from endpoints.cursors import read_cursor, refused, write_cursor
from endpoints.filters import FILTER, read_filter, takes
from endpoints.finding_shapes import FindingShape, show_look
from endpoints.folds import await_folds
from endpoints.later import later
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Query, Shape, read_query, show

if TYPE_CHECKING:
    from domain.alerts import Alert
    from domain.explaining import EventName, Explained
    from domain.groups import Incident, Member
    from domain.labels import Fingerprint, Matcher
    from domain.triage.keeping import Look
else:
    (EventName,) = later("domain.explaining", "EventName")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

CURRENT_ALERTS_SHOWN = 1000
WHY_TOLD = 20
"""Of so many of the current alerts it is said at once why they were told or were not; of the others when asked."""

INCIDENTS_LOOKED_AT = 10_000
"""One answer looks through so many at most for those of a wanted status; `next` says where to go on."""

type Status = Literal["triggered", "acknowledged", "resolved"]


# --- shapes ---------------------------------------------------------------------------------------------------------


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


class IncidentSummary(Shape):
    """One occurrence of a group, from its first firing alert until none fires and the resolve is settled."""

    id: str
    url: str
    """The page for people."""
    title: str
    status: Status
    """`resolved` by a person, while alerts still fire, or because none does any more: see `is_over`."""
    is_over: bool
    """Whether none of its alerts fires any more, and everybody knows; then it changes no more, but for notes."""
    severity: str
    """A person's word, or else the highest label `severity` of what fires; empty where there is none."""
    assignee: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    """When the acknowledgement times out; null if it does not."""
    snoozed_until: datetime | None
    snoozed_by: str | None
    receiver: str
    group_id: str
    group_key: str
    group_labels: dict[str, str]
    opened_at: datetime
    resolved_at: datetime | None
    """When it was over; or when a person resolved it, and it still is so."""
    resolved_by: str | None
    """The person; null where it is not resolved by one."""
    firing: int
    alerts: int
    """How many alerts are or were part of it."""
    pages: int
    """How many notifications arrived."""
    failed: int
    """How many did not: refused, or without a result by their deadline."""


class Incidents(Shape):
    """The newest first."""

    incidents: list[IncidentSummary]
    next: str | None
    """Give this as `cursor` for what follows; None at the end.  With a status wanted, a part may be short or empty."""


class AlertShape(Shape):
    """One alert, as it was reported."""

    fingerprint: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    """Until when its sender vouched for it, or when it ended."""
    received_at: datetime
    generator_url: str


class CurrentAlert(AlertShape):
    """One alert that the group holds now."""

    why: str | None
    """In a sentence why it was told or was not; of the first 20."""
    explain_url: str
    """Where all of it is told, step by step; a page for people."""


class ReasonShape(Shape):
    """One clause of a decision: what, about whom, and the detail in words."""

    code: str
    text: str
    integration: int | None
    fingerprints: list[str]


class DeliveryResult(Shape):
    """How a delivery ended."""

    delivery_id: str
    integration: int
    is_delivered: bool
    attempts: int
    answer: str


class TimelineEntry(Shape):
    """One event and all that was decided about it, also what was not sent, and why."""

    revision: int
    at: datetime
    event: EventName
    actor: str | None
    """The person who did it; null where nobody did."""
    action: str | None
    """What the person did, as it is called in the path: `acknowledge`, `snooze` and so on."""
    reason: str | None
    """Why, in the person's words; of a note, the note."""
    words: str
    """The whole entry as one sentence."""
    clauses: list[str]
    """The parts of that sentence."""
    reasons: list[ReasonShape]
    alerts: list[AlertShape]
    """What the event reported."""
    result: DeliveryResult | None
    next_due_at: datetime | None
    configuration_version: str


class CostShape(Shape):
    """Counted from the store's own answers."""

    request_units: float
    operations: int
    """Requests to the store."""
    bytes: int
    """Sent to and received from the store."""
    messages: int
    """Sent to the queues."""


class IncidentDetail(IncidentSummary):
    """The incident with its timeline."""

    current_alerts: list[CurrentAlert]
    """While it is triggered: the alerts of its group, the firing ones first; at most 1,000."""
    timeline: list[TimelineEntry]
    """The oldest first."""
    is_timeline_cut: bool
    """Whether there are earlier entries than these."""
    finding: FindingShape | None
    """What was found when it was last looked at; null where nobody has looked."""
    cost: CostShape | None
    """What it has cost the store and the queues so far; null where those charge nothing, as on one machine."""


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
        current_alerts=[_current_alert(member, why) for member in members],
        timeline=[_entry(explained) for explained in trail],
        is_timeline_cut=is_cut,
        finding=show_look(look) if look else None,
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
    return query.snoozed in (None, _is_snoozed(incident))


def _is_snoozed(incident: Incident) -> bool:
    return incident.resolved_at is None and incident.standing.snoozed_until is not None


def _up(request: func.HttpRequest) -> str:
    """What leads from this page's folder to the folder that holds `incidents`, wherever a proxy may have put us."""
    path = request.url.partition("?")[0]
    return ("../" if "id" in request.route_params else "") + ("../" if path.endswith("/") else "")


# --- showing --------------------------------------------------------------------------------------------------------


def summary_of(incident: Incident) -> IncidentSummary:
    """What lists show of one incident."""
    standing, is_snoozed = incident.standing, _is_snoozed(incident)
    return IncidentSummary(
        id=incident.id,
        url=f"{ports().settings.external_url.rstrip('/')}/incidents/{incident.id}",
        title=incident.title,
        status=incident.status.value,
        is_over=incident.resolved_at is not None,
        severity=standing.severity or incident.severity,
        assignee=standing.assignee or None,
        acknowledged_at=standing.acknowledged_at,
        acknowledged_by=standing.acknowledged_by or None,
        acknowledged_until=standing.until,
        snoozed_until=standing.snoozed_until if is_snoozed else None,
        snoozed_by=standing.snoozed_by if is_snoozed else None,
        receiver=incident.receiver,
        group_id=incident.group_id,
        group_key=incident.group_key,
        group_labels=dict(incident.group_labels),
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at or standing.resolved_at,
        resolved_by=standing.resolved_by or None,
        firing=incident.firing,
        alerts=incident.alerts,
        pages=incident.pages,
        failed=incident.failed,
    )


def _alert(alert: Alert, *, is_firing: bool) -> AlertShape:
    return AlertShape(
        fingerprint=alert.fingerprint,
        status="firing" if is_firing else "resolved",
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        received_at=alert.received_at,
        generator_url=alert.generator_url,
    )


def _current_alert(member: Member, why: Mapping[Fingerprint, str]) -> CurrentAlert:
    name = member.alert.fingerprint
    return CurrentAlert(
        **dict(_alert(member.alert, is_firing=member.is_firing)),
        why=why.get(name),
        explain_url=f"{ports().settings.external_url.rstrip('/')}/alerts/{name}",
    )


def _entry(explained: Explained) -> TimelineEntry:
    from domain.explaining import reported_alerts

    entry, settled, responded = explained.entry, explained.entry.settled, explained.entry.responded
    return TimelineEntry(
        revision=entry.revision,
        at=entry.at,
        event=explained.event,
        actor=explained.actor or None,
        action=responded.action.value if responded else None,
        reason=responded.reason or None if responded else None,
        words=explained.words,
        clauses=list(explained.clauses),
        reasons=[
            ReasonShape(
                code=reason.code,
                text=reason.text,
                integration=reason.integration,
                fingerprints=list(reason.fingerprints),
            )
            for reason in entry.reasons
        ],
        alerts=[_alert(alert, is_firing=alert.ends_at > alert.received_at) for alert in reported_alerts(entry)],
        result=DeliveryResult(
            delivery_id=settled.delivery_id,
            integration=settled.integration,
            is_delivered=settled.is_delivered,
            attempts=settled.attempts,
            answer=settled.detail,
        )
        if settled
        else None,
        next_due_at=entry.next_due_at,
        configuration_version=entry.configuration_version,
    )
