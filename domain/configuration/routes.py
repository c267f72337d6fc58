"""The part of a configuration's text that says who hears about what: the tree under `route`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from domain.configuration.fields import read_duration, read_labels, read_matchers
from domain.labels import Matcher, is_valid_label_name
from domain.quoting import quote
from domain.routing import ROOT_KEY, Route, RouteId, route_key
from domain.yaml_document import Field, Section

DEFAULT_GROUP_WAIT = timedelta(seconds=30)
DEFAULT_GROUP_INTERVAL = timedelta(minutes=5)
DEFAULT_REPEAT_INTERVAL = timedelta(hours=4)


class RouteReader:
    """Reads a tree of routes, numbering them depth first; the names that they may use are given."""

    def __init__(self, receivers: Collection[str], time_intervals: Collection[str]) -> None:
        self._receivers = receivers
        self._time_intervals = time_intervals
        self._count = 0

    def read_root(self, field: Field) -> Route:
        """The root: it has a receiver, takes every alert, and has no sibling to go on to (RT-1)."""
        above = Route(
            id=RouteId(-1),
            key="",
            twin=0,
            receiver="",
            group_by=frozenset(),
            group_wait=DEFAULT_GROUP_WAIT,
            group_interval=DEFAULT_GROUP_INTERVAL,
            repeat_interval=DEFAULT_REPEAT_INTERVAL,
        )
        section = field.section()
        if read_matchers(section):
            field.refuse("the root route must not have any matchers")
        goes_on = section.take("continue")
        if goes_on.flag(False):
            goes_on.refuse("the root route cannot continue")
        receiver = self._read_receiver_name(section.take("receiver"))
        root = self._read(section, above, ROOT_KEY, (), receiver, 0, (), 0, goes_on=False)
        if not root.receiver:
            field.refuse("the root route must name a receiver")
        if root.mute_time_intervals or root.active_time_intervals:
            field.refuse("the root route must not have any mute_time_intervals or active_time_intervals")
        return root

    def _read_children(self, field: Field, parent: Route, path: tuple[int, ...]) -> tuple[Route, ...]:
        """The routes below `parent`, which `path` tells from its own siblings of the same key."""
        children: list[Route] = []
        same_key: Counter[str] = Counter()
        twins: Counter[tuple[str, str]] = Counter()
        for item in field.items():
            if item.is_absent:
                item.refuse("expected a mapping")
            section = item.section()
            matchers = read_matchers(section)
            key = route_key(parent.key, matchers)
            goes_on = section.take("continue").flag(False)
            receiver = self._read_receiver_name(section.take("receiver")) or parent.receiver
            # The receiver tells siblings apart already: one that is added above does not rename the others' groups.
            twin = twins[key, receiver]
            children.append(
                self._read(section, parent, key, matchers, receiver, twin, path, same_key[key], goes_on=goes_on)
            )
            twins[key, receiver] += 1
            same_key[key] += 1
        return tuple(children)

    def _read(
        self,
        section: Section,
        parent: Route,
        key: str,
        matchers: tuple[Matcher, ...],
        receiver: str,
        twin: int,
        path: tuple[int, ...],
        place: int,
        *,
        goes_on: bool,
    ) -> Route:
        route = Route(
            id=RouteId(self._count),
            key=key,
            twin=twin,
            receiver=receiver,
            group_by=_read_group_by(section.take("group_by"), parent.group_by),
            group_wait=read_duration(section.take("group_wait"), parent.group_wait),
            group_interval=_read_interval(section.take("group_interval"), parent.group_interval),
            repeat_interval=_read_interval(section.take("repeat_interval"), parent.repeat_interval),
            matchers=matchers,
            goes_on=goes_on,
            labels=tuple(sorted({**dict(parent.labels), **read_labels(section.take("labels"))}.items())),
            mute_time_intervals=self._read_interval_names(section.take("mute_time_intervals")),
            active_time_intervals=self._read_interval_names(section.take("active_time_intervals")),
            ancestor_twins=path,
        )
        self._count += 1
        children = self._read_children(section.take("routes"), route, (*path, place))
        section.close()
        return replace(route, children=children)

    def _read_receiver_name(self, field: Field) -> str:
        name = field.text()
        if name and name not in self._receivers:
            field.refuse(f"undefined receiver {quote(name)}")
        return name

    def _read_interval_names(self, field: Field) -> tuple[str, ...]:
        names = [(item, item.text()) for item in field.items()]
        for item, name in names:
            if name not in self._time_intervals:
                item.refuse(f"undefined time interval {quote(name)}")
        return tuple([name for _, name in names])


def _read_group_by(field: Field, inherited: frozenset[str] | None) -> frozenset[str] | None:
    """What to group by; absent inherits, `[]` resets to one group, `['...']` means all labels (RT-4)."""
    if field.is_absent:
        return inherited
    names: set[str] = set()
    by_all = False
    for item in field.items():
        name = item.text()
        if name == "...":
            by_all = True
        elif not is_valid_label_name(name):
            item.refuse(f"invalid label name {quote(name)}")
        elif name in names:
            item.refuse(f"duplicated label {quote(name)}")
        names.add(name)
    if by_all and len(names) > 1:
        field.refuse("`...` cannot stand beside other labels")
    return None if by_all else frozenset(names)


def _read_interval(field: Field, inherited: timedelta) -> timedelta:
    interval = read_duration(field, inherited)
    if not interval:
        field.refuse("cannot be zero")  # RT-5
    return interval
