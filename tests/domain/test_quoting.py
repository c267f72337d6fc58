from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quoting import quote, unquote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain text, größe 🙂", '"plain text, größe 🙂"', id="what prints stays"),
        pytest.param('a"b\\c', r'"a\"b\\c"', id="quotes and backslashes are escaped"),
        pytest.param("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"', id="controls with a letter of their own"),
        pytest.param("\x00\x1b\x7f", r'"\x00\x1b\x7f"', id="the other controls of ASCII by byte"),
        pytest.param("\x85\xa0\u200b\ufeff", r'"\u0085\u00a0\u200b\ufeff"', id="what does not print by code point"),
        pytest.param("\U000e0001", r'"\U000e0001"', id="beyond sixteen bits with eight digits"),
        pytest.param("it's", '"it\'s"', id="an apostrophe stays"),
    ],
)
def test_quote(text: str, expected: str) -> None:
    assert quote(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_unquote_reads_what_quote_writes(text: str) -> None:
    assert unquote(quote(text)) == text


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        pytest.param(r'"\xf0\x9f\x99\x82"', "🙂", id="bytes that make a character"),
        pytest.param(r'"\360\237\231\202"', "🙂", id="in octal too"),
        pytest.param(r'"\U0001f642"', "🙂", id="a code point"),
        pytest.param(r'"\u00df"', "ß", id="a short code point"),
        pytest.param('"a\tb"', "a\tb", id="a tab as it is"),
    ],
)
def test_unquote(quoted: str, expected: str) -> None:
    assert unquote(quoted) == expected


@pytest.mark.parametrize(
    "quoted",
    [
        pytest.param(r'"\w"', id="an escape that Go does not know"),
        pytest.param(r'"\'"', id="an escaped apostrophe"),
        pytest.param('"a\nb"', id="a line feed as it is"),
        pytest.param(r'"\xf0\x9f"', id="half a character"),
        pytest.param(r'"\ud800"', id="a surrogate"),
        pytest.param(r'"\U00110000"', id="beyond Unicode"),
        pytest.param(r'"\400"', id="beyond a byte"),
        pytest.param(r'"\x1"', id="half a byte"),
    ],
)
def test_unquote_refuses(quoted: str) -> None:
    with pytest.raises(ValueError, match=r"invalid|no such character|surrogates|unexpected end|can't decode"):
        unquote(quoted)
