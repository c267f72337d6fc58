"""Source: who sends alerts in a form of their own, and what the `tocsin.yml` says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.errors import NotFoundError, RejectedError
from domain.quoting import quote
from domain.signatures.verification import Verification
from domain.sources.registry import KINDS

if TYPE_CHECKING:
    from domain.sources.enriching import Extraction, Lookup
    from domain.sources.generic import JsonMapping

ANY_KEY = ""

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Stands in an address, in labels and in logs."""

KEY_RULE = "letters, digits, '.', '_' and '-', 100 at most"


def key_fault(text: str) -> str | None:
    """Why this cannot be the key of a source; None where it can."""
    if KEY.fullmatch(text):
        return None
    return f"{quote(text[:200])} is no key: {KEY_RULE}"


@dataclass(frozen=True, slots=True)
class Source:
    """One sender, or all senders of a kind."""

    kind: str
    """The format: one of `KINDS`."""
    key: str = ANY_KEY
    """The last part of its address, `/api/v1/sources/{kind}/{key}`; in a definition, empty for every key."""
    time_to_live: timedelta | None = None
    """How long an alert fires that its sender neither repeats nor resolves; None for what its format says."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """On every alert of it, where the alert has none of that name."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """On every alert of it, where the alert has none of that name."""
    override: bool = False
    """Whether those labels and annotations replace what the alert has."""
    severities: Mapping[str, str] = field(default_factory=dict)
    """What is made of a sender's word for the severity; the words in lower case."""
    extractions: tuple[Extraction, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    mapping: JsonMapping | None = None
    """Where the parts of an alert stand, for kind `generic`; None for the names that senders use most."""

    verification: Verification | None = None
    """How it proves that it sent what came, beside or instead of an API key."""
    redacted: tuple[str, ...] = ()
    """Paths of what is not kept of its payloads, beside what never is; see `domain.sources.redaction`."""

    @property
    def name(self) -> str:
        """What it is called everywhere: `kind/key`."""
        return f"{self.kind}/{self.key}"


@dataclass(frozen=True, slots=True)
class Sources:
    """What is said of all sources."""

    definitions: tuple[Source, ...] = ()

    def find(self, kind: str, key: str) -> Source:
        """The source of that address: as its own definition says, or that for every key of its kind, or by default.

        Raises:
            NotFoundError: There is no such kind.
            RejectedError: That is no key.
        """
        if fault := key_fault(key):
            raise RejectedError(fault)
        if kind not in KINDS:
            raise NotFoundError(f"no kind of source {quote(kind[:100])}; there are {', '.join(KINDS)}")
        general = None
        for definition in self.definitions:
            if definition.kind == kind:
                if definition.key == key:
                    return definition
                if definition.key == ANY_KEY:
                    general = definition
        return replace(general, key=key) if general else Source(kind, key)
