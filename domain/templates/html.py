"""HTML: where in a page each action of a template prints, and so how its value must be escaped.

The pass reads the text between the actions as a browser would, and follows it through branches and called templates.
A template that is called at several kinds of places gets a copy for each.  What cannot be made safe is refused: actions
in scripts, style sheets, names of tags and attributes, and wherever two branches end at different kinds of places.
Comments are left out of the output, because browsers differ in what they read in them.

Source: `html/template` in Go, which does the same with more kinds of places.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from domain.quoting import quote
from domain.templates.html_attributes import SPECIAL_ELEMENTS, Attribute, address, kind_of, style
from domain.templates.nodes import (
    Action,
    Call,
    Definition,
    If,
    Jump,
    Node,
    Nodes,
    Place,
    Range,
    TemplateError,
    TemplateLimitError,
    Text,
    With,
)

type Where = Literal[
    "text", "tag", "name", "after name", "before value", "value", "comment", "rcdata", "raw", "nowhere"
]
_DEEPEST = 100

_RAW = frozenset(["script", "style", "iframe", "noscript", "noembed", "noframes", "xmp", "plaintext"])
_RCDATA = frozenset(["title", "textarea"])
_ELEMENTS = _RAW | _RCDATA | SPECIAL_ELEMENTS
"""The elements that matter; all others are alike."""

_TAG_NAME = re.compile(r"</?([A-Za-z][^\s/>]*)")
_SPACE = re.compile(r"[ \t\n\f\r/]*")
_ATTRIBUTE_NAME = re.compile(r"[^ \t\n\f\r/>='\"<]+")
_BARE_END = re.compile(r"[ \t\n\f\r>]")
_COMMENT_END = re.compile(r"--!?>")


@dataclass(frozen=True, slots=True)
class Context:
    """The kind of place that a page is at."""

    where: Where = "text"
    element: str = ""
    """The element whose tag or content this is, where that matters: script, style, title, textarea."""
    attribute: Attribute = ""
    quote: str = ""
    """What ends the attribute's value; empty for a value without quotes."""
    seen: str = ""
    """How much of an address or a style is already there; see `html_attributes`."""


_NOWHERE = Context("nowhere")
"""After a `break` or `continue`: nothing is printed there."""


class Escaper:
    """Chooses the escaping of all actions of one template, and of those that it calls."""

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self._definitions = definitions
        self._ends: dict[tuple[str, Context], Context] = {}
        self._open: set[tuple[str, Context]] = set()
        self._assumed: set[tuple[str, Context]] = set()
        self.bodies: dict[tuple[str, object], Nodes] = {}
        """The called templates, escaped, by their names and contexts."""
        self._jumps: list[list[tuple[bool, Context]]] = []
        """For every range that is open, where its jumps stand, and whether they leave it."""

    def escape(self, definition: Definition) -> Nodes:
        """The template with every action's escaping.

        Raises:
            TemplateError: An action stands where no value can be made safe, or the page does not end in text.
        """
        nodes, end = self._nodes(definition.body, Context())
        if end.where != "text":
            raise TemplateError(definition.place, f"the page ends inside of {_words(end)}")
        return nodes

    def _nodes(self, nodes: Nodes, context: Context) -> tuple[Nodes, Context]:
        escaped: list[Node] = []
        for node in nodes:
            context = self._node(node, context, escaped)
        return tuple(escaped), context

    def _node(self, node: Node, context: Context, escaped: list[Node]) -> Context:
        match node:
            case Text(place, text):
                text, context = _Reader(place, text, context).read()
                escaped.append(Text(place, text))
            case Action(place, pipeline):
                if not pipeline.variables:
                    context, escape = _escape(place, context)
                    node = replace(node, escape=escape)
                escaped.append(node)
            case If() | With():
                body, end = self._nodes(node.body, context)
                otherwise, other_end = self._nodes(node.otherwise, context)
                escaped.append(replace(node, body=body, otherwise=otherwise))
                context = _joined(node.place, end, other_end)
            case Range():
                context = self._range(node, context, escaped)
            case Call():
                called = self._call(node, context)
                escaped.append(replace(node, context=context))
                context = called
            case Jump():
                self._jumps[-1].append((node.is_break, context))
                escaped.append(node)
                context = _NOWHERE
        return context

    def _range(self, node: Range, context: Context, escaped: list[Node]) -> Context:
        body, next_turn, left = self._turn(node, context)
        if next_turn != context:  # the second turn begins elsewhere than the first
            body, next_turn, left = self._turn(node, next_turn)
        otherwise, other_end = self._nodes(node.otherwise, context)
        escaped.append(replace(node, body=body, otherwise=otherwise))
        for end in (next_turn, *left):
            other_end = _joined(node.place, other_end, end)
        return other_end

    def _turn(self, node: Range, context: Context) -> tuple[Nodes, Context, list[Context]]:
        """The body, where the next turn begins if there is one, and where the loop is left by `break`."""
        self._jumps.append([])
        body, end = self._nodes(node.body, context)
        jumps = self._jumps.pop()
        for one in (end, *(at for is_break, at in jumps if not is_break)):
            context = _joined(node.place, context, one)
        return body, context, [at for is_break, at in jumps if is_break]

    def _call(self, node: Call, context: Context) -> Context:
        key = (node.name, context)
        if key in self._open:
            # One that calls itself is taken to end where it begins, until that is known.
            self._assumed.add(key)
            return context
        if key in self._ends:
            return self._ends[key]
        if len(self._open) >= _DEEPEST:
            raise TemplateLimitError(node.place, f"templates call one another deeper than {_DEEPEST}")
        self._open.add(key)
        self.bodies[key], end = self._nodes(self._definitions[node.name].body, context)
        self._open.remove(key)
        if end != context and key in self._assumed:
            problem = f"the template {quote(node.name)} calls itself and ends in {_words(end)}"
            raise TemplateError(node.place, problem)
        self._ends[key] = end
        return end


def _joined(place: Place, one: Context, other: Context) -> Context:
    """Where the page is after either of two branches."""
    if one == other or other.where == "nowhere":
        return one
    if one.where == "nowhere":
        return other
    wheres = {one.where, other.where}
    if one.element == other.element and wheres <= {"tag", "name", "after name"}:
        # A name that only one of them has gets no value, so nothing hangs on which it is.
        return Context("name" if "name" in wheres else "tag", one.element)
    if replace(one, seen="") == replace(other, seen=""):
        return replace(one, seen="script" if "script" in (one.seen, other.seen) else "either")
    raise TemplateError(place, f"the branches end at different places: {_words(one)} and {_words(other)}")


def _escape(place: Place, context: Context) -> tuple[Context, str]:
    """How a value is escaped there, and where the page is after it."""
    match context.where:
        case "text" | "rcdata":
            return context, context.where
        case "comment" | "nowhere":
            return context, "nothing"
        case "before value":
            context = replace(context, where="value", quote="")
            return context, _in_value(place, context)
        case "value":
            return context, _in_value(place, context)
        case _:
            raise TemplateError(place, f"an action cannot be made safe inside of {_words(context)}")


def _in_value(place: Place, context: Context) -> str:
    bare = "" if context.quote else "bare "
    match context.attribute, context.seen:
        case "plain", _:
            return bare.strip() or "attribute"
        case "url", "" | "part" | "query" as seen:
            return f"{bare}url {seen or 'start'}"
        case "style", "":
            return f"{bare}style"
        case "url", "script":
            raise TemplateError(place, "an action cannot be made safe in an address that runs a script")
        case "url" | "style", _:
            raise TemplateError(place, f"it is not certain what an action would be in this {_words(context)}")
        case _:
            raise TemplateError(place, f"an action cannot be made safe inside of {_words(context)}")


def _words(context: Context) -> str:
    match context.where:
        case "text":
            return "text"
        case "raw" | "rcdata":
            return f"<{context.element}>"
        case "comment":
            return "a comment"
        case "value" | "before value":
            kind = {"url": "an address", "style": "a style", "refused": "a script"}.get(context.attribute, "a value")
            return f"{kind} of an attribute"
        case _:
            return "a tag"


class _Reader:
    """Reads one piece of text from one context to the next; comments are dropped on the way."""

    def __init__(self, place: Place, text: str, context: Context) -> None:
        self._place = place
        self._text = text
        self._context = context
        self._position = 0
        self._kept: list[str] = []
        self._readers: dict[Where, Callable[[], str | None]] = {
            "text": self._read_text,
            "comment": self._read_comment,
            "tag": self._read_tag,
            "name": self._read_name,
            "after name": self._read_after_name,
            "before value": self._read_before_value,
            "value": self._read_value,
            "raw": self._read_raw,
            "rcdata": self._read_raw,
            "nowhere": self._read_nothing,
        }

    def read(self) -> tuple[str, Context]:
        """The text as it is printed, and where it ends."""
        while self._position < len(self._text):
            start = self._position
            kept = self._readers[self._context.where]()
            self._kept.append(self._text[start : self._position] if kept is None else kept)
        return "".join(self._kept), self._context

    def _error(self, problem: str) -> TemplateError:
        before = self._text[: self._position]
        line = self._place.line + before.count("\n")
        column = len(before) - before.rfind("\n") + (self._place.column - 1 if "\n" not in before else 0)
        return TemplateError(Place(self._place.name, line, column), problem)

    def _read_text(self) -> str | None:
        start = self._text.find("<", self._position)
        if start < 0:
            self._position = len(self._text)
            return None
        before = self._text[self._position : start]
        self._position = start
        if self._text.startswith("<!--", start):
            self._position = start + 4
            self._context = Context("comment")
            return before
        if tag := _TAG_NAME.match(self._text, start):
            self._position = tag.end()
            element = tag[1].lower() if tag[0][1] != "/" else ""
            if element not in _ELEMENTS:
                element = ""
            where: Where = "tag" if tag.end() < len(self._text) else "name"
            self._context = Context(where, element)
            return before + tag[0]
        self._position = start + 1
        is_doctype = self._text[start : start + 9].lower() == "<!doctype"
        return before + ("<" if is_doctype else "&lt;")

    def _read_comment(self) -> str:
        end = _COMMENT_END.search(self._text, self._position)
        self._position = end.end() if end else len(self._text)
        if end:
            self._context = Context()
        return ""

    def _read_tag(self) -> None:
        where: Where
        space = _SPACE.match(self._text, self._position)
        self._position = space.end() if space else self._position
        if self._position == len(self._text):
            return
        if self._text[self._position] == ">":
            self._position += 1
            element = self._context.element
            where = "raw" if element in _RAW else "rcdata" if element in _RCDATA else "text"
            self._context = Context(where, element if where != "text" else "")
            return
        name = _ATTRIBUTE_NAME.match(self._text, self._position)
        if name is None:
            raise self._error(f"unexpected {quote(self._text[self._position])} in a tag")
        self._position = name.end()
        where = "after name" if name.end() < len(self._text) else "name"
        self._context = Context(where, self._context.element, kind_of(name[0].lower(), self._context.element))

    def _read_name(self) -> None:
        """The name of a tag or an attribute ended with the text before; it must not go on after an action."""
        if self._text[self._position] not in " \t\n\f\r/>=":
            raise self._error("the name of a tag or an attribute goes on after an action")
        self._context = replace(self._context, where="after name" if self._context.attribute else "tag")

    def _read_after_name(self) -> None:
        space = _SPACE.match(self._text, self._position)
        self._position = space.end() if space else self._position
        if self._text[self._position : self._position + 1] == "=":
            self._position += 1
            self._context = replace(self._context, where="before value")
        elif self._position < len(self._text):
            self._context = Context("tag", self._context.element)

    def _read_before_value(self) -> None:
        while self._text[self._position : self._position + 1] in (" ", "\t", "\n", "\f", "\r"):
            self._position += 1
        first = self._text[self._position : self._position + 1]
        if first in ('"', "'"):
            self._position += 1
            self._context = replace(self._context, where="value", quote=first)
        elif first == ">":
            raise self._error("the attribute has no value")
        elif first:
            self._context = replace(self._context, where="value", quote="")

    def _read_value(self) -> None:
        context = self._context
        if context.quote:
            end = self._text.find(context.quote, self._position)
        else:
            found = _BARE_END.search(self._text, self._position)
            end = found.start() if found else -1
        value = self._text[self._position : end if end >= 0 else len(self._text)]
        if end < 0:
            self._position = len(self._text)
            seen = context.seen
            if context.attribute == "url":
                seen = address(seen, html.unescape(value))
            elif context.attribute == "style":
                seen = style(seen, html.unescape(value))
            self._context = replace(context, seen=seen)
            return
        self._position = end + len(context.quote)
        self._context = Context("tag", context.element)

    def _read_nothing(self) -> None:
        self._position = len(self._text)

    def _read_raw(self) -> None:
        closing = f"</{self._context.element}"
        found = re.compile(rf"{closing}(?=[ \t\n\f\r/>]|\Z)", re.IGNORECASE).search(self._text, self._position)
        end = found.start() if found else len(self._text)
        if self._context.element == "script" and "<!--" in self._text[self._position : end]:
            raise self._error("a comment in a script is refused: browsers end such a script elsewhere")
        if not found:
            tail = self._text[self._position :].lower()
            if any(tail.endswith(closing[:length]) for length in range(1, len(closing))):
                raise self._error(f"the end of <{self._context.element}> goes on after an action")
            self._position = len(self._text)
            return
        self._position = end + len(closing)
        self._context = Context("tag" if self._position < len(self._text) else "name")
