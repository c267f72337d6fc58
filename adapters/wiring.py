"""Composition root: settings in, `Ports` out; the only file that knows every adapter."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from adapters.configurations import Configurations
from adapters.delivery import Deliverer
from adapters.messages import Broker, MessageQueues
from adapters.notifiers import Notifiers
from adapters.outbox import Outbox
from adapters.secrets import look_beside
from adapters.settings import Settings
from adapters.shadow import ShadowDeliverer
from domain.door import Door
from domain.groups import GroupStore
from domain.inhibition import SourceStore
from domain.queues import Queues
from domain.shadowing import ShadowStore
from domain.silences import SilenceStore
from domain.situations import PolicyStore

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

type Clock = Callable[[], datetime]

type Project = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Brings what is listed up to date with a document that the change feed shows; safe to repeat."""


def utc_now() -> datetime:
    """The clock of everything outside the domain."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Ports:
    """What the handlers ask: every port, wired to the adapters that the settings chose."""

    settings: Settings
    clock: Clock
    door: Door
    groups: GroupStore
    queues: Queues
    policy: PolicyStore
    silences: SilenceStore
    sources: SourceStore
    configurations: Configurations
    outbox: Outbox
    deliverer: Deliverer | ShadowDeliverer
    shadow: ShadowStore
    broker: Broker
    project: Project
    prepare: Callable[[], None]
    """Load what the first page would otherwise wait for; an instance that sends nothing need not."""
    close: Callable[[], Awaitable[None]]


# --- the homes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Home:
    """Where everything is kept; a home's adapters share its connections, so they are made together."""

    groups: GroupStore
    policy: PolicyStore
    silences: SilenceStore
    sources: SourceStore
    shadow: ShadowStore
    broker: Broker
    project: Project
    close: Callable[[], Awaitable[None]]


def _sqlite(settings: Settings, clock: Clock) -> _Home:
    from adapters.sqlite.broker import SqliteBroker
    from adapters.sqlite.groups import SqliteGroupStore
    from adapters.sqlite.journal import Journal
    from adapters.sqlite.policy import SqlitePolicyStore
    from adapters.sqlite.shadow import SqliteShadowStore
    from adapters.sqlite.silences import SqliteSilenceStore
    from adapters.sqlite.sources import SqliteSourceStore

    journal = Journal(settings.data / "tocsin.db", settings.durability)
    sources = SqliteSourceStore(journal)
    policy = SqlitePolicyStore(journal)

    async def close() -> None:
        journal.close()

    return _Home(
        groups=SqliteGroupStore(journal, sources, lambda: clock().timestamp()),
        policy=policy,
        silences=SqliteSilenceStore(journal, policy),
        sources=sources,
        shadow=SqliteShadowStore(journal),
        broker=SqliteBroker(journal, lambda: clock().timestamp()),
        project=_needs_no_projection,
        close=close,
    )


def _memory(settings: Settings, clock: Clock) -> _Home:
    from adapters.memory.broker import MemoryBroker
    from adapters.memory.groups import MemoryGroupStore
    from adapters.memory.policy import MemoryPolicyStore, MemorySilenceStore
    from adapters.memory.shadow import MemoryShadowStore
    from adapters.memory.sources import MemorySourceStore

    sources = MemorySourceStore()
    policy = MemoryPolicyStore()

    async def close() -> None:
        """Nothing to let go of."""

    return _Home(
        groups=MemoryGroupStore(sources, lambda: clock().timestamp()),
        policy=policy,
        silences=MemorySilenceStore(policy),
        sources=sources,
        shadow=MemoryShadowStore(),
        broker=MemoryBroker(lambda: clock().timestamp()),
        project=_needs_no_projection,
        close=close,
    )


def _azure(settings: Settings, clock: Clock) -> _Home:
    from adapters.cosmos.causality import Causality
    from adapters.cosmos.client import Cosmos
    from adapters.cosmos.dead_letters import CosmosDeadLetters
    from adapters.cosmos.groups import CosmosGroupStore
    from adapters.cosmos.history import History
    from adapters.cosmos.metering import Meter
    from adapters.cosmos.payloads import CosmosPayloads
    from adapters.cosmos.policy import CosmosPolicyStore, PolicyPart
    from adapters.cosmos.shadow import CosmosShadowStore
    from adapters.cosmos.silences import CosmosSilenceStore
    from adapters.cosmos.sources import CosmosSourceStore
    from adapters.servicebus.broker import ServiceBusBroker, Store
    from adapters.servicebus.connection import Connection

    # At `info` the SDKs write the headers of every request: two lines for each operation, paid for by the gigabyte.
    for name in ("azure", "azure.cosmos", "azure.servicebus", "azure.identity"):
        logging.getLogger(name).setLevel(logging.WARNING)
    identity = _Identity()
    endpoint, key = settings.cosmos_address
    causality = Causality()
    cosmos = Cosmos(endpoint, settings.cosmos_database, lambda: key or identity.get(), causality, Meter())
    sources = CosmosSourceStore(cosmos)
    groups = CosmosGroupStore(cosmos, sources, clock)
    part = PolicyPart(cosmos)
    connection = Connection(
        connection_string=settings.service_bus,
        namespace=settings.service_bus_namespace,
        credential=None if settings.service_bus else identity.get(),
    )

    async def count_folded() -> int:
        return (await groups.tally()).folded

    payloads = CosmosPayloads(cosmos)
    letters = CosmosDeadLetters(cosmos, payloads)
    store = Store(payloads, letters, causality, groups.has_folded, count_folded)
    broker = ServiceBusBroker(connection, store, clock)

    async def close() -> None:
        await broker.close()
        await cosmos.close()
        await identity.close()

    return _Home(
        groups=groups,
        policy=CosmosPolicyStore(part),
        silences=CosmosSilenceStore(part),
        sources=sources,
        shadow=CosmosShadowStore(cosmos),
        broker=broker,
        project=History(cosmos).project,
        close=close,
    )


class _Identity:
    """The one credential of the process: its managed identity, or whoever is signed in on this machine."""

    def __init__(self) -> None:
        self._credential: AsyncTokenCredential | None = None

    def get(self) -> AsyncTokenCredential:
        if self._credential is None:
            from azure.identity.aio import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
        return self._credential

    async def close(self) -> None:
        if self._credential is not None:
            await self._credential.close()


async def _needs_no_projection(document: Mapping[str, Any]) -> None:
    """A home on one machine lists from its own tables."""


_HOMES = {"sqlite": _sqlite, "memory": _memory, "azure": _azure}


# --- all of it --------------------------------------------------------------------------------------------------------


def wire(settings: Settings, clock: Clock = utc_now) -> Ports:
    """Make every adapter that these settings name; clients connect when first used."""
    home = _HOMES[settings.home](settings, clock)
    look_beside(settings.configuration)
    queues = MessageQueues(home.broker)
    notifiers = Notifiers(settings.external_url, clock)
    configurations = Configurations(
        home.policy,
        home.groups,
        home.silences,
        home.sources,
        queues,
        clock,
        is_strict=settings.compat == "strict",
        file=settings.configuration,
        own_file=settings.own_configuration,
        ignore_unsupported_receivers=settings.ignore_unsupported_receivers,
        is_shadow=settings.shadow,
    )

    async def close() -> None:
        await notifiers.close()
        await home.close()

    return Ports(
        settings=settings,
        clock=clock,
        door=Door(uuid.uuid4().hex[:8]),
        groups=home.groups,
        queues=queues,
        policy=home.policy,
        silences=home.silences,
        sources=home.sources,
        configurations=configurations,
        outbox=Outbox(home.groups, queues, clock),
        # A shadow has none of the notifiers: nothing in it could send.
        deliverer=ShadowDeliverer(home.shadow, configurations, clock)
        if settings.shadow
        else Deliverer(notifiers, clock, Random()),
        shadow=home.shadow,
        broker=home.broker,
        project=home.project,
        prepare=notifiers.prepare,
        close=close,
    )


@cache
def ports() -> Ports:
    """The ports of this process, made at the first call, on the running event loop."""
    return wire(Settings.read(os.environ))
