"""`python bench/cold.py`: how long importing the app takes, beside azure-functions and pydantic alone.

Each import runs in a fresh interpreter, both in turn, with bytecode from the run before.  The median of the
processor's time is compared, for the clock's also counts what else the machine does.  Exits with 1 where the ratio is
above the target.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = 1.5

BASE = "import azure.functions; from pydantic import BaseModel"  # pydantic loads its half only when that is asked for
APP = "import function_app"

_MEASURE = """
import json, sys, time
began = time.perf_counter(), time.process_time()
{imports}
took = time.perf_counter() - began[0], time.process_time() - began[1]
print(json.dumps([*took, len(sys.modules)]))
"""


def measure(imports: str) -> tuple[float, float, int]:
    """Seconds by the clock, seconds of the processor, and how many modules there are then."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(imports=imports)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    clock, processor, modules = json.loads(run.stdout)
    return clock, processor, modules


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="default: %(default)s")
    rounds: int = parser.parse_args().rounds
    measured: dict[str, list[tuple[float, float, int]]] = {BASE: [], APP: []}
    for imports in measured:
        measure(imports)  # writes the bytecode
    for _ in range(rounds):
        for imports, runs in measured.items():
            runs.append(measure(imports))
    processor = {}
    print(f"{'':<56}{'processor':>11}{'clock':>9}{'modules':>9}")
    for imports, runs in measured.items():
        clock, processor[imports] = (statistics.median(run[column] for run in runs) for column in (0, 1))
        print(f"{imports:<56}{processor[imports] * 1000:>8.0f} ms{clock * 1000:>6.0f} ms{runs[0][2]:>9}")
    ratio = processor[APP] / processor[BASE]
    print(f"ratio {ratio:.2f}, target {TARGET}: {'ok' if ratio <= TARGET else 'missed'}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
