"""Principal: who asks, and what they may do."""

from __future__ import annotations

from enum import StrEnum

from domain.values import value


class Scope(StrEnum):
    """What a key or a person may do; `admin` may everything, and whoever may respond may read."""

    INGEST = "ingest"
    """Send alerts, and report changes."""
    READ = "read"
    """See alerts, incidents, silences and how Tocsin fares."""
    RESPOND = "respond"
    """Acknowledge, snooze, resolve, assign, silence."""
    ADMIN = "admin"
    """Change the configuration, keys and dead letters; see the audit log."""


IMPLIED: dict[Scope, frozenset[Scope]] = {
    Scope.INGEST: frozenset({Scope.INGEST}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.RESPOND: frozenset({Scope.RESPOND, Scope.READ}),
    Scope.ADMIN: frozenset(Scope),
}


@value
class Principal:
    """Whoever makes a request, as far as it is proven."""

    id: str
    """Stable: `key:<id>`, `user:<object id>`, `source:<kind/key>`, `local`."""
    name: str
    """For timelines and the audit log."""
    scopes: frozenset[Scope]
    source: str | None = None
    """The one source that an ingest key may send as; None for any."""

    def may(self, scope: Scope) -> bool:
        """Whether one of its scopes allows this."""
        return any(scope in IMPLIED[own] for own in self.scopes)


def source_principal(name: str) -> Principal:
    """A source that has proven itself by what the `tocsin.yml` says of it, and may send as itself only."""
    return Principal(f"source:{name}", name, frozenset({Scope.INGEST}), name)


LOCAL = Principal("local", "local", frozenset({Scope.ADMIN}))
"""Whoever asks a Tocsin that listens on loopback only and was started without `--auth`."""

ANYBODY = Principal("anybody", "anybody", frozenset())
"""Whoever asks where nobody need say who they are: health, signed links."""
