"""The host: the app's functions behind an ASGI server and pumps, from start to clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn

from adapters.wiring import Ports, ports
from devhost.http import HttpApp
from devhost.index import index
from devhost.pumps import FeedPump, QueuePump, TimerPump, keep_running
from devhost.sharing import Loop

QUEUE_LIMITS = {"intake": 16, "groups": 64, "ticks": 64, "deliveries": 256}
"""How many functions run at once for each queue; `groups` has as many sessions as shards."""

NAMES = {
    "INTAKE_QUEUE": "intake",
    "GROUPS_QUEUE": "groups",
    "TICKS_QUEUE": "ticks",
    "DELIVERIES_QUEUE": "deliveries",
    "COSMOS_DATABASE": "tocsin",
}
"""The app settings that name what the triggers listen to."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


async def serve(host: str, port: int, when_ready: Callable[[Ports], Any]) -> None:
    """Run until SIGTERM or SIGINT: answer what is being asked, finish what is being handled, then close the store.

    Settings come from the environment, as on Azure.
    """
    for name, value in NAMES.items():
        os.environ.setdefault(name, value)
    import function_app

    functions = index(function_app.app)
    home = ports()
    await home.policy.heard(home.clock(), resumed=True)
    _calm_collector()
    loop = Loop()
    allowed = frozenset(f"{name}:{port}" for name in LOOPBACK)
    server = uvicorn.Server(
        uvicorn.Config(
            HttpApp(functions, loop, allowed),
            host=host,
            port=port,
            http="httptools",
            ws="none",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=75,
        )
    )
    async with _pumping(_pumps(functions, home, loop)):
        ready = asyncio.create_task(_tell(server, home, when_ready))
        try:
            await server.serve()
        finally:
            ready.cancel()
    await home.close()


def _calm_collector() -> None:
    """Look for garbage cycles more rarely: a full look at a hundred thousand live alerts stops the loop for 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


async def _tell(server: uvicorn.Server, home: Ports, when_ready: Callable[[Ports], Any]) -> None:
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    when_ready(home)


def _pumps(functions: list[Any], home: Ports, loop: Loop) -> list[QueuePump | FeedPump | TimerPump]:
    broker: Any = home.broker
    groups: Any = home.groups
    pumps: list[QueuePump | FeedPump | TimerPump] = []
    for function in functions:
        match function.trigger:
            case "serviceBusTrigger":
                queue = function.binding["queueName"]
                pumps.append(QueuePump(function, broker, loop, limit=QUEUE_LIMITS[queue]))
            case "cosmosDBTrigger":
                pumps.append(FeedPump(function, groups.changes))
            case "timerTrigger":
                pumps.append(TimerPump(function))
            case "httpTrigger":
                pass
            case other:
                raise ValueError(f"{function.name}: the dev host does not know {other}")
    return pumps


@contextlib.asynccontextmanager
async def _pumping(pumps: list[QueuePump | FeedPump | TimerPump]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(keep_running(pump.run)) for pump in pumps]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(pump.close() for pump in pumps))
