"""What two reports about one condition make together, and how long a report holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerts import END_OF_TIME, Alert, combine, later, lease_end, merge
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert

TINY = timedelta(microseconds=1)


def report(starts: float, ends: float, received: float, /, *, timeout: bool = False, text: str = "") -> Alert:
    """A report whose times are minutes after noon."""
    return alert(
        at=NOON + received * MINUTE,
        starts_at=NOON + starts * MINUTE,
        ends_at=NOON + ends * MINUTE,
        is_timeout=timeout,
        annotations={"text": text} if text else None,
    )


def times(of: Alert) -> tuple[float, float, float, bool]:
    return (
        (of.starts_at - NOON) / MINUTE,
        (of.ends_at - NOON) / MINUTE,
        (of.received_at - NOON) / MINUTE,
        of.is_timeout,
    )


# The table of `TestAlertMerge` in Alertmanager 0.34, alert/alert_test.go; its clock is here the younger's receipt.
@pytest.mark.parametrize(
    ("older", "younger", "expected"),
    [
        pytest.param(
            report(-2, 2, 0, timeout=True),
            report(-1, 3, 1, timeout=True),
            (-2, 3, 1, True),
            id="both ends are timeouts",
        ),
        pytest.param(report(-1, 3, 0, timeout=True), report(0, 2, 1), (-1, 2, 1, False), id="the older is a timeout"),
        pytest.param(
            report(-1, 3, 0),
            report(0, 2, 1, timeout=True),
            (-1, 3, 1, True),
            id="the younger is a timeout, and stays one with the older's end",
        ),
        pytest.param(
            report(-1, 3, 0), report(0, 2, 1), (-1, 3, 1, False), id="none is a timeout, the older ends later"
        ),
        pytest.param(
            report(-1, 3, 0), report(-1, 4, 1), (-1, 4, 1, False), id="none is a timeout, the younger ends later"
        ),
        pytest.param(report(-3, -1, 0), report(-2, 1, 1), (-3, 1, 1, False), id="the older is resolved"),
        pytest.param(report(-2, 3, 0), report(-2, 0, 1), (-2, 0, 1, False), id="the younger is resolved"),
        pytest.param(report(-3, -1, -1), report(-4, -2, 1), (-4, -1, 1, False), id="both are resolved"),
    ],
)
def test_merge(older: Alert, younger: Alert, expected: tuple[float, float, float, bool]) -> None:
    assert times(merge(older, younger)) == expected


def test_the_younger_report_describes() -> None:
    older = replace(report(0, 5, 0, text="old"), generator_url="http://old", starts_text="o", ends_text="o")
    younger = replace(report(1, 6, 1, text="new"), generator_url="http://new", starts_text="y", ends_text="y")
    merged = merge(older, younger)
    assert (merged.annotations, merged.generator_url) == ({"text": "new"}, "http://new")
    assert (merged.starts_text, merged.ends_text) == ("o", "y"), "each instant is printed as it came"
    assert merge(report(0, 5, 0), again := report(0, 6, 1)) is again, "a plain re-send needs no new value"


@pytest.mark.parametrize(
    ("stored", "reported", "starts"),
    [
        pytest.param(report(0, 5, 0), report(1, 6, 1), 0, id="it starts within"),
        pytest.param(report(0, 5, 0), report(-9, 3, 3), -9, id="it ends within"),
        pytest.param(report(0, 5, 0), report(0, 6, 1), 0, id="a re-send: the start is not within, but the same"),
        pytest.param(report(0, 5, 0), report(5, 9, 6), 5, id="it starts where the other ends: another occurrence"),
        pytest.param(report(4, 5, 4), report(3, 4, 5), 3, id="it ends where the other starts"),
        pytest.param(report(0, 5, 0), report(7, 9, 8), 7, id="it starts after the other's end"),
        pytest.param(report(2, 3, 2), report(1, 4, 4), 1, id="it encloses the other"),
        pytest.param(report(-5, 5, 0), report(-9, 5, 1), -9, id="it ends at the same instant"),
    ],
)
def test_only_what_overlaps_strictly_is_merged(stored: Alert, reported: Alert, starts: float) -> None:
    assert times(combine(stored, reported))[0] == starts
    assert combine(stored, reported).received_at == reported.received_at


def test_the_younger_stands_where_nothing_overlaps() -> None:
    younger, older = report(20, 30, 20), report(0, 5, 0)
    assert combine(older, younger) is combine(younger, older) is younger


def test_at_one_instant_the_report_counts_as_the_younger() -> None:
    one, other = report(0, 5, 0, text="one"), report(0, 5, 0, text="other")
    assert combine(one, other) is other
    assert combine(other, one) is one


minutes = st.integers(-10, 10)
REPORTS = st.builds(
    lambda starts, lasts, received, timeout: report(
        starts, starts + lasts, received, timeout=timeout, text=str(starts)
    ),
    minutes,
    st.integers(0, 10),
    minutes,
    st.booleans(),
)


@given(REPORTS, REPORTS)
def test_the_order_of_arrival_does_not_matter(one: Alert, other: Alert) -> None:
    if one.received_at != other.received_at:
        assert combine(one, other) == combine(other, one)


@given(REPORTS, REPORTS)
def test_what_is_combined_is_of_both(one: Alert, other: Alert) -> None:
    both = combine(one, other)
    younger = max(other, one, key=lambda report: report.received_at)
    assert both.received_at == younger.received_at
    assert both.annotations == younger.annotations
    assert both.starts_at in (younger.starts_at, min(one.starts_at, other.starts_at))
    assert both.ends_at in (one.ends_at, other.ends_at)
    assert combine(both, both) == both


@given(st.permutations(range(6)))
def test_re_sends_come_to_the_same_in_any_order(order: list[int]) -> None:
    sent = [report(0, 4 + at, at, text=str(at)) for at in range(6)]
    known = sent[order[0]]
    for place in order[1:]:
        known = combine(known, sent[place])
    assert known == sent[-1]


# --- leases ---------------------------------------------------------------------------------------------------------

FOUR = 4 * MINUTE
LONG_AGO = NOON - 9 * HOUR


@pytest.mark.parametrize(
    ("reported", "leased_at", "listening_since", "is_strict", "expected"),
    [
        pytest.param(alert(lease=FOUR), NOON, LONG_AGO, False, NOON + 6 * MINUTE, id="half a lease longer (rule 6)"),
        pytest.param(alert(lease=FOUR), NOON, LONG_AGO, True, NOON + FOUR, id="strict: just as it says"),
        pytest.param(alert("resolved"), NOON, LONG_AGO, False, NOON, id="a resolve ends when it says"),
        pytest.param(
            alert("resolved", ends_at=NOON - HOUR, starts_at=NOON - 2 * HOUR),
            NOON + HOUR,
            NOON + HOUR,
            False,
            NOON - HOUR,
            id="a resolve knows no lease, whenever it is folded",
        ),
        pytest.param(
            alert(lease=FOUR), NOON + HOUR, LONG_AGO, False, NOON + HOUR + FOUR, id="one lease from the fold (rule 7)"
        ),
        pytest.param(
            alert(lease=FOUR), NOON + MINUTE, LONG_AGO, False, NOON + 6 * MINUTE, id="a fold in time adds nothing"
        ),
        pytest.param(
            alert(lease=FOUR), NOON, NOON + HOUR, False, NOON + HOUR + FOUR, id="one lease from listening (rule 8)"
        ),
        pytest.param(
            alert(lease=FOUR), NOON, NOON + HOUR, True, NOON + HOUR + FOUR, id="strict: time not listened to counts not"
        ),
        pytest.param(
            alert(lease=FOUR), NOON, NOON + MINUTE, True, NOON + 5 * MINUTE, id="strict: nor does a short stop"
        ),
        pytest.param(alert(ends_at=END_OF_TIME), NOON, LONG_AGO, False, END_OF_TIME, id="the year 9999 and half of it"),
        pytest.param(
            alert(ends_at=END_OF_TIME), NOON + HOUR, NOON + HOUR, True, END_OF_TIME, id="the year 9999, leased later"
        ),
    ],
)
def test_lease_end(
    reported: Alert, leased_at: datetime, listening_since: datetime, is_strict: bool, expected: datetime
) -> None:
    assert lease_end(reported, leased_at, listening_since, is_strict=is_strict) == expected


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(-(10**9), 10**9), st.booleans())
def test_no_lease_ends_early(lease: int, waited: int, listening: int, is_strict: bool) -> None:
    leased_at, listening_since = NOON + waited * TINY, NOON + listening * TINY
    end = lease_end(alert(lease=lease * TINY), leased_at, listening_since, is_strict=is_strict)
    assert end >= NOON + lease * TINY
    assert end - leased_at >= lease * TINY
    assert end - listening_since >= lease * TINY


def test_the_lease_of_an_alert() -> None:
    assert alert(lease=FOUR).lease == FOUR
    assert alert("resolved", ends_at=NOON - SECOND).lease == -SECOND


@pytest.mark.parametrize(
    ("instant", "delta", "expected"),
    [
        pytest.param(NOON, HOUR, NOON + HOUR, id="within time"),
        pytest.param(END_OF_TIME, timedelta(0), END_OF_TIME, id="at its end"),
        pytest.param(END_OF_TIME, TINY, END_OF_TIME, id="past its end"),
        pytest.param(datetime(9999, 12, 31, tzinfo=UTC), timedelta(days=9), END_OF_TIME, id="over its end"),
    ],
)
def test_later(instant: datetime, delta: timedelta, expected: datetime) -> None:
    assert later(instant, delta) == expected
