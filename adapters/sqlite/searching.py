"""Searching: which groups an alert is or was in, looked for beside the loop, on a connection of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters.documents import decode
from domain.groups import ENTRIES_SEARCHED, LogEntry
from domain.labels import Fingerprint
from domain.routing import GroupId

ENTRIES_AT_ONCE = 10_000
"""One statement searches so many: some tens of milliseconds in which the log cannot begin anew."""


def search(
    path: Path, fingerprint: Fingerprint, fresh: Iterable[bytes]
) -> tuple[dict[GroupId, float | None], list[GroupId]]:
    """The groups whose members name the alert, with the time of dropping it, and those whose entries do.

    It reads every page that there is, which would stop the loop and take the place of what the writer has cached.
    There are few statements, so the interpreter lock is seldom waited for (docs/decisions/0001).

    Args:
        path: The store's file.
        fingerprint: The alert's.
        fresh: Entries that are in no table yet, the latest first; the groups of the others follow theirs.
    """
    with contextlib.closing(sqlite3.connect(path)) as db:
        members = db.execute("select group_id, dropped_at from members where fingerprint = ?", (fingerprint,))
        held = {GroupId(group_id): dropped_at for group_id, dropped_at in members}
        needle = f'"{fingerprint}"'.encode()
        named: dict[GroupId, None] = {}
        for document in (*(one for one in fresh if needle in one), *_entries(db, needle)):
            group_id = decode(_OfGroup, document).group_id
            if group_id not in named and decode(LogEntry, document).names(fingerprint):
                named[group_id] = None
        return held, list(named)


@dataclass(slots=True)
class _OfGroup:
    """As much of an entry as tells whose it is."""

    group_id: GroupId


def _entries(db: sqlite3.Connection, needle: bytes) -> Iterator[bytes]:
    """The stored entries that contain this, the latest first."""
    (latest,) = db.execute("select coalesce(max(number), 0) from entries").fetchone()
    oldest = max(latest - ENTRIES_SEARCHED, 0)
    for last in range(latest, oldest, -ENTRIES_AT_ONCE):
        rows = db.execute(
            "select document from entries where number > ? and number <= ? and instr(document, ?) order by number desc",
            (max(last - ENTRIES_AT_ONCE, oldest), last, needle),
        )
        for (document,) in rows.fetchall():
            yield document
