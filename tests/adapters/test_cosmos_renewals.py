"""Renewals: a lease that moved is kept in the head, and whoever reads the member sees exactly what was decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import count
from random import Random
from typing import Any

import pytest

from adapters.cosmos import partition as partitions
from adapters.cosmos.client import BATCH_BYTES
from adapters.cosmos.committing import REDO_BYTES
from adapters.cosmos.containers import GROUPS, PAYLOADS
from adapters.cosmos.groups import CosmosGroupStore
from adapters.cosmos.renewals import MOST_CHARACTERS, Renewal, Renewals, renewal_in
from adapters.documents import embed, embed_head, encode, extract
from adapters.memory.groups import MemoryGroupStore
from adapters.memory.sources import MemorySourceStore
from domain.alerts import Alert
from domain.configuration.file import read_configuration
from domain.errors import RejectedError, UnavailableError
from domain.groups import Decision, Event, GroupState, Head, Member, Outgoing, Tick, Transaction, Wanted
from domain.incidents import decide
from domain.labels import Fingerprint
from domain.notifications import Delivery, Settled
from domain.situations import Situation
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, entry, group_id, head, incident, member, reported, tick
from tests.contract.conftest import Clock
from tests.cosmos_database import Database, cosmos_database
from tests.standins.cosmos import Fault, Kind

GROUP = group_id(1)
KOLKATA = timezone(timedelta(hours=5, minutes=30))

type Held = dict[Fingerprint, Member]


def name(of: Member) -> Fingerprint:
    return of.alert.fingerprint


def members(number: int, **changes: Any) -> list[Member]:
    return [member(alert(instance=f"host-{each}"), **changes) for each in range(number)]


def renewed(one: Member, by: timedelta = MINUTE, **changes: Any) -> Member:
    """The same, said once more so much later; `changes` are the alert's."""
    at = one.alert.received_at + by
    return replace(
        one, alert=replace(one.alert, **{"received_at": at, "ends_at": at + 4 * MINUTE, **changes}), leased_at=at
    )


def lease(number: int) -> Renewal:
    at = NOON + number * SECOND
    return Renewal(at, at + MINUTE, at, is_timeout=False, ends_text="")


class TestRenewal:
    def test_it_is_a_later_lease_and_nothing_else(self) -> None:
        known = member(alert(a="1", annotations={"text": "x"}))
        after = renewed(known)
        renewal = renewal_in(known, after)
        assert renewal is not None
        assert encode(renewal.over(known)) == encode(after)

    @pytest.mark.parametrize(
        "changes",
        [
            {"annotations": {"text": "y"}},
            {"starts_at": NOON - MINUTE},
            {"starts_at": NOON.astimezone(KOLKATA)},
            {"starts_text": "2026-11-22T12:00:00.000000001Z"},
            {"generator_url": "http://elsewhere"},
            {"labels": {"a": "1", "alertname": "DiskFull"}},
            {"origin": ("generic/key",)},
        ],
    )
    def test_what_changes_more_is_none(self, changes: dict[str, Any]) -> None:
        known = member(alert(a="1", annotations={"text": "x"}))
        assert renewal_in(known, renewed(known, **changes)) is None

    @pytest.mark.parametrize("changes", [{"is_firing": False}, {"occurrence": 2}, {"dropped_at": NOON}])
    def test_nor_what_changes_the_member(self, changes: dict[str, Any]) -> None:
        known = members(1)[0]
        assert renewal_in(known, replace(renewed(known), **changes)) is None

    def test_nor_what_is_not_newer(self) -> None:
        known = members(1)[0]
        assert renewal_in(known, renewed(known, 0 * MINUTE)) is None
        assert lease(0).over(known) is known


class TestRenewals:
    @pytest.mark.parametrize("different", [1, 5, 254, 255, 700])
    def test_they_are_unpacked_as_they_were(self, different: int) -> None:
        known = members(1)[0]
        renewals = Renewals()
        slots = [renewals.take_slot() for _ in range(1000)]
        for slot in slots[1:]:
            renewals.renew(slot, lease(1 + slot % different))
        unpacked = Renewals(renewals.pack())
        assert unpacked.over(known, slots[0]) is known
        assert unpacked.over(known, None) is unpacked.over(known, 1000) is known
        for slot in slots[1:]:
            assert unpacked.over(known, slot).leased_at == lease(1 + slot % different).leased_at
        assert unpacked.pack() == renewals.pack()

    def test_what_no_slot_has_is_not_kept(self) -> None:
        renewals = Renewals()
        slot = renewals.take_slot()
        sizes = set()
        for number in range(300):
            renewals.renew(slot, lease(number))
            renewals = Renewals(packed := renewals.pack())
            sizes.add(len(packed) // 40)
        assert len(sizes) <= 2

    def test_equal_instants_keep_their_offsets(self) -> None:
        renewals = Renewals()
        here, there = lease(1), lease(1)._replace(received_at=lease(1).received_at.astimezone(KOLKATA))
        for slot, renewal in enumerate((here, there)):
            renewals.renew(slot, renewal)
        unpacked, known = Renewals(renewals.pack()), members(1)[0]
        offsets = [unpacked.over(known, slot).alert.received_at.utcoffset() for slot in (0, 1)]
        assert offsets == [timedelta(0), KOLKATA.utcoffset(None)]

    def test_a_free_slot_is_taken_again(self) -> None:
        renewals = Renewals()
        assert [renewals.take_slot() for _ in range(3)] == [0, 1, 2]
        renewals.renew(1, lease(1))
        renewals.free(1)
        renewals = Renewals(renewals.pack())
        assert [renewals.take_slot() for _ in range(2)] == [1, 3]
        known = members(1)[0]
        assert renewals.over(known, 1) is known

    def test_nothing_is_left_of_a_group_that_is_empty(self) -> None:
        renewals = Renewals()
        renewals.renew(renewals.take_slot(), lease(1))
        renewals.free(0)
        assert renewals.pack() == ""

    def test_a_lease_takes_hardly_more_than_a_byte(self) -> None:
        renewals, random = Renewals(), Random(1)
        slots = list(range(6400))
        random.shuffle(slots)
        for place, slot in enumerate(slots):
            renewals.renew(slot, lease(place // 64))
        assert len(renewals.pack()) < 1.5 * 6400

    @pytest.mark.parametrize("packed", ["?", "AAAA", "eJwrBQAAdgB2"])
    def test_anything_else_is_rejected(self, packed: str) -> None:
        with pytest.raises(RejectedError):
            Renewals(packed)


class Home:
    """Two instances of the app over one database, with a clock that the service has too."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.store, self.other = self.open(), self.open()

    def open(self) -> CosmosGroupStore:
        return CosmosGroupStore(self.database.connect(), MemorySourceStore(), self.clock)

    async def write(self, decision: Decision, named: Collection[Fingerprint] | None = None) -> None:
        """Decide this, having seen the members that are named: those of the decision, if none are."""
        names = [name(one) for one in decision.members] if named is None else named
        assert decision.head is not None

        def decide(state: GroupState) -> Decision:
            assert decision.head is not None
            known = state.head.revision if state.head else 0
            return replace(decision, head=replace(decision.head, revision=known + 1))

        await self.store.transact([Transaction(GROUP, decide, names)])

    async def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """The group's, by their ids."""
        items, _ = await self.database.connect().container(GROUPS).query("SELECT * FROM c", GROUP)
        return {item["id"]: item for item in items}

    async def views(self, names: Sequence[Fingerprint]) -> list[tuple[str, Held]]:
        """The present members, by every way there is to read them."""
        held = {name(one): one for _, one in await self.other.list_members()}
        of_group = {name(one): one for _, one in await self.other.list_members([GROUP])}
        anew = {name(one): one for _, one in await self.open().list_members()}
        whole = _present(await states(self.other, wanted=Wanted()))
        by_name = _present(await states(self.other, names=names))
        return [("view", held), ("group", of_group), ("new view", anew), ("whole", whole), ("by name", by_name)]

    async def check(self, expected: Held) -> None:
        """All ways show exactly this, to the last byte."""
        for way, held in await self.views(list(expected)):
            assert {key: encode(one) for key, one in held.items()} == {
                key: encode(one) for key, one in expected.items()
            }, way


async def states(
    store: CosmosGroupStore, *, names: Sequence[Fingerprint] = (), wanted: Wanted | None = None
) -> GroupState:
    seen: list[GroupState] = []

    def look(state: GroupState) -> Decision | Wanted:
        seen.append(state)
        return wanted if wanted and len(seen) == 1 and state.head is not None else Decision()

    await store.transact([Transaction(GROUP, look, names)])
    return seen[-1]


def _present(state: GroupState) -> Held:
    return {key: one for key, one in state.members.items() if one.dropped_at is None}


@asynccontextmanager
async def open_home() -> AsyncIterator[Home]:
    clock = Clock()
    async with cosmos_database([GROUPS, PAYLOADS], partitions=3, clock=lambda: clock().timestamp()) as database:
        yield Home(database, clock)


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    async with open_home() as home:
        yield home


def by_name(of: Sequence[Member]) -> Held:
    return {name(one): one for one in of}


class TestStored:
    async def test_only_the_head_is_written(self, home: Home) -> None:
        own = members(64)
        await home.write(Decision(head(present=64), own))
        await home.check(by_name(own))
        before = await home.documents()
        home.database.server.calls.clear()
        after = [renewed(one, is_timeout=True, ends_text="text") for one in own]
        await home.write(Decision(head(present=64), after, entry=entry()))
        calls = [call for call in home.database.server.calls if call.operation in ("query", "batch")]
        assert [call.operations for call in calls] == [1, 2]
        documents = await home.documents()
        assert {id for id in documents if documents[id] != before.get(id)} == {"head", "e-0000000002"}
        await home.check(by_name(after))

    async def test_what_is_written_anyway_takes_its_lease_along(self, home: Home) -> None:
        own = members(3)
        await home.write(Decision(head(present=3), own))
        own = [renewed(one) for one in own]
        await home.write(Decision(head(present=3), own))
        own[0] = replace(own[0], is_firing=False)
        own[1] = replace(own[1], alert=replace(own[1].alert, annotations={"text": "new"}))
        await home.write(Decision(head(present=3), own[:2]))
        await home.check(by_name(own))
        own = [renewed(one) for one in own]
        await home.write(Decision(head(present=3), own))
        await home.check(by_name(own))

    async def test_an_older_report_written_later_stands(self, home: Home) -> None:
        (one,) = members(1)
        await home.write(Decision(head(), [one]))
        await home.write(Decision(head(), [renewed(one, 2 * MINUTE)]))
        await home.write(Decision(head(), [renewed(one)]))
        await home.check(by_name([renewed(one)]))

    async def test_one_that_is_dropped_gives_its_slot_to_another(self, home: Home) -> None:
        first, second, third = members(3)
        await home.write(Decision(head(present=2), [first, second]))
        await home.write(Decision(head(present=2), [renewed(first), renewed(second)]))
        await home.write(Decision(head(), [replace(renewed(first), dropped_at=NOON)]))
        await home.check(by_name([renewed(second)]))
        await home.write(Decision(head(present=2), [third]))
        assert (await home.documents())[partitions.member_id(name(third))]["slot"] == 0
        await home.check(by_name([renewed(second), third]))
        # And what comes back is another member of the head.
        await home.write(Decision(head(present=3), [first]))
        await home.check(by_name([first, renewed(second), third]))
        await home.write(Decision(head(), forgotten=[name(first), name(third)]), [name(first), name(third)])
        await home.check(by_name([renewed(second)]))

    async def test_documents_from_before_there_were_renewals_are_read(self, home: Home) -> None:
        own = members(2)
        await home.write(Decision(head(present=2), own))
        container = home.database.connect().container(GROUPS)
        for item in (await home.documents()).values():
            older = {key: value for key, value in item.items() if key[0] != "_" and key not in ("slot", "renewals")}
            await container.replace(older, item["_etag"])
        await home.check(by_name(own))
        for _ in range(2):
            own = [renewed(one) for one in own]
            await home.write(Decision(head(present=2), own))
            await home.check(by_name(own))
        assert {item["slot"] for item in (await home.documents()).values() if item["type"] == "member"} == {0, 1}

    async def test_what_the_head_cannot_hold_is_written_to_the_members(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(partitions, "MOST_CHARACTERS", 200)
        own = members(20)
        await home.write(Decision(head(present=20), own))
        for number in range(3):
            # An instant of its own for each, as if each had come in a request by itself.
            own = [renewed(one, MINUTE + (number + each) * SECOND) for each, one in enumerate(own)]
            await home.write(Decision(head(present=20), own[:3]))
            await home.write(Decision(head(present=20), own[3:]))
            await home.check(by_name(own))
            assert len((await home.documents())["head"]["renewals"]) <= 200

    @pytest.mark.parametrize("fails_at", range(6))
    async def test_a_large_commit_is_whole_or_nothing(self, home: Home, fails_at: int) -> None:
        own = members(300)
        await home.write(Decision(head(present=300), own))
        before = [renewed(one) for one in own]
        await home.write(Decision(head(present=300), before))
        # Some are renewed, some more than that, and some let go: too much for one batch.
        after = [renewed(one) for one in before]
        after[:150] = [replace(one, is_firing=False) for one in after[:150]]
        dropped = [replace(one, dropped_at=NOON) for one in after[150:180]]
        written = iter(count())
        home.database.server.faults.add(
            Fault(
                Kind.CUT,
                container="groups",
                times=None,
                matches=lambda call: call.operation in ("batch", "upsert") and next(written) >= fails_at,
            )
        )
        with suppress(UnavailableError):
            await home.write(Decision(head(present=270), [*after[:150], *dropped, *after[180:]]))
        home.database.server.faults.clear()
        revision = (await states(home.other)).head
        assert revision is not None
        await home.check(by_name(before) if revision.revision == 2 else by_name([*after[:150], *after[180:]]))

    async def test_while_a_large_commit_is_under_way_no_lease_is_older_than_before_it(self, home: Home) -> None:
        own = members(150)
        await home.write(Decision(head(present=150), own))
        own = [renewed(one) for one in own]
        await home.write(Decision(head(present=150), own))
        written = iter(count())
        home.database.server.faults.add(
            Fault(
                Kind.CUT,
                container="groups",
                times=None,
                # Two parts, the head that names them, and the first of them carried out.
                matches=lambda call: call.operation in ("batch", "upsert") and next(written) >= 4,
            )
        )
        after = [replace(renewed(one), is_firing=False) for one in own]
        with pytest.raises(UnavailableError):
            await home.write(Decision(head(present=150), after))
        home.database.server.faults.clear()
        assert "redo" in (await home.documents())["head"]
        held = await home.other.list_members()
        assert {encode(one) for _, one in held} <= {encode(one) for one in (*own, *after)}
        assert held == [(GROUP, one) for _, one in held]
        assert len({one.is_firing for _, one in held}) == 2


class TestAgainstAModel:
    @pytest.mark.parametrize("seed", range(3))
    async def test_whatever_is_written_is_what_is_read(self, seed: int) -> None:
        """Decisions at random, large and small, some cut short; the model is what was decided."""
        async with open_home() as home:
            await _play(home, Random(seed))


async def _play(home: Home, random: Random) -> None:
    expected: Held = {}
    known = members(140)
    await home.other.list_members()
    for _ in range(25):
        home.clock.advance(random.choice((SECOND, 20 * SECOND, 2 * MINUTE)))
        chosen = random.sample(known, random.choice((1, 5, 20, 130)))
        decided = {name(one): change(random, home.clock(), expected.get(name(one), one)) for one in chosen}
        forgotten = [key for key, one in decided.items() if one is None]
        written = [one for one in decided.values() if one is not None]
        if random.random() < 0.2:
            home.database.server.faults.add(Fault(Kind.LOST_REPLY, operation="batch", container="groups"))
        decision = Decision(head(present=1 + len(expected)), written, forgotten, entry=entry())
        await home.write(decision, [name(one) for one in chosen])
        for key, one in decided.items():
            if one is None or one.dropped_at is not None:
                expected.pop(key, None)
            else:
                expected[key] = one
        if random.random() < 0.4:
            await home.check(expected)
    await home.check(expected)


def change(random: Random, now: datetime, one: Member) -> Member | None:
    """Mostly renewed; else anything."""
    ways: list[tuple[int, Callable[[], Member | None]]] = [
        (12, lambda: renewed(one, now - one.alert.received_at + SECOND)),
        (1, lambda: renewed(one, now - one.alert.received_at, ends_at=now.astimezone(KOLKATA) + MINUTE)),
        (1, lambda: renewed(one, -SECOND)),
        (1, lambda: replace(one, is_firing=not one.is_firing)),
        (1, lambda: replace(one, dropped_at=now)),
        (1, lambda: renewed(one, annotations={"text": str(random.random())})),
        (1, lambda: None),
    ]
    (way,) = random.choices([way for _, way in ways], [weight for weight, _ in ways])
    return way()


class TestTheRules:
    @pytest.mark.parametrize("seed", range(2))
    async def test_they_decide_as_in_memory(self, seed: int) -> None:
        """The same events at the same instants: the same heads, members, entries and outbox, to the last byte."""
        async with open_home() as home:
            await _live(home, Random(seed))


async def _live(home: Home, random: Random) -> None:
    """Some hours of a group: alerts are sent again, end, come back; ticks and results are late or lost."""
    situation = Situation(read_configuration(CONFIGURATION, name="alertmanager.yml"), NOON - HOUR)
    memory = MemoryGroupStore(MemorySourceStore(), lambda: home.clock().timestamp())
    names = [{"alertname": "DiskFull", "instance": f"host-{number}"} for number in range(130)]
    waiting: list[Outgoing] = []
    for number in range(1, 60):
        home.clock.advance(random.choice((SECOND, 30 * SECOND, 2 * MINUTE, 4 * MINUTE)))
        now = home.clock()
        some = random.choice((3, 30, 130)) if random.random() < 0.7 else 0
        event: Event
        if some:
            sent = [_report(random, labels, now) for labels in random.sample(names, some)]
            event = reported(*sent, number=number, at=now)
        elif waiting:
            outgoing = waiting.pop(random.randrange(len(waiting)))
            if isinstance(outgoing, Delivery):
                is_delivered = random.random() < 0.8
                event = Settled(GROUP, outgoing.id, outgoing.integration, is_delivered, now)
            else:
                assert isinstance(outgoing, Tick)
                event = outgoing
        else:
            event = tick(due_at=now)
        left = []
        for store in (memory, home.store):
            rule = partial(decide, event=event, situation=situation, now=now)
            left.append(await store.transact([Transaction(GROUP, rule, event.names)]))
        ours, theirs = ([encode(outgone.outgoing) for outgone in part] for part in left)
        assert ours == theirs
        waiting += [outgone.outgoing for outgone in left[0]]
        if number % 6 == 0:
            await home.check({name(one): one for _, one in await memory.list_members()})
            assert encode(await home.other.list_heads()) == encode(await memory.list_heads())
    assert encode(await home.other.list_entries(GROUP)) == encode(await memory.list_entries(GROUP))


def _report(random: Random, labels: Mapping[str, str], now: datetime) -> Alert:
    """Mostly what Prometheus sends again; some has ended, or says something else."""
    starts_at, chance = NOON + timedelta(seconds=int(labels["instance"][5:])), random.random()
    ends_at = now if chance < 0.15 else now + 4 * MINUTE
    annotations = {"text": str(number)} if (number := random.randrange(40)) < 3 else {}
    sent = alert(at=now, starts_at=starts_at, ends_at=ends_at, annotations=annotations, instance=labels["instance"])
    return replace(sent, is_timeout=chance > 0.9)


CONFIGURATION = """\
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 2m, repeat_interval: 30m}
receivers: [{name: team, webhook_configs: [{url: "http://team"}]}]
"""


def test_the_bound_leaves_room_beside_a_redo_document() -> None:
    # A head that is half way through a large commit holds them twice.
    assert 2 * MOST_CHARACTERS + REDO_BYTES < BATCH_BYTES


def test_a_head_that_was_stored_once_is_read_for_ever() -> None:
    whole = head(next_due_at=NOON, pending=(0,), incident=incident(), folded={"door": 3})
    stored = embed_head(whole)
    assert len(stored["zip"]) < len(encode(whole)) / 3
    assert extract(Head, stored) == extract(Head, STORED) == extract(Head, embed(whole)) == whole
    with pytest.raises(RejectedError, match="ends too early"):
        extract(Head, {"zip": stored["zip"][:-16]})


STORED = {
    "zip": "eLsWJtXdgwYPxEkGhgY4ALFJu8wQNWhLUhNzcSZwl8zibDegy8lJ6BAfE0zPqAkZogk1vULESEmWBuSmSwMs6ZJQwO"
    "saoqZcYiIKI/jxpW5YJBBO5cjRBUvtcDGCqZ5AcjdAJHcD0pM7ajpPyc8Het4YI60DAMfW6Oo="
}
