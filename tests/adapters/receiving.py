"""Receiving: a local server that records what arrives, byte for byte, and an authority for its certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from textwrap import dedent, indent
from typing import Any

import trustme

from domain.alerts import Alert
from domain.configuration.file import read_configuration
from domain.labels import fingerprint
from domain.notifications import Notification, NotificationReason, ToldAlert

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

type Headers = list[tuple[str, str]]
type Answer = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    line: str
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return "\r\n".join([self.line, *(f"{name}: {value}" for name, value in self.headers)])


@dataclass
class Receiver:
    """A server that records what arrives, byte for byte, and answers what the test says."""

    answer: Answer
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode().removesuffix("\r\n\r\n").split("\r\n")
                headers = [(name, value.strip()) for name, _, value in (one.partition(":") for one in fields)]
                length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
                request = Request(line, headers, await reader.readexactly(length))
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def says(*answers: bytes) -> Answer:
    """Each request in turn gets the next of the answers; the last one is for all that follow."""
    rest = list(answers)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(rest.pop(0) if len(rest) > 1 else rest[0])

    return answer


def status_line(status: str, body: str = "", *headers: str) -> bytes:
    fields = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


@asynccontextmanager
async def receiving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await receiver.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    receiver.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.abort_clients()
        await server.wait_closed()


@dataclass(frozen=True)
class Authority:
    ca: trustme.CA
    folder: Path

    @property
    def ca_file(self) -> str:
        path = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(path)
        return str(path)

    @property
    def ca_text(self) -> str:
        return self.ca.cert_pem.bytes().decode()

    def server(self, name: str = "127.0.0.1", *, wants_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name).configure_cert(context)
        if wants_client:
            self.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> tuple[str, str]:
        """A client's certificate and key, as PEM."""
        leaf = self.ca.issue_cert("tocsin@example.com")
        return b"".join(blob.bytes() for blob in leaf.cert_chain_pems).decode(), leaf.private_key_pem.bytes().decode()


SECRET = "hunter2hunter2"


def reads(kind: str, entry: str, **names: str) -> Any:
    """The one integration that this entry of `<kind>_configs` makes, with `$NAME` replaced by what is given for it."""
    text = Template(entry).substitute(names) if names else entry
    configuration = f"route: {{receiver: team}}\nreceivers:\n- name: team\n  {kind}_configs:\n  - "
    (integration,) = (
        read_configuration(configuration + indent(dedent(text), "    ").strip() + "\n").receiver("team").integrations
    )
    return integration


def told(*alerts: Alert, firing: int = 1, resolved: int = 0, group_key: str = '{}:{alertname="Disk"}') -> Notification:
    """A notification about these alerts, or about so many that fire and so many that are resolved."""
    all_told = [ToldAlert(one, one.ends_at > one.starts_at) for one in alerts]
    for number in range(0 if alerts else firing + resolved):
        is_firing = number < firing
        labels = {"alertname": "Disk", "instance": str(number), "team": "db"}
        annotations = {"summary": f"disk {number} is full"}
        ends_at = NOON + timedelta(minutes=5) if is_firing else NOON
        all_told.append(ToldAlert(Alert(fingerprint(labels), labels, annotations, NOON, ends_at, NOON), is_firing))
    return Notification(
        receiver="team",
        group_key=group_key,
        group_labels={"alertname": "Disk"},
        route_labels={},
        reason=NotificationReason.FIRST,
        alerts=tuple(all_told),
    )
