"""Drawing: the tree of routes as text, for people; each line of it short enough for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from domain.configuration.checking.reach import Unreachable
from domain.durations import print_duration
from domain.quoting import quote
from domain.routing import Route, RouteId

WIDTH = 80

_LEAST_WIDTH = 30
_INDENT = "    "


def draw_routes(
    root: Route,
    unreachable: Mapping[RouteId, Unreachable] = MappingProxyType({}),
    only: Collection[RouteId] | None = None,
    width: int = WIDTH,
) -> list[str]:
    """The lines of the tree: of each route what it selects and whom it tells, below that what differs from its parent.

    A line is longer than the width only where one word of it is.

    Args:
        root: The top of it.
        unreachable: The routes to mark as such, each with the reason.
        only: The routes to show, with those above them; None for all.
        width: The columns that there are.
    """
    shown = None if only is None else frozenset(_with_those_above(root, only))
    return list(_draw(root, None, "", "", unreachable, shown, width))


def print_timers(route: Route) -> tuple[str, ...]:
    """Its timers, each as `group_wait: 30s`."""
    return (
        f"group_wait: {print_duration(route.group_wait)}",
        f"group_interval: {print_duration(route.group_interval)}",
        f"repeat_interval: {print_duration(route.repeat_interval)}",
    )


def _with_those_above(route: Route, only: Collection[RouteId]) -> list[RouteId]:
    below = [id for child in route.children for id in _with_those_above(child, only)]
    return [route.id, *below] if below or route.id in only else []


def _draw(
    route: Route,
    parent: Route | None,
    first: str,
    further: str,
    unreachable: Mapping[RouteId, Unreachable],
    shown: Collection[RouteId] | None,
    width: int,
) -> Iterator[str]:
    children = [child for child in route.children if shown is None or child.id in shown]
    below = further + ("│ " if children else "  ")
    head = [*_words(route), f"-> {_name(route.receiver)}"]
    if route.goes_on:
        head.append("(continue)")
    reason = unreachable.get(route.id)
    if reason is not None:
        head.append("(unreachable)")
    yield from _flow(head, first, below + _INDENT, " ", width)
    if reason is not None and reason.above is None:
        yield from _flow(_why(reason), below + _INDENT, below + _INDENT, " ", width)
    if details := _details(route, parent):
        yield from _flow(details, below + _INDENT, below + _INDENT, "  ", width)
    for child in children:
        is_last = child is children[-1]
        yield from _draw(
            child,
            route,
            further + ("└─ " if is_last else "├─ "),
            further + ("   " if is_last else "│  "),
            unreachable,
            shown,
            width,
        )


def _words(route: Route) -> list[str]:
    if not route.matchers:
        return ["any", "alert"]
    return [f"{matcher}," for matcher in route.matchers[:-1]] + [str(route.matchers[-1])]


def _matchers(route: Route) -> str:
    return " ".join(_words(route))


def _why(reason: Unreachable) -> list[str]:
    """Why no alert comes to the route, without lines of a file."""
    if reason.contradiction:
        words = ["nothing", "has", *_between(map(str, reason.contradiction))]
    else:
        words = ["taken", "before", "by", *_between(map(_matchers, reason.taken_by))]
    return [*words, "but", "for", "line", "breaks"] if reason.in_one_line else words


def _between(words: Iterable[str]) -> list[str]:
    first, *others = words
    return [first, *[part for word in others for part in ("and", word)]]


def _details(route: Route, parent: Route | None) -> list[str]:
    details = []
    if parent is None or route.group_by != parent.group_by:
        details.append(f"group_by: {_group_by(route)}")
    known = () if parent is None else print_timers(parent)
    details += [timer for timer in print_timers(route) if timer not in known]
    if route.mute_time_intervals:
        details.append(f"muted in: {_names(route.mute_time_intervals)}")
    if route.active_time_intervals:
        details.append(f"active in: {_names(route.active_time_intervals)}")
    if route.labels and (parent is None or route.labels != parent.labels):
        details.append(f"labels: {', '.join(f'{name}={quote(value)}' for name, value in route.labels)}")
    return details


def _group_by(route: Route) -> str:
    if route.group_by is None:
        return "... (all labels)"
    return _names(sorted(route.group_by)) or "[] (one group)"


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names))


def _name(name: str) -> str:
    """As it is where that is plain to read."""
    return name if name and name.isprintable() and not set(name) & set(' ",') else quote(name)


def _flow(words: Sequence[str], first: str, further: str, gap: str, width: int) -> Iterator[str]:
    """The words in lines, the first of which begins otherwise than the others."""
    line, is_empty = first, True
    for word in words:
        if not is_empty and len(line) + len(gap) + len(word) > max(width, len(further) + _LEAST_WIDTH):
            yield line.rstrip()
            line, is_empty = further, True
        line += word if is_empty else gap + word
        is_empty = False
    yield line
