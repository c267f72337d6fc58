"""The pipeline that every HTTP handler runs in, and the registry of all of them.

    request id → who asks → what they may → what the request says of itself → handler → errors → headers

The registry is what routes the requests, and what the OpenAPI document and the tests of all routes are made from.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.wiring import ports
from domain.errors import ForbiddenError, TooLargeError, UnauthenticatedError
from domain.principals import ANYBODY, Scope
from endpoints import authentication
from endpoints.auditing import audit_refusal, audited
from endpoints.authentication import acting
from endpoints.headers import preflight, secure
from endpoints.limits import check_rate, within_time
from endpoints.observing import observed_endpoint
from endpoints.problems import (
    METHOD,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    UNSUPPORTED,
    answer,
    path_of,
    problem,
    refuse,
    reply,
    request_id,
)
from endpoints.shapes import NoQuery, Query, Shape, read_query

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Endpoint", "answer", "endpoint", "problem", "registry", "reply", "request_id"]

type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

type Content = type[BaseModel] | str | tuple[str, ...] | None
"""What a body is: JSON of a shape, of this media type, of one of these, or nothing at all."""

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
WRITES = frozenset({"DELETE", "PATCH", "POST", "PUT"})
JSON = "application/json"
SOURCE = "api/v1/sources/{kind}/{key}"
ABSORBED = frozenset({SOURCE, "api/v1/shadow/alertmanager"})
"""What comes here again is known by what it says."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path, as registered."""

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    """What whoever asks must be allowed; None where anybody may ask."""
    query: type[Query]
    body: Mapping[str, type[Shape] | None]
    """What the body may be, by media type; with a shape where it is JSON.  Empty where the pipeline does not look."""
    answers: Mapping[int, Content]
    problems: tuple[int, ...]
    """The 4xx that its handler gives, beyond those of the pipeline."""
    conditional: bool

    @property
    def name(self) -> str:
        """The function's, and the operation's in the OpenAPI document."""
        return str(self.handler.__name__)

    @property
    def is_ours(self) -> bool:
        """Whether its form is ours to say, not Alertmanager's, and its callers are programs."""
        return self.path.startswith("api/v1/")

    @property
    def takes_any_form(self) -> bool:
        """Whether its callers are other systems, which ask and send as they always do."""
        return self.path == SOURCE

    @property
    def takes_key(self) -> bool:
        """Whether an `Idempotency-Key` keeps a second request from doing it twice; alerts are absorbed without."""
        return self.is_ours and self.method in WRITES and self.scope is not None and self.path not in ABSORBED

    @property
    def is_shown_once(self) -> bool:
        """Whether its answer holds a secret, which is kept nowhere."""
        return self.method == "POST" and self.path.startswith(("api/v1/keys", "api/v1/live/"))

    @property
    def produces(self) -> tuple[str, ...]:
        """The media types of its good answers; none where it may not be bargained about."""
        if self.path.startswith(("api/v2/", "-/")) or self.takes_any_form:
            return ()
        found = [content for status, content in self.answers.items() if 200 <= status < 300]
        if None in found:
            return ()
        return tuple(dict.fromkeys(media_type for content in found for media_type in media_types(content)))


def media_types(content: Content) -> tuple[str, ...]:
    """Of which media types such a body may be."""
    match content:
        case None:
            return ()
        case str():
            return (content,)
        case tuple():
            return content
        case _:
            return (JSON,)


registry: list[Endpoint] = []


def endpoint(
    blueprint: func.Blueprint,
    method: str,
    path: str,
    *,
    scope: Scope | None,
    query: type[Query] = NoQuery,
    body: type[Shape] | str | Mapping[str, type[Shape] | None] | None = None,
    answers: Mapping[int, Content] | None = None,
    problems: tuple[int, ...] = (),
    conditional: bool = False,
) -> Callable[[Handler], Handler]:
    """Register the handler for `method` on `path`; the module keeps the plain function.

    Every error becomes an answer here: nothing that a handler raises reaches the host.

    Args:
        blueprint: The module's.
        method: GET, POST, PUT, PATCH or DELETE; the others are answered with 405.
        path: The route, without a slash before it.
        scope: What whoever asks must be allowed; None where anybody may ask: health, signed links.
        query: The parameters; the handler reads them by `read_query`.  Without any, all are refused under /api/v1.
        body: The shape of the JSON body, which the handler reads by `read_body`; or one media type; or several, each
            with its shape or None.  A body of another type is answered with 415; one without a type too, unless
            the first of several is no JSON, which it is then taken for.
        answers: By status, what it answers when all is well.
        problems: The 4xx that the handler gives, beyond the pipeline's own (401, 403, 405, 406, 413, 415, 422, 429,
            503).
        conditional: A GET has an ETag, which `If-None-Match` is compared with (304): the handler's own, or one made
            of the answer's bytes.  Any other method calls `check_match`, so that `If-Match` is obeyed (412).
    """
    if isinstance(body, str):
        taken: Mapping[str, type[Shape] | None] = {body: None}
    elif isinstance(body, Mapping):
        taken = body
    else:
        taken = {} if body is None else {JSON: body}

    def register(handler: Handler) -> Handler:
        entry = Endpoint(method, path, handler, scope, query, taken, answers or {200: None}, problems, conditional)
        registry.append(entry)
        _register(blueprint, handler.__name__, [method], path, _guarded(entry), inspect.getdoc(handler))
        return handler

    return register


def _guarded(entry: Endpoint) -> Handler:
    """The handler behind all that is looked at before it runs."""
    scope, handler, produces = entry.scope, within_time(audited(entry)), entry.produces
    takes_key, is_conditional = entry.takes_key, entry.conditional and entry.method == "GET"
    refuses_parameters = entry.is_ours and entry.query is NoQuery and not entry.takes_any_form

    async def run(request: func.HttpRequest) -> func.HttpResponse:
        principal = ANYBODY
        if scope is not None:
            principal = await authentication.authenticate(request)
            check_rate(principal, scope)
            if not principal.may(scope):
                raise ForbiddenError(f"{principal.name} lacks the scope {scope.value!r}, which this needs")
            authentication.check_source(principal, entry.path, request)
        acting.set(principal)
        if (response := _unsuitable(entry, request, produces)) is not None:
            return response
        if refuses_parameters and request.params:
            read_query(NoQuery, request)
        if takes_key and (key := request.headers.get("idempotency-key")) is not None:
            from endpoints.idempotency import once

            return await once(key, principal, request, handler, shown_once=entry.is_shown_once)
        response = await handler(request)
        if is_conditional and response.status_code == 200:
            from endpoints.conditions import unless_known

            return unless_known(request, response)
        return response

    return run


def _unsuitable(entry: Endpoint, request: func.HttpRequest, produces: tuple[str, ...]) -> func.HttpResponse | None:
    """What the request says of itself and what is not to be had: 406, 413, 415."""
    headers, body = request.headers, request.get_body()
    if produces and (accept := headers.get("accept")) is not None and not accepts(accept, produces):
        return refuse(request, NOT_ACCEPTABLE, f"this answers {' or '.join(produces)}, not {accept[:100]!r}")
    if body:
        most = ports().settings.body_bytes
        if len(body) > most:
            raise TooLargeError(f"the body has {len(body)} bytes; at most {most} are taken")
        if entry.body and not _takes(entry.body, headers.get("content-type", "")):
            given = headers.get("content-type", "")[:100]
            return refuse(request, UNSUPPORTED, f"the body is {given!r}; taken are {', '.join(entry.body)}")
    return None


def _takes(taken: Mapping[str, type[Shape] | None], content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in taken or (not media_type and next(iter(taken)) != JSON)


@lru_cache(maxsize=256)
def accepts(accept: str, produces: tuple[str, ...]) -> bool:
    """Whether a value of the header `Accept` takes one of these media types."""
    best: dict[str, tuple[int, bool]] = {}
    for part in accept.lower().split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        is_wanted = not any(piece.startswith("q=") and piece[2:].strip("0.") == "" for piece in parameters)
        for media_type in produces:
            exact = 3 if name == media_type else 2 if name == f"{media_type.partition('/')[0]}/*" else 0
            exact = exact or (1 if name in ("*/*", "*") else 0)
            # The most exact of what is said of a type counts.
            if exact > best.get(media_type, (0, False))[0]:
                best[media_type] = (exact, is_wanted)
    return any(is_wanted for _, is_wanted in best.values()) or not accept.strip()


# --- what no handler answers ----------------------------------------------------------------------------------------


LAST = "zz_refuse_the_rest"
"""The host asks functions in the order of their names: this one is asked when no other answers."""


def refuse_the_rest(blueprint: func.Blueprint) -> None:
    """Answer what no endpoint does: 405 with `Allow` where the path takes other methods, otherwise 404.

    Functions itself would say 404 to both, without a body.
    """
    _register(blueprint, LAST, list(METHODS), "{*path}", _refuse_the_rest)


async def _refuse_the_rest(request: func.HttpRequest) -> func.HttpResponse:
    from domain.keys import hide_keys

    path = path_of(request)
    allowed = sorted({method for pattern, method in _patterns(len(registry)) if pattern.fullmatch(path)})
    if not allowed:
        return refuse(request, NOT_FOUND, f"path {hide_keys(path[:200])} was not found")
    if (response := preflight(request, allowed)) is not None:
        return response
    if "webhook-request-origin" in request.headers:
        from endpoints.handshake import grant

        if (response := await grant(request)) is not None:
            return response
    detail = f"method {request.method} is not allowed, but [{','.join(allowed)}] are"
    response = refuse(request, METHOD, detail, allow=allowed)
    response.headers["Allow"] = ", ".join(allowed)
    return response


@lru_cache(maxsize=1)
def _patterns(registered: int) -> list[tuple[re.Pattern[str], str]]:
    """Which paths each of the so many endpoints answers, and to which method."""
    found = []
    for entry in registry[:registered]:
        literals = re.split(r"\{\w+\}", "/" + entry.path.strip("/"))
        pattern = "[^/]+".join(map(re.escape, literals)) + "/?"
        found.append((re.compile(pattern, re.IGNORECASE), entry.method))  # the host takes them in any case
    return found


# --- the top of every request ---------------------------------------------------------------------------------------


def _register(
    blueprint: func.Blueprint, name: str, methods: list[str], path: str, handler: Handler, words: str | None = None
) -> None:
    async def respond(request: func.HttpRequest, identity: str) -> func.HttpResponse:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the top of every request: each error becomes an answer
            response = answer(request, error)
            if isinstance(error, UnauthenticatedError):
                response.headers["WWW-Authenticate"] = authentication.challenge(request)
            await audit_refusal(request, name, error, response.status_code)
        secure(request, response, identity)
        return response

    observed = observed_endpoint(path, respond)

    async def run(request: func.HttpRequest) -> func.HttpResponse:
        given: str = request.headers.get("x-request-id", "")[:64]
        identity = given if given and given.isascii() and given.isprintable() else token_hex(16)
        request_id.set(identity)
        return await observed(request, identity)

    # The worker reads the name and the signature: one parameter, named as the trigger's argument.
    run.__name__ = name
    run.__doc__ = words
    blueprint.function_name(name)(
        blueprint.route(
            route=path,
            methods=methods,
            auth_level=func.AuthLevel.ANONYMOUS,
            trigger_arg_name="request",
        )(run)
    )
