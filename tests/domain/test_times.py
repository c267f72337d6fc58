from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain import times
from domain.times import EPOCH, print_instant, print_milliseconds, read_instant

NOON = datetime(2099, 1, 1, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("2099-01-01T12:00:00Z", NOON, id="RFC 3339"),
        pytest.param("2099-01-01T14:00:00+02:00", NOON, id="with an offset"),
        pytest.param("2099-01-01T12:00:00-00:00", NOON, id="the unknown offset is UTC"),
        pytest.param("2099-01-01T12:00:00.5Z", NOON + timedelta(milliseconds=500), id="with a fraction"),
        pytest.param("2099-01-01T12:00:00,5Z", NOON + timedelta(milliseconds=500), id="behind a comma, as Go takes it"),
        pytest.param("2099-01-01T12:00:00", NOON, id="without an offset it is UTC"),
        pytest.param("2099-01-01T12:00:00.25", NOON + timedelta(milliseconds=250), id="a fraction without an offset"),
        pytest.param("2099-01-01T12:00Z", NOON, id="without seconds"),
        pytest.param("2099-01-01T12:00", NOON, id="with neither"),
        pytest.param("2099-01-01T9:00:00Z", NOON - timedelta(hours=3), id="an hour of one digit"),
        pytest.param("2099-01-01 12:00:00", NOON, id="a blank for the T, if nothing follows"),
        pytest.param("2099-01-01", NOON - timedelta(hours=12), id="a day alone is its midnight"),
        pytest.param("2099-01-01T14:00:00.000+0200", NOON, id="an offset without a colon behind milliseconds"),
        pytest.param("2099-01-01T14:00:00.000000+0200", NOON, id="and behind microseconds"),
        pytest.param("2099-01-01T12:00:00+24:00", NOON - timedelta(days=1), id="an offset of a whole day"),
        pytest.param("2099-01-01T13:00:00+00:60", NOON, id="an offset of sixty minutes"),
        pytest.param("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), id="the last second"),
        pytest.param("9999-12-31T23:59:59-01:00", datetime.max.replace(tzinfo=UTC), id="beyond the calendar: its end"),
        pytest.param("0001-01-01T00:00:01Z", datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC), id="a second after Go's zero"),
        pytest.param("", EPOCH, id="nothing is the epoch, as strfmt has it"),
    ],
)
def test_an_instant_is_read_as_alertmanager_reads_it(text: str, instant: datetime) -> None:
    assert read_instant(text) == (instant, "")


@pytest.mark.parametrize(
    "text",
    [
        "bad",
        " 2099-01-01T12:00:00Z",
        "2099-01-01T12:00:00 Z",
        "2099-01-01t12:00:00z",
        "2099-01-01 12:00:00Z",
        "2099-01-01 12:00",
        "2099-01-01T12:00:00.Z",
        "2099-01-01T12:00:00UTC",
        "2099-01-01T12:00:00+02",
        "2099-01-01T12:00:00+0200",
        "2099-01-01T12:00:00.5+0200",
        "2099-01-01T12:00+02:00",
        "2099-01-01T12:00:00+02:00:00",
        "2099-01-01T12:00:00+25:00",
        "2099-01-01T12:00:00+02:61",
        "2099-01-01T24:00:00Z",
        "2099-01-01T23:59:60Z",
        "2099-02-29T12:00:00Z",
        "2099-1-1T12:00:00Z",
        "20990101T120000Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T00:00:00-24:00",
        "٢٠٩٩-01-01T12:00:00Z",
    ],
)
def test_what_alertmanager_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an RFC 3339 date-time"):
        read_instant(text)


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "0001-01-01T01:00:00+01:00", "0001-01-01"]
)
def test_gos_zero_time_was_never_set(text: str) -> None:
    assert read_instant(text) is None


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "0000-02-29T00:00:00", "0001-01-01T00:00:00+02:00"])
def test_what_python_cannot_hold_is_moved_to_the_calendars_border(text: str) -> None:
    instant, printed = read_instant(text) or (None, "")
    assert instant is not None
    assert instant - datetime.min.replace(tzinfo=UTC) <= timedelta(microseconds=1)
    assert printed == ""


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        pytest.param("2099-01-01T12:00:00Z", "2099-01-01T12:00:00Z", id="no fraction, none printed"),
        pytest.param("2099-01-01T12:00:00.120Z", "2099-01-01T12:00:00.12Z", id="no zeros at its end"),
        pytest.param("2099-01-01T12:00:00.123456789Z", "2099-01-01T12:00:00.123456789Z", id="nanoseconds are kept"),
        pytest.param("2099-01-01T12:00:00.1234567891Z", "2099-01-01T12:00:00.123456789Z", id="less than these is not"),
        pytest.param("2099-01-01T12:00:00+02:00", "2099-01-01T12:00:00+02:00", id="the offset is kept"),
        pytest.param("2099-01-01T12:00:00+00:00", "2099-01-01T12:00:00Z", id="no offset is Z"),
        pytest.param("0099-01-01T12:00:00Z", "0099-01-01T12:00:00Z", id="years have four digits"),
    ],
)
def test_an_instant_is_printed_as_it_came(text: str, printed: str) -> None:
    instant = read_instant(text)
    assert instant is not None
    assert print_instant(*instant) == printed


@pytest.mark.parametrize(
    ("instant", "printed"),
    [
        pytest.param(NOON, "2099-01-01T12:00:00.000Z", id="always three digits"),
        pytest.param(NOON.replace(microsecond=999_999), "2099-01-01T12:00:00.999Z", id="cut, not rounded"),
        pytest.param(NOON.astimezone(EAST), "2099-01-01T14:00:00.000+02:00", id="with the offset it came with"),
        pytest.param(datetime(99, 1, 1, tzinfo=UTC), "0099-01-01T00:00:00.000Z", id="years have four digits"),
    ],
)
def test_the_api_prints_milliseconds(instant: datetime, printed: str) -> None:
    assert print_milliseconds(instant) == printed


def test_what_is_remembered_of_texts_is_bounded() -> None:
    before = times._read_kept.cache_info().currsize
    for number in range(100):
        long = f"2026-03-01T12:00:00.{number:06}{'0' * 10_000}Z"
        assert read_instant(long) == (datetime(2026, 3, 1, 12, 0, 0, number, UTC), "")
    assert times._read_kept.cache_info().currsize == before
