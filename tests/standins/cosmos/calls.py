"""Call: one request as the stand-in saw and answered it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Call:
    operation: str
    """account, create-database, read-container, ranges, create, upsert, read, replace, patch, delete, batch, query,
    plan, feed, list and so on."""
    method: str
    path: str
    identity: str
    """"key", or "entra" with the bearer token after a blank."""
    container: str | None = None
    key: str | None = None
    """The partition key as its header has it, such as `["g1"]`."""
    ids: tuple[str, ...] = ()
    """The items that it names."""
    range: str | None = None
    """The physical partition that it names."""
    text: str | None = None
    """The query's."""
    session_token: str | None = None
    operations: int = 1
    """How many a batch has."""
    request_bytes: int = 0
    status: int = 0
    """0 where the connection was cut instead."""
    substatus: int | None = None
    charge: float = 0.0
    response_bytes: int = 0
    fault: str | None = None
    """The kind of the fault that met it."""

    def json(self) -> Mapping[str, Any]:
        return asdict(self)


class Calls:
    """What a server was asked, the oldest first; entered when it is answered."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        self._calls.append(call)

    def clear(self) -> None:
        self._calls.clear()

    def of(self, operation: str | None = None, container: str | None = None) -> list[Call]:
        """Those of one operation, in one container, or of any."""
        return [
            call for call in self._calls if operation in (None, call.operation) and container in (None, call.container)
        ]

    def charge(self, operation: str | None = None, container: str | None = None) -> float:
        """Their request units together."""
        return sum(call.charge for call in self.of(operation, container))


def identity(authorization: str) -> str:
    """Who asks, from the header `type%3Dmaster%26ver%3D1.0%26sig%3D...`; empty where it is neither known kind."""
    fields = dict(field.partition("=")[::2] for field in unquote(authorization).split("&"))
    match fields.get("type"):
        case "master":
            return "key"
        case "aad":
            return f"entra {fields.get('sig', '')}"
        case _:
            return ""
