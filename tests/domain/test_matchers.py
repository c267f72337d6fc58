from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RejectedError
from domain.labels import Matcher, MatchType
from domain.matchers import parse_matcher, parse_matchers

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TRICKY = st.text("ab={}!~,\\\"' \t\n`", max_size=12)


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    name = draw((TEXTS | TRICKY).filter(bool))
    try:
        return Matcher(name, draw(st.sampled_from(MatchType)), draw(TEXTS | TRICKY))
    except RejectedError:
        return Matcher(name, MatchType.EQUAL, draw(TEXTS | TRICKY))


@given(matchers())
def test_a_matcher_is_read_as_it_is_shown(matcher: Matcher) -> None:
    assert parse_matcher(str(matcher)) == matcher


@given(st.lists(matchers(), max_size=4), st.booleans())
def test_matchers_are_read_as_they_are_shown(several: list[Matcher], in_braces: bool) -> None:
    text = ",".join(map(str, several))
    assert parse_matchers(f"{{{text}}}" if in_braces else text) == tuple(several)


@given(TRICKY | TEXTS)
def test_any_text_is_read_or_rejected(text: str) -> None:
    with suppress(RejectedError):
        assert parse_matchers(",".join(map(str, parse_matchers(text)))) == parse_matchers(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("{}", [], id="braces around nothing"),
        pytest.param("foo=bar", ['foo="bar"'], id="no quotes, no braces"),
        pytest.param("{foo=bar}", ['foo="bar"'], id="braces"),
        pytest.param("{foo=bar,}", ['foo="bar"'], id="a trailing comma in braces"),
        pytest.param("foo=bar, ", ['foo="bar"'], id="a trailing comma without"),
        pytest.param("b=1,a=2", ['b="1"', 'a="2"'], id="the order stays"),
        pytest.param('a = "1" , b !~ "x,y" ', ['a="1"', 'b!~"x,y"'], id="spaces; a comma in quotes parts nothing"),
        pytest.param("{foo!=bar,x=~[a-z]+}", ['foo!="bar"', 'x=~"[a-z]+"'], id="operators"),
        pytest.param('foo="She said: \\"Hi!\\""', ['foo="She said: \\"Hi!\\""'], id="escaped quotes"),
        pytest.param("foo=🙂bar", ['foo="🙂bar"'], id="values beyond ASCII"),
    ],
)
def test_what_both_parsers_read(text: str, shown: list[str]) -> None:
    assert [str(matcher) for matcher in parse_matchers(text)] == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param('"foo"="bar"', ['foo="bar"'], id="a quoted name"),
        pytest.param('{"a b"="x",c=d}', ['"a b"="x"', 'c="d"'], id="a quoted name with a space"),
        pytest.param('{"foo"="bar",}', ['foo="bar"'], id="a trailing comma in braces"),
        pytest.param('"foo"="bar",', ['foo="bar"'], id="a trailing comma without"),
        pytest.param("k8s.io/name=x", ['k8s.io/name="x"'], id="a name beyond the classic ones"),
        pytest.param(r'"foo"="\xf0\x9f\x99\x82\t"', ['foo="🙂\t"'], id="escapes of Go"),
        pytest.param('größe!~"x.*"', ['größe!~"x.*"'], id="a name beyond ASCII"),
    ],
)
def test_what_only_the_utf8_parser_reads(text: str, shown: list[str]) -> None:
    assert [str(matcher) for matcher in parse_matchers(text)] == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("foo=", ['foo=""'], id="an empty value"),
        pytest.param("{foo=,bar=}}", ['foo=""', 'bar="}"'], id="braces within a value"),
        pytest.param("tricky=~~~", ['tricky=~"~~"'], id="reserved characters within a value"),
        pytest.param('trickier==\\\\=\\=\\"', ['trickier="=\\\\=\\\\=\\""'], id="escapes outside of quotes"),
        pytest.param("foo=bar}", ['foo="bar"'], id="one brace only"),
        pytest.param("{foo=bar", ['foo="bar"'], id="the other one"),
        pytest.param("{", [], id="a lone brace"),
        pytest.param("foo=bar baz", ['foo="bar baz"'], id="a space within a value"),
        pytest.param("foo=a\\", ['foo="a\\\\"'], id="a last backslash is one"),
        pytest.param(r'foo="a\d\n"', [r'foo="a\\d\n"'], id="a backslash before most characters is one"),
        pytest.param('foo="a\nb"', [r'foo="a\nb"'], id="a line feed as it is"),
        pytest.param("foo=it's", ['foo="it\'s"'], id="an apostrophe"),
    ],
)
def test_what_only_the_classic_parser_reads(text: str, shown: list[str]) -> None:
    assert [str(matcher) for matcher in parse_matchers(text)] == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(r'foo="a\tb"', r'foo="a\\tb"', id="an escape that the classic one takes for a backslash"),
        pytest.param(r'foo="\x41"', r'foo="\\x41"', id="a byte that the classic one does not know"),
    ],
)
def test_where_both_read_it_differently_the_classic_one_wins(text: str, shown: str) -> None:
    assert [str(matcher) for matcher in parse_matchers(text)] == [shown]
    assert str(parse_matcher(text)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(",", "bad matcher format", id="a lone comma"),
        pytest.param("{,}", "bad matcher format", id="a lone comma in braces"),
        pytest.param("a=b,,c=d", "bad matcher format", id="two commas"),
        pytest.param("foo", "bad matcher format", id="no operator"),
        pytest.param("=bar", "bad matcher format", id="no name"),
        pytest.param('"foo"bar', "bad matcher format", id="no operator behind quotes"),
        pytest.param('"foo"=', "bad matcher format", id="the UTF-8 parser wants a value"),
        pytest.param('{"foo"="bar"', "bad matcher format", id="the UTF-8 parser wants both braces"),
        pytest.param('{"foo"="bar"}}', "bad matcher format", id="and nothing behind them"),
        pytest.param('"foo"=bar baz', "bad matcher format", id="the UTF-8 parser wants a comma"),
        pytest.param('foo="bar', "unescaped double quote", id="no closing quote"),
        pytest.param('foo=bar"', "unescaped double quote", id="no opening quote"),
        pytest.param('foo="a"b"', "unescaped double quote", id="a quote within"),
        pytest.param(r'"foo"="\w"', "bad matcher format", id="no such escape"),
        pytest.param(r'foo="a\,", bar=b', "unescaped double quote", id="a backslash before a comma escapes the quote"),
        pytest.param("foo=~[", "invalid regular expression", id="no regular expression"),
        pytest.param("{{foo=", "bad matcher format", id="two braces"),
    ],
)
def test_what_neither_parser_reads_is_rejected(text: str, message: str) -> None:
    with pytest.raises(RejectedError, match=message):
        parse_matchers(text)


def test_one_matcher_of_each_parser() -> None:
    assert parse_matcher(" foo = bar ") == Matcher("foo", MatchType.EQUAL, "bar")
    assert parse_matcher('"a b"=~"x|y",') == Matcher("a b", MatchType.REGEX, "x|y")


def test_one_matcher_may_hold_a_comma() -> None:
    assert parse_matcher("foo=bar,baz=1") == Matcher("foo", MatchType.EQUAL, "bar,baz=1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{foo=bar}", id="braces"),
        pytest.param("foo=bar}", id="a closing brace"),
        pytest.param("", id="none"),
        pytest.param('"a b"=1,"c d"=2', id="two"),
    ],
)
def test_what_is_not_one_matcher_is_rejected(text: str) -> None:
    with pytest.raises(RejectedError):
        parse_matcher(text)
