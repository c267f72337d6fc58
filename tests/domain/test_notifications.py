"""Whether an integration must hear of its group again, and the packed sets that remember what it heard."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import Fingerprint
from domain.notifications import (
    LOG_RETENTION,
    NotificationLog,
    NotificationReason,
    is_repeat_due,
    news,
    pack,
    unpack,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TINY = timedelta(microseconds=1)

FIRST, ADDED = NotificationReason.FIRST, NotificationReason.NEW_ALERTS
ALL_RESOLVED, SOME_RESOLVED = NotificationReason.ALL_RESOLVED, NotificationReason.SOME_RESOLVED
REPEAT = NotificationReason.REPEAT


def names(letters: str) -> frozenset[Fingerprint]:
    return frozenset(Fingerprint(f"{ord(letter):016x}") for letter in letters)


def told(firing: str, resolved: str = "", at: datetime = NOON) -> NotificationLog:
    return NotificationLog(0, at, pack(names(firing)), pack(names(resolved)))


def asked(
    log: NotificationLog | None,
    firing: str,
    resolved: str = "",
    *,
    sends_resolved: bool = True,
    after: timedelta = HOUR / 2,
    repeat: timedelta = HOUR,
) -> NotificationReason | None:
    return news(
        log,
        names(firing),
        names(resolved),
        sends_resolved=sends_resolved,
        repeat_interval=repeat,
        at=NOON + after,
    )


@pytest.mark.parametrize(
    ("log", "firing", "resolved", "expected"),
    [
        pytest.param(None, "a", "", FIRST, id="DD-1: nothing said yet, and some fire"),
        pytest.param(NotificationLog(0), "a", "", FIRST, id="DD-1: tried before, but never delivered"),
        pytest.param(None, "", "a", None, id="DD-2: nothing said yet, and none fires"),
        pytest.param(told("a"), "ab", "", ADDED, id="DD-3: one more fires"),
        pytest.param(told("a"), "b", "a", ADDED, id="DD-3: another one fires"),
        pytest.param(told("", "a"), "a", "", FIRST, id="DD-3: it fires anew after all had resolved"),
        pytest.param(told("ab"), "", "ab", ALL_RESOLVED, id="DD-4: none fires any more"),
        pytest.param(told("", "a"), "", "a", None, id="DD-5: none fires, as it was told"),
        pytest.param(told("", "a"), "", "ab", None, id="DD-5: another one resolved that was never told firing"),
        pytest.param(told("ab"), "a", "b", SOME_RESOLVED, id="DD-6: one of two resolved"),
        pytest.param(told("a", "b"), "a", "b", None, id="DD-8: the resolved one is known"),
        pytest.param(told("ab"), "a", "", None, id="DD-8: one is gone without a word"),
        pytest.param(told("ab"), "ab", "", None, id="DD-8: nothing changed"),
        pytest.param(told("ab", "c"), "abc", "", ADDED, id="a resolved one that fires again is news"),
    ],
)
def test_news(log: NotificationLog | None, firing: str, resolved: str, expected: NotificationReason | None) -> None:
    assert asked(log, firing, resolved) is expected


@pytest.mark.parametrize(
    ("log", "firing", "resolved", "expected"),
    [
        pytest.param(told("ab"), "", "ab", ALL_RESOLVED, id="DD-4 holds all the same: the log must learn it"),
        pytest.param(told("ab"), "a", "b", None, id="DD-9: some resolved, others fire"),
        pytest.param(told("ab"), "ab", "", None, id="DD-9: one resolved unsent and fires again"),
    ],
)
def test_news_where_resolves_are_not_sent(
    log: NotificationLog, firing: str, resolved: str, expected: NotificationReason | None
) -> None:
    assert asked(log, firing, resolved, sends_resolved=False) is expected


@pytest.mark.parametrize(
    ("firing", "resolved", "after", "repeat", "expected"),
    [
        pytest.param("a", "", HOUR, HOUR, None, id="DD-7: not when exactly the interval has passed"),
        pytest.param("a", "", HOUR + TINY, HOUR, REPEAT, id="DD-7: when more has passed"),
        pytest.param("ab", "", HOUR + TINY, HOUR, ADDED, id="news comes before repeating"),
        pytest.param("", "", 2 * HOUR, HOUR, ALL_RESOLVED, id="DD-10: the entry still counts after twice the interval"),
        pytest.param("", "", 2 * HOUR + TINY, HOUR, ALL_RESOLVED, id="an expired one says who must hear"),
        pytest.param("a", "", 2 * HOUR + TINY, HOUR, FIRST, id="DD-10: later it does not, and what fires is the first"),
        pytest.param("a", "", LOG_RETENTION, 100 * HOUR, REPEAT, id="DD-10: it counts for 120 hours at most"),
        pytest.param("a", "", LOG_RETENTION + TINY, 100 * HOUR, FIRST, id="DD-10: but not longer"),
    ],
)
def test_news_in_time(
    firing: str, resolved: str, after: timedelta, repeat: timedelta, expected: NotificationReason | None
) -> None:
    assert asked(told("a"), firing, resolved, after=after, repeat=repeat) is expected


@pytest.mark.parametrize(
    ("firing", "collected", "expected"),
    [
        pytest.param("", 2 * HOUR - TINY, ALL_RESOLVED, id="expired but not collected: it says who must hear"),
        pytest.param("a", 2 * HOUR - TINY, REPEAT, id="and what is known"),
        pytest.param("", 2 * HOUR, None, id="collected: nobody is told of the resolve"),
        pytest.param("a", 2 * HOUR, FIRST, id="and what fires is the first"),
    ],
)
def test_where_strict_an_entry_counts_until_it_is_collected(
    firing: str, collected: timedelta, expected: NotificationReason | None
) -> None:
    found = news(
        told("a"),
        names(firing),
        frozenset(),
        sends_resolved=True,
        repeat_interval=HOUR,
        at=NOON + 3 * HOUR,
        collected_at=NOON + collected,
    )
    assert found is expected


def test_a_flush_before_the_last_answer_repeats_nothing() -> None:
    # The tick may be earlier than the clock at the answer (DD-11).
    assert not is_repeat_due(NOON, HOUR, NOON - HOUR)
    assert asked(told("a"), "a", after=-HOUR) is None


@given(st.frozensets(st.integers(0, 2**64 - 1)))
def test_unpack_undoes_pack(numbers: frozenset[int]) -> None:
    fingerprints = frozenset(Fingerprint(f"{number:016x}") for number in numbers)
    packed = pack(fingerprints)
    assert len(packed) == 8 * len(fingerprints)
    assert unpack(packed) == fingerprints


def test_packing_does_not_depend_on_the_order() -> None:
    assert pack(sorted(names("abc"))) == pack(sorted(names("abc"), reverse=True))
