"""The check of the tree of routes: who hears nothing, and who hears more than can be meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from domain.configuration import Configuration
from domain.configuration.checking.findings import Finding, lines, note, warning
from domain.configuration.checking.hours import leave_no_time
from domain.configuration.checking.places import Places
from domain.configuration.checking.reach import Unreachable
from domain.intervals import TimeInterval
from domain.labels import Matcher, MatchType
from domain.quoting import quote
from domain.routing import Route, RouteId
from domain.selection import Selection


def check_routes(
    configuration: Configuration, places: Places, unreachable: dict[RouteId, Unreachable], now: datetime
) -> Iterator[Finding]:
    """What is strange about the routes: see each rule."""
    for reason in unreachable.values():
        if reason.above is None:
            yield _unreachable(reason, places)
    for route in configuration.routes:
        if route.id not in unreachable:
            path = places.path(route)
            yield from _check_matchers(route, path, places)
            yield from _check_group_by(route, path, places)
            yield from _check_hours(route, configuration.time_intervals, places, now)


def _unreachable(reason: Unreachable, places: Places) -> Finding:
    route = reason.route
    but = ", except with a line break in a label's value" if reason.in_one_line else ""
    if reason.contradiction:
        path = places.path(route)
        shown = " and ".join(
            f"{matcher} (line {places.matcher_line(path, matcher)})" for matcher in reason.contradiction
        )
        message = f"no alert comes here{but}: none has {shown}; correct the matchers or remove the route"
        return warning(places.routes[route.id].field, "contradicting-matchers", message)
    where = lines(places.line(sibling) for sibling in reason.taken_by)
    if len(reason.taken_by) == 1:
        who = f"the route in {where} takes each that could, and has no `continue: true`; move this one above it"
    else:
        who = f"the routes in {where} take each that could, and have no `continue: true`; move this one above them"
    message = f"no alert comes here{but}: {who} or remove it"
    return warning(places.routes[route.id].field, "unreachable-route", message)


def _check_matchers(route: Route, path: list[Route], places: Places) -> Iterator[Finding]:
    field = places.routes[route.id].field
    everywhere = [matcher for each in path for matcher in each.matchers]
    if everywhere and route.matchers and all(map(_is_negative, everywhere)):
        names = _names(route.matchers)
        message = (
            f"it says only what it does not want, and so takes each alert without {names} too; "
            "add a matcher that asks for a value if that is not meant"
        )
        yield note(field, "negative-route", message)
    for matcher in route.matchers:
        if matcher.type is MatchType.REGEX and Selection((), in_one_line=True).implies(matcher):
            message = (
                f"{matcher} selects each alert, also those without {quote(matcher.name)}; leave it out, or write "
                f'{matcher.name}!="" for those that have one'
            )
            yield note(field, "matches-anything", message)


def _is_negative(matcher: Matcher) -> bool:
    return matcher.type in (MatchType.NOT_EQUAL, MatchType.NOT_REGEX) and matcher.matches_empty


def _names(matchers: Iterable[Matcher]) -> str:
    return " and ".join(quote(name) for name in sorted({matcher.name for matcher in matchers}))


def _check_group_by(route: Route, path: list[Route], places: Places) -> Iterator[Finding]:
    selection = Selection(tuple(matcher for each in path for matcher in each.matchers))
    for item in places.routes[route.id].section.peek("group_by").items():
        known = selection.values(item.text())
        if known is not None and len(known) == 1:
            (value,) = known
            message = f"label {quote(item.text())} is always {quote(value)} here, and so tells no groups apart"
            yield note(item, "needless-group-label", message)


def _check_hours(
    route: Route, intervals: Mapping[str, tuple[TimeInterval, ...]], places: Places, now: datetime
) -> Iterator[Finding]:
    if not (route.active_time_intervals or route.mute_time_intervals):
        return
    mute = [entry for name in route.mute_time_intervals for entry in intervals[name]]
    active = [entry for name in route.active_time_intervals for entry in intervals[name]]
    if leave_no_time(active if route.active_time_intervals else None, mute, now):
        section = places.routes[route.id].section
        keys = ("active_time_intervals", "mute_time_intervals")
        field = next(field for key in keys if not (field := section.peek(key)).is_empty)
        message = (
            f"its time intervals leave no instant in which {quote(route.receiver)} is told anything; correct "
            f"{' or '.join(f'`{key}`' for key in keys if not section.peek(key).is_empty)}"
        )
        yield warning(field, "always-muted-route", message)
