"""Reading: what every format is read from, and what becomes of it: alerts, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.alerts import Alert, later
from domain.labels import fingerprint

LONGEST_TEXT = 10_000
"""Characters of a label or annotation that are kept; more is cut, and ends in `…`."""

SEVERITIES = ("critical", "high", "warning", "info", "low")
"""What the label `severity` says, from the worst; each format maps its own words to these."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One request, or one message, as it came."""

    body: bytes
    headers: Mapping[str, str]
    """Or the message's application properties; names in lower case."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What the door knows of an arrival."""

    key: str
    """Which of the sources of this kind sent it: the last part of its address."""
    received_at: datetime
    lease: timedelta
    """How long an alert fires that nobody resolves or sends again: `resolve_timeout`, or the source's time to live."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The alerts of one payload that are right, and what is wrong with the others."""

    alerts: Sequence[Alert]
    problems: Sequence[str] = ()
    """One line each, naming the place and the value; bounded by the reader."""


type Read = Callable[[Payload, Reception], Reading]
"""A format's reader.

Raises RejectedError (or UnreadableError, where it is no JSON, no UTF-8) when nothing can be made of the payload as a
whole; it says what was expected and what was found.  Never any other error, whatever the bytes are.
"""


def make_alert(
    reception: Reception,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    is_firing: bool,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    url: str = "",
) -> Alert:
    """The alert that a report of a format without leases stands for.

    Args:
        reception: When it came, and for how long a firing one counts.
        labels: What identifies it, and nothing else; empty ones are left out (FP-3).  Must have `alertname`.
        annotations: What describes it; empty ones are left out.
        is_firing: Whether the sender says that it fires.
        starts_at: Since when, by the sender; by default when it came.
        ends_at: When it ended, by the sender, where it has; by default when it came.
        url: Where the sender shows it.
    """
    kept = {name: _cut(text) for name, text in labels.items() if text}
    started = starts_at or reception.received_at
    if is_firing:
        end, is_timeout = later(reception.received_at, reception.lease), True
    else:
        end, is_timeout = min(ends_at or reception.received_at, reception.received_at), False
    return Alert(
        fingerprint=fingerprint(kept),
        labels=kept,
        annotations={name: _cut(text) for name, text in annotations.items() if text},
        starts_at=min(started, end),
        ends_at=end,
        received_at=reception.received_at,
        generator_url=url,
        is_timeout=is_timeout,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
