"""Fetching: one bounded GET for a tool, only to where a configuration says; nothing follows a redirect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from adapters.guard import UNGUARDED, Guard
from domain.errors import UnavailableError

CONNECT_SECONDS = 5.0
FETCH_SECONDS = 10.0
MOST_BYTES = 4 * 1024 * 1024


class ToolError(Exception):
    """A tool found nothing out; says why in words that may be shown to a model and to people."""


@dataclass(frozen=True)
class Fetched:
    """What was answered."""

    status: int
    content_type: str
    body: bytes


class Fetcher:
    """One pool of connections for what tools read; made at the first use on the running loop."""

    def __init__(self, guard: Guard = UNGUARDED, most_bytes: int = MOST_BYTES, seconds: float = FETCH_SECONDS) -> None:
        """`guard`: to which addresses nothing is sent, whoever has configured them."""
        self._guard = guard
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None
        self._resolver: AbstractResolver | None = None

    async def get(self, url: URL, headers: Mapping[str, str] | None = None) -> Fetched:
        """What stands there.

        Raises:
            ToolError: It cannot be had, leads elsewhere, is too large or takes too long.
        """
        try:
            self._guard.check_host(url.host or "")
            async with (
                asyncio.timeout(self._seconds),
                self._open_session().get(
                    url, headers={"Accept-Encoding": "identity", **(headers or {})}, allow_redirects=False
                ) as response,
            ):
                if 300 <= response.status < 400:
                    raise ToolError("it leads elsewhere, and redirects are not followed")
                body = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > self._most_bytes:
                        raise ToolError(f"it is larger than {self._most_bytes} bytes: ask for less")
                return Fetched(response.status, response.content_type, bytes(body))
        except TimeoutError:
            raise ToolError(f"no answer within {self._seconds:g} s") from None
        except UnavailableError as error:
            raise ToolError(f"it {error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their words quote addresses.
            raise ToolError(f"it could not be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._resolver = self._guard.make_resolver()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=8, resolver=self._resolver),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a compressed answer could be a bomb
                trust_env=False,
            )
        return self._session
