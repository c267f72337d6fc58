"""Hub: implements `LivePublisher` for those who are connected to this very process; the dev host brings the sockets."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from adapters.live.messages import messages_of
from adapters.live.tokens import sign, verify
from domain.errors import UnavailableError
from domain.live import LiveAccess, LiveEvent, by_channel

PATH = "/client/hubs/tocsin"
"""As that of Azure Web PubSub's hub, whose clients connect here too."""

ACCESS = timedelta(minutes=60)
"""So long a client may connect with its URL, and connect again; what is connected stays."""

ATTENDED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token allows."""

    name: str
    channels: frozenset[str]


class Listener(Protocol):
    """One client."""

    def hear(self, channel: str, message: bytes) -> None:
        """Take a message, in order, without waiting for anything."""
        ...


class Hub:
    """The registry of who listens to which channel, in this process; a restart forgets it, and every token."""

    def __init__(self, external_url: str) -> None:
        self._url = external_url.rstrip("/")
        self._key = secrets.token_bytes(32)
        self._listeners: dict[str, dict[Listener, None]] = {}
        self.is_open = False
        """Whether anybody can connect: the dev host says so."""
        self.someone = asyncio.Event()
        """Set while anybody listens to anything."""
        self.attended = asyncio.Event()
        """Set while what happens is published here: see `join`."""

    # --- who listens ------------------------------------------------------------------------------------------------

    async def join(self, channel: str, listener: Listener) -> None:
        """Let it hear what is said there; whatever is decided after this returns, it will hear."""
        self._listeners.setdefault(channel, {})[listener] = None
        self.someone.set()
        try:
            async with asyncio.timeout(ATTENDED_SECONDS):
                await self.attended.wait()
        except TimeoutError as error:
            raise UnavailableError("what happens is not told here at the moment") from error

    def leave(self, channel: str, listener: Listener) -> None:
        """Content if it does not listen there."""
        listeners = self._listeners.get(channel)
        if listeners is not None:
            listeners.pop(listener, None)
            if not listeners:
                del self._listeners[channel]
        if not self._listeners:
            self.someone.clear()

    # --- as a publisher ---------------------------------------------------------------------------------------------

    async def publish(self, events: Sequence[LiveEvent]) -> None:
        for channel, said in by_channel(events).items():
            listeners = self._listeners.get(channel)
            if listeners:
                for message in messages_of(said):
                    # One that is dropped meanwhile leaves.
                    for listener in list(listeners):
                        listener.hear(channel, message)

    async def admit(self, name: str, channels: Sequence[str], now: datetime) -> LiveAccess:
        if not self.is_open:
            raise UnavailableError("there are no WebSockets here: set WEB_PUBSUB__endpoint, or ask GET /api/v1/events")
        expires_at = now + ACCESS
        token = sign({"sub": name, "channels": list(channels), "exp": int(expires_at.timestamp())}, self._key)
        return LiveAccess(f"ws{self._url.removeprefix('http')}{PATH}?access_token={token}", expires_at)

    def judge(self, token: str, now: datetime) -> Ticket | None:
        """What the token allows; None when it is not ours, or its time is over."""
        claims = verify(token, self._key)
        if claims is None or claims["exp"] <= now.timestamp():
            return None
        return Ticket(claims["sub"], frozenset(claims["channels"]))

    async def close(self) -> None:
        self._listeners.clear()
        self.someone.clear()
