"""The Cosmos DB stand-in, asked by the real SDK: the behaviours that Tocsin's adapter leans on."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientSession
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import ServiceRequestError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from tests.serving import ROOT
from tests.standins.cosmos import KEY, CosmosStandIn, Fault, Kind, Outage
from tests.standins.cosmos.evaluating import UNDEFINED, compiled
from tests.standins.cosmos.refusals import Refusal
from tests.standins.cosmos.sql import parse, parse_condition

EVERYTHING = "SELECT * FROM c"
NOON = 1_800_000_000.0


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[CosmosStandIn]:
    async with CosmosStandIn(partitions=3) as running:
        yield running


@pytest.fixture
async def items(server: CosmosStandIn) -> AsyncIterator[ContainerProxy]:
    async with connected(server) as container:
        yield container


@asynccontextmanager
async def connected(server: CosmosStandIn, **options: Any) -> AsyncIterator[ContainerProxy]:
    """A client of its own, and the container that all clients share; the options are the container's."""
    async with CosmosClient(server.url, credential=server.key, retry_total=0) as client:
        database = await client.create_database_if_not_exists("tocsin")
        yield await database.create_container_if_not_exists("items", PartitionKey("/group"), **options)


async def fill(container: ContainerProxy, groups: int, each: int) -> None:
    for group in range(groups):
        bodies = [item(f"g{group}", f"i{number:02}", n=number) for number in range(each)]
        await container.execute_item_batch([("create", (body,)) for body in bodies], partition_key=f"g{group}")


def item(group: str, id: str, **properties: Any) -> dict[str, Any]:
    return {"id": id, "group": group, **properties}


async def ids(container: ContainerProxy, query: str = EVERYTHING, **options: Any) -> list[str]:
    return [found["id"] async for found in container.query_items(query, **options)]


# --- items and batches ----------------------------------------------------------------------------------------------


async def test_each_refusal_is_the_sdks_own_error(items: ContainerProxy) -> None:
    await items.create_item(item("g1", "a"))
    with pytest.raises(CosmosResourceExistsError):
        await items.create_item(item("g1", "a"))
    with pytest.raises(CosmosResourceNotFoundError):
        await items.read_item("a", "g2")
    with pytest.raises(CosmosResourceNotFoundError):
        await items.delete_item("b", "g1")


async def test_a_changed_item_is_not_replaced(items: ContainerProxy) -> None:
    seen = await items.create_item(item("g1", "a", n=1))
    await items.upsert_item(item("g1", "a", n=2))
    with pytest.raises(CosmosAccessConditionFailedError):
        await items.replace_item(
            "a", item("g1", "a", n=3), etag=seen["_etag"], match_condition=MatchConditions.IfNotModified
        )
    assert (await items.read_item("a", "g1"))["n"] == 2


async def test_a_batch_writes_all_with_one_lsn(items: ContainerProxy, server: CosmosStandIn) -> None:
    await items.create_item(item("g1", "a", n=1))
    done = await items.execute_item_batch(
        [
            ("create", (item("g1", "b"),)),
            ("patch", ("a", [{"op": "incr", "path": "/n", "value": 2}])),
            ("upsert", (item("g1", "c"),)),
        ],
        partition_key="g1",
    )
    assert [result["statusCode"] for result in done] == [201, 200, 201]
    changes = [change async for change in items.query_items_change_feed(start_time="Beginning")]
    assert len({change["_lsn"] for change in changes}) == 1
    (batch,) = server.calls.of("batch", "items")
    assert (batch.operations, batch.ids, batch.key) == (3, ("b", "a", "c"), '["g1"]')


async def test_a_batch_with_one_refusal_writes_nothing(items: ContainerProxy) -> None:
    seen = await items.create_item(item("g1", "a", n=1))
    await items.upsert_item(item("g1", "a", n=2))
    with pytest.raises(CosmosBatchOperationError) as refused:
        await items.execute_item_batch(
            [
                ("create", (item("g1", "b"),)),
                ("replace", ("a", item("g1", "a", n=3)), {"if_match_etag": seen["_etag"]}),
                ("delete", ("a",)),
            ],
            partition_key="g1",
        )
    assert (refused.value.status_code, refused.value.error_index) == (412, 1)
    assert [result["statusCode"] for result in refused.value.operation_responses] == [424, 412, 424]
    assert await ids(items, partition_key="g1") == ["a"]


async def test_a_patch_keeps_to_its_condition(items: ContainerProxy) -> None:
    await items.create_item(item("g1", "a", n=1, tags=["x"], old=True))
    patched = await items.patch_item(
        "a",
        "g1",
        [
            {"op": "incr", "path": "/n", "value": 4},
            {"op": "add", "path": "/tags/-", "value": "y"},
            {"op": "set", "path": "/new", "value": {"deep": 1}},
            {"op": "remove", "path": "/old"},
        ],
        filter_predicate="from c where c.n = 1 and not is_defined(c.new)",
    )
    assert {name: patched[name] for name in patched if not name.startswith("_")} == item(
        "g1", "a", n=5, tags=["x", "y"], new={"deep": 1}
    )
    with pytest.raises(CosmosAccessConditionFailedError):
        await items.patch_item(
            "a", "g1", [{"op": "incr", "path": "/n", "value": 1}], filter_predicate="from c where c.n = 1"
        )


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(item("g1", "a", text="x" * 2 * 1024 * 1024), 413, id="more than 2 MB"),
        pytest.param(item("g1", "x" * 1024), 400, id="an id of 1,024 bytes"),
        pytest.param(item("g1", "a", ttl=0), 400, id="a ttl of nothing"),
        pytest.param(item("g1", "a", fingerprint=2**53 + 1), 501, id="a number that a double does not hold"),
        pytest.param(item("g" * 2049, "a"), 400, id="a partition key of 2,049 bytes"),
    ],
)
async def test_what_the_service_would_not_keep_is_refused(
    items: ContainerProxy, body: dict[str, Any], status: int
) -> None:
    with pytest.raises(CosmosHttpResponseError) as refused:
        await items.create_item(body)
    assert refused.value.status_code == status


async def test_an_item_expires_by_its_own_ttl_or_the_containers() -> None:
    clock = Clock()
    async with CosmosStandIn(clock=clock) as server, connected(server, default_ttl=60) as container:
        for body in (item("g1", "short", ttl=10), item("g1", "plain"), item("g1", "kept", ttl=-1)):
            await container.create_item(body)
        clock.now += 10
        assert await ids(container, partition_key="g1") == ["plain", "kept"]
        with pytest.raises(CosmosResourceNotFoundError):
            await container.read_item("short", "g1")
        await container.create_item(item("g1", "short", ttl=1000))
        clock.now += 50
        assert [found["id"] async for found in container.query_items_change_feed(start_time="Beginning")] == [
            "kept",
            "short",
        ]


# --- queries --------------------------------------------------------------------------------------------------------


async def test_paging_in_one_partition_goes_on_where_it_was(items: ContainerProxy) -> None:
    await fill(items, groups=2, each=7)

    def pages(continuation: str | None = None) -> Any:
        query = "SELECT c.id, c.n FROM c WHERE c.n >= @n ORDER BY c.n DESC"
        parameters: list[dict[str, object]] = [{"name": "@n", "value": 1}]
        found = items.query_items(query, parameters=parameters, partition_key="g1", max_item_count=3)
        return found.by_page(continuation)

    first = pages()
    assert [found["n"] async for found in await anext(first)] == [6, 5, 4]
    # What comes before the place, or goes, does not shift what follows.
    await items.create_item(item("g1", "new", n=9))
    await items.delete_item("i06", "g1")
    second = pages(first.continuation_token)
    assert [found["n"] async for found in await anext(second)] == [3, 2, 1]
    assert second.continuation_token is None


async def test_a_filter_over_all_partitions_pages_through_each(items: ContainerProxy, server: CosmosStandIn) -> None:
    await fill(items, groups=6, each=3)
    found = await ids(items, "SELECT * FROM c WHERE c.n != 1", max_item_count=2)
    assert sorted(found) == sorted(["i00", "i02"] * 6)
    assert {call.range for call in server.calls.of("query")} == {None}
    assert "plan" not in [call.operation for call in server.calls]


async def test_an_empty_page_is_no_end(items: ContainerProxy, server: CosmosStandIn) -> None:
    await items.create_item(item("g1", "a"))
    assert await ids(items) == ["a"]
    assert len(server.calls.of("query")) == 3


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("SELECT VALUE SUM(c.n) FROM c WHERE c.n > 0", [18], id="a sum"),
        pytest.param("SELECT VALUE COUNT(1) FROM c", [18], id="a count"),
        pytest.param("SELECT VALUE c.n FROM c ORDER BY c.n DESC OFFSET 5 LIMIT 2", [2, 1], id="an order and a slice"),
        pytest.param("SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n", [0, 0], id="the first two"),
        pytest.param(
            'SELECT c["group"] FROM c WHERE c.n = 1 ORDER BY c["group"] OFFSET 5 LIMIT 9',
            [{"group": "g5"}],
            id="a property with the name of a keyword",
        ),
        pytest.param(
            'SELECT TOP 9 c["group"], c.n AS m FROM c WHERE c["group"] = "g5" AND c.n = 2',
            [{"group": "g5", "m": 2}],
            id="an alias",
        ),
    ],
)
async def test_the_sdk_puts_several_partitions_together(
    items: ContainerProxy, server: CosmosStandIn, query: str, expected: list[Any]
) -> None:
    await fill(items, groups=6, each=3)
    server.calls.clear()
    found: list[Any] = [value async for value in items.query_items(query)]
    assert found == expected
    assert [call.operation for call in server.calls].count("plan") == 1
    assert {call.range for call in server.calls.of("query")} == {None, "0", "1", "2"}


async def test_an_order_by_what_is_not_indexed_is_refused(server: CosmosStandIn) -> None:
    policy = {"includedPaths": [{"path": "/n/?"}], "excludedPaths": [{"path": "/*"}]}
    async with connected(server, indexing_policy=policy) as container:
        await container.create_item(item("g1", "a", n=1, m=1))
        assert await ids(container, "SELECT * FROM c ORDER BY c.n", partition_key="g1") == ["a"]
        with pytest.raises(CosmosHttpResponseError, match="excluded from the container's indexing policy"):
            await ids(container, "SELECT * FROM c ORDER BY c.m", partition_key="g1")


DOCUMENT = {"a": 1, "b": "text", "c": [1, {"d": 2}], "n": None, "t": True, "o": {"x y": 1.0}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("c.a = 1 AND c.b != 'x'", True),
        ("c.a = 1.0", True),
        ("c.a = '1'", False),
        ("c.a != c.n", True),
        ("c.a < 'x'", UNDEFINED),
        ("c.missing = 1", UNDEFINED),
        ("NOT (c.missing = 1)", UNDEFINED),
        ("c.missing = 1 OR c.t", True),
        ("c.missing = 1 AND c.a = 2", False),
        ("c.missing != null", UNDEFINED),
        ("c.n = null", True),
        ("c.t = 1", False),
        ("c.a IN (2, 1)", True),
        ("c.a NOT IN (2, 1)", False),
        ("c.missing IN (1)", UNDEFINED),
        ("IS_DEFINED(c.n) AND NOT IS_DEFINED(c.m)", True),
        ("ARRAY_CONTAINS(c.c, 1)", True),
        ("ARRAY_CONTAINS(@p, c.a)", True),
        ("ARRAY_CONTAINS(c.b, 1)", UNDEFINED),
        ("STARTSWITH(c.b, 'te')", True),
        ("c['o'][\"x y\"] = 1 AND c.c[1].d = 2", True),
        ("c.b >= 'te' AND (c.a <= 0 OR c.a > 0)", True),
    ],
)
def test_an_expression_says(condition: str, expected: object) -> None:
    rule = compiled(parse_condition(f"FROM c WHERE {condition}"), {"@p": [1, 2]})
    assert rule(DOCUMENT) is expected


@pytest.mark.parametrize(
    "query",
    [
        "SELECT DISTINCT c.a FROM c",
        "SELECT * FROM c JOIN t IN c.tags",
        "SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a",
        "SELECT VALUE MAX(c.a) FROM c",
        "SELECT * FROM c WHERE c.a LIKE 'x%'",
        "SELECT * FROM c WHERE c.a BETWEEN 1 AND 2",
        "SELECT * FROM c WHERE LOWER(c.a) = 'x'",
        "SELECT * FROM c ORDER BY c.a, c.b",
        "SELECT * FROM c.tags",
        "SELECT VALUE COUNT(c.a) FROM c",
        "SELECT * FROM c WHERE NOT c.a = 1",
        "SELECT 1",
    ],
)
def test_sql_outside_of_the_subset_is_refused_by_name(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(query)
    assert refused.value.status == 501


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT * FROM c WHERE", id="an end in the middle"),
        pytest.param("SELECT * FROM c WHERE d.a = 1", id="an alias that nobody declared"),
        pytest.param("SELECT * FROM c;", id="a semicolon"),
        # https://github.com/Azure/azure-cosmos-dotnet-v2/issues/507
        pytest.param("SELECT * FROM c WHERE c.Group = 1", id="a property with a keyword's name"),
        pytest.param("SELECT c.id AS value FROM c", id="a keyword as an alias"),
        pytest.param("SELECT * FROM c WHERE c.a = TRUE", id="a literal in capitals"),
    ],
)
def test_what_is_no_sql_is_a_bad_request(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(query)
    assert refused.value.status == 400


# --- the change feed ------------------------------------------------------------------------------------------------


async def feed(container: ContainerProxy, **options: Any) -> tuple[list[str], str]:
    """The ids of what has changed, and the continuation after it."""
    # The SDK puts the continuation into the last page's headers after it has shown them to the hook.
    seen: list[Mapping[str, Any]] = []
    changes = container.query_items_change_feed(response_hook=lambda headers, _: seen.append(headers), **options)
    return [change["id"] async for change in changes], seen[-1]["etag"]


async def test_the_feed_shows_each_item_once_at_its_latest_place(items: ContainerProxy) -> None:
    for id in ("a", "b", "c"):
        await items.create_item(item("g1", id))
    await items.upsert_item(item("g1", "a", n=2))
    await items.delete_item("b", "g1")
    changed, continuation = await feed(items, start_time="Beginning")
    assert changed == ["c", "a"]
    assert await feed(items, continuation=continuation) == ([], continuation)
    await items.create_item(item("g1", "d"))
    changed, _ = await feed(items, continuation=continuation)
    assert changed == ["d"]


async def test_a_feed_from_now_shows_what_comes(items: ContainerProxy) -> None:
    await fill(items, groups=6, each=1)
    changed, continuation = await feed(items, start_time="Now")
    assert changed == []
    await items.create_item(item("g9", "new"))
    assert (await feed(items, continuation=continuation))[0] == ["new"]


async def test_the_feed_ranges_share_the_items_out(items: ContainerProxy) -> None:
    await fill(items, groups=12, each=1)
    ranges = [feed_range async for feed_range in items.read_feed_ranges()]
    found = [await feed(items, feed_range=feed_range, start_time="Beginning") for feed_range in ranges]
    assert len(found) == 3
    assert all(changed for changed, _ in found)
    assert sum(len(changed) for changed, _ in found) == 12


async def test_a_page_of_the_feed_splits_no_batch(items: ContainerProxy) -> None:
    await fill(items, groups=1, each=5)
    await items.create_item(item("g0", "after"))
    pages = items.query_items_change_feed(start_time="Beginning", max_item_count=2).by_page()
    sizes = [len([change async for change in page]) async for page in pages]
    assert [size for size in sizes if size] == [5, 1]


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_a_read_without_a_session_token_lags() -> None:
    async with CosmosStandIn(lag=2) as server, connected(server) as writer, connected(server) as stranger:
        for n in range(3):
            await writer.upsert_item(item("g1", "a", n=n))
        written = await writer.upsert_item(item("g1", "a", n=3))
        token = written.get_response_headers()["x-ms-session-token"]
        await writer.create_item(item("g1", "b"))
        assert (await writer.read_item("a", "g1"))["n"] == 3
        assert (await stranger.read_item("a", "g1"))["n"] == 2
        assert await ids(stranger, partition_key="g1") == ["a"]
        assert (await stranger.read_item("a", "g1", session_token=token))["n"] == 3


async def test_a_token_ahead_of_everything_is_told_apart_from_not_found(items: ContainerProxy) -> None:
    await items.create_item(item("g1", "a"))
    number = (await items.read_item("a", "g1")).get_response_headers()["x-ms-session-token"].partition(":")[0]
    with pytest.raises(CosmosResourceNotFoundError) as refused:
        await items.read_item("a", "g1", session_token=f"{number}:-1#99")
    assert refused.value.sub_status == 1002


# --- charges --------------------------------------------------------------------------------------------------------


async def test_a_scan_costs_what_an_index_spares(server: CosmosStandIn) -> None:
    policy = {"includedPaths": [{"path": "/n/?"}], "excludedPaths": [{"path": "/*"}]}
    async with connected(server, indexing_policy=policy) as container:
        for number in range(20):
            await container.create_item(item("g1", f"i{number}", n=number, m=number, text="x" * 2048))
        server.calls.clear()
        await ids(container, "SELECT * FROM c WHERE c.n = 3", partition_key="g1")
        served = server.calls.charge("query")
        await ids(container, "SELECT * FROM c WHERE c.m = 3", partition_key="g1")
        assert served < 5 < 40 < server.calls.charge("query") - served
        await container.read_item("i1", "g1")
        assert server.calls.charge("read") == pytest.approx(1 + 2 / 11, abs=0.01)


# --- faults ---------------------------------------------------------------------------------------------------------


async def test_a_lost_reply_was_carried_out(items: ContainerProxy, server: CosmosStandIn) -> None:
    server.faults.add(Fault(Kind.LOST_REPLY, operation="batch", container="items", id="a"))
    with pytest.raises(ServiceRequestError):
        await items.execute_item_batch([("create", (item("g1", "a"),))], partition_key="g1")
    assert await ids(items, partition_key="g1") == ["a"]
    assert [(call.status, call.fault) for call in server.calls.of("batch")] == [(0, "lost-reply")]
    assert not server.faults.waiting


async def test_a_cut_request_was_not(items: ContainerProxy, server: CosmosStandIn) -> None:
    server.faults.add(Fault(Kind.CUT, operation="create"))
    with pytest.raises(ServiceRequestError):
        await items.create_item(item("g1", "a"))
    assert await ids(items, partition_key="g1") == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.UNAVAILABLE, 503),
        (Kind.TIMED_OUT, 408),
        (Kind.RETRY_WITH, 449),
        (Kind.PRECONDITION_FAILED, 412),
    ],
)
async def test_a_fault_answers_instead(items: ContainerProxy, server: CosmosStandIn, kind: Kind, status: int) -> None:
    server.faults.add(Fault(kind, operation="upsert", times=None))
    with pytest.raises(CosmosHttpResponseError) as refused:
        await items.upsert_item(item("g1", "a"))
    assert refused.value.status_code == status
    server.faults.clear()
    await items.upsert_item(item("g1", "a"))


async def test_the_sdk_waits_as_long_as_a_throttled_answer_says(items: ContainerProxy, server: CosmosStandIn) -> None:
    server.faults.add(Fault(Kind.THROTTLED, operation="upsert", times=2, retry_after_ms=20))
    started = asyncio.get_running_loop().time()
    await items.upsert_item(item("g1", "a"))
    assert asyncio.get_running_loop().time() - started >= 0.04
    assert [call.status for call in server.calls.of("upsert")] == [429, 429, 201]


async def test_a_hang_may_come_after_the_commit(items: ContainerProxy, server: CosmosStandIn) -> None:
    server.faults.add(Fault(Kind.HANG_AFTER_COMMIT, operation="upsert", seconds=30))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await items.upsert_item(item("g1", "a"))
    assert await ids(items, partition_key="g1") == ["a"]


async def test_an_unavailable_session_and_a_gone_range_are_tried_again(
    items: ContainerProxy, server: CosmosStandIn
) -> None:
    await items.create_item(item("g1", "a"))
    server.faults.add(Fault(Kind.SESSION_NOT_AVAILABLE, operation="read"), Fault(Kind.GONE, operation="feed"))
    assert (await items.read_item("a", "g1"))["id"] == "a"
    assert (await feed(items, start_time="Beginning"))[0] == ["a"]


async def test_chance_is_the_same_again_with_the_same_seed(items: ContainerProxy, server: CosmosStandIn) -> None:
    async def run() -> list[int]:
        server.faults.clear()
        server.faults.seed(7)
        server.faults.add(Fault(Kind.PRECONDITION_FAILED, operation="upsert", times=None, probability=0.5))
        server.calls.clear()
        for _ in range(12):
            try:
                await items.upsert_item(item("g1", "a"))
            except CosmosAccessConditionFailedError:
                continue
        return [call.status for call in server.calls.of("upsert")]

    await items.upsert_item(item("g1", "a"))
    first = await run()
    assert set(first) == {200, 412}
    assert await run() == first


async def test_an_outage_ends_when_it_is_taken_back(items: ContainerProxy, server: CosmosStandIn) -> None:
    server.faults.outage = Outage.DOWN
    with pytest.raises(ServiceRequestError):
        await items.upsert_item(item("g1", "a"))
    server.faults.outage = None
    await items.upsert_item(item("g1", "a"))


# --- who asks, and the process --------------------------------------------------------------------------------------


class Token:
    """A credential that asks nobody."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("a-token-of-the-test", 4_000_000_000)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Token:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_bearer_token_stands_in_the_log(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with CosmosStandIn(tls=context) as server:
        verify = str(tmp_path / "ca.pem")
        async with CosmosClient(server.url, credential=Token(), connection_verify=verify) as client:
            await client.create_database("tocsin")
        assert {call.identity for call in server.calls} == {"entra a-token-of-the-test"}


async def test_a_killed_process_goes_on_from_its_file(tmp_path: Path) -> None:
    async with process(tmp_path) as url, CosmosClient(url, credential=KEY) as client:
        database = await client.create_database("tocsin")
        container = await database.create_container("items", PartitionKey("/group"))
        written = await container.create_item(item("g1", "a"))
    async with process(tmp_path) as url, ClientSession() as session:
        fault = {"kind": "precondition-failed", "operation": "read"}
        async with session.post(f"{url}/_standin/faults", json=fault) as answer:
            assert answer.status == 204
        async with CosmosClient(url, credential=KEY) as client:
            container = client.get_database_client("tocsin").get_container_client("items")
            with pytest.raises(CosmosAccessConditionFailedError):
                await container.read_item("a", "g1")
            assert (await container.read_item("a", "g1"))["_etag"] == written["_etag"]
        async with session.get(f"{url}/_standin/calls") as answer:
            calls = await answer.json()
    assert [call["status"] for call in calls if call["operation"] == "read"] == [412, 200]


@asynccontextmanager
async def process(folder: Path) -> AsyncIterator[str]:
    """The stand-in as a process of its own; it is killed at the end."""
    arguments = ["-m", "tests.standins.cosmos", "--data", str(folder / "cosmos.db")]
    started = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert started.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = await started.stdout.readline()
        yield json.loads(line)["url"]
    finally:
        started.send_signal(signal.SIGKILL)
        await started.wait()
