"""Patching: the operations of a partial update, on a copy of an item.

Source: https://learn.microsoft.com/azure/cosmos-db/partial-document-update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.standins.cosmos.evaluating import compiled
from tests.standins.cosmos.refusals import Refusal, unsupported
from tests.standins.cosmos.sql import parse_condition
from tests.standins.cosmos.store import SYSTEM_PROPERTIES

MOST_OPERATIONS = 10


def patch(document: dict[str, Any], given: Any) -> None:
    """Carry out `{"condition": ..., "operations": [...]}` on the document.

    Raises:
        Refusal: 412 where the condition does not hold, 400 where an operation cannot be carried out; the document
            may be half changed then.
    """
    operations, condition = given.get("operations"), given.get("condition")
    if not isinstance(operations, list) or not 1 <= len(operations) <= MOST_OPERATIONS:
        raise Refusal(400, f"The number of patch operations must be from 1 to {MOST_OPERATIONS}.")
    if condition and compiled(parse_condition(condition), {})(document) is not True:
        raise Refusal(412, "The condition of the patch does not hold.", substatus=1110)
    for position, operation in enumerate(operations, start=1):
        try:
            _apply(document, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Refusal(400, f"For Operation({position}): {error!r} in {operation}.") from None


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    steps = _steps(operation["path"])
    match operation["op"]:
        case "add" | "set" as name:
            _write(document, steps, operation["value"], is_insert=name == "add")
        case "replace":
            _look(document, steps)
            _write(document, steps, operation["value"], is_insert=False)
        case "remove":
            _remove(document, steps)
        case "incr":
            _increment(document, steps, operation["value"])
        case "move":
            source = _steps(operation["from"])
            value = _look(document, source)
            _remove(document, source)
            _write(document, steps, value, is_insert=True)
        case other:
            raise unsupported(f"the patch operation {other}")


def _steps(path: str) -> list[str]:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.removeprefix("/").split("/")]
    if steps[0] in (*SYSTEM_PROPERTIES, "id"):
        raise ValueError(f"{path} cannot be patched")
    return steps


def _look(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        value = value[_index(step, len(value))] if isinstance(value, list) else value[step]
    return value


def _write(document: dict[str, Any], steps: list[str], value: Any, *, is_insert: bool) -> None:
    *parents, last = steps
    parent = _look(document, parents)
    if isinstance(parent, dict):
        parent[last] = value
    elif not isinstance(parent, list):
        raise TypeError("only an object or an array has members")
    elif last == "-":
        parent.append(value)
    elif is_insert:
        parent.insert(_index(last, len(parent) + 1), value)
    else:
        parent[_index(last, len(parent))] = value


def _remove(document: dict[str, Any], steps: list[str]) -> None:
    *parents, last = steps
    parent = _look(document, parents)
    del parent[_index(last, len(parent)) if isinstance(parent, list) else last]


def _increment(document: dict[str, Any], steps: list[str], by: Any) -> None:
    *parents, last = steps
    parent = _look(document, parents)
    place: Any = _index(last, len(parent)) if isinstance(parent, list) else last
    before = parent.get(place, 0) if isinstance(parent, dict) else parent[place]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in (before, by)):
        raise TypeError("only a number can be incremented")
    parent[place] = before + by


def _index(step: str, length: int) -> int:
    index = int(step)
    if not 0 <= index < length:
        raise IndexError(f"no element {index}")
    return index
