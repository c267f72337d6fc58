"""The two servers: each started fresh on a free port of 127.0.0.1 in a folder of its own, and ended by its pid."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine, whatever proxy the environment names."""

_READY_SECONDS = 30.0

_CONFIGURATION = """\
route:
  receiver: bench
  group_by: [service]
  group_wait: {group_wait}
  group_interval: 5m
  repeat_interval: 4h
receivers:
  - name: bench
    webhook_configs:
      - url: {url}
"""


class ServerError(Exception):
    """A server is missing, did not come up, or answered what it must not."""


@dataclass(frozen=True)
class Side:
    """Whom to measure: Alertmanager, or Tocsin with certain arguments."""

    name: str
    is_peer: bool = False
    arguments: tuple[str, ...] = ()

    def command(self, port: int, folder: Path) -> list[str]:
        configuration = str(folder / "alertmanager.yml")
        if self.is_peer:
            return [
                alertmanager(),
                f"--config.file={configuration}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ]
        serve = ["serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(folder / "data")]
        return [*tocsin(), *serve, "--config", configuration, *self.arguments]


ALERTMANAGER = Side("Alertmanager", is_peer=True)
TOCSIN = Side("Tocsin")
TOCSIN_STRICT = Side("Tocsin --compat strict", arguments=("--compat", "strict"))
TOCSIN_POWER = Side("Tocsin --durability power", arguments=("--durability", "power"))


def alertmanager() -> str:
    """The binary that TOCSIN_ALERTMANAGER names, or the one on PATH."""
    named = os.environ.get("TOCSIN_ALERTMANAGER")
    if found := named or shutil.which("prometheus-alertmanager") or shutil.which("alertmanager"):
        return found
    raise ServerError("no prometheus-alertmanager on PATH; install it, or name it in TOCSIN_ALERTMANAGER")


def tocsin() -> list[str]:
    """The command that TOCSIN_BENCH_COMMAND gives, or the `tocsin` beside this Python."""
    if command := os.environ.get("TOCSIN_BENCH_COMMAND"):
        return shlex.split(command)
    return [str(Path(sys.executable).parent / "tocsin")]


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    def get(self, path: str) -> bytes:
        with DIRECT.open(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            body: bytes = answer.read()
            return body

    def resident_mb(self) -> float:
        """What the process and its children hold in memory, in MB of 10^6 bytes."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True)
        processes = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
        family = {self.pid}
        while grown := {pid for pid, parent, _ in processes if parent in family} - family:
            family |= grown
        return sum(kilobytes for pid, _, kilobytes in processes if pid in family) * 1024 / 1e6


@contextmanager
def running(side: Side, webhook_url: str, group_wait: str) -> Iterator[Server]:
    """A fresh server that is ready; it is gone, and its folder with it, when the block ends.

    Raises:
        ServerError: It did not start, or the block met trouble with it; the message has the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        (folder / "alertmanager.yml").write_text(_CONFIGURATION.format(group_wait=group_wait, url=webhook_url))
        port = _free_port()
        with (folder / "log").open("wb") as log:
            try:
                process = subprocess.Popen(side.command(port, folder), stdout=log, stderr=log, cwd=folder)
            except OSError as error:
                raise ServerError(f"{side.name} did not start: {error}") from error
        try:
            _wait_until_ready(side, process, port)
            yield Server(port, process.pid)
        except (ServerError, OSError, HTTPException) as error:
            raise ServerError(f"{error}\n  the server's log ends: {_tail(folder / 'log')}") from error
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(side: Side, process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with DIRECT.open(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.05)
    if process.poll() is not None:
        raise ServerError(f"{side.name} ended with exit code {process.returncode} before it was ready")
    raise ServerError(f"{side.name} was not ready within {_READY_SECONDS:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-600:].strip()
