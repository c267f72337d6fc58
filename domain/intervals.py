"""Time intervals: when a route is muted, or active, by the calendar and the clock of a place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """One entry of a `time_intervals` item; each field is a list of ranges, one of which must hold (TI-1)."""

    def contains(self, at: datetime) -> bool:
        """Whether this instant falls into it."""
        raise NotImplementedError
