"""The opening of a link: for a queue, `$cbs` or `$management`; granted, refused, or kept waiting."""

from typing import TYPE_CHECKING, Any

from tests.standins.servicebus.amqp import AmqpError, Long, Symbol, UByte, UInt, ULong
from tests.standins.servicebus.frames import ATTACH, DETACH, SOURCE, TARGET, described, error_value, fields_of
from tests.standins.servicebus.links import FromQueue, Link, ToQueue
from tests.standins.servicebus.management import session_filter
from tests.standins.servicebus.namespace import CBS, MANAGEMENT, path_of
from tests.standins.servicebus.nodes import FromNode, ToNode
from tests.standins.servicebus.queues import Queue
from tests.standins.servicebus.sessions import SessionRequest

if TYPE_CHECKING:
    from tests.standins.servicebus.connection import Channel

TICKS_AT_1970 = 621_355_968_000_000_000  # of 100 ns, since the year 1
SESSION_WAIT_SECONDS = 65.0  # for a next session, where the client does not say


class Opening:
    """An attach, from its arrival to the answer; for a session that may take a while.

    A refusal is an answer without source or target, then a detach that says why: so the SDKs take it for what it is.
    """

    def __init__(self, channel: "Channel", fields: list[Any]) -> None:
        self._channel = channel
        self._name, self._handle, is_receiver, self._send_mode, self._receive_mode = fields[:5]
        self._client_sends = not is_receiver
        self._source, self._target = fields_of(fields[5], 11), fields_of(fields[6], 7)
        self._properties = fields[13] or {}
        self._address = str((self._target if self._client_sends else self._source)[0] or "")
        self._ended = False

    def run(self) -> None:
        connection = self._channel.connection
        path = path_of(self._address)
        try:
            if path.lower() == CBS or path.lower().endswith(MANAGEMENT):
                self._open_node(path)
                return
            queue = connection.namespace.find(path)
            role = "sender" if self._client_sends else "receiver"
            fault = connection.namespace.faults.strike("open", queue.name, role=role)
            if fault is None:
                self._open_queue(queue)
                return
            connection.log("fault", queue.name, detail=f"open {fault.does}")
            if fault.does == "refuse":
                raise AmqpError(fault.condition, fault.description)
            if fault.does == "drop":
                connection.cut()
            elif fault.seconds is not None:
                connection.later(fault.seconds, lambda: self._open_late(queue))
        except AmqpError as error:
            self._refuse(error)

    def _open_late(self, queue: Queue) -> None:
        try:
            self._open_queue(queue)
        except AmqpError as error:
            self._refuse(error)

    def _open_node(self, path: str) -> None:
        queue = None if path.lower() == CBS else self._channel.connection.namespace.find(path[: -len(MANAGEMENT)])
        if self._client_sends:
            link = ToNode(self._channel, self._handle, self._name, self._address, queue)
            self._answer(link)
            link.grant_credit()
        else:
            self._answer(FromNode(self._channel, self._handle, self._name, self._address))

    def _open_queue(self, queue: Queue) -> None:
        if self._client_sends:
            sender = ToQueue(self._channel, self._handle, self._name, queue)
            self._answer(sender, limit=queue.settings.max_message_bytes)
            sender.grant_credit()
            self._log("open", queue, "sender")
            return
        receiver = FromQueue(self._channel, self._handle, self._name, queue, keeps=self._send_mode == 1)
        asks, wanted = session_filter(self._source[7])
        if asks != queue.settings.sessions:
            raise AmqpError(
                "amqp:not-allowed",
                "A sessionful message receiver cannot be created on an entity that does not require sessions."
                if asks
                else "It is not possible for an entity that requires sessions to create a non-sessionful message"
                " receiver.",
            )
        if not asks:
            self._answer(receiver)
            queue.join(receiver)
            self._log("open", queue, "receiver")
            return
        self._channel.links[self._handle] = receiver  # so that it ends with its connection while it waits
        wait = self._properties.get("com.microsoft:timeout", SESSION_WAIT_SECONDS * 1000) / 1000

        clock = self._channel.connection.namespace.clock

        def grant(session_id: str, until: float) -> None:
            ticks = round(clock.on_the_wall(until) * 10**7) + TICKS_AT_1970
            granted: dict[object, object] = {Symbol("com.microsoft:locked-until-utc"): Long(ticks)}
            self._answer(receiver, session=session_id, properties=granted)
            self._log("accept-session", queue, "receiver", session_id)

        def refuse(error: AmqpError) -> None:
            self._channel.links.pop(self._handle, None)
            receiver.ended = True
            self._log("accept-session", queue, "receiver", wanted, error.condition)
            self._refuse(error)

        request = SessionRequest(wanted, receiver, grant, refuse)
        queue.accept_session(request)
        # Clients count their patience by the wall, whatever the broker's clock says.
        self._channel.connection.later(wait, lambda: queue.give_up(request))

    def _log(self, kind: str, queue: Queue, role: str, session: str | None = None, error: str | None = None) -> None:
        self._channel.connection.log(kind, queue.name, session=session, detail=role, error=error)

    def _answer(
        self,
        link: Link | None,
        *,
        limit: int | None = None,
        session: str | None = None,
        properties: dict[object, object] | None = None,
    ) -> None:
        filters = {Symbol("com.microsoft:session-filter"): session} if session is not None else None
        source: object = described(SOURCE, [self._source[0], *[None] * 6, filters])
        target: object = described(TARGET, [self._target[0]])
        if link is None:
            source, target = (source, None) if self._client_sends else (None, target)
        else:
            self._channel.links[self._handle] = link
        self._channel.write(
            ATTACH,
            [
                self._name,
                UInt(self._handle),
                self._client_sends,
                UByte(self._send_mode or 0),
                UByte(self._receive_mode or 0),
                source,
                target,
                None,
                None,
                None if self._client_sends else UInt(0),
                ULong(limit) if limit else None,
                None,
                None,
                properties,
            ],
        )

    def _refuse(self, error: AmqpError) -> None:
        self._answer(None)
        self._channel.write(DETACH, [UInt(self._handle), True, error_value(error)])
