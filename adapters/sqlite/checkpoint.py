"""Checkpointing: moves what the write-ahead log holds into the file, beside the loop instead of on it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

ROWS = 10_000
"""So many changed rows are worth a checkpoint: some 20 MB of log in a storm."""

LOOK_SECONDS = 0.2
LOG_PAGES = 32_768
"""A log of 128 MB is finished on the loop, so that it begins anew: some 30 ms for as much."""


class Checkpointer:
    """Runs while the loop does; SQLite's own checkpoint, at some commit, would stop the loop for 40 ms and more.

    A thread copies and syncs, in one call that does not hold the interpreter lock.  Only a log that has been copied to
    its end begins anew, which under constant load never happens by itself: then the loop, where nobody writes at the
    same time, copies the rest.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._rows = db.total_changes
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop; safe to repeat."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Stop; closing the file checkpoints what is left."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._db.total_changes - self._rows < ROWS:
                continue
            self._rows = self._db.total_changes
            # A busy or full disk: the log grows, and the next look tries again.
            with contextlib.suppress(sqlite3.Error):
                if await asyncio.to_thread(self._copy) > LOG_PAGES and not self._db.in_transaction:
                    self._db.execute("pragma wal_checkpoint(passive)")

    def _copy(self) -> int:
        """Copy what is in the log; returns how many pages it has, whether copied or not."""
        with contextlib.closing(sqlite3.connect(self._path)) as db:
            _, pages, _ = db.execute("pragma wal_checkpoint(passive)").fetchone()
        return int(pages)
