"""Configuration: what an `alertmanager.yml` says, once it is known to be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from types import MappingProxyType

from domain.errors import NotFoundError
from domain.inhibition import InhibitRule
from domain.intervals import TimeInterval
from domain.labels import Labels
from domain.routing import GroupAddress, Route, group_address


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that never shows in a log, an error or a document: its `repr` hides it."""

    value: str | None = None
    """The value itself, or None when `file` names where it is read at each use."""
    file: str | None = None

    def __repr__(self) -> str:
        return "Secret(<hidden>)"


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The `tls_config` block: paths of PEM files, read when a client is made."""

    ca: str | None = None  # inline PEM
    ca_file: str | None = None
    cert: str | None = None  # inline PEM
    cert_file: str | None = None
    key: Secret | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False
    min_version: str | None = None  # TLS10 TLS11 TLS12 TLS13
    max_version: str | None = None


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The `http_config` block, with `global.http_config` already applied where a receiver has none."""

    bearer_type: str = "Bearer"  # authorization.type
    bearer: Secret | None = None  # authorization.credentials(_file), bearer_token(_file)
    username: str | None = None  # basic_auth.username
    username_file: str | None = None
    password: Secret | None = None  # basic_auth.password(_file)
    tls: TlsConfig = TlsConfig()
    follow_redirects: bool = True
    # These two may hold a password or a token as well.
    proxy_url: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # http_headers.<name>.values


@dataclass(frozen=True, slots=True)
class WebhookIntegration:
    """One entry of a receiver's `webhook_configs`."""

    url: Secret  # a webhook's URL is often its only secret
    send_resolved: bool = True
    max_alerts: int = 0
    """At most this many alerts a notification; 0 for no limit of the receiver's own."""
    timeout: timedelta | None = None
    """How long one attempt may take; None for as long as the delivery's deadline allows."""
    http: HttpConfig = HttpConfig()


type Integration = WebhookIntegration


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a route names, and the integrations through which it is told; there may be none."""

    name: str
    integrations: tuple[Integration, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()  # sorted by name; receiver labels (0.34)


@dataclass(frozen=True, slots=True)
class Configuration:
    """One whole, checked configuration; immutable, so a change makes a new version.

    `original` is the text as it was given; `version` is derived from it, so the same text is the same version.
    """

    version: str
    """The first sixteen hexadecimal digits of the text's hash; see `version_of`."""
    original: str = field(repr=False)
    root: Route
    receivers: tuple[Receiver, ...]
    resolve_timeout: timedelta = timedelta(minutes=5)
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)
    """By name; of several under one name any one suffices (TI-5)."""
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
            raise NotFoundError(f"no receiver {name!r}") from None

    def group_addresses(self, labels: Labels) -> tuple[GroupAddress, ...]:
        """The groups that an alert with these labels belongs to, never none; the first one leads it (rule 11)."""
        return tuple([group_address(route, labels) for route in self.root.find(labels)])


def version_of(text: str) -> str:
    """The version of the configuration that this text spells: the first sixteen hexadecimal digits of its hash."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _walk(route: Route) -> Iterator[Route]:
    yield route
    for child in route.children:
        yield from _walk(child)
