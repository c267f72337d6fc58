"""One client's connection: handshake, channels, and the opening of links."""

import asyncio
import socket
import struct
import uuid
from collections.abc import Callable
from typing import Any

from tests.standins.servicebus.amqp import (
    AmqpError,
    NotImplementedByStandInError,
    UByte,
    UInt,
    UShort,
    array_of_symbols,
)
from tests.standins.servicebus.calls import Call
from tests.standins.servicebus.frames import (
    AMQP_HEADER,
    ATTACH,
    BEGIN,
    CLOSE,
    DETACH,
    DISPOSITION,
    END,
    FLOW,
    HEARTBEAT,
    MAX_FRAME,
    OPEN,
    SASL_HEADER,
    SASL_INIT,
    SASL_MECHANISMS,
    SASL_OUTCOME,
    TRANSFER,
    WINDOW,
    Frame,
    error_value,
    read_frame,
    write_frame,
)
from tests.standins.servicebus.links import FromQueue, Inbound, Link, Outbound
from tests.standins.servicebus.messages import Content
from tests.standins.servicebus.namespace import Namespace
from tests.standins.servicebus.opening import Opening


class Channel:
    """What AMQP calls a session; here that word is Service Bus's."""

    def __init__(self, connection: "Connection", number: int, begin: list[Any]) -> None:
        self.connection = connection
        self.number = number
        self.links: dict[int, Link] = {}
        self.unsettled: dict[int, tuple[FromQueue, uuid.UUID]] = {}
        self.window = int(begin[2])  # transfers that the client takes yet
        self._next_incoming = int(begin[1])
        self._next_outgoing = 0
        self._deliveries = 0
        self._since_flow = 0

    def write(self, code: int, fields: list[object], payload: bytes = b"") -> None:
        self.connection.write(write_frame(self.number, code, fields, payload))

    def transfer(self, fields: list[object], payload: bytes) -> None:
        self.window -= 1
        self._next_outgoing += 1
        self.write(TRANSFER, fields, payload)

    def next_delivery(self) -> int:
        self._deliveries += 1
        return self._deliveries - 1

    def flow(self, link: list[object] | None = None) -> None:
        self._since_flow = 0
        window = [UInt(self._next_incoming), UInt(WINDOW), UInt(self._next_outgoing), UInt(WINDOW)]
        self.write(FLOW, [*window, *(link or [])])

    def on_frame(self, frame: Frame) -> None:
        fields = frame.fields
        if frame.code == TRANSFER:
            self._next_incoming += 1
            self._since_flow += 1
            if isinstance(link := self.links.get(fields[0]), Inbound):
                link.on_transfer(fields, frame.payload)
            if self._since_flow > WINDOW // 4:
                self.flow()
        elif frame.code == DISPOSITION:
            self._on_disposition(fields)
        elif frame.code == FLOW:
            self._on_flow(fields)
        elif frame.code == ATTACH:
            Opening(self, fields).run()
        elif frame.code == DETACH:
            if ended := self.links.get(fields[0]):
                ended.detach()
        else:
            raise NotImplementedByStandInError(f"performative {frame.code}")

    def _on_flow(self, fields: list[Any]) -> None:
        if fields[0] is not None:
            self.window = fields[0] + fields[1] - self._next_outgoing
        if fields[4] is not None:
            if isinstance(link := self.links.get(fields[4]), Outbound):
                link.on_flow(fields)
            return
        for link in list(self.links.values()):
            if isinstance(link, FromQueue):
                link.fill()
        if fields[9]:
            self.flow()

    def _on_disposition(self, fields: list[Any]) -> None:
        if not fields[0]:  # from a sender, about what it sent: nothing is held for that
            return
        last = fields[2] if fields[2] is not None else fields[1]
        for delivery in range(fields[1], last + 1):
            if (entry := self.unsettled.pop(delivery, None)) is not None:
                link, token = entry
                link.on_disposition(delivery, token, fields[4], settled=bool(fields[3]))

    def end(self) -> None:
        for link in list(self.links.values()):
            link.end()


class Connection(asyncio.Protocol):
    def __init__(self, namespace: Namespace, number: int, on_end: Callable[["Connection"], None]) -> None:
        self.namespace = namespace
        self.number = number
        self.identity = ""
        self.max_frame = MAX_FRAME
        self.closed = False
        self.problem: Exception | None = None
        self._on_end = on_end
        self._channels: dict[int, Channel] = {}
        self._loop = asyncio.get_running_loop()
        self._incoming = b""
        self._outgoing: list[bytes] = []
        self._expects_header = True
        self._is_open = False
        self._is_mute = False
        self._transport: asyncio.Transport | None = None

    # The wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        fault = self.namespace.faults.strike("connect")
        self.log("connect", "", error=f"fault: {fault.does}" if fault else None)
        if fault is not None:
            self._is_mute = True
            if fault.does == "drop":
                self.cut()
            elif fault.seconds is not None:
                self.later(fault.seconds, self._listen)

    def _listen(self) -> None:
        self._is_mute = False
        self.data_received(b"")

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        for channel in self._channels.values():
            channel.end()
        self._channels.clear()
        self._on_end(self)
        self.namespace.pump()

    def write(self, data: bytes) -> None:
        """Gathers what one turn of the loop writes into one call of the system."""
        if self.closed:
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)

    def _flush(self) -> None:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def cut(self) -> None:
        """As if the network had gone: no word, and what was not flushed is lost."""
        self.closed = True
        self._outgoing.clear()
        if self._transport is not None:
            # A reset, for a mere end would leave half open what the SDK forgets: see `filterwarnings`.
            connection = self._transport.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def close(self, error: AmqpError | None = None) -> None:
        self.write(write_frame(0, CLOSE, [error_value(error) if error else None]))
        self._flush()
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def beat(self) -> None:
        # An empty frame is one of AMQP's, and `open` is the first of those; before it there are only those of SASL.
        # Source: OASIS AMQP 1.0, part 2, 2.4.1, and part 5, 5.3.
        if self._is_open:
            self.write(HEARTBEAT)

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        def run() -> None:
            if not self.closed:
                act()
                self.namespace.pump()

        self._loop.call_later(seconds, run)

    def links(self) -> list[Link]:
        return [link for channel in self._channels.values() for link in list(channel.links.values())]

    def log(
        self,
        kind: str,
        queue: str,
        *,
        messages: tuple[Content, ...] = (),
        size: int = 0,
        session: str | None = None,
        error: str | None = None,
        detail: str = "",
    ) -> None:
        now = self.namespace.clock.now()
        self.namespace.calls.add(
            Call(kind, queue, now, messages, size, session, self.number, self.identity, error, detail)
        )

    # Frames

    def data_received(self, data: bytes) -> None:
        self._incoming += data
        if self._is_mute:
            return
        at = 0
        try:
            while not self.closed and len(self._incoming) >= at + 8:
                if self._expects_header:
                    self._on_header(self._incoming[at : at + 8])
                    at += 8
                    continue
                size = int.from_bytes(self._incoming[at : at + 4])
                if len(self._incoming) < at + size:
                    break
                self._on_frame(read_frame(self._incoming[at : at + size]))
                at += size
        except AmqpError as error:
            self.close(error)
        except Exception as problem:  # noqa: BLE001, a defect of the stand-in must end the test that met it
            self.problem = problem
            self.close(AmqpError("amqp:internal-error", f"the Service Bus stand-in failed: {problem!r}"))
        self._incoming = self._incoming[at:]
        self.namespace.pump()

    def _on_header(self, header: bytes) -> None:
        self._expects_header = False
        self.write(header)
        if header == SASL_HEADER:
            # The SDK for .NET asks for MSSBCBS, the others for ANONYMOUS.
            mechanisms = array_of_symbols(["MSSBCBS", "ANONYMOUS"])
            self.write(write_frame(0, SASL_MECHANISMS, [mechanisms], sasl=True))
        elif header != AMQP_HEADER:
            raise NotImplementedByStandInError(f"protocol {header!r}")

    def _on_frame(self, frame: Frame) -> None:
        if frame.sasl and frame.code == SASL_INIT:
            self.write(write_frame(0, SASL_OUTCOME, [UByte(0)], sasl=True))
            self._expects_header = True
        elif frame.code == OPEN:
            self.max_frame = min(frame.fields[2] or MAX_FRAME, MAX_FRAME)
            opened = ["servicebus-stand-in", None, UInt(MAX_FRAME), UShort(4999), UInt(240_000)]
            self.write(write_frame(0, OPEN, opened))
            self._is_open = True
        elif frame.code == BEGIN:
            self._channels[frame.channel] = channel = Channel(self, frame.channel, frame.fields)
            channel.write(BEGIN, [UShort(frame.channel), UInt(0), UInt(WINDOW), UInt(WINDOW), UInt(4095)])
        elif frame.code == CLOSE:
            self.close()
        elif open_channel := self._channels.get(frame.channel):
            if frame.code == END:
                del self._channels[frame.channel]
                open_channel.end()
                open_channel.write(END, [])
            elif frame.code is not None:
                open_channel.on_frame(frame)
