"""The first responder's part of the wiring: who looks at incidents, and the history at hand for that."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.homes import Home
    from adapters.identity import Identity
    from adapters.incident_history import IncidentHistory
    from adapters.settings import Settings
    from adapters.triagers import ClosingTriager
    from adapters.wiring import Clock


class FirstResponder:
    """Made when first asked for, as most instances never are: all of triage comes with it."""

    def __init__(self, home: Home, settings: Settings, clock: Clock, identity: Identity) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._identity = identity

    @property
    def has_model(self) -> bool:
        """Whether there is a model that could be asked."""
        return bool(self._settings.model)

    @cached_property
    def triager(self) -> ClosingTriager:
        """Who looks: in a process of its own, where the settings say so."""
        if self._settings.triage_process:
            from adapters.triage_process import TriageProcess

            return TriageProcess()
        from adapters.triagers import make_triager

        return make_triager(self._settings, self._identity)

    @cached_property
    def history(self) -> IncidentHistory:
        """The latest incidents."""
        from adapters.incident_history import IncidentHistory

        return IncidentHistory(self._home.groups, self._home.statistics, self._home.changes, self._clock)

    async def close(self) -> None:
        """End what was made."""
        if "triager" in vars(self):
            await self.triager.close()
