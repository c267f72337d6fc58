"""The group store on Cosmos DB over the wire: what it costs, what it survives, and how much it may write at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.cosmos import view
from adapters.cosmos.client import Cosmos
from adapters.cosmos.containers import GROUPS, PAYLOADS
from adapters.cosmos.groups import CosmosGroupStore
from adapters.cosmos.history import History
from adapters.documents import encode
from adapters.memory.sources import MemorySourceStore
from domain.errors import UnavailableError
from domain.groups import Decision, GroupState, Member, Outgone, Tally, Transaction, Wanted
from domain.labels import Fingerprint
from tests.builders import MINUTE, NOON, alert, delivery, entry, group_id, head, incident, member, tick
from tests.contract.conftest import Clock
from tests.cosmos_database import Database, cosmos_database
from tests.standins.cosmos import Fault, Kind

GROUP = group_id(1)


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    async with cosmos_database(partitions=3) as database:
        yield database


def open_store(cosmos: Cosmos) -> CosmosGroupStore:
    return CosmosGroupStore(cosmos, MemorySourceStore(), lambda: NOON)


@pytest.fixture
def store(database: Database) -> CosmosGroupStore:
    return open_store(database.connect())


@pytest.fixture
def other(database: Database) -> CosmosGroupStore:
    """Another instance of the app."""
    return open_store(database.connect())


def members(number: int, **changes: Any) -> list[Member]:
    return [member(alert(instance=f"host-{each}"), **changes) for each in range(number)]


def names(of: Sequence[Member]) -> list[Fingerprint]:
    return [one.alert.fingerprint for one in of]


def count(state: GroupState) -> Decision:
    """Adds one to the revision, so that a decision which is written twice shows."""
    before = state.head or head(revision=0)
    revision = before.revision + 1
    said = entry(revision=revision, tally=Tally(folded=1))
    return Decision(replace(before, revision=revision), entry=said, outbox=[tick()])


async def write(store: CosmosGroupStore, decision: Decision, named: Sequence[Fingerprint] = ()) -> Sequence[Outgone]:
    return await store.transact([Transaction(GROUP, lambda state: decision, named)])


async def read(store: CosmosGroupStore) -> GroupState:
    seen: list[GroupState] = []

    def look(state: GroupState) -> Decision | Wanted:
        seen.append(state)
        return Wanted() if state.logs is None and state.head is not None else Decision()

    await store.transact([Transaction(GROUP, look)])
    return seen[-1]


def operations(database: Database) -> list[str]:
    """What was asked of the items since the log was cleared, without what a client asks once."""
    once = ("account", "read-container", "ranges")
    return [call.operation for call in database.server.calls if call.operation not in once]


class TestCost:
    async def test_a_batch_of_new_alerts_is_two_round_trips(self, database: Database, store: CosmosGroupStore) -> None:
        await write(store, Decision(head(2)))  # whatever a client asks once
        for present in (64, 128):
            fresh = members(present)[-64:]
            database.server.calls.clear()
            decision = Decision(head(present=present), fresh, entry=entry(revision=present), outbox=[tick()])
            sent = await write(store, decision, names(fresh))
            assert operations(database) == ["query", "batch"]
            database.server.calls.clear()
            await store.clear_outbox(sent)
            assert operations(database) == ["batch"]

    async def test_a_flush_is_one_read_and_one_batch(self, database: Database, store: CosmosGroupStore) -> None:
        await write(store, Decision(head(present=10), members(10)))

        def flush(state: GroupState) -> Decision | Wanted:
            if not state.is_complete:
                return Wanted()
            assert len(state.members) == 10
            return Decision(state.head, outbox=[delivery(), tick()])

        database.server.calls.clear()
        await store.transact([Transaction(GROUP, flush)])
        assert operations(database) == ["query", "batch"]

    async def test_no_news_from_an_instance_that_knows_the_group_is_one_point_read(
        self, database: Database, store: CosmosGroupStore
    ) -> None:
        await write(store, Decision(head()))
        database.server.calls.clear()
        await write(store, Decision())
        assert operations(database) == ["read"]

    async def test_listing_costs_what_has_changed(self, database: Database, store: CosmosGroupStore) -> None:
        for number in range(20):
            own = members(90)
            await store.transact([Transaction(group_id(number), _always(Decision(head(number, present=90), own)))])
        assert len(await store.list_members()) == 1800
        database.server.calls.clear()
        assert len(await store.list_members()) == 1800
        quiet = database.server.calls.charge()
        changed = members(64, occurrence=2)
        await write(store, Decision(head(present=90, revision=2), changed), names(changed))
        database.server.calls.clear()
        listed = await store.list_members()
        assert sum(one.occurrence == 2 for _, one in listed) == 64
        assert quiet < 10
        assert database.server.calls.charge() < 200

    async def test_listing_a_minute_later_costs_no_log_entries_and_no_renewed_leases(self) -> None:
        clock = Clock()
        async with cosmos_database([GROUPS, PAYLOADS], partitions=3, clock=lambda: clock().timestamp()) as database:
            ours = CosmosGroupStore(database.connect(), MemorySourceStore(), clock)
            view = CosmosGroupStore(database.connect(), MemorySourceStore(), clock)
            own = members(60)
            for number in range(20):
                await _fold(ours, number, Decision(head(number, present=60), own))
            assert len(await view.list_members()) == 1200
            for is_steady in (False, True):
                clock.advance(MINUTE)
                at = clock()
                own = [
                    replace(one, alert=replace(one.alert, received_at=at, ends_at=at + 4 * MINUTE), leased_at=at)
                    for one in own
                ]
                for number in range(20):
                    for part in (own[:30], own[30:]):
                        await _fold(ours, number, Decision(head(number, present=60), part, entry=entry(number)))
                database.server.calls.clear()
                listed = await view.list_members()
                assert {one.alert.received_at for _, one in listed} == {at}
                # A unit for each head, 19 for three partitions; the entries and members alone would be 1,240.
                assert not is_steady or database.server.calls.charge() < 19 + 20
            clock.advance(MINUTE)
            database.server.calls.clear()
            await view.list_heads()
            assert database.server.calls.charge() < 19 + 20


def _always(decision: Decision) -> Any:
    return lambda state: decision


async def _fold(store: CosmosGroupStore, number: int, decision: Decision) -> None:
    await store.transact([Transaction(group_id(number), _always(decision), names(decision.members))])


class TestTrouble:
    @pytest.mark.parametrize(
        "kind",
        [
            Kind.THROTTLED,
            Kind.UNAVAILABLE,
            Kind.TIMED_OUT,
            Kind.RETRY_WITH,
            Kind.PRECONDITION_FAILED,
            Kind.CUT,
            Kind.LOST_REPLY,
        ],
    )
    @pytest.mark.parametrize("operation", ["read", "query", "batch"])
    async def test_whatever_goes_wrong_once_a_decision_is_written_once(
        self, database: Database, store: CosmosGroupStore, operation: str, kind: Kind
    ) -> None:
        await write(store, Decision(head(revision=1)))
        database.server.faults.add(Fault(kind, operation=operation, container="groups"))
        named = names(members(1)) if operation == "query" else ()
        sent: Sequence[Outgone] = ()
        for _ in range(3):
            try:
                sent = await store.transact([Transaction(GROUP, _once(count), named)])
            except UnavailableError:
                continue
            break
        state = await read(store)
        assert state.head is not None
        assert state.head.revision == 2
        assert await store.tally() == Tally(folded=1)
        assert len(sent) == 1

    async def test_an_answer_that_was_lost_is_recognised_and_its_outbox_sent(
        self, database: Database, store: CosmosGroupStore
    ) -> None:
        database.server.faults.add(Fault(Kind.LOST_REPLY, operation="batch", container="groups"))
        (outgone,) = await store.transact([Transaction(GROUP, count)])
        assert await store.has_outbox(GROUP, outgone.key)
        assert [one.revision for one in await store.list_entries(GROUP)] == [1]

    async def test_a_store_that_does_not_answer_is_unavailable(
        self, database: Database, store: CosmosGroupStore
    ) -> None:
        database.server.faults.add(Fault(Kind.UNAVAILABLE, times=None))
        with pytest.raises(UnavailableError, match="503"):
            await store.transact([Transaction(GROUP, count)])
        database.server.faults.clear()
        assert len(await store.transact([Transaction(GROUP, count)])) == 1

    async def test_two_instances_lose_no_update(self, store: CosmosGroupStore, other: CosmosGroupStore) -> None:
        await asyncio.gather(*(each.transact([Transaction(GROUP, count)]) for each in (store, other) * 4))
        state = await read(store)
        assert state.head is not None
        assert state.head.revision == 8
        assert await other.tally() == Tally(folded=8)


def _once(rule: Any) -> Any:
    """The rule, for which an event that is folded already is no news."""
    return lambda state: rule(state) if state.head is None or state.head.revision < 2 else Decision()


class TestLargeDecisions:
    async def test_what_no_batch_holds_is_written_whole(
        self, database: Database, store: CosmosGroupStore, other: CosmosGroupStore
    ) -> None:
        many = members(450)
        sent = await write(store, Decision(head(present=450), many, outbox=[tick(), delivery()]), names(many))
        assert [outgone.outgoing for outgone in sent] == [tick(), delivery()]
        assert len((await read(other)).members) == 450
        changed = [replace(one, is_firing=False) for one in many]
        await write(store, Decision(head(present=450, revision=2), changed), names(many))
        state = await read(other)
        assert {one.is_firing for one in state.members.values()} == {False}
        assert not [item async for page in _pages(database, "redo") for item in page]

    async def test_what_is_larger_than_a_request_is_split(self, store: CosmosGroupStore) -> None:
        long = [member(alert(instance=f"host-{each}", annotations={"text": _noise(each)})) for each in range(12)]
        await write(store, Decision(head(present=12), long), names(long))
        assert (await read(store)).members == dict(zip(names(long), long, strict=True))

    @pytest.mark.parametrize("fails_at", range(6))
    async def test_a_crash_between_two_parts_is_healed_by_whoever_comes_next(
        self, database: Database, store: CosmosGroupStore, other: CosmosGroupStore, fails_at: int
    ) -> None:
        many = members(300)
        await write(store, Decision(head(revision=1)))
        written = iter(range(100))
        # Every write to the groups counts; from that one on nothing gets through.
        database.server.faults.add(
            Fault(
                Kind.CUT,
                container="groups",
                times=None,
                matches=lambda call: call.operation in ("batch", "upsert") and next(written) >= fails_at,
            )
        )
        decision = Decision(head(present=300, revision=2), many, entry=entry(tally=Tally(folded=300)), outbox=[tick()])
        with pytest.raises(UnavailableError):
            await write(store, decision, names(many))
        database.server.faults.clear()
        state = await read(other)
        assert state.head is not None
        # All of it or nothing, and the head says which.
        assert (state.head.revision, len(state.members)) in {(1, 0), (2, 300)}
        assert (await other.tally()).folded == len(state.members)
        documents, _ = await other.changes("", limit=10_000)
        left = [document for document in documents if document["type"] == "outbox"]
        assert len(left) == (1 if state.members else 0)


async def _pages(database: Database, kind: str) -> AsyncIterator[list[Any]]:
    async for page in database.connect().container(GROUPS).pages("SELECT * FROM c WHERE c.type = @kind", kind=kind):
        yield page


def _noise(seed: int) -> str:
    """Some 200 kB that do not compress well."""
    from random import Random

    return Random(seed).randbytes(150_000).hex()


class TestOtherInstances:
    async def test_a_read_is_never_older_than_what_came_with_the_message(self) -> None:
        async with cosmos_database(lag=3) as database:
            ours, theirs = database.connect(), database.connect()
            await write(open_store(ours), Decision(head(revision=7)))
            # Without the sender's token a replica that lags behind has not heard of the group.
            assert (await read(open_store(theirs))).head is None
            theirs.causality.learn(ours.causality.stamp())
            assert (await read(open_store(theirs))).head == head(revision=7)

    async def test_what_another_instance_folded_is_listed(
        self, store: CosmosGroupStore, other: CosmosGroupStore
    ) -> None:
        (one,) = members(1)
        await write(store, Decision(head(), [one]))
        assert await other.list_members() == [(GROUP, one)]
        await write(store, Decision(head(revision=2, present=0), forgotten=names([one])))
        assert await other.list_members() == []
        await write(store, Decision(head(revision=3), [one]))
        await write(store, Decision(head(revision=4), [replace(one, dropped_at=NOON + MINUTE)]))
        assert await other.list_members() == []


class TestView:
    """What one instance lists while another folds, whether it looks at once or after a pause."""

    @pytest.mark.parametrize("pause", [timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=13)])
    @pytest.mark.parametrize("fails", ["", "query", "feed"])
    async def test_it_misses_nothing(self, pause: timedelta, fails: str) -> None:
        clock = Clock()
        async with cosmos_database([GROUPS, PAYLOADS], partitions=3, clock=lambda: clock().timestamp()) as database:
            ours = CosmosGroupStore(database.connect(), MemorySourceStore(), clock)
            view = CosmosGroupStore(database.connect(), MemorySourceStore(), clock)
            one, other, third = members(3)
            await _fold(ours, 1, Decision(head(present=2), [one, other]))
            await _fold(ours, 2, Decision(head(2), [one]))
            assert len(await view.list_members()) == 3
            # Just after it looked, and a while later.
            await _fold(ours, 1, Decision(head(present=2, revision=2), [replace(one, dropped_at=clock()), third]))
            clock.advance(pause)
            await _fold(ours, 2, Decision(head(2, present=0), forgotten=names([one])))
            await _fold(ours, 3, Decision(head(3), [one]))
            if fails:
                # The second time that it is asked, so that the reading has begun.
                asked = iter(range(100))
                database.server.faults.add(
                    Fault(
                        Kind.UNAVAILABLE,
                        operation=fails,
                        container="groups",
                        matches=lambda call: next(asked) == 1,
                    )
                )
                with contextlib.suppress(UnavailableError):
                    await view.list_members()
                database.server.faults.clear()
            listed = sorted((group, one.alert.labels["instance"]) for group, one in await view.list_members())
            assert listed == [(GROUP, "host-1"), (GROUP, "host-2"), (group_id(3), "host-0")]
            assert [known.id for known in await view.list_heads()] == [GROUP, group_id(3)]


class TestCopy:
    """What the view of one process leaves behind for another."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(view, "MANY", 100)

    @pytest.fixture
    async def azure(self) -> AsyncIterator[Copied]:
        clock = Clock()
        async with cosmos_database([GROUPS, PAYLOADS], partitions=3, clock=lambda: clock().timestamp()) as database:
            azure = Copied(database, clock, CosmosGroupStore(database.connect(), MemorySourceStore(), clock))
            for number in range(4):
                await _fold(azure.store, number, Decision(head(number, present=60), members(60)))
            await azure.pass_time()
            yield azure

    async def test_another_process_reads_it_and_what_was_written_since(self, azure: Copied) -> None:
        one, other, *rest = members(60)
        dear = await azure.list_anew()
        await azure.pass_time()
        at = azure.clock()
        rest = [replace(one, alert=replace(one.alert, received_at=at), leased_at=at) for one in rest]
        third = member(alert(instance="new"))
        changed = [replace(one, dropped_at=at), replace(other, is_firing=False), *rest, third]
        await _fold(azure.store, 1, Decision(head(1, present=60), changed))
        await _fold(azure.store, 2, Decision(head(2, present=50), forgotten=names(members(10))))
        await _fold(azure.store, 3, Decision(head(3, present=0)))
        await _fold(azure.store, 5, Decision(head(5), [one]))
        # What has hardly changed is not copied again.
        assert await azure.list_anew() < dear / 2
        assert azure.written() == 0
        heads = await azure.open().list_heads()
        assert [known.id for known in heads] == [group_id(number) for number in (0, 1, 2, 5)]

    async def test_it_is_replaced_when_much_has_changed(self, azure: Copied) -> None:
        await azure.list_anew()
        await azure.pass_time()
        await _fold(azure.store, 4, Decision(head(4, present=99), members(99)))
        await azure.pass_time()
        dear = await azure.list_anew()
        assert azure.written() == 2
        assert await azure.list_anew() < dear / 2
        assert azure.written() == 0

    async def test_one_that_is_too_old_is_not_read(self, azure: Copied) -> None:
        dear = await azure.list_anew()
        azure.clock.advance(timedelta(hours=13))
        assert await azure.list_anew() > dear * 0.9
        assert azure.written() == 2

    @pytest.mark.parametrize("change", [{"form": 0}, {"reference": "gone"}])
    async def test_one_that_cannot_be_read_is_none(self, azure: Copied, change: dict[str, Any]) -> None:
        dear = await azure.list_anew()
        payloads = azure.database.connect().container(PAYLOADS)
        newest = await payloads.read("live-view", "live-view")
        assert newest is not None
        await payloads.upsert({**newest, **change})
        assert await azure.list_anew() > dear * 0.9

    async def test_a_list_does_not_wait_for_one_that_cannot_be_written(self, azure: Copied) -> None:
        azure.database.server.faults.add(Fault(Kind.UNAVAILABLE, container="payloads", operation="upsert", times=None))
        await azure.list_anew()

    async def test_a_few_members_are_not_worth_one(self, azure: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(view, "MANY", 1000)
        await azure.list_anew()
        assert azure.written() == 0


@dataclass
class Copied:
    """A database, and the store that folds into it."""

    database: Database
    clock: Clock
    store: CosmosGroupStore

    def open(self) -> CosmosGroupStore:
        return CosmosGroupStore(self.database.connect(), MemorySourceStore(), self.clock)

    async def pass_time(self) -> None:
        """Until what was written before is not read a second time because clocks may differ."""
        self.clock.advance(MINUTE)
        await _fold(self.store, 0, Decision(head(0, present=60)))

    async def list_anew(self) -> float:
        """List by a process that begins: exactly what the groups themselves hold, and what reading it cost."""
        begun = self.open()
        self.database.server.calls.clear()
        listed = await begun.list_members()
        charge = sum(call.charge for call in self.database.server.calls if call.operation != "upsert")
        of_groups = await begun.list_members([group_id(number) for number in range(6)])
        assert sorted((group, encode(one)) for group, one in listed) == sorted(
            (group, encode(one)) for group, one in of_groups
        )
        assert len(listed) >= 100
        return charge

    def written(self) -> int:
        """How many items of copies were written when last listed."""
        return len([call for call in self.database.server.calls if call.operation == "upsert"])


class TestHistory:
    async def test_entries_and_incidents_are_read_on_when_the_group_no_longer_has_them(self) -> None:
        clock = Clock()
        async with cosmos_database(partitions=3, clock=lambda: clock().timestamp()) as database:
            cosmos = database.connect()
            store, history = CosmosGroupStore(cosmos, MemorySourceStore(), clock), History(cosmos)
            trail = []
            for day in range(4):
                trail += [entry(revision=2 * day + n, at=clock() + n * MINUTE, incident=incident().id) for n in (1, 2)]
                for one in trail[-2:]:
                    decision = Decision(head(revision=one.revision), entry=one, incident=incident())
                    await store.transact([Transaction(GROUP, _always(decision))])
                documents, _ = await store.changes("", limit=10_000)
                # The feed shows some twice, and in any order.
                for document in (*documents, *reversed(documents)):
                    await history.project(document)
                clock.advance(timedelta(days=1))
            assert await store.list_entries(GROUP) == trail
            assert await store.list_entries(GROUP, limit=5) == trail[-5:]
            assert [each async for each in store.walk_entries(GROUP)] == trail[::-1]
            clock.advance(timedelta(days=30))
            assert await store.list_entries(GROUP, incident=incident().id) == trail
            assert await store.list_incidents() == [incident()]

    async def test_a_projection_never_goes_back(self, database: Database, store: CosmosGroupStore) -> None:
        history = History(database.connect())
        shown = []
        for alerts in (1, 2):
            decision = Decision(head(revision=alerts), incident=incident(alerts=alerts))
            await store.transact([Transaction(GROUP, _always(decision))])
            documents, _ = await store.changes("", limit=10_000)
            shown += [document for document in documents if document["type"] == "incident"]
        for document in (*reversed(shown), *shown):
            await history.project(document)
        assert await store.list_incidents() == [incident(alerts=2)]
