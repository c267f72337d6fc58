"""Trace: why one alert of one group was told or was not, step by step in the order of its way, and in words.

`trace` tells it from `Evidence`.  Of an alert that the group holds it says what is so now, and what was different at
earlier looks; of one that is over, what was said at each look of its last occurrence.
"""

from __future__ import annotations

from domain.tracing.evidence import Evidence, Heard, look_now, place_of
from domain.tracing.life import End, Life, Look, Outcome, Sent, begins, look_of, narrowed, read_life
from domain.tracing.muting_steps import hours_step, inhibition_steps, silence_steps
from domain.tracing.steps import (
    Asked,
    Delivered,
    Enriched,
    Facts,
    Grouped,
    HoursSeen,
    Inhibited,
    Received,
    Routed,
    Silenced,
    Stage,
    Step,
    Trace,
    Verdict,
)
from domain.tracing.summary import summarise
from domain.tracing.way_steps import (
    asked_steps,
    delivery_steps,
    enriched_steps,
    grouped_step,
    received_step,
    routed_step,
)
from domain.tracing.words import source_of

__all__ = [
    "Asked",
    "Delivered",
    "End",
    "Enriched",
    "Evidence",
    "Facts",
    "Grouped",
    "Heard",
    "HoursSeen",
    "Inhibited",
    "Life",
    "Look",
    "Outcome",
    "Received",
    "Routed",
    "Sent",
    "Silenced",
    "Stage",
    "Step",
    "Trace",
    "Verdict",
    "begins",
    "look_now",
    "look_of",
    "narrowed",
    "place_of",
    "read_life",
    "source_of",
    "summarise",
    "trace",
]


def trace(evidence: Evidence) -> Trace:
    """The whole trace, its steps in the order of the way: received, routed, grouped, muted or not, due, delivered.

    Where a source of another form sent it, what was made of it follows on how it was received.
    """
    head, summary = evidence.head, summarise(evidence)
    return Trace(
        group_id=head.id,
        receiver=head.receiver,
        group_labels=head.labels,
        alert=evidence.alert,
        state="over" if not evidence.is_present else "firing" if evidence.is_firing else "resolved",
        incident=evidence.life.incident,
        is_told=bool(evidence.life.told) and not evidence.is_shadow,
        summary=f"As a shadow, which tells nobody: {summary}" if evidence.is_shadow else summary,
        steps=(
            received_step(evidence),
            *enriched_steps(evidence),
            routed_step(evidence),
            grouped_step(evidence),
            *inhibition_steps(evidence),
            *hours_step(evidence),
            *silence_steps(evidence),
            *asked_steps(evidence),
            *delivery_steps(evidence),
        ),
        is_cut=evidence.is_cut,
    )
