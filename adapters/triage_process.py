"""Triage in a process of its own, so that no look at an incident slows a fold; implements `Triager` over pipes.

The process is started by the first look and ends when nothing was asked for a while, or when its parent does.  It makes
the same triager that the settings choose for one process, and reads nothing but what it is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from domain.errors import UnavailableError
from domain.triage.findings import Exchange, Finding, Reply, Triager
from domain.triage.spending import NO_MODEL, Allowance

if TYPE_CHECKING:
    from domain.triage.questions import Question

log = logging.getLogger("tocsin.triage")

IDLE_SECONDS = 600.0
NICENESS = 10
"""Folds and pages come first, where processors are scarce."""

type Kind = Literal["history", "triage", "reply", "cancel"]
type AnswerKind = Literal["part", "end", "unavailable", "failed", "log"]

_LENGTH = struct.Struct(">I")


class TriageProcess:
    """Asks the process; each of its answers is awaited by whoever asked."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._answers: dict[int, asyncio.Queue[tuple[AnswerKind, Any]]] = {}
        self._number = 0
        self._history: Sequence[Any] | None = None
        """What the process was told last; the same object is not sent twice."""
        self._idle: asyncio.TimerHandle | None = None

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        finding: Finding | None = None
        async for part in self._ask("triage", question, (allowance,)):
            finding = part
        assert finding is not None
        return finding

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        async for part in self._ask("reply", question, (asked, tuple(before), allowance)):
            yield part

    async def _ask(self, kind: Kind, question: Question, rest: tuple[Any, ...]) -> AsyncGenerator[Any]:
        process = await self._started()
        self._number += 1
        number, answers = self._number, asyncio.Queue[tuple[AnswerKind, Any]]()
        self._answers[number] = answers
        is_over = False
        try:
            if question.history is not self._history:
                self._history = question.history
                await self._send(process, (0, "history", question.history))
            await self._send(process, (number, kind, (replace(question, history=()), *rest)))
            while not is_over:
                answer, payload = await answers.get()
                is_over = answer != "part"
                match answer:
                    case "part":
                        yield payload
                    case "unavailable":
                        raise UnavailableError(*payload)
                    case "failed":
                        raise UnavailableError(f"the look failed: {payload}")
                    case _:
                        pass
        finally:
            del self._answers[number]
            if not is_over and process.returncode is None:
                await self._send(process, (number, "cancel", None))
            self._wait_idle()

    async def _started(self) -> Process:
        async with self._starting:
            if self._idle is not None:
                self._idle.cancel()
            if self._process is None or self._process.returncode is not None or self._reader is None:
                self._history = None
                command = [sys.executable, "-m", "adapters.triage_process"]
                # A session of its own: an interrupt from the keyboard is for the parent, which lets go of it in order.
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=PIPE, stdout=PIPE, start_new_session=True
                )
                self._reader = asyncio.create_task(self._read(self._process))
            return self._process

    async def _send(self, process: Process, message: tuple[int, Kind, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(_frame(message))
            await process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise UnavailableError("the process that looks at incidents has ended") from error

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        try:
            while True:
                (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
                number, answer, payload = pickle.loads(await process.stdout.readexactly(length))
                if answer == "log":
                    logging.getLogger(payload["name"]).handle(logging.makeLogRecord(payload))
                elif answers := self._answers.get(number):
                    answers.put_nowait((answer, payload))
        except asyncio.IncompleteReadError:
            pass
        finally:
            # Whoever waits is told; the next one who asks starts another process.
            self._reader = None
            for answers in self._answers.values():
                answers.put_nowait(("unavailable", ("the process that looks at incidents has ended",)))

    def _wait_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if not self._answers:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._let_go)

    def _let_go(self) -> None:
        if not self._answers and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def close(self) -> None:
        """End the process; what it was asked is asked again by whoever gets the message next."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is None:
            return
        # It has nothing to lose, and a stop waits for nobody who looks.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if self._reader is not None:
            await self._reader


def _frame(message: Any) -> bytes:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


# --- in the process ---------------------------------------------------------------------------------------------------


class _Asked:
    """The other end: what is asked, each as a task of its own."""

    def __init__(self, triager: Triager, answer: Callable[[Any], None]) -> None:
        self._triager = triager
        self._answer = answer
        self._history: Sequence[Any] = ()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, message: tuple[int, Kind, Any]) -> None:
        number, kind, payload = message
        match kind:
            case "history":
                self._history = payload
            case "cancel":
                if task := self._tasks.get(number):
                    task.cancel()
            case _:
                task = asyncio.create_task(self._run(number, kind, payload))
                self._tasks[number] = task
                task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _run(self, number: int, kind: Kind, payload: tuple[Any, ...]) -> None:
        question: Question = replace(payload[0], history=self._history)
        try:
            if kind == "triage":
                self._answer((number, "part", await self._triager.triage(question, *payload[1:])))
            else:
                async for part in self._triager.reply(question, *payload[1:]):
                    self._answer((number, "part", part))
        except UnavailableError as error:
            self._answer((number, "unavailable", (str(error), error.retry_after)))
        except Exception as error:
            log.exception("a look failed")
            self._answer((number, "failed", type(error).__name__))
        else:
            self._answer((number, "end", None))


class _Forwarding(logging.Handler):
    """Leaves what is logged here to the parent, which knows where logs go."""

    def __init__(self, answer: Callable[[Any], None]) -> None:
        super().__init__()
        self._send = answer

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{logging.Formatter().formatException(record.exc_info)}"
        self._send((0, "log", {**vars(record), "msg": message, "args": None, "exc_info": None}))


async def _serve() -> None:
    from adapters.identity import Identity
    from adapters.settings import Settings
    from adapters.triagers import make_triager

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints must not be taken for an answer

    def answer(message: Any) -> None:
        out.write(_frame(message))
        out.flush()

    root = logging.getLogger()
    root.addHandler(_Forwarding(answer))
    root.setLevel(logging.INFO)
    identity = Identity()
    triager = make_triager(Settings.read(os.environ), identity)
    asked = _Asked(triager, answer)
    try:
        while True:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            asked.take(pickle.loads(await reader.readexactly(length)))
    except asyncio.IncompleteReadError:
        pass  # the parent has let go, or ended
    finally:
        await triager.close()
        await identity.close()


if __name__ == "__main__":
    os.nice(NICENESS)
    asyncio.run(_serve())
