"""What the API reads and shows; its answers to bad requests stand in tests/endpoints/test_silences_api.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import MalformedError, RejectedError
from domain.flags import read_flag
from domain.labels import Matcher, MatchType
from domain.matchers import parse_matchers
from domain.silence_api import read_silence, read_silence_selection, show_silence, show_silences
from domain.silences import PostedSilence, SilenceState
from tests.builders import HOUR, NOON, silence

POSTED: dict[str, Any] = {
    "matchers": [{"name": "a", "value": "b", "isRegex": False}],
    "startsAt": "2026-11-22T12:00:00Z",
    "endsAt": "2026-11-22T13:00:00Z",
    "createdBy": "ada",
    "comment": "why",
}


def read(**changes: Any) -> PostedSilence:
    return read_silence(json.dumps(POSTED | changes).encode())


def test_a_posted_silence_is_read() -> None:
    assert read(id="x", annotations={"ticket": "OPS-1", "none": None}) == PostedSilence(
        "x", parse_matchers("a=b"), NOON, NOON + HOUR, "ada", "why", {"ticket": "OPS-1", "none": ""}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-11-22T14:30:00.25+02:30", NOON + timedelta(seconds=0.25), id="an offset"),
        pytest.param("2026-11-22T12:00:00.123456789Z", NOON + timedelta(microseconds=123456), id="nanoseconds"),
        pytest.param("0001-01-01T00:00:00Z", None, id="Go's zero time"),
        pytest.param("", datetime(1970, 1, 1, tzinfo=UTC), id="an empty text"),
        pytest.param("9999-12-31T23:59:59-14:00", datetime.max.replace(tzinfo=UTC), id="beyond the calendar"),
    ],
)
def test_times_are_kept_in_utc(text: str, expected: datetime | None) -> None:
    posted = read(startsAt=text, endsAt=text)
    assert (posted.starts_at, posted.ends_at) == (expected, expected)
    assert expected is None or posted.starts_at is not None
    assert posted.starts_at is None or posted.starts_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param({"isRegex": False}, MatchType.EQUAL, id="neither flag"),
        pytest.param({"isRegex": False, "isEqual": True}, MatchType.EQUAL, id="="),
        pytest.param({"isRegex": False, "isEqual": False}, MatchType.NOT_EQUAL, id="!="),
        pytest.param({"isRegex": True, "isEqual": True}, MatchType.REGEX, id="=~"),
        pytest.param({"isRegex": True, "isEqual": False}, MatchType.NOT_REGEX, id="!~"),
    ],
)
def test_the_operator_is_told_by_two_flags(flags: dict[str, bool], expected: MatchType) -> None:
    posted = read(matchers=[{"name": "a", "value": "b", **flags}])
    assert posted.matchers == (Matcher("a", expected, "b"),)
    (shown,) = show_silence(silence(matchers=posted.matchers), SilenceState.ACTIVE)["matchers"]
    assert shown == {"name": "a", "value": "b", "isEqual": True, **flags}


@pytest.mark.parametrize("pattern", ["(", "x)|(?:b", r"a\Qb", "a{1001}"])
def test_an_expression_must_be_one_by_itself_and_between_anchors(pattern: str) -> None:
    with pytest.raises(RejectedError, match="invalid label matcher 1: invalid regular expression") as caught:
        read(matchers=[*POSTED["matchers"], {"name": "a", "value": pattern, "isRegex": True}])
    assert not isinstance(caught.value, MalformedError)


def test_a_fault_names_its_place() -> None:
    with pytest.raises(MalformedError, match=r"because matchers\.0\.name: Input should be a valid string"):
        read(matchers=[{"name": 1, "value": "b", "isRegex": False}])
    with pytest.raises(MalformedError, match="because Input should be"):
        read_silence(b"[]")


@pytest.mark.parametrize(
    ("parameters", "matchers", "states"),
    [
        pytest.param({}, "", ["active", "pending", "expired"], id="everything"),
        pytest.param({"filter": ["a=b", 'c=~"d"']}, "a=b,c=~d", ["active", "pending", "expired"], id="matchers"),
        pytest.param({"expired": ["false"]}, "", ["active", "pending"], id="not the expired ones"),
        pytest.param({"active": ["no"], "pending": ["0"], "expired": ["1"]}, "", ["expired"], id="only these"),
    ],
)
def test_a_selection_is_read(parameters: dict[str, list[str]], matchers: str, states: list[str]) -> None:
    selection = read_silence_selection(parameters)
    assert (selection.matchers, list(selection.states)) == (parse_matchers(matchers), states)


def test_a_selection_is_shown() -> None:
    silences = [silence("active"), silence("pending", starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)]
    everything, pending = read_silence_selection({}), read_silence_selection({"active": ["false"]})
    assert [shown["id"] for shown in show_silences(silences, everything, NOON)] == ["active", "pending"]
    assert [shown["status"] for shown in show_silences(silences, pending, NOON)] == [{"state": "pending"}]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(None, True, id="the default"),
        pytest.param([""], True, id="nothing behind it"),
        pytest.param(["false", "TRUE"], True, id="the last one counts"),
        pytest.param(["Yes"], True, id="yes"),
        pytest.param(["2"], False, id="whatever is not yes"),
    ],
)
def test_flags(values: list[str] | None, expected: bool) -> None:
    parameters = {} if values is None else {"active": values}
    assert read_flag(parameters, "active") is expected
    assert read_flag(parameters, "active", default=False) is (expected and values not in (None, [""]))
