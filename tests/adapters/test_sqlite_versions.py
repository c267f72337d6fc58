"""Files of every version of the schema: each is brought up to date, with all that it holds.

`tests/data/sqlite/version-N.sql` is what the program of that time left when it was killed with rows in its redo log:
groups, one of them over, and a silence where it knew silences.  `python -m tests.schema_file` makes that of a new
version.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.sqlite.journal import ADDED, SCHEMA_VERSION
from domain.groups import Tally, Tick
from tests.adapters.test_sqlite import opened
from tests.serving import Serving, eventually

DATA = Path(__file__).parents[1] / "data" / "sqlite"
VERSIONS = range(1, SCHEMA_VERSION + 1)


def as_it_was(version: int, folder: Path) -> Path:
    """The file of that version in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tocsin.db"
    with closing(sqlite3.connect(file)) as db:
        db.executescript((DATA / f"version-{version}.sql").read_text("utf-8"))
        assert db.execute("pragma user_version").fetchone() == (version,)
        assert db.execute("select count(*) from redo").fetchone() > (0,)
    return file


@contextmanager
def read(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as db:
        yield db


def test_every_version_has_its_file_and_its_migration() -> None:
    assert sorted(DATA.iterdir()) == [DATA / f"version-{number}.sql" for number in VERSIONS]
    assert sorted(ADDED) == list(VERSIONS)[1:]


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_older_file_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    file = as_it_was(version, tmp_path / "old")
    async with opened(tmp_path / "new"):
        """Made anew."""
    async with opened(file.parent) as home:
        incidents = await home.groups.list_incidents()
        assert len(incidents) >= 2
        assert {incident.resolved_at is None for incident in incidents} == {True, False}
        heads = await home.groups.list_heads()
        assert heads
        members = await home.groups.list_members()
        # The last of them stood in the redo log alone.
        assert {"db-1", "db-2", "db-3"} <= {member.alert.labels.get("instance") for _, member in members}
        for incident in incidents:
            entries = await home.groups.list_entries(incident.group_id)
            assert any(entry.opens(incident.id) for entry in entries)
        tally = await home.groups.tally()
        waiting = await home.queues.count_waiting() + await home.queues.count_parked()
        assert await home.queues.count_accepted() == tally.folded + waiting > 0
        assert tally.due >= tally.delivered + tally.failed + tally.superseded
        versions = await home.policy.list_configurations()
        assert len(versions) == 1
    schema = "select type, name, sql from sqlite_master order by type, name"
    with read(file) as old, read(tmp_path / "new" / "tocsin.db") as new:
        assert old.execute("pragma user_version").fetchone() == (SCHEMA_VERSION,)
        assert old.execute(schema).fetchall() == new.execute(schema).fetchall()
        assert old.execute("pragma integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_migrated_file_is_written_to(tmp_path: Path, version: int) -> None:
    file = as_it_was(version, tmp_path)
    async with opened(file.parent) as home:
        before: Tally = await home.groups.tally()
        await home.write(7, revision=1)
        await home.queues.send_ticks([Tick((await home.groups.list_heads())[0].id, datetime(2030, 1, 1, tzinfo=UTC))])
        await home.groups.forget(datetime(2026, 11, 23, tzinfo=UTC))
    async with opened(file.parent) as home:
        assert await home.groups.tally() == before
        assert len(home.broker.lanes["ticks"]) >= 1


@pytest.mark.timeout(60)
def test_the_first_version_is_served(tmp_path: Path) -> None:
    tocsin = Serving(tmp_path, home="sqlite")
    as_it_was(1, tocsin.data)
    with tocsin:
        assert len(tocsin.get("/api/v1/incidents").json()["incidents"]) >= 2
        assert tocsin.post("/api/v2/alerts", [{"labels": {"alertname": "New"}}]).status == 200
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["waiting"] == 0, "the fold")
        assert tocsin.get("/api/v1/ledger").json()["balanced"]
        assert tocsin.stop() == 0
