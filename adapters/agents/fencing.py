"""Fencing: what senders, tools and people wrote, on its way to a model: without secrets, bounded, and marked as data.

The fence is a convention that a model may disregard.  What holds whatever it does: no tool writes, each asks only where
a configuration says, and `judge` strikes what rests on nothing.
"""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.sources.redaction import MASK, MOST_SOUGHT, redact, scrub, scrub_labels
from domain.sources.secret_names import is_secret
from domain.triage import Citation, Claim, Evidence, Onset, Question
from domain.triage.judging import LONGEST_EVIDENCE
from domain.triage.notes import LONGEST_LINE
from domain.triage.questions import HISTORY_SEARCHED
from domain.triage.text import clean

LONGEST_READ = 8_000
"""So much of one text is looked at; the rest cannot matter, and hostile ones are long."""

MOST_SECRETS = 2_000

_NAMED = re.compile(r"""(?<![A-Za-z0-9_.\-])([A-Za-z0-9_.\-]{1,64})(["']?\s?[:=]\s?["']?)([^\s"',;&]+)""")
_SHAPES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"  # a JSON Web Token
    r"|\bgh[pousr]_\w{20,}|\bxox[abeprs]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bsk-[\w-]{16,}|\bglpat-[\w-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)
"""What shows by itself that it is a secret, whatever it is called."""


def make_nonce() -> str:
    """What nobody who writes alerts can know: the beginning and the end of data, for one look."""
    return f"<<data {secrets.token_hex(8)}>>"


def fence(document: Mapping[str, object], nonce: str) -> str:
    """The document as JSON between two nonces; JSON has no line breaks in its texts, so none can look like an end."""
    return f"{nonce}\n{json.dumps(document, ensure_ascii=False)}\n{nonce}"


@dataclass(frozen=True)
class Fence:
    """What one look lets out to a model: one nonce, and the secrets that are known of its question."""

    nonce: str
    secrets: tuple[frozenset[str], ...] = ()

    def line(self, text: str, longest: int = LONGEST_LINE) -> str:
        """The text as one line without secrets."""
        # Cleaned before secrets are looked for: what does not print could hide the name of one.
        text = clean(unicodedata.normalize("NFKC", text[: longest * 4]), longest * 4)
        return clean(self.without_secrets(text.replace(self.nonce, "")), longest)

    def without_secrets(self, text: str) -> str:
        """The text with a mask for each secret that shows, or is known."""
        text = _SHAPES.sub(MASK, _NAMED.sub(_masked, redact(text).text))
        for some in self.secrets:
            text = scrub(text, some)
        return text

    def deeply(self, document: Any) -> Any:
        """The same for every text in a document of JSON."""
        found: Any = document
        if isinstance(found, str):
            found = self.without_secrets(found)
        elif isinstance(found, Mapping):
            found = {self.without_secrets(str(name)): self.deeply(one) for name, one in found.items()}
        elif isinstance(found, (list, tuple)):
            found = [self.deeply(one) for one in found]
        return found

    def lines(self, lines: Iterable[str], longest: int = LONGEST_EVIDENCE) -> str:
        """As many whole lines as there is room for; empty ones are left out."""
        kept, room = list[str](), longest
        for line in lines:
            fit = self.line(line)
            if not fit:
                continue
            room -= len(fit) + 1
            if room < 0:
                break
            kept.append(fit)
        return "\n".join(kept)

    def evidence(self, evidence: Evidence) -> Evidence:
        """What a look without a model has seen, fit to be shown to one."""
        return replace(evidence, text=self.lines(evidence.text.splitlines()))

    def claim(self, claim: Claim) -> Claim:
        """A claim about it, its quotes changed as their evidence was."""
        quoted = [Citation(one.evidence, self.line(one.quote)) for one in claim.citations]
        return Claim(self.line(claim.text), tuple(quoted))

    def document(self, document: Mapping[str, object]) -> str:
        """The document between this look's nonces."""
        return fence(document, self.nonce)


def _masked(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{MASK}" if is_secret(match[1]) else match[0]


def fence_for(question: Question) -> Fence:
    """A fence that knows what stands in labels and annotations whose names say that they are secret."""
    found = dict[str, None]()
    for onset in question.onsets:
        for texts in (onset.alert.labels, onset.alert.annotations):
            for name, text in texts.items():
                if is_secret(name) and MASK not in text and len(text) >= 4:
                    found[text[:LONGEST_READ]] = None
                    found[clean(unicodedata.normalize("NFKC", text[:LONGEST_READ]), LONGEST_READ)] = None
    names = [name for name in found if name][:MOST_SECRETS]
    parts = [frozenset(names[start : start + MOST_SOUGHT]) for start in range(0, len(names), MOST_SOUGHT)]
    return Fence(make_nonce(), tuple(parts))


def masked(question: Question) -> Question:
    """The question without the values of secret names, long texts cut; what identifies alerts stays."""
    return replace(
        question,
        incident=replace(question.incident, group_labels=scrub_labels(question.incident.group_labels, frozenset())),
        onsets=tuple(map(_masked_onset, question.onsets)),
        changes=tuple(replace(one, summary=one.summary[:LONGEST_READ]) for one in question.changes),
        history=tuple(
            replace(one, text=one.text[:LONGEST_READ], notes=tuple(note[:LONGEST_READ] for note in one.notes))
            for one in question.history[:HISTORY_SEARCHED]
        ),
        mutes=tuple(replace(one, text=one.text[:LONGEST_READ]) for one in question.mutes),
    )


def _masked_onset(onset: Onset) -> Onset:
    alert = onset.alert
    labels = scrub_labels(alert.labels, frozenset())
    annotations = {name: text[:LONGEST_READ] for name, text in scrub_labels(alert.annotations, frozenset()).items()}
    if labels == alert.labels and annotations == alert.annotations:
        return onset
    return replace(onset, alert=replace(alert, labels=labels, annotations=annotations))
