"""Patterns of file names, as `templates` has them: `*`, `?` and `[a-z]` between the slashes of a path, as in Go.

Python's own differ: they hide files that begin with a dot, negate with `!`, and know `**` but no backslash.

Source: `Match` and `Glob` in Go, path/filepath/match.go.
"""

from __future__ import annotations

import re

_SPECIAL = frozenset("*?[\\")

_CHARACTER = r"(?:\\.|[^\\\]-])"
_TOKEN = re.compile(
    rf"""
      (?P<any>\*)
    | (?P<one>\?)
    | \[ (?P<not>\^?+) (?P<ranges>(?:{_CHARACTER}(?:-{_CHARACTER})?)+) \]
    | \\(?P<escaped>.)
    | (?P<plain>[^*?\[\\])
    """,
    re.VERBOSE | re.DOTALL,
)
_RANGE = re.compile(rf"({_CHARACTER})(?:-({_CHARACTER}))?", re.DOTALL)


def split_pattern(pattern: str) -> list[str | re.Pattern[str]]:
    """The steps from folder to folder: a name as it is, or what a name there must match in full.

    A pattern that begins with a slash starts at the root of the file system; its first step is the slash.

    Raises:
        ValueError: It is no pattern.
    """
    steps: list[str | re.Pattern[str]] = ["/"] if pattern.startswith("/") else []
    for part in pattern.split("/"):
        if part not in ("", "."):
            steps.append(_compile(part) if _SPECIAL.intersection(part) else part)
    return steps


def _compile(part: str) -> re.Pattern[str]:
    expression = ""
    position = 0
    while position < len(part):
        token = _TOKEN.match(part, position)
        if token is None:
            raise ValueError("syntax error in pattern")
        position = token.end()
        match token.lastgroup:
            case "any":
                expression += ".*"
            case "one":
                expression += "."
            case "ranges":
                expression += _one_of(token["ranges"], is_negated=bool(token["not"]))
            case group:
                expression += re.escape(token[group or "plain"])
    return re.compile(expression, re.DOTALL)


def _one_of(ranges: str, *, is_negated: bool) -> str:
    pairs = [(low.removeprefix("\\"), (high or low).removeprefix("\\")) for low, high in _RANGE.findall(ranges)]
    # Where the high end is below the low one nothing is between them, as in Go; Python would refuse that.
    inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in pairs if low <= high)
    if not inside:
        return "." if is_negated else r"(?!)"
    return f"[{'^' if is_negated else ''}{inside}]"
