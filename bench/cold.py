"""`python bench/cold.py`: how long importing the app takes, beside azure-functions and pydantic alone.

Each import runs in a fresh interpreter, all in turn, with bytecode from the run before.  The median of the processor's
time is compared, for the clock's also counts what else the machine does.  Exits with 1 where the ratio is above the
target.

What is not imported then is imported by the first invocation that needs it, so its time is told too: of the import and
the first `POST /api/v2/alerts` together, the store being in memory, and of all that the dev host loads before it
listens.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = 1.5

BASE = "import azure.functions; from pydantic import BaseModel"  # pydantic loads its half only when that is asked for
APP = "import function_app"

FIRST_REQUEST = """
import asyncio
import function_app
import azure.functions as func

found = [one for one in function_app.app.get_functions() if one.get_function_name() == "receive_alerts"]
request = func.HttpRequest(
    "POST",
    "http://127.0.0.1/api/v2/alerts",
    headers={"content-type": "application/json"},
    body=b'[{"labels": {"alertname": "Cold"}}]',
)
answer = asyncio.run(found[0].get_user_function()(request))
assert answer.status_code == 200, answer.get_body()
"""

PREPARED = """
import function_app
from adapters.wiring import ports

ports().prepare()
"""

CONFIGURATION = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""

_MEASURE = """
import json, sys, time
began = time.perf_counter(), time.process_time()
exec(sys.argv[1])
took = time.perf_counter() - began[0], time.process_time() - began[1]
print(json.dumps([*took, len(sys.modules)]))
"""


def measure(code: str, environment: Mapping[str, str]) -> tuple[float, float, int]:
    """Seconds by the clock, seconds of the processor, and how many modules there are then."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    clock, processor, modules = json.loads(run.stdout)
    return clock, processor, modules


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="default: %(default)s")
    rounds: int = parser.parse_args().rounds
    measured = {
        BASE: BASE,
        APP: APP,
        "the import and the first POST /api/v2/alerts": FIRST_REQUEST,
        "the import and all that the dev host loads": PREPARED,
    }
    runs: dict[str, list[tuple[float, float, int]]] = {name: [] for name in measured}
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "alertmanager.yml")
        configuration.write_text(CONFIGURATION)
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "TOCSIN_HOME": "memory",
            "TOCSIN_CONFIGURATION": str(configuration),
        }
        for code in measured.values():
            measure(code, environment)  # writes the bytecode
        for _ in range(rounds):
            for name, code in measured.items():
                runs[name].append(measure(code, environment))
    processor = {}
    print(f"{'':<56}{'processor':>11}{'clock':>9}{'modules':>9}")
    for name, taken in runs.items():
        clock, processor[name] = (statistics.median(run[column] for run in taken) for column in (0, 1))
        print(f"{name:<56}{processor[name] * 1000:>8.0f} ms{clock * 1000:>6.0f} ms{taken[0][2]:>9}")
    ratio = processor[APP] / processor[BASE]
    print(f"ratio of the imports {ratio:.2f}, target {TARGET}: {'ok' if ratio <= TARGET else 'missed'}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
