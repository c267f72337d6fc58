"""Markdown: what senders, people and models wrote, as text that stays text wherever a draft is pasted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from domain.triage.text import clean

LONGEST_TEXT = 400

BLANK = "______"
"""For people to fill in; it is no mark, as it always follows a space."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WORD_JOINER = "\u2060"
"""Between `@` or `#` and a name: a backslash does not keep GitHub and Slack from telling somebody."""

_SPECIAL = re.compile(
    r"""
    (?P<entity> [&<>])
    | (?P<mention> [@\#] (?=\w))
    | (?P<mark>
        [\\`*\[\]{}|~$^@\#]
        | (?<![^\W_])_ | _(?![^\W_])        # within a word it means nothing
        | /(?=/) | (?<=\w)\.(?=[^\W\d_])    # of what would be taken for an address
        | ^[-+=] | (?<=^\d)[.)] | (?<=^\d\d)[.)] | (?<=^\d\d\d)[.)]
    )
    """,
    re.VERBOSE,
)


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line that is shown letter by letter: nothing in it is a mark, a link, an entity, HTML or a mention.

    Args:
        text: Whatever somebody wrote.
        longest: So many of its characters are shown; what stands for them may be longer.
    """
    return _SPECIAL.sub(_shown, clean(text, longest))


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    match match.lastgroup:
        case "entity":
            return _ENTITIES[char]
        case "mention":
            return f"\\{char}{_WORD_JOINER}"
        case _:
            return f"\\{char}"


def code(text: str, longest: int = LONGEST_TEXT) -> str:
    """Something to be copied as it is: an id, an address that nobody should follow by a slip."""
    text = clean(text, longest)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text or ' '}{space}{fence}"


def bullets(lines: Iterable[str], otherwise: str = "") -> Iterator[str]:
    """A list, and what stands there instead of an empty one."""
    found = [f"- {line}" for line in lines]
    return iter(found or ([otherwise] if otherwise else []))


def section(title: str, lines: Iterable[str]) -> list[str]:
    """A heading with what is under it; nothing at all where there is nothing."""
    found = list(lines)
    return [f"## {title}", "", *found, ""] if found else []
