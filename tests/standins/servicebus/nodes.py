"""Links to `$cbs` and `<queue>/$management`: requests in, answers out."""

import uuid
from typing import TYPE_CHECKING, Any

from tests.standins.servicebus import management
from tests.standins.servicebus.amqp import AmqpError
from tests.standins.servicebus.links import Inbound, Outbound
from tests.standins.servicebus.namespace import MANAGEMENT
from tests.standins.servicebus.queues import Queue

if TYPE_CHECKING:
    from tests.standins.servicebus.connection import Channel

KINDS = {
    "schedule-message": "schedule",
    "cancel-scheduled-message": "cancel",
    "peek-message": "peek",
    "receive-by-sequence-number": "receive-deferred",
    "get-message-sessions": "list-sessions",
}


class FromNode(Outbound):
    def __init__(self, channel: "Channel", handle: int, name: str, address: str) -> None:
        super().__init__(channel, handle, name)
        self.address = address


class ToNode(Inbound):
    """Requests to `$cbs` or `<queue>/$management`; the answers leave on the `FromNode` that names `reply-to`."""

    def __init__(self, channel: "Channel", handle: int, name: str, address: str, queue: Queue | None) -> None:
        super().__init__(channel, handle, name)
        self.address = address
        self._queue = queue

    @property
    def queue_name(self) -> str:
        return self._queue.name if self._queue else ""

    def take(self, first: list[Any], payload: bytes, *, settled: bool) -> None:
        if not settled:
            self.dispose(first[1])
        request = management.read_request(payload)
        if self._queue is None:
            self._take_token(request)
        else:
            self._perform(self._queue, request, len(payload))

    def _take_token(self, request: management.Request) -> None:
        connection = self.channel.connection
        token = management.token_of(request)
        connection.identity = management.identity_of(token)
        audience = str(request.application.get("name"))
        # A token for a queue that is not there is refused, as the SDK's own live tests know.
        unknown, queue_name = None, None
        try:
            queue_name = connection.namespace.find(audience.removesuffix(MANAGEMENT)).name
        except AmqpError as refusal:
            unknown = refusal
        fault = connection.namespace.faults.strike("token", queue_name)
        error = fault.condition if fault else unknown.condition if unknown else None
        connection.log("token", queue_name or "", detail=f"{request.application.get('type')} {audience}", error=error)
        if fault is None:
            self._reply(management.answer_token(request, unknown))
        elif fault.does == "refuse":
            self._reply(management.answer_token(request, AmqpError(fault.condition, fault.description)))
        elif fault.does == "hang" and fault.seconds is not None:
            connection.later(fault.seconds, lambda: self._reply(management.answer_token(request, unknown)))
        else:
            self.strike_down(fault)

    def _perform(self, queue: Queue, request: management.Request, size: int) -> None:
        connection = self.channel.connection
        fault = connection.namespace.faults.strike("manage", queue.name, operation=request.operation)
        if fault is None:
            self._reply(self._carry_out(queue, request, size))
            return
        connection.log("fault", queue.name, detail=f"manage {fault.does} {fault.when}")
        answer = self._carry_out(queue, request, size) if fault.when == "after" else None
        if fault.does == "refuse":
            self._reply(management.answer_refusal(request, AmqpError(fault.condition, fault.description)))
        elif fault.does != "hang":
            self.strike_down(fault)
        elif fault.seconds is not None:
            connection.later(fault.seconds, lambda: self._reply(answer or self._carry_out(queue, request, size)))

    def _carry_out(self, queue: Queue, request: management.Request, size: int) -> bytes:
        connection = self.channel.connection
        done, error = management.Done(None), None
        try:
            done = management.perform(connection.namespace, queue, request)
            answer = management.answer(request, done)
        except AmqpError as refusal:
            error = refusal.condition
            answer = management.answer_refusal(request, refusal)
        kind = KINDS.get(request.operation, request.operation)
        if request.operation == "update-disposition":
            kind = management.OUTCOMES.get(request.body["disposition-status"], kind)
        connection.log(kind, queue.name, messages=done.messages, size=size, session=done.session, error=error)
        return answer

    def _reply(self, payload: bytes) -> None:
        for link in list(self.channel.links.values()):
            if isinstance(link, FromNode) and link.address == self.address:
                link.send(payload, uuid.uuid4().bytes, settled=True)
                return
