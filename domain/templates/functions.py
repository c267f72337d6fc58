"""Function: what a template can call by name; Go's own and those of Alertmanager's notification templates.

Source: `builtins` in Go, text/template/funcs.go; `DefaultFuncs` in Alertmanager 0.34, template/template.go.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import re2

from domain.templates import escaping, formatting
from domain.templates.budget import Budget
from domain.templates.comparing import is_less, matches_any
from domain.templates.json_text import json_text
from domain.templates.nodes import Fault
from domain.templates.times import Duration, Time, zone
from domain.templates.values import (
    Escaped,
    Html,
    List,
    Map,
    Query,
    Strings,
    Url,
    converted,
    is_true,
    type_name,
)


@dataclass(frozen=True, slots=True)
class Here:
    """What a function may know besides its arguments."""

    budget: Budget
    now: Time


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called, and what is known about it before it is."""

    call: Callable[..., Any]
    """Takes a `Here` and the arguments, which are of the right number and classes."""
    returns: type | None
    takes: tuple[type, ...]
    """The classes of the arguments; object for any."""
    rest: type | None = None
    """The class of any further arguments, or None when there are none."""
    constant: Callable[[str], object] | None = None
    """Judges the first argument when it is written out in the template: a pattern, a time zone."""


def convert(function: Function, arguments: list[Any]) -> list[Any]:
    """The arguments as the function takes them.

    Raises:
        Fault: One is of the wrong class.
    """
    wanted = [*function.takes, *[function.rest] * (len(arguments) - len(function.takes))]
    return [
        argument if kind is object else converted(argument, kind or object)
        for argument, kind in zip(arguments, wanted, strict=False)
    ]


@lru_cache(maxsize=64)
def pattern(text: str) -> Any:
    """The regular expression, as RE2 reads it, like Go.

    Raises:
        Fault: It is none.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 4 * 1024 * 1024  # the cache may be full of patterns that take all of it
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise Fault(f"{text[:64]!r} is not a regular expression: {reason}") from None


# ---- Strings --------------------------------------------------------------------------------------------------------

_TITLE_WORD = re.compile(r"[^\W_](?:[\w]|(?<=\w)['’.·:](?=[^\W_]))*|_[\w'’.]*")


_STEPS_OF_A_MATCH = 5
_INSIDE = frozenset(bytes([code]) for code in range(0x80, 0xC0))


def _title(here: Here, text: str) -> str:
    """Every word's first letter as a capital and its other letters small: `cases.Title`."""
    here.budget.spell(len(text))

    def word(match: re.Match[str]) -> str:
        letters = match[0]
        first = next((at for at, letter in enumerate(letters) if letter.isalpha()), 0)
        return letters[:first] + letters[first : first + 1].title() + letters[first + 1 :].lower()

    return _TITLE_WORD.sub(word, text)


def _join(here: Here, separator: str, texts: Strings) -> str:
    return here.budget.join(piece for at, text in enumerate(texts) for piece in ((separator, text) if at else (text,)))


def _match(here: Here, expression: str, text: str) -> bool:
    here.budget.handle(len(text) * 4)
    here.budget.spell(len(expression))
    return pattern(expression).search(text) is not None


def _replace(here: Here, expression: str, replacement: str, text: str) -> str:
    here.budget.handle(len(text) * 4)
    here.budget.spell(len(expression) + len(replacement))
    return here.budget.join(_replaced(here.budget, pattern(expression), _replacement(replacement), text.encode()))


def _replaced(budget: Budget, regex: Any, parts: list[str | tuple[str]], text: bytes) -> Iterator[str]:
    """In bytes, because for a string the binding counts its characters anew for every match."""
    position, ended_at = 0, -1
    for match in regex.finditer(text):
        budget.step(_STEPS_OF_A_MATCH)
        start, end = match.span()
        # Go takes no empty match right where the match before ended, and none inside of a character.
        if start == end and (start == ended_at or text[start : start + 1] in _INSIDE):
            continue
        yield text[position:start].decode()
        for part in parts:
            yield part if isinstance(part, str) else _group(match, part[0])
        position = ended_at = end
    yield text[position:].decode()


def _replacement(template: str) -> list[str | tuple[str]]:
    """Plain text, and the names of groups, each in a tuple: `Regexp.Expand`."""
    parts: list[str | tuple[str]] = []
    position = 0
    for found in re.finditer(r"\$(?:(?P<dollar>\$)|(?P<name>\w+)|\{(?P<braced>\w+)\})", template):
        parts.append(template[position : found.start()])
        parts.append("$" if found["dollar"] else (found["name"] or found["braced"],))
        position = found.end()
    parts.append(template[position:])
    return parts


def _group(match: Any, name: str) -> str:
    if name.isdecimal():
        number = int(name[:9])
        return (match.group(number) or b"").decode() if number <= match.re.groups else ""
    return (match.group(name) or b"").decode() if name in match.re.groupindex else ""


def _url_unescape(here: Here, text: str) -> str:
    here.budget.spell(len(text))
    if bad := re.search(r"%(?![0-9a-fA-F]{2}).{0,2}", text):
        raise Fault(f"invalid URL escape {bad[0]!r}")
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def _one_text(here: Here, values: tuple[Any, ...]) -> str:
    """A string as it is, anything else as it prints."""
    return values[0] if len(values) == 1 and isinstance(values[0], str) else formatting.sprint(values, here.budget)


def _html(here: Here, *values: Any) -> str:
    text = _one_text(here, values)
    here.budget.spell(len(text))
    return Escaped(here.budget.join([escaping.html_text(text)]))


def _js(here: Here, *values: Any) -> str:
    text = _one_text(here, values)
    here.budget.spell(len(text))
    return here.budget.join([escaping.js_text(text)])


def _urlquery(here: Here, *values: Any) -> str:
    text = _one_text(here, values)
    here.budget.spell(len(text))
    return Query(here.budget.join([escaping.query_text(text)]))


# ---- Times ----------------------------------------------------------------------------------------------------------


_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?))|(?i:nan)", re.ASCII
)


def _date(here: Here, layout: str, time: Time) -> str:
    here.budget.spell(len(layout))
    return here.budget.join([time.format(layout)])


def humanize_duration(value: Any) -> str:
    """Seconds as `1d 2h 3m 4s`, below a minute with four digits: `1.235s`, `30ms`.

    Raises:
        Fault: The value is no duration, number, or text with a number.

    Source: `HumanizeDuration` in prometheus/common, helpers/templates/time.go.
    """
    seconds = _number(value)
    if math.isnan(seconds) or math.isinf(seconds):
        return "NaN" if math.isnan(seconds) else f"{'-' if seconds < 0 else '+'}Inf"
    if seconds == 0:
        return "0s"
    if abs(seconds) < 1:
        prefix = ""
        for smaller in "munpfazy":
            if abs(seconds) >= 1:
                break
            prefix = smaller
            seconds *= 1000
        return f"{seconds:.4g}{prefix}s"
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    days, rest = divmod(int(seconds), 86400)
    parts = [(days, "d"), (rest // 3600, "h"), (rest // 60 % 60, "m"), (rest % 60, "s")]
    while parts and not parts[0][0]:
        del parts[0]
    if len(parts) <= 1 and seconds < 60:
        return f"{sign}{seconds:.4g}s"
    return sign + " ".join(f"{number}{unit}" for number, unit in parts)


def _number(value: Any) -> float:
    if isinstance(value, Duration):
        return value.seconds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return float(value)
        raise Fault(f"{value[:64]!r} is not a number")
    raise Fault(f"a number wanted, not {type_name(value)}")


# ---- Lists, maps, texts by their positions --------------------------------------------------------------------------


def _index(here: Here, value: Any, *keys: Any) -> Any:
    for key in keys:
        match value:
            case Map():
                if not isinstance(key, str):
                    raise Fault(f"a map is indexed by a string, not by {type_name(key)}")
                value = value.pairs.get(key, "" if value.of is str else None)
            case List():
                value = value.items[_position(key, len(value) - 1)]
            case str():
                here.budget.handle(len(value))
                data = value.encode()
                value = data[_position(key, len(data) - 1)]
            case None:
                raise Fault("nil cannot be indexed")
            case _:
                raise Fault(f"{type_name(value)} cannot be indexed")
    return value


def _slice(here: Here, value: Any, *positions: Any) -> Any:
    if len(positions) > 3:
        raise Fault(f"at most 3 positions, not {len(positions)}")
    is_text = isinstance(value, str)
    if not is_text and not isinstance(value, List):
        raise Fault(f"{type_name(value)} cannot be sliced")
    if is_text and len(positions) == 3:
        raise Fault("a string cannot be sliced by 3 positions")
    here.budget.handle(len(value))
    data = value.encode() if is_text else value.items
    bounds = [_position(position, len(data)) for position in positions[:3]]
    start, end = (bounds + [0, len(data)][len(bounds) :])[:2]
    if start > end or (len(bounds) == 3 and end > bounds[2]):
        raise Fault(f"invalid slice: {start} is after {end}")
    return data[start:end].decode(errors="replace") if is_text else type(value)(data[start:end])


def _position(value: Any, most: int) -> int:
    if type(value) is not int:
        raise Fault(f"an int wanted as position, not {type_name(value)}")
    if not 0 <= value <= most:
        raise Fault(f"index out of range: {value}")
    return value


def _len(here: Here, value: Any) -> int:
    if isinstance(value, str):
        here.budget.handle(len(value))
        return len(value.encode())
    if isinstance(value, List | Map):
        return len(value)
    raise Fault(f"{type_name(value)} has no length")


def _append(here: Here, items: List, *more: Any) -> List:
    here.budget.step(len(items) + len(more))
    return List((*items.items, *more))


def _dict(here: Here, *values: Any) -> Map:
    if len(values) % 2:
        raise Fault("dict takes names and values, an even number of arguments")
    names = [converted(name, str) for name in values[::2]]
    here.budget.step(len(values))
    return Map({str(name): value for name, value in zip(names, values[1::2], strict=True)})


def _list(here: Here, *values: Any) -> List:
    here.budget.step(len(values))
    return List(values)


def _eq(here: Here, first: Any, *others: Any) -> bool:
    if isinstance(first, str):
        here.budget.handle(len(first) * len(others))
    return matches_any(first, others)


def _text(change: Callable[[str], Any]) -> Callable[[Here, str], Any]:
    """A function of one text, the result of which counts."""

    def call(here: Here, text: str) -> Any:
        (here.budget.handle if text.isascii() else here.budget.spell)(len(text))
        result = change(text)
        here.budget.check(len(result))
        return result

    return call


def _upper(text: str) -> str:
    """Letter by letter, as Go does: `ß` stays, because no single letter is its capital."""
    if text.isascii():
        return text.upper()
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in text)


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)


def _strip(text: str) -> str:
    return text.strip("\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
                      "\u2028\u2029\u202f\u205f\u3000")  # fmt: skip


FUNCTIONS: Mapping[str, Function] = {
    # `and` and `or` stop at the value that decides, so the evaluator has them.
    "and": Function(lambda here, *values: values[-1], None, (object,), object),
    "or": Function(lambda here, *values: values[-1], None, (object,), object),
    "not": Function(lambda here, value: not is_true(value), bool, (object,)),
    "eq": Function(_eq, bool, (object, object), object),
    "ne": Function(lambda here, first, second: not _eq(here, first, second), bool, (object, object)),
    "lt": Function(lambda here, first, second: is_less(first, second), bool, (object, object)),
    "le": Function(
        lambda here, first, second: is_less(first, second) or _eq(here, first, second), bool, (object, object)
    ),
    "gt": Function(
        lambda here, first, second: not (is_less(first, second) or _eq(here, first, second)),
        bool,
        (object, object),
    ),
    "ge": Function(lambda here, first, second: not is_less(first, second), bool, (object, object)),
    "len": Function(_len, int, (object,)),
    "index": Function(_index, None, (object,), object),
    "slice": Function(_slice, None, (object,), object),
    "print": Function(lambda here, *values: formatting.sprint(values, here.budget), str, (), object),
    "printf": Function(
        lambda here, template, *values: formatting.sprintf(template, values, here.budget), str, (str,), object
    ),
    "println": Function(lambda here, *values: formatting.sprintln(values, here.budget), str, (), object),
    "html": Function(_html, str, (), object),
    "js": Function(_js, str, (), object),
    "urlquery": Function(_urlquery, str, (), object),
    # Alertmanager's
    "toUpper": Function(_text(_upper), str, (str,)),
    "toLower": Function(_text(_lower), str, (str,)),
    "title": Function(_title, str, (str,)),
    "trimSpace": Function(_text(_strip), str, (str,)),
    "join": Function(_join, str, (str, Strings)),
    "match": Function(_match, bool, (str, str), constant=pattern),
    "reReplaceAll": Function(_replace, str, (str, str, str), constant=pattern),
    "safeHtml": Function(lambda here, text: Html(text), str, (str,)),
    "safeUrl": Function(lambda here, text: Url(text), str, (str,)),
    "urlUnescape": Function(_url_unescape, str, (str,)),
    "stringSlice": Function(lambda here, *texts: Strings(texts), Strings, (), str),
    "date": Function(_date, str, (str, Time)),
    "tz": Function(lambda here, name, time: Time(time.nanoseconds, zone(name)), Time, (str, Time), constant=zone),
    "since": Function(lambda here, time: here.now.sub(time), Duration, (Time,)),
    "humanizeDuration": Function(lambda here, value: humanize_duration(value), str, (object,)),
    "toJson": Function(lambda here, value: json_text(value, here.budget), str, (object,)),
    "list": Function(_list, List, (), object),
    "append": Function(_append, List, (List,), object),
    "dict": Function(_dict, Map, (), object),
}
