"""Serving: the dev host as a process of its own, for tests that speak to it as the world does."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.standins.processes import AzureProcesses

ROOT = Path(__file__).parent.parent

READY_SECONDS = 30.0
STOP_SECONDS = 20.0
PORTS_TRIED = 3

HOME = "TOCSIN_TEST_HOME"
"""The environment variable that names the home of every Serving that does not name its own: `sqlite` or `azure`."""


class NotServingError(AssertionError):
    """The dev host did not become ready, or did not stop; the message has the end of its output."""


UNTRIAGED = {"TOCSIN_TRIAGE": "false"}
"""The environment of a Serving in which nobody looks at incidents: where each event is counted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request was answered with, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Serving:
    """The dev host, from entering the block (when it is ready) until its end (when it is gone).

    Everything lives in `folder`: the configuration, the data and the output, so that a second Serving on the same
    folder goes on where the first one ended.  Inside the block it may be ended and started again, at the same port:

        with Serving(tmp_path, CONFIGURATION) as tocsin:
            tocsin.post("/api/v2/alerts", [{"labels": {"alertname": "DiskFull"}}])
            tocsin.kill()
            tocsin.start()
    """

    folder: Path
    configuration: str | None = None
    """The text of an `alertmanager.yml`; without one, Tocsin's default is in force."""
    arguments: Sequence[str] = ()
    """More arguments of `tocsin serve`, such as `("--compat", "strict")`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those of the test run."""
    port: int = 0
    """Where it listens; 0 for a free port, which is known once it is ready."""
    home: str = ""
    """Where it keeps everything: `sqlite`, or `azure` for stand-ins of its folder's own; else see `HOME`."""

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.home = self.home or os.environ.get(HOME) or "sqlite"

    # --- from start to end ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configure(self.configuration)
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
            return
        self.kill()
        error.add_note(f"the output of tocsin serve ends:\n{self.output[-4000:]}")

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            NotServingError: It ended instead, or was not ready in time.
        """
        assert self._process is None, "it is running already"
        is_port_free_to_choose = not self.port
        for attempt in range(PORTS_TRIED):
            self.port = self.port or _free_port()
            begins_at = len(self.output)
            self._launch()
            try:
                return self._wait_until_ready(begins_at)
            except NotServingError:
                # Another process may have taken the port between the look and the start.
                is_taken = "address already in use" in self.output[begins_at:]
                if not (is_taken and is_port_free_to_choose) or attempt == PORTS_TRIED - 1:
                    raise
                self.kill()
                self.port = 0
        return None

    def stop(self) -> int:
        """End it as a service manager does (SIGTERM), and wait; the exit code, 0 where it was not running.

        Raises:
            NotServingError: It did not end in time; it is killed then.
        """
        process = self._process
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotServingError(
                f"tocsin serve did not end within {STOP_SECONDS:.0f} s:\n{self.output[-4000:]}"
            ) from None
        self._process = None
        return code

    def kill(self) -> None:
        """End it at once, as a crash does (SIGKILL); content if it is gone already."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stop it, and start it again at the same port."""
        self.stop()
        self.start()

    def configure(self, configuration: str | None) -> None:
        """Write the configuration's file; one that runs reads it when told to, at the latest at its next start."""
        self.configuration = configuration
        if configuration is not None:
            self.configuration_file.write_text(configuration, encoding="utf-8")

    @property
    def configuration_file(self) -> Path:
        return self.folder / "alertmanager.yml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def azure(self) -> AzureProcesses:
        """The stand-ins of this folder, which a second Serving on it shares; running until `end_homes`."""
        assert self.home == "azure"
        return _azure_of(self.folder)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has written to standard output and standard error, over all its starts in this folder."""
        try:
            return self._log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    @property
    def _log(self) -> Path:
        return self.folder / "serve.log"

    def _launch(self) -> None:
        command = [sys.executable, "-m", "devhost.cli", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--data", str(self.data)]
        if self.configuration is not None:
            command += ["--config", str(self.configuration_file)]
        # Nothing of the settings of whoever runs the tests reaches it.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        home = self.azure.environment if self.home == "azure" else {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.arguments],
                cwd=ROOT,  # this tree, whatever is installed
                env={**inherited, **home, "PYTHONUNBUFFERED": "1", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self, begins_at: int) -> None:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None:
            # The address in its output tells that this process answers, and not another one that took the port.
            if f"127.0.0.1:{self.port}" in self.output[begins_at:] and self._answers_ready():
                return
            if time.monotonic() > deadline:
                raise NotServingError(
                    f"tocsin serve was not ready within {READY_SECONDS:.0f} s:\n{self.output[-4000:]}"
                )
            time.sleep(0.02)
        self._process = None
        raise NotServingError(f"tocsin serve ended with exit code {process.returncode}:\n{self.output[-4000:]}")

    def _answers_ready(self) -> bool:
        try:
            return self.get("/-/ready").status == 200
        except (OSError, HTTPException):
            return False

    # --- speaking to it ---------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_seconds: float = 30.0,
    ) -> Answer:
        """Send one request over a connection of its own, just as it is given.

        Raises:
            OSError: Nobody listens, or no answer came in time.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, value: Any = None) -> Answer:
        """Post the value as JSON; None posts nothing."""
        body = None if value is None else json.dumps(value).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json"})


def eventually[T](ask: Callable[[], T], what: str, *, seconds: float = 10.0) -> T:
    """Ask again and again until the answer is true, and return it.

    Raises:
        AssertionError: The time is over; `what` has not come.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
    return answer


# --- homes ----------------------------------------------------------------------------------------------------------

_homes: dict[Path, AzureProcesses] = {}
"""The stand-ins that run, by the folder that they belong to."""


def _azure_of(folder: Path) -> AzureProcesses:
    found = _homes.get(folder)
    if found is None:
        found = AzureProcesses(folder / "azure")
        found.start()
        _homes[folder] = found
    return found


def running_homes() -> frozenset[Path]:
    """The folders whose stand-ins run."""
    return frozenset(_homes)


def end_home(folder: Path) -> None:
    """End the stand-ins of this folder, if it has any."""
    if folder in _homes:
        _homes.pop(folder).stop()


def end_homes(*, kept: Collection[Path] = ()) -> None:
    """End the stand-ins of all folders but these, and forget what they hold."""
    for folder in _homes.keys() - set(kept):
        end_home(folder)


atexit.register(end_homes)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
