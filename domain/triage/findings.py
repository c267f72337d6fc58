"""Finding: what a triager answers, every claim with what it rests on; port `Triager`.

A finding is read by people and acted on by nobody: nothing in it can page, silence or resolve.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from domain.looks import DETERMINISTIC as DETERMINISTIC
from domain.triage.questions import Question
from domain.triage.spending import NO_MODEL, NOTHING_SPENT, Allowance, Usage
from domain.values import value


class EvidenceKind(StrEnum):
    """What kind of thing a tool looked at."""

    ALERTS = "alerts"
    TRAIL = "trail"
    MUTING = "muting"
    HISTORY = "history"
    CHANGES = "changes"
    CALLS = "calls"
    METRICS = "metrics"
    LOGS = "logs"
    RUNBOOK = "runbook"


class Confidence(StrEnum):
    """In words, for no model keeps to a range of numbers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class TargetKind(StrEnum):
    """What a step is about."""

    SERVICE = "service"
    ALERT = "alert"
    """By its fingerprint."""
    CHANGE = "change"
    """By its id."""
    INCIDENT = "incident"
    """By its id."""
    RUNBOOK = "runbook"
    """By its URL, as an alert's annotation has it.  It is shown, and never fetched because an alert says so."""


class StepKind(StrEnum):
    """What a person may do next; the whole list, so that no text becomes an instruction."""

    INSPECT = "inspect"
    ASK_OWNER = "ask_owner"
    RESTART = "restart"
    SCALE = "scale"
    FAIL_OVER = "fail_over"
    INSPECT_ALERT = "inspect_alert"
    REVIEW_CHANGE = "review_change"
    ROLL_BACK = "roll_back"
    COMPARE = "compare"
    READ_RUNBOOK = "read_runbook"


TARGETS: Mapping[StepKind, TargetKind] = {
    StepKind.INSPECT: TargetKind.SERVICE,
    StepKind.ASK_OWNER: TargetKind.SERVICE,
    StepKind.RESTART: TargetKind.SERVICE,
    StepKind.SCALE: TargetKind.SERVICE,
    StepKind.FAIL_OVER: TargetKind.SERVICE,
    StepKind.INSPECT_ALERT: TargetKind.ALERT,
    StepKind.REVIEW_CHANGE: TargetKind.CHANGE,
    StepKind.ROLL_BACK: TargetKind.CHANGE,
    StepKind.COMPARE: TargetKind.INCIDENT,
    StepKind.READ_RUNBOOK: TargetKind.RUNBOOK,
}


@value
class Evidence:
    """What one tool returned, when it was asked once."""

    id: str
    """Names it within the finding; a tool's caller gives it, never a model."""
    kind: EvidenceKind
    tool: str
    text: str
    """What it returned, cut to `judging.LONGEST_EVIDENCE`; data, whatever it says."""


@value
class Citation:
    """The words of one piece of evidence that a claim rests on."""

    evidence: str
    quote: str


@value
class Claim:
    """One sentence, and what it rests on."""

    text: str
    citations: tuple[Citation, ...]


@value
class Cause:
    """A service that the incident may come from."""

    service: str
    confidence: Confidence
    claims: tuple[Claim, ...]


@value
class Similar:
    """An earlier incident that reads alike."""

    incident: str
    likeness: float
    """0 to 1."""
    claim: Claim
    """How it ended."""


@value
class SuspectedChange:
    """A change that may have brought it about."""

    change: str
    """Its id."""
    claim: Claim


@value
class Runbook:
    """What the alerts themselves say to read."""

    url: str
    claim: Claim


@value
class NextStep:
    """Something a person may do: a kind and what it is about, no text that could be taken for an instruction."""

    kind: StepKind
    target: str


@value
class Finding:
    """The answer to one question."""

    incident: str
    made_by: str
    """`DETERMINISTIC`, or the name of the model."""
    summary: tuple[Claim, ...] = ()
    causes: tuple[Cause, ...] = ()
    """The likeliest first; empty where nothing can be said."""
    blast_radius: tuple[Claim, ...] = ()
    suspected_change: SuspectedChange | None = None
    next_steps: tuple[NextStep, ...] = ()
    runbook: Runbook | None = None
    similar: tuple[Similar, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    """What its claims cite, once it has been judged."""
    struck: int = 0
    """How many claims and steps were struck, since they rested on nothing or were not about this incident."""
    cut: int = 0
    """How many more were left out for room."""
    fallback: str = ""
    """Why the rules answered where a model had been asked; empty otherwise."""
    usage: Usage = NOTHING_SPENT
    """What models took to make it, also where they failed."""


@value
class Exchange:
    """What a responder asked before, and what the answer was."""

    asked: str
    answered: tuple[Claim, ...]


@value
class Reply:
    """What is answered to a responder's question about an incident."""

    incident: str
    made_by: str
    claims: tuple[Claim, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    struck: int = 0
    fallback: str = ""
    usage: Usage = NOTHING_SPENT


class Triager(Protocol):
    """Looks at an incident first, reads only, and answers with what it found."""

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        """Answer the question, whatever happens: trouble with a model ends in a finding whose `fallback` says so.

        `Finding.evidence` of the answer is what the triager's tools really returned, under ids that it gave them
        itself; a model's word for it is not enough.  The caller judges the answer (`judge`) before anybody sees it.
        The same question may be asked twice; only its `now` need be later.  A model is asked only if the allowance
        says so, and within its limits; no answer takes longer than its seconds.

        Raises:
            UnavailableError: Not now, and it is worth asking again soon; `retry_after` says when, if that is known.
        """
        ...

    def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        """Answer what a responder asks about the incident: the answer as far as it is known, again as it grows.

        Each says all that the one before it said, with the evidence that its claims cite; the last one is the answer.
        At least one comes, whatever happens; trouble is told as for `triage`.  The caller judges each (`judge_reply`).

        Args:
            question: The incident as it is now.
            asked: The responder's words; to a model they are a question, and no more able to act than any other text.
            before: What was asked and answered before, the oldest first.
            allowance: As for `triage`.

        Raises:
            UnavailableError: As for `triage`.
        """
        ...
