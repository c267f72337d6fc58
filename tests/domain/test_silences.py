from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

import pytest

from domain.errors import NotFoundError, RejectedError
from domain.labels import Labels, Matcher, match_all
from domain.matchers import parse_matcher, parse_matchers
from domain.silences import (
    NO_SILENCES,
    PostedSilence,
    Silence,
    Silences,
    SilenceState,
    edit,
    expire,
    is_broad,
    list_selected,
    state,
)
from domain.times import EARLIEST
from tests.builders import HOUR, MINUTE, NOON, SECOND, silence

MATCHERS = parse_matchers("alertname=DiskFull")
PENDING = silence("pending", starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)
ACTIVE = silence("active", starts_at=NOON - HOUR, ends_at=NOON + HOUR)
EXPIRED = silence("expired", starts_at=NOON - 2 * HOUR, ends_at=NOON - HOUR)


def posted(id: str = "", **changes: Any) -> PostedSilence:
    known: dict[str, Any] = {
        "matchers": MATCHERS,
        "starts_at": NOON,
        "ends_at": NOON + HOUR,
        "created_by": "ada",
        "comment": "as posted",
    }
    return PostedSilence(id, **(known | changes))


def edited(existing: Silence | None, wanted: PostedSilence, *, may_be_broad: bool = True) -> Sequence[Silence]:
    return edit(existing, wanted, NOON, "new", may_be_broad=may_be_broad)


# --- states (SI-3) --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(NOON - SECOND, SilenceState.PENDING, id="before its start"),
        pytest.param(NOON, SilenceState.ACTIVE, id="at its start"),
        pytest.param(NOON + HOUR - SECOND, SilenceState.ACTIVE, id="before its end"),
        pytest.param(NOON + HOUR, SilenceState.EXPIRED, id="at its end"),
    ],
)
def test_the_state_of_a_silence(at: datetime, expected: SilenceState) -> None:
    assert state(silence(), at) is expected
    assert bool(Silences([silence()]).muting({"alertname": "DiskFull"}, at)) is (expected is SilenceState.ACTIVE)


def test_a_silence_without_length_is_over() -> None:
    assert state(silence(ends_at=NOON), NOON) is SilenceState.EXPIRED


# --- what is taken (SI-2) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matchers", "may_be_broad"),
    [
        pytest.param("a=b", False, id="a value"),
        pytest.param('a=~".+"', False, id="an expression that takes any value"),
        pytest.param("a=b,c=", False, id="a value and an absence"),
        pytest.param("a=b,c!=d,e!~f", False, id="a value among negative ones"),
        pytest.param('"größe 1"=x', False, id="a name in UTF-8"),
        pytest.param("a!=b", True, id="a negative one only"),
        pytest.param('a!=""', True, id="presence only"),
        pytest.param('a!~".*"', True, id="what selects nothing"),
        pytest.param("a!=b,c=", True, id="a negative one and an absence"),
    ],
)
def test_what_is_taken_and_what_only_when_it_may_be_broad(matchers: str, may_be_broad: bool) -> None:
    wanted = posted(matchers=parse_matchers(matchers))
    assert is_broad(wanted.matchers) is may_be_broad
    assert [one.matchers for one in edited(None, wanted)] == [wanted.matchers]
    if may_be_broad:
        with pytest.raises(RejectedError, match=r"confirm=true .* amtool cannot"):
            edited(None, wanted, may_be_broad=False)
    else:
        assert edited(None, wanted, may_be_broad=False)


def test_a_refused_broad_silence_is_named_as_it_was_written() -> None:
    with pytest.raises(RejectedError, match='a silence of only a!="b", c!~"d" mutes nearly everything'):
        edited(None, posted(matchers=parse_matchers("a!=b,c!~d")), may_be_broad=False)


def test_a_broad_silence_need_not_be_confirmed_twice() -> None:
    broad = silence("broad", matchers=parse_matchers("a!=b"))
    (extended,) = edited(broad, posted("broad", matchers=broad.matchers, ends_at=NOON + 2 * HOUR), may_be_broad=False)
    assert (extended.id, extended.ends_at) == ("broad", NOON + 2 * HOUR)
    with pytest.raises(RejectedError, match="confirm"):
        edited(broad, posted("broad", matchers=parse_matchers("a!=c")), may_be_broad=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"ends_at": NOON}, "start time must be before end time", id="no time at all"),
        pytest.param({"ends_at": NOON - HOUR}, "start time must be before end time", id="an end before the start"),
        pytest.param({"ends_at": None}, "start time must be before end time", id="no end"),
        pytest.param(
            {"starts_at": NOON - HOUR, "ends_at": NOON - SECOND}, "end time can't be in the past", id="all of it past"
        ),
        pytest.param({"starts_at": None, "ends_at": NOON - SECOND}, "end time can't be in the past", id="from now"),
        pytest.param({"matchers": ()}, "at least one matcher required", id="no matchers"),
        pytest.param({"matchers": parse_matchers("a=")}, "must not match the empty string", id="an absence"),
        pytest.param({"matchers": parse_matchers('a=~".*"')}, "must not match the empty string", id="anything"),
        pytest.param({"matchers": parse_matchers('a=,b=~"x|"')}, "must not match the empty string", id="two absences"),
        pytest.param(
            {"matchers": (*MATCHERS, parse_matcher('""=x'))}, 'label matcher 1: invalid label name ""', id="no name"
        ),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RejectedError, match=message) as caught:
        edited(None, posted(**changes))
    assert not isinstance(caught.value, NotFoundError)


def test_what_is_refused_is_refused_before_it_is_looked_for() -> None:
    with pytest.raises(RejectedError, match="end time"):
        edited(None, posted("unknown", ends_at=None))


def test_an_unknown_id_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="silence not found"):
        edited(None, posted("unknown"))


# --- what becomes of it (SI-4) --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts_at", "expected"),
    [
        pytest.param(NOON + MINUTE, NOON + MINUTE, id="later"),
        pytest.param(NOON - MINUTE, NOON, id="now, when it was to begin earlier"),
        pytest.param(None, NOON, id="now, when no start was posted"),
        pytest.param(EARLIEST, NOON, id="now, from the beginning of the calendar"),
    ],
)
def test_a_new_one_begins(starts_at: datetime | None, expected: datetime) -> None:
    (new,) = edited(None, posted(starts_at=starts_at, annotations={"ticket": "OPS-1"}))
    assert new == Silence("new", MATCHERS, expected, NOON + HOUR, "ada", "as posted", NOON, {"ticket": "OPS-1"})


@pytest.mark.parametrize(
    ("existing", "changes"),
    [
        pytest.param(ACTIVE, {"ends_at": NOON + 9 * HOUR}, id="an active one ends later"),
        pytest.param(ACTIVE, {"ends_at": NOON + SECOND}, id="an active one ends earlier"),
        pytest.param(ACTIVE, {"ends_at": NOON}, id="an active one ends now"),
        pytest.param(
            replace(ACTIVE, starts_at=NOON - HOUR + SECOND / 2),
            {"starts_at": NOON - HOUR},
            id="the same start, to the second",
        ),
        pytest.param(PENDING, {"starts_at": NOON + MINUTE}, id="a pending one begins earlier"),
        pytest.param(PENDING, {"starts_at": NOON}, id="a pending one begins now"),
    ],
)
def test_what_leaves_history_as_it_was_changes_in_place(existing: Silence, changes: dict[str, Any]) -> None:
    times = {"starts_at": existing.starts_at, "ends_at": existing.ends_at} | changes
    (kept,) = edited(existing, posted(existing.id, **times))
    assert kept == replace(existing, comment="as posted", updated_at=NOON, **times)


@pytest.mark.parametrize(
    ("existing", "changes"),
    [
        pytest.param(ACTIVE, {"matchers": parse_matchers("alertname=Other")}, id="an active one gets other matchers"),
        pytest.param(ACTIVE, {"starts_at": NOON - HOUR + SECOND}, id="an active one begins later"),
        pytest.param(ACTIVE, {"starts_at": NOON - HOUR - SECOND}, id="an active one begins earlier"),
        pytest.param(ACTIVE, {"starts_at": None}, id="an active one begins anew"),
        pytest.param(PENDING, {"matchers": parse_matchers("alertname=Other")}, id="a pending one gets other matchers"),
        pytest.param(PENDING, {"starts_at": NOON - SECOND}, id="a pending one begins in the past"),
    ],
)
def test_what_would_alter_history_ends_the_old_one_for_a_new_one(existing: Silence, changes: dict[str, Any]) -> None:
    wanted = posted(existing.id, **({"starts_at": existing.starts_at, "ends_at": existing.ends_at} | changes))
    old, new = edited(existing, wanted)
    assert [old] == expire(existing, NOON)
    assert (new.id, new.matchers, new.starts_at) == ("new", wanted.matchers, max(wanted.starts_at or NOON, NOON))


def test_matchers_in_another_order_are_other_ones() -> None:
    one = silence("one", matchers=parse_matchers("a=b,c=d"))
    assert len(edited(one, posted("one", matchers=one.matchers))) == 1
    assert len(edited(one, posted("one", matchers=one.matchers[::-1]))) == 2


def test_an_expired_one_stays_as_it_was() -> None:
    (new,) = edited(EXPIRED, posted(EXPIRED.id, starts_at=EXPIRED.starts_at))
    assert (new.id, new.starts_at) == ("new", NOON)


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        pytest.param(ACTIVE, [(NOON - HOUR, NOON, NOON)], id="an active one ends"),
        pytest.param(PENDING, [(NOON, NOON, NOON)], id="a pending one never begins"),
        pytest.param(EXPIRED, [], id="an expired one has done so"),
    ],
)
def test_expiring(existing: Silence, expected: list[tuple[datetime, ...]]) -> None:
    ended = expire(existing, NOON)
    assert [(one.starts_at, one.ends_at, one.updated_at) for one in ended] == expected
    assert all(state(one, NOON) is SilenceState.EXPIRED for one in ended)
    # A store may ask again, and a caller may repeat himself.
    assert all(not expire(one, NOON) for one in ended)


def test_expiring_what_is_not_there() -> None:
    with pytest.raises(NotFoundError):
        expire(None, NOON)


# --- lists (SI-7, SI-8) ---------------------------------------------------------------------------------------------


def ids(*matchers: str, states: Sequence[SilenceState] = tuple(SilenceState), among: Sequence[Silence]) -> list[str]:
    found = list_selected(among, [parse_matcher(text) for text in matchers], states, NOON)
    assert all(state(one, NOON) is its_state for one, its_state in found)
    return [one.id for one, _ in found]


def test_the_order_of_lists() -> None:
    among = [
        silence("ended long ago", starts_at=NOON - 9 * HOUR, ends_at=NOON - 8 * HOUR),
        silence("ended just now", starts_at=NOON - 9 * HOUR, ends_at=NOON),
        silence("begins late", starts_at=NOON + 2 * HOUR, ends_at=NOON + 3 * HOUR),
        silence("begins soon", starts_at=NOON + HOUR, ends_at=NOON + 9 * HOUR),
        silence("ends late", starts_at=NOON - 2 * HOUR, ends_at=NOON + 2 * HOUR),
        silence("ends soon, b", starts_at=NOON - HOUR, ends_at=NOON + HOUR),
        silence("ends soon, a", starts_at=NOON, ends_at=NOON + HOUR),
    ]
    expected = [
        ["ends soon, a", "ends soon, b", "ends late"],
        ["begins soon", "begins late"],
        ["ended just now", "ended long ago"],
    ]
    assert ids(among=among) == [id for part in expected for id in part]
    for wanted, part in zip(SilenceState, expected, strict=True):
        assert ids(states=[wanted], among=among) == part
    assert not ids(states=[], among=among)


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        pytest.param([], True, id="none"),
        pytest.param(["alertname=DiskFull"], True, id="one of its own"),
        pytest.param(['team=~"db|web"', "alertname=DiskFull"], True, id="both, in another order"),
        pytest.param(["alertname=DiskFull", "zone!=a"], False, id="one of its own and another"),
        pytest.param(['team=~"web|db"'], False, id="what means the same"),
        pytest.param(["team=db"], False, id="what it selects"),
        pytest.param(['team="db|web"'], False, id="another operator"),
        pytest.param(["alertname!=Other"], False, id="what it implies"),
        pytest.param(["zone="], False, id="an absence that it does not ask for"),
    ],
)
def test_a_filter_asks_for_matchers_as_they_are_written(matchers: list[str], expected: bool) -> None:
    one = silence(matchers=parse_matchers('alertname=DiskFull,team=~"db|web"'))
    assert bool(ids(*matchers, among=[one])) is expected


# --- what mutes (SI-1) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matchers", "labels", "expected"),
    [
        pytest.param("a=b", {"a": "b", "x": "y"}, True, id="a value"),
        pytest.param("a=b,c=d", {"a": "b"}, False, id="all matchers must match"),
        pytest.param("a=b,c=d", {"a": "b", "c": "d"}, True, id="both do"),
        pytest.param("a=b,c=", {"a": "b"}, True, id="an absence"),
        pytest.param("a=b,c=", {"a": "b", "c": "d"}, False, id="an absence that is none"),
        pytest.param('a=~"b|c"', {"a": "c"}, True, id="an expression"),
        pytest.param('a=~"b"', {"a": "abc"}, False, id="expressions are anchored"),
        pytest.param("a!=b", {}, True, id="a negative one takes absence"),
        pytest.param("a=b,c!=d", {"a": "b", "c": "d"}, False, id="a negative one among others"),
        pytest.param('a!~".*"', {"a": "b"}, False, id="what selects nothing"),
    ],
)
def test_what_a_silence_mutes(matchers: str, labels: dict[str, str], expected: bool) -> None:
    one = silence(matchers=parse_matchers(matchers))
    assert Silences([one]).muting(labels, NOON) == ([one] if expected else [])


def test_no_silences_mute_nothing() -> None:
    assert not NO_SILENCES.muting({"alertname": "DiskFull"}, NOON)


def test_those_that_mute_come_in_the_order_of_their_ids() -> None:
    texts = {"c": "a=b", "a": 'a=~"."', "d": "c=d", "b": "x!=y", "e": "a=z"}
    silences = Silences(silence(id, matchers=parse_matchers(text)) for id, text in texts.items())
    assert [one.id for one in silences.muting({"a": "b", "c": "d"}, NOON)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("seed", range(20))
def test_the_index_finds_what_brute_force_finds(seed: int) -> None:
    random = Random(seed)
    names, values = "abcd", ["", "x", "y", "z", "x|y", "(x|z)", "^(y)$", "x|", "(?i)X", ".*", "[xz]?", "x)|(?:y"]

    def matcher() -> Matcher:
        name, value = random.choice(names), random.choice(values)
        return parse_matcher(f'{name}{random.choice(["=", "=", "=", "!=", "=~", "!~"])}"{value}"')

    silences = [
        silence(
            f"{number:03}",
            matchers=tuple(matcher() for _ in range(random.randint(1, 3))),
            starts_at=(start := NOON + random.randint(-3, 3) * HOUR),
            ends_at=start + random.randint(0, 4) * HOUR,
        )
        for number in random.sample(range(300), 200)
    ]
    indexed = Silences(silences)
    for _ in range(100):
        labels = {name: value for name in names if (value := random.choice(values[:4]))}
        at = NOON + random.randint(-4, 7) * HOUR
        expected = [
            one
            for one in sorted(silences, key=lambda one: one.id)
            if state(one, at) is SilenceState.ACTIVE and match_all(one.matchers, labels)
        ]
        assert indexed.muting(labels, at) == expected


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The matchers that are asked, as they are shown."""
    asked: list[str] = []
    matches = Matcher.matches

    def note(self: Matcher, labels: Labels) -> bool:
        asked.append(str(self))
        return matches(self, labels)

    monkeypatch.setattr(Matcher, "matches", note)
    return asked


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("instance=i.{}", id="a value"),
        pytest.param(r'instance=~"i\.{}"', id="an expression that is one"),
        pytest.param(r'instance=~"i\.{0}|j\.{0}"', id="a choice of values"),
        pytest.param(r'instance=~"^(i\.{0}|j\.{0})$"', id="a choice between anchors"),
    ],
)
def test_an_alert_is_held_against_few_of_many_silences(question: str, asked: list[str]) -> None:
    texts = [f'cluster=one,{question},job=~"node.*"'.format(number) for number in range(1000)]
    silences = Silences(silence(text, matchers=parse_matchers(text)) for text in texts)
    assert not silences.muting({"cluster": "one", "instance": "other", "job": "node"}, NOON)
    assert not asked
    (found,) = silences.muting({"cluster": "one", "instance": "i.7", "job": "node_exporter"}, NOON)
    assert found.id == texts[7]
    assert len(asked) == 3


def test_an_expression_is_asked_last(asked: list[str]) -> None:
    silences = Silences([silence(matchers=parse_matchers('a=~"x.*",b!~"y.*",c=d,e=f'))])
    assert not silences.muting({"a": "x", "c": "d", "e": "other"}, NOON)
    assert set(asked) <= {'c="d"', 'e="f"'}
