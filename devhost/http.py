"""HTTP: an ASGI app that hands requests to the app's HTTP functions, as the Functions host routes them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote

import azure.functions as func

from devhost.index import Function
from devhost.sharing import Loop

log = logging.getLogger("tocsin.devhost")

MAX_BODY_BYTES = 5 * 1024 * 1024
"""Prometheus sends 64 alerts at most.  What is taken needs up to forty times the memory of its body (measured)."""

MOST_HELD_BYTES = 32 * 1024 * 1024
"""So much of bodies is held for requests that are not answered yet; a thousand of Prometheus' at the same time."""

READ_ON_BYTES = 256 * 1024 * 1024
"""So much more is read and dropped: whoever is still sending would find the connection broken, and not our answer."""

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PARAMETER = re.compile(r"\{(?P<star>\*?)(?P<name>\w+)\}")


class Router:
    """ASP.NET routes as the Functions host matches them: in the order of function names; literals ignore case."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._literal: dict[tuple[str, str], Function] = {}
        self._patterns: list[tuple[re.Pattern[str], frozenset[str], Function]] = []
        for function in functions:
            route: str = function.binding.get("route") or function.name
            methods = frozenset(function.binding.get("methods") or ())
            if "{" in route:
                self._patterns.append((_pattern(route), methods, function))
            else:
                for method in methods:
                    self._literal.setdefault((method, "/" + route.strip("/").lower()), function)

    def find(self, method: str, path: str) -> tuple[Function, dict[str, str]] | None:
        """The function that answers, with its route parameters; None where the host says 404."""
        function = self._literal.get((method, path)) or self._literal.get((method, path.lower().rstrip("/") or "/"))
        if function is not None:
            return function, {}
        for pattern, methods, function in self._patterns:
            if method in methods and (match := pattern.fullmatch(path)):
                return function, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


def _pattern(route: str) -> re.Pattern[str]:
    text, at = "/", 0
    for match in _PARAMETER.finditer(route):
        text += re.escape(route[at : match.start()])
        text += f"(?P<{match['name']}>{'.*' if match['star'] else '[^/]+'})"
        at = match.end()
    return re.compile(text + re.escape(route[at:]) + "/?", re.IGNORECASE)


class TooLargeError(Exception):
    """The request's body is larger than the dev host takes."""


class BusyError(Exception):
    """The bodies of others, who are not answered yet, take all the memory there is for that."""


class Memory:
    """What the bodies of all requests take that are not answered yet: a slow store must not fill it."""

    def __init__(self, most_bytes: int = MOST_HELD_BYTES) -> None:
        self._most = most_bytes
        self.held = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """One request's part of it, until it is answered."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held -= share.size

    def grow(self, size: int) -> None:
        """Raises BusyError when that is too much; one body alone never is."""
        if self.held and size > 0 and self.held + size > self._most:
            raise BusyError("too many requests wait for their answers; try again in a second")
        self.held += size


class Share:
    """The part of one request."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.size = 0

    def set(self, size: int) -> None:
        """It takes so much now.  Raises BusyError when there is not so much left."""
        self._memory.grow(size - self.size)
        self.size = size


class HttpApp:
    """The ASGI app; refuses what a page in somebody's browser could make it do, unless all hosts are allowed (None)."""

    def __init__(
        self,
        functions: Iterable[Function],
        loop: Loop,
        allowed_hosts: frozenset[str] | None,
        web_sockets: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        """`web_sockets` serves what asks for those, without it nothing does; `origins` may ask though they are others.

        Without hosts that are allowed, all are.
        """
        self._origins = origins
        self._web_sockets = web_sockets
        self._router = Router([function for function in functions if function.trigger == "httpTrigger"])
        self._loop = loop
        self._allowed_hosts = allowed_hosts
        self._memory = Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            self._loop.request()
            with self._memory.share() as share:
                response = await self._respond(scope, receive, share)
            await _send(send, response)
        elif scope["type"] == "websocket" and self._web_sockets is not None:
            await self._web_sockets(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, share: Share) -> func.HttpResponse:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if client := scope.get("client"):
            # As each proxy does, and the Azure front end: whom it was asked by, behind what the caller says of itself.
            given = headers.get("x-forwarded-for")
            headers["x-forwarded-for"] = f"{given}, {client[0]}" if given else str(client[0])
        if self._allowed_hosts is not None and (refusal := refusal_of(headers, self._allowed_hosts, self._origins)):
            return _refuse(403, refusal)
        found = self._router.find(scope["method"], scope["path"])
        if found is None:
            return _refuse(404, f"no such path: {scope['path'][:200]}")
        function, parameters = found
        try:
            body = await _read(headers, receive, share)
        except TooLargeError as error:
            response = _refuse(413, str(error))
            response.headers["Connection"] = "close"  # the rest of the body is not read
            return response
        except BusyError as error:
            response = _refuse(503, str(error))
            response.headers["Retry-After"] = "1"
            response.headers["Connection"] = "close"
            return response
        except ConnectionError as error:
            return _refuse(400, str(error))  # nobody reads it, and half a request does nothing
        query = scope["query_string"].decode("latin-1")
        request = func.HttpRequest(
            method=scope["method"],
            url=f"{scope['scheme']}://{headers.get('host', '')}{scope['path']}{'?' if query else ''}{query}",
            headers=headers,
            params=_query(query),
            route_params=parameters,
            body=body,
        )
        try:
            answer: func.HttpResponse = await function.call(**{function.argument: request})
        except Exception:
            log.exception("%s failed", function.name)
            return _refuse(500, "the function failed; see the log")
        return answer


def refusal_of(
    headers: Mapping[str, str], allowed_hosts: frozenset[str], origins: frozenset[str] = frozenset()
) -> str | None:
    """Why a request is refused that a web page may have caused: DNS rebinding, or another site's script."""
    host = headers.get("host", "")
    if host.lower() not in allowed_hosts:
        return f"the Host header {host[:100]!r} is not one of {', '.join(sorted(allowed_hosts))}"
    origin = headers.get("origin")
    if origin is not None and origin.lower() in origins:
        return None
    if origin is not None and origin.partition("://")[2].lower() not in allowed_hosts:
        return f"requests from the origin {origin[:100]!r} are refused"
    if headers.get("sec-fetch-site") == "cross-site":
        return "requests from other sites are refused"
    return None


def _query(text: str) -> dict[str, str]:
    """As Functions gives it: a name that comes several times has its values joined by commas."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


async def _read(headers: dict[str, str], receive: Receive, share: Share) -> bytes:
    length = int(text) if (text := headers.get("content-length", "")).isdecimal() else 0
    is_announced = "expect" in headers or length > MAX_BODY_BYTES + READ_ON_BYTES
    if length > MAX_BODY_BYTES and is_announced:
        raise TooLargeError(f"the body has {length} bytes; at most {MAX_BODY_BYTES} are taken")
    parts: list[bytes] = []
    size, goes_on = 0, True
    while goes_on and size <= MAX_BODY_BYTES + READ_ON_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the caller has gone")
        part: bytes = message.get("body", b"")
        goes_on = message.get("more_body", False)
        size += len(part)
        if size > MAX_BODY_BYTES:
            parts.clear()
            share.set(0)
        else:
            share.set(size)
            parts.append(part)
    if size > MAX_BODY_BYTES:
        raise TooLargeError(f"the body has more than {MAX_BODY_BYTES} bytes, the most that is taken")
    return b"".join(parts)


async def _send(send: Send, response: func.HttpResponse) -> None:
    body = response.get_body()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if body and response.mimetype:
        headers.append((b"content-type", f"{response.mimetype}; charset={response.charset}".encode("latin-1")))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse(status: int, detail: str) -> func.HttpResponse:
    body = json.dumps({"type": "about:blank", "status": status, "detail": detail})
    return func.HttpResponse(body, status_code=status, mimetype="application/problem+json")
