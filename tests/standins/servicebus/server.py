"""The stand-in as a test holds it: a broker on a loopback port, in the test's own event loop."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Self

from tests.standins.servicebus.amqp import AmqpError
from tests.standins.servicebus.calls import Calls
from tests.standins.servicebus.clock import Clock
from tests.standins.servicebus.connection import Connection
from tests.standins.servicebus.faults import Fault, Faults, Order
from tests.standins.servicebus.messages import Stored
from tests.standins.servicebus.namespace import Namespace
from tests.standins.servicebus.settings import Counts, QueueSettings

QUEUES: Mapping[str, QueueSettings] = MappingProxyType(
    {
        "intake": QueueSettings(max_delivery_count=1000),
        "groups": QueueSettings(max_delivery_count=1000, sessions=True),
        "ticks": QueueSettings(max_delivery_count=1000),
        "deliveries": QueueSettings(max_delivery_count=1000, duplicate_window_seconds=600),
        "triage": QueueSettings(max_delivery_count=1000, duplicate_window_seconds=600),
        "reactions": QueueSettings(max_delivery_count=1000),
    }
)
HEARTBEAT_SECONDS = 10.0
IDLE = AmqpError(
    "amqp:link:detach-forced",
    "The link is force detached. Code: publisher. Details: AmqpMessagePublisher.IdleTimerExpired: Idle timeout:"
    " 00:10:00.",
)
FORCED = AmqpError(
    "amqp:connection:forced", "The connection was inactive for more than the allowed 60000 milliseconds."
)


class ServiceBusStandIn:
    """A namespace with the given queues, and no others; ends with its `async with`.

    Leaving it raises what went wrong inside the stand-in itself (`problems`), so that no test passes over its defects.

    Args:
        queues: By name; those of Tocsin by default.
        port: 0 takes a free one, which stays the same through `down` and `up`.
        clock: Its base, seconds since 1970; `advance` adds to it. It may stand still or jump: see `wake`. Clients are
            told the ends of locks by the machine's clock, which is the one they look at.
        seed: For faults with a probability.
    """

    def __init__(
        self,
        queues: Mapping[str, QueueSettings] = QUEUES,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
    ) -> None:
        self.faults = Faults(seed)
        self.calls = Calls()
        self.clock = Clock(clock)
        self.namespace = Namespace(queues, self.clock, self.faults, self.calls)
        self.port = port
        self.problems: list[Exception] = []
        self._connections: set[Connection] = set()
        self._fewer = asyncio.Event()
        self._accepted = 0
        self._server: asyncio.Server | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._heart: asyncio.Task[None] | None = None
        self._holder: socket.socket | None = None

    async def __aenter__(self) -> Self:
        # It never listens: it keeps the port from others while the broker is down, and connecting is refused then.
        self._holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", self.port))
        self.port = self._holder.getsockname()[1]
        await self.up()
        self.namespace.after_pump = self._arm
        self._heart = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self._heart is not None:
            self._heart.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        self.namespace.after_pump = lambda: None
        await self.down()
        if self._holder is not None:
            self._holder.close()
        if self.problems and kind is None:
            raise ExceptionGroup("the Service Bus stand-in failed", self.problems)

    @property
    def connection_string(self) -> str:
        """With `UseDevelopmentEmulator=true`, which keeps the port and does without TLS."""
        return (
            f"Endpoint=sb://localhost:{self.port};SharedAccessKeyName=RootManageSharedAccessKey;"
            "SharedAccessKey=c3RhbmQtaW4=;UseDevelopmentEmulator=true;"
        )

    @property
    def url(self) -> str:
        return f"sb://localhost:{self.port}"

    # Trouble

    def fault(self, fault: Fault) -> Order:
        return self.faults.add(fault)

    async def down(self) -> None:
        """Cuts all connections, and refuses new ones until `up`; messages and schedules stay, and time goes on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.cut()
        while self._connections:
            await self._fewer.wait()
            self._fewer.clear()
        for _ in range(3):  # a client on this loop reads that it was cut, and closes its end
            await asyncio.sleep(0)

    async def up(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, "127.0.0.1", self.port, reuse_address=True)

    @property
    def is_up(self) -> bool:
        return self._server is not None

    def detach_links(self, queue: str | None = None, role: str | None = None, error: AmqpError = IDLE) -> int:
        """As the service does to links that idle; `role` is "sender" or "receiver". Returns how many."""
        found = [
            link
            for connection in self._connections
            for link in connection.links()
            if link.role is not None and role in (None, link.role) and queue in (None, link.queue_name)
        ]
        for link in found:
            link.detach(error)
        self.namespace.pump()
        return len(found)

    def drop_connections(self, error: AmqpError | None = FORCED) -> int:
        """Closes all with a word of why, or, with None, cuts them. New ones are welcome. Returns how many."""
        connections = list(self._connections)
        for connection in connections:
            if error is None:
                connection.cut()
            else:
                connection.close(error)
        return len(connections)

    def beat(self) -> None:
        """Tells all clients that it is there, as it does every ten seconds."""
        for connection in list(self._connections):
            connection.beat()

    # Time

    def advance(self, seconds: float) -> None:
        """Moves the broker's clock on, and does what falls due: locks end, scheduled messages appear."""
        self.clock.add(seconds)
        self.namespace.ring()

    def wake(self) -> None:
        """Does what has fallen due by a clock that was moved elsewhere, forwards or backwards."""
        self.namespace.ring()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        wait = self.clock.seconds_to_next()
        if wait is not None:
            self._alarm = asyncio.get_running_loop().call_later(min(max(wait, 0.001), 60.0), self.namespace.ring)

    # What is there

    def peek(self, queue: str) -> list[Stored]:
        """All messages of a queue in the order of their numbers, also locked and scheduled ones."""
        return self.namespace.find(queue).peek(0, 2**31)

    def counts(self, queue: str) -> Counts:
        return self.namespace.find(queue).counts()

    def describe_links(self, queue: str | None = None) -> list[dict[str, object]]:
        """Who is attached to the queues, to see what becomes of a message: the credit left, and what is not settled."""
        return [
            link.describe()
            for connection in self._connections
            for link in connection.links()
            if link.role is not None and queue in (None, link.queue_name)
        ]

    def purge(self, queue: str | None = None) -> None:
        """Forgets the messages of one queue, or of all, and what was seen for detecting duplicates."""
        for name, entity in self.namespace.queues.items():
            if queue is None or name == queue.lower():
                entity.purge()

    # Connections

    def _accept(self) -> Connection:
        self._accepted += 1
        connection = Connection(self.namespace, self._accepted, self._on_end)
        self._connections.add(connection)
        return connection

    def _on_end(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._fewer.set()
        if connection.problem is not None:
            self.problems.append(connection.problem)

    async def _beat(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                self.beat()
