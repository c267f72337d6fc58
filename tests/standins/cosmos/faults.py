"""Fault: something that goes wrong on purpose, for some requests, a few times or by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from random import Random
from typing import Any, Self

from tests.standins.cosmos.calls import Call
from tests.standins.cosmos.refusals import Refusal


class Kind(StrEnum):
    """What goes wrong."""

    THROTTLED = "throttled"
    """429, with `retry_after_ms`."""
    UNAVAILABLE = "unavailable"
    """503."""
    TIMED_OUT = "timed-out"
    """408."""
    RETRY_WITH = "retry-with"
    """449."""
    GONE = "gone"
    """410/1002: the physical partition is no longer there."""
    SESSION_NOT_AVAILABLE = "session-not-available"
    """404/1002: no replica has caught up with the session token."""
    PRECONDITION_FAILED = "precondition-failed"
    """412, as if another writer had come in between."""
    HANG = "hang"
    """Waits for `seconds`, then carries the request out, even if the client has given up meanwhile."""
    HANG_AFTER_COMMIT = "hang-after-commit"
    """Carries the request out, then waits for `seconds` before the answer."""
    CUT = "cut"
    """Closes the connection; nothing is carried out."""
    LOST_REPLY = "lost-reply"
    """Carries the request out and closes the connection without an answer."""


_ANSWERS: Mapping[Kind, tuple[int, int | None]] = {
    Kind.THROTTLED: (429, 3200),
    Kind.UNAVAILABLE: (503, None),
    Kind.TIMED_OUT: (408, None),
    Kind.RETRY_WITH: (449, None),
    Kind.GONE: (410, 1002),
    Kind.SESSION_NOT_AVAILABLE: (404, 1002),
    Kind.PRECONDITION_FAILED: (412, None),
}


class Outage(StrEnum):
    """What goes wrong for every request until it is taken back."""

    DOWN = "down"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong for the requests that fit every given field.

    server.faults.add(Fault(Kind.LOST_REPLY, operation="batch", container="groups"))
    """

    kind: Kind
    operation: str | None = None
    """As in `Call.operation`: "read", "create", "batch", "query", "feed" and so on."""
    container: str | None = None
    id: str | None = None
    """The item's; a batch fits where one of its operations has it."""
    method: str | None = None
    matches: Callable[[Call], bool] | None = None
    """Any further condition; only for a server in the test's own process."""
    times: int | None = 1
    """How many requests it meets; None for all."""
    probability: float = 1.0
    """Of meeting a request that fits; drawn from the seed of `Faults`."""
    retry_after_ms: int = 10
    seconds: float = 0.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From JSON, as the control endpoint takes it.

        Raises:
            ValueError: A field or the kind is unknown.
        """
        names = {field.name for field in fields(cls)} - {"matches"}
        if strange := given.keys() - names:
            raise ValueError(f"a fault has no {', '.join(sorted(strange))}; it has {', '.join(sorted(names))}")
        return cls(**{**given, "kind": Kind(given["kind"])})

    def fits(self, call: Call) -> bool:
        wishes = ((self.operation, call.operation), (self.container, call.container), (self.method, call.method))
        return (
            all(wish is None or wish == there for wish, there in wishes)
            and (self.id is None or self.id in call.ids)
            and (self.matches is None or self.matches(call))
        )

    @property
    def refusal(self) -> Refusal | None:
        """The answer in place of the true one; None where the fault is of another sort."""
        if self.kind not in _ANSWERS:
            return None
        status, substatus = _ANSWERS[self.kind]
        headers = {"x-ms-retry-after-ms": str(self.retry_after_ms)} if status in (429, 449) else {}
        return Refusal(status, f"injected by the test: {self.kind}", substatus=substatus, headers=headers)


class Faults:
    """What goes wrong at one server; the first fault that fits a request meets it."""

    def __init__(self, seed: int = 0) -> None:
        self.outage: Outage | None = None
        self._random = Random(seed)
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, *faults: Fault) -> None:
        self._waiting += [(fault, 0) for fault in faults]

    def clear(self) -> None:
        """Everything works again; an outage ends too."""
        self.outage = None
        self._waiting.clear()

    def seed(self, seed: int) -> None:
        self._random = Random(seed)

    @property
    def waiting(self) -> list[Fault]:
        """Those that have not met as many requests as they should; a test may end on there being none."""
        return [fault for fault, _ in self._waiting if fault.times is not None]

    def strike(self, call: Call) -> Fault | None:
        """The fault that meets this request; asked once for each."""
        if self.outage is Outage.DOWN:
            return Fault(Kind.CUT, times=None)
        if self.outage is Outage.THROTTLED:
            return Fault(Kind.THROTTLED, times=None)
        for place, (fault, met) in enumerate(self._waiting):
            if fault.fits(call) and (fault.probability >= 1 or self._random.random() < fault.probability):
                if met + 1 == fault.times:
                    del self._waiting[place]
                else:
                    self._waiting[place] = (fault, met + 1)
                return fault
        return None
