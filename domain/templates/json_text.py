"""JSON, as Go's `encoding/json` writes it: names in order, `<`, `>` and `&` escaped."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal

from domain.templates.budget import Budget
from domain.templates.nodes import Fault, LimitFault
from domain.templates.times import Duration, Time
from domain.templates.values import MEMBERS, List, Map, type_name

_DEEPEST = 30
_ESCAPED = re.compile("[<>&\u2028\u2029]")


def json_text(value: object, budget: Budget) -> str:
    """The value as JSON, without white space.

    Raises:
        Fault: A number in it is infinite or none.
        LimitFault: It becomes too long, or nests too deep.
    """
    return budget.join(_pieces(value, budget, 0))


def _pieces(value: object, budget: Budget, depth: int) -> Iterator[str]:
    budget.step()
    if depth > _DEEPEST:
        raise LimitFault(f"a value nests deeper than {_DEEPEST}")
    match value:
        case None | bool():
            yield {None: "null", True: "true", False: "false"}[value]
        case str():
            budget.check(len(value))
            yield _string(value)
        case int():
            yield str(int(value))
        case float():
            yield _float(value)
        case Duration():
            yield str(value.nanoseconds)
        case Time():
            yield _string(value.format("2006-01-02T15:04:05.999999999Z07:00"))
        case List():
            yield from _sequence("[", [("", item) for item in value], "]", budget, depth)
        case Map():
            yield from _sequence("{", [(name, value.pairs[name]) for name in sorted(value.pairs)], "}", budget, depth)
        case _:
            fields = [field for field in MEMBERS.get(type(value), {}).values() if field.json]
            yield from _sequence("{", [(field.json, field.get(value)) for field in fields], "}", budget, depth)


def _sequence(opening: str, items: list[tuple[str, object]], closing: str, budget: Budget, depth: int) -> Iterator[str]:
    yield opening
    for number, (name, item) in enumerate(items):
        yield "," if number else ""
        if opening == "{":
            yield f"{_string(name)}:"
        yield from _pieces(item, budget, depth + 1)
    yield closing


def _string(text: str) -> str:
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _float(number: float) -> str:
    if math.isnan(number) or math.isinf(number):
        raise Fault(f"{type_name(number)} without a JSON form")
    if number and not 1e-6 <= abs(number) < 1e21:
        digits, _, exponent = repr(number).partition("e")
        return f"{digits}e{exponent[0]}{exponent[1:].lstrip('0')}"
    return f"{Decimal(repr(number)):f}".removesuffix(".0")
