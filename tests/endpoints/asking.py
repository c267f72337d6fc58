"""Asking: the app's registered HTTP functions, called in this process as the host calls them, with `--auth`."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import azure.functions as func
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import function_app
from adapters.wiring import ports
from domain.keys import new_key
from domain.principals import Scope
from endpoints.pipeline import Endpoint, registry
from tests.functions.worker_check import functions_of
from tests.serving import Answer

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "api://tocsin"


# --- requests -------------------------------------------------------------------------------------------------------


@cache
def functions() -> dict[str, Any]:
    """Every registered function by its name."""
    return {str(found.get_function_name()): found.get_user_function() for found in functions_of(function_app.app)}


@cache
def routes() -> tuple[Endpoint, ...]:
    """What is registered, by the app's own modules and nobody else."""
    return tuple(entry for entry in registry if entry.handler.__module__.startswith("endpoints."))


def route(name: str) -> Endpoint:
    return next(entry for entry in routes() if entry.name == name)


async def ask(
    name: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: Any = None,
    address: str = "192.0.2.1",
    query: str = "",
    **parameters: str,
) -> Answer:
    """Call the function of this name as the host does; a body is sent as JSON."""
    entry = route(name)
    path = re.sub(r"\{\*?(\w+)\}", lambda match: parameters.get(match[1], "x"), entry.path)
    parameters = {name: parameters.get(name, "x") for name in re.findall(r"\{\*?(\w+)\}", entry.path)}
    hop = f"[{address}]:40000" if ":" in address else f"{address}:40000"
    sent = {"host": "tocsin.example.com", "x-forwarded-for": f"198.51.100.9, {hop}", **(headers or {})}
    if body is not None:
        sent.setdefault("content-type", "application/json")
    answer = await functions()[name](
        request=func.HttpRequest(
            entry.method,
            f"https://tocsin.example.com/{path.lstrip('/')}{'?' if query else ''}{query}",
            headers=sent,
            params=dict(pair.split("=", 1) for pair in query.split("&") if pair),
            route_params=parameters,
            body=b"" if body is None else json.dumps(body).encode(),
        )
    )
    named = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status_code, named, answer.get_body())


# --- API keys -------------------------------------------------------------------------------------------------------


async def give_key(*scopes: Scope, **changes: Any) -> str:
    """A key that is kept in the home; returns the whole of it."""
    from dataclasses import replace

    home = ports()
    token = home.keyring.make_token()
    key = new_key(
        token,
        home.keyring.pepper,
        name=" ".join(scopes) or "none",
        scopes=frozenset(scopes),
        created_by="local",
        now=home.clock(),
    )
    await home.keys.change_keys(lambda _: [replace(key, **changes)])
    return token


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(password: str, name: str = "anybody") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


# --- Entra ID -------------------------------------------------------------------------------------------------------


class Issuer:
    """A tenant of Entra ID on a loopback address: publishes real keys, and signs tokens."""

    def __init__(self) -> None:
        self.keys = {"one": new_private_key()}
        self.asked = 0
        self.authority = ""

    def publish(self) -> bytes:
        self.asked += 1
        published = []
        for kid, key in self.keys.items():
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
            published.append(public | {"kid": kid, "use": "sig"})
        return json.dumps({"keys": published}).encode()

    def sign(self, *roles: str, kid: str = "one", key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        now = int(time.time())
        known = {
            "iss": f"{self.authority}/{TENANT}/v2.0",
            "aud": AUDIENCE,
            "tid": TENANT,
            "oid": "ada-object-id",
            "preferred_username": "ada@example.com",
            "roles": list(roles),
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
        }
        chosen = {name: value for name, value in (known | claims).items() if value is not None}
        key = self.keys["one"] if key is None else key
        return jwt.encode(chosen, key, algorithm=algorithm, headers={"kid": kid})

    def public_pem(self) -> bytes:
        return (
            self.keys["one"]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )


@cache
def _keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(65537, 2048) for _ in range(2)]


_number = iter(range(10**9))


def new_private_key() -> rsa.RSAPrivateKey:
    """One of two, in turn: making one takes up to a second."""
    return _keys()[next(_number) % 2]


@contextmanager
def issuing() -> Iterator[Issuer]:
    """The issuer behind a server of its own."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_right = self.path == f"/{TENANT}/discovery/v2.0/keys"
            body = issuer.publish() if is_right else b"{}"
            self.send_response(200 if is_right else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        issuer.authority = f"http://127.0.0.1:{server.server_port}"
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


def signed_in(*roles: str, provider: str = "aad", tenant: str = TENANT) -> dict[str, str]:
    """The header of Easy Auth about somebody who has these app roles."""
    schema = "http://schemas.microsoft.com/identity/claims"
    claims = [
        {"typ": f"{schema}/objectidentifier", "val": "bob-object-id"},
        {"typ": f"{schema}/tenantid", "val": tenant},
        {"typ": "preferred_username", "val": "bob@example.com"},
        *({"typ": "roles", "val": role} for role in roles),
    ]
    told = {"auth_typ": provider, "name_typ": "name", "role_typ": "roles", "claims": claims}
    return {"x-ms-client-principal": base64.b64encode(json.dumps(told).encode()).decode()}
