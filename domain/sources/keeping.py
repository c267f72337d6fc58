"""Keeping: what of a payload is kept, and of what was made of it: no secrets, and nothing without bounds."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Literal

from domain.alerts import Alert
from domain.arrivals import Arrival, ArrivedAlert, arrival_id
from domain.errors import RejectedError
from domain.labels import Fingerprint
from domain.sources.definitions import Source
from domain.sources.reading import Payload, Reading
from domain.sources.redaction import MASK, redact, scrub, scrub_labels
from domain.sources.secret_names import is_secret
from domain.values import value

MOST_BODY_BYTES = 128 * 1024
"""More of a body is not kept; half of what Azure Monitor may send, and ten times what anybody does send."""

ALERTS_TOLD = 200
"""So many of an arrival's alerts are kept with their labels, of the others the fingerprints."""
FINGERPRINTS_KEPT = 5_000

LONGEST_LABEL = 1000
LONGEST_HEADER = 2000
MOST_HEADERS = 50
PROBLEMS_KEPT = 20
LONGEST_PROBLEM = 1000

_HEADERS = frozenset(
    ("content-type", "user-agent", "webhook-id", "webhook-timestamp", "sentry-hook-resource", "x-amz-sns-message-type")
)
_PREFIXES = ("ce-", "cloudevents:", "cloudevents_")
"""Of CloudEvents, over HTTP and in messages; nothing else is kept, for any header may be somebody's credential."""


type Reader = Callable[[Payload, datetime], Reading]
"""What makes the alerts of a payload of that source, received at that instant; raises RejectedError."""


def arrive(
    source: Source,
    paths: Sequence[str],
    payload: Payload,
    received_at: datetime,
    read: Reading | RejectedError,
    salt: str,
) -> Arrival:
    """What is kept of a payload.

    Args:
        source: Who sent it.
        paths: What the `tocsin.yml` wants left out, beside what is always left out.
        payload: As it came.
        received_at: The door's stamp.
        read: The alerts that were made of it, or why there are none.
        salt: Makes the id unique among those of the instant.
    """
    is_cut = len(payload.body) > MOST_BODY_BYTES
    text, encoding = _text_of(payload.body[:MOST_BODY_BYTES], is_cut=is_cut)
    redacted = redact(text, paths)
    headers, is_header_cut = _headers_of(payload.headers)
    made = outcome_of(read, redacted.secrets)
    return Arrival(
        id=arrival_id(source.kind, source.key, received_at, salt),
        kind=source.kind,
        key=source.key,
        received_at=received_at,
        headers=headers,
        body=_base64(redacted.text) if encoding == "base64" else redacted.text,
        encoding=encoding,
        size=len(payload.body),
        is_cut=is_cut or is_header_cut,
        redacted=redacted.masked,
        # What lies behind the cut was not looked through, and may hold what these paths are about.
        alerts=() if is_cut and paths else made.alerts,
        further=made.fingerprints if is_cut and paths else made.further,
        alert_count=made.alert_count,
        problems=made.problems,
        rejection=made.rejection,
    )


def with_identity_checked(arrival: Arrival, read: Reading | RejectedError, reader: Reader) -> Arrival:
    """The arrival with `is_identity_masked` as it is; to be asked where anything was masked, which is seldom."""
    if isinstance(read, RejectedError):
        return arrival
    try:
        again = reader(arrival.payload(), arrival.received_at).alerts
    except RejectedError:
        again = ()
    is_same = [alert.fingerprint for alert in read.alerts] == [alert.fingerprint for alert in again]
    return arrival if is_same or arrival.is_cut else replace(arrival, is_identity_masked=True)


@value
class Outcome:
    """What was made of a payload; the fields of `Arrival` of these names."""

    alerts: tuple[ArrivedAlert, ...] = ()
    further: tuple[Fingerprint, ...] = ()
    alert_count: int = 0
    problems: tuple[str, ...] = ()
    rejection: str = ""

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Of all the alerts, as far as they are kept."""
        return (*(alert.fingerprint for alert in self.alerts), *self.further)


def outcome_of(read: Reading | RejectedError, secrets: frozenset[str] = frozenset()) -> Outcome:
    """What is kept of a reading: without these secrets, and within bounds."""
    if isinstance(read, RejectedError):
        return Outcome(rejection=_line(str(read), secrets) or "rejected")
    return Outcome(
        alerts=tuple([_arrived(alert, secrets) for alert in read.alerts[:ALERTS_TOLD]]),
        further=tuple([alert.fingerprint for alert in read.alerts[ALERTS_TOLD : ALERTS_TOLD + FINGERPRINTS_KEPT]]),
        alert_count=len(read.alerts),
        problems=tuple([_line(problem, secrets) for problem in read.problems[:PROBLEMS_KEPT]]),
    )


def _arrived(alert: Alert, secrets: frozenset[str]) -> ArrivedAlert:
    labels = {name: _cut(text, LONGEST_LABEL) for name, text in scrub_labels(alert.labels, secrets).items()}
    return ArrivedAlert(alert.fingerprint, labels, alert.ends_at > alert.received_at)


def _line(text: str, secrets: frozenset[str]) -> str:
    # It may quote what cannot be written in UTF-8.
    return _cut(scrub(text, secrets).encode("utf-8", "replace").decode(), LONGEST_PROBLEM)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("latin-1", "replace")).decode()


def _text_of(body: bytes, *, is_cut: bool) -> tuple[str, Literal["text", "base64"]]:
    try:
        return body.decode(), "text"
    except UnicodeDecodeError as error:
        if is_cut and error.start >= len(body) - 3:
            return body[: error.start].decode(), "text"
    # Each byte a character: ASCII in it can still be looked through.
    return body.decode("latin-1"), "base64"


@lru_cache(maxsize=1024)
def _redacted_header(text: str) -> str:
    """A sender's are mostly the same each time."""
    return redact(text).text.encode("utf-8", "replace").decode()


def _headers_of(headers: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    kept: dict[str, str] = {}
    is_cut = False
    for name, text in headers.items():
        name = name.lower()
        if name in _HEADERS or (name.startswith(_PREFIXES) and len(name) <= 100):
            if len(text) > LONGEST_HEADER or len(kept) >= MOST_HEADERS:
                is_cut = True
            if len(kept) < MOST_HEADERS:
                kept[name] = MASK if is_secret(name) else _redacted_header(text[:LONGEST_HEADER])
    return kept, is_cut
