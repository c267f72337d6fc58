"""A real Prometheus that has one incident's series, made from their shapes and loaded as blocks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from tests.eval.incidents import SCRAPE, SERIES_BEFORE, Case, Series
from tests.prometheus import running

CONFIGURATION = "global: {scrape_interval: 15s}\n"
"""It scrapes nothing."""

RETENTION = "--storage.tsdb.retention.time=100y"


def openmetrics(series: Sequence[Series], opened_at: datetime, until: timedelta) -> str:
    """A sample every `SCRAPE` of each, from `SERIES_BEFORE` before the incident opened until so long after it."""
    lines = []
    for name in sorted({one.name for one in series}):
        lines.append(f"# TYPE {name} unknown")
        lines += [line for one in series if one.name == name for line in _lines(one, opened_at, until)]
    return "\n".join([*lines, "# EOF", ""])


def _lines(series: Series, opened_at: datetime, until: timedelta) -> Iterator[str]:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in series.labels.items())
    for number in range((SERIES_BEFORE + until) // SCRAPE + 1):
        since = number * SCRAPE - SERIES_BEFORE
        at = (opened_at + since).timestamp()
        yield f"{series.name}{{{labels}}} {series.value_at(since):.6g} {at:.3f}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@contextmanager
def serving(case: Case, folder: Path, prometheus: Path, promtool: Path) -> Iterator[str]:
    """The address of a Prometheus that has the incident's series until it was asked about; it ends with the block.

    Args:
        case: Whose series.
        folder: An empty one, where it keeps what it needs.
        prometheus: The program.
        promtool: The program.
    """
    made, data, configuration = folder / "series.txt", folder / "data", folder / "prometheus.yml"
    made.write_text(openmetrics(case.series, case.opened_at, case.asked))
    configuration.write_text(CONFIGURATION)
    command: list[str | Path] = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", made, data]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    arguments = [f"--config.file={configuration}", f"--storage.tsdb.path={data}", RETENTION]
    with running(prometheus, folder, *arguments) as port:
        yield f"http://127.0.0.1:{port}"
