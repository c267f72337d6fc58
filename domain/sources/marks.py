"""Marks: what in a payload looks as if it told one thing from another, whether or not it became a label.

Only for `domain.sources.collisions`, which asks whether two reports of one alert are about two things: so a mark is a
guess, by the names that machines, resources and dimensions have in the payloads of all formats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from domain.sources.redaction import MASK
from domain.sources.secret_names import name_parts

MOST_VALUES = 2000
"""Of one payload; what comes behind is not looked at."""
LONGEST_VALUE = 300
MOST_MARKS = 50

_THINGS = frozenset(
    {"host", "hostname", "instance", "node", "server", "machine", "computer", "vm", "device", "resource", "pod", "arn"}
    | {"container", "target", "ip", "service", "cluster", "namespace", "database", "queue", "bucket", "disk", "volume"}
    | {"interface", "mountpoint", "endpoint", "site", "region", "zone", "monitor", "component", "function", "topic"}
)
_OF_THINGS = frozenset({"id", "ids", "name", "names", "address", "uri", "url", "arn"})
_HOLDERS = frozenset({"dimensions", "labels", "tags", "scope", "scopes", "attributes", "groupingvalues"})
"""Whatever stands in these tells things apart."""

_PAIR_NAMES, _PAIR_VALUES = ("name", "Name", "key", "Key"), ("value", "Value", "val")
_TAG = re.compile(r"([A-Za-z][\w.-]{0,60})[:=]([^,;\s]{1,200})")


_MADE_UP = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a UUID
    r"|(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{12,128}"  # a hash
    r"|(?:1[0-9]{9}|1[0-9]{12})(?:\.[0-9]+)?"  # seconds, or milliseconds, since 1970
    r"|[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9].{0,20}"
)


@lru_cache(maxsize=4096)
def is_mark(name: str) -> bool:
    """Whether a value of this name says which thing it is about: `hostName`, `targetResourceIDs`."""
    parts = name_parts(name.replace("IDs", "Ids"))
    if not parts:
        return False
    last = parts[-1].removesuffix("s") if parts[-1] not in _THINGS else parts[-1]
    return last in _THINGS or "".join(parts) in _THINGS or (parts[-1] in _OF_THINGS and bool(_THINGS & set(parts[:-1])))


def is_made_up(value: str) -> bool:
    """Whether it looks like an id or an instant, which somebody made for this one occasion."""
    return _MADE_UP.fullmatch(value) is not None


def pieces_of(body: str, count: int) -> Sequence[Any] | None:
    """The part of the payload for each of its so many alerts, in their order; None where that cannot be told."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    lists = [value] if isinstance(value, list) else []
    if isinstance(value, dict):
        lists += [inner for inner in value.values() if isinstance(inner, list)]
    found = [one for one in lists if len(one) == count and all(isinstance(element, dict) for element in one)]
    if isinstance(value, dict) and isinstance(named := value.get("alerts"), list):
        found = [named] if len(named) == count else []
        if not found:
            return None
    if count == 1:
        # What one alert is about may also stand beside the list.
        return found[0] if len(found) == 1 and _is_alert_list(value, found[0]) else [value]
    return found[0] if len(found) == 1 else None


def _is_alert_list(value: Any, found: list[Any]) -> bool:
    return value is found or (isinstance(value, dict) and value.get("alerts") is found)


def marks_of(piece: Any) -> Mapping[str, str]:
    """What looks identifying in a part of a payload: by its path, places in lists left out."""
    found: dict[str, set[str]] = {}
    for path, text in _marks(piece):
        if path in found or len(found) < MOST_MARKS:
            found.setdefault(path, set()).add(text)
    return {path: ", ".join(sorted(texts))[:LONGEST_VALUE] for path, texts in found.items()}


def _marks(piece: Any) -> Iterator[tuple[str, str]]:
    # Paths, with whether what is there stands in a holder; texts that hold JSON are opened.
    waiting: list[tuple[str, str, Any, bool]] = [("", "", piece, False)]
    looked_at = 0
    while waiting and looked_at < MOST_VALUES:
        path, name, value, is_held = waiting.pop()
        looked_at += 1
        if isinstance(value, str) and value[:1] in ("{", "["):
            value = _opened(value)
        if isinstance(value, dict):
            is_holder = is_held or name.lower() in _HOLDERS
            if (pair := _pair(value)) is not None:
                pair_name, pair_value = pair
                if is_holder or is_mark(pair_name):
                    yield from _mark(f"{path}.{pair_name}", pair_value)
                continue
            waiting += [
                (f"{path}.{inner}"[:200], inner, value[inner], is_holder) for inner in list(value)[:MOST_VALUES]
            ]
        elif isinstance(value, list):
            waiting += [(path, name, inner, is_held) for inner in value[:MOST_VALUES]]
        elif isinstance(value, str) and name.lower() in _HOLDERS:
            for match in _TAG.finditer(value[:5000]):
                yield from _mark(f"{path}.{match[1]}", match[2])
        elif is_held or is_mark(name) or is_mark(".".join(path.split(".")[-2:])):  # {"node": {"name": "db1"}}
            yield from _mark(path, value)


def _mark(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value)[:LONGEST_VALUE]
        if text and MASK not in text:
            yield f"${path}", text


def _pair(value: Mapping[str, Any]) -> tuple[str, Any] | None:
    name = next((value[key] for key in _PAIR_NAMES if isinstance(value.get(key), str)), None)
    key = next((key for key in _PAIR_VALUES if key in value), None)
    return (name, value[key]) if name is not None and key is not None and len(value) <= 4 else None


def _opened(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
