"""Pair: a name and a text that a sender's rule made up, such as a dimension or a tag; the source of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from domain.errors import RejectedError
from domain.sources.bodies import LARGEST_BODY_BYTES, parse_json, plain, put_own, valid_names, with_own

MOST_PAIRS = 500
"""Of one alert: real ones have ten.  What identifies is refused beyond it, for cutting it would merge alerts."""


def gather(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The texts by their names; several of one name stand in one, sorted, with commas between.

    Raises:
        RejectedError: There are more than `MOST_PAIRS`.
    """
    found: dict[str, str] = {}
    several: dict[str, set[str]] = {}
    for count, (name, text) in enumerate(pairs):
        if count >= MOST_PAIRS:
            raise RejectedError(f"the alert has more than {MOST_PAIRS} dimensions or tags")
        if not name or not text:
            continue
        if found.setdefault(name, text) != text:
            several.setdefault(name, {found[name]}).add(text)
    for name, texts in several.items():
        found[name] = ",".join(sorted(texts))
    return found


def labelled(own: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Labels of both; a name of theirs that is also ours becomes `exported_…`, whatever both say.

    Otherwise an alert whose label equals ours, and one that lacks it, would be one.
    """
    return with_own(valid_names(theirs), own) if theirs else dict(own)


def annotated(own: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Annotations of both, which identify nothing: those that say what ours say are left out."""
    if not theirs:
        return dict(own)
    annotations = valid_names(theirs)
    for name, text in own.items():
        if text and annotations.get(name) != text:
            put_own(annotations, name, text)
    return annotations


# --- fields of whatever type they came --------------------------------------------------------------------------------


def parse_object(body: bytes, expected: str, largest: int = LARGEST_BODY_BYTES) -> dict[str, Any]:
    """The JSON object that a body is; `expected` is what the error says that it is not.

    Raises:
        TooLargeError: It is longer, or holds more, than is taken at once.
        UnreadableError: It is no JSON, or no UTF-8.
        RejectedError: It is another value.
    """
    value = parse_json(body, expected, largest)
    if not isinstance(value, dict):
        raise RejectedError(f"the body is not {expected}: expected an object")
    return value


def spelt(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values by the letters of their names, from the last to the first: of two alike, a dict keeps the first.

    Whoever writes a payload's template gives all its payloads the same names.
    """
    names = tuple(fields)
    is_usual = len(names) <= _MOST_NAMES and len("".join(names)) <= _LONGEST_NAMES
    return zip(_spelt(names) if is_usual else _spelt.__wrapped__(names), reversed(fields.values()), strict=True)


_MOST_NAMES = 200
_LONGEST_NAMES = 4_000


@lru_cache(maxsize=256)
def _spelt(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([letters(name[:_LONGEST_NAME]) for name in reversed(names)])


_LONGEST_NAME = 100


@lru_cache(maxsize=4096)
def letters(name: str) -> str:
    """The letters and digits of a name, in lower case: `ALERT_ID` and `alertId` are both `alertid`."""
    return _NO_LETTER.sub("", name.lower())


_NO_LETTER = re.compile(r"[^a-z0-9]")


def mapping(value: object) -> dict[str, Any]:
    """The object; an empty one where there is another value, or none."""
    return value if isinstance(value, dict) else {}


def elements(value: object) -> list[Any]:
    """The array; one of a single element where that element came without it; an empty one for null."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def texts(value: object) -> list[str]:
    """What of an array, or of a single value, is a text or a number and not empty."""
    return [text for element in elements(value) if (text := plain(element))]


def cut_url(value: object) -> str:
    """A link as it came; nothing, where it is no web address or longer than any browser takes."""
    if not value:
        return ""
    url = value.strip() if isinstance(value, str) else plain(value)
    return url if len(url) <= _LONGEST_URL and url.startswith(("https://", "http://")) else ""


_LONGEST_URL = 8_000
