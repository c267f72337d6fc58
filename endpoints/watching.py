"""Watching: readings of what is stored and queued, that tell at night whether pages get through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import get_args

from adapters.telemetry.instruments import (
    DEAD_LETTERS,
    LEDGER_ALERTS,
    LEDGER_NOTIFICATIONS,
    SPENT_TODAY,
    SWEEP_AGE,
    TOKENS_TODAY,
    UNDELIVERED_AGE,
    UNFOLDED_AGE,
    UNREADABLE,
)
from adapters.wiring import ports

log = logging.getLogger("tocsin.telemetry")

READING_SECONDS = 10.0
"""For each reading; one that takes longer has failed."""

LEDGER_EVERY_MINUTES = 10
"""On Azure the ledger is summed over the heads of all groups there ever were, and each costs something."""


async def watch() -> None:
    """Take every reading once and show it; one that fails is missing, and is named by `tocsin.readings.failed`."""
    readings: Mapping[str, Callable[[], Awaitable[None]]] = {
        "queues": _read_queues,
        "dead_letters": _read_dead_letters,
        "sweep": _read_sweep,
        "spending": _read_spending,
    }
    if ports().settings.home != "azure" or ports().clock().minute % LEDGER_EVERY_MINUTES == 0:
        readings = {**readings, "ledger": _read_ledger}
    results = await asyncio.gather(*[_read(name, reading) for name, reading in readings.items()])
    UNREADABLE.show({(name,): float(failed) for name, failed in zip(readings, results, strict=True)})


async def _read(name: str, reading: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(READING_SECONDS):
            await reading()
    except Exception as error:  # noqa: BLE001  whatever it is, the others are read all the same
        log.warning("the reading of %s failed: %s", name, type(error).__name__)
        return True
    return False


async def _read_queues() -> None:
    now, queues = ports().clock(), ports().queues
    unfolded, undelivered = await asyncio.gather(queues.oldest("groups"), queues.oldest("deliveries"))
    UNFOLDED_AGE.show({(): (now - unfolded).total_seconds() if unfolded else 0.0})
    # One that waits for its time, after a failure, has been due all the while.
    UNDELIVERED_AGE.show({(): max(0.0, (now - undelivered).total_seconds()) if undelivered else 0.0})


async def _read_dead_letters() -> None:
    from domain.queues import QueueName

    counts = await ports().queues.count_dead()
    DEAD_LETTERS.show({(queue,): counts.get(queue, 0) for queue in get_args(QueueName.__value__)})


async def _read_sweep() -> None:
    head = await ports().policy.get_head()
    if head.heard_at is not None:
        SWEEP_AGE.show({(): (ports().clock() - head.heard_at).total_seconds()})


async def _read_spending() -> None:
    from domain.triage.spending import NOTHING_SPENT

    midnight = ports().clock().replace(hour=0, minute=0, second=0, microsecond=0)
    spent = sum((await ports().usage.list_usage(midnight)).values(), NOTHING_SPENT)
    SPENT_TODAY.show({(): spent.money})
    TOKENS_TODAY.show({(): spent.tokens})


async def _read_ledger() -> None:
    queues = ports().queues
    tally, parked, waiting = await asyncio.gather(ports().groups.tally(), queues.count_parked(), queues.count_waiting())
    accepted = tally.folded + parked + waiting
    if ports().settings.home != "azure":  # where Service Bus has no such count
        accepted = await queues.count_accepted()
    LEDGER_ALERTS.show({("accepted",): accepted, ("folded",): tally.folded, ("parked",): parked, ("waiting",): waiting})
    pending = tally.due - tally.delivered - tally.failed - tally.superseded
    LEDGER_NOTIFICATIONS.show(
        {
            ("due",): tally.due,
            ("delivered",): tally.delivered,
            ("failed",): tally.failed,
            ("superseded",): tally.superseded,
            ("pending",): pending,
        }
    )
