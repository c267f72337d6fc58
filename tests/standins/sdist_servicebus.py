"""`python -m tests.standins.sdist_servicebus`: Microsoft's own live tests of the SDK, run against the stand-in.

Nobody who wrote the stand-in wrote them, so they find what its tests and the adapter's have misunderstood together.
sdist.toml says which run, and why the others do not. The source distribution comes from the package index by
`pip download`, and is kept in ${TOCSIN_CI_CACHE:-~/.cache/tocsin-ci}. It exits with 1 where a test fails, or where not
exactly as many pass as are expected.
"""

import argparse
import asyncio
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from pathlib import Path
from typing import Any

from tests.standins.servicebus.control import stand_in_process

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JAVASCRIPT_SECONDS = 120
LIMIT_SECONDS = 300  # for one test, on a busy machine


def fetch(package: str, version: str) -> Path:
    """The unpacked source distribution."""
    cache = cache_of(package)
    unpacked = cache / f"{package.replace('-', '_')}-{version}"
    if not unpacked.exists():
        archive = cache / f"{unpacked.name}.tar.gz"
        if not archive.exists():
            wanted = ["download", "--quiet", "--no-deps", "--no-binary", package, f"{package}=={version}"]
            subprocess.run([*pip(), *wanted], cwd=cache, check=True)
        with tarfile.open(archive) as tar:
            tar.extractall(cache, filter="data")
    return unpacked


def cache_of(name: str) -> Path:
    folder = Path(os.environ.get("TOCSIN_CI_CACHE", "~/.cache/tocsin-ci")).expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def pip() -> list[str]:
    """uv's environments have none of their own."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    return [uv, "tool", "run", "--quiet", "pip"] if uv else ["python3", "-m", "pip"]


def run(tests: Path, chosen: dict[str, Any]) -> tuple[int, str]:
    """Pytest's code and its summary."""
    left_out = {name for group in chosen["left_out"] for name in group["tests"]}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STAND_IN_LEFT_OUT": " ".join(left_out),
        "STAND_IN_SLOW": " ".join(chosen["slow"]["tests"]),
    }
    arguments = ["-p", "tests.standins.sdist_servicebus_plugin", "-p", "no:cacheprovider", "-p", "no:randomly"]
    # Their folder is not Tocsin's: neither its settings nor its conftest are to be found on the way up.
    arguments += ["-c", os.devnull, "--rootdir", str(tests), "-o", "asyncio_mode=auto"]
    arguments += ["-o", "asyncio_default_fixture_loop_scope=function", "-W", "ignore"]
    arguments += ["-n", str(chosen["workers"]), "--dist=load", "--maxschedchunk=1", "--timeout", str(LIMIT_SECONDS)]
    arguments += ["-q", "--tb=short", "--show-capture=no", "--no-header", "--durations=5"]
    command = [sys.executable, "-m", "pytest", *arguments, *chosen["files"]]
    with subprocess.Popen(command, cwd=tests, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def check_with_javascript(version: str) -> int:
    folder = cache_of("azure-servicebus-javascript")
    if not (folder / "node_modules").exists():
        (folder / "package.json").write_text("{}", encoding="utf-8")
        install = ["npm", "install", "--no-fund", "--no-audit", f"@azure/service-bus@{version}"]
        subprocess.run(install, cwd=folder, check=True)

    async def check() -> int:
        async with stand_in_process() as remote:
            script = str(HERE / "check_servicebus.mjs")
            node = await asyncio.create_subprocess_exec("node", script, remote.connection_string, cwd=folder)
            async with asyncio.timeout(JAVASCRIPT_SECONDS):
                return await node.wait()

    return asyncio.run(check())


def unknown_names(tests: Path, chosen: dict[str, Any]) -> set[str]:
    """What the list names and the SDK has not."""
    named = {name for group in (*chosen["left_out"], chosen["slow"]) for name in group["tests"]}
    sources = [(tests / file).read_text(encoding="utf-8") for file in chosen["files"]]
    return named - {name for source in sources for name in re.findall(r"def (test_\w+)", source)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.standins.sdist_servicebus")
    parser.add_argument("--javascript", action="store_true", help="check with the SDK for JavaScript instead")
    given = parser.parse_args()
    chosen = tomllib.loads((HERE / "sdist.toml").read_text(encoding="utf-8"))["servicebus"]
    if given.javascript:
        return check_with_javascript(chosen["javascript"])
    version = importlib.metadata.version(chosen["package"])
    began = time.monotonic()
    tests = fetch(chosen["package"], version) / "tests"
    if unknown := unknown_names(tests, chosen):
        print(f"{chosen['package']} {version} has no such tests: {sorted(unknown)}")
        return 1
    code, output = run(tests, chosen)
    found = re.search(r"(\d+) passed", output)
    passed = int(found[1]) if found else 0
    print(f"{chosen['package']} {version}: {passed} passed of {chosen['passed']}, {time.monotonic() - began:.0f} s")
    if code == 0 and passed != chosen["passed"]:
        print("another number than sdist.toml says: a test is missing, or new; see there")
        return 1
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
