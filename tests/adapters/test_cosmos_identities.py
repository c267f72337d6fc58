"""API keys and the audit log on Cosmos DB: what races and lost answers leave behind, and what each call costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from adapters.cosmos.audit import CosmosAuditStore
from adapters.cosmos.containers import AUDIT, POLICY
from adapters.cosmos.keys import CosmosKeyStore
from domain.audit import Head, verify
from domain.errors import UnavailableError
from domain.keys import ApiKey
from tests.builders import HOUR, NOON
from tests.contract.test_audit_store import record
from tests.contract.test_key_store import key
from tests.cosmos_database import Database, cosmos_database
from tests.standins.cosmos import Fault, Kind


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    async with cosmos_database((POLICY, AUDIT), clock=NOON.timestamp) as database:
        yield database


def audit_of(database: Database, size: int = 5) -> CosmosAuditStore:
    return CosmosAuditStore(database.connect(), segment_entries=size)


async def test_instances_that_append_at_the_same_time_make_one_chain(database: Database) -> None:
    instances = [audit_of(database) for _ in range(3)]
    await asyncio.gather(*(instances[number % 3].append(record(number)) for number in range(18)))
    stored = await audit_of(database).list_entries()
    assert verify(stored) == await instances[0].get_head()
    assert {entry.record.target_id for entry in stored} == {record(number).target_id for number in range(18)}
    assert len(stored) == 18


async def test_an_instance_that_starts_finds_the_newest_segment(database: Database) -> None:
    first = audit_of(database)
    for number in range(10):
        await first.append(record(number))  # two full segments
    entry = await audit_of(database).append(record(10))
    assert entry.number == 11
    assert verify(await first.list_entries()) == Head(11, entry.hash)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.LOST_REPLY])
@pytest.mark.parametrize("number", [0, 4, 5])
async def test_an_append_whose_answer_is_lost_is_there_once(database: Database, number: int, kind: Kind) -> None:
    audit = audit_of(database)
    for before in range(number):
        await audit.append(record(before))
    database.server.faults.add(Fault(kind, operation="batch"))
    entry = await audit.append(record(number))
    assert entry.number == number + 1
    assert len(await audit.list_entries()) == number + 1


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.LOST_REPLY])
async def test_what_is_appended_together_and_whose_answer_is_lost_is_there_once(database: Database, kind: Kind) -> None:
    audit = audit_of(database)
    database.server.faults.add(Fault(kind, operation="batch"))
    await asyncio.gather(*(audit.append(record(number)) for number in range(12)))
    stored = await audit.list_entries()
    assert [entry.number for entry in stored] == list(range(1, 13))
    assert isinstance(verify(stored), Head)


async def test_an_outage_is_told_to_each(database: Database) -> None:
    audit = audit_of(database)
    database.server.faults.add(Fault(Kind.CUT, operation="batch", times=None))
    answers = await asyncio.gather(*(audit.append(record(number)) for number in range(3)), return_exceptions=True)
    assert all(isinstance(answer, UnavailableError) for answer in answers)


async def test_a_request_that_is_given_up_takes_no_other_with_it(database: Database) -> None:
    audit = audit_of(database)
    given_up = asyncio.create_task(audit.append(record(1)))
    others = [asyncio.create_task(audit.append(record(number))) for number in range(2, 5)]
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, *others, return_exceptions=True)
    stored = await audit.list_entries()
    assert {entry.record.target_id for entry in stored} >= {record(number).target_id for number in range(2, 5)}
    assert isinstance(verify(stored), Head)


async def test_an_append_costs_a_read_and_a_batch(database: Database) -> None:
    audit = audit_of(database, 1000)
    await audit.append(record(1))
    database.server.calls.clear()
    await audit.append(record(2))
    assert [call.operation for call in database.server.calls] == ["read", "batch"]


async def test_a_change_of_keys_whose_answer_is_lost_is_made_once(database: Database) -> None:
    keys = CosmosKeyStore(database.connect())
    database.server.faults.add(Fault(Kind.LOST_REPLY, operation="batch"))
    asked: list[int] = []

    def add(known: Sequence[ApiKey]) -> Sequence[ApiKey]:
        asked.append(len(known))
        return [key()]

    assert list(await keys.change_keys(add)) == [key()] == list(await keys.list_keys())
    assert asked == [0], "it is recognised, and not decided again"


async def test_a_key_that_is_revoked_while_its_use_is_noted_stays_revoked(database: Database) -> None:
    one, other = (CosmosKeyStore(database.connect()) for _ in range(2))
    await one.change_keys(lambda _: [key()])
    await asyncio.gather(
        one.note_used(key().id, NOON + HOUR), other.change_keys(lambda known: [replace(known[0], revoked_at=NOON)])
    )
    assert (await one.get_key(key().id)).revoked_at == NOON


async def test_a_key_is_found_by_a_point_read(database: Database) -> None:
    keys = CosmosKeyStore(database.connect())
    await keys.change_keys(lambda _: [key()])
    database.server.calls.clear()
    await keys.get_key(key().id)
    assert [call.operation for call in database.server.calls] == ["read"]
