"""Tables written behind: a commit writes one redo record, and the rows reach their pages later, many at once.

A fold changes a head and some members, each on a page of its own somewhere in the file.  Written at each commit, that
was some fifteen pages a fold and nine tenths of its time; a page that collects a second of changes is written once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import msgspec

from adapters.sqlite.journal import Journal, insert
from domain.errors import UnavailableError

type Key = tuple[Any, ...]
type Row = tuple[Any, ...] | None
"""The whole row, its key first; None for one that is deleted."""

SPILL_SECONDS = 5.0
"""Longer, and rows that share a page are written together more often; shorter, and a start reads less redo."""

ROWS_AT_ONCE = 250

UNKNOWN = ("unknown",)
"""What `find` returns for a row that only its table can tell."""


@dataclass(frozen=True)
class Table:
    """A table whose rows are written behind; its first `key_width` columns are its primary key."""

    name: str
    columns: tuple[str, ...]
    key_width: int

    @cached_property
    def select(self) -> str:
        """The statement that reads the row of a key."""
        return f"select * from {self.name} where {self._condition}"

    @cached_property
    def upsert(self) -> str:
        """The statement that writes a row; an upsert touches only the indexes of columns that changed."""
        marks = ", ".join("?" * len(self.columns))
        sets = ", ".join(f"{column} = excluded.{column}" for column in self.columns[self.key_width :])
        keys = ", ".join(self.columns[: self.key_width])
        return f"insert into {self.name} values ({marks}) on conflict ({keys}) do update set {sets}"

    @cached_property
    def delete(self) -> str:
        """The statement that deletes the row of a key."""
        return f"delete from {self.name} where {self._condition}"

    @property
    def _condition(self) -> str:
        return " and ".join(f"{column} = ?" for column in self.columns[: self.key_width])


type Layer = list[dict[Any, dict[Key, Row]]]
"""For each table, by the first column of the key: a group's rows are looked up together."""


class WriteBehind:
    """The rows that are committed, in the redo log, and not yet in their tables; read them here first.

    `write` puts what changed since the last commit into one redo record.  Every few seconds what has gathered is
    spilled into the tables, in key order, a few hundred rows a commit, and the redo records that it covers are deleted.
    """

    def __init__(self, journal: Journal, tables: Iterable[Table]) -> None:
        self._journal = journal
        self._tables = list(tables)
        self._numbers = {table.name: number for number, table in enumerate(self._tables)}
        self._changed = self._new_layer()
        """Since the last commit."""
        self._gathered = self._new_layer()
        """Committed, to be spilled with the next generation."""
        self._spilling = self._new_layer()
        """Committed, being spilled."""
        self._redo_number = 0
        self._spill_mark = 0
        self._left: Iterator[tuple[int, Row, Key]] | None = None
        self._is_settled = False
        self._timer: asyncio.TimerHandle | None = None
        self._recover()

    def _new_layer(self) -> Layer:
        return [{} for _ in self._tables]

    def put(self, table: Table, key: Key, row: Row) -> None:
        """Change a row, as a part of the commit that its caller has joined."""
        rows = self._changed[self._numbers[table.name]]
        if (group := rows.get(key[0])) is None:
            rows[key[0]] = {key: row}
        else:
            group[key] = row

    def find(self, table: Table, key: Key) -> Row:
        """The row as changed here, None where it was deleted here, or `UNKNOWN` where only its table can tell."""
        number = self._numbers[table.name]
        for layer in (self._changed, self._gathered, self._spilling):
            if (group := layer[number].get(key[0])) is not None and (row := group.get(key, UNKNOWN)) is not UNKNOWN:
                return row
        return UNKNOWN

    def group_rows(self, table: Table, first: Any) -> dict[Key, Row]:
        """Every row held here whose key begins so, to lay over what its table has."""
        number = self._numbers[table.name]
        rows: dict[Key, Row] = {}
        for layer in (self._spilling, self._gathered, self._changed):
            rows.update(layer[number].get(first, ()))
        return rows

    def all_rows(self, table: Table) -> dict[Key, Row]:
        """Every row held here, to lay over what its table has."""
        number = self._numbers[table.name]
        return {
            key: row
            for layer in (self._spilling, self._gathered, self._changed)
            for group in layer[number].values()
            for key, row in group.items()
        }

    def settle(self) -> None:
        """Bring the tables up to date, inside the commit that the caller has begun: before a query over all rows."""
        if not self._is_settled:
            self._write_layer(self._spilling)
            self._write_layer(self._gathered)
            self._journal.db.execute("delete from redo")
            self._is_settled = True
        self._write_layer(self._changed)

    # --- a participant of the journal -------------------------------------------------------------------------------

    def write(self, db: sqlite3.Connection) -> None:
        """Put what changed into one redo record."""
        if not any(self._changed):
            return
        self._redo_number += 1
        record = [[item for group in rows.values() for item in group.items()] for rows in self._changed]
        insert(db, "insert into redo values (?, ?)", [(self._redo_number, msgspec.msgpack.encode(record))])

    def done(self) -> None:
        """It is durable: gather it for the next spill."""
        if self._is_settled:
            self._is_settled = False
            self._left = None
            self._spilling = self._new_layer()
            self._gathered = self._new_layer()
        if any(self._changed):
            if any(self._gathered):
                for changed, gathered in zip(self._changed, self._gathered, strict=True):
                    for first, group in changed.items():
                        gathered.setdefault(first, {}).update(group)
            else:
                self._gathered = self._changed
            self._changed = self._new_layer()
        self._plan()

    def _plan(self) -> None:
        if self._timer is None and self._left is None and any(self._gathered):
            self._timer = asyncio.get_running_loop().call_later(SPILL_SECONDS, self._begin_spill)

    def undone(self) -> None:
        """Forget what was not committed; what was is still in the redo log, and is spilled anew."""
        self._is_settled = False
        self._left = None
        self._changed = self._new_layer()
        # Nothing is read here: the file may be what failed.
        spilling, self._spilling = self._spilling, self._new_layer()
        for older, gathered in zip(spilling, self._gathered, strict=True):
            for first, group in older.items():
                gathered[first] = group | gathered.get(first, {})
        self._plan()

    def _recover(self) -> None:
        for number, record in self._journal.db.execute("select number, rows from redo order by number").fetchall():
            # A record of an older version has nothing of the tables that were added since.
            for items, gathered in zip(msgspec.msgpack.decode(record), self._gathered, strict=False):
                for key, row in items:
                    gathered.setdefault(key[0], {})[tuple(key)] = tuple(row) if row is not None else None
            self._redo_number = number

    # --- spilling ---------------------------------------------------------------------------------------------------

    def _begin_spill(self) -> None:
        self._timer = None
        if self._left is not None or self._journal.is_closed:
            return
        self._spilling, self._gathered = self._gathered, self._new_layer()
        self._spill_mark = self._redo_number
        # In key order, so that rows of one page are written together.
        self._left = iter(
            [
                (number, rows[first][key], key)
                for number, rows in enumerate(self._spilling)
                for first in sorted(rows)
                for key in sorted(rows[first])
            ]
        )
        self._spill(self._left)

    def _spill(self, left: Iterator[tuple[int, Row, Key]]) -> None:
        if left is not self._left or self._journal.is_closed:
            return  # settled or undone meanwhile; at the next start the redo log is read again
        items = list(islice(left, ROWS_AT_ONCE))
        is_last = len(items) < ROWS_AT_ONCE
        try:
            with self._journal.writing() as db:
                self._write_items(items)
                if is_last:
                    db.execute("delete from redo where number <= ?", (self._spill_mark,))
        except UnavailableError:
            return  # undone, and so gathered again from the redo log; the next commit plans another spill
        self._journal.committed().add_done_callback(lambda committed: self._spilled(committed, left, is_last=is_last))

    def _spilled(self, committed: asyncio.Future[None], left: Iterator[tuple[int, Row, Key]], *, is_last: bool) -> None:
        if committed.exception() is not None or left is not self._left:
            return
        if is_last:
            self._left = None
            self._spilling = self._new_layer()
            self._plan()
        else:
            asyncio.get_running_loop().call_later(0, self._spill, left)

    def _write_layer(self, layer: Layer) -> None:
        self._write_items(
            [
                (number, row, key)
                for number, rows in enumerate(layer)
                for first in sorted(rows)
                for key, row in sorted(rows[first].items(), key=lambda item: item[0])
            ]
        )

    def _write_items(self, items: list[tuple[int, Row, Key]]) -> None:
        db = self._journal.db
        for number, table in enumerate(self._tables):
            if written := [row for each, row, _ in items if each == number and row is not None]:
                db.executemany(table.upsert, written)
            if deleted := [key for each, row, key in items if each == number and row is None]:
                db.executemany(table.delete, deleted)
