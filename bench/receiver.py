"""The receiver: a process that takes webhooks, and remembers when each arrived and what it said.

`python -m bench.receiver` prints its port.  POST anything: recorded, answered 200.  GET: everything recorded so far.
DELETE: forget it.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.servers import DIRECT


@dataclass(frozen=True)
class Delivery:
    """One webhook: when it had arrived (by the machine's clock, in ns), and the group it was about."""

    arrived_ns: int
    service: str


class Receiver:
    """The benchmark's handle on the receiving process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/webhook"

    def deliveries(self) -> list[Delivery]:
        with DIRECT.open(self.url, timeout=10) as answer:
            return [Delivery(at, service) for at, service in json.load(answer)]

    def forget(self) -> None:
        DIRECT.open(urllib.request.Request(self.url, method="DELETE"), timeout=10).close()


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    command = [sys.executable, "-m", "bench.receiver"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    try:
        assert process.stdout is not None
        yield Receiver(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()


_received: list[tuple[int, bytes]] = []


def _answer(method: bytes, body: bytes) -> bytes:
    if method == b"POST":
        _received.append((time.time_ns(), body))
        return b""
    if method == b"DELETE":
        _received.clear()
        return b""
    return json.dumps([(at, json.loads(body)["groupLabels"].get("service", "")) for at, body in _received]).encode()


async def _serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method = head.partition(b" ")[0]
            answer = _answer(method, await _body(reader, head.lower()))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int((await reader.readline()).partition(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:size]
        await reader.readline()
        return body
    _, found, rest = head.partition(b"content-length:")
    return await reader.readexactly(int(rest.partition(b"\r\n")[0])) if found else b""


async def _main() -> None:
    server = await asyncio.start_server(_serve_connection, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
