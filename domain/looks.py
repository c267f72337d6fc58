"""Look: one triage of an incident, as a group asks for it and hears of it; what was found is kept apart (`triage`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from domain.labels import Fingerprint
from domain.routing import GroupId
from domain.values import value

DETERMINISTIC = "deterministic"
"""Who looks where rules alone do, without a model."""


@value
class Triage:
    """One look that is wanted; it never waits for anything, and no page waits for it."""

    group_id: GroupId
    incident: str
    look: int
    """Counts the looks at the incident, from 1."""
    due_at: datetime
    postponed: int = 0
    """How often it was put off, since a model was not to be had."""


@value
class Found:
    """What came of a look, as an event of the group; only a reference, for it changes nothing but the trail."""

    group_id: GroupId
    incident: str
    look: int
    found_at: datetime
    by: str
    """Who looked: a model's name, or `DETERMINISTIC`."""
    text: str
    """In a sentence what was found, and why a model was or was not asked; or why nobody looked."""
    is_left_out: bool = False
    """Whether nobody looked, as more opened than could be looked at."""
    names: ClassVar[Sequence[Fingerprint]] = ()

    @property
    def id(self) -> str:
        """Names what was found."""
        return f"{self.incident}-{self.look}"
