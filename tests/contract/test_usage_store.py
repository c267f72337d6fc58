"""What port `UsageStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from adapters.cosmos.usage import CosmosUsageStore
from adapters.settings import Settings
from adapters.wiring import wire
from domain.triage.spending import NOTHING_SPENT, USAGE_KEPT, Usage, UsageStore
from tests.builders import HOUR, MINUTE, NOON
from tests.contract.conftest import Clock
from tests.cosmos_database import SMALL, cosmos_database

SECOND = timedelta(seconds=1)

USAGE = Usage(input_tokens=1000, output_tokens=100, calls=3, seconds=2.5, money=0.25)


def times(number: int) -> Usage:
    return sum([USAGE] * number, NOTHING_SPENT)


class TestCounting:
    async def test_nothing_is_spent_at_first(self, usage: UsageStore) -> None:
        assert await usage.list_usage(NOON - 100 * HOUR) == {}

    async def test_it_adds_up_by_the_hour(self, usage: UsageStore) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        for look, at in (
            ("a 1", NOON),
            ("b 1", NOON + HOUR - timedelta(microseconds=1)),
            ("a 2", NOON + HOUR),
            ("c 1", (NOON + MINUTE).astimezone(east)),
            ("d 1", NOON - 30 * HOUR),
        ):
            await usage.add_usage(look, at, USAGE)
        assert await usage.list_usage(NOON - 100 * HOUR) == {
            NOON - 30 * HOUR: USAGE,
            NOON: times(3),
            NOON + HOUR: USAGE,
        }

    async def test_a_look_that_is_counted_again_counts_once(self, usage: UsageStore) -> None:
        odd = "odd / id # ?" * 40
        for at in (NOON, NOON + MINUTE, NOON + HOUR, NOON + 40 * HOUR):
            await usage.add_usage(odd, at, USAGE)
            await usage.add_usage("other", at, times(2))
        assert await usage.list_usage(NOON) == {NOON: times(3)}

    async def test_those_who_count_at_the_same_time_lose_nothing(self, usage: UsageStore) -> None:
        await asyncio.gather(*(usage.add_usage(str(number % 5), NOON, USAGE) for number in range(10)))
        assert await usage.list_usage(NOON) == {NOON: times(5)}

    async def test_nothing_may_be_spent(self, usage: UsageStore) -> None:
        await usage.add_usage("a", NOON, NOTHING_SPENT)
        assert (await usage.list_usage(NOON)).get(NOON, NOTHING_SPENT) == NOTHING_SPENT

    async def test_from_the_hour_of_an_instant_on(self, usage: UsageStore) -> None:
        for number in range(4):
            await usage.add_usage(str(number), NOON + number * HOUR, USAGE)
        assert list(await usage.list_usage(NOON + HOUR + 59 * MINUTE)) == [NOON + n * HOUR for n in (1, 2, 3)]
        assert list(await usage.list_usage(NOON + 3 * HOUR)) == [NOON + 3 * HOUR]


class TestForgetting:
    async def test_hours_that_were_over_are_gone(self, usage: UsageStore, clock: Clock) -> None:
        await usage.add_usage("a", NOON, USAGE)
        await usage.add_usage("b", NOON + HOUR, USAGE)
        clock.advance(USAGE_KEPT + HOUR - SECOND)
        await usage.forget_usage(clock() - USAGE_KEPT)
        assert list(await usage.list_usage(NOON)) == [NOON, NOON + HOUR]
        clock.advance(3 * SECOND)
        await usage.forget_usage(clock() - USAGE_KEPT)
        assert list(await usage.list_usage(NOON)) == [NOON + HOUR]
        await usage.add_usage("b", NOON + HOUR, USAGE)
        assert await usage.list_usage(NOON) == {NOON + HOUR: USAGE}


async def test_two_instances_lose_nothing_of_each_other(clock: Clock) -> None:
    async with cosmos_database(SMALL, partitions=3, clock=lambda: clock().timestamp()) as database:
        one, other = (CosmosUsageStore(database.connect(), clock) for _ in range(2))
        await asyncio.gather(
            *(store.add_usage(str(number), NOON, USAGE) for number in range(4) for store in (one, other))
        )
        assert await one.list_usage(NOON) == {NOON: times(4)}


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_it_survives_the_process(tmp_path: Path, durability: str) -> None:
    settings = Settings.read({"TOCSIN_DATA": str(tmp_path), "TOCSIN_DURABILITY": durability})
    ports = wire(settings)
    await ports.usage.add_usage("a", NOON, USAGE)
    await ports.close()
    again = wire(settings)
    await again.usage.add_usage("a", NOON, USAGE)
    assert await again.usage.list_usage(NOON) == {NOON: USAGE}
    await again.close()
