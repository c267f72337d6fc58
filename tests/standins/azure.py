"""Both stand-ins together: what the home on Azure needs, as the infrastructure would make it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from adapters.cosmos.containers import CONTAINERS
from tests.standins.cosmos import CosmosStandIn
from tests.standins.servicebus import QUEUES, QueueSettings, ServiceBusStandIn


@dataclass(frozen=True, slots=True)
class AzureStandIn:
    """A Cosmos account with the database and its containers, and a Service Bus namespace with the queues."""

    cosmos: CosmosStandIn
    service_bus: ServiceBusStandIn

    @property
    def environment(self) -> dict[str, str]:
        """The app settings by which Tocsin finds them."""
        return environment(self.cosmos.url, self.cosmos.key, self.service_bus.connection_string)


def environment(cosmos_url: str, cosmos_key: str, service_bus: str) -> dict[str, str]:
    """The app settings for emulators at these addresses."""
    return {
        "TOCSIN_HOME": "azure",
        "COSMOS": f"AccountEndpoint={cosmos_url};AccountKey={cosmos_key};",
        "SERVICE_BUS": service_bus,
    }


@asynccontextmanager
async def azure(
    clock: Callable[[], float], *, partitions: int = 3, queues: Mapping[str, QueueSettings] = QUEUES
) -> AsyncIterator[AzureStandIn]:
    """Both, in this event loop, until the block ends."""
    async with (
        CosmosStandIn(partitions=partitions, clock=clock) as cosmos,
        ServiceBusStandIn(queues, clock=clock) as bus,
    ):
        await make_database(cosmos.url, cosmos.key)
        yield AzureStandIn(cosmos, bus)


async def make_database(url: str, key: str, name: str = "tocsin") -> None:
    """The database with every container, as `infra/` makes them."""
    async with CosmosClient(url, credential=key) as client:
        database = await client.create_database_if_not_exists(name)
        for spec in CONTAINERS:
            await database.create_container_if_not_exists(
                spec.name,
                PartitionKey(spec.partition_key),
                indexing_policy=spec.indexing_policy,
                default_ttl=spec.default_ttl,
            )
