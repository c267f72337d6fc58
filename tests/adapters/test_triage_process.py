"""The process that looks at incidents: a real one, over real pipes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from adapters.triage_process import TriageProcess
from domain.errors import UnavailableError
from domain.triage.first_look import first_look, first_reply
from tests.builders import MINUTE
from tests.domain.triaging import onset, past, question

ASKED = question(
    onset(service="api", after=MINUTE),
    onset(service="db"),
    calls={"api": {"db"}},
    history=tuple(past(number, "disk full") for number in range(1, 40)),
)


@pytest.fixture
async def process() -> AsyncIterator[TriageProcess]:
    made = TriageProcess()
    yield made
    await made.close()


def pid_of(process: TriageProcess) -> int:
    assert process._process is not None
    return process._process.pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_answers_as_this_process_would(process: TriageProcess) -> None:
    assert await process.triage(ASKED) == first_look(ASKED)
    assert [part async for part in process.reply(ASKED, "what of db?")] == [first_reply(ASKED, "what of db?")]


async def test_many_are_asked_at_once(process: TriageProcess) -> None:
    questions = [question(onset(service=f"s{number}"), history=ASKED.history) for number in range(20)]
    found = await asyncio.gather(*(process.triage(one) for one in questions))
    assert found == [first_look(one) for one in questions]
    assert pid_of(process)


async def test_another_history_takes_the_place_of_the_one_before(process: TriageProcess) -> None:
    for history in ((), ASKED.history, ASKED.history[:1], ()):
        asked = question(onset(service="db", name="disk full"), history=history)
        assert await process.triage(asked) == first_look(asked)


async def test_one_that_is_killed_is_started_again(process: TriageProcess) -> None:
    await process.triage(ASKED)
    pid = pid_of(process)
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(process.triage(ASKED))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UnavailableError, match="has ended"):
        await asked
    assert await process.triage(ASKED) == first_look(ASKED)
    assert pid_of(process) != pid


async def test_it_ends_with_whoever_started_it(process: TriageProcess) -> None:
    await process.triage(ASKED)
    pid = pid_of(process)
    await process.close()
    assert not is_alive(pid)
    await process.close()


async def test_who_waits_no_longer_is_forgotten(process: TriageProcess) -> None:
    await process.triage(ASKED)
    os.kill(pid_of(process), signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await process.triage(ASKED)
    os.kill(pid_of(process), signal.SIGCONT)
    assert process._answers == {}
    assert await process.triage(ASKED) == first_look(ASKED)
