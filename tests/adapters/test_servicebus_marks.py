"""Waiting until what was sent has been folded, which Service Bus cannot tell; without the wire."""

from __future__ import annotations

import asyncio

from adapters.messages import Mark
from adapters.servicebus.marks import REMEMBERED_SECONDS, Marks
from tests.builders import group_id
from tests.servicebus import Folds


def mark(number: int, group: int = 1, door: str = "door") -> Mark:
    return group_id(group), door, number


async def test_the_latest_number_of_each_group_and_door_is_waited_for() -> None:
    folds = Folds()
    marks = Marks(folds.has_folded)
    marks.add([mark(1), mark(3), mark(2), mark(1, group=2), mark(9, door="other")])
    folds.fold([mark(3), mark(1, group=2)], 0)
    assert not await marks.passed(0)
    folds.fold([mark(9, door="other")], 0)
    assert await marks.passed(0)


async def test_what_has_been_folded_is_asked_for_no_more() -> None:
    folds = Folds()
    marks = Marks(folds.has_folded)
    marks.add([mark(1)])
    folds.fold([mark(1)], 0)
    assert await marks.passed(0)
    assert await marks.passed(0)
    assert next(folds.asked) == 1


async def test_it_looks_again_until_it_is_there() -> None:
    folds = Folds()
    marks = Marks(folds.has_folded)
    marks.add([mark(1)])
    passing = asyncio.create_task(marks.passed(30))
    async with asyncio.timeout(30):
        while next(folds.asked) < 5:  # noqa: ASYNC110  it pauses, and then asks
            await asyncio.sleep(0.005)
    folds.fold([mark(1)], 0)
    assert await passing


async def test_what_is_never_folded_is_forgotten() -> None:
    seconds = 0.0
    folds = Folds()
    marks = Marks(folds.has_folded, lambda: seconds)
    marks.add([mark(1)])
    seconds = REMEMBERED_SECONDS
    assert not await marks.passed(0)
    seconds += 1
    assert await marks.passed(0)
