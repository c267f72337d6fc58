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
from devhost.index import Function, index
from devhost.pumps import FeedPump, QueuePump, TimerPump, keep_running
from devhost.servicebus_pump import ServiceBusPump
from devhost.sharing import Loop
from devhost.stopping import Stop, StoppedError

QUEUE_LIMITS = {"intake": 16, "groups": 64, "ticks": 64, "deliveries": 256, "reactions": 4}
"""How many functions run at once for each queue; `groups` has as many sessions as shards."""

NAMES = {
    "INTAKE_QUEUE": "intake",
    "GROUPS_QUEUE": "groups",
    "TICKS_QUEUE": "ticks",
    "DELIVERIES_QUEUE": "deliveries",
    "REACTIONS_QUEUE": "reactions",
    "COSMOS_DATABASE": "tocsin",
}
"""The app settings that name what the triggers listen to."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


async def serve(host: str, port: int, when_ready: Callable[[Ports], Any], stop: Stop) -> None:
    """Run until told to stop: answer what is being asked, finish what is being handled, then close the store.

    Settings come from the environment, as on Azure.
    """
    home = ports()
    with contextlib.suppress(StoppedError):
        with stop.starting():
            functions = _functions()
            home.prepare()
            await home.policy.heard(home.clock(), resumed=True)
        _calm_collector()
        await _serve(host, port, functions, home, when_ready, stop)
    await home.close()


def _functions() -> list[Function]:
    for name, value in NAMES.items():
        os.environ.setdefault(name, value)
    import function_app

    return index(function_app.app)


async def _serve(
    host: str, port: int, functions: list[Function], home: Ports, when_ready: Callable[[Ports], Any], stop: Stop
) -> None:
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
    stop.ends(server)
    async with _pumping(_pumps(functions, home, loop)):
        ready = asyncio.create_task(_tell(server, home, when_ready))
        try:
            await server.serve()
        finally:
            ready.cancel()


def _calm_collector() -> None:
    """Look for garbage cycles more rarely: a full look at a hundred thousand live alerts stops the loop for 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


async def _tell(server: uvicorn.Server, home: Ports, when_ready: Callable[[Ports], Any]) -> None:
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    when_ready(home)


type Pump = QueuePump | ServiceBusPump | FeedPump | TimerPump


def _pumps(functions: list[Any], home: Ports, loop: Loop) -> list[Pump]:
    broker: Any = home.broker
    groups: Any = home.groups
    pumps: list[Pump] = []
    for function in functions:
        match function.trigger:
            case "serviceBusTrigger":
                limit = QUEUE_LIMITS[function.binding["queueName"]]
                if home.settings.home == "azure":
                    pumps.append(ServiceBusPump(function, broker, limit=limit))
                else:
                    pumps.append(QueuePump(function, broker, loop, limit=limit))
            case "cosmosDBTrigger":
                pumps.append(FeedPump(function, groups, getattr(groups, "places", None)))
            case "timerTrigger":
                pumps.append(TimerPump(function))
            case "httpTrigger":
                pass
            case other:
                raise ValueError(f"{function.name}: the dev host does not know {other}")
    return pumps


@contextlib.asynccontextmanager
async def _pumping(pumps: list[Pump]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(keep_running(pump.run)) for pump in pumps]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(pump.close() for pump in pumps))
