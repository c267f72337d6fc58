from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RejectedError
from domain.labels import Matcher, MatchType, fingerprint, is_valid_label_name, match_all

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LABELS = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=6)

ONCALL = {"alertname": "InstanceDown", "job": "node", "severity": "critical"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, "cbf29ce484222325", id="no labels at all"),
        pytest.param({"alertname": "ok"}, "01167342b0fed1b2", id="a leading zero is kept"),
        pytest.param({"alertname": "lat19", "severity": "warning"}, "f08cc44ec9cf9938", id="two labels"),
        pytest.param(
            {
                "severity": "critical",
                "monitor": "codelab-monitor",
                "job": "prometheus",
                "instance": "127.0.0.1:9090",
                "code": "200",
                "alertname": "InstanceDown",
            },
            "791cec13fcba0368",
            id="GoAlert's sample, in another order",
        ),
        pytest.param(
            ONCALL | {"group": "production", "instance": "localhost:8081"},
            "f404ecabc8dd5cd7",
            id="OnCall's first sample",
        ),
        pytest.param(
            ONCALL | {"group": "canary", "instance": "localhost:8082"}, "f8f08d4e32c61a9d", id="OnCall's second sample"
        ),
    ],
)
def test_fingerprint_is_alertmanagers(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


@given(LABELS)
def test_fingerprint_does_not_depend_on_the_order(labels: dict[str, str]) -> None:
    assert fingerprint(dict(reversed(labels.items()))) == fingerprint(labels)


@given(LABELS, LABELS)
def test_fingerprint_tells_labels_apart(one: dict[str, str], other: dict[str, str]) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [
        pytest.param("alertname", True, id="a classic name"),
        pytest.param("k8s.io/name with space", True, id="anything in UTF-8"),
        pytest.param("größe🙂", True, id="beyond ASCII"),
        pytest.param("", False, id="not the empty name"),
        pytest.param("\ud800", False, id="not what UTF-8 cannot write"),
    ],
)
def test_label_names(name: str, is_valid: bool) -> None:
    assert is_valid_label_name(name) is is_valid


@pytest.mark.parametrize(
    ("type_", "value", "labels", "expected"),
    [
        pytest.param("=", "db", {"team": "db"}, True, id="= takes the value"),
        pytest.param("=", "db", {"team": "dba"}, False, id="= takes no longer one"),
        pytest.param("=", "", {}, True, id="an absent label reads as empty"),
        pytest.param("=", "", {"team": "db"}, False, id="= empty refuses a label that is there"),
        pytest.param("!=", "db", {}, True, id="!= takes an absent label"),
        pytest.param("!=", "db", {"team": "db"}, False, id="!= refuses the value"),
        pytest.param("=~", "d.", {"team": "db"}, True, id="=~ takes a match"),
        pytest.param("=~", "d", {"team": "db"}, False, id="=~ is anchored at the end"),
        pytest.param("=~", "b", {"team": "db"}, False, id="=~ is anchored at the start"),
        pytest.param("=~", "a|db", {"team": "db2"}, False, id="=~ anchors every alternative"),
        pytest.param("=~", ".*", {}, True, id=".* takes an absent label"),
        pytest.param("=~", ".+", {}, False, id=".+ does not"),
        pytest.param("!~", "d.", {"team": "db"}, False, id="!~ refuses a match"),
        pytest.param("!~", ".+", {}, True, id="!~ takes an absent label"),
        pytest.param("=~", "(?i)DB", {"team": "db"}, True, id="flags within, which Python's re refuses"),
        pytest.param("=~", r"\pL+\z", {"team": "größe"}, True, id="classes and anchors of RE2"),
        pytest.param("=~", "db", {"team": "db\n"}, False, id="$ is the end, not before a last line feed"),
        pytest.param("=~", r"\d", {"team": "٣"}, False, id=r"\d is ASCII"),
        pytest.param("=~", "(a+)+b", {"team": "a" * 5000}, False, id="no pattern stalls"),
        pytest.param("=~", "x)|(?:db", {"team": "db and more"}, False, id="put together as text, like Alertmanager"),
    ],
)
def test_a_matcher_matches(type_: str, value: str, labels: dict[str, str], expected: bool) -> None:
    assert Matcher("team", MatchType(type_), value).matches(labels) is expected


@pytest.mark.filterwarnings("ignore:Possible nested set")
@pytest.mark.parametrize(
    ("pattern", "text", "by_re2", "by_python"),
    [
        # Whether it matches between the anchors; None for what is no expression.
        pytest.param(r"(?i)foo", "FOO", True, None, id="flags behind the anchor"),
        pytest.param(r"(?s).", "\n", True, None, id="another flag"),
        pytest.param(r"(?U)a+", "aa", True, None, id="a flag for lazy repetition"),
        pytest.param(r"\pL+", "größe", True, None, id="a class of Unicode in short"),
        pytest.param(r"\p{Greek}", "ω", True, None, id="a script of Unicode"),
        pytest.param(r"foo\z", "foo", True, None, id="the end of the text"),
        pytest.param(r"\Qa.b\E", "a.b", True, None, id="quoted text"),
        pytest.param(r"\x{1F642}", "🙂", True, None, id="a character by its number"),
        pytest.param(r"[[:alpha:]]+", "abc", True, False, id="a class of POSIX"),
        pytest.param(r"a{,2}", "a{,2}", True, False, id="a repetition without a least number is text"),
        pytest.param(r"a{,2}", "aa", False, True, id="and repeats nothing"),
        pytest.param(r"foo", "foo\n", False, True, id="the end is not before a last line feed"),
        pytest.param(r"foo$", "foo\n", False, True, id="not with two anchors either"),
        pytest.param(r"\d", "٣", False, True, id="digits are ASCII"),
        pytest.param(r"\w+", "größe", False, True, id="letters of words are ASCII"),
        pytest.param(r"\s", "\v", False, True, id="white space lacks the vertical tab"),
        pytest.param(r"foo\Z", "foo", None, True, id="the end of the text, as Python spells it"),
        pytest.param(r"(?=a)a", "a", None, True, id="look-ahead"),
        pytest.param(r"(a)\1", "aa", None, True, id="a reference back"),
        pytest.param(r"a++", "aa", None, True, id="possessive repetition"),
        pytest.param(r"\u0041", "A", None, True, id="a character by four digits"),
        pytest.param(r"(?#c)a", "a", None, True, id="a comment"),
        pytest.param(r"a{1001}", "a", None, False, id="more than a thousand times"),
    ],
)
def test_where_pythons_expressions_differ(pattern: str, text: str, by_re2: bool | None, by_python: bool | None) -> None:
    def ask(matches: Callable[[], bool]) -> bool | None:
        try:
            return matches()
        except (RejectedError, re.error):
            return None

    assert ask(lambda: Matcher("a", MatchType.REGEX, pattern).matches({"a": text})) is by_re2
    assert ask(lambda: re.search(f"^(?:{pattern})$", text) is not None) is by_python


@given(TEXTS, LABELS, st.sampled_from([(MatchType.EQUAL, MatchType.NOT_EQUAL), (MatchType.REGEX, MatchType.NOT_REGEX)]))
def test_a_negated_matcher_is_the_complement(
    value: str, labels: dict[str, str], types: tuple[MatchType, MatchType]
) -> None:
    name = next(iter(labels), "absent")
    try:
        plain, negated = (Matcher(name, type_, value) for type_ in types)
    except RejectedError:
        return
    assert plain.matches(labels) is not negated.matches(labels)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        pytest.param("a(b", "missing )", id="an open parenthesis"),
        pytest.param("(?=a)", "invalid perl operator", id="look-ahead"),
        pytest.param(r"(a)\1", "invalid escape sequence", id="a back-reference"),
        pytest.param("\ud800", "surrogates not allowed", id="what UTF-8 cannot write"),
    ],
)
def test_what_is_no_regular_expression_is_rejected(pattern: str, reason: str) -> None:
    with pytest.raises(RejectedError, match="invalid regular expression") as caught:
        Matcher("team", MatchType.REGEX, pattern)
    assert reason in str(caught.value)


def test_what_is_no_regular_expression_may_be_a_plain_value() -> None:
    assert Matcher("team", MatchType.EQUAL, "a(b").matches({"team": "a(b"})


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        pytest.param("=", "", True, id="= empty"),
        pytest.param("=", "a", False, id="= something"),
        pytest.param("!=", "a", True, id="!= something"),
        pytest.param("=~", "a?", True, id="=~ something that may be empty"),
        pytest.param("!~", "a?", False, id="!~ something that may be empty"),
    ],
)
def test_matches_empty(type_: str, value: str, expected: bool) -> None:
    assert Matcher("team", MatchType(type_), value).matches_empty is expected


@pytest.mark.parametrize(
    ("name", "type_", "value", "expected"),
    [
        pytest.param("team", "=", "db", 'team="db"', id="the value is quoted"),
        pytest.param("team", "!=", 'a"b\\c\nd', r'team!="a\"b\\c\nd"', id="three characters are escaped"),
        pytest.param("team", "=", "a\tb\x00", 'team="a\tb\x00"', id="others are not"),
        pytest.param("k8s.io/name", "=", "x", 'k8s.io/name="x"', id="a name without reserved characters stays"),
        pytest.param("a b", "=", "x\ty", r'"a b"="x\ty"', id="a name with one is quoted, and the value like Go's"),
        pytest.param("a\u2003b", "=", "x", r'"a\u2003b"="x"', id="white space beyond ASCII counts"),
        pytest.param("a\x1cb", "=", "x", 'a\x1cb="x"', id="what only Python holds for white space does not"),
    ],
)
def test_a_matcher_shows_as_alertmanager_shows_it(name: str, type_: str, value: str, expected: str) -> None:
    assert str(Matcher(name, MatchType(type_), value)) == expected


def test_matchers_are_values() -> None:
    one = Matcher("team", MatchType.REGEX, "d.")
    assert one == Matcher("team", MatchType.REGEX, "d.")
    assert hash(one) == hash(copy.deepcopy(one))
    assert one != Matcher("team", MatchType.EQUAL, "d.")
    assert repr(one) == "Matcher(name='team', type=<MatchType.REGEX: '=~'>, value='d.')"


def test_all_of_several_must_match() -> None:
    team, severity = Matcher("team", MatchType.EQUAL, "db"), Matcher("severity", MatchType.NOT_EQUAL, "info")
    assert match_all((team, severity), {"team": "db"})
    assert not match_all((team, severity), {"team": "db", "severity": "info"})
    assert match_all((), {})
