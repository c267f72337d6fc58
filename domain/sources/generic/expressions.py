"""Expression: where something stands in JSON, in JMESPath; compiled when it is written, and evaluated within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

from domain.errors import RejectedError, TooLargeError
from domain.quoting import quote
from domain.sources.generic.words import shown, texts_of

LONGEST_EXPRESSION = 2_000

MOST_STEPS = 200_000
"""Of all expressions for one payload, in nodes visited; a thousand alerts with ten fields take some 50,000."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One JMESPath expression; `$.` before it asks the whole body, where others ask the alert's part of it.

    Raises:
        RejectedError: It is none, or none that could be evaluated.
    """

    text: str
    is_of_body: bool = field(init=False, compare=False)
    node: Any = field(init=False, repr=False, compare=False)
    path: tuple[str, ...] | None = field(init=False, repr=False, compare=False)
    """Where it is names with dots between them only, as most are: these names."""

    def __post_init__(self) -> None:
        body, path = self.text == "$" or self.text.startswith("$."), self.text
        if body:
            path = path[2:] or "@"
        object.__setattr__(self, "is_of_body", body)
        node = _compile(path)
        object.__setattr__(self, "node", node)
        object.__setattr__(self, "path", _path(node))


type Choice = tuple[Expression, ...]
"""Several expressions, of which the first counts that finds something; none finds nothing."""


class _Interpreter(TreeInterpreter):
    """Evaluates with a bound: a payload can hold a hundred thousand of what an expression goes through."""

    def __init__(self) -> None:
        super().__init__()
        self.left = MOST_STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooLargeError(f"the mapping takes more than {MOST_STEPS} steps for this body")
        return super().visit(node, *args, **kwargs)


class Search:
    """The expressions of one mapping asked about one body."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._interpreter = _Interpreter()
        self._of_body: dict[str, Any] = {}
        self._texts: dict[str, str] = {}

    def value(self, expression: Expression, entry: Any) -> Any:
        """What it finds, or None.

        Raises:
            ValueError: It cannot be evaluated on what is there.
        """
        if expression.path is not None:
            # As the interpreter does it, in a tenth of the time.
            value = self._body if expression.is_of_body else entry
            for name in expression.path:
                if not isinstance(value, dict):
                    return None
                value = value.get(name)
            return value
        if expression.is_of_body and expression.text in self._of_body:
            return self._of_body[expression.text]
        try:
            found = self._interpreter.visit(expression.node, self._body if expression.is_of_body else entry)
        except (JMESPathError, ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as error:
            # The library lets some of Python's own errors pass, as when a text is compared with a number.
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{quote(expression.text[:100])} cannot be evaluated: {reason}") from None
        if expression.is_of_body:
            self._of_body[expression.text] = found
        return found

    def first(self, choice: Choice, entry: Any) -> tuple[Expression | None, Any]:
        """The first expression that finds something, and that."""
        for expression in choice:
            found = self.value(expression, entry)
            if found is not None and found != "":
                return expression, found
        return None, None

    def text(self, choice: Choice, entry: Any) -> str:
        """As a text: numbers as they are written, objects as JSON; of a list of texts and numbers these, sorted."""
        expression, found = self.first(choice, entry) if choice else (None, None)
        if expression is None:
            return ""
        if isinstance(found, str):
            return found
        if not expression.is_of_body:
            return shown(found)
        # Each alert of a body would write down all of it.
        if expression.text not in self._texts:
            self._texts[expression.text] = shown(found)
        return self._texts[expression.text]

    def texts(self, choices: Mapping[str, Choice] | Choice, entry: Any) -> dict[str, str]:
        """By name, what each finds; or the texts and numbers of the object that one finds."""
        if isinstance(choices, Mapping):
            return {name: text for name, choice in choices.items() if (text := self.text(choice, entry))}
        _, found = self.first(choices, entry)
        return texts_of(found)


def _compile(path: str) -> Any:
    if len(path) > LONGEST_EXPRESSION:
        raise RejectedError(f"an expression of {len(path)} characters is too long: at most {LONGEST_EXPRESSION}")
    try:
        parsed = Parser().parse(path)
    except JMESPathError as error:
        raise RejectedError(f"{quote(path[:100])} is no JMESPath expression: {_reason(error)}") from None
    except (RecursionError, ValueError, IndexError, KeyError, TypeError) as error:
        raise RejectedError(f"{quote(path[:100])} is no JMESPath expression: nested too deeply, or cut off") from error
    for fault in _faults(parsed.parsed):
        raise RejectedError(f"{quote(path[:100])} cannot be evaluated: {fault}")
    return parsed.parsed


def _path(node: Any) -> tuple[str, ...] | None:
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    names: list[str] = []
    for child in node["children"]:
        if (inner := _path(child)) is None:
            return None
        names += inner
    return tuple(names)


def _faults(node: Any) -> Iterator[str]:
    """What the library finds out only when it evaluates the expression."""
    children = node["children"]
    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            yield f"JMESPath has no function {quote(node['value'])}"
        else:
            signature = known["signature"]
            is_variadic = bool(signature) and bool(signature[-1].get("variadic"))
            if len(children) < len(signature) or (len(children) > len(signature) and not is_variadic):
                least = "at least " if is_variadic else ""
                yield f"{node['value']}() takes {least}{len(signature)} arguments, not {len(children)}"
    elif node["type"] == "slice" and len(children) > 2 and children[2] == 0:
        yield "a slice's step cannot be 0"
    for child in children:
        if isinstance(child, dict):
            yield from _faults(child)


def _reason(error: JMESPathError) -> str:
    """The first line: the library repeats the expression with a mark beneath the place."""
    words = " ".join(str(error).splitlines()[0].split()).partition(": Parse error at")[0].rstrip(":")
    place = getattr(error, "lex_position", None)
    return words[:200] if place is None else f"{words[:200]}, at character {place + 1}"
