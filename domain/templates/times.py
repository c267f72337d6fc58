"""Time and duration as templates see them: to the nanosecond, in a zone, printed by Go's layouts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.templates.nodes import Fault
from domain.times import EPOCH

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_DAY = 24 * HOUR
_LONGEST = 2**63 - 1
_YEAR_1_TO_EPOCH = 719_162 * _DAY

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

# Go's layouts, in the order in which it looks for them at each character.
_LAYOUT = re.compile(
    r"""January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|002|0[1-6]|15|1
    |_(?=2006)|__2|_2|2|3|4|5|PM|pm
    |Z07:00:00|Z070000|Z07:00|Z0700|Z07|-07:00:00|-070000|-07:00|-0700|-07
    |[.,](?:0+|9+)(?!\d)""",
    re.VERBOSE,
)


class Number(int):
    """A number that prints as a word, such as a month."""

    text: str

    def __new__(cls, number: int, text: str) -> Number:
        """The number and its word."""
        self = super().__new__(cls, number)
        self.text = text
        return self

    def __str__(self) -> str:
        return self.text


class Month(Number):
    """A month, from 1."""


class Weekday(Number):
    """A day of the week, from Sunday, which is 0."""


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """So many nanoseconds."""

    nanoseconds: int

    def __str__(self) -> str:
        """As Go prints it: `1h2m3.5s`, `1.5ms`, `0s`."""
        rest = abs(self.nanoseconds)
        sign = "-" if self.nanoseconds < 0 else ""
        if rest < SECOND:
            for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
                if rest >= size:
                    return f"{sign}{_decimal(rest, size)}{unit}"
            return "0s"
        hours, rest = divmod(rest, HOUR)
        minutes, rest = divmod(rest, MINUTE)
        text = f"{_decimal(rest, SECOND)}s"
        if hours or minutes:
            text = f"{minutes}m{text}"
        return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"

    @property
    def seconds(self) -> float:
        """In seconds."""
        return self.nanoseconds / SECOND

    def round(self, unit: Duration, *, up: bool = True) -> Duration:
        """To a multiple of the unit, away from zero at the half; toward zero unless `up`."""
        size = unit.nanoseconds
        if size <= 0:
            return self
        whole, rest = divmod(abs(self.nanoseconds), size)
        whole += up and 2 * rest >= size
        return Duration(whole * size if self.nanoseconds >= 0 else -whole * size)


@dataclass(frozen=True, slots=True)
class Civil:
    """What clock and calendar show in a zone."""

    year: int
    month: int
    day: int
    yearday: int
    weekday: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    offset: int  # seconds east of UTC
    zone: str


@dataclass(frozen=True, slots=True)
class Time:
    """An instant in a zone; no year is too early or too late."""

    nanoseconds: int
    """Since the beginning of 1970."""
    zone: tzinfo = UTC

    @classmethod
    def of(cls, instant: datetime, nanoseconds: int | None = None) -> Time:
        """The instant, in the zone it has; `nanoseconds` of the second, if known better than by its microseconds."""
        microseconds = (instant - EPOCH) // timedelta(microseconds=1)
        exact = microseconds * 1000
        if nanoseconds is not None:
            exact += nanoseconds - instant.microsecond * 1000
        offset = instant.utcoffset()
        return cls(exact, timezone(offset) if offset else UTC)

    def __str__(self) -> str:
        return self.format("2006-01-02 15:04:05.999999999 -0700 MST")

    @property
    def is_zero(self) -> bool:
        """Whether it is the instant that was never set."""
        return self.nanoseconds == ZERO.nanoseconds

    @property
    def unix(self) -> int:
        """Whole seconds since 1970."""
        return self.nanoseconds // SECOND

    def sub(self, other: Time) -> Duration:
        """The time between both, as far as 292 years."""
        return Duration(max(-_LONGEST - 1, min(_LONGEST, self.nanoseconds - other.nanoseconds)))

    def add(self, duration: Duration) -> Time:
        """So much later."""
        return replace(self, nanoseconds=self.nanoseconds + duration.nanoseconds)

    def add_date(self, years: int, months: int, days: int) -> Time:
        """Another day at the same time of day; a day that the month lacks is one of the next month."""
        here = self.civil()
        if max(abs(years), abs(months), abs(days)) > 10_000_000:
            raise Fault("AddDate: the date is too far away")
        year, month = divmod((here.year + years) * 12 + here.month - 1 + months, 12)
        day = _days(year, month + 1) + here.day - 1 + days
        wall = day * _DAY + here.hour * HOUR + here.minute * MINUTE + here.second * SECOND + here.nanosecond
        guess = wall - here.offset * SECOND
        return replace(self, nanoseconds=wall - replace(self, nanoseconds=guess).civil().offset * SECOND)

    def round(self, unit: Duration, *, up: bool = True) -> Time:
        """To a multiple of the unit since the year 1."""
        size = unit.nanoseconds
        if size <= 0:
            return self
        rest = (self.nanoseconds + _YEAR_1_TO_EPOCH) % size
        later = size if up and 2 * rest >= size else 0
        return replace(self, nanoseconds=self.nanoseconds - rest + later)

    def civil(self) -> Civil:
        """What clock and calendar show there and then."""
        offset, name = _offset(self.zone, self.nanoseconds // SECOND)
        days, rest = divmod(self.nanoseconds + offset * SECOND, _DAY)
        year, month, day = _date(days)
        hour, rest = divmod(rest, HOUR)
        minute, rest = divmod(rest, MINUTE)
        second, nanosecond = divmod(rest, SECOND)
        yearday = days - _days(year, 1) + 1
        weekday = (days + 4) % 7
        return Civil(year, month, day, yearday, weekday, hour, minute, second, nanosecond, offset, name)

    def format(self, layout: str) -> str:
        """As the layout shows the reference time, Monday, January 2, 15:04:05, 2006."""
        civil = self.civil()
        return _LAYOUT.sub(lambda match: _part(match[0], civil), layout)


ZERO = Time(-_YEAR_1_TO_EPOCH)
"""The instant that was never set: the end of an alert that fires (WH-6)."""


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """The time zone of that name in the IANA's list.

    Raises:
        Fault: There is none.
    """
    if name in ("", "UTC", "Local"):  # the machine's own zone is nobody's but the machine's
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise Fault(f"there is no time zone {name[:64]!r}") from None


def _offset(where: tzinfo, second: int) -> tuple[int, str]:
    """Seconds east of UTC then, and what the zone is called; a plain offset has no name."""
    if where is UTC:
        return 0, "UTC"
    # A zone's rules before and after Python's calendar are those of its first and last year.
    nearest = EPOCH + timedelta(seconds=max(-62_000_000_000, min(second, 253_000_000_000)))
    local = nearest.astimezone(where)
    offset = local.utcoffset() or timedelta(0)
    return offset // timedelta(seconds=1), local.tzname() or "" if isinstance(where, ZoneInfo) else ""


def _days(year: int, month: int) -> int:
    """The days from the beginning of 1970 to that of the month, in a calendar without beginning or end."""
    years, months = divmod(year * 12 + month - 3, 12)  # the year begins in March, so that leap days end it
    return 365 * years + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 - 719_468


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day of that many days after the beginning of 1970."""
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += era * 400 + (month >= 10)
    return year, month + 3 if month < 10 else month - 9, day + 1


def _part(code: str, civil: Civil) -> str:
    match code:
        case "January" | "Jan":
            name = MONTHS[civil.month - 1]
            return name if code == "January" else name[:3]
        case "Monday" | "Mon":
            name = WEEKDAYS[civil.weekday]
            return name if code == "Monday" else name[:3]
        case "MST":
            return civil.zone or _zone_offset("-0700", civil)
        case "PM" | "pm":
            half = "PM" if civil.hour >= 12 else "AM"
            return half if code == "PM" else half.lower()
        case "_":
            return code
        case _ if code[0] in "Z-":
            return "Z" if code[0] == "Z" and not civil.offset else _zone_offset(f"-{code[1:]}", civil)
        case _ if code[0] in ".,":
            digits = f"{civil.nanosecond:09d}"[: len(code) - 1].ljust(len(code) - 1, "0")
            if code[1] == "9":
                digits = digits.rstrip("0")
            return code[0] + digits if digits else ""
        case _:
            return _number(code, civil)


def _number(code: str, civil: Civil) -> str:
    match code:
        case "2006":
            return f"{civil.year:04d}" if civil.year >= 0 else f"-{-civil.year:04d}"
        case "06":
            return f"{civil.year % 100:02d}"
        case "01" | "1":
            number = civil.month
        case "02" | "_2" | "2":
            number = civil.day
        case "002" | "__2":
            return f"{civil.yearday:03d}" if code == "002" else f"{civil.yearday:3d}"
        case "15":
            return f"{civil.hour:02d}"
        case "03" | "3":
            number = (civil.hour + 11) % 12 + 1
        case "04" | "4":
            number = civil.minute
        case _:
            number = civil.second
    if code[0] == "0":
        return f"{number:02d}"
    return f"{number:2d}" if code[0] == "_" else str(number)


def _zone_offset(code: str, civil: Civil) -> str:
    hours, rest = divmod(abs(civil.offset), 3600)
    minutes, seconds = divmod(rest, 60)
    colon = ":" if ":" in code else ""
    text = f"{'-' if civil.offset < 0 else '+'}{hours:02d}"
    parts = len(code.replace(":", "")) // 2
    if parts > 1:
        text += f"{colon}{minutes:02d}"
    return text + f"{colon}{seconds:02d}" if parts > 2 else text


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
