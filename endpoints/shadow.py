"""Shadow: takes what Alertmanager sent, and shows beside it what Tocsin would have sent, and why they differ."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.durations import parse_duration
from domain.errors import ConflictError, InputError
from domain.principals import Scope
from endpoints import ingest
from endpoints.later import later
from endpoints.moments import read_moment_or_age
from endpoints.pipeline import endpoint
from endpoints.shapes import Query, Shape, read_query, show

if TYPE_CHECKING:
    from domain.configuration import Configuration
    from domain.groups import LogEntry
    from domain.labels import Fingerprint
    from domain.routing import GroupId
    from domain.shadowing import Heard, ShadowRecord
    from domain.shadowing.pairing import Comparison, Pair, PairVerdict
    from domain.shadowing.reasons import Cause
    from endpoints.shadow_page import Shown
else:
    (Cause,) = later("domain.shadowing.reasons", "Cause")
    (PairVerdict,) = later("domain.shadowing.pairing", "PairVerdict")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

NO_SHADOW = "this Tocsin is no shadow, so there is nothing to compare: start it with --shadow (TOCSIN_SHADOW=true)"

MOST_COMPARED = 20_000
"""Of more notifications in the time asked for, only the latest are compared."""

ALERTS_SHOWN = 100
MANY = 2_000


# --- shapes ---------------------------------------------------------------------------------------------------------


class FeedQuery(Query):
    """What is done with a webhook of Alertmanager's."""

    feed: bool = Field(False, description="Also take its alerts in, where Tocsin gets them from nobody else.")


class ShadowQuery(Query):
    """What is to be compared."""

    since: str = Field("24h", description="From when on: an instant, or how long ago.")
    until: str | None = Field(None, description="Until when; an instant, or how long ago.  Without it, until now.")
    only: Literal["differences"] | None = None
    limit: int = Field(100, ge=1, le=1000, description="At most so many pairs, the newest.")
    within: str | None = Field(
        None, description="How far apart two notifications of the same may be; without it, as the route's timers say."
    )


class TakenWebhook(Shape):
    """What became of a webhook of Alertmanager's."""

    recorded: bool
    fed: int
    """How many of its alerts were taken in."""
    problems: list[str]
    """Why others were not."""


class ShadowNotification(Shape):
    """One side of a pair."""

    at: datetime
    status: Literal["firing", "resolved"]
    firing: int
    resolved: int
    truncated: int
    """How many more alerts there were."""
    reason: str
    """The notification_reason; empty where the sender, Alertmanager before 0.32, does not tell."""
    integration: str
    """Of Tocsin's: whom it would have told, `webhook[0]`."""
    sender: str
    """Of Alertmanager's: what it calls itself."""


class ShadowAlert(Shape):
    """An alert that only one side told of."""

    fingerprint: str
    name: str
    status: Literal["firing", "resolved"]


class ShadowReason(Shape):
    """Why a pair differs."""

    cause: Cause
    words: str


class ShadowPair(Shape):
    """A notification that Tocsin would have sent, and the one of Alertmanager's that corresponds to it."""

    verdict: PairVerdict
    at: datetime
    receiver: str
    group_key: str
    group_labels: dict[str, str]
    offset_seconds: float | None
    """How much later than Alertmanager Tocsin would have told; None where one side is missing."""
    tocsin: ShadowNotification | None
    alertmanager: ShadowNotification | None
    only_in_tocsin: list[ShadowAlert]
    """Where both told, but not the same; at most 100."""
    only_in_alertmanager: list[ShadowAlert]
    why: list[ShadowReason]
    incident_url: str | None


class ShadowCounts(Shape):
    """How many pairs there are of each kind."""

    same: int
    differs: int
    only_tocsin: int
    only_alertmanager: int
    waiting: int
    """Without a partner yet, and young enough for one to come."""
    uncompared: int
    """Of receivers, or of times, from which nothing has come from Alertmanager."""


class ShadowComparison(Shape):
    """What Tocsin would have told, beside what Alertmanager told."""

    shadow: Literal[True] = True
    since: datetime
    until: datetime
    counts: ShadowCounts
    heard_since: datetime | None
    """Since when Alertmanager's webhooks come; None where none has come yet."""
    heard_receivers: list[str]
    is_cut: bool
    """Whether there were too many to compare: then the earlier ones are left out."""
    pairs: list[ShadowPair]
    """The newest first, and no more than asked for; the counts are of all."""


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "POST",
    "api/v1/shadow/alertmanager",
    scope=Scope.INGEST,
    query=FeedQuery,
    body="application/json",
    answers={200: TakenWebhook},
    problems=(409,),
)
async def take_alertmanager_webhook(request: func.HttpRequest) -> func.HttpResponse:
    """Keep what Alertmanager told a receiver, to compare; with `?feed=true` take its alerts in as well."""
    from adapters.documents import encode
    from domain.shadowing import feed_lease
    from domain.sources.alertmanager_webhook import read_webhook

    if not ports().settings.shadow:
        raise ConflictError(NO_SHADOW)
    query = read_query(FeedQuery, request)
    webhook = read_webhook(request.get_body())
    at = ports().clock()
    fed, problems = 0, list[str]()
    if query.feed:
        # First, so that a webhook that comes again because this failed is recorded once.
        configuration = (await ports().configurations.gather()).configuration
        reports = webhook.reports(at, partial(feed_lease, configuration))
        problems = list(await ingest.take_in(encode(reports)))
        fed = len(reports) - len(problems)
    record = webhook.record(uuid.uuid4().hex, at, str(request.headers.get("user-agent", ""))[:200])
    await ports().shadow.add_record(record)
    return show(TakenWebhook(recorded=True, fed=fed, problems=problems))


@endpoint(
    blueprint,
    "GET",
    "api/v1/shadow",
    scope=Scope.READ,
    query=ShadowQuery,
    answers={200: ShadowComparison},
    problems=(409,),
)
async def show_shadow(request: func.HttpRequest) -> func.HttpResponse:
    """What Tocsin would have sent beside what Alertmanager sent, and why they differ; the newest first."""
    if not ports().settings.shadow:
        raise ConflictError(NO_SHADOW)
    view = await _look(read_query(ShadowQuery, request))
    return show(
        ShadowComparison(
            since=view.since,
            until=view.until,
            counts=ShadowCounts(**{str(verdict): count for verdict, count in view.counts.items()}),
            heard_since=view.heard.since,
            heard_receivers=sorted(view.heard.receivers),
            is_cut=view.is_cut,
            pairs=[_shape(shown) for shown in view.pairs],
        )
    )


@endpoint(blueprint, "GET", "shadow", scope=Scope.READ, query=ShadowQuery, answers={200: "text/html", 409: "text/html"})
async def show_shadow_page(request: func.HttpRequest) -> func.HttpResponse:
    """The same for people."""
    from endpoints.pages import page
    from endpoints.shadow_page import NO_SHADOW_PAGE, shadow_page

    if not ports().settings.shadow:
        return page(NO_SHADOW_PAGE, 409)
    query = read_query(ShadowQuery, request)
    view = await _look(query)
    return page(
        shadow_page(
            view.pairs,
            view.counts,
            view.heard,
            asked=query.since,
            is_only_differences=query.only is not None,
            is_cut=view.is_cut,
            url=ports().settings.external_url.rstrip("/"),
        )
    )


# --- gathering ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _View:
    since: datetime
    until: datetime
    counts: dict[PairVerdict, int]
    heard: Heard
    is_cut: bool
    pairs: Sequence[Shown]


async def _look(query: ShadowQuery) -> _View:
    from domain.shadowing import groups_of, reach
    from domain.shadowing.reasons import Context, why
    from domain.shadowing.trail import Trail
    from endpoints.shadow_page import Shown

    now = ports().clock()
    since = read_moment_or_age(query.since, "since", now, called="query parameter 'since'")
    # What comes while this is answered belongs to it.
    until = now + timedelta(minutes=1)
    if query.until:
        until = read_moment_or_age(query.until, "until", now, called="query parameter 'until'")
    within = None if query.within is None else _read_duration(query.within, "within")
    situation = await ports().configurations.gather()
    configuration = situation.configuration
    heard = await ports().shadow.get_heard()
    records, is_cut = await _records(since, until, reach(configuration))
    compared = partial(_compare, records, configuration, now, heard, within)
    comparison = compared() if len(records) < MANY else await asyncio.to_thread(compared)
    wanted = [
        pair
        for pair in reversed(comparison.pairs)
        if since <= pair.at < until and (query.only is None or pair.verdict.is_difference)
    ]
    trails: dict[GroupId, Sequence[LogEntry]] = {}
    shown = []
    for pair in wanted[: query.limit]:
        groups = groups_of(configuration, pair.any)
        for group in groups:
            if group not in trails:
                trails[group] = await ports().groups.list_entries(group)
        trail = Trail(entry for group in groups for entry in trails[group])
        reasons = why(pair, Context(configuration, comparison, trail, heard.since, now, situation.is_strict))
        shown.append(Shown(pair, reasons, trail.incident(pair.at) if pair.ours is None else pair.ours.record.incident))
        await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
    return _View(since, until, comparison.counts(since, until), heard, is_cut, shown)


async def _records(since: datetime, until: datetime, margin: timedelta) -> tuple[Sequence[ShadowRecord], bool]:
    """All records of that time, with those that may be partners at its borders; and whether some are left out."""
    kept: deque[ShadowRecord] = deque(maxlen=MOST_COMPARED)
    count, after = 0, None
    while records := await ports().shadow.list_records(since - margin, until + margin, after=after):
        kept.extend(records)
        count += len(records)
        after = records[-1]
        await asyncio.sleep(0)
    return kept, count > MOST_COMPARED


def _compare(
    records: Sequence[ShadowRecord],
    configuration: Configuration,
    now: datetime,
    heard: Heard,
    within: timedelta | None,
) -> Comparison:
    from domain.shadowing.pairing import compare

    ours = [record for record in records if record.side == "tocsin"]
    theirs = [record for record in records if record.side == "alertmanager"]
    return compare(ours, theirs, configuration, now, heard, within=within)


def _read_duration(text: str, name: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"query parameter {name!r}: {error}", ((name, str(error)),)) from None


# --- showing --------------------------------------------------------------------------------------------------------


def _shape(shown: Shown) -> ShadowPair:
    pair = shown.pair
    record, found = pair.any, pair.difference
    return ShadowPair(
        verdict=pair.verdict,
        at=pair.at,
        receiver=record.receiver,
        group_key=record.group_key,
        group_labels=dict(record.group_labels),
        offset_seconds=None if pair.offset is None else round(pair.offset.total_seconds(), 3),
        tocsin=_side(pair.ours.record) if pair.ours else None,
        alertmanager=_side(pair.theirs.record) if pair.theirs else None,
        only_in_tocsin=_alerts(pair, found.firing_here, found.resolved_here),
        only_in_alertmanager=_alerts(pair, found.firing_there, found.resolved_there),
        why=[ShadowReason(cause=reason.cause, words=reason.words) for reason in shown.reasons],
        incident_url=f"{ports().settings.external_url.rstrip('/')}/incidents/{shown.incident}"
        if shown.incident
        else None,
    )


def _side(record: ShadowRecord) -> ShadowNotification:
    return ShadowNotification(
        at=record.at,
        status=record.status,
        firing=len(record.firing) // 8,
        resolved=len(record.resolved) // 8,
        truncated=record.truncated,
        reason=record.reason,
        integration=record.integration,
        sender=record.sender,
    )


def _alerts(pair: Pair, firing: frozenset[Fingerprint], resolved: frozenset[Fingerprint]) -> list[ShadowAlert]:
    from domain.shadowing.trail import called

    labels = {name: found for one in (pair.ours, pair.theirs) if one for name, found in one.record.labels.items()}
    told: list[tuple[Literal["firing", "resolved"], Fingerprint]] = [
        *(("firing", name) for name in sorted(firing)),
        *(("resolved", name) for name in sorted(resolved)),
    ]
    return [
        ShadowAlert(fingerprint=name, name=called(name, labels.get(name), pair.any.group_labels), status=status)
        for status, name in told[:ALERTS_SHOWN]
    ]
