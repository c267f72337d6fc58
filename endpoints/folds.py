"""Folds: an answer waits for what was acknowledged before it, so that it shows it."""

from __future__ import annotations

from adapters.wiring import ports

LONGEST_WAIT_SECONDS = 1.0
"""Then it is answered without: behind a storm the newest may be missing."""


async def await_folds() -> None:
    """Return when all that this process has acknowledged is folded, or after a second."""
    await ports().queues.passed(LONGEST_WAIT_SECONDS)
