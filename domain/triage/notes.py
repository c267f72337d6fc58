"""Notes: what a triager has looked at so far, as evidence that its claims can cite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.explaining import clock
from domain.labels import Labels
from domain.tracing.words import joined
from domain.triage.findings import Citation, Claim, Evidence, EvidenceKind
from domain.triage.judging import LONGEST_EVIDENCE
from domain.triage.questions import UNNAMED, Onset, Question
from domain.triage.text import clean

LONGEST_LINE = 240
LONGEST_NAME = 100


@dataclass
class Notes:
    """One look at one question; what is evidence is numbered in the order in which it was seen."""

    question: Question
    evidence: list[Evidence] = field(default_factory=list)
    onsets: list[Onset] = field(init=False)
    """The earliest first."""
    differing: frozenset[str] = field(init=False)
    """The labels that some alerts lack, or have with another value."""

    def __post_init__(self) -> None:
        self.onsets = sorted(self.question.onsets, key=lambda one: (one.began_at, one.fingerprint))
        self.differing = _differing([onset.alert.labels for onset in self.onsets])

    def saw(self, kind: EvidenceKind, tool: str, lines: Iterable[str]) -> Source:
        """New evidence: as many whole lines as there is room for, each as `as_line` makes it."""
        kept, room = list[str](), LONGEST_EVIDENCE
        for one in map(as_line, lines):
            room -= len(one) + 1
            if room < 0:
                break
            kept.append(one)
        found = Evidence(f"e{len(self.evidence) + 1}", kind, tool, "\n".join(kept))
        self.evidence.append(found)
        return Source(found.id)

    def clock(self, instant: datetime) -> str:
        """The time of day in UTC, with the date where it is another one than today's."""
        return clock(instant, self.question.now)

    def name(self, onset: Onset) -> str:
        """What to call an alert: its name, and those labels that tell it from the others of the incident."""
        labels = onset.alert.labels
        details = " ".join(f"{name}={labels[name]}" for name in sorted(self.differing & labels.keys() - {"alertname"}))
        name = labels.get("alertname") or UNNAMED
        return clean(f"{name} ({details})" if details else name, LONGEST_NAME)


@dataclass(frozen=True)
class Source:
    """One piece of evidence that is being told of."""

    id: str

    def claim(self, text: str, *quotes: str) -> Claim:
        """A sentence, and the lines that it rests on."""
        return Claim(text, tuple(Citation(self.id, as_line(quote)) for quote in quotes))

    def telling(self, quote: str) -> Claim:
        """A line that is a sentence of its own."""
        quote = as_line(quote)
        return self.claim(f"{quote[:1].upper()}{quote[1:]}.", quote)


def as_line(text: str) -> str:
    """One line of evidence, fit to be quoted."""
    return clean(text, LONGEST_LINE)


def listed(named: Sequence[str], how_many: int) -> str:
    """The first few of so many, as a person lists them."""
    return joined(named) if how_many <= len(named) else f"{', '.join(named)} and {how_many - len(named)} more"


def counted(number: int, noun: str) -> str:
    """`1 alert`, `2 alerts`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _differing(labels: Sequence[Labels]) -> frozenset[str]:
    first = labels[0] if labels else {}
    return frozenset(
        name for one in labels if one != first for name in first.keys() | one.keys() if first.get(name) != one.get(name)
    )
