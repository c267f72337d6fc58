"""Journal: the one connection that writes, and the group commit that makes many small writes one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from domain.errors import UnavailableError

type Durability = Literal["process", "power"]

SCHEMA_VERSION = 1

SCHEMA = """
create table heads (id text primary key, present integer not null, due_at real, document blob not null) without rowid;
create index heads_due on heads (due_at) where due_at is not null;
create table members (group_id text not null, fingerprint text not null, dropped_at real, document blob not null,
    primary key (group_id, fingerprint)) without rowid;
create index members_dropped on members (dropped_at) where dropped_at is not null;
create table logs (group_id text not null, integration integer not null, document blob not null,
    primary key (group_id, integration)) without rowid;
create table entries (number integer primary key, group_id text not null, incident text not null, at real not null,
    document blob not null);
create index entries_group on entries (group_id, number);
create table outbox (number integer primary key, group_id text not null, kind text not null, at real not null,
    document blob not null);
create table incidents (id text primary key, opened_at real not null, document blob not null) without rowid;
create index incidents_opened on incidents (opened_at, id);
create table ledger (name text primary key, count integer not null) without rowid;
create table messages (number integer primary key autoincrement, queue text not null, session text, id text not null,
    due_at real not null, enqueued_at real not null, delivery_count integer not null, size integer not null,
    body blob not null);
create table sent (queue text not null, id text not null, at real not null, primary key (queue, id)) without rowid;
create index sent_at on sent (at);
create table dead_letters (number integer primary key autoincrement, queue text not null, session text,
    kind text not null, reason text not null, at real not null, delivery_count integer not null, size integer not null,
    body blob not null);
create table policy (name text primary key, document blob not null) without rowid;
create table configurations (version text primary key, at real not null, text text not null) without rowid;
create table silences (id text primary key, document blob not null) without rowid;
create table leases (name text primary key, number integer not null) without rowid;
"""


class Journal:
    """A SQLite file in WAL mode, owned by one process.

    Called on the event loop, where SQLite is allowed to block for the few milliseconds of a group commit: in a thread
    beside a busy loop it starves for the interpreter lock (measured: 32 rows/s instead of 120,000).
    """

    def __init__(self, path: Path, durability: Durability = "process") -> None:
        """Open the file, or create it.

        Raises:
            UnavailableError: Another process has it open, or it cannot be read or written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = (path.parent / (path.name + ".lock")).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise UnavailableError(f"{path} is in use by another process") from error
        try:
            self.db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
            self._prepare(durability)
        except sqlite3.Error as error:
            self._lock.close()
            raise UnavailableError(f"{path} cannot be opened: {error}") from error
        self._waiters: list[asyncio.Future[None]] | None = None
        self._before_commit: list[Callable[[], None]] = []
        self._on_commit: list[Callable[[], None]] = []
        self._on_abort: list[Callable[[], None]] = []

    def _prepare(self, durability: Durability) -> None:
        execute = self.db.execute
        execute("pragma journal_mode = wal")
        # NORMAL survives kill -9: what was written lies with the operating system. FULL waits for the disk.
        execute(f"pragma synchronous = {'full' if durability == 'power' else 'normal'}")
        execute("pragma cache_size = -65536")
        execute("pragma wal_autocheckpoint = 8192")
        execute("pragma temp_store = memory")
        (version,) = execute("pragma user_version").fetchone()
        if version == 0:
            self.db.executescript(f"begin;{SCHEMA}pragma user_version = {SCHEMA_VERSION};commit;")
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"its schema has version {version}, this program writes {SCHEMA_VERSION}")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Join the transaction under way, or begin one; it commits when the loop has run what is ready now.

        What is written inside is visible to this process at once, and durable when `committed()` returns.

        Raises:
            UnavailableError: A statement failed; everything in this transaction is undone, for all who joined it.
        """
        try:
            if self._waiters is None:
                self.db.execute("begin immediate")
                self._waiters = []
                asyncio.get_running_loop().call_soon(self._commit)
            yield self.db
        except sqlite3.Error as error:
            self._abort(error)
            raise UnavailableError(f"the store failed: {error}") from error

    def before_commit(self, write: Callable[[], None]) -> None:
        """Call `write` once, at the end of the transaction under way, as a part of it."""
        self._before_commit.append(write)

    def when_committed(self, done: Callable[[], None]) -> None:
        """Call `done` right after the transaction under way is durable; never if it is undone."""
        self._on_commit.append(done)

    def when_undone(self, undone: Callable[[], None]) -> None:
        """Call `undone` whenever a transaction was undone: caches of what was written must go."""
        self._on_abort.append(undone)

    def committed(self) -> asyncio.Future[None]:
        """Resolves when what this task has written is durable; fails with UnavailableError when it was undone."""
        # A future of one's own each: cancelling one waiter must not cancel the others.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            waiter.set_result(None)
        else:
            self._waiters.append(waiter)
        return waiter

    def _commit(self) -> None:
        waiters, self._waiters = self._waiters, None
        if waiters is None:
            return
        writes, self._before_commit = self._before_commit, []
        try:
            for write in writes:
                write()
            self.db.execute("commit")
        except sqlite3.Error as error:
            self._waiters = waiters
            self._abort(error)
            return
        done, self._on_commit = self._on_commit, []
        for call in done:
            call()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _abort(self, error: sqlite3.Error) -> None:
        waiters, self._waiters = self._waiters, None
        self._before_commit = []
        self._on_commit = []
        if self.db.in_transaction:
            self.db.execute("rollback")
        for undone in self._on_abort:
            undone()
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_exception(UnavailableError(f"the store failed: {error}"))

    def close(self) -> None:
        """Commit what is under way and let go of the file."""
        self._commit()
        self.db.close()
        self._lock.close()
