"""Time intervals, as values: what falls into one (TI-1 to TI-4), also where clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from domain.intervals import TimeInterval, is_over, never_matches

MONDAY = 1
NINE_TO_FIVE = ((9 * 60, 17 * 60),)


def at(text: str) -> datetime:
    """`2026-03-29 01:30`, in UTC; seconds may follow."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---- Fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "instant", "expected"),
    [
        pytest.param(TimeInterval(), "2026-07-01 12:00", True, id="nothing set: always"),
        pytest.param(TimeInterval(times=NINE_TO_FIVE), "2026-07-01 08:59:59.999999", False, id="times: just before"),
        pytest.param(TimeInterval(times=NINE_TO_FIVE), "2026-07-01 09:00", True, id="times: at the start"),
        pytest.param(TimeInterval(times=NINE_TO_FIVE), "2026-07-01 16:59:59.999999", True, id="times: the last minute"),
        pytest.param(TimeInterval(times=NINE_TO_FIVE), "2026-07-01 17:00", False, id="times: not at the end"),
        pytest.param(TimeInterval(times=((0, 1440),)), "2026-07-01 23:59:59.999999", True, id="times: until 24:00"),
        pytest.param(TimeInterval(times=((0, 1440),)), "2026-07-01 00:00", True, id="times: from 00:00"),
        pytest.param(TimeInterval(times=((0, 60), (120, 180))), "2026-07-01 02:30", True, id="times: any range"),
        pytest.param(TimeInterval(times=((0, 60), (120, 180))), "2026-07-01 01:30", False, id="times: between two"),
        pytest.param(TimeInterval(times=()), "2026-07-01 12:00", False, id="times: an empty list is never"),
        pytest.param(TimeInterval(weekdays=((1, 5),)), "2026-07-03 12:00", True, id="weekdays: a Friday"),
        pytest.param(TimeInterval(weekdays=((1, 5),)), "2026-07-04 12:00", False, id="weekdays: a Saturday"),
        pytest.param(TimeInterval(weekdays=((1, 5),)), "2026-07-05 12:00", False, id="weekdays: a Sunday"),
        pytest.param(TimeInterval(weekdays=((0, 0),)), "2026-07-05 12:00", True, id="weekdays: Sunday is 0"),
        pytest.param(TimeInterval(weekdays=((6, 6), (0, 0))), "2026-07-05 12:00", True, id="weekdays: any range"),
        pytest.param(TimeInterval(weekdays=()), "2026-07-05 12:00", False, id="weekdays: an empty list is never"),
        pytest.param(TimeInterval(months=((6, 8),)), "2026-06-01 00:00", True, id="months: the first"),
        pytest.param(TimeInterval(months=((6, 8),)), "2026-08-31 23:59", True, id="months: the last"),
        pytest.param(TimeInterval(months=((6, 8),)), "2026-09-01 00:00", False, id="months: after"),
        pytest.param(TimeInterval(months=((0, 13),)), "2026-12-31 12:00", True, id="months: beyond the year's"),
        pytest.param(TimeInterval(years=((2025, 2026),)), "2026-12-31 23:59", True, id="years: the last"),
        pytest.param(TimeInterval(years=((2025, 2026),)), "2027-01-01 00:00", False, id="years: after"),
        pytest.param(TimeInterval(years=((2024, 2024), (2026, 2026))), "2025-06-01 00:00", False, id="years: between"),
        pytest.param(TimeInterval(years=((-5, 99999),)), "2026-06-01 00:00", True, id="years: beyond all"),
        pytest.param(
            TimeInterval(times=NINE_TO_FIVE, weekdays=((1, 5),)), "2026-07-03 18:00", False, id="fields: all must hold"
        ),
        pytest.param(
            TimeInterval(times=NINE_TO_FIVE, weekdays=((1, 5),), days_of_month=((1, 7),), months=((7, 7),)),
            "2026-07-03 10:00",
            True,
            id="fields: all hold",
        ),
    ],
)
def test_contains(interval: TimeInterval, instant: str, expected: bool) -> None:
    assert interval.contains(at(instant)) is expected


@pytest.mark.parametrize(
    ("days", "month", "expected"),
    [
        pytest.param((1, 1), "2026-07", [1], id="the first"),
        pytest.param((1, 5), "2026-07", [1, 2, 3, 4, 5], id="the first five"),
        pytest.param((-1, -1), "2026-07", [31], id="the last of 31"),
        pytest.param((-1, -1), "2026-06", [30], id="the last of 30"),
        pytest.param((-1, -1), "2026-02", [28], id="the last of February"),
        pytest.param((-1, -1), "2024-02", [29], id="the last of February in a leap year"),
        pytest.param((-1, -1), "2100-02", [28], id="the last of February in 2100, which is none"),
        pytest.param((-1, -1), "2000-02", [29], id="the last of February in 2000, which is one"),
        pytest.param((-3, -1), "2026-04", [28, 29, 30], id="the last three"),
        pytest.param((29, 29), "2026-02", [], id="the 29th of a short February"),
        pytest.param((29, 29), "2024-02", [29], id="the 29th of a long February"),
        pytest.param((31, 31), "2026-06", [], id="the 31st of a month of 30 is skipped"),
        pytest.param((30, 31), "2026-06", [30], id="an end beyond the month is clamped"),
        pytest.param((30, 31), "2026-02", [], id="a start beyond the month is skipped"),
        pytest.param((-31, -30), "2026-02", [], id="a start and end before the month"),
        pytest.param((-31, -28), "2026-02", [1], id="a start before the month is clamped"),
        pytest.param((-31, -31), "2026-07", [1], id="the 31st from the end"),
        pytest.param((-30, -30), "2026-06", [1], id="the 30th from the end of 30"),
        pytest.param((-31, -31), "2026-06", [], id="the 31st from the end of 30"),
        pytest.param((27, -1), "2026-02", [27, 28], id="from the start to the end"),
        pytest.param((25, -4), "2026-02", [25], id="an end from behind meets the start"),
        pytest.param((5, -25), "2026-02", [], id="an end from behind before the start"),
        pytest.param((5, -25), "2026-07", [5, 6, 7], id="the same in a longer month"),
    ],
)
def test_days_of_month(days: tuple[int, int], month: str, expected: list[int]) -> None:
    interval = TimeInterval(days_of_month=(days,))
    year, number = map(int, month.split("-"))
    first = datetime(year, number, 1, 12, tzinfo=UTC)
    days_after = [first + timedelta(days=count) for count in range(31)]
    assert [day.day for day in days_after if day.month == number and interval.contains(day)] == expected


# ---- Places ----------------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def in_place(zone: ZoneInfo, start: str, end: str) -> TimeInterval:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    return TimeInterval(times=((minute(start), minute(end)),), location=zone)


@pytest.mark.parametrize(
    ("interval", "instant", "expected"),
    [
        # In Berlin clocks go from 02:00 to 03:00 at 01:00 UTC on the 29th of March 2026 ...
        pytest.param(in_place(BERLIN, "09:00", "17:00"), "2026-03-28 08:00", True, id="Berlin: 09:00 in winter"),
        pytest.param(in_place(BERLIN, "09:00", "17:00"), "2026-03-29 07:00", True, id="Berlin: 09:00 in summer"),
        pytest.param(in_place(BERLIN, "09:00", "17:00"), "2026-03-28 07:59", False, id="Berlin: too early in winter"),
        pytest.param(in_place(BERLIN, "02:00", "03:00"), "2026-03-29 00:59", False, id="Berlin: before the lost hour"),
        pytest.param(in_place(BERLIN, "02:00", "03:00"), "2026-03-29 01:00", False, id="Berlin: the lost hour"),
        pytest.param(in_place(BERLIN, "01:30", "03:30"), "2026-03-29 00:59:59", True, id="Berlin: 01:59:59"),
        pytest.param(in_place(BERLIN, "01:30", "03:30"), "2026-03-29 01:29:59", True, id="Berlin: 03:29:59, after it"),
        pytest.param(in_place(BERLIN, "01:30", "03:30"), "2026-03-29 01:30", False, id="Berlin: 03:30, after it"),
        # ... and back from 03:00 to 02:00 at 01:00 UTC on the 25th of October.
        pytest.param(in_place(BERLIN, "02:00", "03:00"), "2026-10-25 00:30", True, id="Berlin: 02:30 for the first"),
        pytest.param(in_place(BERLIN, "02:00", "03:00"), "2026-10-25 01:30", True, id="Berlin: 02:30 for the second"),
        pytest.param(in_place(BERLIN, "02:00", "03:00"), "2026-10-25 02:00", False, id="Berlin: 03:00 at last"),
        pytest.param(in_place(BERLIN, "02:00", "03:00"), "2026-10-24 23:59", False, id="Berlin: 01:59"),
        # New York: at 07:00 UTC on the 8th of March, at 06:00 UTC on the 1st of November 2026.
        pytest.param(in_place(NEW_YORK, "09:00", "17:00"), "2026-03-07 14:00", True, id="New York: 09:00 in winter"),
        pytest.param(in_place(NEW_YORK, "09:00", "17:00"), "2026-03-09 13:00", True, id="New York: 09:00 in summer"),
        pytest.param(in_place(NEW_YORK, "02:00", "03:00"), "2026-03-08 07:00", False, id="New York: the lost hour"),
        pytest.param(in_place(NEW_YORK, "01:00", "02:00"), "2026-11-01 05:59", True, id="New York: 01:59, the first"),
        pytest.param(in_place(NEW_YORK, "01:00", "02:00"), "2026-11-01 06:00", True, id="New York: 01:00, the second"),
        pytest.param(in_place(NEW_YORK, "01:00", "02:00"), "2026-11-01 07:00", False, id="New York: 02:00 at last"),
        pytest.param(in_place(KOLKATA, "09:00", "17:00"), "2026-07-01 03:29", False, id="Kolkata: 08:59"),
        pytest.param(in_place(KOLKATA, "09:00", "17:00"), "2026-07-01 03:30", True, id="Kolkata: half an hour aside"),
        pytest.param(in_place(KOLKATA, "09:00", "17:00"), "2026-07-01 11:30", False, id="Kolkata: 17:00"),
        # Lord Howe moves by half an hour: at 15:30 UTC on the 3rd of October, and at 15:00 UTC on the 4th of April.
        pytest.param(in_place(LORD_HOWE, "02:00", "02:30"), "2026-10-03 15:29", False, id="Lord Howe: 01:59"),
        pytest.param(in_place(LORD_HOWE, "02:00", "02:30"), "2026-10-03 15:30", False, id="Lord Howe: 02:30 at once"),
        pytest.param(in_place(LORD_HOWE, "01:30", "02:00"), "2026-04-04 14:45", True, id="Lord Howe: 01:45, the first"),
        pytest.param(in_place(LORD_HOWE, "01:30", "02:00"), "2026-04-04 15:15", True, id="Lord Howe: 01:45 once more"),
        pytest.param(in_place(LORD_HOWE, "01:30", "02:00"), "2026-04-04 15:30", False, id="Lord Howe: 02:00 at last"),
        # The calendar is the place's too.
        pytest.param(
            TimeInterval(weekdays=((MONDAY, MONDAY),), location=NEW_YORK), "2026-07-07 03:59", True, id="still Monday"
        ),
        pytest.param(
            TimeInterval(weekdays=((MONDAY, MONDAY),), location=NEW_YORK), "2026-07-06 03:59", False, id="still Sunday"
        ),
        pytest.param(
            TimeInterval(days_of_month=((-1, -1),), location=KOLKATA), "2026-06-30 18:30", False, id="next month there"
        ),
        pytest.param(
            TimeInterval(years=((2027, 2027),), location=KOLKATA), "2026-12-31 18:30", True, id="next year there"
        ),
        # A month is as long as the calendar says, although its hours are one less or more (Alertmanager's would be 30).
        pytest.param(
            TimeInterval(days_of_month=((-1, -1),), location=BERLIN), "2026-03-31 12:00", True, id="March is whole"
        ),
        pytest.param(
            TimeInterval(days_of_month=((-1, -1),), location=BERLIN), "2026-03-30 12:00", False, id="and not shorter"
        ),
        pytest.param(
            TimeInterval(days_of_month=((31, 31),), location=BERLIN), "2026-10-31 12:00", True, id="October is whole"
        ),
    ],
)
def test_places(interval: TimeInterval, instant: str, expected: bool) -> None:
    assert interval.contains(at(instant)) is expected


def test_the_zone_that_an_instant_is_written_in_does_not_matter() -> None:
    interval = TimeInterval(times=NINE_TO_FIVE, location=BERLIN)
    for zone in (UTC, KOLKATA, NEW_YORK, timezone(timedelta(hours=-11, minutes=-17, seconds=-23))):
        assert interval.contains(at("2026-07-01 07:00").astimezone(zone))
        assert not interval.contains(at("2026-07-01 06:59").astimezone(zone))


@pytest.mark.parametrize("zone", [UTC, KOLKATA, NEW_YORK])
def test_no_instant_is_too_far(zone: ZoneInfo) -> None:
    interval = TimeInterval(years=((1, 9999),), location=zone)
    for ends in (timezone.min, UTC, timezone.max):
        assert interval.contains(datetime.min.replace(tzinfo=ends))
        assert interval.contains(datetime.max.replace(tzinfo=ends))


# ---- What a linter asks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        pytest.param(TimeInterval(), False, id="always"),
        pytest.param(TimeInterval(days_of_month=((31, 31),), months=((2, 2),)), True, id="the 31st of February"),
        pytest.param(TimeInterval(days_of_month=((29, 29),), months=((2, 2),)), False, id="the 29th of February"),
        pytest.param(
            TimeInterval(days_of_month=((29, 29),), months=((2, 2),), years=((2025, 2027),)),
            True,
            id="the 29th of February in years that have none",
        ),
        pytest.param(
            TimeInterval(days_of_month=((29, 29),), months=((2, 2),), weekdays=((MONDAY, MONDAY),)),
            False,
            id="the 29th of February on a Monday",
        ),
        pytest.param(
            TimeInterval(
                days_of_month=((29, 29),), months=((2, 2),), weekdays=((MONDAY, MONDAY),), years=((2024, 2024),)
            ),
            True,
            id="a Monday that was a Thursday",
        ),
        pytest.param(TimeInterval(days_of_month=((31, 31),), months=((4, 4), (6, 6))), True, id="short months"),
        pytest.param(TimeInterval(days_of_month=((5, -26),), months=((2, 2),)), True, id="ends before it starts"),
        pytest.param(TimeInterval(months=((13, 20),)), True, id="a 13th month"),
        pytest.param(TimeInterval(years=((-10, 0),)), True, id="no year"),
        pytest.param(TimeInterval(years=((10_000, 20_000),)), True, id="no year that Python knows"),
        pytest.param(TimeInterval(years=((2000, 2001),)), False, id="years that are over"),
        pytest.param(TimeInterval(times=()), True, id="no time"),
        pytest.param(TimeInterval(weekdays=()), True, id="no weekday"),
    ],
)
def test_never_matches(interval: TimeInterval, expected: bool) -> None:
    assert never_matches(interval) is expected


@pytest.mark.parametrize(
    ("interval", "now", "expected"),
    [
        pytest.param(TimeInterval(), "2026-07-01 12:00", False, id="always"),
        pytest.param(TimeInterval(years=((2025, 2025),)), "2025-12-31 23:59", False, id="its last minute"),
        pytest.param(TimeInterval(years=((2025, 2025),)), "2026-01-01 00:00", True, id="its years have passed"),
        pytest.param(
            TimeInterval(years=((2025, 2025),), location=NEW_YORK), "2026-01-01 04:59", False, id="not yet over there"
        ),
        pytest.param(
            TimeInterval(years=((2025, 2025),), months=((1, 6),)), "2025-07-01 00:00", True, id="its months in them too"
        ),
        pytest.param(
            TimeInterval(years=((2025, 2025),), times=NINE_TO_FIVE), "2025-12-31 16:59:59", False, id="its last time"
        ),
        pytest.param(
            TimeInterval(years=((2025, 2025),), times=NINE_TO_FIVE), "2025-12-31 17:00", True, id="after its last time"
        ),
        pytest.param(TimeInterval(years=((2030, 2031),)), "2026-07-01 12:00", False, id="still to come"),
        pytest.param(TimeInterval(months=((1, 1),)), "2026-07-01 12:00", False, id="comes every year"),
        pytest.param(TimeInterval(times=()), "2026-07-01 12:00", True, id="never was"),
        pytest.param(
            TimeInterval(days_of_month=((31, 31),), months=((2, 2),)), "2026-07-01 12:00", True, id="never will be"
        ),
    ],
)
def test_is_over(interval: TimeInterval, now: str, expected: bool) -> None:
    assert is_over(interval, at(now)) is expected
