"""Judging: what of a finding may stand, whoever made it; claims that rest on nothing are struck and counted.

A claim stands if each of its citations names evidence that there is, and quotes words that are in it; and if it names
no address but what it quotes.  Whether the words bear the claim out is for its reader: they stand beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.triage.findings import (
    TARGETS,
    Cause,
    Citation,
    Claim,
    Evidence,
    Finding,
    NextStep,
    Reply,
    Runbook,
    Similar,
    SuspectedChange,
    TargetKind,
)
from domain.triage.questions import HISTORY_SEARCHED, Question
from domain.triage.text import clean, clean_lines

LONGEST_EVIDENCE = 4_000
LONGEST_CLAIM = 400
LONGEST_QUOTE = 400
LONGEST_TARGET = 300
LONGEST_ID = 40
LONGEST_REASON = 200
SHORTEST_QUOTE = 4
"""Less than so many characters quote nothing, unless they are all of the evidence."""

MOST_EVIDENCE = 100
MOST_CITATIONS = 6
MOST_CLAIMS = 12
"""In the summary, and in the blast radius."""
MOST_CAUSES = 3
MOST_CLAIMS_OF_A_CAUSE = 6
MOST_STEPS = 8
MOST_SIMILAR = 5

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.\-]*://|www\.|mailto:)\S*", re.IGNORECASE)
_AFTER_ADDRESS = ".,;:!?…)]}>'\""

RUNBOOK_ANNOTATION = "runbook_url"


def judge(finding: Finding, evidence: Sequence[Evidence], question: Question) -> Finding:
    """The finding without what rests on nothing, bounded and cleaned; judging it again changes nothing.

    Args:
        finding: As it was made; what it says of its own evidence, and of what was struck before, is kept only as far
            as `evidence` bears it out, and adds up.
        evidence: What tools really returned; of two with one id neither counts, for nobody can tell which is cited.
        question: What the finding is about: a step's target, a cause, a change, an earlier incident or a runbook that
            is not in it is struck.
    """
    judging = _Judging(known_evidence(evidence), targets(question))
    summary = judging.claims(finding.summary, MOST_CLAIMS)
    causes = judging.bounded((judging.cause(one) for one in finding.causes), MOST_CAUSES)
    blast_radius = judging.claims(finding.blast_radius, MOST_CLAIMS)
    change = judging.change(finding.suspected_change)
    runbook = judging.runbook(finding.runbook)
    similar = judging.bounded((judging.similar(one) for one in finding.similar), MOST_SIMILAR)
    steps = judging.bounded((judging.step(one) for one in dict.fromkeys(finding.next_steps)), MOST_STEPS)
    judged = Finding(
        question.incident.id,
        clean(finding.made_by, LONGEST_REASON),
        summary,
        causes,
        blast_radius,
        change,
        steps,
        runbook,
        similar,
        struck=max(0, finding.struck) + judging.struck,
        cut=max(0, finding.cut) + judging.cut,
        fallback=clean(finding.fallback, LONGEST_REASON),
        usage=finding.usage,
    )
    cited = {citation.evidence for claim in claims_of(judged) for citation in claim.citations}
    return replace(judged, evidence=tuple(one for name, one in judging.evidence.items() if name in cited))


def judge_reply(reply: Reply, evidence: Sequence[Evidence], question: Question) -> Reply:
    """The same for an answer to a responder's question."""
    judging = _Judging(known_evidence(evidence), {})
    claims = judging.claims(reply.claims, MOST_CLAIMS)
    cited = {citation.evidence for claim in claims for citation in claim.citations}
    return Reply(
        question.incident.id,
        clean(reply.made_by, LONGEST_REASON),
        claims,
        tuple(one for name, one in judging.evidence.items() if name in cited),
        max(0, reply.struck) + judging.struck,
        clean(reply.fallback, LONGEST_REASON),
        reply.usage,
    )


def claims_of(finding: Finding) -> Iterable[Claim]:
    """Every claim in it."""
    yield from finding.summary
    for cause in finding.causes:
        yield from cause.claims
    yield from finding.blast_radius
    yield from (one.claim for one in finding.similar)
    for one in (finding.suspected_change, finding.runbook):
        if one is not None:
            yield one.claim


def known_evidence(evidence: Iterable[Evidence]) -> Mapping[str, Evidence]:
    """By its id, bounded and cleaned: what people are shown, and what quotes are looked up in."""
    cleaned = [
        Evidence(
            clean(one.id, LONGEST_ID), one.kind, clean(one.tool, LONGEST_ID), clean_lines(one.text, LONGEST_EVIDENCE)
        )
        for one in evidence
    ]
    times = Counter(one.id for one in cleaned)
    found = [one for one in cleaned if one.id and times[one.id] == 1]
    return {one.id: one for one in found[:MOST_EVIDENCE]}


def supports(evidence: Evidence, quote: str) -> bool:
    """Whether those words are in it; letter by letter, but for white space and what does not print."""
    text = " ".join(evidence.text.split())
    return quote == text if len(quote) < SHORTEST_QUOTE else quote in text


def targets(question: Question) -> Mapping[TargetKind, frozenset[str]]:
    """What belongs to the incident: all that a step may be about."""
    urls = {onset.alert.annotations.get(RUNBOOK_ANNOTATION, "") for onset in question.onsets}
    return {
        TargetKind.SERVICE: frozenset(question.services - {""}),
        TargetKind.ALERT: frozenset(str(onset.fingerprint) for onset in question.onsets),
        TargetKind.CHANGE: frozenset(change.id for change in question.changes),
        TargetKind.INCIDENT: frozenset(past.incident.id for past in question.history[:HISTORY_SEARCHED]),
        TargetKind.RUNBOOK: frozenset(url for url in urls if url.startswith(("https://", "http://"))),
    }


def _quotes_addresses(text: str, citations: Iterable[Citation]) -> bool:
    """Whether each address in the text is in what it quotes: nobody is sent anywhere by a model's word alone."""
    quoted = " ".join(one.quote for one in citations)
    return all(found.rstrip(_AFTER_ADDRESS) in quoted for found in _ADDRESS.findall(text))


@dataclass
class _Judging:
    """One judgement under way: what counts, and what has been struck so far."""

    evidence: Mapping[str, Evidence]
    targets: Mapping[TargetKind, frozenset[str]]
    struck: int = 0
    cut: int = 0

    def bounded[T](self, judged: Iterable[T | None], most: int) -> tuple[T, ...]:
        """Those that stand, the first so many."""
        standing = [one for one in judged if one is not None]
        self.cut += max(0, len(standing) - most)
        return tuple(standing[:most])

    def claims(self, claims: Iterable[Claim], most: int) -> tuple[Claim, ...]:
        return self.bounded(map(self.claim, claims), most)

    def claim(self, claim: Claim) -> Claim | None:
        text = clean(claim.text, LONGEST_CLAIM)
        citations = tuple(
            dict.fromkeys(
                Citation(clean(one.evidence, LONGEST_ID), clean(one.quote, LONGEST_QUOTE)) for one in claim.citations
            )
        )
        is_supported = bool(citations) and all(self.holds(one) for one in citations)
        if not text or not is_supported or not _quotes_addresses(text, citations):
            self.struck += 1
            return None
        return Claim(text, citations[:MOST_CITATIONS])

    def holds(self, citation: Citation) -> bool:
        evidence = self.evidence.get(citation.evidence)
        return evidence is not None and bool(citation.quote) and supports(evidence, citation.quote)

    def belongs(self, kind: TargetKind, target: str) -> bool:
        """Letter by letter: what would be changed by cleaning is not what the incident has, or is not fit to show."""
        return (
            target in self.targets[kind] and len(target) <= LONGEST_TARGET and clean(target, LONGEST_TARGET) == target
        )

    def about(self, kind: TargetKind, target: str, claim: Claim) -> Claim | None:
        """The claim, if it stands and is about something of this incident."""
        if not self.belongs(kind, target):
            self.struck += 1
            return None
        return self.claim(claim)

    def cause(self, cause: Cause) -> Cause | None:
        if not cause.claims or not self.belongs(TargetKind.SERVICE, cause.service):
            self.struck += 1
            return None
        claims = self.claims(cause.claims, MOST_CLAIMS_OF_A_CAUSE)
        return Cause(cause.service, cause.confidence, claims) if claims else None

    def change(self, change: SuspectedChange | None) -> SuspectedChange | None:
        claim = self.about(TargetKind.CHANGE, change.change, change.claim) if change else None
        return SuspectedChange(change.change, claim) if change and claim else None

    def runbook(self, runbook: Runbook | None) -> Runbook | None:
        claim = self.about(TargetKind.RUNBOOK, runbook.url, runbook.claim) if runbook else None
        return Runbook(runbook.url, claim) if runbook and claim else None

    def similar(self, similar: Similar) -> Similar | None:
        claim = self.about(TargetKind.INCIDENT, similar.incident, similar.claim)
        likeness = similar.likeness if 0 <= similar.likeness <= 1 else 0.0  # also where it is no number
        return Similar(similar.incident, likeness, claim) if claim else None

    def step(self, step: NextStep) -> NextStep | None:
        if self.belongs(TARGETS[step.kind], step.target):
            return step
        self.struck += 1
        return None
