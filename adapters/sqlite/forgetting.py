"""Forgetting: what is older than is kept leaves the file, a little at a time, and the file shrinks with it.

Each step is a few milliseconds on the loop and joins a commit; between two of them others run.  What a sweep does not
reach the next one does: deleting is put off, folding is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import takewhile

from adapters.documents import decode
from adapters.sqlite.journal import Journal
from adapters.sqlite.table import UNKNOWN, Table, WriteBehind
from domain.groups import Incident
from domain.routing import GroupId
from domain.values import value

STEPS_PER_SWEEP = 100
"""Of each kind; with `ROWS_AT_ONCE` 20,000 entries a minute."""

ROWS_AT_ONCE = 200
BYTES_AT_ONCE = 1024 * 1024
"""An entry may hold the alerts of a whole request, and each of its pages is let go of by itself."""

GROUPS_AT_ONCE = 100
PAGES_AT_ONCE = 64
LEAST_FREE_PAGES = 4096
"""So many (16 MB), or a tenth of the file, are left for what comes next."""

PAUSE_SECONDS = 0.02


@value
class Kept:
    """For how long history is kept."""

    entries: timedelta = timedelta(days=90)
    """From the decision on."""
    incidents: timedelta = timedelta(days=400)
    """From an incident's end on; one that is open stays."""


class Forgetting:
    """What the group store forgets of its history; its heads, members and logs are rows written behind."""

    def __init__(
        self,
        journal: Journal,
        rows: WriteBehind,
        tables: tuple[Table, Table, Table, Table],
        kept: Kept,
        last_entry: Callable[[], int],
        forget_head: Callable[[GroupId], object],
    ) -> None:
        """`tables` are heads, members, logs and incidents; `forget_head` drops a head from the store's memory."""
        self._journal = journal
        self._rows = rows
        self._heads, self._members, self._logs, self._incidents = tables
        self._kept = kept
        self._last_entry = last_entry
        self._forget_head = forget_head
        self._incident_place = (0.0, "")
        self._head_place = ""

    async def sweep(self, now: datetime) -> None:
        """Forget what is too old by now, as much as one sweep may.

        Raises:
            UnavailableError: The store failed; what was forgotten before stays so.
        """
        entries_end, incidents_end = (now - self._kept.entries).timestamp(), now - self._kept.incidents
        steps: list[Callable[[], bool]] = [
            lambda: self._forget_entries(entries_end),
            lambda: self._forget_incidents(incidents_end),
            self._forget_groups,
            self._shrink,
        ]
        for step in steps:
            for _ in range(STEPS_PER_SWEEP):
                is_more = step()
                await self._journal.committed()
                if not is_more:
                    break
                await asyncio.sleep(PAUSE_SECONDS)

    def _forget_entries(self, end: float) -> bool:
        """The oldest few; the latest of all stays, for the numbers go on behind it."""
        rows = self._journal.db.execute(
            "select number, at, length(document) from entries where number < ? order by number limit ?",
            (self._last_entry(), ROWS_AT_ONCE),
        ).fetchall()
        last, room = None, BYTES_AT_ONCE
        for number, _, size in takewhile(lambda row: row[1] < end, rows):
            if last is not None and size > room:
                break
            last, room = number, room - size
        if last is None:
            return False
        with self._journal.writing() as db:
            db.execute("delete from entries where number <= ?", (last,))
        return True

    def _forget_incidents(self, end: datetime) -> bool:
        """Those that ended before; an incident that lasts is passed over, and looked at again in the next round."""
        rows = self._journal.db.execute(
            "select opened_at, id, document from incidents where (opened_at, id) > (?, ?) and opened_at < ?"
            " order by opened_at, id limit ?",
            (*self._incident_place, end.timestamp(), ROWS_AT_ONCE),
        ).fetchall()
        for _, id, document in rows:
            ended_at = decode(Incident, document).resolved_at
            # A row that is still to be written has changed a moment ago.
            if ended_at is not None and ended_at < end and self._rows.find(self._incidents, (id,)) is UNKNOWN:
                self._rows.put(self._incidents, (id,), None)
        is_more = len(rows) == ROWS_AT_ONCE
        self._incident_place = rows[-1][:2] if is_more else (0.0, "")
        self._journal.join()
        return is_more

    def _forget_groups(self) -> bool:
        """Those that hold nothing, and of which no entry and no incident is kept.

        Their heads number incidents, and their notification logs count for five days: longer ago was the last entry.
        """
        db = self._journal.db
        (oldest,) = db.execute("select coalesce(min(number), 0) from entries").fetchone()
        rows = db.execute(
            "select id, is_live, last_entry from heads where id > ? order by id limit ?",
            (self._head_place, GROUPS_AT_ONCE),
        ).fetchall()
        for id, is_live, last_entry in rows:
            if not is_live and last_entry < oldest and self._rows.find(self._heads, (id,)) is UNKNOWN:
                self._forget_group(id)
        is_more = len(rows) == GROUPS_AT_ONCE
        self._head_place = rows[-1][0] if is_more else ""
        self._journal.join()
        return is_more

    def _forget_group(self, id: str) -> None:
        db = self._journal.db
        for statement, values in (
            ("select 1 from members where group_id = ? limit 1", (id,)),
            ("select 1 from incidents where id > ? and id < ? limit 1", (f"{id}-", f"{id}.")),
        ):
            if db.execute(statement, values).fetchone() is not None:
                return
        if any(self._rows.group_rows(table, id) for table in (self._members, self._logs)):
            return
        for (integration,) in db.execute("select integration from logs where group_id = ?", (id,)).fetchall():
            self._rows.put(self._logs, (id, integration), None)
        self._rows.put(self._heads, (id,), None)
        self._forget_head(GroupId(id))

    def _shrink(self) -> bool:
        """Give the file system back what is free; nothing in a file that was made without that."""
        db = self._journal.db
        (free,), (pages,) = (db.execute(f"pragma {name}").fetchone() for name in ("freelist_count", "page_count"))
        if free <= max(LEAST_FREE_PAGES, pages // 10) or db.execute("pragma auto_vacuum").fetchone() != (2,):
            return False
        with self._journal.writing() as db:
            db.execute(f"pragma incremental_vacuum({PAGES_AT_ONCE})").fetchall()
        return True
