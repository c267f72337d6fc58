"""What Alertmanager's API v2 shows: alerts, groups, receivers and the status, for amtool, Grafana, karma and others."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func

from adapters.wiring import ports, utc_now
from domain.errors import RejectedError
from domain.principals import Scope
from domain.times import print_milliseconds
from endpoints.folds import await_folds
from endpoints.pipeline import endpoint

if TYPE_CHECKING:
    from domain.groups import Head
    from domain.inhibition import SourceKey
    from domain.labels import Matcher
    from domain.listing import Standing
    from domain.routing import GroupId

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

API_VERSION = "0.34.0"
"""The Alertmanager whose API this is; clients look here for what they may ask."""

MANY = 2000
"""So many alerts take some 40 ms to show."""

STARTED_AT = utc_now()


@endpoint(blueprint, "GET", "api/v2/alerts", scope=Scope.READ, answers={200: "application/json"})
async def get_alerts(request: func.HttpRequest) -> func.HttpResponse:
    """The alerts that have not ended, by fingerprint; waits for those acknowledged just now, for a second at most."""
    from domain.listing import list_alerts, read_selection

    selection = read_selection(parameters(request))
    standing = await gather_standing(selection.matchers)
    return await _render(len(standing.copies), lambda: list_alerts(standing, selection))


@endpoint(blueprint, "GET", "api/v2/alerts/groups", scope=Scope.READ, answers={200: "application/json"})
async def get_alert_groups(request: func.HttpRequest) -> func.HttpResponse:
    """The groups with their alerts, by labels and receiver; waits as `get_alerts` does."""
    from domain.listing import list_groups, read_selection

    selection = read_selection(parameters(request))
    standing = await gather_standing(selection.matchers)
    return await _render(len(standing.copies), lambda: list_groups(standing, selection))


@endpoint(blueprint, "GET", "api/v2/receivers", scope=Scope.READ, answers={200: "application/json"})
async def get_receivers(request: func.HttpRequest) -> func.HttpResponse:
    """The receivers of the configuration in force, in its order."""
    from domain.listing import list_receivers, read_selection

    situation = await ports().configurations.gather()
    return _shown(list_receivers(situation.configuration, read_selection(parameters(request))))


@endpoint(blueprint, "GET", "api/v2/status", scope=Scope.READ, answers={200: "application/json"})
async def get_status(request: func.HttpRequest) -> func.HttpResponse:
    """The configuration in force, its secrets hidden, and the version of the API; there is no cluster to show."""
    from importlib.metadata import version

    from domain.configuration.text import hide_secrets

    situation = await ports().configurations.gather()
    return _shown(
        {
            "cluster": {"peers": [], "status": "disabled"},
            "config": {"original": hide_secrets(situation.configuration.original)},
            "uptime": print_milliseconds(STARTED_AT),
            "versionInfo": {
                "branch": "tocsin",
                "buildDate": "",
                "buildUser": "",
                "goVersion": f"none, Python {platform.python_version()}",
                "revision": f"tocsin {version('tocsin')}",
                "version": API_VERSION,
            },
        }
    )


def parameters(request: func.HttpRequest) -> Mapping[str, Sequence[str]]:
    """All values of each query parameter, in their order.

    Functions joins them by commas, which matchers hold themselves, so `request.params` cannot tell them apart.

    Raises:
        RejectedError: One of them is not UTF-8.
    """
    try:
        return parse_qs(urlsplit(request.url).query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise RejectedError(f"the query is not UTF-8: {error}") from error


async def gather_standing(matchers: Sequence[Matcher] = ()) -> Standing:
    """Everything that is there to be listed; waits for what was acknowledged just now, for a second at most.

    Args:
        matchers: Filters.  Groups that can hold nothing of what they select may be left out, others not.
    """
    from domain.listing import Standing, may_hold
    from domain.muting import source_keys

    await await_folds()
    heads = await _heads()
    asked = [id for id, head in heads.items() if may_hold(matchers, head.labels)] if matchers else heads
    # One after the other they cost more than all at once.
    copies = await ports().groups.list_members(asked if 2 * len(asked) < len(heads) else None)
    situation = await ports().configurations.gather()
    keys: frozenset[SourceKey] = frozenset()
    if situation.configuration.inhibit_rules:
        labels = [member.alert.labels for _, member in copies]
        keys = await asyncio.to_thread(source_keys, labels, situation)
    sources = await ports().sources.get_sources(keys)
    return Standing(copies, heads, situation, sources, ports().clock())


async def _heads() -> dict[GroupId, Head]:
    heads: dict[GroupId, Head] = {}
    after: GroupId | None = None
    while page := await ports().groups.list_heads(after=after):
        heads |= {head.id: head for head in page}
        after = page[-1].id
    return heads


async def _render(size: int, build: Callable[[], Any]) -> func.HttpResponse:
    """The value as JSON, made in a thread when it is large: meanwhile alerts come in and pages go out."""
    return _shown(build()) if size < MANY else await asyncio.to_thread(lambda: _shown(build()))


def _shown(value: Any) -> func.HttpResponse:
    from adapters.documents import encode

    return func.HttpResponse(encode(value), mimetype="application/json")
