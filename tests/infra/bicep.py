"""Bicep: reads what the templates in `infra/` are written in.

Not Microsoft's compiler, which no package index has: the syntax is judged by the grammar of tree-sitter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser


class BicepError(Exception):
    """A template is wrong, or says what this reader does not know; with file and line."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A `param`, `var`, `resource`, `module` or `output`."""

    kind: str
    name: str
    node: Node
    decorators: Mapping[str, Node]


@dataclass(slots=True)
class Template:
    """One file."""

    path: Path
    target_scope: str = "resourceGroup"
    declarations: dict[str, Declaration] = field(default_factory=dict)
    outputs: dict[str, Declaration] = field(default_factory=dict)

    def of_kind(self, kind: str) -> Iterator[Declaration]:
        """Those of a kind, as they stand."""
        return (one for one in self.declarations.values() if one.kind == kind)

    def fail(self, node: Node, message: str) -> BicepError:
        """To be raised: where it is, and what."""
        return BicepError(f"{self.path.name}:{node.start_point[0] + 1}: {message}")


# --- reading ----------------------------------------------------------------------------------------------------------

_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
}


def named(node: Node) -> list[Node]:
    """Its children that mean something."""
    return [child for child in node.named_children if child.type != "comment"]


def text_of(node: Node) -> str:
    """As it stands in the file."""
    assert node.text is not None
    return node.text.decode()


@cache
def read(path: Path) -> Template:
    """The template of a file.

    Raises:
        BicepError: Its syntax is wrong, or a name is declared twice.
    """
    root = Parser(Language(tree_sitter_bicep.language())).parse(path.read_bytes()).root_node
    template = Template(path)
    if root.has_error:
        raise template.fail(_first_error(root), "this is no Bicep")
    decorators: dict[str, Node] = {}
    for node in named(root):
        if node.type == "decorators":
            calls = [named(decorator)[0] for decorator in named(node)]
            decorators = {text_of(named(call)[0]): call for call in calls}
            continue
        if node.type == "target_scope_assignment":
            template.target_scope = text_of(named(node)[0]).strip("'")
        else:
            _declare(template, node, decorators)
        decorators = {}
    return template


def _declare(template: Template, node: Node, decorators: Mapping[str, Node]) -> None:
    name = text_of(named(node)[0])
    if node.type == "output_declaration":
        into, kind = template.outputs, "output"
    elif node.type in _KINDS:
        into, kind = template.declarations, _KINDS[node.type]
    else:
        raise template.fail(node, f"what is a {node.type}?")
    if name in into:
        raise template.fail(node, f"{name} is declared twice")
    into[name] = Declaration(kind, name, node, decorators)


def _first_error(node: Node) -> Node:
    for child in node.children:
        if child.has_error or child.is_missing:
            return _first_error(child)
    return node


def unused(template: Template) -> set[str]:
    """Parameters and variables that nothing reads."""
    declared = {one.name for one in template.declarations.values() if one.kind in ("param", "var")}
    places = [(one, named(one.node)[1:]) for one in (*template.declarations.values(), *template.outputs.values())]
    return declared - {name for _, nodes in places for node in nodes for name in _identifiers(node)}


def _identifiers(node: Node) -> Iterator[str]:
    children = named(node)
    if node.type == "object_property":
        # What it is called is no reading of it.
        children = children[1:]
    if node.type == "identifier":
        yield text_of(node)
    for child in children:
        yield from _identifiers(child)
