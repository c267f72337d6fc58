"""What port `ChangeStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.wiring import wire
from domain.changes import CHANGES_KEPT, Change, ChangeStore
from domain.errors import NotFoundError
from tests.builders import HOUR, MINUTE, NOON
from tests.contract.conftest import Clock

ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
DAY = 24 * HOUR


def change(name: str = "a", minutes: float = 0, **changes: Any) -> Change:
    """The one of that many minutes after noon."""
    return replace(Change(name, NOON + minutes * MINUTE, f"deployed {name}"), **changes)


async def names(store: ChangeStore, *between: datetime, **wanted: Any) -> list[str]:
    return [found.id for found in await store.list_changes(*(between or ALWAYS), **wanted)]


class TestKeeping:
    async def test_it_is_listed_as_it_was(self, changes: ChangeStore) -> None:
        whole = change(
            "https://git.example.com/shop/-/pipelines/7?x=1#y",
            summary="größer \u2028 😀 \0 '\"",
            service="cart/ü",
            source="GitHub",
            url="https://git.example.com/shop",
            labels={"env": "prod", "größe": 'a|"b"', "": ""},
        )
        long = change("é" * 200, 1, summary="x" * 4000, labels={str(number): "y" * 200 for number in range(30)})
        assert await changes.add_changes([whole, long]) == [True, True]
        assert list(await changes.list_changes(*ALWAYS)) == [long, whole]

    async def test_there_are_none_at_first_and_none_is_added(self, changes: ChangeStore) -> None:
        assert list(await changes.add_changes([])) == []
        assert list(await changes.list_changes(*ALWAYS)) == []

    async def test_who_sends_it_again_changes_nothing(self, changes: ChangeStore) -> None:
        assert await changes.add_changes([change("a"), change("b")]) == [True, True]
        again = [change("a", 24 * 60, summary="other"), change("c"), change("b")]
        assert await changes.add_changes(again) == [False, True, False]
        assert await names(changes) == ["a", "b", "c"]
        assert (await changes.list_changes(*ALWAYS))[0] == change("a")

    async def test_of_two_of_one_id_the_first_is_kept(self, changes: ChangeStore) -> None:
        first, second = change("a"), change("a", summary="other")
        assert await changes.add_changes([first, change("b"), second, first]) == [True, True, False, False]
        assert list(await changes.list_changes(*ALWAYS)) == [first, change("b")]

    async def test_two_who_add_at_the_same_time_keep_each_once(self, changes: ChangeStore) -> None:
        added = await asyncio.gather(*(changes.add_changes([change("a"), change(str(n))]) for n in range(5)))
        assert sorted(is_new for is_new, _ in added) == [False] * 4 + [True]
        assert await names(changes) == ["0", "1", "2", "3", "4", "a"]

    async def test_a_hundred_at_once(self, changes: ChangeStore) -> None:
        many = [change(f"{number:03d}", number) for number in range(100)]
        assert all(await changes.add_changes(many))
        assert list(await changes.list_changes(*ALWAYS, limit=1000)) == many[::-1]


class TestListing:
    async def test_the_latest_first_and_of_equals_by_id(self, changes: ChangeStore) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        made = [change("b"), change("z", -1), change("a"), change("Z"), change("y", 24 * 60, at=NOON.astimezone(east))]
        tick = replace(change("m"), at=NOON + timedelta(microseconds=1))
        await changes.add_changes([*made, tick])
        assert await names(changes) == ["m", "Z", "a", "b", "y", "z"]

    @pytest.mark.parametrize(
        ("since", "until", "expected"),
        [
            pytest.param(NOON, NOON + 2 * MINUTE, "ba", id="half-open"),
            pytest.param(NOON, NOON + 2 * MINUTE + timedelta(microseconds=1), "cba", id="a moment later"),
            pytest.param(NOON + timedelta(microseconds=1), ALWAYS[1], "ecb", id="a moment later at the other end"),
            pytest.param(NOON + HOUR, NOON, "", id="backwards"),
            pytest.param(NOON, NOON, "", id="no time at all"),
            pytest.param(NOON - 10 * DAY, NOON - DAY, "d", id="long ago"),
        ],
    )
    async def test_those_of_a_time(self, changes: ChangeStore, since: datetime, until: datetime, expected: str) -> None:
        await changes.add_changes(
            [change("a"), change("b", 1), change("c", 2), change("d", -5 * 24 * 60), change("e", 24 * 60)]
        )
        assert "".join(await names(changes, since, until)) == expected

    async def test_those_of_a_service(self, changes: ChangeStore) -> None:
        await changes.add_changes(
            [
                change("a", 3),
                change("b", 2, service="cart"),
                change("c", 1, service="cart"),
                change("d", service="Cart"),
            ]
        )
        assert await names(changes, service="cart") == ["b", "c"]
        assert await names(changes, service="cart", after="a") == ["b", "c"]
        assert await names(changes, service="cart", after="b", limit=1) == ["c"]
        assert await names(changes, service="none") == []

    async def test_it_goes_on_while_others_add(self, changes: ChangeStore) -> None:
        # Several of one instant, and over days.
        made = [change(f"{number:02d}", -(number // 3) * 300) for number in range(40)]
        await changes.add_changes(made)
        found: list[Change] = []
        while page := await changes.list_changes(*ALWAYS, after=found[-1].id if found else None, limit=7):
            found += page
            await changes.add_changes([change(f"new {len(found)}", 100 + len(found))])
        assert found == made

    async def test_it_does_not_go_on_behind_what_is_not_there(self, changes: ChangeStore) -> None:
        await changes.add_changes([change("a")])
        with pytest.raises(NotFoundError):
            await changes.list_changes(*ALWAYS, after="b")

    async def test_going_on_from_what_is_no_longer_wanted(self, changes: ChangeStore) -> None:
        await changes.add_changes([change("a", 2), change("b", 1), change("c")])
        assert await names(changes, NOON, NOON + MINUTE, after="a") == ["c"]
        assert await names(changes, NOON + MINUTE, NOON + HOUR, after="c") == []


class TestForgetting:
    async def test_what_is_older_is_gone(self, changes: ChangeStore, clock: Clock) -> None:
        await changes.add_changes([change("old", -1), change("new"), change("long ago", -60 * 24 * 60)])
        clock.advance(CHANGES_KEPT - 59 * MINUTE / 60)
        await changes.forget_changes(clock() - CHANGES_KEPT)
        assert await names(changes) == ["new"]
        clock.advance(MINUTE)
        await changes.forget_changes(clock() - CHANGES_KEPT)
        assert await names(changes) == []

    async def test_what_is_forgotten_may_come_again(self, changes: ChangeStore, clock: Clock) -> None:
        await changes.add_changes([change("a")])
        clock.advance(CHANGES_KEPT + MINUTE)
        await changes.forget_changes(clock() - CHANGES_KEPT)
        again: Sequence[bool] = await changes.add_changes([change("a", at=clock())])
        assert list(again) == [True]


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_they_survive_the_process(tmp_path: Path, durability: str) -> None:
    settings = Settings.read({"TOCSIN_DATA": str(tmp_path), "TOCSIN_DURABILITY": durability})
    ports = wire(settings)
    await ports.changes.add_changes([change("a", labels={"env": "prod"})])
    await ports.close()
    again = wire(settings)
    assert list(await again.changes.list_changes(*ALWAYS)) == [change("a", labels={"env": "prod"})]
    await again.close()
