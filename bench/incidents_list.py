"""`python -m bench.incidents_list`: the list of incidents, with a million of them stored against a thousand.

Rows are written as the store writes them, into the file of a Tocsin that does not run yet; then it is started, and one
connection asks `GET /api/v1/incidents?limit=100` again and again: for the newest, and for a part in the middle.  The
aim is a p99 within 2 × of that with a thousand.  Rounds alternate between both servers, and the medians count.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from adapters.documents import encode
from adapters.sqlite.groups import INCIDENTS
from adapters.sqlite.journal import Journal
from bench.load import percentile
from domain.groups import Incident
from domain.routing import GroupId
from endpoints.cursors import write_cursor
from tests.serving import Serving

FEW, MANY = 1_000, 1_000_000
GROUPS = 20_000
TARGET = 2.0
WARM = 20


def main() -> int:
    """Print both p99 and their ratio; 1 where it misses the aim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {}
        for count in (FEW, options.many):
            place = Path(folder) / str(count)
            begun = time.perf_counter()
            fill(place / "data", count)
            servers[count] = stack.enter_context(Serving(place))
            print(f"{count:,} incidents stored, and ready after {time.perf_counter() - begun:.0f} s", flush=True)
        worst = 0.0
        for name, middle in (("the newest", False), ("in the middle", True)):
            figures = _measure(servers, options.rounds, options.requests, is_in_middle=middle)
            few, many = figures[FEW], figures[options.many]
            worst = max(worst, many / few)
            print(f"{name}: p99 {few:.2f} ms with {FEW:,}, {many:.2f} ms with {options.many:,}: {many / few:.2f} x")
    print("ok" if worst <= TARGET else f"missed: at most {TARGET} x was aimed at")
    return 0 if worst <= TARGET else 1


def fill(data: Path, count: int) -> None:
    """A store's file with so many incidents, all but the newest hundred over, one a second."""
    Journal(data / "tocsin.db").close()
    with sqlite3.connect(data / "tocsin.db") as db:
        db.execute("pragma synchronous = off")
        db.execute("pragma cache_size = -262144")
        # The index is made anew behind them, as the schema has it: row by row it takes minutes.
        (index,) = db.execute("select sql from sqlite_schema where name = 'incidents_opened'").fetchone()
        db.execute("drop index incidents_opened")
        db.executemany(INCIDENTS.upsert, _rows(count))
        db.execute(index)
    db.close()


def _rows(count: int) -> Iterator[tuple[str, float, bytes]]:
    """In order of their ids, as far as groups go."""
    begin = datetime.now(UTC) - timedelta(seconds=count)
    groups = sorted(range(min(GROUPS, count)), key=_group_id)
    for number in (number for group in groups for number in range(group, count, GROUPS)):
        opened_at = begin + timedelta(seconds=number)
        one = incident(number, opened_at, is_over=number < count - 100)
        yield one.id, opened_at.timestamp(), encode(one)


def incident(number: int, opened_at: datetime, *, is_over: bool) -> Incident:
    """The next incident of one of the groups."""
    group_id = _group_id(number % GROUPS)
    return Incident(
        id=f"{group_id}-{number // GROUPS + 1}",
        group_id=group_id,
        receiver="team",
        group_key='{}/{severity="page"}:{alertname="DiskFull", service="checkout"}',
        group_labels={"alertname": "DiskFull", "service": f"service-{number % GROUPS}"},
        title="DiskFull",
        opened_at=opened_at,
        resolved_at=opened_at + timedelta(minutes=5) if is_over else None,
        firing=0 if is_over else 3,
        alerts=3,
        pages=2,
    )


def _group_id(number: int) -> GroupId:
    # Spread like the hashes that they are.
    return GroupId(f"{number * 2_654_435_761 % 2**32:08x}{number:024x}")


def cursor_of_middle(count: int) -> str:
    """Of the incident in the middle of the list."""
    number = count // 2
    return write_cursor("incidents", incident(number, datetime.now(UTC), is_over=True).id)


def _measure(servers: dict[int, Serving], rounds: int, requests: int, *, is_in_middle: bool) -> dict[int, float]:
    figures: dict[int, list[float]] = {count: [] for count in servers}
    for _ in range(rounds):
        for count, server in servers.items():
            path = "/api/v1/incidents?limit=100"
            path += f"&cursor={cursor_of_middle(count)}" if is_in_middle else ""
            figures[count].append(percentile(_times(server.port, path, requests), 99))
    return {count: median(each) for count, each in figures.items()}


def _times(port: int, path: str, requests: int) -> list[float]:
    """Milliseconds of each request, on one connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    try:
        for number in range(WARM + requests):
            begun = time.perf_counter()
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200 or body.count(b'"opened_at"') != 100:
                raise RuntimeError(f"{path} answered {response.status}: {body[:200]!r}")
            if number >= WARM:
                times.append(1000 * (time.perf_counter() - begun))
    finally:
        connection.close()
    return times


if __name__ == "__main__":
    sys.exit(main())
