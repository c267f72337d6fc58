"""Syntax: a query of the subset of Cosmos DB's SQL that the stand-in understands, as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str


@dataclass(frozen=True, slots=True)
class Path:
    """What lies below the item: `c.a["b"][0]` is `("a", "b", 0)`, and `c` itself is `()`."""

    steps: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Logical:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class In:
    operand: Expression
    choices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    function: str
    argument: Expression


@dataclass(frozen=True, slots=True)
class ArrayOf:
    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    members: tuple[tuple[str, Expression], ...]


type Expression = Literal | Parameter | Path | Comparison | Logical | Not | In | Call | Aggregate | ArrayOf | ObjectOf


@dataclass(frozen=True, slots=True)
class Column:
    expression: Expression
    name: str | None
    text: str
    """As it stands in the query, its alias included."""


@dataclass(frozen=True, slots=True)
class Order:
    expression: Path
    is_ascending: bool
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    alias: str
    source: str
    """The text of the FROM clause."""
    columns: tuple[Column, ...]
    """Empty for `SELECT *`; one for `SELECT VALUE`."""
    is_value: bool
    where: Expression | None
    where_text: str
    order: Order | None
    top: Expression | None
    offset: Expression | None
    limit: Expression | None

    @property
    def aggregate(self) -> Aggregate | None:
        """The one aggregate of `SELECT VALUE COUNT(1)`, also in the form that a query plan asks each partition in."""
        expression = self.columns[0].expression if self.is_value else None
        match expression:
            case Aggregate():
                return expression
            case ArrayOf(elements=(ObjectOf(members=(("item", Aggregate() as wrapped),)),)):
                return wrapped
            case _:
                return None

    @property
    def needs_plan(self) -> bool:
        """Whether several partitions' answers must be put together by the client."""
        limited = self.top is not None or self.offset is not None
        return limited or self.order is not None or self.aggregate is not None
