"""Problems: what a refusal says (RFC 9457), in one table of kinds; and which kind each error of the domain is."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import azure.functions as func

from adapters.telemetry import request_id as request_id
from domain.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InputError,
    MalformedError,
    NotFoundError,
    PreconditionError,
    RejectedError,
    TooLargeError,
    TooManyError,
    UnauthenticatedError,
    UnavailableError,
    UnreadableError,
)

log = logging.getLogger("tocsin.http")

RETRY_AFTER_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem; `slug` is stable, and what programs tell kinds apart by."""

    slug: str
    status: int
    title: str
    words: str
    """What it means and what the caller can do, for the page that `type` leads to."""

    @property
    def type(self) -> str:
        """A relative reference: the page `/problems/<slug>` of this very Tocsin explains it."""
        return f"/problems/{self.slug}"


UNREADABLE = Kind("unreadable", 400, "The request cannot be read", "It is no JSON, no UTF-8, or cut off.")
UNAUTHENTICATED = Kind(
    "unauthenticated",
    401,
    "Nobody proven asks",
    "Send an API key or a token: it is missing, wrong, expired or revoked.",
)
FORBIDDEN = Kind("forbidden", 403, "Not allowed", "Whoever asks is known, and lacks the scope that this needs.")
NOT_FOUND = Kind("not-found", 404, "Not found", "Nothing is there under that path or id, or no longer.")
METHOD = Kind("method-not-allowed", 405, "Method not allowed", "The header `Allow` lists what this path takes.")
NOT_ACCEPTABLE = Kind(
    "not-acceptable", 406, "No such representation", "The header `Accept` asks for none of the media types there are."
)
CONFLICT = Kind("conflict", 409, "Does not fit what is so now", "What is asked does not fit the present state.")
GONE = Kind("gone", 410, "No longer there", "What was there has been let go; begin anew.")
PRECONDITION = Kind(
    "precondition-failed", 412, "Changed meanwhile", "It has changed since its ETag was read: read it again, then ask."
)
TOO_LARGE = Kind("too-large", 413, "Too large", "The body has more bytes, or holds more, than is taken at once.")
UNSUPPORTED = Kind(
    "unsupported-media-type", 415, "Media type not taken", "The header `Content-Type` names nothing that is taken here."
)
INPUT = Kind("input", 422, "Something in the request is wrong", "`errors` names each field and what is wrong with it.")
TOO_MANY = Kind("too-many-requests", 429, "Too many requests", "Ask again after `Retry-After` seconds.")
UNAVAILABLE = Kind("unavailable", 503, "Not now", "Ask again after `Retry-After` seconds; nothing was done.")

KINDS = (
    UNREADABLE,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD,
    NOT_ACCEPTABLE,
    CONFLICT,
    GONE,
    PRECONDITION,
    TOO_LARGE,
    UNSUPPORTED,
    INPUT,
    TOO_MANY,
    UNAVAILABLE,
)
OF_STATUS: Mapping[int, Kind] = {kind.status: kind for kind in KINDS}

_ERRORS: Sequence[tuple[type[Exception], Kind]] = (
    (UnauthenticatedError, UNAUTHENTICATED),
    (ForbiddenError, FORBIDDEN),
    (NotFoundError, NOT_FOUND),
    (ConflictError, CONFLICT),
    (PreconditionError, PRECONDITION),
    (TooLargeError, TOO_LARGE),
    (UnreadableError, UNREADABLE),
    (RejectedError, INPUT),
    (TooManyError, TOO_MANY),
    (UnavailableError, UNAVAILABLE),
)


def answer(request: func.HttpRequest, error: Exception) -> func.HttpResponse:
    """What an error says to the caller: 4xx when trying again is useless, 429 or 503 when it is not (rule 3)."""
    if isinstance(error, MalformedError):
        return reply({"code": error.code, "message": str(error)}, error.status)
    kind = next((kind for type_, kind in _ERRORS if isinstance(error, type_)), None)
    if kind is None:
        from domain.keys import hide_keys

        log.exception("%s %s failed", request.method, hide_keys(path_of(request)), exc_info=error)
        # A fault of ours, but 503 all the same: senders try again on it, and give up on 500.
        response = refuse(request, UNAVAILABLE, "an unexpected error; it is in the log under this request id")
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
        return response
    if is_alertmanager_path(request) and kind in (INPUT, UNREADABLE):
        return reply(str(error), 400)
    if kind is INPUT and not path_of(request).startswith("/api/"):
        # Pages, and `/-/reload`, where people and Prometheus' tools know 400.
        return problem(kind, str(error), status=400, **_members(error))
    response = refuse(request, kind, str(error), **_members(error))
    if isinstance(error, UnavailableError):
        seconds = error.retry_after.total_seconds() if error.retry_after else 0
        response.headers["Retry-After"] = str(int(seconds)) if seconds >= 1 else RETRY_AFTER_SECONDS
    return response


def _members(error: Exception) -> dict[str, Any]:
    """What is known beyond the words."""
    match error:
        case ConfigurationError():
            errors = [{"field": found.key, "message": found.message} for found in error.problems]
            return {"errors": errors, "problems": [asdict(found) for found in error.problems]}
        case InputError():
            return {"errors": [{"field": field, "message": message} for field, message in error.errors]}
        case _:
            return {}


def refuse(request: func.HttpRequest, kind: Kind, detail: str, **members: Any) -> func.HttpResponse:
    """A refusal in the form that callers of this path know: Alertmanager's `{code, message}`, or a problem."""
    if is_alertmanager_path(request):
        return reply({"code": kind.status, "message": detail}, kind.status)
    return problem(kind, detail, **members)


def problem(kind: Kind, detail: str, *, status: int | None = None, **members: Any) -> func.HttpResponse:
    """An RFC 9457 problem, with further members that are known for it."""
    body = {
        "type": kind.type,
        "title": kind.title,
        "status": status or kind.status,
        "detail": detail,
        "request_id": request_id.get(),
        **members,
    }
    return func.HttpResponse(json.dumps(body), status_code=body["status"], mimetype="application/problem+json")


def reply(body: Any, status: int = 200) -> func.HttpResponse:
    """The value as JSON."""
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")


def path_of(request: func.HttpRequest) -> str:
    """The path of its address, without the question."""
    url: str = request.url
    begin = url.find("/", url.find("://") + 3) if "://" in url[:8] else 0
    return url[begin:].partition("?")[0].partition("#")[0] if begin >= 0 else "/"


def is_alertmanager_path(request: func.HttpRequest) -> bool:
    """Whether those who ask here know Alertmanager's form of errors, not ours."""
    return path_of(request).startswith("/api/v2/")
