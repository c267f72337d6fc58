"""`python -m bench`: measure both servers in turn, row by row, and print the table."""

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.receiver import Receiver, running_receiver
from bench.rows import ROWS, Figures, Row
from bench.servers import ServerError, Side, alertmanager, running
from bench.table import Medians, render

type Rounds = dict[tuple[str, str], list[Figures]]


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that the servers are ended here too.
    try:
        machine = _machine(options.side)
    except (ServerError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"{name}: {value}" for name, value in machine.items()), flush=True)
    rounds: Rounds = {}
    failures: list[str] = []
    with running_receiver() as receiver, _refusing_port() as refusing:
        for row in ROWS:
            if any(row.name == wanted or row.name.startswith(f"{wanted}-") for wanted in options.only):
                _measure(row, options, receiver, refusing, rounds, failures)
    medians = {key: _median(figures) for key, figures in rounds.items()}
    print("\n" + render(medians))
    for failure in failures:
        print(f"FAILED {failure}")
    if options.json:
        _write(options, machine, rounds, medians, failures)
    return 1 if failures else 0


def _measure(
    row: Row, options: argparse.Namespace, receiver: Receiver, refusing: int, rounds: Rounds, failures: list[str]
) -> None:
    """Ask the row of each side in turn, round by round, so that a slow minute of the machine meets both alike."""
    url = f"http://127.0.0.1:{refusing}/webhook" if row.receiver_refuses else receiver.url
    broken: set[Side] = set()
    for number in range(options.rounds):
        for side in row.sides:
            if side in broken or options.side not in ("both", "alertmanager" if side.is_peer else "tocsin"):
                continue
            receiver.forget()
            try:
                with running(side, url, row.group_wait) as server:
                    figures = row.measure(server, receiver, options.seconds)
            except ServerError as error:
                broken.add(side)
                failures.append(f"{row.name}, {side.name}: {error}")
                print(f"{row.name} {number + 1}/{options.rounds} {side.name}: FAILED: {error}", flush=True)
                continue
            rounds.setdefault((row.name, side.name), []).append(figures)
            told = "  ".join(f"{name} {value:,.2f}" for name, value in figures.items())
            print(f"{row.name} {number + 1}/{options.rounds} {side.name}: {told}", flush=True)


@contextmanager
def _refusing_port() -> Iterator[int]:
    """A port that refuses connections: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        yield port


def _median(figures: list[Figures]) -> Figures:
    return {name: median(each[name] for each in figures) for name in figures[0]}


def _machine(side: str) -> dict[str, str]:
    machine = {
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "load average at start": f"{os.getloadavg()[0]:.2f} (anything much above 0 spoils the figures)",
        "data under": f"{tempfile.gettempdir()} (TMPDIR; on a RAM disk `--durability power` means nothing)",
    }
    if side != "tocsin":
        told = subprocess.run([alertmanager(), "--version"], capture_output=True, text=True, check=True)
        machine["peer"] = (told.stdout or told.stderr).splitlines()[0]
    return machine


def _write(
    options: argparse.Namespace, machine: dict[str, str], rounds: Rounds, medians: Medians, failures: list[str]
) -> None:
    rows: dict[str, dict[str, object]] = {}
    for (row, side), figures in rounds.items():
        rows.setdefault(row, {})[side] = {"median": medians[row, side], "rounds": figures}
    asked = {"rounds": options.rounds, "seconds": options.seconds, "only": options.only}
    document = {"machine": machine, "options": asked, "rows": rows, "failures": failures}
    options.json.write_text(json.dumps(document, indent=2) + "\n")


def _options() -> argparse.Namespace:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", default=names, type=_names, help=f"some of {','.join(names)} (readable: both of them)"
    )
    parser.add_argument("--seconds", type=float, default=3, help="how long a rate is measured (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the median is shown (default: 3)")
    parser.add_argument("--side", choices=("both", "alertmanager", "tocsin"), default="both", help="measure only one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not any(row.name == name or row.name.startswith(f"{name}-") for row in ROWS):
            raise argparse.ArgumentTypeError(f"no row {name!r}; there are {', '.join(row.name for row in ROWS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
