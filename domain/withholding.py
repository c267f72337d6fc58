"""Withholding: what a group does not tell because somebody knows; the rules are those of `domain.lifecycle`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from domain.groups import Event, Head, Member, ReasonCode
from domain.labels import Fingerprint
from domain.lifecycle import (
    OVER,
    SEVERITY_LABEL,
    TOLD_AGAIN,
    Action,
    Refusal,
    Responded,
    Status,
    expire,
    highest_severity,
    reopened,
    respond,
)
from domain.notifications import LOG_RETENTION, NotificationLog, NotificationReason, pack, unpack
from domain.working import Working


def wants_logs(head: Head, event: Event, members: Collection[Member]) -> bool:
    """Whether the event has what was told told again, and so must write to the logs.

    Args:
        head: The group's.
        event: What happened.
        members: At least those that the event names, as far as there are any.
    """
    incident = head.incident
    if incident is None:
        return False
    if isinstance(event, Responded):
        return event.incident == incident.id and event.action in TOLD_AGAIN
    if incident.response is None or not incident.response.is_withholding:
        return False
    firing = {member.alert.fingerprint for member in members if member.is_firing and member.dropped_at is None}
    return any(name not in firing for name in event.names)


def take_response(work: Working, event: Responded) -> Refusal | None:
    """Fold in what a person did; or say why it cannot be done now."""
    incident = work.incident
    if incident is not None and incident.id == event.incident:
        after = respond(incident.standing, event)
        if isinstance(after, Refusal):
            return after
        if after != incident.standing:
            work.respond(after)
        if event.action in TOLD_AGAIN:
            tell_anew(work)
            # Before the first flush there is nothing that anybody would be told again.
            work.has_news = work.has_news or work.flushed_at is not None
    elif event.action is not Action.NOTE:
        return OVER
    work.remember_response(event.id)
    work.say(ReasonCode.RESPONDED, event.reason, by=event.actor)
    return None


def end_in_time(work: Working, firing: Sequence[Member]) -> None:
    """At a flush: what has timed out, or was snoozed until now, is told again; and how severe it all is."""
    if firing and work.incident is not None:
        words = [word for member in firing if (word := member.alert.labels.get(SEVERITY_LABEL))]
        work.severity = highest_severity(words) if words else ""
    before, at = work.response, work.flushed_at
    if before is None or at is None:
        return
    after = expire(before, max(at, work.now))
    if after == before:
        return
    work.respond(after)
    if after.until != before.until:
        work.anew = "the acknowledgement timed out"
        work.say(ReasonCode.ACKNOWLEDGEMENT_ENDED, by=before.acknowledged_by)
    if after.snoozed_until != before.snoozed_until:
        work.anew = "the snooze ended"
        work.say(ReasonCode.SNOOZE_ENDED, by=before.snoozed_by)
    tell_anew(work)


def begin_anew(work: Working, names: Collection[Fingerprint]) -> None:
    """These have begun to fire: who knew one of them from before is told of it anew, if people have it in hand.

    Otherwise Alertmanager's rules hold: who has not heard of the end is not told of the new beginning (DD-9), before
    the repeat; which people may have stopped.
    """
    response = work.response
    if response is None or not response.is_withholding or not names:
        return
    tell_anew(work, frozenset(names))
    if response.status is Status.RESOLVED:
        work.respond(reopened(response))
        work.say(ReasonCode.REOPENED, fingerprints=sorted(names), by=response.resolved_by)


def tell_anew(work: Working, names: frozenset[Fingerprint] | None = None) -> None:
    """Note in the logs that these, or all, are told anew if they fire; also of what is under way (decision 0006)."""
    for log in list(work.logs.values()):
        void = _and(log.void, log.firing, names)
        pending = log.pending
        if pending is not None:
            pending = replace(pending, void=_and(pending.void, pending.firing, names))
        if void != log.void or pending != log.pending:
            work.put_log(replace(log, void=void, pending=pending))


def _and(void: bytes, firing: bytes, names: frozenset[Fingerprint] | None) -> bytes:
    """`void` and of `firing` the names given, packed."""
    if not firing or names is None:
        return firing
    found = unpack(firing) & names
    return pack(found | unpack(void)) if found else void


def withheld(
    work: Working, why: NotificationReason, log: NotificationLog | None, firing: frozenset[Fingerprint]
) -> tuple[ReasonCode, str] | None:
    """Whether an integration is not told of this, because of whom; None where it is.

    Args:
        work: At a flush, after `end_in_time`.
        why: Why it would be told.
        log: What it was told last.
        firing: The alerts that it would be told of as firing.
    """
    response = work.response
    if response is None or work.firing == 0:
        return None
    if response.snoozed_until is not None:
        return ReasonCode.SNOOZED, response.snoozed_by
    if response.status is Status.RESOLVED:
        return ReasonCode.RESOLVED_BY_PERSON, response.resolved_by
    if response.status is Status.ACKNOWLEDGED and _is_repeat(why, log, firing):
        return ReasonCode.ACKNOWLEDGED, response.acknowledged_by
    return None


def is_in_hand(work: Working, log: NotificationLog | None) -> bool:
    """Whether people hold back what would keep this entry alive, or did and it has not been told anew yet.

    Then its age says nothing: whoever was told must hear of the end, under strict compatibility too.
    """
    is_held = work.response is not None and work.response.is_withholding
    return is_held or (log is not None and bool(log.void))


def _is_repeat(why: NotificationReason, log: NotificationLog | None, firing: frozenset[Fingerprint]) -> bool:
    match why:
        case NotificationReason.REPEAT:
            return True
        case NotificationReason.FIRST:
            # An entry that has expired makes one of what is known all the same (DD-10).
            return log is not None and firing <= unpack(log.firing) - unpack(log.void)
        case _:
            return False


def droppable(work: Working, resolved: Sequence[Member]) -> Sequence[Member]:
    """Which of the resolved members may be dropped: whose end is withheld from somebody stays until it is told."""
    response = work.response
    if response is None or work.firing == 0:
        return resolved
    if response.snoozed_until is None and response.status is not Status.RESOLVED:
        return resolved
    believed = believed_firing(work)
    return [member for member in resolved if member.alert.fingerprint not in believed]


def believed_firing(work: Working) -> frozenset[Fingerprint]:
    """What an integration must still hear to be over: it was not asked while its last delivery was under way."""
    believed: frozenset[Fingerprint] = frozenset()
    for number, integration in enumerate(work.receiver.integrations):
        if integration.send_resolved and (log := work.logs.get(number)):
            believed |= unpack(log.firing)
    return believed


def plan_repeat(work: Working) -> None:
    """Note from when on an integration is due to be told again; or to be found not to be, because somebody knows."""
    count = len(work.receiver.integrations)  # the log of an integration that is gone repeats nothing
    logs: Iterable[NotificationLog] = work.logs.values()
    told = [log.sent_at for log in logs if log.sent_at is not None and log.firing and log.integration < count]
    # An entry that has expired repeats too, as a first notification (DD-10).
    interval = min(work.route.repeat_interval, LOG_RETENTION)
    work.repeat_at = min(told) + interval if told else None
    at = work.flushed_at
    if work.repeat_at is None or at is None or work.repeat_at >= at:
        return
    if (response := work.response) is not None and response.is_withholding:
        # It was due and withheld: the trail says so once for each repeat, not at each point of the grid.
        work.repeat_at += -((work.repeat_at - at) // interval) * interval
