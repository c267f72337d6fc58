"""Implements `GroupStore` on the journal; the single writer keeps the heads in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from adapters.documents import decode, encode, kind_of
from adapters.sqlite.journal import Journal
from domain.errors import NotFoundError
from domain.groups import (
    TOMBSTONE_RETENTION,
    Decide,
    Decision,
    GroupState,
    Head,
    Incident,
    LogEntry,
    Member,
    Outgoing,
    Tally,
    Wanted,
)
from domain.labels import Fingerprint
from domain.notifications import NotificationLog
from domain.routing import GroupId

HEADS_CACHED = 50_000


class SqliteGroupStore:
    """Asks `decide` once for what it loads, since nobody else writes; its effects join the group commit."""

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._heads: dict[GroupId, Head] = {}
        self._counts: Counter[str] = Counter()
        journal.when_undone(self._undone)

    async def transact(
        self, group_id: GroupId, decide: Decide, names: Collection[Fingerprint] = ()
    ) -> Sequence[tuple[str, Outgoing]]:
        with self._journal.writing():
            state = self._load(group_id, names)
            while isinstance(answer := decide(state), Wanted):
                state = self._load_wanted(state, group_id, answer)
            if answer.head is None:
                return []
            outbox = self._write(answer.head, answer)
        await self._journal.committed()
        return outbox

    def _load(self, group_id: GroupId, names: Collection[Fingerprint]) -> GroupState:
        head = self._find_head(group_id)
        if head is None:
            return GroupState(None, {}, None, is_complete=True)
        return GroupState(head, self._named_members(group_id, names), None, is_complete=False)

    def _load_wanted(self, state: GroupState, group_id: GroupId, wanted: Wanted) -> GroupState:
        rows = self._journal.db.execute("select document from logs where group_id = ?", (group_id,))
        logs = {log.integration: log for log in (decode(NotificationLog, row[0]) for row in rows)}
        if wanted.members is not None:
            members = {**state.members, **self._named_members(group_id, wanted.members)}
            return GroupState(state.head, members, logs, is_complete=False)
        rows = self._journal.db.execute("select fingerprint, document from members where group_id = ?", (group_id,))
        return GroupState(state.head, {row[0]: decode(Member, row[1]) for row in rows}, logs, is_complete=True)

    def _find_head(self, group_id: GroupId) -> Head | None:
        head = self._heads.get(group_id)
        if head is None:
            row = self._journal.db.execute("select document from heads where id = ?", (group_id,)).fetchone()
            if row is not None:
                head = self._keep(decode(Head, row[0]))
        return head

    def _keep(self, head: Head) -> Head:
        heads = self._heads
        heads[head.id] = head
        if len(heads) > HEADS_CACHED:
            del heads[next(iter(heads))]
        return head

    def _named_members(self, group_id: GroupId, names: Collection[Fingerprint]) -> dict[Fingerprint, Member]:
        members: dict[Fingerprint, Member] = {}
        execute = self._journal.db.execute
        for name in names:
            row = execute(
                "select document from members where group_id = ? and fingerprint = ?", (group_id, name)
            ).fetchone()
            if row is not None:
                members[name] = decode(Member, row[0])
        return members

    def _write(self, head: Head, decision: Decision) -> list[tuple[str, Outgoing]]:
        db = self._journal.db
        due = head.next_due_at.timestamp() if head.next_due_at else None
        db.execute("insert or replace into heads values (?, ?, ?, ?)", (head.id, head.present, due, encode(head)))
        self._keep(head)
        if decision.members:
            db.executemany(
                "insert or replace into members values (?, ?, ?, ?)",
                [
                    (
                        head.id,
                        member.alert.fingerprint,
                        member.dropped_at.timestamp() if member.dropped_at else None,
                        encode(member),
                    )
                    for member in decision.members
                ],
            )
        if decision.forgotten:
            db.executemany(
                "delete from members where group_id = ? and fingerprint = ?",
                [(head.id, name) for name in decision.forgotten],
            )
        for log in decision.logs:
            db.execute("insert or replace into logs values (?, ?, ?)", (head.id, log.integration, encode(log)))
        if (incident := decision.incident) is not None:
            db.execute(
                "insert or replace into incidents values (?, ?, ?)",
                (incident.id, incident.opened_at.timestamp(), encode(incident)),
            )
        if (entry := decision.entry) is not None:
            db.execute(
                "insert into entries (group_id, incident, at, document) values (?, ?, ?, ?)",
                (head.id, entry.incident, entry.at.timestamp(), encode(entry)),
            )
            self._count(entry.tally)
        outbox: list[tuple[str, Outgoing]] = []
        at = self._clock() if decision.outbox else 0.0
        for outgoing in decision.outbox:
            number = db.execute(
                "insert into outbox (group_id, kind, at, document) values (?, ?, ?, ?)",
                (head.id, kind_of(outgoing), at, encode(outgoing)),
            ).lastrowid
            outbox.append((str(number), outgoing))
        return outbox

    def _count(self, tally: Tally) -> None:
        """Add to the ledger; one write for each name and commit, however many decisions it holds."""
        if not self._counts:
            self._journal.before_commit(self._write_counts)
        for name in ("folded", "due", "delivered", "failed", "superseded"):
            if count := getattr(tally, name):
                self._counts[name] += count

    def _write_counts(self) -> None:
        counts, self._counts = self._counts, Counter()
        self._journal.db.executemany(
            "insert into ledger values (?, ?) on conflict do update set count = count + excluded.count",
            list(counts.items()),
        )

    def _undone(self) -> None:
        self._heads.clear()
        self._counts.clear()

    async def clear_outbox(self, group_id: GroupId, keys: Collection[str]) -> None:
        with self._journal.writing() as db:
            db.executemany("delete from outbox where number = ?", [(int(key),) for key in keys])

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        return self._journal.db.execute("select 1 from outbox where number = ?", (int(key),)).fetchone() is not None

    def changes(self, after: int, *, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """What the change feed shows: the outbox documents written after that number, in order."""
        rows = self._journal.db.execute(
            "select number, group_id, kind, at, document from outbox where number > ? order by number limit ?",
            (after, limit),
        )
        return [
            (
                number,
                {
                    "type": "outbox",
                    "group_id": group_id,
                    "key": str(number),
                    "kind": kind,
                    "at": at,
                    "outgoing": json.loads(document),
                },
            )
            for number, group_id, kind, at, document in rows
        ]

    async def list_overdue(self, before: datetime, *, limit: int) -> Sequence[GroupId]:
        rows = self._journal.db.execute(
            "select id from heads where due_at < ? order by due_at limit ?", (before.timestamp(), limit)
        )
        return [row[0] for row in rows]

    async def list_heads(self, *, after: GroupId | None = None, limit: int = 1000) -> Sequence[Head]:
        rows = self._journal.db.execute(
            "select document from heads where id > ? and present > 0 order by id limit ?", (after or "", limit)
        )
        return [decode(Head, row[0]) for row in rows]

    async def list_members(self, group_ids: Collection[GroupId] | None = None) -> Sequence[tuple[GroupId, Member]]:
        execute = self._journal.db.execute
        if group_ids is None:
            rows = execute("select group_id, document from members where dropped_at is null").fetchall()
        else:
            rows = [
                row
                for group_id in group_ids
                for row in execute(
                    "select group_id, document from members where group_id = ? and dropped_at is null", (group_id,)
                )
            ]
        return [(row[0], decode(Member, row[1])) for row in rows]

    async def get_incident(self, incident_id: str) -> Incident:
        row = self._journal.db.execute("select document from incidents where id = ?", (incident_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"no incident {incident_id!r}")
        return decode(Incident, row[0])

    async def list_incidents(self, *, before: str | None = None, limit: int = 100) -> Sequence[Incident]:
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
        rows = self._journal.db.execute(
            "select document from entries where group_id = ?1 and (?2 is null or incident = ?2)"
            " order by number desc limit ?3",
            (group_id, incident, limit),
        )
        return [decode(LogEntry, row[0]) for row in rows][::-1]

    async def forget(self, now: datetime) -> None:
        with self._journal.writing() as db:
            db.execute("delete from members where dropped_at < ?", ((now - TOMBSTONE_RETENTION).timestamp(),))
        await self._journal.committed()

    async def tally(self) -> Tally:
        counts = dict(self._journal.db.execute("select name, count from ledger").fetchall())
        return Tally(**{name: counts.get(name, 0) for name in asdict(Tally())})
