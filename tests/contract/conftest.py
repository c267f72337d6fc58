"""The homes that every contract is asked of, with a clock that stands until a test moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from adapters.cosmos.arrivals import CosmosArrivalStore
from adapters.cosmos.audit import CosmosAuditStore
from adapters.cosmos.changes import CosmosChangeStore
from adapters.cosmos.idempotency import CosmosIdempotencyStore
from adapters.cosmos.keys import CosmosKeyStore
from adapters.cosmos.policy import CosmosPolicyStore, PolicyPart
from adapters.cosmos.shadow import CosmosShadowStore
from adapters.cosmos.silences import CosmosSilenceStore
from adapters.cosmos.sources import CosmosSourceStore
from adapters.cosmos.usage import CosmosUsageStore
from adapters.settings import Settings
from adapters.wiring import Ports, wire
from devhost.pumps import ChangeFeed, LocalBroker
from domain.arrivals import ArrivalStore
from domain.audit import AuditStore
from domain.changes import ChangeStore
from domain.groups import GroupStore, Incident
from domain.idempotency import IdempotencyStore
from domain.inhibition import SourceStore
from domain.keys import KeyStore
from domain.labels import Fingerprint
from domain.queues import Queues
from domain.routing import GroupId
from domain.shadowing import ShadowStore
from domain.silences import SilenceStore
from domain.situations import PolicyStore
from domain.triage import UsageStore
from tests.builders import NOON
from tests.contract.receiving import LaneReceiver, QueueHome, Receiver, ServiceBusHome
from tests.cosmos_database import SMALL, cosmos_database
from tests.standins.azure import azure


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, delta: timedelta) -> None:
        self.now += delta


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "azure"])
async def home(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Ports]:
    async with AsyncExitStack() as stack:
        if request.param == "azure":
            stand_in = await stack.enter_async_context(azure(lambda: clock().timestamp()))
            environment = stand_in.environment
        else:
            environment = {"TOCSIN_HOME": request.param, "TOCSIN_DATA": str(tmp_path)}
        ports = wire(Settings.read(environment), clock)
        stack.push_async_callback(ports.close)
        yield ports


class CaughtUp:
    """A group store whose projections have seen all that was written: on Azure the change feed brings it to them."""

    def __init__(self, home: Ports) -> None:
        self._home = home
        self._place = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._home.groups, name)

    async def find_groups(self, fingerprint: Fingerprint) -> Sequence[GroupId]:
        await self._catch_up()
        return await self._home.groups.find_groups(fingerprint)

    async def list_incidents(self, *, before: str | None = None, limit: int = 100) -> Sequence[Incident]:
        await self._catch_up()
        return await self._home.groups.list_incidents(before=before, limit=limit)

    async def _catch_up(self) -> None:
        feed = cast(ChangeFeed, self._home.groups)
        documents, self._place = await feed.changes(self._place, limit=10_000)
        for document in documents:
            await self._home.project(document)


@pytest.fixture
def store(home: Ports) -> GroupStore:
    return cast(GroupStore, CaughtUp(home))


@pytest.fixture
def feed(home: Ports) -> ChangeFeed:
    return cast(ChangeFeed, home.groups)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service_bus() -> AsyncIterator[ServiceBusHome]:
    """One stand-in for a module: opening the SDK's links takes half a second each."""
    home = ServiceBusHome()
    yield home
    await home.close()


@pytest_asyncio.fixture(loop_scope="module", params=["memory", "sqlite", "servicebus"])
async def queue_home(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, service_bus: ServiceBusHome
) -> AsyncIterator[QueueHome]:
    """Queues without anything waiting in them, and who receives from them; tests run in the module's loop."""
    if request.param == "servicebus":
        yield await service_bus.begin(clock)
        await service_bus.end()
        return
    ports = wire(Settings.read({"TOCSIN_HOME": request.param, "TOCSIN_DATA": str(tmp_path)}), clock)
    local = cast(LocalBroker, ports.broker)
    yield QueueHome(ports.queues, LaneReceiver(local), local)
    await ports.close()


@pytest.fixture
def queues(queue_home: QueueHome) -> Queues:
    return queue_home.queues


@pytest.fixture
def receiver(queue_home: QueueHome) -> Receiver:
    return queue_home.receiver


@pytest.fixture
def local(queue_home: QueueHome) -> LocalBroker:
    assert queue_home.local is not None
    return queue_home.local


@dataclass(frozen=True, slots=True)
class SmallHome:
    """The stores that know nothing of groups and queues."""

    policy: PolicyStore
    silences: SilenceStore
    sources: SourceStore
    shadow: ShadowStore
    requests: IdempotencyStore
    keys: KeyStore
    audit: AuditStore
    arrivals: ArrivalStore
    changes: ChangeStore
    usage: UsageStore


@pytest.fixture(params=["memory", "sqlite", "cosmos"])
async def small_home(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[SmallHome]:
    async with AsyncExitStack() as stack:
        if request.param == "cosmos":
            database = await stack.enter_async_context(
                cosmos_database(SMALL, partitions=3, clock=lambda: clock().timestamp())
            )
            cosmos = database.connect()
            part = PolicyPart(cosmos)
            yield SmallHome(
                CosmosPolicyStore(part),
                CosmosSilenceStore(part),
                CosmosSourceStore(cosmos),
                CosmosShadowStore(cosmos),
                CosmosIdempotencyStore(cosmos),
                CosmosKeyStore(cosmos),
                CosmosAuditStore(cosmos, segment_entries=5),
                CosmosArrivalStore(cosmos, clock, timedelta(days=7)),
                CosmosChangeStore(cosmos, clock),
                CosmosUsageStore(cosmos, clock),
            )
            return
        ports = wire(Settings.read({"TOCSIN_HOME": request.param, "TOCSIN_DATA": str(tmp_path)}), clock)
        stack.push_async_callback(ports.close)
        yield SmallHome(
            ports.policy,
            ports.silences,
            ports.sources,
            ports.shadow,
            ports.requests,
            ports.keys,
            ports.audit,
            ports.arrivals.store,
            ports.changes,
            ports.usage,
        )


@pytest.fixture
def policy(small_home: SmallHome) -> PolicyStore:
    return small_home.policy


@pytest.fixture
def silences(small_home: SmallHome) -> SilenceStore:
    return small_home.silences


@pytest.fixture
def sources(small_home: SmallHome) -> SourceStore:
    return small_home.sources


@pytest.fixture
def shadow(small_home: SmallHome) -> ShadowStore:
    return small_home.shadow


@pytest.fixture
def requests(small_home: SmallHome) -> IdempotencyStore:
    return small_home.requests


@pytest.fixture
def keys(small_home: SmallHome) -> KeyStore:
    return small_home.keys


@pytest.fixture
def audit(small_home: SmallHome) -> AuditStore:
    return small_home.audit


@pytest.fixture
def arrivals(small_home: SmallHome) -> ArrivalStore:
    return small_home.arrivals


@pytest.fixture
def changes(small_home: SmallHome) -> ChangeStore:
    return small_home.changes


@pytest.fixture
def usage(small_home: SmallHome) -> UsageStore:
    return small_home.usage
