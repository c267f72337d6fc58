"""Suspicion: one thing that is strange about alerts and payloads, told so that a person can judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

EXAMPLES = 3
VALUES_TOLD = 5

type Kind = Literal["merge", "split", "unclosed"]
type Strength = Literal["likely", "possible"]


@dataclass(frozen=True, slots=True)
class Example:
    """One payload that the finding is made of."""

    arrival_id: str
    at: datetime
    words: str
    """What it says there: `host = web-1`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicion."""

    kind: Kind
    strength: Strength
    source: str
    """`kind/key`; several with commas."""
    words: str
    """What is strange, in a sentence."""
    advice: str
    """What would mend it, if it is wrong."""
    labels: Mapping[str, str]
    """Of the alert, or what the alerts have in common."""
    differs: Mapping[str, Sequence[str]]
    """Where they differ, a path of the payload or a label, with some of the values."""
    count: int
    """Of values, alerts or resolves, as the words say."""
    examples: Sequence[Example]


def some(values: Sequence[str]) -> Sequence[str]:
    """A few of them, and how many more there are."""
    shown = list(values[:VALUES_TOLD])
    return shown if len(values) <= VALUES_TOLD else [*shown, f"and {len(values) - VALUES_TOLD} more"]


def times(count: int) -> str:
    """`once`, `2 times`."""
    return "once" if count == 1 else f"{count} times"


def number(count: int, noun: str) -> str:
    """`1 resolve`, `2 resolves`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
