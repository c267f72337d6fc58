"""Partition: how one group's documents look in its logical partition, and what was read of them for a decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.cosmos.client import Item
from adapters.cosmos.containers import DAY
from adapters.cosmos.renewals import MOST_CHARACTERS, Renewals, renewal_in
from adapters.documents import embed, embed_head, extract, kind_of
from adapters.telemetry import carry
from domain.alerts import TOMBSTONE_RETENTION
from domain.groups import Cost, Decision, GroupState, Head, Member, Outgone, Tally
from domain.inhibition import SourceKey, Sources
from domain.labels import Fingerprint
from domain.notifications import NotificationLog
from domain.routing import GroupId

ENTRY_TTL = 2 * DAY
"""Log entries stay in the group's own partition so long; `history` has them longer (rule 13 of the design)."""

INCIDENT_TTL = 400 * DAY
"""From its end on."""

TOMBSTONE_TTL = int(TOMBSTONE_RETENTION.total_seconds()) + DAY
"""A tombstone is hidden when its time is over, and deleted by the service some time after."""

GONE_TTL = DAY
"""A forgotten member leaves a mark for the live view, since the change feed shows no deletes."""

HEAD = "head"


def member_id(name: Fingerprint) -> str:
    """The id of the document that holds the member."""
    return f"m-{name}"


def log_id(integration: int) -> str:
    """The id of the document that holds the notification log."""
    return f"l-{integration}"


def outbox_id(key: str) -> str:
    """The id of the document that holds one thing of the outbox."""
    return f"o-{key}"


def incident_place(incident_id: str) -> tuple[GroupId, str] | None:
    """The partition and the id of an incident's document; None for what cannot be an incident's id."""
    group, dash, number = incident_id.rpartition("-")
    return (GroupId(group), f"i-{number}") if dash and group and number.isascii() and number.isdigit() else None


@dataclass(frozen=True, slots=True)
class Write:
    """One document to be written with a commit, and what must hold for it."""

    item: Item
    etag: str = ""
    """What it must still be; empty: see `is_new`."""
    is_new: bool = False
    """Whether none of that id may be there; else it takes the place of whatever is."""


@dataclass(slots=True)
class Loaded:
    """What was read of one group: its documents by id, and for which ids it is known that there is none."""

    group_id: GroupId
    items: dict[str, Item] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    has_logs: bool = False
    is_complete: bool = False
    is_snapshot: bool = True
    """Whether everything was read at one instant."""
    sources: dict[SourceKey, Sources] = field(default_factory=dict)
    members: dict[Fingerprint, Member] = field(default_factory=dict)
    """As the decision was last shown them."""

    @property
    def head(self) -> Item | None:
        """The head's document."""
        return self.items.get(HEAD)

    def take(self, items: Iterable[Item]) -> None:
        """Add what was read."""
        self.items.update((item["id"], item) for item in items)

    def state(self, forgotten_before: datetime) -> GroupState:
        """What the decision is shown; tombstones from before that instant are not there any more."""
        if self.head is None:
            return GroupState(None, {}, None, is_complete=True, sources=self.sources)
        renewals = Renewals.of(self.head)
        members: dict[Fingerprint, Member] = {}
        logs: dict[int, NotificationLog] = {}
        for item in self.items.values():
            if item["type"] == "member":
                if (member := read_member(item, forgotten_before, renewals)) is not None:
                    members[member.alert.fingerprint] = member
            elif item["type"] == "log":
                log = extract(NotificationLog, item["body"])
                logs[log.integration] = log
        head = extract(Head, self.head["body"])
        self.members = dict(members)
        return GroupState(head, members, logs if self.has_logs else None, self.is_complete, self.sources)

    def write(self, item: Item) -> Write:
        """How this document must be written, given what was read."""
        known = self.items.get(item["id"])
        if known is not None:
            return Write(item, etag=known["_etag"])
        return Write(item, is_new=self.has_asked(item["id"]) or (self.has_logs and item["type"] == "log"))

    def has_asked(self, id: str) -> bool:
        """Whether a member's document of that id would have been read if there were one."""
        return self.is_complete or id in self.asked

    def slot(self, name: Fingerprint) -> int | None:
        """The slot that the member's document has; None where it has none, or was not read."""
        item = self.items.get(member_id(name))
        return item.get("slot") if item else None


def read_member(item: Item, forgotten_before: datetime, renewals: Renewals) -> Member | None:
    """The member in this document, with what the head knows better; None for one that is forgotten."""
    if item.get("is_gone") or (
        item.get("dropped_at") is not None and item["dropped_at"] < forgotten_before.timestamp()
    ):
        return None
    return renewals.over(extract(Member, item["body"]), item.get("slot"))


def writes_of(
    loaded: Loaded, head: Head, decision: Decision, operation: str, at: float, spent: Cost
) -> tuple[Item, list[Write], list[Outgone]]:
    """The documents that a decision makes: the new head, everything else, and what of it is to be sent.

    `spent` is what the group has cost since its last commit.
    """
    group_id = loaded.group_id
    before: Mapping[str, Any] = loaded.head or {"commit": 0, "tally": {}, "entry_at": None}
    commit = before["commit"] + 1
    cost = _cost_after(before.get("cost"), head, spent, len(decision.outbox))
    renewals, writes = _member_writes(loaded, decision)
    if len(renewals) > MOST_CHARACTERS:
        renewals, writes = _member_writes(loaded, decision, may_renew=False)
    writes += [
        loaded.write({"id": log_id(log.integration), "group": group_id, "type": "log", "body": embed(log)})
        for log in decision.logs
    ]
    if (incident := decision.incident) is not None:
        item = {"id": f"i-{incident.id.rpartition('-')[2]}", "group": group_id, "type": "incident", "commit": commit}
        ttl = {"ttl": INCIDENT_TTL} if incident.resolved_at else {}
        writes.append(Write({**item, **ttl, "cost": cost, "body": embed(incident)}))
    tally = before["tally"]
    entry_at = before["entry_at"]
    if (entry := decision.entry) is not None:
        item = {"id": f"e-{commit:010d}", "group": group_id, "type": "entry", "number": commit, "ttl": ENTRY_TTL}
        place = {"at": entry.at.timestamp(), "previous_at": entry_at, "incident": entry.incident}
        writes.append(Write({**item, **place, "body": embed(entry)}, is_new=True))
        entry_at = entry.at.timestamp()
        tally = _added(tally, entry.tally)
    outbox: list[Outgone] = []
    trace = {"trace": carried} if decision.outbox and (carried := carry()) else {}
    for number, outgoing in enumerate(decision.outbox):
        key = f"{commit}-{number}"
        outbox.append(Outgone(group_id, key, outgoing))
        item = {"id": outbox_id(key), "group": group_id, "type": "outbox", "group_id": group_id, "key": key, "at": at}
        item |= trace
        writes.append(Write({**item, "kind": kind_of(outgoing), "outgoing": embed(outgoing)}, is_new=True))
    new_head = {
        "id": HEAD,
        "group": group_id,
        "type": "head",
        "is_live": head.is_live,
        "commit": commit,
        "operation": operation,
        "entry_at": entry_at,
        "tally": tally,
        "cost": cost,
        "renewals": renewals,
        "body": embed_head(head),
    }
    if head.next_due_at is not None:
        new_head["due_at"] = head.next_due_at.timestamp()
    return new_head, writes, outbox


def _member_writes(loaded: Loaded, decision: Decision, *, may_renew: bool = True) -> tuple[str, list[Write]]:
    """The renewals that the new head holds, and the documents of the members that are more than renewed."""
    renewals = Renewals.of(loaded.head)
    writes: list[Write] = []
    freed: list[int] = []
    for member in decision.members:
        name = member.alert.fingerprint
        slot, known = loaded.slot(name), loaded.members.get(name)
        if slot is not None and known is not None and may_renew and (renewal := renewal_in(known, member)) is not None:
            renewals.renew(slot, renewal)
            continue
        if slot is not None:
            renewals.clear(slot)
            if member.dropped_at is not None:
                freed.append(slot)
        elif member.dropped_at is None and loaded.has_asked(member_id(name)):
            slot = renewals.take_slot()
        writes.append(loaded.write(_member_item(loaded.group_id, member, slot)))
    for name in decision.forgotten:
        if (slot := loaded.slot(name)) is not None:
            freed.append(slot)
        writes.append(loaded.write(_gone_item(loaded.group_id, name)))
    # Not before all have theirs: where a large commit is carried out in parts, a slot has one member at a time.
    for slot in freed:
        renewals.free(slot)
    return renewals.pack(), writes


def _member_item(group_id: GroupId, member: Member, slot: int | None) -> Item:
    name = member.alert.fingerprint
    item = {"id": member_id(name), "group": group_id, "type": "member", "fingerprint": name, "body": embed(member)}
    if slot is not None and member.dropped_at is None:
        item["slot"] = slot
    if member.dropped_at is not None:
        item |= {"dropped_at": member.dropped_at.timestamp(), "ttl": TOMBSTONE_TTL}
    return item


def _gone_item(group_id: GroupId, name: Fingerprint) -> Item:
    return {"id": member_id(name), "group": group_id, "type": "member", "is_gone": True, "ttl": GONE_TTL}


def cost_in(item: Item) -> Cost:
    """What the head's or the incident's document says of it."""
    return msgspec.convert(item["cost"]["spent"], Cost)


def _cost_after(before: Mapping[str, Any] | None, head: Head, spent: Cost, messages: int) -> dict[str, Any]:
    """Of the incident that is open, or of the last one: what comes after its end belongs to it."""
    incident = head.incident.id if head.incident else (before or {}).get("incident", "")
    known = before["spent"] if before and before["incident"] in ("", incident) else {}
    total = {name: count + known.get(name, 0) for name, count in msgspec.to_builtins(spent).items()}
    total["messages"] += messages
    total["request_units"] = round(total["request_units"], 2)
    return {"incident": incident, "spent": total}


def _added(tally: Mapping[str, int], added: Tally) -> dict[str, int]:
    counts: dict[str, int] = msgspec.to_builtins(added)
    return {name: tally.get(name, 0) + count for name, count in counts.items()}


def ids(names: Collection[Fingerprint]) -> Sequence[str]:
    """The ids of these members' documents."""
    return [member_id(name) for name in names]


def day_of(at: float) -> str:
    """The day of an entry in `history`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def forgotten_before(now: datetime) -> datetime:
    """Tombstones from before that instant count for nothing."""
    return now - TOMBSTONE_RETENTION
