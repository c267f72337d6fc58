"""The host: the app's functions behind an ASGI server and pumps, from start to clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import uvicorn

from adapters.live.hub import Hub
from adapters.wiring import Ports, ports
from devhost.http import HttpApp, refusal_of
from devhost.index import Function, index
from devhost.live_pump import LivePump
from devhost.metrics_page import MetricsPage
from devhost.pumps import FeedPump, QueuePump, TimerPump, keep_running
from devhost.servicebus_pump import ServiceBusPump
from devhost.sharing import Loop
from devhost.stopping import Stop, StoppedError
from devhost.websockets import LARGEST_MESSAGE_BYTES, PING_SECONDS, SocketProtocol, WebSockets

QUEUE_LIMITS = {"intake": 16, "groups": 64, "ticks": 64, "deliveries": 256, "triage": 4, "reactions": 4}
"""How many functions run at once for each queue; `groups` has as many sessions as shards."""

NAMES = {
    "INTAKE_QUEUE": "intake",
    "GROUPS_QUEUE": "groups",
    "TICKS_QUEUE": "ticks",
    "DELIVERIES_QUEUE": "deliveries",
    "TRIAGE_QUEUE": "triage",
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
        from endpoints.auditing import fold_refused

        await fold_refused()
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
    asked = [*functions, MetricsPage().function]
    # Whoever must prove who they are may come by any name; the handlers refuse what other sites have browsers send.
    allowed = None if home.settings.auth else frozenset(f"{name}:{port}" for name in LOOPBACK)
    server = uvicorn.Server(
        uvicorn.Config(
            HttpApp(asked, loop, allowed, _web_sockets(home, allowed), home.settings.origins),
            host=host,
            port=port,
            http="httptools",
            ws=SocketProtocol,
            ws_max_size=LARGEST_MESSAGE_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ws_per_message_deflate=False,
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
        tasks = [asyncio.create_task(_tell(server, home, when_ready)), asyncio.create_task(_let_go(server, home))]
        try:
            await server.serve()
        finally:
            for task in tasks:
                task.cancel()


def _web_sockets(home: Ports, allowed: frozenset[str] | None) -> WebSockets | None:
    """What serves those who listen, unless Web PubSub does."""
    hub = home.live.publisher
    if not isinstance(hub, Hub):
        return None
    hub.is_open = True

    def refusal(headers: Mapping[str, str]) -> str | None:
        if allowed is not None:
            return refusal_of(headers, allowed)
        # Whoever came here has a token in hand; but none that another site's page was given.
        origin, host = headers.get("origin", ""), headers.get("host", "").lower()
        is_ours = not origin or origin.lower() in home.settings.origins or origin.partition("://")[2].lower() == host
        return None if is_ours else "requests from other sites are refused"

    return WebSockets(hub, refusal, home.clock)


def _calm_collector() -> None:
    """Look for garbage cycles more rarely: a full look at a hundred thousand live alerts stops the loop for 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


async def _tell(server: uvicorn.Server, home: Ports, when_ready: Callable[[Ports], Any]) -> None:
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    when_ready(home)


async def _let_go(server: uvicorn.Server, home: Ports) -> None:
    """Answer those who wait for an event when the server ends: it would wait for them."""
    while not server.should_exit:  # noqa: ASYNC110  as above
        await asyncio.sleep(0.05)
    await home.live.stop_waiting()


type Pump = QueuePump | ServiceBusPump | FeedPump | TimerPump | LivePump


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
    if not home.live.is_announced:
        pumps.append(LivePump(home.live))
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
