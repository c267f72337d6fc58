"""Implements `SourceStore` on Cosmos DB: an item for each document of inhibition, further ones where that is huge."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from adapters.cosmos.client import ConflictError, Cosmos, Item, Operation
from adapters.cosmos.containers import DAY, SOURCES
from adapters.cosmos.items import from_stored, pack, split, to_stored, unpack
from adapters.cosmos.repeating import repeat, together
from adapters.documents import decode, encode
from domain.errors import UnavailableError
from domain.inhibition import InhibitRule, Source, SourceKey, Sources, with_reports

log = logging.getLogger("tocsin.cosmos")

PLAIN_BYTES = 1500
"""A document up to this size is stored so that people can read it; larger ones are compressed to a sixth or so."""

LONGEST_TTL = timedelta(days=10_000)
"""Senders do write the year 9999, and the service takes no more than 2³¹ seconds."""

TURNS = 64


@dataclass(slots=True)
class _Waiting:
    """Reports about one document that came while it was being written: the next write takes them all."""

    reports: list[Source] = field(default_factory=list)
    now: datetime | None = None
    is_written: bool = False
    error: UnavailableError | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """A document, and the item that it was read from."""

    sources: Sources
    item: Item | None


class CosmosSourceStore:
    """A document is read, merged and written if that changed it; who is overtaken merges into the newer one.

    Within this process the reports about one document are written one write at a time: in a storm thousands of alerts
    report to the same one, and all that wait share the next write.
    """

    def __init__(self, cosmos: Cosmos) -> None:
        self._container = cosmos.container(SOURCES)
        self._waiting: dict[SourceKey, _Waiting] = {}
        self._turns = [asyncio.Lock() for _ in range(TURNS)]

    async def report_sources(self, reports: Mapping[SourceKey, Sequence[Source]], now: datetime) -> None:
        await together(partial(self._report, key, sources, now) for key, sources in reports.items())

    async def forget_rules(self, rules: Collection[InhibitRule]) -> None:
        if not rules:
            return
        ids = {f"rule{number}": rule.id for number, rule in enumerate(rules)}
        names = ", ".join(f"@{name}" for name in ids)
        query = f"select c.id, c.parts, c.revision from c where c.rule in ({names})"
        async for page in self._container.pages(query, **ids):
            await together(partial(self._remove, item) for item in page)

    async def forget_sources(self, now: datetime) -> None:
        query = "select value c.id from c where c.earliest < @now"
        async for page in self._container.pages(query, now=now.timestamp()):
            await together(partial(self._report, SourceKey(key), (), now) for key in page)

    async def get_sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sources]:
        documents = await together(partial(self._get, key) for key in keys)
        return {key: stored.sources for key, stored in zip(keys, documents, strict=True)}

    # --- one document -----------------------------------------------------------------------------------------------

    async def _report(self, key: SourceKey, reports: Iterable[Source], now: datetime) -> None:
        waiting = self._waiting.setdefault(key, _Waiting())
        waiting.reports += reports
        waiting.now = max(waiting.now or now, now)
        async with self._turns[hash(key) % TURNS]:
            if not waiting.is_written and waiting.error is None:
                # Whoever comes from now on waits for the next write.
                if self._waiting.get(key) is waiting:
                    del self._waiting[key]
                try:
                    await repeat(f"inhibition document {key}", partial(self._merge, key, waiting.reports, waiting.now))
                    waiting.is_written = True
                except UnavailableError as error:
                    waiting.error = error
        if waiting.error is not None:
            raise waiting.error

    async def _get(self, key: SourceKey) -> _Stored:
        return await repeat(f"inhibition document {key}", partial(self._load, key))

    async def _merge(self, key: SourceKey, reports: Iterable[Source], now: datetime) -> None:
        stored = await self._load(key)
        sources = with_reports(stored.sources, reports, now)
        if sources == stored.sources:
            return
        if sources:
            await self._save(key, sources, stored.item, now)
        elif stored.item:
            await self._container.batch(key, [("delete", (key,), {"if_match_etag": stored.item["_etag"]})])
        if stored.item:
            await self._drop_parts(stored.item)

    async def _load(self, key: SourceKey) -> _Stored:
        item = await self._container.read(key, key)
        if item is None:
            return _Stored({}, None)
        if "sources" in item:
            sources = from_stored(list[Source], item["sources"])
        else:
            texts = [item["text"], *await together(partial(self._part, id, key) for id in _parts(item))]
            sources = decode(list[Source], await asyncio.to_thread(unpack, "".join(texts)))
        return _Stored({source.alert.fingerprint: source for source in sources}, item)

    async def _part(self, id: str, key: SourceKey) -> str:
        item = await self._container.read(id, key)
        if item is None:
            raise ConflictError(f"{id} belongs to an older revision of its document")
        return str(item["text"])

    async def _save(self, key: SourceKey, sources: Sources, stored: Item | None, now: datetime) -> None:
        kept_until = [source.kept_until for source in sources.values()]
        ttl = int(min(max(kept_until) - now, LONGEST_TTL).total_seconds()) + DAY
        item: Item = {
            "id": key,
            "key": key,
            "rule": key[:16],
            "earliest": min(kept_until).timestamp(),
            "ttl": ttl,
            "parts": 1,
        }
        document = encode(list(sources.values()))
        if len(document) <= PLAIN_BYTES:
            item["sources"] = to_stored(list(sources.values()))
        else:
            item["text"], *further = split(await asyncio.to_thread(pack, document))
            item |= {"parts": 1 + len(further), "revision": secrets.token_hex(4)}
            # Before the item that names them: a reader finds a revision whole, or another one.
            texts = zip(_parts(item), further, strict=True)
            parts = [{"id": id, "key": key, "ttl": ttl + DAY, "text": text} for id, text in texts]
            await together(partial(self._container.upsert, part) for part in parts)
        write: Operation = ("create", (item,), {})
        if stored:
            write = ("replace", (key, item), {"if_match_etag": stored["_etag"]})
        try:
            # As a batch, since a POST is not sent again: after a PUT the conflict could be with this very write.
            await self._container.batch(key, [write])
        except ConflictError:
            await self._drop_parts(item)
            raise

    async def _remove(self, item: Item) -> None:
        await repeat("documents of a rule", partial(self._container.delete, item["id"], item["id"]))
        await self._drop_parts(item)

    async def _drop_parts(self, item: Item) -> None:
        """Nobody reads them any more; those that stay in spite of it vanish with their time to live."""
        try:
            await together(partial(self._container.delete, id, item["id"]) for id in _parts(item))
        except (ConflictError, UnavailableError) as error:
            log.warning("parts of inhibition document %s are left to their time to live: %s", item["id"], error)


def _parts(item: Item) -> list[str]:
    """The ids of the items behind the first one, named after the revision so that two are never mixed."""
    return [f"{item['id']}-{item['revision']}-{number}" for number in range(1, item["parts"])]
