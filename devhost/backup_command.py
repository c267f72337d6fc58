"""`tocsin backup` and `tocsin restore`: the data of this machine as one file, and back; they ask no server."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import msgspec

from adapters.sqlite.backup import Manifest, make_backup, restore_backup
from devhost.printing import second
from domain.errors import RejectedError

MEGABYTE = 1_000_000


def backup(options: argparse.Namespace) -> int:
    """Make one, look whether it is whole, and say what it holds."""
    folder = _folder(options)
    began = time.monotonic()
    manifest = make_backup(folder, options.file, is_forced=options.force)
    seconds = time.monotonic() - began
    if options.json:
        _print_json(manifest, options.file, folder, seconds=round(seconds, 3))
        return 0
    size = options.file.stat().st_size / MEGABYTE
    print(f"{options.file}: {size:.1f} MB in {seconds:.1f} s, checked. {_words(manifest)}")
    print("It holds secrets: whoever reads it can read what Tocsin's data folder holds.")
    if os.environ.get("TOCSIN_KEY_PEPPER"):
        print("TOCSIN_KEY_PEPPER is set, and not in it: without the same value no API key works where it is restored.")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Put one back, and say what it was, and where that is which it replaced."""
    folder = _folder(options)
    restored = restore_backup(options.file, folder, is_forced=options.force)
    if options.json:
        _print_json(restored.manifest, options.file, folder, replaced=[str(path) for path in restored.replaced])
        return 0
    print(f"{folder} is as {options.file} has it. {_words(restored.manifest)}")
    for path in restored.replaced:
        print(f"What was there before: {path}")
    print("What was told after the backup was made may be told again once Tocsin runs.")
    return 0


def _folder(options: argparse.Namespace) -> Path:
    if (home := os.environ.get("TOCSIN_HOME", "sqlite")) != "sqlite":
        raise RejectedError(f"TOCSIN_HOME is {home}: there is no data on this machine")
    folder: Path = options.data or Path(os.environ.get("TOCSIN_DATA") or ".tocsin")
    return folder


def _words(manifest: Manifest) -> str:
    counts = (
        f"{manifest.ledger.get('accepted', 0)} alerts accepted, {manifest.ledger.get('delivered', 0)} pages arrived"
    )
    at = second(manifest.made_at.isoformat())
    return f"Data of {at} by Tocsin {manifest.tocsin} (schema {manifest.schema}): {counts}."


def _print_json(manifest: Manifest, file: Path, folder: Path, **more: object) -> None:
    known = {**msgspec.to_builtins(manifest), "file": str(file), "folder": str(folder), **more}
    json.dump(known, sys.stdout, indent=2)
    print()
