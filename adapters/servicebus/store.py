"""What Service Bus cannot keep and the store keeps for it: long bodies, dead letters, and what has been folded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.queues import DeadLetter, QueueName
from domain.routing import GroupId

type Folded = Callable[[Mapping[tuple[GroupId, str], int]], Awaitable[bool]]
"""Whether each of these groups has folded the event of this number from this door, or a later one."""

type CountFolded = Callable[[], Awaitable[int]]
"""How many (alert × group) pairs were ever folded."""


class Payloads(Protocol):
    """Bodies that are too long for a message; the message carries the reference."""

    async def put(self, body: bytes) -> str:
        """Keep it, durably, and return by which reference it is had; at most 256 characters.

        Raises:
            UnavailableError: It is not kept.
        """
        ...

    async def get(self, reference: str) -> bytes:
        """What was put under it, for as long as a message or a dead letter may carry it.

        Raises:
            NotFoundError: There is nothing under it, or no longer.
            UnavailableError: Not now.
        """
        ...


class Causality(Protocol):
    """Lets a consumer on another instance read what the sender wrote: the store's token goes with the message."""

    def stamp(self) -> str:
        """The newest token of this process; empty when it has written nothing."""
        ...

    def learn(self, token: str) -> None:
        """From now on, read nothing older than what this token has seen."""
        ...


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter with what its replay needs."""

    letter: DeadLetter
    """Its body is empty where `reference` is given."""
    session: str | None = None
    reference: str = ""
    """Under which `Payloads` has its body."""


class DeadLetters(Protocol):
    """Parked messages, and those that Service Bus gave up on; in the store, so that they can be listed and counted."""

    async def add(self, kept: KeptLetter) -> None:
        """Keep it; adding one whose id is there already changes nothing."""
        ...

    async def list_newest(self, limit: int, before: tuple[datetime, str] | None = None) -> Sequence[KeptLetter]:
        """The latest by `letter.at` first; from behind `before` on, as `Queues.list_dead` says."""
        ...

    async def get(self, dead_letter_id: str) -> KeptLetter:
        """Raises NotFoundError when there is none under that id."""
        ...

    async def remove(self, dead_letter_id: str) -> None:
        """Raises NotFoundError when there is none under that id, or no longer."""
        ...

    async def sum_sizes(self, queue: QueueName) -> int:
        """How many (alert × group) pairs the letters of this queue carry."""
        ...

    async def count(self) -> Mapping[str, int]:
        """How many letters there are, by their queues; those without any are missing."""
        ...
