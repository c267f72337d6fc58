"""Idempotency: a request that comes again under the same key is answered again, and done once."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import blake2b

import azure.functions as func

from adapters.wiring import ports
from domain.errors import ConflictError, DomainError, InputError, UnavailableError
from domain.idempotency import KnownAnswer, KnownRequest
from domain.principals import Principal
from endpoints.problems import answer, path_of

log = logging.getLogger("tocsin.http")

LONGEST_KEY = 255
LARGEST_ANSWER_BYTES = 1024 * 1024

REPLAYED = "Idempotency-Replayed"
_KEPT = ("Location", "ETag")

SHOWN_ONCE = b""
"""In the place of an answer that holds a secret: what is remembered is that it was given."""


async def once(
    key: str,
    principal: Principal,
    request: func.HttpRequest,
    handler: Callable[[func.HttpRequest], Awaitable[func.HttpResponse]],
    *,
    shown_once: bool = False,
) -> func.HttpResponse:
    """The handler's answer, which is remembered under this key of this principal for a day.

    The same request under the same key has that answer again, with `Idempotency-Replayed: true`; another one is wrong
    (422), and one that is still under way is refused (409).  An answer of 429 or 5xx is not remembered: there nothing
    was done.

    Args:
        key: What the caller chose.
        principal: Whose keys these are: others may choose the same.
        request: What is asked.
        handler: Does it.
        shown_once: Whether the answer holds a secret: then it is not kept, and whoever asks again has 409.
    """
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        words = f"1 to {LONGEST_KEY} printable ASCII characters"
        raise InputError(f"the header Idempotency-Key has {words}", (("Idempotency-Key", words),))
    mine = KnownRequest(
        id=_digest(principal.id, key),
        digest=_digest(request.method, path_of(request), repr(sorted(request.params.items())), request.get_body()),
        claim=uuid.uuid4().hex,
        began_at=ports().clock(),
    )
    standing = await ports().requests.begin_request(mine)
    if standing is not None:
        return _again(mine, standing)
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - what is answered to it is an answer like any other
        response = answer(request, error)
    except BaseException:
        await ports().requests.forget_request(mine)
        raise
    await _remember(mine, response, shown_once=shown_once)
    return response


def _again(mine: KnownRequest, standing: KnownRequest) -> func.HttpResponse:
    if standing.digest != mine.digest:
        words = "it was used for another request within the last day"
        raise InputError(f"Idempotency-Key: {words}", (("Idempotency-Key", words),))
    known = standing.answer
    if known is None:
        raise ConflictError("the request under this Idempotency-Key is still under way")
    if known.body == SHOWN_ONCE and known.media_type == "":
        raise ConflictError("this was done under this Idempotency-Key; what it answered is shown only once")
    return func.HttpResponse(
        known.body,
        status_code=known.status,
        mimetype=known.media_type,
        headers={**known.headers, REPLAYED: "true"},
    )


async def _remember(mine: KnownRequest, response: func.HttpResponse, *, shown_once: bool) -> None:
    status, body = response.status_code, response.get_body()
    try:
        if status == 429 or status >= 500:
            await ports().requests.forget_request(mine)
            return
        kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
        if (shown_once and status < 300) or len(body) > LARGEST_ANSWER_BYTES:
            known = KnownAnswer(status, SHOWN_ONCE, "", kept)
        else:
            known = KnownAnswer(status, body, response.mimetype, kept)
        await ports().requests.finish_request(replace(mine, answer=known))
    except UnavailableError as error:
        # It is done, and the caller shall hear so; under this key it stays under way, and is refused for a while.
        log.warning("an answer is not remembered under its key: %s", error)
    except DomainError:
        log.exception("an answer is not remembered under its key")


def _digest(*parts: str | bytes) -> str:
    """Of all parts, each with its length before it, so that none can be taken for the end of another."""
    digest = blake2b(digest_size=20)
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8))
        digest.update(encoded)
    return digest.hexdigest()
