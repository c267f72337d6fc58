"""Requests and their answers: tokens at `$cbs`, and what needs no link at `<queue>/$management`."""

import base64
import binascii
import json
import urllib.parse
from typing import Any, NamedTuple

from tests.standins.servicebus.amqp import (
    AmqpError,
    Described,
    NotImplementedByStandInError,
    Symbol,
    Timestamp,
    array_of_longs,
    array_of_strings,
    array_of_timestamps,
    decode,
    section,
    sections,
)
from tests.standins.servicebus.clock import Clock
from tests.standins.servicebus.messages import APPLICATION, PROPERTIES, Content, Stored, parse
from tests.standins.servicebus.namespace import Namespace
from tests.standins.servicebus.queues import MESSAGE_NOT_FOUND, Outcome, Queue

VALUE = 0x77
VENDOR = "com.microsoft:"
OUTCOMES: dict[str, Outcome] = {
    "completed": "complete",
    "abandoned": "abandon",
    "defered": "defer",  # the protocol's own spelling
    "suspended": "dead-letter",
}


class Request(NamedTuple):
    operation: str
    body: Any
    message_id: Any
    application: dict[str, Any]


class Done(NamedTuple):
    """An operation's result: None answers 204; and what the log of calls is to know."""

    value: dict[object, object] | None
    messages: tuple[Content, ...] = ()
    session: str | None = None


def read_request(payload: bytes) -> Request:
    properties: list[Any] = []
    application: dict[str, Any] = {}
    body: Any = None
    for code, at, _ in sections(payload):
        if code == PROPERTIES:
            properties = decode(payload, at)[0]
        elif code == APPLICATION:
            application = decode(payload, at)[0]
        elif code == VALUE:
            body = decode(payload, at)[0]
    operation = str(application.get("operation", "")).removeprefix(VENDOR)
    return Request(operation, body, properties[0] if properties else None, application)


def answer_token(request: Request, error: AmqpError | None = None) -> bytes:
    status = 202 if error is None else STATUS.get(error.condition, 401)
    described = "Accepted" if error is None else error.description
    return _answer(request, {"status-code": status, "status-description": described}, None)


def answer_refusal(request: Request, error: AmqpError) -> bytes:
    status = 410 if "lock-lost" in error.condition else STATUS.get(error.condition, 400)
    result: dict[object, object] = {"statusCode": status, "statusDescription": error.description}
    return _answer(request, {**result, "errorCondition": Symbol(error.condition)}, {})


def answer(request: Request, done: Done) -> bytes:
    if done.value is None:
        return _answer(request, {"statusCode": 204, "statusDescription": "NoContent"}, {})
    return _answer(request, {"statusCode": 200, "statusDescription": "OK"}, done.value)


STATUS = {
    "amqp:not-found": 404,
    MESSAGE_NOT_FOUND: 404,
    "amqp:not-implemented": 501,
    "com.microsoft:server-busy": 503,
    "amqp:unauthorized-access": 401,
}


def _answer(request: Request, application: dict[object, object], body: object) -> bytes:
    properties = [None, None, None, None, None, request.message_id]
    return section(PROPERTIES, properties) + section(APPLICATION, application) + section(VALUE, body)


def identity_of(token: str) -> str:
    """Whom a token names: the key of a shared access signature, or a claim of a JWT, unchecked."""
    if token.startswith("SharedAccessSignature"):
        fields = urllib.parse.parse_qs(token.partition(" ")[2])
        return fields.get("skn", ["sas"])[0]
    parts = token.split(".")
    if len(parts) != 3:
        return "token"
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return "jwt"
    return f"jwt:{claims.get('appid') or claims.get('oid') or claims.get('sub') or '?'}"


def perform(namespace: Namespace, queue: Queue, request: Request) -> Done:
    """Raises AmqpError, and NotImplementedByStandInError for what is left out."""
    body, clock = request.body, namespace.clock
    match request.operation:
        case "schedule-message":
            contents = tuple(parse(entry["message"]) for entry in body["messages"])
            _check_sizes(queue, contents)
            return Done({"sequence-numbers": array_of_longs(queue.put(contents))}, contents)
        case "cancel-scheduled-message":
            queue.cancel_scheduled(body["sequence-numbers"])
            return Done({})
        case "peek-message":
            found = queue.peek(body["from-sequence-number"], body["message-count"], body.get("session-id"))
            shown: list[object] = [{"message": message.encode(clock)} for message in found]
            return Done({"messages": shown} if found else None, _contents(found), body.get("session-id"))
        case "renew-lock":
            ends = [clock.wall_milliseconds(queue.renew_lock(token)) for token in body["lock-tokens"]]
            return Done({"expirations": array_of_timestamps(ends)})
        case "renew-session-lock":
            until = clock.wall_milliseconds(queue.renew_session(body["session-id"]))
            return Done({"expiration": Timestamp(until)}, session=body["session-id"])
        case "update-disposition":
            return _update_disposition(queue, body)
        case "receive-by-sequence-number":
            return _take_deferred(clock, queue, body)
        case "get-session-state":
            session = queue.owned_session(body["session-id"])
            return Done({"session-state": session.state}, session=body["session-id"])
        case "set-session-state":
            session = queue.owned_session(body["session-id"])
            session.state, session.state_at = body.get("session-state"), clock.now()
            return Done({}, session=body["session-id"])
        case "get-message-sessions":
            return _list_sessions(queue, body)
        case _:
            raise NotImplementedByStandInError(f"operation {request.operation!r} at {queue.name}/$management")


def _update_disposition(queue: Queue, body: dict[str, Any]) -> Done:
    if body.get("properties-to-modify"):
        raise NotImplementedByStandInError("settling with changed properties")
    outcome = OUTCOMES[body["disposition-status"]]
    messages = [queue.find_locked(token) for token in body["lock-tokens"]]
    for message in messages:
        queue.settle(message, outcome, body.get("deadletter-reason"), body.get("deadletter-description"))
    return Done({}, _contents(messages), body.get("session-id"))


def _take_deferred(clock: Clock, queue: Queue, body: dict[str, Any]) -> Done:
    keep = not body.get("receiver-settle-mode")
    numbers = body["sequence-numbers"]
    taken = [queue.take_deferred(number, body.get("session-id"), keep=keep) for number in numbers]
    shown: list[object] = [{"lock-token": message.token, "message": message.encode(clock)} for message in taken]
    return Done({"messages": shown}, _contents(taken))


def _list_sessions(queue: Queue, body: dict[str, Any]) -> Done:
    since = body.get("last-updated-time", 0) / 1000
    # The greatest time there is asks for sessions with messages or state; any other for state set after it.
    everything = since > 1e11
    names = sorted(
        name
        for name, session in queue.sessions.items()
        if (everything and (session.ready or session.locks or session.state is not None))
        or (not everything and session.state is not None and session.state_at > since)
    )
    first = body.get("skip", 0)
    page = names[first : first + body.get("top", 100)]
    return Done({"skip": first + len(page), "sessions-ids": array_of_strings(page)} if page else None)


def _contents(messages: list[Stored]) -> tuple[Content, ...]:
    return tuple(message.content for message in messages)


def _check_sizes(queue: Queue, contents: tuple[Content, ...]) -> None:
    size = sum(content.size for content in contents)
    if size > queue.settings.max_message_bytes:
        raise too_big(size, queue)


def too_big(size: int, queue: Queue) -> AmqpError:
    return AmqpError(
        "amqp:link:message-size-exceeded",
        f"The received message (size:{size} bytes) exceeds the limit ({queue.settings.max_message_bytes} bytes)"
        " currently allowed on the link.",
    )


def session_filter(filters: dict[str, Any] | None) -> tuple[bool, str | None]:
    """Whether a receiver asks for a session, and for which one; None is the next available."""
    if not filters:
        return False, None
    unknown = set(filters) - {VENDOR + "session-filter"}
    if unknown:
        raise NotImplementedByStandInError(f"filters {sorted(unknown)}")
    given = filters[VENDOR + "session-filter"]
    wanted = given.value if isinstance(given, Described) else given
    if wanted is not None and not isinstance(wanted, str):
        raise AmqpError("amqp:invalid-field", f"a session id is a string, not {wanted!r}")
    return True, wanted


def token_of(request: Request) -> str:
    if request.operation != "put-token":
        raise NotImplementedByStandInError(f"operation {request.operation!r} at $cbs")
    return request.body.decode() if isinstance(request.body, bytes) else str(request.body)
