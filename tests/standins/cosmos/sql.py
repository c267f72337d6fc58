"""Parsing: text of the subset of Cosmos DB's SQL that the stand-in understands, into its tree.

Source: https://learn.microsoft.com/azure/cosmos-db/nosql/query/, and the grammar of the .NET SDK, sql.g4 in
Microsoft.Azure.Cosmos/src/Query/Core/Parser.  Whatever is outside the subset is refused by name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from tests.standins.cosmos.refusals import Refusal, unsupported
from tests.standins.cosmos.syntax import (
    Aggregate,
    ArrayOf,
    Call,
    Column,
    Comparison,
    Expression,
    In,
    Literal,
    Logical,
    Not,
    ObjectOf,
    Order,
    Parameter,
    Path,
    Query,
)

FUNCTIONS = {"IS_DEFINED": (1, 1), "ARRAY_CONTAINS": (2, 2), "STARTSWITH": (2, 2)}
"""Name to the least and the most arguments."""
AGGREGATES = ("COUNT", "SUM")
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
KEYWORDS = frozenset(
    """
    AND ARRAY AS ASC BETWEEN BY DESC DISTINCT ESCAPE EXISTS FALSE FROM GROUP IN JOIN LEFT LIKE LIMIT NOT NULL OFFSET OR
    ORDER RANK RIGHT SELECT TOP TRUE UDF UNDEFINED VALUE WHERE
    """.strip().split()
)
"""None of them names a property after a dot: `c.group` is a syntax error, `c["group"]` is not."""
REFUSED = frozenset({"DISTINCT", "JOIN", "GROUP", "LIKE", "BETWEEN", "EXISTS", "ARRAY", "UDF", "UNDEFINED"})


_TOKEN = re.compile(
    r"""\s+
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<parameter>@\w+)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign><=|>=|!=|[=<>(),.\[\]{}:*])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@lru_cache(maxsize=512)
def parse(text: str) -> Query:
    """The whole statement.

    Raises:
        Refusal: 400 where it is no SQL, 501 where it is outside the subset.
    """
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


@lru_cache(maxsize=512)
def parse_condition(text: str) -> Expression:
    """The condition of a patch, such as `from c where c.n = 1`."""
    parser = _Parser(text)
    parser.source()
    parser.expect("WHERE")
    condition = parser.expression()
    parser.end()
    return condition


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._alias = ""

    # --- clauses ----------------------------------------------------------------------------------------------------

    def query(self) -> Query:
        self.expect("SELECT")
        # What is selected names the alias that only FROM declares, so FROM is read first.
        selected_at = self._at
        self._skip_to("FROM")
        source = self.source()
        after = self._at
        self._at = selected_at
        top = self._operand() if self._accept("TOP") else None
        is_value = self._accept("VALUE")
        columns = () if self._accept("*") else self._columns()
        if is_value and len(columns) != 1:
            raise _syntax_error("VALUE with several expressions")
        if not self._is("FROM"):
            raise _syntax_error(self._next.text)
        self._at = after
        where, where_text = self._spanned() if self._accept("WHERE") else (None, "")
        order = self._order() if self._accept("ORDER") else None
        offset = limit = None
        if self._accept("OFFSET"):
            offset = self._operand()
            self.expect("LIMIT")
            limit = self._operand()
        query = Query(self._alias, source, columns, is_value, where, where_text, order, top, offset, limit)
        _refuse_misplaced_aggregates(query)
        return query

    def source(self) -> str:
        """Reads FROM; everything after may name the alias."""
        start = self._next.start
        self.expect("FROM")
        self._alias = self._word()
        if self._accept("AS") or (self._next.kind == "word" and self._next.text.upper() not in KEYWORDS):
            self._alias = self._word()
        if self._is(".") or self._is("[") or self._is("IN") or self._is(","):
            raise unsupported("FROM with anything but an alias")
        return self._text_since(start)

    def end(self) -> None:
        if self._next.kind != "end":
            raise _syntax_error(self._next.text)

    def _columns(self) -> tuple[Column, ...]:
        columns = [self._column()]
        while self._accept(","):
            columns.append(self._column())
        return tuple(columns)

    def _column(self) -> Column:
        start = self._next.start
        expression = self.expression()
        name = expression.steps[-1] if isinstance(expression, Path) and expression.steps else None
        if self._accept("AS"):
            name = self._word()
        return Column(expression, name if isinstance(name, str) else None, self._text_since(start))

    def _order(self) -> Order:
        self.expect("BY")
        expression, text = self._spanned()
        if not isinstance(expression, Path) or not expression.steps:
            raise unsupported(f"ORDER BY {text}")
        is_ascending = not self._accept("DESC") and (self._accept("ASC") or True)
        if self._is(","):
            raise unsupported("ORDER BY more than one property")
        return Order(expression, is_ascending, text)

    # --- expressions ------------------------------------------------------------------------------------------------

    def expression(self) -> Expression:
        left = self._conjunction()
        while self._accept("OR"):
            left = Logical("OR", left, self._conjunction())
        return left

    def _conjunction(self) -> Expression:
        left = self._negation()
        while self._accept("AND"):
            left = Logical("AND", left, self._negation())
        return left

    def _negation(self) -> Expression:
        if not self._accept("NOT"):
            return self._comparison()
        operand = self._operand()
        if self._next.text in OPERATORS or self._is("IN"):
            # The service's NOT binds tighter than a comparison, unlike that of other SQLs.
            raise unsupported("NOT before a comparison: put the comparison into parentheses")
        return Not(operand)

    def _comparison(self) -> Expression:
        left = self._operand()
        if self._is("NOT"):  # `a NOT IN (...)`
            self._at += 1
            self.expect("IN")
            return Not(In(left, self._list("(", ")")))
        if self._accept("IN"):
            return In(left, self._list("(", ")"))
        if self._next.text in OPERATORS:
            return Comparison(self._take().text, left, self._operand())
        return left

    def _operand(self) -> Expression:
        token = self._take()
        match token.kind, token.text.upper():
            case "number", _:
                return Literal(json.loads(token.text))
            case "string", _:
                return Literal(_unquoted(token.text))
            case "parameter", _:
                return Parameter(token.text)
            case "sign", "(":
                inner = self.expression()
                self.expect(")")
                return inner
            case "sign", "[":
                self._at -= 1
                return ArrayOf(self._list("[", "]"))
            case "sign", "{":
                return self._object()
            case "word", "TRUE" | "FALSE" | "NULL" if token.text.islower():
                return Literal(json.loads(token.text))
            case "word", name if self._is("("):
                return self._call(name)
            case "word", _ if token.text == self._alias:
                return self._path()
            case "word", name if name not in KEYWORDS:
                raise Refusal(400, f"Identifier '{token.text}' could not be resolved.")
            case _:
                raise _syntax_error(token.text)

    def _path(self) -> Path:
        steps: list[str | int] = []
        while True:
            if self._accept("."):
                steps.append(self._word())
            elif self._accept("["):
                step = self._operand()
                if not isinstance(step, Literal) or not isinstance(step.value, str | int):
                    raise unsupported("an index that is no literal")
                steps.append(step.value)
                self.expect("]")
            else:
                return Path(tuple(steps))

    def _object(self) -> ObjectOf:
        members: list[tuple[str, Expression]] = []
        while not self._accept("}"):
            name = self._take()
            if name.kind != "string":
                raise _syntax_error(name.text)
            self.expect(":")
            members.append((_unquoted(name.text), self.expression()))
            if not self._is("}"):
                self.expect(",")
        return ObjectOf(tuple(members))

    def _call(self, name: str) -> Expression:
        if name in AGGREGATES:
            arguments = self._list("(", ")")
            match name, arguments:
                case "COUNT", (Literal(value=1) as one,):
                    return Aggregate(name, one)
                case "SUM", (Path() as path,):
                    return Aggregate(name, path)
                case _:
                    raise unsupported(f"{name} of anything but COUNT(1) and SUM(a path)")
        if name not in FUNCTIONS:
            raise unsupported(f"the function {name}")
        arguments = self._list("(", ")")
        least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise unsupported(f"{name} with {len(arguments)} arguments")
        return Call(name, arguments)

    def _list(self, opening: str, closing: str) -> tuple[Expression, ...]:
        self.expect(opening)
        elements: list[Expression] = []
        while not self._accept(closing):
            elements.append(self.expression())
            if not self._is(closing):
                self.expect(",")
        return tuple(elements)

    # --- tokens -----------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> _Token:
        end = len(self._text)
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("end", "", end, end)

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _is(self, text: str) -> bool:
        token = self._next
        return token.kind in ("word", "sign") and token.text.upper() == text

    def _accept(self, text: str) -> bool:
        found = self._is(text)
        self._at += found
        return found

    def expect(self, text: str) -> None:
        if not self._accept(text):
            raise _syntax_error(self._next.text)

    def _word(self) -> str:
        """An identifier, which no keyword is."""
        if self._next.kind != "word" or self._next.text.upper() in KEYWORDS:
            raise _syntax_error(self._next.text, is_name=True)
        return self._take().text

    def _spanned(self) -> tuple[Expression, str]:
        start = self._next.start
        return self.expression(), self._text_since(start)

    def _text_since(self, start: int) -> str:
        return self._text[start : self._tokens[self._at - 1].end]

    def _skip_to(self, word: str) -> None:
        depth = 0
        while depth or not self._is(word):
            token = self._take()
            if token.kind == "end":
                raise unsupported("a SELECT without FROM")
            depth += (token.text in "([{") - (token.text in ")]}") if token.kind == "sign" else 0


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _syntax_error(text[at : at + 10])
        at = found.end()
        if found.lastgroup is not None:
            tokens.append(_Token(found.lastgroup, found.group(), found.start(), at))
    return tokens


def _unquoted(text: str) -> str:
    body = text[1:-1]
    if text[0] == "'":  # JSON knows the other quote only
        body = body.replace("\\'", "'").replace('"', '\\"')
    return str(json.loads(f'"{body}"'))


def _refuse_misplaced_aggregates(query: Query) -> None:
    if query.aggregate is None and any(isinstance(column.expression, Aggregate) for column in query.columns):
        raise unsupported("an aggregate beside others, or without VALUE")
    if query.aggregate is not None and (query.order or query.top or query.offset):
        raise unsupported("an aggregate with ORDER BY, TOP or OFFSET")


def _syntax_error(near: str, *, is_name: bool = False) -> Refusal:
    """The service's words; where what stands there is valid outside of the subset, the stand-in's."""
    if near.upper() in REFUSED and not is_name:
        return unsupported(near.upper())
    hint = f'; a keyword names no property, c["{near}"] does' if near.upper() in KEYWORDS else ""
    message = (
        f"Syntax error, incorrect syntax near '{near or 'end of query'}' (or outside the stand-in's subset{hint})."
    )
    return Refusal(400, json.dumps({"errors": [{"severity": "Error", "code": "SC1001", "message": message}]}))
