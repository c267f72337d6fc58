"""Triage: the first look at an incident.  A `Question` goes in, a `Finding` comes out, and `judge` says what may stand.

Every claim of a finding cites what a read-only tool really returned; a finding is read by people, and acted on by none
of Tocsin's rules.  `FirstLook` answers with rules alone, and is what remains where there is no model, or trouble with
one.
"""

from __future__ import annotations

from domain.changes import Change
from domain.triage.findings import (
    DETERMINISTIC,
    TARGETS,
    Cause,
    Citation,
    Claim,
    Confidence,
    Evidence,
    EvidenceKind,
    Exchange,
    Finding,
    NextStep,
    Reply,
    Runbook,
    Similar,
    StepKind,
    SuspectedChange,
    TargetKind,
    Triager,
)
from domain.triage.first_look import FirstLook, first_look
from domain.triage.judging import claims_of, judge, judge_reply, targets
from domain.triage.questions import Mute, Onset, Past, Question, onset_of, service_of
from domain.triage.ranking import Candidate, confidence_in, rank
from domain.triage.rules import Calls, Limits, Prices, PrometheusSource, Runbooks, TriageRules
from domain.triage.spending import NO_MODEL, NOTHING_SPENT, Allowance, Usage, UsageStore

__all__ = [
    "DETERMINISTIC",
    "NOTHING_SPENT",
    "NO_MODEL",
    "TARGETS",
    "Allowance",
    "Calls",
    "Candidate",
    "Cause",
    "Change",
    "Citation",
    "Claim",
    "Confidence",
    "Evidence",
    "EvidenceKind",
    "Exchange",
    "Finding",
    "FirstLook",
    "Limits",
    "Mute",
    "NextStep",
    "Onset",
    "Past",
    "Prices",
    "PrometheusSource",
    "Question",
    "Reply",
    "Runbook",
    "Runbooks",
    "Similar",
    "StepKind",
    "SuspectedChange",
    "TargetKind",
    "TriageRules",
    "Triager",
    "Usage",
    "UsageStore",
    "claims_of",
    "confidence_in",
    "first_look",
    "judge",
    "judge_reply",
    "onset_of",
    "rank",
    "service_of",
    "targets",
]
