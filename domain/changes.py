"""Change: something that people or machines changed, as deploy pipelines report it; port `ChangeStore`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from domain.times import EPOCH
from domain.values import value

CHANGES_KEPT = timedelta(days=30)

MOST_AHEAD = timedelta(days=1)
"""A change may be told before it happens, or by a clock that is wrong, but no sooner."""

SAME_WITHIN = timedelta(minutes=10)
"""Who gives neither an id nor a time, and says the same within so long, says it again."""

LONGEST_ID = 200
LONGEST_SUMMARY = 1024
LONGEST_NAME = 200
LONGEST_URL = 2000
LONGEST_VALUE = 500
MOST_LABELS = 40


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


# --- how one is made ------------------------------------------------------------------------------------------------


def made_id(change: Change, *, is_timed: bool) -> str:
    """The id of a change whose sender gave it none: 32 hexadecimal digits, made from all that it says.

    Args:
        change: Its own id does not matter.
        is_timed: Whether its sender said when; otherwise `at` is when it came, and counts by `SAME_WITHIN`.
    """
    when = (change.at - EPOCH) // (timedelta(microseconds=1) if is_timed else SAME_WITHIN)
    said = [is_timed, when, change.summary, change.service, change.source, change.url, sorted(change.labels.items())]
    return sha256(json.dumps(said).encode()).hexdigest()[:32]


def time_fault(at: datetime, now: datetime) -> str:
    """Why no change of that instant is kept; empty where one is."""
    if at < now - CHANGES_KEPT:
        return f"it is more than {CHANGES_KEPT.days} days ago, and so long nothing is kept"
    if at > now + MOST_AHEAD:
        return "it is more than a day ahead"
    return ""
