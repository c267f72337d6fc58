"""`python bench/endpoint.py`: what the pipeline around every handler costs a request, beside the bare handler.

Both are called in this process as the host calls them, in turn, many times.  The best rounds are compared, in the
processor's time: whatever else a busy machine does only ever adds to it.  The app asks for API keys, as where it
matters.  Two handlers that do nothing tell the cost, which has a target; three real ones tell what it is beside their
work.  Exits with 1 where the pipeline costs more than its target.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import azure.functions as func

from adapters.wiring import ports
from domain.keys import new_key
from domain.principals import Scope

TARGETS_MICROSECONDS = {"ingest_nothing": 60.0, "show_nothing": 150.0}
REAL = ("receive_alerts", "list_receivers", "show_configuration")

SETTINGS = {
    "TOCSIN_HOME": "memory",
    "TOCSIN_AUTH": "true",
    # So many as nobody asks in earnest.
    **{f"TOCSIN_{kind}_{limit}": "1e9" for kind in ("INGEST", "REQUESTS") for limit in ("PER_SECOND", "BURST")},
}

ALERTS = [{"labels": {"alertname": "DiskFull", "instance": f"db-{number}"}} for number in range(5)]

type Call = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=200, help="in each round, of each kind")
    options = parser.parse_args()
    os.environ.update(SETTINGS)
    return asyncio.run(_compare(options.rounds, options.requests))


async def _compare(rounds: int, requests: int) -> int:
    import function_app
    from endpoints.pipeline import registry

    apps = (function_app.app, _nothing())
    functions = {str(one.get_function_name()): one.get_user_function() for app in apps for one in app.get_functions()}
    handlers = {entry.name: entry.handler for entry in registry}
    key = await _key()
    is_met = True
    for name in (*TARGETS_MICROSECONDS, *REAL):
        request = _request(name, key)
        bare, guarded = [], []
        for _ in range(rounds):
            bare.append(await _time(handlers[name], request, requests))
            guarded.append(await _time(partial(_host, functions[name]), request, requests))
        alone, whole = min(bare), min(guarded)
        verdict = ""
        if (target := TARGETS_MICROSECONDS.get(name)) is not None:
            is_met &= whole - alone <= target
            verdict = f"  (target {target:.0f} µs{'' if whole - alone <= target else ': MISSED'})"
        print(
            f"{name:20} bare {alone:6.1f} µs  with the pipeline {whole:6.1f} µs  ratio {whole / alone:5.2f}"
            f"  costs {whole - alone:5.1f} µs{verdict}"
        )
    return 0 if is_met else 1


def _nothing() -> func.FunctionApp:
    """An app of handlers that do nothing: the first as alerts come in, the second with an ETag."""
    from endpoints.pipeline import endpoint

    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

    @endpoint(blueprint, "POST", "api/v2/nothing", scope=Scope.INGEST)
    async def ingest_nothing(request: func.HttpRequest) -> func.HttpResponse:
        """Take nothing in."""
        return func.HttpResponse(status_code=200)

    @endpoint(blueprint, "GET", "api/v1/nothing", scope=Scope.READ, answers={200: "application/json"}, conditional=True)
    async def show_nothing(request: func.HttpRequest) -> func.HttpResponse:
        """Show nothing."""
        return func.HttpResponse("{}", mimetype="application/json")

    app = func.FunctionApp()
    app.register_functions(blueprint)
    return app


async def _host(function: Any, request: func.HttpRequest) -> func.HttpResponse:
    """As the host calls it: by the name of its parameter."""
    response: func.HttpResponse = await function(request=request)
    return response


async def _time(call: Call, request: func.HttpRequest, times: int) -> float:
    """Microseconds of the processor for one request."""
    await call(request)
    began = time.process_time()
    for _ in range(times):
        response = await call(request)
        assert response.status_code == 200, response.get_body()
    return (time.process_time() - began) / times * 1e6


async def _key() -> str:
    home = ports()
    token = home.keyring.make_token()
    scopes = frozenset({Scope.ADMIN})
    key = new_key(token, home.keyring.pepper, name="bench", scopes=scopes, created_by="bench", now=home.clock())
    await home.keys.change_keys(lambda _: [key])
    return token


def _request(name: str, key: str) -> func.HttpRequest:
    from endpoints.pipeline import registry

    entry = next(entry for entry in registry if entry.name == name)
    headers = {
        "host": "localhost:7071",
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "accept": "application/json, */*;q=0.1",
        "user-agent": "Prometheus/3.7.3",
        "x-forwarded-for": "192.0.2.1",
    }
    body = json.dumps(ALERTS).encode() if entry.method == "POST" else b""
    return func.HttpRequest(entry.method, f"http://localhost:7071/{entry.path}", headers=headers, body=body)


if __name__ == "__main__":
    sys.exit(main())
