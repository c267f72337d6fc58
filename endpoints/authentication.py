"""Who asks: the principal of a request, proven by what its headers carry.

Without `--auth` (`TOCSIN_AUTH`) everybody is `LOCAL`.  With it, what a path holds counts, then the first of these:

    Authorization: Bearer <an API key, or a token of Entra ID>
    Authorization: Basic <anything>:<an API key>          as Prometheus, amtool and browsers send it
    X-API-Key: <an API key>
    /api/v1/sources/{kind}/<an API key>                   for senders that can send no header
    X-MS-CLIENT-PRINCIPAL                                 where the platform says that Easy Auth stands in front
"""

from __future__ import annotations

import base64
import binascii
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import azure.functions as func

from adapters.wiring import ports
from domain.errors import ForbiddenError, RejectedError, TooManyError, UnauthenticatedError
from domain.principals import ANYBODY, LOCAL, Principal, source_principal
from endpoints.limits import whole_seconds

if TYPE_CHECKING:
    from adapters.wiring import Ports
    from domain.sources.definitions import Source
    from domain.sources.reading import Payload

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
    source = _verified_source(request)
    if source is None and not home.settings.auth:
        return LOCAL
    acting.set(ANYBODY)
    principal = await (_find(home, request) if source is None else verify(home, request, source))
    acting.set(principal)
    return principal


def is_verified(request: func.HttpRequest) -> bool:
    """Whether what comes to this address proves itself by what the `tocsin.yml` says, and needs no API key."""
    return _verified_source(request) is not None


def _verified_source(request: func.HttpRequest) -> Source | None:
    """The source of this address, where the `tocsin.yml` says by what it is known: then it needs no API key.

    Where the path has a key all the same, that one names the source, and the handler verifies it.
    """
    if "kind" not in request.route_params or has_key_in_path(request):
        return None
    try:
        source = source_of(request)
    except RejectedError:
        return None
    return source if source.verification is not None else None


async def verify(home: Ports, request: func.HttpRequest, source: Source) -> Principal:
    """Hold the request to the source's `verify`; whoever failed too often lately is refused before.

    Raises:
        UnauthenticatedError: It was not sent by this source (401).
        TooManyError: Too many attempts have failed (429).
        UnavailableError: That cannot be told now (503).
    """
    from endpoints.auditing import address_of, network_of

    # By the address alone: nobody must be able to lock out a source by sending in its name.
    network, now = network_of(address_of(request)), time.monotonic()
    _refuse_after_failures(home, network, "", now)
    payload = payload_of(request)
    try:
        await home.verifier.verify(source, payload, home.clock())
    except UnauthenticatedError as error:
        home.attempts.failed(network, "", f"{source.name} {hash(payload.body)}", str(error), now)
        raise
    return source_principal(source.name)


def payload_of(request: func.HttpRequest) -> Payload:
    """What a source sent, as its format's reader takes it."""
    from domain.sources.reading import Payload

    return Payload(request.get_body(), {name.lower(): text for name, text in request.headers.items()})


async def _find(home: Ports, request: func.HttpRequest) -> Principal:
    headers = request.headers
    if _key_id_in(request):
        return await prove(home, request, request.route_params["key"])
    given = headers.get("authorization")
    if given is not None:
        scheme, _, credentials = given.strip().partition(" ")
        scheme, credentials = scheme.lower(), credentials.strip()
        if scheme == "basic":
            refuse_other_sites(request)
            credentials = _password(credentials)
        elif scheme != "bearer":
            raise UnauthenticatedError("Authorization must be Bearer or Basic")
        return await prove(home, request, credentials)
    if (key := headers.get("x-api-key")) is not None:
        return await prove(home, request, key.strip())
    if (principal := headers.get(EASY_AUTH)) is not None and home.settings.trusts_easy_auth:
        from adapters.easy_auth import read_principal

        refuse_other_sites(request)  # it stands for a cookie, which a browser sends whoever makes it ask
        return read_principal(principal, home.settings.tenants)
    raise NoCredentialsError("send an API key or a token, as Authorization: Bearer")


class NoCredentialsError(UnauthenticatedError):
    """Nothing was sent that could be wrong: no failed attempt, and what a browser does first."""


async def prove(home: Ports, request: func.HttpRequest, token: str) -> Principal:
    """Whose API key, or token of Entra ID, this is, wherever in the request it stood.

    Raises:
        UnauthenticatedError: Nobody's, or it is expired or revoked (401).
        TooManyError: Too many attempts of this network, or at this key, have failed (429).
        UnavailableError: The store, or Entra ID, did not answer (503).
    """
    from domain.keys import key_id_of
    from endpoints.auditing import address_of, network_of

    key_id = key_id_of(token) or ""
    network, now = network_of(address_of(request)), time.monotonic()
    if (why := home.attempts.known_wrong(network, token, now)) is not None:
        raise UnauthenticatedError(why)
    _refuse_after_failures(home, network, key_id, now)
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


def _refuse_after_failures(home: Ports, network: str, key_id: str, now: float) -> None:
    if wait := home.attempts.wait(network, key_id, now):
        raise TooManyError("too many attempts have failed", whole_seconds(wait))


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
    source = SOURCES.get(path) or ("/".join(_address_of(request)) if "kind" in parameters else "")
    if source != principal.source:
        raise ForbiddenError(f"this key may only send as {principal.source!r}")


def source_of(request: func.HttpRequest) -> Source:
    """Whose alerts these are, by the address that they were sent to, and what the `tocsin.yml` says of it.

    Raises:
        RejectedError: The address names no source.
    """
    return ports().configurations.own.sources.find(*_address_of(request))


def _address_of(request: func.HttpRequest) -> tuple[str, str]:
    """The kind and the key.  A secret is none: what it is limited to names the source, or else its id does."""
    kind, key = request.route_params["kind"], request.route_params["key"]
    if key_id := _key_id_in(request):
        key = (acting.get().source or "").partition("/")[2] or key_id
    return kind, key


def has_key_in_path(request: func.HttpRequest) -> bool:
    """Whether the address of a source has an API key in the place of its name."""
    return _key_id_in(request) is not None


def _key_id_in(request: func.HttpRequest) -> str | None:
    """The id of the API key that the path holds; the path of nothing but a source has a part of that name."""
    key = request.route_params.get("key")
    if key is None:
        return None
    from domain.keys import key_id_of

    return key_id_of(key)
