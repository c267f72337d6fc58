"""Repeating: what to do about a lost race, or a lost answer; and several calls at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable

from adapters.cosmos.client import ConflictError, UnsureError
from domain.errors import UnavailableError

ATTEMPTS = 10
UNSURE_ATTEMPTS = 3
"""Fewer: the answer to a write is lost when the service is slow, and each attempt may wait for it."""

FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 1.0

AT_ONCE = 16
"""So many calls of one request are under way at the same time."""


async def repeat[T](what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Ask it again while another writer was faster or the answer was lost.

    An attempt must look at what is stored before it writes, or write what does no harm a second time.

    Raises:
        UnavailableError: Still so after many attempts.
    """
    unsure = 0
    for number in range(ATTEMPTS):
        if number:
            # At random, or those who met once would meet again.
            longest = min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(random.uniform(0, longest))
        try:
            return await attempt()
        except ConflictError:
            continue
        except UnsureError:
            unsure += 1
            if unsure == UNSURE_ATTEMPTS:
                raise
    raise UnavailableError(f"{what}: others were faster {ATTEMPTS} times in a row")


async def together[T](calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """What they answer, in order; some at a time.

    All are over when it returns or raises, so that none goes on unseen; then the first error of them is raised.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await call()

    answers = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
    found: list[T] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        found.append(answer)
    return found
