"""NCRONTAB schedules: what the Functions host would do with each."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devhost.ncrontab import Schedule

WEDNESDAY = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        pytest.param("0 * * * * *", "2026-07-01T12:00:00", "2026-07-01T12:01:00", id="an instant that fits is over"),
        pytest.param("0 * * * * *", "2026-07-01T11:59:59.9", "2026-07-01T12:00:00", id="fractions are no second"),
        pytest.param("*/15 * * * * *", "2026-07-01T12:00:46", "2026-07-01T12:01:00", id="a step ends with its minute"),
        pytest.param("40/15 * * * * *", "2026-07-01T12:00:41", "2026-07-01T12:00:55", id="start and step"),
        pytest.param("0 0-10/5 * * * *", "2026-07-01T12:06:00", "2026-07-01T12:10:00", id="range and step"),
        pytest.param("0 10-0/5 * * * *", "2026-07-01T12:06:00", "2026-07-01T12:10:00", id="ranges may be reversed"),
        pytest.param("*/0 * * * * *", "2026-07-01T12:00:00", "2026-07-01T12:00:01", id="a step of 0 is one of 1"),
        pytest.param("5,3 0 0 * * *", "2026-07-01T00:00:03", "2026-07-01T00:00:05", id="a list in any order"),
        pytest.param("0 30 9 * * Mon-Fri", "2026-07-03T09:30:00", "2026-07-06T09:30:00", id="weekdays by name"),
        pytest.param("0 0 0 * * 0", "2026-07-01T00:00:00", "2026-07-05T00:00:00", id="Sunday is 0"),
        pytest.param("0 0 0 1 january *", "2026-07-01T00:00:00", "2027-01-01T00:00:00", id="the turn of the year"),
        pytest.param("0 0 0 * m *", "2026-07-01T00:00:00", "2027-03-01T00:00:00", id="any beginning of a name"),
        pytest.param("0 0 0 31 * *", "2026-08-31T00:00:00", "2026-10-31T00:00:00", id="short months are left out"),
        pytest.param("0 0 0 29 2 *", "2026-07-01T00:00:00", "2028-02-29T00:00:00", id="leap years"),
        pytest.param("0 0 0 29 2 Sun", "2088-03-01T00:00:00", "2128-02-29T00:00:00", id="no leap year in 2100"),
        pytest.param("0 0 0 13 * Fri", "2026-07-01T00:00:00", "2026-11-13T00:00:00", id="day and weekday, not or"),
        pytest.param("23:59:59", "2026-07-01T12:00:00.5", "2026-07-02T11:59:59.5", id="an interval keeps fractions"),
        pytest.param(" 0:5:0 ", "2026-07-01T12:00:00", "2026-07-01T12:05:00", id="an interval of short numbers"),
    ],
)
def test_next(schedule: str, after: str, expected: str) -> None:
    def utc(text: str) -> datetime:
        return datetime.fromisoformat(text + "+00:00")

    assert Schedule(schedule).next(utc(after)) == utc(expected)


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        pytest.param("", "0 fields", id="nothing"),
        pytest.param("* * * * *", "5 fields", id="no seconds"),
        pytest.param("* * * * * * *", "7 fields", id="a year"),
        pytest.param("@daily", "1 fields", id="a nickname"),
        pytest.param("60 * * * * *", r"second '60' is not within 0-59", id="above"),
        pytest.param("0 0 0 0 * *", r"day '0' is not within 1-31", id="below"),
        pytest.param("0 0 0 * * 7", r"day of week '7' is not within 0-6", id="Sunday is not 7"),
        pytest.param("0 0 0 L * *", r"day 'L' is not understood", id="the last day"),
        pytest.param("0 0 0 * * mon#1", r"'mon#1' is not understood", id="the n-th weekday"),
        pytest.param("0 0 0 ? * *", r"'\?' is not understood", id="a question mark"),
        pytest.param("0 0 , * * *", r"'' is not understood", id="an empty item"),
        pytest.param("0 */ * * * *", r"'\*/' is not understood", id="an empty step"),
        pytest.param("-5 * * * * *", r"'-5' is not understood", id="a sign"),
        pytest.param("0 0 0 30,31 2 *", "never fires", id="30 February"),
        pytest.param("24:00:00", "not within", id="which would be 24 days"),
        pytest.param("00:00:00", "is empty", id="no time at all"),
    ],
)
def test_no_schedule(schedule: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Schedule(schedule)


def test_answers_in_utc() -> None:
    summer = datetime(2026, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    answer = Schedule("0 0 23 * * *").next(summer)
    assert (answer, answer.tzinfo) == (datetime(2026, 6, 30, 23, tzinfo=UTC), UTC)


def test_wants_a_time_zone() -> None:
    with pytest.raises(ValueError, match="names no time zone"):
        Schedule("0 0 0 * * *").next(datetime(2026, 7, 1))  # noqa: DTZ001  # That it is naive is the point.


@settings(max_examples=30)
@given(
    second=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    minute=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    offset=st.integers(0, 10**6),
)
def test_misses_none_and_invents_none(second: set[int], minute: set[int], offset: int) -> None:
    schedule = Schedule(f"{','.join(map(str, second))} {','.join(map(str, minute))} * * * *")
    start = WEDNESDAY + timedelta(seconds=offset)
    by_hand = (start + timedelta(seconds=n) for n in range(1, 3 * 3600))
    expected = list(islice((at for at in by_hand if at.second in second and at.minute in minute), 5))
    at, found = start, []
    for _ in expected:
        at = schedule.next(at)
        found.append(at)
    assert found == expected
