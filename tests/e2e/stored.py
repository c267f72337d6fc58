"""Stored: what a Tocsin that has ended left in its home, and the pure core replaying it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.cosmos.aio import CosmosClient

from adapters.cosmos.containers import GROUPS
from adapters.cosmos.partition import read_member
from adapters.cosmos.renewals import Renewals
from adapters.documents import decode, extract
from adapters.sqlite.groups import SqliteGroupStore
from adapters.sqlite.journal import Journal
from adapters.sqlite.sources import SqliteSourceStore
from domain.configuration import Configuration
from domain.configuration.file import read_configuration
from domain.groups import Decision, Event, GroupState, Head, LogEntry, Member, Tally, Tick, Wanted
from domain.incidents import decide
from domain.labels import Fingerprint
from domain.notifications import Delivery, NotificationLog
from domain.routing import GroupId
from domain.situations import Situation
from tests.serving import Serving
from tests.standins.processes import AzureProcesses


@dataclass
class Stored:
    """Everything that the groups' tables hold."""

    entries: dict[GroupId, list[LogEntry]] = field(default_factory=dict)
    """In the order of their commits."""
    heads: dict[GroupId, Head] = field(default_factory=dict)
    members: dict[GroupId, dict[Fingerprint, Member]] = field(default_factory=dict)
    logs: dict[GroupId, dict[int, NotificationLog]] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)


def read(tocsin: Serving) -> Stored:
    """Read everything, as the next start would; it must have ended."""
    assert not tocsin.is_running
    return read_azure(tocsin.azure) if tocsin.home == "azure" else _read_sqlite(tocsin.data)


def read_azure(azure: AzureProcesses) -> Stored:
    """The same from stand-ins; whatever wrote to them must have ended."""

    async def read_all() -> Stored:
        stored, tally = Stored(), Tally()
        beginning = datetime.fromtimestamp(0, UTC)
        numbered: list[tuple[int, LogEntry]] = []
        heads: dict[GroupId, dict[str, Any]] = {}
        members: list[dict[str, Any]] = []
        async with CosmosClient(azure.cosmos_url, credential=azure.cosmos_key) as client:
            groups = client.get_database_client("tocsin").get_container_client(GROUPS.name)
            async for item in groups.query_items("SELECT * FROM c"):
                id = GroupId(item["group"])
                match item["type"]:
                    case "head":
                        assert "redo" not in item, f"half of a commit to group {id} is left"
                        stored.heads[id] = extract(Head, item["body"])
                        heads[id] = item
                        tally = add(tally, Tally(**item["tally"]))
                    case "member":
                        members.append(item)
                    case "log":
                        log = extract(NotificationLog, item["body"])
                        stored.logs.setdefault(id, {})[log.integration] = log
                    case "entry":
                        numbered.append((item["number"], extract(LogEntry, item["body"])))
                    case _:
                        pass
        for item in members:
            id = GroupId(item["group"])
            if (member := read_member(item, beginning, Renewals.of(heads.get(id)))) is not None:
                stored.members.setdefault(id, {})[member.alert.fingerprint] = member
        for _, entry in sorted(numbered, key=lambda pair: pair[0]):
            stored.entries.setdefault(entry.group_id, []).append(entry)
        stored.ledger = {name: getattr(tally, name) for name in ("folded", *_TOLD)}
        return stored

    return asyncio.run(read_all())


def outbox(azure: AzureProcesses) -> int:
    """How much is committed that has not been sent, or not been forgotten since."""

    async def count() -> int:
        async with CosmosClient(azure.cosmos_url, credential=azure.cosmos_key) as client:
            groups = client.get_database_client("tocsin").get_container_client(GROUPS.name)
            return len([item async for item in groups.query_items("SELECT c.id FROM c WHERE c.type = 'outbox'")])

    return asyncio.run(count())


_TOLD = ("due", "delivered", "failed", "superseded")


def _read_sqlite(data: Path) -> Stored:
    async def read_all() -> Stored:
        journal = Journal(data / "tocsin.db")
        groups = SqliteGroupStore(journal, SqliteSourceStore(journal), time.time)
        await groups.list_heads(limit=1)  # brings the tables up to date
        stored, execute = Stored(), journal.db.execute
        for (document,) in execute("select document from entries order by number"):
            entry = decode(LogEntry, document)
            stored.entries.setdefault(entry.group_id, []).append(entry)
        for id, document in execute("select id, document from heads"):
            stored.heads[id] = decode(Head, document)
        for id, name, document in execute("select group_id, fingerprint, document from members"):
            stored.members.setdefault(id, {})[name] = decode(Member, document)
        for id, integration, document in execute("select group_id, integration, document from logs"):
            stored.logs.setdefault(id, {})[integration] = decode(NotificationLog, document)
        stored.ledger = dict(execute("select name, count from ledger").fetchall())
        journal.close()
        return stored

    return asyncio.run(read_all())


@dataclass
class Replayed:
    """What the pure core makes of the recorded events of one group."""

    state: GroupState
    deliveries: list[Delivery]
    """Everything that was due, in order."""
    delivered: set[str]
    """The ids of those that were settled as delivered."""
    tally: Tally


def replay(entries: Sequence[LogEntry], configurations: Mapping[str, Configuration]) -> Replayed:
    """Ask `decide` about each recorded event again, and hold every decision against the recorded one."""
    state = GroupState(None, {}, {}, is_complete=True)
    deliveries: list[Delivery] = []
    delivered: set[str] = set()
    total = Tally()
    for entry in entries:
        if state.head is not None:
            # Decisions that say nothing (a tick that came early) have a revision, but no entry.
            state = replace(state, head=replace(state.head, revision=entry.revision - 1))
        situation = Situation(configurations[entry.configuration_version], entry.listening_since)
        decision = _ask(state, _event(entry), situation, entry.at)
        assert decision.entry is not None
        again, recorded = _in_order(decision.entry), _in_order(entry)
        assert again == recorded, f"replayed, the core says\n{again}\nwhere it was recorded\n{recorded}"
        deliveries += [outgoing for outgoing in decision.outbox if isinstance(outgoing, Delivery)]
        if entry.settled is not None and entry.settled.is_delivered:
            delivered.add(entry.settled.delivery_id)
        total = add(total, entry.tally)
        state = _after(state, decision)
    return Replayed(state, deliveries, delivered, total)


def _ask(state: GroupState, event: Event, situation: Situation, now: datetime) -> Decision:
    """Load as little as a store does: what is due waits for its tick where a fold needs no more (rule 5)."""
    if state.head is None:
        shown = state
    else:
        named = {name: state.members[name] for name in event.names if name in state.members}
        shown = GroupState(state.head, named, None, is_complete=False)
    while isinstance(answer := decide(shown, event, situation, now), Wanted):
        names = state.members.keys() if answer.members is None else shown.members.keys() | answer.members
        members = {name: state.members[name] for name in names if name in state.members}
        # Where there are rules of inhibition, nothing was muted by them.
        sources = {**shown.sources, **{key: {} for key in answer.sources}}
        is_complete = shown.is_complete or answer.members is None
        shown = GroupState(state.head, members, state.logs, is_complete, sources)
    return answer


def _in_order(entry: LogEntry) -> LogEntry:
    """The entry with the alerts of each reason sorted: they have no order of their own."""
    reasons = [replace(reason, fingerprints=tuple(sorted(reason.fingerprints))) for reason in entry.reasons]
    return replace(entry, reasons=tuple(reasons))


def _event(entry: LogEntry) -> Event:
    if entry.reported is not None:
        return entry.reported
    if entry.settled is not None:
        return entry.settled
    if entry.responded is not None:
        return entry.responded
    if entry.found is not None:
        return entry.found
    assert entry.due_at is not None
    return Tick(entry.group_id, entry.due_at, entry.why)


def _after(state: GroupState, decision: Decision) -> GroupState:
    members = {**state.members, **{member.alert.fingerprint: member for member in decision.members}}
    for name in decision.forgotten:
        del members[name]
    logs = {**(state.logs or {}), **{log.integration: log for log in decision.logs}}
    return GroupState(decision.head, members, logs, is_complete=True)


def add(one: Tally, other: Tally) -> Tally:
    return Tally(
        folded=one.folded + other.folded,
        due=one.due + other.due,
        delivered=one.delivered + other.delivered,
        failed=one.failed + other.failed,
        superseded=one.superseded + other.superseded,
    )


def check_replay(stored: Stored, *texts: str) -> dict[GroupId, Replayed]:
    """Every group is as the pure core makes it of its recorded events, and the ledger is their sum."""
    configurations = {
        configuration.version: configuration
        for text in texts
        for configuration in [read_configuration(text, name="alertmanager.yml")]
    }
    replayed = {id: replay(entries, configurations) for id, entries in stored.entries.items()}
    total = Tally()
    for id, group in replayed.items():
        head = group.state.head
        assert head is not None
        # Which tick is under way is changed by decisions that have no entry.
        kept = replace(stored.heads[id], armed_at=head.armed_at, revision=head.revision)
        assert kept == head
        assert stored.members.get(id, {}) == group.state.members
        assert stored.logs.get(id, {}) == group.state.logs
        total = add(total, group.tally)
    assert stored.heads.keys() == replayed.keys()
    counted = {name: stored.ledger.get(name, 0) for name in ("folded", *_TOLD)}
    assert counted == {name: getattr(total, name) for name in counted}
    return replayed
