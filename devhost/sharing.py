"""Sharing: how the door and the queues divide the one event loop between them."""

from __future__ import annotations

import asyncio
import time

SLICE_SECONDS = 0.010
SLICE_WHILE_BUSY_SECONDS = 0.004
"""How long a pump hands out messages before others have their turn on the loop."""

BUSY_SECONDS = 0.05
"""The door counts as busy for this long after a request; longer than a slice, during which none can come in."""

AFTERWARDS = 2.0
"""What a slice costs in all, commit and outbox included, as a multiple of handing it out (measured: 1.8 to 2.2)."""

SHARE_WHILE_BUSY = 0.2
SHARE_WHEN_LATE = 0.6
LONGEST_PAUSE_SECONDS = 0.15
"""However much a slice cost: a page must not wait for what an import or a slow disk took once."""

LATE_SECONDS = 10.0
"""A busy door leaves the queues a fifth of the loop, all together; more once they are this far behind."""


class Loop:
    """The event loop as a resource: an acknowledgement is waited for by somebody, a fold by nobody yet.

    While requests come in, the queues take turns within their share, so that in a storm alerts become durable at the
    door's own speed; folds and pages catch up, and get more the later they are.  Without requests nothing is held back.
    """

    def __init__(self) -> None:
        self._requests = 0
        self._requested_at = 0.0
        self._seen: dict[object, int] = {}
        self._free_at = 0.0

    def request(self) -> None:
        """A request has come in."""
        self._requests += 1
        self._requested_at = time.perf_counter()

    def begin(self, pump: object) -> tuple[bool, float]:
        """Before a slice: whether requests came in since the pump's last one, and until when it may go on."""
        now = time.perf_counter()
        is_busy = self._seen.get(pump) != self._requests and now - self._requested_at < BUSY_SECONDS
        self._seen[pump] = self._requests
        return is_busy, now + (SLICE_WHILE_BUSY_SECONDS if is_busy else SLICE_SECONDS)

    async def yield_to_door(self, spent_seconds: float, lag_seconds: float) -> None:
        """After a slice of a busy time: leave the loop to the door until the queues' share is earned again.

        Args:
            spent_seconds: Processor time; what a busy machine or a slow disk kept this thread waiting is not charged.
            lag_seconds: How long the slice's last message had waited.
        """
        share = SHARE_WHEN_LATE if lag_seconds > LATE_SECONDS else SHARE_WHILE_BUSY
        now = time.perf_counter()
        earned_at = max(self._free_at, now) + AFTERWARDS * spent_seconds * (1 / share - 1)
        self._free_at = min(earned_at, now + LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(self._free_at - now)
