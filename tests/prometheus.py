"""A real Prometheus on a free port, and how one of its kind says that it is ready."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.serving import eventually


@contextmanager
def running(program: Path, folder: Path, *arguments: str) -> Iterator[int]:
    """The port of a Prometheus with these arguments, from when it is ready; it ends with the block.

    Its words are in `prometheus.log` of the folder.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [str(program), *arguments, f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        eventually(lambda: is_ready(port), "Prometheus to be ready", seconds=30)
        yield port
    finally:
        process.kill()
        process.wait()


def is_ready(port: int) -> bool:
    """Whether a Prometheus or an Alertmanager there says that it is."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
