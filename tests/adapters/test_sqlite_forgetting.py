"""What the file forgets, and when: a little at a time, and nothing that anything still needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite import forgetting
from adapters.sqlite.forgetting import Kept
from adapters.sqlite.groups import SqliteGroupStore
from adapters.sqlite.journal import Journal
from adapters.sqlite.sources import SqliteSourceStore
from domain.errors import NotFoundError
from domain.groups import Decision, Transaction
from domain.notifications import NotificationLog
from tests.builders import HOUR, NOON, alert, entry, group_id, head, incident, member

DAY = timedelta(days=1)
KEPT = Kept(entries=90 * DAY, incidents=400 * DAY)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Journal, SqliteGroupStore]]:
    journal = Journal(folder / "tocsin.db")
    try:
        yield journal, SqliteGroupStore(journal, SqliteSourceStore(journal), NOON.timestamp, KEPT)
    finally:
        journal.close()


async def write(groups: SqliteGroupStore, number: int, *, at: datetime = NOON, **changes: Any) -> None:
    """An entry of that time, and what else the decision has."""
    known: dict[str, Any] = {"entry": entry(number, at=at), "head": head(number, present=0, firing=0)}
    decision = Decision(**(known | changes))
    await groups.transact([Transaction(group_id(number), lambda _: decision)])


async def settle(groups: SqliteGroupStore) -> None:
    """What is written behind has reached its tables."""
    await groups.list_heads()
    await groups.clear_outbox([])


def count(journal: Journal, table: str) -> int:
    (number,) = journal.db.execute(f"select count(*) from {table}").fetchone()
    return int(number)


async def test_old_entries_go_and_young_ones_stay(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, groups):
        for age in (200, 91, 89, 0):
            await write(groups, 1, at=NOON - age * DAY)
        await groups.forget(NOON)
        assert [one.at for one in await groups.list_entries(group_id(1))] == [NOON - 89 * DAY, NOON]
        assert count(journal, "entries") == 2


async def test_the_numbers_of_entries_go_on_when_all_are_old(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, groups):
        await write(groups, 1, at=NOON - 200 * DAY)
        await write(groups, 1, at=NOON - 199 * DAY)
        await groups.forget(NOON)
        assert count(journal, "entries") == 1
    async with opened(tmp_path) as (_, groups):
        await write(groups, 2)
        assert groups.last_entry() == 3
        assert len(await groups.list_entries(group_id(1))) == 1
        assert len(await groups.list_entries(group_id(2))) == 1


async def test_incidents_that_ended_long_ago_go(tmp_path: Path) -> None:
    long_ago = NOON - 500 * DAY
    over = incident(1, 1, opened_at=long_ago, resolved_at=long_ago + HOUR)
    lasting = incident(2, 1, opened_at=long_ago)
    late = incident(3, 1, opened_at=long_ago, resolved_at=NOON - 399 * DAY)
    async with opened(tmp_path) as (_, groups):
        for number, one in enumerate((over, lasting, late), 1):
            await write(groups, number, incident=one)
        await settle(groups)
        await groups.forget(NOON)
        assert {one.id for one in await groups.list_incidents()} == {lasting.id, late.id}
        with pytest.raises(NotFoundError):
            await groups.get_incident(over.id)
    async with opened(tmp_path) as (_, groups):
        assert {one.id for one in await groups.list_incidents()} == {lasting.id, late.id}


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        pytest.param({}, False, id="a group of which nothing is kept"),
        pytest.param({"head": head(1)}, True, id="a group with alerts"),
        pytest.param({"incident": incident(1, 1, opened_at=NOON - 100 * DAY)}, True, id="one with an incident"),
        pytest.param({"members": [member(alert(), dropped_at=NOON)]}, True, id="one with a tombstone"),
        pytest.param({"entry": entry(1, at=NOON)}, True, id="one that decided lately"),
    ],
)
async def test_groups_go_when_nothing_of_them_is_kept(tmp_path: Path, changes: dict[str, Any], is_kept: bool) -> None:
    async with opened(tmp_path) as (journal, groups):
        log = NotificationLog(0)
        await write(groups, 1, at=NOON - 100 * DAY, logs=[log], **changes)
        await write(groups, 2)
        await settle(groups)
        await groups.forget(NOON)
        await groups.forget(NOON)
        await settle(groups)
        assert count(journal, "heads") == 1 + is_kept
        assert count(journal, "logs") == is_kept
    async with opened(tmp_path) as (_, groups):
        assert bool(await groups.receiver_of(group_id(1))) is is_kept


async def test_a_group_that_comes_back_begins_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, groups):
        await write(groups, 1, at=NOON - 100 * DAY)
        await write(groups, 2)
        await settle(groups)
        await groups.forget(NOON)
        states = []

        def look(state: Any) -> Decision:
            states.append(state)
            return Decision(head=head(1), entry=entry(1))

        await groups.transact([Transaction(group_id(1), look)])
        assert states[0].head is None
        assert len(await groups.list_entries(group_id(1))) == 1


async def test_a_sweep_does_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "STEPS_PER_SWEEP", 2)
    monkeypatch.setattr(forgetting, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(forgetting, "PAUSE_SECONDS", 0.0)
    async with opened(tmp_path) as (journal, groups):
        for _ in range(12):
            await write(groups, 1, at=NOON - 100 * DAY)
        left = []
        for _ in range(3):
            await groups.forget(NOON)
            left.append(count(journal, "entries"))
        assert left == [6, 1, 1]


async def test_large_entries_go_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "STEPS_PER_SWEEP", 1)
    monkeypatch.setattr(forgetting, "BYTES_AT_ONCE", 10)
    async with opened(tmp_path) as (journal, groups):
        for _ in range(3):
            await write(groups, 1, at=NOON - 100 * DAY)
        await groups.forget(NOON)
        assert count(journal, "entries") == 2


async def test_the_file_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "LEAST_FREE_PAGES", 10)
    monkeypatch.setattr(forgetting, "PAUSE_SECONDS", 0.0)
    file = tmp_path / "tocsin.db"
    async with opened(tmp_path) as (_, groups):
        for _ in range(20):
            await write(groups, 1, entry=entry(1, at=NOON - 100 * DAY, why="x" * 200_000))
        await write(groups, 1)
    before = file.stat().st_size
    async with opened(tmp_path) as (_, groups):
        await groups.forget(NOON)
    assert file.stat().st_size < before / 3
