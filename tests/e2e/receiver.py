"""Receiver: the far end of a webhook, in a thread; it remembers every page and answers as its script says."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the receiver does when it has read one page."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    after_seconds: float = 0.0
    raw: bytes | None = None
    """Sent instead of an answer; then the connection is closed."""
    is_hanging: bool = False
    """No answer ever comes, and the connection stays open."""

    @property
    def takes(self) -> bool:
        """Whether the page counts as taken: the sender was told so."""
        return self.raw is None and not self.is_hanging and 200 <= self.status < 300


OK = Behaviour()
HANG = Behaviour(is_hanging=True)
GARBAGE = Behaviour(raw=b"\x16\x03\x01\x00\xff\r\n\x80 what would you say? \x00\r\n\r\n")
CUT = Behaviour(raw=b"HTTP/1.1 200 OK\r\nContent-Le")
"""Closed in the middle of the answer, before it is known to be one."""
CLOSE = Behaviour(raw=b"")


def failing(status: int, retry_after: int | None = None) -> Behaviour:
    return Behaviour(status, {} if retry_after is None else {"Retry-After": str(retry_after)}, b"no")


def slow(seconds: float) -> Behaviour:
    return Behaviour(after_seconds=seconds)


type AlertName = tuple[str, str]
"""The fingerprint of an alert, and since when it fires."""


@dataclass(frozen=True, slots=True)
class Page:
    """One webhook as it arrived."""

    path: str
    arrived_at: float
    """By `time.monotonic()`, when all of it had been read."""
    body: dict[str, Any]
    is_taken: bool
    """Whether the answer to it was, or will be, a success."""

    @property
    def group(self) -> Mapping[str, str]:
        return cast("dict[str, str]", self.body["groupLabels"])

    @property
    def status(self) -> str:
        return str(self.body["status"])

    @property
    def firing(self) -> frozenset[AlertName]:
        return self._alerts("firing")

    @property
    def resolved(self) -> frozenset[AlertName]:
        return self._alerts("resolved")

    def _alerts(self, status: str) -> frozenset[AlertName]:
        alerts = self.body["alerts"]
        return frozenset((alert["fingerprint"], alert["startsAt"]) for alert in alerts if alert["status"] == status)

    def names(self, label: str, status: str = "firing") -> set[str]:
        """The values of that label among the alerts of that status; empty for one that lacks it."""
        return {alert["labels"].get(label, "") for alert in self.body["alerts"] if alert["status"] == status}


class Receiver:
    """A webhook receiver at one address, with as many paths as wanted; each has a script, `OK` without one.

    with Receiver() as receiver:
        receiver.behave("/team", failing(503), OK)  # the first page is refused, all later ones are taken
        ...
        assert [page.status for page in receiver.pages("/team")] == ["firing", "firing"]
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._chooser: Callable[[str], Behaviour] | None = None
        self._pages: list[Page] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if error is not None:
            error.add_note(f"the receiver had {len(self._pages)} pages")

    # --- what it does -----------------------------------------------------------------------------------------------

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def behave(self, path: str, *script: Behaviour) -> None:
        """Answer the next pages to this path so, one behaviour each; the last one stays."""
        self._scripts[path] = deque(script)

    def behave_always(self, choose: Callable[[str], Behaviour]) -> None:
        """Ask this function, with the path, about every page that has no script; it runs in the receiver's thread."""
        self._chooser = choose

    def refuse(self) -> None:
        """Refuse connections from now on, and break those there are."""
        self._do(self._refuse())

    def listen(self) -> None:
        """Take connections, at the same port as before."""
        self._do(self._listen())

    # --- what it has seen -------------------------------------------------------------------------------------------

    def pages(self, path: str | None = None) -> Sequence[Page]:
        """Every page that arrived, in order, whatever it was answered."""
        return [page for page in list(self._pages) if path is None or page.path == path]

    def taken(self, path: str | None = None) -> Sequence[Page]:
        """Every page that was answered with success."""
        return [page for page in self.pages(path) if page.is_taken]

    def forget(self) -> None:
        self._pages = []

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 24, backlog=BACKLOG, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        await asyncio.sleep(0)  # who was accepted in this very turn gets a transport in the next one
        server.abort_clients()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        body = await _read_body(reader, head.lower())
        behaviour = self._next_behaviour(path)
        self._pages.append(Page(path, time.monotonic(), json.loads(body), behaviour.takes))
        if behaviour.after_seconds:
            await asyncio.sleep(behaviour.after_seconds)
        if behaviour.is_hanging:
            await asyncio.Event().wait()
        if behaviour.raw is not None:
            writer.write(behaviour.raw)
            return False
        headers = {"Content-Length": str(len(behaviour.body)), **behaviour.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {behaviour.status} Scripted\r\n{lines}\r\n".encode() + behaviour.body)
        await writer.drain()
        return True

    def _next_behaviour(self, path: str) -> Behaviour:
        script = self._scripts.get(path)
        if not script:
            return self._chooser(path) if self._chooser else OK
        return script.popleft() if len(script) > 1 else script[0]


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int((await reader.readline()).partition(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:size]
        await reader.readline()
        return body
    _, found, rest = head.partition(b"content-length:")
    return await reader.readexactly(int(rest.partition(b"\r\n")[0])) if found else b""
