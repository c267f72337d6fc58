"""Node: what a template consists of once it is parsed; and the errors, which name the place that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a template: its name as given, line and column counted from 1."""

    name: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}"


class TemplateError(RejectedError):
    """A template cannot be read or rendered; the message begins with the place: `slack.tmpl:3:14: …`."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class TemplateLimitError(TemplateError):
    """A template asks for more than its limits allow: output, steps, depth or size."""


class Fault(Exception):
    """What went wrong in a function or a method, which does not know its place; never leaves the package."""


class LimitFault(Fault):
    """A limit was broken by a function that does not know its place."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one template may ask for; the same at every machine, because steps are counted and not seconds."""

    output: int = 1024 * 1024
    """Characters that one rendering, or one value on the way to it, may have."""
    steps: int = 1_000_000
    """Nodes that one rendering may evaluate; long texts and lists count for more than one."""
    depth: int = 100
    """How deep blocks and calls of templates may nest while rendering."""
    source: int = 1024 * 1024
    """Characters that one template file may have."""
    nesting: int = 50
    """How deep blocks, and parentheses, may nest in a template's text."""


# ---- Expressions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, a character's code or a truth value."""

    place: Place
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`."""

    place: Place


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the value that this part of the template is about."""

    place: Place


@dataclass(frozen=True, slots=True)
class Field:
    """`.Labels.severity`: members, one of the other, beginning at the dot."""

    place: Place
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$alert.Labels.severity`: a variable, `$` included, and members, perhaps none."""

    place: Place
    name: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """`(index .Alerts 0).Labels.severity`: members of what stands in parentheses."""

    place: Place
    base: Pipeline
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function that exists."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """One stage of a pipeline: an operand, or a function or method with its arguments."""

    place: Place
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each handing its value on to the next as the last argument; perhaps assigned to variables."""

    place: Place
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    is_assignment: bool = False
    """Whether the variables exist already: `=` rather than `:=`."""


type Operand = Literal | Nil | Dot | Field | Variable | Chain | Function | Pipeline


# ---- Statements -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """What is printed as it stands."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ … }}`: prints a value, unless it declares or assigns a variable.  `escape` is set in HTML templates only."""

    place: Place
    pipeline: Pipeline
    escape: str = ""


@dataclass(frozen=True, slots=True)
class If:
    """`{{ if }}`, `{{ else }}`, `{{ end }}`."""

    place: Place
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class With:
    """`{{ with }}`: like `if`, and the dot is the value."""

    place: Place
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class Range:
    """`{{ range }}`: the body for each element, or the other branch when there is none."""

    place: Place
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class Call:
    """`{{ template "name" pipeline }}`; `context` tells which copy is meant in HTML templates, which escape by it."""

    place: Place
    name: str
    pipeline: Pipeline | None
    context: object = None


@dataclass(frozen=True, slots=True)
class Jump:
    """`{{ break }}` or `{{ continue }}`."""

    place: Place
    is_break: bool


type Node = Text | Action | If | With | Range | Call | Jump
type Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A template that others may call by its name."""

    place: Place
    name: str
    body: Nodes

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but white space: such a definition does not replace another, as in Go."""
        return is_blank(self.body)


def is_blank(body: Sequence[Node]) -> bool:
    """Whether nothing stands there but white space."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)
