"""A storm, a backup in the midst of it, a crash, and everything put back elsewhere: the ledger is balanced there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.e2e import stored
from tests.e2e.accounts import check_acknowledged
from tests.e2e.load import Sender, configuration, sending
from tests.e2e.receiver import Receiver
from tests.serving import ROOT, Serving, eventually


def command(*arguments: str | Path) -> dict[str, Any]:
    """Run a command of `tocsin` as people do; what it prints for programs."""
    done = subprocess.run(
        [sys.executable, "-m", "devhost.cli", *map(str, arguments), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ledger_of(tocsin: Serving) -> dict[str, Any]:
    found: dict[str, Any] = tocsin.get("/api/v1/ledger").json()
    return found


@pytest.mark.timeout(150)
def test_a_backup_of_a_storm_is_restored_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "backups" / "storm.tgz"
    file.parent.mkdir()
    with Receiver() as receiver:
        text = configuration({name: receiver.url(f"/{name}") for name in ("team", "audit")})
        tocsin = Serving(tmp_path / "here", text, home="sqlite")
        with tocsin:
            senders = [
                Sender(tocsin.port, Random(number), [f"s-{number}-{i}" for i in range(10)], longest_pause_seconds=0.01)
                for number in range(2)
            ]
            with sending(senders):
                eventually(lambda: len(receiver.pages()) > 20, "pages", seconds=30)
                before = ledger_of(tocsin)
                acknowledged = [report for sender in senders for report in list(sender.acknowledged)]
                made = command("backup", file, "--data", tocsin.data)
                after = ledger_of(tocsin)
                eventually(lambda: ledger_of(tocsin)["accepted"] > after["accepted"], "more alerts after the backup")
            tocsin.kill()

        there = Serving(tmp_path / "there", text, home="sqlite")
        restored = command("restore", file, "--data", there.data)
        assert restored["parts"] == made["parts"]
        with there:
            ledger = eventually(lambda: _settled(there), "everything folded and told", seconds=60)
            # Nothing that was acknowledged before the backup began is missing.
            assert before["accepted"] <= made["ledger"]["accepted"] <= ledger["accepted"] <= after["accepted"]
            assert ledger["accepted"] == ledger["folded"]
            assert there.post("/api/v2/alerts", [{"labels": {"alertname": "After"}}]).status == 200
            eventually(lambda: ledger_of(there)["accepted"] == ledger["accepted"] + 1, "what comes afterwards")
            assert there.stop() == 0
        kept = stored.read(there)
        check_acknowledged(kept, [Sender(0, Random(0), [], acknowledged=acknowledged)], text)
        print(f"{made['seconds']} s for {file.stat().st_size} bytes; {before} {made['ledger']} {ledger}")


def _settled(tocsin: Serving) -> dict[str, Any]:
    """The ledger, once everything is folded and told; empty before."""
    found = ledger_of(tocsin)
    is_settled = found["balanced"] and (found["waiting"], found["pending"], found["parked"]) == (0, 0, 0)
    return found if is_settled else {}
