"""Conditional requests: whether the caller has seen what is so now (RFC 9110, 13)."""

from __future__ import annotations

import re
from hashlib import blake2b

import azure.functions as func

from domain.errors import PreconditionError
from endpoints.shapes import Shape

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def etag_of(body: bytes) -> str:
    """A strong ETag: other bytes, another tag."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def unless_known(request: func.HttpRequest, response: func.HttpResponse) -> func.HttpResponse:
    """The answer with its ETag, or 304 without a body where `If-None-Match` names it."""
    tag = response.headers.get("ETag")
    if tag is None:
        tag = etag_of(response.get_body())
        response.headers["ETag"] = tag
    known = request.headers.get("if-none-match")
    if known is None or not _names(known, tag, is_weak_enough=True):
        return response
    return func.HttpResponse(status_code=304, headers=dict(response.headers))


def check_match(request: func.HttpRequest, current: Shape | str | None) -> None:
    """Refuse a change to what is no longer as the caller saw it; content where it did not say what it saw.

        async def change_thing(request):
            thing = await ...          # as it is now, in the very shape that GET shows
            check_match(request, show_of(thing))

    Args:
        request: Its `If-Match` holds the ETags, or `*` for any that is there.
        current: What GET would answer now, or the revision that it gives as its ETag; None where there is nothing.

    Raises:
        PreconditionError: It has changed (412).
    """
    wanted = request.headers.get("if-match")
    if wanted is None:
        return
    if current is None:
        raise PreconditionError("If-Match: there is nothing here")
    tag = f'"{current}"' if isinstance(current, str) else etag_of(current.model_dump_json().encode())
    if not _names(wanted, tag, is_weak_enough=False):
        raise PreconditionError(f"If-Match: it has changed meanwhile, and is {tag} now")


def _names(header: str, tag: str, *, is_weak_enough: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = [found[0] for found in _TAG.finditer(header)]
    if is_weak_enough:
        tags = [each.removeprefix("W/") for each in tags]
        tag = tag.removeprefix("W/")
    return tag in tags
