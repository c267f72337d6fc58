"""Links: where a client sends to, receives from, or puts requests to."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from tests.standins.servicebus import management
from tests.standins.servicebus.amqp import AmqpError, NotImplementedByStandInError, UInt
from tests.standins.servicebus.faults import Fault
from tests.standins.servicebus.frames import (
    ACCEPTED,
    DETACH,
    DISPOSITION,
    MODIFIED,
    REJECTED,
    RELEASED,
    described,
    error_value,
    fields_of,
)
from tests.standins.servicebus.messages import Content, Stored, parse_transfer
from tests.standins.servicebus.queues import Outcome, Queue

if TYPE_CHECKING:
    from tests.standins.servicebus.connection import Channel

CREDIT = 1000  # deliveries that a client may send before it hears again
DEAD_LETTER_CONDITION = "com.microsoft:dead-letter"


class Link:
    """One attached link. The broker uses the client's own handle for its side."""

    role: Literal["sender", "receiver"] | None = None  # the client's; None at a node for requests

    def __init__(self, channel: "Channel", handle: int, name: str) -> None:
        self.channel = channel
        self.handle = handle
        self.name = name
        self.ended = False

    @property
    def queue_name(self) -> str:
        return ""

    def describe(self) -> dict[str, object]:
        return {"queue": self.queue_name, "role": self.role, "connection": self.channel.connection.number}

    def detach(self, error: AmqpError | None = None) -> None:
        if not self.ended:
            self.channel.write(DETACH, [UInt(self.handle), True, error_value(error) if error else None])
            self.end()

    def end(self) -> None:
        """The link is gone, whoever ended it."""
        self.ended = True
        self.channel.links.pop(self.handle, None)

    def drop(self) -> None:
        self.channel.connection.cut()

    def strike_down(self, fault: Fault) -> None:
        """What all faults that end or silence something have in common; `hang` does nothing at all."""
        if fault.does == "drop":
            self.drop()
        elif fault.does == "detach":
            self.detach(AmqpError(fault.condition, fault.description))


class Inbound(Link):
    """The client sends on it; whole deliveries arrive at `take`."""

    def __init__(self, channel: "Channel", handle: int, name: str) -> None:
        super().__init__(channel, handle, name)
        self._received = 0
        self._parts = bytearray()
        self._first: list[Any] | None = None

    def grant_credit(self) -> None:
        self.channel.flow([UInt(self.handle), UInt(self._received), UInt(CREDIT)])

    def on_transfer(self, fields: list[Any], payload: bytes) -> None:
        if self._first is None:
            self._first = fields
        self._parts += payload
        if fields[5]:  # more of it follows
            return
        first, whole = self._first, bytes(self._parts)
        self._first = None
        self._parts.clear()
        self._received += 1
        self.take(first, whole, settled=bool(fields[4] or first[4]))
        if self._received % (CREDIT // 2) == 0 and not self.ended:
            self.grant_credit()

    def take(self, first: list[Any], payload: bytes, *, settled: bool) -> None:
        raise NotImplementedError

    def dispose(self, delivery: int, error: AmqpError | None = None) -> None:
        state = described(ACCEPTED) if error is None else described(REJECTED, [error_value(error)])
        self.channel.write(DISPOSITION, [True, UInt(delivery), UInt(delivery), True, state])


class ToQueue(Inbound):
    """A sender's link."""

    role = "sender"

    def __init__(self, channel: "Channel", handle: int, name: str, queue: Queue) -> None:
        super().__init__(channel, handle, name)
        self._queue = queue

    @property
    def queue_name(self) -> str:
        return self._queue.name

    def take(self, first: list[Any], payload: bytes, *, settled: bool) -> None:
        connection, delivery, message_format = self.channel.connection, first[1], first[3] or 0
        fault = connection.namespace.faults.strike("send", self._queue.name)
        if fault is None:
            self._settle(delivery, self._store(payload, message_format), settled=settled)
            return
        connection.log("fault", self._queue.name, detail=f"send {fault.does} {fault.when}")
        error = self._store(payload, message_format) if fault.when == "after" else None
        if fault.does == "refuse":
            connection.log("send", self._queue.name, size=len(payload), error=fault.condition)
            self._settle(delivery, AmqpError(fault.condition, fault.description), settled=settled)
        elif fault.does != "hang":
            self.strike_down(fault)
        elif fault.seconds is not None:
            if fault.when == "before":
                connection.later(
                    fault.seconds,
                    lambda: self._settle(delivery, self._store(payload, message_format), settled=settled),
                )
            else:
                connection.later(fault.seconds, lambda: self._settle(delivery, error, settled=settled))

    def _settle(self, delivery: int, error: AmqpError | None, *, settled: bool) -> None:
        if not settled and not self.ended:
            self.dispose(delivery, error)

    def _store(self, payload: bytes, message_format: int) -> AmqpError | None:
        connection = self.channel.connection
        error: AmqpError | None = None
        contents = []
        try:
            if len(payload) > self._queue.settings.max_message_bytes:
                raise management.too_big(len(payload), self._queue)
            contents = parse_transfer(payload, message_format)
            self._queue.put(contents)
        except AmqpError as refusal:
            error = refusal
        connection.log(
            "send",
            self._queue.name,
            messages=tuple(contents),
            size=len(payload),
            error=error.condition if error else None,
        )
        return error


class Outbound(Link):
    """The client receives on it."""

    def __init__(self, channel: "Channel", handle: int, name: str) -> None:
        super().__init__(channel, handle, name)
        self._sent = 0
        self._credit = 0

    def send(self, payload: bytes, tag: bytes, *, settled: bool) -> int:
        """The delivery's number."""
        delivery = self.channel.next_delivery()
        self._sent += 1
        self._credit -= 1
        room = self.channel.connection.max_frame - 128
        for start in range(0, len(payload), room):
            part = payload[start : start + room]
            more = start + room < len(payload)
            if start == 0:
                fields = [UInt(self.handle), UInt(delivery), tag, UInt(0), settled, more]
            else:
                fields = [UInt(self.handle), None, None, None, settled, more]
            self.channel.transfer(fields, part)
        return delivery

    def on_flow(self, fields: list[Any]) -> None:
        self._credit = (fields[5] or 0) + (fields[6] or 0) - self._sent
        self.fill()
        if fields[8]:  # drain: what credit is left is used up
            self._sent += max(self._credit, 0)
            self._credit = 0
            self.channel.flow([UInt(self.handle), UInt(self._sent), UInt(0), None, True])
        elif fields[9]:  # echo
            self.channel.flow([UInt(self.handle), UInt(self._sent), UInt(max(self._credit, 0))])

    def fill(self) -> None:
        """New credit has come."""


class FromQueue(Outbound):
    """A receiver's link: the `Consumer` of its queue."""

    role = "receiver"

    def __init__(self, channel: "Channel", handle: int, name: str, queue: Queue, *, keeps: bool) -> None:
        super().__init__(channel, handle, name)
        self.session: str | None = None
        self.keeps = keeps
        self._queue = queue

    @property
    def queue_name(self) -> str:
        return self._queue.name

    def describe(self) -> dict[str, object]:
        unsettled = sum(link is self for link, _ in self.channel.unsettled.values())
        return {**super().describe(), "session": self.session, "credit": self._credit, "unsettled": unsettled}

    def has_credit(self) -> bool:
        return self._credit > 0 and not self.ended and self.channel.window > 0

    def fill(self) -> None:
        self._queue.dirty = True
        # A drain is answered after this, so what there is must leave before.
        self._queue.pump()

    def deliver(self, message: Stored) -> None:
        token = message.token
        assert token is not None
        payload = message.encode(self.channel.connection.namespace.clock)
        delivery = self.send(payload, token.bytes_le, settled=self.keeps)
        if not self.keeps:
            self.channel.unsettled[delivery] = self, token
        self.channel.connection.log(
            "deliver", self._queue.name, messages=(message.content,), size=len(payload), session=self.session
        )

    def end(self) -> None:
        super().end()
        # A disposition that arrives now settles nothing; the SDK then settles by a request, with the lock token.
        unsettled = self.channel.unsettled
        for delivery in [delivery for delivery, (link, _) in unsettled.items() if link is self]:
            del unsettled[delivery]
        self._queue.leave(self)

    def on_disposition(self, delivery: int, token: uuid.UUID, state: Any, *, settled: bool) -> None:
        """Settles; the answer echoes the client's outcome, or is a rejection that tells why not.

        Nothing answers what the client has settled already, as the SDK does when it gives back a message that came
        while nobody was receiving; so it can neither be refused nor be kept waiting.  Source: OASIS AMQP 1.0, part 2,
        2.7.6: "settled" is the end of the delivery for whoever says it, and no frame could tell it otherwise.
        """
        connection = self.channel.connection
        try:
            outcome, reason, description = _outcome(state)
        except AmqpError as refusal:
            self._confirm(delivery, None, refusal, settled=settled)
            return

        def settle() -> AmqpError | None:
            return self._settle(token, outcome, reason, description)

        fault = connection.namespace.faults.strike(
            "settle", self._queue.name, session=self.session, operation=outcome, is_answered=not settled
        )
        if fault is None:
            self._confirm(delivery, outcome, settle(), settled=settled)
            return
        connection.log("fault", self._queue.name, session=self.session, detail=f"settle {fault.does} {fault.when}")
        if fault.does == "hang":
            error = settle() if fault.when == "after" else None
            if fault.seconds is not None:
                is_done = fault.when == "after"
                connection.later(
                    fault.seconds,
                    lambda: self._confirm(delivery, outcome, error if is_done else settle(), settled=settled),
                )
        elif fault.does in ("drop", "detach"):
            if fault.when == "after":
                settle()
            self.strike_down(fault)
        elif fault.does == "refuse":
            connection.log(outcome, self._queue.name, session=self.session, error=fault.condition)
            self._confirm(delivery, outcome, AmqpError(fault.condition, fault.description), settled=settled)
        else:
            self._confirm(delivery, outcome, self._settle_badly(fault, token, settle), settled=settled)

    def _settle_badly(self, fault: Fault, token: uuid.UUID, settle: Callable[[], AmqpError | None]) -> AmqpError | None:
        try:
            message = self._queue.find_locked(token)
        except AmqpError as refusal:
            return refusal
        if fault.does == "lose-lock":
            self._queue.lose_lock(message)
        error = settle()
        if error is None and fault.does == "repeat":
            self._queue.repeat(message)
        return error

    def _settle(
        self, token: uuid.UUID, outcome: Outcome, reason: str | None, description: str | None
    ) -> AmqpError | None:
        error: AmqpError | None = None
        messages: tuple[Content, ...] = ()
        try:
            message = self._queue.find_locked(token)
            messages = (message.content,)
            self._queue.settle(message, outcome, reason, description)
        except AmqpError as refusal:
            error = refusal
        self.channel.connection.log(
            outcome,
            self._queue.name,
            messages=messages,
            session=self.session if messages else None,
            error=error.condition if error else None,
        )
        return error

    def _confirm(self, delivery: int, outcome: Outcome | None, error: AmqpError | None, *, settled: bool) -> None:
        if settled or self.channel.connection.closed:
            return
        if error is not None:
            state = described(REJECTED, [error_value(error)])
        else:
            state = described(
                {"complete": ACCEPTED, "dead-letter": REJECTED, "release": RELEASED}.get(outcome or "", MODIFIED)
            )
        self.channel.write(DISPOSITION, [False, UInt(delivery), UInt(delivery), True, state])


def _outcome(state: Any) -> tuple[Outcome, str | None, str | None]:
    fields = fields_of(state, 3)
    match state.descriptor if state is not None else RELEASED:
        case 0x24:
            return "complete", None, None
        case 0x25:
            condition, description, info = fields_of(fields[0], 3)
            if fields[0] is not None and condition != DEAD_LETTER_CONDITION:
                raise NotImplementedByStandInError(f"rejection for {condition}")
            info = info or {}
            return "dead-letter", info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription", description)
        case 0x26:
            return "release", None, None
        case 0x27:
            if fields[2]:
                raise NotImplementedByStandInError("settling with changed annotations")
            return ("defer" if fields[1] else "abandon"), None, None
        case other:
            raise NotImplementedByStandInError(f"outcome {other}")
