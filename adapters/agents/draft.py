"""Draft: what a model may say, as JSON; read by ourselves, since a framework that fails to read it loses the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from domain.triage import (
    Cause,
    Citation,
    Claim,
    Confidence,
    Finding,
    NextStep,
    StepKind,
    SuspectedChange,
)

LONGEST_ANSWER = 64 * 1024
"""Characters that are read of what a model wrote."""

type Text = Annotated[str, StringConstraints(max_length=2_000)]

MOST = 40
"""Of anything in a list; `judge` keeps fewer."""


class MalformedError(Exception):
    """The text is not what was asked for; says why in words that hold nothing of it."""


class _Draft(BaseModel):
    # What else a weak model adds does no harm.
    model_config = ConfigDict(frozen=True, extra="ignore")


class CitationDraft(_Draft):
    """What a claim says that it rests on."""

    evidence: Text
    quote: Text

    def made(self) -> Citation:
        """As the domain has it."""
        return Citation(self.evidence, self.quote)


class ClaimDraft(_Draft):
    """A sentence."""

    text: Text
    citations: tuple[CitationDraft, ...] = Field((), max_length=MOST)

    def made(self) -> Claim:
        """As the domain has it; it may rest on nothing yet."""
        return Claim(self.text, tuple(one.made() for one in self.citations))


class CauseDraft(_Draft):
    """A suspect."""

    service: Text
    confidence: Confidence = Confidence.LOW
    claims: tuple[ClaimDraft, ...] = Field((), max_length=MOST)


class ChangeDraft(_Draft):
    """A change that may have brought it about."""

    change: Text
    claim: ClaimDraft


class StepDraft(_Draft):
    """What a person may do next."""

    kind: StepKind
    target: Text


class FindingDraft(_Draft):
    """What a triaging model says.  What is left out here, similar incidents and runbooks, rules find better."""

    summary: tuple[ClaimDraft, ...] = Field((), max_length=MOST)
    causes: tuple[CauseDraft, ...] = Field((), max_length=MOST)
    blast_radius: tuple[ClaimDraft, ...] = Field((), max_length=MOST)
    suspected_changes: tuple[ChangeDraft, ...] = Field((), max_length=MOST)
    """The likeliest first, of which one is kept; a list, for not every service reads a field that may be null."""
    next_steps: tuple[StepDraft, ...] = Field((), max_length=MOST)

    def made(self, incident: str, made_by: str) -> Finding:
        """As the domain has it, not judged yet."""
        changes = self.suspected_changes
        return Finding(
            incident,
            made_by,
            _claims(self.summary),
            tuple(Cause(one.service, one.confidence, _claims(one.claims)) for one in self.causes),
            _claims(self.blast_radius),
            SuspectedChange(changes[0].change, changes[0].claim.made()) if changes else None,
            tuple(NextStep(one.kind, one.target) for one in self.next_steps),
        )


class ReplyDraft(_Draft):
    """What a model answers to a question."""

    claims: tuple[ClaimDraft, ...] = Field((), max_length=MOST)


class ReviewDraft(_Draft):
    """Which claims a reviewer strikes, by their ids."""

    unsupported: tuple[Text, ...] = Field((), max_length=200)


def _claims(drafts: Sequence[ClaimDraft]) -> tuple[Claim, ...]:
    return tuple(one.made() for one in drafts)


_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def read_draft[D: _Draft](kind: type[D], text: str) -> D:
    """The draft in a model's answer, also where words or a code fence stand around it.

    Raises:
        MalformedError: There is none, or it breaks the schema.
    """
    if len(text) > LONGEST_ANSWER:
        raise MalformedError(f"it is longer than {LONGEST_ANSWER} characters")
    text = text.strip()
    if fenced := _FENCED.search(text):
        text = fenced[1]
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        raise MalformedError("it holds no JSON object")
    try:
        return kind.model_validate_json(text[begin : end + 1])
    except ValidationError as error:
        # Their messages quote the input.
        faults = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['type']}" for one in error.errors()[:3]]
        raise MalformedError("; ".join(faults)) from None
    except (ValueError, RecursionError):
        raise MalformedError("it cannot be read as JSON") from None


def schema_of(kind: type[BaseModel], name: str) -> dict[str, Any]:
    """What a service is told to keep to: OpenAI's strict subset, which knows no lengths and no defaults."""
    schema = {"name": name, "strict": True, "schema": _strict(kind.model_json_schema())}
    return {"type": "json_schema", "json_schema": schema}


_UNKNOWN = frozenset({"default", "title", "maxLength", "maxItems", "description"})


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            found[key] = {name: _strict(one) for name, one in value.items()}  # their names are nobody's keywords
        elif key not in _UNKNOWN:
            found[key] = _strict(value)
    if found.get("type") == "object":
        found["required"] = list(found.get("properties", {}))
        found["additionalProperties"] = False
    return found
