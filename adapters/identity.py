"""Identity: by which Azure's services know this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


class Identity:
    """The one credential of the process: its managed identity, or whoever is signed in on this machine."""

    def __init__(self) -> None:
        self._credential: AsyncTokenCredential | None = None

    def get(self) -> AsyncTokenCredential:
        """The credential, made when it is first asked for."""
        if self._credential is None:
            from azure.identity.aio import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
        return self._credential

    async def close(self) -> None:
        """Let go of it, if it was ever made."""
        if self._credential is not None:
            await self._credential.close()
