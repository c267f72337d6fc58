"""Backups: one moment of a database that is being written to; whole, its owner's alone, and put back or refused."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.keyring import PEPPER_FILE, read_pepper
from adapters.sqlite import backup as backup_module
from adapters.sqlite.backup import MANIFEST, make_backup, read_manifest, restore_backup
from adapters.sqlite.journal import SCHEMA_VERSION, Journal
from devhost.cli import main
from domain.errors import RejectedError, UnavailableError
from domain.groups import Decision, Tally
from tests.adapters.test_sqlite import opened
from tests.adapters.test_sqlite_versions import as_it_was
from tests.builders import NOON, entry, events, group_id, incident, member


async def fill(folder: Path, many: int = 3) -> None:
    async with opened(folder) as home:
        for number in range(1, many + 1):
            said = Decision(
                members=[member()],
                incident=incident(number, opened_at=NOON),
                entry=entry(number, tally=Tally(folded=1)),
            )
            await home.write(number, said)
        await home.queues.send_events([events()])


async def check(folder: Path, many: int = 3) -> None:
    async with opened(folder) as home:
        assert len(await home.groups.list_incidents()) == many
        assert await home.groups.tally() == Tally(folded=many)
        assert await home.queues.count_accepted() == 1
        assert len(home.broker.lanes["groups"]) == 1
        assert (await home.read(many)).members


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["b.tar", "b.tgz"])
async def test_what_is_backed_up_is_restored(tmp_path: Path, name: str) -> None:
    pepper = read_pepper("", tmp_path / "data")
    await fill(tmp_path / "data")
    made = make_backup(tmp_path / "data", tmp_path / name)
    assert read_manifest(tmp_path / name) == made
    assert (made.schema, made.ledger["folded"], made.ledger["accepted"]) == (SCHEMA_VERSION, 3, 1)
    restored = restore_backup(tmp_path / name, tmp_path / "new")
    assert (restored.manifest, restored.replaced) == (made, ())
    assert read_pepper("", tmp_path / "new") == pepper
    await check(tmp_path / "new")


async def test_a_backup_is_made_while_the_file_is_written_to(tmp_path: Path) -> None:
    """What is still in the redo log, and in no table, is in it too."""
    async with opened(tmp_path / "data") as home:
        for number in range(1, 4):
            await home.write(number, Decision(incident=incident(number), entry=entry(number)))
        assert home.journal.db.execute("select count(*) from incidents").fetchone() == (0,)
        made = asyncio.create_task(asyncio.to_thread(make_backup, tmp_path / "data", tmp_path / "b.tar"))
        number = 3
        while not made.done():
            number += 1
            await home.write(number, Decision(incident=incident(number), entry=entry(number)))
        await made
    restore_backup(tmp_path / "b.tar", tmp_path / "new")
    async with opened(tmp_path / "new") as home:
        incidents = await home.groups.list_incidents(limit=10_000)
        assert 3 <= len(incidents) <= number
        heads = {one.id for one in await home.groups.list_heads(limit=10_000)}
        assert heads == {one.group_id for one in incidents} == {group_id(n) for n in range(1, len(incidents) + 1)}


async def test_only_its_owner_reads_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    (tmp_path / "backups").mkdir()
    before = os.umask(0)
    try:
        make_backup(tmp_path / "data", tmp_path / "backups" / "b.tar")
    finally:
        os.umask(before)
    (left,) = (tmp_path / "backups").iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o600


async def test_what_was_forgotten_is_not_in_it(tmp_path: Path) -> None:
    secret = "the old password"
    async with opened(tmp_path / "data") as home:
        with home.journal.writing() as db:
            db.execute("insert into policy values ('x', ?)", (secret * 100,))
        await home.journal.committed()
        with home.journal.writing() as db:
            db.execute("delete from policy")
        await home.journal.committed()
    make_backup(tmp_path / "data", tmp_path / "b.tar")
    assert secret.encode() not in (tmp_path / "b.tar").read_bytes()


async def test_a_file_that_exists_is_replaced_only_when_told(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    file = tmp_path / "b.tar"
    file.write_text("mine")
    with pytest.raises(RejectedError, match="exists; --force replaces it"):
        make_backup(tmp_path / "data", file)
    assert file.read_text() == "mine"
    make_backup(tmp_path / "data", file, is_forced=True)
    assert read_manifest(file).schema == SCHEMA_VERSION


def test_where_there_is_no_data_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match=r"holds no tocsin\.db"):
        make_backup(tmp_path, tmp_path / "b.tar")
    assert not list(tmp_path.iterdir())


async def test_a_damaged_database_is_not_backed_up(tmp_path: Path) -> None:
    await fill(tmp_path / "data", 200)
    file = tmp_path / "data" / "tocsin.db"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 12] = os.urandom(4096 * 9)
    file.write_bytes(content)
    with pytest.raises(UnavailableError, match="no backup of"):
        make_backup(tmp_path / "data", tmp_path / "b.tar")
    assert names(tmp_path) == {"data"}


async def test_a_folder_in_use_is_not_restored_to(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    make_backup(tmp_path / "data", tmp_path / "b.tar")
    journal = Journal(tmp_path / "data" / "tocsin.db")
    try:
        with pytest.raises(UnavailableError, match="is in use by another process"):
            restore_backup(tmp_path / "b.tar", tmp_path / "data", is_forced=True)
    finally:
        journal.close()
    await check(tmp_path / "data")


@pytest.mark.parametrize("is_killed", [False, True])
async def test_what_is_there_is_replaced_only_when_told_and_kept_beside(tmp_path: Path, is_killed: bool) -> None:
    await fill(tmp_path / "data")
    make_backup(tmp_path / "data", tmp_path / "b.tar")
    old = tmp_path / "old"
    read_pepper("", old)
    if is_killed:
        file = as_it_was(4, tmp_path / "killed")
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.execute("pragma journal_mode = wal")
            db.execute("insert into policy values ('new', 'x')")
            for name in ("tocsin.db", "tocsin.db-wal"):  # as it is before it is closed
                shutil.copy(file.with_name(name), old)
    else:
        await fill(old, 5)
    with pytest.raises(RejectedError, match="holds data already; --force replaces it"):
        restore_backup(tmp_path / "b.tar", old)
    restored = restore_backup(tmp_path / "b.tar", old, is_forced=True)
    await check(old)
    assert restored.replaced == (old / "tocsin.db.replaced",)  # the backup has no pepper, so that one stays
    assert (old / PEPPER_FILE).is_file()
    (old / "tocsin.db.replaced").replace(tmp_path / "again.db")
    with closing(sqlite3.connect(tmp_path / "again.db")) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        wanted = "select count(*) from policy where name = 'new'" if is_killed else "select count(*) from entries"
        assert db.execute(wanted).fetchone() == (1 if is_killed else 5,)


def rewritten(file: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """The archive with other content; the manifest's entry may be changed as `MANIFEST`."""
    with tarfile.open(file) as tar:
        content = {one.name: (tar.extractfile(one) or io.BytesIO()).read() for one in tar.getmembers()}
    change(content)
    with tarfile.open(file, "w") as tar:
        for name, text in content.items():
            header = tarfile.TarInfo(name)
            header.size = len(text)
            tar.addfile(header, io.BytesIO(text))


def in_manifest(**changes: Any) -> Callable[[dict[str, bytes]], object]:
    def change(content: dict[str, bytes]) -> None:
        content[MANIFEST] = json.dumps(json.loads(content[MANIFEST]) | changes).encode()

    return change


def flipped(content: dict[str, bytes]) -> None:
    body = bytearray(content["tocsin.db"])
    body[len(body) // 2] ^= 1
    content["tocsin.db"] = bytes(body)


PARTS = [{"name": "../evil", "bytes": 1, "sha256": ""}, {"name": "tocsin.db", "bytes": 1, "sha256": ""}]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(flipped, "damaged: tocsin.db is not what was backed up", id="a bit has flipped"),
        pytest.param(in_manifest(format=2), "made by a later Tocsin, in a form", id="a later form"),
        pytest.param(in_manifest(schema=99), "its schema has version 99, and this one knows", id="a later schema"),
        pytest.param(in_manifest(schema="x"), "cannot be read", id="a manifest of nobody's"),
        pytest.param(in_manifest(parts=PARTS), "holds other files", id="a name that leads elsewhere"),
        pytest.param(lambda content: content.pop("tocsin.db"), "is not where it should be", id="a part is missing"),
        pytest.param(lambda content: content.pop(MANIFEST), "does not begin with", id="no manifest"),
    ],
)
async def test_what_is_no_whole_backup_is_refused_and_changes_nothing(
    tmp_path: Path, change: Callable[[dict[str, bytes]], object], says: str
) -> None:
    await fill(tmp_path / "data")
    make_backup(tmp_path / "data", tmp_path / "b.tar")
    rewritten(tmp_path / "b.tar", change)
    with pytest.raises(RejectedError, match=says):
        restore_backup(tmp_path / "b.tar", tmp_path / "data", is_forced=True)
    await check(tmp_path / "data")
    assert names(tmp_path / "data") <= {"tocsin.db", "tocsin.db.lock"}


async def test_a_backup_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    for name in ("b.tar", "b.tgz"):
        file = tmp_path / name
        make_backup(tmp_path / "data", file)
        file.write_bytes(file.read_bytes()[:-3000] if name == "b.tgz" else file.read_bytes()[:30_000])
        with pytest.raises(RejectedError):
            restore_backup(file, tmp_path / "new")
        assert not (tmp_path / "new" / "tocsin.db").exists()
    (tmp_path / "text.tar").write_text("no tar")
    with pytest.raises(RejectedError, match="is no backup of Tocsin's"):
        restore_backup(tmp_path / "text.tar", tmp_path / "new")


async def test_an_older_backup_is_brought_up_to_date_at_the_next_start(tmp_path: Path) -> None:
    as_it_was(1, tmp_path / "data")
    assert make_backup(tmp_path / "data", tmp_path / "b.tar").schema == 1
    restore_backup(tmp_path / "b.tar", tmp_path / "new")
    async with opened(tmp_path / "new") as home:
        assert await home.groups.list_incidents()


async def test_a_disk_without_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(tmp_path / "data")
    make_backup(tmp_path / "data", tmp_path / "b.tar")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_module, "_check_database", full)
    with pytest.raises(UnavailableError, match="was not restored: No space left on device"):
        restore_backup(tmp_path / "b.tar", tmp_path / "data", is_forced=True)
    with pytest.raises(UnavailableError, match="no backup of"):
        make_backup(tmp_path / "data", tmp_path / "c.tar")
    assert names(tmp_path) == {"data", "b.tar"}
    await check(tmp_path / "data")


async def test_a_restore_that_ends_at_its_last_step_has_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path / "data")
    make_backup(tmp_path / "data", tmp_path / "b.tar")
    await fill(tmp_path / "old", 5)
    replace = Path.replace

    def fail_at_the_end(self: Path, target: Path) -> Path:
        if Path(target) == tmp_path / "old" / "tocsin.db":
            raise OSError(5, "Input/output error")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_at_the_end)
        with pytest.raises(UnavailableError, match="was not restored: Input/output error"):
            restore_backup(tmp_path / "b.tar", tmp_path / "old", is_forced=True)
    async with opened(tmp_path / "old") as home:
        assert len(await home.groups.list_incidents()) == 5
    restore_backup(tmp_path / "b.tar", tmp_path / "old", is_forced=True)
    await check(tmp_path / "old")


async def test_the_commands_say_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(tmp_path / "data")
    monkeypatch.setenv("TOCSIN_DATA", str(tmp_path / "data"))
    file = str(tmp_path / "b.tgz")
    assert main(["backup", file]) == 0
    assert f"by Tocsin 0.1.0 (schema {SCHEMA_VERSION}): 1 alerts accepted, 0 pages arrived." in capsys.readouterr().out
    assert main(["backup", file]) == 2
    assert "exists; --force replaces it" in capsys.readouterr().err
    assert main(["backup", file, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == SCHEMA_VERSION
    assert main(["restore", file, "--data", str(tmp_path / "new")]) == 0
    assert "may be told again" in capsys.readouterr().out
    assert main(["restore", file, "--data", str(tmp_path / "new"), "--force"]) == 0
    assert "tocsin.db.replaced" in capsys.readouterr().out
    assert main(["restore", str(tmp_path / "none.tar")]) == 1
    assert "No such file" in capsys.readouterr().err
    monkeypatch.setenv("TOCSIN_HOME", "azure")
    assert main(["backup", file]) == 2
    assert "no data on this machine" in capsys.readouterr().err
