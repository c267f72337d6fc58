"""Who asks: the principal of a request, proven by what its headers carry.

Without `--auth` (`TOCSIN_AUTH`) everybody is `LOCAL`.  With it, the first of these that is there counts:

    Authorization: Bearer <an API key, or a token of Entra ID>
    Authorization: Basic <anything>:<an API key>          as Prometheus, amtool and browsers send it
    X-API-Key: <an API key>
    X-MS-CLIENT-PRINCIPAL                                 where the platform says that Easy Auth stands in front
"""

from __future__ import annotations

import base64
import binascii
import time
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import azure.functions as func

from adapters.wiring import ports
from domain.errors import ForbiddenError, TooManyError, UnauthenticatedError
from domain.principals import ANYBODY, LOCAL, Principal

if TYPE_CHECKING:
    from adapters.wiring import Ports

acting: ContextVar[Principal] = ContextVar("acting", default=LOCAL)
"""Whoever the request being handled comes from; set by the pipeline, read where an actor is recorded."""

EASY_AUTH = "x-ms-client-principal"

SOURCES = {"api/v2/alerts": "alertmanager", "api/v1/shadow/alertmanager": "shadow"}
"""What a key can be limited to, beside `kind/key` of the paths that name both."""


async def authenticate(request: func.HttpRequest) -> Principal:
    """Prove who asks.

    Whoever failed too often lately is refused before anything is looked up or hashed.

    Raises:
        UnauthenticatedError: Nothing proves it, or what should is wrong, expired or revoked (401).
        TooManyError: Too many attempts have failed (429).
        ForbiddenError: Another site's page has made a browser ask (403).
        UnavailableError: The store, or Entra ID, did not answer (503).
    """
    home = ports()
    if not home.settings.auth:
        return LOCAL
    acting.set(ANYBODY)
    principal = await _find(home, request)
    acting.set(principal)
    return principal


async def _find(home: Ports, request: func.HttpRequest) -> Principal:
    headers = request.headers
    given = headers.get("authorization")
    if given is not None:
        scheme, _, credentials = given.strip().partition(" ")
        scheme, credentials = scheme.lower(), credentials.strip()
        if scheme == "basic":
            refuse_other_sites(request)
            credentials = _password(credentials)
        elif scheme != "bearer":
            raise UnauthenticatedError("Authorization must be Bearer or Basic")
        return await _prove(home, request, credentials)
    if (key := headers.get("x-api-key")) is not None:
        return await _prove(home, request, key.strip())
    if (principal := headers.get(EASY_AUTH)) is not None and home.settings.trusts_easy_auth:
        from adapters.easy_auth import read_principal

        refuse_other_sites(request)  # it stands for a cookie, which a browser sends whoever makes it ask
        return read_principal(principal, home.settings.tenants)
    raise NoCredentialsError("send an API key or a token, as Authorization: Bearer")


class NoCredentialsError(UnauthenticatedError):
    """Nothing was sent that could be wrong: no failed attempt, and what a browser does first."""


async def _prove(home: Ports, request: func.HttpRequest, token: str) -> Principal:
    from domain.keys import key_id_of
    from endpoints.auditing import address_of, network_of

    key_id = key_id_of(token) or ""
    network, now = network_of(address_of(request)), time.monotonic()
    if (why := home.attempts.known_wrong(network, token, now)) is not None:
        raise UnauthenticatedError(why)
    if wait := home.attempts.wait(network, key_id, now):
        raise TooManyError("too many attempts have failed", timedelta(seconds=max(1, -(-wait // 1))))
    try:
        # Only what has the form of a token goes there: three parts, of which the first is JSON.
        if home.entra is not None and not key_id and token.startswith("eyJ"):
            principal = await home.entra.prove(token)
        else:
            principal = await home.keyring.prove(token)
    except UnauthenticatedError as error:
        home.attempts.failed(network, key_id, token, str(error), now)
        raise
    home.attempts.succeeded(network, key_id)
    return principal


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (ValueError, binascii.Error):
        raise UnauthenticatedError("Authorization: Basic cannot be read") from None


def challenge(request: func.HttpRequest) -> str:
    """What `WWW-Authenticate` says to whoever proved nothing: a browser can ask its user for a name and a password."""
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return 'Basic realm="Tocsin: any name, and an API key as the password", charset="UTF-8"'
    return 'Bearer realm="Tocsin"'


def refuse_other_sites(request: func.HttpRequest) -> None:
    """Refuse what another site's page has a browser send along with what it remembers of ours.

    A program sends none of these headers, and a browser all that it should.

    Raises:
        ForbiddenError: The request comes from another site.
    """
    headers = request.headers
    if (site := headers.get("sec-fetch-site")) is not None:
        # Following a link shows a page, which harms nobody: the other site does not see it.
        is_link = request.method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("same-origin", "none") and not is_link:
            raise ForbiddenError("requests from other sites are refused")
        return
    if (origin := headers.get("origin")) is not None and origin not in ports().settings.origins:
        host = headers.get("x-forwarded-host") or headers.get("host", "")
        if origin.partition("://")[2].lower() not in (host.lower(), urlsplit(request.url).netloc.lower()):
            raise ForbiddenError("requests from other sites are refused")


def check_source(principal: Principal, path: str, request: func.HttpRequest) -> None:
    """Hold a key to its source, where it is limited to one.

    Raises:
        ForbiddenError: It sends as another.
    """
    if principal.source is None:
        return
    parameters = request.route_params
    source = SOURCES.get(path) or "/".join(parameters[name] for name in ("kind", "key") if name in parameters)
    if source != principal.source:
        raise ForbiddenError(f"this key may only send as {principal.source!r}")
