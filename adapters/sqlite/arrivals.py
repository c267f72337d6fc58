"""Implements `ArrivalStore` on the journal."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.documents import decode, encode
from adapters.sqlite.journal import Journal
from domain.arrivals import Arrival, ArrivalFilter, place_of
from domain.errors import NotFoundError

ZIPPED_CHARACTERS = 1024
"""A longer body is compressed: to a tenth, mostly."""


class SqliteArrivalStore:
    """A row for each arrival, the body in a column of its own; what is being committed is shown already."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record_arrival(self, arrival: Arrival) -> None:
        document = encode(replace(arrival, body=""))
        body: str | bytes = arrival.body
        if len(arrival.body) > ZIPPED_CHARACTERS:
            body = zlib.compress(arrival.body.encode(), 1)
        row = (arrival.id, arrival.kind, arrival.key, bool(arrival.rejection), document, body)
        with self._journal.writing() as db:
            db.execute("insert or replace into arrivals values (?, ?, ?, ?, ?, ?)", row)
        await self._journal.committed()

    async def list_arrivals(
        self,
        wanted: ArrivalFilter,
        *,
        beyond: str = "",
        newest_first: bool = True,
        limit: int = 100,
        with_bodies: bool = False,
    ) -> Sequence[Arrival]:
        first, end = wanted.bounds()
        conditions, values = ["id >= ?", "id < ?"], [first, end]
        if beyond:
            conditions.append("id < ?" if newest_first else "id > ?")
            values.append(beyond)
        for name, text in (("kind", wanted.kind), ("key", wanted.key)):
            if text:
                conditions.append(f"{name} = ?")
                values.append(text)
        if wanted.is_rejected is not None:
            conditions.append("is_rejected" if wanted.is_rejected else "not is_rejected")
        rows = self._journal.db.execute(
            f"select document, {'body' if with_bodies else "''"} from arrivals where {' and '.join(conditions)}"
            f" order by id {'desc' if newest_first else 'asc'} limit ?",
            (*values, limit),
        )
        return [_arrival(document, body) for document, body in rows]

    async def get_arrival(self, arrival_id: str) -> Arrival:
        query = "select document, body from arrivals where id = ?"
        row = self._journal.db.execute(query, (arrival_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"no arrival {arrival_id[:100]!r}")
        return _arrival(*row)

    async def forget_arrivals(self, before: datetime, *, most: int) -> None:
        with self._journal.writing() as db:
            db.execute("delete from arrivals where id < ?", (place_of(before),))
            db.execute(
                "delete from arrivals where id <= (select id from arrivals order by id desc limit 1 offset ?)", (most,)
            )
        await self._journal.committed()


def _arrival(document: bytes, body: str | bytes) -> Arrival:
    text = body if isinstance(body, str) else zlib.decompress(body).decode()
    return replace(decode(Arrival, document), body=text)
