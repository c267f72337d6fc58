"""Token: a piece of a template's text, as Go's lexer cuts it; white space around `{{-` and `-}}` is already gone."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from domain.quoting import quote
from domain.templates.nodes import Place, TemplateError

type Kind = Literal[
    "text", "open", "close", "space", "word", "variable", "field", "dot", "string", "raw", "char", "number",
    "declare", "assign", "comma", "pipe", "left", "right", "end",
]  # fmt: skip

_TRIMMED = " \t\r\n"

_COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*\*/(?P<close>(?P<trim>[ \t\r\n]-)?}})?")
_CLOSE = re.compile(r"[ \t\r\n]-}}|}}")

# A field, a variable and a word must end before something that cannot continue them.
_ENDS = r"(?=[ \t\r\n.,|:)(]|}}|\Z)"

_TOKEN = re.compile(
    rf"""
    (?P<space>[ \t\r\n]+)
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:[^'\\\n]|\\[^\n])+')
    | (?P<variable>\$\w*){_ENDS}
    | (?P<field>\.[^\W\d]\w*){_ENDS}
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?))(?!\w|\.)
    | (?P<dot>\.)(?![\w])
    | (?P<word>[^\W\d]\w*){_ENDS}
    | (?P<declare>:=)
    | (?P<assign>=)
    | (?P<comma>,)
    | (?P<pipe>\|)
    | (?P<left>\()
    | (?P<right>\))
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text, what it is, and where it begins."""

    kind: Kind
    text: str
    offset: int


class Source:
    """A template's text, its name, and the line it begins at in its file."""

    def __init__(self, name: str, text: str, line: int = 1) -> None:
        self.name = name
        self.text = text
        self._line = line
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> Place:
        """The line and column of what begins so many characters into the text."""
        row = bisect_right(self._starts, offset) - 1
        return Place(self.name, self._line + row, offset - self._starts[row] + 1)

    def error(self, offset: int, problem: str) -> TemplateError:
        """The error to raise about what stands there."""
        return TemplateError(self.place(offset), problem)


def tokens(source: Source) -> Iterator[Token]:
    """The tokens of the text, in order; the last is of the kind `end`.

    Raises:
        TemplateError: A comment, an action or a string does not end, or there is a character that means nothing.

    Source: `text/template/parse/lex.go` in Go.
    """
    text = source.text
    position = 0
    is_trimming = False  # whether the action before ended with `-}}`
    while True:
        start = text.find("{{", position)
        end = len(text) if start < 0 else start
        begin = position
        if is_trimming:
            while begin < end and text[begin] in _TRIMMED:
                begin += 1
        trims = start >= 0 and text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in set(_TRIMMED)
        kept = text[begin:end].rstrip(_TRIMMED) if trims else text[begin:end]
        if kept:
            yield Token("text", kept, begin)
        if start < 0:
            yield Token("end", "", len(text))
            return
        inside = start + 3 if trims else start + 2
        comment = inside + 1 if trims else inside
        if text.startswith("/*", comment):
            match = _COMMENT.match(text, comment)
            if match is None or not match["close"]:
                what = "must end with */}} or */ -}}" if match else "is not closed"
                raise source.error(start, f"the comment {what}")
            position, is_trimming = match.end(), bool(match["trim"])
            continue
        yield Token("open", "{{", start)
        position = inside
        while (close := _CLOSE.match(text, position)) is None:
            token = _token(source, position, start)
            yield token
            position += len(token.text)
        yield Token("close", close[0], position)
        position, is_trimming = close.end(), len(close[0]) > 2


def _token(source: Source, position: int, action: int) -> Token:
    text = source.text
    match = _TOKEN.match(text, position)
    if match is None:
        raise source.error(*_mistake(text, position, action))
    kind: Kind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
    matched = match[0]
    if kind == "space" and text.startswith("-}}", match.end()):
        matched = matched[:-1]  # the last one belongs to ` -}}`
    return Token(kind, matched, position)


def _mistake(text: str, position: int, action: int) -> tuple[int, str]:
    """What is wrong with the characters that begin no token, and where."""
    character = text[position : position + 1]
    if not character:
        return action, "the action is not closed"
    if character in "\"'":
        return position, "the string is not closed" if character == '"' else "the character constant is not closed"
    if character == "`":
        return position, "the raw string is not closed"
    if (
        character.isdecimal()
        or character in "+-"
        or (character == "." and text[position + 1 : position + 2].isdecimal())
    ):
        found = re.compile(r"[+-]?[\w.]*").match(text, position)
        return position, f"{quote(found[0] if found else character)} is not a number"
    name = re.compile(r"[.$]?\w*").match(text, position)
    if name and len(name[0]) > 1 and name.end() < len(text):
        return name.end(), f"unexpected {quote(text[name.end()])} after {name[0]}{_advice(text[name.end()])}"
    return position, f"unexpected {quote(character)}"


def _advice(character: str) -> str:
    return '; a name with such a character is read by index: (index .Labels "a-b")' if character in "-/" else ""
