"""Idempotency: a change that is asked for again under the same key is answered again, and made once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from domain.values import value

RETENTION = timedelta(hours=24)
"""So long an answer is remembered."""

LONGEST_WORK = timedelta(minutes=5)
"""No request is under way for longer: Azure's load balancer gives up after 230 s.  Who claimed it then is dead."""


@value
class KnownAnswer:
    """What a request was answered with."""

    status: int
    body: bytes
    media_type: str
    headers: dict[str, str]
    """Those that say something about what was done: `Location`, `ETag`."""


@value
class KnownRequest:
    """A request under a key, from when it is begun."""

    id: str
    """A digest of who asked and of their key: the key itself is not kept."""
    digest: str
    """Of all that was asked."""
    claim: str
    """Made at random by whoever carries it out, who so knows their own again."""
    began_at: datetime
    answer: KnownAnswer | None = None
    """None while it is under way."""


def is_free(standing: KnownRequest, now: datetime) -> bool:
    """Whether it may be begun anew: it is forgotten by now, or whoever began it ended without an answer."""
    age = now - standing.began_at
    return age >= RETENTION or (standing.answer is None and age >= LONGEST_WORK)


class IdempotencyStore(Protocol):
    """Where the requests under keys are remembered, across all instances."""

    async def begin_request(self, request: KnownRequest) -> KnownRequest | None:
        """Claim it, as of its `began_at`; of several at the same time one succeeds.

        Returns:
            None where it is the caller's to carry out; else the one that stands there, and is not free.

        Raises:
            UnavailableError: It is not known whose it is; nothing may be carried out.
        """
        ...

    async def finish_request(self, request: KnownRequest) -> None:
        """Remember its answer; returns when it is durable.  One whose claim is another's by now changes nothing.

        Raises:
            UnavailableError: It is not remembered.
        """
        ...

    async def forget_request(self, request: KnownRequest) -> None:
        """Let it be begun anew: nothing was done.  One whose claim is another's by now changes nothing."""
        ...

    async def forget_requests(self, before: datetime) -> None:
        """Remove those begun before; where the store does that by itself, nothing happens."""
        ...
