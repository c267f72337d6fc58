"""Gateway: which request means what, and its answer; what it does not know it refuses by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tests.standins.cosmos import charges, queries, sql
from tests.standins.cosmos.calls import Call, identity
from tests.standins.cosmos.feeding import read_changes
from tests.standins.cosmos.items import LARGEST_BYTES, Operation, Partition, is_ttl, parsed, run_batch
from tests.standins.cosmos.refusals import Refusal, unsupported
from tests.standins.cosmos.requests import KNOWN_HEADERS, Answer, Request
from tests.standins.cosmos.store import Container, Scope, Store, normal_key

RU_OF_ONE_PARTITION = 10_000
"""More throughput than this makes more physical partitions: https://learn.microsoft.com/azure/cosmos-db/partitioning."""


class Gateway:
    """Answers requests from a store."""

    def __init__(self, store: Store, partitions: int, lag: int) -> None:
        self._store = store
        self._partitions = partitions
        self._lag = lag

    def recognise(self, request: Request) -> Call:
        """The request as it will stand in the log, as far as it can be told before the answer."""
        operation = request.operation
        container = request.segments[3] if len(request.segments) > 3 else None
        if container is not None:
            with suppress(Refusal):  # one that is not there stands in the log as it is named
                container = self._store.get_container(request.segments[1], container).name
        body: Any = {}
        if operation in ("create", "upsert", "batch", "query", "plan", "create-container"):
            with suppress(ValueError):  # refused when it is answered
                body = json.loads(request.raw)
        ids = list(request.segments[5:6])
        match body:
            case list():
                ids += [entry.get("id") or (entry.get("resourceBody") or {}).get("id", "") for entry in body]
            case {"id": str(id)}:
                ids.append(id)
            case _:
                pass
        return Call(
            operation=operation,
            method=request.method,
            path="/" + "/".join(request.segments),
            identity=identity(request.headers.get("authorization", "")),
            container=container,
            key=request.headers.get("x-ms-documentdb-partitionkey"),
            ids=tuple(ids),
            range=request.headers.get("x-ms-documentdb-partitionkeyrangeid"),
            text=body.get("query") if isinstance(body, dict) else None,
            session_token=request.headers.get("x-ms-session-token"),
            operations=len(body) if isinstance(body, list) else 1,
            request_bytes=len(request.raw),
        )

    def answer(self, request: Request) -> Answer:
        """Carry the request out.

        Raises:
            Refusal: Nothing is written.
        """
        if not identity(request.headers.get("authorization", "")):
            raise Refusal(401, "Required Header authorization is missing, or of an unknown kind.")
        strange = {name for name in request.headers if name.startswith("x-ms-")} - KNOWN_HEADERS
        if strange:
            raise unsupported(f"the header {', '.join(sorted(strange))}")
        if request.headers.get("x-ms-consistency-level", "Session") not in ("Session", "Eventual"):
            raise unsupported(f"the consistency level {request.headers['x-ms-consistency-level']}")
        operation = request.operation
        if operation == "unsupported":
            raise unsupported(f"{request.method} /{'/'.join(request.segments)}")
        if len(request.raw) > LARGEST_BYTES:
            raise Refusal(413, "Request size is too large")
        if operation == "account":
            return Answer(200, _account(request.base_url))
        with self._store.transaction():
            if len(request.segments) > 4:
                return _OnItems(self._store, self._lag, request).answer(operation)
            return self._on_resources(request, operation)

    def _on_resources(self, request: Request, operation: str) -> Answer:
        store, segments = self._store, request.segments
        match operation:
            case "create-database":
                return _resource(201, store.create_database(_named(parsed(request.raw))))
            case "read-database":
                return _resource(200, store.get_database(segments[1]))
            case "delete-database":
                store.delete_database(segments[1])
                return Answer(204)
            case "create-container":
                body = _named(parsed(request.raw))
                if (ttl := body.get("defaultTtl")) is not None and not is_ttl(ttl):
                    raise Refusal(400, f"The defaultTtl {ttl} is invalid: it must be a positive integer or -1.")
                for strange in ("uniqueKeyPolicy", "conflictResolutionPolicy", "computedProperties"):
                    if body.get(strange):
                        raise unsupported(f"a container's {strange}")
                throughput = int(request.headers.get("x-ms-offer-throughput", 0))
                partitions = max(self._partitions, -(-throughput // RU_OF_ONE_PARTITION))
                container = store.create_container(store.get_database(segments[1]), body, partitions)
                return _resource(201, container.body)
            case "read-container":
                return _resource(200, store.get_container(segments[1], segments[3]).body)
            case _:
                store.delete_container(store.get_database(segments[1]), segments[3])
                return Answer(204)


class _OnItems:
    """One request inside a container."""

    def __init__(self, store: Store, lag: int, request: Request) -> None:
        self._store = store
        self._lag = lag
        self._request = request
        self._headers = request.headers
        self._container = container = store.get_container(request.segments[1], request.segments[3])
        if self._headers.get("x-ms-cosmos-intended-collection-rid", container.rid) != container.rid:
            raise Refusal(400, "The container has been created anew meanwhile.", substatus=1024)

    def answer(self, operation: str) -> Answer:
        match operation:
            case "ranges":
                answer = self._ranges()
            case "batch":
                answer = self._batch()
            case "plan":
                body = parsed(self._request.raw)
                features = self._headers.get("x-ms-cosmos-supported-query-features", "")
                answer = Answer(200, queries.plan(sql.parse(body["query"]), queries.given_parameters(body), features))
            case "query":
                answer = self._query(parsed(self._request.raw))
            case "list":
                answer = self._query({"query": "SELECT * FROM c"})
            case "feed":
                answer = self._feed()
            case _:
                answer = self._item(operation)
        # Without this name the SDK keeps no session token.
        answer.headers["x-ms-alt-content-path"] = f"dbs/{self._container.database['id']}/colls/{self._container.name}"
        answer.headers["x-ms-content-path"] = self._container.rid
        return answer

    def _item(self, kind: str) -> Answer:
        partition = self._partition()
        number = partition.range.number
        raw, headers = self._request.raw, self._headers
        id = self._request.segments[5] if len(self._request.segments) > 5 else None
        body = parsed(raw) if raw else None
        operation = Operation(kind, id, body, headers.get("if-match"), headers.get("if-none-match"))
        as_of = self._as_of(number) if kind == "read" else None
        outcome = partition.apply(operation, as_of)
        is_bare = outcome.item is None or outcome.status == 304
        is_bare |= kind != "read" and headers.get("prefer") == "return=minimal"
        document = None if is_bare or outcome.item is None else outcome.item.document(self._container)
        answer = self._served(Answer(outcome.status, document, charge=outcome.charge), number, as_of)
        if outcome.item is not None:
            answer.headers["etag"] = outcome.item.etag
        return answer

    def _batch(self) -> Answer:
        if not self._request.says("x-ms-cosmos-batch-atomic"):
            raise unsupported("a batch that is not atomic")
        partition = self._partition()
        outcome = run_batch(self._store, self._container, partition, parsed(self._request.raw))
        answer = Answer(outcome.status, outcome.results, charge=outcome.charge)
        return self._served(answer, partition.range.number, None)

    def _query(self, body: Any) -> Answer:
        query, parameters = sql.parse(body["query"]), queries.given_parameters(body)
        key, number = self._key(), self._range()
        continuation = self._headers.get("x-ms-continuation")
        is_across = key is None and number is None
        if key is not None:
            number = Partition(self._store, self._container, key).range.number
        if number is None:
            if self._request.method == "POST" and not self._request.says("x-ms-documentdb-query-enablecrosspartition"):
                raise Refusal(400, "Cross partition query is required but disabled.")
            queries.refuse_unplanned(query)
            number, continuation = queries.within(continuation)
        as_of = self._as_of(number)
        low, high = self._headers.get("x-ms-start-epk"), self._headers.get("x-ms-end-epk")
        items = self._store.select(self._container, Scope(number, as_of, key, low, high))
        page = queries.run(self._container, query, parameters, items, self._request.most, continuation)
        if is_across:
            page = queries.across(page, number, number == self._container.ranges[-1].number)
        answer = _listed(self._container, "Documents", page.results, page.charge)
        if page.continuation is not None:
            answer.headers["x-ms-continuation"] = page.continuation
        return self._served(answer, number, as_of)

    def _feed(self) -> Answer:
        number = self._range()
        if number is None:
            raise unsupported("a change feed without a physical partition's id")
        as_of = self._as_of(number)
        changes = read_changes(self._store, self._container, number, as_of, self._headers, self._request.most)
        answer = _listed(self._container, "Documents", changes.documents, changes.charge)
        if not changes.documents:
            answer = Answer(304, charge=changes.charge)
        answer.headers["etag"] = changes.etag
        return self._served(answer, number, as_of)

    def _ranges(self) -> Answer:
        # Physical partitions never change here, so one ETag is enough.
        etag = '"ranges"'
        if self._headers.get("if-none-match") == etag:
            return Answer(304, headers={"etag": etag})
        ranges = [
            {"id": str(range_.number), "minInclusive": range_.low, "maxExclusive": range_.high, "parents": []}
            for range_ in self._container.ranges
        ]
        answer = _listed(self._container, "PartitionKeyRanges", ranges, charges.METADATA)
        answer.headers["etag"] = etag
        return answer

    def _partition(self) -> Partition:
        key = self._key()
        if key is None:
            raise Refusal(400, "PartitionKey value must be supplied for this operation.")
        return Partition(self._store, self._container, key)

    def _key(self) -> str | None:
        given = self._headers.get("x-ms-documentdb-partitionkey")
        return None if given is None else normal_key(parsed(given.encode()))

    def _range(self) -> int | None:
        given = self._headers.get("x-ms-documentdb-partitionkeyrangeid")
        if given is None:
            return None
        if not given.isdigit() or int(given) >= len(self._container.ranges):
            raise Refusal(410, f"The partition key range '{given}' is gone.", substatus=1002)
        return int(given)

    def _as_of(self, number: int) -> int:
        """The LSN whose state a read is shown: the newest, or one that lags as far as its session token allows.

        Raises:
            Refusal: 404/1002: the token is ahead of everything that was written.
        """
        newest = self._store.lsn(self._container, number)
        token = _token_of(self._headers.get("x-ms-session-token", ""), number)
        if token > newest:
            message = "The read session is not available for the input session token."
            raise Refusal(404, message, substatus=1002)
        return max(token, newest - self._lag)

    def _served(self, answer: Answer, number: int, as_of: int | None) -> Answer:
        lsn = self._store.lsn(self._container, number) if as_of is None else as_of
        answer.headers["x-ms-session-token"] = f"{number}:-1#{lsn}"
        answer.headers["x-ms-documentdb-partitionkeyrangeid"] = str(number)
        answer.headers["lsn"] = str(lsn)
        return answer


def _account(base_url: str) -> Mapping[str, Any]:
    # The SDK goes on with the address that stands here.
    location = [{"name": "Loopback", "databaseAccountEndpoint": f"{base_url}/"}]
    return {
        "id": "stand-in",
        "_rid": "stand-in",
        "_self": "",
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": location,
        "readableLocations": location,
        "enableMultipleWriteLocations": False,
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "userReplicationPolicy": {"asyncReplication": False, "minReplicaSetSize": 1, "maxReplicasetSize": 4},
    }


def _named(body: Any) -> dict[str, Any]:
    name = body.get("id") if isinstance(body, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 255 or set(name) & set("/\\?#"):
        message = "Ensure to provide a unique non-empty string less than '255' characters."
        raise Refusal(400, f"The name {name!r} is invalid. {message}")
    return dict(body)


def _resource(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, body, {"etag": str(body["_etag"])})


def _listed(container: Container, kind: str, entries: Sequence[Any], charge: float) -> Answer:
    headers = {"x-ms-item-count": str(len(entries))}
    return Answer(200, {"_rid": container.rid, kind: entries, "_count": len(entries)}, headers, charge)


def _token_of(tokens: str, number: int) -> int:
    """The LSN that a session token such as `0:-1#12,1:-1#7` names for one physical partition; -1 for none."""
    for token in filter(None, tokens.split(",")):
        range_number, _, vector = token.strip().partition(":")
        try:
            if int(range_number) == number:
                return int(vector.split("#")[1])
        except (ValueError, IndexError):
            raise Refusal(400, f"The session token '{tokens}' is invalid.") from None
    return -1
