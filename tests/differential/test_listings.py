"""The comparison of lists: what it takes for the same, and under which name it lets something pass."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from domain.labels import fingerprint
from tests.differential import intended
from tests.differential.listings import normalise, unlike
from tests.differential.recording import Listing
from tests.differential.scenario import (
    Condition,
    Contact,
    Hook,
    InhibitRule,
    Job,
    Node,
    Post,
    Report,
    Scenario,
    label_set,
)

BEGAN_AT = 1795341600.0  # 2026-11-22T10:00:00Z
RULE = InhibitRule((Condition("severity", "=", "page"),), (Condition("instance", "=", "a"),), ())


def scenario(*sources: str) -> Scenario:
    """The rule inhibits the instance `a`; these are on its source side."""
    reports = tuple(Report(label_set({"instance": name, "severity": "page"})) for name in sources)
    return Scenario(1, Node(), (Contact("team", (Hook(),)),), (Post(0.0, reports),), 22.0, (RULE,))


def alert(state: str = "active", ends: str = "10:01:30", **status: list[str]) -> dict[str, Any]:
    labels = {"instance": "a", "scenario": "s7"}
    return {
        "labels": labels,
        "annotations": {},
        "startsAt": "2026-11-22T10:00:00.000Z",
        "endsAt": f"2026-11-22T{ends}Z",
        "fingerprint": fingerprint(labels),
        "receivers": [{"name": "s7.team"}],
        "status": {"state": state, "silencedBy": [], "inhibitedBy": []} | status,
    }


def listing(shown: dict[str, Any], *silences: dict[str, Any]) -> Listing:
    group = {"labels": {"scenario": "s7"}, "receiver": {"name": "s7.team"}, "alerts": [shown]}
    answers = {"alerts": [shown], "alerts/groups": [group], "silences": list(silences)}
    return normalise(Job("s7", scenario()), 5.85, answers, BEGAN_AT)


def found(oracle: dict[str, Any], subject: dict[str, Any], of: Scenario) -> tuple[list[str], Counter[str]]:
    allowed: Counter[str] = Counter()
    words = unlike(of, [listing(oracle)], [listing(subject)], lambda one: allowed.update([one.name]))
    return list(words), allowed


def test_a_listing_knows_no_scope_and_no_date() -> None:
    (shown,) = listing(alert()).alerts
    assert shown["labels"] == {"instance": "a"}
    assert shown["receivers"] == ["team"]
    assert (shown["startsAt"], shown["endsAt"]) == ("0Z", "90Z")
    assert shown["is_named_right"]
    assert [group["receiver"] for group in listing(alert()).groups] == ["team"]


@pytest.mark.parametrize(
    ("oracle", "subject", "words"),
    [
        pytest.param(alert(), alert(), "", id="the same"),
        pytest.param(alert(), alert("suppressed"), "state is 'active'", id="another state"),
        pytest.param(alert(silencedBy=["x"]), alert(silencedBy=["x", "y"]), "silences is 1", id="more silences"),
        pytest.param(alert(silencedBy=["x"]), alert(silencedBy=["y"]), "", id="a silence of another id"),
        pytest.param(alert(), alert(ends="10:01:31"), "endsAt is '90Z'", id="another end"),
        pytest.param(alert(inhibitedBy=["1"]), alert(inhibitedBy=["2"]), "inhibitedBy is", id="another source"),
        pytest.param(alert(inhibitedBy=["1"]), alert(), "inhibitedBy is", id="no source"),
    ],
)
def test_what_is_shown_must_agree(oracle: dict[str, Any], subject: dict[str, Any], words: str) -> None:
    differences, _ = found(oracle, subject, scenario("b"))
    assert words in differences[0] if words else not differences, differences


def test_which_of_several_sources_is_named_is_open() -> None:
    assert not found(alert(inhibitedBy=["1"]), alert(inhibitedBy=["2"]), scenario("b", "c"))[0]
    assert found(alert(inhibitedBy=["1"]), alert(), scenario("b", "c"))[0]


def test_an_instant_of_the_servers_clock_may_differ() -> None:
    oracle, subject = alert(ends="10:00:04.205"), alert(ends="10:00:04.211")
    assert found(oracle, subject, scenario()) == ([], {intended.STAMPED.name: 2})


def test_a_list_that_came_late_is_not_compared() -> None:
    oracle, subject = listing(alert()), listing(alert("suppressed"))
    assert list(unlike(scenario(), [oracle], [subject], lambda one: None))
    assert not list(unlike(scenario(), [], [subject], lambda one: None))


def test_intervals_are_shown_by_the_subject_alone() -> None:
    muted = alert("suppressed", mutedBy=["always"])
    assert found(alert(), muted, scenario()) == ([], {intended.MUTED_BY.name: 2})
    silenced = alert("suppressed", silencedBy=["x"])
    assert not found(silenced, silenced | {"status": silenced["status"] | {"mutedBy": ["always"]}}, scenario())[0]
