"""The small stores on Cosmos DB: what races, faults and lost answers leave behind, and what each call costs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from adapters.cosmos import client, items, policy, repeating
from adapters.cosmos.containers import DAY, SOURCES
from adapters.cosmos.dead_letters import CosmosDeadLetters
from adapters.cosmos.payloads import CosmosPayloads
from adapters.cosmos.policy import CosmosPolicyStore, PolicyPart
from adapters.cosmos.shadow import CosmosShadowStore
from adapters.cosmos.silences import CosmosSilenceStore
from adapters.cosmos.sources import CosmosSourceStore
from adapters.servicebus.store import KeptLetter
from domain.errors import NotFoundError, RejectedError, UnavailableError
from domain.inhibition import InhibitRule, Source, SourceKey, with_reports
from domain.queues import DeadLetter
from domain.shadowing import RETENTION, Heard, ShadowRecord
from domain.silences import Silence
from domain.situations import PolicyHead
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, silence
from tests.cosmos_database import SMALL, Database, cosmos_database
from tests.standins.cosmos import Call, Fault, Kind, Outage

KEY = SourceKey("0" * 32)

GIVEN_UP_SECONDS = 0.5
"""So long a request may take in these tests."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What one instance of the app has."""

    client: client.Cosmos
    policy: CosmosPolicyStore
    silences: CosmosSilenceStore
    sources: CosmosSourceStore
    shadow: CosmosShadowStore
    payloads: CosmosPayloads
    letters: CosmosDeadLetters


def instance(database: Database) -> Stores:
    cosmos = database.connect()
    part = PolicyPart(cosmos)
    payloads = CosmosPayloads(cosmos)
    return Stores(
        cosmos,
        CosmosPolicyStore(part),
        CosmosSilenceStore(part),
        CosmosSourceStore(cosmos),
        CosmosShadowStore(cosmos),
        payloads,
        CosmosDeadLetters(cosmos, payloads),
    )


class Clock:
    """The service's own."""

    def __init__(self) -> None:
        self.seconds = NOON.timestamp()

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def service_clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(service_clock: Clock) -> AsyncIterator[Database]:
    async with cosmos_database(SMALL, partitions=3, clock=service_clock) as database:
        yield database


@pytest.fixture
def stores(database: Database) -> Stores:
    return instance(database)


def asked(database: Database) -> list[str]:
    """What was asked of the items since the last time, without what the SDK asks about the account."""
    seen = [
        call.operation
        for call in database.server.calls
        if call.operation not in ("account", "read-container", "ranges", "plan")
    ]
    database.server.calls.clear()
    return seen


def source(name: str = "db", minute: int = 0, *, is_over: bool = False) -> Source:
    at = NOON + minute * MINUTE
    return Source(alert(at=at, starts_at=NOON, ends_at=at if is_over else at + 5 * MINUTE, instance=name), False)


def record(id: str = "a", **changes: Any) -> ShadowRecord:
    one = ShadowRecord(id, "alertmanager", NOON, "team", "key", {"größe": "Ω"}, "firing", bytes(range(256)), b"")
    return replace(one, **changes)


def letter(id: str = "ticks-1", size: int = 1, **changes: Any) -> DeadLetter:
    one = DeadLetter(id, "groups", "dead", "ValueError: no", NOON, 1000, size, b"\x00\xff")
    return replace(one, **changes)


def commented(existing: Silence | None) -> Sequence[Silence]:
    assert existing is not None
    return [replace(existing, comment=existing.comment + "+")]


def all_of(silences: Sequence[Silence], _: Silence | None) -> Sequence[Silence]:
    return silences


class TestRaces:
    @pytest.mark.parametrize("instances", [1, 4])
    async def test_changes_of_one_silence_lose_nothing(self, database: Database, instances: int) -> None:
        several = [instance(database) for _ in range(instances)]
        await several[0].silences.upsert_silence(silence("a", comment=""))
        await asyncio.gather(
            *(several[number % instances].silences.change_silence("a", commented) for number in range(20))
        )
        reader = instance(database)
        assert (await reader.silences.get_silence("a")).comment == 20 * "+"
        assert (await reader.policy.get_head()).silences_version == 21

    async def test_the_sweep_and_the_silences_do_not_undo_each_other(self, database: Database) -> None:
        several = [instance(database) for _ in range(3)]
        await several[0].policy.heard(NOON, resumed=True)

        async def hear(stores: Stores) -> None:
            for minute in range(1, 6):
                await stores.policy.heard(NOON + minute * MINUTE, resumed=False)

        await asyncio.gather(
            hear(several[0]),
            several[1].policy.activate("v1", "text", NOON),
            *(several[number % 3].silences.upsert_silence(silence(str(number))) for number in range(9)),
        )
        head = await instance(database).policy.get_head()
        assert head == PolicyHead("v1", 9, NOON, NOON + 5 * MINUTE)

    async def test_two_instances_that_report_to_one_document_lose_nothing(self, database: Database) -> None:
        several = [instance(database) for _ in range(4)]
        await asyncio.gather(
            *(several[number % 4].sources.report_sources({KEY: [source(str(number))]}, NOON) for number in range(40))
        )
        document = (await instance(database).sources.get_sources([KEY]))[KEY]
        assert document == with_reports({}, [source(str(number)) for number in range(40)], NOON)

    async def test_a_silence_that_is_extended_elsewhere_is_not_forgotten(self, database: Database) -> None:
        one, other = instance(database), instance(database)
        for turn in range(5):
            await one.silences.upsert_silence(silence("a"))
            extended = silence("a", ends_at=NOON + 3 * HOUR, comment=str(turn))
            await asyncio.gather(one.silences.forget_silences(NOON + 2 * HOUR), other.silences.upsert_silence(extended))
            assert await instance(database).silences.list_silences() == [extended]

    async def test_others_who_are_always_faster_are_given_up_against(
        self, database: Database, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(repeating, "LONGEST_PAUSE_SECONDS", 0.01)
        await stores.policy.heard(NOON, resumed=False)
        database.server.faults.add(Fault(Kind.PRECONDITION_FAILED, operation="batch", times=None))
        with pytest.raises(UnavailableError, match="others were faster 10 times in a row"):
            await stores.policy.heard(NOON + MINUTE, resumed=False)
        database.server.faults.clear()
        assert (await stores.policy.heard(NOON + MINUTE, resumed=False)).heard_at == NOON + MINUTE


async def test_a_list_of_several_pages_is_of_one_version(database: Database) -> None:
    writer, reader = instance(database), instance(database)
    many = [silence(f"{number:03}", comment="0") for number in range(150)]
    await writer.silences.change_silence("new", lambda _: many[:75])
    await writer.silences.change_silence("new", lambda _: many[75:])
    first, last = many[0], many[-1]

    async def change() -> None:
        for turn in range(1, 9):
            both = [replace(first, comment=str(turn)), replace(last, comment=str(turn))]
            await writer.silences.change_silence("new", partial(all_of, both))

    changing = asyncio.create_task(change())
    while not changing.done():
        listed = await reader.silences.list_silences()
        assert listed[0].comment == listed[-1].comment
    await changing
    assert (await reader.silences.list_silences())[-1].comment == "8"


async def test_a_change_waits_for_those_before_it_only_so_long(
    database: Database, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stores.policy.heard(NOON, resumed=False)
    monkeypatch.setattr(policy, "TURN_SECONDS", 0.05)
    database.server.faults.add(Fault(Kind.HANG, operation="batch", seconds=0.5))
    results = await asyncio.gather(
        stores.policy.heard(NOON + MINUTE, resumed=False),
        stores.silences.upsert_silence(silence()),
        return_exceptions=True,
    )
    assert isinstance(results[0], PolicyHead)
    assert isinstance(results[1], UnavailableError)
    assert (await stores.policy.get_head()).silences_version == 0


async def test_who_goes_away_takes_no_report_of_others_along(database: Database, stores: Stores) -> None:
    await stores.sources.get_sources([KEY])
    database.server.faults.add(Fault(Kind.HANG, operation="batch", seconds=0.3))
    first, second, third = (
        asyncio.create_task(stores.sources.report_sources({KEY: [source(name)]}, NOON)) for name in "abc"
    )
    await until(lambda: not database.server.faults.waiting)
    second.cancel()
    await asyncio.gather(first, third)
    document = (await stores.sources.get_sources([KEY]))[KEY]
    assert {"a", "c"} <= {one.alert.labels["instance"] for one in document.values()}


# --- faults at each write ---------------------------------------------------------------------------------------------


async def _silence_upserted(stores: Stores) -> None:
    await stores.silences.upsert_silence(silence("b"))


async def _silence_changed(stores: Stores) -> None:
    await stores.silences.change_silence("a", commented)


async def _silences_forgotten(stores: Stores) -> None:
    await stores.silences.forget_silences(NOON + 9 * HOUR)


async def _heard(stores: Stores) -> None:
    await stores.policy.heard(NOON + HOUR, resumed=True)


async def _activated(stores: Stores) -> None:
    await stores.policy.activate("v2", "second", NOON + MINUTE)


async def _source_reported(stores: Stores) -> None:
    await stores.sources.report_sources({KEY: [source("web")]}, NOON)


async def _sources_forgotten(stores: Stores) -> None:
    await stores.sources.forget_sources(NOON + 9 * DAY * SECOND)


async def _recorded(stores: Stores) -> None:
    await stores.shadow.add_record(record("b"))


async def _records_forgotten(stores: Stores) -> None:
    await stores.shadow.forget_records(NOON + SECOND, most=9)


async def _letter_added(stores: Stores) -> None:
    await stores.letters.add(KeptLetter(letter("b"), "5"))


async def _letter_removed(stores: Stores) -> None:
    await stores.letters.remove("a")


type Look = tuple[object, ...]


async def looked_at(stores: Stores) -> Look:
    """Everything that is kept."""
    return (
        await stores.policy.get_head(),
        await stores.policy.list_configurations(),
        await stores.silences.list_silences(),
        await stores.sources.get_sources([KEY]),
        await stores.shadow.list_records(NOON, NOON + HOUR),
        await stores.shadow.get_heard(),
        await stores.letters.list_newest(9),
        await stores.letters.sum_sizes("groups"),
    )


async def prepare(stores: Stores) -> None:
    await stores.policy.heard(NOON, resumed=False)
    await stores.policy.activate("v1", "first", NOON)
    await stores.silences.upsert_silence(silence("a", comment=""))
    await stores.sources.report_sources({KEY: [source("db")]}, NOON)
    await stores.shadow.add_record(record("a"))
    await stores.letters.add(KeptLetter(letter("a")))


WRITES: list[tuple[Callable[[Stores], Awaitable[None]], str]] = [
    (_silence_upserted, "batch"),
    (_silence_changed, "batch"),
    (_silences_forgotten, "batch"),
    (_heard, "batch"),
    (_activated, "batch"),
    (_source_reported, "batch"),
    (_sources_forgotten, "batch"),
    (_recorded, "create"),
    (_records_forgotten, "batch"),
    (_letter_added, "create"),
    (_letter_removed, "batch"),
]

PASSED_OVER = {
    # They ask only whether the item is there.
    Kind.PRECONDITION_FAILED: (_recorded, _letter_added, _letter_removed),
    # These take their time; what is left stands for the others of its kind.
    **dict.fromkeys(
        (Kind.HANG, Kind.HANG_AFTER_COMMIT),
        (_silence_upserted, _silences_forgotten, _activated, _sources_forgotten, _recorded, _records_forgotten),
    ),
}

FAULTS = [
    Fault(Kind.THROTTLED),
    Fault(Kind.UNAVAILABLE),
    Fault(Kind.TIMED_OUT),
    Fault(Kind.RETRY_WITH),
    Fault(Kind.GONE),
    Fault(Kind.PRECONDITION_FAILED),
    Fault(Kind.HANG, seconds=2 * GIVEN_UP_SECONDS),
    Fault(Kind.HANG_AFTER_COMMIT, seconds=2 * GIVEN_UP_SECONDS),
    Fault(Kind.CUT),
    Fault(Kind.LOST_REPLY),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind.value)
async def test_a_write_that_meets_a_fault_is_carried_out_once(
    database: Database, stores: Stores, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = await looks_undisturbed()
    await prepare(stores)
    for (write, operation), expected in zip(WRITES, undisturbed, strict=True):
        database.server.calls.clear()
        if is_met := write not in PASSED_OVER.get(fault.kind, ()):
            database.server.faults.add(replace(fault, operation=operation))
        with monkeypatch.context() as patched:
            if fault.seconds:
                patched.setattr(client, "CALL_SECONDS", GIVEN_UP_SECONDS)
            await write(stores)
        # Of one that hung nobody waits for the end, and yet the service carries it out.
        await until(lambda: not database.server.faults.waiting and len(met(database, fault)) == is_met)
        assert await looked_at(stores) == expected, write.__name__


_UNDISTURBED: list[Look] = []


async def looks_undisturbed() -> list[Look]:
    """What is kept after each of the writes where nothing goes wrong."""
    if not _UNDISTURBED:
        async with cosmos_database(SMALL) as database:
            stores = instance(database)
            await prepare(stores)
            for write, _ in WRITES:
                await write(stores)
                _UNDISTURBED.append(await looked_at(stores))
    return _UNDISTURBED


def met(database: Database, fault: Fault) -> list[Call]:
    return [call for call in database.server.calls if call.fault == fault.kind]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the server is no part of the app, and signals nothing
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("outage", list(Outage))
async def test_in_an_outage_every_call_says_so_and_afterwards_all_is_as_before(
    database: Database, stores: Stores, outage: Outage
) -> None:
    await prepare(stores)
    before = await looked_at(stores)
    database.server.faults.outage = outage
    for write, _ in WRITES:
        with pytest.raises(UnavailableError):
            await write(stores)
    with pytest.raises(UnavailableError):
        await looked_at(stores)
    database.server.faults.clear()
    assert await looked_at(stores) == before


async def test_a_write_of_which_every_answer_is_lost_says_that_it_is_unsure(database: Database, stores: Stores) -> None:
    await prepare(stores)
    database.server.faults.add(Fault(Kind.CUT, operation="batch", times=None))
    with pytest.raises(client.UnsureError):
        await stores.silences.change_silence("a", commented)


async def test_an_operation_is_recognised_behind_twenty_others(
    database: Database, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepare(stores)
    other = instance(database)
    read = stores.policy._part.container.read
    reads = 0

    async def others_first(id: str, partition: str) -> client.Item | None:
        nonlocal reads
        reads += 1
        if reads == 2:
            for number in range(policy.OPERATIONS_REMEMBERED - 1):
                await other.silences.upsert_silence(silence(str(number)))
        return await read(id, partition)

    monkeypatch.setattr(stores.policy._part.container, "read", others_first)
    database.server.faults.add(Fault(Kind.LOST_REPLY, operation="batch"))
    assert await stores.silences.upsert_silence(silence("b")) == 2
    assert (await other.policy.get_head()).silences_version == 1 + policy.OPERATIONS_REMEMBERED
    assert len(str(await read(policy.HEAD, policy.PART))) < 1024, "the head costs one request unit"


# --- what it costs ----------------------------------------------------------------------------------------------------


class TestOperations:
    async def test_the_head_is_one_point_read_of_one_request_unit(self, database: Database, stores: Stores) -> None:
        for number in range(40):
            await stores.silences.upsert_silence(silence(str(number)))
        await stores.policy.heard(NOON, resumed=True)
        asked(database)
        await stores.policy.get_head()
        assert database.server.calls.charge() == 1
        assert asked(database) == ["read"]

    async def test_a_change_of_a_silence_is_two_point_reads_and_a_batch(
        self, database: Database, stores: Stores
    ) -> None:
        await stores.silences.upsert_silence(silence("a"))
        asked(database)
        await stores.silences.change_silence("a", commented)
        assert database.server.calls.charge("read") == 2
        assert asked(database) == ["read", "read", "batch"]

    async def test_a_new_silence_and_the_sweep_are_a_read_and_a_batch_each(
        self, database: Database, stores: Stores
    ) -> None:
        await stores.silences.upsert_silence(silence("a"))
        asked(database)
        await stores.silences.upsert_silence(silence("b"))
        assert asked(database) == ["read", "batch"]
        await stores.policy.heard(NOON, resumed=False)
        assert asked(database) == ["read", "batch"]

    async def test_a_decision_to_change_nothing_writes_nothing(self, database: Database, stores: Stores) -> None:
        await stores.silences.upsert_silence(silence("a"))
        asked(database)
        await stores.silences.change_silence("a", lambda _: [])
        assert asked(database) == ["read", "read"]

    async def test_silences_are_listed_by_one_query(self, database: Database, stores: Stores) -> None:
        for number in range(9):
            await stores.silences.upsert_silence(silence(str(number)))
        asked(database)
        await stores.silences.list_silences()
        assert asked(database) == ["query"]

    async def test_the_sweep_that_forgets_nothing_is_a_query_each(self, database: Database, stores: Stores) -> None:
        await prepare(stores)
        asked(database)
        await stores.silences.forget_silences(NOON)
        assert asked(database) == ["query"]
        await stores.sources.forget_sources(NOON)
        assert set(asked(database)) == {"query"}
        await stores.shadow.forget_records(NOON - 7 * DAY * SECOND, most=100)
        assert asked(database) == ["read", "query"]

    async def test_documents_of_inhibition_are_a_point_read_each(self, database: Database, stores: Stores) -> None:
        keys = [SourceKey(f"{number:032x}") for number in range(30)]
        await stores.sources.report_sources({key: [source()] for key in keys[:20]}, NOON)
        asked(database)
        assert len(await stores.sources.get_sources(keys)) == 30
        assert asked(database) == 30 * ["read"]

    async def test_a_report_that_changes_nothing_writes_nothing(self, database: Database, stores: Stores) -> None:
        await stores.sources.report_sources({KEY: [source()]}, NOON)
        assert asked(database) == ["read", "batch"]
        await stores.sources.report_sources({KEY: [source()]}, NOON)
        assert asked(database) == ["read"]
        await stores.sources.report_sources({KEY: [source(minute=1)]}, NOON)
        assert asked(database) == ["read", "batch"]

    async def test_a_storm_of_reports_to_one_document_shares_its_writes(
        self, database: Database, stores: Stores
    ) -> None:
        await stores.sources.get_sources([KEY])
        asked(database)
        reports = [source(str(number)) for number in range(200)]
        await asyncio.gather(*(stores.sources.report_sources({KEY: [one]}, NOON) for one in reports))
        assert asked(database) == ["read", "batch", "read", "batch"]
        assert (await stores.sources.get_sources([KEY]))[KEY] == with_reports({}, reports, NOON)

    async def test_a_shadow_record_is_two_reads_and_a_write(self, database: Database, stores: Stores) -> None:
        await stores.shadow.add_record(record("a"))
        asked(database)
        await stores.shadow.add_record(record("b"))
        assert asked(database) == ["read", "read", "create"]


# --- what a contract cannot see ---------------------------------------------------------------------------------------


class TestConfigurations:
    async def test_one_that_no_item_can_hold_is_refused(self, stores: Stores) -> None:
        text = random.Random(7).randbytes(1_100_000).hex()
        with pytest.raises(RejectedError, match=r"the configuration is too large: .* bytes compressed, and 900000"):
            await stores.policy.activate("v1", text, NOON)
        assert await stores.policy.get_head() == PolicyHead()

    async def test_megabytes_that_compress_well_are_kept(self, stores: Stores) -> None:
        text = "- receiver: team\n" * 400_000
        await stores.policy.activate("v1", text, NOON)
        assert await stores.policy.get_configuration("v1") == text


class TestReadingOnAnotherInstance:
    async def test_what_was_written_is_read_by_whoever_learns_its_token(self) -> None:
        async with cosmos_database(SMALL, lag=5) as database:
            writer, reader = instance(database), instance(database)
            for number in range(4):
                await writer.silences.change_silence("a", partial(all_of, [silence(str(number))]))
            await writer.sources.report_sources({KEY: [source()]}, NOON)
            assert len(await writer.silences.list_silences()) == 4, "its own writes"
            assert (await reader.policy.get_head()).silences_version < 4, "the stand-in lags"
            reader.client.causality.learn(writer.client.causality.stamp())
            assert (await reader.policy.get_head()).silences_version == 4
            assert len(await reader.silences.list_silences()) == 4
            assert (await reader.sources.get_sources([KEY]))[KEY]


class TestDocumentsOfInhibition:
    @pytest.fixture(autouse=True)
    def _small_items(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(items, "PART_CHARACTERS", 2000)

    async def test_a_huge_one_lies_in_several_items(self, database: Database, stores: Stores) -> None:
        many = [source(random.Random(number).randbytes(30).hex()) for number in range(100)]
        await stores.sources.report_sources({KEY: many}, NOON)
        operations = asked(database)
        assert operations[0] == "read"
        assert operations[-1] == "batch", "the one that names the others comes last"
        parts = operations.count("upsert")
        assert parts > 2
        assert (await stores.sources.get_sources([KEY]))[KEY] == with_reports({}, many, NOON)
        assert asked(database) == (1 + parts) * ["read"]
        await stores.sources.report_sources({KEY: [source("another")]}, NOON)
        assert asked(database).count("batch") == 1 + parts, "the document, and those of the revision before deleted"
        later = NOON + 2 * DAY * SECOND
        await stores.sources.forget_sources(later)
        assert (await stores.sources.get_sources([KEY]))[KEY] == {}
        assert await self.items(stores) == []

    async def test_nothing_is_left_of_a_rule(self, stores: Stores) -> None:
        rule = InhibitRule((), (), ("zone",))
        many = [source(random.Random(number).randbytes(30).hex()) for number in range(100)]
        await stores.sources.report_sources({rule.key({"zone": "a"}): many, rule.key({"zone": "b"}): many[:1]}, NOON)
        assert len(await self.items(stores)) > 4
        await stores.sources.forget_rules([rule, InhibitRule((), (), ("rack",))])
        assert await self.items(stores) == []

    async def test_readers_and_writers_of_a_huge_one_never_see_a_mixture(self, database: Database) -> None:
        one, other, reader = instance(database), instance(database), instance(database)
        revisions = [
            [source(f"{n}-{random.Random(n).randbytes(30).hex()}", minute) for n in range(50)] for minute in (0, 1, 2)
        ]
        seen: set[int] = set()
        is_over = False

        async def look() -> None:
            while not is_over:
                found = (await reader.sources.get_sources([KEY]))[KEY]
                seen.add(len({each.alert.received_at for each in found.values()}))

        looking = asyncio.create_task(look())
        for revision in revisions:
            halves = (one, revision[:25]), (other, revision[25:])
            await asyncio.gather(*(each.sources.report_sources({KEY: half}, NOON) for each, half in halves))
        is_over = True
        await looking
        assert seen <= {0, 1, 2}
        assert (await reader.sources.get_sources([KEY]))[KEY] == with_reports({}, revisions[2], NOON)

    @pytest.mark.parametrize("kind", [Kind.LOST_REPLY, Kind.CUT])
    @pytest.mark.parametrize("operation", ["upsert", "batch"])
    async def test_a_huge_one_survives_a_lost_answer(
        self, database: Database, stores: Stores, kind: Kind, operation: str
    ) -> None:
        many = [source(random.Random(number).randbytes(30).hex()) for number in range(100)]
        database.server.faults.add(Fault(kind, operation=operation))
        await stores.sources.report_sources({KEY: many}, NOON)
        assert (await stores.sources.get_sources([KEY]))[KEY] == with_reports({}, many, NOON)

    async def test_a_small_one_is_readable_and_a_larger_one_is_compressed(self, stores: Stores) -> None:
        await stores.sources.report_sources({KEY: [source()]}, NOON)
        (small,) = await self.items(stores)
        assert small["sources"][0]["alert"]["labels"]["instance"] == "db"
        await stores.sources.report_sources({KEY: [source(str(number)) for number in range(50)]}, NOON)
        (large,) = await self.items(stores)
        assert "sources" not in large
        assert len(large["text"]) < 2000

    async def test_one_vanishes_a_day_after_it_is_over(
        self, database: Database, stores: Stores, service_clock: Clock
    ) -> None:
        await stores.sources.report_sources({KEY: [source(is_over=True), source("web")]}, NOON)
        service_clock.seconds += (2 * DAY * SECOND + 4 * MINUTE).total_seconds()
        assert len((await stores.sources.get_sources([KEY]))[KEY]) == 2
        service_clock.seconds += (2 * MINUTE).total_seconds()
        assert not (await stores.sources.get_sources([KEY]))[KEY]

    async def items(self, stores: Stores) -> list[client.Item]:
        pages = stores.client.container(SOURCES).pages("select * from c")
        return [item async for page in pages for item in page]


class TestShadow:
    async def test_a_record_vanishes_with_its_retention(self, stores: Stores, service_clock: Clock) -> None:
        await stores.shadow.add_record(record())
        service_clock.seconds += (RETENTION - MINUTE).total_seconds()
        assert await stores.shadow.list_records(NOON, NOON + HOUR) == [record()]
        service_clock.seconds += (2 * MINUTE).total_seconds()
        assert not await stores.shadow.list_records(NOON, NOON + HOUR)
        await stores.shadow.forget_records(NOON + DAY * SECOND, most=100)
        assert await stores.shadow.get_heard() == Heard()

    async def test_the_calendar_is_shared(self, database: Database) -> None:
        one, other = instance(database), instance(database)
        await asyncio.gather(
            *(
                stores.shadow.add_record(record(f"{team}-{day}", at=NOON + day * DAY * SECOND, receiver=team))
                for stores, team in ((one, "a"), (other, "b"))
                for day in range(3)
            )
        )
        assert await one.shadow.get_heard() == await other.shadow.get_heard() == Heard(frozenset("ab"), NOON)
        assert len(await one.shadow.list_records(NOON, NOON + 9 * DAY * SECOND)) == 6


class TestPayloads:
    @pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
    async def test_what_was_put_is_had_again(self, database: Database, stores: Stores, size: int) -> None:
        body = random.Random(7).randbytes(size)
        reference = await stores.payloads.put(body)
        assert await instance(database).payloads.get(reference) == body
        assert len(reference) <= 256

    async def test_it_is_compressed(self, database: Database, stores: Stores) -> None:
        await stores.payloads.put(b'{"labels": {"alertname": "DiskFull"}}' * 10_000)
        (call,) = database.server.calls.of("upsert")
        assert call.request_bytes < 10_000

    @pytest.mark.parametrize("kind", [Kind.LOST_REPLY, Kind.CUT, Kind.THROTTLED])
    async def test_it_survives_a_fault(
        self, database: Database, stores: Stores, kind: Kind, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(items, "PART_CHARACTERS", 1000)
        body = random.Random(7).randbytes(2000)
        database.server.faults.add(Fault(kind, operation="upsert", times=2))
        assert await stores.payloads.get(await stores.payloads.put(body)) == body

    async def test_after_two_weeks_it_is_gone_and_says_so(self, stores: Stores, service_clock: Clock) -> None:
        reference = await stores.payloads.put(b"body")
        service_clock.seconds += 14 * DAY + 1
        with pytest.raises(NotFoundError, match=f"payload '{reference}' is kept for 14 days"):
            await stores.payloads.get(reference)


class TestDeadLetters:
    async def test_one_is_read_back_as_it_was(self, stores: Stores) -> None:
        kept = KeptLetter(letter("groups-17", reason="größe", body=bytes(range(256))), "5")
        await stores.letters.add(kept)
        await stores.letters.add(replace(kept, session="6"))
        assert await stores.letters.get("groups-17") == kept
        assert await stores.letters.list_newest(9) == [kept]

    @pytest.mark.parametrize("id", ["", "x", "a/b?c#d\\e", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 3000])
    async def test_an_unknown_one_is_not_found(self, stores: Stores, id: str) -> None:
        for ask in (stores.letters.get, stores.letters.remove):
            with pytest.raises(NotFoundError, match="no dead letter"):
                await ask(id)

    async def test_the_newest_are_listed_first_and_of_one_instant_the_last_added(self, stores: Stores) -> None:
        for number, minute in enumerate((2, 1, 1, 3)):
            await stores.letters.add(KeptLetter(letter(str(number), at=NOON + minute * MINUTE)))
        assert [kept.letter.id for kept in await stores.letters.list_newest(3)] == ["3", "0", "2"]

    async def test_one_is_removed_once(self, stores: Stores) -> None:
        await stores.letters.add(KeptLetter(letter("a")))
        results = await asyncio.gather(*(stores.letters.remove("a") for _ in range(2)), return_exceptions=True)
        assert {type(result) for result in results} == {type(None), NotFoundError}

    async def test_the_sizes_of_one_queue_are_summed(self, stores: Stores) -> None:
        assert await stores.letters.sum_sizes("groups") == 0
        for id, queue, size in (("a", "groups", 3), ("b", "ticks", 7), ("c", "groups", 2)):
            await stores.letters.add(KeptLetter(letter(id, size, queue=queue)))
        assert await stores.letters.sum_sizes("groups") == 5
        await stores.letters.remove("a")
        assert await stores.letters.sum_sizes("groups") == 2

    async def test_a_body_among_the_payloads_stays_as_long_as_its_letter(
        self, stores: Stores, service_clock: Clock
    ) -> None:
        reference = await stores.payloads.put(b"body")
        await stores.letters.add(KeptLetter(letter(body=b""), reference=reference))
        service_clock.seconds += 100 * DAY
        assert await stores.payloads.get(reference) == b"body"
        await stores.letters.remove("ticks-1")
        service_clock.seconds += 14 * DAY - 1
        assert await stores.payloads.get(reference) == b"body", "a replay travels with it"
        service_clock.seconds += 2
        with pytest.raises(NotFoundError):
            await stores.payloads.get(reference)

    async def test_a_body_that_is_gone_keeps_no_letter_away(self, stores: Stores) -> None:
        kept = KeptLetter(letter(body=b""), reference="0" * 32)
        await stores.letters.add(kept)
        assert await stores.letters.get("ticks-1") == kept
        await stores.letters.remove("ticks-1")
