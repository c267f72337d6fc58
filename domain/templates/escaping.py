"""Escaping: what a value may look like where it is printed, in HTML, addresses, styles and scripts; as Go does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from domain.templates.values import Escaped, Html, Query, Url

FORBIDDEN = "ZgotmplZ"
"""What stands where a value would be dangerous; people search for it, so it is Go's."""

_ENTITIES = {
    "\0": "\ufffd",
    '"': "&#34;",
    "&": "&amp;",
    "'": "&#39;",
    "+": "&#43;",
    "<": "&lt;",
    ">": "&gt;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\v": "&#11;",
    "\f": "&#12;",
    "\r": "&#13;",
    " ": "&#32;",
    "=": "&#61;",
    "`": "&#96;",
}
# HTML templates also take care of `+`, which the function `html` does not.
_IN_FUNCTION = re.compile("[\0\"&'<>]")
_IN_HTML = re.compile("[\0\"&'+<>]")
_IN_ESCAPED_HTML = re.compile("[\0\"'+<>]")
_IN_BARE_VALUE = re.compile("[\t\n\v\f\r =`]")
_JS = {
    "\\": r"\\",
    "'": r"\'",
    '"': r"\"",
    "<": r"\u003C",
    ">": r"\u003E",
    "&": r"\u0026",
    "=": r"\u003D",
}

# What is not closed goes to the end, so that no value takes long.
_TAG = re.compile(r"""<!--.*?(?:-->|\Z)|</?[A-Za-z](?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z)|[^'">])*+(?:>|\Z)""", re.DOTALL)
_KEPT_IN_URL = frozenset(b"!#$&*+,/:;=?@[]")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_NOT_IN_CSS = frozenset("\0\"'()/;@[\\]`{}<>")


def html_text(text: str) -> str:
    """For the function `html`."""
    return _entities(_IN_FUNCTION, text)


def in_text(value: str) -> str:
    """Between tags."""
    return str(value) if isinstance(value, Html | Escaped) else _entities(_IN_HTML, value)


def in_rcdata(value: str) -> str:
    """In a title or a text area, where entities mean something and tags nothing."""
    return _entities(_IN_ESCAPED_HTML if isinstance(value, Html | Escaped) else _IN_HTML, value)


def in_attribute(value: str) -> str:
    """In an attribute between quotes."""
    if isinstance(value, Escaped):
        return _entities(_IN_ESCAPED_HTML, value)
    if isinstance(value, Html):
        return _entities(_IN_ESCAPED_HTML, _TAG.sub("", value))
    return _entities(_IN_HTML, value)


def in_bare_attribute(value: str) -> str:
    """In an attribute without quotes."""
    return _entities(_IN_BARE_VALUE, in_attribute(value)) or FORBIDDEN


def url_start(value: str) -> str:
    """At the beginning of an address: only with a scheme that runs nothing."""
    if isinstance(value, Url):
        return url_part(value)
    scheme, colon, _ = value.partition(":")
    if colon and "/" not in scheme and scheme.lower() not in ("http", "https", "mailto"):
        return f"#{FORBIDDEN}"
    return url_part(value)


def url_part(value: str) -> str:
    """In an address, before its query."""
    return _percent(value, keeps_reserved=True)


def url_query(value: str) -> str:
    """In the query or the fragment of an address."""
    return str(value) if isinstance(value, Query) else _percent(value, keeps_reserved=isinstance(value, Url))


def in_style(value: str) -> str:
    """As a plain value in a style, such as a colour or a length."""
    word = "".join(character for character in value.lower() if character.isalnum() or character in "-_")
    if _NOT_IN_CSS & set(value) or "--" in value or "expression" in word or "mozbinding" in word:
        return FORBIDDEN
    return str(value)


def js_text(text: str) -> str:
    """For the function `js`."""
    return "".join(_JS.get(character) or _js_character(character) for character in text)


def query_text(text: str) -> str:
    """For the function `urlquery`: as in a form, with `+` for a space."""
    kept = _UNRESERVED
    return "".join(chr(byte) if byte in kept else "+" if byte == 0x20 else f"%{byte:02X}" for byte in text.encode())


def _entities(characters: re.Pattern[str], text: str) -> str:
    return characters.sub(lambda match: _ENTITIES[match[0]], text)


def _js_character(character: str) -> str:
    code = ord(character)
    if code < 0x20 or (code > 0x7E and not character.isprintable()):
        return f"\\u{code:04X}"
    return character


def _percent(value: str, *, keeps_reserved: bool) -> str:
    """Bytes that mean something in an address become `%xx`, unless they are kept for what they mean."""
    data = value.encode()
    pieces: list[str] = []
    for position, byte in enumerate(data):
        is_kept = byte in _UNRESERVED
        if not is_kept and keeps_reserved:
            after = data[position + 1 : position + 3]
            is_kept = byte in _KEPT_IN_URL or (byte == 0x25 and len(after) == 2 and _HEX.issuperset(after))
        pieces.append(chr(byte) if is_kept else f"%{byte:02x}")
    return "".join(pieces)


ESCAPERS: Mapping[str, Callable[[str], str]] = {
    "text": in_text,
    "rcdata": in_rcdata,
    "attribute": in_attribute,
    "bare": in_bare_attribute,
    "url start": lambda value: in_attribute(url_start(value)),
    "url part": lambda value: in_attribute(url_part(value)),
    "url query": lambda value: in_attribute(url_query(value)),
    "bare url start": lambda value: in_bare_attribute(url_start(value)),
    "bare url part": lambda value: in_bare_attribute(url_part(value)),
    "bare url query": lambda value: in_bare_attribute(url_query(value)),
    "style": lambda value: in_attribute(in_style(value)),
    "bare style": lambda value: in_bare_attribute(in_style(value)),
    "nothing": lambda value: "",
}
"""By the place where a value is printed, as `html` finds it."""
