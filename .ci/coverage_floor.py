"""Fails where coverage is below its floor: `python .ci/coverage_floor.py "domain/*=90" "*=85"`.

Two figures are held against it: the branches alone, which `coverage report --fail-under` does not know, and
coverage's own total of lines and branches.
"""

import io
import json
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import coverage


def main(floors: list[str]) -> int:
    """The exit status: 0 when every floor holds."""
    data = coverage.Coverage()
    data.load()
    failed = False
    for floor in floors:
        pattern, _, percent = floor.rpartition("=")
        branches, total = measure(data, pattern)
        held = min(branches, total) >= float(percent)
        failed |= not held
        verdict = "ok" if held else f"BELOW {percent} %"
        print(f"{pattern:10} branches {branches:6.2f} %   lines and branches {total:6.2f} %   {verdict}")
    if failed:
        print()
        data.report(skip_covered=True, show_missing=True)
    return int(failed)


def measure(data: coverage.Coverage, pattern: str) -> tuple[float, float]:
    """The percentages of branches, and of lines and branches, covered in the files that fit."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        report = Path(folder) / "coverage.json"
        data.json_report(outfile=str(report), include=[pattern])
        totals = json.loads(report.read_text())["totals"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"] if totals["num_branches"] else 100.0
    return branches, totals["percent_covered"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
