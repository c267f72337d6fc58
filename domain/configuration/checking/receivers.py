"""The check of receivers: whom nobody calls, and who hears nothing when called."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.configuration import Configuration
from domain.configuration.checking.findings import Finding, note, warning
from domain.configuration.checking.places import Places
from domain.configuration.checking.reach import Unreachable, find_passed_on
from domain.quoting import quote
from domain.routing import RouteId
from domain.shadowing import WEBHOOK_PATH, shadow_doors

_SILENT = re.compile(
    r"(?:.*[^a-z])?(?:null|nil|none|no-?one|nobody|nothing|nowhere|noop|no-op|void|empty|dummy|dev-?null|black-?hole|trash"
    r"|drop(?:ped)?|discard(?:ed)?|ignored?|silent|silenced?|muted?|suppress(?:ed)?|sink)(?:[^a-z].*)?",
    re.IGNORECASE,
)
"""Names of receivers that say themselves that nobody is told."""


def check_receivers(
    configuration: Configuration, places: Places, unreachable: dict[RouteId, Unreachable]
) -> Iterator[Finding]:
    """Receivers that no route names or reaches, and those that are named and tell nobody."""
    named = {route.receiver for route in configuration.routes}
    reached = {route.receiver for route in configuration.routes if route.id not in unreachable}
    passed_on = {route.id for route in find_passed_on(configuration.root, unreachable)}
    told = {
        route.receiver for route in configuration.routes if route.id not in unreachable and route.id not in passed_on
    }
    for name in shadow_doors(configuration):
        message = (
            f"receiver {quote(name)} has a webhook to the door of a shadow, {WEBHOOK_PATH}, which a Tocsin that is no "
            "shadow refuses; remove it before Tocsin takes over from Alertmanager"
        )
        yield warning(places.receivers[name], "shadow-webhook", message)
    for receiver in configuration.receivers:
        field = places.receivers[receiver.name]
        shown = quote(receiver.name)
        if receiver.name not in named:
            yield warning(field, "unused-receiver", f"no route names receiver {shown}; add one, or remove the receiver")
        elif receiver.name not in reached:
            message = f"only routes that no alert comes to name receiver {shown}; correct them, or remove the receiver"
            yield warning(field, "unused-receiver", message)
        elif receiver.name not in told:
            message = f"receiver {shown} is never told: routes that name it pass every alert on to those below them"
            yield note(field, "passed-over-receiver", message)
        elif receiver.ignored:
            message = f"receiver {shown} goes without its {', '.join(receiver.ignored)}, which Tocsin does not speak to"
            yield warning(field, "ignored-integration", message)
        elif receiver.integrations:
            continue
        elif _SILENT.fullmatch(receiver.name):
            yield note(field, "silent-receiver", f"receiver {shown} has no integrations, so nobody is told, as it says")
        else:
            message = (
                f"receiver {shown} has no integrations, so nobody is told; add one, or call it something like "
                '"null" if that is meant'
            )
            yield warning(field, "silent-receiver", message)
