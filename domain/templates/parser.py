"""The grammar of templates: a text in, its definitions out, or an error that names the place.

Functions and variables must exist when they are read, as in Go; everything else that can be known is `checking`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from domain.quoting import quote
from domain.templates.constants import character_code, number, unquoted
from domain.templates.lexer import Kind, Source, Token, tokens
from domain.templates.nodes import (
    Action,
    Call,
    Chain,
    Command,
    Definition,
    Dot,
    Field,
    Function,
    If,
    Jump,
    Limits,
    Literal,
    Nil,
    Node,
    Nodes,
    Operand,
    Pipeline,
    Place,
    Range,
    TemplateLimitError,
    Text,
    Variable,
    With,
)

_MOST_VARIABLES = 250

_KEYWORDS = frozenset(["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"])


@dataclass(slots=True)
class _Block:
    """What is being read between an opening and its `end` or `else`."""

    nodes: list[Node] = field(default_factory=list)
    ending: str = ""
    """The word that ended it: `end`, `else`, or nothing at the end of the text."""


class Parser:
    """Reads one text; a parser is used once."""

    def __init__(self, source: Source, functions: Collection[str], limits: Limits) -> None:
        self._source = source
        self._functions = functions
        self._limits = limits
        self._tokens: Iterator[Token] = tokens(source)
        self._pushed: list[Token] = []
        self._token = Token("end", "", 0)
        self._before = self._token
        self._variables = ["$"]
        self._nesting = 0
        self._ranges = 0
        self._definitions: dict[str, Definition] = {}

    def read(self) -> tuple[Definition, dict[str, Definition]]:
        """The text itself, under its own name, and the definitions in it.

        Raises:
            TemplateError: It cannot be read.
        """
        if len(self._source.text) > self._limits.source:
            problem = f"a template has at most {self._limits.source} characters, not {len(self._source.text)}"
            raise TemplateLimitError(self._source.place(0), problem)
        self._next()
        block = self._block(is_top=True)
        return Definition(self._source.place(0), self._source.name, tuple(block.nodes)), self._definitions

    # ---- Statements ----

    def _block(self, *, is_top: bool = False) -> _Block:
        block = _Block()
        while self._token.kind != "end":
            token = self._token
            self._next()
            if token.kind == "text":
                block.nodes.append(Text(self._source.place(token.offset), token.text))
                continue
            self._skip_space()
            place = self._source.place(token.offset)
            word = self._token.text if self._token.kind == "word" else ""
            if word in ("end", "else") and not is_top:
                self._next()
                block.ending = word
                return block
            if word == "define" and is_top:
                self._define(place)
            else:
                block.nodes.append(self._statement(place, word))
        return block

    def _statement(self, place: Place, word: str) -> Node:
        if word not in _KEYWORDS:
            pipeline = self._pipeline("close", "the action")
            return Action(place, pipeline)
        offset = self._token.offset
        self._next()
        match word:
            case "if" | "with" | "range":
                return self._control(place, word)
            case "template":
                name = self._name("template")
                self._skip_space()
                if self._token.kind != "close":
                    return Call(place, name, self._pipeline("close", "the call"))
                self._next()
                return Call(place, name, None)
            case "block":
                return self._define_here(place)
            case "break" | "continue" if self._ranges:
                self._close(word)
                return Jump(place, word == "break")
            case "break" | "continue":
                raise self._source.error(offset, f"{word} outside of range")
            case "define":
                raise self._source.error(offset, "a template is defined only outside of blocks")
            case _:
                raise self._source.error(offset, f"unexpected {word}: no block is open")

    def _control(self, place: Place, word: str) -> Node:
        self._enter(place)
        known = len(self._variables)
        pipeline = self._pipeline("close", word, most_variables=2 if word == "range" else 1)
        self._ranges += word == "range"
        inside = len(self._variables)
        block = self._block()
        self._ranges -= word == "range"
        del self._variables[inside:]
        otherwise: Nodes = ()
        ending = block.ending
        if ending == "else":
            self._skip_space()
            inner = self._token.text if self._token.kind == "word" else ""
            # `else if` and `else with` share the `end` of what they continue.
            if (word, inner) in {("if", "if"), ("with", "with"), ("if", "with"), ("with", "if")}:
                inner_place = self._source.place(self._token.offset)
                self._next()
                otherwise, ending = (self._control(inner_place, inner),), "end"
                del self._variables[known:]
                self._nesting -= 1
                return _controls(word)(place, pipeline, tuple(block.nodes), otherwise)
            self._close("else")
            rest = self._block()
            otherwise, ending = tuple(rest.nodes), rest.ending
            if ending == "else":
                raise self._source.error(self._before.offset, f"this {word} has an else already")
        if ending != "end":
            raise self._unclosed(place, word)
        self._close("end")
        del self._variables[known:]
        self._nesting -= 1
        return _controls(word)(place, pipeline, tuple(block.nodes), otherwise)

    def _define(self, place: Place) -> None:
        self._next()
        name = self._name("define")
        self._close("define")
        self._add(self._body(place, name, "define"))

    def _define_here(self, place: Place) -> Node:
        """A block: a definition, and a call of it."""
        name = self._name("block")
        pipeline = self._pipeline("close", "block")
        self._add(self._body(place, name, "block"))
        return Call(place, name, pipeline)

    def _body(self, place: Place, name: str, word: str) -> Definition:
        self._enter(place)
        variables, ranges = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        block = self._block()
        if block.ending == "else":
            raise self._source.error(self._before.offset, f"unexpected else in {word}")
        if not block.ending:
            raise self._unclosed(place, word)
        self._close("end")
        self._variables, self._ranges = variables, ranges
        self._nesting -= 1
        return Definition(place, name, tuple(block.nodes))

    def _add(self, definition: Definition) -> None:
        known = self._definitions.get(definition.name)
        if known is None or known.is_empty:
            self._definitions[definition.name] = definition
        elif not definition.is_empty:
            # Its text may begin at another line of the same file, so the place is told, not only the line.
            problem = f"the template {quote(definition.name)} is defined already, at {known.place}"
            raise self._source.error(self._before.offset, problem)

    def _name(self, word: str) -> str:
        self._skip_space()
        token = self._token
        if token.kind not in ("string", "raw"):
            raise self._source.error(token.offset, f"{word} needs a name between quotes")
        self._next()
        return unquoted(self._source, token)

    # ---- Pipelines ----

    def _pipeline(self, end: Kind, what: str, *, most_variables: int = 1) -> Pipeline:
        self._skip_space()
        first = self._token
        variables, is_assignment = self._targets(end, most_variables)
        commands: list[Command] = []
        while True:
            self._skip_space()
            token = self._token
            if token.kind == end and not commands:
                raise self._source.error(token.offset, f"{what} has no value")
            command = self._command(what)
            if commands and isinstance(command.operands[0], Literal | Nil | Dot):
                raise self._source.error(token.offset, "a stage after | must be a function or a method")
            commands.append(command)
            if self._token.kind == "pipe":
                self._next()
                continue
            if self._token.kind != end:
                raise self._unexpected(what)
            self._next()
            break
        # Only now, because the value is not yet in the scope of its own variable.
        if not is_assignment:
            self._variables.extend(variables)
            if len(self._variables) > _MOST_VARIABLES:
                problem = f"more than {_MOST_VARIABLES} variables are in use at once"
                raise TemplateLimitError(self._source.place(first.offset), problem)
        return Pipeline(self._source.place(first.offset), tuple(commands), variables, is_assignment)

    def _targets(self, end: Kind, most: int) -> tuple[tuple[str, ...], bool]:
        """The variables that the pipeline is assigned to, if it begins with any, and whether they exist already."""
        names: list[str] = []
        started = self._token
        while (token := self._token).kind == "variable":
            self._next()
            is_spaced = self._token.kind == "space"
            self._skip_space()
            if self._token.kind in ("declare", "assign"):
                is_assignment = self._token.kind == "assign"
                if end != "close":
                    raise self._source.error(token.offset, "a variable is not assigned between parentheses")
                if token.text == "$":
                    raise self._source.error(token.offset, "$ is not assigned")
                self._next()
                names.append(token.text)
                if is_assignment:
                    for name in names:
                        self._use(name, started.offset)
                return tuple(names), is_assignment
            if self._token.kind == "comma" and len(names) + 1 < most:
                self._next()
                self._skip_space()
                names.append(token.text)
                continue
            if self._token.kind == "comma":
                raise self._source.error(self._token.offset, "only range assigns two variables")
            # No assignment after all: the variable is the first operand.
            self._put_back(token, is_spaced=is_spaced)
            break
        if names:
            raise self._unexpected("the assignment")
        return (), False

    def _put_back(self, token: Token, *, is_spaced: bool) -> None:
        following = [Token("space", " ", self._token.offset), self._token] if is_spaced else [self._token]
        self._pushed.extend(reversed(following))
        self._token = token

    def _command(self, what: str) -> Command:
        place = self._source.place(self._token.offset)
        operands: list[Operand] = []
        while True:
            self._skip_space()
            if self._token.kind in ("pipe", "close", "right"):
                break
            operands.append(self._operand(what))
            if self._token.kind not in ("space", "pipe", "close", "right"):
                raise self._unexpected(what)
        if not operands:
            raise self._source.error(self._token.offset, "a command is missing")
        first = operands[0]
        if isinstance(first, Nil) and len(operands) == 1:
            raise self._source.error(self._before.offset, "nil is no command")
        if len(operands) > 1 and isinstance(first, Literal | Nil | Dot | Pipeline):
            raise self._source.error(self._before.offset, "only functions and methods take arguments")
        return Command(place, tuple(operands))

    def _operand(self, what: str) -> Operand:
        token = self._token
        place = self._source.place(token.offset)
        term = self._term(token, place, what)
        names: list[str] = []
        while self._token.kind == "field":
            names.append(self._token.text[1:])
            self._next()
        if self._token.kind == "dot":
            raise self._source.error(self._token.offset, "a name must follow the dot")
        if not names:
            return term
        match term:
            case Field(_, begun):
                return Field(place, (*begun, *names))
            case Variable(_, name):
                return Variable(place, name, tuple(names))
            case Pipeline():
                return Chain(place, term, tuple(names))
            case Function(_, name):
                raise self._source.error(
                    token.offset, f"write ({name} …).{names[0]} for a field of what {name} returns"
                )
            case _:
                raise self._source.error(token.offset, f"{token.text} has no fields")

    def _term(self, token: Token, place: Place, what: str) -> Operand:
        self._next()
        match token.kind:
            case "word":
                return self._word(token, place)
            case "dot":
                return Dot(place)
            case "field":
                return Field(place, (token.text[1:],))
            case "variable":
                self._use(token.text, token.offset)
                return Variable(place, token.text, ())
            case "string" | "raw":
                return Literal(place, unquoted(self._source, token))
            case "char":
                return Literal(place, character_code(self._source, token))
            case "number":
                return Literal(place, number(self._source, token))
            case "left":
                self._enter(place)
                pipeline = self._pipeline("right", "the parenthesis")
                self._nesting -= 1
                return pipeline
            case _:
                self._token = token
                raise self._unexpected(what)

    def _word(self, token: Token, place: Place) -> Operand:
        match token.text:
            case "true" | "false":
                return Literal(place, token.text == "true")
            case "nil":
                return Nil(place)
            case "call":
                raise self._source.error(token.offset, "call is refused: there are no values to call")
            case word if word in _KEYWORDS:
                raise self._source.error(token.offset, f"unexpected {word}")
            case word if word not in self._functions:
                raise self._source.error(token.offset, f"function {quote(word)} is not known")
            case word:
                return Function(place, word)

    def _use(self, name: str, offset: int) -> None:
        if name not in self._variables:
            raise self._source.error(offset, f"the variable {name} is not declared")

    # ---- Tokens ----

    def _next(self) -> None:
        self._before = self._token
        self._token = self._pushed.pop() if self._pushed else next(self._tokens)

    def _skip_space(self) -> None:
        while self._token.kind == "space":
            before = self._before
            self._next()
            self._before = before

    def _close(self, word: str) -> None:
        self._skip_space()
        if self._token.kind != "close":
            raise self._unexpected(word)
        self._next()

    def _enter(self, place: Place) -> None:
        self._nesting += 1
        if self._nesting > self._limits.nesting:
            raise TemplateLimitError(place, f"blocks and parentheses nest deeper than {self._limits.nesting}")

    def _unexpected(self, what: str) -> Exception:
        token = self._token
        shown = {"close": "the end of the action", "right": ")"}.get(token.kind, quote(token.text))
        return self._source.error(token.offset, f"unexpected {shown} in {what}")

    def _unclosed(self, place: Place, word: str) -> Exception:
        return self._source.error(self._token.offset, f"the end of {word} is missing, which began at {place}")


def _controls(word: str) -> type[If | With | Range]:
    return {"if": If, "with": With, "range": Range}[word]  # type: ignore[return-value]


def parse(
    name: str, text: str, functions: Collection[str], limits: Limits, line: int = 1
) -> tuple[Definition, dict[str, Definition]]:
    """The text itself as a definition, and the definitions in it by their names.

    Args:
        name: What errors call the text.
        text: A template's text.
        functions: The names of the functions that there are.
        limits: How long the text may be, and how deep it may nest.
        line: The line of the file that the text begins at.

    Raises:
        TemplateError: It cannot be read; the message names the place.
    """
    if "{{" not in text and len(text) <= limits.source:
        place = Place(name, line, 1)
        body: Nodes = (Text(place, text),) if text else ()
        return Definition(place, name, body), {}
    return Parser(Source(name, text, line), functions, limits).read()
