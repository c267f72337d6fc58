"""`until_ready COMMAND…`: start a `tocsin serve` on a free port, wait until it is ready, end it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from urllib.request import urlopen

# Nothing of the tests is imported, which would take longer than the start that is waited for.
READY_SECONDS = 60.0
STOP_SECONDS = 20.0


def main(command: list[str]) -> int:
    """The exit code: 0 where it became ready and ended well."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # Data of its own, so that several can be tried one after the other.
    process = subprocess.Popen([*command, "--port", str(port), "--data", mkdtemp(dir=Path.cwd())])
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                print(f"it did not become ready: {' '.join(command)}", file=sys.stderr)
                return 1
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        return process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
