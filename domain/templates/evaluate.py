"""Evaluating: the nodes of a template and its data in, the text out; within the budget, and touching nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from domain.templates import formatting
from domain.templates.budget import Budget
from domain.templates.escaping import ESCAPERS
from domain.templates.functions import FUNCTIONS, Function, Here, convert
from domain.templates.nodes import (
    Action,
    Call,
    Chain,
    Command,
    Dot,
    Fault,
    Field,
    If,
    LimitFault,
    Limits,
    Literal,
    Nil,
    Nodes,
    Operand,
    Pipeline,
    Place,
    Range,
    TemplateError,
    TemplateLimitError,
    Text,
    Variable,
    With,
)
from domain.templates.nodes import Function as FunctionName
from domain.templates.times import Time
from domain.templates.values import List, Map, Member, converted, is_true, member, type_name

type Bodies = Mapping[tuple[str, object], Nodes]
"""The templates that can be called: by name, and by the context that an HTML template is called in."""

_NONE = object()
"""There is no value from a stage before; nil is one."""


class _BreakError(Exception):
    """`break`."""


class _ContinueError(Exception):
    """`continue`."""


class Evaluator:
    """One rendering."""

    def __init__(self, bodies: Bodies, now: Time, limits: Limits) -> None:
        self._bodies = bodies
        self._limits = limits
        self._budget = Budget(limits)
        self._here = Here(self._budget, now)
        self._pieces: list[str] = []
        self._size = 0
        self._depth = 0
        self._variables: list[tuple[str, Any]] = []
        self._place: Place | None = None

    def render(self, nodes: Nodes, data: object) -> str:
        """The text that the nodes make of the data.

        Raises:
            TemplateError: A function or a member fails with these values; the message names the place.
            TemplateLimitError: A limit is broken.
        """
        self._variables = [("$", data)]
        try:
            self._walk(nodes, data)
        except LimitFault as fault:
            raise TemplateLimitError(self._known_place(), str(fault)) from None
        except Fault as fault:
            raise TemplateError(self._known_place(), str(fault)) from None
        except RecursionError:  # the caller was deep already
            raise TemplateLimitError(self._known_place(), "the template nests too deep") from None
        return "".join(self._pieces)

    def _known_place(self) -> Place:
        return self._place or Place("", 1, 1)

    # ---- Statements ----

    def _walk(self, nodes: Nodes, dot: Any) -> None:
        self._depth += 1
        if self._depth > self._limits.depth:
            raise LimitFault(f"blocks and calls nest deeper than {self._limits.depth}")
        for node in nodes:
            self._budget.step()
            # Not `match`: its patterns take three times as long, and this is where the time goes.
            if isinstance(node, Text):
                self._print(node.text)
            elif isinstance(node, Action):
                self._act(node, dot)
            elif isinstance(node, If):
                known = len(self._variables)
                self._walk(node.body if is_true(self._pipeline(node.pipeline, dot)) else node.otherwise, dot)
                del self._variables[known:]
            elif isinstance(node, With):
                known = len(self._variables)
                value = self._pipeline(node.pipeline, dot)
                if is_true(value):
                    self._walk(node.body, value)
                else:
                    self._walk(node.otherwise, dot)
                del self._variables[known:]
            elif isinstance(node, Range):
                self._range(node, dot)
            elif isinstance(node, Call):
                self._call(node, dot)
            else:
                raise _BreakError if node.is_break else _ContinueError
        self._depth -= 1

    def _act(self, node: Action, dot: Any) -> None:
        value = self._pipeline(node.pipeline, dot)
        if not node.pipeline.variables:
            self._place = node.place
            escape = node.escape
            self._print(self._escaped(value, escape) if escape else formatting.show(value, self._budget))

    def _range(self, node: Range, dot: Any) -> None:
        known = len(self._variables)
        names = node.pipeline.variables
        # Not by `_pipeline`'s own assignment: the variables get the elements, not the whole.
        value = self._pipeline(node.pipeline, dot, assigns=False)
        if not node.pipeline.is_assignment:
            self._variables.extend((name, value) for name in names)
        inside = len(self._variables)
        depth = self._depth
        self._place = node.place
        is_empty = True
        if isinstance(value, Map):
            self._budget.handle(len(value))
        for key, item in _elements(value):
            is_empty = False
            self._budget.step()
            self._assign_elements(node, known, key, item)
            try:
                self._walk(node.body, item)
            except _ContinueError:
                self._depth = depth
            except _BreakError:
                self._depth = depth
                break
            del self._variables[inside:]
        del self._variables[inside:]
        if is_empty:
            self._walk(node.otherwise, dot)
        del self._variables[known:]

    def _assign_elements(self, node: Range, first: int, key: Any, item: Any) -> None:
        names = node.pipeline.variables
        values = (key, item) if len(names) == 2 else (item,)
        for number, name in enumerate(names):
            if node.pipeline.is_assignment:
                self._assign(name, values[number])
            else:
                self._variables[first + number] = (name, values[number])

    def _call(self, node: Call, dot: Any) -> None:
        data = None if node.pipeline is None else self._pipeline(node.pipeline, dot)
        variables, self._variables = self._variables, [("$", data)]
        self._place = node.place
        self._walk(self._bodies[node.name, node.context], data)
        self._variables = variables

    def _print(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._limits.output:
            raise LimitFault(f"the output is longer than {self._limits.output} characters")
        self._pieces.append(text)

    def _escaped(self, value: Any, escape: str) -> str:
        # Nil shows as nothing in HTML, as in Go.
        text = "" if value is None else value if isinstance(value, str) else formatting.show(value, self._budget)
        self._budget.spell(len(text))
        return ESCAPERS[escape](text)

    # ---- Expressions ----

    def _pipeline(self, pipeline: Pipeline, dot: Any, *, assigns: bool = True) -> Any:
        value: Any = _NONE
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        if assigns:
            for name in pipeline.variables:
                if pipeline.is_assignment:
                    self._assign(name, value)
                else:
                    self._variables.append((name, value))
        return value

    def _assign(self, name: str, value: Any) -> None:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise Fault(f"the variable {name} has no value here")  # pragma: no cover  # the parser knows them all

    def _command(self, command: Command, dot: Any, final: Any) -> Any:
        self._budget.step()
        first, *rest = command.operands
        self._place = first.place
        if isinstance(first, FunctionName):
            return self._function(first, rest, dot, final)
        if (not rest and final is _NONE) or not isinstance(first, Field | Variable | Chain):
            return self._operand(first, dot)  # the checker knows that it has no arguments
        # Only the last member of a field, a variable or a chain can be a method.
        base, names = self._base(first, dot)
        for name in names[:-1]:
            base = self._member(base, name, ())
        arguments = self._arguments(rest, dot, final)
        self._place = first.place
        return self._member(base, names[-1], arguments)

    def _operand(self, operand: Operand, dot: Any) -> Any:
        self._budget.step()
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Dot):
            return dot
        if isinstance(operand, Pipeline):
            return self._pipeline(operand, dot)
        if isinstance(operand, FunctionName):
            return self._function(operand, (), dot, _NONE)
        if isinstance(operand, Nil):
            return None
        value, names = self._base(operand, dot)
        self._place = operand.place
        for name in names:
            value = self._member(value, name, ())
        return value

    def _base(self, operand: Field | Variable | Chain, dot: Any) -> tuple[Any, tuple[str, ...]]:
        """What the members are of, and their names."""
        if isinstance(operand, Field):
            return dot, operand.names
        if isinstance(operand, Variable):
            return self._variable(operand.name), operand.names
        return self._pipeline(operand.base, dot), operand.names

    def _arguments(self, operands: Sequence[Operand], dot: Any, final: Any) -> list[Any]:
        arguments = [self._operand(operand, dot) for operand in operands]
        if final is not _NONE:
            arguments.append(final)
        return arguments

    def _function(self, name: FunctionName, operands: Sequence[Operand], dot: Any, final: Any) -> Any:
        if name.name in ("and", "or"):
            return self._logic(name.name == "or", operands, dot, final)
        function: Function = FUNCTIONS[name.name]
        arguments = self._arguments(operands, dot, final)
        self._place = name.place
        try:
            return function.call(self._here, *convert(function, arguments))
        except LimitFault:
            raise
        except Fault as fault:
            raise Fault(f"{name.name}: {fault}") from None

    def _logic(self, stops_at: bool, operands: Sequence[Operand], dot: Any, final: Any) -> Any:
        """The first value that decides, or the last; what comes after it is not evaluated."""
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if is_true(value) is stops_at:
                return value
        return value if final is _NONE else final

    def _member(self, value: Any, name: str, arguments: Sequence[Any]) -> Any:
        self._budget.step()
        found = member(type(value), name)
        if found is not None and found.is_method:
            return self._method(found, value, name, arguments)
        if arguments:
            raise Fault(f"{name} is no method of {type_name(value)} and takes no arguments")
        if found is not None:
            return found.get(value)
        if isinstance(value, Map):
            return value.pairs.get(name, "" if value.of is str else None)
        raise Fault(f"{type_name(value)} has no field {name}")

    def _method(self, found: Member, value: Any, name: str, arguments: Sequence[Any]) -> Any:
        if len(arguments) != len(found.takes):
            raise Fault(f"{name} takes {len(found.takes)} arguments, not {len(arguments)}")
        if isinstance(value, List | Map):
            self._budget.step(len(value))
        if arguments and isinstance(arguments[0], str):
            self._budget.spell(len(arguments[0]))
        get: Callable[..., Any] = found.get
        try:
            result = get(value, *map(converted, arguments, found.takes))
        except LimitFault:
            raise
        except Fault as fault:
            raise Fault(f"{name}: {fault}") from None
        if isinstance(result, str):
            self._budget.check(len(result))
        return result


def _elements(value: Any) -> Iterator[tuple[Any, Any]]:
    """What `range` goes over: positions and elements, or names in order and their values."""
    match value:
        case List():
            yield from enumerate(value)
        case Map():
            yield from sorted(value.pairs.items())
        case None:
            return
        case bool():
            raise Fault("range does not go over bool")
        case int():
            for number in range(value):
                yield number, number
        case _:
            raise Fault(f"range does not go over {type_name(value)}")
