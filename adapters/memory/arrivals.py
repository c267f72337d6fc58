"""Implements `ArrivalStore` in this process alone."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.arrivals import MOST_ARRIVALS, Arrival, ArrivalFilter, place_of
from domain.errors import NotFoundError


class MemoryArrivalStore:
    """Implements `ArrivalStore`."""

    def __init__(self) -> None:
        self._arrivals: dict[str, Arrival] = {}

    async def record_arrival(self, arrival: Arrival) -> None:
        self._arrivals[arrival.id] = arrival
        while len(self._arrivals) > MOST_ARRIVALS:
            del self._arrivals[next(iter(self._arrivals))]

    async def list_arrivals(
        self,
        wanted: ArrivalFilter,
        *,
        beyond: str = "",
        newest_first: bool = True,
        limit: int = 100,
        with_bodies: bool = False,
    ) -> Sequence[Arrival]:
        def is_beyond(id: str) -> bool:
            return not beyond or (id < beyond if newest_first else id > beyond)

        found = [one for one in self._arrivals.values() if is_beyond(one.id) and wanted.matches(one)]
        pick = heapq.nlargest if newest_first else heapq.nsmallest
        picked = pick(limit, found, key=lambda one: one.id)
        return picked if with_bodies else [replace(one, body="") for one in picked]

    async def get_arrival(self, arrival_id: str) -> Arrival:
        if arrival_id not in self._arrivals:
            raise NotFoundError(f"no arrival {arrival_id[:100]!r}")
        return self._arrivals[arrival_id]

    async def forget_arrivals(self, before: datetime, *, most: int) -> None:
        first = place_of(before)
        young = [id for id in self._arrivals if id >= first]
        self._arrivals = {id: self._arrivals[id] for id in sorted(heapq.nlargest(most, young))}
