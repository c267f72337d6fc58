"""What both ways of reading JSON of any shape share: words for states, and values as texts."""

from __future__ import annotations

from typing import Any

from domain.quoting import quote
from domain.sources.bodies import text_of
from domain.sources.pairs import MOST_PAIRS

KIND = "generic"

ALERTNAME = "GenericAlert"
"""Where nothing names it."""

FIRING = frozenset(
    {"firing", "fired", "alerting", "alert", "alarm", "trigger", "triggered", "open", "opened", "active", "activated"}
    | {"problem", "down", "critical", "warning", "error", "nodata", "no data", "unresolved", "acknowledged", "new"}
    | {"create", "created", "pending", "true", "1"}
)
"""Words for `status`, in lower case, where the mapping has none of its own."""

RESOLVED = frozenset(
    {"resolved", "resolve", "ok", "close", "closed", "clear", "cleared", "recovered", "recovery", "normal", "up"}
    | {"inactive", "deactivated", "healthy", "success", "completed", "false", "0"}
)


def is_firing(word: str, firing: frozenset[str], resolved: frozenset[str]) -> bool:
    """What a word for the state says; none at all says that it fires.

    Raises:
        ValueError: Nobody said what it means.
    """
    spelt = word.strip().lower()
    if not spelt:
        return True
    if not firing and not resolved:
        firing, resolved = FIRING, RESOLVED
    if spelt in resolved:
        return False
    if spelt in firing or not firing:
        return True
    if not resolved:
        return False
    raise ValueError(f"status: nothing says whether {quote(word[:40])} is firing or resolved")


def shown(value: Any) -> str:
    """A value as a label or an annotation shows it: a list of texts and numbers as these, in order, with commas."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(element, dict | list) for element in value):
        return ",".join(sorted({text_of(element) for element in value if element is not None}))
    return text_of(value)


def texts_of(value: Any) -> dict[str, str]:
    """The texts and numbers of an object, by name; nothing of any other value.

    Raises:
        ValueError: There are more than `MOST_PAIRS`.
    """
    if not isinstance(value, dict):
        return {}
    if len(value) > MOST_PAIRS:
        raise ValueError(f"{len(value)} labels or annotations: at most {MOST_PAIRS} are taken of one alert")
    return {
        name: text
        for name, found in value.items()
        if name and (text := "" if isinstance(found, dict) else shown(found))
    }
