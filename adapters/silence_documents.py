"""The stored form of a silence: a matcher is what it was made from, without what it keeps to match faster."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.labels import Matcher, MatchType
from domain.silences import Silence


class SilenceDocument(msgspec.Struct):
    """A silence, as every store writes it."""

    id: str
    matchers: list[tuple[str, MatchType, str]]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    annotations: dict[str, str] = {}


def document_of(silence: Silence) -> SilenceDocument:
    """What to store of it."""
    return SilenceDocument(
        silence.id,
        [(matcher.name, matcher.type, matcher.value) for matcher in silence.matchers],
        silence.starts_at,
        silence.ends_at,
        silence.created_by,
        silence.comment,
        silence.updated_at,
        dict(silence.annotations),
    )


def silence_of(document: SilenceDocument) -> Silence:
    """The silence that was stored."""
    return Silence(
        document.id,
        tuple(Matcher(name, kind, value) for name, kind, value in document.matchers),
        document.starts_at,
        document.ends_at,
        document.created_by,
        document.comment,
        document.updated_at,
        document.annotations,
    )
