"""When an incident is looked at, what the trail says of it, and that nothing else hangs on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.groups import NO_NEWS, ReasonCode
from domain.looks import DETERMINISTIC, Found, Triage
from domain.notifications import Delivery
from domain.triage.pacing import AGAIN_AFTER, left_out, next_look
from tests.builders import HOUR, MINUTE, NOON, SECOND
from tests.domain.story import Stored, Story, configuration

LONG = timedelta(hours=240)
PLAIN = configuration(repeat="1h")


def begin(**changes: object) -> Story:
    return Story(PLAIN, is_triaged=True, **changes).fire("db", lease=LONG).run(timedelta(0))  # type: ignore[arg-type]


def test_an_incident_asks_for_a_look_as_it_opens() -> None:
    story = begin()
    assert [(one.look, one.due_at) for one in story.wanted] == [(1, NOON)]
    story.run(HOUR)
    assert len(story.wanted) == 1
    assert story.incidents[story.wanted[0].incident].looks == 1


def test_the_page_goes_out_first() -> None:
    story = Story(configuration(wait="0s"), is_triaged=True).fire("db", lease=LONG)
    decided: list[type] = []
    send = story._send

    def noting(outgoing: object) -> None:
        decided.append(type(outgoing))
        send(outgoing)  # type: ignore[arg-type]

    story._send = noting  # type: ignore[method-assign]
    story.run(timedelta(0))
    assert decided.index(Delivery) < decided.index(Triage)


def test_without_triage_nothing_asks() -> None:
    assert Story(PLAIN).fire("db", lease=LONG).run(HOUR).wanted == []


def test_an_incident_that_becomes_worse_is_looked_at_again() -> None:
    story = Story(PLAIN, is_triaged=True)
    story.fire("db", lease=LONG, severity="warning").run(2 * MINUTE)
    assert [one.look for one in story.wanted] == [1]
    story.fire("db", lease=LONG, severity="warning", instance="2").run(10 * MINUTE)
    assert [one.look for one in story.wanted] == [1]
    story.fire("db", lease=LONG, severity="critical").run(10 * MINUTE)
    assert [one.look for one in story.wanted] == [1, 2]


def found(triage: Triage, **changes: object) -> Found:
    event = Found(triage.group_id, triage.incident, triage.look, NOON, DETERMINISTIC, "it may come from db")
    return replace(event, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, ReasonCode.FOUND, id="found"),
        pytest.param({"is_left_out": True}, ReasonCode.NOT_LOOKED_AT, id="left out"),
        pytest.param({"look": 5}, ReasonCode.FOUND, id="a later one overtakes"),
        pytest.param({"incident": "another"}, None, id="of another incident"),
        pytest.param({"look": 0}, None, id="an older one"),
    ],
)
def test_what_is_found_stands_in_the_trail_once(changes: dict[str, object], reason: ReasonCode | None) -> None:
    story = begin()
    (group,) = story.groups.values()
    event = found(story.wanted[0], **changes)
    decision = group.ask(event, story.situation, story.now, (), {})
    if reason is None:
        assert decision == NO_NEWS
        return
    assert decision.entry is not None
    assert [(one.code, one.text, one.by) for one in decision.entry.reasons] == [(reason, event.text, DETERMINISTIC)]
    assert decision.entry.found == event
    assert decision.outbox == ()
    assert (decision.members, decision.logs) == ((), ())
    group.write(decision)
    assert group.ask(event, story.situation, story.now, (), {}) == NO_NEWS


def test_what_is_found_too_late_is_dropped() -> None:
    story = begin().run(MINUTE)
    event = found(story.wanted[0], look=7)
    story.resolve("db").run(HOUR)
    assert story.incidents[event.incident].resolved_at is not None
    (group,) = story.groups.values()
    assert group.ask(event, story.situation, story.now, (), {}) == NO_NEWS


def test_what_nobody_knows_of_is_dropped() -> None:
    event = found(begin().wanted[0])
    story = Story(PLAIN)
    assert Stored().ask(event, story.situation, NOON, ()) == NO_NEWS


def test_pages_are_the_same_with_triage_and_without() -> None:
    def told(is_triaged: bool) -> list[str]:
        story = Story(PLAIN, is_triaged=is_triaged).fire("db", "api", lease=LONG).run(7 * MINUTE)
        return story.resolve("db").run(2 * HOUR).told()

    assert told(is_triaged=True) == told(is_triaged=False)


# --- pacing -----------------------------------------------------------------------------------------------------------


def test_looks_come_to_an_end() -> None:
    assert [next_look(number) for number in (1, 2, 3, 4, 5)] == [*AGAIN_AFTER, None, None]


@pytest.mark.parametrize(
    ("severity", "late", "is_left_out"),
    [
        ("", 2 * SECOND, False),
        ("", 3 * SECOND, True),
        ("info", 3 * SECOND, True),
        ("warning", 5 * SECOND, False),
        ("warning", 6 * SECOND, True),
        ("error", 19 * SECOND, False),
        ("critical", 100 * SECOND, False),
        ("page", 100 * SECOND, False),
        ("critical", 3 * MINUTE, True),
    ],
)
def test_the_less_severe_give_up_first(severity: str, late: timedelta, is_left_out: bool) -> None:
    reason = left_out(severity, late)
    assert bool(reason) is is_left_out
    if reason and severity:
        assert severity in reason
