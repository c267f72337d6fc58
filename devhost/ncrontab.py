"""NCRONTAB: the schedules of timer triggers, read as the Functions host reads them.

Own code, because the libraries disagree with the host: where both the day and the weekday are restricted, the host
wants both, cronsim (like Debian's cron) either; croniter can be told to, but takes `L`, `#` and `@daily`, which the
host refuses, and wraps `22-2`, which the host turns round.

Source: github.com/atifaziz/NCrontab, and CronSchedule.cs in github.com/Azure/azure-webjobs-sdk-extensions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.times import MONTHS, WEEKDAYS

_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_TIME_SPAN = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})", re.ASCII)


@dataclass(frozen=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        found: set[int] = set()
        for item in text.split(","):
            span, slash, step_text = item.partition("/")
            step = self._number(step_text, item) if slash else 1
            if span == "*":
                start, end = self.first, self.last
            else:
                low, dash, high = span.partition("-")
                start = self._value(low, item)
                end = self._value(high, item) if dash else self.last if slash else start
            start, end = min(start, end), max(start, end)
            if start < self.first or end > self.last:
                raise ValueError(f"{self.name} {item!r} is not within {self.first}-{self.last}")
            found.update(range(start, end + 1, max(step, 1)))
        return frozenset(found)

    def _value(self, text: str, item: str) -> int:
        # The host takes any beginning of a name: `mon`, but also `m`, the first month that fits.
        named = (at for at, name in enumerate(self.names, self.first) if text and name.startswith(text.lower()))
        at = next(named, None)
        return self._number(text, item) if at is None else at

    def _number(self, text: str, item: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{self.name} {item!r} is not understood")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of week", 0, 6, WEEKDAYS),
)


class Schedule:
    """When a timer trigger fires, in UTC, for Functions on Linux knows no other time zone.

    Six fields, `{second} {minute} {hour} {day} {month} {day of week}`, or an interval `hh:mm:ss`.  The host also takes
    five fields, without seconds; here they are refused, since a forgotten field is likelier.

    Raises:
        ValueError: The text is no schedule, or one that never fires.
    """

    def __init__(self, text: str) -> None:
        self._interval = _interval(text.strip())
        if self._interval is not None:
            return
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(f"schedule {text!r} has {len(parts)} fields; six are wanted, or hh:mm:ss")
        fields = [field.values(part) for field, part in zip(_FIELDS, parts, strict=True)]
        self._seconds, self._minutes, self._hours, self._days, self._months, self._weekdays = fields
        if not any(min(self._days) <= _DAYS_IN_MONTH[month - 1] for month in self._months):
            raise ValueError(f"schedule {text!r} never fires")

    def next(self, after: datetime) -> datetime:
        """The first instant after `after`, which itself does not count."""
        if after.tzinfo is None:
            raise ValueError(f"{after} names no time zone")
        start = after.astimezone(UTC)
        if self._interval is not None:
            return start + self._interval
        at = start.replace(microsecond=0) + timedelta(seconds=1)
        while True:
            if at.month not in self._months:
                at = (at.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(day=1)
            elif at.day not in self._days or at.isoweekday() % 7 not in self._weekdays:
                at = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif at.hour not in self._hours:
                at = at.replace(minute=0, second=0) + timedelta(hours=1)
            elif at.minute not in self._minutes:
                at = at.replace(second=0) + timedelta(minutes=1)
            elif at.second not in self._seconds:
                at += timedelta(seconds=1)
            else:
                return at


def _interval(text: str) -> timedelta | None:
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.groups())
    # .NET reads `24:00:00` as twenty-four days.
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"interval {text!r} is not within 00:00:00-23:59:59")
    interval = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not interval:
        raise ValueError(f"interval {text!r} is empty")
    return interval
