"""Limits: how often, how long, and how much waits already; what is refused here is refused before it costs anything."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.wiring import ports
from domain.errors import TooManyError, UnavailableError
from domain.principals import LOCAL, Principal, Scope

if TYPE_CHECKING:
    from endpoints.pipeline import Handler


BACKLOG_SECONDS = 10
"""After so long a sender tries again: half a million messages are folded in less than a minute."""


def check_rate(principal: Principal, scope: Scope) -> None:
    """Count one request of this principal; ingest and the rest have a bucket each.

    Whoever asks on a loopback without `--auth` is not limited: those are all programs of this machine at once.

    Raises:
        TooManyError: It asks more often than it may (429).
        UnavailableError: It brings alerts, and too many wait in memory already (503).
    """
    if scope is Scope.INGEST and (waiting := ports().backlog()) >= ports().settings.most_waiting:
        raise UnavailableError(
            f"{waiting} messages with alerts wait to be folded; send yours again later",
            timedelta(seconds=BACKLOG_SECONDS),
        )
    if principal is LOCAL:
        return
    wait = ports().limits.take(principal.id, time.monotonic(), is_ingest=scope is Scope.INGEST)
    if wait:
        raise TooManyError("you ask more often than you may", whole_seconds(wait))


def whole_seconds(wait: float) -> timedelta:
    """How long to wait, as `Retry-After` can say it: rounded up, and never nothing."""
    return timedelta(seconds=max(1, -(-wait // 1)))


def within_time(handler: Handler) -> Handler:
    """The handler, given up when it takes longer than any should (`TOCSIN_REQUEST_SECONDS`)."""

    async def run(request: func.HttpRequest) -> func.HttpResponse:
        limit = asyncio.timeout(ports().settings.request_seconds)
        try:
            async with limit:
                return await handler(request)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise UnavailableError("this took too long and was given up; it may have been done all the same") from error

    return run
