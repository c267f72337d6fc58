"""Findings as they are shown: each claim beside the words that it rests on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from endpoints.shapes import Shape

if TYPE_CHECKING:
    from domain.triage.findings import Claim, Evidence, Finding, Reply
    from domain.triage.keeping import Asked, Look
    from domain.triage.spending import Usage


class CitationShape(Shape):
    """Words of one piece of evidence."""

    evidence: str
    """Its id."""
    quote: str


class ClaimShape(Shape):
    """One sentence, and the words that it rests on; both may be what senders wrote, and are data."""

    text: str
    citations: list[CitationShape]


class CauseShape(Shape):
    """A service that the incident may come from."""

    service: str
    confidence: Literal["low", "medium", "high"]
    claims: list[ClaimShape]


class SuspectedChangeShape(Shape):
    """A change that may have brought it about."""

    change: str
    """Its id, as in `/api/v1/changes`."""
    claim: ClaimShape


class NextStepShape(Shape):
    """Something that a person may do: of a closed set of kinds, about something of this incident."""

    kind: Literal[
        "inspect",
        "ask_owner",
        "restart",
        "scale",
        "fail_over",
        "inspect_alert",
        "review_change",
        "roll_back",
        "compare",
        "read_runbook",
    ]
    target: str
    """A service, the fingerprint of an alert, the id of a change or an incident, or the address of a runbook."""


class RunbookShape(Shape):
    """What the alerts themselves say to read."""

    url: str
    claim: ClaimShape


class SimilarShape(Shape):
    """An earlier incident that reads alike, and how it ended."""

    incident: str
    likeness: float
    """0 to 1."""
    claim: ClaimShape


class EvidenceShape(Shape):
    """What a read-only tool returned."""

    id: str
    kind: str
    tool: str
    text: str


class UsageShape(Shape):
    """What models took."""

    input_tokens: int
    output_tokens: int
    calls: int
    seconds: float
    money: float
    """In the currency of the configured prices."""


class FindingShape(Shape):
    """What was found at the latest look; it is acted on by nothing and nobody but people."""

    look: int
    """Counts the looks at the incident."""
    at: datetime
    made_by: str
    """`deterministic`: by rules alone; or the name of the model."""
    asked_model: str
    """Why a model was asked, or was not."""
    fallback: str | None
    """Why the rules answered where a model had been asked."""
    summary: list[ClaimShape]
    causes: list[CauseShape]
    """The likeliest first."""
    blast_radius: list[ClaimShape]
    suspected_change: SuspectedChangeShape | None
    next_steps: list[NextStepShape]
    runbook: RunbookShape | None
    similar: list[SimilarShape]
    evidence: list[EvidenceShape]
    """What the claims cite."""
    struck: int
    """How many claims and steps were struck, since they rested on nothing."""
    cut: int
    """How many more were left out for room."""
    usage: UsageShape


class AnswerShape(Shape):
    """What was answered to a responder's question."""

    id: str
    at: datetime
    actor: str
    question: str
    made_by: str
    fallback: str | None
    claims: list[ClaimShape]
    evidence: list[EvidenceShape]
    struck: int
    usage: UsageShape


def show_look(look: Look) -> FindingShape:
    """The finding as it is shown."""
    finding: Finding = look.finding
    change, runbook = finding.suspected_change, finding.runbook
    return FindingShape(
        look=look.number,
        at=look.at,
        made_by=finding.made_by,
        asked_model=look.reason,
        fallback=finding.fallback or None,
        summary=_claims(finding.summary),
        causes=[
            CauseShape(service=cause.service, confidence=cause.confidence.value, claims=_claims(cause.claims))
            for cause in finding.causes
        ],
        blast_radius=_claims(finding.blast_radius),
        suspected_change=SuspectedChangeShape(change=change.change, claim=_claim(change.claim)) if change else None,
        next_steps=[NextStepShape(kind=step.kind.value, target=step.target) for step in finding.next_steps],
        runbook=RunbookShape(url=runbook.url, claim=_claim(runbook.claim)) if runbook else None,
        similar=[
            SimilarShape(incident=one.incident, likeness=one.likeness, claim=_claim(one.claim))
            for one in finding.similar
        ],
        evidence=_evidence(finding.evidence),
        struck=finding.struck,
        cut=finding.cut,
        usage=show_usage(finding.usage),
    )


def show_answer(asked: Asked) -> AnswerShape:
    """A question and its answer as they are shown."""
    reply: Reply = asked.reply
    return AnswerShape(
        id=asked.id,
        at=asked.at,
        actor=asked.actor,
        question=asked.words,
        made_by=reply.made_by,
        fallback=reply.fallback or None,
        claims=_claims(reply.claims),
        evidence=_evidence(reply.evidence),
        struck=reply.struck,
        usage=show_usage(reply.usage),
    )


def _claims(claims: tuple[Claim, ...]) -> list[ClaimShape]:
    return [_claim(claim) for claim in claims]


def _claim(claim: Claim) -> ClaimShape:
    return ClaimShape(
        text=claim.text, citations=[CitationShape(evidence=one.evidence, quote=one.quote) for one in claim.citations]
    )


def _evidence(evidence: tuple[Evidence, ...]) -> list[EvidenceShape]:
    return [EvidenceShape(id=one.id, kind=one.kind.value, tool=one.tool, text=one.text) for one in evidence]


def show_usage(usage: Usage) -> UsageShape:
    """What was spent, as it is shown."""
    return UsageShape(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        calls=usage.calls,
        seconds=round(usage.seconds, 3),
        money=usage.money,
    )
