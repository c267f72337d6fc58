"""API keys: make, list, rotate and revoke them; a secret is in one answer only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import azure.functions as func
from pydantic import AwareDatetime, Field

from adapters.wiring import ports
from domain.principals import Scope
from endpoints.authentication import acting
from endpoints.cursors import cut, read_cursor, write_cursor
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Shape, read_body, read_query, show

if TYPE_CHECKING:
    from domain.keys import ApiKey

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

OVERLAP_SECONDS = 24 * 3600


class KeySummary(Shape):
    """A key, without its secret, which is not kept."""

    id: str
    name: str
    prefix: str
    """How the key begins, to recognise it by."""
    scopes: list[Scope]
    """`ingest`, `read`, `respond` (and read) or `admin` (everything)."""
    source: str | None
    """The one source that it may send as."""
    status: Literal["valid", "expired", "revoked"]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """Up to an hour old."""
    successor: str | None
    """The id of the key that replaces it, after a rotation."""


class Keys(Shape):
    """The newest first."""

    keys: list[KeySummary]
    next: str | None


class WantedKey(Shape):
    """What a new key is to be."""

    name: str = Field(min_length=1, max_length=100, examples=["prometheus in berlin"])
    scopes: list[Scope] = Field(min_length=1, max_length=4, examples=[["ingest"]])
    source: str | None = Field(None, max_length=200, description="The one source that it may send as; ingest only.")
    expires_at: AwareDatetime | None = None


class KeyWithSecret(KeySummary):
    """A new key; what is in `key` is shown this once."""

    key: str
    """The whole of it, to be sent as `Authorization: Bearer`."""


class Rotation(Shape):
    """How long the old key is to stay valid."""

    overlap_seconds: int = Field(OVERLAP_SECONDS, ge=0, le=30 * 24 * 3600)


@endpoint(blueprint, "GET", "api/v1/keys", scope=Scope.ADMIN, query=Page, answers={200: Keys})
async def list_keys(request: func.HttpRequest) -> func.HttpResponse:
    """Every key there ever was, the newest first; of none the secret."""
    page = read_query(Page, request)
    found: Sequence[ApiKey] = await ports().keys.list_keys()
    if (place := read_cursor(page.cursor, "keys", str, str)) is not None:
        created_at, key_id = place
        found = [key for key in found if _place(key) < created_at or (_place(key) == created_at and key.id > key_id)]
    shown, following = cut(found[: page.limit + 1], page.limit, lambda key: write_cursor("keys", _place(key), key.id))
    return show(Keys(keys=[_summary(key) for key in shown], next=following))


@endpoint(
    blueprint,
    "POST",
    "api/v1/keys",
    scope=Scope.ADMIN,
    body=WantedKey,
    answers={201: KeyWithSecret},
    problems=(409,),
)
async def create_key(request: func.HttpRequest) -> func.HttpResponse:
    """Make a key; its secret is in this answer and never shown again."""
    from domain.keys import add, new_key

    wanted = read_body(WantedKey, request)
    keyring, now = ports().keyring, ports().clock()
    token = keyring.make_token()
    key = new_key(
        token,
        keyring.pepper,
        name=wanted.name,
        scopes=frozenset(wanted.scopes),
        created_by=acting.get().id,
        now=now,
        source=wanted.source,
        expires_at=wanted.expires_at,
    )
    await ports().keys.change_keys(partial(add, key=key, now=now))
    return _with_secret(key, token)


@endpoint(
    blueprint,
    "GET",
    "api/v1/keys/{id}",
    scope=Scope.ADMIN,
    answers={200: KeySummary},
    problems=(404,),
    conditional=True,
)
async def show_key(request: func.HttpRequest) -> func.HttpResponse:
    """One key, also a revoked one; not its secret."""
    return show(_summary(await ports().keys.get_key(request.route_params["id"])))


@endpoint(
    blueprint,
    "POST",
    "api/v1/keys/{id}/rotate",
    scope=Scope.ADMIN,
    body=Rotation,
    answers={201: KeyWithSecret},
    problems=(404, 409),
)
async def rotate_key(request: func.HttpRequest) -> func.HttpResponse:
    """Make a key like this one; the old one stays valid until the overlap ends, so that senders can change over."""
    from domain.keys import rotate

    wanted = read_body(Rotation, request) if request.get_body() else Rotation(overlap_seconds=OVERLAP_SECONDS)
    token = ports().keyring.make_token()
    successor, old = await ports().keys.change_keys(
        partial(
            rotate,
            key_id=request.route_params["id"],
            token=token,
            pepper=ports().keyring.pepper,
            by=acting.get().id,
            now=ports().clock(),
            overlap=timedelta(seconds=wanted.overlap_seconds),
        )
    )
    ports().keyring.forget(old.id)
    return _with_secret(successor, token)


@endpoint(
    blueprint,
    "DELETE",
    "api/v1/keys/{id}",
    scope=Scope.ADMIN,
    answers={200: KeySummary},
    problems=(404, 409),
)
async def revoke_key(request: func.HttpRequest) -> func.HttpResponse:
    """Refuse this key from now on, elsewhere within half a minute; content if it is revoked already.

    With a key nobody can revoke the last one that has the scope admin (409).
    """
    from domain.keys import revoke

    key_id = request.route_params["id"]
    await ports().keys.change_keys(partial(revoke, key_id=key_id, by=acting.get().id, now=ports().clock()))
    ports().keyring.forget(key_id)
    return show(_summary(await ports().keys.get_key(key_id)))


def _with_secret(key: ApiKey, token: str) -> func.HttpResponse:
    response = show(KeyWithSecret(**_facts(key), key=token), 201)
    response.headers["Location"] = f"/api/v1/keys/{key.id}"
    return response


def _summary(key: ApiKey) -> KeySummary:
    return KeySummary(**_facts(key))


def _facts(key: ApiKey) -> dict[str, Any]:
    from domain.keys import judge

    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "source": key.source,
        "status": found.value if isinstance(found := judge(key, ports().clock()), str) else "valid",
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "successor": key.successor or None,
    }


def _place(key: ApiKey) -> str:
    return key.created_at.isoformat(timespec="microseconds")
