"""Foreign text in Markdown: a parser must find nothing in it but text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from domain.triage.markdown import BLANK, bullets, code, plain, section
from domain.triage.text import clean

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
WORD_JOINER = "\u2060"


def text_in(markdown: str) -> str:
    """What a reader sees of one paragraph; fails where it is anything but text."""
    opening, inline, closing = PARSER.parse(markdown)
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert {token.type for token in inline.children or []} <= {"text"}, markdown
    return "".join(token.content for token in inline.children or [])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("web_front is slow (5xx: 3.5 %)", "web_front is slow (5xx: 3.5 %)", id="what means nothing stays"),
        pytest.param("12:00:00 db, api-1", "12:00:00 db, api-1", id="times and names stay"),
        pytest.param("[here](http://x)", r"\[here\](http:\//x)", id="a link"),
        pytest.param("![](x)", r"!\[\](x)", id="an image"),
        pytest.param("see http://evil.example/a", r"see http:\//evil\.example/a", id="an address"),
        pytest.param("www.evil.example", r"www\.evil\.example", id="an address without a scheme"),
        pytest.param("<b>&lt;", "&lt;b&gt;&amp;lt;", id="HTML and entities"),
        pytest.param("# Resolved", r"\# Resolved", id="a heading"),
        pytest.param("- [ ] pay", r"\- \[ \] pay", id="a list"),
        pytest.param("12. twelve", r"12\. twelve", id="a numbered list"),
        pytest.param("===", r"\===", id="an underline"),
        pytest.param("*a* __b__ `c` ~d~", r"\*a\* \_\_b\_\_ \`c\` \~d\~", id="marks"),
        pytest.param("a|b $x$", r"a\|b \$x\$", id="cells and formulas"),
        pytest.param("@ann #12", rf"\@{WORD_JOINER}ann \#{WORD_JOINER}12", id="mentions"),
        pytest.param("ann@evil.example", rf"ann\@{WORD_JOINER}evil\.example", id="a mail address"),
        pytest.param("a\n\n# b\u202ec", r"a \# bc", id="one line, without what hides"),
        pytest.param("C:\\temp\\", r"C:\\temp\\", id="backslashes"),
    ],
)
def test_foreign_text_stays_text(written: str, shown: str) -> None:
    assert plain(written) == shown


@given(st.text(st.sampled_from("\\`*_[](){}<>&#@!|~$^=+-.:/1a \n'\""), max_size=30) | st.text(max_size=30))
def test_a_parser_finds_nothing_in_it_but_the_text(written: str) -> None:
    seen = text_in(f"so {plain(written)}").replace(WORD_JOINER, "")
    assert seen == f"so {clean(written, 400)}".rstrip()
    if clean(written, 400):
        assert text_in(plain(written)).replace(WORD_JOINER, "") == clean(written, 400)


@pytest.mark.parametrize("written", ["e1", "a`b", "``", "`", " ", "https://x/`", "<b>@ann"])
def test_code_is_shown_as_it_is(written: str) -> None:
    (inline,) = [token for token in PARSER.parse(f"x {code(written)} y") if token.type == "inline"]
    assert inline.children is not None
    (span,) = [child for child in inline.children if child.type == "code_inline"]
    assert span.content.strip() == written.strip()


def test_it_is_no_longer_than_is_read() -> None:
    assert plain("x" * 500) == "x" * 399 + "…"
    assert len(plain("&" * 10_000, 10)) <= 10 * len("&amp;")


def test_a_blank_is_no_mark() -> None:
    assert text_in(f"At {BLANK} UTC, from {BLANK}. (by {BLANK})") == f"At {BLANK} UTC, from {BLANK}. (by {BLANK})"


def test_what_is_empty_says_so_or_is_left_out() -> None:
    assert list(bullets(["a", "b"], "none")) == ["- a", "- b"]
    assert list(bullets([], "none")) == ["none"]
    assert section("Title", []) == []
    assert section("Title", ["a"]) == ["## Title", "", "a", ""]
