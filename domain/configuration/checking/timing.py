"""The check of timers and time intervals: when repeats really come, and which times never do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.configuration import Configuration
from domain.configuration.checking.findings import Finding, note, warning
from domain.configuration.checking.places import Places
from domain.durations import print_duration
from domain.intervals import is_over, never_matches
from domain.notifications import LOG_RETENTION
from domain.quoting import quote
from domain.routing import Route
from domain.yaml_document import Section


def check_timing(configuration: Configuration, places: Places, now: datetime) -> Iterator[Finding]:
    """Timers that work otherwise than they read, and intervals that nobody uses or that never come."""
    for route in configuration.routes:
        section = places.routes[route.id].section
        yield from _check_repeat(route, section)
        yield from _check_wait(route, section)
    yield from _check_intervals(configuration, places, now)


def _check_repeat(route: Route, section: Section) -> Iterator[Finding]:
    own = [field for key in ("repeat_interval", "group_interval") if not (field := section.peek(key)).is_absent]
    if not own:
        return
    repeat, interval = route.repeat_interval, route.group_interval
    shown = f"repeat_interval {print_duration(repeat)}"
    if repeat < interval:
        message = (
            f"{shown} is shorter than group_interval {print_duration(interval)}, at which alone a group notifies: "
            f"repeats come every {print_duration(interval)}"
        )
        yield warning(own[0], "short-repeat", message)
    elif repeat > LOG_RETENTION:
        message = (
            f"{shown} is longer than a notification is remembered: repeats come after "
            f"{print_duration(_next_multiple(LOG_RETENTION, interval))}; write 5d or less"
        )
        yield warning(own[0], "long-repeat", message)
    elif repeat % interval:
        message = (
            f"{shown} is no multiple of group_interval {print_duration(interval)}, at which alone a group notifies: "
            f"repeats come every {print_duration(_next_multiple(repeat, interval))}"
        )
        yield note(own[0], "uneven-repeat", message)


def _next_multiple(duration: timedelta, of: timedelta) -> timedelta:
    return -(-duration // of) * of


def _check_wait(route: Route, section: Section) -> Iterator[Finding]:
    own = [field for key in ("group_wait", "group_interval") if not (field := section.peek(key)).is_absent]
    if own and route.group_wait > route.group_interval:
        message = (
            f"group_wait {print_duration(route.group_wait)} is longer than group_interval "
            f"{print_duration(route.group_interval)}: the first notification of a group, the most urgent one, waits "
            "longest; shorten it"
        )
        yield warning(own[0], "long-wait", message)


def _check_intervals(configuration: Configuration, places: Places, now: datetime) -> Iterator[Finding]:
    used = {
        name for route in configuration.routes for name in (*route.mute_time_intervals, *route.active_time_intervals)
    }
    for name, entries in configuration.time_intervals.items():
        place = places.intervals[name]
        if name not in used:
            message = f"no route uses the time interval {quote(name)}; name it in one, or remove it"
            yield warning(place.name, "unused-interval", message)
        if not entries:
            message = f"the time interval {quote(name)} holds no times, and so never comes; add some, or remove it"
            yield warning(place.name, "never-matching-interval", message)
        for entry, field in zip(entries, place.entries, strict=True):
            if never_matches(entry):
                message = "no instant is in it: no day of the calendar is all that it asks for; correct or remove it"
                yield warning(field, "never-matching-interval", message)
            elif is_over(entry, now):
                yield warning(field, "interval-over", "its last year is over, so it never comes again; remove it")
