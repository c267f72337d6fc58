"""The steps at both ends of the way: received, routed, grouped; and then who was due to hear of it, and who did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.explaining import clock
from domain.groups import WITHHELD, Reason, ReasonCode
from domain.labels import Fingerprint
from domain.notifications import NotificationLog, unpack
from domain.quoting import quote
from domain.routing import group_key
from domain.tracing.evidence import Evidence, place_of
from domain.tracing.failures import folded, times
from domain.tracing.life import End, Outcome, Sent
from domain.tracing.steps import Asked, Delivered, Enriched, Grouped, Received, Routed, Step, Verdict
from domain.tracing.words import LONGEST_CHANGE, answer_words, in_hand, joined, looked, of_what, short, span, when


def received_step(evidence: Evidence) -> Step:
    """When it was reported, and until when that counts."""
    life, alert, member = evidence.life, evidence.alert, evidence.member
    starts_at = min(alert.starts_at, life.first.starts_at) if life.began and life.first else alert.starts_at
    at = life.began.reported.received_at if life.began and life.began.reported else None
    last_at = max(alert.received_at, life.last.received_at) if life.last else alert.received_at
    lease_until = None
    if member is not None and evidence.is_firing:
        lease_until = evidence.situation.lease_end(member.alert, member.leased_at)
    nth = f", for the {_ordinal(member.occurrence)} time in this group" if member and member.occurrence > 1 else ""
    seen = f"at {_clock(evidence, at)}" if at else f"last at {_clock(evidence, last_at)}"
    if at and last_at > at:
        seen += f", last at {_clock(evidence, last_at)}"
    verdict: Verdict = "passes"
    if life.began is None and not evidence.is_firing and not evidence.is_cut:
        verdict = "stops"
        words = f"Received as resolved {seen}, without having fired here: nobody is told of that"
    else:
        words = f"Received {seen}{nth}; firing since {_clock(evidence, starts_at)}, says its sender"
        if lease_until:
            words += f"; it counts as resolved from {_clock(evidence, lease_until)} unless it is reported again"
        elif evidence.lapsed_at:
            words += f"; it counts as resolved since {_clock(evidence, evidence.lapsed_at)}, for no re-send has come"
        elif life.ended_at:
            words += f"; {_end_words(evidence)}"
    return Step(
        verdict,
        words,
        Received(
            first_at=at,
            last_at=last_at,
            door=life.began.reported.door if life.began and life.began.reported else "",
            starts_at=starts_at,
            lease_until=lease_until,
            occurrence=member.occurrence if member else None,
            ended_at=life.ended_at,
            end=life.end,
        ),
        at or last_at,
    )


def _end_words(evidence: Evidence) -> str:
    life = evidence.life
    assert life.ended_at is not None
    at = _clock(evidence, life.ended_at)
    match life.end:
        case End.LEASE_ENDED:
            return f"counted as resolved at {at}, for no re-send had come"
        case End.MOVED:
            return f"moved to another group at {at}, by a new configuration"
        case _:
            return f"reported as resolved at {at}"


def enriched_steps(evidence: Evidence) -> Iterator[Step]:
    """Which source sent it, and what enrichment did; nothing of what came by Alertmanager's own API."""
    if not (origin := evidence.alert.origin):
        return
    source, *changes = origin
    words = "; ".join([f"Came from source {short(source)}", *[short(change, LONGEST_CHANGE) for change in changes]])
    yield Step("passes", words, Enriched(source, tuple(changes)), evidence.alert.received_at)


def routed_step(evidence: Evidence) -> Step:
    """Which route led it here, and to whom."""
    configuration, head = evidence.situation.configuration, evidence.head
    place = place_of(configuration, evidence.alert.labels, head.id)
    receiver = quote(short(head.receiver))
    version = f"configuration {configuration.version[:12]}"
    facts = Routed(
        route=place[0].key if place else None,
        is_first=place[1] if place else False,
        receiver=head.receiver,
        configuration_version=configuration.version,
    )
    if place is None:
        return Step("info", f"Routed to receiver {receiver}; no route of {version} leads here", facts)
    if evidence.receiver is not None and not evidence.receiver.integrations:
        words = f"Routed by {short(place[0].key)} to receiver {receiver}, which has no integrations ({version})"
        return Step("stops", words, facts)
    which = "its first matching route" if place[1] else "a further route, which opens no incident"
    return Step("passes", f"Routed by {short(place[0].key)} to receiver {receiver}: {which} ({version})", facts)


def grouped_step(evidence: Evidence) -> Step:
    """Its group, and when that looks."""
    head, route, looks = evidence.head, evidence.route, evidence.life.looks
    is_present = evidence.is_present
    others = max(head.present - 1, 0) if is_present else head.present
    shown = short(
        group_key(route, head.labels) if route else ", ".join(f"{k}={quote(v)}" for k, v in head.labels.items())
    )
    words = f"In group {shown}"
    if is_present and others:
        words += f", with {others} other{'s' if others > 1 else ''}"
    verdict: Verdict = "passes"
    next_at = head.next_due_at if is_present else None
    if looks:
        words += f"; it {looked(looks, evidence.now)}"
    elif is_present and next_at:
        verdict = "waits"
        wait = ""
        if route is not None:
            wait = f" (group_interval {span(route.group_interval)})"
            if head.flushed_at is None:
                wait = f" (group_wait {span(route.group_wait)})"
        words += f"; not looked at yet{wait}"
    else:
        words += "; no look at it is known"
    if next_at:
        words += f"; next look at {_clock(evidence, next_at)}"
    elif is_present:
        words += "; no further look is planned"
    return Step(
        verdict,
        words,
        Grouped(
            labels=dict(head.labels),
            others=others,
            group_wait_seconds=route.group_wait.total_seconds() if route else None,
            group_interval_seconds=route.group_interval.total_seconds() if route else None,
            repeat_interval_seconds=route.repeat_interval.total_seconds() if route else None,
            looks=len(looks),
            first_look_at=looks[0].at if looks else None,
            last_look_at=looks[-1].at if looks else None,
            next_look_at=next_at,
        ),
        looks[0].at if looks else next_at,
    )


# --- due or not -----------------------------------------------------------------------------------------------------


def asked_steps(evidence: Evidence) -> Iterator[Step]:
    """For each integration of the receiver whether it is due to hear of it, or was, and why."""
    receiver = evidence.receiver
    if receiver is None:
        yield Step("info", "Its receiver is not in that configuration", Asked(None, "", "", is_due=False))
    elif not receiver.integrations:
        words = f"Nobody is told: receiver {quote(short(receiver.name))} has no integrations"
        yield Step("stops", words, Asked(None, "", ReasonCode.NO_INTEGRATION.value, is_due=False))
    else:
        for number, integration in enumerate(receiver.integrations):
            tell = _asked_now if evidence.is_present else _asked_then
            yield tell(evidence, number, integration.kind)


def _asked_now(evidence: Evidence, number: int, kind: str) -> Step:
    """As a look at this moment would decide."""
    who, now, log = evidence.called(number), evidence.now, evidence.logs.get(number)
    name = evidence.alert.fingerprint
    told_at = log.sent_at if log and log.sent_at and name in unpack(log.firing) else None
    route = evidence.route
    repeats_after = log.sent_at + route.repeat_interval if log and log.sent_at and told_at and route else None
    prospect = evidence.prospect
    reason = prospect.about(number) if prospect else None
    heard = f"; it was told at {clock(told_at, now)}" if told_at else ""
    verdict: Verdict
    if reason is not None and reason.code is ReasonCode.UNSETTLED:
        verdict, words = "waits", _under_way(log, who, evidence)
    elif prospect is not None and prospect.muted:
        verdict, words = "stops", f"{who} is left alone about it while it is muted{heard}"
    elif reason is None:
        verdict, words = "info", f"{who} is not asked"
    else:
        verdict, words = _decided(evidence, reason, who, name, log)
    is_muted = prospect is not None and bool(prospect.muted)
    code = "muted" if is_muted else reason.code.value if reason else ""
    is_due = not is_muted and reason is not None and reason.code is ReasonCode.NOTIFY
    facts = Asked(number, kind, code, is_due=is_due, told_at=told_at, repeats_after=repeats_after)
    return Step(verdict, words, facts, now)


def _under_way(log: NotificationLog | None, who: str, evidence: Evidence) -> str:
    pending = log.pending if log else None
    if pending is None:
        return f"{who} is left alone: its last notification is still under way"
    about = "" if evidence.alert.fingerprint in unpack(pending.firing) | unpack(pending.resolved) else " about others"
    since, until = _clock(evidence, pending.at), _clock(evidence, pending.deadline)
    return f"{who} is left alone: a notification{about} is under way since {since}, until {until} at the latest"


def _decided(
    evidence: Evidence, reason: Reason, who: str, name: Fingerprint, log: NotificationLog | None
) -> tuple[Verdict, str]:
    next_at = evidence.head.next_due_at
    match reason.code:
        case ReasonCode.NOTIFY:
            at = f", at the next look at {_clock(evidence, next_at)}" if next_at else ""
            return "waits", f"{who} is due to be told of {of_what(reason.text)}{at}"
        case ReasonCode.NO_NEWS if log is not None and log.sent_at is not None:
            told_at = _clock(evidence, log.sent_at)
            if name not in unpack(log.firing):
                return "told", f"{who} has heard all there is: told last at {told_at}"
            route = evidence.route
            again = f"; again after {_clock(evidence, log.sent_at + route.repeat_interval)}" if route else ""
            is_anew = evidence.life.began is None or log.sent_at >= evidence.life.began.at
            anew = "" if is_anew else ", before this occurrence, and has not heard of its end"
            return "told", f"{who} knows: told at {told_at}{anew}{again} if nothing changes"
        case code if code in WITHHELD:
            return "stops", f"{who} is left alone: {in_hand(reason)}"
        case ReasonCode.NEVER_TOLD:
            return "stops", f"{who} has nothing to hear: it was never told that this fires"
        case ReasonCode.NOT_SENT:
            return "stops", f"{who} is not told of resolves"
        case _:
            return "info", f"{who} has nothing to hear"


def _asked_then(evidence: Evidence, number: int, kind: str) -> Step:
    """As the looks of its last occurrence decided."""
    who, looks, now = evidence.called(number), evidence.life.looks, evidence.now
    due = [(look, reason) for look in looks if (reason := look.about(number)) and look.tells(reason)]
    if due:
        listed = joined([f"at {clock(look.at, now)} ({short(reason.text)})" for look, reason in due[-3:]])
        more = f"{len(due)} times, last " if len(due) > 3 else ""
        facts = Asked(number, kind, ReasonCode.NOTIFY.value, is_due=True)
        return Step("passes", f"{who} was due to be told of it {more}{listed}", facts, due[0][0].at)
    open_looks = [look for look in looks if not look.muted]
    at = looks[-1].at if looks else None
    if not looks:
        return Step("info", f"{who}: no look at it is known", Asked(number, kind, "", is_due=False))
    if not open_looks:
        words = f"{who} was left alone about it: it was muted {when(looks, now)}"
        return Step("stops", words, Asked(number, kind, "muted", is_due=False), at)
    reason = open_looks[-1].about(number)
    code = reason.code if reason else None
    facts = Asked(number, kind, code.value if code else "", is_due=False)
    seen = when(open_looks, now)
    muted = when([look for look in looks if look.muted], now) if len(open_looks) < len(looks) else ""
    before = f"; it was muted {muted}" if muted else ""
    match code:
        case ReasonCode.NEVER_TOLD:
            words = f"{who} had nothing to hear {seen}: it had never been told that this fires"
        case ReasonCode.NO_NEWS:
            words = f"{who} had nothing new to hear {seen}: it had been told before"
        case ReasonCode.NOT_SENT:
            words = f"{who} was not told of its end {seen}: it is not told of resolves"
        case ReasonCode.UNSETTLED:
            words = f"{who} was left alone {seen}: a notification was under way"
        case withheld if reason is not None and withheld in WITHHELD:
            words = f"{who} was left alone {seen}: {in_hand(reason)}"
        case _:
            words = f"{who} was not asked {seen}"
    return Step("stops", words + before, facts, open_looks[-1].at)


# --- deliveries -----------------------------------------------------------------------------------------------------


def delivery_steps(evidence: Evidence) -> Iterator[Step]:
    """Every delivery of the group while it held the alert, with its attempts and the answer."""
    receiver = evidence.receiver
    for run in folded(evidence.life.sent):
        sent = run[-1]
        known = receiver is not None and sent.integration < len(receiver.integrations)
        kind = receiver.integrations[sent.integration].kind if receiver and known else ""
        yield Step(
            "info" if evidence.is_shadow else _verdict(sent),
            _delivery_words(evidence, run),
            Delivered(
                id=sent.id,
                integration=sent.integration,
                kind=kind,
                reason=sent.why,
                is_about_it=sent.is_about_it,
                due_at=sent.at,
                outcome=sent.outcome,
                settled_at=sent.settled_at,
                attempts=sent.attempts,
                answer=sent.answer,
                times=len(run),
                first_at=(run[0].settled_at or run[0].at) if len(run) > 1 else None,
            ),
            run[0].settled_at or run[0].at,
        )


def _verdict(sent: Sent) -> Verdict:
    if not sent.is_about_it:
        return "info"
    match sent.outcome:
        case Outcome.DELIVERED:
            return "told"
        case Outcome.UNDER_WAY:
            return "waits"
        case Outcome.FAILED | Outcome.GIVEN_UP:
            return "failed"


def _delivery_words(evidence: Evidence, run: Sequence[Sent]) -> str:
    sent = run[-1]
    who = evidence.called(sent.integration)
    at = times(run, evidence.now)
    others = "" if sent.is_about_it else "; it did not tell of this alert, only of others of its group"
    each = "the last time " if len(run) > 1 else ""
    tries = f", {each}after {sent.attempts} attempts" if sent.attempts > 1 else ""
    answer = answer_words(sent.answer, who)
    match sent.outcome:
        case Outcome.DELIVERED:
            was = "would have been" if evidence.is_shadow else "was"
            return f"{who} {was} told {at} of {of_what(sent.why)}: {answer}{tries}{others}"
        case Outcome.FAILED:
            return f"{who} could not be told {at} of {of_what(sent.why)}: {answer}{tries}{others}"
        case Outcome.GIVEN_UP:
            return f"{who} was given up {at}, to be told of {of_what(sent.why)}: {answer}{others}"
        case Outcome.UNDER_WAY:
            return (
                f"{who} is being told since {_clock(evidence, sent.at)} of {of_what(sent.why)}: no answer yet{others}"
            )


def _clock(evidence: Evidence, instant: datetime) -> str:
    return clock(instant, evidence.now)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 % 10 != 1 else "th"
    return f"{number}{ending}"
