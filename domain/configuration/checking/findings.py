"""Finding: one thing that a check of a configuration has to say, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.yaml_document import Field, Problem


class Severity(StrEnum):
    """How much it matters, the worst first."""

    ERROR = "error"
    """Nobody would start with it."""
    WARNING = "warning"
    """It is taken, and does something else than whoever wrote it can have meant."""
    NOTE = "note"
    """It may well be meant, and is worth a look."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong or strange; the message says what to do about it, and holds no secret."""

    line: int
    """Counted from 1; 0 where there are no lines."""
    column: int
    """0 where nobody asked for it."""
    key: str
    """Where in the document; empty for all of it."""
    severity: Severity
    rule: str
    """What kind of thing it is, in one word for programs: `unreachable-route`."""
    message: str
    file: str = ""
    """Which file it is in, where that is not the one that was checked."""


def warning(field: Field, rule: str, message: str) -> Finding:
    """A warning about what stands there."""
    return Finding(field.line, 0, field.key, Severity.WARNING, rule, message)


def note(field: Field, rule: str, message: str) -> Finding:
    """A note about what stands there."""
    return Finding(field.line, 0, field.key, Severity.NOTE, rule, message)


def error(problem: Problem) -> Finding:
    """What the reader of a configuration complains about."""
    return Finding(
        problem.line, problem.column, problem.key, Severity.ERROR, "refused", problem.message, file=problem.file
    )


def lines(numbers: Iterable[int]) -> str:
    """Numbers of lines in words: `line 3`, `lines 3, 5 and 9`."""
    ordered = [str(number) for number in sorted(set(numbers))]
    if len(ordered) == 1:
        return f"line {ordered[0]}"
    return f"lines {', '.join(ordered[:-1])} and {ordered[-1]}"
