"""Charge: what the stand-in says a request costs, in request units (RU).

A model, not a measurement: good for holding budgets and for seeing that one way costs more than another.

| request | RU | source |
|---|---|---|
| point read | 1 for the first KB, 10 for 100 KB, a line between | [1] |
| create, delete | 5.5 for the first KB, 50 for 100 KB, a line between; 0.2 an indexed path | [1]; 0.2 is assumed |
| replace, patch, upsert of what is there | twice a create | [1]; a patch is no cheaper [2] |
| an operation refused with 404, 409, 412 | 1, as the look at the item | assumed |
| batch | the sum of its operations | [3] names no discount |
| query | 2.3, and 1 for each KB of items loaded | [4]; a query for one item of 1 KB is usually told as 2.8 |
| change feed | 2 for each poll, and a point read for each item loaded | a maintainer's word of 2020 [5] |
| anything else | 1 | assumed |

A query loads the items that its index cannot answer for: those of its page where every path of its filter and order
is indexed, all items of its partition (or partitions) where one is not, and none for an aggregate over indexed paths.
A change feed loads every change of its range, also those outside of a narrower feed range: one scoped to a single
partition key is dear, as azure-cosmos-dotnet-v3 issue 3017 found.

1. https://learn.microsoft.com/azure/cosmos-db/key-value-store-cost and /azure/cosmos-db/optimize-cost-reads-writes
2. https://learn.microsoft.com/azure/cosmos-db/partial-document-update-faq
3. https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch
4. https://learn.microsoft.com/azure/cosmos-db/request-units: "1,000 1-KB items by query: about 1,000 RU"
5. Collected in the project's notes on Cosmos DB, section 5.1.

Not modelled: consistency levels (Strong doubles reads), the split of a budget over physical partitions, TTL's deletes.
"""

from __future__ import annotations

KB = 1024

METADATA = 1.0
REFUSED = 1.0
QUERY = 2.3
POLL = 2.0
INDEXED_PATH = 0.2


def read(size: int) -> float:
    """A point read of an item of so many bytes."""
    return 1.0 + _kilobytes_beyond_first(size) / 11


def create(size: int, indexed_paths: int) -> float:
    return 5.5 + _kilobytes_beyond_first(size) * 44.5 / 99 + INDEXED_PATH * indexed_paths


def replace(size: int, indexed_paths: int) -> float:
    """Also a patch, by the size of what it leaves."""
    return 2 * create(size, indexed_paths)


def delete(size: int, indexed_paths: int) -> float:
    return create(size, indexed_paths)


def query(loaded_bytes: int) -> float:
    """One page."""
    return QUERY + loaded_bytes / KB


def poll(loaded_sizes: list[int]) -> float:
    """One request to the change feed of one range."""
    return POLL + sum(map(read, loaded_sizes))


def _kilobytes_beyond_first(size: int) -> int:
    return max(0, -(-size // KB) - 1)
