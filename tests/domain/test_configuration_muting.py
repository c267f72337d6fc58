"""What a configuration says about muting: time intervals, the routes that name them, inhibit rules."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from domain.inhibition import InhibitRule
from domain.intervals import TimeInterval
from domain.labels import Matcher, MatchType
from tests.domain.configuring import SMALL, complaints, read, with_child, with_route


def with_interval(entry: str) -> str:
    """A configuration with one entry under the name x, in line 5."""
    return SMALL + f"time_intervals:\n- name: x\n  time_intervals: [{entry}]\n"


def interval(entry: str) -> TimeInterval:
    (found,) = read(with_interval(entry)).time_intervals["x"]
    return found


def rule(lines: str) -> InhibitRule:
    (found,) = read(SMALL + f"inhibit_rules: [{lines}]").inhibit_rules
    return found


# ---- Time intervals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param("{}", TimeInterval(), id="nothing"),
        pytest.param("null", TimeInterval(), id="null"),
        pytest.param("{weekdays: , times: null}", TimeInterval(), id="nulls"),
        pytest.param("{weekdays: []}", TimeInterval(weekdays=()), id="an empty list is kept: it never holds"),
        pytest.param(
            "{times: [{start_time: 09:00, end_time: '17:30'}]}", TimeInterval(times=((540, 1050),)), id="times"
        ),
        pytest.param(
            "{times: [{start_time: '00:00', end_time: '24:00'}]}", TimeInterval(times=((0, 1440),)), id="a whole day"
        ),
        pytest.param(
            "{times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}]}",
            TimeInterval(times=((1320, 1440), (0, 360))),
            id="two times",
        ),
        pytest.param(
            "{weekdays: [monday:friday, SUNDAY]}", TimeInterval(weekdays=((1, 5), (0, 0))), id="weekdays, in any case"
        ),
        pytest.param(
            "{weekdays: ['sunday:saturday']}", TimeInterval(weekdays=((0, 6),)), id="a week begins with Sunday"
        ),
        pytest.param(
            "{days_of_month: [1, '5:10', '-3:-1', '27:-1']}",
            TimeInterval(days_of_month=((1, 1), (5, 10), (-3, -1), (27, -1))),
            id="days of the month",
        ),
        pytest.param(
            "{days_of_month: [1:-27, -31]}", TimeInterval(days_of_month=((1, -27), (-31, -31))), id="extreme days"
        ),
        pytest.param(
            "{months: [1, 'May:August', 'september:11', 08]}",
            TimeInterval(months=((1, 1), (5, 8), (9, 11), (8, 8))),
            id="months by name and number",
        ),
        pytest.param("{months: ['0:13']}", TimeInterval(months=((0, 13),)), id="months are not bounded"),
        pytest.param(
            "{years: [2020, '2023:2025', +2030]}",
            TimeInterval(years=((2020, 2020), (2023, 2025), (2030, 2030))),
            id="years",
        ),
        pytest.param("{years: ['-5:99999']}", TimeInterval(years=((-5, 99999),)), id="years are not bounded"),
        pytest.param("{location: UTC}", TimeInterval(location=UTC), id="UTC"),
        pytest.param("{location: ''}", TimeInterval(location=UTC), id="an empty location is UTC"),
        pytest.param(
            "{location: Australia/Lord_Howe}", TimeInterval(location=ZoneInfo("Australia/Lord_Howe")), id="a place"
        ),
        pytest.param("{location: US/Pacific}", TimeInterval(location=ZoneInfo("US/Pacific")), id="an old name"),
        pytest.param(
            "{weekdays: [monday], <<: {weekdays: [tuesday], months: [5]}}",
            TimeInterval(weekdays=((2, 2),), months=((5, 5),)),
            id="of a merge the later value counts",
        ),
    ],
)
def test_intervals(entry: str, expected: TimeInterval) -> None:
    assert interval(entry) == expected


def test_both_lists_define_names_and_there_may_be_several_under_one() -> None:
    configuration = read(
        SMALL
        + """\
mute_time_intervals:
- name: old
  time_intervals: [{years: [2020]}]
time_intervals:
- name: weekend
  time_intervals: [{weekdays: [saturday]}, {weekdays: [sunday]}]
- name: never
"""
    )
    assert dict(configuration.time_intervals) == {
        "weekend": (TimeInterval(weekdays=((6, 6),)), TimeInterval(weekdays=((0, 0),))),
        "never": (),
        "old": (TimeInterval(years=((2020, 2020),)),),
    }


def test_routes_name_them_and_do_not_inherit_them() -> None:
    text = with_route(
        "routes: [{mute_time_intervals: [x, y], active_time_intervals: [y], routes: [{}]}, {mute_time_intervals: []}]"
    )
    routes = read(text + "time_intervals: [{name: x}]\nmute_time_intervals: [{name: y}]\n").routes
    assert [(route.mute_time_intervals, route.active_time_intervals) for route in routes] == [
        ((), ()),
        (("x", "y"), ("y",)),
        ((), ()),
        ((), ()),
    ]


ENTRY = "time_intervals[0].time_intervals[0]"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param("x", "5: {}: expected a mapping", id="no mapping"),
        pytest.param("{weekday: [monday]}", "5: {}.weekday: unknown key", id="unknown key"),
        pytest.param("{weekdays: monday}", "5: {}.weekdays: expected a list", id="no list"),
        pytest.param("{weekdays: [[monday]]}", "5: {}.weekdays[0]: expected a text", id="no text"),
        pytest.param("{weekdays: [null]}", "5: {}.weekdays[0]: nothing stands here", id="null among weekdays"),
        pytest.param("{times: [null]}", "5: {}.times[0]: nothing stands here", id="null among times"),
        pytest.param("{weekdays: ['']}", '5: {}.weekdays[0]: not a weekday: ""', id="an empty weekday"),
        pytest.param("{weekdays: [mon]}", '5: {}.weekdays[0]: not a weekday: "mon"', id="an abbreviation"),
        pytest.param("{weekdays: [1]}", '5: {}.weekdays[0]: not a weekday: "1"', id="a weekday as a number"),
        pytest.param("{weekdays: ['monday:']}", '5: {}.weekdays[0]: not a weekday: ""', id="no end"),
        pytest.param("{weekdays: [' monday']}", '5: {}.weekdays[0]: not a weekday: " monday"', id="a space"),
        pytest.param("{weekdays: ['a:b:c']}", "5: {}.weekdays[0]: more than one colon", id="two colons"),
        pytest.param(
            "{weekdays: ['saturday:monday']}",
            "5: {}.weekdays[0]: the end comes before the start; a week begins with Sunday",
            id="over the end of the week",
        ),
        pytest.param("{times: [{}]}", "5: {}.times[0]: both start_time and end_time must be given", id="no times"),
        pytest.param(
            "{times: [{start_time: '09:00'}]}",
            "5: {}.times[0]: both start_time and end_time must be given",
            id="no end of the time",
        ),
        pytest.param(
            "{times: [{start_time: '9:00', end_time: '17:00'}]}",
            '5: {}.times[0].start_time: not a time of the day, such as 09:00 or 24:00: "9:00"',
            id="one digit",
        ),
        pytest.param(
            "{times: [{start_time: '09:00', end_time: '24:01'}]}",
            '5: {}.times[0].end_time: not a time of the day, such as 09:00 or 24:00: "24:01"',
            id="after midnight",
        ),
        pytest.param(
            "{times: [{start_time: '09:00', end_time: '17:60'}]}",
            '5: {}.times[0].end_time: not a time of the day, such as 09:00 or 24:00: "17:60"',
            id="sixty minutes",
        ),
        pytest.param(
            "{times: [{start_time: '22:00', end_time: '06:00'}]}",
            "5: {}.times[0]: start_time must be before end_time; split an interval that goes past midnight in two",
            id="past midnight",
        ),
        pytest.param(
            "{times: [{start_time: '09:00', end_time: '09:00'}]}",
            "5: {}.times[0]: start_time must be before end_time; split an interval that goes past midnight in two",
            id="no time at all",
        ),
        pytest.param(
            "{times: [{start_time: '09:00', end_time: '17:00', zone: x}]}", "5: {}.times[0].zone: unknown key", id="key"
        ),
        pytest.param(
            "{days_of_month: [0]}",
            "5: {}.days_of_month[0]: 0 is not a day of the month: 1 to 31, or -1 to -31 from its end",
            id="the 0th",
        ),
        pytest.param(
            "{days_of_month: ['1:32']}",
            "5: {}.days_of_month[0]: 32 is not a day of the month: 1 to 31, or -1 to -31 from its end",
            id="the 32nd",
        ),
        pytest.param(
            "{days_of_month: ['-1:1']}",
            "5: {}.days_of_month[0]: the end must be negative where the start is",
            id="from the end to the start",
        ),
        pytest.param(
            "{days_of_month: ['10:5']}", "5: {}.days_of_month[0]: the end 5 comes before the start 10", id="backwards"
        ),
        pytest.param(
            "{days_of_month: ['-1:-3']}",
            "5: {}.days_of_month[0]: the end -3 comes before the start -1",
            id="backwards from the end",
        ),
        pytest.param(
            "{days_of_month: ['28:-1']}",
            "5: {}.days_of_month[0]: the end -1 comes before the start 28",
            id="what Alertmanager finds backwards in February",
        ),
        pytest.param("{days_of_month: [first]}", '5: {}.days_of_month[0]: not a number: "first"', id="no day"),
        pytest.param("{months: [jan]}", '5: {}.months[0]: not a month: "jan"', id="no month"),
        pytest.param("{months: [1.5]}", '5: {}.months[0]: not a month: "1.5"', id="half a month"),
        pytest.param("{months: ['٣']}", '5: {}.months[0]: not a month: "٣"', id="other digits"),
        pytest.param(
            "{months: ['november:february']}", "5: {}.months[0]: the end comes before the start", id="a winter"
        ),
        pytest.param("{years: ['2025:2024']}", "5: {}.years[0]: the end comes before the start", id="years backwards"),
        pytest.param("{years: [2_025]}", '5: {}.years[0]: not a number: "2_025"', id="an underscore"),
        pytest.param(
            "{years: [99999999999999999999]}", '5: {}.years[0]: not a number: "99999999999999999999"', id="too many"
        ),
        pytest.param("{location: Mars/Base}", '5: {}.location: unknown time zone "Mars/Base"', id="no place"),
        pytest.param("{location: europe/berlin}", '5: {}.location: unknown time zone "europe/berlin"', id="case"),
        pytest.param("{location: ../zone}", '5: {}.location: unknown time zone "../zone"', id="a path"),
        pytest.param("{location: Europe}", '5: {}.location: unknown time zone "Europe"', id="a folder"),
        pytest.param("{location: zone.tab}", '5: {}.location: unknown time zone "zone.tab"', id="another file"),
        pytest.param(
            "{location: Local}",
            "5: {}.location: Local is another zone on each machine; name the one that is meant, such as Europe/Berlin",
            id="the machine's",
        ),
    ],
)
def test_what_intervals_refuse(entry: str, expected: str) -> None:
    assert complaints(with_interval(entry)) == [expected.replace("{}", ENTRY, 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(SMALL + "time_intervals: x", "3: time_intervals: expected a list", id="no list"),
        pytest.param(
            SMALL + "time_intervals:\n- {}", "4: time_intervals[0].name: missing name in time interval", id="no name"
        ),
        pytest.param(
            SMALL + "mute_time_intervals:\n- time_intervals: [{}]",
            "4: mute_time_intervals[0].name: missing name in time interval",
            id="no name in the older list",
        ),
        pytest.param(
            SMALL + "time_intervals:\n- name: x\n- name: x",
            '5: time_intervals[1].name: the time interval "x" is not unique',
            id="twice in one list",
        ),
        pytest.param(
            SMALL + "time_intervals: [{name: x}]\nmute_time_intervals:\n- name: x",
            '5: mute_time_intervals[0].name: the time interval "x" is not unique',
            id="once in each list",
        ),
        pytest.param(
            SMALL + "time_intervals:\n- name: x\n  intervals: []",
            "5: time_intervals[0].intervals: unknown key",
            id="key",
        ),
        pytest.param(
            with_child("matchers: [a=b]\nmute_time_intervals: [x]"),
            '5: route.routes[0].mute_time_intervals[0]: undefined time interval "x"',
            id="undefined, to mute",
        ),
        pytest.param(
            with_child("active_time_intervals:\n- x"),
            '5: route.routes[0].active_time_intervals[0]: undefined time interval "x"',
            id="undefined, to be active",
        ),
        pytest.param(
            with_child("active_time_intervals: [null]"),
            '4: route.routes[0].active_time_intervals[0]: undefined time interval ""',
            id="null for a name",
        ),
        pytest.param(
            with_route("mute_time_intervals: [x]") + "time_intervals: [{name: x}]",
            "2: route: the root route must not have any mute_time_intervals or active_time_intervals",
            id="the root muted",
        ),
        pytest.param(
            with_route("active_time_intervals: [x]") + "time_intervals: [{name: x}]",
            "2: route: the root route must not have any mute_time_intervals or active_time_intervals",
            id="the root active at times",
        ),
    ],
)
def test_what_named_intervals_refuse(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


def test_one_fault_does_not_hide_another() -> None:
    assert complaints(with_interval("{weekdays: [mon, tuesday, wed], months: [13, x], location: Mars}")) == [
        f'5: {ENTRY}.weekdays[0]: not a weekday: "mon"',
        f'5: {ENTRY}.weekdays[2]: not a weekday: "wed"',
        f'5: {ENTRY}.months[1]: not a month: "x"',
        f'5: {ENTRY}.location: unknown time zone "Mars"',
    ]


# ---- Inhibit rules ---------------------------------------------------------------------------------------------------

EQUAL, REGEX, NOT_EQUAL = MatchType.EQUAL, MatchType.REGEX, MatchType.NOT_EQUAL


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("{}", InhibitRule((), (), ()), id="nothing"),
        pytest.param(
            "{source_match: {a: b}, target_match: {c: d}}",
            InhibitRule((Matcher("a", EQUAL, "b"),), (Matcher("c", EQUAL, "d"),), ()),
            id="match",
        ),
        pytest.param(
            "{source_match_re: {a: b|c}, target_match_re: {c: d}}",
            InhibitRule((Matcher("a", REGEX, "^(?:b|c)$"),), (Matcher("c", REGEX, "^(?:d)$"),), ()),
            id="match_re, anchored",
        ),
        pytest.param(
            "{source_matchers: ['{z=1, y!=2}', x=~w], target_matchers: [c=d]}",
            InhibitRule(
                (Matcher("x", REGEX, "w"), Matcher("y", NOT_EQUAL, "2"), Matcher("z", EQUAL, "1")),
                (Matcher("c", EQUAL, "d"),),
                (),
            ),
            id="matchers, sorted",
        ),
        pytest.param(
            "{source_matchers: [b=1], source_match: {a: x}, source_match_re: {c: y}}",
            InhibitRule((Matcher("a", EQUAL, "x"), Matcher("b", EQUAL, "1"), Matcher("c", REGEX, "^(?:y)$")), (), ()),
            id="all three",
        ),
        pytest.param("{equal: [b, a, b, größe]}", InhibitRule((), (), ("a", "b", "größe")), id="equal, sorted once"),
        pytest.param("{name: crowd control}", InhibitRule((), (), (), "crowd control"), id="a name"),
        pytest.param(
            "{sources: [{matchers: [a=b], equal: [c]}], target_matchers: [d=e]}",
            InhibitRule((Matcher("a", EQUAL, "b"),), (Matcher("d", EQUAL, "e"),), ("c",)),
            id="one entry under sources is source_matchers and equal",
        ),
        pytest.param("{sources: [], equal: [a]}", InhibitRule((), (), ("a",)), id="none under sources"),
    ],
)
def test_inhibit_rules(lines: str, expected: InhibitRule) -> None:
    assert rule(lines) == expected


def test_rules_keep_their_order() -> None:
    rules = read(SMALL + "inhibit_rules: [{name: b}, {name: a}, {name: a}]").inhibit_rules
    assert [each.name for each in rules] == ["b", "a", "a"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("null", ": expected a mapping", id="null"),
        pytest.param("{source: x}", ".source: unknown key", id="unknown key"),
        pytest.param(
            "{source_match: {'a b': x}}", '.source_match."a b": invalid label name "a b"', id="match: classic names"
        ),
        pytest.param("{target_match: [x]}", ".target_match: expected a mapping", id="match: no mapping"),
        pytest.param(
            "{target_match_re: {a: '['}}",
            '.target_match_re.a: invalid regular expression "^(?:[)$": missing ]: [)$)$',
            id="match_re: no regular expression",
        ),
        pytest.param(
            "{source_match_re: {a: }}", ".source_match_re.a: expected a regular expression", id="match_re: null"
        ),
        pytest.param("{source_matchers: [a]}", ".source_matchers[0]: bad matcher format: a", id="no matcher"),
        pytest.param("{target_matchers: a=b}", ".target_matchers: expected a list", id="no list of matchers"),
        pytest.param("{equal: ['']}", '.equal[0]: invalid label name ""', id="equal: no name"),
        pytest.param("{equal: a}", ".equal: expected a list", id="equal: no list"),
        pytest.param(
            "{sources: [{matchers: [a=b]}, {matchers: [c=d]}]}",
            ".sources: more than one source is not supported yet",
            id="sources: two",
        ),
        pytest.param(
            "{sources: [{matchers: ['a=~.*']}]}",
            ".sources[0]: at least one matcher must not match the empty value",
            id="sources: everything",
        ),
        pytest.param(
            "{sources: [{matchers: [a=b]}], equal: [c]}",
            ".sources: cannot stand beside source_match, source_match_re, source_matchers or equal",
            id="sources beside equal",
        ),
        pytest.param(
            "{sources: [{matchers: [c=d], match: {a: b}, foo: x}]}",
            ".sources[0].foo: unknown key",
            id="sources: unknown key",
        ),
    ],
)
def test_what_inhibit_rules_refuse(lines: str, expected: str) -> None:
    found = complaints(SMALL + f"inhibit_rules: [{lines}]")
    assert f"3: inhibit_rules[0]{expected}" in found
