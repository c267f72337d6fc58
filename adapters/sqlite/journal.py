"""Journal: the one connection that writes, and the group commit that makes many small writes one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from adapters.sqlite.checkpoint import Checkpointer
from domain.errors import UnavailableError

log = logging.getLogger("tocsin.sqlite")

type Durability = Literal["process", "power"]

DATABASE_FILE = "tocsin.db"

SCHEMA_VERSION = 5

# Some of the tables are written behind (`adapters/sqlite/table.py`); `redo` holds what they lack until then.
SCHEMA = """
create table heads (id text primary key, is_live integer not null, due_at real, last_entry integer not null,
    document blob not null) without rowid;
create index heads_due on heads (due_at) where due_at is not null;
create table members (group_id text not null, fingerprint text not null, dropped_at real, document blob not null,
    primary key (group_id, fingerprint)) without rowid;
create index members_dropped on members (dropped_at) where dropped_at is not null;
create table logs (group_id text not null, integration integer not null, document blob not null,
    primary key (group_id, integration)) without rowid;
create table incidents (id text primary key, opened_at real not null, document blob not null) without rowid;
create index incidents_opened on incidents (opened_at, id);
create table redo (number integer primary key, rows blob not null);
create table entries (number integer primary key, previous integer not null, at real not null, document blob not null);
create table outbox (number integer primary key, group_id text not null, kind text not null, at real not null,
    document blob not null);
create table ledger (name text primary key, count integer not null) without rowid;
create table messages (number integer primary key, queue text not null, session text, id text not null,
    due_at real not null, enqueued_at real not null, delivery_count integer not null, size integer not null,
    body blob not null);
create table parcels (number integer primary key, messages blob not null);
create table sent (queue text not null, id text not null, at real not null, primary key (queue, id)) without rowid;
create index sent_at on sent (at);
create table dead_letters (number integer primary key autoincrement, queue text not null, session text,
    kind text not null, reason text not null, at real not null, delivery_count integer not null, size integer not null,
    body blob not null);
create table policy (name text primary key, document blob not null) without rowid;
create table configurations (version text primary key, at real not null, text text not null) without rowid;
create table silences (id text primary key, document blob not null) without rowid;
"""

# What each version added: a file of an older one is brought up to date when it is opened.
ADDED = {
    2: """
create table sources (key text not null, fingerprint text not null, kept_until real not null, document blob not null,
    primary key (key, fingerprint)) without rowid;
create index sources_kept on sources (kept_until);
create table shadow_records (id text primary key, at real not null, side text not null, receiver text not null,
    document blob not null) without rowid;
create index shadow_records_at on shadow_records (at, id);
create index shadow_records_heard on shadow_records (receiver, at) where side = 'alertmanager';
""",
    3: """
create table keys (id text primary key, document blob not null) without rowid;
create table requests (id text primary key, claim text not null, began_at real not null, document blob not null)
    without rowid;
create index requests_began on requests (began_at);
create table audit (number integer primary key, document blob not null);
create table statistics (day text not null, dimension text not null, name text not null, counter text not null,
    value real not null, primary key (day, dimension, name, counter)) without rowid;
""",
    4: """
create table receipts (id text primary key, at real not null, document blob not null) without rowid;
create index receipts_at on receipts (at);
create table arrivals (id text primary key, kind text not null, key text not null, is_rejected integer not null,
    document blob not null, body blob not null);
create index arrivals_source on arrivals (kind, key, id);
""",
    5: """
create table findings (incident text not null, number integer not null, at real not null, document blob not null,
    primary key (incident, number)) without rowid;
create index findings_at on findings (at);
create table asked (incident text not null, id text not null, at real not null, document blob not null,
    primary key (incident, id)) without rowid;
create index asked_at on asked (at);
create table changes (id text primary key, at integer not null, service text not null, document blob not null)
    without rowid;
create index changes_at on changes (at desc, id);
create table usage (hour integer primary key, document blob not null);
create table looks (id text primary key, at integer not null) without rowid;
create index looks_at on looks (at);
""",
}

LARGEST_LOG_BYTES = 64 * 1024 * 1024
"""A log that a storm made longer is cut to this when it begins anew."""


class Participant(Protocol):
    """A store that buffers its writes until the commit that it has joined."""

    def write(self, db: sqlite3.Connection) -> None:
        """Write everything buffered; called inside the transaction, just before it commits."""
        ...

    def done(self) -> None:
        """The transaction is durable: what was written may be shown and acted on."""
        ...

    def undone(self) -> None:
        """The transaction was undone: drop what was buffered, and every cache of it."""
        ...


class Journal:
    """A SQLite file in WAL mode, owned by one process.

    Called on the event loop, where SQLite is allowed to block for the few milliseconds of a group commit: in a thread
    beside a busy loop it starves for the interpreter lock (measured: 32 rows/s instead of 120,000).
    """

    def __init__(self, path: Path, durability: Durability = "process") -> None:
        """Open the file, or create it; nobody but its owner may read it, for configurations hold secrets.

        Raises:
            UnavailableError: Another process has it open, or it cannot be read or written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"{path} cannot be opened: {error}") from error
        self._lock = take_lock(path)
        try:
            # SQLite gives the log and its index the mode of the file.
            os.close(open_own(path))
            _narrow(path)
            self.db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
            try:
                self._prepare(durability)
            except sqlite3.Error:
                self.db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            self._lock.close()
            raise UnavailableError(f"{path} cannot be opened: {error}") from error
        self.path = path
        self.is_closed = False
        self._checkpointer = Checkpointer(self.db, path)
        self._participants: list[Participant] = []
        self.trouble = ""
        """Why the last commit failed, such as a full disk; empty once something was written."""
        self._changes = 0
        self._waiters: list[asyncio.Future[None]] | None = None

    def add(self, participant: Participant) -> None:
        """Ask it at every commit from now on, in the order of adding."""
        self._participants.append(participant)

    def _prepare(self, durability: Durability) -> None:
        execute = self.db.execute
        (version,) = execute("pragma user_version").fetchone()
        if not 0 <= version <= SCHEMA_VERSION:
            raise sqlite3.DatabaseError(
                f"its schema has version {version}, this program writes {SCHEMA_VERSION}: start the later version that"
                " wrote it, or restore a backup from before"
            )
        if version == 0:
            # An older file becomes so by a backup and its restore.
            execute("pragma auto_vacuum = incremental")
        execute("pragma journal_mode = wal")
        # NORMAL survives kill -9: what was written lies with the operating system. FULL waits for the disk.
        execute(f"pragma synchronous = {'full' if durability == 'power' else 'normal'}")
        execute("pragma cache_size = -65536")
        execute("pragma wal_autocheckpoint = 0")
        execute(f"pragma journal_size_limit = {LARGEST_LOG_BYTES}")
        execute("pragma temp_store = memory")
        if version < SCHEMA_VERSION:
            scripts = [SCHEMA] if version == 0 else []
            scripts += [script for added, script in ADDED.items() if added > version]
            self.db.executescript(f"begin;{''.join(scripts)}pragma user_version = {SCHEMA_VERSION};commit;")

    def join(self) -> None:
        """Begin a group commit, or join the one under way; it happens when the loop has run what is ready now."""
        if self._waiters is None:
            self._waiters = []
            self._checkpointer.start()
            loop = asyncio.get_running_loop()
            # One round later: what the network has brought by then shares the commit.
            loop.call_soon(loop.call_soon, self._commit)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write at once, as a part of the next commit: for what is rare.

        What is written inside is visible to this process at once, and durable when `committed()` returns.

        Raises:
            UnavailableError: A statement failed; everything in this transaction is undone, for all who joined it.
        """
        self.join()
        try:
            if not self.db.in_transaction:
                self.db.execute("begin immediate")
            yield self.db
        except sqlite3.Error as error:
            self._abort(error)
            raise UnavailableError(f"the store failed: {error}") from error

    def committed(self) -> asyncio.Future[None]:
        """Resolves when what this task has joined is durable; fails with UnavailableError when it was undone.

        To be called right after joining, before anything is awaited.
        """
        # A future of one's own each: cancelling one waiter must not cancel the others.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            waiter.set_result(None)
        else:
            self._waiters.append(waiter)
        return waiter

    def _commit(self) -> None:
        if self._waiters is None:
            return
        try:
            if not self.db.in_transaction:
                self.db.execute("begin immediate")
            for participant in self._participants:
                participant.write(self.db)
            self.db.execute("commit")
        except Exception as error:
            self._abort(error)
            if not isinstance(error, sqlite3.Error):
                raise
            return
        # An empty one says nothing of whether anything can be written.
        if self.trouble and self.db.total_changes != self._changes:
            log.warning("the store can be written again")
            self.trouble = ""
        self._changes = self.db.total_changes
        waiters, self._waiters = self._waiters, None
        for participant in self._participants:
            participant.done()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _abort(self, error: Exception) -> None:
        if not self.trouble:
            log.error("nothing can be written, so alerts are refused (503) until it can: %s", error)
        self.trouble = str(error)
        waiters, self._waiters = self._waiters, None
        # SQLite may have rolled back by itself; where not even that works, the next `begin` fails too.
        with contextlib.suppress(sqlite3.Error):
            if self.db.in_transaction:
                self.db.execute("rollback")
        for participant in self._participants:
            participant.undone()
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_exception(UnavailableError(f"the store failed: {error}"))

    def close(self) -> None:
        """Commit what is under way and let go of the file."""
        self._checkpointer.stop()
        self._commit()
        self.is_closed = True
        self.db.close()
        self._lock.close()


LARGE_BYTES = 1024 * 1024


def insert(db: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that begin with their key and end with a document, and let go of a large document afterwards.

    A statement is kept for its next use, and with it what was bound to it last, twice: with the few statements of a
    commit that is a hundred megabytes for the largest alert.  So something small is bound, which its key refuses.
    """
    db.executemany(statement, rows)
    if rows and len(rows[-1][-1] or b"") > LARGE_BYTES:
        with contextlib.suppress(sqlite3.IntegrityError):
            db.execute(statement, (*rows[-1][:-1], b""))


def take_lock(path: Path) -> IO[str]:
    """Own the file at this path until what is returned is closed; its process may die as it will.

    Raises:
        UnavailableError: Another process owns it, or it cannot be told.
    """
    try:
        lock = os.fdopen(open_own(path.parent / (path.name + ".lock")))
    except OSError as error:
        raise UnavailableError(f"{path} cannot be opened: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise UnavailableError(f"{path} is in use by another process") from error
    return lock


def open_own(path: Path) -> int:
    """Open a file to write, made where it is missing, for nobody but its owner."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o600)


def _narrow(path: Path) -> None:
    """Take from all but the owner what an older version, or a copy, gave them."""
    files = [file for file in path.parent.iterdir() if file.name.startswith((path.name, "key.pepper"))]
    # A folder that holds other things too is not ours to close.
    folders = [path.parent] if len(files) == len(list(path.parent.iterdir())) else []
    for place in (*folders, *files):
        try:
            if (mode := place.stat().st_mode) & 0o077:
                place.chmod(mode & 0o700)
        except OSError as error:  # another owner, or a file system without modes
            log.warning("%s holds secrets, and others may read it: %s", place, error)
