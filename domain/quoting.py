"""Quoting: a string between double quotes, as Go's `strconv` writes and reads it; matchers and group keys show so."""

from __future__ import annotations

import re

_SHORT_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
}
_SHORT_BYTES = {escape[1]: char.encode() for char, escape in _SHORT_ESCAPES.items()}

_PIECE = re.compile(
    r"""
    (?P<plain>[^"\\\n]+)
    | \\ (?: (?P<short>[abfnrtv"\\])
           | (?P<octal>[0-3][0-7]{2})
           | x(?P<byte>[0-9a-fA-F]{2})
           | u(?P<u4>[0-9a-fA-F]{4})
           | U(?P<u8>[0-9a-fA-F]{8}) )
    """,
    re.VERBOSE,
)


def quote(text: str) -> str:
    r"""The text in double quotes; what does not print becomes `\n`, `\x1b`, `\u200b` or `\U000e0001`.

    Source: `strconv.Quote` in Go.
    """
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_escape, text))}"'


def unquote(quoted: str) -> str:
    r"""The text that a quoted string stands for, double quotes included in what is given.

    Raises:
        ValueError: There is an escape that Go does not know (`\w`, `\'`), a line feed, or bytes that are not UTF-8.

    Source: `strconv.Unquote` in Go, for double quotes only.
    """
    body = quoted[1:-1]
    data = bytearray()
    position = 0
    while position < len(body):
        piece = _PIECE.match(body, position)
        if piece is None:
            raise ValueError(f"invalid escape or line feed at {position + 1} in {quoted}")
        position = piece.end()
        data += _bytes_of(piece)
    return data.decode("utf-8")


def _escape(char: str) -> str:
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _bytes_of(piece: re.Match[str]) -> bytes:
    text = piece[piece.lastgroup or 0]
    match piece.lastgroup:
        case "short":
            return _SHORT_BYTES[text]
        case "octal":
            return bytes([int(text, 8)])
        case "byte":
            return bytes([int(text, 16)])
        case "u4" | "u8" if int(text, 16) > 0x10FFFF:
            raise ValueError(f"no such character: U+{text}")
        case "u4" | "u8":
            return chr(int(text, 16)).encode("utf-8")  # refuses surrogates, as Go does
        case _:
            return text.encode("utf-8")


def quote_meta(text: str) -> str:
    """Escapes what a Go regular expression would read as more than itself, and nothing else: `regexp.QuoteMeta`."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)
