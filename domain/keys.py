"""API key: what a program proves itself with; its secret is shown once, and kept only as a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.errors import ConflictError, InputError, NotFoundError
from domain.principals import Principal, Scope
from domain.values import value

SECRET_BYTES = 32
MOST_KEYS = 1000
"""So many may be valid at the same time."""

MOST_NAME_CHARACTERS = 100
LONGEST_OVERLAP = timedelta(days=30)

USE_IS_NOTED_EVERY = timedelta(hours=1)
"""`last_used_at` is no more exact than this: a write for each request would cost more than the request."""

TOKEN = re.compile(r"toc_(?P<id>[0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
"""What a key is shown as: its id, so that it is found by a point read, and 256 random bits in base64url."""

_SECRET = re.compile(r"(toc_[0-9a-f]{12}_)[\w-]+", re.ASCII)


class Refusal(StrEnum):
    """Why a key whose secret is right is refused all the same."""

    REVOKED = "revoked"
    EXPIRED = "expired"


@value
class ApiKey:
    """One key; nothing in it helps to guess its secret."""

    id: str
    name: str
    prefix: str
    """The beginning of what was shown, by which people recognise it."""
    hash: str
    """`hash_token` of the whole of it."""
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    """A principal's id."""
    source: str | None = None
    """The one source that it may send as; only with `ingest` alone."""
    expires_at: datetime | None = None
    """From this instant on it is refused."""
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """At most `USE_IS_NOTED_EVERY` too early."""
    successor: str = ""
    """The id of the key that a rotation put into its place."""


type ChangeKeys = Callable[[Sequence[ApiKey]], Sequence[ApiKey]]
"""Asked about all keys; answers those to write.  Pure, for it is asked again after a lost race; may raise."""


class KeyStore(Protocol):
    """Every key, dead ones included; there are few, and they change rarely."""

    async def get_key(self, key_id: str) -> ApiKey:
        """The key of this id.

        Raises:
            NotFoundError: There is none.
            UnavailableError: The store did not answer.
        """
        ...

    async def list_keys(self) -> Sequence[ApiKey]:
        """All of them, the newest first; those of one instant by id."""
        ...

    async def change_keys(self, decide: ChangeKeys) -> Sequence[ApiKey]:
        """Ask `decide` about all keys and write those that it answers, all or none; returns them.

        Two changes at the same time see each other: neither is lost, and the second is asked about what the first
        has written.  What `decide` raises comes out, and nothing is written then.

        Raises:
            UnavailableError: Nothing is written, or it may have been.
        """
        ...

    async def note_used(self, key_id: str, at: datetime) -> None:
        """Remember that it was used then; content if it is gone, and undoes no other change of it."""
        ...


# --- what proves it -----------------------------------------------------------------------------------------------


def make_token(key_id: str, secret: str) -> str:
    """What the owner of the key is shown, once.

    Args:
        key_id: Twelve hexadecimal digits.
        secret: `SECRET_BYTES` of chance in base64url, without padding.
    """
    return f"toc_{key_id}_{secret}"


def key_id_of(token: str) -> str | None:
    """The id that this names; None where it has not the form of a key."""
    match = TOKEN.fullmatch(token)
    return match["id"] if match else None


def hide_keys(text: str) -> str:
    """The text with no more of a key than its id: the address of a source may hold one."""
    return _SECRET.sub(r"\1…", text)


def hash_token(token: str, pepper: bytes) -> str:
    """What is stored of it: a stolen store without the pepper allows not even guessing."""
    return hmac.digest(pepper, token.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def proves(key: ApiKey | None, token: str, pepper: bytes) -> bool:
    """Whether this is the key's own; takes as long for a key that there is not."""
    expected = key.hash if key else "0" * 64
    return hmac.compare_digest(hash_token(token, pepper), expected) and key is not None


def judge(key: ApiKey, now: datetime) -> Principal | Refusal:
    """Whom a key stands for whose secret was right; or why it no longer stands for anybody."""
    if key.revoked_at is not None:
        return Refusal.REVOKED
    if key.expires_at is not None and now >= key.expires_at:
        return Refusal.EXPIRED
    return Principal(f"key:{key.id}", key.name, key.scopes, key.source)


def is_use_due(key: ApiKey, now: datetime) -> bool:
    """Whether its use now is to be noted."""
    return key.last_used_at is None or now - key.last_used_at >= USE_IS_NOTED_EVERY


# --- what changes it ----------------------------------------------------------------------------------------------


def new_key(
    token: str,
    pepper: bytes,
    *,
    name: str,
    scopes: frozenset[Scope],
    created_by: str,
    now: datetime,
    source: str | None = None,
    expires_at: datetime | None = None,
) -> ApiKey:
    """The key that this token is the secret of.

    Raises:
        InputError: Such a key makes no sense; it says why.
    """
    key_id = key_id_of(token)
    if key_id is None:
        raise ValueError("the token has not the form of a key")
    if not name.strip() or len(name) > MOST_NAME_CHARACTERS or not name.isprintable():
        raise _wrong("name", f"a key needs a printable name of 1 to {MOST_NAME_CHARACTERS} characters")
    if not scopes:
        raise _wrong("scopes", "a key needs one scope at least")
    if source is not None and scopes != {Scope.INGEST}:
        raise _wrong("source", "only a key with the scope ingest alone can be limited to one source")
    if expires_at is not None and expires_at <= now:
        raise _wrong("expires_at", "that is past")
    return ApiKey(
        id=key_id,
        name=name,
        prefix=token[:17],
        hash=hash_token(token, pepper),
        scopes=scopes,
        created_at=now,
        created_by=created_by,
        source=source,
        expires_at=expires_at,
    )


def add(keys: Sequence[ApiKey], key: ApiKey, now: datetime) -> Sequence[ApiKey]:
    """One more key.

    Raises:
        ConflictError: There are `MOST_KEYS` already, or one of its id.
    """
    if any(known.id == key.id for known in keys):
        raise ConflictError(f"there is a key {key.id!r} already")
    if sum(is_valid(known, now) for known in keys) >= MOST_KEYS:
        raise ConflictError(f"there are {MOST_KEYS} valid keys already; revoke some that are not used")
    return [key]


def add_first(keys: Sequence[ApiKey], key: ApiKey) -> Sequence[ApiKey]:
    """This key where there never was one; else none."""
    return [] if keys else [key]


def rotate(
    keys: Sequence[ApiKey],
    key_id: str,
    *,
    token: str,
    pepper: bytes,
    by: str,
    now: datetime,
    overlap: timedelta,
) -> Sequence[ApiKey]:
    """The successor, alike in all but its secret, then the old key, which stays valid until the overlap ends.

    A key that expires is followed by one that lives as long as it was to live.

    Raises:
        NotFoundError: There is no such key.
        ConflictError: It is no longer valid, or was rotated before.
        InputError: The overlap is negative, or longer than `LONGEST_OVERLAP`.
    """
    old = find(keys, key_id)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise _wrong("overlap_seconds", f"0 to {int(LONGEST_OVERLAP.total_seconds())}")
    if isinstance(refusal := judge(old, now), Refusal):
        raise ConflictError(f"key {key_id!r} is {refusal}: make a new one")
    if old.successor:
        raise ConflictError(f"key {key_id!r} was rotated already: its successor is {old.successor!r}")
    successor = new_key(
        token,
        pepper,
        name=old.name,
        scopes=old.scopes,
        created_by=by,
        now=now,
        source=old.source,
        expires_at=now + (old.expires_at - old.created_at) if old.expires_at else None,
    )
    ends_at = now + overlap
    if old.expires_at is not None:
        ends_at = min(ends_at, old.expires_at)
    return [*add(keys, successor, now), replace(old, expires_at=ends_at, successor=successor.id)]


def revoke(keys: Sequence[ApiKey], key_id: str, *, by: str, now: datetime) -> Sequence[ApiKey]:
    """The key, refused from now on; none when it is revoked already.

    Raises:
        NotFoundError: There is no such key.
        ConflictError: A key wants to revoke the last one that may administer, after which no key could make another.
    """
    key = find(keys, key_id)
    if key.revoked_at is not None:
        return []
    left = [one for one in keys if one.id != key_id and is_valid(one, now) and Scope.ADMIN in one.scopes]
    if by.startswith("key:") and Scope.ADMIN in key.scopes and is_valid(key, now) and not left:
        raise ConflictError(f"key {key_id!r} is the last one with the scope admin: make another before")
    return [replace(key, revoked_at=now)]


def is_valid(key: ApiKey, now: datetime) -> bool:
    """Whether it is neither revoked nor expired."""
    return isinstance(judge(key, now), Principal)


def find(keys: Sequence[ApiKey], key_id: str) -> ApiKey:
    """Raises NotFoundError when there is none of this id."""
    for key in keys:
        if key.id == key_id:
            return key
    raise NotFoundError(f"no key {key_id[:100]!r}")


def _wrong(field: str, message: str) -> InputError:
    return InputError(f"{field}: {message}", ((field, message),))
