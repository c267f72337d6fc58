"""Implements `LivePublisher` on Azure Web PubSub, by its REST interface.

Not by the SDK `azure-messaging-webpubsubservice`: it brings ten thousand lines and an import of a quarter of a second
for the two requests that are made here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from adapters.live.messages import messages_of
from adapters.live.tokens import sign
from domain.errors import RejectedError, UnavailableError
from domain.live import LiveAccess, LiveEvent, by_channel

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

log = logging.getLogger("tocsin.live")

API_VERSION = "2024-12-01"
SCOPE = "https://webpubsub.azure.com/.default"

ACCESS = timedelta(minutes=60)
"""So long a client may connect with its URL; the service's own default."""

KEY_TOKEN_SECONDS = 60
CALL_SECONDS = 5.0
ATTEMPTS = 3
PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0

CHANNELS_AT_ONCE = 16
"""So many channels are told side by side; the messages of each go one after the other."""


class WebPubSub:
    """Says each batch of events once for each channel that it concerns."""

    def __init__(
        self,
        endpoint: str,
        hub: str,
        *,
        key: str = "",
        credential: Callable[[], AsyncTokenCredential] | None = None,
    ) -> None:
        """By an identity; by a key only at an emulator."""
        self._endpoint = endpoint.rstrip("/")
        self._hub = hub
        self._key = key.encode()
        self._credential = credential
        self._session: aiohttp.ClientSession | None = None

    async def publish(self, events: Sequence[LiveEvent]) -> None:
        at_once = asyncio.Semaphore(CHANNELS_AT_ONCE)

        async def say(channel: str, said: Sequence[LiveEvent]) -> None:
            async with at_once:
                for message in messages_of(said):
                    await self._post(f"/api/hubs/{self._hub}/groups/{quote(channel, safe='')}/:send", {}, message)

        told = await asyncio.gather(*(say(*each) for each in by_channel(events).items()), return_exceptions=True)
        for failure in told:
            if failure is not None:
                raise failure

    async def admit(self, name: str, channels: Sequence[str], now: datetime) -> LiveAccess:
        expires_at = now + ACCESS
        roles = [f"webpubsub.joinLeaveGroup.{channel}" for channel in channels]
        if self._key:
            client = f"{self._endpoint}/client/hubs/{self._hub}"
            claims = {"aud": client, "sub": name, "role": roles, "iat": _seconds(now), "exp": _seconds(expires_at)}
            token = sign(claims, self._key)
        else:
            minutes = int(ACCESS.total_seconds() // 60)
            asked = {"userId": name, "role": roles, "minutesToExpire": minutes}
            answer = await self._post(f"/api/hubs/{self._hub}/:generateToken", asked)
            token = str(answer["token"])
        # `https` becomes `wss`.
        return LiveAccess(f"ws{self._endpoint[4:]}/client/hubs/{self._hub}?access_token={token}", expires_at)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- one request ------------------------------------------------------------------------------------------------

    async def _post(self, path: str, query: dict[str, Any], body: bytes = b"") -> Any:
        """What it answers, tried again where that helps.

        Raises:
            UnavailableError: It did not answer, or refused for now, as often as was tried.
            RejectedError: It refused for good.
        """
        url = f"{self._endpoint}{path}?{urlencode({'api-version': API_VERSION, **query}, doseq=True)}"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._post_once(url, body)
            except UnavailableError as error:
                if attempt == ATTEMPTS:
                    raise
                wait = error.retry_after.total_seconds() if error.retry_after else PAUSE_SECONDS * 2**attempt
                await asyncio.sleep(min(wait, LONGEST_PAUSE_SECONDS))
        raise AssertionError("unreachable")

    async def _post_once(self, url: str, body: bytes) -> Any:
        import aiohttp
        from yarl import URL

        headers = {"Authorization": f"Bearer {await self._token(url)}", "Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                # Encoded as it is: the name of a channel may have a slash in it.
                self._open_session().post(URL(url, encoded=True), data=body, headers=headers) as response,
            ):
                if response.status < 300:
                    return await response.json() if response.status == 200 else None
                words = f"Web PubSub answered {response.status}: {(await response.text())[:200]}"
                if response.status in (408, 429) or response.status >= 500:
                    raise UnavailableError(words, _retry_after(response.headers.get("Retry-After", "")))
                if response.status in (401, 403, 404):
                    # A role that is being granted, a resource that is being made: a person mends it, and then it works.
                    raise UnavailableError(words)
                raise RejectedError(words)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UnavailableError(f"Web PubSub did not answer: {type(error).__name__}") from error

    async def _token(self, url: str) -> str:
        if self._key:
            audience = url.partition("?")[0]
            return sign({"aud": audience, "exp": int(time.time()) + KEY_TOKEN_SECONDS}, self._key)
        from azure.core.exceptions import AzureError

        assert self._credential is not None
        try:
            return (await self._credential().get_token(SCOPE)).token
        except AzureError as error:
            raise UnavailableError(f"no token for Web PubSub: {type(error).__name__}") from error

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _retry_after(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if text.isascii() and text.isdecimal() and len(text) < 6 else None


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
