"""What the words of every receiver share: the order of alerts, the status, what is common."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerts import Alert
from domain.labels import fingerprint
from domain.notifications import (
    Notification,
    NotificationReason,
    ToldAlert,
    common_annotations,
    common_labels,
    display_order,
    status,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def alert(labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> Alert:
    return Alert(fingerprint(labels), labels, annotations or {}, NOON, NOON, NOON)


def told(labels: Mapping[str, str], annotations: Mapping[str, str] | None = None, *, firing: bool = True) -> ToldAlert:
    return ToldAlert(alert(labels, annotations), firing)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"job": "a", "z": "9"}, {"job": "b"}, id="the job decides before all else"),
        pytest.param({"job": "z"}, {"alertname": "A"}, id="who has a job comes before who has none"),
        pytest.param({"job": "b", "instance": "1"}, {"job": "b", "instance": "2"}, id="then the instance"),
        pytest.param({"job": "b", "instance": "2", "z": "1"}, {"job": "b"}, id="an instance comes before none"),
        pytest.param({"instance": "9"}, {"alertname": "A"}, id="an instance counts without a job"),
        pytest.param({"b": "2"}, {"a": "1", "b": "1"}, id="then fewer labels before more"),
        pytest.param({"a": "1", "b": "1"}, {"a": "1", "b": "2"}, id="then the first value that differs"),
        pytest.param({"x": "1"}, {"q": "9"}, id="who lacks the first name that differs comes first"),
        pytest.param({"ab": "1"}, {"a": "1"}, id="also where one name begins with the other"),
        pytest.param({"a": "Z"}, {"a": "a"}, id="values compare by their bytes"),
        pytest.param({"a": "\uffff"}, {"a": "\U0001f514"}, id="which is the order of code points, not of UTF-16"),
    ],
)
def test_display_order(first: dict[str, str], second: dict[str, str]) -> None:
    assert display_order(alert(first)) < display_order(alert(second))


def comes_before(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """The rule pair by pair, as Alertmanager puts it."""
    for name in ("job", "instance"):
        if (name in one) != (name in other):
            return name in one
        if one.get(name) != other.get(name):
            return one[name] < other[name]
    if len(one) != len(other):
        return len(one) < len(other)
    for name in sorted(one.keys() | other.keys()):
        if (name in one) != (name in other):
            return name in other
        if one[name] != other[name]:
            return one[name] < other[name]
    return False


LABELS = st.dictionaries(st.sampled_from(["job", "instance", "a", "ab", "b", "z"]), st.sampled_from("12"))


@given(LABELS, LABELS)
def test_display_order_is_the_rule_pair_by_pair(one: dict[str, str], other: dict[str, str]) -> None:
    assert (display_order(alert(one)) < display_order(alert(other))) == comes_before(one, other)


@pytest.mark.parametrize(
    ("sets", "common"),
    [
        pytest.param([], {}, id="nothing is common to no alerts"),
        pytest.param([{"a": "1", "b": "2"}], {"a": "1", "b": "2"}, id="one alert has all in common with itself"),
        pytest.param([{"a": "1", "b": "2"}, {"a": "1", "b": "3"}], {"a": "1"}, id="a value that differs is not common"),
        pytest.param([{"a": "1"}, {"a": "1", "b": "2"}], {"a": "1"}, id="nor is what the first one lacks"),
        pytest.param([{"a": "1", "b": "2"}, {"a": "1"}], {"a": "1"}, id="nor what a later one lacks"),
        pytest.param([{"a": "1"}, {"b": "1"}, {"a": "1"}], {}, id="nothing may be common"),
        pytest.param(
            [{"a": "1", "b": ""}, {"a": "1"}], {"a": "1", "b": ""}, id="an empty value is shared by who lacks it"
        ),
        pytest.param([{"a": "1"}, {"a": "1", "b": ""}], {"a": "1"}, id="but only if the first one has it"),
    ],
)
def test_common(sets: list[dict[str, str]], common: dict[str, str]) -> None:
    assert common_labels([told(labels) for labels in sets]) == common
    assert common_annotations([told({}, annotations) for annotations in sets]) == common


FIRING, RESOLVED = told({"a": "1"}), told({"a": "2"}, firing=False)


@pytest.mark.parametrize(
    ("alerts", "reason", "truncated", "expected"),
    [
        pytest.param([FIRING, RESOLVED], NotificationReason.SOME_RESOLVED, 0, "firing", id="one that fires is enough"),
        pytest.param([RESOLVED], NotificationReason.ALL_RESOLVED, 0, "resolved", id="resolved when none fires"),
        pytest.param(
            [RESOLVED],
            NotificationReason.SOME_RESOLVED,
            0,
            "resolved",
            id="what the receiver's limit hides is not asked",
        ),
        pytest.param([RESOLVED], NotificationReason.SOME_RESOLVED, 1, "firing", id="what our own limit left out is"),
        pytest.param([RESOLVED], NotificationReason.ALL_RESOLVED, 1, "resolved", id="unless that is resolved, too"),
    ],
)
def test_status(alerts: list[ToldAlert], reason: NotificationReason, truncated: int, expected: str) -> None:
    notification = Notification("team", "{}:{}", {}, {}, reason, tuple(alerts), truncated)
    assert status(notification, alerts) == expected
