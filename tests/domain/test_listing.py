from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from domain.alerts import Alert
from domain.configuration import Configuration
from domain.configuration.file import read_configuration
from domain.errors import RejectedError
from domain.groups import Head, Member
from domain.labels import Matcher, MatchType, fingerprint
from domain.listing import (
    Selection,
    ShownAlert,
    ShownGroup,
    Standing,
    list_alerts,
    list_groups,
    list_receivers,
    matches_filter,
    may_hold,
    read_selection,
)
from domain.routing import GroupId
from domain.situations import Situation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

CONFIGURATION = read_configuration("""\
route:
  receiver: default
  group_by: [alertname]
  routes:
    - matchers: [team="db"]
      receiver: zebra
      continue: true
      labels: {tier: "1"}
    - matchers: [team=~"db|web"]
      receiver: ape
receivers:
  - name: default
  - name: zebra
    labels: {owner: dba, name: zebra}
  - name: ape
    labels: {owner: web}
""")

EVERYTHING = Selection()

type Copies = list[tuple[GroupId, Member]]


def alert(ends_at: datetime = NOON + HOUR, received_at: datetime = NOON, **labels: str) -> Alert:
    labels = labels or {"alertname": "DiskFull"}
    return Alert(fingerprint(labels), labels, {"summary": "full"}, NOON - HOUR, ends_at, received_at)


def shown_alerts(
    copies: Copies, heads: dict[GroupId, Head], situated: Situation, selection: Selection, now: datetime
) -> list[ShownAlert]:
    return list_alerts(Standing(copies, heads, situated, {}, now), selection)


def shown_groups(
    copies: Copies, heads: dict[GroupId, Head], situated: Situation, selection: Selection, now: datetime
) -> list[ShownGroup]:
    return list_groups(Standing(copies, heads, situated, {}, now), selection)


def spread(*alerts: Alert, configuration: Configuration = CONFIGURATION) -> tuple[Copies, dict[GroupId, Head]]:
    """These alerts in all their groups, and the heads of these."""
    copies: Copies = []
    heads: dict[GroupId, Head] = {}
    for one in alerts:
        for place, address in enumerate(configuration.group_addresses(one.labels)):
            receiver = configuration.routes[address.route_id].receiver
            heads[address.group_id] = Head(
                address.group_id, address.route_id, configuration.version, receiver, address.labels
            )
            copies.append((address.group_id, Member(one, True, one.received_at, 1, place == 0)))
    return copies, heads


def situation(*, is_strict: bool = True, listening_since: datetime = NOON - HOUR) -> Situation:
    return Situation(CONFIGURATION, listening_since, is_strict)


def names(*alerts: Alert, selection: Selection = EVERYTHING, now: datetime = NOON) -> list[str]:
    """The `alertname` labels of those listed."""
    listed = shown_alerts(*spread(*alerts), situation(), selection, now)
    return [shown["labels"]["alertname"] for shown in listed]


# --- alerts ---------------------------------------------------------------------------------------------------------


def test_an_alert_is_shown_as_alertmanager_shows_it() -> None:
    one = replace(alert(received_at=NOON + timedelta(microseconds=1_999)), generator_url="http://prometheus/graph")
    assert shown_alerts(*spread(one), situation(), EVERYTHING, NOON) == [
        {
            "annotations": {"summary": "full"},
            "endsAt": "2026-11-22T13:00:00.000Z",
            "fingerprint": fingerprint({"alertname": "DiskFull"}),
            "receivers": [{"name": "default", "labels": {"name": "default"}}],
            "startsAt": "2026-11-22T11:00:00.000Z",
            "status": {"state": "active", "silencedBy": (), "inhibitedBy": (), "mutedBy": ()},
            "updatedAt": "2026-11-22T12:00:00.001Z",
            "generatorURL": "http://prometheus/graph",
            "labels": {"alertname": "DiskFull"},
        }
    ]


def test_an_alert_without_a_generator_url_shows_none() -> None:
    (shown,) = shown_alerts(*spread(alert()), situation(), EVERYTHING, NOON)
    assert "generatorURL" not in shown


def test_an_alert_of_several_groups_is_listed_once_with_their_receivers_in_the_routes_order() -> None:
    (shown,) = shown_alerts(*spread(alert(alertname="Slow", team="db")), situation(), EVERYTHING, NOON)
    assert shown["receivers"] == [
        {"name": "zebra", "labels": {"owner": "dba", "name": "zebra"}},
        {"name": "ape", "labels": {"owner": "web", "name": "ape"}},
    ]


def test_alerts_are_listed_by_fingerprint() -> None:
    listed = shown_alerts(*spread(*[alert(alertname=f"a{n}") for n in range(20)]), situation(), EVERYTHING, NOON)
    fingerprints = [shown["fingerprint"] for shown in listed]
    assert len(fingerprints) == 20
    assert fingerprints == sorted(fingerprints)


@pytest.mark.parametrize("order", [1, -1])
def test_of_copies_that_differ_the_youngest_is_shown(order: int) -> None:
    copies, heads = spread(alert(alertname="Slow", team="db"))
    group_id, member = copies[1]
    copies[1] = (group_id, replace(member, alert=alert(NOON + 2 * HOUR, NOON + MINUTE, alertname="Slow", team="db")))
    (shown,) = shown_alerts(copies[::order], heads, situation(), EVERYTHING, NOON)
    assert shown["endsAt"] == "2026-11-22T14:00:00.000Z"
    assert [receiver["name"] for receiver in shown["receivers"]] == ["zebra", "ape"]


def test_a_copy_whose_group_has_just_died_is_left_out() -> None:
    copies, _ = spread(alert())
    assert shown_alerts(copies, {}, situation(), EVERYTHING, NOON) == []


def test_a_receiver_of_an_older_configuration_is_shown_all_the_same() -> None:
    older = read_configuration("route: {receiver: gone, labels: {a: b}}\nreceivers: [{name: gone}]")
    copies, heads = spread(alert(), configuration=older)
    (shown,) = shown_alerts(copies, heads, situation(), EVERYTHING, NOON)
    assert shown["receivers"] == [{"name": "gone", "labels": {"name": "gone"}}]
    (group,) = shown_groups(copies, heads, situation(), EVERYTHING, NOON)
    assert group["routeLabels"] == {}


@pytest.mark.parametrize(
    ("situated", "now", "is_listed"),
    [
        pytest.param(situation(), NOON + HOUR - MINUTE, True, id="before its end"),
        pytest.param(situation(), NOON + HOUR, False, id="not at its end"),
        pytest.param(situation(is_strict=False), NOON + HOUR, True, id="but for half a lease longer if not strict"),
        pytest.param(situation(is_strict=False), NOON + 1.5 * HOUR, False, id="and no longer"),
        pytest.param(
            situation(listening_since=NOON + HOUR / 2),
            NOON + 1.25 * HOUR,
            True,
            id="nor before a whole lease was heard",
        ),
    ],
)
def test_an_alert_is_listed_until_its_lease_ends(situated: Situation, now: datetime, is_listed: bool) -> None:
    assert bool(shown_alerts(*spread(alert()), situated, EVERYTHING, now)) == is_listed
    assert bool(shown_groups(*spread(alert()), situated, EVERYTHING, now)) == is_listed


def test_a_resolved_alert_is_not_listed() -> None:
    assert names(alert(NOON, NOON), now=NOON) == []


# --- what is asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "listed"),
    [
        pytest.param({}, ["Disk", "Slow", "Web"], id="everything by default"),
        pytest.param({"filter": ["team=db"]}, ["Slow"], id="one matcher"),
        pytest.param({"filter": ["team!=db", 'alertname=~"D.*"']}, ["Disk"], id="all of several"),
        pytest.param({"filter": ['team=""']}, ["Disk"], id="the empty value: without the label"),
        pytest.param({"filter": ['team!=""']}, ["Slow", "Web"], id="not the empty value: with it"),
        pytest.param({"receiver": ["ape"]}, ["Slow", "Web"], id="any of its receivers"),
        pytest.param({"receiver": ["ap"]}, [], id="the expression is anchored"),
        pytest.param({"receiver": ["zeb.*|default"]}, ["Disk", "Slow"], id="as a whole"),
        pytest.param({"receiver": [""]}, ["Disk", "Slow", "Web"], id="an empty one asks for nothing"),
        pytest.param({"receiver": ["ape", "default"]}, ["Disk"], id="the last one counts"),
        pytest.param({"receiver_matchers": ["owner=dba"]}, ["Slow"], id="a label of the receiver"),
        pytest.param({"receiver_matchers": ["name=default"]}, ["Disk"], id="its name is one of them"),
        pytest.param({"receiver_matchers": ['{owner=web,name=~"a.*"}']}, ["Slow", "Web"], id="all matchers of one"),
        pytest.param({"receiver_matchers": ["owner=dba", "owner="]}, ["Disk", "Slow"], id="or of another"),
        pytest.param({"receiver_matchers": ["owner=web"], "receiver": ["zebra"]}, [], id="and the expression"),
        pytest.param({"active": ["false"]}, [], id="no active ones: nothing mutes yet"),
        pytest.param({"active": ["maybe"]}, [], id="whatever is not yes is no"),
        pytest.param({"active": ["YES"]}, ["Disk", "Slow", "Web"], id="yes in any case"),
        pytest.param({"active": [""]}, ["Disk", "Slow", "Web"], id="an empty flag is not set"),
        pytest.param(
            {"silenced": ["false"], "inhibited": ["false"], "unprocessed": ["false"]},
            ["Disk", "Slow", "Web"],
            id="what amtool asks first: nothing is unprocessed when it is shown",
        ),
    ],
)
def test_a_selection(parameters: dict[str, list[str]], listed: Sequence[str]) -> None:
    alerts = (alert(alertname="Disk"), alert(alertname="Slow", team="db"), alert(alertname="Web", team="web"))
    selection = read_selection(parameters)
    assert sorted(names(*alerts, selection=selection)) == listed
    groups = shown_groups(*spread(*alerts), situation(), selection, NOON)
    assert sorted({shown["labels"]["alertname"] for group in groups for shown in group["alerts"]}) == listed


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        pytest.param({"filter": ["good"]}, "bad matcher format: good", id="no matcher"),
        pytest.param({"filter": [""]}, "bad matcher format: ", id="nothing"),
        pytest.param({"filter": ['{a="b"}']}, "unexpected open or close brace", id="braces around a single matcher"),
        pytest.param({"filter": ["a=~("]}, "missing )", id="a bad expression"),
        pytest.param({"receiver": ["("]}, "failed to parse receiver param: ", id="a bad expression for receivers"),
        pytest.param({"receiver_matchers": ["("]}, "bad matcher format", id="no matcher for receivers"),
    ],
)
def test_a_bad_selection_is_refused(parameters: dict[str, list[str]], message: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read_selection(parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("match_type", "name", "value", "is_taken"),
    [
        (MatchType.EQUAL, "foo", "bar", True),
        (MatchType.EQUAL, "baz", "", True),
        (MatchType.EQUAL, "baz", "qux", False),
        (MatchType.EQUAL, "baz", "qux|", False),
        (MatchType.REGEX, "foo", "bar", True),
        (MatchType.REGEX, "baz", "", True),
        (MatchType.REGEX, "baz", "qux", False),
        (MatchType.REGEX, "baz", "qux|", True),
        (MatchType.NOT_EQUAL, "foo", "bar", False),
        (MatchType.NOT_EQUAL, "baz", "", False),
        (MatchType.NOT_EQUAL, "baz", "qux", True),
        (MatchType.NOT_EQUAL, "baz", "qux|", True),
        (MatchType.NOT_REGEX, "foo", "bar", False),
        (MatchType.NOT_REGEX, "baz", "", False),
        (MatchType.NOT_REGEX, "baz", "qux", True),
        (MatchType.NOT_REGEX, "baz", "qux|", False),
        (MatchType.NOT_EQUAL, "foo", "", True),
        (MatchType.NOT_REGEX, "foo", "", True),
        (MatchType.EQUAL, "foo", "", False),
        (MatchType.REGEX, "foo", "", False),
    ],
)
def test_a_filter_follows_alertmanagers_table(match_type: MatchType, name: str, value: str, is_taken: bool) -> None:
    assert matches_filter(Matcher(name, match_type, value), {"foo": "bar"}) is is_taken


@pytest.mark.parametrize(
    ("parameters", "listed"),
    [
        ({}, ["default", "zebra", "ape"]),
        ({"receiver_matchers": ['owner!=""']}, ["zebra", "ape"]),
        ({"receiver_matchers": ["owner=nobody"]}, []),
    ],
)
def test_receivers_are_listed_in_the_configurations_order(
    parameters: dict[str, list[str]], listed: Sequence[str]
) -> None:
    receivers = list_receivers(CONFIGURATION, read_selection(parameters))
    assert [receiver["name"] for receiver in receivers] == listed


# --- groups ---------------------------------------------------------------------------------------------------------


def test_groups_are_listed_by_labels_and_then_receiver() -> None:
    grouped = read_configuration(
        "route: {receiver: z, group_by: [a, b, c], routes:"
        " [{matchers: [x=y], receiver: z, continue: true}, {matchers: [x=y], receiver: a}]}\n"
        "receivers: [{name: z}, {name: a}]"
    )
    alerts = [alert(a="1", c="1"), alert(b="1", c="1"), alert(a="2"), alert(a="1", x="y"), alert(d="1"), alert(b="1")]
    copies, heads = spread(*alerts, configuration=grouped)
    groups = shown_groups(copies, heads, Situation(grouped, NOON), EVERYTHING, NOON)
    assert [(group["labels"], group["receiver"]["name"]) for group in groups] == [
        ({}, "z"),
        ({"b": "1"}, "z"),  # who lacks the first name in question comes first
        ({"a": "1"}, "a"),
        ({"a": "1"}, "z"),
        ({"a": "2"}, "z"),
        ({"b": "1", "c": "1"}, "z"),
        ({"a": "1", "c": "1"}, "z"),
    ]


def test_a_group_shows_its_alerts_as_pages_do() -> None:
    alerts = [alert(alertname="Disk", instance=instance) for instance in ("c", "a", "b")]
    (group,) = shown_groups(*spread(*alerts), situation(), EVERYTHING, NOON)
    assert [shown["labels"]["instance"] for shown in group["alerts"]] == ["a", "b", "c"]
    assert group["receiver"] == {"name": "default", "labels": {"name": "default"}}
    assert group["routeLabels"] == {}


def test_in_groups_an_alert_has_the_receivers_asked_for_by_name() -> None:
    held = spread(alert(alertname="Slow", team="db"))
    zebra_last = shown_groups(*held, situation(), EVERYTHING, NOON)
    assert [group["receiver"]["name"] for group in zebra_last] == ["ape", "zebra"]
    assert [group["routeLabels"] for group in zebra_last] == [{}, {"tier": "1"}]
    for group in zebra_last:
        assert [receiver["name"] for receiver in group["alerts"][0]["receivers"]] == ["ape", "zebra"]
    (only,) = shown_groups(*held, situation(), read_selection({"receiver": ["zebra"]}), NOON)
    assert [receiver["name"] for receiver in only["alerts"][0]["receivers"]] == ["zebra"]


def test_a_receiver_of_two_groups_is_named_for_each_of_them() -> None:
    """As Alertmanager does, 0.25 and later ones."""
    configuration = read_configuration(
        "route: {receiver: team, routes: [{matchers: [a=b], continue: true}, {matchers: [a=~b]}]}\n"
        "receivers: [{name: team}]"
    )
    held = spread(alert(a="b"), configuration=configuration)
    groups = shown_groups(*held, Situation(configuration, NOON - HOUR, is_strict=True), EVERYTHING, NOON)
    names = [[receiver["name"] for receiver in group["alerts"][0]["receivers"]] for group in groups]
    assert names == [["team", "team"], ["team", "team"]]


# --- groups that need not be read -----------------------------------------------------------------------------------


@pytest.mark.parametrize("group_by", ["[alertname]", "[alertname, team]", "[team, nothing]", "['...']", "[]"])
@pytest.mark.parametrize(
    "filters",
    [
        ['alertname="A"'],
        ['alertname=~"A|C"', 'team!="db"'],
        ['team=""'],
        ['team!=""', 'alertname!~"B.*"'],
        ['nothing=""', 'instance="1"'],
        ['team=~"(d.)?"'],
        ['alertname="Z"'],
        [],
    ],
    ids=" ".join,
)
def test_groups_that_can_hold_nothing_asked_for_may_be_left_out(group_by: str, filters: list[str]) -> None:
    configuration = read_configuration(f"""\
route:
  receiver: one
  group_by: {group_by}
  routes: [{{matchers: [instance="1"], receiver: two, continue: true}}, {{}}]
receivers: [{{name: one}}, {{name: two}}]
""")
    labels = [
        {name: value for name, value in zip(("alertname", "team", "instance"), values, strict=True) if value}
        for values in product("ABC", ("", "db", "web"), "12")
    ]
    copies, heads = spread(*[alert(NOON + HOUR, NOON, **one) for one in labels], configuration=configuration)
    situated = replace(situation(), configuration=configuration)
    selection = read_selection({"filter": filters})
    fewer = [copy for copy in copies if may_hold(selection.matchers, heads[copy[0]].labels)]
    for shown in (shown_alerts, shown_groups):
        assert shown(fewer, heads, situated, selection, NOON) == shown(copies, heads, situated, selection, NOON)
    if filters == ['alertname="A"'] and "alertname" in group_by:
        assert len(fewer) == len(copies) / 3
