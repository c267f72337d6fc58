"""The versions of the configuration that there have been, each as it was, its secrets hidden."""

from __future__ import annotations

from datetime import datetime

import azure.functions as func

from adapters.wiring import ports
from domain.errors import NotFoundError
from domain.principals import Scope
from endpoints.cursors import cut, read_cursor, refused, write_cursor
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Shape, read_query, show

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


class ConfigurationSummary(Shape):
    """A version of the configuration that was put in force at least once."""

    version: str
    activated_at: datetime
    """When that happened last."""
    is_in_force: bool


class Configurations(Shape):
    """The last to come into force first."""

    configurations: list[ConfigurationSummary]
    next: str | None


class ConfigurationDetail(Shape):
    """What it says, as it is shown to everybody."""

    version: str
    activated_at: datetime | None
    """Null for the default, which nobody activated."""
    is_in_force: bool
    text: str
    """The alertmanager.yml with its secrets as `<secret>` and without its comments."""
    receivers: list[str]
    templates: list[str]
    """The names of its template files, which may hold secrets themselves."""


@endpoint(blueprint, "GET", "api/v1/configurations", scope=Scope.READ, query=Page, answers={200: Configurations})
async def list_configurations(request: func.HttpRequest) -> func.HttpResponse:
    """The versions that there have been, the last to come into force first; the default is not among them."""
    query = read_query(Page, request)
    known = await _versions()
    place = read_cursor(query.cursor, "configurations", str)
    if place is not None:
        places = [number for number, one in enumerate(known) if one.version == place[0]]
        if not places:
            raise refused("its version is no longer there")
        known = known[places[0] + 1 :]
    shown, following = cut(known, query.limit, lambda one: write_cursor("configurations", one.version))
    return show(Configurations(configurations=list(shown), next=following))


@endpoint(
    blueprint,
    "GET",
    "api/v1/configurations/{version}",
    scope=Scope.READ,
    answers={200: ConfigurationDetail},
    problems=(404,),
    conditional=True,
)
async def show_configuration_version(request: func.HttpRequest) -> func.HttpResponse:
    """One version with its text, in which the secrets are hidden."""
    from domain.configuration.text import hide_secrets

    version = request.route_params["version"]
    known = {one.version: one for one in await _versions()}
    in_force = (await ports().configurations.gather()).configuration
    if version in known:
        configuration = await ports().configurations.get(version)
    elif version == in_force.version:
        configuration = in_force
    else:
        raise NotFoundError(f"no configuration of version {version[:100]!r}")
    return show(
        ConfigurationDetail(
            version=version,
            activated_at=known[version].activated_at if version in known else None,
            is_in_force=version == in_force.version,
            text=hide_secrets(configuration.original),
            receivers=[receiver.name for receiver in configuration.receivers],
            templates=[name for name, _ in configuration.templates],
        )
    )


async def _versions() -> list[ConfigurationSummary]:
    in_force = (await ports().configurations.gather()).configuration.version
    return [
        ConfigurationSummary(version=version, activated_at=at, is_in_force=version == in_force)
        for version, at in await ports().policy.list_configurations()
    ]
