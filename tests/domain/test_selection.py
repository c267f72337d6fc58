from __future__ import annotations

from itertools import product
from random import Random

import pytest

from domain.errors import RejectedError
from domain.expressions import Shape, is_apart, is_within, shapes
from domain.labels import Matcher, MatchType
from domain.matchers import parse_matchers
from domain.selection import Selection, covering, opposite

VALUES = ["".join(value) for length in range(4) for value in product("ab\n", repeat=length)]


def regex(pattern: str) -> Matcher:
    return Matcher("x", MatchType.REGEX, pattern)


def only(pattern: str) -> Shape:
    (shape,) = shapes(pattern) or frozenset()
    return shape


# --- expressions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("", {""}, id="nothing"),
        pytest.param("db", {"db"}, id="a word"),
        pytest.param("a|b|", {"a", "b", ""}, id="a choice"),
        pytest.param("^(a|b)$", {"a", "b"}, id="anchors mean nothing"),
        pytest.param("^(?:^(?:a|b)$)$", {"a", "b"}, id="nor do anchors within anchors"),
        pytest.param("^a|b$", {"a", "b"}, id="nor where they are only one side's"),
        pytest.param("x-(a|b(c|d))", {"x-a", "x-bc", "x-bd"}, id="groups"),
        pytest.param("ab?c", {"ac", "abc"}, id="what may be missing"),
        pytest.param("a(bc)??", {"a", "abc"}, id="and rather is"),
        pytest.param("db-[13-5]", {"db-1", "db-3", "db-4", "db-5"}, id="a small class"),
        pytest.param(r"a\.b\$", {"a.b$"}, id="escapes"),
        pytest.param("größe", {"größe"}, id="any letter"),
    ],
)
def test_what_a_simple_expression_matches(pattern: str, expected: set[str]) -> None:
    assert {"".join(shape) for shape in shapes(pattern) or ()} == expected
    assert all(regex(pattern).matches({"x": value}) for value in expected)


@pytest.mark.parametrize(
    "pattern",
    [
        *["a*", "a+", "a{2}", "(a|b)*", ".{3}", "[^a]", "[a-]", "[[:alpha:]]", r"\d", r"\pL", r"\n", r"\Qa\E", "(?i)a"],
        *["(?P<n>a)", "a^b", "a$b", "[ab]{2}", "(.*)*", "a?*", "a)|(?:b", "(a|b)" * 9],
    ],
)
def test_what_is_not_simple(pattern: str) -> None:
    assert shapes(pattern) is None


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        pytest.param("abc", "a.*", True, id="a word and its beginning"),
        pytest.param("ab.*", "a.*", True, id="a longer beginning"),
        pytest.param("a.*", "ab.*", False, id="not a shorter one"),
        pytest.param(".*", ".*", True, id="anything"),
        pytest.param(".+", ".*", True, id="something"),
        pytest.param(".*", ".+", False, id="nothing is not something"),
        pytest.param("a.*b", ".*b", True, id="an end"),
        pytest.param("a.b", "a.*b", True, id="one of many"),
        pytest.param("a\nb", "a.*b", False, id="a dot takes no line break"),
        pytest.param("ab", "a.", True, id="a dot takes a letter"),
        pytest.param("a.", "ab", False, id="and a letter no dot"),
    ],
)
def test_one_expression_within_another(inner: str, outer: str, expected: bool) -> None:
    assert is_within(only(inner), only(outer)) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("a.*", "b.*", True, id="other beginnings"),
        pytest.param("a.*", ".*b", False, id="a beginning and an end"),
        pytest.param("a.*b", "b", True, id="too short"),
        pytest.param(".*", "\n", True, id="a line break is nothing to dots"),
        pytest.param("a.", ".b", False, id="dots that meet letters"),
        pytest.param(".", "ab", True, id="other lengths"),
        pytest.param(".*a.*", ".*b.*", False, id="both inside"),
    ],
)
def test_expressions_that_have_nothing_in_common(one: str, other: str, expected: bool) -> None:
    assert is_apart(only(one), only(other)) is expected
    assert is_apart(only(other), only(one)) is expected


def random_pattern(random: Random, depth: int = 2) -> str:
    parts = ["a", "b", "ab", ".", ".*", ".+", "[ab]", "a?", ".?", ".*?", ".+?", r"\.", "^", "$", "a*", "[^a]", "\n"]
    pattern = "".join(random.choice(parts[:12] if random.random() < 0.9 else parts) for _ in range(random.randrange(4)))
    if depth and random.random() < 0.5:
        opening = random.choice(["(", "(?:"])
        pattern += f"{opening}{random_pattern(random, depth - 1)}){random.choice(['', '', '?', '??'])}"
    if random.random() < 0.3:
        pattern += f"|{random_pattern(random, depth - 1) if depth else 'a'}"
    return f"^{pattern}$" if random.random() < 0.2 else pattern


def test_shapes_match_what_the_expression_matches() -> None:
    random = Random(11)
    simple = []
    for _ in range(2500):
        pattern = random_pattern(random)
        try:
            matcher = regex(pattern)
        except RejectedError:
            continue
        if (found := shapes(pattern)) is None:
            continue
        simple.append((pattern, found))
        for value in VALUES:
            is_of_one = any(is_within(tuple(value), shape) for shape in found)
            assert is_of_one == matcher.matches({"x": value}), (pattern, value)
    assert len(simple) > 1200
    for _ in range(1500):
        (one, left), (other, right) = random.choice(simple), random.choice(simple)
        matched = [{value for value in VALUES if regex(pattern).matches({"x": value})} for pattern in (one, other)]
        if all(any(is_within(inner, outer) for outer in right) for inner in left):
            assert matched[0] <= matched[1], (one, other)
        if all(is_apart(inner, outer) for outer in right for inner in left):
            assert matched[0].isdisjoint(matched[1]), (one, other)


# --- selections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        pytest.param('a="x", a="y"', True, id="two values"),
        pytest.param('a="x", a!="x"', True, id="a value and not it"),
        pytest.param('a="x", b="y"', False, id="two labels"),
        pytest.param('a=~"x|y", a="z"', True, id="none of a choice"),
        pytest.param('a=~"x|y", a!="x"', False, id="the other of a choice"),
        pytest.param('a=~"x|y", a!="x", a!="y"', True, id="neither of a choice"),
        pytest.param('a=~"x|y", a!~"x|y|z"', True, id="a choice and not it"),
        pytest.param('a="", a!=""', True, id="absent and not"),
        pytest.param('a=~".+", a=""', True, id="something and absent"),
        pytest.param('a=~".*", a=""', False, id="anything, which may be absent"),
        pytest.param('a=~"x.*", a="y"', True, id="another beginning"),
        pytest.param('a=~"x.*", a="xy"', False, id="that beginning"),
        pytest.param('a=~"x.*", a=~"y.*"', True, id="two beginnings"),
        pytest.param('a=~"x.*", a=~".*y"', False, id="a beginning and an end"),
        pytest.param('a=~"xy.*", a!~"x.*"', True, id="a beginning that is excluded"),
        pytest.param('a=~"x.*", a!~"xy.*"', False, id="a beginning of which a part is excluded"),
        pytest.param(r'a=~"x\\d+", a!~"x\\d+"', True, id="an expression and not it, whatever it says"),
        pytest.param(r'a=~"x\\d+", a=~"y\\d+"', False, id="nothing is claimed of others"),
        pytest.param('a!="", a!~".+"', False, id="a line break is neither"),
        pytest.param('a!~".*"', False, id="nor does anything match it"),
        pytest.param("a!=x, a!=y", False, id="neither of two values"),
    ],
)
def test_contradictions(matchers: str, expected: bool) -> None:
    assert Selection(parse_matchers(matchers)).is_empty is expected


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        pytest.param('a!="", a!~".+"', True, id="something that is nothing"),
        pytest.param('a!~".*"', True, id="not anything"),
        pytest.param('a!~".+", a="x"', True, id="absent, and a value"),
        pytest.param('a=~"x.*"', False, id="a beginning"),
        pytest.param('a!~".+"', False, id="absent"),
    ],
)
def test_contradictions_in_one_line(matchers: str, expected: bool) -> None:
    assert Selection(parse_matchers(matchers), in_one_line=True).is_empty is expected


@pytest.mark.parametrize(
    ("matchers", "implied", "expected"),
    [
        pytest.param('a="x"', 'a="x"', True, id="itself"),
        pytest.param('a="x"', 'a=~"x|y"', True, id="a choice with it"),
        pytest.param('a=~"x|y"', 'a="x"', False, id="not one of a choice"),
        pytest.param('a="x"', 'a!="y"', True, id="no other value"),
        pytest.param('a="x"', 'a!=""', True, id="to be there"),
        pytest.param('a=~"x.*"', 'a!=""', True, id="to be there, for a beginning"),
        pytest.param('a=~"x.*"', 'a=~".+"', True, id="something"),
        pytest.param('a=~"xy.*"', 'a=~"x.*|z"', True, id="a shorter beginning"),
        pytest.param('a!="x"', 'a!=""', False, id="not to be there"),
        pytest.param('a!=""', 'a=~".+"', False, id="not something in one line"),
        pytest.param("", 'a=~".*"', False, id="not anything in one line"),
        pytest.param('b="x"', 'a="x"', False, id="nothing of another label"),
        pytest.param("", 'a=""', False, id="nothing of nothing"),
        pytest.param('a!~"x|y"', "a!=x", True, id="each of those it excludes"),
        pytest.param('a!~"x.*"', "a!~xy.*", True, id="a part of what it excludes"),
    ],
)
def test_implication(matchers: str, implied: str, expected: bool) -> None:
    (matcher,) = parse_matchers(implied)
    assert Selection(parse_matchers(matchers)).implies(matcher) is expected


@pytest.mark.parametrize(
    ("matchers", "others", "expected"),
    [
        pytest.param("a=x", ["a=y", "a=x"], (1,), id="the one that takes it"),
        pytest.param("a=x", ["a=x, b=y"], (), id="not one that asks more"),
        pytest.param("a=x", [""], (0,), id="one that takes everything"),
        pytest.param("a=~x|y", ["a=x", "b=z", "a=y"], (0, 2), id="two between them"),
        pytest.param("", ["a=x", "a!=x"], (0, 1), id="a matcher and its opposite"),
        pytest.param("a=x", ["b=y, a=x", "b!=y"], (0, 1), id="with what is certain already"),
        pytest.param("", ["a=x", "a=y"], (), id="never all values"),
        pytest.param("a=x", ["b=1, c=1", "b!=1, c!=1"], (), id="nor what may fail in two ways"),
        pytest.param("", ["b=1, c=1", "b!=1", "c!=1"], (0, 1, 2), id="unless each is taken away"),
    ],
)
def test_covering(matchers: str, others: list[str], expected: tuple[int, ...]) -> None:
    assert covering(Selection(parse_matchers(matchers)), map(parse_matchers, others)) == expected


VOCABULARY = ["", "a", "b", "ab", "ba", "\n", "a\n"]
PATTERNS = ["", "a", "a|b", "a.*", ".*a", ".*", ".+", "ab?", "[ab]", "[^a]", "a+", "(a|b)*", ".", "b.*|a", "(?s).*"]


def random_matchers(random: Random, most: int = 3) -> tuple[Matcher, ...]:
    matchers = []
    for _ in range(random.randint(0, most)):
        match_type = random.choice(list(MatchType))
        is_plain = match_type in (MatchType.EQUAL, MatchType.NOT_EQUAL)
        value = random.choice(VOCABULARY if is_plain else PATTERNS)
        matchers.append(Matcher(random.choice("xy"), match_type, value))
    return tuple(matchers)


@pytest.mark.parametrize("in_one_line", [False, True])
def test_what_is_claimed_of_a_selection_holds(in_one_line: bool) -> None:
    random = Random(23)
    values = [value for value in VALUES if not in_one_line or "\n" not in value]
    possible = [{"x": x, "y": y} for x in values for y in values]
    claims = 0
    for _ in range(1000):
        selection = Selection(random_matchers(random), in_one_line)
        selected = [labels for labels in possible if all(each.matches(labels) for each in selection.matchers)]
        if selection.is_empty:
            claims += 1
            assert not selected, selection.matchers
            continue
        (matcher, *_) = random_matchers(random) or (Matcher("x", MatchType.EQUAL, ""),)
        if selection.implies(matcher):
            claims += 1
            assert all(map(matcher.matches, selected)), (selection.matchers, matcher)
        assert not (known := selection.values("x")) or {labels["x"] for labels in selected} <= known
        others = [random_matchers(random, 2) for _ in range(random.randint(1, 4))]
        if places := covering(selection, others):
            claims += 1
            for labels in selected:
                assert any(all(each.matches(labels) for each in others[place]) for place in places)
    assert claims > 300


def test_the_opposite_selects_the_rest() -> None:
    for matcher in parse_matchers('a="x", a!="x", a=~"x.*", a!~"x.*"'):
        for value in ("", "x", "xy", "y"):
            assert opposite(matcher).matches({"a": value}) is not matcher.matches({"a": value})
