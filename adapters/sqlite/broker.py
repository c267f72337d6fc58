"""Implements `Broker` on the journal: the file makes messages durable, the lanes in memory hand them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import get_args

from adapters.lanes import Held, Lane, stamp
from adapters.messages import REPLAYED, OutgoingMessage
from adapters.sqlite.journal import Journal
from domain.errors import NotFoundError
from domain.queues import MAX_DELIVERY_COUNT, DeadLetter, QueueName

BODIES_IN_MEMORY_BYTES = 64 * 1024 * 1024
DUPLICATE_WINDOW_SECONDS = 600.0
_COLUMNS = "number, queue, session, id, due_at, enqueued_at, size, delivery_count"


class SqliteBroker:
    """Queues in the journal's file, received by the one process that owns it.

    A message is handed out only after the commit that made it durable; completing it is a delete that joins the next
    commit, so that after a crash a message may come a second time, and none is lost.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._body_bytes = 0
        self._purged_at = 0.0
        self.lanes = {name: Lane(has_sessions=name == "groups") for name in get_args(QueueName.__value__)}
        now = clock()
        for row in journal.db.execute(f"select {_COLUMNS} from messages order by number"):
            number, queue, session, id, due_at, enqueued_at, size, delivery_count = row
            held = Held(number, queue, session, id, due_at, enqueued_at, size, None, delivery_count)
            self.lanes[queue].put(held, now)

    # --- sending ----------------------------------------------------------------------------------------------------

    async def send(self, queue: QueueName, messages: Sequence[OutgoingMessage]) -> None:
        now = self._clock()
        held: list[Held] = []
        with self._journal.writing() as db:
            for message in messages:
                if message.id and not self._is_first(queue, message.id, now):
                    continue
                number = db.execute(
                    "insert into messages (queue, session, id, due_at, enqueued_at, delivery_count, size, body)"
                    " values (?, ?, ?, ?, ?, 0, ?, ?)",
                    (queue, message.session, message.id, stamp(message.due_at), now, message.size, message.body),
                ).lastrowid
                assert number is not None
                held.append(
                    Held(number, queue, message.session, message.id, stamp(message.due_at), now, message.size, message.body)
                )
            if size := sum(message.size for message in messages):
                db.execute(
                    "insert into ledger values ('accepted', ?) on conflict do update set count = count + excluded.count",
                    (size,),
                )
            self._journal.when_committed(lambda: self._publish(held))
        await self._journal.committed()

    def _is_first(self, queue: str, id: str, now: float) -> bool:
        db = self._journal.db
        if now - self._purged_at > DUPLICATE_WINDOW_SECONDS / 10:
            self._purged_at = now
            db.execute("delete from sent where at < ?", (now - DUPLICATE_WINDOW_SECONDS,))
        return db.execute("insert or ignore into sent values (?, ?, ?)", (queue, id, now)).rowcount == 1

    def _publish(self, messages: list[Held]) -> None:
        now = self._clock()
        for message in messages:
            if message.body is not None:
                if self._body_bytes + len(message.body) > BODIES_IN_MEMORY_BYTES:
                    message.body = None
                else:
                    self._body_bytes += len(message.body)
            self.lanes[message.queue].put(message, now)

    # --- receiving --------------------------------------------------------------------------------------------------

    def receive(self, queue: QueueName) -> Held | None:
        """Lock the next message that is due and return it with its body; None when there is none."""
        message = self.lanes[queue].take(self._clock())
        if message is None:
            return None
        if message.body is not None:
            self._body_bytes -= len(message.body)
        else:
            row = self._journal.db.execute("select body from messages where number = ?", (message.number,)).fetchone()
            message.body = row[0]
        return message

    def complete(self, message: Held) -> None:
        """It is done with; the delete joins the next commit."""
        with self._journal.writing() as db:
            db.execute("delete from messages where number = ?", (message.number,))
        self.lanes[message.queue].release(message)

    def abandon(self, message: Held, reason: str, *, delay_seconds: float = 0.0) -> None:
        """Its handler failed: it comes again, or is dead after too many failures."""
        message.delivery_count += 1
        body, message.body = message.body, None
        with self._journal.writing() as db:
            if message.delivery_count >= MAX_DELIVERY_COUNT:
                self._bury(message.queue, message.session, "dead", reason, message.delivery_count, message.size, body)
                db.execute("delete from messages where number = ?", (message.number,))
                self.lanes[message.queue].release(message)
                return
            db.execute(
                "update messages set delivery_count = ? where number = ?", (message.delivery_count, message.number)
            )
        self.lanes[message.queue].put_back(message, self._clock() + delay_seconds if delay_seconds else None)

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

    async def park(self, queue: QueueName, body: bytes, reason: str, size: int = 0) -> None:
        with self._journal.writing():
            self._bury(queue, None, "parked", reason, 0, size, body)
        await self._journal.committed()

    async def list_dead(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        rows = self._journal.db.execute(
            "select number, queue, kind, reason, at, delivery_count, size, body from dead_letters"
            " order by number desc limit ?",
            (limit,),
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
        if row is None:
            raise NotFoundError(f"no dead letter {dead_letter_id!r}")
        return row

    async def replay(self, dead_letter_id: str) -> None:
        number, queue, *_, size, body = self._find_dead(dead_letter_id)
        now = self._clock()
        with self._journal.writing() as db:
            (session,) = db.execute("select session from dead_letters where number = ?", (number,)).fetchone()
            if session is None and queue == "groups":
                session = "0"  # any will do: sessions only keep order, and this one has lost its place
            new = db.execute(
                "insert into messages (queue, session, id, due_at, enqueued_at, delivery_count, size, body)"
                " values (?, ?, ?, 0, ?, 0, ?, ?)",
                (queue, session, f"{REPLAYED}{number}", now, size, body),
            ).lastrowid
            assert new is not None
            db.execute("delete from dead_letters where number = ?", (number,))
            held = Held(new, queue, session, f"{REPLAYED}{number}", 0.0, now, size, None)
            self._journal.when_committed(lambda: self._publish([held]))
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
