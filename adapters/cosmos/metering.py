"""Metering: what the store was asked and what it charged, counted from the answers' own headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bill:
    """Operations, request units and bytes; of one piece of work, or of the whole process."""

    request_units: float = 0.0
    operations: int = 0
    bytes: int = 0
    """Of the items sent, and of the answers."""
    by_kind: Counter[str] = field(default_factory=Counter)
    """How many operations of each kind (`read`, `query`, `batch`, `create`, ...) on each container: `batch groups`."""

    def add(self, kind: str, request_units: float, bytes: int) -> None:
        """One request was answered."""
        self.request_units += request_units
        self.operations += 1
        self.bytes += bytes
        self.by_kind[kind] += 1


_open: ContextVar[tuple[Bill, ...]] = ContextVar("bills", default=())


class Meter:
    """Adds every operation to the process' bill, and to those that are open where it was asked for."""

    def __init__(self) -> None:
        self.total = Bill()

    def add(self, kind: str, request_units: float, bytes: int) -> None:
        """One request was answered."""
        for bill in (self.total, *_open.get()):
            bill.add(kind, request_units, bytes)


@contextmanager
def billed() -> Iterator[Bill]:
    """A bill of what is asked of the store inside this block, by tasks begun in it as well."""
    bill = Bill()
    token = _open.set((*_open.get(), bill))
    try:
        yield bill
    finally:
        _open.reset(token)
