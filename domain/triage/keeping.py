"""Keeping: what came of each look at an incident, and what responders asked about it; port `FindingStore`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.triage.findings import Finding, Reply
from domain.values import value

FINDINGS_KEPT = timedelta(days=90)


@value
class Look:
    """One look at an incident and what was found, judged."""

    incident: str
    number: int
    at: datetime
    finding: Finding
    reason: str
    """Why a model was asked, or was not."""
    alerts: int = 0
    """How many alerts the incident had then."""


@value
class Asked:
    """What somebody asked about an incident, and what was answered, judged."""

    incident: str
    id: str
    """Names it among those of its incident."""
    at: datetime
    actor: str
    words: str
    reply: Reply


class FindingStore(Protocol):
    """The looks at incidents, and the conversations about them; for 90 days."""

    async def keep_look(self, look: Look) -> Look:
        """Keep it, unless one of that number is there already: that one is left as it is, and returned.

        Raises:
            UnavailableError: It may not be kept; call again.
        """
        ...

    async def get_look(self, incident: str, number: int | None = None) -> Look | None:
        """The look of that number, or the latest; None where there is none.

        Raises:
            UnavailableError: The store did not answer.
        """
        ...

    async def keep_asked(self, asked: Asked) -> None:
        """Keep it; the same a second time changes nothing.

        Raises:
            UnavailableError: It may not be kept; call again.
        """
        ...

    async def list_asked(self, incident: str, *, limit: int = 20) -> Sequence[Asked]:
        """The latest that was asked about it, the oldest first.

        Raises:
            UnavailableError: The store did not answer.
        """
        ...

    async def forget_findings(self, before: datetime) -> None:
        """Remove the looks and questions that came before that instant."""
        ...
