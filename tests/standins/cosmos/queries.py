"""Page: one answer of a query, and the continuation that asks for the next; also the plan for several partitions.

A continuation names the last item that was answered, not a position, so writes between two pages neither repeat nor
skip items that were there all along.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.standins.cosmos import charges, syntax
from tests.standins.cosmos.evaluating import UNDEFINED, Rule, compiled, sort_key
from tests.standins.cosmos.refusals import Refusal, unsupported
from tests.standins.cosmos.store import Container, Item

DEFAULT_PAGE_ITEMS = 100
LARGEST_PAGE_BYTES = 4 * 1024 * 1024
"""https://learn.microsoft.com/azure/cosmos-db/nosql/query/pagination."""


@dataclass(frozen=True, slots=True)
class Page:
    results: Sequence[Any]
    continuation: str | None
    charge: float


@dataclass(frozen=True, slots=True)
class _Row:
    place: list[Any]
    """Where it stands in the query's order: JSON, and comparable."""
    item: Item
    document: dict[str, Any]


@dataclass(slots=True)
class _Scan:
    """The items that match, in the query's order, and how many bytes were looked at to find them."""

    container: Container
    query: syntax.Query
    parameters: Mapping[str, Any]
    bytes: int = 0

    def rows(self, items: Iterable[Item], after: list[Any] | None) -> Iterator[_Row]:
        """Those behind a place; without an order no further than the caller asks."""
        where = None if self.query.where is None else compiled(self.query.where, self.parameters)
        order = None if self.query.order is None else compiled(self.query.order.expression, self.parameters)
        rows = self._matching(items, where, after if order is None else None)
        if order is None:
            yield from rows
            return
        is_descending = self.query.order is not None and not self.query.order.is_ascending
        placed = [_Row([sort_key(order(row.document)), *row.place], row.item, row.document) for row in rows]
        placed.sort(key=lambda row: row.place, reverse=is_descending)
        for row in placed:
            if after is None or (row.place < after if is_descending else row.place > after):
                yield row

    def _matching(self, items: Iterable[Item], where: Rule | None, after: list[Any] | None) -> Iterator[_Row]:
        for item in sorted(items, key=lambda item: item.number):
            place = [item.number]
            if after is not None and place <= after:
                continue
            self.bytes += item.size
            document = item.document(self.container)
            if where is None or where(document) is True:
                yield _Row(place, item, document)


def run(
    container: Container,
    query: syntax.Query,
    parameters: Mapping[str, Any],
    items: Iterable[Item],
    most: int,
    continuation: str | None,
) -> Page:
    """One page of at most so many results, or of a default number where `most` is not positive.

    Raises:
        Refusal: The query, a parameter or the continuation is not acceptable.
    """
    scan = _Scan(container, query, parameters)
    if query.aggregate is not None:
        value = _aggregated(query, query.aggregate, [row.document for row in scan.rows(items, None)])
        loaded = 0 if _is_served(container, query, query.aggregate.argument) else scan.bytes
        return Page([] if value is UNDEFINED else [value], None, charges.query(loaded))
    if query.order is not None and not container.policy.covers(_property(query.order.expression)):
        raise Refusal(400, f"The order-by item '{query.order.text}' is excluded from the container's indexing policy.")
    passed, after = (0, None) if continuation is None else _position(continuation)
    skipped, wanted = _limits(query, parameters)
    end = None if wanted is None else skipped + wanted
    limit = most if most > 0 else DEFAULT_PAGE_ITEMS
    page: list[_Row] = []
    following = None
    size = examined = 0
    try:
        for row in scan.rows(items, after):
            if end is not None and passed >= end:
                break
            if len(page) == limit or (page and size + row.item.size > LARGEST_PAGE_BYTES):
                following = _token(passed, page[-1].place)
                break
            passed += 1
            examined = scan.bytes
            if passed > skipped:
                page.append(row)
                size += row.item.size
    except TypeError as error:
        raise Refusal(400, f"The continuation {continuation!r} belongs to another query: {error}.") from None
    if following is None:
        examined = scan.bytes
    loaded = size if _is_served(container, query) else examined
    return Page(_projected(query, parameters, page), following, charges.query(loaded))


def plan(query: syntax.Query, parameters: Mapping[str, Any], features: str) -> Mapping[str, Any]:
    """What the client is to ask each partition, and how it puts the answers together.

    Source: the shape that `_PartitionedQueryExecutionInfo` of azure-cosmos reads.
    """
    top, offset, limit = (_number(part, parameters) for part in (query.top, query.offset, query.limit))
    take = top if top is not None else None if limit is None else (offset or 0) + limit
    where = f" WHERE {query.where_text}" if query.where_text else ""
    head = "" if take is None else f"TOP {take} "
    needed = {"Aggregate": query.aggregate, "OrderBy": query.order, "Top": query.top, "OffsetAndLimit": query.offset}
    supported = {feature.strip() for feature in features.split(",")}
    if missing := [name for name, clause in needed.items() if clause is not None and name not in supported]:
        raise Refusal(400, f"The client does not support {', '.join(missing)}.")
    if query.aggregate is not None:
        rewritten = f'SELECT VALUE [{{"item": {query.columns[0].text}}}] {query.source}{where}'
    elif query.order is not None:
        filtered = f"({query.where_text}) AND " if query.where_text else ""
        rewritten = (
            f'SELECT {head}{query.alias}._rid, [{{"item": {query.order.text}}}] AS orderByItems, '
            f"{_payload(query)} AS payload {query.source} "
            f"WHERE {filtered}({{documentdb-formattableorderbyquery-filter}}) "
            f"ORDER BY {query.order.text} {'ASC' if query.order.is_ascending else 'DESC'}"
        )
    else:
        listed = ", ".join(column.text for column in query.columns) or "*"
        selected = f"VALUE {query.columns[0].text}" if query.is_value else listed
        rewritten = f"SELECT {head}{selected} {query.source}{where}"
    orders = [] if query.order is None else ["Ascending" if query.order.is_ascending else "Descending"]
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": "None",
            "top": top,
            "offset": offset,
            "limit": limit,
            "orderBy": orders,
            "orderByExpressions": [] if query.order is None else [query.order.text],
            "groupByExpressions": [],
            "groupByAliases": [],
            "aggregates": [] if query.aggregate is None else [query.aggregate.function.capitalize()],
            "groupByAliasToAggregateType": {},
            "rewrittenQuery": rewritten,
            "hasSelectValue": query.is_value,
            "dCountInfo": None,
            "hasNonStreamingOrderBy": False,
        },
        "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
    }


def _payload(query: syntax.Query) -> str:
    if not query.columns:
        return query.alias
    if query.is_value:
        return query.columns[0].text
    if any(column.name is None or column.text.endswith(f" {column.name}") for column in query.columns):
        raise unsupported("ORDER BY over several partitions with an alias, or with a column that has no name")
    return "{" + ", ".join(f'"{column.name}": {column.text}' for column in query.columns) + "}"


def across(page: Page, range_number: int, is_last: bool) -> Page:
    """The page of a query over several physical partitions: the gateway answers for one after the other.

    An empty page with a continuation is no end then: the next partition may have more.
    """
    if is_last and page.continuation is None:
        return page
    inner = [range_number + 1, None] if page.continuation is None else [range_number, page.continuation]
    return replace(page, continuation=base64.b64encode(json.dumps(inner).encode()).decode())


def within(continuation: str | None) -> tuple[int, str | None]:
    """The physical partition that comes next, and the continuation inside of it."""
    if continuation is None:
        return 0, None
    range_number, inner = _position(continuation)
    return range_number, inner


def _position(continuation: str) -> tuple[int, Any]:
    try:
        first, second = json.loads(base64.b64decode(continuation, validate=True))
    except (ValueError, TypeError) as error:
        raise Refusal(400, f"Invalid Continuation Token {continuation!r}: {error}.") from None
    return first, second


def _token(passed: int, place: list[Any]) -> str:
    return base64.b64encode(json.dumps([passed, place]).encode()).decode()


def _limits(query: syntax.Query, parameters: Mapping[str, Any]) -> tuple[int, int | None]:
    """How many rows to skip, and how many to answer after them, over all pages."""
    top, offset, limit = (_number(part, parameters) for part in (query.top, query.offset, query.limit))
    if top is not None and limit is not None:
        raise Refusal(400, "TOP and OFFSET LIMIT cannot stand in one query.")
    return offset or 0, top if limit is None else limit


def _number(part: syntax.Expression | None, parameters: Mapping[str, Any]) -> int | None:
    if part is None:
        return None
    value = compiled(part, parameters)({})
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal(400, f"TOP, OFFSET and LIMIT take a whole number, not {value!r}.")
    return value


def _projected(query: syntax.Query, parameters: Mapping[str, Any], rows: Sequence[_Row]) -> list[Any]:
    if not query.columns:
        return [row.document for row in rows]
    rules = [compiled(column.expression, parameters) for column in query.columns]
    if query.is_value:
        return [value for row in rows if (value := rules[0](row.document)) is not UNDEFINED]
    names = [column.name or f"${position}" for position, column in enumerate(query.columns, start=1)]
    return [
        {name: value for name, rule in zip(names, rules, strict=True) if (value := rule(row.document)) is not UNDEFINED}
        for row in rows
    ]


def _aggregated(query: syntax.Query, aggregate: syntax.Aggregate, documents: Sequence[Mapping[str, Any]]) -> Any:
    rule = compiled(aggregate.argument, {})
    values = [value for document in documents if (value := rule(document)) is not UNDEFINED]
    total: Any
    if aggregate.function == "COUNT":
        total = len(values)
    elif any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        total = UNDEFINED
    else:
        total = sum(values)
    if isinstance(query.columns[0].expression, syntax.Aggregate):
        return total
    return [{} if total is UNDEFINED else {"item": total}]


def _is_served(container: Container, query: syntax.Query, *more: syntax.Expression) -> bool:
    """Whether the index alone can tell which items are meant (and, for an aggregate, the answer)."""
    key_paths = set(container.key_paths)
    parts = [*more, *([] if query.where is None else [query.where])]
    paths = {_property(path) for part in parts for path in _paths(part) if path.steps}
    return all(path in key_paths or container.policy.covers(path) for path in paths)


def _property(path: syntax.Path) -> tuple[str, ...]:
    return tuple("[]" if isinstance(step, int) else step for step in path.steps)


def _paths(whole: syntax.Expression) -> list[syntax.Path]:
    """All paths in an expression; not recursive, for a chain of a thousand ORs is nested as deep."""
    found: list[syntax.Path] = []
    waiting = [whole]
    while waiting:
        match waiting.pop():
            case syntax.Path() as path:
                found.append(path)
            case syntax.Call("ARRAY_CONTAINS", (syntax.Path(steps), *others)):
                waiting += [syntax.Path((*steps, 0)), *others]
            case syntax.Comparison(_, left, right) | syntax.Logical(_, left, right):
                waiting += [left, right]
            case syntax.Not(operand):
                waiting.append(operand)
            case syntax.In(operand, choices):
                waiting += [operand, *choices]
            case syntax.Call(_, arguments):
                waiting += arguments
            case syntax.ArrayOf(elements):
                waiting += elements
            case syntax.ObjectOf(members):
                waiting += [member for _, member in members]
            case syntax.Aggregate(_, argument):
                waiting.append(argument)
            case syntax.Literal() | syntax.Parameter():
                pass
    return found


def refuse_unplanned(query: syntax.Query) -> None:
    """The gateway puts no partitions' answers together; on this answer the SDK asks for a plan."""
    if query.needs_plan:
        message = "The provided cross partition query can not be directly served by the gateway."
        raise Refusal(400, message, substatus=1004)


def given_parameters(body: Any) -> Mapping[str, Any]:
    """Name to value."""
    if body.keys() - {"query", "parameters"}:
        raise unsupported(f"a query with {', '.join(body)}")
    return {parameter["name"]: parameter.get("value") for parameter in body.get("parameters") or []}
