"""Checking: what is known to be wrong with a template before any alert comes.

The checker follows what each part of a template is about, as far as that is certain, from the root data into ranges,
variables and called templates; what it cannot know it leaves to the rendering.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from domain.quoting import quote
from domain.templates.functions import FUNCTIONS, Function
from domain.templates.nodes import (
    Action,
    Call,
    Chain,
    Command,
    Definition,
    Dot,
    Fault,
    Field,
    If,
    Literal,
    Nodes,
    Operand,
    Pipeline,
    Place,
    Range,
    TemplateError,
    Variable,
    With,
)
from domain.templates.nodes import Function as FunctionName
from domain.templates.times import Duration
from domain.templates.values import MEMBERS, List, Map, Strings, class_name, member

type Kind = type | None
"""The class of a value, or None when it is not known."""


def check(definition: Definition, definitions: Mapping[str, Definition], dot: Kind) -> None:
    """Check a template, and those that it calls for as far as it is known with what.

    Args:
        definition: Where to begin.
        definitions: The templates that can be called.
        dot: The class of what the template is about; None when that is not known.

    Raises:
        TemplateError: It is certain to fail, or calls a template that there is not.
    """
    waiting: list[tuple[Definition, Kind]] = [(definition, dot)]
    seen = {(definition.name, dot)}
    while waiting:
        current, kind = waiting.pop()
        for name, called_with in _Checker(current, definitions, kind).calls():
            # What it is called with is not always known; that it stands on its own was checked when it was read.
            if called_with is not None and (name, called_with) not in seen:
                seen.add((name, called_with))
                waiting.append((definitions[name], called_with))


class _Checker:
    """Checks one template, called with a value of one class."""

    def __init__(self, definition: Definition, definitions: Mapping[str, Definition], dot: Kind) -> None:
        self._definition = definition
        self._definitions = definitions
        self._dot = dot
        self._variables: list[tuple[str, Kind]] = [("$", dot)]
        # What a variable holds that is assigned to again depends on the way taken.
        self._reassigned = set(_assigned(definition.body))
        self._calls: list[tuple[str, Kind]] = []

    def calls(self) -> list[tuple[str, Kind]]:
        """Which templates it calls with what."""
        self._body(self._definition.body, self._dot)
        return self._calls

    def _body(self, nodes: Nodes, dot: Kind) -> None:
        for node in nodes:
            known = len(self._variables)
            match node:
                case Action(_, pipeline):
                    self._pipeline(pipeline, dot)
                    continue  # its variable lives on
                case If(_, pipeline, body, otherwise):
                    self._pipeline(pipeline, dot)
                    self._branches(body, dot, otherwise, dot)
                case With(_, pipeline, body, otherwise):
                    self._branches(body, self._pipeline(pipeline, dot), otherwise, dot)
                case Range():
                    self._range(node, dot)
                case Call(place, name, arguments):
                    if name not in self._definitions:
                        raise TemplateError(
                            place, f"there is no template {quote(name)}{_near(name, self._definitions)}"
                        )
                    kind = type(None) if arguments is None else self._pipeline(arguments, dot)
                    self._calls.append((name, kind))
                case _:
                    pass
            del self._variables[known:]

    def _branches(self, body: Nodes, dot: Kind, otherwise: Nodes, other_dot: Kind) -> None:
        known = len(self._variables)
        self._body(body, dot)
        del self._variables[known:]
        self._body(otherwise, other_dot)

    def _range(self, node: Range, dot: Kind) -> None:
        pipeline = node.pipeline
        whole = self._pipeline(pipeline, dot, declares=False)
        key: Kind = None
        item: Kind = None
        if whole is not None:
            if issubclass(whole, List | Map):
                key, item = int if issubclass(whole, List) else str, whole.of
            elif whole is int:
                key = item = int
            elif whole is not type(None):
                raise TemplateError(pipeline.place, f"range does not go over {class_name(whole)}")
        if not pipeline.is_assignment:
            kinds = (key, item) if len(pipeline.variables) == 2 else (item,)
            self._declare(pipeline.variables, kinds)
        self._branches(node.body, item, node.otherwise, dot)

    def _declare(self, names: Sequence[str], kinds: Sequence[Kind]) -> None:
        for name, kind in zip(names, kinds, strict=False):
            self._variables.append((name, None if name in self._reassigned else kind))

    def _pipeline(self, pipeline: Pipeline, dot: Kind, *, declares: bool = True) -> Kind:
        kind: Kind = None
        for number, command in enumerate(pipeline.commands):
            kind = self._command(command, dot, [kind] if number else [])
        if declares and not pipeline.is_assignment:
            self._declare(pipeline.variables, [kind])
        return kind

    def _command(self, command: Command, dot: Kind, final: list[Kind]) -> Kind:
        first, *rest = command.operands
        arguments = [self._operand(operand, dot) for operand in rest] + final
        if isinstance(first, FunctionName):
            return self._function(first, rest, arguments)
        base, names = self._base(first, dot)
        for at, name in enumerate(names):
            base = _member(base, name, arguments if at == len(names) - 1 else [], first.place)
        if arguments and not names:
            raise TemplateError(first.place, "only functions and methods take arguments")
        return base

    def _operand(self, operand: Operand, dot: Kind) -> Kind:
        if isinstance(operand, FunctionName):
            return self._function(operand, [], [])
        kind, names = self._base(operand, dot)
        for name in names:
            kind = _member(kind, name, [], operand.place)
        return kind

    def _base(self, operand: Operand, dot: Kind) -> tuple[Kind, tuple[str, ...]]:
        match operand:
            case Dot():
                return dot, ()
            case Literal(_, value):
                return type(value), ()
            case Field(_, names):
                return dot, names
            case Variable(_, variable, names):
                return next(kind for name, kind in reversed(self._variables) if name == variable), names
            case Chain(_, base, names):
                return self._pipeline(base, dot), names
            case Pipeline():
                return self._pipeline(operand, dot), ()
            case _:
                return None, ()

    def _function(self, name: FunctionName, operands: Sequence[Operand], kinds: list[Kind]) -> Kind:
        function = FUNCTIONS[name.name]
        least = len(function.takes)
        if len(kinds) < least or (function.rest is None and len(kinds) > least):
            wanted = f"{least}" if function.rest is None else f"at least {least}"
            raise TemplateError(name.place, f"{name.name} takes {wanted} arguments, not {len(kinds)}")
        for number, kind in enumerate(kinds):
            wanted_kind = function.takes[number] if number < least else function.rest
            if not _fits(kind, wanted_kind):
                problem = f"{class_name(wanted_kind)} wanted, not {class_name(kind)}"
                raise TemplateError(name.place, f"{name.name}: {problem}")
        if function.constant and operands and isinstance(operands[0], Literal) and isinstance(operands[0].value, str):
            try:
                function.constant(operands[0].value)
            except Fault as fault:
                raise TemplateError(operands[0].place, f"{name.name}: {fault}") from None
        return _returned(name.name, function, kinds)


def _returned(name: str, function: Function, kinds: list[Kind]) -> Kind:
    match name:
        case "and" | "or":
            return kinds[0] if len(set(kinds)) == 1 else None
        case "slice":
            return kinds[0]
        case "index":
            kind = kinds[0]
            for _ in kinds[1:]:
                kind = kind.of if kind is not None and issubclass(kind, List | Map) else None
            return kind
        case _:
            return function.returns


def _member(kind: Kind, name: str, arguments: list[Kind], place: Place) -> Kind:
    """The class of a value's member."""
    if kind is None:
        return None
    found = member(kind, name)
    if found is None:
        if not issubclass(kind, Map):
            near = _near(name, MEMBERS.get(kind, {}))
            raise TemplateError(place, f"{class_name(kind)} has no field {name}{near}")
        if arguments:
            raise TemplateError(place, f"{name} is no method of {class_name(kind)} and takes no arguments")
        return kind.of
    if len(arguments) != len(found.takes):
        raise TemplateError(place, f"{name} takes {len(found.takes)} arguments, not {len(arguments)}")
    for argument, wanted in zip(arguments, found.takes, strict=True):
        if not _fits(argument, wanted):
            raise TemplateError(place, f"{name}: {class_name(wanted)} wanted, not {class_name(argument)}")
    return found.returns


def _fits(kind: Kind, wanted: Kind) -> bool:
    """Whether a value of the one class may stand where the other is wanted, as `converted` would have it."""
    if kind is None or wanted is None or wanted is object:
        return True
    if kind is bool:
        return wanted is bool
    if wanted is Strings and kind is List:
        return True
    return issubclass(kind, wanted) or (kind is int and wanted is Duration) or (kind is float and wanted is int)


def _near(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; is {near[0]} meant?" if near else ""


def _assigned(nodes: Nodes) -> Iterator[str]:
    """The variables that are assigned to after they were declared."""
    for node in nodes:
        match node:
            case Action(_, pipeline):
                yield from pipeline.variables if pipeline.is_assignment else ()
            case (
                If(_, pipeline, body, otherwise)
                | With(_, pipeline, body, otherwise)
                | Range(_, pipeline, body, otherwise)
            ):
                yield from pipeline.variables if pipeline.is_assignment else ()
                yield from _assigned(body)
                yield from _assigned(otherwise)
            case _:
                pass
