"""CosmosStandIn: a server on loopback that the real SDK takes for a Cosmos DB account."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote
from uuid import uuid4

from aiohttp import web

from tests.standins.cosmos import charges
from tests.standins.cosmos.calls import Call, Calls
from tests.standins.cosmos.faults import Fault, Faults, Kind, Outage
from tests.standins.cosmos.gateway import Gateway
from tests.standins.cosmos.refusals import Refusal
from tests.standins.cosmos.requests import Answer, Request
from tests.standins.cosmos.store import Store

KEY = "c3RhbmQtaW4="
"""Any master key is accepted; the SDK wants base64."""
CONTROL = "/_standin"


class CosmosStandIn:
    """Serves from `start` (or entering the block) until `close`, in the running event loop.

        async with CosmosStandIn(partitions=3) as server, CosmosClient(server.url, credential=server.key) as client:
            ...
            assert server.calls.charge("batch") < 60

    Args:
        partitions: Physical partitions of each container that is created from now on.
        path: A file that survives the process; None keeps everything in memory.
        clock: Seconds since the epoch, for `_ts` and `ttl`.
        lag: How many commits of its physical partition a read without a session token is behind, always.
        tls: Serves https, which the SDK demands before it sends a bearer token.
        port: 0 for a free one, which `url` then has.
    """

    key = KEY

    def __init__(
        self,
        *,
        partitions: int = 1,
        path: Path | None = None,
        clock: Callable[[], float] = time.time,
        lag: int = 0,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        self.faults = Faults(seed)
        self.calls = Calls()
        self._store = Store(path, clock, lag)
        self._gateway = Gateway(self._store, partitions, lag)
        self._tls = tls
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    async def start(self) -> None:
        # Every body is read whole: the gateway itself says which is too large.
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", f"{CONTROL}/{{what}}", self._control)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- the service ------------------------------------------------------------------------------------------------

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        request = await _request(http)
        call = self._gateway.recognise(request)
        fault = self.faults.strike(call)
        call = replace(call, fault=None if fault is None else fault.kind.value)
        if fault is not None and fault.kind is Kind.HANG:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind is Kind.CUT:
            return self._cut(http, call, 0.0)
        answer = self._answer(request, fault)
        if fault is not None and fault.kind is Kind.HANG_AFTER_COMMIT:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind is Kind.LOST_REPLY:
            return self._cut(http, call, answer.charge)
        response = _response(request, answer)
        self.calls.add(
            replace(
                call,
                status=answer.status,
                substatus=int(answer.headers["x-ms-substatus"]) if "x-ms-substatus" in answer.headers else None,
                charge=answer.charge,
                response_bytes=response.content_length or 0,
            )
        )
        return response

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        try:
            if fault is not None and fault.refusal is not None:
                raise fault.refusal
            return self._gateway.answer(request)
        except Refusal as refusal:
            headers = dict(refusal.headers)
            if refusal.substatus is not None:
                headers["x-ms-substatus"] = str(refusal.substatus)
            charge = charges.REFUSED if refusal.status in (404, 409, 412) else 0.0
            return Answer(refusal.status, {"code": refusal.code, "message": refusal.message}, headers, charge)

    def _cut(self, http: web.Request, call: Call, charge: float) -> web.Response:
        self.calls.add(replace(call, charge=charge))
        if http.transport is not None:
            http.transport.abort()
        return web.Response()  # nobody reads it

    # --- the control endpoint, for a server that is a process of its own --------------------------------------------

    async def _control(self, http: web.Request) -> web.Response:
        body: Any = await http.json() if http.can_read_body else None
        match http.method, http.match_info["what"]:
            case "GET", "calls":
                return web.json_response([call.json() for call in self.calls])
            case "DELETE", "calls":
                self.calls.clear()
            case "POST", "faults":
                try:
                    self.faults.add(*(Fault.of(given) for given in (body if isinstance(body, list) else [body])))
                except (ValueError, KeyError, TypeError) as error:
                    return web.Response(status=400, text=str(error))
            case "DELETE", "faults":
                self.faults.clear()
            case "PUT", "outage":
                self.faults.outage = None if body is None else Outage(body)
            case "PUT", "seed":
                self.faults.seed(int(body))
            case method, what:
                return web.Response(status=404, text=f"no {method} {what}")
        return web.Response(status=204)


async def _request(http: web.Request) -> Request:
    path = http.raw_path.partition("?")[0]
    return Request(
        http.method,
        [unquote(segment) for segment in path.split("/") if segment],
        {name.lower(): value for name, value in http.headers.items()},
        await http.read(),
        f"{http.scheme}://{http.host}",
    )


def _response(request: Request, answer: Answer) -> web.Response:
    headers = {
        "x-ms-activity-id": request.headers.get("x-ms-activity-id", str(uuid4())),
        "x-ms-request-charge": f"{answer.charge:.2f}",
        "x-ms-gatewayversion": "2.0.0",
        "x-ms-version": "2020-07-15",
        **answer.headers,
    }
    is_empty = answer.body is None or answer.status in (204, 304)
    body = b"" if is_empty else json.dumps(answer.body, ensure_ascii=False).encode()
    return web.Response(status=answer.status, body=body, headers=headers, content_type="application/json")
