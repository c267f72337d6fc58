"""Body: a payload's JSON read within bounds, and what every format makes labels, texts and instants with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from typing import Any

import msgspec  # noqa: TID251 - to read what others send, not what is stored
from pydantic import TypeAdapter, ValidationError

from domain.alerts import Alert
from domain.errors import RejectedError, TooLargeError, UnreadableError
from domain.sources.alertmanager_api import MOST_ALERTS, MOST_VALUES
from domain.sources.reading import LONGEST_TEXT, Reading
from domain.times import EPOCH, read_instant

LARGEST_BODY_BYTES = 5 * 1024 * 1024

FAULTS_SHOWN = 5
PROBLEMS_SHOWN = 20

_LARGE_BYTES = 64 * 1024
_VALID = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_INVALID = re.compile(r"[^a-zA-Z0-9_]")
_NUMBER = re.compile(r"\d{1,13}(?:\.\d{1,9})?", re.ASCII)
_ZONED = re.compile(r":\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)$", re.ASCII)
_LONGEST_INSTANT = 64
_LAST_SECOND = 253_402_300_799
_FIRST_MILLISECOND = 100_000_000_000
"""Greater numbers are milliseconds: as seconds they would be after the year 5000."""

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_DEEPEST = 200
"""How deep pydantic goes."""
_SHALLOW_BYTES = 2 * _DEEPEST
_decode = msgspec.json.Decoder().decode


def check_size(body: bytes, largest: int = LARGEST_BODY_BYTES) -> None:
    """Refuse a body that would take a hundred times the memory of its bytes, before it is parsed.

    Raises:
        TooLargeError: It is longer than `largest`, or holds more values than are taken at once.
    """
    if len(body) > largest:
        raise TooLargeError(f"the body has {len(body)} bytes; at most {largest} are taken")
    if len(body) > _LARGE_BYTES:
        # The marks that JSON needs between its values; those that stand in texts are counted too.
        values = body.count(b",") + body.count(b"[") + body.count(b"{")
        if values > MOST_VALUES:
            raise TooLargeError(f"the body holds some {values} values; at most {MOST_VALUES} are taken")


def parse_json(body: bytes, expected: str = "JSON", largest: int = LARGEST_BODY_BYTES) -> Any:
    """The body, whatever JSON it is: for payloads whose shape must be looked for.

    Raises:
        TooLargeError: See `check_size`.
        UnreadableError: It is no JSON, or no UTF-8.
    """
    # msgspec takes half of pydantic's time, and where it takes a body it reads the same; but it knows no depth that
    # is too deep.  pydantic has the better word for what is wrong, and reads what msgspec does not, as `NaN`.
    is_shallow = True
    if len(body) >= _SHALLOW_BYTES:
        check_size(body, largest)
        is_shallow = body.count(b"{") + body.count(b"[") < _DEEPEST
    if is_shallow:
        try:
            return _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
    return parse(_ANYTHING, body, expected, largest)


def parse[T](adapter: TypeAdapter[T], body: bytes, expected: str, largest: int = LARGEST_BODY_BYTES) -> T:
    """The body as the adapter reads it; `expected` is what the error says that the body is not.

    Raises:
        TooLargeError: See `check_size`.
        UnreadableError: It is no JSON, or no UTF-8.
        RejectedError: It is JSON of another shape; the error names each fault.
    """
    check_size(body, largest)
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        refusal = UnreadableError if first["type"] == "json_invalid" else RejectedError
        raise refusal(f"the body is not {expected}: {faults(error)}") from None


def faults(error: ValidationError) -> str:
    """What pydantic found, each with its place, in one line of bounded length."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = []
    for fault in found[:FAULTS_SHOWN]:
        place = ".".join(str(part)[:100] for part in fault["loc"])
        shown.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    if len(found) > FAULTS_SHOWN:
        shown.append(f"and {len(found) - FAULTS_SHOWN} more")
    return "; ".join(shown)


def check_count(count: int) -> None:
    """Refuse more alerts than are taken at once.

    Raises:
        TooLargeError: There are more than `MOST_ALERTS`.
    """
    if count > MOST_ALERTS:
        raise TooLargeError(f"the body holds {count} alerts; at most {MOST_ALERTS} are taken at once")


def outcome(alerts: Sequence[Alert], problems: Sequence[str]) -> Reading:
    """The reading of a payload of several; problems beyond `PROBLEMS_SHOWN` are counted only.

    Raises:
        RejectedError: There are problems and not one alert.
    """
    if alerts and not problems:
        return Reading(alerts)
    shown = list(problems[:PROBLEMS_SHOWN])
    if len(problems) > PROBLEMS_SHOWN:
        shown.append(f"and {len(problems) - PROBLEMS_SHOWN} more")
    if shown and not alerts:
        raise RejectedError("; ".join(shown))
    return Reading(alerts, shown)


# --- labels ---------------------------------------------------------------------------------------------------------


def valid_names(texts: Mapping[str, str]) -> dict[str, str]:
    """The same texts under names that match `[a-zA-Z_][a-zA-Z0-9_]*`; no two names become one.

    A name that must change to a name which another has, or would change to, ends in its own hash instead.  What it
    becomes does not depend on the order.
    """
    # In ASCII, Python's identifiers are just the valid names, and asking so costs a fifth.
    if all(map(str.isidentifier, texts)) and all(map(str.isascii, texts)):
        return dict(texts)
    result: dict[str, str] = {}
    changed: dict[str, list[str]] = {}
    for name, text in texts.items():
        if _VALID.fullmatch(name):
            result[name] = text
        else:
            changed.setdefault(label_name(name), []).append(name)
    for made, names in changed.items():
        for name in names:
            target = made
            if len(names) > 1 or made in result or len(name) > LONGEST_TEXT:
                digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
                target = f"{made}_{digest[:16]}"
            result[target] = texts[name]
    return result


def label_name(name: str) -> str:
    """The name, cut, with `_` for each character that a label's name cannot have, and before a leading digit."""
    made = _INVALID.sub("_", name[:LONGEST_TEXT])
    return made if _VALID.fullmatch(made) else f"_{made}"


def with_own(theirs: dict[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The sender's labels with ours; one of theirs of our name becomes `exported_…`, also where ours is empty."""
    if theirs.keys().isdisjoint(own):
        return {**theirs, **own}
    labels = dict(theirs)
    for name, text in own.items():
        put_own(labels, name, text)
    return labels


def put_own(labels: dict[str, str], name: str, text: str) -> None:
    """Set a label of ours in the sender's; one of theirs of that name becomes `exported_…`, as Prometheus does it."""
    taken = labels.get(name, "")
    labels[name] = text
    if not taken:
        return
    place = name
    while taken:
        place = f"exported_{place}"
        taken, labels[place] = labels.get(place, ""), taken


# --- texts and instants ---------------------------------------------------------------------------------------------


def text_of(value: object) -> str:
    """A JSON value as a label or an annotation shows it: texts as they are, null as nothing, objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if isfinite(value) else _encode(value)
    try:
        return _ANYTHING.dump_json(value).decode()
    except ValueError:  # a lone surrogate
        return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def plain(value: object) -> str:
    """The text of a value that identifies: a text, a number, true or false; an object or an array is none of them.

    Neither are the infinities and what is no number, which some senders' JSON has.
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, float):
        return repr(value) if isfinite(value) else ""
    return text_of(value)


def first_of(texts: Iterable[str]) -> str:
    """The first that is not empty, or the empty text."""
    for text in texts:
        if text:
            return text
    return ""


def instant_of(value: object) -> datetime | None:
    """The instant that an RFC 3339 date-time or a number of seconds or milliseconds since 1970 names; else None.

    Go's zero time, and a date-time without an offset, which could be anywhere, count as no instant.
    """
    if isinstance(value, str):
        if len(value) > _LONGEST_INSTANT:
            return None
        if value[10:17:6] == "T:" and value[0] in "12":  # nearly always, in this century
            try:
                instant = datetime.fromisoformat(value)
            except ValueError:
                pass
            else:
                return instant if instant.tzinfo else None
        return _read_instant(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_epoch(value)
    return None


# The alerts of one payload share their times.
@lru_cache(maxsize=4096)
def _read_instant(text: str) -> datetime | None:
    if _NUMBER.fullmatch(text):
        return _since_epoch(float(text))
    if not _ZONED.search(text[-40:]):
        return None
    try:
        read = read_instant(text)
    except ValueError:
        return None
    return read[0] if read else None


def _since_epoch(number: float) -> datetime | None:
    if not 0 < number < _LAST_SECOND * 1000 or not isfinite(number):
        return None
    seconds = number / 1000 if number >= _FIRST_MILLISECOND else number
    return EPOCH + timedelta(seconds=seconds)
