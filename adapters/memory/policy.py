"""Implements `PolicyStore` and `SilenceStore` in this process alone: the head holds the version of the silences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.errors import NotFoundError
from domain.silences import ChangeSilence, Silence
from domain.situations import PolicyHead


class MemoryPolicyStore:
    """Implements `PolicyStore`."""

    def __init__(self) -> None:
        self.head = PolicyHead()
        self._configurations: dict[str, tuple[str, datetime]] = {}

    async def get_head(self) -> PolicyHead:
        return self.head

    async def heard(self, now: datetime, *, resumed: bool) -> PolicyHead:
        since = now if resumed or self.head.listening_since is None else self.head.listening_since
        silent_since = self.head.heard_at if resumed else self.head.silent_since
        self.head = replace(self.head, listening_since=since, silent_since=silent_since, heard_at=now)
        return self.head

    async def activate(self, version: str, text: str, at: datetime) -> PolicyHead:
        self._configurations[version] = text, at
        self.head = replace(self.head, configuration_version=version)
        return self.head

    async def get_configuration(self, version: str) -> str:
        if version not in self._configurations:
            raise NotFoundError(f"no configuration {version!r}")
        return self._configurations[version][0]

    async def list_configurations(self) -> list[tuple[str, datetime]]:
        versions = sorted((version, at) for version, (_, at) in self._configurations.items())
        return sorted(versions, key=lambda pair: pair[1], reverse=True)


class MemorySilenceStore:
    """Implements `SilenceStore`; its version is in the head of the policy store."""

    def __init__(self, policy: MemoryPolicyStore) -> None:
        self._policy = policy
        self._silences: dict[str, Silence] = {}

    async def upsert_silence(self, silence: Silence) -> int:
        return self._change([silence])

    async def change_silence(self, silence_id: str, decide: ChangeSilence) -> Sequence[Silence]:
        written = decide(self._silences.get(silence_id))
        if written:
            self._change(written)
        return written

    def _change(self, silences: Sequence[Silence]) -> int:
        self._silences.update((silence.id, silence) for silence in silences)
        version = self._policy.head.silences_version + 1
        self._policy.head = replace(self._policy.head, silences_version=version)
        return version

    async def get_silence(self, silence_id: str) -> Silence:
        silence = self._silences.get(silence_id)
        if silence is None:
            raise NotFoundError(f"no silence {silence_id!r}")
        return silence

    async def list_silences(self) -> Sequence[Silence]:
        return sorted(self._silences.values(), key=lambda silence: silence.id)

    async def forget_silences(self, before: datetime) -> None:
        self._silences = {id: silence for id, silence in self._silences.items() if silence.ends_at >= before}
