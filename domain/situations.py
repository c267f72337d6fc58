"""Situation: everything outside its group that a decision may look at, gathered before it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.alerts import Alert, lease_end
from domain.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Situation:
    """The rules in force, and since when Tocsin has been listening without a gap.

    What mutes (inhibitions, silences, intervals) joins here, gathered by whoever asks, so that `decide` stays pure.
    """

    configuration: Configuration
    listening_since: datetime
    is_strict: bool = False
    """`compat: strict`: Alertmanager's behaviour exactly, its defects included."""

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
