"""Routes: who hears about which labels, and into which group an alert falls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import NewType

from domain.labels import Labels, Matcher, MatchType, match_all
from domain.quoting import quote

GroupId = NewType("GroupId", str)
"""Thirty-two hexadecimal digits: the partition key of a group, everywhere (rule 1 of the design)."""

RouteId = NewType("RouteId", int)
"""The route's place in the depth-first walk of its configuration's tree; the root is 0.

It means nothing in another version.
"""

ROOT_KEY = "{}"

# The byte 0xFF cannot occur in UTF-8, so it separates; surrogateescape writes it from the lone U+DCFF.
_SEPARATOR = "\udcff"

# From this many siblings on, an index over them costs less than asking each.
_WIDE = 8

_TYPE_ORDER = {match_type: place for place, match_type in enumerate(MatchType)}


@dataclass(frozen=True, slots=True)
class Route:
    """One node of the routing tree, with everything inherited already filled in (RT-3, RT-4, RT-5)."""

    id: RouteId
    key: str
    """Alertmanager's route key, `{}/{team="db"}`; identical siblings share it (GK-1)."""
    twin: int
    """How many earlier siblings under the same parent have this same key and receiver; part of the group's id."""
    receiver: str
    group_by: frozenset[str] | None
    """The names to group by; None for all labels (`['...']`), empty for one single group."""
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    matchers: tuple[Matcher, ...] = ()
    """Sorted by name, value and type (RT-6)."""
    goes_on: bool = False  # `continue`
    labels: tuple[tuple[str, str], ...] = ()  # route labels (0.34), merged from the parents
    children: tuple[Route, ...] = ()
    mute_time_intervals: tuple[str, ...] = ()
    """While any of these intervals contains the instant, nothing is told; not inherited (RT-3, TI-5)."""
    active_time_intervals: tuple[str, ...] = ()
    """Where there are any, something is told only while one of them contains the instant; not inherited."""
    ancestor_twins: tuple[int, ...] = ()
    """For each route above, from the root down, how many earlier siblings have its key: who tells it from them."""
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _group_prefix: str = field(init=False, repr=False, compare=False)
    _index: _ChildIndex | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        twins = "/".join(map(str, (*self.ancestor_twins, self.twin)))
        object.__setattr__(self, "_names", tuple(sorted(self.group_by or ())))
        object.__setattr__(self, "_group_prefix", _SEPARATOR.join((self.key, twins, self.receiver)))
        is_wide = len(self.children) > _WIDE
        object.__setattr__(self, "_index", _ChildIndex.of(self.children) if is_wide else None)

    def find(self, labels: Labels) -> list[Route]:
        """The routes that an alert with these labels takes, in the order of the tree; the first one leads it (RT-2).

        A child that matches without `continue` ends the search among its siblings; where no child matches, the
        route itself does.  Asked of the root, whose matchers are none, the answer is never empty.
        """
        found: list[Route] = []
        if match_all(self.matchers, labels):
            self._collect(labels, found)
        return found

    def _collect(self, labels: Labels, found: list[Route]) -> None:
        no_child_matches = True
        for child in self.children if self._index is None else self._index.candidates(labels):
            if match_all(child.matchers, labels):
                no_child_matches = False
                child._collect(labels, found)
                if not child.goes_on:
                    break
        if no_child_matches:
            found.append(self)


@dataclass(frozen=True, slots=True)
class _ChildIndex:
    """Which of many siblings are worth asking: a team each, and an alert names one team."""

    children: tuple[Route, ...]
    places: Mapping[str, Mapping[str, tuple[int, ...]]]
    """By a label's name and value, the places of the children that demand just that value."""
    others: tuple[int, ...]
    """The places of the children that demand no certain value."""

    @staticmethod
    def of(children: tuple[Route, ...]) -> _ChildIndex:
        places: dict[str, dict[str, tuple[int, ...]]] = {}
        others: list[int] = []
        for place, child in enumerate(children):
            demand = next((matcher for matcher in child.matchers if matcher.type is MatchType.EQUAL), None)
            if demand is None:
                others.append(place)
            else:
                by_value = places.setdefault(demand.name, {})
                by_value[demand.value] = (*by_value.get(demand.value, ()), place)
        return _ChildIndex(children, places, tuple(others))

    def candidates(self, labels: Labels) -> list[Route]:
        """In the order of the tree, every child that can match these labels, and few that cannot."""
        found = list(self.others)
        for name, by_value in self.places.items():
            found += by_value.get(labels.get(name, ""), ())
        found.sort()
        return [self.children[place] for place in found]


@dataclass(frozen=True, slots=True)
class GroupAddress:
    """Where one alert goes: the group, and what its first alert needs to open it."""

    group_id: GroupId
    route_id: RouteId
    labels: Labels
    """The group labels: only those of `group_by` that the alert has (GK-2)."""


def group_address(route: Route, labels: Labels) -> GroupAddress:
    """The group of this route that an alert with these labels belongs to.

    The id is a hash of the route's key, the twin numbers on the way to it, its receiver and the group labels: the
    same under any configuration that leaves these alone, wherever else in the tree something changes.
    """
    if route.group_by is None:
        names = tuple(sorted(labels))
        return _new_address(route.id, route._group_prefix, names, tuple([labels[name] for name in names]))
    values = tuple([labels.get(name) for name in route._names])
    return _known_address(route.id, route._group_prefix, route._names, values)


def _new_address(
    route_id: RouteId, prefix: str, names: tuple[str, ...], values: tuple[str | None, ...]
) -> GroupAddress:
    labels = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    parts = [prefix]
    for pair in labels.items():
        parts += pair
    data = _SEPARATOR.join(parts).encode("utf-8", "surrogateescape")
    return GroupAddress(GroupId(blake2b(data, digest_size=16).hexdigest()), route_id, labels)


# Alerts come in storms, and those of one storm share their groups.
_known_address = lru_cache(maxsize=8192)(_new_address)


def sort_matchers(matchers: Iterable[Matcher]) -> tuple[Matcher, ...]:
    """By name, value and type: the order in which a route holds and shows them (RT-6)."""
    return tuple(sorted(matchers, key=lambda matcher: (matcher.name, matcher.value, _TYPE_ORDER[matcher.type])))


def route_key(parent: str, matchers: tuple[Matcher, ...]) -> str:
    """The key of a route under the one with key `parent`; its matchers stand without a space (GK-1)."""
    return f"{parent}/{{{','.join(map(str, matchers))}}}"


def group_key(route: Route, group_labels: Labels) -> str:
    """Alertmanager's `groupKey`, to show in payloads; it identifies nothing, for twins share it (GK-1).

    Source: `Route.Key` in Alertmanager, dispatch/route.go, and `LabelSet.String` in prometheus/common.
    """
    pairs = ", ".join(f"{name}={quote(group_labels[name])}" for name in sorted(group_labels))
    return f"{route.key}:{{{pairs}}}"
