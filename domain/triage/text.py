"""Text: what senders, tools and models wrote, made fit to be shown, compared and kept."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # without which some scripts, and some emoji, read wrongly
_SPACES = frozenset({"Cc", "Zs", "Zl", "Zp"})
_LONGEST_READ = 4
"""So many times the wanted length is read at most: what is beyond cannot matter, and hostile text may be long."""


def clean(text: str, longest: int) -> str:
    """The text as one line of printable characters, `…` for its end where it is longer; cleaning twice changes nothing.

    Control characters become spaces.  What steers the direction of text, hides in it or is nobody's character is left
    out: format characters, surrogates, private and unassigned ones, the supplementary variation selectors.
    """
    text = text[: longest * _LONGEST_READ + 1]
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_shown, text))
    text = " ".join(text.split()).strip(_JOINERS + " ")
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def clean_lines(text: str, longest: int) -> str:
    """The same, line by line: empty ones are left out, and all of them together are no longer than that."""
    lines = (clean(line, longest) for line in text[: longest * _LONGEST_READ].splitlines())
    text = "\n".join([line for line in lines if line])
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if category in _SPACES:
        return " "
    if 0xE0100 <= ord(char) <= 0xE01EF:
        return ""
    return char if char.isprintable() or char in _JOINERS else ""
