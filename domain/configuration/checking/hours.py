"""Hours: whether the time intervals of a route, active and mute ones together, leave it any time at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta

from domain.intervals import MINUTES_A_DAY, Range, TimeInterval, is_over

type _Box = tuple[int, ...]
"""Minutes, weekdays, days, months and years, each a set of bits: the instants that have one of each."""

_MOST_BOXES = 1000

# A month of each length, for days that are counted from its end.
_MONTHS = ((2023, 2, 28), (2024, 2, 29), (2023, 4, 30), (2023, 1, 31))
_DAYS = tuple(datetime(year, month, day, tzinfo=UTC) for year, month, length in _MONTHS for day in range(1, length + 1))


def leave_no_time(active: Sequence[TimeInterval] | None, mute: Sequence[TimeInterval], now: datetime) -> bool:
    """Whether it is certain that from now on each instant is muted, or is in none of the active ones.

    Args:
        active: What the active intervals hold between them; None for no such intervals, which is always.
        mute: What the mute intervals hold between them.
        now: Years that are over do not count.
    """
    first_year = (now - timedelta(days=1)).year
    barred = [interval for interval in mute if not is_over(interval, now)]
    always = _box(TimeInterval(), first_year)
    if any(_box(interval, first_year) == always for interval in barred):
        return True
    if active is None:
        # Whatever the clock of one place is muted at all the time.
        zones = {interval.location for interval in barred}
        wanted = [TimeInterval(location=zone) for zone in zones]
        return any(_is_covered(interval, barred, first_year) for interval in wanted)
    return all(_is_covered(interval, barred, first_year) for interval in active if not is_over(interval, now))


def _is_covered(interval: TimeInterval, barred: Iterable[TimeInterval], first_year: int) -> bool:
    """Whether each instant of the interval is in one of the others, as far as those go by the same clock."""
    boxes = [_box(interval, first_year)]
    for other in barred:
        if other.location != interval.location:
            continue
        taken = _box(other, first_year)
        boxes = [piece for box in boxes for piece in _without(box, taken)]
        if len(boxes) > _MOST_BOXES:
            return False
    return not boxes


def _without(box: _Box, taken: _Box) -> list[_Box]:
    """What is left of the box, in pieces that do not overlap."""
    pieces = []
    common: _Box = ()
    for place, (own, other) in enumerate(zip(box, taken, strict=True)):
        if left := own & ~other:
            pieces.append((*common, left, *box[place + 1 :]))
        common = (*common, own & other)
        if not own & other:
            break
    return pieces


def _box(interval: TimeInterval, first_year: int) -> _Box:
    in_month = TimeInterval(days_of_month=interval.days_of_month)
    days = sum(1 << place for place, day in enumerate(_DAYS) if in_month.contains(day))
    years = [(begin - first_year, end - first_year) for begin, end in interval.years] if interval.years else None
    return (
        _bits([(start, end - 1) for start, end in interval.times or ()], MINUTES_A_DAY)
        if interval.times is not None
        else _all(MINUTES_A_DAY),
        _bits(interval.weekdays, 7),
        days,
        _bits(interval.months, 13) & ~1,
        _bits(years if interval.years is not None else None, MAXYEAR + 1 - first_year),
    )


def _bits(ranges: Iterable[Range] | None, size: int) -> int:
    if ranges is None:
        return _all(size)
    bits = 0
    for begin, end in ranges:
        low, high = max(begin, 0), min(end, size - 1)
        if low <= high:
            bits |= _all(high - low + 1) << low
    return bits


def _all(size: int) -> int:
    return (1 << size) - 1
