"""Template set: the templates of all files and the built-in ones; what a configuration's texts are compiled with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from domain.templates.checking import check
from domain.templates.defaults import DEFAULTS
from domain.templates.evaluate import Bodies, Evaluator
from domain.templates.functions import FUNCTIONS
from domain.templates.html import Escaper
from domain.templates.nodes import Definition, Limits, Nodes, Place, TemplateError, TemplateLimitError, Text
from domain.templates.parser import parse
from domain.templates.times import Time
from domain.templates.values import Data

_DEFAULTS_NAME = "built-in"


@dataclass(frozen=True, eq=False, slots=True)
class Template:
    """A text that can be rendered; all that can be known to be wrong with it is known to be right."""

    name: str
    is_html: bool
    _nodes: Nodes = field(repr=False)
    _bodies: Bodies = field(repr=False)
    _limits: Limits = field(repr=False)

    def render(self, data: Data, now: datetime) -> str:
        """What the text says about a notification.

        Args:
            data: The notification; see `template_data`.
            now: What `since` counts to.

        Raises:
            TemplateError: A function fails with these values, such as `index` with a list that is too short.
            TemplateLimitError: It asks for more than the limits allow.
        """
        if all(isinstance(node, Text) for node in self._nodes):
            return "".join(node.text for node in self._nodes if isinstance(node, Text))
        return Evaluator(self._bodies, Time.of(now), self._limits).render(self._nodes, data)


@dataclass(frozen=True, eq=False, slots=True)
class TemplateSet:
    """Templates by their names."""

    _definitions: Mapping[str, Definition] = field(repr=False)
    _limits: Limits = field(repr=False)

    @property
    def names(self) -> frozenset[str]:
        """What `template` can call."""
        return frozenset(self._definitions)

    def compile(self, text: str, *, name: str, line: int = 1, html: bool = False) -> Template:
        """A text of the configuration, ready to be rendered.

        Args:
            text: The text, with or without templates in it.
            name: What errors call it: `receivers[2].slack_configs[0].title`, or the configuration's file.
            line: The line of the file that it begins at.
            html: Whether it is HTML, and what is printed into it must be escaped.

        Raises:
            TemplateError: It cannot be read, is certain to fail, or cannot be made safe; the message begins with
                the place: `slack.tmpl:3:14: …`.
        """
        definition, local = _read(name, text, self._limits, line)
        definitions = self._definitions
        try:
            if local:
                definitions = _merged(definitions, local)
                for one in local.values():
                    check(one, definitions, None)
            check(definition, definitions, Data)
            if not html:
                bodies: Bodies = {(known, None): one.body for known, one in definitions.items()} if "{{" in text else {}
                return Template(name, False, definition.body, bodies, self._limits)
            escaper = Escaper(definitions)
            return Template(name, True, escaper.escape(definition), escaper.bodies, self._limits)
        except RecursionError:
            raise TemplateLimitError(definition.place, "the templates nest too deep") from None


def read_templates(files: Iterable[tuple[str, str]] = (), limits: Limits | None = None) -> TemplateSet:
    """The templates of the files, over the built-in ones.

    A later definition of a name replaces an earlier one, unless it is empty.  A file's own text, outside of its
    definitions, is a template under the file's name without its folders.

    Args:
        files: Names, for errors and calls, and texts.
        limits: What every template of the set may ask for.

    Raises:
        TemplateError: A file cannot be read, or something in it is certain to fail.
    """
    limits = limits or Limits()
    definitions = _defaults()
    read: list[Definition] = []
    for name, text in files:
        definition, defined = _read(name, text, limits)
        own = Definition(definition.place, name.rpartition("/")[2], definition.body)
        definitions = _merged(definitions, {own.name: own, **defined})
        read += [own, *defined.values()]
    definitions = MappingProxyType(dict(definitions))
    for one in read:
        check(one, definitions, None)
    return TemplateSet(definitions, limits)


def _read(name: str, text: str, limits: Limits, line: int = 1) -> tuple[Definition, dict[str, Definition]]:
    try:
        return parse(name, text, FUNCTIONS, limits, line)
    except RecursionError:
        raise TemplateLimitError(Place(name, line, 1), "the template nests too deep") from None


def _merged(known: Mapping[str, Definition], more: Mapping[str, Definition]) -> dict[str, Definition]:
    added = {name: one for name, one in more.items() if name not in known or not one.is_empty}
    return {**known, **added}


@lru_cache(maxsize=1)
def _defaults() -> Mapping[str, Definition]:
    _, definitions = parse(_DEFAULTS_NAME, DEFAULTS, FUNCTIONS, Limits())
    for one in definitions.values():
        check(one, definitions, None)
    return MappingProxyType(definitions)


__all__ = ["Template", "TemplateError", "TemplateSet", "read_templates"]
