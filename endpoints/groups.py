"""What is live: alerts, each with what mutes it, and the groups that hold them."""

from __future__ import annotations

import asyncio
import heapq
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import NotFoundError
from domain.principals import Scope
from endpoints.cursors import cut, read_cursor, refused, write_cursor
from endpoints.filters import FILTER, read_filter, takes
from endpoints.folds import await_folds
from endpoints.later import later
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Query, Shape, read_query, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.alerts import Alert
    from domain.explaining import EventName, Explained
    from domain.groups import Head, Incident, Member
    from domain.labels import Fingerprint, Matcher
    from domain.listing import ShownAlert, Standing
    from domain.routing import GroupId
else:
    (EventName,) = later("domain.explaining", "EventName")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

HEADS_AT_ONCE = 1000
HEADS_LOOKED_AT = 20_000
"""One answer looks through so many groups for those of a filter; `next` says where to go on."""

MEMBERS_SHOWN = 1000

MICROSECOND = timedelta(microseconds=1)
FIRST = (-(2**63), "")
"""Before every place of the list."""


# --- shapes ---------------------------------------------------------------------------------------------------------


class AlertsQuery(Page):
    """Which live alerts are wanted."""

    filter: str | None = Field(None, description=FILTER)
    receiver: str | None = Field(None, description="An expression that the names of receivers match, as in the API v2.")
    state: Literal["active", "suppressed"] | None = Field(None, description="Whether it is muted; by default both.")


class LiveAlert(Shape):
    """One alert that has not ended, however many groups hold it, and whether it is muted now."""

    fingerprint: str
    state: Literal["active", "suppressed"]
    silenced_by: list[str]
    """The ids of silences."""
    inhibited_by: list[str]
    """The fingerprint of the alert that inhibits it."""
    muted_by: list[str]
    """The names of intervals."""
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    """Until when its sender vouches for it."""
    received_at: datetime
    generator_url: str
    receivers: list[str]
    groups: list[str]
    """The ids of the groups that hold it."""
    explain_url: str
    """Where it is told why somebody was paged or was not; a page for people."""


class LiveAlerts(Shape):
    """The latest to begin first."""

    alerts: list[LiveAlert]
    next: str | None


class GroupsQuery(Page):
    """Which live groups are wanted."""

    filter: str | None = Field(None, description=f"{FILTER}  It asks for the labels that the group is grouped by.")
    receiver: str | None = Field(None, description="The name of the receiver.")


class GroupSummary(Shape):
    """The alerts that one receiver hears of together."""

    id: str
    receiver: str
    labels: dict[str, str]
    firing: int
    alerts: int
    """What resolved and was not told of yet is among them."""
    incident: str | None
    """The id of its incident, while it has one."""
    is_muted: bool
    """Whether the last look found anything muted."""
    deliveries_pending: int
    looked_at: datetime | None
    """When it was last looked at, before the first look null."""
    next_due_at: datetime | None
    """When it is looked at next."""


class Groups(Shape):
    """In order of their ids, which no change of a group moves."""

    groups: list[GroupSummary]
    next: str | None


class GroupQuery(Query):
    """How much of the log is wanted."""

    limit: int = Field(100, ge=1, le=1000, description="At most so many entries of the log, the latest ones.")


class GroupMember(Shape):
    """The group's own copy of an alert."""

    fingerprint: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    received_at: datetime
    occurrence: int
    """How often it began to fire here."""
    leads: bool
    """Whether this is the group of its first matching route, which alone opens incidents for it."""


class GroupLogEntry(Shape):
    """One event, and in a sentence all that was decided about it."""

    revision: int
    at: datetime
    event: EventName
    words: str
    incident: str
    configuration_version: str


class GroupDetail(GroupSummary):
    """A group with its alerts and its log."""

    is_live: bool
    members: list[GroupMember]
    """The firing ones first; at most 1,000."""
    log: list[GroupLogEntry]
    """The newest first."""
    is_log_cut: bool
    """Whether there are earlier entries than these."""


# --- alerts ---------------------------------------------------------------------------------------------------------


@endpoint(blueprint, "GET", "api/v1/alerts", scope=Scope.READ, query=AlertsQuery, answers={200: LiveAlerts})
async def list_live_alerts(request: func.HttpRequest) -> func.HttpResponse:
    """The alerts that have not ended, each with what mutes it now; the latest to begin first."""
    from endpoints.alertmanager import gather_standing

    query = read_query(AlertsQuery, request)
    matchers = read_filter(request)
    after = _read_place(query.cursor)
    standing = await gather_standing(matchers)
    found = await asyncio.to_thread(_alerts, standing, query, matchers, after)
    shown, following = cut(found, query.limit, _place_of)
    return show(LiveAlerts(alerts=list(shown), next=following))


@endpoint(
    blueprint,
    "GET",
    "api/v1/alerts/{fingerprint}",
    scope=Scope.READ,
    answers={200: LiveAlert},
    problems=(404,),
    conditional=True,
)
async def show_live_alert(request: func.HttpRequest) -> func.HttpResponse:
    """One alert that has not ended; of one that has, `/api/v1/alerts/{fingerprint}/explain` tells what is known."""
    from endpoints.alertmanager import gather_standing

    name = request.route_params["fingerprint"]
    standing = await gather_standing()
    query = AlertsQuery.model_validate({"limit": 1})
    found = await asyncio.to_thread(_alerts, standing, query, (), None, name)
    if not found:
        raise NotFoundError(f"no live alert {name[:100]!r}")
    return show(found[0])


def _alerts(
    standing: Standing,
    query: AlertsQuery,
    matchers: tuple[Matcher, ...],
    after: tuple[int, str] | None,
    fingerprint: str | None = None,
) -> list[LiveAlert]:
    """One more than the query's limit, of those behind the place of the cursor."""
    from dataclasses import replace

    from domain.listing import list_alerts, read_selection

    if fingerprint is not None:
        copies = [copy for copy in standing.copies if copy[1].alert.fingerprint == fingerprint]
        standing = replace(standing, copies=copies)
    selection = read_selection({"receiver": [query.receiver]} if query.receiver else {})
    listed = list_alerts(standing, replace(selection, matchers=matchers))
    copies_of: dict[Fingerprint, list[tuple[GroupId, Member]]] = {}
    for group_id, member in standing.copies:
        copies_of.setdefault(member.alert.fingerprint, []).append((group_id, member))
    begun = {name: max([one.alert for _, one in copies], key=_received_at) for name, copies in copies_of.items()}
    wanted = [
        (key, one)
        for one in listed
        if query.state in (None, "active" if one["status"]["state"] == "active" else "suppressed")
        and (key := _key(begun[one["fingerprint"]])) > (after or FIRST)
    ]
    nearest = heapq.nsmallest(query.limit + 1, wanted, key=lambda pair: pair[0])
    return [_shown(one, begun[one["fingerprint"]], copies_of[one["fingerprint"]]) for _, one in nearest]


def _place_of(alert: LiveAlert) -> str:
    begun, name = _key(alert)
    return write_cursor("alerts", str(begun), name)


def _read_place(cursor: str | None) -> tuple[int, str] | None:
    place = read_cursor(cursor, "alerts", str, str)
    try:
        return (int(place[0]), place[1]) if place else None
    except ValueError:
        raise refused("it is not one that was given out here") from None


def _received_at(alert: Alert) -> datetime:
    return alert.received_at


def _key(alert: Alert | LiveAlert) -> tuple[int, str]:
    """Its place in the list, which is that of a cursor too."""
    from domain.times import EPOCH

    return (EPOCH - alert.starts_at) // MICROSECOND, alert.fingerprint


def _shown(listed: ShownAlert, alert: Alert, copies: Sequence[tuple[GroupId, Member]]) -> LiveAlert:
    status = listed["status"]
    return LiveAlert(
        fingerprint=alert.fingerprint,
        state="active" if status["state"] == "active" else "suppressed",
        silenced_by=list(status["silencedBy"]),
        inhibited_by=list(status["inhibitedBy"]),
        muted_by=list(status["mutedBy"]),
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        received_at=alert.received_at,
        generator_url=alert.generator_url,
        receivers=[receiver["name"] for receiver in listed["receivers"]],
        groups=sorted(group_id for group_id, _ in copies),
        explain_url=f"{ports().settings.external_url.rstrip('/')}/alerts/{alert.fingerprint}",
    )


# --- groups ---------------------------------------------------------------------------------------------------------


@endpoint(blueprint, "GET", "api/v1/groups", scope=Scope.READ, query=GroupsQuery, answers={200: Groups})
async def list_live_groups(request: func.HttpRequest) -> func.HttpResponse:
    """The groups that hold alerts or wait for a delivery's result, in order of their ids."""
    query = read_query(GroupsQuery, request)
    matchers = read_filter(request)
    place = read_cursor(query.cursor, "groups", str)
    await await_folds()
    found, following = await _find_groups(query, matchers, place[0] if place else None)
    return show(
        Groups(
            groups=[GroupSummary(**_summary(head)) for head in found],
            next=write_cursor("groups", following) if following is not None else None,
        )
    )


async def _find_groups(
    query: GroupsQuery, matchers: tuple[Matcher, ...], last: str | None
) -> tuple[list[Head], str | None]:
    """The groups that the query wants, and behind which one to go on."""
    from domain.routing import GroupId

    after = GroupId(last) if last is not None else None
    found: list[Head] = []
    for _ in range(0, HEADS_LOOKED_AT, HEADS_AT_ONCE):
        heads = await ports().groups.list_heads(after=after, limit=HEADS_AT_ONCE)
        for place, head in enumerate(heads):
            if query.receiver in (None, head.receiver) and takes(matchers, head.labels):
                found.append(head)
                if len(found) == query.limit:
                    is_last = place + 1 == len(heads) < HEADS_AT_ONCE
                    return found, None if is_last else head.id
        if len(heads) < HEADS_AT_ONCE:
            return found, None
        after = heads[-1].id
        await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
    return found, after


@endpoint(
    blueprint,
    "GET",
    "api/v1/groups/{id}",
    scope=Scope.READ,
    query=GroupQuery,
    answers={200: GroupDetail},
    problems=(404,),
    conditional=True,
)
async def show_group(request: func.HttpRequest) -> func.HttpResponse:
    """One group with its alerts and the latest of its log; also one that holds nothing any more."""
    from domain.explaining import explain
    from domain.routing import GroupId

    query = read_query(GroupQuery, request)
    group_id = GroupId(request.route_params["id"])
    await await_folds()
    head = await head_of(group_id)
    if head is None:
        raise NotFoundError(f"no group {group_id[:100]!r}")
    members = [member for _, member in await ports().groups.list_members([group_id])]
    members.sort(key=lambda member: (not member.is_firing, sorted(member.alert.labels.items())))
    entries = await ports().groups.list_entries(group_id, limit=query.limit + 1)
    # Each is told as news to the one before, so that one is explained as well.
    trail = explain(entries, [member.alert for member in members], is_shadow=ports().settings.shadow)[-query.limit :]
    return show(
        GroupDetail(
            **_summary(head),
            is_live=head.is_live,
            members=[_member(member) for member in members[:MEMBERS_SHOWN]],
            log=[_entry(explained) for explained in reversed(trail)],
            is_log_cut=len(entries) > query.limit,
        )
    )


async def head_of(group_id: GroupId) -> Head | None:
    """The head of a group, live or not: what a decision is shown that changes nothing."""
    from domain.groups import NO_NEWS, Decision, GroupState, Transaction

    seen: list[Head | None] = []

    def look(state: GroupState) -> Decision:
        seen.append(state.head)
        return NO_NEWS

    await ports().groups.transact([Transaction(group_id, look)])
    return seen[-1]


def _summary(head: Head) -> dict[str, Any]:
    incident: Incident | None = head.incident
    return {
        "id": head.id,
        "receiver": head.receiver,
        "labels": dict(head.labels),
        "firing": head.firing,
        "alerts": head.present,
        "incident": incident.id if incident else None,
        "is_muted": head.has_muted,
        "deliveries_pending": len(head.pending),
        "looked_at": head.flushed_at,
        "next_due_at": head.next_due_at,
    }


def _member(member: Member) -> GroupMember:
    alert = member.alert
    return GroupMember(
        fingerprint=alert.fingerprint,
        status="firing" if member.is_firing else "resolved",
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        received_at=alert.received_at,
        occurrence=member.occurrence,
        leads=member.is_leading,
    )


def _entry(explained: Explained) -> GroupLogEntry:
    entry = explained.entry
    return GroupLogEntry(
        revision=entry.revision,
        at=entry.at,
        event=explained.event,
        words=explained.words,
        incident=entry.incident,
        configuration_version=entry.configuration_version,
    )
