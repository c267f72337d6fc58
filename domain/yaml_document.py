"""YAML documents, read strictly: each value knows its line and its key, and every complaint is kept until the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

MAX_VALUES = 500_000
"""A document with more values than this, aliases counted as often as they are used, is refused."""
MAX_DEPTH = 200

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
)
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"

# What Alertmanager's YAML library takes for a boolean where it stands without quotes.
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,2})?")

_PLAIN_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, and where; line and column count from 1, and `key` is empty for the whole document."""

    line: int
    column: int
    key: str
    message: str
    file: str = ""
    """Which file it is in, where that is not the document itself."""


class Problems:
    """The complaints about one document, gathered while it is read."""

    def __init__(self) -> None:
        self._found: set[Problem] = set()

    def add(self, mark: yaml.Mark | None, key: str, message: str) -> None:
        """Keep a complaint; one that an alias repeats at the same place under the same key counts once."""
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self._found.add(Problem(line, column, key, message))

    def add_in_file(self, file: str, line: int, column: int, message: str) -> None:
        """Keep a complaint about a file beside the document."""
        self._found.add(Problem(line, column, "", message, file))

    def in_order(self) -> tuple[Problem, ...]:
        """All of them, by line and column, and those about other files at the end; empty when nothing is wrong."""
        return tuple(sorted(self._found, key=lambda problem: (problem.file, problem)))


class Field:
    """One value, at its place; or the place where a value could stand and none does."""

    def __init__(
        self,
        problems: Problems,
        key: str,
        node: yaml.Node | None,
        mark: yaml.Mark | None = None,
        key_mark: yaml.Mark | None = None,
    ) -> None:
        self._problems = problems
        self._node = None if node is None or node.tag == _NULL else node
        self._mark = node.start_mark if node else mark
        self._key_mark = key_mark or self._mark
        self.key = key

    @property
    def line(self) -> int:
        """Where the value stands, counted from 1; where none does, that of the mapping it could stand in."""
        return self._mark.line + 1 if self._mark else 1

    @property
    def key_line(self) -> int:
        """Where its key stands, or the item of a list begins."""
        return self._key_mark.line + 1 if self._key_mark else 1

    @property
    def is_absent(self) -> bool:
        """Whether nothing stands here; an explicit null says as much."""
        return self._node is None

    @property
    def is_list(self) -> bool:
        """Whether a list stands here: where one value may stand for a list of it."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Whether a mapping stands here."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_empty(self) -> bool:
        """Whether what stands here, if anything, sets nothing: null, false, "", [] or {}."""
        match self._node:
            case None:
                return True
            case yaml.ScalarNode(value=value):
                return not value or (_is_plain(self._node) and value in _FALSE)
            case yaml.CollectionNode(value=value):
                return not value
            case _:  # pragma: no cover - there is no other kind of node
                return False

    def refuse(self, message: str) -> None:
        """Complain about the value."""
        self._problems.add(self._mark, self.key, message)

    def refuse_key(self, message: str) -> None:
        """Complain that the key is there at all."""
        self._problems.add(self._key_mark, self.key, message)

    def scalar(self) -> str | None:
        """A scalar as it is written, `yes` and `007` too; None where nothing stands or, with a complaint, no scalar."""
        match self._node:
            case None:
                return None
            case yaml.ScalarNode(value=value):
                return str(value)
            case _:
                self.refuse("expected a text")
                return None

    def text(self) -> str:
        """The scalar, empty where there is none."""
        return self.scalar() or ""

    def flag(self, default: bool) -> bool:
        """A boolean without quotes, `yes` and `off` too."""
        if self._node is None:
            return default
        if isinstance(self._node, yaml.ScalarNode) and _is_plain(self._node):
            if self._node.value in _TRUE:
                return True
            if self._node.value in _FALSE:
                return False
        self.refuse("expected true or false")
        return default

    def items(self) -> list[Field]:
        """The values of a list; none where nothing stands."""
        match self._node:
            case None:
                return []
            case yaml.SequenceNode(value=nodes):
                return [Field(self._problems, f"{self.key}[{place}]", node) for place, node in enumerate(nodes)]
            case _:
                self.refuse("expected a list")
                return []

    def fields(self) -> list[tuple[str, Field]]:
        """The names and values of a mapping, in order; a name that comes twice is refused."""
        return [(name, values[-1]) for name, values in self._fields().items()]

    def data(self) -> object:
        """What stands here, however deep, as dicts, lists, texts, numbers, booleans and None."""
        match self._node:
            case None:
                return None
            case yaml.MappingNode():
                return {name: value.data() for name, value in self.fields()}
            case yaml.SequenceNode():
                return [item.data() for item in self.items()]
            case _:
                return plain(self._node.value) if _is_plain(self._node) else self._node.value

    def texts(self) -> Iterator[Field]:
        """Each text here and below, in order; the names in mappings are none."""
        match self._node:
            case yaml.MappingNode():
                for _, value in self.fields():
                    yield from value.texts()
            case yaml.SequenceNode():
                for item in self.items():
                    yield from item.texts()
            case yaml.ScalarNode():
                yield self
            case _:
                pass

    def section(self) -> Section:
        """The mapping here, to be read name by name; an empty one where nothing stands."""
        return Section(self, self._fields())

    def absent(self, name: str) -> Field:
        """The place for a value of that name, where there is none; complaints about it point at the mapping."""
        return Field(self._problems, _join(self.key, name), None, self._mark)

    def _fields(self) -> dict[str, list[Field]]:
        match self._node:
            case None:
                return {}
            case yaml.MappingNode():
                return self._fields_of(self._node)
            case _:
                self.refuse("expected a mapping")
                return {}

    def _fields_of(self, mapping: yaml.MappingNode) -> dict[str, list[Field]]:
        fields: dict[str, list[Field]] = {}
        own: set[str] = set()
        for key_node, value_node in mapping.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(key_node.start_mark, self.key, "expected a text as a key")
            elif key_node.tag == _MERGE:
                for name, values in self._merged(value_node):
                    fields.setdefault(name, []).extend(values)
            else:
                name = key_node.value
                field = Field(self._problems, _join(self.key, name), value_node, key_mark=key_node.start_mark)
                if name in own:
                    field.refuse_key("duplicate key")
                own.add(name)
                fields.setdefault(name, []).append(field)
        return fields

    def _merged(self, node: yaml.Node) -> Iterator[tuple[str, list[Field]]]:
        # Of several, the first one counts most, and so comes last.
        for source in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode):
                yield from self._fields_of(source).items()
            else:
                self._problems.add(source.start_mark, _join(self.key, "<<"), "expected a mapping to merge")


class Section:
    """A mapping of which every name must be known; `take` what is, then `close`.

    Through a merge (`<<`) a name may have several values.  The last one in the text counts, be it the mapping's own
    or the merged one: so does Alertmanager's library, where YAML would always prefer the mapping's own.
    """

    def __init__(self, field: Field, fields: dict[str, list[Field]]) -> None:
        self._field = field
        self._fields = fields

    def take(self, name: str) -> Field:
        """The value of that name; an absent one where there is none."""
        return self.take_all(name)[-1]

    def peek(self, name: str) -> Field:
        """The same, and it can be taken still."""
        return (self._fields.get(name) or [self._field.absent(name)])[-1]

    def take_all(self, name: str) -> list[Field]:
        """Every value of that name, where they add up; an absent one where there is none."""
        return self._fields.pop(name, None) or [self._field.absent(name)]

    def skip(self, names: Iterable[str]) -> None:
        """Take these without a look."""
        for name in names:
            self._fields.pop(name, None)

    def not_yet(self, *names: str, note: str = "") -> None:
        """Refuse these, which Alertmanager knows, unless they set nothing."""
        for name in names:
            field = self.take(name)
            if not field.is_empty:
                field.refuse_key(f"{note}not supported yet")

    def close(self) -> None:
        """Refuse every name that nobody took."""
        for fields in self._fields.values():
            for field in fields:
                field.refuse_key("unknown key")


def plain(text: str) -> str | int | float | bool | None:
    """What a scalar without quotes means to Alertmanager's YAML library: mostly its own text."""
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_document(text: str, problems: Problems) -> Field | None:
    """The one document of the text; None, with a complaint, where it cannot be read at all.

    An empty document is one where nothing stands.
    """
    try:
        # Asked first because composing recurses: its depth must be known to be bounded.
        if not _is_within_bounds(text):
            problems.add(None, "", f"more than {MAX_VALUES} values, or nested deeper than {MAX_DEPTH}")
            return None
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        message = " ".join(part for part in (error.context, error.problem) if part)
        problems.add(error.problem_mark or error.context_mark, "", message)
        return None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        problems.add(None, "", " ".join(str(error).split()))
        return None
    if root is not None and not _is_sound(root, problems):
        return None
    return Field(problems, "", root)


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style


def _join(key: str, name: str) -> str:
    shown = name if _PLAIN_KEY.fullmatch(name) else f'"{name}"'
    return f"{key}.{shown}" if key else shown


def _is_within_bounds(text: str) -> bool:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or count > 2 * MAX_VALUES:
            return False
    return True


def _is_sound(root: yaml.Node, problems: Problems) -> bool:
    """Whether the tree is one, stays within the bounds with every alias written out, and has no tags of its own."""
    size_and_depth: dict[int, tuple[int, int]] = {}
    is_sound = True

    def refuse(node: yaml.Node, message: str) -> None:
        nonlocal is_sound
        is_sound = False
        problems.add(node.start_mark, "", message)

    def measure(node: yaml.Node) -> tuple[int, int]:
        known = size_and_depth.get(id(node))
        if known is not None:
            if known == (0, 0):
                refuse(node, "contains itself through an alias")
            return known
        if node.tag not in _CORE_TAGS:
            refuse(node, f"unknown tag {node.tag}")
        size_and_depth[id(node)] = (0, 0)
        inner = [measure(child) for child in _children(node)]
        total = (1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0))
        size_and_depth[id(node)] = total
        return total

    # An alias names something earlier, so `measure` has met it before: it recurses no deeper than the text is nested.
    size, depth = measure(root)
    if size > MAX_VALUES or depth > MAX_DEPTH:
        refuse(root, f"with its aliases written out, more than {MAX_VALUES} values, or deeper than {MAX_DEPTH}")
    return is_sound


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    match node:
        case yaml.MappingNode(value=pairs):
            for key_node, value_node in pairs:
                yield key_node
                yield value_node
        case yaml.SequenceNode(value=nodes):
            yield from nodes
        case _:
            pass
