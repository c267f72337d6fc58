"""What port `ShadowStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.labels import Fingerprint
from domain.notifications import pack
from domain.shadowing import Heard, ShadowRecord, ShadowStore
from tests.builders import HOUR, MINUTE, NOON, group_id


@pytest.fixture
def shadow(home: Ports) -> ShadowStore:
    return home.shadow


def record(id: str = "a", at: datetime = NOON, **changes: Any) -> ShadowRecord:
    known: dict[str, Any] = {
        "id": id,
        "side": "tocsin",
        "at": at,
        "receiver": "team",
        "group_key": '{}:{alertname="größe"}',
        "group_labels": {"alertname": "größe"},
        "status": "firing",
        "firing": pack([Fingerprint("00000000000000ff")]),
        "resolved": b"",
    }
    return ShadowRecord(**(known | changes))


async def listed(shadow: ShadowStore, **changes: Any) -> list[str]:
    asked = {"since": NOON - HOUR, "until": NOON + HOUR, **changes}
    since, until = asked.pop("since"), asked.pop("until")
    return [one.id for one in await shadow.list_records(since, until, **asked)]


async def test_there_is_none_at_first(shadow: ShadowStore) -> None:
    assert not await listed(shadow)
    assert await shadow.get_heard() == Heard()


async def test_one_is_read_back_as_it_was(shadow: ShadowStore) -> None:
    whole = record(
        resolved=pack([Fingerprint("ab" * 8)]),
        truncated=7,
        reason="first notification",
        since=NOON - HOUR,
        labels={"ab" * 8: {"größe": "Ω"}},
        integration="webhook[1]",
        counts=False,
        group_id=group_id(1),
        incident=f"{group_id(1)}-1",
        sender="Alertmanager/0.25.0",
    )
    await shadow.add_record(whole)
    assert list(await shadow.list_records(NOON, NOON + MINUTE)) == [whole]


async def test_one_whose_id_is_known_changes_nothing(shadow: ShadowStore) -> None:
    await asyncio.gather(shadow.add_record(record()), shadow.add_record(record(truncated=1)))
    await shadow.add_record(record(at=NOON + MINUTE))
    (kept,) = await shadow.list_records(NOON - HOUR, NOON + HOUR)
    assert (kept.at, kept.truncated) == (NOON, 0)


async def test_they_are_listed_from_a_time_to_before_another_the_oldest_first(shadow: ShadowStore) -> None:
    for id, minutes in (("d", 2), ("c", 1), ("b", 1), ("a", 3), ("e", 0)):
        await shadow.add_record(record(id, NOON + minutes * MINUTE))
    assert await listed(shadow) == ["e", "b", "c", "d", "a"]
    assert await listed(shadow, since=NOON + MINUTE, until=NOON + 3 * MINUTE) == ["b", "c", "d"]


async def test_they_are_listed_in_parts(shadow: ShadowStore) -> None:
    for number in range(7):
        await shadow.add_record(record(f"{number}", NOON + number // 3 * MINUTE))
    found: list[ShadowRecord] = []
    while part := await shadow.list_records(NOON, NOON + HOUR, after=found[-1] if found else None, limit=2):
        assert len(part) <= 2
        found += part
        await shadow.forget_records(part[0].at, most=100)  # the next part begins all the same
    assert [one.id for one in found] == list("0123456")


async def test_it_knows_from_whom_it_has_heard(shadow: ShadowStore) -> None:
    await shadow.add_record(record("a", NOON - MINUTE, receiver="ours"))
    for id, receiver, minutes in (("b", "x", 2), ("c", "y", 1), ("d", "x", 3)):
        await shadow.add_record(record(id, NOON + minutes * MINUTE, side="alertmanager", receiver=receiver))
    assert await shadow.get_heard() == Heard(frozenset({"x", "y"}), NOON + MINUTE)


async def test_the_old_ones_are_forgotten(shadow: ShadowStore) -> None:
    for minute in range(4):
        await shadow.add_record(record(f"{minute}", NOON + minute * MINUTE))
    await shadow.forget_records(NOON + MINUTE, most=100)
    assert await listed(shadow) == ["1", "2", "3"]


async def test_of_too_many_the_oldest_are_forgotten(shadow: ShadowStore) -> None:
    for minute in range(4):
        await shadow.add_record(record(f"{minute}", NOON + minute * MINUTE))
    for _ in range(2):
        await shadow.forget_records(NOON - HOUR, most=3)
        assert await listed(shadow) == ["1", "2", "3"]


async def test_sqlite_keeps_them_over_a_restart(tmp_path: Path) -> None:
    settings = Settings.read({"TOCSIN_HOME": "sqlite", "TOCSIN_DATA": str(tmp_path)})
    for expected in ([], ["a"]):
        home = wire(settings)
        assert await listed(home.shadow) == expected
        await home.shadow.add_record(record())
        await home.close()
