"""Reach: which routes of a tree no alert can ever take, as far as that is certain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domain.labels import Matcher
from domain.routing import Route, RouteId
from domain.selection import Selection, covering


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why no alert comes to a route: matchers that contradict each other, or routes that take all of them before."""

    route: Route
    contradiction: tuple[Matcher, ...] = ()
    """Matchers of one label, of the route and those above it."""
    taken_by: tuple[Route, ...] = ()
    """Earlier siblings, of the route or of one above it."""
    above: Route | None = None
    """The one above it that cannot be reached either; then it has no reason of its own."""
    in_one_line: bool = False
    """Whether a value with a line break could come here all the same."""


def find_unreachable(root: Route) -> dict[RouteId, Unreachable]:
    """The routes that no alert takes, with those below them, depth first; those that are not here may be reached."""
    return {each.route.id: each for each in _search(root, (), _Earlier())}


def find_passed_on(root: Route, unreachable: dict[RouteId, Unreachable]) -> list[Route]:
    """The routes that can be reached, and whose own receiver is never told: those below them take every alert."""
    return list(_search_passed_on(root, Selection(), unreachable))


def _search_passed_on(route: Route, above: Selection, unreachable: dict[RouteId, Unreachable]) -> Iterator[Route]:
    if route.id in unreachable:
        return
    selection = above.narrowed(route.matchers)
    if route.children and covering(selection, [child.matchers for child in route.children]):
        yield route
    for child in route.children:
        yield from _search_passed_on(child, selection, unreachable)


def _search(route: Route, above: tuple[Matcher, ...], earlier: _Earlier) -> Iterator[Unreachable]:
    matchers = above + route.matchers
    for in_one_line in (False, True):
        selection = Selection(matchers, in_one_line)
        contradiction = selection.contradiction
        candidates = [] if contradiction else earlier.candidates(selection)
        places = covering(selection, [sibling.matchers for sibling in candidates]) if candidates else ()
        if contradiction or places:
            taken_by = tuple(candidates[place] for place in places)
            yield Unreachable(route, contradiction, taken_by, in_one_line=in_one_line)
            yield from _below(route, route, in_one_line)
            return
    # What those have taken that stand before this one does not come to its children either.
    inherited = earlier.candidates(Selection(matchers))
    own = _Earlier()
    for child in route.children:
        yield from _search(child, matchers, _Earlier.joined(inherited, own))
        if not child.goes_on:
            own.add(child)


def _below(route: Route, above: Route, in_one_line: bool) -> Iterator[Unreachable]:
    for child in route.children:
        yield Unreachable(child, above=above, in_one_line=in_one_line)
        yield from _below(child, above, in_one_line)


class _Earlier:
    """Routes that take an alert before others get to see it, found by a value that they ask for."""

    def __init__(self, others: list[Route] | None = None) -> None:
        self._others = others or []
        self._by_value: dict[str, dict[str, list[Route]]] = {}
        self._more: _Earlier | None = None

    @staticmethod
    def joined(routes: list[Route], more: _Earlier) -> _Earlier:
        """These, and whatever the other one knows."""
        both = _Earlier(routes)
        both._more = more
        return both

    def add(self, route: Route) -> None:
        """Have one more of them."""
        choices = [
            (self._by_value.setdefault(matcher.name, {}), choice)
            for matcher in route.matchers
            if (choice := Selection((matcher,)).values(matcher.name)) is not None
        ]
        if not choices:
            self._others.append(route)
            return
        # Where the fewest stand already: thousands may share their `severity`.
        by_value, choice = min(choices, key=lambda pair: sum(len(pair[0].get(value, ())) for value in pair[1]))
        for value in choice:
            by_value.setdefault(value, []).append(route)

    def candidates(self, selection: Selection) -> list[Route]:
        """Those that may select something of it, in the order of the tree."""
        found = {route.id: route for route in self._others}
        for name, by_value in self._by_value.items():
            known = selection.values(name)
            for value in by_value if known is None else known & by_value.keys():
                found |= {route.id: route for route in by_value[value]}
        if self._more is not None:
            found |= {route.id: route for route in self._more.candidates(selection)}
        return [found[id] for id in sorted(found)]
