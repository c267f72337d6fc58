"""A full disk: alerts are refused with 503, nothing acknowledged is lost, and it recovers by itself when there is room.

The disk is a small one in memory where mounting is allowed; else the process may write no file beyond a size.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from tests.e2e import stored
from tests.e2e.accounts import check_acknowledged, check_folded, wait_until_settled
from tests.e2e.load import Sender, configuration, sending
from tests.e2e.receiver import Receiver
from tests.serving import Serving, eventually

DISK_BYTES = 24 * 1024 * 1024
FULL_SECONDS = 2.0
SETTLE_SECONDS = 40.0

type Fill = Callable[[Serving], Callable[[], object]]
"""Takes the room away from a Tocsin that runs; what it returns gives it back."""


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """A small disk at this folder; skips where nobody may mount one."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(tocsin: Serving) -> Callable[[], None]:
    ballast = tocsin.data / "ballast"
    with ballast.open("wb", buffering=0) as opened, suppress(OSError):
        for _ in range(DISK_BYTES // 4096):
            opened.write(b"x" * 4096)
    assert ballast.stat().st_size < DISK_BYTES
    return ballast.unlink


def limit_files(tocsin: Serving) -> Callable[[], object]:
    pid = tocsin.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    largest = max(file.stat().st_size for file in tocsin.data.iterdir())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, before[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fill", [fill_disk, limit_files], ids=["no space", "no larger files"])
@pytest.mark.timeout(180)
def test_a_full_disk_is_waited_out(tmp_path: Path, fill: Fill) -> None:
    random = Random(int(os.environ.get("TOCSIN_SEED") or 1))
    with Receiver() as receiver:
        text = configuration({name: receiver.url(f"/{name}") for name in ("team", "audit")})
        tocsin = Serving(tmp_path / "tocsin", text, home="sqlite")
        with disk(tocsin.data) if fill is fill_disk else _nothing(), tocsin:
            senders = [Sender(tocsin.port, Random(random.random()), [f"{name}-{i}" for i in range(5)]) for name in "ab"]
            with sending(senders):
                eventually(lambda: len(receiver.pages()) > 10, "the first pages", seconds=30)
                make_room = fill(tocsin)
                eventually(lambda: all(sender.refused for sender in senders), "a refusal", seconds=60)
                time.sleep(FULL_SECONDS)
                refused = tocsin.post("/api/v2/alerts", [{"labels": {"alertname": "Late", "pad": "x" * 100_000}}])
                assert (refused.status, refused.headers["retry-after"]) == (503, "5")
                assert "disk" in refused.text
                one = tocsin.get("/api/v1/incidents").json()["incidents"][0]["id"]
                for path in (
                    "/-/healthy",
                    "/incidents",
                    f"/incidents/{one}",
                    "/api/v2/alerts",
                    "/api/v1/incidents",
                    f"/api/v1/incidents/{one}",
                    "/api/v1/ledger",
                ):
                    assert tocsin.get(path).status == 200, path
                ready = tocsin.get("/health/ready")
                assert ready.status == 503
                assert "store: cannot be written" in " ".join(
                    f"{part['name']}: {part['detail']}" for part in ready.json()["parts"]
                )
                make_room()
                acknowledged = [len(sender.acknowledged) for sender in senders]
                eventually(
                    lambda: all(
                        len(sender.acknowledged) > before + 10
                        for sender, before in zip(senders, acknowledged, strict=True)
                    ),
                    "acknowledgements, now that there is room",
                    seconds=30,
                )
            eventually(lambda: tocsin.get("/health/ready").status == 200, "the store to be well", seconds=30)
            wait_until_settled(tocsin, receiver.pages, senders, SETTLE_SECONDS)
            ledger = tocsin.get("/api/v1/ledger").json()
            assert ledger["balanced"], ledger
            assert (ledger["waiting"], ledger["parked"], ledger["pending"]) == (0, 0, 0)
            assert tocsin.stop() == 0
            kept = stored.read(tocsin)
            print(
                f"{sum(one.posts for one in senders)} posts, {sum(one.refused for one in senders)} answered 503,"
                f" {len(receiver.pages())} pages, {ledger}"
            )
        assert sum(sender.unanswered for sender in senders) == 0
        check_acknowledged(kept, senders, text)
        check_folded(kept, senders, text)
        assert ledger["folded"] == kept.ledger["folded"] == ledger["accepted"]


@contextmanager
def _nothing() -> Iterator[None]:
    yield
