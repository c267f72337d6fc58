"""Implements `KeyStore` in this process alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.errors import NotFoundError
from domain.keys import ApiKey, ChangeKeys


class MemoryKeyStore:
    """Implements `KeyStore`."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def get_key(self, key_id: str) -> ApiKey:
        if key_id not in self._keys:
            raise NotFoundError(f"no key {key_id!r}")
        return self._keys[key_id]

    async def list_keys(self) -> Sequence[ApiKey]:
        return self._sorted()

    async def change_keys(self, decide: ChangeKeys) -> Sequence[ApiKey]:
        written = decide(self._sorted())
        self._keys.update((key.id, key) for key in written)
        return written

    async def note_used(self, key_id: str, at: datetime) -> None:
        if key_id in self._keys:
            self._keys[key_id] = replace(self._keys[key_id], last_used_at=at)

    def _sorted(self) -> Sequence[ApiKey]:
        by_id = sorted(self._keys.values(), key=lambda key: key.id)
        return sorted(by_id, key=lambda key: key.created_at, reverse=True)
