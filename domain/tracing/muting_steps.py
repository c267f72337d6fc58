"""The steps in the middle: what inhibits an alert, what its route's intervals say, and who has silenced it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.explaining import clock
from domain.groups import Reason, ReasonCode
from domain.inhibition import InhibitRule
from domain.labels import Fingerprint
from domain.muting import hours
from domain.tracing.evidence import Evidence
from domain.tracing.life import Look
from domain.tracing.steps import HoursSeen, Inhibited, Silenced, Step, Verdict
from domain.tracing.words import (
    Spell,
    delay_words,
    joined,
    lateness,
    muted_by,
    name_of,
    short,
    source_name,
    source_of,
    spells,
    when,
)


def _spells(evidence: Evidence, code: ReasonCode) -> list[Spell]:
    """What the looks said under this code, spell by spell."""

    def of_code(look: Look) -> Sequence[Reason]:
        return [reason for reason in look.muted if reason.code is code]

    def key(reason: Reason) -> object:
        by = source_of(reason, evidence.alert.fingerprint) if code is ReasonCode.INHIBITED else reason.by
        return by, reason.text

    return spells(evidence.life.looks, of_code, key)


def _take_running(evidence: Evidence, found: list[Spell], by: str) -> Spell | None:
    """Remove and return the spell of this cause that the last look belongs to: it is still so now."""
    for spell in found:
        is_last = bool(evidence.life.looks) and spell.looks[-1] is evidence.life.looks[-1]
        if is_last and by in spell.reason.by.split(","):
            found.remove(spell)
            return spell
    return None


def _since(spell: Spell | None, now: datetime) -> str:
    return f"; so it was {when(spell.looks, now)}" if spell else ""


def _past(evidence: Evidence, spell: Spell) -> str:
    words = f"{muted_by(evidence, spell.reason)} {when(spell.looks, evidence.now)}"
    return words[0].upper() + words[1:]


def _past_verdict(evidence: Evidence, spell: Spell) -> Verdict:
    """What muted it at earlier looks still stops it unless a later look told of it, or one now would."""
    later = [look for look in evidence.life.looks if look.at > spell.last_at]
    if evidence.prospect is not None:
        later.append(evidence.prospect)
    is_past = any(look.tells(reason) for look in later for reason in look.said)
    return "info" if is_past else "stops"


# --- inhibition -----------------------------------------------------------------------------------------------------


def inhibition_steps(evidence: Evidence) -> Iterator[Step]:
    """For each rule that aims at it what it does, and what inhibited it at earlier looks."""
    earlier = _spells(evidence, ReasonCode.INHIBITED)
    rules = [rule for rule in evidence.situation.configuration.inhibit_rules if rule.is_target(evidence.alert.labels)]
    now_steps = []
    for rule in rules:
        if not evidence.is_present:
            now_steps += _missed(evidence, rule, earlier)
            continue
        live = [source for source in evidence.rivals(rule) if evidence.is_live(source)]
        if not live:
            now_steps += _missed(evidence, rule, earlier)
            continue
        source = min(live, key=lambda one: (one.alert.starts_at, one.alert.fingerprint))  # as `muting` chooses
        spell = _take_running(evidence, earlier, source.alert.fingerprint)
        now_steps.append(
            Step(
                "stops",
                f"Inhibited by {name_of(source.alert.labels)}, which fires, under rule {short(str(rule))}"
                f"{_since(spell, evidence.now)}{_late_words(evidence, source.alert.fingerprint)}",
                _inhibited(evidence, str(rule), source.alert.fingerprint, spell.looks if spell else ()),
                evidence.now,
            )
        )
    for spell in earlier:
        source_id = source_of(spell.reason, evidence.alert.fingerprint)
        yield Step(
            _past_verdict(evidence, spell),
            f"{_past(evidence, spell)}, under rule {short(spell.reason.text)}"
            f"{_late_words(evidence, source_id, until=spell.first_at)}",
            _inhibited(evidence, spell.reason.text, source_id, spell.looks, until=spell.first_at),
            spell.first_at,
        )
    yield from now_steps
    if not rules and not earlier:
        yield Step("passes", "No inhibit rule aims at it", Inhibited(None))


def _missed(evidence: Evidence, rule: InhibitRule, earlier: Sequence[Spell]) -> list[Step]:
    """A rule under which nothing inhibits it now; perhaps a source came too late for the look that told of it."""
    steps = []
    for source in sorted(evidence.rivals(rule), key=lambda one: (one.alert.starts_at, one.alert.fingerprint)):
        name = source.alert.fingerprint
        if lateness(evidence, name) is None or any(name in spell.reason.by for spell in earlier):
            continue
        fired = f"{name_of(source.alert.labels)} fired under rule {short(str(rule))}"
        words = f"{fired}, but inhibited it at no look{_late_words(evidence, name)}"
        steps.append(Step("info", words, _inhibited(evidence, str(rule), name, ())))
    if steps or any(spell.reason.text == str(rule) for spell in earlier):
        return steps
    what = "no source of it fires" if evidence.is_present else "it inhibited it at no look"
    return [Step("passes", f"Rule {short(str(rule))} aims at it; {what}", Inhibited(str(rule)))]


def _inhibited(
    evidence: Evidence, rule: str, source: Fingerprint, looks: Sequence[Look], until: datetime | None = None
) -> Inhibited:
    heard = evidence.heard.get(source)
    late = lateness(evidence, source, until)
    return Inhibited(
        rule=rule,
        source=source,
        source_labels=dict(heard.alert.labels) if heard else None,
        source_heard_at=heard.at if heard else None,
        seconds_late=late[0].total_seconds() if late else None,
        looks=len(looks),
    )


def _late_words(evidence: Evidence, source: Fingerprint, until: datetime | None = None) -> str:
    late = lateness(evidence, source, until)
    if late is None:
        return ""
    delay, look = late
    at = clock(look.at, evidence.now)
    return (
        f"; {source_name(evidence, source)} came {delay_words(delay)} after the flush at {at} that told of this alert"
    )


# --- intervals ------------------------------------------------------------------------------------------------------


def hours_step(evidence: Evidence) -> Iterator[Step]:
    """What the route's intervals say now, and what they said at earlier looks."""
    earlier = _spells(evidence, ReasonCode.OUT_OF_HOURS)
    route = evidence.route
    named = (*route.active_time_intervals, *route.mute_time_intervals) if route else ()
    running = None
    muted_now = None
    if evidence.is_present and route is not None:
        found = hours(route, evidence.situation, evidence.now)
        if found.names:
            muted_now = found
            running = _take_running(evidence, earlier, ", ".join(found.names))
    for spell in earlier:
        facts = HoursSeen(tuple(spell.reason.by.split(", ")), len(spell.looks))
        yield Step(_past_verdict(evidence, spell), _past(evidence, spell), facts, spell.first_at)
    if muted_now:
        what = "outside of its active intervals" if muted_now.is_inactive else "inside a mute interval"
        words = f"Muted by {short(joined(muted_now.names))}, {what}{_since(running, evidence.now)}"
        facts = HoursSeen(muted_now.names, len(running.looks) if running else 0)
        yield Step("stops", words, facts, evidence.now)
    elif not named:
        if not earlier:
            yield Step("passes", "The route names no time intervals", HoursSeen())
    elif evidence.is_present or not earlier:
        which = f"{'interval' if len(named) == 1 else 'intervals'} {short(joined(named))}"
        verb = "lets" if evidence.is_present and len(named) == 1 else "let"
        yield Step("passes", f"The route's {which} {verb} it through", HoursSeen())


# --- silences -------------------------------------------------------------------------------------------------------


def silence_steps(evidence: Evidence) -> Iterator[Step]:
    """Who silences it now, and who did at earlier looks."""
    earlier = _spells(evidence, ReasonCode.SILENCED)
    active = evidence.situation.silences.muting(evidence.alert.labels, evidence.now) if evidence.is_present else ()
    now_steps = []
    for silence in active:
        spell = _take_running(evidence, earlier, silence.id)
        comment = f" ({short(silence.comment)})" if silence.comment.strip() else ""
        now_steps.append(
            Step(
                "stops",
                f"Silenced by {short(silence.created_by) or 'someone'} until {clock(silence.ends_at, evidence.now)}"
                f"{comment}, silence {silence.id}{_since(spell, evidence.now)}",
                Silenced(
                    silence.id,
                    silence.created_by,
                    silence.comment,
                    silence.ends_at,
                    len(spell.looks) if spell else 0,
                ),
                evidence.now,
            )
        )
    for spell in earlier:
        known = evidence.silences.get(spell.reason.by)
        who, _, comment = spell.reason.text.partition(": ")
        facts = Silenced(
            spell.reason.by,
            known.created_by if known else who,
            known.comment if known else comment,
            known.ends_at if known else None,
            len(spell.looks),
        )
        words = f"{_past(evidence, spell)}, silence {spell.reason.by}"
        yield Step(_past_verdict(evidence, spell), words, facts, spell.first_at)
    yield from now_steps
    if not active and not earlier:
        yield Step("passes", f"No silence {'matches' if evidence.is_present else 'matched'} it", Silenced())
