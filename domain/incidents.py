"""The heart: `decide` folds one event into its group and says what changes, whether that is news, and why."""

from __future__ import annotations

from datetime import datetime

from domain.alerts import TOMBSTONE_RETENTION, Alert, combine, later
from domain.flushing import flush
from domain.groups import (
    NO_NEWS,
    Decision,
    Event,
    GroupState,
    Head,
    Member,
    ReasonCode,
    Reported,
    Tick,
    Wanted,
)
from domain.labels import Fingerprint
from domain.lifecycle import Responded
from domain.looks import Found
from domain.notifications import Settled
from domain.rerouting import route_anew
from domain.routing import GroupAddress
from domain.scheduling import schedule
from domain.settling import settle
from domain.situations import Situation
from domain.withholding import begin_anew, take_response, wants_logs
from domain.working import INSTANT, Working

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
        What to write and send, with the reasons, also for what is not sent; empty when the event is no news, or
        when a person's wish is refused (`Decision.refused`); or `Wanted`, when members or logs are needed that are not
        loaded.
    """
    head = state.head
    if head is None:
        if isinstance(event, Responded):
            return Decision(refused="nothing is known of its group any more")
        if not isinstance(event, Reported):
            return NO_NEWS
        address = event.group
    else:
        if isinstance(event, Reported) and event.number <= head.folded.get(event.door, -1):
            return NO_NEWS
        if isinstance(event, Responded) and event.id in head.responded:
            return NO_NEWS
        if isinstance(event, Found) and not _is_awaited(head, event):
            return NO_NEWS
        if wanted := _missing(state, head, event, situation, now):
            return wanted
        address = GroupAddress(head.id, head.route_id, head.labels)
    work = Working(state, address, situation, now)
    if head is not None and head.configuration_version != situation.configuration.version:
        route_anew(work)
    match event:
        case Reported():
            _flush_if_due(work, event.received_at)
            _fold(work, event)
            _flush_if_due(work, now)
        case Tick(due_at=due_at):
            if work.armed_at is not None and work.armed_at <= due_at:
                work.armed_at = None
            _flush_if_due(work, max(now, due_at))
            if event.why:
                _look_again(work, event.why)
        case Settled():
            settle(work, event)
        case Responded():
            _flush_if_due(work, now)
            if not work.wanted_sources:
                if refusal := take_response(work, event):
                    return Decision(refused=refusal.reason)
                schedule(work, now)
        case Found():
            if work.incident is not None and work.incident.id == event.incident:
                work.note_found(event)
    # All members are loaded by then: only a flush asks for documents.
    return Wanted(frozenset(), work.wanted_sources) if work.wanted_sources else work.decision(event)


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
        told = log.pending.over if log and log.pending else frozenset[Fingerprint]()
        # They are present until they are dropped here, so where one is loaded all were asked for.
        return Wanted(told) if told and told.isdisjoint(state.members) else None
    if isinstance(event, Found):
        return None  # what is due waits for its tick
    if isinstance(event, Responded):
        at, may_tell_anew = now, True
    else:
        # What was not yet due when a report came waits for its tick, which is under way.
        at = event.received_at if isinstance(event, Reported) else max(now, event.due_at)
        may_tell_anew = head.incident is not None and head.incident.response is not None
    if head.next_due_at is not None and head.next_due_at <= at:
        return Wanted()
    if may_tell_anew and state.logs is None and wants_logs(head, event, state.members.values()):
        return Wanted(frozenset())
    return None


def _is_awaited(head: Head, event: Found) -> bool:
    """Whether the incident lasts, and has not heard of that look yet, nor of a later one."""
    incident = head.incident
    return incident is not None and incident.id == event.incident and event.look > incident.looks


def _look_again(work: Working, why: str) -> None:
    """Something outside the group has changed: the next grid point looks, however quiet the group has been (rule 9)."""
    if work.present and work.flushed_at is not None and not work.has_news:
        work.has_news = True
        work.say(ReasonCode.WOKEN, why)
        schedule(work, work.now + INSTANT)


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
    if work.response is not None:
        begin_anew(work, [*said.get(ReasonCode.FIRED, ()), *said.get(ReasonCode.REFIRED, ())])
    folded = {door: number for door, number in work.folded.items() if door != event.door}
    while len(folded) >= DOORS_REMEMBERED:
        del folded[next(iter(folded))]
    folded[event.door] = event.number
    work.folded = folded
    if len(work.changed) >= work.present:
        _raise_earliest_end(work)
    schedule(work, event.received_at)


def _open(work: Working, event: Reported) -> None:
    """Start the group anew: its first flush comes after group_wait.

    Under strict compatibility it comes at once for an alert that is older already (TM-1).  Otherwise that waits too: a
    source that inhibits it, or others of its group, may be on their way, as after a restart of Prometheus.
    """
    first = (event.alerts or event.further)[0]
    wait = work.route.group_wait
    if (old := _mergeable(work, first.fingerprint)) is not None:
        first = combine(old.alert, first)
    is_old = work.situation.is_strict and later(first.starts_at, wait) < event.received_at
    work.flushed_at = None
    work.next_due_at = event.received_at if is_old else event.received_at + wait
    work.say(
        ReasonCode.OPENED,
        f"{first.labels.get('alertname', 'the first alert')} is older than group_wait: due at once"
        if is_old
        else "first look after group_wait",
    )


def _raise_earliest_end(work: Working) -> None:
    """Where the whole group was reported, as Prometheus mostly does, its leases are known without loading anything.

    So a group that is only re-sent is flushed for its repeat alone: its ticks find their due time moved (rule 9).
    """
    present = [member for member in work.changed.values() if member.dropped_at is None]
    if len(present) == work.present:
        work.earliest_end = min((work.lease_end(member) for member in present if member.is_firing), default=None)


def _mergeable(work: Working, fingerprint: Fingerprint) -> Member | None:
    """What a report of this alert is merged into: its member, or a tombstone that is not too old (MG-3)."""
    member = work.member(fingerprint)
    if member is not None and member.dropped_at is not None and member.dropped_at + TOMBSTONE_RETENTION < work.now:
        return None
    return member


def _fold_one(work: Working, alert: Alert, *, is_leading: bool) -> ReasonCode:
    now = work.now
    old = _mergeable(work, alert.fingerprint)
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
