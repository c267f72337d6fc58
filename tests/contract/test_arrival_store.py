"""What port `ArrivalStore` promises, asked of every adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.wiring import wire
from domain.arrivals import Arrival, ArrivalFilter, ArrivalStore, ArrivedAlert, arrival_id
from domain.errors import NotFoundError
from domain.labels import Fingerprint
from tests.builders import HOUR, MINUTE, NOON
from tests.contract.conftest import Clock

EVERYTHING = ArrivalFilter()


def arrival(number: int = 1, *, kind: str = "grafana", key: str = "berlin", **changes: Any) -> Arrival:
    """The one that came so many minutes after noon."""
    at = NOON + number * MINUTE
    made = Arrival(
        id=arrival_id(kind, key, at, f"{number:08x}"),
        kind=kind,
        key=key,
        received_at=at,
        headers={"content-type": "application/json"},
        body=f'{{"number": {number}}}',
        encoding="text",
        size=13,
    )
    return replace(made, **changes)


async def record(arrivals: ArrivalStore, *made: Arrival) -> None:
    for one in made:
        await arrivals.record_arrival(one)


def bare(*made: Arrival) -> list[Arrival]:
    """As a listing shows them."""
    return [replace(one, body="") for one in made]


WANTED = {
    ArrivalFilter(): [1, 2, 3, 61],
    ArrivalFilter(kind="grafana"): [1, 3, 61],
    ArrivalFilter(kind="grafana", key="berlin"): [1, 61],
    ArrivalFilter(key="berlin"): [1, 2, 61],
    ArrivalFilter(kind="sentry"): [],
    ArrivalFilter(is_rejected=True): [3],
    ArrivalFilter(is_rejected=False): [1, 2, 61],
    ArrivalFilter(since=NOON + 2 * MINUTE): [2, 3, 61],
    ArrivalFilter(until=NOON + 3 * MINUTE): [1, 2],
    ArrivalFilter(kind="grafana", since=NOON + 2 * MINUTE, until=NOON + 2 * HOUR): [3, 61],
    ArrivalFilter(since=NOON + HOUR, until=NOON): [],
}
"""Which of the four arrivals, by their minutes."""


class TestOne:
    async def test_it_is_read_back_as_it_was(self, arrivals: ArrivalStore) -> None:
        whole = arrival(
            encoding="base64",
            is_cut=True,
            redacted=("$.password",),
            alerts=tuple(
                ArrivedAlert(Fingerprint(f"{number:016x}"), {"alertname": "DiskFull"}, is_firing=number % 2 == 0)
                for number in range(200)
            ),
            further=(Fingerprint("f" * 16),),
            alert_count=201,
            problems=("alerts.1: wrong",),
            replayed_at=NOON + HOUR,
        )
        await record(arrivals, arrival(2))
        for body in ("", "{}", '{"ü": "\u2028😀"}', "x" * 130_000, "\0"):
            await record(arrivals, replace(whole, body=body))
            assert await arrivals.get_arrival(whole.id) == replace(whole, body=body)

    async def test_a_later_word_of_it_takes_its_place(self, arrivals: ArrivalStore) -> None:
        later = arrival(replayed_at=NOON + HOUR, rejection="no longer")
        await record(arrivals, arrival(), later)
        assert await arrivals.get_arrival(later.id) == later
        assert list(await arrivals.list_arrivals(EVERYTHING, with_bodies=True)) == [later]

    async def test_an_unknown_one_is_not_found(self, arrivals: ArrivalStore) -> None:
        await record(arrivals, arrival())
        for id in ("", "x", "0" * 16, f"{0:016d}-00-x/y", f"{0:016d}-00-x", "ü" * 300, "calendar"):
            with pytest.raises(NotFoundError):
                await arrivals.get_arrival(id)


class TestListing:
    async def test_there_are_none_at_first(self, arrivals: ArrivalStore) -> None:
        assert list(await arrivals.list_arrivals(EVERYTHING)) == []

    async def test_it_goes_on_in_either_order_over_hours_and_sources(self, arrivals: ArrivalStore) -> None:
        made = [arrival(number, key=f"key-{number % 3}") for number in range(0, 300, 25)]
        await record(arrivals, *made[::-1])
        for order, newest_first in ((made, False), (made[::-1], True)):
            found: list[Arrival] = []
            while page := await arrivals.list_arrivals(
                EVERYTHING, beyond=found[-1].id if found else "", newest_first=newest_first, limit=5
            ):
                found += page
            assert found == bare(*order)

    async def test_bodies_come_when_asked_for(self, arrivals: ArrivalStore) -> None:
        made = [arrival(1), arrival(2, body="y" * 5000)]
        await record(arrivals, *made)
        assert list(await arrivals.list_arrivals(EVERYTHING, newest_first=False, with_bodies=True)) == made

    async def test_it_goes_on_behind_one_that_is_gone(self, arrivals: ArrivalStore) -> None:
        await record(arrivals, arrival(1), arrival(3))
        for newest_first, expected in ((True, arrival(1)), (False, arrival(3))):
            found = await arrivals.list_arrivals(EVERYTHING, beyond=arrival(2).id, newest_first=newest_first)
            assert list(found) == bare(expected)

    async def test_only_what_is_wanted(self, arrivals: ArrivalStore) -> None:
        others = (arrival(2, kind="zabbix"), arrival(3, key="paris", rejection="no JSON"), arrival(61))
        await record(arrivals, arrival(1), *others)
        for wanted, expected in WANTED.items():
            found = await arrivals.list_arrivals(wanted, newest_first=False)
            assert [(one.received_at - NOON) // MINUTE for one in found] == expected, wanted


class TestForgetting:
    async def test_what_is_older_is_gone(self, arrivals: ArrivalStore, clock: Clock) -> None:
        await record(arrivals, arrival(1), arrival(2))
        clock.advance(timedelta(days=7) + 90 * MINUTE / 60)
        await arrivals.forget_arrivals(clock() - timedelta(days=7), most=100)
        assert list(await arrivals.list_arrivals(EVERYTHING)) == bare(arrival(2))
        with pytest.raises(NotFoundError):
            await arrivals.get_arrival(arrival(1).id)

    async def test_of_too_many_the_oldest_are_gone(self, tmp_path: Path) -> None:
        """On one machine; on Azure whoever pays bounds it."""
        for home in ("memory", "sqlite"):
            ports = wire(Settings.read({"TOCSIN_HOME": home, "TOCSIN_DATA": str(tmp_path / home)}))
            arrivals = ports.arrivals.store
            await record(arrivals, *(arrival(number) for number in range(5)))
            await arrivals.forget_arrivals(NOON, most=2)
            assert list(await arrivals.list_arrivals(EVERYTHING)) == bare(arrival(4), arrival(3))
            await arrivals.forget_arrivals(NOON, most=0)
            assert list(await arrivals.list_arrivals(EVERYTHING)) == []
            await ports.close()
