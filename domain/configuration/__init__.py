"""Configuration: what an `alertmanager.yml` says, once it is known to be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from domain.configuration.bundle import Templates, version_of
from domain.configuration.integrations import (
    EmailIntegration,
    HttpConfig,
    Integration,
    PagerdutyImage,
    PagerdutyIntegration,
    PagerdutyLink,
    Secret,
    SlackAction,
    SlackConfirmation,
    SlackField,
    SlackIntegration,
    TeamsIntegration,
    TlsConfig,
    WebhookIntegration,
)
from domain.errors import NotFoundError
from domain.inhibition import InhibitRule
from domain.intervals import TimeInterval
from domain.labels import Labels
from domain.routing import GroupAddress, Route, group_address

if TYPE_CHECKING:  # it knows what a notification is, and so comes after this module
    from domain.templates import TemplateSet

__all__ = [
    "Configuration",
    "EmailIntegration",
    "HttpConfig",
    "Integration",
    "PagerdutyImage",
    "PagerdutyIntegration",
    "PagerdutyLink",
    "Receiver",
    "Secret",
    "SlackAction",
    "SlackConfirmation",
    "SlackField",
    "SlackIntegration",
    "TeamsIntegration",
    "TlsConfig",
    "WebhookIntegration",
    "version_of",
]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a route names, and the integrations through which it is told; there may be none."""

    name: str
    integrations: tuple[Integration, ...] = ()
    """The webhooks first, then Slack, Teams, PagerDuty and e-mail, each in the order of the text.

    What is stored of an integration names its place here: before the others existed there were only webhooks.
    """
    labels: tuple[tuple[str, str], ...] = ()  # sorted by name; receiver labels (0.34)
    ignored: tuple[str, ...] = ()
    """The kinds of integration that it has and that were left out, because ignoring them was asked for."""

    @property
    def integration_names(self) -> list[str]:
        """What explanations and errors call its integrations: `slack[1]`, the number being the place among all."""
        return [f"{integration.kind}[{place}]" for place, integration in enumerate(self.integrations)]


@dataclass(frozen=True, slots=True)
class Configuration:
    """One whole, checked configuration; immutable, so a change makes a new version.

    `original` is the text as it was given; `version` is derived from it and from the templates.
    """

    version: str
    """Derived from the files, see `Bundle`: the same ones are the same version."""
    original: str = field(repr=False)
    root: Route
    receivers: tuple[Receiver, ...]
    resolve_timeout: timedelta = timedelta(minutes=5)
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)
    """By name; of several under one name any one suffices (TI-5)."""
    templates: Templates = field(default=(), repr=False)
    """The template files, each by the path that it was found at."""
    template_set: TemplateSet | None = field(default=None, repr=False, compare=False)
    """The same, read: what the texts of receivers are compiled with."""
    routes: tuple[Route, ...] = field(init=False, repr=False, compare=False)
    """Every route of the tree, depth first, so that `routes[route_id]` is the route of that id."""
    _receivers: Mapping[str, Receiver] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "routes", tuple(_walk(self.root)))
        by_name = {receiver.name: receiver for receiver in self.receivers}
        object.__setattr__(self, "_receivers", MappingProxyType(by_name))

    def receiver(self, name: str) -> Receiver:
        """The receiver of that name.

        Raises:
            NotFoundError: This version has none; an older one may have had it.
        """
        try:
            return self._receivers[name]
        except KeyError:
            raise NotFoundError(f"no receiver {name!r}; there are {', '.join(sorted(self._receivers))}") from None

    def group_addresses(self, labels: Labels) -> tuple[GroupAddress, ...]:
        """The groups that an alert with these labels belongs to, never none; the first one leads it (rule 11)."""
        return tuple([group_address(route, labels) for route in self.root.find(labels)])


def _walk(route: Route) -> Iterator[Route]:
    yield route
    for child in route.children:
        yield from _walk(child)
