"""Operation: one create, upsert, read, replace, patch or delete of an item, alone or in a transactional batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.standins.cosmos import charges
from tests.standins.cosmos.patching import patch
from tests.standins.cosmos.refusals import Refusal, unsupported
from tests.standins.cosmos.store import SYSTEM_PROPERTIES, Container, Item, Store

LARGEST_BYTES = 2 * 1024 * 1024
"""Of an item, and of a request: https://learn.microsoft.com/azure/cosmos-db/concepts-limits."""
LONGEST_ID_BYTES = 1023
LONGEST_KEY_BYTES = 2048
MOST_BATCHED = 100

_KEY_MISMATCH = (
    "PartitionKey extracted from document doesn't match the one specified in the header. Partition key provided either "
    "doesn't correspond to definition in the collection or doesn't match partition key field values specified in the "
    "document."
)
_BATCHED = {"ifMatch", "ifNoneMatch", "id", "operationType", "resourceBody", "partitionKey"}


@dataclass(frozen=True, slots=True)
class Operation:
    kind: str
    """create, upsert, read, replace, patch or delete."""
    id: str | None = None
    """The id or the _rid of an item that is there; None for a create or an upsert, which have it in the body."""
    body: Any = None
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    item: Item | None
    """What is answered; None after a delete."""
    charge: float


class Partition:
    """One logical partition within one request: whatever is written here has one LSN."""

    def __init__(self, store: Store, container: Container, key: str) -> None:
        if len(json.loads(key)) != len(container.key_paths):
            raise Refusal(400, _KEY_MISMATCH, substatus=1001)
        if any(len(value.encode()) > LONGEST_KEY_BYTES for value in json.loads(key) if isinstance(value, str)):
            raise Refusal(400, f"A partition key value has at most {LONGEST_KEY_BYTES} bytes.")
        self.range = container.range_of(key)
        self._store = store
        self._container = container
        self._key = key
        self._lsn: int | None = None

    def apply(self, operation: Operation, as_of: int | None = None) -> Outcome:
        """Carry it out; a read may look at the past.

        Raises:
            Refusal: Nothing is written, or what is written the caller rolls back.
        """
        if operation.kind == "create":
            return self._create(operation)
        if operation.kind == "upsert":
            there = self._find(_id_of(operation.body))
            if operation.if_none_match is not None or (operation.if_match is not None and there is None):
                raise unsupported("an upsert with If-None-Match, or with If-Match of an item that is not there")
            return self._create(operation) if there is None else self._replace(operation, there, operation.body)
        assert operation.id is not None
        item = self._find(operation.id, as_of)
        if item is None:
            raise Refusal(404, f"Entity with the specified id does not exist in the system: '{operation.id}'.")
        match operation.kind:
            case "read":
                is_known = operation.if_none_match in ("*", item.etag)
                return Outcome(304 if is_known else 200, item, charges.read(item.size))
            case "replace":
                self._rename(item, _id_of(operation.body))
                return self._replace(operation, item, operation.body)
            case "patch":
                document = item.document(self._container)
                patch(document, operation.body)
                return self._replace(operation, item, document)
            case "delete":
                self._check(operation, item)
                self._store.remove(self._container, item, self._next_lsn())
                return Outcome(204, None, charges.delete(item.size, self._indexed_paths(json.loads(item.text))))
            case other:
                raise unsupported(f"the operation {other}")

    def _create(self, operation: Operation) -> Outcome:
        if operation.if_none_match not in (None, "*"):
            raise unsupported("a create with If-None-Match")
        id = _id_of(operation.body)
        if self._find(id) is not None:
            raise Refusal(409, f"Entity with the specified id already exists in the system: '{id}'.")
        number = self._store.next_number(self._container.rid)
        item = self._written(operation.body, number)
        return Outcome(201, item, charges.create(item.size, self._indexed_paths(operation.body)))

    def _replace(self, operation: Operation, there: Item, body: Mapping[str, Any]) -> Outcome:
        self._check(operation, there)
        item = self._written(body, there.number)
        return Outcome(200, item, charges.replace(item.size, self._indexed_paths(body)))

    def _rename(self, there: Item, id: str) -> None:
        """The service lets a replace give the item another id."""
        if id == there.id:
            return
        if self._find(id) is not None:
            raise Refusal(409, f"Entity with the specified id already exists in the system: '{id}'.")
        self._store.remove(self._container, there, self._next_lsn())

    def _written(self, body: Mapping[str, Any], number: int) -> Item:
        own = {name: value for name, value in body.items() if name not in SYSTEM_PROPERTIES}
        if self._container.key_of(own) != self._key:
            raise Refusal(400, _KEY_MISMATCH, substatus=1001)
        ts = int(self._store.clock())
        item = Item(
            self._key,
            _id_of(own),
            number,
            self.range.number,
            self._container.effective_key(self._key),
            "",
            ts,
            self._expires_at(own, ts),
            self._next_lsn(),
            json.dumps(own, ensure_ascii=False, separators=(",", ":")),
        )
        if item.size > LARGEST_BYTES:
            raise Refusal(413, "Request size is too large")
        return self._store.put(self._container, item)

    def _expires_at(self, own: Mapping[str, Any], ts: int) -> int | None:
        ttl = own.get("ttl", self._container.default_ttl)
        if "ttl" in own and not is_ttl(ttl):
            raise Refusal(400, f"The input ttl '{ttl}' is invalid: it must be a positive integer or -1.")
        is_kept = self._container.default_ttl is None or ttl is None or ttl == -1
        return None if is_kept else ts + int(ttl)

    def _check(self, operation: Operation, item: Item) -> None:
        if operation.if_none_match is not None:
            raise unsupported(f"a {operation.kind} with If-None-Match")
        if operation.if_match not in (None, "*", item.etag):
            raise Refusal(412, f"One of the specified pre-condition is not met: '{item.id}' has changed.")

    def _find(self, id: str, as_of: int | None = None) -> Item | None:
        return self._store.find(self._container, self._key, id, as_of)

    def _next_lsn(self) -> int:
        if self._lsn is None:
            self._lsn = self._store.advance(self._container, self.range.number)
        return self._lsn

    def _indexed_paths(self, body: Mapping[str, Any]) -> int:
        own = {name: value for name, value in body.items() if name not in SYSTEM_PROPERTIES}
        return self._container.policy.count(own)


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    status: int
    """200, or 207 where one operation was refused and nothing is written."""
    results: Sequence[Mapping[str, Any]]
    charge: float


def run_batch(store: Store, container: Container, partition: Partition, given: Any) -> BatchOutcome:
    """Carry out all operations, or none.

    Raises:
        Refusal: The batch itself is not acceptable.
    """
    if not given:
        raise Refusal(400, "Batch request has no operations.")
    if len(given) > MOST_BATCHED:
        raise Refusal(400, "Batch request has more operations than what is supported.")
    operations = [_batched(entry) for entry in given]
    results: list[Mapping[str, Any]] = []
    charge = 0.0
    try:
        with store.savepoint():
            for operation in operations:
                outcome = partition.apply(operation)
                charge += outcome.charge
                results.append(_result(container, outcome))
    except Refusal as refusal:
        if refusal.status == 501:  # loud: not one operation's answer among others
            raise
        charge += charges.REFUSED
        failed: dict[str, Any] = {"statusCode": refusal.status, "requestCharge": charges.REFUSED}
        if refusal.substatus is not None:
            failed["subStatusCode"] = refusal.substatus
        dependent = {"statusCode": 424, "requestCharge": 0}
        rest = [dependent] * (len(operations) - len(results) - 1)
        return BatchOutcome(207, [*[dependent] * len(results), failed, *rest], charge)
    return BatchOutcome(200, results, charge)


def parsed(raw: bytes) -> Any:
    """The body of a request.

    Raises:
        Refusal: It is no JSON, or has a number that the service would not keep as it is.
    """
    try:
        return json.loads(raw, parse_int=_exact, parse_constant=_no_constant)
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(400, f"The request payload is invalid: {error}.") from None


def is_ttl(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (value > 0 or value == -1)


def _batched(entry: Mapping[str, Any]) -> Operation:
    if strange := entry.keys() - _BATCHED:
        raise unsupported(f"{', '.join(sorted(strange))} in a batch")
    return Operation(
        str(entry["operationType"]).lower(),
        entry.get("id"),
        entry.get("resourceBody"),
        entry.get("ifMatch"),
        entry.get("ifNoneMatch"),
    )


def _result(container: Container, outcome: Outcome) -> Mapping[str, Any]:
    result: dict[str, Any] = {"statusCode": outcome.status, "requestCharge": round(outcome.charge, 2)}
    if outcome.item is not None:
        result["eTag"] = outcome.item.etag
        if outcome.status != 304:
            result["resourceBody"] = outcome.item.document(container)
    return result


def _id_of(body: Any) -> str:
    id = body.get("id") if isinstance(body, dict) else None
    if not isinstance(id, str) or not id or len(id.encode()) > LONGEST_ID_BYTES or set(id) & set("/\\?#"):
        message = "Ensure to provide a unique non-empty string less than '1024' characters."
        raise Refusal(400, f"The id {id!r} is missing or invalid. {message}")
    return id


def _exact(digits: str) -> int:
    number = int(digits)
    if int(float(number)) != number:
        raise unsupported(f"the number {digits}: the service keeps doubles and would round it")
    return number


def _no_constant(name: str) -> None:
    raise Refusal(400, f"The request payload is invalid: {name} is no JSON.")
