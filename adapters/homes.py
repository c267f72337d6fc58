"""Homes: where everything is kept, on one machine, in memory or on Azure; one factory for each."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

# A process has one home, and loads no other's adapters.
if TYPE_CHECKING:
    from adapters.identity import Identity
    from adapters.live.log import Source
    from adapters.live.narrating import ReceiverOf
    from adapters.messages import Broker
    from adapters.settings import Settings
    from adapters.wiring import Clock, Project
    from domain.arrivals import ArrivalStore
    from domain.audit import AuditStore
    from domain.changes import ChangeStore
    from domain.groups import GroupStore
    from domain.idempotency import IdempotencyStore
    from domain.inhibition import SourceStore
    from domain.keys import KeyStore
    from domain.reconciling import ReceiptStore
    from domain.shadowing import ShadowStore
    from domain.silences import SilenceStore
    from domain.situations import PolicyStore
    from domain.statistics import StatisticsStore
    from domain.triage.keeping import FindingStore
    from domain.triage.spending import UsageStore


@dataclass(frozen=True, slots=True)
class Home:
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
    findings: FindingStore
    changes: ChangeStore
    usage: UsageStore
    broker: Broker
    backlog: Callable[[], int]
    trouble: Callable[[], str]
    """Why nothing can be written at present, as far as this process knows without asking; empty where it can."""
    project: Project
    live: Callable[[], tuple[Source, ReceiverOf]]
    """What the live log is read from, and who knows the receiver of a group; made when first asked for."""
    close: Callable[[], Awaitable[None]]


def _sqlite(settings: Settings, clock: Clock, _: Identity) -> Home:
    from adapters.sqlite.arrivals import SqliteArrivalStore
    from adapters.sqlite.audit import SqliteAuditStore
    from adapters.sqlite.broker import SqliteBroker
    from adapters.sqlite.changes import SqliteChangeStore
    from adapters.sqlite.findings import SqliteFindingStore
    from adapters.sqlite.forgetting import Kept
    from adapters.sqlite.groups import SqliteGroupStore
    from adapters.sqlite.idempotency import SqliteIdempotencyStore
    from adapters.sqlite.journal import DATABASE_FILE, Journal
    from adapters.sqlite.keys import SqliteKeyStore
    from adapters.sqlite.policy import SqlitePolicyStore
    from adapters.sqlite.receipts import SqliteReceiptStore
    from adapters.sqlite.shadow import SqliteShadowStore
    from adapters.sqlite.silences import SqliteSilenceStore
    from adapters.sqlite.sources import SqliteSourceStore
    from adapters.sqlite.usage import SqliteUsageStore

    journal = Journal(settings.data / DATABASE_FILE, settings.durability)
    broker = SqliteBroker(journal, lambda: clock().timestamp())
    sources = SqliteSourceStore(journal)
    policy = SqlitePolicyStore(journal)

    async def close() -> None:
        journal.close()

    kept = Kept(timedelta(days=settings.retention_entries_days), timedelta(days=settings.retention_incidents_days))
    groups = SqliteGroupStore(journal, sources, lambda: clock().timestamp(), kept)

    def live() -> tuple[Source, ReceiverOf]:
        from adapters.sqlite.live import SqliteLiveSource

        return SqliteLiveSource(journal, groups.last_entry, clock), groups.receiver_of

    return Home(
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
        findings=SqliteFindingStore(journal),
        changes=SqliteChangeStore(journal),
        usage=SqliteUsageStore(journal),
        statistics=groups.statistics,
        broker=broker,
        backlog=lambda: len(broker.lanes["groups"]),
        trouble=lambda: journal.trouble,
        project=_needs_no_projection,
        live=live,
        close=close,
    )


def _memory(settings: Settings, clock: Clock, _: Identity) -> Home:
    from adapters.memory.arrivals import MemoryArrivalStore
    from adapters.memory.audit import MemoryAuditStore
    from adapters.memory.broker import MemoryBroker
    from adapters.memory.changes import MemoryChangeStore
    from adapters.memory.findings import MemoryFindingStore
    from adapters.memory.groups import MemoryGroupStore
    from adapters.memory.idempotency import MemoryIdempotencyStore
    from adapters.memory.keys import MemoryKeyStore
    from adapters.memory.policy import MemoryPolicyStore, MemorySilenceStore
    from adapters.memory.receipts import MemoryReceiptStore
    from adapters.memory.shadow import MemoryShadowStore
    from adapters.memory.sources import MemorySourceStore
    from adapters.memory.usage import MemoryUsageStore

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

    return Home(
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
        findings=MemoryFindingStore(),
        changes=MemoryChangeStore(),
        usage=MemoryUsageStore(),
        statistics=groups.statistics,
        broker=broker,
        backlog=lambda: len(broker.lanes["groups"]),
        trouble=lambda: "",
        project=_needs_no_projection,
        live=live,
        close=close,
    )


def _azure(settings: Settings, clock: Clock, identity: Identity) -> Home:
    from adapters.cosmos.arrivals import CosmosArrivalStore
    from adapters.cosmos.audit import CosmosAuditStore
    from adapters.cosmos.causality import Causality
    from adapters.cosmos.changes import CosmosChangeStore
    from adapters.cosmos.client import Cosmos
    from adapters.cosmos.dead_letters import CosmosDeadLetters
    from adapters.cosmos.findings import CosmosFindingStore
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
    from adapters.cosmos.usage import CosmosUsageStore
    from adapters.servicebus.broker import ServiceBusBroker, Store
    from adapters.servicebus.connection import Connection

    # At `info` the SDKs write the headers of every request: two lines for each operation, paid for by the gigabyte.
    for name in ("azure", "azure.cosmos", "azure.servicebus", "azure.identity"):
        logging.getLogger(name).setLevel(logging.WARNING)
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

    return Home(
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
        findings=CosmosFindingStore(cosmos),
        changes=CosmosChangeStore(cosmos, clock),
        usage=CosmosUsageStore(cosmos, clock),
        statistics=statistics,
        broker=broker,
        backlog=lambda: 0,
        trouble=lambda: "",
        project=project,
        live=live,
        close=close,
    )


async def _needs_no_projection(document: Mapping[str, Any]) -> None:
    """A home on one machine lists from its own tables."""


HOMES: Mapping[str, Callable[[Settings, Clock, Identity], Home]] = {
    "sqlite": _sqlite,
    "memory": _memory,
    "azure": _azure,
}
"""By the setting `home`; the clients of each connect when they are first used."""
