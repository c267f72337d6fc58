"""Request: one HTTP request as the gateway reads it, and its Answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.standins.cosmos import charges

KNOWN_HEADERS = frozenset(
    {
        "x-ms-activity-id",
        "x-ms-client-id",
        "x-ms-consistency-level",
        "x-ms-continuation",
        "x-ms-cosmos-batch-atomic",
        "x-ms-cosmos-batch-continue-on-error",
        "x-ms-cosmos-correlated-activityid",
        "x-ms-cosmos-intended-collection-rid",
        "x-ms-cosmos-is-batch-request",
        "x-ms-cosmos-is-query-plan-request",
        "x-ms-cosmos-query-version",
        "x-ms-cosmos-sdk-supportedcapabilities",
        "x-ms-cosmos-supported-query-features",
        "x-ms-date",
        "x-ms-documentdb-is-upsert",
        "x-ms-documentdb-isquery",
        "x-ms-documentdb-partitionkey",
        "x-ms-documentdb-partitionkeyrangeid",
        "x-ms-documentdb-query-enable-scan",
        "x-ms-documentdb-query-enablecrosspartition",
        "x-ms-documentdb-query-iscontinuationexpected",
        "x-ms-end-epk",
        "x-ms-max-item-count",
        "x-ms-offer-throughput",
        "x-ms-read-key-type",
        "x-ms-session-token",
        "x-ms-start-epk",
        "x-ms-thinclient-proxy-operation-type",
        "x-ms-thinclient-proxy-resource-type",
        "x-ms-version",
    }
)
_RESOURCES = {
    ("POST", 1): "create-database",
    ("GET", 2): "read-database",
    ("DELETE", 2): "delete-database",
    ("POST", 3): "create-container",
    ("GET", 4): "read-container",
    ("DELETE", 4): "delete-container",
}
_ITEMS = {"GET": "read", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as far as it matters here."""

    method: str
    segments: Sequence[str]
    """Of the path, unquoted."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    raw: bytes
    base_url: str
    """By which the client came."""

    def says(self, header: str) -> bool:
        return self.headers.get(header, "").lower() == "true"

    @property
    def most(self) -> int:
        """The wished page size; -1 leaves it to the server."""
        return int(self.headers.get("x-ms-max-item-count", -1))

    @property
    def operation(self) -> str:
        """What it asks for, in the words of `Call`."""
        match list(self.segments):
            case []:
                return "account"
            case ["dbs"] | ["dbs", _] | ["dbs", _, "colls"] | ["dbs", _, "colls", _]:
                if not self.says("x-ms-documentdb-isquery"):
                    return _RESOURCES.get((self.method, len(self.segments)), "unsupported")
            case ["dbs", _, "colls", _, "pkranges"]:
                return "ranges"
            case ["dbs", _, "colls", _, "docs"]:
                return self._on_items()
            case ["dbs", _, "colls", _, "docs", _]:
                return _ITEMS.get(self.method, "unsupported")
            case _:
                pass
        return "unsupported"

    def _on_items(self) -> str:
        if self.method == "GET":
            return "feed" if "a-im" in self.headers else "list"
        named = {
            "x-ms-cosmos-is-batch-request": "batch",
            "x-ms-cosmos-is-query-plan-request": "plan",
            "x-ms-documentdb-isquery": "query",
            "x-ms-documentdb-is-upsert": "upsert",
        }
        return next((name for header, name in named.items() if self.says(header)), "create")


@dataclass(slots=True)
class Answer:
    status: int
    body: Any = None
    """As JSON; None for none."""
    headers: dict[str, str] = field(default_factory=dict)
    charge: float = charges.METADATA
