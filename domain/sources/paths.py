"""Path: a place in a payload, or many, such as `$.alerts[*].labels.password` or `$..password`; walked step by step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from domain.errors import RejectedError
from domain.quoting import quote

LONGEST_PATH = 500

type Step = str | int | None
"""The name of a member, the place in a list, or None for any of both."""

type Path = tuple[tuple[Step, bool], ...]
"""Each step, and whether any number of others may come before it (`..`)."""

_STEP = re.compile(
    r"""(?P<deep>\.\.)?(?:
        (?P<dot>\.)?(?:(?P<star>\*)|(?P<name>[^\s.\[\]*'"]+))
      | \[(?:(?P<any>\*)|(?P<place>\d{1,6})|'(?P<single>[^']+)'|"(?P<double>[^"]+)")\])""",
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """The steps of a path such as `$.alerts[*].labels.password`, `$['a b'].c` or `$..password`.

    Raises:
        RejectedError: It is none; the message says how one looks.
    """
    example = "expected a path such as $.alerts[*].labels.password or $..password"
    if len(text) > LONGEST_PATH or not text.startswith("$"):
        raise RejectedError(f"{quote(text[:100])}: {example}")
    place, steps = 1, list[tuple[Step, bool]]()
    while place < len(text):
        match = _STEP.match(text, place)
        is_deep = bool(match and match["deep"])
        has_dot = bool(match and match["dot"])
        is_named = bool(match and (match["star"] or match["name"]))
        if match is None or (is_named and is_deep == has_dot):
            raise RejectedError(f"{quote(text[:100])}, at {quote(text[place : place + 20])}: {example}")
        steps.append((_step(match), is_deep))
        place = match.end()
    if not steps:
        raise RejectedError(f"{quote(text)} is the whole payload: set TOCSIN_RAW_RETENTION_HOURS to 0 to keep none")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["star"] or match["any"]:
        return None
    return int(match["place"]) if match["place"] else match["name"] or match["single"] or match["double"]


type State = tuple[Path, int]
"""A path, and which of its steps comes next."""


def states_of(paths: Iterable[Path]) -> frozenset[State]:
    """Where these paths stand before the first step."""
    return frozenset((path, 0) for path in paths)


def enter(states: frozenset[State], step: str | int) -> tuple[frozenset[State], bool]:
    """Where the paths stand one step further on, and whether one of them ends there."""
    found: set[State] = set()
    is_end = False
    for path, place in states:
        wanted, is_deep = path[place]
        if is_deep:
            found.add((path, place))
        if wanted is None or wanted == step:
            if place + 1 == len(path):
                is_end = True
            else:
                found.add((path, place + 1))
    return frozenset(found), is_end
