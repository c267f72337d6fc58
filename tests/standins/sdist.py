"""Source distribution: an SDK's own sources from the package index, for the tests that only they have."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ATTEMPTS = 4


class SdistError(Exception):
    """It could not be fetched, or is not the one that uv.lock names."""


def unpacked(package: str) -> Path:
    """The folder of the sources of the installed version; fetched once, then kept in the cache of the CI.

    Raises:
        SdistError: It is not to be had.
    """
    name = f"{package.replace('-', '_')}-{version(package)}"
    folder = _cache() / "sdists"
    archive = folder / f"{name}.tar.gz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(f"{package}=={version(package)}", folder)
    expected = _locked_hash(package)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != expected:
        archive.unlink()
        raise SdistError(f"{archive.name} has the hash {found}, uv.lock names {expected}; it is removed")
    if not (folder / name).is_dir():
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
    return folder / name


def _cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin-ci"
    return Path(os.environ.get("TOCSIN_CI_CACHE", default))


def _download(requirement: str, folder: Path) -> None:
    # uv itself has no download command; pip comes with what a build of the package's metadata needs.
    tools = ["--with", "pip", "--with", "setuptools", "--with", "wheel"]
    command = ["uv", "run", "--quiet", "--no-project", "--python", sys.executable, *tools, "python", "-m", "pip"]
    command += ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run([*command, "--dest", str(folder), requirement], check=False)
        if done.returncode == 0:
            return
        time.sleep(attempt)
    raise SdistError(f"the sources of {requirement} could not be fetched")


def _locked_hash(package: str) -> str:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    for locked in lock["package"]:
        if locked["name"] == package and locked["version"] == version(package):
            return str(locked["sdist"]["hash"]).removeprefix("sha256:")
    raise SdistError(f"uv.lock does not name {package} {version(package)}")
