"""A start that is told to end: whenever the signal comes, the process goes promptly and leaves a whole store."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sqlite.journal import Journal
from devhost.stopping import Stop, StoppedError
from tests.serving import ROOT

CONFIGURATION = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"

PROMPTLY_SECONDS = 6.0
"""From the signal on; the tests share their cores with others."""

# The n-th time that the interpreter announces this (PEP 578), the process tells itself to end.
AT_A_MOMENT = """
import os, signal, sys, time
event, first, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
def hear(name, arguments):
    global left
    if name == event and str(arguments[0]).endswith(first):
        left -= 1
        if left == 0:
            print("told at", time.monotonic(), flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
sys.addaudithook(hear)
from devhost.cli import main
sys.exit(main(sys.argv[4:]))
"""


@pytest.mark.parametrize(
    ("event", "first", "count"),
    [
        pytest.param("import", "devhost.serving", 1, id="the program is loaded"),
        pytest.param("sqlite3.connect", "tocsin.db", 1, id="the store is opened"),
        pytest.param("open", "alertmanager.yml", 2, id="the configuration is put in force"),
        pytest.param("import", "endpoints.incidents", 1, id="the functions are loaded"),
        pytest.param("import", "uvicorn.protocols.http.flow_control", 1, id="the server takes the signals over"),
        pytest.param("socket.bind", "", 2, id="it listens"),
    ],
)
def test_a_signal_ends_the_start_at_any_moment(event: str, first: str, count: int, tmp_path: Path) -> None:
    configuration = tmp_path / "alertmanager.yml"
    configuration.write_text(CONFIGURATION)
    data = tmp_path / "data"
    command = [sys.executable, "-c", AT_A_MOMENT, event, first, str(count)]
    command += ["serve", "--port", "0", "--data", str(data), "--config", str(configuration)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    process = subprocess.Popen(
        command, cwd=ROOT, env=inherited, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said = process.communicate(timeout=40)[0].decode()
    finally:
        process.kill()
        process.wait()
    ended_at = time.monotonic()
    told_at = re.search(r"^told at (.*)$", said, re.MULTILINE)
    assert told_at, f"the moment never came: {said}"
    assert ended_at - float(told_at[1]) < PROMPTLY_SECONDS
    assert process.returncode in (0, -signal.SIGTERM), said
    assert "Traceback" not in said
    if process.returncode == 0:
        assert not (data / "tocsin.db-wal").exists(), "the store is closed"
    Journal(data / "tocsin.db").close()


# --- inside one process ---------------------------------------------------------------------------------------------


@pytest.fixture
def stop() -> Iterator[Stop]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = Stop()
    stop.listen()
    yield stop
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_never_answers_is_not_waited_for(stop: Stop, number: signal.Signals) -> None:
    asyncio.get_running_loop().call_soon(signal.raise_signal, number)
    with pytest.raises(StoppedError), stop.starting():
        await asyncio.Event().wait()
    await asyncio.sleep(0)  # what comes after it is not cancelled: the store must be closed


async def test_a_signal_between_two_parts_of_the_start_is_remembered(stop: Stop) -> None:
    with stop.starting():
        pass
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(StoppedError), stop.starting():
        pytest.fail("it begins nothing more")


async def test_a_cancelled_start_is_no_wish_to_end(stop: Stop) -> None:
    with pytest.raises(asyncio.CancelledError), stop.starting():
        raise asyncio.CancelledError
    assert not stop.is_asked
