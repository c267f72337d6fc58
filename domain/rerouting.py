"""Rerouting: what a change of configuration does to a group (rule 12 of the design)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from domain.alerts import TOMBSTONE_RETENTION, Alert, later
from domain.groups import GroupEvents, Member, ReasonCode, Reported
from domain.labels import Fingerprint
from domain.notifications import (
    Delivery,
    Notification,
    NotificationLog,
    NotificationReason,
    Pending,
    ToldAlert,
    display_order,
    pack,
    unpack,
)
from domain.routing import GroupAddress, GroupId
from domain.scheduling import schedule
from domain.working import INSTANT, Working

FAREWELL_DEADLINE = timedelta(minutes=5)
"""How long the resolve of a group that a new configuration did away with is tried; no later page waits for it."""


def route_anew(work: Working) -> None:
    """Place every member under the configuration now in force: some stay, some belong elsewhere (rule 12).

    Who stays is looked at again at the next grid point, so that a receiver that is new to an alert is told.  Under
    strict compatibility groups begin anew instead, and what has resolved is placed too (`_remember`, `_begin_anew`).
    """
    configuration = work.situation.configuration
    is_strict = work.situation.is_strict
    if is_strict:
        _remember(work)
    moved: dict[GroupId, tuple[GroupAddress, list[Alert], list[Alert]]] = {}
    left: list[Member] = []
    route_id = None
    for member in list(work.present_members()):
        is_staying = False
        is_live = member.is_firing and work.lease_end(member) > work.now
        for place, address in enumerate(configuration.group_addresses(member.alert.labels)):
            if address.group_id == work.before.id:
                is_staying = True
                route_id = address.route_id
                if member.is_leading != (place == 0):
                    work.put(replace(member, is_leading=place == 0))
                continue
            # The leading copy alone goes on to the others' places: each of them holds the same alert.
            if member.is_leading and (is_live or is_strict):
                _, alerts, further = moved.setdefault(address.group_id, (address, [], []))
                (alerts if place == 0 else further).append(member.alert if is_live else _ended(member.alert))
        if not is_staying:
            left.append(member)
    for address, alerts, further in moved.values():
        reported = Reported(
            group=address,
            door=f"{work.before.id}@{configuration.version}",
            number=work.revision,
            received_at=work.now,  # a group that it opens waits for the others that move there
            alerts=_by_start(alerts),
            further=_by_start(further),
        )
        work.outbox.append(GroupEvents(configuration.version, (reported,)))
    for member in left:
        # Its time here is over: what comes back may be another occurrence, and must not be merged with this one.
        over = replace(member.alert, ends_at=min(member.alert.ends_at, work.now))
        # Strict: what comes back brings everything with it, as from Alertmanager's one store; nothing stays here.
        dropped_at = work.now - TOMBSTONE_RETENTION - INSTANT if is_strict else work.now
        work.put(replace(member, alert=over, dropped_at=dropped_at))
        work.firing -= member.is_firing
    work.present -= len(left)
    if left:
        _await_no_longer(work, frozenset(member.alert.fingerprint for member in left))
        work.say(ReasonCode.MOVED, fingerprints=(member.alert.fingerprint for member in left))
        if not is_strict:
            _note_moved(work, left)
            if work.present == 0:
                _say_farewell(work, left)
    if route_id is not None:
        work.route_id = route_id
        work.has_news = work.has_news or work.flushed_at is not None
        work.say(ReasonCode.ROUTED_ANEW, configuration.version)
        if is_strict:
            _begin_anew(work)
    else:
        # No route leads here any more: nothing more is told, and what is under way is settled or superseded.
        work.route_id = configuration.root.id
        work.has_news = work.is_flush_failed = False
    schedule(work, work.now)


def _remember(work: Working) -> None:
    """Take up again what this group has dropped and Alertmanager's store would still have: a reload hands out all.

    So a receiver that an alert was moved away from hears of its resolve when it is moved back (R 0.25).
    """
    for member in work.members.values():
        if member.dropped_at is None:
            continue
        # Since when it is known to be over; an earlier reload may have dropped it a second time since.
        ended_at = min(max(member.alert.ends_at, member.alert.received_at), member.dropped_at)
        if later(ended_at, TOMBSTONE_RETENTION) >= work.now:
            work.put(replace(member, dropped_at=None))
            work.present += 1


def _ended(alert: Alert) -> Alert:
    """The same, said to be over when it ended: its lease must not begin again in another group."""
    return replace(alert, received_at=max(alert.received_at, alert.ends_at))


def _by_start(alerts: list[Alert]) -> tuple[Alert, ...]:
    """The oldest first: it decides whether the group that they open waits (TM-1)."""
    return tuple(sorted(alerts, key=lambda alert: alert.starts_at))


def _begin_anew(work: Working) -> None:
    """The group's timers begin with the reload: at once for an alert that is older than group_wait (TM-1, TM-7)."""
    wait = work.route.group_wait
    is_old = any(later(member.alert.starts_at, wait) < work.now for member in work.present_members())
    work.flushed_at = None
    work.next_due_at = work.now if is_old else work.now + wait
    work.has_news = True


def _await_no_longer(work: Working, names: frozenset[Fingerprint]) -> None:
    """These have left: no result of a delivery drops them any more."""
    for log in list(work.logs.values()):
        if (pending := log.pending) is not None and not names.isdisjoint(pending.over):
            resolved, let_go = unpack(pending.resolved) - names, unpack(pending.let_go) - names
            work.put_log(replace(log, pending=replace(pending, resolved=pack(resolved), let_go=pack(let_go))))


def _note_moved(work: Working, left: list[Member]) -> None:
    """Who believes that these fire learns nothing more of them here: should they come back, it may be anew."""
    names = {member.alert.fingerprint for member in left}
    for log in list(work.logs.values()):
        if moved := _believed(log) & names:
            work.put_log(replace(log, moved=pack(moved | unpack(log.moved)), moved_at=work.now))


def _believed(log: NotificationLog) -> frozenset[Fingerprint]:
    """What the integration takes for firing, or will when what is under way has arrived."""
    return unpack(log.firing) | (unpack(log.pending.firing) if log.pending else frozenset())


def _say_farewell(work: Working, left: list[Member]) -> None:
    """The group is no more: tell the receivers that keep a state that it is over, or theirs would stay open for ever.

    They are told under the configuration under which they heard of it, for the new one may not know them.
    """
    for log in list(work.logs.values()):
        believed = _believed(log)
        told = [member for member in left if member.alert.fingerprint in believed]
        if not log.told_as or not told:
            continue
        delivery = _farewell(work, log, told)
        work.outbox.append(delivery)
        pending = Pending(delivery.id, work.now, delivery.deadline, firing=b"", resolved=b"")
        work.put_log(replace(log, firing=b"", void=b"", moved=b"", pending=pending))
        work.superseded += log.pending is not None
        work.due += 1
        work.pending = tuple(sorted({*work.pending, log.integration}))
        work.say(ReasonCode.FAREWELL, integration=log.integration)


def _farewell(work: Working, log: NotificationLog, told: list[Member]) -> Delivery:
    # What is under way must not overtake it.
    not_before = log.pending.deadline if log.pending else None
    ended = [replace(member.alert, ends_at=work.now, ends_text="") for member in told]
    return Delivery(
        id=f"{work.before.id}-{work.revision}-{log.integration}",
        group_id=work.before.id,
        incident=work.incident.id if work.incident else "",
        integration=log.integration,
        configuration_version=work.before.configuration_version,
        notification=Notification(
            receiver=work.before.receiver,
            group_key=log.told_as,
            group_labels=dict(work.before.labels),
            route_labels={},
            reason=NotificationReason.ALL_RESOLVED,
            alerts=tuple([ToldAlert(alert, is_firing=False) for alert in sorted(ended, key=display_order)]),
        ),
        due_at=work.now,
        deadline=(not_before or work.now) + FAREWELL_DEADLINE,
        not_before=not_before,
    )
