"""Triagers: which one looks, by settings; nothing of an agent is loaded where no model is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from domain.triage import FirstLook, Triager

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


def make_triager(settings: Settings, identity: Identity) -> ClosingTriager:
    """The one that the settings name; it connects when it is first asked."""
    if not settings.model:
        return _WithoutModel()
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
    )
    return AgentTriager(
        model,
        ServiceClient(model, identity),
        LiveSources(Fetcher(Guard(settings.allowance)), LogAnalytics(lambda: make_log_client(identity.get()))),
        records=settings.triage_record,
    )
