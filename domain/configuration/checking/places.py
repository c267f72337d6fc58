"""Places: where the parts of a configuration stand in its text, which the configuration itself does not keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domain.configuration import Configuration
from domain.labels import Matcher, MatchType
from domain.matchers import parse_matchers
from domain.routing import Route, RouteId
from domain.yaml_document import Field, Problems, Section, read_document


@dataclass(frozen=True, slots=True)
class Written:
    """Some matchers as they are written in one place: an entry under `matchers`, or one under `match`."""

    field: Field
    matchers: tuple[Matcher, ...]
    is_old: bool
    """Whether they stand under `match` or `match_re`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping of the text, and the matchers in it."""

    field: Field
    section: Section
    """What else is in it; to be peeked at."""
    written: tuple[Written, ...] = ()
    old_keys: tuple[Field, ...] = ()
    """Those of `match` and `match_re` that are there."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A named time interval in the text."""

    name: Field
    entries: tuple[Field, ...]


class Places:
    """Where everything stands in the text of a configuration, which has been read and found right before."""

    def __init__(self, configuration: Configuration) -> None:
        document = read_document(configuration.original, Problems())
        if document is None:
            raise ValueError("not the text of a configuration")
        section = document.section()
        self.receivers: dict[str, Field] = {}
        """The name of each receiver."""
        for item in section.take("receivers").items():
            name = item.section().take("name")
            self.receivers[name.text()] = name
        self.old_intervals = section.peek("mute_time_intervals")
        self.intervals = {
            name.text(): Interval(name, tuple(entries.items()))
            for key in ("time_intervals", "mute_time_intervals")
            for item in section.take(key).items()
            for inner in [item.section()]
            for name, entries in [(inner.take("name"), inner.take("time_intervals"))]
        }
        self.rules = [_part(item, "source_", "target_") for item in section.take("inhibit_rules").items()]
        """The inhibit rules, in their order."""
        self.routes: dict[RouteId, Part] = {}
        self.parents: dict[RouteId, Route] = {}
        self._place(configuration.root, section.take("route"))

    def _place(self, route: Route, field: Field) -> None:
        part = self.routes[route.id] = _part(field, "")
        for child, item in zip(route.children, part.section.take("routes").items(), strict=True):
            self.parents[child.id] = route
            self._place(child, item)

    def path(self, route: Route) -> list[Route]:
        """The route and those above it, the root first."""
        found = [route]
        while (above := self.parents.get(found[-1].id)) is not None:
            found.append(above)
        return found[::-1]

    def line(self, route: Route) -> int:
        """Where the route begins."""
        return self.routes[route.id].field.line

    def matcher_line(self, path: list[Route], matcher: Matcher) -> int:
        """Where this matcher stands, which is one of those on the path, in the lowest route that has it."""
        for route in reversed(path):
            for written in self.routes[route.id].written:
                if matcher in written.matchers:
                    return written.field.line
        return self.line(path[-1])

    def parts(self) -> Iterator[Part]:
        """Everything that can have matchers."""
        yield from self.routes.values()
        yield from self.rules


def _part(field: Field, *prefixes: str) -> Part:
    section = field.section()
    written: list[Written] = []
    old_keys: list[Field] = []
    for prefix in prefixes:
        old = section.take_all(f"{prefix}match")
        expressions = section.take_all(f"{prefix}match_re")
        old_keys += [each for each in (*old, *expressions) if not each.is_absent]
        for mapping in old:
            written += [
                Written(value, (Matcher(name, MatchType.EQUAL, value.text()),), is_old=True)
                for name, value in mapping.fields()
            ]
        for mapping in expressions:
            written += [
                Written(value, (Matcher(name, MatchType.REGEX, f"^(?:{value.text()})$"),), is_old=True)
                for name, value in mapping.fields()
            ]
        for entries in section.take_all(f"{prefix}matchers"):
            written += [Written(entry, parse_matchers(entry.text()), is_old=False) for entry in entries.items()]
    return Part(field, section, tuple(written), tuple(old_keys))
