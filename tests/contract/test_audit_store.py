"""What port `AuditStore` promises, asked of every adapter; on Cosmos DB in segments of five entries."""

from __future__ import annotations

import asyncio

from domain.audit import AuditRecord, AuditStore, Head, verify
from tests.builders import NOON, SECOND


def record(number: int = 1, **changes: str) -> AuditRecord:
    known = {
        "actor": "key:0123456789ab",
        "actor_name": "ada",
        "action": "revoke_key",
        "target": "keys",
        "target_id": f"target {number}",
        "address": "192.0.2.1",
        "request_id": f"request {number}",
        "outcome": "200",
    }
    return AuditRecord(at=NOON + number * SECOND, **(known | changes))  # type: ignore[arg-type]


class TestAppend:
    async def test_it_is_empty_at_first(self, audit: AuditStore) -> None:
        assert await audit.get_head() == Head()
        assert list(await audit.list_entries()) == []
        assert list(await audit.list_entries(before=1)) == []

    async def test_each_follows_the_one_before(self, audit: AuditStore) -> None:
        appended = [await audit.append(record(number)) for number in range(1, 13)]
        assert [entry.number for entry in appended] == list(range(1, 13))
        assert [entry.record for entry in appended] == [record(number) for number in range(1, 13)]
        stored = await audit.list_entries()
        assert list(stored) == appended
        assert verify(stored) == await audit.get_head() == Head(12, appended[-1].hash)

    async def test_those_at_the_same_time_are_all_in_one_chain(self, audit: AuditStore) -> None:
        appended = await asyncio.gather(*(audit.append(record(number)) for number in range(1, 24)))
        stored = await audit.list_entries()
        assert sorted(appended, key=lambda entry: entry.number) == list(stored)
        assert {entry.record.target_id for entry in stored} == {record(number).target_id for number in range(1, 24)}
        assert verify(stored) == await audit.get_head()

    async def test_what_callers_chose_is_kept_printable_and_short(self, audit: AuditStore) -> None:
        await audit.append(record(actor_name="\x1b[31m\ud800" + "x" * 1000))
        (entry,) = await audit.list_entries()
        assert entry.record.actor_name == "\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}" + "x" * 194
        assert verify([entry]) == await audit.get_head()


class TestListing:
    async def test_it_goes_on_from_either_end(self, audit: AuditStore) -> None:
        appended = [await audit.append(record(number)) for number in range(1, 13)]
        assert list(await audit.list_entries(after=3, limit=4)) == appended[3:7]
        assert list(await audit.list_entries(after=12)) == []
        assert list(await audit.list_entries(after=99)) == []
        assert list(await audit.list_entries(before=13, limit=7)) == appended[:-8:-1]
        assert list(await audit.list_entries(before=6, limit=2)) == [appended[4], appended[3]]
        assert list(await audit.list_entries(before=6)) == appended[4::-1]
        assert list(await audit.list_entries(before=99, limit=1)) == [appended[11]]
        assert list(await audit.list_entries(after=5, before=9)) == appended[7:4:-1]
        assert list(await audit.list_entries(before=0)) == []
