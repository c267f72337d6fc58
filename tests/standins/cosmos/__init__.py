"""Cosmos DB: the slice of its NoSQL gateway that Tocsin's adapter uses, on SQLite; it refuses the rest loudly."""

from tests.standins.cosmos.calls import Call, Calls
from tests.standins.cosmos.faults import Fault, Faults, Kind, Outage
from tests.standins.cosmos.server import KEY, CosmosStandIn

__all__ = ["KEY", "Call", "Calls", "CosmosStandIn", "Fault", "Faults", "Kind", "Outage"]
