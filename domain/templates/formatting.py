"""Printing: how Go's `fmt` shows values, as `print`, `printf` and every action do."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.quoting import quote
from domain.templates.budget import Budget
from domain.templates.nodes import Fault, LimitFault
from domain.templates.times import Duration, Number, Time
from domain.templates.values import KV, MEMBERS, Alert, Data, List, Map, Pair, Pairs, type_name

NO_VALUE = "<no value>"
"""What an action prints for nil."""

_WIDEST = 1_000_000
_DEEPEST = 30

_VERB = re.compile(
    r"%(?P<flags>[-+# 0]*)(?:\[(?P<at>\d+)\])?(?P<width>\d+|\*)?(?:(?P<point>\.)(?P<precision>\d+|\*)?)?"
    r"(?:\[(?P<last>\d+)\])?(?P<verb>.)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Spec:
    """One verb of a format with all that stands between it and its percent sign."""

    verb: str
    flags: str = ""
    width: int = 0
    precision: int | None = None

    def pad(self, text: str, *, is_number: bool = False) -> str:
        """The text as wide as wanted."""
        if "-" in self.flags:
            return text.ljust(self.width)
        if "0" in self.flags and is_number and text[:1] in ("+", "-", " "):
            return text[0] + text[1:].rjust(self.width - 1, "0")
        return text.rjust(self.width, "0" if "0" in self.flags else " ")


_PLAIN = _Spec("v")


def show(value: object, budget: Budget) -> str:
    """The value as an action prints it."""
    if isinstance(value, str):
        return value
    return NO_VALUE if value is None else budget.join(_shown(value, _PLAIN, budget, 0))


def sprint(values: Sequence[object], budget: Budget) -> str:
    """The values one after the other, with a space between two that are both no strings: `fmt.Sprint`."""
    pieces: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            pieces.append(" ")
        pieces.extend(_shown(value, _PLAIN, budget, 0))
    return budget.join(pieces)


def sprintln(values: Sequence[object], budget: Budget) -> str:
    """The values with spaces between them and a line feed at the end: `fmt.Sprintln`."""
    pieces: list[str] = []
    for number, value in enumerate(values):
        pieces += [" "] if number else []
        pieces.extend(_shown(value, _PLAIN, budget, 0))
    return budget.join([*pieces, "\n"])


def sprintf(template: str, values: Sequence[object], budget: Budget) -> str:
    """The values where the format's verbs stand: `fmt.Sprintf`.

    Raises:
        Fault: The format asks for something that is not supported: `%#v`, `%p`.
        LimitFault: The text becomes too long.
    """
    return budget.join(_formatted(template, values, budget))


def _formatted(template: str, values: Sequence[object], budget: Budget) -> Iterator[str]:
    number, position, is_reordered = 0, 0, False
    while (start := template.find("%", position)) >= 0:
        yield template[position:start]
        match = _VERB.match(template, start)
        if match is None:  # pragma: no cover  # every part after the percent sign may be missing
            raise Fault("unreadable format")
        position = match.end()
        budget.step()
        verb = match["verb"]
        if verb is None:
            yield "%!(NOVERB)"
            break
        if verb == "%":
            yield "%"
            continue
        sizes: list[int | None] = []
        problem = ""
        if match["at"]:
            number, is_reordered = int(match["at"]) - 1, True
        for size in (match["width"], match["precision"]):
            if size == "*":
                found = values[number] if 0 <= number < len(values) else None
                if type(found) is not int or abs(found) > _WIDEST:
                    problem = "%!(BADWIDTH)" if not sizes else "%!(BADPREC)"
                sizes.append(found if type(found) is int else None)
                number += 1
            else:
                sizes.append(int(size[:8]) if size else None)
        if match["last"]:
            number, is_reordered = int(match["last"]) - 1, True
        if problem:
            yield problem
        width, precision = sizes
        flags = match["flags"]
        if width is not None and width < 0:
            width, flags = -width, f"-{flags}"
        if "-" in flags:
            flags = flags.replace("0", "")
        if max(width or 0, precision or 0) > _WIDEST:
            raise Fault(f"a width or precision is at most {_WIDEST}")
        if match["point"] and match["precision"] is None:
            precision = 0
        budget.check(max(width or 0, precision or 0))
        if not 0 <= number < len(values):
            yield f"%!{verb}(BADINDEX)" if is_reordered else f"%!{verb}(MISSING)"
            continue
        yield from _shown(values[number], _Spec(verb, flags, width or 0, precision), budget, 0)
        number += 1
    else:
        yield template[position:]
    if not is_reordered and number < len(values):
        yield "%!(EXTRA "
        for place, value in enumerate(values[number:]):
            yield f"{', ' if place else ''}{type_name(value)}="
            yield from _shown(value, _PLAIN, budget, 0)
        yield ")"


def _shown(value: object, spec: _Spec, budget: Budget, depth: int) -> Iterator[str]:
    """The value by the verb, in pieces; lists and maps show their elements by the same verb."""
    budget.step()
    if depth > _DEEPEST:
        raise LimitFault(f"a value nests deeper than {_DEEPEST}")
    verb = spec.verb
    if verb == "T":
        yield spec.pad("<nil>" if value is None else type_name(value))
    elif verb == "p" or (verb == "v" and "#" in spec.flags):
        raise Fault(f"%{'#' if verb == 'v' else ''}{verb} is not supported")
    elif value is None:
        yield spec.pad("<nil>") if verb == "v" else f"%!{verb}(<nil>)"
    elif isinstance(value, Time | Duration | Number | KV | Pairs) and verb in "vsxXq":
        yield _string(str(value), spec, budget)
    elif isinstance(value, List | Map | Data | Alert | Pair):
        yield from _composed(value, spec, budget, depth)
    else:
        yield _simple(value, spec, budget)


def _simple(value: object, spec: _Spec, budget: Budget) -> str:
    match value:
        case bool() if spec.verb in "tv":
            return spec.pad("true" if value else "false")
        case int() if not isinstance(value, bool) and spec.verb in "vdbcoOqxXU":
            return _integer(value, spec)
        case Duration() if spec.verb in "dboOxX":
            return _integer(value.nanoseconds, spec)
        case float() if spec.verb in "veEfFgG":
            return _float(value, spec)
        case str() if spec.verb in "vsqxX":
            return _string(value, spec, budget)
        case _:
            return f"%!{spec.verb}({type_name(value)}={''.join(_shown(value, _PLAIN, budget, 0))})"


def _composed(value: List | Map | Data | Alert | Pair, spec: _Spec, budget: Budget, depth: int) -> Iterator[str]:
    match value:
        case List():
            yield "["
            for number, item in enumerate(value):
                if number:
                    yield " "
                yield from _shown(item, spec, budget, depth + 1)
            yield "]"
        case Map():
            yield "map["
            for number, name in enumerate(sorted(value.pairs)):
                yield " " if number else ""
                yield from _shown(name, spec, budget, depth + 1)
                yield ":"
                yield from _shown(value.pairs[name], spec, budget, depth + 1)
            yield "]"
        case _:
            yield "&{" if isinstance(value, Data) and depth == 0 and spec is not _PLAIN else "{"
            fields = [(name, field) for name, field in MEMBERS[type(value)].items() if field.json]
            for number, (name, field) in enumerate(fields):
                yield " " if number else ""
                yield f"{name}:" if "+" in spec.flags and spec.verb == "v" else ""
                yield from _shown(field.get(value), spec, budget, depth + 1)
            yield "}"


def _string(text: str, spec: _Spec, budget: Budget) -> str:
    budget.check(len(text))
    if spec.precision is not None and spec.verb not in "xX":
        text = text[: spec.precision]
    if spec.verb == "q":
        budget.spell(len(text))
        text = f"`{text}`" if "#" in spec.flags and "`" not in text and text.isprintable() else quote(text)
    elif spec.verb in "xX":
        data = text.encode()[: spec.precision]
        text = data.hex(" ") if " " in spec.flags else data.hex()
        if "#" in spec.flags and text:
            text = f"0x{text}"
        if spec.verb == "X":
            text = text.upper()
    return spec.pad(text)


def _integer(number: int, spec: _Spec) -> str:
    if spec.verb in "cqU":
        return spec.pad(_character(number, spec))
    digits = {
        "b": f"{abs(number):b}",
        "o": f"{abs(number):o}",
        "O": f"{abs(number):o}",
        "x": f"{abs(number):x}",
        "X": f"{abs(number):X}",
    }.get(spec.verb, str(abs(int(number))))
    sign = "-" if number < 0 else "+" if "+" in spec.flags else " " if " " in spec.flags else ""
    if spec.precision is not None:
        if spec.precision == 0 and number == 0:
            return " " * spec.width
        digits = digits.rjust(spec.precision, "0")
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(spec.verb, "") if "#" in spec.flags else ""
    prefix = "0o" if spec.verb == "O" else prefix
    if spec.precision is None and "0" in spec.flags:
        digits = digits.rjust(spec.width - len(sign), "0")
    text = sign + prefix + digits
    return text.ljust(spec.width) if "-" in spec.flags else text.rjust(spec.width)


def _character(number: int, spec: _Spec) -> str:
    character = chr(number) if 0 <= number <= 0x10FFFF and not 0xD800 <= number < 0xE000 else "\ufffd"
    if spec.verb == "c":
        return character
    if spec.verb == "U":
        shown = f" '{character}'" if "#" in spec.flags and character.isprintable() else ""
        return f"U+{number & (2**64 - 1):04X}{shown}"
    return {"'": r"'\''", '"': "'\"'"}.get(character, f"'{quote(character)[1:-1]}'")


def _float(number: float, spec: _Spec) -> str:
    if math.isnan(number) or math.isinf(number):
        text = "NaN" if math.isnan(number) else "Inf"
        sign = "-" if number < 0 else "+" if "+" in spec.flags or text == "Inf" else ""
        return _Spec("v", spec.flags.replace("0", ""), spec.width).pad(sign + text)
    verb = "g" if spec.verb == "v" else spec.verb
    kind: Callable[[float, str, int | None], str] = _shortest if verb in "gG" else _fixed
    text = kind(abs(number), verb, spec.precision)
    sign = "-" if math.copysign(1, number) < 0 else "+" if "+" in spec.flags else " " if " " in spec.flags else ""
    return spec.pad(sign + text, is_number=True)


def _fixed(number: float, verb: str, precision: int | None) -> str:
    return format(number, f".{6 if precision is None else precision}{verb}")


def _shortest(number: float, verb: str, precision: int | None) -> str:
    """As few digits as tell the number, or so many; with an exponent below -4 and from 6 (or the precision) on."""
    if precision is not None:
        return format(number, f".{precision or 1}{verb}")
    digits, _, exponent = repr(number).partition("e")
    if "e" not in repr(number):
        whole, _, fraction = digits.partition(".")
        significant = (whole + fraction).lstrip("0")
        power = len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0"))) - 1
        significant = significant.rstrip("0") or "0"
        power = 0 if number == 0 else power
    else:
        significant = digits.replace(".", "").rstrip("0")
        power = int(exponent)
    if -4 <= power < 6:
        if power >= len(significant) - 1:
            return significant + "0" * (power - len(significant) + 1)
        if power < 0:
            return f"0.{'0' * (-power - 1)}{significant}"
        return f"{significant[: power + 1]}.{significant[power + 1 :]}"
    tail = f".{significant[1:]}" if len(significant) > 1 else ""
    return f"{significant[0]}{tail}{'E' if verb == 'G' else 'e'}{'-' if power < 0 else '+'}{abs(power):02d}"
