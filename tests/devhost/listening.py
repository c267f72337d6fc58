"""A hub with its WebSockets on a loopback port, as the dev host serves them; and events to be heard there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from adapters.live.hub import Hub
from adapters.wiring import utc_now
from devhost.http import HttpApp, refusal_of
from devhost.sharing import Loop
from devhost.websockets import LARGEST_MESSAGE_BYTES, SocketProtocol, WebSockets
from domain.live import LiveEvent
from tests.builders import NOON, group_id


@dataclass
class Listening:
    """The server, in this event loop."""

    hub: Hub
    sockets: WebSockets
    port: int
    server: uvicorn.Server

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def url(self, *channels: str) -> str:
        """Where a client may listen to these channels."""
        return (await self.hub.admit("key:ada", channels or ("incidents",), utc_now())).url

    async def until(self, condition: Any, what: str) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  whatever the condition is about has no event
                await asyncio.sleep(0.01)
        assert condition(), what

    def cut(self) -> None:
        """End every connection as a broken network does."""
        for connection in list(self.server.server_state.connections):
            connection.transport.abort()


@asynccontextmanager
async def listening(*, ping_seconds: float = 20.0) -> AsyncIterator[Listening]:
    """Serve until the block ends; what happens is published by the test alone."""
    bound = socket.create_server(("127.0.0.1", 0))
    port: int = bound.getsockname()[1]
    hub = Hub(f"http://127.0.0.1:{port}")
    hub.is_open = True
    hub.attended.set()
    allowed = frozenset({f"127.0.0.1:{port}"})
    sockets = WebSockets(hub, lambda headers: refusal_of(headers, allowed), utc_now)
    config = uvicorn.Config(
        HttpApp([], Loop(), allowed, sockets),
        http="httptools",
        ws=SocketProtocol,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        ws_ping_interval=ping_seconds,
        ws_ping_timeout=ping_seconds,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve([bound]))
    try:
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.005)
        yield Listening(hub, sockets, port, server)
    finally:
        server.should_exit = True
        await task
        bound.close()


def event(number: int = 1, *, words: str = "it is told", incident: int = 1, **changes: Any) -> LiveEvent:
    known: dict[str, Any] = {
        "id": f"{group_id(incident)}-{number}-paged",
        "cursor": f"c{number}",
        "at": NOON,
        "kind": "paged",
        "group_id": group_id(incident),
        "incident_id": f"{group_id(incident)}-1",
        "receiver": "team",
        "title": "DiskFull",
        "status": "triggered",
        "words": words,
    }
    return LiveEvent(**(known | changes))
