"""A Cosmos DB database of its own for one test, on a stand-in; a server takes a few milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from adapters.cosmos.causality import Causality
from adapters.cosmos.client import Cosmos
from adapters.cosmos.containers import (
    ARRIVALS,
    AUDIT,
    CONTAINERS,
    DEAD,
    PAYLOADS,
    POLICY,
    REQUESTS,
    SHADOW,
    SOURCES,
    TRIAGE,
    ContainerSpec,
)
from adapters.cosmos.metering import Meter
from tests.standins.cosmos import CosmosStandIn

SMALL = (POLICY, SOURCES, SHADOW, REQUESTS, DEAD, PAYLOADS, AUDIT, ARRIVALS, TRIAGE)
"""What everything but the groups needs."""

NAME = "tocsin"


@dataclass(slots=True)
class Database:
    """The server, and the clients that were made for it."""

    server: CosmosStandIn
    clients: list[Cosmos] = field(default_factory=list)

    def connect(self) -> Cosmos:
        """A client of its own: what another instance of the app would have."""
        client = Cosmos(self.server.url, NAME, lambda: self.server.key, Causality(), Meter())
        self.clients.append(client)
        return client


@asynccontextmanager
async def cosmos_database(specs: Sequence[ContainerSpec] = CONTAINERS, **options: Any) -> AsyncIterator[Database]:
    """The database with these containers; the options are the stand-in's."""
    async with CosmosStandIn(**options) as server:
        async with CosmosClient(server.url, credential=server.key) as client:
            made = await client.create_database(NAME)
            for spec in specs:
                await made.create_container(
                    spec.name,
                    PartitionKey(spec.partition_key),
                    indexing_policy=spec.indexing_policy,
                    default_ttl=spec.default_ttl,
                )
        server.calls.clear()
        database = Database(server)
        try:
            yield database
        finally:
            for connected in database.clients:
                await connected.close()
