"""What silences hide: gathered from what is live, and from the trails of a bounded number of incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.wiring import ports
from domain.deliveries import DeliveryStatus, find_deliveries, labels_in, newest_first
from domain.groups import Incident, LogEntry
from domain.labels import Matcher, match_all
from domain.listing import Selection, list_alerts
from domain.previewing import LOOKED_BACK, Muted, hidden_by, is_within, may_concern, muted_part
from domain.routing import GroupId
from domain.silences import Silence
from endpoints.alertmanager import gather_standing
from endpoints.silence_shapes import (
    HiddenIncident,
    MutedAlert,
    MutedPage,
    SilenceDigest,
    SilencePreview,
    SilenceShape,
)

INCIDENTS_LISTED = 20_000
"""So many of the newest are looked at; most are ruled out by the labels of their groups."""

TRAILS_READ = 300
"""Of so many incidents the trail is read: a query each."""

ENTRIES_READ = 1000
"""Of one trail, the latest."""

INCIDENTS_AT_ONCE = 1000
TRAILS_AT_ONCE = 8
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Trails:
    """The trails of the incidents that may concern some matchers, the newest incident first."""

    found: Sequence[tuple[Incident, Sequence[LogEntry]]]
    is_cut: bool


async def preview(matchers: tuple[Matcher, ...], days: int) -> SilencePreview:
    """What a silence of these matchers would mute now, and would have muted in so many days."""
    standing = await gather_standing()
    listed = await asyncio.to_thread(list_alerts, standing, Selection())
    muted = [alert for alert in listed if match_all(matchers, alert["labels"])]
    muted.sort(key=lambda alert: sorted(alert["labels"].items()))
    names = {alert["fingerprint"] for alert in muted}
    sizes: dict[GroupId, list[bool]] = {}
    shown = {alert["fingerprint"] for alert in listed}
    for group_id, member in standing.copies:
        if group_id in standing.heads and member.alert.fingerprint in shown:
            sizes.setdefault(group_id, []).append(member.alert.fingerprint in names)
    receivers = {standing.heads[group_id].receiver for group_id, is_muted in sizes.items() if any(is_muted)}
    since = ports().clock() - timedelta(days=days)
    trails = await _trails(matchers, since, ports().clock())
    pages = [page for incident, entries in trails.found for page in _pages(incident, entries, matchers, since)]
    pages.sort(key=lambda page: (page.sent_at, page.delivery), reverse=True)
    return SilencePreview(
        alerts=[
            MutedAlert(
                fingerprint=alert["fingerprint"],
                labels=dict(alert["labels"]),
                is_muted_already=alert["status"]["state"] == "suppressed",
            )
            for alert in muted[:SHOWN]
        ],
        alerts_muted=len(muted),
        groups_wholly=sum(all(is_muted) for is_muted in sizes.values()),
        groups_partly=sum(any(is_muted) and not all(is_muted) for is_muted in sizes.values()),
        receivers=sorted(receivers),
        since=since,
        pages=pages[:SHOWN],
        pages_wholly=sum(page.muted is Muted.WHOLLY for page in pages),
        pages_partly=sum(page.muted is Muted.PARTLY for page in pages),
        is_cut=trails.is_cut,
    )


def _pages(
    incident: Incident, entries: Sequence[LogEntry], matchers: tuple[Matcher, ...], since: datetime
) -> list[MutedPage]:
    labels = labels_in(entries)
    return [
        MutedPage(
            delivery=one.id,
            incident=incident.id,
            title=incident.title,
            receiver=incident.receiver,
            sent_at=one.due_at,
            muted=muted,
            firing=len(one.firing),
        )
        for one in newest_first(find_deliveries(entries))
        if one.due_at >= since
        and one.status is DeliveryStatus.DELIVERED
        and (muted := muted_part(one, labels, matchers)) is not None
    ]


async def digest(silence: Silence, shape: SilenceShape) -> SilenceDigest:
    """What the silence has hidden, from its start to its end or now."""
    trails = await _trails(silence.matchers, silence.starts_at, min(silence.ends_at, ports().clock()))
    hidden = [(incident, hidden_by(silence.id, entries)) for incident, entries in trails.found]
    standing = await gather_standing()
    listed = await asyncio.to_thread(list_alerts, standing, Selection(matchers=()))
    incidents = [
        HiddenIncident(
            incident=incident.id,
            title=incident.title,
            receiver=incident.receiver,
            alerts=len(one.alerts),
            pages_withheld=one.pages,
            first_at=one.first_at,
            last_at=one.last_at,
            is_over=incident.resolved_at is not None,
        )
        for incident, one in hidden
        if one is not None
    ]
    return SilenceDigest(
        silence=shape,
        alerts=len({name for _, one in hidden if one is not None for name in one.alerts}),
        incidents=incidents,
        pages_withheld=sum(one.pages_withheld for one in incidents),
        still_firing=sum(match_all(silence.matchers, alert["labels"]) for alert in listed),
        is_cut=trails.is_cut,
    )


async def _trails(matchers: tuple[Matcher, ...], since: datetime, until: datetime) -> Trails:
    """Of the incidents that lasted at any instant in between, as far as the matchers may concern them."""
    incidents, is_cut = await _incidents(matchers, since, until)
    gate = asyncio.Semaphore(TRAILS_AT_ONCE)

    async def read(incident: Incident) -> Sequence[LogEntry]:
        async with gate:
            found = await ports().groups.list_entries(incident.group_id, incident=incident.id, limit=ENTRIES_READ)
            await asyncio.sleep(0)  # the store may have answered without ever leaving the loop to others
            return found

    trails = await asyncio.gather(*[read(incident) for incident in incidents])
    is_cut = is_cut or any(len(entries) == ENTRIES_READ for entries in trails)
    return Trails(list(zip(incidents, trails, strict=True)), is_cut)


async def _incidents(matchers: tuple[Matcher, ...], since: datetime, until: datetime) -> tuple[list[Incident], bool]:
    """The newest first, and whether there are more than may be read."""
    # Whatever is live may have begun at any time; what is over, so long before at most.
    live = await _live_incidents()
    found = {one.id: one for one in live if is_within(one, since, until) and may_concern(matchers, one.group_labels)}
    before: str | None = None
    is_cut = False
    for looked in range(INCIDENTS_AT_ONCE, INCIDENTS_LISTED + 1, INCIDENTS_AT_ONCE):
        part = await ports().groups.list_incidents(before=before, limit=INCIDENTS_AT_ONCE)
        for one in part:
            if is_within(one, since, until) and may_concern(matchers, one.group_labels):
                found.setdefault(one.id, one)
        if len(part) < INCIDENTS_AT_ONCE or part[-1].opened_at < since - LOOKED_BACK:
            break
        before = part[-1].id
        is_cut = looked == INCIDENTS_LISTED
    newest = sorted(found.values(), key=lambda one: (one.opened_at, one.id), reverse=True)
    return newest[:TRAILS_READ], is_cut or len(newest) > TRAILS_READ


async def _live_incidents() -> list[Incident]:
    found: list[Incident] = []
    after: GroupId | None = None
    while heads := await ports().groups.list_heads(after=after):
        found += [head.incident for head in heads if head.incident is not None]
        after = heads[-1].id
    return found
