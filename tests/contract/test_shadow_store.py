"""What port `ShadowStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.wiring import wire
from domain.labels import Fingerprint
from domain.notifications import pack
from domain.shadowing import Heard, ShadowRecord, ShadowStore
from tests.builders import HOUR, MINUTE, NOON, group_id

DAY = 24 * HOUR


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
    await asyncio.gather(*(shadow.add_record(record()) for _ in range(3)))
    await shadow.add_record(record(truncated=1))
    await shadow.add_record(record(at=NOON + MINUTE))
    (kept,) = await shadow.list_records(NOON - HOUR, NOON + HOUR)
    assert (kept.at, kept.truncated) == (NOON, 0)


@pytest.mark.parametrize("hours", [-13, 13])
async def test_that_holds_over_midnight_too(shadow: ShadowStore, hours: int) -> None:
    await shadow.add_record(record())
    await shadow.add_record(record(at=NOON + hours * HOUR))
    (kept,) = await shadow.list_records(NOON - DAY, NOON + DAY)
    assert kept.at == NOON


async def test_they_are_listed_over_several_days(shadow: ShadowStore) -> None:
    for number in range(6):
        await shadow.add_record(record(f"{number}", NOON + number * DAY / 2))
    assert await listed(shadow, until=NOON + 4 * DAY) == list("012345")
    assert await listed(shadow, since=NOON + DAY / 2, until=NOON + 2 * DAY) == list("123")
    (second,) = await shadow.list_records(NOON + DAY / 2, NOON + DAY)
    assert await listed(shadow, until=NOON + 4 * DAY, after=second, limit=3) == list("234")


@pytest.mark.parametrize("id", ["a/b?c#d\\e", "größe", "x" * 2000])
async def test_any_id_will_do(shadow: ShadowStore, id: str) -> None:
    await shadow.add_record(record(id))
    await shadow.add_record(record(id, truncated=1))
    assert list(await shadow.list_records(NOON, NOON + MINUTE)) == [record(id)]


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


async def test_whole_days_are_forgotten_and_who_was_heard_on_them(shadow: ShadowStore) -> None:
    for number in range(4):
        theirs = {"side": "alertmanager", "receiver": f"team-{number}"}
        await shadow.add_record(record(f"{number}", NOON + number * DAY, **theirs))
    for _ in range(2):
        await shadow.forget_records(NOON + 2 * DAY, most=100)
        assert await listed(shadow, until=NOON + 9 * DAY) == ["2", "3"]
        assert await shadow.get_heard() == Heard(frozenset({"team-2", "team-3"}), NOON + 2 * DAY)
    await shadow.add_record(record("4", NOON + 2 * DAY))
    assert await listed(shadow, until=NOON + 9 * DAY) == ["2", "4", "3"]


async def test_of_too_many_the_oldest_are_forgotten(shadow: ShadowStore) -> None:
    for minute in range(4):
        await shadow.add_record(record(f"{minute}", NOON + minute * MINUTE))
    for _ in range(2):
        await shadow.forget_records(NOON - HOUR, most=3)
        assert await listed(shadow) == ["1", "2", "3"]


async def test_of_too_many_the_oldest_days_are_forgotten_first(shadow: ShadowStore) -> None:
    for number in range(8):
        await shadow.add_record(record(f"{number}", NOON + number * DAY / 2))
    for most, left in ((8, "01234567"), (5, "34567"), (4, "4567"), (1, "7")):
        await shadow.forget_records(NOON - HOUR, most=most)
        assert await listed(shadow, until=NOON + 9 * DAY) == list(left)
    await shadow.add_record(record("8", NOON + 4 * DAY))
    await shadow.forget_records(NOON - HOUR, most=0)
    assert not await listed(shadow, until=NOON + 9 * DAY)


async def test_sqlite_keeps_them_over_a_restart(tmp_path: Path) -> None:
    settings = Settings.read({"TOCSIN_HOME": "sqlite", "TOCSIN_DATA": str(tmp_path)})
    for expected in ([], ["a"]):
        home = wire(settings)
        assert await listed(home.shadow) == expected
        await home.shadow.add_record(record())
        await home.close()
