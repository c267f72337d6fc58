"""The live part of the wiring: the log for those who ask, the publisher for those who listen."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.configurations import Configurations
    from adapters.homes import Home
    from adapters.identity import Identity
    from adapters.live.announcing import Announcer
    from adapters.live.log import Source
    from adapters.live.narrating import Library
    from adapters.settings import Settings
    from adapters.wiring import Clock
    from domain.live import LiveEvent, LiveLog, LivePublisher

log = logging.getLogger("tocsin.live")


class Live:
    """What tells of incidents as they happen: made when first asked for, as most instances never are."""

    def __init__(
        self, home: Home, settings: Settings, clock: Clock, configurations: Configurations, identity: Identity
    ) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._configurations = configurations
        self._identity = identity
        self.is_ending = False

    @cached_property
    def log(self) -> LiveLog:
        """For those who ask again and again."""
        from adapters.live.log import SharedLog

        source, library = self._library
        return SharedLog(source, library, self._clock)

    @cached_property
    def publisher(self) -> LivePublisher:
        """For those who listen over WebSockets: Web PubSub, or what the dev host serves itself."""
        endpoint, key = self._settings.web_pubsub_address
        if endpoint:
            from adapters.live.webpubsub import WebPubSub

            return WebPubSub(endpoint, self._settings.web_pubsub_hub, key=key, credential=self._identity.get)
        from adapters.live.hub import Hub

        return Hub(self._settings.external_url)

    @property
    def is_announced(self) -> bool:
        """Whether those who listen are told by the change feed, and not by the process that they are connected to."""
        return self._settings.home == "azure" and bool(self._settings.web_pubsub_address[0])

    async def announce(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Tell those who listen of what the change feed shows; never raises, for the log keeps it all."""
        if self.is_announced:
            await self._announcer.announce(documents)

    async def say(self, event: LiveEvent) -> None:
        """Tell those who listen of what stands in no log; whoever misses it, misses it."""
        from domain.errors import UnavailableError

        try:
            await self.publisher.publish([event])
        except UnavailableError as error:
            log.warning("those who listen are not told: %s", error)

    @cached_property
    def _announcer(self) -> Announcer:
        from adapters.cosmos.live import entries_in
        from adapters.live.announcing import Announcer
        from adapters.live.narrating import Narrator

        return Announcer(self.publisher, Narrator(self._library[1]), entries_in)

    @cached_property
    def _library(self) -> tuple[Source, Library]:
        from adapters.live.narrating import Library

        source, receiver_of = self._home.live()
        return source, Library(self._home.groups, receiver_of, self._called)

    async def _called(self, version: str, receiver: str) -> Sequence[str]:
        """What the integrations are called; nothing where that version, or the receiver in it, is not known."""
        from domain.errors import NotFoundError

        try:
            return (await self._configurations.get(version)).receiver(receiver).integration_names
        except NotFoundError:
            return ()

    async def stop_waiting(self) -> None:
        """Let those go who wait for an event: the process is about to end."""
        self.is_ending = True
        if "log" in vars(self):
            await self.log.close()

    async def close(self) -> None:
        """End what was made."""
        made = vars(self)
        for part in ("log", "publisher"):
            if part in made:
                await made[part].close()
