"""Storm: faults at every kind of call, drawn from a seed; a few at a time, so that work goes on in between."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.standins.cosmos.faults import Kind
from tests.standins.processes import AzureProcesses
from tests.standins.servicebus.faults import EFFECTS

READS = ("read", "query", "feed")
WRITES = ("batch", "create", "upsert", "replace", "delete")
CONDITIONAL = ("batch", "replace")

READ_KINDS = (
    *(Kind.THROTTLED, Kind.UNAVAILABLE, Kind.TIMED_OUT, Kind.RETRY_WITH, Kind.GONE, Kind.SESSION_NOT_AVAILABLE),
    *(Kind.HANG, Kind.CUT, Kind.LOST_REPLY),
)
WRITE_KINDS = (
    *(Kind.THROTTLED, Kind.UNAVAILABLE, Kind.TIMED_OUT, Kind.RETRY_WITH, Kind.GONE),
    *(Kind.HANG, Kind.HANG_AFTER_COMMIT, Kind.CUT, Kind.LOST_REPLY),
)

QUEUES = ("groups", "ticks", "deliveries")
PLACES = {"send": 9, "deliver": 6, "settle": 6, "manage": 2, "connect": 1, "token": 1, "open": 1}
"""Of Service Bus, with their weights: new connections come only after others were lost."""

AT_ONCE = 2
"""Faults that wait for one kind of call: more would only make one call fail many times."""

PAUSE_SECONDS = 0.2
LONGEST_HANG_SECONDS = 2.0
EVER_SECONDS = 16.0
"""Longer than anybody waits for Cosmos DB, or the SDK for a link to Service Bus."""
EVER = 0.03
"""How many of those that hang do so for as long as that."""


@dataclass
class Storm:
    """Sets faults until so many have struck; `struck` tells which."""

    azure: AzureProcesses
    random: Random
    total: int
    struck: Counter[str] = field(default_factory=Counter)
    """By where and what: `cosmos batch cut`, `service bus send deliveries drop`."""
    problem: str = ""
    _set: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _orders: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.struck.total()

    @contextmanager
    def blowing(self) -> Iterator[None]:
        """Until the block ends; then nothing goes wrong any more."""
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.azure.mend()
        assert not self.problem, self.problem

    def wait(self, seconds: float) -> None:
        """Until all have struck, however long that takes.

        Raises:
            AssertionError: None has, for so many seconds.
        """
        seen, deadline = 0, time.monotonic() + seconds
        while self.count < self.total and not self.problem:
            if self.count > seen:
                seen, deadline = self.count, time.monotonic() + seconds
            assert time.monotonic() < deadline, f"after {seen} of {self.total} faults none struck for {seconds:g} s"
            time.sleep(0.1)

    def _run(self, over: threading.Event) -> None:
        try:
            while not over.wait(PAUSE_SECONDS):
                self._look()
                if self.count < self.total:
                    self._set_some()
        except Exception as error:  # noqa: BLE001 - the thread's top: the test looks at it
            self.problem = repr(error)

    def _set_some(self) -> None:
        cosmos = self._cosmos_fault()
        if self._set["cosmos", cosmos["operation"]] < AT_ONCE:
            self._set["cosmos", cosmos["operation"]] += 1
            self.azure.break_cosmos(cosmos)
        bus = self._service_bus_fault()
        if sum(self._place(order) == self._place(bus) for order in self._orders) < AT_ONCE:
            self.azure.break_service_bus(bus)
            self._orders.append(bus)

    def _cosmos_fault(self) -> dict[str, Any]:
        # Equally often, though some are asked far more often than others.
        operation = self.random.choice(READS + WRITES)
        kinds: Sequence[Kind] = READ_KINDS if operation in READS else WRITE_KINDS
        if operation in CONDITIONAL:
            kinds = (*kinds, Kind.PRECONDITION_FAILED)
        kind = self.random.choice(kinds)
        fault: dict[str, Any] = {"kind": kind.value, "operation": operation}
        if kind in (Kind.HANG, Kind.HANG_AFTER_COMMIT):
            fault["seconds"] = self._seconds()
        return fault

    def _service_bus_fault(self) -> dict[str, Any]:
        place = self.random.choices(list(PLACES), weights=list(PLACES.values()))[0]
        fault: dict[str, Any] = {"at": place, "does": self.random.choice(sorted(EFFECTS[place]))}  # type: ignore[index]
        if place in ("send", "deliver", "settle"):
            fault["queue"] = self.random.choice(QUEUES)
        if place in ("send", "settle", "manage"):
            fault["when"] = self.random.choice(("before", "after"))
        if fault["does"] in ("hang", "late"):
            fault["seconds"] = self._seconds()
        return fault

    def _seconds(self) -> float:
        return EVER_SECONDS if self.random.random() < EVER else self.random.uniform(0.1, LONGEST_HANG_SECONDS)

    def _look(self) -> None:
        """Note what has struck since the last look."""
        for call in self.azure.cosmos_calls(forget=True):
            if call["fault"]:
                self.struck[f"cosmos {call['operation']} {call['fault']}"] += 1
                self._set["cosmos", call["operation"]] -= 1
        left = [{name: order[name] for name in ("at", "does", "queue", "when", "seconds")} for order in self._pending()]
        for order in list(self._orders):
            whole = {"queue": None, "when": "before", "seconds": None, **order}
            if whole in left:
                left.remove(whole)
            else:
                self._orders.remove(order)
                self.struck[" ".join(["service bus", *self._place(order), order["does"]])] += 1

    def _pending(self) -> list[dict[str, Any]]:
        pending: list[dict[str, Any]] = self.azure.order("faults")
        return pending

    @staticmethod
    def _place(order: Mapping[str, Any]) -> tuple[str, ...]:
        return (order["at"], order["queue"]) if order.get("queue") else (order["at"],)
