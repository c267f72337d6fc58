"""Change: something that people or machines changed, as deploy pipelines report it; port `ChangeStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Protocol

from domain.values import value

CHANGES_KEPT = timedelta(days=30)


@value
class Change:
    """Something that people or machines changed: a deploy, a flag, a migration."""

    id: str
    """The sender's own, or made from what it sent: who sends the same twice changes nothing."""
    at: datetime
    summary: str
    service: str = ""
    """Empty where the change does not say what it concerns."""
    source: str = ""
    url: str = ""
    """Where to read more; shown, never fetched."""
    labels: Mapping[str, str] = field(default_factory=dict)


class ChangeStore(Protocol):
    """The changes of the last 30 days."""

    async def add_changes(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Keep these, in the same order whether each is new; one whose id is there already is left as it was.

        Of two of one id the first is kept.  After a lost answer one that is new may be taken for a known one.

        Raises:
            UnavailableError: Some may not be kept; call again with all.
        """
        ...

    async def list_changes(
        self, since: datetime, until: datetime, *, service: str = "", after: str | None = None, limit: int = 100
    ) -> Sequence[Change]:
        """Those of `since <= at < until`, the latest first, of equals by id; from the one behind the id `after` on.

        With `service` only those that say that they concern it.

        Raises:
            NotFoundError: `after` is not the id of any.
            UnavailableError: The store did not answer.
        """
        ...

    async def forget_changes(self, before: datetime) -> None:
        """Remove those that came before that instant."""
        ...
