"""Backup: everything of the embedded home in one file, made while it runs, and put back whole or not at all.

The file is a tar: `manifest.json` first, then the database as one consistent moment of it, and the pepper of the API
keys where it lies beside the database.  The database is written anew (`vacuum into`): what was forgotten is not in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, BinaryIO

import msgspec

from adapters.keyring import PEPPER_FILE
from adapters.sqlite.journal import DATABASE_FILE, SCHEMA_VERSION, open_own, take_lock
from domain.errors import RejectedError, UnavailableError

FORMAT = 1
"""Of the file itself; a change of what lies in it is another one."""

MANIFEST = "manifest.json"
KNOWN = (DATABASE_FILE, PEPPER_FILE)
REPLACED = ".replaced"
"""What a forced restore puts behind the names of the files that were there."""

LARGEST_MANIFEST_BYTES = 64 * 1024
CHUNK_BYTES = 1024 * 1024


class Part(msgspec.Struct, frozen=True):
    """One file of the folder, as it lies in the backup."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    format: int
    tocsin: str
    """The version of the program that made it."""
    schema: int
    """The version of the database's schema."""
    made_at: datetime
    parts: tuple[Part, ...]
    ledger: Mapping[str, int]
    """What had been accepted, folded, delivered and so on since the beginning."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back."""

    manifest: Manifest
    replaced: tuple[Path, ...]
    """Where the files lie that had been there."""


# --- making one -------------------------------------------------------------------------------------------------------


def make_backup(folder: Path, file: Path, *, is_forced: bool = False) -> Manifest:
    """Write a backup of the data in a folder; a Tocsin that runs there goes on meanwhile.

    Nothing is left of one that fails.  The file belongs to its owner alone, for it holds secrets.

    Raises:
        RejectedError: There is no data, or it is of another version, or the file exists and nobody said to replace it.
        UnavailableError: Something could not be read or written, or what was written is not what was read.
    """
    database = folder / DATABASE_FILE
    if not database.is_file():
        raise RejectedError(f"{folder} holds no {DATABASE_FILE}: there is nothing to back up")
    if file.exists() and not is_forced:
        raise RejectedError(f"{file} exists; --force replaces it")
    with _failing(f"no backup of {folder} was made"), _beside(file) as place:
        snapshot, partial = place / DATABASE_FILE, place / file.name
        schema, ledger = _take_snapshot(database, snapshot)
        sources = {DATABASE_FILE: snapshot}
        if (pepper := folder / PEPPER_FILE).is_file():
            sources[PEPPER_FILE] = pepper
        parts = tuple([_part_of(name, source) for name, source in sources.items()])
        manifest = Manifest(FORMAT, version("tocsin"), schema, datetime.now(UTC), parts, ledger)
        _write_archive(partial, manifest, sources)
        _check_archive(partial)
        if is_forced or not _link(partial, file):
            partial.replace(file)
        _sync_folder(file.parent)
    return manifest


def _take_snapshot(database: Path, snapshot: Path) -> tuple[int, dict[str, int]]:
    """Write one moment of the database into a file of its own, and look whether it is whole."""
    os.close(open_own(snapshot))  # with the mode that it shall have
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.isolation_level = None
        (schema,) = db.execute("pragma user_version").fetchone()
        _check_schema(schema, f"{database} was written by another Tocsin")
        if db.execute("pragma auto_vacuum").fetchone() == (0,):
            db.execute("pragma auto_vacuum = incremental")  # of what is written; elsewhere it would change the file
        db.execute("vacuum into ?", (str(snapshot),))
    return schema, _check_database(snapshot, schema)


def _check_database(file: Path, schema: int) -> dict[str, int]:
    """Whether every page, row and index of it can be read; returns the ledger."""
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        found = [row[0] for row in db.execute("pragma integrity_check(3)")]
        if found != ["ok"]:
            raise UnavailableError(f"its database is damaged: {'; '.join(found)[:300]}")
        if db.execute("pragma user_version").fetchone() != (schema,):
            raise UnavailableError(f"its database is not of version {schema}, as it says")
        return dict(db.execute("select name, count from ledger").fetchall())


def _check_schema(schema: int, what: str) -> None:
    if schema > SCHEMA_VERSION:
        raise RejectedError(
            f"{what}: its schema has version {schema}, and this one knows {SCHEMA_VERSION} at most.  "
            "Use the version that wrote it, or a later one"
        )
    if schema < 1:
        raise RejectedError(f"{what}: it is no database of Tocsin's")


def _part_of(name: str, file: Path) -> Part:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return Part(name, opened.tell(), digest)


def _new_archive(raw: BinaryIO, *, is_zipped: bool) -> tarfile.TarFile:
    if is_zipped:
        # The level is the quickest: documents shrink to a fifth by it already.
        return tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1)
    return tarfile.open(fileobj=raw, mode="w")


def _write_archive(file: Path, manifest: Manifest, sources: Mapping[str, Path]) -> None:
    with os.fdopen(open_own(file), "wb") as raw:
        with _new_archive(raw, is_zipped=file.suffix in (".gz", ".tgz")) as tar:
            text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            tar.addfile(_header(MANIFEST, len(text), manifest.made_at), io.BytesIO(text))
            for part in manifest.parts:
                with sources[part.name].open("rb") as opened:
                    tar.addfile(_header(part.name, part.bytes, manifest.made_at), opened)
        raw.flush()
        os.fsync(raw.fileno())


def _header(name: str, size: int, at: datetime) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, 0o600, int(at.timestamp())
    return header


# --- reading one ------------------------------------------------------------------------------------------------------


def read_manifest(file: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        RejectedError: It is none, or one that this program cannot read.
        UnavailableError: It cannot be read now.
    """
    with _failing(f"{file} cannot be read"), _opened(file) as tar:
        return _manifest_of(tar, file)


def _check_archive(file: Path) -> None:
    """Whether what lies in it is what it says."""
    with _opened(file) as tar:
        manifest = _manifest_of(tar, file)
        for part in manifest.parts:
            _copy(tar, part, None)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file) as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise RejectedError(f"{file} is no backup of Tocsin's, or is cut short: {error}") from error


def _manifest_of(tar: tarfile.TarFile, file: Path) -> Manifest:
    first = tar.next()
    opened = tar.extractfile(first) if first is not None and first.name == MANIFEST and first.isreg() else None
    if opened is None or first is None or first.size > LARGEST_MANIFEST_BYTES:
        raise RejectedError(f"{file} is no backup of Tocsin's: it does not begin with {MANIFEST}")
    text = opened.read()
    try:
        format = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("format", msgspec.Raw(b"0"))
        if msgspec.json.decode(format, type=int) > FORMAT:
            raise RejectedError(f"{file} was made by a later Tocsin, in a form that this one does not know")
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise RejectedError(f"{file} is no backup of Tocsin's: its {MANIFEST} cannot be read: {error}") from error
    names = [part.name for part in manifest.parts]
    if DATABASE_FILE not in names or len(set(names)) < len(names) or not set(names) <= set(KNOWN):
        raise RejectedError(f"{file} holds other files than a backup has: {', '.join(names)[:200]}")
    _check_schema(manifest.schema, f"{file} was made by Tocsin {manifest.tocsin}")
    return manifest


def _copy(tar: tarfile.TarFile, part: Part, to: IO[bytes] | None) -> None:
    """Read a part to its end, and write it where wanted; what it is, is known only then."""
    header = tar.next()
    opened = tar.extractfile(header) if header is not None and header.isreg() and header.name == part.name else None
    if opened is None:
        raise RejectedError(f"the backup is damaged: {part.name} is not where it should be")
    digest = hashlib.sha256()
    while chunk := opened.read(CHUNK_BYTES):
        digest.update(chunk)
        if to is not None:
            to.write(chunk)
    if digest.hexdigest() != part.sha256:
        raise RejectedError(f"the backup is damaged: {part.name} is not what was backed up")


# --- putting one back -------------------------------------------------------------------------------------------------


def restore_backup(file: Path, folder: Path, *, is_forced: bool = False) -> Restored:
    """Put the data of a backup into a folder: all of it, or nothing is changed.

    What was there stays beside it under names that end in `.replaced`, those of an earlier restore are overwritten.

    Args:
        file: A backup.
        folder: The data folder, made when missing.
        is_forced: Also where there is data already.

    Raises:
        RejectedError: It is no backup, a damaged one, or one of a later version; or there is data, and nobody said to
            replace it.
        UnavailableError: A Tocsin runs there, or something could not be written.
    """
    with _failing(f"{file} was not restored"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.closing(take_lock(folder / DATABASE_FILE)), _opened(file) as tar:
            manifest = _manifest_of(tar, file)
            present = [folder / name for name in KNOWN if (folder / name).exists()]
            if present and not is_forced:
                raise RejectedError(f"{folder} holds data already; --force replaces it, and keeps it beside")
            with _beside(folder / DATABASE_FILE) as place:
                for part in manifest.parts:
                    with os.fdopen(open_own(place / part.name), "wb") as opened:
                        _copy(tar, part, opened)
                        opened.flush()
                        os.fsync(opened.fileno())
                _check_database(place / DATABASE_FILE, manifest.schema)
                replaced = [_keep(path) for path in present if path.name in {part.name for part in manifest.parts}]
                # The database last: until it is there, the next attempt finds what this one found.
                for part in reversed(manifest.parts):
                    (place / part.name).replace(folder / part.name)
            _sync_folder(folder)
    return Restored(manifest, tuple(replaced))


def _keep(file: Path) -> Path:
    """Give the file a second name; a database takes in its log first, which would spoil the one that follows it."""
    if file.name == DATABASE_FILE:
        try:
            with contextlib.closing(sqlite3.connect(file)) as db:
                db.execute("pragma wal_checkpoint(truncate)")
        except sqlite3.DatabaseError:
            pass  # it is damaged, which may be why it is replaced
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                log = file.with_name(file.name + suffix)
                log.replace(log.with_name(log.name + REPLACED))
    kept = file.with_name(file.name + REPLACED)
    with contextlib.suppress(FileNotFoundError):
        kept.unlink()
    if not _link(file, kept):
        file.replace(kept)
    return kept


def _link(file: Path, name: Path) -> bool:
    """Give it a second name, which replaces nothing, unlike a rename; False where the file system knows no such thing.

    Raises:
        FileExistsError: The name is taken.
    """
    try:
        name.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A folder on the same file system, gone afterwards; so that what is whole takes its place by a rename."""
    place = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Names are durable when their folder is."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise UnavailableError(f"{what}: {getattr(error, 'strerror', None) or error}") from error
