"""Keep a file of the schema that this program writes: `uv run python -m tests.schema_file`, before it is released.

A Tocsin takes alerts, tells them, and is killed with rows in its redo log; what it leaves becomes
`tests/data/sqlite/version-N.sql`, from which `tests/adapters/test_sqlite_versions.py` starts for ever.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.sqlite.journal import DATABASE_FILE
from adapters.sqlite.table import SPILL_SECONDS
from tests.e2e.load import configuration
from tests.e2e.receiver import Receiver
from tests.serving import Serving, eventually

FOLDER = Path(__file__).parent / "data" / "sqlite"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        text = configuration({"team": receiver.url("/team"), "audit": receiver.url("/audit")})
        tocsin = Serving(Path(folder), text, home="sqlite")
        with tocsin:
            _live(tocsin)
            tocsin.kill()
        dump = dump_of(tocsin.data / DATABASE_FILE)
    version = dump.rsplit("PRAGMA user_version = ", 1)[1].partition(";")[0]
    file = FOLDER / f"version-{version}.sql"
    file.write_text(dump, "utf-8")
    print(f"{file}: {len(dump)} characters")


def _live(tocsin: Serving) -> None:
    now = datetime.now(UTC)

    def post(*instances: str, **more: Any) -> None:
        alerts = [{"labels": _labels(instance), **more} for instance in instances]
        assert tocsin.post("/api/v2/alerts", alerts).status == 200

    def is_settled() -> bool:
        ledger = tocsin.get("/api/v1/ledger").json()
        return (ledger["waiting"], ledger["pending"]) == (0, 0) and ledger["delivered"] > 0

    post("db-1", "db-2", "web-1")
    eventually(is_settled, "the first pages")
    post("web-1", endsAt=datetime.now(UTC).isoformat())
    silence = {
        "matchers": [{"name": "service", "value": "db", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(days=3650)).isoformat(),
        "createdBy": "ann",
        "comment": "being replaced",
    }
    assert tocsin.post("/api/v2/silences", silence).status == 200
    incidents = "/api/v1/incidents?status=resolved"
    eventually(lambda: tocsin.get(incidents).json()["incidents"], "the end of one", seconds=20)
    time.sleep(SPILL_SECONDS + 1)  # what was written behind is in its tables; what follows is not
    post("db-3")
    eventually(lambda: tocsin.get("/api/v1/ledger").json()["waiting"] == 0, "the last fold")


def _labels(instance: str) -> dict[str, str]:
    return {"alertname": "DiskFull", "service": instance.partition("-")[0], "instance": instance, "severity": "warning"}


def dump_of(file: Path) -> str:
    """A database as SQL text, its version included."""
    with closing(sqlite3.connect(file)) as db:
        (version,) = db.execute("pragma user_version").fetchone()
        assert db.execute("select count(*) from redo").fetchone() != (0,), (
            "nothing is left in the redo log; run it again"
        )
        text = "\n".join(db.iterdump())
    return text.replace("COMMIT;", f"PRAGMA user_version = {version};\nCOMMIT;") + "\n"


if __name__ == "__main__":
    main()
