"""Pacing: when an incident is looked at again, and which are not looked at when more open than can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from domain.groups import LogEntry, ReasonCode
from domain.lifecycle import severity_rank
from domain.triage.findings import Confidence, Finding
from domain.triage.questions import Mute
from domain.triage.text import clean

AGAIN_AFTER = (timedelta(seconds=15), timedelta(seconds=105), timedelta(minutes=3))
"""How long after each look the next one comes; after the last of these nobody asks for another one.

The first is made by rules, within two seconds; by the second more alerts are there, and a model may be asked.  Asked at
once, the first look names 17 of 54 known causes among three; after 30 seconds 29, after two minutes 35.
"""

MOST_POSTPONED = 3
"""A model that is not to be had is waited for so often; then the rules answer."""

LONGEST_CHANGE = 160

_PATIENCE = (
    (severity_rank("critical"), timedelta(minutes=2)),
    (severity_rank("error"), timedelta(seconds=20)),
    (severity_rank("warning"), timedelta(seconds=5)),
)
_LEAST_PATIENCE = timedelta(seconds=2)


LATER_PATIENCE = 12
"""So many times longer a second or later look may wait."""


def next_look(look: int) -> timedelta | None:
    """How long after this look the next one is wanted; None where none is."""
    return AGAIN_AFTER[look - 1] if look <= len(AGAIN_AFTER) else None


def left_out(severity: str, late: timedelta, look: int = 1) -> str:
    """Why an incident that has waited so long is not looked at now; empty where it is.

    When more open than can be looked at, all wait; the less severe give up first, so that the others are looked at.
    For later looks there is more time.
    """
    rank = severity_rank(severity)
    patience = next((longest for least, longest in _PATIENCE if rank >= least), _LEAST_PATIENCE)
    patience *= 1 if look == 1 else LATER_PATIENCE
    if late <= patience:
        return ""
    of = f"of severity {severity}" if severity else "without a severity"
    return (
        f"more incidents open than can be looked at: this one waited {late.total_seconds():.0f} s,"
        f" and one {of} waits {patience.total_seconds():.0f} s at most"
    )


def headline(finding: Finding, reason: str) -> str:
    """A finding in a sentence, for the trail; why a model was or was not asked stands in it."""
    if finding.causes:
        cause = finding.causes[0]
        others = len(finding.causes) - 1
        more = f", or {others} other{'s' if others > 1 else ''}" if others else ""
        found = f"it may come from {cause.service}{more} ({_SURE[cause.confidence]})"
    elif finding.summary:
        found = finding.summary[0].text.rstrip(".")
    else:
        found = "nothing that could be said with evidence"
    suspect = finding.suspected_change
    change = f"; suspected: {clean(suspect.claim.text, LONGEST_CHANGE).rstrip('.')}" if suspect else ""
    why = finding.fallback or reason
    return f"{found}{change}; {why}" if why else f"{found}{change}"


_SURE = {
    Confidence.LOW: "little speaks for it",
    Confidence.MEDIUM: "some evidence",
    Confidence.HIGH: "strong evidence",
}

_MUTING: Mapping[ReasonCode, Literal["silence", "inhibition", "interval"]] = {
    ReasonCode.SILENCED: "silence",
    ReasonCode.INHIBITED: "inhibition",
    ReasonCode.OUT_OF_HOURS: "interval",
}


def mutes_in(entries: Sequence[LogEntry]) -> tuple[Mute, ...]:
    """What muted alerts of the group when it was last looked at; the entries are its trail, the oldest first."""
    for entry in reversed(entries):
        found = [reason for reason in entry.reasons if reason.code in _MUTING]
        if found:
            return tuple(Mute(_MUTING[reason.code], reason.by, reason.text, reason.fingerprints) for reason in found)
        if any(reason.code in (ReasonCode.NOTIFY, ReasonCode.NO_NEWS) for reason in entry.reasons):
            break  # it was looked at, and nothing was muted
    return ()
