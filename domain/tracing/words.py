"""Words that the steps and the summary share: names, instants, and how often something was said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.explaining import clock, printable
from domain.groups import Reason, ReasonCode
from domain.labels import Fingerprint, Labels
from domain.tracing.evidence import Evidence
from domain.tracing.life import Look

LONGEST_TEXT = 80

LONGEST_CHANGE = 300
"""What enrichment did to an alert may be longer too: it names what was read and what was set."""

LONGEST_ANSWER = 300
"""What a receiver answered may be longer: its end is often what says what is wrong."""


def short(text: str, longest: int = LONGEST_TEXT) -> str:
    """What people and senders wrote, fit for a sentence."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def name_of(labels: Labels) -> str:
    """What to call an alert: `ClusterDown (cluster=a)`."""
    details = " ".join(f"{name}={labels[name]}" for name in sorted(labels) if name != "alertname")
    name = labels.get("alertname") or "an alert"
    return short(f"{name} ({details})" if details else name)


def joined(parts: Sequence[str], last: str = "and") -> str:
    """The parts as a person lists them."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else ""


def span(duration: timedelta) -> str:
    """A length of time, as configurations write it."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.3g}ms"
    if seconds < 60:
        return f"{seconds:.3g}s"
    parts = [(int(seconds // 86400), "d"), (int(seconds // 3600 % 24), "h"), (int(seconds // 60 % 60), "m")]
    parts.append((int(seconds % 60), "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


@dataclass(frozen=True, slots=True)
class Spell:
    """Looks, one after the other, that said the same."""

    reason: Reason
    looks: tuple[Look, ...]

    @property
    def first_at(self) -> datetime:
        """When it was said first."""
        return self.looks[0].at

    @property
    def last_at(self) -> datetime:
        """When it was said last."""
        return self.looks[-1].at


def spells(
    looks: Sequence[Look], reasons_of: Callable[[Look], Iterable[Reason]], key: Callable[[Reason], object]
) -> list[Spell]:
    """What the looks said, in order of when it was said first; reasons of equal keys are the same.

    A look in between that did not say it ends a spell.
    """
    found: list[Spell] = []
    running: dict[object, int] = {}
    for look in looks:
        said = {key(reason): reason for reason in reasons_of(look)}
        running = {each: place for each, place in running.items() if each in said}
        for each, reason in said.items():
            place = running.setdefault(each, len(found))
            if place == len(found):
                found.append(Spell(reason, (look,)))
            else:
                found[place] = Spell(reason, (*found[place].looks, look))
    return found


def when(looks: Sequence[Look], now: datetime) -> str:
    """At which looks, in a few words."""
    times = [clock(look.at, now) for look in looks]
    if len(times) <= 2:
        return f"at {joined(times)}"
    return f"at {len(times)} looks from {times[0]} to {times[-1]}"


def looked(looks: Sequence[Look], now: datetime) -> str:
    """How often a group has looked at the alert, as what follows `it`."""
    times = [clock(look.at, now) for look in looks]
    if len(times) <= 2:
        return f"looked at {joined(times)}"
    return f"looked {len(times)} times from {times[0]} to {times[-1]}"


def of_what(why: str) -> str:
    """What a notification told, and why: `2 firing (new alerts added)`."""
    what, found, reason = short(why).partition(": ")
    return f"{what} ({reason})" if found else what


def source_of(reason: Reason, fingerprint: Fingerprint) -> Fingerprint:
    """What inhibited the alert; a reason names one source for all its alerts, or one for each."""
    sources = reason.by.split(",")
    place = reason.fingerprints.index(fingerprint) if len(sources) == len(reason.fingerprints) else 0
    return Fingerprint(sources[place])


def source_name(evidence: Evidence, source: Fingerprint) -> str:
    """What to call an alert that inhibits."""
    heard = evidence.heard.get(source)
    return name_of(heard.alert.labels) if heard else f"alert {source}"


def muted_by(evidence: Evidence, reason: Reason) -> str:
    """What mutes or muted, in a few words that follow `it is` as well as `it was`."""
    match reason.code:
        case ReasonCode.INHIBITED:
            return f"inhibited by {source_name(evidence, source_of(reason, evidence.alert.fingerprint))}"
        case ReasonCode.OUT_OF_HOURS:
            return f"muted by {short(reason.by)}, {reason.text}"
        case _:
            silence = evidence.silences.get(reason.by)
            if silence is None:
                who, _, comment = reason.text.partition(": ")
                return f"silenced by {short(who) or 'someone'}" + (f" ({short(comment)})" if comment else "")
            until = f" until {clock(silence.ends_at, evidence.now)}"
            comment = f" ({short(silence.comment)})" if silence.comment.strip() else ""
            return f"silenced by {short(silence.created_by) or 'someone'}{until}{comment}"


def in_hand(reason: Reason) -> str:
    """Why an integration is, or was, not told of what it would be: what a person did; empty for any other reason."""
    who = short(reason.by) or "somebody"
    match reason.code:
        case ReasonCode.ACKNOWLEDGED:
            return f"{who} has acknowledged the incident"
        case ReasonCode.SNOOZED:
            return f"{who} has snoozed the incident"
        case ReasonCode.RESOLVED_BY_PERSON:
            return f"{who} has resolved the incident"
        case _:
            return ""


def lateness(evidence: Evidence, source: Fingerprint, until: datetime | None = None) -> tuple[timedelta, Look] | None:
    """How long after the last look that told of the alert the source came, where no look saw it before.

    Args:
        evidence: Of the alert.
        source: What inhibits it, or would have.
        until: The first look that it inhibited at; later ones do not count.
    """
    heard = evidence.heard.get(source)
    if heard is None or (evidence.life.ended_at is not None and heard.at > evidence.life.ended_at):
        return None
    for look in reversed(evidence.life.looks):
        if look.at >= (min(heard.at, until) if until else heard.at):
            continue
        if any(reason.code is ReasonCode.INHIBITED and source in reason.by for reason in look.muted):
            return None  # it had been seen before, and fires again
        if any(look.tells(reason) for reason in look.said):
            return heard.at - look.at, look
    return None


def delay_words(delay: timedelta) -> str:
    """How late something was."""
    return f"{delay.total_seconds():.1f} s" if delay < timedelta(minutes=1) else span(delay)


def answer_words(answer: str, called: str) -> str:
    """What a receiver answered, without its name, which stands before it already."""
    name = rf"receiver .*? {re.escape(called)}"
    answer = re.sub(rf"(^|: ){name} (?!is )", r"\1", answer, count=1)
    return short(re.sub(name, "it", answer, count=1), LONGEST_ANSWER)
