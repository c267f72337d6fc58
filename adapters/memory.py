"""Memory: every store and queue in this process alone, with the promises of their ports but for a restart."""

from __future__ import annotations

import heapq
import json
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, Literal

from adapters.documents import encode, kind_of
from adapters.lanes import DUPLICATE_WINDOW_SECONDS, Held, new_lanes, stamp
from adapters.messages import REPLAYED, OutgoingMessage
from domain.alerts import TOMBSTONE_RETENTION
from domain.errors import NotFoundError
from domain.groups import (
    ENTRIES_SEARCHED,
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
from domain.inhibition import InhibitRule, Source, SourceKey, Sources, with_reports
from domain.labels import Fingerprint
from domain.notifications import NotificationLog
from domain.queues import DeadLetter, QueueName
from domain.routing import GroupId
from domain.shadowing import Heard, ShadowRecord
from domain.silences import ChangeSilence, Silence
from domain.situations import PolicyHead


class MemorySourceStore:
    """Implements `SourceStore`."""

    def __init__(self) -> None:
        self._documents: dict[SourceKey, Sources] = {}

    async def report_sources(self, reports: Mapping[SourceKey, Sequence[Source]], now: datetime) -> None:
        for key, sources in reports.items():
            self._documents[key] = with_reports(self.find(key), sources, now)

    async def forget_rules(self, rules: Collection[InhibitRule]) -> None:
        ids = {rule.id for rule in rules}
        self._documents = {key: found for key, found in self._documents.items() if key[:16] not in ids}

    async def forget_sources(self, now: datetime) -> None:
        pruned = {key: with_reports(found, (), now) for key, found in self._documents.items()}
        self._documents = {key: found for key, found in pruned.items() if found}

    async def get_sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sources]:
        return {key: self.find(key) for key in keys}

    def find(self, key: SourceKey) -> Sources:
        """That document."""
        return self._documents.get(key, {})


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
        self._outbox: dict[int, tuple[GroupId, float, Outgoing]] = {}
        self._numbers = count(1)
        self._tally = Tally()

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
            added = asdict(decision.entry.tally)
            self._tally = Tally(**{name: added[name] + so_far for name, so_far in asdict(self._tally).items()})
        outbox = list(zip(self._numbers, decision.outbox, strict=False))
        at = self._clock()
        self._outbox.update((number, (head.id, at, outgoing)) for number, outgoing in outbox)
        return [Outgone(head.id, str(number), outgoing) for number, outgoing in outbox]

    async def clear_outbox(self, sent: Sequence[Outgone]) -> None:
        for outgone in sent:
            self._outbox.pop(int(outgone.key), None)

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        return int(key) in self._outbox

    def changes(self, after: int, *, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """What the change feed shows: the outbox documents written after that number, in order."""
        later = ((number, *held) for number, held in self._outbox.items() if number > after)
        return [
            (
                number,
                {
                    "type": "outbox",
                    "group_id": group_id,
                    "key": str(number),
                    "kind": kind_of(outgoing),
                    "at": at,
                    "outgoing": json.loads(encode(outgoing)),
                },
            )
            for number, group_id, at, outgoing in islice(later, limit)
        ]

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

    async def get_incident(self, incident_id: str) -> Incident:
        incident = self._incidents.get(incident_id)
        if incident is None:
            raise NotFoundError(f"no incident {incident_id!r}")
        return incident

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


class MemoryBroker:
    """Implements `Broker`, and what the dev host receives by; its lanes are all there is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._sent: dict[tuple[str, str], float] = {}
        """When an id was last sent to a queue, the earliest first."""
        self._dead: dict[str, tuple[DeadLetter, str | None]] = {}
        """The dead letters, the oldest first, with their sessions."""
        self._accepted = 0
        self.lanes = new_lanes()

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage], *, replacing: int = 0) -> None:
        self._accepted -= replacing
        now = self._clock()
        for message in messages:
            if not message.id or self._is_first(queue, message.id, now):
                self._put(queue, message.session, message.id, stamp(message.due_at), message.size, message.body)
                self._accepted += message.size

    def _is_first(self, queue: str, id: str, now: float) -> bool:
        while self._sent and self._sent[oldest := next(iter(self._sent))] <= now - DUPLICATE_WINDOW_SECONDS:
            del self._sent[oldest]
        if (queue, id) in self._sent:
            return False
        self._sent[queue, id] = now
        return True

    def _put(self, queue: str, session: str | None, id: str, due_at: float, size: int, body: bytes) -> None:
        now = self._clock()
        self.lanes[queue].put(Held(next(self._numbers), queue, session, id, due_at, now, size, body), now)

    def receive(self, queue: QueueName) -> Held | None:
        """Lock the next message that is due and return it; None when there is none."""
        return self.lanes[queue].take(self._clock())

    def complete(self, message: Held) -> None:
        """It is done with."""
        self.lanes[message.queue].release(message)

    def abandon(self, message: Held, reason: str) -> None:
        """Its handler failed: it comes again, or is dead after too many failures."""
        lane = self.lanes[message.queue]
        if message.count_failure():
            assert message.body is not None
            self._bury(
                message.queue, message.session, "dead", reason, message.delivery_count, message.size, message.body
            )
            lane.release(message)
        else:
            lane.put_back(message)

    def _bury(
        self,
        queue: str,
        session: str | None,
        kind: Literal["parked", "dead"],
        reason: str,
        delivery_count: int,
        size: int,
        body: bytes,
    ) -> None:
        id = str(next(self._numbers))
        at = datetime.fromtimestamp(self._clock(), UTC)
        self._dead[id] = DeadLetter(id, queue, kind, reason, at, delivery_count, size, body), session

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None:
        self._bury(queue, None, "parked", reason, 0, size, body)

    async def list_dead(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        return [letter for letter, _ in islice(reversed(self._dead.values()), limit)]

    async def get_dead(self, dead_letter_id: str) -> DeadLetter:
        return self._find_dead(dead_letter_id)[0]

    def _find_dead(self, dead_letter_id: str) -> tuple[DeadLetter, str | None]:
        found = self._dead.get(dead_letter_id)
        if found is None:
            raise NotFoundError(f"no dead letter {dead_letter_id!r}")
        return found

    async def replay(self, dead_letter_id: str) -> None:
        letter, session = self._find_dead(dead_letter_id)
        del self._dead[dead_letter_id]
        self._put(letter.queue, session, f"{REPLAYED}{letter.id}", 0.0, letter.size, letter.body)

    async def passed(self, timeout_seconds: float) -> bool:
        return await self.lanes["groups"].passed(timeout_seconds)

    async def count_waiting(self) -> int:
        return self.lanes["groups"].size

    async def count_parked(self) -> int:
        return sum(letter.size for letter, _ in self._dead.values() if letter.queue == "groups")

    async def count_accepted(self) -> int:
        return self._accepted


class MemoryPolicyStore:
    """Implements `PolicyStore`."""

    def __init__(self) -> None:
        self.head = PolicyHead()
        self._configurations: dict[str, tuple[str, datetime]] = {}

    async def get_head(self) -> PolicyHead:
        return self.head

    async def heard(self, now: datetime, *, resumed: bool) -> PolicyHead:
        since = now if resumed or self.head.listening_since is None else self.head.listening_since
        silent_since = self.head.heard_at if resumed else self.head.silent_since
        self.head = replace(self.head, listening_since=since, silent_since=silent_since, heard_at=now)
        return self.head

    async def activate(self, version: str, text: str, at: datetime) -> PolicyHead:
        self._configurations[version] = text, at
        self.head = replace(self.head, configuration_version=version)
        return self.head

    async def get_configuration(self, version: str) -> str:
        if version not in self._configurations:
            raise NotFoundError(f"no configuration {version!r}")
        return self._configurations[version][0]

    async def list_configurations(self) -> list[tuple[str, datetime]]:
        versions = sorted((version, at) for version, (_, at) in self._configurations.items())
        return sorted(versions, key=lambda pair: pair[1], reverse=True)


class MemorySilenceStore:
    """Implements `SilenceStore`; its version is in the head of the policy store."""

    def __init__(self, policy: MemoryPolicyStore) -> None:
        self._policy = policy
        self._silences: dict[str, Silence] = {}

    async def upsert_silence(self, silence: Silence) -> int:
        return self._change([silence])

    async def change_silence(self, silence_id: str, decide: ChangeSilence) -> Sequence[Silence]:
        written = decide(self._silences.get(silence_id))
        if written:
            self._change(written)
        return written

    def _change(self, silences: Sequence[Silence]) -> int:
        self._silences.update((silence.id, silence) for silence in silences)
        version = self._policy.head.silences_version + 1
        self._policy.head = replace(self._policy.head, silences_version=version)
        return version

    async def get_silence(self, silence_id: str) -> Silence:
        silence = self._silences.get(silence_id)
        if silence is None:
            raise NotFoundError(f"no silence {silence_id!r}")
        return silence

    async def list_silences(self) -> Sequence[Silence]:
        return sorted(self._silences.values(), key=lambda silence: silence.id)

    async def forget_silences(self, before: datetime) -> None:
        self._silences = {id: silence for id, silence in self._silences.items() if silence.ends_at >= before}


class MemoryShadowStore:
    """Implements `ShadowStore`."""

    def __init__(self) -> None:
        self._records: dict[str, ShadowRecord] = {}

    async def add_record(self, record: ShadowRecord) -> None:
        self._records.setdefault(record.id, record)

    async def list_records(
        self, since: datetime, until: datetime, *, after: ShadowRecord | None = None, limit: int = 1000
    ) -> Sequence[ShadowRecord]:
        begin = _place(after) if after else (since, "")
        wanted = (one for one in self._records.values() if since <= one.at < until and _place(one) > begin)
        return heapq.nsmallest(limit, wanted, key=_place)

    async def get_heard(self) -> Heard:
        theirs = [one for one in self._records.values() if one.side == "alertmanager"]
        return Heard(frozenset(one.receiver for one in theirs), min((one.at for one in theirs), default=None))

    async def forget_records(self, before: datetime, *, most: int) -> None:
        young = (one for one in self._records.values() if one.at >= before)
        self._records = {one.id: one for one in heapq.nlargest(most, young, key=_place)}


def _place(record: ShadowRecord) -> tuple[datetime, str]:
    return record.at, record.id
