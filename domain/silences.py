"""Silence: a person's muting of whatever some matchers select, for a time; port `SilenceStore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.labels import Matcher


@dataclass(frozen=True, slots=True)
class Silence:
    """Mutes the alerts that all its matchers select, from `starts_at` until just before `ends_at`."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime


class SilenceStore(Protocol):
    """Where silences are kept, each change under a new version of all of them together.

    The version is `silences_version` of the policy head (rule 12): whoever reads that head first and lists then may
    keep the list for as long as the head says the same.
    """

    async def upsert_silence(self, silence: Silence) -> int:
        """Keep it, in the place of an older one of the same id.

        Returns:
            The new `silences_version`, higher than every one before, in the policy head since the same instant.

        Raises:
            UnavailableError: The store did not answer; nothing is written.
        """
        ...

    async def get_silence(self, silence_id: str) -> Silence:
        """Raises NotFoundError when there is none under that id."""
        ...

    async def list_silences(self) -> Sequence[Silence]:
        """All that are kept, ended ones included, in order of their ids; no change that is not durable yet."""
        ...
