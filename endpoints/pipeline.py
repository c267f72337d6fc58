"""The pipeline that every HTTP handler runs in, and the registry of all of them."""

from __future__ import annotations

import inspect
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func

from adapters.wiring import ports
from domain.configuration.file import ConfigurationError
from domain.errors import NotFoundError, RejectedError, UnavailableError
from domain.sources.alertmanager_api import MalformedError

log = logging.getLogger("tocsin.http")

type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
RETRY_AFTER_SECONDS = "5"

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Identifies the HTTP request being handled; on every log line and problem."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path, as registered."""

    method: str
    path: str
    handler: Handler


registry: list[Endpoint] = []


def endpoint(blueprint: func.Blueprint, method: str, path: str) -> Callable[[Handler], Handler]:
    """Register the handler for `method` on `path`; the module keeps the plain function.

    Every error becomes an answer here: nothing that a handler raises reaches the host.
    """

    def register(handler: Handler) -> Handler:
        registry.append(Endpoint(method, path, handler))
        _register(blueprint, handler.__name__, [method], path, handler)
        return handler

    return register


def refuse_other_methods(blueprint: func.Blueprint) -> None:
    """Answer 405 with `Allow` on every registered path for the methods it lacks; Functions itself would say 404."""
    allowed: dict[str, list[str]] = {}
    for entry in registry:
        allowed.setdefault(entry.path, []).append(entry.method)
    for path, methods in allowed.items():
        name = "other_methods_of_" + "".join(c if c.isalnum() else "_" for c in path).strip("_")
        _register(
            blueprint, name, [method for method in METHODS if method not in methods], path, _refusal(sorted(methods))
        )


def _refusal(allowed: list[str]) -> Handler:
    async def refuse(request: func.HttpRequest) -> func.HttpResponse:
        response = refuse_request(
            request, 405, f"method {request.method} is not allowed, but [{','.join(allowed)}] are"
        )
        response.headers["Allow"] = ", ".join(allowed)
        return response

    return refuse


def refuse_unknown_paths(blueprint: func.Blueprint, prefix: str) -> None:
    """Answer 404 below this prefix where nothing else is; Functions itself would send no body."""
    # The host asks functions in the order of their names: a catch-all must stand behind all that it overlaps.
    name = "wrong_path_of_" + "".join(c if c.isalnum() else "_" for c in prefix)
    _register(blueprint, name, list(METHODS), f"{prefix}/{{*path}}", _refuse_path)


async def _refuse_path(request: func.HttpRequest) -> func.HttpResponse:
    return refuse_request(request, 404, f"path {urlsplit(request.url).path[:200]} was not found")


def _register(blueprint: func.Blueprint, name: str, methods: list[str], path: str, handler: Handler) -> None:
    async def run(request: func.HttpRequest) -> func.HttpResponse:
        request_id.set(request.headers.get("x-request-id", "")[:64] or uuid.uuid4().hex)
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the top of every request: each error becomes an answer
            response = answer(request, error)
        response.headers["Cache-Control"] = "no-store"
        if ports().settings.shadow:
            response.headers["Tocsin-Mode"] = "shadow"  # whoever asks shall know that nobody is told
        return response

    # The worker reads the name and the signature: one parameter, named as the trigger's argument.
    run.__name__ = name
    run.__doc__ = inspect.getdoc(handler)
    blueprint.function_name(name)(
        blueprint.route(
            route=path,
            methods=methods,
            auth_level=func.AuthLevel.ANONYMOUS,
            trigger_arg_name="request",
        )(run)
    )


def answer(request: func.HttpRequest, error: Exception) -> func.HttpResponse:
    """What an error says to the caller: 4xx when trying again is useless, 503 when it is not (rule 3)."""
    match error:
        case MalformedError():
            return reply({"code": error.code, "message": str(error)}, error.status)
        case NotFoundError():
            return refuse_request(request, 404, str(error))
        case RejectedError() if is_alertmanager_path(request):
            return reply(str(error), 400)
        case ConfigurationError():
            return problem(400, str(error), problems=[asdict(found) for found in error.problems])
        case RejectedError():
            return problem(400, str(error))
        case UnavailableError():
            response = refuse_request(request, 503, str(error))
            seconds = error.retry_after.total_seconds() if error.retry_after else 0
            response.headers["Retry-After"] = str(int(seconds)) if seconds >= 1 else RETRY_AFTER_SECONDS
            return response
        case _:
            log.exception("%s %s failed", request.method, request.url, exc_info=error)
            # A fault of ours, but 503 all the same: senders try again on it, and give up on 500.
            response = refuse_request(request, 503, "an unexpected error; it is in the log under this request id")
            response.headers["Retry-After"] = RETRY_AFTER_SECONDS
            return response


def is_alertmanager_path(request: func.HttpRequest) -> bool:
    """Whether those who ask here know Alertmanager's form of errors, not ours."""
    path: str = urlsplit(request.url).path
    return path.startswith("/api/v2/")


def refuse_request(request: func.HttpRequest, status: int, detail: str) -> func.HttpResponse:
    """An error in the form that callers of this path know: Alertmanager's `{code, message}`, or an RFC 9457 problem."""
    if is_alertmanager_path(request):
        return reply({"code": status, "message": detail}, status)
    return problem(status, detail)


def problem(status: int, detail: str, **members: Any) -> func.HttpResponse:
    """An RFC 9457 problem, with further members that are known for it."""
    body = {"type": "about:blank", "status": status, "detail": detail, "request_id": request_id.get(), **members}
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/problem+json")


def reply(body: Any, status: int = 200) -> func.HttpResponse:
    """The value as JSON."""
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")
