"""Configurations: the version in force, how a new one takes effect, and what decisions see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from domain.configuration import Configuration
from domain.configuration.file import read_configuration
from domain.errors import RejectedError
from domain.groups import GroupStore, Tick
from domain.queues import Queues
from domain.routing import GroupId
from domain.situations import PolicyStore, Situation

DEFAULT_CONFIGURATION = """\
# Used until another configuration is given: takes everything in, tells nobody.
route:
  receiver: nobody
  group_by: [alertname]
receivers:
  - name: nobody
"""

GROUPS_WOKEN_AT_ONCE = 1000


class Configurations:
    """Gathers situations, and puts configurations in force (rule 12)."""

    def __init__(
        self,
        policy: PolicyStore,
        groups: GroupStore,
        queues: Queues,
        clock: Callable[[], datetime],
        *,
        is_strict: bool,
        file: Path | None,
    ) -> None:
        self._policy = policy
        self._groups = groups
        self._queues = queues
        self._clock = clock
        self._is_strict = is_strict
        self._file = file
        self._default = read_configuration(DEFAULT_CONFIGURATION, name="the default configuration")
        self._known: dict[str, Configuration] = {"": self._default, self._default.version: self._default}

    async def gather(self) -> Situation:
        """The situation now: one small read, everything else is cached by what it says."""
        head = await self._policy.get_head()
        configuration = self._known.get(head.configuration_version) or await self.get(head.configuration_version)
        return Situation(configuration, head.listening_since or self._clock(), self._is_strict)

    async def get(self, version: str) -> Configuration:
        """That version of the configuration, whether or not it is still in force.

        Raises:
            NotFoundError: There is none.
        """
        known = self._known.get(version)
        if known is None:
            text = await self._policy.get_configuration(version)
            known = self._known[version] = read_configuration(text, name=f"configuration {version}")
        return known

    async def push(self, text: str, *, name: str) -> Configuration:
        """Put this configuration in force, whole, and have every live group routed anew.

        Raises:
            ConfigurationError: It is not right; the one in force stays, and the error says why.
        """
        configuration = read_configuration(text, name=name)
        self._known[configuration.version] = configuration
        now = self._clock()
        before = await self._policy.get_head()
        await self._policy.activate(configuration.version, text, now)
        if before.configuration_version != configuration.version:
            await self._wake_all(now)
        return configuration

    async def reload(self) -> Configuration:
        """Read the configuration file again and put it in force.

        Raises:
            RejectedError: There is no file to read, or what it says is not right.
        """
        if self._file is None:
            raise RejectedError("no configuration file was given to reload; push one with `tocsin config push FILE`")
        try:
            text = await asyncio.to_thread(self._file.read_text, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RejectedError(f"{self._file} cannot be read: {error}") from error
        return await self.push(text, name=self._file.name)

    async def _wake_all(self, now: datetime) -> None:
        """A tick for each live group: its decision sees the new version and places its alerts anew."""
        after: GroupId | None = None
        while heads := await self._groups.list_heads(after=after, limit=GROUPS_WOKEN_AT_ONCE):
            await self._queues.send_ticks([Tick(head.id, now) for head in heads])
            after = heads[-1].id
