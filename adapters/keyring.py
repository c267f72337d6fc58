"""Keyring: proves API keys without asking the store for each request; the pepper that their hashes need."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from adapters.settings import LEAST_PEPPER_CHARACTERS
from domain.errors import NotFoundError, UnauthenticatedError, UnavailableError
from domain.keys import (
    SECRET_BYTES,
    ApiKey,
    KeyStore,
    Refusal,
    is_use_due,
    judge,
    key_id_of,
    make_token,
    proves,
)
from domain.principals import Principal

log = logging.getLogger("tocsin.keys")

KEPT_SECONDS = 30.0
"""So long a key is believed to be as it was read: a revoked one stops working within this time everywhere."""

MOST_KEPT = 2000
PEPPER_FILE = "key.pepper"


@dataclass(slots=True)
class _Kept:
    """A key as it was read, and the mark of the token that proved it since."""

    key: ApiKey
    read_at: float
    mark: bytes = b""


class Keyring:
    """The keys that this process has lately seen."""

    def __init__(
        self,
        store: KeyStore,
        pepper: Callable[[], bytes],
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._read_pepper = pepper
        self._pepper: bytes | None = None
        self._clock = clock
        self._seconds = seconds
        self._kept: dict[str, _Kept] = {}
        self._salt = secrets.token_bytes(32)

    @property
    def pepper(self) -> bytes:
        """Read, or made, at the first use.

        Raises:
            UnavailableError: It can be neither read nor made.
        """
        if self._pepper is None:
            self._pepper = self._read_pepper()
        return self._pepper

    async def prove(self, token: str) -> Principal:
        """Whom this token stands for; notes the key's use, at most once an hour.

        Raises:
            UnauthenticatedError: It is no key, or wrong, expired or revoked; which of the last two, is said only to
                whoever knows the secret.
            UnavailableError: The store did not answer.
        """
        key_id = key_id_of(token)
        kept = await self._find(key_id) if key_id else None
        # Of a token that was right a moment ago a quicker hash than the stored one says so; it never leaves here.
        mark = blake2b(token.encode("utf-8", "surrogatepass"), key=self._salt).digest()
        if kept is None or not hmac.compare_digest(mark, kept.mark):
            if not proves(kept.key if kept else None, token, self.pepper) or kept is None:
                raise UnauthenticatedError("this is no valid API key")
            kept.mark = mark
        now = self._clock()
        found = judge(kept.key, now)
        if isinstance(found, Refusal):
            raise UnauthenticatedError(f"this API key is {found}")
        if is_use_due(kept.key, now):
            await self._note_used(kept, now)
        return found

    async def _find(self, key_id: str) -> _Kept | None:
        kept = self._kept.get(key_id)
        if kept is not None and self._seconds() - kept.read_at < KEPT_SECONDS:
            return kept
        try:
            key = await self._store.get_key(key_id)
        except NotFoundError:
            self._kept.pop(key_id, None)  # ids that there are not are not remembered: anybody can name any number
            return None
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        kept = self._kept[key_id] = _Kept(key, self._seconds())
        return kept

    async def _note_used(self, kept: _Kept, now: datetime) -> None:
        # First, so that the requests of the meantime do not note it too.
        kept.key = replace(kept.key, last_used_at=now)
        try:
            await self._store.note_used(kept.key.id, now)
        except UnavailableError as error:
            log.warning("the use of key %s is not noted: %s", kept.key.id, error)

    def forget(self, key_id: str) -> None:
        """It was changed by this process: what is known of it is old."""
        self._kept.pop(key_id, None)

    def make_token(self) -> str:
        """A new key's id and secret, by chance."""
        return make_token(secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES))


def read_pepper(setting: str, folder: Path | None) -> bytes:
    """The installation's pepper: as set; else that in the folder, made there at the first start; else by chance.

    Raises:
        UnavailableError: The file can be neither read nor written.
    """
    if setting:
        return setting.encode()
    if folder is None:
        return secrets.token_bytes(32)
    file = folder / PEPPER_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            _write_whole(file, secrets.token_hex(32))
        if (mode := file.stat().st_mode) & 0o077:
            file.chmod(mode & 0o700)
        pepper = file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{file} cannot be used: {getattr(error, 'strerror', None) or error}") from error
    if len(pepper) < LEAST_PEPPER_CHARACTERS:
        raise UnavailableError(f"{file} holds no pepper: restore it from a copy, or remove it and make new keys")
    return pepper.encode()


def _write_whole(file: Path, text: str) -> None:
    """Under another name first: a file that was cut short would make every key wrong for ever."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode=0o600), "w") as opened:
            opened.write(text + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        new.rename(file)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
