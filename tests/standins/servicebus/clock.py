"""The broker's time: locks, schedules and windows of duplicates run by it, and a test may move it."""

import heapq
import itertools
import time
from collections.abc import Callable


class Clock:
    """A base clock plus what tests have added to it. Seconds since 1970."""

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self._added = 0.0
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()

    def now(self) -> float:
        return self._base() + self._added

    def add(self, seconds: float) -> None:
        self._added += seconds

    def wall_milliseconds(self, instant: float) -> int:
        return round(self.on_the_wall(instant) * 1000)

    def on_the_wall(self, instant: float) -> float:
        """By the machine's clock, which clients hold the ends of their locks against."""
        return time.time() + instant - self.now()

    def at(self, instant: float, act: Callable[[], None]) -> None:
        """Has `act` called by `ring` once `instant` has come. There is no way to revoke: `act` looks for itself."""
        heapq.heappush(self._alarms, (instant, next(self._serial), act))

    def ring(self) -> None:
        now = self.now()
        while self._alarms and self._alarms[0][0] <= now:
            heapq.heappop(self._alarms)[2]()

    def seconds_to_next(self) -> float | None:
        return self._alarms[0][0] - self.now() if self._alarms else None
