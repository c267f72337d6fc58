"""Composition root: settings in, `Ports` out; the only file that knows every adapter."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any

import domain

# Every handler imports this file, so it loads what it wires when it wires it.
if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from adapters.arrivals import Arrivals
    from adapters.configurations import Configurations
    from adapters.delivery import Deliverer
    from adapters.entra import Entra
    from adapters.keyring import Keyring
    from adapters.links import Links
    from adapters.live.announcing import Announcer
    from adapters.live.log import Source
    from adapters.live.narrating import Library, ReceiverOf
    from adapters.messages import Broker
    from adapters.outbox import Outbox
    from adapters.settings import Settings
    from adapters.shadow import ShadowDeliverer
    from adapters.verifying import Verifier
    from domain.arrivals import ArrivalStore
    from domain.audit import AuditStore
    from domain.door import Door
    from domain.groups import GroupStore
    from domain.idempotency import IdempotencyStore
    from domain.inhibition import SourceStore
    from domain.keys import KeyStore
    from domain.limits import Attempts, Limits
    from domain.live import LiveLog, LivePublisher
    from domain.queues import Queues
    from domain.reconciling import FiredAlerts, ReceiptStore
    from domain.shadowing import ShadowStore
    from domain.silences import SilenceStore
    from domain.situations import PolicyStore
    from domain.statistics import StatisticsStore

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
    keys: KeyStore
    audit: AuditStore
    keyring: Keyring
    links: Links
    entra: Entra | None
    """None where no tenant is listed."""
    verifier: Verifier
    limits: Limits
    attempts: Attempts
    configurations: Configurations
    outbox: Outbox
    deliverer: Deliverer | ShadowDeliverer
    shadow: ShadowStore
    requests: IdempotencyStore
    statistics: StatisticsStore
    receipts: ReceiptStore
    fired_alerts: FiredAlerts
    arrivals: Arrivals
    broker: Broker
    backlog: Callable[[], int]
    """How many messages with alerts wait in this process's memory; 0 where the queue is another's."""
    project: Project
    live: Live
    prepare: Callable[[], None]
    """Load what the first page, and the first request of each kind, would otherwise wait for.

    For a process that does everything.  An instance that does one thing loads what that needs when it needs it.
    """
    close: Callable[[], Awaitable[None]]


# --- the homes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Home:
    """Where everything is kept; a home's adapters share its connections, so they are made together."""

    groups: GroupStore
    policy: PolicyStore
    silences: SilenceStore
    sources: SourceStore
    keys: KeyStore
    audit: AuditStore
    shadow: ShadowStore
    requests: IdempotencyStore
    statistics: StatisticsStore
    receipts: ReceiptStore
    arrivals: ArrivalStore
    broker: Broker
    backlog: Callable[[], int]
    project: Project
    live: Callable[[], tuple[Source, ReceiverOf]]
    """What the live log is read from, and who knows the receiver of a group; made when first asked for."""
    close: Callable[[], Awaitable[None]]


def _sqlite(settings: Settings, clock: Clock) -> _Home:
    from adapters.sqlite.arrivals import SqliteArrivalStore
    from adapters.sqlite.audit import SqliteAuditStore
    from adapters.sqlite.broker import SqliteBroker
    from adapters.sqlite.groups import SqliteGroupStore
    from adapters.sqlite.idempotency import SqliteIdempotencyStore
    from adapters.sqlite.journal import Journal
    from adapters.sqlite.keys import SqliteKeyStore
    from adapters.sqlite.policy import SqlitePolicyStore
    from adapters.sqlite.receipts import SqliteReceiptStore
    from adapters.sqlite.shadow import SqliteShadowStore
    from adapters.sqlite.silences import SqliteSilenceStore
    from adapters.sqlite.sources import SqliteSourceStore

    journal = Journal(settings.data / "tocsin.db", settings.durability)
    broker = SqliteBroker(journal, lambda: clock().timestamp())
    sources = SqliteSourceStore(journal)
    policy = SqlitePolicyStore(journal)

    async def close() -> None:
        journal.close()

    groups = SqliteGroupStore(journal, sources, lambda: clock().timestamp())

    def live() -> tuple[Source, ReceiverOf]:
        from adapters.sqlite.live import SqliteLiveSource

        return SqliteLiveSource(journal, groups.last_entry, clock), groups.receiver_of

    return _Home(
        groups=groups,
        policy=policy,
        silences=SqliteSilenceStore(journal, policy),
        sources=sources,
        keys=SqliteKeyStore(journal),
        audit=SqliteAuditStore(journal),
        shadow=SqliteShadowStore(journal),
        requests=SqliteIdempotencyStore(journal),
        receipts=SqliteReceiptStore(journal),
        arrivals=SqliteArrivalStore(journal),
        statistics=groups.statistics,
        broker=broker,
        backlog=lambda: len(broker.lanes["groups"]),
        project=_needs_no_projection,
        live=live,
        close=close,
    )


def _memory(settings: Settings, clock: Clock) -> _Home:
    from adapters.memory.arrivals import MemoryArrivalStore
    from adapters.memory.audit import MemoryAuditStore
    from adapters.memory.broker import MemoryBroker
    from adapters.memory.groups import MemoryGroupStore
    from adapters.memory.idempotency import MemoryIdempotencyStore
    from adapters.memory.keys import MemoryKeyStore
    from adapters.memory.policy import MemoryPolicyStore, MemorySilenceStore
    from adapters.memory.receipts import MemoryReceiptStore
    from adapters.memory.shadow import MemoryShadowStore
    from adapters.memory.sources import MemorySourceStore

    broker = MemoryBroker(lambda: clock().timestamp())
    sources = MemorySourceStore()
    policy = MemoryPolicyStore()

    async def close() -> None:
        """Nothing to let go of."""

    groups = MemoryGroupStore(sources, lambda: clock().timestamp())

    def live() -> tuple[Source, ReceiverOf]:
        from adapters.memory.live import MemoryLiveSource

        source = MemoryLiveSource(groups.all_entries, clock)
        groups.on_entry = source.wake
        return source, groups.receiver_of

    return _Home(
        groups=groups,
        policy=policy,
        silences=MemorySilenceStore(policy),
        sources=sources,
        keys=MemoryKeyStore(),
        audit=MemoryAuditStore(),
        shadow=MemoryShadowStore(),
        requests=MemoryIdempotencyStore(),
        receipts=MemoryReceiptStore(),
        arrivals=MemoryArrivalStore(),
        statistics=groups.statistics,
        broker=broker,
        backlog=lambda: len(broker.lanes["groups"]),
        project=_needs_no_projection,
        live=live,
        close=close,
    )


def _azure(settings: Settings, clock: Clock) -> _Home:
    from adapters.cosmos.arrivals import CosmosArrivalStore
    from adapters.cosmos.audit import CosmosAuditStore
    from adapters.cosmos.causality import Causality
    from adapters.cosmos.client import Cosmos
    from adapters.cosmos.dead_letters import CosmosDeadLetters
    from adapters.cosmos.groups import CosmosGroupStore
    from adapters.cosmos.history import History
    from adapters.cosmos.idempotency import CosmosIdempotencyStore
    from adapters.cosmos.keys import CosmosKeyStore
    from adapters.cosmos.metering import Meter
    from adapters.cosmos.payloads import CosmosPayloads
    from adapters.cosmos.policy import CosmosPolicyStore, PolicyPart
    from adapters.cosmos.receipts import CosmosReceiptStore
    from adapters.cosmos.shadow import CosmosShadowStore
    from adapters.cosmos.silences import CosmosSilenceStore
    from adapters.cosmos.sources import CosmosSourceStore
    from adapters.cosmos.statistics import CosmosStatisticsStore
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

    history, statistics = History(cosmos), CosmosStatisticsStore(cosmos, clock)

    async def project(document: Mapping[str, Any]) -> None:
        await history.project(document)
        await statistics.project(document)

    def live() -> tuple[Source, ReceiverOf]:
        from adapters.cosmos.live import CosmosLiveSource

        source = CosmosLiveSource(cosmos, clock)
        return source, source.receiver_of

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
        keys=CosmosKeyStore(cosmos),
        audit=CosmosAuditStore(cosmos),
        shadow=CosmosShadowStore(cosmos),
        requests=CosmosIdempotencyStore(cosmos),
        receipts=CosmosReceiptStore(cosmos),
        arrivals=CosmosArrivalStore(cosmos, clock, timedelta(hours=settings.raw_retention_hours)),
        statistics=statistics,
        broker=broker,
        backlog=lambda: 0,
        project=project,
        live=live,
        close=close,
    )


class Live:
    """What tells of incidents as they happen: made when first asked for, as most instances never are."""

    def __init__(self, home: _Home, settings: Settings, clock: Clock, configurations: Configurations) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._configurations = configurations
        self._identity = _Identity()
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
        await self._identity.close()


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
    from adapters.alerts_management import AlertsManagement
    from adapters.arrivals import Arrivals
    from adapters.configurations import Configurations
    from adapters.delivery import Deliverer
    from adapters.entra import Entra
    from adapters.keyring import Keyring, read_pepper
    from adapters.links import Links
    from adapters.messages import MessageQueues
    from adapters.notifiers import Notifiers
    from adapters.outbox import Outbox
    from adapters.secrets import look_beside
    from adapters.shadow import ShadowDeliverer
    from adapters.verifying import Verifier
    from domain.door import Door
    from domain.limits import Attempts, Limits, Rate

    home = _HOMES[settings.home](settings, clock)
    look_beside(settings.configuration)
    queues = MessageQueues(home.broker)
    keyring = Keyring(
        home.keys,
        lambda: read_pepper(settings.key_pepper, settings.data if settings.home == "sqlite" else None),
        clock,
    )
    # On Azure a secret that nobody set would be another one in each process.
    has_secret = settings.home != "azure" or bool(settings.key_pepper)
    links = Links(settings.external_url, (lambda: keyring.pepper) if has_secret else None, clock)
    notifiers = Notifiers(
        settings.external_url,
        clock,
        links,
        is_strict=settings.compat == "strict",
        is_interactive=bool(settings.slack_signing_secret),
        allowance=settings.allowance,
        signing=lambda receiver: configurations.own.receivers.secrets_of(receiver),
    )
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
        allowance=settings.allowance,
    )

    def prepare() -> None:
        notifiers.prepare()
        _load_rules()

    live = Live(home, settings, clock, configurations)
    identity = _Identity()
    fired_alerts = AlertsManagement(settings.reconcile_endpoint, identity.get)

    async def close() -> None:
        await live.close()
        await fired_alerts.close()
        await identity.close()
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
        keys=home.keys,
        audit=home.audit,
        keyring=keyring,
        links=links,
        entra=Entra(settings.tenants, settings.audiences, settings.entra_authority) if settings.tenants else None,
        verifier=Verifier(settings.tenants, settings.entra_authority),
        limits=Limits(
            Rate(settings.ingest_per_second, settings.ingest_burst),
            Rate(settings.requests_per_second, settings.requests_burst),
        ),
        attempts=Attempts(),
        configurations=configurations,
        outbox=Outbox(home.groups, queues, clock),
        # A shadow has none of the notifiers: nothing in it could send.
        deliverer=ShadowDeliverer(home.shadow, configurations, clock)
        if settings.shadow
        else Deliverer(notifiers, clock, Random()),
        shadow=home.shadow,
        requests=home.requests,
        receipts=home.receipts,
        fired_alerts=fired_alerts,
        arrivals=Arrivals(home.arrivals, clock, timedelta(hours=settings.raw_retention_hours)),
        statistics=home.statistics,
        broker=home.broker,
        backlog=home.backlog,
        project=home.project,
        live=live,
        prepare=prepare,
        close=close,
    )


def _load_rules(package: ModuleType = domain) -> None:
    for found in iter_modules(package.__path__, f"{package.__name__}."):
        # Of that one the reader is wired; the rest checks configurations, for the command line.
        if found.name == "domain.configuration":
            continue
        module = import_module(found.name)
        if found.ispkg:
            _load_rules(module)


@cache
def ports() -> Ports:
    """The ports of this process, made at the first call, on the running event loop."""
    from adapters.settings import Settings

    return wire(Settings.read(os.environ))
