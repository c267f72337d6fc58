from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from domain.configuration.checking import (
    Finding,
    Severity,
    check_configuration,
    check_silences,
    find_outside,
    find_unreachable,
)
from domain.configuration.checking.hours import leave_no_time
from domain.configuration.checking.reach import find_passed_on
from domain.configuration.drawing import draw_routes
from domain.configuration.file import read_configuration
from domain.configuration.tree import read_tree
from domain.durations import parse_duration, print_duration
from domain.errors import ConfigurationError
from domain.intervals import TimeInterval
from domain.labels import Matcher, MatchType
from domain.matchers import parse_matchers
from domain.routing import ROOT_KEY, Route, RouteId, route_key, sort_matchers
from domain.silences import PostedSilence
from tests.domain.configuring import read

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def check(text: str) -> list[str]:
    """Each finding as `line severity rule`."""
    return [f"{each.line} {each.severity} {each.rule}" for each in check_configuration(read(text), NOW)]


def check_routes(lines: str) -> list[str]:
    """What is found in routes below the root, the first of them in line 4; all of them have receivers that tell."""
    body = "\n".join(f"  {line}" for line in dedent(lines).strip().splitlines())
    return check(
        f"route:\n  receiver: a\n  routes:\n{body}\nreceivers: [{{name: a, webhook_configs: [{{url: 'http://x'}}]}}]"
    )


def unreachable(lines: str) -> list[str]:
    return [found for found in check_routes(lines) if found.endswith(("unreachable-route", "contradicting-matchers"))]


# --- routes that no alert comes to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param("- matchers: [a=x]\n- matchers: [a=x]", id="the same"),
        pytest.param("- matchers: [a=x]\n- matchers: [a=x, b=y]", id="less is asked before"),
        pytest.param("- {}\n- matchers: [a=x]", id="all are taken before"),
        pytest.param("- matchers: [a=~x|y]\n- matchers: [a=x]", id="a choice before one of it"),
        pytest.param("- matchers: [a=~x|y|z]\n- matchers: [a=~x|z]", id="a choice before a part of it"),
        pytest.param("- matchers: [a=~x.*]\n- matchers: [a=~xy.+]", id="a beginning before a longer one"),
        pytest.param("- matchers: [a!=x]\n- matchers: [a=y]", id="all others before one"),
        pytest.param("- matchers: [a!=x]\n- matchers: [b=y, a!~x|z]", id="less excluded before more"),
        pytest.param("- matchers: ['a!=\"\"']\n- matchers: [a=~.+]", id="whatever has the label before"),
        pytest.param("- matchers: ['a=\"\"']\n- matchers: ['a=\"\"', b=x]", id="whatever lacks it before"),
        pytest.param("- match: {a: x}\n- matchers: [a=x]", id="the old form before the new one"),
        pytest.param("- match_re: {a: x|y}\n- match: {a: y}", id="old expressions"),
    ],
)
def test_a_route_after_one_that_takes_all_of_it(routes: str) -> None:
    assert unreachable(routes) == ["5 warning unreachable-route"]
    first, second = routes.splitlines()
    assert not unreachable(f"{first if first != '- {}' else '- matchers: []'}\n  continue: true\n{second}")


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param("- matchers: [a=x, b=y]\n- matchers: [a=x]", id="more is asked before"),
        pytest.param("- matchers: [a=x]\n- matchers: [a=y]", id="another value"),
        pytest.param("- matchers: [a=x]\n- matchers: [b=x]", id="another label"),
        pytest.param("- matchers: [a=x]\n- {}", id="everything after something"),
        pytest.param("- matchers: [a=x]\n- matchers: [a=~x|y]", id="a choice after one of it"),
        pytest.param("- matchers: [a=~xy.*]\n- matchers: [a=~x.*]", id="a beginning after a longer one"),
        pytest.param("- matchers: [a=~x]\n- matchers: [a=~x.*]", id="an expression is anchored"),
        pytest.param("- matchers: [a=~(?i)x]\n- matchers: [a=~(?i)X]", id="what is not understood"),
        pytest.param("- matchers: [a!=x]\n- matchers: [a!=y]", id="others excluded"),
        pytest.param("- matchers: ['a!=\"\"']\n- matchers: [a!=x]", id="a label that may be absent"),
        pytest.param("- matchers: [a=x]\n- matchers: ['a=\"x \"']", id="a space"),
        pytest.param("- routes: [{matchers: [a=x]}]\n  matchers: [b=y]\n- matchers: [a=x]", id="a child of another"),
    ],
)
def test_a_route_that_may_be_reached(routes: str) -> None:
    assert not unreachable(routes)


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        pytest.param("- matchers: [a=x, a=y]", "4 warning contradicting-matchers", id="two values"),
        pytest.param("- matchers: [a=x, a!=x]", "4 warning contradicting-matchers", id="a value and not it"),
        pytest.param(
            "- matchers: [a=x]\n  routes:\n  - matchers: [a=y]", "6 warning contradicting-matchers", id="above"
        ),
        pytest.param("- matchers: ['a=\"\"', 'a!=\"\"']", "4 warning contradicting-matchers", id="absent and not"),
        pytest.param('- matchers: [\'a="", a=~".+"\']', "4 warning contradicting-matchers", id="absent and something"),
        pytest.param("- matchers: [a!~.*]", "4 warning contradicting-matchers", id="not anything, but for line breaks"),
        pytest.param(
            "- matchers: [a=x]\n- matchers: [a!=x]\n- {}", "6 warning unreachable-route", id="two between them"
        ),
        pytest.param(
            "- matchers: [a=x]\n- routes:\n  - matchers: [a=x, b=y]\n- matchers: [c=z]\n  continue: true",
            "6 warning unreachable-route",
            id="a child, after a sibling of its parent",
        ),
        pytest.param(
            "- matchers: [a=~.*]\n- matchers: [b=x]", "5 warning unreachable-route", id="anything in one line"
        ),
    ],
)
def test_other_routes_that_no_alert_comes_to(routes: str, found: str) -> None:
    assert found in unreachable(routes)


def test_what_stands_below_an_unreachable_route_is_not_repeated() -> None:
    assert unreachable("- matchers: [a=x]\n- matchers: [a=x]\n  routes:\n  - matchers: [b=y]\n  - {}\n  - {}") == [
        "5 warning unreachable-route"
    ]


def messages(text: str) -> list[str]:
    return [f"{each.line}: {each.key}: {each.message}" for each in check_configuration(read(text), NOW)]


def test_a_message_says_where_and_what_to_do() -> None:
    text = """\
        route:
          receiver: "null"
          routes:
          - matchers: [a=x]
            routes:
            - matchers:
              - b=c
              - a=y
          - matchers: [a=x]
        receivers: [{name: "null"}]
        """
    assert messages(text) == [
        '6: route.routes[0].routes[0]: no alert comes here: none has a="x" (line 4) and a="y" (line 8); '
        "correct the matchers or remove the route",
        "9: route.routes[1]: no alert comes here: the route in line 4 takes each that could, and has no "
        "`continue: true`; move this one above it or remove it",
        '10: receivers[0].name: receiver "null" has no integrations, so nobody is told, as it says',
    ]


def random_tree(random: Random, values: list[str], patterns: list[str]) -> Route:
    """Some routes over the labels a and b; most of them reachable."""
    count = 0

    def grow(key: str, matchers: tuple[Matcher, ...], depth: int) -> Route:
        nonlocal count
        id = RouteId(count)
        count += 1
        children = []
        for _ in range(random.randint(0, 4) if depth else 0):
            own = []
            for _ in range(random.choice((0, 1, 1, 1, 2, 2))):
                match_type = random.choice(list(MatchType))
                is_plain = match_type in (MatchType.EQUAL, MatchType.NOT_EQUAL)
                own.append(Matcher(random.choice("ab"), match_type, random.choice(values if is_plain else patterns)))
            ordered = sort_matchers(own)
            children.append(grow(route_key(key, ordered), ordered, depth - 1))
        second = timedelta(seconds=1)
        goes_on = bool(key != ROOT_KEY and random.random() < 0.3)
        return Route(id, key, 0, "r", None, second, second, second, matchers, goes_on=goes_on, children=tuple(children))

    return grow(ROOT_KEY, (), 3)


def test_no_alert_ever_comes_to_a_route_that_is_called_unreachable() -> None:
    values = ["", "x", "y", "xy", "\n"]
    patterns = ["x", "x|y", "x.*", ".*", ".+", ".*y", "(x|y)?", "[xy]", "[^x]", "x+", "", "(?s).*"]
    spoken = ["", "x", "y", "z", "xy", "xx", "yx", "xyz", "\n", "x\n"]
    alerts = [
        {name: value for name, value in (("a", a), ("b", b)) if value} | {"c": "d"} for a, b in product(spoken, spoken)
    ]
    called = in_one_line = passed_on = 0
    for seed in range(400):
        random = Random(seed)
        root = random_tree(random, values, patterns)
        found = find_unreachable(root)
        exact = {id for id, reason in found.items() if not reason.in_one_line}
        passing = {route.id for route in find_passed_on(root, found)}
        called += len(exact)
        in_one_line += len(found) - len(exact)
        passed_on += len(passing)
        for labels in alerts:
            taken = {route.id for route in root.find(labels)}
            assert taken.isdisjoint(exact), (seed, labels)
            assert taken.isdisjoint(passing), (seed, labels)
            if not any("\n" in value for value in labels.values()):
                assert taken.isdisjoint(found), (seed, labels)
    assert called > 400
    assert in_one_line > 40
    assert passed_on > 40


def test_many_siblings_take_no_time() -> None:
    matchers = [(Matcher("team", MatchType.EQUAL, f"t{number % 2900}"),) for number in range(3000)]
    second = timedelta(seconds=1)
    children = tuple(
        Route(RouteId(1 + place), route_key(ROOT_KEY, own), 0, "r", None, second, second, second, own)
        for place, own in enumerate(matchers)
    )
    root = Route(RouteId(0), ROOT_KEY, 0, "r", None, second, second, second, children=children)
    assert list(find_unreachable(root)) == list(range(2901, 3001))


# --- receivers --------------------------------------------------------------------------------------------------------

TELLS = "webhook_configs: [{url: 'http://x'}]"


@pytest.mark.parametrize(
    ("receivers", "found"),
    [
        pytest.param(f"{{name: a, {TELLS}}}", [], id="one that tells"),
        pytest.param(f"{{name: a, {TELLS}}}, {{name: b, {TELLS}}}", ["2 warning unused-receiver"], id="one too many"),
        pytest.param("{name: a}", ["2 warning silent-receiver"], id="one that tells nobody"),
    ],
)
def test_receivers(receivers: str, found: list[str]) -> None:
    assert check(f"route: {{receiver: a}}\nreceivers: [{receivers}]") == found


@pytest.mark.parametrize(
    ("name", "is_meant"),
    [
        *[(name, True) for name in ("null", "none", "blackhole", "black-hole", "/dev/null", "nobody", "to_nowhere")],
        *[(name, True) for name in ("ignored alerts", "Drop", "no-op", "team-a-silent", "null-receiver")],
        *[(name, False) for name in ("default", "oncall", "nullable", "dropbox-team", "annulled", "mutedb")],
    ],
)
def test_a_name_can_say_that_nobody_is_told(name: str, is_meant: bool) -> None:
    found = check(f"route: {{receiver: '{name}'}}\nreceivers: [{{name: '{name}'}}]")
    assert found == [f"2 {'note' if is_meant else 'warning'} silent-receiver"]


def test_a_webhook_to_the_door_of_a_shadow_is_to_be_removed() -> None:
    door = "http://127.0.0.1:7071/api/v1/shadow/alertmanager"
    webhooks = f"[{{url: 'http://x'}}, {{url: '{door}?feed=true'}}]"
    text = f"route: {{receiver: a}}\nreceivers:\n- name: a\n  webhook_configs: {webhooks}"
    assert check(text) == ["3 warning shadow-webhook"]


def test_what_lies_outside_is_named_with_its_place() -> None:
    text = """\
route: {receiver: a}
templates: [a.tmpl, "b*.tmpl", /etc/c.tmpl]
global:
  slack_api_url_file: /run/slack
  http_config: {tls_config: {ca_file: ca.pem}, authorization: {credentials: "${env:TOKEN}"}}
receivers:
- name: a
  webhook_configs:
  - {url_file: url, payload: {its_file: no, other: "${env:NO}"}}
  - {url: "http://x/${env:NO}"}
"""
    found = [
        (one.field.line, str(one.kind), one.name)
        for one in find_outside(read_configuration(text, templates=(("a.tmpl", ""),)))
    ]
    assert found == [
        (2, "template", "a.tmpl"),
        (2, "template", "/etc/c.tmpl"),
        (4, "file", "/run/slack"),
        (5, "file", "ca.pem"),
        (5, "variable", "TOKEN"),
        (9, "file", "url"),
    ]


def test_receivers_that_only_unreachable_routes_name() -> None:
    text = f"""\
        route:
          receiver: a
          routes:
          - {{matchers: [x=1], receiver: b}}
          - {{matchers: [x=1], receiver: c}}
          - {{receiver: b}}
        receivers:
        - {{name: a}}
        - {{name: b, {TELLS}}}
        - {{name: c}}
        """
    assert check(text) == [
        "5 warning unreachable-route",
        "8 note passed-over-receiver",
        "10 warning unused-receiver",
    ]


# --- timers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timers", "found"),
    [
        pytest.param("{}", "", id="none"),
        pytest.param("{repeat_interval: 1m}", "short-repeat", id="a repeat shorter than the interval"),
        pytest.param("{group_interval: 5h}", "short-repeat", id="an interval longer than the inherited repeat"),
        pytest.param("{repeat_interval: 5m}", "", id="a repeat each time"),
        pytest.param("{repeat_interval: 12m}", "uneven-repeat", id="a repeat between two times"),
        pytest.param("{repeat_interval: 15m}", "", id="a multiple"),
        pytest.param("{repeat_interval: 5d}", "", id="as long as is remembered"),
        pytest.param("{repeat_interval: 1w}", "long-repeat", id="longer than is remembered"),
        pytest.param("{group_wait: 6m}", "long-wait", id="a first notification that waits longest"),
        pytest.param("{group_wait: 5m}", "", id="one that waits as long"),
        pytest.param("{group_interval: 10s}", "long-wait", id="an interval shorter than the inherited wait"),
    ],
)
def test_timers(timers: str, found: str) -> None:
    rules = [each.split()[2] for each in check_routes(f"- {timers}")]
    assert rules == ([found] if found else [])


def test_inherited_timers_are_told_once() -> None:
    assert check_routes("- {repeat_interval: 1w, matchers: [a=b], routes: [{matchers: [c=d]}]}") == [
        "4 warning long-repeat"
    ]


@pytest.mark.parametrize(
    ("timers", "said"),
    [
        ("{repeat_interval: 12m}", "repeats come every 15m"),
        ("{repeat_interval: 1m}", "repeats come every 5m"),
        ("{repeat_interval: 1w, group_interval: 7h}", "repeats come after 5d6h"),
    ],
)
def test_the_real_repeat_is_told(timers: str, said: str) -> None:
    (found,) = check_configuration(read(f"route: {timers[:-1]}, receiver: a}}\nreceivers: [{{name: a, {TELLS}}}]"), NOW)
    assert said in found.message


@pytest.mark.parametrize(
    "text", ["0s", "1ms", "1s500ms", "30s", "1m", "1h30m", "1d12h", "5d", "90d", "1w", "6w", "8d", "1y", "366d"]
)
def test_durations_are_printed_as_they_are_read(text: str) -> None:
    assert print_duration(parse_duration(text)) == text


# --- time intervals ---------------------------------------------------------------------------------------------------


def check_hours(intervals: str, route: str) -> list[str]:
    """The intervals are in line 3."""
    return check(
        f"route: {{receiver: a, routes: [{{matchers: [b=c], {route}}}]}}\n"
        f"receivers: [{{name: a, {TELLS}}}]\ntime_intervals: [{intervals}]"
    )


@pytest.mark.parametrize(
    ("interval", "found"),
    [
        pytest.param("{}", "", id="always"),
        pytest.param("{weekdays: [monday]}", "", id="Mondays"),
        pytest.param("{days_of_month: [31], months: [2]}", "never-matching-interval", id="the 31st of February"),
        pytest.param("{days_of_month: [29], months: [2]}", "", id="the 29th of February"),
        pytest.param("{weekdays: []}", "never-matching-interval", id="no weekday"),
        pytest.param("{years: [2025]}", "interval-over", id="last year"),
        pytest.param("{years: ['2025:2026']}", "", id="this year"),
        pytest.param("{years: [2030]}", "", id="some day"),
    ],
)
def test_intervals(interval: str, found: str) -> None:
    assert check_hours(f"{{name: i, time_intervals: [{interval}, {{}}]}}", "active_time_intervals: [i]") == (
        [f"3 warning {found}"] if found else []
    )


def test_an_interval_without_times() -> None:
    assert check_hours("{name: i}", "mute_time_intervals: [i]") == ["3 warning never-matching-interval"]


def test_an_interval_that_nobody_uses() -> None:
    assert check_hours("{name: i, time_intervals: [{}]}", "receiver: a") == ["3 warning unused-interval"]


@pytest.mark.parametrize(
    ("active", "mute", "expected"),
    [
        pytest.param(None, [TimeInterval()], True, id="always muted"),
        pytest.param(None, [TimeInterval(weekdays=((0, 6),))], True, id="muted on each weekday"),
        pytest.param(None, [TimeInterval(weekdays=((1, 6),))], False, id="but on Sundays"),
        pytest.param(None, [], False, id="never muted"),
        pytest.param([], [], True, id="never active"),
        pytest.param([TimeInterval(years=((2020, 2025),))], [], True, id="active no more"),
        pytest.param([TimeInterval(years=((2020, 2026),))], [], False, id="active still"),
        pytest.param(
            None,
            [TimeInterval(times=((0, 720),)), TimeInterval(times=((720, 1440),))],
            True,
            id="muted before noon and after",
        ),
        pytest.param(
            None,
            [TimeInterval(times=((0, 720),)), TimeInterval(times=((721, 1440),))],
            False,
            id="but for a minute",
        ),
        pytest.param(
            None,
            [TimeInterval(times=((0, 720),)), TimeInterval(times=((720, 1440),), location=BERLIN)],
            False,
            id="by two clocks",
        ),
        pytest.param(
            [TimeInterval(times=((540, 1020),), weekdays=((1, 5),))],
            [TimeInterval(times=((480, 1080),))],
            True,
            id="active within what is muted",
        ),
        pytest.param(
            [TimeInterval(times=((540, 1020),), weekdays=((1, 5),))],
            [TimeInterval(times=((540, 1020),), weekdays=((1, 4),))],
            False,
            id="but on Fridays",
        ),
        pytest.param(
            [TimeInterval(days_of_month=((29, 31),))],
            [TimeInterval(days_of_month=((-3, -1),))],
            True,
            id="the 29th is one of the last three days",
        ),
        pytest.param(
            [TimeInterval(days_of_month=((28, 31),))],
            [TimeInterval(days_of_month=((-3, -1),))],
            False,
            id="the 28th is not, mostly",
        ),
        pytest.param(
            [TimeInterval(days_of_month=((-1, -1),))],
            [TimeInterval(days_of_month=((28, 31),))],
            True,
            id="the last day is one of these",
        ),
        pytest.param(
            [TimeInterval(location=BERLIN)],
            [TimeInterval()],
            True,
            id="always, whatever the clock",
        ),
        pytest.param(
            [TimeInterval(), TimeInterval(weekdays=((1, 1),))],
            [TimeInterval(weekdays=((1, 1),))],
            False,
            id="another active one",
        ),
        pytest.param(None, [TimeInterval(years=((2026, 9999),))], True, id="from this year on"),
    ],
)
def test_hours(active: list[TimeInterval] | None, mute: list[TimeInterval], expected: bool) -> None:
    assert leave_no_time(active, mute, NOW) is expected


def test_a_route_without_an_hour() -> None:
    intervals = "{name: day, time_intervals: [{weekdays: [monday]}]}, {name: always, time_intervals: [{}]}"
    assert check_hours(intervals, "active_time_intervals: [day], mute_time_intervals: [always]") == [
        "1 warning always-muted-route"
    ]
    assert not check_hours(intervals, "active_time_intervals: [always], mute_time_intervals: [day]")


def random_interval(random: Random) -> TimeInterval:
    def some(*choices: tuple[int, int]) -> tuple[tuple[int, int], ...] | None:
        return None if random.random() < 0.6 else tuple(random.sample(choices, random.randint(1, 2)))

    return TimeInterval(
        times=some((0, 720), (720, 1440), (0, 1440), (600, 800)),
        weekdays=some((0, 3), (4, 6), (2, 5)),
        days_of_month=some((1, 15), (16, 31), (-16, -1), (28, 28)),
        months=some((1, 6), (7, 12), (2, 2)),
        years=some((2020, 2027), (2027, 2030), (2028, 9999)),
        location=random.choice((UTC, BERLIN)),
    )


def test_a_route_that_is_said_to_have_no_hour_has_none() -> None:
    random = Random(5)
    instants = [NOW + timedelta(hours=7 * step, minutes=11 * step) for step in range(0, 5000, 9)]
    claims = 0
    for _ in range(500):
        active = [random_interval(random) for _ in range(random.randint(1, 2))] if random.random() < 0.7 else None
        mute = [random_interval(random) for _ in range(random.randint(0, 5))]
        if leave_no_time(active, mute, NOW):
            claims += 1
            for at in instants:
                is_active = active is None or any(each.contains(at) for each in active)
                assert not is_active or any(each.contains(at) for each in mute)
    assert claims > 20


# --- inhibit rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        pytest.param("source_matchers: [a=x], target_matchers: [a=y], equal: [b]", "", id="as they mostly are"),
        pytest.param("source_matchers: [a=x], target_matchers: [a=y]", "warning rule-without-equal", id="two kinds"),
        pytest.param("source_matchers: [alertname=x], target_matchers: [alertname=y]", "", id="two names"),
        pytest.param("source_matchers: [a=x], target_matchers: [b=y]", "", id="of two labels"),
        pytest.param("source_matchers: [a=x], equal: [b]", "", id="everything in the same place"),
        pytest.param("source_matchers: [a=x]", "warning rule-mutes-everything", id="everything"),
        pytest.param("target_matchers: [a=x]", "warning broad-source", id="by anything"),
        pytest.param(
            "source_matchers: [a!=x], target_matchers: [a=x]", "warning broad-source", id="by nearly anything"
        ),
        pytest.param("source_matchers: [a=x], target_matchers: [a!=x]", "warning broad-target", id="nearly everything"),
        pytest.param(
            "source_matchers: [a=x], target_matchers: [a!=x], equal: [b]", "note broad-target", id="in the same place"
        ),
        pytest.param(
            "source_matchers: [a=x], target_matchers: [a=y], equal: [a]",
            "warning rule-never-applies",
            id="unlike equals",
        ),
        pytest.param(
            "source_matchers: [a=x, b=z], target_matchers: [b=z], equal: [a]",
            "warning rule-never-applies",
            id="the same by equal",
        ),
        pytest.param(
            "source_matchers: [a=x, a=y], target_matchers: [b=z]", "warning rule-never-applies", id="no source"
        ),
        pytest.param(
            "source_matchers: [a=x], target_matchers: [b=y, 'b=\"\"']", "warning rule-never-applies", id="no target"
        ),
        pytest.param("source_matchers: [a=x], target_matchers: [a=x]", "warning rule-never-applies", id="itself"),
        pytest.param(
            "source_matchers: [a=x], target_matchers: [a=~x]", "warning rule-never-applies", id="itself again"
        ),
        pytest.param("equal: [a]", "warning rule-never-applies", id="anything by anything"),
        pytest.param("source_matchers: [a=~x|y], target_matchers: [a=x]", "note targets-are-sources", id="targets too"),
        pytest.param("source_matchers: [a=x], target_matchers: [a=~x|y], equal: [b]", "", id="sources are targets"),
    ],
)
def test_inhibit_rules(rule: str, found: str) -> None:
    text = f"route: {{receiver: a}}\nreceivers: [{{name: a, {TELLS}}}]\ninhibit_rules:\n- {{{rule}}}\n"
    assert check(text) == ([f"4 {found}"] if found else [])


# --- what stands in matchers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matcher", "found"),
    [
        pytest.param("a=x", "", id="a word"),
        pytest.param("a=foo.bar", "", id="a dot is nothing special"),
        pytest.param("a=foo|bar", "note expression-compared", id="a choice"),
        pytest.param("a=foo.*", "warning expression-compared", id="dots"),
        pytest.param("a=^foo$", "warning expression-compared", id="anchors"),
        pytest.param("a=x, b!=foo.+", "warning expression-compared", id="also under !="),
        pytest.param('a="a | b"', "", id="a stroke between words"),
        pytest.param("a=C++", "", id="a language"),
        pytest.param("a=$5*2", "", id="a sum"),
        pytest.param("a=~foo*", "warning pattern-of-names", id="a pattern of file names"),
        pytest.param("a=~web-*", "warning pattern-of-names", id="another one"),
        pytest.param("a=~foo.*", "", id="an expression"),
        pytest.param("a=~fo+", "", id="a repetition"),
        pytest.param("a=~(foo)*", "", id="a group"),
        pytest.param("a=~foo*bar", "", id="a repetition inside"),
        pytest.param("a=~.*", "note matches-anything", id="anything"),
        pytest.param("a=~.+", "", id="something"),
        pytest.param("a!=x", "note negative-route", id="only what is not wanted"),
        pytest.param("a!=x, b=y", "", id="and what is"),
        pytest.param('a!=x, b!=""', "", id="and that there is something"),
        pytest.param('a=""', "", id="absence on purpose"),
        pytest.param(r'a="x\\d"', "", id="a backslash, escaped"),
        pytest.param(r'a="x\d"', "warning ambiguous-matcher", id="a backslash, not escaped"),
        pytest.param("a=", "warning ambiguous-matcher", id="nothing at all"),
        pytest.param("a=foo bar", "warning ambiguous-matcher", id="a space without quotes"),
        pytest.param('"a b"="c"', "", id="a name in quotes"),
    ],
)
def test_matchers(matcher: str, found: str) -> None:
    quoted = matcher.replace("'", "''")
    assert check_routes(f"- matchers: ['{quoted}']") == ([f"4 {found}"] if found else [])


def test_only_negative_matchers_below_a_positive_one_are_fine() -> None:
    assert not check_routes("- matchers: [a=x]\n  routes:\n  - matchers: [b!=y]")


def test_a_needless_group_label() -> None:
    assert check_routes("- {matchers: [a=x], group_by: [b, a]}") == ["4 note needless-group-label"]
    assert not check_routes("- {matchers: [a=~x|y], group_by: [b, a]}\n- {matchers: [b=x]}")


def test_keys_of_the_old_form_are_told_once() -> None:
    text = f"""\
        route:
          receiver: a
          routes:
          - match:
              a: b
            match_re: {{c: d}}
          - match: {{e: f}}
          - match: {{g: h}}
            mute_time_intervals: [i]
        receivers: [{{name: a, {TELLS}}}]
        inhibit_rules:
        - source_match: {{a: b}}
          target_matchers: [d=c]
        mute_time_intervals: [{{name: i, time_intervals: [{{weekdays: [monday]}}]}}]
        """
    found = check_configuration(read(text), NOW)
    assert [(each.line, each.rule) for each in found] == [
        (4, "old-key"),
        (6, "old-key"),
        (12, "old-key"),
        (14, "old-key"),
    ]
    assert found[0].message == "`match` (as in lines 7 and 8) is of the old form; write `matchers`"
    assert found[2].message == "`source_match` is of the old form; write `source_matchers`"
    assert found[3].message == "`mute_time_intervals` is of the old form; write `time_intervals`"


def test_what_an_alias_repeats_is_told_once() -> None:
    text = f"""\
        route:
          receiver: a
          routes:
          - &r {{matchers: [b=foo.*], continue: true}}
          - *r
        receivers: [{{name: a, {TELLS}}}]
        """
    assert check(text) == ["4 warning expression-compared"] * 2  # under two keys
    assert {each.key for each in check_configuration(read(text), NOW)} == {
        "route.routes[0].matchers[0]",
        "route.routes[1].matchers[0]",
    }


def test_a_merge_is_looked_into() -> None:
    text = f"""\
        route:
          receiver: a
          routes:
          - &r {{matchers: [b=c]}}
          - <<: *r
            matchers: [d=e]
        receivers: [{{name: a, {TELLS}}}]
        """
    assert check(text) == ["5 warning unreachable-route"]


def test_no_secret_is_told() -> None:
    text = """\
        global: {slack_api_url: 'http://hunter2'}
        route: {receiver: a}
        receivers:
        - name: a
        - name: b
          webhook_configs: [{url: 'http://hunter2/x', http_config: {bearer_token: hunter2}}]
          slack_configs: [{channel: x}]
        """
    found = check_configuration(read(text), NOW)
    assert found
    assert "hunter2" not in str(found)


# --- silences ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matchers", "rules"),
    [
        pytest.param("a=x", [], id="one"),
        pytest.param("a!=x", ["broad-silence"], id="a negative one only"),
        pytest.param("a!=x, b=~.*", ["broad-silence"], id="and one that takes absence"),
        pytest.param("a!=x, b=y", [], id="and a positive one"),
        pytest.param("a=x, a=y", ["silence-never-applies"], id="a contradiction"),
    ],
)
def test_silences(matchers: str, rules: list[str]) -> None:
    silence = PostedSilence("7", parse_matchers(matchers), NOW, NOW + timedelta(hours=1), "me", "")
    assert [found.rule for found in check_silences([silence], NOW)] == rules
    assert not list(check_silences([silence], NOW + timedelta(hours=1))), "it is over"


def test_a_silence_is_named() -> None:
    silence = PostedSilence("7", parse_matchers("a!=x"), None, None, "me", "")
    assert list(check_silences([silence], NOW)) == [
        Finding(
            0,
            0,
            "silence 7",
            Severity.WARNING,
            "broad-silence",
            'it has only a!="x", and so mutes nearly everything; add a matcher that says what to mute',
        )
    ]


# --- the tree ---------------------------------------------------------------------------------------------------------

TREE = """\
route:
  receiver: a
  group_by: [alertname, cluster]
  routes:
  - matchers: [severity=critical]
    receiver: team b
    continue: true
    routes:
    - matchers: [team=db, zone=~"eu-.*|us-.*", environment!="staging", service!~"test-.*"]
      repeat_interval: 1h
      mute_time_intervals: [nights]
      labels: {tier: "1"}
    - {matchers: [severity=warning], group_by: ['...']}
  - {matchers: [severity=critical], group_by: []}
receivers: [{name: a}, {name: team b, pagerduty_configs: [{}]}]
templates: [missing.tmpl]
time_intervals: [{name: nights}]
"""

DRAWN = """\
any alert -> a
│     group_by: alertname, cluster  group_wait: 30s  group_interval: 5m
│     repeat_interval: 4h
├─ severity="critical" -> "team b" (continue)
│  ├─ environment!="staging", service!~"test-.*", team="db", zone=~"eu-.*|us-.*"
│  │        -> "team b"
│  │        repeat_interval: 1h  muted in: nights  labels: tier="1"
│  └─ severity="warning" -> "team b" (unreachable)
│           nothing has severity="critical" and severity="warning"
│           group_by: ... (all labels)
└─ severity="critical" -> a
         group_by: [] (one group)
"""


def test_a_tree_is_read_without_the_rest_and_drawn() -> None:
    root = read_tree(TREE).root
    assert draw_routes(root, find_unreachable(root)) == DRAWN.splitlines()
    assert max(map(len, DRAWN.splitlines())) <= 80


def test_a_drawing_says_what_takes_all_before() -> None:
    root = read_tree(
        "route: {receiver: a, routes: [{matchers: [x=~.*]}, {matchers: [y=z]}]}\nreceivers: [{name: a}]"
    ).root
    assert draw_routes(root, find_unreachable(root))[-2:] == [
        '└─ y="z" -> a (unreachable)',
        '         taken before by x=~".*" but for line breaks',
    ]


def test_a_part_of_a_tree_is_drawn() -> None:
    root = read_tree(TREE).root
    assert [line for line in draw_routes(root, only=[RouteId(2)]) if "->" in line] == [
        "any alert -> a",
        '└─ severity="critical" -> "team b" (continue)',
        '            -> "team b"',
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("receivers: []", "f:1: no route provided", id="no route"),
        pytest.param("route: {receiver: b}", 'f:1: route.receiver: undefined receiver "b"', id="no receiver"),
        pytest.param("route: [", "f:2: ", id="no YAML"),
    ],
)
def test_a_tree_that_cannot_be_read(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_tree(text, name="f")
    assert str(caught.value).startswith(problem)
