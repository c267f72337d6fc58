"""Situation: everything outside its group that a decision may look at, gathered before it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.alerts import Alert, lease_end
from domain.configuration import Configuration
from domain.routing import Route
from domain.silences import NO_SILENCES, Silences


@dataclass(frozen=True, slots=True)
class Situation:
    """The rules in force, and since when Tocsin has been listening without a gap; gathered, so `decide` stays pure.

    Only the documents of inhibition are not here: which of them are needed is known when the members are (rule 14).
    """

    configuration: Configuration
    listening_since: datetime
    is_strict: bool = False
    """`compat: strict`: Alertmanager's behaviour exactly, its defects included."""
    silences: Silences = NO_SILENCES
    silent_since: datetime | None = None
    """When Tocsin last stopped listening, before `listening_since`; None if it never did."""
    is_triaged: bool = False
    """Whether incidents are looked at as they open; nothing else that is decided depends on it."""

    def can_mute(self, route: Route) -> bool:
        """Whether anything at all could mute an alert on this route: mostly nothing does."""
        return bool(
            self.configuration.inhibit_rules
            or self.silences is not NO_SILENCES
            or route.mute_time_intervals
            or route.active_time_intervals
        )

    def lease_end(self, alert: Alert, leased_at: datetime) -> datetime:
        """From when on the alert counts as resolved, under these rules."""
        return lease_end(alert, leased_at, self.listening_since, is_strict=self.is_strict)


@dataclass(frozen=True, slots=True)
class PolicyHead:
    """The one small document that every flush reads; all else is cached by what it says (rule 12)."""

    configuration_version: str = ""
    silences_version: int = 0
    listening_since: datetime | None = None
    heard_at: datetime | None = None
    """When the sweep last ran: a gap since then is time in which Tocsin did not listen (rule 8)."""
    silent_since: datetime | None = None
    """When it had last been heard of before `listening_since`."""


class PolicyStore(Protocol):
    """Where the policy head and the versions of the configuration are kept."""

    async def get_head(self) -> PolicyHead:
        """The current head; an empty one before anything was written."""
        ...

    async def heard(self, now: datetime, *, resumed: bool) -> PolicyHead:
        """Note that Tocsin listens at `now`; with `resumed`, that it did not listen until now (rule 8)."""
        ...

    async def activate(self, version: str, text: str, at: datetime) -> PolicyHead:
        """Keep this configuration and put it in force, at once and whole; safe to repeat."""
        ...

    async def get_configuration(self, version: str) -> str:
        """The text of that version.

        Raises:
            NotFoundError: There is no such version.
        """
        ...

    async def list_configurations(self) -> list[tuple[str, datetime]]:
        """Every version ever activated with its latest activation, the newest first."""
        ...
