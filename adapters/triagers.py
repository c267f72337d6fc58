"""Triagers: which one looks, by settings; nothing of an agent is loaded where no model is configured."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from domain.triage import NO_MODEL, Allowance, Exchange, Finding, FirstLook, Question, Reply, Triager

if TYPE_CHECKING:
    from adapters.identity import Identity
    from adapters.settings import Settings


class ClosingTriager(Triager, Protocol):
    """A triager, with what closes it."""

    async def close(self) -> None:
        """Let go of its connections."""
        ...


class _WithoutModel(FirstLook):
    async def close(self) -> None:
        """There are none."""


class _WithModel:
    """Loads and connects nothing before the first question: most of an app's instances never ask one."""

    def __init__(self, make: Callable[[], ClosingTriager]) -> None:
        self._make = make
        self._made: ClosingTriager | None = None

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        return await self._triager.triage(question, allowance)

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        async with aclosing(self._triager.reply(question, asked, before, allowance)) as replies:
            async for one in replies:
                yield one

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()

    @property
    def _triager(self) -> ClosingTriager:
        if self._made is None:
            self._made = self._make()
        return self._made


def make_triager(settings: Settings, identity: Identity) -> ClosingTriager:
    """The one that the settings name; what it needs is loaded when it is first asked."""
    return _WithModel(lambda: _make_agents(settings, identity)) if settings.model else _WithoutModel()


def _make_agents(settings: Settings, identity: Identity) -> ClosingTriager:
    from adapters.agents.fetching import Fetcher
    from adapters.agents.logs import LogAnalytics, make_log_client
    from adapters.agents.models import Model, ServiceClient
    from adapters.agents.sources import LiveSources
    from adapters.agents.triager import AgentTriager
    from adapters.guard import Guard

    model = Model(
        settings.model,
        settings.model_endpoint,
        settings.model_key,
        is_reviewed=settings.model_review,
        is_reasoning=settings.model_reasoning,
        answer_tokens=settings.model_answer_tokens,
    )
    return AgentTriager(
        model,
        ServiceClient(model, identity),
        LiveSources(Fetcher(Guard(settings.allowance)), LogAnalytics(lambda: make_log_client(identity.get()))),
        records=settings.triage_record,
    )
