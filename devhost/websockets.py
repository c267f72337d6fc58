"""WebSockets: the protocol of Azure Web PubSub for those who only listen, served by the dev host itself.

Spoken are `json.webpubsub.azure.v1` and `json.reliable.webpubsub.azure.v1`, the second of which lets a client whose
connection broke connect again and be told what it missed.  A client may join the channels that its token names, leave
them, and ping; it may send nothing to anybody.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from adapters.live.hub import PATH, Hub, Ticket
from domain.errors import UnavailableError

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from websockets.http11 import Request

    from adapters.wiring import Clock
    from devhost.http import Receive, Scope, Send

log = logging.getLogger("tocsin.devhost")

PLAIN = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"

MOST_CONNECTIONS = 1_000
MOST_CHANNELS = 100
"""One client can be in so many."""

LARGEST_MESSAGE_BYTES = 16 * 1024
"""What a client sends: names of channels, and acknowledgements."""

PING_SECONDS = 15.0
"""So often each is asked whether it is there, and so long it may take to say so."""

KEPT_MESSAGES = 1_000
KEPT_BYTES = 1024 * 1024
"""So much of what a reliable client has not acknowledged is kept for it."""

QUEUED_MESSAGES = 2 * KEPT_MESSAGES
QUEUED_BYTES = 2 * KEPT_BYTES
"""Whoever has more than this waiting for it reads too slowly, and is dropped; all that is kept must fit."""

RECOVERY_SECONDS = 60.0
"""So long a reliable client may be away; its official client tries for thirty."""

GOODBYE_SECONDS = 1.0

NORMAL, GOING_AWAY, UNSUPPORTED, INVALID, REFUSED = 1000, 1001, 1003, 1007, 1008

type Refuse = Callable[[dict[str, str]], str | None]


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but for connections that nobody reads: a close of theirs would wait for ever to be sent."""

    def handle_connect(self, event: Request) -> None:
        """Let the app end the connection at once."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["state"]["abort"] = self.transport.abort

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn does, which takes a refusal for an app that never answered, and logs an error."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    def keepalive_timeout(self) -> None:
        """Whoever has vanished reads no goodbye."""
        super().keepalive_timeout()
        self.transport.abort()


# --- one client -----------------------------------------------------------------------------------------------------


class Session:
    """One client, from its first connection to its last: a reliable one may have several, one after the other."""

    def __init__(self, hub: Hub, ticket: Ticket, *, is_reliable: bool) -> None:
        self._hub = hub
        self.ticket = ticket
        self.is_reliable = is_reliable
        self.id = secrets.token_urlsafe(16)
        self.key = secrets.token_urlsafe(24)
        """What it proves with, when it comes back, that it is the same."""
        self.channels: set[str] = set()
        self._last = 0
        self._kept: deque[tuple[int, str]] = deque()
        self._kept_bytes = 0
        self.socket: Socket | None = None
        self.is_over = False

    # --- what it hears ----------------------------------------------------------------------------------------------

    def hear(self, channel: str, message: bytes) -> None:
        """Pass a message of the channel on, and keep it until it is acknowledged, where it can be."""
        head = f'{{"type":"message","from":"group","group":{json.dumps(channel)},"dataType":"json","data":'
        text = f"{head}{message.decode()}"
        if self.is_reliable:
            self._last += 1
            text = f'{text},"sequenceId":{self._last}'
            self._keep(f"{text}}}")
        if self.socket is not None:
            self.socket.put(f"{text}}}")

    def _keep(self, text: str) -> None:
        self._kept.append((self._last, text))
        self._kept_bytes += len(text)
        if len(self._kept) > KEPT_MESSAGES or self._kept_bytes > KEPT_BYTES:
            self.end("it acknowledges too little of what it is told")

    def acknowledge(self, number: int) -> None:
        """It has everything up to that number."""
        while self._kept and self._kept[0][0] <= number:
            self._kept_bytes -= len(self._kept.popleft()[1])

    @property
    def unacknowledged(self) -> list[str]:
        """What it may not have heard."""
        return [text for _, text in self._kept]

    async def join(self, channel: str) -> None:
        """Hear that channel from now on.

        Raises:
            UnavailableError: Nothing is told at the moment.
        """
        self.channels.add(channel)
        await self._hub.join(channel, self)

    def leave(self, channel: str) -> None:
        """Content if it is not there."""
        self.channels.discard(channel)
        self._hub.leave(channel, self)

    def end(self, why: str = "") -> None:
        """It is gone for good; a connection that it has is ended at once where there is a reason to."""
        self.is_over = True
        for channel in list(self.channels):
            self.leave(channel)
        self._kept.clear()
        if why and self.socket is not None:
            self.socket.drop(why)


class Socket:
    """One connection, with what waits to be sent over it."""

    def __init__(self, send: Send, abort: Callable[[], None], name: str) -> None:
        self._send = send
        self._abort = abort
        self._name = name
        self._waiting: deque[str] = deque()
        self._waiting_bytes = 0
        self._close: tuple[int, str] | None = None
        self._is_dropped = False
        self._arrived = asyncio.Event()

    def put(self, text: str) -> None:
        """Send it after everything before it; a client that does not read is dropped, and harms nobody."""
        if self._is_dropped:
            return
        self._waiting.append(text)
        self._waiting_bytes += len(text)
        if len(self._waiting) > QUEUED_MESSAGES or self._waiting_bytes > QUEUED_BYTES:
            self.drop("it reads too slowly")
        self._arrived.set()

    def say(self, **message: Any) -> None:
        """Send a message of the protocol."""
        self.put(json.dumps(message, separators=(",", ":")))

    def close(self, code: int, why: str) -> None:
        """Say goodbye when all that waits is sent."""
        self.say(type="system", event="disconnected", message=why)
        self._close = code, why[:100]
        self._arrived.set()

    @property
    def is_closing(self) -> bool:
        """Whether a goodbye was said that may not have been sent yet."""
        return self._close is not None

    def drop(self, why: str) -> None:
        """End the connection now; whatever waits is lost."""
        log.info("a listener of %s is dropped: %s", self._name, why)
        self._is_dropped = True
        self._waiting.clear()
        self._waiting_bytes = 0
        self._abort()

    async def write(self) -> None:
        """Send what waits, until it is closed; each waits until the connection takes more."""
        while True:
            while self._waiting:
                text = self._waiting.popleft()
                self._waiting_bytes -= len(text)
                await self._send({"type": "websocket.send", "text": text})
            if self._close is not None:
                code, why = self._close
                await self._send({"type": "websocket.close", "code": code, "reason": why})
                return
            self._arrived.clear()
            await self._arrived.wait()


# --- all of them ----------------------------------------------------------------------------------------------------


class WebSockets:
    """The ASGI app for WebSockets: who may connect, and what is said."""

    def __init__(self, hub: Hub, refusal: Refuse, clock: Clock) -> None:
        """`refusal` says why a request with these headers is refused, before anything else is looked at."""
        self._hub = hub
        self._refusal = refusal
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._away: dict[str, asyncio.TimerHandle] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, from its handshake to its end."""
        await receive()  # websocket.connect
        query = parse_qs(scope["query_string"].decode("latin-1"))
        # uvicorn writes the address of each connection to its log, and the token is in there.
        scope["query_string"] = b""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        found = self._admit(scope, headers, query)
        if isinstance(found, tuple):
            await _refuse(send, *found)
            return
        protocol = RELIABLE if found.is_reliable else PLAIN
        await send({"type": "websocket.accept", "subprotocol": protocol})
        await self._serve(found, Socket(send, scope["state"]["abort"], found.ticket.name), receive)

    def _admit(self, scope: Scope, headers: dict[str, str], query: dict[str, list[str]]) -> Session | tuple[int, str]:
        """The session that this connection belongs to; or with which status it is refused, and why."""
        if why := self._refusal(headers):
            return 403, why
        if scope["path"] != PATH:
            return 404, "there are no WebSockets under this path"
        protocols = scope["subprotocols"]
        if RELIABLE not in protocols and PLAIN not in protocols:
            return 400, f"ask for the subprotocol {PLAIN} or {RELIABLE}"
        returning = self._sessions.get(_one(query, "awps_connection_id"))
        if "awps_connection_id" in query:
            key = _one(query, "awps_reconnection_token")
            if (
                returning is None
                or returning.is_over
                or RELIABLE not in protocols
                or not secrets.compare_digest(key, returning.key)
            ):
                return 404, "no such connection to come back to; connect anew"
            return returning
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else _one(query, "access_token")
        ticket = self._hub.judge(token, self._clock())
        if ticket is None:
            return 401, "the token is wrong, or its time is over: negotiate again"
        if len(self._sessions) >= MOST_CONNECTIONS:
            return 503, f"{MOST_CONNECTIONS} listeners are connected, and no more are taken"
        session = Session(self._hub, ticket, is_reliable=RELIABLE in protocols)
        self._sessions[session.id] = session
        return session

    async def _serve(self, session: Session, socket: Socket, receive: Receive) -> None:
        if (timer := self._away.pop(session.id, None)) is not None:
            timer.cancel()
        if session.socket is not None:
            session.socket.drop("it has connected again")
        session.socket = socket
        token = {"reconnectionToken": session.key} if session.is_reliable else {}
        socket.say(type="system", event="connected", userId=session.ticket.name, connectionId=session.id, **token)
        for text in session.unacknowledged:
            socket.put(text)
        writing = asyncio.create_task(socket.write())
        is_leaving = False
        try:
            is_leaving = await self._listen(session, socket, receive)
            if socket.is_closing:
                # The goodbye goes out, as far as the other side takes it.
                await asyncio.wait({writing}, timeout=GOODBYE_SECONDS)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if session.socket is socket:
                session.socket = None
                self._part(session, is_over=is_leaving or not session.is_reliable)

    def _part(self, session: Session, *, is_over: bool) -> None:
        """Its connection has ended; a reliable client may come back."""
        if is_over or session.is_over:
            self._forget(session)
        else:
            timer = asyncio.get_running_loop().call_later(RECOVERY_SECONDS, self._forget, session)
            self._away[session.id] = timer

    def _forget(self, session: Session) -> None:
        self._away.pop(session.id, None)
        self._sessions.pop(session.id, None)
        session.end()

    async def _listen(self, session: Session, socket: Socket, receive: Receive) -> bool:
        """Do what the client asks, until its connection ends; returns whether it will not come back."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return message.get("code") in (NORMAL, GOING_AWAY)
            text = message.get("text")
            if text is None:
                socket.close(UNSUPPORTED, "messages are text")
                return True
            try:
                asked = json.loads(text)
            except (ValueError, RecursionError):
                socket.close(INVALID, "a message is no JSON")
                return True
            if (why := await _obey(session, socket, asked)) is not None:
                socket.close(REFUSED, why)
                return True


async def _obey(session: Session, socket: Socket, asked: Any) -> str | None:
    """Do it and acknowledge it; returns why the connection must end, for what nobody may send."""
    if not isinstance(asked, dict):
        return "a message is no JSON object"
    ack_id, channel = asked.get("ackId"), asked.get("group")
    if not (ack_id is None or (type(ack_id) is int and 0 <= ack_id < 2**63)):
        return "ackId must be a whole number"
    error: tuple[str, str] | None = None
    match asked.get("type"):
        case "ping":
            socket.say(type="pong")
            return None
        case "sequenceAck":
            number = asked.get("sequenceId")
            if type(number) is not int:
                return "sequenceId must be a whole number"
            session.acknowledge(number)
            return None
        case "joinGroup" if isinstance(channel, str):
            error = await _join(session, channel)
        case "leaveGroup" if isinstance(channel, str):
            session.leave(channel)
        case "joinGroup" | "leaveGroup":
            return "group must be the name of a channel"
        case "sendToGroup" | "event":
            error = "Forbidden", "listeners may send nothing"
        case _:
            return "no such type of message"
    if ack_id is not None:
        said = {"error": {"name": error[0], "message": error[1]}} if error else {}
        socket.say(type="ack", ackId=ack_id, success=error is None, **said)
    return None


async def _join(session: Session, channel: str) -> tuple[str, str] | None:
    """Why it could not be joined, as an error of the protocol."""
    if channel not in session.ticket.channels:
        return "Forbidden", "the token does not name this channel: negotiate for it"
    if len(session.channels | {channel}) > MOST_CHANNELS:
        return "Forbidden", f"one client can be in {MOST_CHANNELS} channels"
    try:
        await session.join(channel)
    except UnavailableError as error:
        return "InternalServerError", str(error)
    return None


def _one(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


async def _refuse(send: Send, status: int, why: str) -> None:
    body = json.dumps({"type": "about:blank", "status": status, "detail": why}).encode()
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
