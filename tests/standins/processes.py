"""AzureProcesses: both stand-ins as processes of their own, so that they outlive a Tocsin that is killed."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.standins.azure import environment, make_database

ROOT = Path(__file__).parents[2]

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
CONTROL_SECONDS = 20.0


class StandInError(AssertionError):
    """A stand-in did not start, or refused an order."""


@dataclass
class AzureProcesses:
    """A Cosmos account and a Service Bus namespace from `start` (or entering the block) until `stop`.

    with AzureProcesses(tmp_path) as azure, Serving(tmp_path / "tocsin", environment=azure.environment):
        azure.break_cosmos({"kind": "lost-reply", "operation": "batch", "times": 3})
    """

    folder: Path
    """For the output of both."""
    queues: Mapping[str, Any] | None = None
    """In place of Tocsin's queues, as `--queues` of the stand-in has them."""
    seed: int = 0
    partitions: int = 2
    cosmos_url: str = ""
    cosmos_key: str = ""
    service_bus: str = ""
    """Its connection string."""
    _processes: list[subprocess.Popen[str]] = field(default_factory=list, repr=False)
    _control: socket.socket | None = field(default=None, repr=False)

    # --- from start to end ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"the output of the stand-ins ends:\n{self.output[-2000:]}\n{self._state()}")
        self.stop()

    def _state(self) -> str:
        """What is left in the queues, as far as it can be had."""
        try:
            counts = self.order("counts")
            left = {name: count for name, count in counts.items() if any(count.values())}
            lines = [f"{name} has {count}: {self.order('peek', queue=name)[:5]}" for name, count in left.items()]
        except (OSError, AssertionError) as problem:
            return repr(problem)
        return "\n".join(lines)

    def start(self) -> None:
        """Start both and make the database.

        Raises:
            StandInError: One of them ended instead, or was not ready in time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        seed = ("--seed", str(self.seed))
        queues = () if self.queues is None else ("--queues", json.dumps(self.queues))
        try:
            cosmos = self._launch("cosmos", "--port", "0", "--partitions", str(self.partitions), *seed)
            bus = self._launch("servicebus", "--port", "0", *queues, *seed)
            ready = self._ready(cosmos, "cosmos")
            self.cosmos_url, self.cosmos_key = ready["url"], ready["key"]
            ready = self._ready(bus, "servicebus")
            self.service_bus = ready["connection_string"]
            self._control = socket.create_connection(("127.0.0.1", ready["control_port"]), CONTROL_SECONDS)
            asyncio.run(make_database(self.cosmos_url, self.cosmos_key))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both; content if they are gone."""
        if self._control is not None:
            self._control.close()
            self._control = None
        processes, self._processes = self._processes, []
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    @property
    def environment(self) -> dict[str, str]:
        """The app settings by which Tocsin finds them."""
        return environment(self.cosmos_url, self.cosmos_key, self.service_bus)

    @property
    def output(self) -> str:
        """What both have written to standard error."""
        names = [self._log(name) for name in ("cosmos", "servicebus")]
        return "".join(path.read_text(errors="replace") for path in names if path.exists())

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _launch(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"tests.standins.{name}", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._processes.append(process)
        return process

    def _ready(self, process: subprocess.Popen[str], name: str) -> Any:
        assert process.stdout is not None
        deadline = time.monotonic() + READY_SECONDS
        while not select.select([process.stdout], [], [], 0.1)[0]:
            if time.monotonic() > deadline:
                raise StandInError(f"the stand-in {name} was not ready within {READY_SECONDS:.0f} s:\n{self.output}")
        line = process.stdout.readline()
        if not line:
            raise StandInError(f"the stand-in {name} ended with {process.wait()}:\n{self.output}")
        return json.loads(line)

    # --- trouble ----------------------------------------------------------------------------------------------------

    def break_cosmos(self, *faults: Mapping[str, Any]) -> None:
        """Add faults, with the fields of `tests.standins.cosmos.faults.Fault`."""
        self._cosmos("POST", "faults", list(faults))

    def break_service_bus(self, *faults: Mapping[str, Any]) -> None:
        """Add faults, with the fields of `tests.standins.servicebus.faults.Fault`."""
        for fault in faults:
            self.order("fault", **fault)

    def mend(self) -> None:
        """No more faults, and no outage, at either."""
        self._cosmos("DELETE", "faults")
        self.order("clear-faults")
        self.order("up")

    def cosmos_outage(self, outage: str | None) -> None:
        """`down`, `throttled`, or None for its end."""
        self._cosmos("PUT", "outage", outage)

    def cosmos_calls(self, *, forget: bool = False) -> Sequence[Mapping[str, Any]]:
        """What it was asked since it last forgot, as `tests.standins.cosmos.calls.Call` has it."""
        calls = json.loads(self._cosmos("GET", "calls"))
        if forget:
            self._cosmos("DELETE", "calls")
        return list(calls)

    def order(self, do: str, **given: Any) -> Any:
        """One order for the Service Bus: see `tests.standins.servicebus.control.obey`.

        Raises:
            StandInError: It is refused.
        """
        assert self._control is not None, "it is not running"
        self._control.sendall(json.dumps({"do": do, **given}).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            part = self._control.recv(1 << 16)
            if not part:
                raise StandInError(f"the stand-in servicebus is gone:\n{self.output}")
            line += part
        answer = json.loads(line)
        if "error" in answer:
            raise StandInError(answer["error"])
        return answer["ok"]

    def _cosmos(self, method: str, what: str, body: Any = ...) -> bytes:
        address = urlsplit(self.cosmos_url)
        assert address.hostname is not None
        connection = HTTPConnection(address.hostname, address.port, timeout=CONTROL_SECONDS)
        try:
            content = None if body is ... else json.dumps(body)
            connection.request(method, f"/_standin/{what}", content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise StandInError(f"{method} {what}: {response.status} {answer.decode()}")
        return answer
