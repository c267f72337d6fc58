"""The heart: `decide` folds one event into its group and says what changes, whether that is news, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain.alerts import TOMBSTONE_RETENTION, Alert, combine, later
from domain.flushing import flush, schedule, settle
from domain.groups import (
    NO_NEWS,
    Decision,
    Event,
    GroupEvents,
    GroupState,
    Head,
    Member,
    ReasonCode,
    Reported,
    Tick,
    Wanted,
    Woken,
)
from domain.labels import Fingerprint
from domain.notifications import Settled, pack, unpack
from domain.routing import GroupAddress, GroupId
from domain.situations import Situation
from domain.working import Working

DOORS_REMEMBERED = 16
"""A door is one process; the group remembers the last few that brought it anything."""


def decide(state: GroupState, event: Event, situation: Situation, now: datetime) -> Decision | Wanted:
    """Fold one event into its group.

    Whatever is due is done first, unless the event had come before and only waited in a queue.  Folding in the same
    event again changes nothing: queues deliver twice.

    Args:
        state: The group as stored; members and logs may be loaded in part.
        event: What happened.
        situation: The rules in force.
        now: The clock of whoever folds.

    Returns:
        What to write and send, with the reasons, also for what is not sent; empty when the event is no news; or
        `Wanted`, when members or logs are needed that are not loaded.
    """
    head = state.head
    if head is None:
        if not isinstance(event, Reported):
            return NO_NEWS
        address = event.group
    else:
        if isinstance(event, Reported) and event.number <= head.folded.get(event.door, -1):
            return NO_NEWS
        if wanted := _missing(state, head, event, situation, now):
            return wanted
        address = GroupAddress(head.id, head.route_id, head.labels)
    work = Working(state, address, situation, now)
    if head is not None and head.configuration_version != situation.configuration.version:
        _route_anew(work)
    match event:
        case Reported():
            _flush_if_due(work, event.received_at)
            _fold(work, event)
            _flush_if_due(work, now)
        case Tick(due_at=due_at):
            if work.armed_at is not None and work.armed_at <= due_at:
                work.armed_at = None
            _flush_if_due(work, max(now, due_at))
        case Woken():
            _flush_if_due(work, now)
        case Settled():
            settle(work, event)
    return work.decision(event)


def _missing(state: GroupState, head: Head, event: Event, situation: Situation, now: datetime) -> Wanted | None:
    """What must be loaded before this event can be decided; None when nothing is missing."""
    if state.is_complete and state.logs is not None:
        return None
    if head.configuration_version != situation.configuration.version:
        return Wanted()
    if isinstance(event, Settled):
        if state.logs is None:
            return Wanted(frozenset())
        log = state.logs.get(event.integration)
        told = unpack(log.pending.resolved) if log and log.pending else frozenset[Fingerprint]()
        # They are present until they are dropped here, so where one is loaded all were asked for.
        return Wanted(told) if told and told.isdisjoint(state.members) else None
    if isinstance(event, Reported):
        at = event.received_at  # what was not yet due then waits for its tick, which is under way
    else:
        at = max(now, event.due_at) if isinstance(event, Tick) else now
    return Wanted() if head.next_due_at is not None and head.next_due_at <= at else None


def _flush_if_due(work: Working, at: datetime) -> None:
    if work.next_due_at is None or work.next_due_at > at or not (work.is_complete and work.has_logs):
        return
    flush(work, max(at, work.now))


def _fold(work: Working, event: Reported) -> None:
    """Merge each report into the group's own copy, and see what began or ended to fire."""
    work.route_id = event.group.route_id
    if work.present == 0:
        _open(work, event)
    said: dict[ReasonCode, list[Fingerprint]] = {}
    for alert in event.alerts:
        code = _fold_one(work, alert, is_leading=True)
        said.setdefault(code, []).append(alert.fingerprint)
    for alert in event.further:
        code = _fold_one(work, alert, is_leading=False)
        said.setdefault(code, []).append(alert.fingerprint)
    for code, fingerprints in said.items():
        work.say(code, fingerprints=fingerprints)
    folded = {door: number for door, number in work.folded.items() if door != event.door}
    while len(folded) >= DOORS_REMEMBERED:
        del folded[next(iter(folded))]
    folded[event.door] = event.number
    work.folded = folded
    schedule(work, event.received_at)


def _open(work: Working, event: Reported) -> None:
    """Start the group anew: its first flush comes after group_wait, or at once for an alert already older (TM-1)."""
    first = (event.alerts or event.further)[0]
    wait = work.route.group_wait
    is_old = later(first.starts_at, wait) < event.received_at
    work.flushed_at = None
    work.next_due_at = event.received_at if is_old else event.received_at + wait
    work.say(
        ReasonCode.OPENED,
        f"{first.labels.get('alertname', 'the first alert')} is older than group_wait: due at once"
        if is_old
        else "first look after group_wait",
    )


def _fold_one(work: Working, alert: Alert, *, is_leading: bool) -> ReasonCode:
    now = work.now
    old = work.member(alert.fingerprint)
    if old is not None and old.dropped_at is not None and old.dropped_at + TOMBSTONE_RETENTION < now:
        old = None
    if old is None:
        merged, leased_at, was_present, was_firing, occurrence = alert, alert.received_at, False, False, 0
    else:
        merged = combine(old.alert, alert)
        leased_at = max(old.leased_at, merged.received_at)
        was_present = old.dropped_at is None
        was_firing = was_present and old.is_firing
        occurrence = old.occurrence
    end = work.situation.lease_end(merged, leased_at)
    if (
        end <= now
        and merged.ends_at > merged.received_at
        and (old is None or alert.received_at > old.alert.received_at)
    ):
        # The lease ran out while the event waited in the queue: it counts from here (rule 7).
        leased_at = now
        end = work.situation.lease_end(merged, leased_at)
    is_firing = end > now
    if is_firing and not was_firing:
        occurrence += 1
        code = ReasonCode.REFIRED if old is not None else ReasonCode.FIRED
    elif was_firing and not is_firing:
        code = ReasonCode.RESOLVED
    else:
        code = ReasonCode.UPDATED if is_firing else ReasonCode.SEEN_RESOLVED
    work.put(Member(merged, is_firing, leased_at, occurrence, is_leading))
    work.present += not was_present
    work.firing += is_firing - was_firing
    if is_firing != was_firing or not was_present:
        work.has_news = True
    if is_firing:
        if work.earliest_end is None or end < work.earliest_end:
            work.earliest_end = end
        if is_leading and work.incident is None:
            work.open_incident(merged, now)
    return code


def _route_anew(work: Working) -> None:
    """Place every member under the configuration now in force: some stay, some belong elsewhere (rule 12).

    Who stays is looked at again at the next grid point, so that a receiver that is new to an alert is told.
    """
    configuration = work.situation.configuration
    moved: dict[GroupId, tuple[GroupAddress, list[Alert], list[Alert]]] = {}
    left: list[Member] = []
    route_id = None
    for member in list(work.present_members()):
        is_staying = False
        for place, address in enumerate(configuration.group_addresses(member.alert.labels)):
            if address.group_id == work.before.id:
                is_staying = True
                route_id = address.route_id
                if member.is_leading != (place == 0):
                    work.put(replace(member, is_leading=place == 0))
                continue
            # The leading copy alone goes on to the others' places: each of them holds the same alert.
            if member.is_leading and member.is_firing and work.lease_end(member) > work.now:
                _, alerts, further = moved.setdefault(address.group_id, (address, [], []))
                (alerts if place == 0 else further).append(member.alert)
        if not is_staying:
            left.append(member)
    for address, alerts, further in moved.values():
        reported = Reported(
            group=address,
            door=f"{work.before.id}@{configuration.version}",
            number=work.revision,
            received_at=max(alert.received_at for alert in (*alerts, *further)),
            alerts=tuple(alerts),
            further=tuple(further),
        )
        work.outbox.append(GroupEvents(configuration.version, (reported,)))
    for member in left:
        work.put(replace(member, dropped_at=work.now))
        work.firing -= member.is_firing
    work.present -= len(left)
    if left:
        _await_no_longer(work, frozenset(member.alert.fingerprint for member in left))
        work.say(ReasonCode.MOVED, fingerprints=(member.alert.fingerprint for member in left))
    if route_id is not None:
        work.route_id = route_id
        work.has_news = work.has_news or work.flushed_at is not None
        work.say(ReasonCode.ROUTED_ANEW, configuration.version)
    else:
        # No route leads here any more: nothing more is told, and what is under way is settled or superseded.
        work.route_id = configuration.root.id
        work.has_news = work.is_flush_failed = False
    schedule(work, work.now)


def _await_no_longer(work: Working, names: frozenset[Fingerprint]) -> None:
    """These have left: no result of a delivery drops them any more."""
    for log in list(work.logs.values()):
        if log.pending is not None and not names.isdisjoint(told := unpack(log.pending.resolved)):
            work.put_log(replace(log, pending=replace(log.pending, resolved=pack(told - names))))
