"""Summary: the one sentence at the top of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.explaining import clock
from domain.groups import WITHHELD, Reason, ReasonCode
from domain.lifecycle import Status
from domain.notifications import unpack
from domain.quoting import quote
from domain.tracing.evidence import Evidence
from domain.tracing.failures import missed_words
from domain.tracing.life import End, Look, Outcome, Sent
from domain.tracing.words import (
    delay_words,
    in_hand,
    joined,
    lateness,
    muted_by,
    short,
    source_name,
    source_of,
    span,
    spells,
    when,
)

TELLINGS_LISTED = 3


def summarise(evidence: Evidence) -> str:
    """Who was told of the alert, or why nobody was; before all else who should have been and was not."""
    missed = missed_words(evidence)
    if not evidence.is_firing:
        words = _over(evidence)
    elif evidence.life.told:
        words = _told_now(evidence)
    else:
        words = _missed_now(evidence) if missed else _untold_now(evidence)
    return f"Not told: {missed}. {words}" if missed else words


# --- while it fires -------------------------------------------------------------------------------------------------


def _told_now(evidence: Evidence) -> str:
    told = evidence.life.told
    last = [sent for sent in told if sent.at == told[-1].at]
    at = clock(last[-1].settled_at or last[-1].at, evidence.now)
    who = joined([evidence.called(sent.integration) for sent in last])
    since = _muting_now(evidence)
    if since:
        since = f"now {since}"
    elif due := _due(evidence):
        everybody = joined([evidence.called(reason.integration) for reason in due if reason.integration is not None])
        is_due = f"{everybody} {'is' if len(due) == 1 else 'are'} due{_at_next(evidence)}"
        since = f"{is_due}: {_why(due)}"
    elif pending := _pending(evidence):
        being_told = _being_told(evidence, pending)
        since = f"{being_told[0].lower()}{being_told[1:]}"
    elif held := _held(evidence):
        since = held
    else:
        since = "nothing new since"
    return f"Told at {at} by {who}: {_why_sent(last[-1])}; {since}{_late(evidence)}"


def _late(evidence: Evidence) -> str:
    """The source that would have kept it from being told, had it come sooner."""
    for name in evidence.heard:
        late = lateness(evidence, name)
        if late is not None and late[0] < timedelta(minutes=1):
            after = f"{delay_words(late[0])} after the flush at {clock(late[1].at, evidence.now)}"
            return f"; {source_name(evidence, name)}, which inhibits it, came {after}"
    return ""


def _pending(evidence: Evidence) -> list[Sent]:
    """The deliveries about it that have no result yet."""
    return [sent for sent in evidence.life.sent if sent.is_about_it and sent.outcome is Outcome.UNDER_WAY]


def _being_told(evidence: Evidence, pending: Sequence[Sent]) -> str:
    who = joined([evidence.called(sent.integration) for sent in pending])
    return f"Being told by {who} since {clock(pending[-1].at, evidence.now)}: no answer yet"


def _at_next(evidence: Evidence) -> str:
    next_at = evidence.head.next_due_at
    return f" at {clock(next_at, evidence.now)}" if next_at else ""


def _missed_now(evidence: Evidence) -> str:
    """What follows when deliveries about it have failed, and none has arrived."""
    if pending := _pending(evidence):
        return _being_told(evidence, pending)
    if muting := _muting_now(evidence):
        return f"Now {muting}"
    at_next = _at_next(evidence)
    return f"The next look is{at_next}" if at_next else "No further look is planned"


def _untold_now(evidence: Evidence) -> str:
    prospect, next_at = evidence.prospect, evidence.head.next_due_at
    if pending := _pending(evidence):
        return _being_told(evidence, pending)
    if muting := _muting_now(evidence):
        return f"Not told: {muting}"
    if evidence.receiver is not None and not evidence.receiver.integrations:
        return f"Nobody is told: receiver {quote(short(evidence.receiver.name))} has no integrations"
    at_next = _at_next(evidence)
    if evidence.head.flushed_at is None and next_at:
        wait = f" (group_wait {span(evidence.route.group_wait)})" if evidence.route else ""
        return f"Not told yet: the first look at its group is{at_next}{wait}"
    if due := _due(evidence):
        look = (
            f"the next look at its group, {clock(next_at, evidence.now)}" if next_at else "the next look at its group"
        )
        return f"Not told yet: due at {look} ({_why(due)}){_last_muting(evidence)}"
    if prospect and any(reason.code in WITHHELD for reason in prospect.said):
        return f"Not told: {_held(evidence)}"
    if knowing := _knowing(evidence):
        return f"Not told anew: {knowing}"
    if prospect and any(reason.code is ReasonCode.UNSETTLED for reason in prospect.said):
        return f"Not told yet: a notification about others of its group is under way; the next look is{at_next}"
    return "Not told: no decision about it is known yet"


def _muting_now(evidence: Evidence) -> str:
    prospect = evidence.prospect
    return joined([muted_by(evidence, reason) for reason in prospect.muted]) if prospect else ""


def _held(evidence: Evidence) -> str:
    """Who has its incident in hand, and how; empty where nobody has."""
    incident = evidence.head.incident
    if incident is None or not incident.standing.is_withholding:
        return ""
    standing, until = incident.standing, None
    if standing.snoozed_until is not None:
        who, what, until = standing.snoozed_by, "snoozed", standing.snoozed_until
    elif standing.status is Status.RESOLVED:
        who, what = standing.resolved_by, "resolved"
    else:
        who, what, until = standing.acknowledged_by, "acknowledged", standing.until
    end = f", until {clock(until, evidence.now)}" if until else ""
    return f"{short(who) or 'somebody'} has {what} the incident{end}"


def _last_muting(evidence: Evidence) -> str:
    """What mutes it no longer, but did at the last look."""
    looks = evidence.life.looks
    if not looks or not looks[-1].muted:
        return ""
    causes = joined([muted_by(evidence, reason) for reason in looks[-1].muted])
    return f"; at the last one, {clock(looks[-1].at, evidence.now)}, it was {causes}"


def _due(evidence: Evidence) -> list[Reason]:
    prospect = evidence.prospect
    return [reason for reason in prospect.said if prospect.tells(reason)] if prospect else []


def _why(due: Sequence[Reason]) -> str:
    return joined(list(dict.fromkeys(reason.text.partition(": ")[2] or reason.text for reason in due)))


def _why_sent(sent: Sent) -> str:
    return sent.why.partition(": ")[2] or sent.why


def _knowing(evidence: Evidence) -> str:
    """Who believes that it fires from before this occurrence (DD-9)."""
    known = [
        f"{evidence.called(number)} was told at {clock(log.sent_at, evidence.now)} and has not heard of an end since"
        for number, log in sorted(evidence.logs.items())
        if log.sent_at is not None and evidence.alert.fingerprint in unpack(log.firing)
    ]
    return joined(known)


# --- when it is over ------------------------------------------------------------------------------------------------


def _over(evidence: Evidence) -> str:
    life, now = evidence.life, evidence.now
    began_at = life.began.reported.received_at if life.began and life.began.reported else None
    if life.began is None and not evidence.is_cut:
        last = life.last.received_at if life.last else evidence.alert.received_at
        return f"It came in as resolved at {clock(last, now)}, without having fired here: nobody is told of that"
    fired = f"It fired from {clock(began_at, now)}" if began_at else "It fired"
    # Where the day is another one it is said once.
    seen_from = began_at or now
    if life.ended_at:
        fired += f" to {clock(life.ended_at, seen_from)}"
    elif evidence.lapsed_at:
        fired += f" until its lease ran out at {clock(evidence.lapsed_at, seen_from)}"
    if life.end is End.MOVED:
        fired += ", when a new configuration moved it to another group"
    if life.told:
        return f"{fired}: {_tellings(evidence, seen_from)}{_late(evidence)}{_outlook(evidence)}"
    if pending := _pending(evidence):
        who = joined([evidence.called(sent.integration) for sent in pending])
        return f"{fired} and no answer of {who} is known{_outlook(evidence)}"
    if any(sent.is_about_it for sent in life.sent):
        return f"{fired} and nobody was told{_outlook(evidence)}"
    return f"{fired} and nobody was told: {_why_untold(evidence, seen_from)}{_outlook(evidence)}"


def _tellings(evidence: Evidence, seen_from: datetime) -> str:
    """Whom it was told to, and when."""
    by_integration: dict[int, list[str]] = {}
    for sent in evidence.life.told:
        at = clock(sent.settled_at or sent.at, seen_from)
        by_integration.setdefault(sent.integration, []).append(f"at {at} ({_why_sent(sent)})")
    return joined(
        [
            f"{evidence.called(number)} was told {joined(times)}"
            if len(times) <= TELLINGS_LISTED
            else f"{evidence.called(number)} was told {len(times)} times, first {times[0]} and last {times[-1]}"
            for number, times in by_integration.items()
        ]
    )


def _why_untold(evidence: Evidence, seen_from: datetime) -> str:
    life = evidence.life
    if causes := _muted_then(evidence, seen_from):
        return causes
    if evidence.receiver is not None and not evidence.receiver.integrations:
        return f"receiver {quote(short(evidence.receiver.name))} has no integrations"
    codes = {reason.code for look in life.looks for reason in look.said}
    if held := dict.fromkeys([words for look in life.looks for reason in look.said if (words := in_hand(reason))]):
        return joined(list(held))
    if ReasonCode.NO_NEWS in codes and any(look.is_firing for look in life.looks):
        return "its receiver had been told before, and had not heard of an end"
    if not any(look.is_firing for look in life.looks):
        wait = ""
        first_at = life.looks[0].at if life.looks else evidence.head.next_due_at if evidence.is_present else None
        if evidence.route is not None and first_at is not None:
            wait = f", at {clock(first_at, seen_from)} (group_wait {span(evidence.route.group_wait)})"
        return f"it was over before its group first looked{wait}"
    return "no decision about it is known"


def _muted_then(evidence: Evidence, seen_from: datetime) -> str:
    def its(look: Look) -> Sequence[Reason]:
        return look.muted

    def key(reason: Reason) -> object:
        is_inhibited = reason.code is ReasonCode.INHIBITED
        return reason.code, source_of(reason, evidence.alert.fingerprint) if is_inhibited else reason.by

    found = spells(evidence.life.looks, its, key)
    return joined([f"{muted_by(evidence, spell.reason)} {when(spell.looks, seen_from)}" for spell in found[:4]])


def _outlook(evidence: Evidence) -> str:
    """What is still to come of one that is over and still held."""
    next_at = evidence.head.next_due_at
    if not evidence.is_present or next_at is None or not _due(evidence):
        return ""
    return f"; its end is told at {clock(next_at, evidence.now)}"
