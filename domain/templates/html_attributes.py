"""Attribute: what kind of value an attribute of HTML has, and how far a value is that has begun."""

from __future__ import annotations

import re
from typing import Literal

type Attribute = Literal["plain", "url", "style", "refused", ""]

_URLS = frozenset(
    {"action", "archive", "background", "cite", "classid", "codebase", "data", "formaction", "href", "icon"}
    | {"longdesc", "manifest", "poster", "profile", "src", "usemap", "xmlns"}
)
_REFUSED = frozenset(["srcdoc", "srcset", "imagesrcset"])
_REFUSED_IN = frozenset(
    [("meta", "content"), ("script", "src")]
    + [(element, name) for element in ("animate", "set") for name in ("attributename", "to", "values", "from", "by")]
)
SPECIAL_ELEMENTS = frozenset(element for element, _ in _REFUSED_IN)
"""The elements in which an attribute is not what it is elsewhere."""

_RUNNING_SCHEMES = re.compile(r"[\x00-\x20]*(?:javascript|vbscript|data)[\x00-\x20]*:", re.IGNORECASE)
_STYLE_OPENING = re.compile(r"['\"(\\]|/\*")


def kind_of(name: str, element: str) -> Attribute:
    """What kind of value an attribute has; the rules by parts of names are Go's, for attributes that nobody lists."""
    name = name.removeprefix("data-") or name
    prefix, colon, local = name.partition(":")
    if colon:
        if prefix == "xmlns":
            return "url"
        name = local
    if name.startswith("on") or name in _REFUSED or (element, name) in _REFUSED_IN:
        return "refused"
    if name == "style":
        return "style"
    if name in _URLS or any(part in name for part in ("src", "uri", "url")):
        return "url"
    return "plain"


def address(seen: str, text: str) -> str:
    """How far an address is: at its start, in a part of it, in its query, or in a script.

    Until a colon or a slash has ended what could be a scheme, a value could still complete a bad one.
    """
    if seen == "script" or (not seen and _RUNNING_SCHEMES.match(text)):
        return "script"
    if "?" in text or "#" in text:
        return "query"
    return seen or ("part" if ":" in text or "/" in text else "")


def style(seen: str, text: str) -> str:
    """What a style is inside of: a string, parentheses, a comment, or nothing."""
    position = 0
    while position < len(text) and seen != "either":
        if seen == "":
            found = _STYLE_OPENING.search(text, position)
            if found is None:
                break
            seen, position = found[0], found.end()
        else:
            closing = {"(": ")", "/*": "*/", "\\": ""}.get(seen, seen)
            end = text.find(closing, position) if closing else -1
            if end < 0:
                break
            seen, position = "", end + len(closing)
    return seen
