"""Store: databases, containers, and items with their LSNs, in SQLite; a file survives the process's kill."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from azure.cosmos.partition_key import NonePartitionKeyValue, PartitionKey

from tests.standins.cosmos.evaluating import UNDEFINED, at_path
from tests.standins.cosmos.indexing import IndexingPolicy, completed, path_steps
from tests.standins.cosmos.refusals import Refusal, unsupported

SYSTEM_PROPERTIES = ("_rid", "_self", "_etag", "_ts", "_attachments", "_lsn")

_SCHEMA = """
    create table if not exists resources (
        kind text, parent text, name text, rid text, body text, partitions integer, primary key (kind, parent, name));
    create table if not exists items (
        container text, key text, id text, number integer, range integer, epk text, etag text, ts integer,
        expires_at integer, lsn integer, body text, primary key (container, key, id)) without rowid;
    create index if not exists items_by_lsn on items (container, range, lsn);
    create table if not exists former (
        container text, key text, id text, number integer, range integer, epk text, etag text, ts integer,
        expires_at integer, lsn integer, body text, until integer);
    create index if not exists former_by_key on former (container, range, until);
    create table if not exists lsns (container text, range integer, lsn integer, primary key (container, range));
    create table if not exists numbers (name text primary key, number integer);
"""
_COLUMNS = "key, id, number, range, epk, etag, ts, expires_at, lsn, body"


@dataclass(frozen=True, slots=True)
class Range:
    """One physical partition: the effective partition keys from `low` up to, and without, `high`."""

    number: int
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Container:
    """A container's definition; its items are in the store."""

    rid: str
    database: Mapping[str, Any]
    body: Mapping[str, Any]
    """As it is answered."""
    key_paths: tuple[tuple[str, ...], ...]
    policy: IndexingPolicy
    ranges: tuple[Range, ...]

    @property
    def name(self) -> str:
        return str(self.body["id"])

    @property
    def default_ttl(self) -> int | None:
        ttl: int | None = self.body.get("defaultTtl")
        return ttl

    def key_of(self, document: Mapping[str, Any]) -> str:
        """The item's partition key as the header has it: JSON, `[{}]` where the property is absent."""
        values = [at_path(document, steps) for steps in self.key_paths]
        return normal_key([{} if value is UNDEFINED or isinstance(value, dict | list) else value for value in values])

    def effective_key(self, key: str) -> str:
        return _effective_key(key, str(self.body["partitionKey"].get("kind", "Hash")), len(self.key_paths))

    def range_of(self, key: str) -> Range:
        effective = self.effective_key(key)
        return next(range_ for range_ in self.ranges if range_.low <= effective < range_.high)


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    id: str
    number: int
    """Where it stands in its container's order of creation: what its _rid is made from."""
    range: int
    epk: str
    etag: str
    ts: int
    expires_at: int | None
    lsn: int
    text: str
    """Its own properties, as JSON."""

    @property
    def size(self) -> int:
        """In bytes of UTF-8, without the system properties."""
        return len(self.text.encode())

    def document(self, container: Container) -> dict[str, Any]:
        """As it is answered, the system properties among its own."""
        rid = document_rid(container.rid, self.number)
        document: dict[str, Any] = json.loads(self.text)
        document["_rid"] = rid
        document["_self"] = f"{container.body['_self']}docs/{rid}/"
        document["_etag"] = self.etag
        document["_attachments"] = "attachments/"
        document["_ts"] = self.ts
        return document


@dataclass(frozen=True, slots=True)
class Scope:
    """Which items a query or a feed looks at."""

    range: int
    """The physical partition's number."""
    as_of: int
    """The LSN whose state is seen."""
    key: str | None = None
    low: str | None = None
    high: str | None = None
    """Bounds of the effective partition key, half-open."""
    since: int = -1
    """Only what was written after this LSN."""


class Store:
    """All of one account.  Every method of one request runs inside one `transaction`."""

    def __init__(self, path: Path | None, clock: Callable[[], float], kept_lsns: int) -> None:
        self.clock = clock
        self._kept_lsns = kept_lsns
        self._database = sqlite3.connect(str(path or ":memory:"), isolation_level=None)
        self._database.executescript(f"pragma journal_mode = wal; pragma synchronous = normal; {_SCHEMA}")
        self._containers: dict[str, Container] = {}

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._database.execute("rollback")
            self._containers.clear()
            raise
        self._database.execute("commit")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undoes what is written inside where the block raises."""
        self._database.execute("savepoint inner_block")
        try:
            yield
        except BaseException:
            self._database.execute("rollback to inner_block")
            raise
        finally:
            self._database.execute("release inner_block")

    def next_number(self, name: str) -> int:
        row = self._database.execute(
            "insert into numbers values (?, 1) on conflict do update set number = number + 1 returning number", (name,)
        ).fetchone()
        return int(row[0])

    # --- databases and containers -----------------------------------------------------------------------------------

    def create_database(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        rid = _rid(b"", self.next_number("database"), 4)
        return self._create("database", "", {**body, "_rid": rid, "_self": f"dbs/{rid}/", "_colls": "colls/"}, 1)

    def get_database(self, name_or_rid: str) -> Mapping[str, Any]:
        return self._get("database", "", name_or_rid)[0]

    def delete_database(self, name_or_rid: str) -> None:
        database = self.get_database(name_or_rid)
        rows = self._database.execute("select name from resources where parent = ?", (database["_rid"],)).fetchall()
        for (name,) in rows:
            self.delete_container(database, name)
        self._database.execute("delete from resources where rid = ?", (database["_rid"],))

    def create_container(self, database: Mapping[str, Any], body: Mapping[str, Any], partitions: int) -> Container:
        rid = _rid(_bytes(database["_rid"]), self.next_number("container"), 4)
        policy = completed(body.get("indexingPolicy", {}))
        whole = {**body, "indexingPolicy": policy, "_rid": rid, "_self": f"{database['_self']}colls/{rid}/"}
        container = _container(database, {**whole, "_docs": "docs/"}, partitions)
        self._create("container", database["_rid"], container.body, partitions)
        return self.get_container(database["id"], container.name)

    def get_container(self, database: str, name_or_rid: str) -> Container:
        """
        Raises:
            Refusal: 404; substatus 1003 where the database is gone.
        """
        found = self._containers.get(f"{database}/{name_or_rid}")
        if found is None:
            try:
                owner = self.get_database(database)
            except Refusal as refusal:
                raise Refusal(404, refusal.message, substatus=1003) from None
            found = _container(owner, *self._get("container", owner["_rid"], name_or_rid))
            self._containers[f"{database}/{name_or_rid}"] = found
        return found

    def delete_container(self, database: Mapping[str, Any], name_or_rid: str) -> None:
        rid = self._get("container", database["_rid"], name_or_rid)[0]["_rid"]
        self._containers.clear()
        for table in ("items", "former", "lsns"):
            self._database.execute(f"delete from {table} where container = ?", (rid,))
        self._database.execute("delete from resources where rid = ?", (rid,))

    def _create(self, kind: str, parent: str, body: Mapping[str, Any], partitions: int) -> Mapping[str, Any]:
        whole = {**body, "_etag": _etag(), "_ts": int(self.clock())}
        try:
            self._database.execute(
                "insert into resources values (?, ?, ?, ?, ?, ?)",
                (kind, parent, body["id"], body["_rid"], json.dumps(whole), partitions),
            )
        except sqlite3.IntegrityError:
            raise Refusal(409, f"Resource with specified id or name already exists: {kind} {body['id']}.") from None
        return whole

    def _get(self, kind: str, parent: str, name_or_rid: str) -> tuple[Mapping[str, Any], int]:
        row = self._database.execute(
            "select body, partitions from resources where kind = ? and parent = ? and ? in (name, rid)",
            (kind, parent, name_or_rid),
        ).fetchone()
        if row is None:
            raise Refusal(404, f"Resource Not Found: no {kind} '{name_or_rid}'.")
        return json.loads(row[0]), int(row[1])

    # --- LSNs -------------------------------------------------------------------------------------------------------

    def lsn(self, container: Container, range_number: int) -> int:
        row = self._database.execute(
            "select lsn from lsns where container = ? and range = ?", (container.rid, range_number)
        ).fetchone()
        return int(row[0]) if row else 1

    def advance(self, container: Container, range_number: int) -> int:
        """The LSN of one more commit of this range."""
        lsn = self.lsn(container, range_number) + 1
        self._database.execute("insert or replace into lsns values (?, ?, ?)", (container.rid, range_number, lsn))
        self._database.execute(
            "delete from former where container = ? and range = ? and until <= ?",
            (container.rid, range_number, lsn - self._kept_lsns),
        )
        return lsn

    # --- items ------------------------------------------------------------------------------------------------------

    def find(self, container: Container, key: str, id_or_rid: str, as_of: int | None = None) -> Item | None:
        """The item as it is now, or as it was at an LSN that is still kept."""
        number = _number(container.rid, id_or_rid)
        column, value = ("id", id_or_rid) if number is None else ("number", number)
        where = f"container = ? and key = ? and {column} = ? and {self._is_live}"
        arguments = (container.rid, key, value)
        item = self._one(f"select {_COLUMNS} from items where {where}", arguments)
        if as_of is None or (item is not None and item.lsn <= as_of):
            return item
        where = f"{where} and lsn <= ? and until > ?"
        return self._one(f"select {_COLUMNS} from former where {where}", (*arguments, as_of, as_of))

    def select(self, container: Container, scope: Scope) -> list[Item]:
        """The items of a scope, unordered."""
        where = f"container = ? and range = ? and lsn > ? and lsn <= ? and {self._is_live}"
        arguments: list[Any] = [container.rid, scope.range, scope.since, scope.as_of]
        for condition, value in (("key = ?", scope.key), ("epk >= ?", scope.low), ("epk < ?", scope.high)):
            if value is not None:
                where += f" and {condition}"
                arguments.append(value)
        rows = self._database.execute(f"select {_COLUMNS} from items where {where}", arguments).fetchall()
        if scope.as_of < self.lsn(container, scope.range):
            rows += self._database.execute(
                f"select {_COLUMNS} from former where {where} and until > ?", (*arguments, scope.as_of)
            ).fetchall()
        return [Item(*row) for row in rows]

    def put(self, container: Container, item: Item) -> Item:
        """Write the item in place of what has its key and id; the stored one, with a new ETag."""
        stored = replace(item, etag=_etag())
        self._keep_former(container, item.key, item.id, item.lsn)
        self._database.execute(
            "insert or replace into items values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                container.rid,
                *(stored.key, stored.id, stored.number, stored.range, stored.epk, stored.etag, stored.ts),
                *(stored.expires_at, stored.lsn, stored.text),
            ),
        )
        return stored

    def remove(self, container: Container, item: Item, lsn: int) -> None:
        self._keep_former(container, item.key, item.id, lsn)
        self._database.execute(
            "delete from items where container = ? and key = ? and id = ?", (container.rid, item.key, item.id)
        )

    @property
    def _is_live(self) -> str:
        return f"(expires_at is null or expires_at > {self.clock():f})"

    def _keep_former(self, container: Container, key: str, id: str, until: int) -> None:
        if self._kept_lsns:
            self._database.execute(
                f"insert into former select container, {_COLUMNS}, ? from items where (container, key, id) = (?, ?, ?)",
                (until, container.rid, key, id),
            )

    def _one(self, statement: str, arguments: Sequence[Any]) -> Item | None:
        row = self._database.execute(statement, arguments).fetchone()
        return Item(*row) if row else None


def normal_key(values: Sequence[Any]) -> str:
    """A partition key as JSON; 1 and 1.0 are one key, as the service has doubles only."""
    return json.dumps([int(value) if isinstance(value, float) and value.is_integer() else value for value in values])


def document_rid(container_rid: str, number: int) -> str:
    return _rid(_bytes(container_rid), number, 8)


def _container(database: Mapping[str, Any], body: Mapping[str, Any], partitions: int) -> Container:
    definition = body["partitionKey"]
    if definition.get("version", 1) != 2:
        raise unsupported("partition keys of version 1")
    paths = tuple(path_steps(path) for path in definition["paths"])
    if len(paths) > 3:
        raise Refusal(400, "A hierarchical partition key has at most three levels.")
    # The hash leaves the two highest bits clear, so the keys in use end at 3FFF...
    cuts = ["", *(f"{(1 << 126) // partitions * cut:032X}" for cut in range(1, partitions)), "FF"]
    ranges = tuple(Range(number, *bounds) for number, bounds in enumerate(pairwise(cuts)))
    return Container(body["_rid"], database, body, paths, IndexingPolicy.of(body["indexingPolicy"]), ranges)


@lru_cache(maxsize=65_536)
def _effective_key(key: str, kind: str, levels: int) -> str:
    """By the SDK's own hash, which is slow in Python, hence the cache."""
    values = [NonePartitionKeyValue if value == {} else value for value in json.loads(key)]
    definition = PartitionKey(path=["/"] * levels, kind="MultiHash") if kind == "MultiHash" else PartitionKey(path="/")
    return str(definition._get_effective_partition_key_string(values))


def _etag() -> str:
    return f'"{uuid4()}"'


@cache
def _bytes(rid: str) -> bytes:
    return base64.b64decode(rid, altchars=b"+-")


def _rid(parent: bytes, number: int, length: int) -> str:
    return base64.b64encode(parent + number.to_bytes(length, "big"), altchars=b"+-").decode()


def _number(container_rid: str, rid: str) -> int | None:
    """The number in an item's _rid; None where it is none of this container."""
    if len(rid) != 24:
        return None
    try:
        whole = base64.b64decode(rid, altchars=b"+-", validate=True)
    except ValueError:
        return None
    parent = _bytes(container_rid)
    return int.from_bytes(whole[len(parent) :], "big") if whole.startswith(parent) else None
