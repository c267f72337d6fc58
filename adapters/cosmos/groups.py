"""Implements `GroupStore` on Cosmos DB: one logical partition for a group, its head's etag against lost races."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any
from weakref import WeakValueDictionary

from adapters.cosmos.client import ConflictError, Cosmos, Item
from adapters.cosmos.committing import commit, redo
from adapters.cosmos.containers import GROUPS
from adapters.cosmos.copies import Copies
from adapters.cosmos.history import History
from adapters.cosmos.leases import CosmosPlaces
from adapters.cosmos.metering import Bill, billed
from adapters.cosmos.partition import (
    HEAD,
    Loaded,
    cost_in,
    forgotten_before,
    ids,
    incident_place,
    outbox_id,
    read_member,
    writes_of,
)
from adapters.cosmos.renewals import Renewals
from adapters.cosmos.repeating import repeat
from adapters.cosmos.view import LiveView
from adapters.documents import extract
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
from domain.inhibition import SourceStore
from domain.labels import Fingerprint
from domain.routing import GroupId

log = logging.getLogger("tocsin.cosmos")

GROUPS_AT_ONCE = 16
"""Of one call, so many are folded side by side: each is two round trips."""

HEADS_REMEMBERED = 5_000

FEW_GROUPS = 3
"""The members of so many groups are read; those of more are in the live view, for less."""

TURN_SECONDS = 30.0
"""So long an event waits for those of its group that this process is folding."""

WHOLE = "SELECT * FROM c WHERE c.type IN ('head', 'member', 'log')"
OVERDUE = 'SELECT c["group"], c.due_at FROM c WHERE c.type = "head" AND c.due_at < @before'
HOLDING = 'SELECT c["group"], c.dropped_at FROM c WHERE c.fingerprint = @name'
TALLIES = "SELECT VALUE c.tally FROM c WHERE c.type = 'head'"
COSTS = "SELECT c.id, c.cost FROM c WHERE c.id IN ('head', @id)"
DROPPED = 'SELECT VALUE c["group"] FROM c WHERE c.type = "member" AND c.dropped_at >= @since'
MEMBERS = "SELECT * FROM c WHERE c.type = 'member' AND NOT IS_DEFINED(c.dropped_at)"


class CosmosGroupStore:
    """A fold is two round trips: one query for the head and the members that are named, and one batch."""

    def __init__(self, cosmos: Cosmos, sources: SourceStore, clock: Callable[[], datetime]) -> None:
        self._groups = cosmos.container(GROUPS)
        self._history = History(cosmos)
        self.places = CosmosPlaces(cosmos)
        """Where the dev host's readers of the change feed go on."""
        self._view = LiveView(self._groups, Copies(cosmos), clock)
        self._sources = sources
        self._clock = clock
        self._heads: dict[GroupId, Head] = {}
        """As this process last wrote them: a guess at what a decision will want, never what it is made on."""
        self._owed: dict[GroupId, Cost] = {}
        self._turns: WeakValueDictionary[GroupId, asyncio.Lock] = WeakValueDictionary()
        self._forgotten_before: datetime | None = None

    # --- deciding ---------------------------------------------------------------------------------------------------

    async def transact(self, transactions: Sequence[Transaction]) -> Sequence[Outgone]:
        of_group: dict[GroupId, list[tuple[int, Transaction]]] = {}
        for place, transaction in enumerate(transactions):
            of_group.setdefault(transaction.group_id, []).append((place, transaction))
        left: list[Sequence[Outgone]] = [()] * len(transactions)
        at_once = asyncio.Semaphore(GROUPS_AT_ONCE)

        async def fold(own: list[tuple[int, Transaction]]) -> None:
            async with at_once, self._turn(own[0][1].group_id):
                for place, transaction in own:
                    with billed() as bill:
                        left[place] = await self._transact(transaction, bill)
                    self._owe(transaction.group_id, bill)

        results = await asyncio.gather(*map(fold, of_group.values()), return_exceptions=True)
        _raise_first([result for result in results if result is not None])
        return [outgone for part in left for outgone in part]

    @asynccontextmanager
    async def _turn(self, group_id: GroupId) -> AsyncGenerator[None]:
        """One at a time of this process: alerts, tick and result of one group would overtake each other for nothing."""
        turn = self._turns.setdefault(group_id, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await turn.acquire()
        except TimeoutError as error:
            raise UnavailableError(f"the store is slow: other events of group {group_id} are under way") from error
        try:
            yield
        finally:
            turn.release()

    async def _transact(self, transaction: Transaction, bill: Bill) -> Sequence[Outgone]:
        unsure: dict[str, Sequence[Outgone]] = {}

        async def attempt() -> Sequence[Outgone]:
            # A guess that led into a lost race is not made again.
            last = self._heads.pop(transaction.group_id, None)
            loaded = await self._load(transaction, last)
            if loaded.head is not None and loaded.head["operation"] in unsure:
                return unsure[loaded.head["operation"]]  # our own write, the answer to which was lost
            decision = await self._decide(transaction, loaded)
            if decision.head is None:
                await self._check_as_read(loaded)
                if last is not None:
                    self._remember(last)
                return ()
            operation = uuid.uuid4().hex
            at = self._clock().timestamp()
            owed = self._owed.pop(transaction.group_id, Cost())
            spent, bill.request_units, bill.operations, bill.bytes = _cost(owed, bill), 0.0, 0, 0
            head, writes, outbox = writes_of(loaded, decision.head, decision, operation, at, spent)
            unsure[operation] = outbox
            await commit(self._groups, loaded.group_id, loaded.head, head, writes)
            self._remember(decision.head)
            return outbox

        return await repeat(f"group {transaction.group_id}", attempt)

    async def _decide(self, transaction: Transaction, loaded: Loaded) -> Decision:
        while isinstance(answer := transaction.decide(loaded.state(self._before())), Wanted):
            await self._load_wanted(loaded, answer)
        return answer

    async def _load(self, transaction: Transaction, last: Head | None = None) -> Loaded:
        """The head and the named members; everything at once where the last head written here says it is wanted."""
        loaded = Loaded(transaction.group_id)
        if transaction.names:
            await self._load_ids(loaded, ids(transaction.names))
        elif last and isinstance(guess := transaction.decide(GroupState(last, {}, None, is_complete=False)), Wanted):
            await self._load_wanted(loaded, guess)
        else:
            head = await self._groups.read(HEAD, transaction.group_id)
            loaded.take([head] if head else [])
        if loaded.head is None:
            loaded.is_complete = True
        elif "redo" in loaded.head:
            await redo(self._groups, loaded.head)
            return await self._load(transaction)
        return loaded

    async def _load_wanted(self, loaded: Loaded, wanted: Wanted) -> None:
        """Add what is wanted.

        Raises:
            ConflictError: The group was written in between: what is loaded belongs to an older head.
        """
        _, sources = await asyncio.gather(self._load_documents(loaded, wanted), self._load_sources(wanted))
        loaded.sources = {**loaded.sources, **sources}

    async def _load_sources(self, wanted: Wanted) -> Mapping[Any, Any]:
        return await self._sources.get_sources(wanted.sources) if wanted.sources else {}

    async def _load_documents(self, loaded: Loaded, wanted: Wanted) -> None:
        if loaded.is_complete and loaded.has_logs:
            return
        if wanted.members is None:
            items, pages = await self._groups.query(WHOLE, loaded.group_id)
            self._take(loaded, items, pages)
            loaded.has_logs = loaded.is_complete = True
        else:
            asked = [id for id in ids(wanted.members) if id not in loaded.asked]
            await self._load_ids(loaded, asked, with_logs=True)

    async def _load_ids(self, loaded: Loaded, asked: Sequence[str], *, with_logs: bool = False) -> None:
        names = {f"i{number}": id for number, id in enumerate([HEAD, *asked])}
        text = f"SELECT * FROM c WHERE c.id IN ({', '.join(f'@{name}' for name in names)})"
        if with_logs:
            text += " OR c.type = 'log'"
        items, pages = await self._groups.query(text, loaded.group_id, **names)
        self._take(loaded, items, pages)
        loaded.asked.update(asked)
        loaded.has_logs |= with_logs

    @staticmethod
    def _take(loaded: Loaded, items: Sequence[Item], pages: int) -> None:
        head = next((item for item in items if item["id"] == HEAD), None)
        if loaded.head is not None and (head is None or head["_etag"] != loaded.head["_etag"]):
            raise ConflictError(f"group {loaded.group_id} was written while it was read")
        loaded.take(items)
        loaded.is_snapshot &= pages <= 1

    async def _check_as_read(self, loaded: Loaded) -> None:
        """Whether a decision to write nothing was made on one state: what came in several pages may be of two.

        Raises:
            ConflictError: It may have been.
        """
        if not loaded.is_snapshot and loaded.head is not None:
            head = await self._groups.read(HEAD, loaded.group_id)
            if head is None or head["_etag"] != loaded.head["_etag"]:
                raise ConflictError(f"group {loaded.group_id} was written while it was read")

    def _owe(self, group_id: GroupId, bill: Bill) -> None:
        """What was spent and not yet written down goes with the group's next commit."""
        self._owed[group_id] = _cost(self._owed.pop(group_id, Cost()), bill)
        if len(self._owed) > HEADS_REMEMBERED:
            del self._owed[next(iter(self._owed))]

    def _remember(self, head: Head) -> None:
        self._heads.pop(head.id, None)
        self._heads[head.id] = head
        if len(self._heads) > HEADS_REMEMBERED:
            del self._heads[next(iter(self._heads))]

    def _before(self) -> datetime:
        before = forgotten_before(self._clock())
        return before if self._forgotten_before is None else max(before, self._forgotten_before)

    # --- the outbox -------------------------------------------------------------------------------------------------

    async def clear_outbox(self, sent: Sequence[Outgone]) -> None:
        by_group = groupby(sorted(sent, key=lambda outgone: outgone.group_id), lambda outgone: outgone.group_id)
        await asyncio.gather(*[self._clear(group_id, [each.key for each in own]) for group_id, own in by_group])

    async def _clear(self, group_id: GroupId, keys: Sequence[str]) -> None:
        with billed() as bill:
            await self._delete(group_id, keys)
        self._owe(group_id, bill)

    async def _delete(self, group_id: GroupId, keys: Sequence[str]) -> None:
        try:
            if len(keys) > 1:
                try:
                    await self._groups.batch(group_id, [("delete", (outbox_id(key),), {}) for key in keys[:100]])
                    keys = keys[100:]
                except ConflictError:
                    pass  # one is gone already, so none was deleted: one by one, then
            for key in keys:
                await self._groups.delete(outbox_id(key), group_id)
        except UnavailableError as error:
            # What stays is relayed by the feed, and sent twice.
            log.warning("the outbox of group %s could not be cleared: %s", group_id, error)

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        return await self._groups.read(outbox_id(key), group_id) is not None

    async def changes(self, after: str, *, limit: int) -> tuple[list[Item], str]:
        """The change feed of all groups, for the dev host; on Azure the platform reads it."""
        return await self._groups.changes(after, most=limit)

    # --- all groups -------------------------------------------------------------------------------------------------

    async def list_overdue(self, before: datetime, *, limit: int) -> Sequence[GroupId]:
        found: list[tuple[float, GroupId]] = []
        async for page in self._groups.pages(OVERDUE, before=before.timestamp()):
            found += [(item["due_at"], GroupId(item["group"])) for item in page]
        return [group_id for _, group_id in sorted(found)[:limit]]

    async def list_heads(self, *, after: GroupId | None = None, limit: int = 1000) -> Sequence[Head]:
        # A further page is of the same view: asked again for each, it would cost a round trip a thousand groups.
        if after is None:
            await self._view.refresh()
        return self._view.heads(after, limit)

    async def list_members(self, group_ids: Collection[GroupId] | None = None) -> Sequence[tuple[GroupId, Member]]:
        if group_ids is not None and len(group_ids) <= FEW_GROUPS:
            found = await asyncio.gather(*[self._present(group_id) for group_id in group_ids])
            return [pair for members in found for pair in members]
        await self._view.refresh()
        everyone = await self._view.members()
        if group_ids is None:
            return everyone
        wanted = set(group_ids)
        return [pair for pair in everyone if pair[0] in wanted]

    async def _present(self, group_id: GroupId) -> Sequence[tuple[GroupId, Member]]:
        # The head first: a document that is newer than it needs none of its renewals, but an older one would miss some.
        renewals = Renewals.of(await self._groups.read(HEAD, group_id))
        items, _ = await self._groups.query(MEMBERS, group_id)
        members = [read_member(item, self._before(), renewals) for item in items]
        return [(group_id, member) for member in members if member is not None]

    async def list_dropped(self, since: datetime) -> Collection[GroupId]:
        pages = self._groups.pages(DROPPED, since=since.timestamp())
        return {GroupId(group_id) async for page in pages for group_id in page}

    async def has_folded(self, marks: Mapping[tuple[GroupId, str], int]) -> bool:
        """Whether each of these groups has folded that door's event of that number, or a later one."""
        await self._view.refresh()
        return all(self._view.folded(group_id, door) >= number for (group_id, door), number in marks.items())

    async def find_groups(self, fingerprint: Fingerprint) -> Sequence[GroupId]:
        held: list[tuple[bool, GroupId]] = []
        async for page in self._groups.pages(HOLDING, name=fingerprint):
            held += [(item.get("dropped_at") is not None, GroupId(item["group"])) for item in page]
        named = await self._history.groups_naming(fingerprint)
        return list(dict.fromkeys([*(group_id for _, group_id in sorted(held)), *named]))

    async def forget(self, now: datetime) -> None:
        """Hidden from now on; the service deletes them by their `ttl`."""
        self._forgotten_before = forgotten_before(now)

    async def tally(self) -> Tally:
        counts = Tally()
        async for page in self._groups.pages(TALLIES):
            for tally in page:
                counts = Tally(**{name: getattr(counts, name) + count for name, count in tally.items()})
        return counts

    # --- incidents and entries --------------------------------------------------------------------------------------

    async def get_incident(self, incident_id: str) -> Incident:
        place = incident_place(incident_id)
        item = await self._groups.read(place[1], place[0]) if place else None
        if item is None:
            raise NotFoundError(f"no incident {incident_id!r}")
        return extract(Incident, item["body"])

    async def get_cost(self, incident_id: str) -> Cost | None:
        place = incident_place(incident_id)
        items = (await self._groups.query(COSTS, place[0], id=place[1]))[0] if place else []
        if all(item["id"] == HEAD for item in items):
            raise NotFoundError(f"no incident {incident_id!r}")
        # The head's is newer, if it is still about this incident.
        items.sort(key=lambda item: item["id"] != HEAD)
        return cost_in(next(item for item in items if item["id"] != HEAD or item["cost"]["incident"] == incident_id))

    async def list_incidents(self, *, before: str | None = None, limit: int = 100) -> Sequence[Incident]:
        last: Incident | None = None
        if before is not None:
            try:
                last = await self.get_incident(before)
            except NotFoundError:
                return []
        return await self._history.incidents(last, self._clock(), limit)

    async def list_entries(
        self, group_id: GroupId, *, incident: str | None = None, limit: int = 1000
    ) -> Sequence[LogEntry]:
        entries: list[LogEntry] = []
        async for item in self._history.back(self._groups, group_id):
            if len(entries) == limit:
                break
            if incident is None or item["incident"] == incident:
                entries.append(entry := extract(LogEntry, item["body"]))
                if incident is not None and entry.opens(incident):
                    break
        return entries[::-1]

    async def walk_entries(self, group_id: GroupId) -> AsyncGenerator[LogEntry]:
        async for item in self._history.back(self._groups, group_id):
            yield extract(LogEntry, item["body"])


def _cost(owed: Cost, bill: Bill) -> Cost:
    return replace(
        owed,
        request_units=owed.request_units + bill.request_units,
        operations=owed.operations + bill.operations,
        bytes=owed.bytes + bill.bytes,
    )


def _raise_first(errors: Sequence[BaseException]) -> None:
    """What the caller must know: that trying again helps, before that something can never be accepted."""
    for error in sorted(errors, key=lambda error: not isinstance(error, UnavailableError)):
        raise error
