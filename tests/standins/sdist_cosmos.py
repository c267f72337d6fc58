"""The independent check of the Cosmos DB stand-in: the SDK's own emulator tests, run against it.

`python -m tests.standins.sdist_cosmos` fetches the sources of the installed azure-cosmos, and runs what
`sdist.toml` names.  It ends with 1 where a test fails, is skipped, or fewer ran than there should.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.standins.sdist import ROOT, SdistError, unpacked

SELECTION = Path(__file__).with_name("sdist.toml")
LIMIT_SECONDS = 300

# The SDK's tests import a package of the SDK's repository that is not published; they use two names of it.
SHIMS: Mapping[str, str] = {
    "__init__.py": "",
    "azure_recorded_testcase.py": "import os\n\n\ndef get_credential(**_):\n    return os.environ['ACCOUNT_KEY']\n",
    "helpers.py": "def is_live():\n    return False\n",
}


def main() -> int:
    selection = tomllib.loads(SELECTION.read_text(encoding="utf-8"))["cosmos"]
    try:
        suite = unpacked("azure-cosmos") / "tests"
    except SdistError as error:
        print(error, file=sys.stderr)
        return 1
    if strange := _unaccounted(selection, suite):
        print(f"{SELECTION.name} says nothing about: {', '.join(strange)}", file=sys.stderr)
        return 1
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        server = _started()
        try:
            report = _run(selection, suite, Path(folder), json.loads(_first_line(server)))
        finally:
            server.terminate()
            server.wait(10)
    if report is None:
        return 1
    passed, others = report
    took = time.monotonic() - started
    print(f"azure-cosmos's own tests: {passed} of {selection['expected']} passed in {took:.0f} s")
    for other in others:
        print(f"  {other}")
    return 0 if passed >= selection["expected"] and not others else 1


def _unaccounted(selection: Mapping[str, Any], suite: Path) -> list[str]:
    """The test files that the selection does not mention; a file's synchronous twin goes with it."""
    run = {file["name"] for file in selection["files"]}
    left_out = [pattern for patterns in selection["left_out"].values() for pattern in patterns]

    def is_named(name: str) -> bool:
        return name in run or any(fnmatch(name, pattern) for pattern in left_out)

    def has_twin(path: Path) -> bool:
        return path.with_name(f"{path.stem}_async.py").exists()

    paths = sorted(suite.glob("test_*.py"))
    return [
        path.name for path in paths if path.name != "test_config.py" and not is_named(path.name) and not has_twin(path)
    ]


def _started() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.standins.cosmos"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _first_line(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline()


def _run(
    selection: Mapping[str, Any], suite: Path, folder: Path, account: Mapping[str, str]
) -> tuple[int, list[str]] | None:
    """How many tests passed, and the others with what became of them; None where pytest itself failed."""
    shims = folder / "shims" / "devtools_testutils"
    shims.mkdir(parents=True)
    for name, text in SHIMS.items():
        (shims / name).write_text(text, encoding="utf-8")
    chosen = {
        file["name"]: {
            "run": file["run"],
            "left_out": [name for names in file.get("left_out", {}).values() for name in names],
        }
        for file in selection["files"]
    }
    (folder / "selection.json").write_text(json.dumps(chosen), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), "--rootdir", str(suite), "-q"]
    command += ["-p", "tests.standins.sdist_selection", "-p", "no:cacheprovider", "-p", "no:warnings", "--tb=short"]
    command += ["--timeout=60", f"--junitxml={folder / 'report.xml'}", *chosen]
    environment = {
        **os.environ,
        "ACCOUNT_HOST": f"{account['url']}/",
        "ACCOUNT_KEY": account["key"],
        "PYTHONPATH": os.pathsep.join([str(folder / "shims"), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SDIST_SELECTION": str(folder / "selection.json"),
    }
    try:
        done = subprocess.run(command, cwd=suite, env=environment, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"not done within {LIMIT_SECONDS} s", file=sys.stderr)
        return None
    if done.returncode not in (0, 1):
        return None
    cases = list(ElementTree.parse(folder / "report.xml").iter("testcase"))
    others = [f"{case[0].tag}: {case.get('name')}" for case in cases if len(case) and case[0].tag != "properties"]
    return len(cases) - len(others), others


if __name__ == "__main__":
    sys.exit(main())
