"""The load: an HTTP client that does little besides waiting, the same one for both servers.

Raw sockets, keep-alive, one request in flight on each, bodies encoded ahead.  It runs in the benchmark's own process,
which does nothing else meanwhile.  Measured against wrk 4.1: wrk that makes its bodies in Lua costs more (about 150 us
a batch of 64 against 90), wrk that reads them from a file the same; so this needs no package and is used everywhere.
"""

import gc
import math
import select
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

_GRACE_SECONDS = 10.0  # A server that answers nobody for so long has failed.


@dataclass
class Outcome:
    """What became of one run of requests.

    `seconds` reaches from the first request to the last answer; `latencies` (in seconds) hold every request, for one
    that got no answer the time it waited.
    """

    acknowledged: int = 0
    refused: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_refusal: str = ""

    @property
    def per_second(self) -> float:
        return self.acknowledged / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return 1000 * percentile(self.latencies, percent)


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A whole request fits, so that sending to one connection never holds up the others.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.head = (
            f"POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        ).encode()
        self.sent_at = 0.0
        self.received = b""

    def send(self, body: bytes) -> None:
        self.sent_at = time.perf_counter()
        head = b"%bContent-Length: %d\r\n\r\n" % (self.head, len(body))
        sent = self.socket.sendmsg((head, body))
        if sent < len(head) + len(body):
            self.socket.sendall((head + body)[sent:])

    def receive(self) -> bytes | None:
        """The whole answer once it is there, None before that."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self.received += piece
        if not _is_complete(self.received):
            return None
        answer, self.received = self.received, b""
        return answer


def _is_complete(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    head = head.lower()
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    _, found, rest = head.partition(b"content-length:")
    return not found or len(body) >= int(rest.partition(b"\r\n")[0])


def post(port: int, bodies: Iterable[bytes], *, connections: int = 4, seconds: float = 60.0) -> Outcome:
    """Send the bodies until they end or the time is up, and wait for the answers."""
    outcome = Outcome()
    coming = iter(bodies)
    waiting: dict[int, _Connection] = {}
    opened = [_Connection(port) for _ in range(connections)]
    poller = select.poll()
    gc.disable()  # A collection in the client would look like a slow server.
    try:
        started_at = finished_at = time.perf_counter()
        for connection, body in zip(opened, coming, strict=False):
            poller.register(connection.socket, select.POLLIN)
            waiting[connection.socket.fileno()] = connection
            connection.send(body)
        while waiting and (ready := poller.poll(1000 * _GRACE_SECONDS)):
            for descriptor, _ in ready:
                connection = waiting[descriptor]
                if (answer := connection.receive()) is None:
                    continue
                finished_at = time.perf_counter()
                outcome.latencies.append(finished_at - connection.sent_at)
                _count(outcome, answer)
                next_body = next(coming, None) if finished_at < started_at + seconds else None
                if next_body is None:
                    poller.unregister(descriptor)
                    del waiting[descriptor]
                else:
                    connection.send(next_body)
        if waiting:
            finished_at = time.perf_counter()
            outcome.unanswered = len(waiting)
            outcome.latencies += [finished_at - connection.sent_at for connection in waiting.values()]
        outcome.seconds = finished_at - started_at
    finally:
        gc.enable()
        for connection in opened:
            connection.socket.close()
    return outcome


def _count(outcome: Outcome, answer: bytes) -> None:
    if answer.startswith(b"HTTP/1.1 200 "):
        outcome.acknowledged += 1
    else:
        outcome.refused += 1
        outcome.first_refusal = outcome.first_refusal or answer.decode(errors="replace")[:300]
