"""Triager: implements the port with agents; whatever becomes of them, the first look remains."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from adapters.agents.look import Look
from adapters.agents.models import Model, OpenClient
from adapters.agents.recording import Outcome, record
from adapters.agents.replying import Replying
from adapters.agents.sources import LiveSources, Sources
from adapters.agents.trouble import TroubleError, trouble_of
from adapters.agents.workflow import Start, build
from domain.errors import UnavailableError
from domain.triage import NO_MODEL, Allowance, Exchange, Finding, Question, Reply, first_look
from domain.triage.first_look import first_reply

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
        outcome, findings = Outcome("cancelled"), list[Finding]()
        try:
            finding, outcome = await self._look(look)
            findings = [finding]
        except UnavailableError as error:
            outcome = Outcome("later", str(error))
            raise
        finally:
            look.meter.close()
            await record(self._make_name(), look, outcome, findings, self._records)
        return finding

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        if not allowance.is_asked:
            yield first_reply(question, asked)
            return
        look = Look(self._model, self._client.chat, self._sources, question, allowance, asked, before)
        outcome, last = Outcome("cancelled"), None
        replying = Replying(look)
        try:
            async for last in replying.replies():
                yield last
            outcome = Outcome("model")
            if replying.trouble is not None:
                trouble = replying.trouble
                outcome = _outcome(trouble)
                _raise_if_soon(trouble, look)
                if last is None or not last.claims:
                    last = replace(first_reply(question, asked), usage=look.meter.usage)
                    fallback = f"{trouble.words}: {last.fallback.partition(': ')[2] or INSTEAD}"
                else:
                    last, fallback = replace(last, usage=look.meter.usage), f"{trouble.words}; so far it had said this"
                last = replace(last, fallback=fallback)
                yield last
        finally:
            await replying.close()
            look.meter.close()
            await record(self._make_name(), look, outcome, [last] if last else [], self._records)

    async def close(self) -> None:
        """Close the client, and what tools read through."""
        await self._client.close()
        if isinstance(self._sources, LiveSources):
            await self._sources.close()

    async def _look(self, look: Look) -> tuple[Finding, Outcome]:
        """The model's finding, or the first look's with the reason why."""
        try:
            async with asyncio.timeout(look.seconds):
                (finding,) = (await build(look).run(Start())).get_outputs()
            return replace(finding, usage=look.meter.usage), Outcome("model")
        except Exception as error:  # noqa: BLE001 - the port: whatever happens, there is an answer
            look.meter.close(error)
            trouble = trouble_of(error, self._model.name, look.seconds)
        _raise_if_soon(trouble, look)
        if look.standing is not None and trouble.code == "deadline":
            # The reviewer was too slow: what is judged stands without it.
            try:
                finding = look.completed(look.standing)
                look.steps.append("review: deadline")
                return replace(finding, usage=look.meter.usage), Outcome("model", "the reviewer was too slow")
            except TroubleError as nothing:
                trouble = nothing
        struck = look.standing.struck if look.standing else 0
        finding = first_look(look.asked_about)
        finding = replace(
            finding,
            fallback=f"{trouble.words}: {INSTEAD}",
            struck=finding.struck + struck,
            usage=look.meter.usage,
        )
        return finding, _outcome(trouble)


def _outcome(trouble: TroubleError) -> Outcome:
    after = trouble.retry_after
    return Outcome(trouble.code, trouble.words, after.total_seconds() if after is not None else None)


def _raise_if_soon(trouble: TroubleError, look: Look) -> None:
    """Raise UnavailableError if it is worth asking again soon, and nothing would have to be paid twice."""
    if trouble.is_soon and not look.meter.usage.tokens:
        raise UnavailableError(trouble.words, trouble.retry_after)
