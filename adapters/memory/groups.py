"""Implements `GroupStore` in this process alone, with the promises of the port but for a restart."""

from __future__ import annotations

import heapq
import json
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import count, islice
from typing import Any

from adapters.documents import encode, kind_of
from adapters.memory.sources import MemorySourceStore
from adapters.memory.statistics import MemoryStatisticsStore
from domain.alerts import TOMBSTONE_RETENTION
from domain.errors import NotFoundError
from domain.groups import (
    ENTRIES_SEARCHED,
    Cost,
    Decision,
    GroupState,
    Head,
    Incident,
    LogEntry,
    Member,
    Outgoing,
    Outgone,
    Tally,
    Transaction,
    Wanted,
)
from domain.labels import Fingerprint
from domain.notifications import NotificationLog
from domain.routing import GroupId


class MemoryGroupStore:
    """Implements `GroupStore`; nothing is awaited in between, so `decide` is asked once for what it loads."""

    def __init__(self, sources: MemorySourceStore, clock: Callable[[], float]) -> None:
        self._sources = sources
        self._clock = clock
        self._heads: dict[GroupId, Head] = {}
        self._members: dict[GroupId, dict[Fingerprint, Member]] = {}
        self._logs: dict[GroupId, dict[int, NotificationLog]] = {}
        self._incidents: dict[str, Incident] = {}
        self._entries: dict[GroupId, list[LogEntry]] = {}
        self.all_entries: list[LogEntry] = []
        """Those of all groups, in the order of their decisions."""
        self.on_entry: Callable[[], None] | None = None
        """Called when there is another one."""
        self._outbox: dict[int, tuple[GroupId, float, Outgoing]] = {}
        self._numbers = count(1)
        self._tally = Tally()
        self.statistics = MemoryStatisticsStore()

    async def transact(self, transactions: Sequence[Transaction]) -> Sequence[Outgone]:
        outbox: list[Outgone] = []
        for transaction in transactions:
            group_id = transaction.group_id
            head = self._heads.get(group_id)
            members = self._named(group_id, transaction.names)
            state = GroupState(head, members, None, is_complete=head is None)
            while isinstance(answer := transaction.decide(state), Wanted):
                state = self._load(state, group_id, answer)
            if answer.head is not None:
                outbox += self._write(answer.head, answer)
        return outbox

    def _load(self, state: GroupState, group_id: GroupId, wanted: Wanted) -> GroupState:
        logs = dict(self._logs.get(group_id, {}))
        sources = {**state.sources, **{key: self._sources.find(key) for key in wanted.sources}}
        if wanted.members is None:
            return GroupState(state.head, dict(self._members.get(group_id, {})), logs, True, sources)
        members = {**state.members, **self._named(group_id, wanted.members)}
        return GroupState(state.head, members, logs, state.is_complete, sources)

    def _named(self, group_id: GroupId, names: Collection[Fingerprint]) -> dict[Fingerprint, Member]:
        members = self._members.get(group_id, {})
        return {name: members[name] for name in names if name in members}

    def _write(self, head: Head, decision: Decision) -> Sequence[Outgone]:
        self._heads[head.id] = head
        members = self._members.setdefault(head.id, {})
        members.update((member.alert.fingerprint, member) for member in decision.members)
        for name in decision.forgotten:
            members.pop(name, None)
        self._logs.setdefault(head.id, {}).update((log.integration, log) for log in decision.logs)
        if decision.incident is not None:
            self._incidents[decision.incident.id] = decision.incident
        if decision.entry is not None:
            self._entries.setdefault(head.id, []).append(decision.entry)
            self.all_entries.append(decision.entry)
            if self.on_entry is not None:
                self.on_entry()
            self.statistics.count(head, decision)
            added = asdict(decision.entry.tally)
            self._tally = Tally(**{name: added[name] + so_far for name, so_far in asdict(self._tally).items()})
        outbox = list(zip(self._numbers, decision.outbox, strict=False))
        at = self._clock()
        self._outbox.update((number, (head.id, at, outgoing)) for number, outgoing in outbox)
        return [Outgone(head.id, str(number), outgoing) for number, outgoing in outbox]

    async def receiver_of(self, group_id: GroupId) -> str:
        """The receiver of a group; "" where there is no such group."""
        head = self._heads.get(group_id)
        return head.receiver if head else ""

    async def clear_outbox(self, sent: Sequence[Outgone]) -> None:
        for outgone in sent:
            self._outbox.pop(int(outgone.key), None)

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        return int(key) in self._outbox

    async def changes(self, after: str, *, limit: int) -> tuple[list[dict[str, Any]], str]:
        """What the change feed shows: the outbox documents written behind that place, in order, and the next place."""
        later = ((number, *held) for number, held in self._outbox.items() if number > int(after or 0))
        shown = list(islice(later, limit))
        documents = [
            {
                "type": "outbox",
                "group_id": group_id,
                "key": str(number),
                "kind": kind_of(outgoing),
                "at": at,
                "outgoing": json.loads(encode(outgoing)),
            }
            for number, group_id, at, outgoing in shown
        ]
        return documents, str(shown[-1][0]) if shown else after

    async def list_overdue(self, before: datetime, *, limit: int) -> Sequence[GroupId]:
        due = ((head.next_due_at, head.id) for head in self._heads.values() if head.next_due_at is not None)
        return [group_id for _, group_id in heapq.nsmallest(limit, (pair for pair in due if pair[0] < before))]

    async def list_heads(self, *, after: GroupId | None = None, limit: int = 1000) -> Sequence[Head]:
        heads = (head for head in self._heads.values() if head.is_live and head.id > (after or ""))
        return heapq.nsmallest(limit, heads, key=lambda head: head.id)

    async def list_members(self, group_ids: Collection[GroupId] | None = None) -> Sequence[tuple[GroupId, Member]]:
        return [
            (group_id, member)
            for group_id in (self._members if group_ids is None else group_ids)
            for member in self._members.get(group_id, {}).values()
            if member.dropped_at is None
        ]

    async def list_dropped(self, since: datetime) -> Collection[GroupId]:
        return {
            group_id
            for group_id, members in self._members.items()
            for member in members.values()
            if member.dropped_at is not None and member.dropped_at >= since
        }

    async def get_incident(self, incident_id: str) -> Incident:
        incident = self._incidents.get(incident_id)
        if incident is None:
            raise NotFoundError(f"no incident {incident_id!r}")
        return incident

    async def get_cost(self, incident_id: str) -> Cost | None:
        await self.get_incident(incident_id)
        return None

    async def list_incidents(self, *, before: str | None = None, limit: int = 100) -> Sequence[Incident]:
        def age(incident: Incident) -> tuple[datetime, str]:
            return incident.opened_at, incident.id

        incidents = self._incidents.values()
        if before is None:
            return heapq.nlargest(limit, incidents, key=age)
        last = self._incidents.get(before)
        return heapq.nlargest(limit, (one for one in incidents if last and age(one) < age(last)), key=age)

    async def list_entries(
        self, group_id: GroupId, *, incident: str | None = None, limit: int = 1000
    ) -> Sequence[LogEntry]:
        latest = (
            entry
            for entry in reversed(self._entries.get(group_id, []))
            if incident is None or entry.incident == incident
        )
        return list(islice(latest, limit))[::-1]

    async def walk_entries(self, group_id: GroupId) -> AsyncGenerator[LogEntry]:
        for entry in reversed(list(self._entries.get(group_id, []))):
            yield entry

    async def find_groups(self, fingerprint: Fingerprint) -> Sequence[GroupId]:
        kept = [(id, members[fingerprint]) for id, members in self._members.items() if fingerprint in members]
        # Those of the present ones first, since False is less than True.
        found = [id for id, _ in sorted(kept, key=lambda pair: pair[1].dropped_at is not None)]
        latest = heapq.nlargest(
            ENTRIES_SEARCHED,
            (entry for entries in self._entries.values() for entry in entries),
            key=lambda entry: entry.at,
        )
        found += [entry.group_id for entry in latest if entry.names(fingerprint)]
        return list(dict.fromkeys(found))

    async def forget(self, now: datetime) -> None:
        for members in self._members.values():
            for name, member in list(members.items()):
                if member.dropped_at is not None and member.dropped_at < now - TOMBSTONE_RETENTION:
                    del members[name]

    async def tally(self) -> Tally:
        return self._tally
