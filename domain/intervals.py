"""Time intervals: when a route is muted, or active, by the calendar and the clock of a place."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, tzinfo

MINUTES_A_DAY = 24 * 60

# After so many years the calendar repeats, weekdays included.
_CYCLE_YEARS = 400

type Range = tuple[int, int]
"""Begin and end; both belong to it, except with minutes, where the end does not."""


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """One entry of a `time_intervals` item: each field that is set must hold, by one of its ranges (TI-1).

    A field of None holds always, and one without a range never does: so does Alertmanager tell `weekdays:` with
    nothing behind it from `weekdays: []`.
    """

    times: tuple[Range, ...] | None = None
    """In minutes since midnight, as the clock on the wall shows them, without the end (TI-2)."""
    weekdays: tuple[Range, ...] | None = None
    """Sunday is 0, Saturday 6."""
    days_of_month: tuple[Range, ...] | None = None
    """1 to 31, or -1 to -31 for days counted from the end of the month (TI-3)."""
    months: tuple[Range, ...] | None = None
    """January is 1."""
    years: tuple[Range, ...] | None = None
    location: tzinfo = UTC
    """Whose clock and calendar count (TI-4)."""

    def contains(self, at: datetime) -> bool:
        """Whether this aware instant falls into it, to the minute; clocks put forward or back are followed.

        An hour that a clock skips is in no interval of that day, and one that it shows twice is in both times.

        Source: `ContainsTime` in Alertmanager, timeinterval/timeinterval.go.  It measures a month in hours, and so
        takes the one in which clocks go forward for a day shorter than it is: `-1` names the 30th of March in Berlin.
        Here it names the 31st.
        """
        local = self._local(at)
        if self.times is not None:
            minute = local.hour * 60 + local.minute
            if not any(start <= minute < end for start, end in self.times):
                return False
        return (
            _holds(self.years, local.year)
            and _holds(self.months, local.month)
            and _holds(self.weekdays, local.isoweekday() % 7)
            and self._has_day(local.date())
        )

    def _local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self.location)
        except OverflowError:  # within a day of the first or the last instant that Python knows
            return at

    def _has_day(self, day: date) -> bool:
        if self.days_of_month is None:
            return True
        _, length = monthrange(day.year, day.month)
        return any(
            _from_start(begin, length) <= day.day <= _from_start(end, length) for begin, end in self.days_of_month
        )


def never_matches(interval: TimeInterval) -> bool:
    """Whether no instant of the calendar falls into it, as with the 31st of February; years that are over do count."""
    return interval.times == () or next(_dates(interval, date.min), None) is None


def is_over(interval: TimeInterval, now: datetime) -> bool:
    """Whether no instant from `now` on falls into it, because its years have passed or because it never matches."""
    if interval.times == ():
        return True
    local = interval._local(now)
    today = local.date()
    minute = local.hour * 60 + local.minute
    last = max((end for _, end in interval.times), default=0) if interval.times is not None else MINUTES_A_DAY
    return next((day for day in _dates(interval, today) if day > today or minute < last), None) is None


def _holds(ranges: tuple[Range, ...] | None, number: int) -> bool:
    return ranges is None or any(begin <= number <= end for begin, end in ranges)


def _from_start(day: int, length: int) -> int:
    """The day counted from the start; below 1 or beyond the month where the month is too short to have it."""
    return day if day > 0 else length + day + 1


def _dates(interval: TimeInterval, first: date) -> Iterator[date]:
    """The dates of it from `first` on, in order; those of one cycle of the calendar, for then they repeat."""
    if () in (interval.weekdays, interval.days_of_month, interval.months):
        return
    for year in _years(interval, first.year):
        for month in range(1, 13):
            if not _holds(interval.months, month):
                continue
            _, length = monthrange(year, month)
            for number in range(1, length + 1):
                day = date(year, month, number)
                if day >= first and interval._has_day(day) and _holds(interval.weekdays, day.isoweekday() % 7):
                    yield day


def _years(interval: TimeInterval, first: int) -> list[int]:
    ranges = ((first, MAXYEAR),) if interval.years is None else interval.years
    years: set[int] = set()
    for begin, end in ranges:
        start = max(begin, first)
        years.update(range(start, min(end, start + _CYCLE_YEARS, MAXYEAR) + 1))
    return sorted(years)
