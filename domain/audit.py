"""Audit: who did what to what, from where; a chain of entries in which a removed or changed one shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from domain.values import value

GENESIS = "0" * 64
"""What stands in the first entry for the hash of the one before."""

MOST_CHARACTERS = 200
"""Of each word in an entry: names and ids come from callers."""


@value
class AuditRecord:
    """What happened, before it has its place in the chain."""

    at: datetime
    actor: str
    """A principal's id; empty where nobody was proven."""
    actor_name: str
    action: str
    """The function that was asked: `revoke_key`."""
    target: str
    """The kind of thing: `keys`."""
    target_id: str
    """Which one of them; empty where the action has none."""
    address: str
    """Where the request came from."""
    request_id: str
    outcome: str
    """The status of the answer: `200`."""
    count: int = 1
    """How many of its kind this entry stands for: refused requests are folded."""


@value
class AuditEntry:
    """A record in its place; its hash covers everything else in it, the hash of the one before included."""

    number: int
    """1 for the first; without gaps."""
    record: AuditRecord
    previous: str
    hash: str


@value
class Head:
    """Where a chain ends: enough to go on, and to tell later whether its end was cut off."""

    number: int = 0
    hash: str = GENESIS


class AuditStore(Protocol):
    """The chain; nothing in it is ever changed or removed."""

    async def append(self, record: AuditRecord) -> AuditEntry:
        """Put it behind the last entry, whoever else appends at the same time; returns when it is durable.

        Raises:
            UnavailableError: It is not appended, or may have been.
        """
        ...

    async def get_head(self) -> Head:
        """The end of the chain: of the entries in it, the last one's number and hash."""
        ...

    async def list_entries(
        self, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Entries by their numbers, both ends exclusive.

        With `before` the `limit` newest below it, the newest first; without it the oldest beyond `after`, the oldest
        first.
        """
        ...


_WORDS = ("actor", "actor_name", "action", "target", "target_id", "address", "request_id", "outcome")


def clean(record: AuditRecord) -> AuditRecord:
    """The record as it is kept: to the microsecond, in UTC, and no word too long or unprintable."""
    words: dict[str, Any] = {name: _clean(getattr(record, name)) for name in _WORDS}
    return replace(record, at=record.at.astimezone(UTC), **words)


def _clean(word: str) -> str:
    return "".join([c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in word[:MOST_CHARACTERS]])


def chain(head: Head, records: Iterable[AuditRecord]) -> list[AuditEntry]:
    """The entries that these records become behind this head."""
    entries: list[AuditEntry] = []
    for record in map(clean, records):
        number = head.number + 1
        entry = AuditEntry(number, record, head.hash, digest(number, record, head.hash))
        entries.append(entry)
        head = Head(number, entry.hash)
    return entries


def digest(number: int, record: AuditRecord, previous: str) -> str:
    """SHA-256, in hexadecimal, of the entry's canonical bytes: a JSON array in ASCII without blanks.

    Its form is part of what is promised, so that others can verify an export: `[1, number, at, actor, actor_name,
    action, target, target_id, address, request_id, outcome, count, previous]`, the first 1 being the form's version,
    `at` in UTC with six digits of a second.
    """
    fields = [
        1,
        number,
        record.at.astimezone(UTC).isoformat(timespec="microseconds"),
        record.actor,
        record.actor_name,
        record.action,
        record.target,
        record.target_id,
        record.address,
        record.request_id,
        record.outcome,
        record.count,
        previous,
    ]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode("ascii")).hexdigest()


@value
class Fault:
    """The first place at which a chain is broken."""

    number: int
    """Of the entry that is missing or was changed."""
    message: str


def verify(entries: Iterable[AuditEntry], head: Head | None = None) -> Head | Fault:
    """Follow the chain from this head on (from the beginning without one), the oldest entry first.

    Returns:
        The new head, with which to go on; or the first fault.  That the end was cut off cannot be seen in the chain:
        for that, compare with a head that was noted down before (`check_anchor`).
    """
    head = head or Head()
    for entry in entries:
        if entry.number != head.number + 1:
            return Fault(head.number + 1, f"entry {head.number + 1} is missing: {entry.number} is in its place")
        if entry.previous != head.hash:
            message = f"entry {entry.number} follows another one than entry {head.number} as it is now"
            return Fault(entry.number, message)
        if digest(entry.number, entry.record, entry.previous) != entry.hash:
            return Fault(entry.number, f"entry {entry.number} was changed: its hash is another one")
        head = Head(entry.number, entry.hash)
    return head
