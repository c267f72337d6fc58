"""Checking: what is strange about a configuration that is taken all the same, with the place and what to do about it.

Only what is certain is said: a route that a finding calls unreachable never hears of an alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from domain.configuration import Configuration
from domain.configuration.checking.findings import Finding, Severity, error
from domain.configuration.checking.inhibition import check_inhibit_rules
from domain.configuration.checking.outside import Kind, Outside, find_outside
from domain.configuration.checking.places import Places
from domain.configuration.checking.reach import find_unreachable
from domain.configuration.checking.receivers import check_receivers
from domain.configuration.checking.routes import check_routes
from domain.configuration.checking.spelling import check_spelling
from domain.configuration.checking.timing import check_timing
from domain.selection import Selection
from domain.silences import PostedSilence, is_broad

__all__ = [
    "Finding",
    "Kind",
    "Outside",
    "Severity",
    "check_configuration",
    "check_silences",
    "count_parts",
    "error",
    "find_outside",
    "find_unreachable",
]


def check_configuration(configuration: Configuration, now: datetime) -> tuple[Finding, ...]:
    """Every warning and note about it, by line; it has been read, so there are no errors.

    Args:
        configuration: What was read.
        now: Intervals whose years are over hold no more.
    """
    places = Places(configuration)
    unreachable = find_unreachable(configuration.root)
    found = {
        *check_routes(configuration, places, unreachable, now),
        *check_receivers(configuration, places, unreachable),
        *check_timing(configuration, places, now),
        *check_inhibit_rules(configuration, places),
        *check_spelling(places),
    }
    return tuple(sorted(found))


def count_parts(configuration: Configuration) -> dict[str, int]:
    """How many of what it has, in the words of `amtool check-config` and a few more."""
    return {
        "global config": 1,  # there always is one: what it does not say has defaults
        "route": 1,
        "inhibit rules": len(configuration.inhibit_rules),
        "receivers": len(configuration.receivers),
        "templates": len(configuration.templates),
        "time intervals": len(configuration.time_intervals),
        "routes in the tree": len(configuration.routes),
    }


def check_silences(silences: Iterable[PostedSilence], now: datetime) -> Iterator[Finding]:
    """The silences that mute far more than can be meant, or nothing at all; those that are over do not count."""
    for place, silence in enumerate(silences):
        if silence.ends_at is not None and silence.ends_at <= now:
            continue
        key = f"silence {silence.id}" if silence.id else f"silences[{place}]"
        shown = ", ".join(map(str, silence.matchers))
        if Selection(silence.matchers).is_empty:
            message = f"{shown} contradict each other, so it mutes nothing; expire it"
            yield Finding(0, 0, key, Severity.WARNING, "silence-never-applies", message)
        elif is_broad(silence.matchers):
            message = f"it has only {shown}, and so mutes nearly everything; add a matcher that says what to mute"
            yield Finding(0, 0, key, Severity.WARNING, "broad-silence", message)
