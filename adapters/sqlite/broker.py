"""Implements `Broker` on the journal: the file makes messages durable, the lanes in memory hand them out."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.lanes import DUPLICATE_WINDOW_SECONDS, Held, new_lanes, stamp
from adapters.messages import REPLAYED, OutgoingMessage
from adapters.sqlite.journal import Journal, insert
from domain.errors import NotFoundError, UnavailableError
from domain.queues import DeadLetter, QueueName

BODIES_IN_MEMORY_BYTES = 64 * 1024 * 1024
_COLUMNS = "number, queue, session, id, due_at, enqueued_at, size, delivery_count"


@dataclass(slots=True)
class _Parcel:
    """The messages that one commit sent to `groups`: one row of the file, deleted when the last one is done with."""

    number: int
    messages: list[_Kept] = field(default_factory=list)
    left: int = 0


@dataclass(slots=True)
class _Kept(Held):
    parcel: _Parcel | None = None
    is_done: bool = False


class SqliteBroker:
    """Queues in the journal's file, received by the one process that owns it.

    A message is handed out only after the commit that made it durable; completing it is a delete that joins the next
    commit, so that after a crash a message may come a second time, and none is lost.  What one commit sends to
    `groups` shares a row, because a request of 64 alerts may be 40 messages: after a crash they come again together,
    and how often one of them has failed is forgotten.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._body_bytes = 0
        self._purged_at = 0.0
        self._sent: list[_Kept] = []
        self._parcel: _Parcel | None = None
        self._completed: list[tuple[int]] = []
        self._parcels_completed: list[tuple[int]] = []
        self._dying: list[_Kept] = []
        """Buried in the transaction under way, and locked until that is durable."""
        self._accepted = 0
        self.lanes = new_lanes()
        self._number = 0
        self._load()
        journal.add(self)

    def _load(self) -> None:
        db, now = self._journal.db, self._clock()
        for row in db.execute(f"select {_COLUMNS} from messages order by number"):
            number, queue, session, id, due_at, enqueued_at, size, delivery_count = row
            self._number = max(self._number, number)
            self.lanes[queue].put(
                _Kept(number, queue, session, id, due_at, enqueued_at, size, None, delivery_count), now
            )
        for number, document in db.execute("select number, messages from parcels order by number"):
            parcel = _Parcel(number)
            for session, id, enqueued_at, size, _ in msgspec.msgpack.decode(document):
                self._number += 1
                message = _Kept(self._number, "groups", session, id, 0.0, enqueued_at, size, None, parcel=parcel)
                parcel.messages.append(message)
                self.lanes["groups"].put(message, now)
            parcel.left = len(parcel.messages)
            self._number = max(self._number, number)

    # --- sending ----------------------------------------------------------------------------------------------------

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage], *, replacing: int = 0) -> None:
        self._accepted -= replacing
        now = self._clock()
        for message in messages:
            if not message.id or self._is_first(queue, message.id, now):
                kept = self._buffer(
                    queue, message.session, message.id, stamp(message.due_at), now, message.size, message.body
                )
                kept.trace, kept.since = message.trace, message.since
                self._accepted += message.size
        self._journal.join()
        await self._journal.committed()

    def _buffer(
        self, queue: str, session: str | None, id: str, due_at: float, now: float, size: int, body: bytes
    ) -> _Kept:
        self._number += 1
        message = _Kept(self._number, queue, session, id, due_at, now, size, body)
        if queue == "groups":
            if self._parcel is None:
                self._parcel = _Parcel(self._number)
            message.parcel = self._parcel
            self._parcel.messages.append(message)
        self._sent.append(message)
        return message

    def _is_first(self, queue: str, id: str, now: float) -> bool:
        with self._journal.writing() as db:
            if now - self._purged_at > DUPLICATE_WINDOW_SECONDS / 10:
                self._purged_at = now
                db.execute("delete from sent where at < ?", (now - DUPLICATE_WINDOW_SECONDS,))
            written = db.execute(
                "insert into sent values (?, ?, ?) on conflict do update set at = excluded.at where at < ?",
                (queue, id, now, now - DUPLICATE_WINDOW_SECONDS),
            )
        return written.rowcount == 1

    def write(self, db: sqlite3.Connection) -> None:
        """Everything sent and completed since the last commit."""
        if self._parcel is not None:
            document = [(m.session, m.id, m.enqueued_at, m.size, m.body) for m in self._parcel.messages]
            self._parcel.left = len(document)
            insert(db, "insert into parcels values (?, ?)", [(self._parcel.number, msgspec.msgpack.encode(document))])
        if rows := [
            (m.number, m.queue, m.session, m.id, m.due_at, m.enqueued_at, m.size, m.body)
            for m in self._sent
            if m.parcel is None
        ]:
            insert(db, "insert into messages values (?, ?, ?, ?, ?, ?, 0, ?, ?)", rows)
        if self._accepted:
            db.execute(
                "insert into ledger values ('accepted', ?) on conflict do update set count = count + excluded.count",
                (self._accepted,),
            )
        if self._completed:
            db.executemany("delete from messages where number = ?", self._completed)
        if self._parcels_completed:
            db.executemany("delete from parcels where number = ?", self._parcels_completed)

    def done(self) -> None:
        """What was sent is durable: hand it out."""
        sent, self._sent = self._sent, []
        self._forget()
        self._completed.clear()
        self._parcels_completed.clear()
        dead, self._dying = self._dying, []
        for message in dead:
            self.complete(message)
        if not sent:
            return
        now = self._clock()
        for message in sent:
            assert message.body is not None
            if self._body_bytes + len(message.body) > BODIES_IN_MEMORY_BYTES:
                message.body = None
            else:
                self._body_bytes += len(message.body)
            self.lanes[message.queue].put(message, now)

    def undone(self) -> None:
        """Forget what was not committed; what is completed is deleted by the next commit instead."""
        self._sent.clear()
        self._forget()
        alive, self._dying = self._dying, []
        for message in alive:
            self._put_back(message)

    def _forget(self) -> None:
        self._parcel = None
        self._accepted = 0

    # --- receiving --------------------------------------------------------------------------------------------------

    def receive(self, queue: QueueName) -> Held | None:
        """Lock the next message that is due and return it with its body; None when there is none."""
        message = self.lanes[queue].take(self._clock())
        if message is None:
            return None
        assert isinstance(message, _Kept)
        if message.body is None:
            try:
                self._fetch(message)
            except sqlite3.Error as error:
                self.lanes[queue].put_back(message)
                raise UnavailableError(f"the store failed: {error}") from error
        assert message.body is not None
        self._body_bytes -= len(message.body)
        return message

    def _fetch(self, message: _Kept) -> None:
        """Read its body from the file; of a parcel all that are still waiting, since they are wanted next."""
        execute = self._journal.db.execute
        if message.parcel is None:
            (message.body,) = execute("select body from messages where number = ?", (message.number,)).fetchone()
            self._body_bytes += len(message.body or b"")
            return
        (document,) = execute("select messages from parcels where number = ?", (message.parcel.number,)).fetchone()
        for waiting, (_, _, _, _, body) in zip(message.parcel.messages, msgspec.msgpack.decode(document), strict=True):
            if waiting.body is None and not waiting.is_done:
                waiting.body = body
                self._body_bytes += len(body)

    def complete(self, message: Held) -> None:
        """It is done with; the delete joins the next commit."""
        self._remove(message)
        self.lanes[message.queue].release(message)

    def _remove(self, message: Held) -> None:
        assert isinstance(message, _Kept)
        message.is_done = True
        message.body = None
        if (parcel := message.parcel) is None:
            self._completed.append((message.number,))
        else:
            parcel.left -= 1
            if parcel.left == 0:
                self._parcels_completed.append((parcel.number,))
        self._journal.join()

    def abandon(self, message: Held, reason: str) -> None:
        """Its handler failed: it comes again, before the others of its session, or is dead after too many failures."""
        assert isinstance(message, _Kept)
        is_dead = message.count_failure()
        failures = message.delivery_count
        # Its handler may have failed because the store does: the message must be let go of all the same.
        with contextlib.suppress(UnavailableError):
            if is_dead:
                with self._journal.writing():
                    self._bury(
                        message.queue, message.session, "dead", reason, failures, message.size, message.body or b""
                    )
                self._dying.append(message)
                return
            if message.parcel is None:
                with self._journal.writing() as db:
                    db.execute("update messages set delivery_count = ? where number = ?", (failures, message.number))
        self._put_back(message)

    def _put_back(self, message: _Kept) -> None:
        self._body_bytes += len(message.body or b"")
        self.lanes[message.queue].put_back(message)

    # --- dead letters -----------------------------------------------------------------------------------------------

    def _bury(
        self,
        queue: str,
        session: str | None,
        kind: str,
        reason: str,
        delivery_count: int,
        size: int,
        body: bytes | None,
    ) -> None:
        self._journal.db.execute(
            "insert into dead_letters (queue, session, kind, reason, at, delivery_count, size, body)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (queue, session, kind, reason, self._clock(), delivery_count, size, body),
        )

    async def open(self, body: bytes, properties: Mapping[str, Any]) -> bytes:
        return body

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None:
        with self._journal.writing():
            self._bury(queue, None, "parked", reason, 0, size, body)
        await self._journal.committed()

    async def gather_dead(self) -> int:
        return 0  # they are buried where they are listed

    async def list_dead(self, *, before: tuple[datetime, str] | None = None, limit: int = 100) -> Sequence[DeadLetter]:
        is_number = before is not None and before[1].isdecimal() and len(before[1]) < 19
        last = int(before[1]) if before is not None and is_number else 2**63 - 1
        rows = self._journal.db.execute(
            "select number, queue, kind, reason, at, delivery_count, size, body from dead_letters"
            " where number < ? order by number desc limit ?",
            (last, limit),
        )
        return [_dead_letter(row) for row in rows]

    async def get_dead(self, dead_letter_id: str) -> DeadLetter:
        return _dead_letter(self._find_dead(dead_letter_id))

    def _find_dead(self, dead_letter_id: str) -> tuple[int, str, str, str, float, int, int, bytes]:
        row: tuple[int, str, str, str, float, int, int, bytes] | None = None
        if dead_letter_id.isdecimal() and len(dead_letter_id) < 19:
            row = self._journal.db.execute(
                "select number, queue, kind, reason, at, delivery_count, size, body from dead_letters where number = ?",
                (int(dead_letter_id),),
            ).fetchone()
        if row is None or str(row[0]) != dead_letter_id:
            raise NotFoundError(f"no dead letter {dead_letter_id!r}")
        return row

    async def replay(self, dead_letter_id: str) -> None:
        number, queue, *_, size, body = self._find_dead(dead_letter_id)
        with self._journal.writing() as db:
            (session,) = db.execute("select session from dead_letters where number = ?", (number,)).fetchone()
            if session is None and queue == "groups":
                session = "0"  # any will do: sessions only keep order, and this one has lost its place
            db.execute("delete from dead_letters where number = ?", (number,))
            self._buffer(queue, session, f"{REPLAYED}{number}", 0.0, self._clock(), size, body)
        await self._journal.committed()

    # --- the ledger -------------------------------------------------------------------------------------------------

    async def passed(self, timeout_seconds: float) -> bool:
        return await self.lanes["groups"].passed(timeout_seconds)

    async def count_waiting(self) -> int:
        return self.lanes["groups"].size

    async def count_parked(self) -> int:
        (count,) = self._journal.db.execute(
            "select coalesce(sum(size), 0) from dead_letters where queue = 'groups'"
        ).fetchone()
        return int(count)

    async def count_accepted(self) -> int:
        row = self._journal.db.execute("select count from ledger where name = 'accepted'").fetchone()
        return int(row[0]) if row else 0

    async def count_dead(self) -> Mapping[str, int]:
        return dict(self._journal.db.execute("select queue, count(*) from dead_letters group by queue").fetchall())

    async def oldest(self, queue: QueueName) -> datetime | None:
        since = self.lanes[queue].waiting_since()
        return None if since is None else datetime.fromtimestamp(since, UTC)


def _dead_letter(row: tuple[int, str, str, str, float, int, int, bytes]) -> DeadLetter:
    number, queue, kind, reason, at, delivery_count, size, body = row
    return DeadLetter(
        id=str(number),
        queue=queue,
        kind="parked" if kind == "parked" else "dead",
        reason=reason,
        at=datetime.fromtimestamp(at, UTC),
        delivery_count=delivery_count,
        size=size,
        body=body,
    )
