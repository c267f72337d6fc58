"""Reading: what every format is read from, and what becomes of it: alerts, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import cast

from domain.alerts import Alert, later
from domain.labels import Fingerprint, fingerprint
from domain.values import value

LONGEST_TEXT = 10_000
"""Characters of a label or annotation that are kept; what is longer ends in `…` and its hash."""

UNTIL_RESOLVED = timedelta(days=30)
"""How long an alert fires whose sender says once that it fires and once that it is over.

No end at all would keep for ever what can never be resolved, because its machine is gone, or because the message got
lost.
"""

UNTIL_REPEATED = timedelta(days=6)
"""How long an alert fires whose sender says so again and again, at intervals that its user sets.

Alertmanager and Grafana tell of what still fires after repeat_interval, but at the latest when they forget that they
did, after five days: https://prometheus.io/docs/alerting/latest/configuration/#route.
"""

TIME_TO_LIVE = timedelta(hours=24)
"""How long an alert fires that nobody will resolve, unless the source says otherwise."""

SEVERITIES = ("critical", "high", "warning", "info", "low")
"""What the label `severity` says, from the worst; each format maps its own words to these."""


@value
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
    time_to_live: timedelta | None = None
    """How long an alert of this source fires that nobody resolves or sends again; None for what its format says."""
    origin: tuple[str, ...] = ()
    """What the alerts' own is: which source sent them."""

    def lease(self, usual: timedelta) -> timedelta:
        """How long such an alert fires, where the format says `usual`."""
        return self.time_to_live or usual


@value
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


# --- what identifies ------------------------------------------------------------------------------------------------

type Identity = tuple[Fingerprint, Mapping[str, str]]
"""The fingerprint of the labels that are not empty, and these: shared by all alerts of them, so never changed."""

MOST_REMEMBERED = 4_096
"""Of each kind; of these goes first what was not asked for longest."""

MOST_TEXTS_REMEMBERED = 1_024

LONGEST_REMEMBERED = 2_000
"""In characters, of all texts that labels are made of: thousands of long ones must not be held."""


def identify(labels: Mapping[str, str]) -> Identity:
    """What an alert with these labels is known by; empty ones are left out (FP-3)."""
    kept = _kept(labels)
    return fingerprint(kept), kept


def remembered[**P](labels_of: Callable[P, Mapping[str, str]]) -> Callable[P, Identity]:
    """A function that makes labels of texts, as one that remembers what it made of them.

    The same machines and rules come again, resolved at the latest; to find what they are known by costs a tenth of
    making and hashing it.  All that the labels depend on must be among the arguments: texts, by their places.
    """

    def make(*texts: str) -> Identity:
        return identify(labels_of(*texts))  # type: ignore[call-arg,arg-type]  # as many as `find` is called with

    kept = lru_cache(maxsize=MOST_REMEMBERED)(make)

    def find(*texts: str) -> Identity:
        return make(*texts) if len("".join(texts)) > LONGEST_REMEMBERED else kept(*texts)

    return cast("Callable[P, Identity]", find)


def paired(texts: tuple[str, ...]) -> dict[str, str]:
    """A mapping again, of all its names and then all its texts, as the arguments of what is `remembered` have it."""
    half = len(texts) // 2
    return dict(zip(texts[:half], texts[half:], strict=True))


def remembered_text[T](read: Callable[[str], T]) -> Callable[[str], T]:
    """A function that reads a text, as one that remembers what it read; so that must never be changed."""
    kept = lru_cache(maxsize=MOST_TEXTS_REMEMBERED)(read)

    def find(text: str) -> T:
        return read(text) if len(text) > LONGEST_REMEMBERED else kept(text)

    return find


# --- the alert ------------------------------------------------------------------------------------------------------


def make_alert(
    reception: Reception,
    labels: Mapping[str, str] | Identity,
    annotations: Mapping[str, str],
    *,
    is_firing: bool,
    lease: timedelta | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    url: str = "",
) -> Alert:
    """The alert that a report of a format without leases stands for.

    Args:
        reception: When it came, from which source.
        labels: What identifies it, and nothing else; empty ones are left out (FP-3).  Must have `alertname`.  Or what
            `remembered` found in their stead.
        annotations: What describes it; empty ones are left out.
        is_firing: Whether the sender says that it fires.
        lease: For how long it does; by default as long as the source says, or `UNTIL_RESOLVED`.
        starts_at: Since when, by the sender; by default when it came.
        ends_at: When it ended, by the sender, where it has; by default when it came.
        url: Where the sender shows it; left out where it is longer than any text.
    """
    received_at = reception.received_at
    if is_firing:
        ended = later(received_at, lease or reception.lease(UNTIL_RESOLVED))
    else:
        ended = received_at if ends_at is None or ends_at > received_at else ends_at
    started = received_at if starts_at is None else starts_at
    identity, kept = labels if isinstance(labels, tuple) else identify(labels)
    # By their places, for half the time.
    return Alert(
        identity,
        kept,
        _kept(annotations),
        ended if started > ended else started,
        ended,
        received_at,
        url if len(url) <= LONGEST_TEXT else "",
        is_firing,  # so its end is ours
        "",
        "",
        reception.origin,
    )


def _kept(texts: Mapping[str, str]) -> dict[str, str]:
    """Those that are not empty; a long one ends in its own hash, so that two that begin alike stay two."""
    kept = {name: text for name, text in texts.items() if text}
    if len("".join(kept.values())) > LONGEST_TEXT:
        return {name: _cut(text) for name, text in kept.items()}
    return kept


def _cut(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{text[: LONGEST_TEXT - 33]}…{digest}"
