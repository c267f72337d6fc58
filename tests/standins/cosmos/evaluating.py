"""Evaluating: what an expression says about one item, with Cosmos DB's third truth value, undefined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from tests.standins.cosmos import syntax
from tests.standins.cosmos.refusals import Refusal, unsupported


class _Undefined(Enum):
    UNDEFINED = "undefined"


UNDEFINED: Final = _Undefined.UNDEFINED

type Document = Mapping[str, Any]
type Value = Any
"""JSON as Python has it, or UNDEFINED."""
type Rule = Callable[[Document], Value]


def compiled(expression: syntax.Expression, parameters: Mapping[str, Any]) -> Rule:
    """The expression as a function of the item, its parameters bound.

    Raises:
        Refusal: A parameter has no value.
    """
    match expression:
        case syntax.Literal(value):
            return lambda document: value
        case syntax.Parameter(name):
            if name not in parameters:
                raise Refusal(400, f"Parameter '{name}' is not given.")
            bound = parameters[name]
            return lambda document: bound
        case syntax.Path(steps):
            return lambda document: at_path(document, steps)
        case syntax.Comparison(operator, left, right):
            return _comparison(operator, compiled(left, parameters), compiled(right, parameters))
        case syntax.Logical(operator):
            operands = _operands(expression, operator)
            return _logical(operator == "AND", [compiled(operand, parameters) for operand in operands])
        case syntax.Not(operand):
            inner = compiled(operand, parameters)
            return lambda document: not truth if isinstance(truth := inner(document), bool) else UNDEFINED
        case syntax.In(operand, choices):
            return _membership(compiled(operand, parameters), [compiled(choice, parameters) for choice in choices])
        case syntax.Call(function, arguments):
            return _call(function, [compiled(argument, parameters) for argument in arguments])
        case syntax.ArrayOf(elements):
            rules = [compiled(element, parameters) for element in elements]
            return lambda document: [value for rule in rules if (value := rule(document)) is not UNDEFINED]
        case syntax.ObjectOf(members):
            named = [(name, compiled(member, parameters)) for name, member in members]
            return lambda document: {name: value for name, rule in named if (value := rule(document)) is not UNDEFINED}
        case syntax.Aggregate(function):
            raise unsupported(f"{function} there")


def at_path(document: Value, steps: tuple[str | int, ...]) -> Value:
    """What stands at the path, or UNDEFINED."""
    for step in steps:
        is_member = isinstance(step, str) and isinstance(document, dict) and step in document
        is_element = isinstance(step, int) and isinstance(document, list) and 0 <= step < len(document)
        if not (is_member or is_element):
            return UNDEFINED
        document = document[step]
    return document


def rank(value: Value) -> int:
    """The place of the value's type in Cosmos DB's order of types."""
    match value:
        case _Undefined.UNDEFINED:
            return 0
        case None:
            return 1
        case False:
            return 2
        case True:
            return 3
        case int() | float():
            return 4
        case str():
            return 5
        case list():
            return 6
        case _:
            return 7


def sort_key(value: Value) -> list[Any]:
    """Sorts as Cosmos DB does, and is JSON, so that a continuation can carry it.

    Raises:
        Refusal: The value is an array or an object.
    """
    place = rank(value)
    if place > 5:
        raise unsupported("ORDER BY a property that holds arrays or objects")
    return [place, value if place > 3 else 0]


def are_equal(left: Value, right: Value) -> bool:
    """Equality of two defined values: 1 is 1.0, but neither is true."""
    if rank(left) != rank(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(are_equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(are_equal(value, right[name]) for name, value in left.items())
    return bool(left == right)


def _comparison(operator: str, left: Rule, right: Rule) -> Rule:
    def compare(document: Document) -> Value:
        one, other = left(document), right(document)
        if one is UNDEFINED or other is UNDEFINED:
            return UNDEFINED
        if operator == "=":
            return are_equal(one, other)
        if operator == "!=":
            return not are_equal(one, other)
        place = rank(one)
        is_boolean = isinstance(one, bool) and isinstance(other, bool)
        if place > 5 or (place != rank(other) and not is_boolean):
            return UNDEFINED
        if one is None:
            return operator in ("<=", ">=")
        match operator:
            case "<":
                return one < other
            case "<=":
                return one <= other
            case ">":
                return one > other
            case _:
                return one >= other

    return compare


def _logical(is_and: bool, rules: list[Rule]) -> Rule:
    # AND is settled by a false, OR by a true, whatever the others are.
    settling = not is_and

    def combine(document: Document) -> Value:
        result: Value = is_and
        for rule in rules:
            value = rule(document)
            if value is settling:
                return settling
            if value is not is_and:
                result = UNDEFINED
        return result

    return combine


def _operands(expression: syntax.Expression, operator: str) -> list[syntax.Expression]:
    """All that a chain such as `a OR b OR c` combines; the SDK's `read_items` makes one of a thousand."""
    operands: list[syntax.Expression] = []
    while isinstance(expression, syntax.Logical) and expression.operator == operator:
        operands.append(expression.right)
        expression = expression.left
    return [expression, *reversed(operands)]


def _membership(operand: Rule, choices: list[Rule]) -> Rule:
    def contains(document: Document) -> Value:
        value = operand(document)
        if value is UNDEFINED:
            return UNDEFINED
        return any(are_equal(value, choice(document)) for choice in choices)

    return contains


def _call(function: str, arguments: list[Rule]) -> Rule:
    def call(document: Document) -> Value:
        values = [argument(document) for argument in arguments]
        match function, values:
            case "IS_DEFINED", [value]:
                return value is not UNDEFINED
            case "ARRAY_CONTAINS", [list(elements), value] if value is not UNDEFINED:
                return any(are_equal(element, value) for element in elements)
            case "STARTSWITH", [str(text), str(beginning)]:
                return text.startswith(beginning)
            case _:
                return UNDEFINED

    return call
