"""The syntax of matchers: `team="db", severity=~"crit.*"`, as the API, amtool and the configuration write it.

Alertmanager has two parsers, an older one for classic names and a stricter one for any UTF-8, and asks both; where both
can read a text but disagree, the older one wins (MA-4).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from domain.errors import RejectedError
from domain.labels import GO_WHITESPACE, Matcher, MatchType
from domain.quoting import unquote


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Several matchers between commas, in the order as written, with or without braces around them; there may be none.

    Raises:
        RejectedError: Neither parser can read it; the message is the older one's, as in Alertmanager.

    Source: `FallbackMatchersParser` in Alertmanager, matcher/compat/parse.go.
    """
    return _either(text, _parse_utf8_matchers, _parse_classic_matchers)


def parse_matcher(text: str) -> Matcher:
    """One matcher, without braces.

    Raises:
        RejectedError: Neither parser can read it, or it starts with `{` or ends with `}`.

    Source: `FallbackMatcherParser` in Alertmanager, matcher/compat/parse.go.
    """
    if text.startswith("{") or text.endswith("}"):
        raise RejectedError(f"unexpected open or close brace: {text}")
    return _either(text, _parse_utf8_matcher, _parse_classic_matcher)


def is_ambiguous(text: str) -> bool:
    """Whether only the older parser can read these matchers, or the two read them differently (MA-4).

    Alertmanager warns of both, for the newer one will once be the only one.
    """
    try:
        classic = _parse_classic_matchers(text)
    except RejectedError:
        return False
    try:
        return _parse_utf8_matchers(text) != classic
    except RejectedError:
        return True


def _either[T](text: str, utf8: Callable[[str], T], classic: Callable[[str], T]) -> T:
    try:
        return classic(text)
    except RejectedError as error:
        try:
            return utf8(text)
        except RejectedError:
            raise error from None


# ---- The UTF-8 parser (MA-2) -----------------------------------------------------------------------------------------

_TOKEN = re.compile(
    rf"""
    [{GO_WHITESPACE}]*
    (?: (?P<open>\{{)
      | (?P<close>\}})
      | (?P<comma>,)
      | (?P<operator>=~|!~|!=|=)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<unquoted>[^{GO_WHITESPACE}{{}}!=~,\\"'`]+)
      | (?P<end>\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)


class _Tokens:
    """The tokens of a text, one of them ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.kind = ""
        self.value = ""
        self.advance()

    def advance(self) -> None:
        token = _TOKEN.match(self._text, self._position)
        if token is None:
            raise RejectedError(f"bad matcher format: {self._text}")
        self.kind = token.lastgroup or ""
        self.value = token[self.kind]
        self._position = token.end()

    def take(self, *kinds: str) -> str:
        """The value of the token, which must be of one of these kinds; the next one stands ahead then."""
        if self.kind not in kinds:
            raise RejectedError(f"bad matcher format: {self._text}: expected {' or '.join(kinds)}")
        value = self.value
        self.advance()
        return value

    def take_text(self) -> str:
        """A name or a value, without its quotes."""
        is_quoted = self.kind == "quoted"
        value = self.take("quoted", "unquoted")
        if not is_quoted:
            return value
        try:
            return unquote(value)
        except ValueError as error:
            raise RejectedError(f"bad matcher format: {self._text}: {error}") from error


def _parse_utf8_matchers(text: str) -> tuple[Matcher, ...]:
    tokens = _Tokens(text)
    matchers: list[Matcher] = []
    last = "end"
    if tokens.kind == "open":
        tokens.advance()
        last = "close"
    while tokens.kind != last:
        name = tokens.take_text()
        operator = MatchType(tokens.take("operator"))
        matchers.append(Matcher(name, operator, tokens.take_text()))
        if tokens.kind != last:
            tokens.take("comma")
    if last == "close":
        tokens.advance()
        tokens.take("end")
    return tuple(matchers)


def _parse_utf8_matcher(text: str) -> Matcher:
    matchers = _parse_utf8_matchers(text)
    if len(matchers) != 1:
        raise RejectedError(f"expected 1 matcher, found {len(matchers)}")
    return matchers[0]


# ---- The classic parser (MA-3) ---------------------------------------------------------------------------------------

_RE2_WHITESPACE = "\t\n\f\r "
_CLASSIC = re.compile(rf"[{_RE2_WHITESPACE}]*([a-zA-Z_:][a-zA-Z0-9_:]*)[{_RE2_WHITESPACE}]*(=~|=|!=|!~)")
_CLASSIC_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


def _parse_classic_matchers(text: str) -> tuple[Matcher, ...]:
    parts = _split_classic(text.removeprefix("{").removesuffix("}"))
    last = parts.pop().strip(GO_WHITESPACE)
    if last:  # an empty one is what follows a trailing comma
        parts.append(last)
    return tuple([_parse_classic_matcher(part) for part in parts])


def _split_classic(text: str) -> list[str]:
    """The parts between the commas that stand outside of double quotes; at least one, maybe empty."""
    parts = []
    start = 0
    is_quoted = is_escaped = False
    for position, char in enumerate(text):
        match char:
            # A backslash before a comma holds for the character behind it, in Alertmanager too.
            case ",":
                if not is_quoted:
                    parts.append(text[start:position])
                    start = position + 1
            case '"' if not is_escaped:
                is_quoted = not is_quoted
            case "\\":
                is_escaped = not is_escaped
            case _:
                is_escaped = False
    return [*parts, text[start:]]


def _parse_classic_matcher(text: str) -> Matcher:
    head = _CLASSIC.match(text)
    if head is None:
        raise RejectedError(f"bad matcher format: {text}")
    name, operator = head.groups()
    raw = text[head.end() :].strip(_RE2_WHITESPACE)
    return Matcher(name, MatchType(operator), _unescape_classic(raw))


def _unescape_classic(raw: str) -> str:
    r"""The value, without the quotes around it if it has them; only `\"`, `\n` and `\\` are escapes."""
    is_open = raw.startswith('"')
    body = raw[1:] if is_open else raw
    value: list[str] = []
    is_escaped = False
    for position, char in enumerate(body):
        is_last = position == len(body) - 1
        if is_escaped:
            is_escaped = False
            value.append(_CLASSIC_ESCAPES.get(char, "\\" + char))
        elif char == "\\" and not is_last:
            is_escaped = True
        elif char == '"':
            if not is_open or not is_last:
                raise RejectedError(f"matcher value contains unescaped double quote: {raw}")
            is_open = False
        else:
            value.append(char)
    if is_open:
        raise RejectedError(f"matcher value contains unescaped double quote: {raw}")
    return "".join(value)
