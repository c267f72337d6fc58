"""Implements `GroupStore` on the journal; the single writer keeps the heads in memory."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from adapters.documents import decode, encode, kind_of
from adapters.sqlite.forgetting import Forgetting, Kept
from adapters.sqlite.journal import Journal, insert
from adapters.sqlite.searching import search
from adapters.sqlite.sources import SqliteSourceStore
from adapters.sqlite.statistics import STATISTICS, SqliteStatisticsStore
from adapters.sqlite.table import UNKNOWN, Key, Row, Table, WriteBehind
from domain.alerts import TOMBSTONE_RETENTION
from domain.errors import NotFoundError, UnavailableError
from domain.groups import (
    Cost,
    Decision,
    GroupState,
    Head,
    Incident,
    LogEntry,
    Member,
    Outgone,
    Tally,
    Transaction,
    Wanted,
)
from domain.labels import Fingerprint
from domain.notifications import NotificationLog
from domain.routing import GroupId

HEADS_CACHED = 50_000
ENTRIES_AT_ONCE = 25
"""So many are decoded before others run: an entry may hold the alerts of a whole request."""

MANY = 2000
"""Rows that are decoded in a thread rather than on the loop."""

HEADS = Table("heads", ("id", "is_live", "due_at", "last_entry", "document"), 1)
MEMBERS = Table("members", ("group_id", "fingerprint", "dropped_at", "document"), 2)
LOGS = Table("logs", ("group_id", "integration", "document"), 2)
INCIDENTS = Table("incidents", ("id", "opened_at", "document"), 1)


@dataclass(slots=True)
class _Cached:
    """What the single writer knows of a group without asking the file."""

    head: Head
    last_entry: int
    """The number of its latest entry in the log; each entry names the one before."""
    names: set[Fingerprint]
    """Every member it has, tombstones included: most lookups of a storm are for alerts that it has not."""


class SqliteGroupStore:
    """Asks `decide` once for what it loads, since nobody else writes; its effects join the group commit."""

    def __init__(
        self, journal: Journal, sources: SqliteSourceStore, clock: Callable[[], float], kept: Kept | None = None
    ) -> None:
        self._journal = journal
        self._sources = sources
        self._clock = clock
        self._rows = WriteBehind(journal, [HEADS, MEMBERS, LOGS, INCIDENTS, STATISTICS])
        self.statistics = SqliteStatisticsStore(journal, self._rows)
        self._heads: dict[GroupId, _Cached] = {}
        self._entries: dict[int, tuple[int, float, bytes]] = {}
        self._outbox: list[tuple[int, str, str, float, bytes]] = []
        self._cleared: list[tuple[int]] = []
        self._counts: Counter[str] = Counter()
        (self._entry_number,) = journal.db.execute("select coalesce(max(number), 0) from entries").fetchone()
        (self._outbox_number,) = journal.db.execute("select coalesce(max(number), 0) from outbox").fetchone()
        tables = (HEADS, MEMBERS, LOGS, INCIDENTS)
        self._forgetting = Forgetting(journal, self._rows, tables, kept or Kept(), self.last_entry, self._drop_head)
        journal.add(self)
        journal.add(self._rows)

    async def transact(self, transactions: Sequence[Transaction]) -> Sequence[Outgone]:
        outbox: list[Outgone] = []
        try:
            for transaction in transactions:
                state = self._load(transaction.group_id, transaction.names)
                while isinstance(answer := transaction.decide(state), Wanted):
                    state = self._load_wanted(state, transaction.group_id, answer)
                if answer.head is not None:
                    self._put(answer.head, answer, outbox)
        except sqlite3.Error as error:
            raise UnavailableError(f"the store failed: {error}") from error
        finally:
            self._journal.join()
        await self._journal.committed()
        return outbox

    # --- loading ----------------------------------------------------------------------------------------------------

    def _load(self, group_id: GroupId, names: Collection[Fingerprint]) -> GroupState:
        cached = self._find_head(group_id)
        if cached is None:
            return GroupState(None, {}, None, is_complete=True)
        return GroupState(cached.head, self._named_members(cached, names), None, is_complete=False)

    def _load_wanted(self, state: GroupState, group_id: GroupId, wanted: Wanted) -> GroupState:
        logs, members, is_complete = state.logs, state.members, state.is_complete
        if logs is None:
            found = [decode(NotificationLog, row[2]) for row in self._group_rows(LOGS, group_id)]
            logs = {log.integration: log for log in found}
        if wanted.members is None:
            members = {row[1]: decode(Member, row[3]) for row in self._group_rows(MEMBERS, group_id)}
            is_complete = True
        elif wanted.members and (cached := self._find_head(group_id)):
            members = {**members, **self._named_members(cached, wanted.members)}
        sources = {**state.sources, **{key: self._sources.find(key) for key in wanted.sources}}
        return GroupState(state.head, members, logs, is_complete, sources)

    def _group_rows(self, table: Table, group_id: GroupId) -> list[tuple[Any, ...]]:
        rows = self._journal.db.execute(f"select * from {table.name} where group_id = ?", (group_id,)).fetchall()
        if over := self._rows.group_rows(table, group_id):
            merged: dict[Key, Row] = {row[:2]: row for row in rows} | over
            return [row for row in merged.values() if row is not None]
        return rows

    def _find_head(self, group_id: GroupId) -> _Cached | None:
        cached = self._heads.get(group_id)
        if cached is None and (row := self._find(HEADS, (group_id,))) is not None:
            stored = self._journal.db.execute("select fingerprint from members where group_id = ?", (group_id,))
            names = {name for (name,) in stored}
            names.update(name for _, name in self._rows.group_rows(MEMBERS, group_id))  # a deleted one does no harm
            cached = self._keep(_Cached(decode(Head, row[4]), row[3], names))
        return cached

    def _keep(self, cached: _Cached) -> _Cached:
        heads = self._heads
        heads[cached.head.id] = cached
        if len(heads) > HEADS_CACHED:
            del heads[next(iter(heads))]
        return cached

    def _named_members(self, cached: _Cached, names: Collection[Fingerprint]) -> dict[Fingerprint, Member]:
        members: dict[Fingerprint, Member] = {}
        for name in names:
            if name in cached.names and (row := self._find(MEMBERS, (cached.head.id, name))) is not None:
                members[name] = decode(Member, row[3])
        return members

    def _find(self, table: Table, key: Key) -> Row:
        row = self._rows.find(table, key)
        if row is UNKNOWN:
            found: Row = self._journal.db.execute(table.select, key).fetchone()
            return found
        return row

    def _settle(self) -> None:
        with self._journal.writing():
            self._rows.settle()

    # --- writing ----------------------------------------------------------------------------------------------------

    def _put(self, head: Head, decision: Decision, outbox: list[Outgone]) -> None:
        id = head.id
        # All is encoded before anything is changed: a decision that cannot be written leaves no trace.
        rows: list[tuple[Table, Key, Row]] = []
        for member in decision.members:
            name = member.alert.fingerprint
            dropped = member.dropped_at.timestamp() if member.dropped_at else None
            rows.append((MEMBERS, (id, name), (id, name, dropped, encode(member))))
        for name in decision.forgotten:
            rows.append((MEMBERS, (id, name), None))
        for log in decision.logs:
            rows.append((LOGS, (id, log.integration), (id, log.integration, encode(log))))
        if (incident := decision.incident) is not None:
            rows.append((INCIDENTS, (incident.id,), (incident.id, incident.opened_at.timestamp(), encode(incident))))
        due = head.next_due_at.timestamp() if head.next_due_at else None
        document = encode(head)
        entry = decision.entry
        entry_document = encode(entry) if entry else b""
        outgoing_documents = [encode(outgoing) for outgoing in decision.outbox]

        cached = self._heads.get(id)
        if cached is None:
            cached = self._keep(_Cached(head, 0, set()))
        cached.head = head
        if entry is not None:
            self._entry_number += 1
            self._entries[self._entry_number] = (cached.last_entry, entry.at.timestamp(), entry_document)
            cached.last_entry = self._entry_number
            self._count(entry.tally)
            self.statistics.count(head, decision)
        put = self._rows.put
        put(HEADS, (id,), (id, head.is_live, due, cached.last_entry, document))
        for row in rows:
            put(*row)
        cached.names.update([member.alert.fingerprint for member in decision.members])
        cached.names.difference_update(decision.forgotten)
        if not decision.outbox:
            return
        at = self._clock()
        for outgoing, document in zip(decision.outbox, outgoing_documents, strict=True):
            self._outbox_number += 1
            self._outbox.append((self._outbox_number, id, kind_of(outgoing), at, document))
            outbox.append(Outgone(id, str(self._outbox_number), outgoing))

    def _count(self, tally: Tally) -> None:
        counts = self._counts
        counts["folded"] += tally.folded
        if tally.due or tally.delivered or tally.failed or tally.superseded:
            counts["due"] += tally.due
            counts["delivered"] += tally.delivered
            counts["failed"] += tally.failed
            counts["superseded"] += tally.superseded

    def write(self, db: sqlite3.Connection) -> None:
        """Everything of this commit but the rows, which are written behind."""
        self.statistics.put()
        if self._entries:
            rows = [(number, *entry) for number, entry in self._entries.items()]
            insert(db, "insert into entries values (?, ?, ?, ?)", rows)
        if self._counts:
            db.executemany(
                "insert into ledger values (?, ?) on conflict do update set count = count + excluded.count",
                list(self._counts.items()),
            )
        if self._outbox:
            db.executemany("insert into outbox values (?, ?, ?, ?, ?)", self._outbox)
        if self._cleared:
            db.executemany("delete from outbox where number = ?", self._cleared)

    def done(self) -> None:
        """It is durable."""
        self._forget()
        self._cleared.clear()

    def undone(self) -> None:
        """Forget what was not committed; what was sent is deleted by the next commit instead."""
        self._forget()
        self.statistics.undone()
        self._heads.clear()

    def _forget(self) -> None:
        self._entries.clear()
        self._counts.clear()
        self._outbox.clear()

    def last_entry(self) -> int:
        """The number of the latest entry that was made, committed or not."""
        number: int = self._entry_number
        return number

    async def receiver_of(self, group_id: GroupId) -> str:
        """The receiver of a group; "" where there is no such group."""
        cached = self._find_head(group_id)
        return cached.head.receiver if cached else ""

    async def clear_outbox(self, sent: Sequence[Outgone]) -> None:
        self._cleared.extend([(int(outgone.key),) for outgone in sent])
        self._journal.join()

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        number = int(key)
        if (number,) in self._cleared:
            return False  # which the next commit writes down
        return self._journal.db.execute("select 1 from outbox where number = ?", (number,)).fetchone() is not None

    async def changes(self, after: str, *, limit: int) -> tuple[list[dict[str, Any]], str]:
        """What the change feed shows: the outbox documents written behind that place, in order, and the next place."""
        rows = self._journal.db.execute(
            "select number, group_id, kind, at, document from outbox where number > ? order by number limit ?",
            (int(after or 0), limit),
        ).fetchall()
        documents = [
            {
                "type": "outbox",
                "group_id": group_id,
                "key": str(number),
                "kind": kind,
                "at": at,
                "outgoing": json.loads(document),
            }
            for number, group_id, kind, at, document in rows
        ]
        return documents, str(rows[-1][0]) if rows else after

    async def list_overdue(self, before: datetime, *, limit: int) -> Sequence[GroupId]:
        self._settle()
        rows = self._journal.db.execute(
            "select id from heads where due_at < ? order by due_at limit ?", (before.timestamp(), limit)
        )
        return [row[0] for row in rows]

    async def list_heads(self, *, after: GroupId | None = None, limit: int = 1000) -> Sequence[Head]:
        self._settle()
        rows = self._journal.db.execute(
            "select document from heads where id > ? and is_live order by id limit ?", (after or "", limit)
        )
        return [decode(Head, row[0]) for row in rows]

    async def list_members(self, group_ids: Collection[GroupId] | None = None) -> Sequence[tuple[GroupId, Member]]:
        if group_ids is None:
            over = self._rows.all_rows(MEMBERS)
            stored = self._journal.db.execute("select * from members where dropped_at is null")
            rows = [row for row in stored if row[:2] not in over] if over else stored.fetchall()
            rows.extend(row for row in over.values() if row is not None and row[2] is None)
        else:
            rows = [row for group_id in group_ids for row in self._group_rows(MEMBERS, group_id) if row[2] is None]
        # Some 5 µs a member: many are decoded beside the loop.
        return _members(rows) if len(rows) < MANY else await asyncio.to_thread(_members, rows)

    async def list_dropped(self, since: datetime) -> Collection[GroupId]:
        at = since.timestamp()
        rows = self._journal.db.execute("select distinct group_id from members where dropped_at >= ?", (at,))
        over = self._rows.all_rows(MEMBERS).values()
        return {GroupId(row[0]) for row in rows} | {
            GroupId(str(row[0])) for row in over if row is not None and row[2] is not None and row[2] >= at
        }

    async def get_incident(self, incident_id: str) -> Incident:
        row = self._find(INCIDENTS, (incident_id,))
        if row is None:
            raise NotFoundError(f"no incident {incident_id!r}")
        return decode(Incident, row[2])

    async def get_cost(self, incident_id: str) -> Cost | None:
        await self.get_incident(incident_id)
        return None

    async def list_incidents(self, *, before: str | None = None, limit: int = 100) -> Sequence[Incident]:
        self._settle()
        execute = self._journal.db.execute
        if before is None:
            rows = execute("select document from incidents order by opened_at desc, id desc limit ?", (limit,))
        else:
            rows = execute(
                "select document from incidents where (opened_at, id) < (select opened_at, id from incidents where"
                " id = ?) order by opened_at desc, id desc limit ?",
                (before, limit),
            )
        return [decode(Incident, row[0]) for row in rows]

    async def list_entries(
        self, group_id: GroupId, *, incident: str | None = None, limit: int = 1000
    ) -> Sequence[LogEntry]:
        entries: list[LogEntry] = []
        for entry in self._entries_back(group_id):
            if len(entries) == limit:
                break
            if incident is None or entry.incident == incident:
                entries.append(entry)
                if incident is not None and entry.opens(incident):
                    break
        return entries[::-1]

    async def walk_entries(self, group_id: GroupId) -> AsyncGenerator[LogEntry]:
        for place, entry in enumerate(self._entries_back(group_id), start=1):
            yield entry
            if place % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _entries_back(self, group_id: GroupId) -> Iterator[LogEntry]:
        """The group's entries from the latest one back: each names the one before."""
        cached = self._find_head(group_id)
        number = cached.last_entry if cached else 0
        while number:
            row = (
                self._entries.get(number)
                or self._journal.db.execute(
                    "select previous, at, document from entries where number = ?", (number,)
                ).fetchone()
            )
            if row is None:
                break  # older than is kept
            number = row[0]
            yield decode(LogEntry, row[2])

    async def find_groups(self, fingerprint: Fingerprint) -> Sequence[GroupId]:
        # What has not reached its table yet is looked at first: meanwhile it may be written there, not the other way.
        rows = self._rows.all_rows(MEMBERS)
        held = {key[0]: row[2] for key, row in rows.items() if key[1] == fingerprint and row is not None}
        fresh = [document for _, _, document in reversed(self._entries.values())]
        try:
            stored, named = await asyncio.to_thread(search, self._journal.path, fingerprint, fresh)
        except sqlite3.Error as error:
            raise UnavailableError(f"the store failed: {error}") from error
        held = {id: dropped for id, dropped in stored.items() if (id, fingerprint) not in rows} | held
        by_presence = sorted(held, key=lambda id: held[id] is not None)
        return list(dict.fromkeys([*by_presence, *named]))

    async def forget(self, now: datetime) -> None:
        with self._journal.writing() as db:
            self._rows.settle()
            forgotten = db.execute(
                "delete from members where dropped_at < ? returning group_id, fingerprint",
                ((now - TOMBSTONE_RETENTION).timestamp(),),
            )
            for group_id, name in forgotten.fetchall():
                if (cached := self._heads.get(group_id)) is not None:
                    cached.names.discard(name)
        await self._journal.committed()
        await self._forgetting.sweep(now)

    def _drop_head(self, group_id: GroupId) -> None:
        self._heads.pop(group_id, None)

    async def tally(self) -> Tally:
        counts = dict(self._journal.db.execute("select name, count from ledger").fetchall())
        return Tally(**{name: counts.get(name, 0) for name in asdict(Tally())})


def _members(rows: Sequence[tuple[Any, ...]]) -> list[tuple[GroupId, Member]]:
    return [(row[0], decode(Member, row[3])) for row in rows]
