"""Toolbox: what a model may look at in one look; every result is evidence under an id that we give it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from agent_framework import FunctionTool, tool

from adapters.agents.fencing import Fence
from adapters.agents.fetching import ToolError
from adapters.agents.sources import Sources
from domain.explaining import clock
from domain.triage import Evidence, EvidenceKind, Onset, Question
from domain.triage.judging import MOST_EVIDENCE
from domain.triage.questions import HISTORY_SEARCHED
from domain.triage.similarity import most_alike

LONGEST_LINK = 4_000

TOOL_SECONDS = 12.0
MOST_LOOKED_AT = 30
"""Results of tools in one look."""

MOST_LINES = 60
LEAST_ALIKE = 0.1


type Arguments = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class ToolCall:
    """One use of a tool, for the record."""

    tool: str
    arguments: Arguments
    evidence: str
    """Its id; empty where the tool found nothing out."""
    digest: str
    lines: tuple[str, ...]
    """What came back, as it was shown."""
    error: str
    seconds: float


@dataclass
class Toolbox:
    """The tools of one look at one question."""

    question: Question
    fence: Fence
    sources: Sources
    evidence: list[Evidence] = field(default_factory=list)
    """What tools have returned so far; begins with what was seen without a model."""
    calls: list[ToolCall] = field(default_factory=list)

    def add(self, kind: EvidenceKind, tool: str, lines: Sequence[str]) -> Evidence:
        """New evidence, without secrets and bounded."""
        number = sum(one.id.startswith("t") for one in self.evidence) + 1
        found = Evidence(f"t{number}", kind, tool, self.fence.lines(lines))
        self.evidence.append(found)
        return found

    def tools(self) -> list[FunctionTool]:
        """Those that there is something to ask for."""
        rules = self.question.rules
        found = [
            tool(self.similar_incidents, name="similar_incidents"),
            tool(self.recent_changes, name="recent_changes"),
            tool(self.alert_history, name="alert_history"),
        ]
        if rules.prometheus.url:
            found.append(tool(self.query_prometheus, name="query_prometheus"))
        if rules.runbooks.folder or rules.runbooks.addresses:
            found.append(tool(self.runbook, name="runbook"))
        if rules.log_workspace:
            found.append(tool(self.query_logs, name="query_logs"))
        return found

    # --- over the question --------------------------------------------------------------------------------------------

    async def similar_incidents(
        self, words: Annotated[str, "What to look for; empty: this incident's own words"] = ""
    ) -> str:
        """Earlier incidents that read alike, and how they ended."""
        return await self._look(EvidenceKind.HISTORY, "similar_incidents", {"words": words}, self._similar(words))

    async def recent_changes(
        self,
        service: Annotated[str, "Only of this service; empty: of all"] = "",
        hours: Annotated[int, "How many hours back"] = 24,
    ) -> str:
        """Deploys and other changes, the latest first."""
        arguments: Arguments = {"service": service, "hours": hours}
        return await self._look(EvidenceKind.CHANGES, "recent_changes", arguments, self._changes(service, hours))

    async def alert_history(
        self, name: Annotated[str, "A service, an alert's name or its fingerprint; empty: all alerts"] = ""
    ) -> str:
        """The alerts of this incident with their labels and annotations, and what happened to them in order."""
        return await self._look(EvidenceKind.ALERTS, "alert_history", {"name": name}, self._history(name))

    # --- outside ------------------------------------------------------------------------------------------------------

    async def query_prometheus(
        self,
        query: Annotated[str, "PromQL"],
        minutes: Annotated[int, "0: the value now; else so many minutes back until now, at most 1440"] = 0,
        threshold: Annotated[float | None, "Tell when the series first came above this"] = None,
    ) -> str:
        """Ask Prometheus; of each series its range is told, and when it first became unusual."""
        question = self.question
        asked = self.sources.prometheus(question.rules.prometheus, query, question.now, minutes, threshold)
        arguments: Arguments = {"query": query, "minutes": minutes, "threshold": threshold}
        return await self._look(EvidenceKind.METRICS, "query_prometheus", arguments, asked)

    async def runbook(
        self,
        name: Annotated[str, "A file in the folder of runbooks, or an address below a configured one; empty: list"],
        part: Annotated[int, "Which part of a long one"] = 1,
    ) -> str:
        """Read a runbook."""
        asked = self.sources.runbook(self.question.rules.runbooks, name, part)
        return await self._look(EvidenceKind.RUNBOOK, "runbook", {"name": name, "part": part}, asked)

    async def query_logs(
        self,
        query: Annotated[str, "KQL over tables of the workspace"],
        minutes: Annotated[int, "So many minutes back until now, at most 1440"] = 30,
    ) -> str:
        """Ask Azure Log Analytics; the first 40 rows come back."""
        asked = self.sources.logs(self.question.rules.log_workspace, query, self.question.now, minutes)
        return await self._look(EvidenceKind.LOGS, "query_logs", {"query": query, "minutes": minutes}, asked)

    # --- what they have in common -------------------------------------------------------------------------------------

    async def _look(
        self,
        kind: EvidenceKind,
        name: str,
        arguments: Arguments,
        asked: Coroutine[None, None, list[str]],
    ) -> str:
        """Wait for the tool, bounded; what it says becomes evidence, or the reason why there is none."""
        begun = time.monotonic()
        lines: Sequence[str] = ()
        error, evidence = "", None
        try:
            if len(self.calls) >= MOST_LOOKED_AT or len(self.evidence) >= MOST_EVIDENCE:
                asked.close()
                raise ToolError("enough has been looked at: answer now")
            async with asyncio.timeout(TOOL_SECONDS):
                lines = await asked
            evidence = self.add(kind, name, lines)
        except TimeoutError:
            error = f"no answer within {TOOL_SECONDS:g} s"
        except ToolError as refusal:
            error = self.fence.line(str(refusal))
        except Exception as bug:  # noqa: BLE001 - no tool may end a look, and its words may quote what it read
            error = f"failed: {type(bug).__name__}"
        text = evidence.text if evidence else ""
        self.calls.append(
            ToolCall(
                name,
                {key: self.fence.line(one, 1_000) if isinstance(one, str) else one for key, one in arguments.items()},
                evidence.id if evidence else "",
                blake2b(text.encode(), digest_size=8).hexdigest(),
                tuple(text.splitlines()),
                error,
                round(time.monotonic() - begun, 3),
            )
        )
        if evidence is None:
            return self.fence.document({"error": error})
        return self.fence.document({"id": evidence.id, "text": evidence.text})

    async def _similar(self, words: str) -> list[str]:
        own = self.question.incident
        history = [one for one in self.question.history[:HISTORY_SEARCHED] if one.incident.id != own.id]
        texts = [" ".join([one.incident.title, *one.incident.group_labels.values(), one.text]) for one in history]
        wanted = words or " ".join([own.title, *own.group_labels.values()])
        found = [(history[place], likeness) for place, likeness in most_alike(wanted, texts, 8, LEAST_ALIKE)]
        lines = []
        for past, likeness in found:
            incident, by = past.incident, past.incident.standing.resolved_by
            ended = f"resolved by {by}" if by else "ended by itself" if incident.resolved_at else "not over yet"
            lines.append(
                f"incident {incident.id} of {self._clock(incident.opened_at)}, {likeness:.0%} alike, {ended}:"
                f" {incident.title}"
            )
            lines += [f"noted at {incident.id}: {note}" for note in past.notes[-3:]]
        return lines or ["no earlier incident reads alike"]

    async def _changes(self, service: str, hours: int) -> list[str]:
        since = self.question.now - timedelta(hours=min(max(1, hours), 24 * 30))
        near = [
            one for one in self.question.changes if one.at >= since and (not service or one.service in ("", service))
        ]
        near.sort(key=lambda one: (-one.at.timestamp(), one.id))
        lines = [
            f"change {one.id} at {self._clock(one.at)} of {one.service or 'an unnamed service'}: {one.summary}"
            for one in near[:MOST_LINES]
        ]
        return lines or ["no change is known"]

    async def _history(self, name: str) -> list[str]:
        def is_meant(one: Onset) -> bool:
            alert = one.alert
            return name in ("", alert.labels.get("alertname"), one.fingerprint, self.question.service_of(alert))

        onsets = sorted(filter(is_meant, self.question.onsets), key=lambda one: (one.began_at, one.fingerprint))
        meant = {one.fingerprint for one in onsets}
        lines = [line for one in onsets[: MOST_LINES // 3] for line in self.alert_lines(one)]
        for entry in self.question.entries[-500:]:
            for reason in entry.reasons:
                if meant.intersection(reason.fingerprints) and reason.text:
                    lines.append(f"{self._clock(entry.at)} {reason.code}: {reason.text}")
        return lines or ["no alert of this incident is called that"]

    def alert_lines(self, onset: Onset) -> list[str]:
        """What an alert says of itself, one part a line."""
        alert = onset.alert
        ended = f" until {self._clock(onset.ended_at)}" if onset.ended_at else ""
        labels = " ".join(f"{name}={text}" for name, text in sorted(alert.labels.items()))
        lines = [f"alert {onset.fingerprint} fires since {self._clock(onset.began_at)}{ended}: {labels}"]
        lines += [f"{name} of {onset.fingerprint}: {text}" for name, text in sorted(alert.annotations.items())]
        if expression := _expression(alert.generator_url):
            lines.append(f"expression of {onset.fingerprint}: {expression}")
        return lines

    @property
    def _clock(self) -> Callable[..., str]:
        return lambda instant: clock(instant, self.question.now)


def _expression(generator_url: str) -> str:
    """What Prometheus asked for when the alert fired, as it stands in the alert's own link; that is never followed."""
    try:
        return parse_qs(urlsplit(generator_url[:LONGEST_LINK]).query).get("g0.expr", [""])[0]
    except ValueError:
        return ""
