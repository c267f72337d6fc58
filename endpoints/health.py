"""Health: whether this process lives, and whether what it needs answers in time; for platforms and people.

`/-/healthy` and `/-/ready` say the same in Alertmanager's words.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Literal
from weakref import WeakKeyDictionary

import azure.functions as func

from adapters.wiring import ports
from domain.errors import UnavailableError
from endpoints.pipeline import endpoint
from endpoints.shapes import Shape, show

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

log = logging.getLogger("tocsin.health")

CHECK_SECONDS = 5.0
"""For each part; all are asked at once."""

KEPT_SECONDS = 2.0
"""So long a good answer is given again: anybody may ask, and each check costs store and queue something."""

LONGEST_SILENCE_OF_SWEEP = timedelta(minutes=3)
"""The sweep writes every minute; one that has not for so long means that nothing is written, or nothing runs."""

NO_GROUP = "0" * 32
"""Whatever the store says of it, it has answered."""


class Health(Shape):
    """The process runs."""

    status: Literal["ok"]


class PartHealth(Shape):
    """One thing that is needed."""

    name: Literal["store", "configuration", "queues", "sweep"]
    status: Literal["ok", "ill"]
    detail: str
    """What is wrong, in words of Tocsin's own; empty where nothing is."""


class Readiness(Shape):
    """Ready where every part is."""

    status: Literal["ok", "ill"]
    parts: list[PartHealth]


@endpoint(blueprint, "GET", "health", scope=None, answers={200: Health})
async def show_health(request: func.HttpRequest) -> func.HttpResponse:
    """Whether the process runs; asks nobody else."""
    return show(Health(status="ok"))


@endpoint(blueprint, "GET", "health/ready", scope=None, answers={200: Readiness, 503: Readiness})
async def show_readiness(request: func.HttpRequest) -> func.HttpResponse:
    """Whether alerts can be taken in and pages sent, and if not, which part is ill (503)."""
    readiness = await _latest.setdefault(asyncio.get_running_loop(), _Latest()).get()
    response = show(readiness, 200 if readiness.status == "ok" else 503)
    if readiness.status != "ok":
        response.headers["Retry-After"] = "5"
    return response


async def check_store() -> None:
    """Raises UnavailableError when the store does not answer, or refused what was last written."""
    from domain.routing import GroupId

    if trouble := ports().trouble():
        raise SilentError(f"cannot be written: {trouble}")

    await ports().groups.list_entries(GroupId(NO_GROUP), limit=1)


async def check_configuration() -> None:
    """Raises UnavailableError when none can be had."""
    await ports().configurations.gather()


async def check_queues() -> None:
    """Raises UnavailableError when the queues do not answer."""
    await ports().queues.oldest("groups")


async def check_sweep() -> None:
    """Raises UnavailableError when it has not run, or not lately."""
    head = await ports().policy.get_head()
    if head.heard_at is None:
        raise SilentError("not listening yet: the sweep has not run")
    if (silence := ports().clock() - head.heard_at) > LONGEST_SILENCE_OF_SWEEP:
        minutes = silence // timedelta(minutes=1)
        raise SilentError(f"the sweep, which writes every minute, was last heard of {minutes} minutes ago")


class SilentError(UnavailableError):
    """Its words are made here, and may be shown to anybody."""


type Name = Literal["store", "configuration", "queues", "sweep"]

CHECKS: Mapping[Name, Callable[[], Awaitable[None]]] = {
    "store": check_store,
    "configuration": check_configuration,
    "queues": check_queues,
    "sweep": check_sweep,
}


async def _check(name: Name, check: Callable[[], Awaitable[None]]) -> PartHealth:
    # Never an error's own words: they are a service's, which may quote what it was sent.
    detail = ""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        detail = f"did not answer within {CHECK_SECONDS:g} s"
    except SilentError as error:
        detail = str(error)
    except UnavailableError:
        detail = "does not answer"
    except Exception as error:  # noqa: BLE001  whatever it is, the part is ill
        detail = f"failed: {type(error).__name__}"
    if detail:
        log.warning("not ready: %s: %s", name, detail)
    return PartHealth(name=name, status="ill" if detail else "ok", detail=detail)


class _Latest:
    def __init__(self) -> None:
        self._good: Readiness | None = None
        self._at = float("-inf")
        self._checking: asyncio.Task[Readiness] | None = None

    async def get(self) -> Readiness:
        """Good lately, or checked now; many who ask at once are answered by one check."""
        if self._good is not None and time.monotonic() - self._at < KEPT_SECONDS:
            return self._good
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._look())
        return await asyncio.shield(self._checking)

    async def _look(self) -> Readiness:
        parts = await asyncio.gather(*[_check(name, check) for name, check in CHECKS.items()])
        is_ill = any(part.status == "ill" for part in parts)
        readiness = Readiness(status="ill" if is_ill else "ok", parts=list(parts))
        self._good = None if is_ill else readiness
        self._at = time.monotonic()
        return readiness


_latest: WeakKeyDictionary[asyncio.AbstractEventLoop, _Latest] = WeakKeyDictionary()
