"""Comparing: `eq`, `lt` and their relatives, which compare only what is of one kind, as in Go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.templates.nodes import Fault
from domain.templates.times import Duration
from domain.templates.values import List, Map, type_name


def matches_any(first: object, others: Sequence[object]) -> bool:
    """Whether the first is equal to any of the others.

    Raises:
        Fault: They are of different kinds, or cannot be compared.
    """
    for value in (first, *others):
        if isinstance(value, List | Map):
            raise Fault(f"{type_name(value)} cannot be compared")
    return any(_is_equal(first, other) for other in others)


def _is_equal(first: object, second: object) -> bool:
    if first is None or second is None:
        return first is second
    kind = _kind(first)
    if kind != _kind(second):
        raise Fault(f"{type_name(first)} and {type_name(second)} cannot be compared")
    return bool(_plain(first) == _plain(second))


def is_less(first: object, second: object) -> bool:
    """Whether the first is less than the second.

    Raises:
        Fault: They are of different kinds, or have no order.
    """
    kinds = {_kind(first), _kind(second)}
    if len(kinds) > 1:
        raise Fault(f"{type_name(first)} and {type_name(second)} cannot be compared")
    if not kinds <= {"int", "float64", "string"}:
        raise Fault(f"{type_name(first)} has no order")
    left, right = _plain(first), _plain(second)
    # Go orders strings by their bytes, which is the order of code points too.
    return bool(left < right)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | Duration():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case _:
            return type_name(value)


def _plain(value: object) -> Any:
    return value.nanoseconds if isinstance(value, Duration) else value
