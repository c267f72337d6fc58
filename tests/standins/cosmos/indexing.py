"""Indexing policy: which properties of an item are indexed, as its container says.

Source: https://learn.microsoft.com/azure/cosmos-db/index-policy: the more precise path wins, and `id` and `_ts` are
always indexed while the mode is consistent.  Composite, spatial and vector indexes are kept and not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from tests.standins.cosmos.refusals import Refusal

_ROOT = {"path": "/*"}
_ETAG = {"path": '/"_etag"/?'}

_ALWAYS = (("id",), ("_ts",))
_STEP = re.compile(r'/(?:"((?:[^"\\]|\\.)*)"|([^/"]+))')


@dataclass(frozen=True, slots=True)
class IndexingPolicy:
    """Answers for paths given as steps: `("a", "[]")` is each element of the array `a`."""

    is_on: bool
    paths: tuple[tuple[tuple[str, ...], bool], ...]
    """Each path as steps that end in `?` or `*`, and whether it is included; the most precise first."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """
        Raises:
            Refusal: A path is malformed.
        """
        paths = [(_steps(entry["path"]), True) for entry in given.get("includedPaths", [])]
        paths += [(_steps(entry["path"]), False) for entry in given.get("excludedPaths", [])]
        is_on = str(given.get("indexingMode", "consistent")).lower() != "none"
        paths.sort(key=lambda path: (len(path[0]), path[0][-1] == "?"), reverse=True)
        return cls(is_on, tuple(paths))

    def covers(self, steps: tuple[str, ...]) -> bool:
        """Whether a scalar at this path is indexed."""
        if not self.is_on:
            return False
        if steps in _ALWAYS:
            return True
        return next((is_included for path, is_included in self.paths if _matches(path, steps)), False)

    def count(self, document: Mapping[str, Any]) -> int:
        """How many different paths of the item are indexed."""
        return sum(map(self.covers, set(_leaves(document, ())))) if self.is_on else 0


def completed(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The policy as the service answers it: what is left out takes its default, and `_etag` is never indexed.

    Raises:
        Refusal: It says nothing about the root.
    """
    is_on = given.get("indexingMode", "consistent") != "none"
    excluded = [_entry(entry["path"]) for entry in given.get("excludedPaths", [])]
    included = [_entry(entry["path"]) for entry in given.get("includedPaths", [])]
    if is_on and "includedPaths" not in given and _ROOT not in excluded:
        included.append(_ROOT)
    if is_on and _ROOT not in included and _ROOT not in excluded:
        message = "The special mandatory indexing path '/' is not provided in any of the path type sets."
        raise Refusal(400, message)
    if is_on and _ETAG not in excluded:
        excluded.append(_ETAG)
    defaults = {"indexingMode": "consistent", "automatic": True}
    return {**defaults, **given, "includedPaths": included, "excludedPaths": excluded}


def path_steps(path: str) -> tuple[str, ...]:
    """The steps of a path such as `/a/"b c"`.

    Raises:
        Refusal: It is malformed.
    """
    steps = tuple(quoted or plain for quoted, plain in _STEP.findall(path))
    if not steps or _STEP.sub("", path):
        raise Refusal(400, f"The path '{path}' is invalid.")
    return steps


def _entry(path: str) -> Mapping[str, str]:
    # The index kinds of old policies are dropped, as the service does, and "/" was once the root's name.
    return {"path": "/*" if path == "/" else path}


def _steps(path: str) -> tuple[str, ...]:
    steps = path_steps(path)
    if steps[-1] not in ("?", "*"):
        raise Refusal(400, f"The indexing path '{path}' could not be accepted: it must end in /? or /*.")
    return steps


def _matches(path: tuple[str, ...], steps: tuple[str, ...]) -> bool:
    *beginning, ending = path
    if steps[: len(beginning)] != tuple(beginning):
        return False
    return ending == "*" or len(steps) == len(beginning)


def _leaves(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    inner: Iterable[tuple[str, Any]]
    match value:
        case dict():
            inner = value.items()
        case list():
            inner = (("[]", element) for element in value)
        case _:
            yield steps
            return
    for step, element in inner:
        yield from _leaves(element, (*steps, step))
