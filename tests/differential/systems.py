"""Systems: the two that are compared, each a process of its own with a folder and a port to itself."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Protocol

from tests.differential.recording import EXTERNAL_URL
from tests.prometheus import is_ready
from tests.serving import Serving, end_home

READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class NotReadyError(Exception):
    """A system did not start; the message has the end of its output."""


class System(Protocol):
    """One server under comparison; starting and stopping wait."""

    port: int

    @property
    def pid(self) -> int: ...

    def start(self) -> None:
        """Return when it is ready.

        Raises:
            NotReadyError: It is not going to be.
        """

    def reload(self, configuration: str) -> None:
        """Have it read this in the place of what it was started with; it is in force on return."""

    def stop(self) -> None: ...


@dataclass
class Alertmanager:
    """Debian's binary: the oracle."""

    folder: Path
    configuration: str
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "alertmanager.yml").write_text(self.configuration, encoding="utf-8")
        self.port = _free_port()
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    binary(),
                    f"--config.file={self.folder / 'alertmanager.yml'}",
                    f"--storage.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    f"--web.external-url={EXTERNAL_URL}",
                    "--web.route-prefix=/",
                    "--cluster.listen-address=",
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = (self.folder / "log").read_text(errors="replace")[-2000:]
                self.stop()
                raise NotReadyError(f"Alertmanager did not become ready:\n{output}")
            time.sleep(0.02)

    def reload(self, configuration: str) -> None:
        (self.folder / "alertmanager.yml").write_text(configuration, encoding="utf-8")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        try:
            connection.request("POST", "/-/reload")
            response = connection.getresponse()
            assert response.status == 200, response.read()
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Tocsin:
    """`tocsin serve`, strict."""

    folder: Path
    configuration: str
    port: int = 0
    home: str = "sqlite"
    _serving: Serving | None = field(default=None, repr=False)

    def start(self) -> None:
        arguments = ("--compat", "strict", "--external-url", EXTERNAL_URL, "--log-level", "warning")
        self._serving = Serving(self.folder, self.configuration, arguments, home=self.home)
        try:
            self._serving.__enter__()
        except AssertionError as error:
            self._serving = None
            end_home(self.folder)
            raise NotReadyError(f"Tocsin did not become ready:\n{error}") from error
        self.port = self._serving.port

    def reload(self, configuration: str) -> None:
        assert self._serving is not None
        self._serving.configure(configuration)
        answer = self._serving.post("/-/reload")
        assert answer.status == 200, answer.text

    @property
    def pid(self) -> int:
        assert self._serving is not None
        return self._serving.pid

    def stop(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            try:
                serving.stop()
            finally:
                end_home(self.folder)


def tocsin_on_azure(folder: Path, configuration: str) -> System:
    """The same, on stand-ins for Cosmos DB and Service Bus that are its own."""
    return Tocsin(folder, configuration, home="azure")


def binary() -> str:
    """The program that PROMETHEUS_ALERTMANAGER names, or the one on PATH, as the marker `needs` looks for it.

    Raises:
        NotReadyError: There is none.
    """
    found = shutil.which(os.environ.get("PROMETHEUS_ALERTMANAGER", "prometheus-alertmanager"))
    if found is None:
        raise NotReadyError("needs prometheus-alertmanager: put it on PATH, or its path into PROMETHEUS_ALERTMANAGER")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
