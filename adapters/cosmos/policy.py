"""Implements `PolicyStore` on Cosmos DB: the head, and whatever must change together with it, in one partition."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.cosmos.client import Cosmos, Operation
from adapters.cosmos.containers import POLICY
from adapters.cosmos.items import PART_CHARACTERS, from_stored, item_id, pack, to_stored, unpack
from adapters.cosmos.repeating import repeat
from domain.errors import NotFoundError, RejectedError, UnavailableError
from domain.situations import PolicyHead

PART = "policy"
HEAD = "head"

OPERATIONS_REMEMBERED = 20
"""So many later changes by others may come before one whose answer was lost is looked for."""

TURN_SECONDS = 30.0
"""So long a change waits for those that this process asked for before it."""


@dataclass(frozen=True, slots=True)
class Change[T]:
    """The head as it is to be, and what is written with it in the same transaction."""

    head: PolicyHead
    operations: Sequence[Operation]
    result: T


class PolicyPart:
    """The partition of the head; each change of it is decided on the head as it is, and is written once.

    The head names the latest operations, so that one whose answer was lost is recognised: a second attempt would
    count the silences' version up again, and would call a stop what was none.
    """

    def __init__(self, cosmos: Cosmos) -> None:
        self.container = cosmos.container(POLICY)
        self._lock = asyncio.Lock()

    async def get_head(self) -> PolicyHead:
        """One point read of less than a kilobyte: one request unit, at every flush."""
        item = await self.container.read(HEAD, PART)
        return from_stored(PolicyHead, item["head"]) if item else PolicyHead()

    async def change[T](self, decide: Callable[[PolicyHead], Awaitable[Change[T]]]) -> T:
        """Ask `decide` about the head and write what it says, all or nothing; again if another writer was faster.

        It may read more of this partition: nothing here changes without the head, but what is forgotten.  Returns the
        result of the decision that was written, or of one that changes nothing.

        Raises:
            UnavailableError: Nothing is written; or, as UnsureError, it may have been.
        """
        tried: dict[str, T] = {}

        async def attempt() -> T:
            item = await self.container.read(HEAD, PART)
            operations: list[str] = item["operations"] if item else []
            for operation in operations:
                if operation in tried:
                    return tried[operation]
            head = from_stored(PolicyHead, item["head"]) if item else PolicyHead()
            change = await decide(head)
            if change.head == head and not change.operations:
                return change.result
            # A new name for each attempt: an earlier one may still be carried out, and had another result.
            operation = secrets.token_hex(6)
            tried[operation] = change.result
            written = {
                "id": HEAD,
                "part": PART,
                "type": "head",
                "head": to_stored(change.head),
                "operations": [*operations[1 - OPERATIONS_REMEMBERED :], operation],
            }
            write: Operation = ("create", (written,), {})
            if item:
                write = ("replace", (HEAD, written), {"if_match_etag": item["_etag"]})
            await self.container.batch(PART, [write, *change.operations])
            return change.result

        async with self.turn():
            return await repeat("the policy head", attempt)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """One after the other, in the order in which they were asked for: only other processes can be faster."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._lock.acquire()
        except TimeoutError as error:
            raise UnavailableError("the store is slow: other changes of the policy are under way") from error
        try:
            yield
        finally:
            self._lock.release()


class CosmosPolicyStore:
    """Implements `PolicyStore`."""

    def __init__(self, part: PolicyPart) -> None:
        self._part = part

    async def get_head(self) -> PolicyHead:
        return await self._part.get_head()

    async def heard(self, now: datetime, *, resumed: bool) -> PolicyHead:
        async def hear(head: PolicyHead) -> Change[PolicyHead]:
            since = now if resumed or head.listening_since is None else head.listening_since
            silent_since = head.heard_at if resumed else head.silent_since
            head = replace(head, listening_since=since, silent_since=silent_since, heard_at=now)
            return Change(head, (), head)

        return await self._part.change(hear)

    async def activate(self, version: str, text: str, at: datetime) -> PolicyHead:
        item = {
            "id": item_id("configuration", version),
            "part": PART,
            "type": "configuration",
            "version": version,
            "at": to_stored(at),
            "text": await asyncio.to_thread(pack, text.encode()),
        }
        if (size := len(item["text"])) > PART_CHARACTERS:
            raise RejectedError(
                f"the configuration is too large: with its templates {size} bytes compressed, "
                f"and {PART_CHARACTERS} is the most that Cosmos DB keeps in one item"
            )

        async def put_in_force(head: PolicyHead) -> Change[PolicyHead]:
            head = replace(head, configuration_version=version)
            return Change(head, [("upsert", (item,), {})], head)

        return await self._part.change(put_in_force)

    async def get_configuration(self, version: str) -> str:
        item = await self._part.container.read(item_id("configuration", version), PART)
        if item is None:
            raise NotFoundError(f"no configuration {version!r}")
        return (await asyncio.to_thread(unpack, item["text"])).decode()

    async def list_configurations(self) -> list[tuple[str, datetime]]:
        found, _ = await self._part.container.query(
            "select c.version, c.at from c where c.type = 'configuration'", PART
        )
        versions = sorted((item["version"], from_stored(datetime, item["at"])) for item in found)
        return sorted(versions, key=lambda pair: pair[1], reverse=True)
