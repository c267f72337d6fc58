"""Client: one Cosmos client for the process; what its answers mean, and what may be tried again.

The SDK sends a write again by itself when the connection breaks after the service has carried it out, so a create
meets its own item and a patch is applied twice; `retry_total=0` stops that, and aiohttp repeats no POST.  What an
unsure answer means is then known only to whoever asked, so it is raised as `UnsureError`, and every write here can be
repeated.

Measured with azure-cosmos 4.17.1: `timeout=` does not interrupt a request, so `asyncio.timeout` does; a batch does not
update the session token that the client keeps, so `Causality` keeps all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from adapters.cosmos.causality import Causality
from adapters.cosmos.containers import ContainerSpec
from adapters.cosmos.metering import Meter
from domain.errors import RejectedError, UnavailableError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.cosmos.aio import ContainerProxy, CosmosClient

log = logging.getLogger("tocsin.cosmos")

type Item = dict[str, Any]
"""A stored document with its system properties (`_etag`, `_ts`)."""

type Operation = tuple[str, tuple[Any, ...], dict[str, Any]]
"""One operation of a batch, as the SDK takes it: `create`, `upsert`, `replace` or `delete`."""

CALL_SECONDS = 10.0
"""No single request takes longer; the platform renews a message's lock for five minutes."""

BATCH_OPERATIONS = 100
BATCH_BYTES = 1_000_000
"""The service takes 2 MB a request; but a megabyte at once is what aiohttp sends without stopping the loop."""

_ITEMS_A_PAGE = 1000
"""At most; the service ends a page at 4 MB too, and the change feed never within a transaction."""


class ConflictError(Exception):
    """Somebody else has written in between, or was there first: nothing is written; read again and decide again."""


class GoneError(ConflictError):
    """What was to be replaced or deleted is not there."""


class UnsureError(UnavailableError):
    """The answer to a write was lost: it may have been carried out."""


class Cosmos:
    """Makes the client when first asked, on the running loop; imports the SDK no sooner."""

    def __init__(
        self,
        endpoint: str,
        database: str,
        credential: Callable[[], str | AsyncTokenCredential],
        causality: Causality,
        meter: Meter,
    ) -> None:
        self._endpoint = endpoint
        self._database = database
        self._credential = credential
        self._client: CosmosClient | None = None
        self.causality = causality
        self.meter = meter

    def container(self, spec: ContainerSpec) -> Container:
        """That container; nothing is asked of the service yet."""
        return Container(self, spec)

    def proxy(self, name: str) -> ContainerProxy:
        """The SDK's own object, for `Container`."""
        if self._client is None:
            from azure.cosmos.aio import CosmosClient

            self._client = CosmosClient(
                self._endpoint,
                self._credential(),
                # Said here, since a client that is not entered as a context never asks the account for it, and then
                # sends no session token with anything.
                consistency_level="Session",
                retry_total=0,
                retry_throttle_total=2,
                connection_timeout=3,
                read_timeout=CALL_SECONDS,
                enable_compact_utf8_item_writes=True,
            )
        return self._client.get_database_client(self._database).get_container_client(name)

    async def close(self) -> None:
        """Let go of the connections; the next call would make a new client."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


class Container:
    """One container; every call is bounded in time, metered, and reads at least what this process knows of.

    All methods raise UnavailableError when the service does not answer, UnsureError among them where a write may have
    been carried out, and RejectedError when it says that the request can never be accepted.
    """

    def __init__(self, cosmos: Cosmos, spec: ContainerSpec) -> None:
        self._cosmos = cosmos
        self.name = spec.name
        self._key = spec.partition_key[1:]
        self._is_there = False

    # --- one item ---------------------------------------------------------------------------------------------------

    async def read(self, id: str, partition: str) -> Item | None:
        """Point read: one request unit for a kilobyte."""

        async def ask(headers: dict[str, Any]) -> Item | None:
            try:
                return await self._proxy.read_item(id, partition, **headers)
            except _not_found() as error:
                if _is_behind(error):
                    raise
                self._charge("read", error)
                return None

        return await self._read("read", ask)

    async def create(self, item: Item) -> Item:
        """Raises ConflictError when there is one of that id."""
        return await self._write("create", lambda headers: self._proxy.create_item(item, **headers), item)

    async def upsert(self, item: Item) -> Item:
        """In the place of whatever was there."""
        return await self._write("upsert", lambda headers: self._proxy.upsert_item(item, **headers), item)

    async def replace(self, item: Item, etag: str) -> str:
        """Returns the new etag.  Raises ConflictError when it is no longer the one that was read, or gone."""
        # As a batch of one, which is a POST: aiohttp itself sends a PUT or DELETE again when a connection breaks.
        (etag,) = await self.batch(item[self._key], [("replace", (item["id"], item), {"if_match_etag": etag})])
        return etag

    async def delete(self, id: str, partition: str) -> bool:
        """Whether there was one."""
        try:
            await self.batch(partition, [("delete", (id,), {})])
        except GoneError:
            return False
        except ConflictError as error:
            raise UnsureError(str(error)) from error  # it has no condition: another writer was at the same item
        return True

    async def batch(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """All of them or none, in one logical partition; returns the new etags.

        Raises:
            ConflictError: One of the conditions did not hold; none is carried out.
        """

        def ask(headers: dict[str, Any]) -> Awaitable[Any]:
            return self._proxy.execute_item_batch(list(operations), partition, **headers)

        results = await self._write("batch", ask, operations)
        return [result.get("eTag") or result.get("resourceBody", {}).get("_etag", "") for result in results]

    # --- queries ----------------------------------------------------------------------------------------------------

    async def query(self, text: str, partition: str, /, **parameters: Any) -> tuple[list[Any], int]:
        """Everything that one partition answers, and in how many pages: only a single page is a snapshot."""
        found: list[Any] = []
        pages = 0
        async for page in self.pages(text, partition, **parameters):
            found += page
            pages += 1
        return found, pages

    async def pages(self, text: str, partition: str | None = None, /, **parameters: Any) -> AsyncGenerator[list[Any]]:
        """The answer page by page; without a partition all are asked, and the order of the items means nothing."""
        given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
        options = self._headers("query")
        if partition is not None:
            options["partition_key"] = partition
        async with self._translating("query"):
            pages = self._proxy.query_items(text, parameters=given, max_item_count=_ITEMS_A_PAGE, **options).by_page()
        while True:
            async with self._translating("query"):
                try:
                    page = [item async for item in await anext(pages)]
                except StopAsyncIteration:
                    return
            yield page

    async def changes(
        self, continuation: str = "", *, start: Literal["Beginning", "Now"] = "Beginning", most: int
    ) -> tuple[list[Item], str]:
        """What was written since then, the oldest first within a partition key, and where to go on.

        Without a continuation from the beginning, or from now on.  There may be more when `most` or more are returned;
        a deleted item is not shown, and one that was written twice since is shown once.
        """
        known: list[tuple[Any, str]]
        if continuation:
            known = msgspec.json.decode(continuation)
        else:
            async with self._translating("feed"):
                known = [(feed_range, "") async for feed_range in self._proxy.read_feed_ranges()]
        # Each range by itself: the SDK's token for several cannot be resumed while one of them was not read yet.
        read = await asyncio.gather(*(self._changes_of(*place, start, most) for place in known))
        places = [(feed_range, token) for (feed_range, _), (_, token) in zip(known, read, strict=True)]
        return [item for items, _ in read for item in items], msgspec.json.encode(places).decode()

    async def _changes_of(self, feed_range: Any, token: str, start: str, most: int) -> tuple[list[Item], str]:
        begin: dict[str, Any] = {"continuation": token} if token else {"feed_range": feed_range, "start_time": start}
        hook = _Hook(self._cosmos, self.name, "feed")
        items: list[Item] = []
        async with self._translating("feed"):
            pages = self._proxy.query_items_change_feed(max_item_count=_ITEMS_A_PAGE, response_hook=hook, **begin)
            async for page in pages.by_page():
                items += [item async for item in page]
                if len(items) >= most:
                    break
        return items, hook.headers.get("etag", "") or token

    # --- how a call is made -----------------------------------------------------------------------------------------

    @property
    def _proxy(self) -> ContainerProxy:
        return self._cosmos.proxy(self.name)

    def _headers(self, kind: str) -> dict[str, Any]:
        headers: dict[str, Any] = {"response_hook": _Hook(self._cosmos, self.name, kind)}
        token = self._cosmos.causality.token(self.name)
        return {**headers, "session_token": token} if token else headers

    async def _read[T](self, kind: str, ask: Callable[[dict[str, Any]], Awaitable[T]]) -> T:
        async with self._translating(kind):
            return await ask(self._headers(kind))

    async def _write[T](self, kind: str, ask: Callable[[dict[str, Any]], Awaitable[T]], sent: Any = None) -> T:
        size = len(msgspec.json.encode(sent)) if sent is not None else 0
        async with self._translating(kind, is_write=True):
            return await ask({"response_hook": _Hook(self._cosmos, self.name, kind, size)})

    @asynccontextmanager
    async def _translating(self, kind: str, *, is_write: bool = False) -> AsyncGenerator[None]:
        """Bounded in time; what the SDK raises comes out as one of our own errors."""
        from aiohttp import ClientError
        from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

        what = f"{kind} on {self.name}"
        try:
            async with asyncio.timeout(CALL_SECONDS):
                if not self._is_there:
                    await self._look()
                yield
        except ClientAuthenticationError as error:
            raise UnavailableError(f"Cosmos refused {what}: {_words(error)}") from error
        except HttpResponseError as error:
            self._charge(kind, error)
            raise self._meaning(error, kind, what, is_write=is_write) from error
        except (AzureError, ClientError, TimeoutError, OSError) as error:
            kind_of_error = UnsureError if is_write else UnavailableError
            raise kind_of_error(f"Cosmos did not answer {what}: {_words(error)}") from error

    async def _look(self) -> None:
        """Read the container itself, as the SDK would at its first use: missing, it must not pass for an empty one."""
        try:
            await self._proxy.read()
        except _not_found() as error:
            raise UnavailableError(
                f"there is no container {self.name}, or no such database: {_words(error)}"
            ) from error
        self._is_there = True

    def _charge(self, kind: str, error: Any) -> None:
        """A request that was refused is charged too, and the SDK calls no hook for it."""
        headers: Mapping[str, Any] = getattr(error, "headers", None) or {}
        size = int(headers.get("Content-Length") or 0)
        self._cosmos.meter.add(f"{kind} {self.name}", float(headers.get("x-ms-request-charge") or 0), size)

    def _meaning(self, error: Any, kind: str, what: str, *, is_write: bool) -> Exception:
        headers: Mapping[str, Any] = getattr(error, "headers", None) or {}
        match error.status_code:
            case 409 | 412:
                return ConflictError(what)
            case 449 if kind == "batch":
                return ConflictError(f"{what}: another writer was at it")
            case 404 if _is_behind(error):
                self._cosmos.causality.is_behind(self.name)
                return UnavailableError(f"Cosmos: {what} would have read something older than is known here")
            case 404 if kind == "batch":
                return GoneError(what)
            case 429:
                wait = float(headers.get("x-ms-retry-after-ms") or 1000) / 1000
                return UnavailableError(f"Cosmos has no request units left for {what}", timedelta(seconds=wait))
            case 400 | 413:
                return RejectedError(f"Cosmos cannot accept {what}: {_words(error)}")
            case 401 | 403 | 404:
                return UnavailableError(f"Cosmos refused {what} ({error.status_code}): {_words(error)}")
            case status:
                kind_of_error = UnsureError if is_write else UnavailableError
                return kind_of_error(f"Cosmos failed at {what} ({status}): {_words(error)}")


class _Hook:
    """Reads the headers of an answer: the SDK calls it for each, and for each page of a query."""

    def __init__(self, cosmos: Cosmos, container: str, kind: str, sent: int = 0) -> None:
        self._cosmos = cosmos
        self._container = container
        self._kind = kind
        self._sent = sent
        self.headers: Mapping[str, Any] = {}

    def __call__(self, headers: Mapping[str, Any], _: Any) -> None:
        self.headers = headers
        self._cosmos.causality.note(self._container, headers.get("x-ms-session-token"))
        size = self._sent + int(headers.get("Content-Length") or 0)
        charge = float(headers.get("x-ms-request-charge") or 0)
        self._cosmos.meter.add(f"{self._kind} {self._container}", charge, size)


def _not_found() -> type[Exception]:
    from azure.cosmos.exceptions import CosmosResourceNotFoundError

    return CosmosResourceNotFoundError


def _is_behind(error: Any) -> bool:
    """Whether "not found" means that the replica has not seen yet what the session token names."""
    return getattr(error, "sub_status", None) == 1002


def _words(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
