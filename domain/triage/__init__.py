"""Triage: the first look at an incident.  A `Question` goes in, a `Finding` comes out, and `judge` says what may stand.

Every claim of a finding cites what a read-only tool really returned; a finding is read by people, and acted on by none
of Tocsin's rules.  `FirstLook` answers with rules alone, and is what remains where there is no model, or trouble with
one.
"""

from __future__ import annotations

from domain.triage.findings import (
    DETERMINISTIC,
    TARGETS,
    Cause,
    Citation,
    Claim,
    Confidence,
    Evidence,
    EvidenceKind,
    Finding,
    NextStep,
    Runbook,
    Similar,
    StepKind,
    SuspectedChange,
    TargetKind,
    Triager,
)
from domain.triage.first_look import FirstLook, first_look
from domain.triage.judging import claims_of, judge, targets
from domain.triage.questions import Calls, Change, Mute, Onset, Past, Question, onset_of, service_of
from domain.triage.ranking import Candidate, confidence_in, rank

__all__ = [
    "DETERMINISTIC",
    "TARGETS",
    "Calls",
    "Candidate",
    "Cause",
    "Change",
    "Citation",
    "Claim",
    "Confidence",
    "Evidence",
    "EvidenceKind",
    "Finding",
    "FirstLook",
    "Mute",
    "NextStep",
    "Onset",
    "Past",
    "Question",
    "Runbook",
    "Similar",
    "StepKind",
    "SuspectedChange",
    "TargetKind",
    "Triager",
    "claims_of",
    "confidence_in",
    "first_look",
    "judge",
    "onset_of",
    "rank",
    "service_of",
    "targets",
]
