"""What people do about an incident, what becomes of it, and who is told: tables and stories.

`LONG` leases keep alerts firing; the grid is at 0:00:30 and every five minutes from then on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.groups import Incident, ReasonCode
from domain.lifecycle import (
    RESPONSES_REMEMBERED,
    TRANSITIONS,
    UNTOUCHED,
    Action,
    Refusal,
    Responded,
    Response,
    Status,
    expire,
    highest_severity,
    respond,
)
from tests.builders import HOUR, MINUTE, NOON, SECOND, group_id
from tests.domain.story import (
    FAILS,
    LOST,
    OK,
    Answer,
    Story,
    configuration,
    explain_again,
    in_order,
    never,
    shifted,
    twice,
)

LONG = timedelta(hours=240)
PLAIN = configuration(repeat="1h")
FIRST = "0:00:30 team: db fires (first notification)"
MODES = pytest.mark.parametrize("is_strict", [pytest.param(False, id="mended"), pytest.param(True, id="strict")])
SENDS = pytest.mark.parametrize("sends", [pytest.param(True, id="resolves sent"), pytest.param(False, id="not sent")])

A, U, S, W, R, AGAIN = (
    Action.ACKNOWLEDGE,
    Action.UNACKNOWLEDGE,
    Action.SNOOZE,
    Action.UNSNOOZE,
    Action.RESOLVE,
    Action.REOPEN,
)


def told(story: Story) -> list[str]:
    return [re.sub(r"\.\d+", "", words, count=1) for words in story.told()]


def begin(text: str = PLAIN, *names: str, is_strict: bool = False, **changes: object) -> Story:
    """A story in which `db`, or these, fire and have been told of."""
    story = Story(text, is_strict=is_strict, **changes)  # type: ignore[arg-type]
    return story.fire(*(names or ("db",)), lease=LONG).run(MINUTE)


def response(action: Action, **changes: object) -> Responded:
    known: dict[str, object] = {"at": NOON, "actor": "ann", "id": "1"}
    return Responded(group_id=group_id(1), incident="i", action=action, **(known | changes))  # type: ignore[arg-type]


# --- the tables -----------------------------------------------------------------------------------------------------


def test_the_table_is_whole() -> None:
    assert set(TRANSITIONS) == set(product(Status, Action))


@pytest.mark.parametrize(
    ("status", "action", "expected"),
    [
        pytest.param("triggered", A, "acknowledged", id="somebody knows"),
        pytest.param("acknowledged", A, "acknowledged", id="somebody else knows too, or for longer"),
        pytest.param("resolved", A, "it is resolved; reopen it first", id="resolved: nothing to acknowledge"),
        pytest.param("triggered", U, "nobody has acknowledged it", id="nothing to take back"),
        pytest.param("acknowledged", U, "triggered", id="taken back"),
        pytest.param("triggered", S, "triggered", id="a snooze leaves the status"),
        pytest.param("acknowledged", S, "acknowledged", id="a snooze leaves the acknowledgement"),
        pytest.param("resolved", S, "it is resolved; reopen it first", id="resolved: nothing to snooze"),
        pytest.param("triggered", W, "it is not snoozed", id="no snooze to end"),
        pytest.param("triggered", R, "resolved", id="resolved by a person"),
        pytest.param("acknowledged", R, "resolved", id="acknowledged, then resolved"),
        pytest.param("resolved", R, "it is resolved already", id="resolved twice"),
        pytest.param("resolved", AGAIN, "triggered", id="reopened"),
        pytest.param("triggered", AGAIN, "it is not resolved", id="nothing to reopen"),
        *(
            pytest.param(status, action, status, id=f"{action} while {status}")
            for status, action in product(Status, (Action.ASSIGN, Action.SEVERITY, Action.NOTE))
        ),
    ],
)
def test_what_an_action_makes_of_a_status(status: str, action: Action, expected: str) -> None:
    after = respond(Response(status=Status(status)), response(action, until=NOON + HOUR))
    assert (after.reason if isinstance(after, Refusal) else after.status) == expected


def test_an_acknowledgement_says_who_when_and_until_when() -> None:
    first = respond(UNTOUCHED, response(A, until=NOON + HOUR))
    assert first == Response(
        status=Status.ACKNOWLEDGED,
        acknowledged_at=NOON,
        acknowledged_by="ann",
        until=NOON + HOUR,
        first_acknowledged_at=NOON,
    )
    second = respond(first, response(A, actor="bob", at=NOON + MINUTE))
    assert second == replace(first, acknowledged_at=NOON + MINUTE, acknowledged_by="bob", until=None)
    assert respond(second, response(U)) == Response(first_acknowledged_at=NOON)


def test_a_persons_resolve_ends_acknowledgement_and_snooze() -> None:
    known = Response(status=Status.ACKNOWLEDGED, acknowledged_by="ann", until=NOON, snoozed_until=NOON, assignee="bob")
    after = respond(known, response(R, actor="eve"))
    assert after == Response(status=Status.RESOLVED, resolved_at=NOON, resolved_by="eve", assignee="bob")
    assert respond(after, response(AGAIN)) == Response(assignee="bob")


@pytest.mark.parametrize(
    ("ack", "snooze", "expected"),
    [
        pytest.param(None, None, (Status.ACKNOWLEDGED, False), id="neither ends"),
        pytest.param(NOON, None, (Status.TRIGGERED, False), id="timed out at that instant"),
        pytest.param(NOON + SECOND, NOON, (Status.ACKNOWLEDGED, False), id="the snooze is over"),
        pytest.param(NOON, NOON + SECOND, (Status.TRIGGERED, True), id="timed out within the snooze"),
    ],
)
def test_what_ends_by_itself(ack: object, snooze: object, expected: tuple[Status, bool]) -> None:
    before = Response(status=Status.ACKNOWLEDGED, acknowledged_by="ann", until=ack, snoozed_until=snooze)  # type: ignore[arg-type]
    after = expire(before, NOON)
    assert (after.status, after.snoozed_until is not None) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["warning", "critical", "info"], "critical", id="the highest"),
        pytest.param(["Warning", "INFO"], "Warning", id="as it is written"),
        pytest.param(["p2", "info", "p1"], "info", id="what is not known ranks beneath"),
        pytest.param(["p1", "p2"], "p2", id="of what is not known the last"),
        pytest.param(["page", "critical"], "page", id="to wake somebody"),
    ],
)
def test_the_highest_severity(words: list[str], expected: str) -> None:
    assert highest_severity(words) == expected


# --- acknowledged ---------------------------------------------------------------------------------------------------


@MODES
def test_a_repeat_is_withheld_and_the_trail_says_why(is_strict: bool) -> None:
    story = begin(is_strict=is_strict)
    assert story.respond(A, reason="looking") == ""
    story.run(4 * HOUR)
    assert told(story) == [FIRST]
    (held, *_) = [reason for entry in story.entries for reason in entry.reasons if reason.code == "acknowledged"]
    assert (held.text, held.integration, held.by) == ("1 firing: repeat interval elapsed", 0, "ann")
    assert story.count(ReasonCode.ACKNOWLEDGED) == 3, "once for each repeat, not at each point of the grid"
    assert story.incident.status is Status.ACKNOWLEDGED


@MODES
def test_without_anybody_it_is_repeated(is_strict: bool) -> None:
    assert len(told(begin(is_strict=is_strict).run(4 * HOUR))) == 4


@MODES
def test_an_expired_entry_repeats_nothing_either(is_strict: bool) -> None:
    # What Alertmanager's log has forgotten is a first notification there (DD-10).
    story = begin(configuration(repeat="240h"), is_strict=is_strict)
    story.respond(A)
    story.run(9 * 24 * HOUR)
    assert told(story) == [FIRST]


@MODES
def test_news_is_told_all_the_same(is_strict: bool) -> None:
    story = begin(is_strict=is_strict)
    story.respond(A)
    story.fire("web", lease=LONG).run(6 * MINUTE).resolve("db").run(5 * MINUTE)
    assert told(story)[1:] == [
        "0:05:30 team: db, web fire (new alerts added)",
        "0:10:30 team: web fires; db resolved (some alerts resolved)",
    ]
    assert story.incident.status is Status.ACKNOWLEDGED


@SENDS
@MODES
def test_a_refire_is_told_even_to_who_has_not_heard_of_the_end(is_strict: bool, sends: bool) -> None:
    # Without a person this is DD-9: nothing until the repeat, which the acknowledgement withholds.
    story = begin(configuration(repeat="1h", send_resolved=[sends]), "db", "web", is_strict=is_strict)
    story.respond(A)
    story.resolve("db").run(MINUTE).fire("db", lease=LONG).run(10 * MINUTE)
    assert told(story)[1:] == ["0:05:30 team: db, web fire (new alerts added)"]


@MODES
def test_a_refire_while_its_page_is_under_way_is_told(is_strict: bool) -> None:
    story = Story(PLAIN, is_strict=is_strict).fire("db", lease=LONG)
    story.answers["team"] = [Answer(after=3 * MINUTE), OK]
    story.run(MINUTE)
    story.respond(A)
    story.resolve("db").run(MINUTE).fire("db", lease=LONG).run(10 * MINUTE)
    assert told(story) == [
        "0:03:30 team: db fires (first notification)",
        "0:05:30 team: db fires (first notification)",
    ]


def test_who_could_not_be_told_yet_is_told_although_it_is_acknowledged() -> None:
    story = Story(configuration(repeat="1h", send_resolved=[True, True])).fire("db", lease=LONG)
    story.answers["team[1]"] = [FAILS, OK]
    story.run(MINUTE)
    story.respond(A)
    story.run(3 * HOUR)
    assert told(story) == [
        "0:00:30 team[0]: db fires (first notification)",
        "0:05:30 team[1]: db fires (first notification)",
    ]


@MODES
def test_it_pages_again_when_the_acknowledgement_times_out(is_strict: bool) -> None:
    story = begin(is_strict=is_strict)
    story.respond(A, 20 * MINUTE)
    assert story.head.next_due_at == NOON + 25 * MINUTE + 30 * SECOND, "the first point of the grid from 0:21:00 on"
    story.run(30 * MINUTE)
    assert told(story)[1:] == ["0:25:30 team: db fires (first notification)"]
    assert story.incident.standing == Response(first_acknowledged_at=NOON + MINUTE)
    said = [reason.text for entry in story.entries for reason in entry.reasons if reason.code == "notify"]
    assert said[-1] == "1 firing: the acknowledgement timed out"
    story.run(HOUR)
    assert told(story)[2:] == ["1:30:30 team: db fires (repeat interval elapsed)"], "and repeats as ever"


def test_a_page_again_that_fails_is_tried_until_it_succeeds() -> None:
    story = begin()
    story.answers["team"] = [FAILS, LOST, OK]
    story.respond(A, 10 * MINUTE)
    story.run(HOUR)
    assert told(story)[1:] == [
        "0:20:30 team: db fires (first notification)",
        "0:25:30 team: db fires (first notification)",
    ], "of the first of these nobody learns that it arrived"


def test_it_ends_with_the_occurrence() -> None:
    story = begin()
    story.respond(A, 24 * HOUR)
    story.resolve("db").run(10 * MINUTE)
    over = story.incident
    assert (over.status, over.standing.acknowledged_by) == (Status.RESOLVED, "ann")
    assert story.respond(A).startswith("it is over")
    story.fire("db", lease=LONG).run(HOUR + 10 * MINUTE)
    assert [words.partition(" ")[2] for words in told(story)[1:]] == [
        "team: db resolved (all alerts resolved)",
        "team: db fires (first notification)",
        "team: db fires (repeat interval elapsed)",
    ]
    assert story.incident.response is None


def test_taken_back_it_is_told_again() -> None:
    story = begin()
    story.respond(A)
    story.run(MINUTE)
    story.respond(U)
    story.run(10 * MINUTE)
    assert told(story)[1:] == ["0:05:30 team: db fires (first notification)"]


def test_an_end_of_a_silence_is_told_although_it_is_acknowledged() -> None:
    # A silence says of itself that what it hid is told at its end.
    story = begin()
    story.respond(A)
    story.silence("instance=db", 20 * MINUTE)
    story.run(HOUR)
    assert len(told(story)) == 2


# --- snoozed --------------------------------------------------------------------------------------------------------


@MODES
def test_a_snooze_holds_everything_back_until_its_end(is_strict: bool) -> None:
    story = begin(PLAIN, "db", "web", is_strict=is_strict)
    story.respond(S, 2 * HOUR)
    story.resolve("db").fire("api", lease=LONG).run(2 * HOUR)
    assert len(told(story)) == 1
    assert story.count(ReasonCode.SNOOZED) >= 2
    story.run(10 * MINUTE)
    assert told(story)[1:] == ["2:05:30 team: api, web fire; db resolved (first notification)"]
    assert story.incident.standing.snoozed_until is None
    story.run(HOUR)
    assert "repeat" in told(story)[-1]


def test_under_a_snooze_the_group_hardly_ticks() -> None:
    story = begin(configuration(repeat="4h"))
    story.respond(S, 24 * HOUR)
    story.run(23 * HOUR)
    assert len(story.flushes) == 6, "one look for each repeat that is withheld"


@SENDS
@MODES
def test_that_all_is_over_is_told_at_once(is_strict: bool, sends: bool) -> None:
    story = begin(configuration(repeat="1h", send_resolved=[sends]), "db", "web", is_strict=is_strict)
    story.respond(S, 2 * HOUR)
    story.resolve("db").run(10 * MINUTE).resolve("web").run(10 * MINUTE)
    assert told(story)[1:] == ["0:15:30 team: db, web resolved (all alerts resolved)"] * sends
    assert (story.head.present, story.head.incident) == (0, None)
    story.fire("db", lease=LONG).run(MINUTE)
    assert told(story)[-1].endswith("team: db fires (first notification)"), "the snooze went with its incident"


def test_snoozed_before_anybody_was_told_and_over_before_its_end() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(10 * SECOND)
    story.respond(S, HOUR)
    story.run(10 * MINUTE).resolve("db").run(10 * MINUTE)
    assert (told(story), story.head.present, story.head.incident) == ([], 0, None)


def test_what_comes_and_goes_under_a_snooze_is_not_kept() -> None:
    story = begin()
    story.respond(S, 5 * HOUR)
    for number in range(20):
        story.fire(f"x{number}", lease=LONG).run(6 * MINUTE).resolve(f"x{number}").run(6 * MINUTE)
    assert story.head.present <= 2


def test_a_refire_under_a_snooze_is_told_at_its_end() -> None:
    story = begin(configuration(repeat="5h"))
    story.respond(S, HOUR)
    story.resolve("db").run(MINUTE).fire("db", lease=LONG).run(2 * HOUR)
    assert told(story)[1:] == ["1:05:30 team: db fires (first notification)"]


def test_an_acknowledgement_that_times_out_within_a_snooze_is_told_at_its_end() -> None:
    story = begin()
    story.respond(A, 10 * MINUTE)
    story.respond(S, 40 * MINUTE)
    story.run(HOUR)
    assert told(story)[1:] == ["0:45:30 team: db fires (first notification)"]
    assert story.incident.status is Status.TRIGGERED


def test_a_snooze_ended_by_a_person_is_told_again() -> None:
    story = begin()
    story.respond(S, 5 * HOUR)
    story.run(HOUR)
    assert story.respond(W) == ""
    story.run(10 * MINUTE)
    assert told(story)[1:] == ["1:05:30 team: db fires (first notification)"]


def test_snoozed_anew_it_is_as_long_as_was_said_last() -> None:
    story = begin()
    story.respond(S, HOUR)
    story.respond(S, 20 * MINUTE)
    story.run(30 * MINUTE)
    assert told(story)[1:] == ["0:25:30 team: db fires (first notification)"]


# --- resolved by a person -------------------------------------------------------------------------------------------


@MODES
def test_resolved_by_a_person_nothing_more_is_told_of_what_fires(is_strict: bool) -> None:
    story = begin(PLAIN, "db", "web", is_strict=is_strict)
    story.respond(R, reason="it is only noise")
    story.run(3 * HOUR).resolve("web").run(HOUR)
    assert len(told(story)) == 1
    assert (story.incident.status, story.incident.resolved_at) == (Status.RESOLVED, None)
    story.resolve("db").run(10 * MINUTE)
    assert [words.partition(" ")[2] for words in told(story)[1:]] == ["team: db, web resolved (all alerts resolved)"], (
        "whoever was told hears of the end"
    )
    assert story.incident.resolved_at is not None


@SENDS
@pytest.mark.parametrize("after", [MINUTE, 7 * MINUTE, HOUR])
@MODES
def test_any_alert_that_begins_to_fire_reopens_it(is_strict: bool, after: timedelta, sends: bool) -> None:
    story = begin(configuration(repeat="90h", send_resolved=[sends]), "db", "web", is_strict=is_strict)
    story.respond(R)
    story.resolve("db").run(after).fire("db", lease=LONG).run(6 * MINUTE)
    assert [words.partition(" ")[2] for words in told(story)[1:]] == ["team: db, web fire (new alerts added)"]
    assert story.incident.standing == UNTOUCHED
    assert story.count(ReasonCode.REOPENED) == 1


def test_a_new_alert_reopens_it() -> None:
    story = begin()
    story.respond(R)
    story.run(HOUR).fire("web", lease=LONG).run(10 * MINUTE)
    assert told(story)[1:] == ["1:05:30 team: db, web fire (new alerts added)"]


@SENDS
def test_all_of_it_ends_and_begins_again_before_the_group_looks(sends: bool) -> None:
    story = begin(configuration(repeat="90h", send_resolved=[sends]))
    story.respond(R)
    story.resolve("db").run(MINUTE).fire("db", lease=LONG).run(10 * MINUTE)
    assert told(story)[1:] == ["0:05:30 team: db fires (first notification)"]
    assert len(story.incidents) == 1


def test_a_re_send_reopens_nothing() -> None:
    story = Story(PLAIN, resend_every=MINUTE).fire("db").run(MINUTE)
    story.respond(R)
    story.run(5 * HOUR)
    assert told(story) == [FIRST]


def test_resolved_before_its_first_page_it_pages_nobody() -> None:
    story = Story(PLAIN).fire("db", lease=LONG).run(10 * SECOND)
    story.respond(R)
    story.run(5 * HOUR)
    assert told(story) == []
    story.fire("web", lease=LONG).run(10 * MINUTE)
    assert [words.partition(" ")[2] for words in told(story)] == ["team: db, web fire (first notification)"]


def test_reopened_by_a_person_it_is_told_again() -> None:
    story = begin()
    story.respond(R)
    story.run(HOUR)
    story.respond(AGAIN)
    story.run(10 * MINUTE)
    assert told(story)[1:] == ["1:05:30 team: db fires (first notification)"]


# --- what changes nothing, and what is refused ----------------------------------------------------------------------


def test_who_it_is_assigned_to_its_severity_and_notes_change_no_page() -> None:
    story, plain = begin(), begin()
    assert (story.respond(Action.ASSIGN, to="bob"), story.respond(Action.NOTE, reason="see the wiki")) == ("", "")
    assert story.respond(Action.SEVERITY, to="critical") == ""
    assert told(story.run(5 * HOUR)) == told(plain.run(5 * HOUR))
    standing = story.incident.standing
    assert (standing.assignee, standing.severity) == ("bob", "critical")


def test_the_severity_is_the_highest_of_what_fires() -> None:
    story = Story(PLAIN).fire("db", lease=LONG, alertname="A", severity="warning").run(MINUTE)
    assert story.incident.severity == "warning"
    story.fire("web", lease=LONG, alertname="A", severity="critical").run(10 * MINUTE)
    assert story.incident.severity == "critical"
    story.resolve("web").run(10 * MINUTE)
    assert story.incident.severity == "warning"
    story.resolve("db").run(10 * MINUTE)
    assert (story.incident.severity, story.head.incident) == ("warning", None), "as it was to the end"


def test_a_note_about_one_that_is_over_touches_nothing_else() -> None:
    story = begin().resolve("db").run(10 * MINUTE)
    before, incident = story.head, story.incident
    story.fire("db", lease=LONG).run(MINUTE)
    second, pages = story.incident, len(story.pages)
    assert story.respond(Action.NOTE, reason="the fan was dirty", incident=incident.id) == ""
    noted = story.entries[-1]
    assert (noted.incident, noted.responded and noted.responded.reason) == (incident.id, "the fan was dirty")
    assert (story.incident, story.incidents[incident.id]) == (second, incident)
    assert before.incident is None
    assert len(told(story.run(10 * MINUTE))) == pages
    for action in set(Action) - {Action.NOTE}:
        assert story.respond(action, HOUR, incident=incident.id).startswith("it is over")


def test_the_same_response_again_is_no_news() -> None:
    story = begin()
    assert story.respond(A, id="a", by="ann") == ""
    revision = story.head.revision
    assert story.respond(A, id="a", by="bob") == ""
    assert (story.head.revision, story.incident.standing.acknowledged_by) == (revision, "ann")
    for number in range(RESPONSES_REMEMBERED + 1):
        story.respond(Action.NOTE, id=f"note-{number}", reason="x")
    assert len(story.head.responded) == RESPONSES_REMEMBERED


def test_a_refusal_writes_nothing() -> None:
    story = begin()
    head, entries = story.head, len(story.entries)
    assert story.respond(AGAIN) == "it is not resolved"
    assert (story.head, len(story.entries)) == (head, entries)


# --- in all weathers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ticks",
    [
        pytest.param(shifted(3 * SECOND), id="late"),
        pytest.param(shifted(-3 * SECOND), id="early"),
        pytest.param(twice, id="twice"),
        pytest.param(never, id="never: the sweep finds it"),
    ],
)
def test_however_the_ticks_come(ticks: object) -> None:
    story = begin(ticks=ticks).run(5 * MINUTE)
    pages = len(story.pages)
    story.respond(A, 20 * MINUTE)
    story.run(HOUR)
    story.respond(S, HOUR)
    before = len(story.pages)
    story.run(55 * MINUTE)
    assert (before - pages, len(story.pages) - before) == (1, 0)
    story.run(15 * MINUTE)
    assert len(story.pages) == before + 1


@MODES
def test_a_reload_in_between_changes_nothing_about_it(is_strict: bool) -> None:
    story = begin(is_strict=is_strict)
    story.respond(A, 2 * HOUR)
    story.run(10 * MINUTE).reload(configuration(repeat="30m")).run(100 * MINUTE)
    assert told(story) == [FIRST]
    story.respond(S, HOUR)
    story.reload(PLAIN).run(50 * MINUTE)
    assert told(story) == [FIRST]
    story.run(HOUR)
    assert len(told(story)) == 2


def test_moved_to_another_group_it_is_another_incident() -> None:
    story = begin()
    story.respond(A)
    story.reload(configuration(group_by="[instance]")).run(10 * MINUTE)
    assert [one.status for one in story.incidents.values()] == [Status.RESOLVED, Status.TRIGGERED]
    assert told(story)[-1].endswith("team: db fires (first notification)")


def test_a_stop_in_between() -> None:
    story = begin()
    story.respond(A, 20 * MINUTE)
    story.run(MINUTE).stop().run(HOUR).begin().run(10 * MINUTE)
    assert told(story)[1:] == ["1:02:00 team: db fires (first notification)"]


def test_the_group_of_a_further_route_tells_as_ever() -> None:
    text = """
route:
  receiver: team
  group_by: [alertname]
  repeat_interval: 1h
  routes:
    - {receiver: team, continue: true, matchers: [alertname="DiskFull"]}
    - {receiver: other}
receivers:
  - {name: team, webhook_configs: [{url: "http://team"}]}
  - {name: other, webhook_configs: [{url: "http://other"}]}
"""
    story = begin(text)
    assert len(story.incidents) == 1
    story.respond(S, 24 * HOUR)
    story.run(4 * HOUR)
    assert {receiver: len(story.told(receiver)) for receiver in ("team", "other")} == {"team": 1, "other": 4}


def test_the_log_explains_it_all_again() -> None:
    story = whole_story()
    entries = story.group.entries
    assert explain_again(entries, [PLAIN]) == [in_order(entry.reasons) for entry in entries]


def whole_story() -> Story:
    story = begin()
    story.respond(A, 20 * MINUTE, reason="looking")
    story.run(30 * MINUTE)
    story.respond(S, HOUR, by="bob")
    story.run(2 * MINUTE).resolve("db").run(MINUTE).fire("db", lease=LONG).run(90 * MINUTE)
    story.resolve("db").run(10 * MINUTE)
    return story


def test_the_whole_story() -> None:
    story = whole_story()
    assert told(story) == [
        FIRST,
        "0:25:30 team: db fires (first notification)",
        "1:35:30 team: db fires (first notification)",
        "2:05:30 team: db resolved (all alerts resolved)",
    ]
    incident: Incident = story.incident
    assert (len(story.incidents), incident.status, incident.pages) == (1, Status.RESOLVED, 4)


# --- whatever happens -----------------------------------------------------------------------------------------------

NAMES = ("db", "web", "api")
INTERVAL, REPEAT = 5 * MINUTE, 30 * MINUTE

minutes = st.integers(1, 40).map(lambda number: number * MINUTE + 7 * SECOND)
steps = st.one_of(
    st.tuples(st.sampled_from(["fire", "resolve"]), st.sampled_from(NAMES)),
    st.tuples(st.just("run"), minutes),
    st.tuples(st.sampled_from([A, U, W, R, AGAIN]), st.none()),
    st.tuples(st.sampled_from([A, S]), minutes),
    st.tuples(st.just("reload"), st.sampled_from(["20m", "30m"])),
    st.tuples(st.just("stop"), minutes),
    st.tuples(st.just("answers"), st.sampled_from([FAILS, LOST, Answer(after=3 * MINUTE), Answer(after=9 * MINUTE)])),
)


@pytest.mark.parametrize("is_strict", [pytest.param(False, id="mended"), pytest.param(True, id="strict")])
@settings(max_examples=60, deadline=None)
@given(script=st.lists(steps, max_size=14), sends=st.booleans())
def test_whatever_people_do(is_strict: bool, script: list[tuple[object, object]], sends: bool) -> None:
    text = configuration(repeat="30m", send_resolved=[sends])
    story = Story(text, is_strict=is_strict).fire("db", lease=LONG).run(MINUTE)
    for what, value in script:
        match what, value:
            case "run", timedelta():
                story.run(value)
            case "fire", str():
                story.fire(value, lease=LONG)
            case "resolve", str():
                if story.knows(value):
                    story.resolve(value)
            case "reload", str():
                story.reload(configuration(repeat=value, send_resolved=[sends]))
            case "stop", timedelta():
                story.stop().run(value).begin()
            case "answers", Answer():
                story.answers["team"] = [value, OK]
            case Action(), _:
                story.respond(what, value if isinstance(value, timedelta) else None)
            case _:
                raise AssertionError(what)
    story.run(2 * INTERVAL)
    check_nothing_is_forgotten(story)
    for name in sorted(story.sending):
        story.resolve(name)
    story.run(4 * INTERVAL)
    check_everybody_knows_the_end(story, sends=sends)


def check_nothing_is_forgotten(story: Story) -> None:
    """What fires is told again in time, unless a person holds it back; what began to fire since is told at once."""
    if story.group.head is None or story.head.incident is None or not story.sending:
        return
    standing = story.head.incident.standing
    if standing.status is Status.RESOLVED:
        return
    since = story.now
    if standing.status is Status.ACKNOWLEDGED and not standing.ends:
        assert standing.acknowledged_at is not None
        since = standing.acknowledged_at
        names = {name for name in story.sending if began_at(story, name) > since}
    else:
        names = set(story.sending)
        story.run_until(max([story.now + REPEAT, *standing.ends]) + 3 * INTERVAL)
    for name in names:
        assert any(name in page.firing and page.at >= since for page in story.pages), f"{name} is forgotten"


def began_at(story: Story, name: str) -> datetime:
    fingerprint = story.member(name).alert.fingerprint
    return max(
        entry.at
        for entry in story.group.entries
        for reason in entry.reasons
        if reason.code in (ReasonCode.FIRED, ReasonCode.REFIRED) and fingerprint in reason.fingerprints
    )


def check_everybody_knows_the_end(story: Story, *, sends: bool) -> None:
    """Nothing is left of it, and whoever was told that something fires has heard that it does not."""
    assert (story.head.present, story.head.incident, story.head.next_due_at) == (0, None, None)
    assert all(log.firing == b"" for log in story.group.logs.values())
    assert all(one.resolved_at is not None for one in story.incidents.values())
    if sends:
        for name in NAMES:
            last = [page for page in story.pages if name in (*page.firing, *page.resolved)][-1:]
            assert not any(name in page.firing for page in last), f"nobody heard that {name} is over"
