"""What proves a first deployment from outside, tried on the dev host with keys."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.serving import ROOT, Serving

SCRIPT = ROOT / "scripts" / "verify_deployed.sh"


def verify(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, url],
        env={"PATH": os.environ["PATH"], "TOCSIN_PATIENCE": "20", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_a_deployment_is_proved_from_outside(tmp_path: Path, home: str) -> None:
    with Serving(tmp_path, arguments=("--auth",), environment={"TOCSIN_KEY_PEPPER": "p" * 32}, home=home) as tocsin:
        found = re.search(r"\btoc_\S+", tocsin.output)
        assert found
        key = found[0]
        proved = verify(f"{tocsin.url}/", TOCSIN_KEY=key)
        assert proved.returncode == 0, proved.stdout + proved.stderr
        assert [line for line in proved.stdout.splitlines() if line.startswith("ok")] == [
            "ok: it is there",
            "ok: it is ready",
            "ok: it asks for a key",
            "ok: a silence is taken",
            "ok: an alert is taken",
            "ok: it is listed, and silenced",
            "ok: its end is taken",
            "ok: it is gone",
        ]
        assert key not in proved.stdout + proved.stderr

        without = verify(tocsin.url)
        assert without.returncode == 0, without.stderr
        assert "an alert's way was not tried" in without.stdout

        wrong = verify(tocsin.url, TOCSIN_KEY="toc_wrong", TOCSIN_PATIENCE="0")
        assert wrong.returncode == 1
        assert "last 401" in wrong.stderr


def test_a_deployment_that_lets_anybody_in_is_none(tmp_path: Path) -> None:
    with Serving(tmp_path) as tocsin:
        refused = verify(tocsin.url)
        assert refused.returncode == 1
        assert "it lets anybody read (200)" in refused.stderr
        assert verify(tocsin.url, TOCSIN_OPEN="true").returncode == 0


def test_a_deployment_that_is_not_there_is_none() -> None:
    gone = verify("http://127.0.0.1:9", TOCSIN_PATIENCE="0")
    assert gone.returncode == 1
    assert "it is there: no answer 200" in gone.stderr
