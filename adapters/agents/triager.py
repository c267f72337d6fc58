"""Triager: implements the port with agents; whatever becomes of them, the first look remains."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from adapters.agents.look import Look
from adapters.agents.models import Model, OpenClient
from adapters.agents.recording import record
from adapters.agents.replying import Replying
from adapters.agents.sources import LiveSources, Sources
from adapters.agents.trouble import Outcome, TroubleError, outcome_of, trouble_of
from adapters.agents.workflow import Start, build
from domain.errors import UnavailableError
from domain.triage import NO_MODEL, Allowance, Exchange, Finding, Question, Reply, first_look
from domain.triage.first_look import first_reply
from domain.triage.judging import LONGEST_REASON
from domain.triage.text import clean

INSTEAD = "this is the first look, without a model"


def _name() -> str:
    return uuid.uuid4().hex[:12]


class AgentTriager:
    """Implements `Triager` with one model; one workflow for each question, over one client."""

    def __init__(
        self,
        model: Model,
        client: OpenClient,
        sources: Sources,
        *,
        records: Path | None = None,
        make_name: Callable[[], str] = _name,
    ) -> None:
        """Client and sources are closed by `close`; into the folder `records` goes a file for each run."""
        self._model = model
        self._client = client
        self._sources = sources
        self._records = records
        self._make_name = make_name

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        if not allowance.is_asked:
            return first_look(question)
        look = Look(self._model, self._client.chat, self._sources, question, allowance)
        found: list[Finding] = []
        try:
            found.append(await self._look(look))
        finally:
            look.meter.close()
            await record(self._make_name(), look, found, self._records)
        return found[0]

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        if not allowance.is_asked:
            yield first_reply(question, asked)
            return
        look = Look(self._model, self._client.chat, self._sources, question, allowance, asked, before)
        replying = Replying(look)
        last: Reply | None = None
        try:
            async for reply in replying.replies():
                last = reply
                yield reply
            if replying.trouble is None:
                look.outcome = Outcome("model")
            else:
                look.outcome = outcome_of(replying.trouble)
                _raise_if_soon(replying.trouble, look)
                last = _told(look, replying.trouble, last)
                yield last
        finally:
            await replying.close()
            look.meter.close()
            await record(self._make_name(), look, [last] if last else [], self._records)

    async def close(self) -> None:
        """Close the client, and what tools read through."""
        await self._client.close()
        if isinstance(self._sources, LiveSources):
            await self._sources.close()

    async def _look(self, look: Look) -> Finding:
        """The model's finding, or the first look's with the reason why."""
        try:
            async with asyncio.timeout(look.seconds):
                outputs = (await build(look).run(Start())).get_outputs()
            finding: Finding = outputs[0]
            look.outcome = Outcome("model")
            return replace(finding, usage=look.meter.usage)
        except Exception as error:  # noqa: BLE001 - the port: whatever happens, there is an answer
            look.meter.close(error)
            trouble = trouble_of(error, self._model.name, look.seconds)
        look.outcome = outcome_of(trouble)
        _raise_if_soon(trouble, look)
        if look.standing is not None and trouble.code == "deadline":
            # The reviewer was too slow: what is judged stands without it.
            look.steps.append("review: deadline")
            with suppress(TroubleError):
                finding = look.completed(look.standing)
                look.outcome = Outcome("model")
                return replace(finding, usage=look.meter.usage)
        struck = look.standing.struck if look.standing else 0
        finding = first_look(look.asked_about)
        return replace(
            finding,
            fallback=clean(f"{trouble.words}: {INSTEAD}", LONGEST_REASON),
            struck=finding.struck + struck,
            usage=look.meter.usage,
        )


def _told(look: Look, trouble: TroubleError, last: Reply | None) -> Reply:
    """What had been said when the trouble came; else what the first look says of it."""
    if last is not None and last.claims:
        return replace(last, fallback=f"{trouble.words}; so far it had said this", usage=look.meter.usage)
    reply = first_reply(look.asked_about, look.asked)
    fallback = clean(f"{trouble.words}: {INSTEAD}", LONGEST_REASON)
    return replace(reply, fallback=fallback, usage=look.meter.usage)


def _raise_if_soon(trouble: TroubleError, look: Look) -> None:
    """Raise UnavailableError if it is worth asking again soon, and nothing would have to be paid twice."""
    if trouble.is_soon and not look.meter.usage.tokens:
        raise UnavailableError(trouble.words, trouble.retry_after)
