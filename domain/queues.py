"""Queues: where work waits between two stops of an alert's way; port `Queues`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from domain.groups import GroupEvents, Tick
from domain.looks import Triage
from domain.notifications import Delivery

type QueueName = Literal["intake", "groups", "ticks", "deliveries", "triage", "reactions"]

MAX_DELIVERY_COUNT = 1000
"""After so many failures a message is dead: high, because an outage is waited out, not dead-lettered (rule 15)."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that will not be tried again by itself, kept with its reason until someone replays or deletes it."""

    id: str
    queue: str
    kind: Literal["parked", "dead"]
    """Parked by a handler because it can never be accepted, or dead after `MAX_DELIVERY_COUNT` failures."""
    reason: str
    at: datetime
    delivery_count: int
    size: int
    """How many (alert × group) pairs it carries."""
    body: bytes


class Queues(Protocol):
    """Sends work on its way.

    Every send returns when the messages are durable, and raises UnavailableError when some may not be; then a part of
    the call may be sent, and whoever repeats it sends all again.  What is sent may be received more than once; within
    one session of `groups` the order is kept.
    """

    async def send_events(self, events: Sequence[GroupEvents], *, replacing: int = 0) -> None:
        """To queue `groups`, in the session of each message's shard; all groups of a message share one shard.

        Where they stand for a message that was accepted before and addressed anew, `replacing` is the size of that
        one: the ledger counts it once.
        """
        ...

    async def send_ticks(self, ticks: Sequence[Tick]) -> None:
        """To queue `ticks`; each comes at its `due_at`, or at once when that has passed."""
        ...

    async def send_deliveries(self, deliveries: Sequence[Delivery], not_before: datetime | None = None) -> None:
        """To queue `deliveries`; a delivery whose (id, postponed) was sent in the last ten minutes is dropped."""
        ...

    async def send_triages(self, triages: Sequence[Triage]) -> None:
        """To queue `triage`; each comes at its `due_at`, or at once when that has passed.

        One whose (incident, look, postponed) was sent in the last ten minutes is dropped.
        """
        ...

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None:
        """Put aside, durably, what can never be accepted; the caller then completes the message."""
        ...

    async def list_dead(self, *, before: tuple[datetime, str] | None = None, limit: int = 100) -> Sequence[DeadLetter]:
        """Parked and dead messages, the newest first.

        The next part begins behind `before`, the instant and the id of the last one of the part before; that one may be
        gone by now, and then one of the very same instant may come a second time.
        """
        ...

    async def get_dead(self, dead_letter_id: str) -> DeadLetter:
        """Raises NotFoundError when there is none under that id."""
        ...

    async def replay(self, dead_letter_id: str) -> None:
        """Send it to its queue again, with its delivery count at zero, and forget the dead letter: both or neither.

        Raises:
            NotFoundError: There is none under that id; a second replay says so.
        """
        ...

    async def passed(self, timeout_seconds: float) -> bool:
        """Wait until what this process has sent to `groups` so far has been folded; False when time ran out."""
        ...

    async def count_waiting(self) -> int:
        """How many (alert × group) pairs wait in `groups`."""
        ...

    async def count_parked(self) -> int:
        """How many (alert × group) pairs lie among the dead letters of `groups`."""
        ...

    async def count_accepted(self) -> int:
        """How many (alert × group) pairs were ever sent to `groups`, replays not counted again."""
        ...

    async def count_dead(self) -> Mapping[str, int]:
        """How many messages lie among the dead letters, by their queues; those without any are missing."""
        ...

    async def oldest(self, queue: QueueName) -> datetime | None:
        """Since when the longest waiting message of this queue waits, one under way included; None where there is none.

        A delivery waits since it was due, however often it was postponed.  For showing: of many messages an adapter
        may look at the first ones only.
        """
        ...
