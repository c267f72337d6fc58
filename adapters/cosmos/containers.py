"""Containers: what the database must have; `infra/` and the tests make them from this, the app never does.

An app that made them itself would ask for metadata at each cold start (240 request units a second for the whole
account), and with managed identity it may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container: its partition key, what it indexes, and how long its items live."""

    name: str
    partition_key: str
    indexed: tuple[str, ...] = ()
    """The paths that a query filters or orders by; nothing else is indexed, for each indexed path costs a write."""
    default_ttl: int | None = -1
    """Seconds; -1: items without a `ttl` of their own stay."""

    @property
    def indexing_policy(self) -> dict[str, Any]:
        """Lean: all paths are excluded but these; the service always indexes `id` and `_ts`."""
        return {
            "indexingMode": "consistent",
            "automatic": True,
            "includedPaths": [{"path": path} for path in self.indexed],
            "excludedPaths": [{"path": "/*"}],
        }


GROUPS = ContainerSpec(
    "groups", "/group", ("/type/?", "/number/?", "/incident/?", "/fingerprint/?", "/is_live/?", "/due_at/?")
)
"""Everything of one group in one logical partition: head, members, logs, recent entries, outbox, incidents."""

INCIDENTS = ContainerSpec("incidents", "/month", ("/place/?",))
"""Projection: every incident, to be listed with the newest first."""

HISTORY = ContainerSpec("history", "/bucket", ("/number/?", "/incident/?", "/names/[]/?"))
"""Projection: the log entries, by group and day; they outlive those in the group's own partition."""

POLICY = ContainerSpec("policy", "/part", ("/type/?", "/ends/?"))
"""The policy head, the silences and the configurations: one part, since a change of a silence changes the head too."""

SOURCES = ContainerSpec("sources", "/key", ("/rule/?", "/earliest/?"))
"""One document for each rule of inhibition and each set of equal values (rule 14 of the design)."""

STATISTICS = ContainerSpec("statistics", "/day")
"""Projection: what happened on each day, by group; and the days that are over, in one part."""

SHADOW = ContainerSpec("shadow", "/day", ("/place/?",))
"""What shadow mode recorded, by day."""

DEAD = ContainerSpec("dead", "/part", ("/at/?", "/queue/?"))
"""Parked and dead messages, until somebody replays them."""

PAYLOADS = ContainerSpec("payloads", "/id", default_ttl=14 * DAY)
"""Bodies too large for a message."""

AUDIT = ContainerSpec("audit", "/segment", ("/number/?",))
"""The audit log: a million entries in each part, and the head of the chain in the newest one."""

REQUESTS = ContainerSpec("requests", "/id", default_ttl=DAY)
"""Requests under an idempotency key, and their answers."""

RECEIPTS = ContainerSpec("receipts", "/id", default_ttl=3 * DAY)
"""Which alerts of Azure Monitor arrived, and what the last reconciliation found."""

ARRIVALS = ContainerSpec("arrivals", "/part", ("/kind/?", "/key/?", "/is_rejected/?"))
"""Payloads of sources as they came, by hour and bucket of sources; and which of these parts there are."""

FINDINGS = ContainerSpec("findings", "/incident", ("/number/?", "/at/?"), default_ttl=90 * DAY)
"""What was found at each look at an incident, and what responders asked about it."""
TRIAGE = ContainerSpec("triage", "/part", ("/place/?", "/service/?"))
"""Changes as they were reported, by bucket of their ids; and in one part what models have cost, by hour."""

LEASES = ContainerSpec("leases", "/id")
"""How far each function has read the change feed; written by the Functions host."""

CONTAINERS = (
    GROUPS,
    INCIDENTS,
    HISTORY,
    STATISTICS,
    POLICY,
    SOURCES,
    SHADOW,
    DEAD,
    PAYLOADS,
    AUDIT,
    REQUESTS,
    RECEIPTS,
    ARRIVALS,
    FINDINGS,
    TRIAGE,
    LEASES,
)
