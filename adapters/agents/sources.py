"""Sources: what tools read outside of the question; each reads only, and only what a configuration names."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from adapters.agents.fetching import Fetcher
from adapters.agents.logs import LogAnalytics
from adapters.agents.prometheus import query_prometheus
from adapters.agents.runbooks import read_runbook
from domain.triage import PrometheusSource, Runbooks


class Sources(Protocol):
    """What a look may read; each answers in lines, and raises ToolError where it found nothing out."""

    async def prometheus(
        self, source: PrometheusSource, query: str, now: datetime, minutes: int, threshold: float | None
    ) -> list[str]:
        """A line for each series of one query."""
        ...

    async def runbook(self, where: Runbooks, name: str, part: int) -> list[str]:
        """A part of one page."""
        ...

    async def logs(self, workspace: str, query: str, now: datetime, minutes: int) -> list[str]:
        """The first rows of one query."""
        ...


class LiveSources:
    """Implements `Sources` over the network and this machine's files."""

    def __init__(self, fetcher: Fetcher, log_analytics: LogAnalytics) -> None:
        """Both are closed by `close`."""
        self._fetcher = fetcher
        self._log_analytics = log_analytics

    async def prometheus(
        self, source: PrometheusSource, query: str, now: datetime, minutes: int, threshold: float | None
    ) -> list[str]:
        return await query_prometheus(self._fetcher, source, query, now, minutes, threshold)

    async def runbook(self, where: Runbooks, name: str, part: int) -> list[str]:
        return await read_runbook(self._fetcher, where, name, part)

    async def logs(self, workspace: str, query: str, now: datetime, minutes: int) -> list[str]:
        return await self._log_analytics.query(workspace, query, now, minutes)

    async def close(self) -> None:
        """Close all connections."""
        await self._fetcher.close()
        await self._log_analytics.close()
