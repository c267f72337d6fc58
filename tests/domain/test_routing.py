from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import Matcher, match_all
from domain.matchers import parse_matchers
from domain.routing import GroupId, Route, RouteId, group_address, group_key, route_key, sort_matchers

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LABELS = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=4)


def route(
    receiver: str = "r",
    matchers: str = "",
    children: Iterable[Route] = (),
    *,
    key: str = "{}",
    twin: int = 0,
    ancestor_twins: tuple[int, ...] = (),
    group_by: frozenset[str] | None = frozenset(),
    goes_on: bool = False,
) -> Route:
    return Route(
        id=RouteId(7),
        key=key,
        twin=twin,
        receiver=receiver,
        group_by=group_by,
        group_wait=timedelta(seconds=30),
        group_interval=timedelta(minutes=5),
        repeat_interval=timedelta(hours=4),
        matchers=parse_matchers(matchers),
        goes_on=goes_on,
        children=tuple(children),
        ancestor_twins=ancestor_twins,
    )


TREE = route(
    "root",
    children=[
        route("archive", goes_on=True),
        route(
            "db",
            "team=db",
            [
                route("db-critical", "severity=critical", goes_on=True),
                route("db-primary", "role=primary"),
                route("db-replica", "role=~'r.*'".replace("'", '"')),
            ],
        ),
        route("storage", "team=~db|disk"),
    ],
)
PLAIN = route("root", children=TREE.children[1:])


@pytest.mark.parametrize(
    ("tree", "labels", "receivers"),
    [
        pytest.param(route("root"), {}, ["root"], id="a lone root takes everything"),
        pytest.param(PLAIN, {"team": "web"}, ["root"], id="where no child matches, the node itself does"),
        pytest.param(PLAIN, {"team": "disk"}, ["storage"], id="a child takes it from its parent"),
        pytest.param(PLAIN, {"team": "db"}, ["db"], id="the first child that matches ends the search"),
        pytest.param(PLAIN, {"team": "db", "role": "primary"}, ["db-primary"], id="the deepest match counts"),
        pytest.param(
            PLAIN,
            {"team": "db", "severity": "critical", "role": "replica"},
            ["db-critical", "db-replica"],
            id="`continue` asks the siblings too",
        ),
        pytest.param(PLAIN, {"team": "db", "severity": "critical"}, ["db-critical"], id="`continue` may find no other"),
        pytest.param(TREE, {"team": "web"}, ["archive"], id="a match with `continue` spares the parent too"),
        pytest.param(TREE, {"team": "db"}, ["archive", "db"], id="the first one leads"),
    ],
)
def test_find(tree: Route, labels: dict[str, str], receivers: list[str]) -> None:
    assert [found.receiver for found in tree.find(labels)] == receivers


def test_a_route_that_does_not_match_finds_nothing() -> None:
    assert route(matchers="team=db", children=[route()]).find({}) == []


WIDE = route(
    "root",
    children=[
        route("t0-critical", "severity=critical,team=t0", goes_on=True),
        route("watch", "team=~t[0-4]", goes_on=True),
        *[route(f"t{number}", f"team=t{number}") for number in range(20)],
        route("again", "team=t3"),
        route("nobody", 'team=""'),
        route("rest"),
    ],
)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        pytest.param({"team": "t3"}, ["watch", "t3"], id="in the order of the tree"),
        pytest.param({"team": "t0", "severity": "critical"}, ["t0-critical", "watch", "t0"], id="by two names"),
        pytest.param({"team": "t0"}, ["watch", "t0"], id="a candidate may still not match"),
        pytest.param({"team": "t99"}, ["rest"], id="no team of that name"),
        pytest.param({}, ["nobody"], id="an absent label reads as empty"),
    ],
)
def test_find_among_many_siblings(labels: dict[str, str], receivers: list[str]) -> None:
    assert [found.receiver for found in WIDE.find(labels)] == receivers


MATCHERS = st.sampled_from(["a=1", "a=2", "b=1", "a!=1", "b=~1|2", "a=1,b=2", "", 'a=""'])
CHILDREN = st.lists(st.tuples(MATCHERS, st.booleans()), min_size=9, max_size=30)
FEW_LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "1", "2", "3"]))


@given(CHILDREN, FEW_LABELS)
def test_an_index_changes_no_answer(children: list[tuple[str, bool]], labels: dict[str, str]) -> None:
    siblings = [route(str(place), text, goes_on=on) for place, (text, on) in enumerate(children)]
    expected = []
    for sibling in siblings:
        if match_all(sibling.matchers, labels):
            expected.append(sibling)
            if not sibling.goes_on:
                break
    root = route("root", children=siblings)
    assert root.find(labels) == (expected or [root])


@pytest.mark.parametrize(
    ("group_by", "labels", "expected"),
    [
        pytest.param({"a", "b"}, {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "2"}, id="only those of group_by"),
        pytest.param({"a", "b"}, {"b": "2"}, {"b": "2"}, id="a missing label is absent"),
        pytest.param(set(), {"a": "1"}, {}, id="none for one single group"),
        pytest.param(None, {"b": "2", "a": "1"}, {"a": "1", "b": "2"}, id="all for `...`"),
    ],
)
def test_group_labels(group_by: set[str] | None, labels: dict[str, str], expected: dict[str, str]) -> None:
    names = None if group_by is None else frozenset(group_by)
    address = group_address(route(group_by=names), labels)
    assert address.labels == expected
    assert address.route_id == 7


BY_AB = frozenset({"a", "b"})
LABELS_AB = {"a": "1", "b": "2"}


def group_id(labels: dict[str, str] = LABELS_AB, **changes: object) -> GroupId:
    return group_address(route(**({"group_by": BY_AB} | changes)), labels).group_id  # type: ignore[arg-type]


def test_a_group_id_stays_what_it_was() -> None:
    """Stored groups are found by it: a change here loses them."""
    assert group_id() == "40dc99504322f53a9b833a3b24bc2927"
    assert group_id({}, key='{}/{team="db"}', twin=1, ancestor_twins=(0,)) == "28d94800299e02467940b285d6a1ede4"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(group_id({"a": "1", "b": "3"}), id="a value"),
        pytest.param(group_id({"a": "1"}), id="a label that is absent"),
        pytest.param(group_id({"a": "1", "b": ""}), id="a label that is empty"),
        pytest.param(group_id({"a": "2", "b": "1"}), id="values the other way round"),
        pytest.param(group_id(key='{}/{a="1"}'), id="the key"),
        pytest.param(group_id(receiver="s"), id="the receiver"),
        pytest.param(group_id(twin=1), id="the twin number"),
        pytest.param(group_id(ancestor_twins=(0,)), id="the depth"),
        pytest.param(group_id(ancestor_twins=(1,)), id="a twin above"),
        pytest.param(group_id(key="{}r", receiver=""), id="where the key ends"),
    ],
)
def test_a_group_id_depends_on(other: GroupId) -> None:
    assert other != group_id()


def test_a_group_id_does_not_depend_on_other_labels_or_their_order() -> None:
    assert group_id({"b": "2", "c": "3", "a": "1"}) == group_id()
    assert group_id({"b": "2", "a": "1"}, group_by=None) == group_id()


def test_twins_above_count_one_by_one() -> None:
    assert group_id(ancestor_twins=(0, 1), twin=0) != group_id(ancestor_twins=(0, 0), twin=1)
    assert group_id(ancestor_twins=(1,), twin=1) != group_id(ancestor_twins=(), twin=11)


@given(LABELS, LABELS)
def test_groups_by_all_labels_are_as_many_as_label_sets(one: dict[str, str], other: dict[str, str]) -> None:
    by_all = route(group_by=None)
    same = group_address(by_all, one).group_id == group_address(by_all, other).group_id
    assert same == (one == other)


@pytest.mark.parametrize(
    ("key", "labels", "expected"),
    [
        pytest.param("{}", {}, "{}:{}", id="the root, one single group"),
        pytest.param(
            '{}/{team="db"}',
            {"cluster": "c1", "alertname": "X"},
            '{}/{team="db"}:{alertname="X", cluster="c1"}',
            id="labels by name, with comma and space",
        ),
        pytest.param("{}", {"a1": "x", "a": "y"}, '{}:{a="y", a1="x"}', id="a name before one that it begins"),
        pytest.param(
            "{}", {"a": 'q"\\\n\x1b\u200b'}, '{}:{a="q\\"\\\\\\n\\x1b\\u200b"}', id="values as Go quotes them"
        ),
        pytest.param("{}", {"a b": "größe"}, '{}:{a b="größe"}', id="names as they are"),
    ],
)
def test_group_key(key: str, labels: dict[str, str], expected: str) -> None:
    assert group_key(route(key=key), labels) == expected


@pytest.mark.parametrize(
    ("parent", "matchers", "expected"),
    [
        pytest.param("{}", "", "{}/{}", id="no matchers"),
        pytest.param("{}", "a=1,b!=2", '{}/{a="1",b!="2"}', id="comma without space"),
        pytest.param('{}/{a="1"}', 'b=~"x|y"', '{}/{a="1"}/{b=~"x|y"}', id="below another"),
    ],
)
def test_route_key(parent: str, matchers: str, expected: str) -> None:
    assert route_key(parent, parse_matchers(matchers)) == expected


def test_matchers_are_sorted_by_name_value_and_type() -> None:
    matchers: tuple[Matcher, ...] = parse_matchers('b=1,a!~2,a=2,a=~2,a!=2,a=10,a1=0,"A b"=0')
    assert ",".join(map(str, sort_matchers(matchers))) == ('"A b"="0",a="10",a="2",a!="2",a=~"2",a!~"2",a1="0",b="1"')
