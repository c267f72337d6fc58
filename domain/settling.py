"""Settle: what the result of a delivery changes, and what is not known while there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.groups import Member, ReasonCode
from domain.notifications import NotificationLog, Pending, Settled, pack, unpack
from domain.scheduling import schedule
from domain.withholding import believed_firing, plan_repeat
from domain.working import Working

DOUBT = timedelta(minutes=15)
"""So long after its deadline a result may still come: its message is delivered again until it was recorded."""

MOST_UNSURE = 4


def settle(work: Working, result: Settled) -> None:
    """Fold the result of a delivery: only now the log changes and what resolved is dropped (rule 10, TM-4)."""
    log = work.logs.get(result.integration)
    pending = log.pending if log else None
    if log is None or pending is None or pending.delivery_id != result.delivery_id:
        is_doubted = log is not None and _settle_late(work, log, result)
        if is_doubted or (result.is_delivered and (log is None or log.sent_at != result.settled_at)):
            work.say(ReasonCode.LATE, result.detail, integration=result.integration)
        return
    work.pending = tuple(number for number in work.pending if number != result.integration)
    if result.is_delivered:
        work.delivered += 1
        work.put_log(
            NotificationLog(
                result.integration,
                result.settled_at,
                firing=pending.firing,
                resolved=pending.resolved,
                told_as=log.told_as,
                moved=pack(unpack(log.moved) & unpack(pending.firing)),
                moved_at=log.moved_at,
                void=pending.void,
                # What was told once more is known, whenever the first result comes.
                unsure=tuple(one for one in log.unsure if (one.firing, one.resolved) != _content(pending)),
            )
        )
        work.say(ReasonCode.DELIVERED, result.detail, integration=result.integration)
    else:
        work.failed += 1
        work.is_flush_failed = True
        log = replace(log, pending=None)
        is_doubtful = result.is_unsure and not work.situation.is_strict
        work.put_log(_doubt(log, pending, result.settled_at) if is_doubtful else log)
        work.say(ReasonCode.FAILED, result.detail, integration=result.integration)
    if (over := pending.over) and not work.pending and not work.is_flush_failed:
        told = (work.member(fingerprint) for fingerprint in over - believed_firing(work))
        drop(work, [member for member in told if member and not member.is_firing and member.dropped_at is None])
    plan_repeat(work)
    # A flush that is due already is not put off: its tick is late, or on its way.
    schedule(work, min(work.now, work.next_due_at or work.now))


def _settle_late(work: Working, log: NotificationLog, result: Settled) -> bool:
    """Fold what became of a delivery that was given up: whoever heard of it was told that, perhaps as the last word.

    False where nobody waits for it any more.
    """
    given_up = next((one for one in log.unsure if one.delivery_id == result.delivery_id), None)
    if given_up is None:
        return False
    log = replace(log, unsure=tuple(one for one in log.unsure if one is not given_up))
    is_heard = result.is_delivered or result.is_unsure
    work.put_log(_doubt(log, given_up, result.settled_at) if is_heard else log)
    return True


def _doubt(log: NotificationLog, told: Pending, at: datetime) -> NotificationLog:
    """The log of one who has heard, or may have heard, of this besides what the log says; who knows in which order.

    Where both differ, each alert is told anew that fires, and told to be over that does not: a page too many where
    nobody can know, but none too few.
    """
    believed, heard = unpack(log.firing), unpack(told.firing)
    return replace(
        log,
        sent_at=log.sent_at or at,
        firing=pack(believed | heard),
        resolved=pack(unpack(log.resolved) & unpack(told.resolved) if log.sent_at else unpack(told.resolved)),
        void=pack(unpack(log.void) | believed ^ heard),
    )


def _content(pending: Pending) -> tuple[bytes, bytes]:
    return pending.firing, pending.resolved


def is_unsure(work: Working, at: datetime) -> bool:
    """Whether the result of a delivery that was given up may still come; the group is looked at again until then."""
    for log in list(work.logs.values()):
        if over := [one for one in log.unsure if one.deadline + DOUBT < at]:
            work.put_log(replace(log, unsure=tuple(one for one in log.unsure if one not in over)))
    return any(log.unsure for log in work.logs.values())


def drop(work: Working, members: Sequence[Member]) -> None:
    """Leave tombstones of these present, resolved members: who was told that they fire knows the end too (TM-4)."""
    for member in members:
        work.put(replace(member, dropped_at=work.now))
    work.present -= len(members)
    if members:
        names = work.receiver.integration_names
        unaware = ", ".join([name for number, name in enumerate(names) if not has_heard(work, number)])
        work.say(ReasonCode.DROPPED, unaware, fingerprints=sorted(member.alert.fingerprint for member in members))


def has_heard(work: Working, integration: int) -> bool:
    """Whether the integration was told anything at all since the incident began."""
    log = work.logs.get(integration)
    if log is None or log.sent_at is None:
        return False
    return work.incident is None or log.sent_at >= work.incident.opened_at


def give_up(work: Working, log: NotificationLog, pending: Pending) -> None:
    """Wait for this result no longer, but remember what it was about, in case it comes."""
    work.superseded += 1
    work.say(ReasonCode.SUPERSEDED, pending.delivery_id, integration=log.integration)
    # Alertmanager forgets what it was told too late, or not at all.
    unsure = () if work.situation.is_strict else (*log.unsure, pending)[-MOST_UNSURE:]
    work.put_log(replace(log, pending=None, unsure=unsure))
