"""What a contract cannot see of the SQLite adapters: what the file holds after any end, and after an error."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.lanes import Held
from adapters.messages import MessageQueues
from adapters.sqlite import broker as broker_module
from adapters.sqlite import groups as groups_module
from adapters.sqlite.broker import SqliteBroker
from adapters.sqlite.groups import SqliteGroupStore
from adapters.sqlite.journal import SCHEMA_VERSION, Journal
from adapters.sqlite.policy import SqlitePolicyStore
from adapters.sqlite.silences import SqliteSilenceStore
from adapters.sqlite.sources import SqliteSourceStore
from domain.errors import NotFoundError, UnavailableError
from domain.groups import Decide, Decision, GroupState, Outgone, Tally, Transaction, Wanted
from domain.notifications import NotificationLog
from domain.queues import MAX_DELIVERY_COUNT, QueueName
from domain.situations import PolicyHead
from tests.adapters.test_delivery import run
from tests.builders import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    alert,
    delivery,
    entry,
    events,
    group_id,
    head,
    incident,
    member,
    reported,
    silence,
    tick,
)

ROOT = Path(__file__).parents[2]


@dataclass
class Home:
    """Everything that lives in one file."""

    journal: Journal
    groups: SqliteGroupStore
    broker: SqliteBroker
    queues: MessageQueues
    policy: SqlitePolicyStore
    silences: SqliteSilenceStore

    async def write(self, number: int, decision: Decision | None = None, **changes: Any) -> list[Outgone]:
        said = replace(decision or Decision(), head=head(number, **changes))
        return list(await self.groups.transact([Transaction(group_id(number), always(said))]))

    async def left(self) -> list[dict[str, Any]]:
        """What the change feed shows from its beginning: what is left in the outbox."""
        documents, _ = await self.groups.changes("", limit=10)
        return documents

    def receive(self, queue: QueueName) -> Held:
        message = self.broker.receive(queue)
        assert message is not None
        return message

    async def read(self, number: int) -> GroupState:
        seen: list[GroupState] = []

        def look(state: GroupState) -> Decision | Wanted:
            seen.append(state)
            return Decision() if state.head is None or state.logs is not None else Wanted()

        await self.groups.transact([Transaction(group_id(number), look)])
        return seen[-1]


class Clock:
    now = NOON.timestamp()

    def __call__(self) -> float:
        return self.now


def always(decision: Decision) -> Decide:
    return lambda state: decision


@asynccontextmanager
async def opened(folder: Path, clock: Callable[[], float] = NOON.timestamp) -> AsyncIterator[Home]:
    journal = Journal(folder / "tocsin.db")
    try:
        groups, broker, policy = (
            SqliteGroupStore(journal, SqliteSourceStore(journal), clock),
            SqliteBroker(journal, clock),
            SqlitePolicyStore(journal),
        )
        yield Home(journal, groups, broker, MessageQueues(broker), policy, SqliteSilenceStore(journal, policy))
    finally:
        journal.close()


def killed(folder: Path, number: int = 0) -> Path:
    """The files as a process that is killed at this instant leaves them to the next one."""
    left = folder.with_name(f"{folder.name}-left-{number}")
    shutil.copytree(folder, left)
    return left


@contextmanager
def broken(folder: Path, table: str, event: str = "insert") -> Iterator[None]:
    """While this lasts, every such statement fails."""
    with sqlite3.connect(folder / "tocsin.db", autocommit=True) as db:
        db.execute(f"create trigger broken before {event} on {table} begin select raise(abort, 'broken'); end")
        yield
        db.execute("drop trigger broken")
    db.close()


@dataclass
class AfterCommits:
    """A participant of the journal that writes nothing."""

    call: Callable[[], None]

    def write(self, db: sqlite3.Connection) -> None: ...

    def done(self) -> None:
        self.call()

    def undone(self) -> None: ...


async def let_others_run() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


DB, WEB = (member(alert(instance=name)) for name in ("db", "web"))


class TestDurability:
    @pytest.mark.parametrize("end", ["closed", "killed"])
    async def test_everything_acknowledged_is_there_at_the_next_start(self, tmp_path: Path, end: str) -> None:
        folder = tmp_path / "data"
        log = NotificationLog(0, NOON, b"\x01" * 8)
        async with opened(folder) as home:
            said = Decision(
                members=[DB, replace(WEB, dropped_at=NOON)],
                logs=[log],
                incident=incident(),
                entry=entry(tally=Tally(folded=2, due=1)),
                outbox=[tick(), delivery()],
            )
            sent = await home.write(1, said, next_due_at=NOON)
            await home.write(1, Decision(entry=entry(revision=2, tally=Tally(folded=1))), revision=2, next_due_at=NOON)
            await home.groups.clear_outbox(sent[:1])
            await home.policy.heard(NOON, resumed=True)
            await home.policy.activate("v1", "route: {}", NOON)
            await home.silences.upsert_silence(silence())
            if end == "killed":
                folder = killed(folder)
        async with opened(folder) as home:
            after = head(revision=2, next_due_at=NOON)
            members = {one.alert.fingerprint: one for one in said.members}
            assert await home.read(1) == GroupState(after, members, {0: log}, is_complete=True)
            assert await home.groups.list_heads() == [after]
            assert await home.groups.list_members() == [(group_id(1), DB)]
            assert await home.groups.list_overdue(NOON + SECOND, limit=10) == [group_id(1)]
            assert await home.groups.list_incidents() == [incident()]
            assert [one.revision for one in await home.groups.list_entries(group_id(1))] == [1, 2]
            assert await home.groups.tally() == Tally(folded=3, due=1)
            assert [document["key"] for document in await home.left()] == [sent[1].key]
            assert await home.policy.get_head() == PolicyHead("v1", 1, NOON, NOON)
            assert await home.policy.get_configuration("v1") == "route: {}"
            assert await home.silences.list_silences() == [silence()]

    @pytest.mark.parametrize("end", ["closed", "killed"])
    async def test_every_message_is_there_at_the_next_start(self, tmp_path: Path, end: str) -> None:
        folder, clock = tmp_path / "data", Clock()
        two = events(reported(alert(), alert(instance="web"), number=1))
        async with opened(folder, clock) as home:
            await home.queues.send_events([two, events(reported(number=2)), events(reported(group=2, number=3))])
            await home.queues.send_events([events(reported(number=4))])
            await home.queues.send_ticks([tick(due_at=NOON + HOUR), tick(due_at=NOON)])
            await home.queues.send_deliveries([delivery("later")], not_before=NOON + MINUTE)
            await home.queues.park("ticks", b"body", "reason", size=3)
            failing = home.receive("ticks")
            for _ in range(2):
                home.broker.abandon(failing, "no")
                assert home.broker.receive("ticks") is failing
            # The handler is at work on it when the process ends.
            done = home.receive("groups")
            home.broker.complete(done)
            await home.write(1)  # a commit, which takes the rest along
            if end == "killed":
                folder = killed(folder)
        async with opened(folder, clock) as home:
            assert await home.queues.count_accepted() == 5
            # Those of one send share a row: they come again together, and each group knows what it has folded.
            received = []
            while message := home.broker.receive("groups"):
                received.append((message.session, message.delivery_count, message.size))
                home.broker.complete(message)
            assert sorted(received) == [("1", 0, 1), ("1", 0, 1), ("1", 0, 2), ("2", 0, 1)]
            again = home.receive("ticks")
            assert (again.number, again.body, again.delivery_count) == (failing.number, failing.body, 2)
            assert home.broker.receive("ticks") is None
            assert home.broker.lanes["ticks"].next_due_at() == (NOON + HOUR).timestamp()
            await home.queues.send_deliveries([delivery("later")])
            assert home.broker.receive("deliveries") is None
            clock.now += 60
            assert home.broker.receive("deliveries")
            assert home.broker.receive("deliveries") is None
            (letter,) = await home.queues.list_dead()
            assert (letter.reason, letter.body, letter.size, letter.at) == ("reason", b"body", 3, NOON)

    async def test_what_is_completed_is_gone_at_the_next_start(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as home:
            await home.queues.send_events([events(reported(group=number)) for number in range(3)])
            await home.queues.send_ticks([tick()])
            queues: list[QueueName] = ["groups", "groups", "groups", "ticks"]
            for queue in queues:
                message = home.receive(queue)
                home.broker.complete(message)
        async with opened(tmp_path) as home:
            assert await home.queues.count_waiting() == 0
            assert [len(lane) for lane in home.broker.lanes.values()] == [0] * len(home.broker.lanes)

    async def test_a_replay_survives_whole(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "data") as home:
            await home.queues.park("groups", b"body", "reason", size=1)
            (letter,) = await home.queues.list_dead()
            await home.queues.replay(letter.id)
            left = killed(tmp_path / "data")
        async with opened(left) as home:
            assert not await home.queues.list_dead()
            message = home.receive("groups")
            assert (message.body, message.id, message.size) == (b"body", f"replayed-{letter.id}", 1)
            assert home.broker.receive("groups") is None

    async def test_whenever_it_is_killed_a_group_is_written_whole_or_not_at_all(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        left: list[tuple[Path, set[int]]] = []
        async with opened(folder) as home:
            said = Decision(members=[DB, WEB], logs=[NotificationLog(0)], entry=entry(tally=Tally(folded=1)))
            writing = {n: asyncio.create_task(home.write(n, replace(said, outbox=[tick(n)]))) for n in range(3)}
            while not all(task.done() for task in writing.values()):
                acknowledged = {number for number, task in writing.items() if task.done()}
                left.append((killed(folder, len(left)), acknowledged))
                await asyncio.sleep(0)
            left.append((killed(folder, len(left)), set(writing)))
        for each, acknowledged in left:
            async with opened(each) as home:
                found = {number for number in writing if (await home.read(number)).head}
                assert acknowledged <= found
                assert len(await home.groups.list_members()) == 2 * len(found)
                assert await home.groups.tally() == Tally(folded=len(found))
                assert len(await home.left()) == len(found)

    def test_whenever_it_is_killed_rows_on_their_way_to_their_tables_are_not_lost(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        members = [member(alert(instance=str(number))) for number in range(600)]
        changed = [replace(one, occurrence=2) for one in members[::3]]
        gone = [one.alert.fingerprint for one in members[1::3]]
        expected = {1: {one.alert.fingerprint: one for one in members}}
        expected[2] = {name: one for name, one in expected[1].items() if name not in gone}
        expected[2] |= {one.alert.fingerprint: one for one in changed}
        left: list[Path] = []

        async def written() -> None:
            async with opened(folder) as home:
                halfway = asyncio.Event()
                home.journal.add(AfterCommits(lambda: left.append(killed(folder, len(left)))))
                home.journal.add(AfterCommits(lambda: halfway.set() if len(left) == 2 else None))
                await home.write(1, Decision(members=members))
                await halfway.wait()  # the first rows have been written to their table
                await home.write(1, Decision(members=changed, forgotten=gone), revision=2)
                await asyncio.sleep(60)

        async def check() -> list[int]:
            revisions = []
            for each in left:
                async with opened(each) as home:
                    state = await home.read(1)
                    assert state.head
                    revisions.append(state.head.revision)
                    assert state.members == expected[state.head.revision]
                    found = {one.alert.fingerprint: one for _, one in await home.groups.list_members()}
                    assert found == state.members
            return revisions

        # In virtual time, since rows wait for some seconds.
        run(written())
        revisions = run(check())
        assert revisions == sorted(revisions)
        assert revisions[:2] == [1, 1]
        assert revisions.count(2) > 2
        assert _redo_records(left[-1]) == 0

    def test_nothing_is_written_after_the_end(self, tmp_path: Path) -> None:
        async def story() -> None:
            problems: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
            async with opened(tmp_path) as home:
                await home.write(1, Decision(members=[DB]))
            await asyncio.sleep(60)
            assert not problems

        run(story())


def _redo_records(folder: Path) -> int:
    with sqlite3.connect(folder / "tocsin.db") as db:
        (count,) = db.execute("select count(*) from redo").fetchone()
    db.close()
    return int(count)


class TestFailures:
    @pytest.mark.parametrize("table", ["redo", "entries", "outbox", "ledger", "messages", "parcels", "policy", "sent"])
    async def test_a_failing_statement_undoes_the_whole_commit_for_all_who_joined_it(
        self, tmp_path: Path, table: str
    ) -> None:
        async with opened(tmp_path) as home:
            await home.write(1, Decision(members=[DB], entry=entry(tally=Tally(folded=1))))
            before = await home.read(1)

            async def all_at_once() -> list[BaseException | object]:
                return await asyncio.gather(
                    home.write(
                        1, Decision(members=[WEB], entry=entry(tally=Tally(folded=1)), outbox=[tick()]), revision=2
                    ),
                    home.write(2, Decision(members=[DB], incident=incident(2))),
                    home.queues.send_events([events()]),
                    home.queues.send_ticks([tick()]),
                    home.policy.activate("v1", "text", NOON),
                    home.silences.upsert_silence(silence()),
                    home.queues.send_deliveries([delivery()]),
                    return_exceptions=True,
                )

            with broken(tmp_path, table):
                results = await all_at_once()
                assert [str(result) for result in results] == ["the store failed: broken"] * len(results)
                assert all(isinstance(result, UnavailableError) for result in results)
                assert await home.read(1) == before
                assert (await home.read(2)).head is None
                assert not await home.left()
                assert await home.groups.tally() == Tally(folded=1)
                assert [len(lane) for lane in home.broker.lanes.values()] == [0] * 6
                assert await home.queues.count_accepted() == 0
                assert await home.policy.get_head() == PolicyHead()
                assert not await home.policy.list_configurations()
                assert not await home.silences.list_silences()
                with pytest.raises(NotFoundError):
                    await home.groups.get_incident(incident(2).id)
            results = await all_at_once()
            assert not [result for result in results if isinstance(result, BaseException)]
        async with opened(tmp_path) as home:
            assert [one.id for one in await home.groups.list_heads()] == [group_id(1), group_id(2)]
            assert len((await home.read(1)).members) == 2
            assert await home.groups.tally() == Tally(folded=2)
            assert len(await home.left()) == 1
            assert await home.queues.count_accepted() == 1
            assert [len(home.broker.lanes[name]) for name in ("groups", "ticks", "deliveries")] == [1, 1, 1]
            assert await home.policy.get_head() == PolicyHead("v1", 1)

    async def test_what_keeps_it_from_writing_is_known_until_it_writes(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with opened(tmp_path) as home:
            assert home.journal.trouble == ""
            with broken(tmp_path, "configurations"):
                for _ in range(2):
                    with pytest.raises(UnavailableError):
                        await home.policy.activate("v1", "text", NOON)
                assert home.journal.trouble == "broken"
                await home.policy.get_head()
                assert home.journal.trouble == "broken"
            await home.policy.activate("v1", "text", NOON)
            assert home.journal.trouble == ""
        said = [record.getMessage() for record in caplog.records if record.name == "tocsin.sqlite"]
        assert said == [
            "nothing can be written, so alerts are refused (503) until it can: broken",
            "the store can be written again",
        ]

    async def test_a_full_disk_is_waited_out(self, tmp_path: Path) -> None:
        big = member(alert(annotations={"text": "x" * 100_000}))
        async with opened(tmp_path) as home:
            await home.write(1)
            (pages,) = home.journal.db.execute("pragma page_count").fetchone()
            home.journal.db.execute(f"pragma max_page_count = {pages}")
            results = await asyncio.gather(
                home.write(1, revision=2), home.write(2, Decision(members=[big])), return_exceptions=True
            )
            assert [str(result) for result in results] == ["the store failed: database or disk is full"] * 2
            assert (await home.read(1)).head == head()
            home.journal.db.execute("pragma max_page_count = 1000000")
            await home.write(2, Decision(members=[big]))
        async with opened(tmp_path) as home:
            assert (await home.read(1)).head == head()
            assert (await home.read(2)).members == {big.alert.fingerprint: big}

    async def test_a_decision_that_cannot_be_written_leaves_no_trace(self, tmp_path: Path) -> None:
        # A lone surrogate is no text: SQLite and JSON refuse it.
        bad = replace(DB, alert=replace(DB.alert, annotations={"text": "\ud800"}))
        async with opened(tmp_path) as home:
            await home.write(1)
            said = Decision(members=[WEB, bad], entry=entry(tally=Tally(folded=1)), outbox=[tick()])
            results = await asyncio.gather(home.write(1, said, revision=2), home.write(2), return_exceptions=True)
            assert [isinstance(result, UnicodeEncodeError) for result in results] == [True, False]
            assert await home.read(1) == GroupState(head(), {}, {}, is_complete=True)
            assert not await home.left()
        async with opened(tmp_path) as home:
            assert await home.read(1) == GroupState(head(), {}, {}, is_complete=True)
            assert await home.groups.tally() == Tally()
            assert (await home.read(2)).head == head(2)

    async def test_what_was_completed_in_a_commit_that_failed_is_deleted_by_the_next(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as home:
            sent = await home.write(1, Decision(outbox=[tick()]))
            await home.queues.send_events([events()])
            await home.queues.send_ticks([tick()])
            with broken(tmp_path, "redo"):
                queues: list[QueueName] = ["groups", "ticks"]
                for queue in queues:
                    message = home.receive(queue)
                    home.broker.complete(message)
                await home.groups.clear_outbox(sent)
                with pytest.raises(UnavailableError):
                    await home.write(2)
            assert await home.queues.count_waiting() == 0
            await home.write(2)
        async with opened(tmp_path) as home:
            assert [len(lane) for lane in home.broker.lanes.values()] == [0] * 6
            assert not await home.left()

    async def test_a_message_abandoned_while_the_store_fails_comes_again(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as home:
            await home.queues.send_ticks([tick()])
            with broken(tmp_path, "messages", "update"):
                for failures in range(3):
                    message = home.receive("ticks")
                    assert message.delivery_count == failures
                    home.broker.abandon(message, "no")
                    await let_others_run()
            assert home.broker.receive("ticks")

    async def test_a_message_that_dies_while_the_store_fails_is_not_lost(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as home:
            await home.queues.send_events([events(reported(number=1)), events(reported(number=2))])
            message = home.receive("groups")
            message.delivery_count = MAX_DELIVERY_COUNT - 1
            with broken(tmp_path, "dead_letters"):
                home.broker.abandon(message, "no")
            assert home.broker.receive("groups") is message
            with broken(tmp_path, "redo"):
                home.broker.abandon(message, "no")
                with pytest.raises(UnavailableError):
                    await home.write(1)
            assert not await home.queues.list_dead()
            assert await home.queues.count_waiting() == 2
            assert home.broker.receive("groups") is message
            home.broker.abandon(message, "at last")
            await let_others_run()
            (letter,) = await home.queues.list_dead()
            assert letter.reason == "at last"
            assert (await home.queues.count_waiting(), await home.queues.count_parked()) == (1, 1)

    def test_rows_that_cannot_reach_their_tables_are_known_all_the_same_and_tried_again(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        members = [member(alert(instance=str(number))) for number in range(600)]

        async def story() -> None:
            async with opened(folder) as home:
                await home.write(1, Decision(members=members))
                with broken(folder, "members"):
                    for revision in range(2, 5):
                        await asyncio.sleep(60)
                        await home.write(1, revision=revision)
                        state = await home.read(1)
                        assert (state.head, len(state.members)) == (head(revision=revision), 600)
                assert _redo_records(folder) == 4
                await asyncio.sleep(60)
                assert _redo_records(folder) == 0
                assert len(await home.groups.list_members()) == 600

        run(story())

    async def test_cancelling_one_waiter_cancels_no_other(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as home:
            tasks = [asyncio.create_task(home.write(number)) for number in range(3)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [isinstance(result, asyncio.CancelledError) for result in results] == [False, True, False]
            # What it had joined is committed all the same: nobody may know half of it.
            assert len(await home.groups.list_heads()) == 3


class TestCaches:
    async def test_heads_beyond_the_cache_are_read_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups_module, "HEADS_CACHED", 2)
        async with opened(tmp_path) as home:
            for revision in range(1, 4):
                for number in range(5):
                    said = Decision(members=[DB], entry=entry(number, revision=revision))
                    await home.write(number, said, revision=revision)
            assert [one.revision for one in await home.groups.list_heads()] == [3] * 5
            for number in range(5):
                state = await home.read(number)
                assert (state.head, len(state.members)) == (head(number, revision=3), 1)
                assert [one.revision for one in await home.groups.list_entries(group_id(number))] == [1, 2, 3]

    async def test_bodies_beyond_the_memory_are_read_from_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker_module, "BODIES_IN_MEMORY_BYTES", 0)
        async with opened(tmp_path) as home:
            await home.queues.send_events([events(reported(number=number)) for number in range(3)])
            await home.queues.send_ticks([tick(1), tick(2)])
            bodies = []
            queues: list[QueueName] = ["groups", "groups", "groups", "ticks", "ticks"]
            for queue in queues:
                message = home.receive(queue)
                home.broker.abandon(message, "no")
                assert home.broker.receive(queue) is message
                bodies.append(message.body)
                home.broker.complete(message)
            assert None not in bodies
            assert len(set(bodies)) == 5


class TestOpening:
    async def test_an_unknown_schema_is_refused_by_its_number_and_left_alone(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as home:
            await home.write(1)
        file = tmp_path / "tocsin.db"
        with sqlite3.connect(file) as db:
            db.execute("pragma user_version = 99")
        db.close()
        content = file.read_bytes()
        with pytest.raises(
            UnavailableError,
            match=f"{file} cannot be opened: its schema has version 99, this program writes {SCHEMA_VERSION}",
        ):
            Journal(file)
        assert file.read_bytes() == content
        with sqlite3.connect(file) as db:
            db.execute(f"pragma user_version = {SCHEMA_VERSION}")
        db.close()
        async with opened(tmp_path) as home:
            assert (await home.read(1)).head == head()

    def test_what_is_no_database_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "tocsin.db"
        file.write_text("This is no database, but somebody’s notes.\n" * 100)
        with pytest.raises(UnavailableError, match="cannot be opened: file is not a database"):
            Journal(file)

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UnavailableError, match=f"{tmp_path}/file/data/tocsin.db cannot be opened"):
            Journal(tmp_path / "file" / "data" / "tocsin.db")

    def test_a_second_process_is_refused_until_the_first_one_is_gone(self, tmp_path: Path) -> None:
        file = tmp_path / "tocsin.db"
        program = (
            "import sys; from pathlib import Path; from adapters.sqlite.journal import Journal\n"
            "journal = Journal(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
        )
        first = subprocess.Popen(
            [sys.executable, "-c", program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        with first:
            try:
                assert first.stdout
                assert first.stdout.readline() == "open\n"
                with pytest.raises(UnavailableError, match=f"{file} is in use by another process"):
                    Journal(file)
            finally:
                first.send_signal(signal.SIGKILL)
        Journal(file).close()


# --- who may read it --------------------------------------------------------------------------------------------------


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


OWN = ("tocsin.db", "tocsin.db-wal", "tocsin.db-shm", "tocsin.db.lock")


@pytest.fixture
def _open_handed() -> Iterator[None]:
    kept = os.umask(0o000)
    yield
    os.umask(kept)


@pytest.mark.usefixtures("_open_handed")
async def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path / "new" / "data") as home:
        await home.write(1)
        assert modes(tmp_path / "new" / "data") == {"data": 0o700} | dict.fromkeys(OWN, 0o600)


@pytest.mark.usefixtures("_open_handed")
async def test_what_others_could_read_is_narrowed_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path / "running") as home:
        await home.write(1)
        data = killed(tmp_path / "running")  # with its log, as a crash leaves it
    data.chmod(0o755)
    for file in data.iterdir():
        file.chmod(0o644)
    async with opened(data) as home:
        assert modes(data) == {data.name: 0o700} | dict.fromkeys(OWN, 0o600)
        assert (await home.read(1)).head is not None


@pytest.mark.usefixtures("_open_handed")
async def test_a_folder_that_holds_other_things_stays_as_open_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "alertmanager.yml").touch(mode=0o644)
    async with opened(shared) as home:
        await home.write(1)
        assert modes(shared) == {"shared": 0o755, "alertmanager.yml": 0o644} | dict.fromkeys(OWN, 0o600)
