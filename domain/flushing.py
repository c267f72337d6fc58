"""Flush: what a group does when it falls due, and what the result of a delivery changes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.alerts import END_OF_TIME, TOMBSTONE_RETENTION, later
from domain.configuration import Integration
from domain.groups import Member, ReasonCode
from domain.labels import Fingerprint
from domain.notifications import (
    LOG_RETENTION,
    Delivery,
    Notification,
    NotificationLog,
    NotificationReason,
    Pending,
    Settled,
    ToldAlert,
    display_order,
    news,
    pack,
    unpack,
)
from domain.routing import group_key
from domain.working import INSTANT, Working

SHORTEST_DEADLINE = timedelta(seconds=10)
"""A delivery has at least this long, however short the group's interval is (TM-5)."""

ALERTS_PER_NOTIFICATION = 1000
"""More are counted in `truncatedAlerts`; no cap under strict compatibility (rule 13)."""


def grid_after(anchor: datetime, interval: timedelta, instant: datetime) -> datetime:
    """The first point of the grid `anchor + k × interval`, k ≥ 1, that is not before `instant` (TM-2)."""
    steps = -((anchor - instant) // interval)
    return later(anchor, max(steps, 1) * interval)


def schedule(work: Working, since: datetime) -> None:
    """Set when the group next falls due, looking forward from `since` (rule 9).

    While anything is undecided or unsettled that is the next grid point; otherwise the first one at which a lease may
    have ended or a repeat falls due.  Before the first flush nothing moves it (TM-1).
    """
    if work.present == 0 and not work.pending:
        work.next_due_at = work.flushed_at = work.earliest_end = work.repeat_at = None
        # The tick under way will find nothing and write nothing, so who comes next must not rely on it.
        work.armed_at = None
        work.has_news = work.is_flush_failed = False
        return
    if work.flushed_at is None:
        return
    interval = work.route.group_interval
    if work.has_news or work.pending or work.is_flush_failed:
        point = grid_after(work.flushed_at, interval, since)
        if work.next_due_at is None or not work.flushed_at < work.next_due_at <= point:
            work.next_due_at = point
        return
    causes = [work.repeat_at + INSTANT] if work.repeat_at else []
    if work.earliest_end is not None:
        causes.append(work.earliest_end)
    point = grid_after(work.flushed_at, interval, max(min(causes), since)) if causes else END_OF_TIME
    work.next_due_at = point if point < END_OF_TIME else None


def flush(work: Working, at: datetime) -> None:
    """Look at all members as they are at `at`, and decide for each integration whether it must hear of them.

    The group's grid stays anchored at the point that fell due, unless a whole interval was missed (TM-2).
    """
    assert work.next_due_at is not None
    interval = work.route.group_interval
    work.flushed_at = work.next_due_at if at < work.next_due_at + interval else at
    if work.armed_at is not None and work.armed_at <= at:
        work.armed_at = None  # late or lost: either way it will bring nothing more
    firing, resolved = _look(work, at)
    work.is_flushed = True
    work.present_at_most = len(firing) + len(resolved)
    work.has_news = _notify(work, firing, resolved, at)
    work.is_flush_failed = False
    if not work.pending:
        drop(work, resolved)
    work.earliest_end = min((work.lease_end(member) for member in firing), default=None)
    _plan_repeat(work)
    schedule(work, at + INSTANT)


def settle(work: Working, result: Settled) -> None:
    """Fold the result of a delivery: only now the log changes and what resolved is dropped (rule 10, TM-4)."""
    log = work.logs.get(result.integration)
    pending = log.pending if log else None
    if log is None or pending is None or pending.delivery_id != result.delivery_id:
        if result.is_delivered and (log is None or log.sent_at != result.settled_at):
            work.say(ReasonCode.LATE, result.detail, integration=result.integration)
        return
    work.pending = tuple(number for number in work.pending if number != result.integration)
    if result.is_delivered:
        work.delivered += 1
        work.put_log(
            NotificationLog(result.integration, result.settled_at, firing=pending.firing, resolved=pending.resolved)
        )
        work.say(ReasonCode.DELIVERED, result.detail, integration=result.integration)
    else:
        work.failed += 1
        work.is_flush_failed = True
        work.put_log(replace(log, pending=None))
        work.say(ReasonCode.FAILED, result.detail, integration=result.integration)
    if pending.resolved and not work.pending and not work.is_flush_failed:
        told = (work.member(fingerprint) for fingerprint in unpack(pending.resolved) - _believed_firing(work))
        drop(work, [member for member in told if member and not member.is_firing and member.dropped_at is None])
    _plan_repeat(work)
    # A flush that is due already is not put off: its tick is late, or on its way.
    schedule(work, min(work.now, work.next_due_at or work.now))


def _believed_firing(work: Working) -> frozenset[Fingerprint]:
    """What an integration must still hear to be over: it was not asked while its last delivery was under way."""
    believed: frozenset[Fingerprint] = frozenset()
    for number, integration in enumerate(work.receiver.integrations):
        if integration.send_resolved and (log := work.logs.get(number)):
            believed |= unpack(log.firing)
    return believed


def drop(work: Working, members: Sequence[Member]) -> None:
    """Leave tombstones of these present, resolved members: everyone who had to know, knows (TM-4)."""
    for member in members:
        work.put(replace(member, dropped_at=work.now))
    work.present -= len(members)
    if members:
        work.say(ReasonCode.DROPPED, fingerprints=sorted(member.alert.fingerprint for member in members))


def _look(work: Working, at: datetime) -> tuple[list[Member], list[Member]]:
    """The firing and the resolved members at the flush; leases that ran out are noted, old tombstones forgotten."""
    firing: list[Member] = []
    resolved: list[Member] = []
    ended: list[Fingerprint] = []
    for member in list(work.present_members()):
        if member.is_firing and work.lease_end(member) <= at:
            member = replace(member, is_firing=False)
            work.put(member)
            ended.append(member.alert.fingerprint)
        (firing if member.is_firing else resolved).append(member)
    if ended:
        work.say(ReasonCode.LEASE_ENDED, fingerprints=sorted(ended))
    work.firing = len(firing)
    for fingerprint, member in work.members.items():
        if (
            member.dropped_at is not None
            and member.dropped_at + TOMBSTONE_RETENTION < at
            and fingerprint not in work.changed
        ):
            work.forgotten.append(fingerprint)
    return firing, resolved


def _notify(work: Working, firing: list[Member], resolved: list[Member], at: datetime) -> bool:
    """Decide for each integration; whether one could not be asked, because its last delivery is still under way."""
    # A group that a new configuration emptied lives on only until its last deliveries are settled.
    integrations = work.receiver.integrations if work.present else ()
    firing_names = frozenset(member.alert.fingerprint for member in firing)
    resolved_names = frozenset(member.alert.fingerprint for member in resolved)
    pending: list[int] = []
    is_any_unasked = False
    if work.present and not integrations:
        work.say(ReasonCode.NO_INTEGRATION, work.receiver.name)
    for number, integration in enumerate(integrations):
        if _is_under_way(work, number, at):
            pending.append(number)
            is_any_unasked = True
            continue
        log = work.logs.get(number)
        why = news(
            log,
            firing_names,
            resolved_names,
            sends_resolved=integration.send_resolved,
            repeat_interval=work.route.repeat_interval,
            at=at,
        )
        if why is None:
            is_untold = bool(resolved) and not firing and (log is None or not log.firing)
            work.say(ReasonCode.NEVER_TOLD if is_untold else ReasonCode.NO_NEWS, integration=number)
        elif not firing and not integration.send_resolved:
            work.put_log(NotificationLog(number, at, resolved=pack(resolved_names)))
            work.say(ReasonCode.NOT_SENT, f"{why}; this receiver is not told of resolves", integration=number)
        else:
            told = [*firing, *resolved] if integration.send_resolved else firing
            delivery = _delivery(work, number, integration, why, told, at)
            work.outbox.append(delivery)
            work.put_log(
                replace(
                    log or NotificationLog(number),
                    pending=Pending(delivery.id, at, delivery.deadline, pack(firing_names), pack(resolved_names)),
                )
            )
            work.due += 1
            work.say(ReasonCode.NOTIFY, f"{_counted(firing, told)}: {why}", integration=number)
            pending.append(number)
    # The configuration may have lost an integration whose delivery is still under way.
    pending += [number for number in work.pending if number >= len(integrations) and _is_under_way(work, number, at)]
    work.pending = tuple(pending)
    return is_any_unasked


def _is_under_way(work: Working, number: int, at: datetime) -> bool:
    """Whether the integration's last delivery may still succeed; one that is past its deadline is superseded."""
    log = work.logs.get(number)
    if log is None or log.pending is None:
        return False
    if at < log.pending.deadline:
        # Like Alertmanager, which takes no tick while a flush runs (TM-5): a second try now would page twice.
        work.say(ReasonCode.UNSETTLED, log.pending.delivery_id, integration=number)
        return True
    work.superseded += 1
    work.say(ReasonCode.SUPERSEDED, log.pending.delivery_id, integration=number)
    work.put_log(replace(log, pending=None))
    return False


def _delivery(
    work: Working, number: int, integration: Integration, why: NotificationReason, told: list[Member], at: datetime
) -> Delivery:
    route = work.route
    most = len(told) if work.situation.is_strict else ALERTS_PER_NOTIFICATION
    shown = heapq.nsmallest(most, told, key=lambda member: display_order(member.alert))
    assert work.flushed_at is not None
    return Delivery(
        id=f"{work.before.id}-{work.revision}-{number}",
        group_id=work.before.id,
        incident=work.incident.id if work.incident else "",
        integration=number,
        configuration_version=work.situation.configuration.version,
        notification=Notification(
            receiver=route.receiver,
            group_key=group_key(route, work.before.labels),
            group_labels=dict(work.before.labels),
            route_labels=dict(route.labels),
            reason=why,
            alerts=tuple(ToldAlert(member.alert, member.is_firing) for member in shown),
            truncated=len(told) - len(shown),
        ),
        due_at=at,
        deadline=work.flushed_at + max(route.group_interval, SHORTEST_DEADLINE),
    )


def _counted(firing: list[Member], told: list[Member]) -> str:
    resolved = len(told) - len(firing)
    if not resolved:
        return f"{len(firing)} firing"
    return f"{len(firing)} firing and {resolved} resolved" if firing else f"{resolved} resolved"


def _plan_repeat(work: Working) -> None:
    count = len(work.receiver.integrations)  # the log of an integration that is gone repeats nothing
    logs: Iterable[NotificationLog] = work.logs.values()
    told = [log.sent_at for log in logs if log.sent_at is not None and log.firing and log.integration < count]
    # An entry that has expired repeats too, as a first notification (DD-10).
    work.repeat_at = min(told) + min(work.route.repeat_interval, LOG_RETENTION) if told else None
