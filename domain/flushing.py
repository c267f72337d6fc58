"""Flush: what a group does when it falls due."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from domain.alerts import TOMBSTONE_RETENTION
from domain.configuration import Integration
from domain.groups import Member, ReasonCode
from domain.inhibition import InhibitRule, Source, SourceKey
from domain.labels import Fingerprint
from domain.muting import Muting, hours, muting, source_keys
from domain.notifications import (
    LOG_COLLECTION,
    Delivery,
    Notification,
    NotificationLog,
    NotificationReason,
    Pending,
    ToldAlert,
    display_order,
    news,
    pack,
    unpack,
)
from domain.routing import group_key
from domain.scheduling import schedule
from domain.settling import drop, give_up, has_heard, is_unsure
from domain.silences import Silence
from domain.withholding import droppable, end_in_time, is_in_hand, plan_repeat, withheld
from domain.working import INSTANT, Working

SHORTEST_DEADLINE = timedelta(seconds=10)
"""A delivery has at least this long, however short the group's interval is (TM-5)."""

ALERTS_PER_NOTIFICATION = 1000
"""More are counted in `truncatedAlerts`; no cap under strict compatibility (rule 13)."""


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
    muted = _judge(work, [*firing, *resolved], at)
    if work.wanted_sources:
        return
    work.has_muted = bool(muted)
    end_in_time(work, firing)
    if not work.situation.is_strict:
        _forget(work, firing, resolved, muted)
    work.is_flushed = True
    work.present_at_most = len(firing) + len(resolved)
    work.has_news = _notify(work, firing, resolved, muted, at)
    work.is_flush_failed = is_unsure(work, at)
    if not work.pending and not work.is_flush_failed:
        drop(work, droppable(work, resolved))
    work.earliest_end = min((work.lease_end(member) for member in firing), default=None)
    plan_repeat(work)
    schedule(work, at + INSTANT)


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


def _judge(work: Working, members: list[Member], at: datetime) -> Mapping[Fingerprint, Muting]:
    """What mutes each of the members, where anything does; says so in the trail, all causes of each."""
    situation = work.situation
    if not situation.can_mute(work.route):
        return {}
    wanted = source_keys((member.alert.labels for member in members), situation) - work.sources.keys()
    if wanted:
        work.wanted_sources = wanted
        return {}
    open_hours = hours(work.route, situation, at)
    inhibiting: dict[tuple[SourceKey, bool], Source | None] = {}
    muted = {
        member.alert.fingerprint: found
        for member in members
        if (found := muting(member.alert.labels, at, open_hours, situation, work.sources, inhibiting))
    }
    inhibited: dict[InhibitRule, list[tuple[Fingerprint, Fingerprint]]] = {}
    silenced: dict[str, tuple[Silence, list[Fingerprint]]] = {}
    for name, found in muted.items():
        if found.rule and found.source:
            inhibited.setdefault(found.rule, []).append((name, found.source.alert.fingerprint))
        for silence in found.silences:
            silenced.setdefault(silence.id, (silence, []))[1].append(name)
    for rule, pairs in inhibited.items():
        by = [source for _, source in pairs]
        work.say(
            ReasonCode.INHIBITED,
            str(rule),
            fingerprints=[name for name, _ in pairs],
            by=by[0] if len(set(by)) == 1 else ",".join(by),
        )
    if muted and open_hours.names:
        text = "outside of its active intervals" if open_hours.is_inactive else "inside a mute interval"
        work.say(ReasonCode.OUT_OF_HOURS, text, fingerprints=muted, by=", ".join(open_hours.names))
    for silence, names in silenced.values():
        work.say(ReasonCode.SILENCED, f"{silence.created_by}: {silence.comment}", fingerprints=names, by=silence.id)
    return muted


def _forget(work: Working, firing: list[Member], resolved: list[Member], muted: Mapping[Fingerprint, Muting]) -> None:
    """Note in the logs what a receiver was told of, but must be told anew if it fires on, or again.

    That is what is silenced while it fires (gap B), what resolved while it was muted (gap A), and what a change of
    configuration had moved away and has begun to fire anew since.  Alertmanager keeps silent about all three until
    the repeat interval.  Of what fires the receiver may still learn that it is over; of what resolved, nothing more.
    """
    gone = {member.alert.fingerprint for member in resolved if member.alert.fingerprint in muted}
    silenced = {name for member in firing if (name := member.alert.fingerprint) in muted and muted[name].silences}
    forgotten: set[Fingerprint] = set()
    for log in list(work.logs.values()):
        doubtful = silenced
        if log.moved and log.moved_at:
            moved = unpack(log.moved)
            back = {member.alert.fingerprint: member for member in firing if member.alert.fingerprint in moved}
            doubtful = silenced | {name for name, member in back.items() if member.alert.starts_at > log.moved_at}
            if back:
                log = replace(log, moved=pack(moved - back.keys()))
                work.put_log(log)
        if not log.firing or not (gone or doubtful):
            continue
        believed, void = unpack(log.firing), unpack(log.void)
        if lost := believed & gone | (believed - void) & doubtful:
            forgotten |= lost
            work.put_log(replace(log, firing=pack(believed - gone), void=pack((void | believed & doubtful) - gone)))
    if forgotten:
        work.say(ReasonCode.FORGOTTEN, fingerprints=sorted(forgotten))


def _notify(
    work: Working,
    all_firing: list[Member],
    all_resolved: list[Member],
    muted: Mapping[Fingerprint, Muting],
    at: datetime,
) -> bool:
    """Decide for each integration; whether one could not be asked, because its last delivery is still under way."""
    firing = [member for member in all_firing if member.alert.fingerprint not in muted] if muted else all_firing
    resolved = [member for member in all_resolved if member.alert.fingerprint not in muted] if muted else all_resolved
    let_go = pack(member.alert.fingerprint for member in all_resolved if member.alert.fingerprint in muted)
    # Where all is muted, Alertmanager's pipeline ends before it looks at any log.
    is_all_muted = bool(muted) and not firing and not resolved
    # A group that a new configuration emptied lives on only until its last deliveries are settled.
    integrations = work.receiver.integrations if work.present else ()
    firing_names = frozenset(member.alert.fingerprint for member in firing)
    resolved_names = frozenset(member.alert.fingerprint for member in resolved)
    pending: list[int] = []
    is_any_unasked = False
    if work.present and not integrations:
        work.say(ReasonCode.NO_INTEGRATION, work.receiver.name)
    elif is_all_muted:
        work.say(ReasonCode.ALL_MUTED)
    for number, integration in enumerate(integrations):
        if _is_under_way(work, number, at):
            pending.append(number)
            is_any_unasked = True
            continue
        if is_all_muted:
            continue
        log = work.logs.get(number)
        why = news(
            log,
            firing_names,
            resolved_names,
            sends_resolved=integration.send_resolved,
            repeat_interval=work.route.repeat_interval,
            # The point that fell due, not the clock of a late tick: it may have made the log's entry expire (DD-11).
            at=work.flushed_at or at,
            collected_at=_collected_at(work, log, at),
        )
        if why is None:
            is_known = has_heard(work, number) and log is not None and _knows(log, resolved_names)
            is_untold = bool(resolved) and not firing and not is_known
            work.say(ReasonCode.NEVER_TOLD if is_untold else ReasonCode.NO_NEWS, integration=number)
        elif (holding := withheld(work, why, log, firing_names)) is not None:
            told = [*firing, *resolved] if integration.send_resolved else firing
            work.say(holding[0], f"{_counted(firing, told)}: {why}", integration=number, by=holding[1])
        elif not firing and not integration.send_resolved:
            unsure = log.unsure if log else ()
            work.put_log(NotificationLog(number, at, resolved=pack(resolved_names), unsure=unsure))
            work.say(ReasonCode.NOT_SENT, f"{why}; this receiver is not told of resolves", integration=number)
        else:
            told = [*firing, *resolved] if integration.send_resolved else firing
            delivery = _delivery(work, number, integration, why, told, at)
            work.outbox.append(delivery)
            work.put_log(
                replace(
                    log or NotificationLog(number),
                    pending=Pending(
                        delivery.id, at, delivery.deadline, pack(firing_names), pack(resolved_names), let_go
                    ),
                    told_as=delivery.notification.group_key
                    if integration.keeps_state and integration.send_resolved
                    else "",
                )
            )
            work.due += 1
            reason = work.anew if firing and work.anew else _in_words(work, why, log, firing_names)
            work.say(ReasonCode.NOTIFY, f"{_counted(firing, told)}: {reason}", integration=number)
            pending.append(number)
    # The configuration may have lost an integration whose delivery is still under way.
    pending += [number for number in work.pending if number >= len(integrations) and _is_under_way(work, number, at)]
    work.pending = tuple(pending)
    return is_any_unasked


def _collected_at(work: Working, log: NotificationLog | None, at: datetime) -> datetime | None:
    """When Alertmanager, started when Tocsin last began to listen, would last have collected its log; see `news`."""
    if not work.situation.is_strict or is_in_hand(work, log):
        return None
    since = work.situation.listening_since
    return since + (at - since) // LOG_COLLECTION * LOG_COLLECTION


def _knows(log: NotificationLog, resolved: frozenset[Fingerprint]) -> bool:
    """Whether who was told so knows of any of these that it fired, or that it is over."""
    return bool(log.firing) or not resolved.isdisjoint(unpack(log.resolved))


def _in_words(
    work: Working, why: NotificationReason, log: NotificationLog | None, firing: frozenset[Fingerprint]
) -> str:
    """Why, for the trail; the notification itself has Alertmanager's word, which knows no silence that ends."""
    if log is None or why not in (NotificationReason.FIRST, NotificationReason.NEW_ALERTS):
        return why
    void = unpack(log.void) & firing
    # What a change of configuration has moved away and back is told anew as well, and what people had in hand.
    anew = "no longer silenced" if log.moved_at is None and work.response is None else "to be told anew"
    if not void:
        return why
    return anew if firing <= unpack(log.firing) else f"{anew}, and new alerts added"


def _is_under_way(work: Working, number: int, at: datetime) -> bool:
    """Whether the integration's last delivery may still succeed; one that is past its deadline is superseded."""
    log = work.logs.get(number)
    if log is None or log.pending is None:
        return False
    if at < log.pending.deadline:
        # Like Alertmanager, which takes no tick while a flush runs (TM-5): a second try now would page twice.
        work.say(ReasonCode.UNSETTLED, log.pending.delivery_id, integration=number)
        return True
    give_up(work, log, log.pending)
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
