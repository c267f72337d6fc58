"""Replaying: a recorded run once more, its model and its tools answering as they did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from agent_framework import Content, Message

from adapters.agents.fetching import ToolError
from adapters.agents.models import Model
from adapters.agents.recording import VERSION
from adapters.agents.scripted import ScriptedClient, Turn
from adapters.agents.triager import AgentTriager
from adapters.agents.trouble import TroubleError
from adapters.documents import decode
from domain.errors import RejectedError
from domain.triage import Allowance, Exchange, Finding, Limits, PrometheusSource, Question, Reply, Runbooks


class RecordedSources:
    """Implements `Sources` by what tools returned then, each tool in its order."""

    def __init__(self, calls: Sequence[Mapping[str, Any]], results: Sequence[Sequence[str]]) -> None:
        """As the record has them."""
        self._left: dict[str, Iterator[tuple[str, Sequence[str]]]] = {}
        for tool in {call["tool"] for call in calls}:
            mine = [(call["error"], lines) for call, lines in zip(calls, results, strict=True) if call["tool"] == tool]
            self._left[tool] = iter(mine)

    async def prometheus(
        self, source: PrometheusSource, query: str, now: datetime, minutes: int, threshold: float | None
    ) -> list[str]:
        return self._next("query_prometheus")

    async def runbook(self, where: Runbooks, name: str, part: int) -> list[str]:
        return self._next("runbook")

    async def logs(self, workspace: str, query: str, now: datetime, minutes: int) -> list[str]:
        return self._next("query_logs")

    def _next(self, tool: str) -> list[str]:
        error, lines = next(self._left.get(tool, iter(())), ("it was not asked then", ()))
        if error:
            raise ToolError(error)
        return [*lines]


async def replay(record: bytes | str) -> list[Finding | Reply]:
    """What comes of a recorded run now: the finding, or the replies.

    Rules, prompts and schemas are those of this version; model and tools answer as they did, whatever they are asked.

    Raises:
        RejectedError: It is no record of a run, or one of another version.
    """
    try:
        document = json.loads(record)
        if document["version"] != VERSION:
            raise RejectedError(f"a record of version {document['version']}: this one reads {VERSION}")
        summary = document["summary"]
        settings = summary["settings"]
        model = Model(summary["model"], summary["endpoint"], is_reviewed=settings["reviewed"])
        turns = [*_turns(summary["calls"], document["messages"], _trouble(document["trouble"]))]
        sources = RecordedSources(summary["tools"], document["tool_results"])
        question = decode(Question, json.dumps(document["question"]))
        before = decode(list[Exchange], json.dumps(document["before"]))
        allowance = Allowance(True, summary["reason"], Limits(**document["limits"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RejectedError(f"no record of a run: {type(error).__name__}") from error
    triager = AgentTriager(model, ScriptedClient(*turns), sources)
    if not document["asked"]:
        return [await triager.triage(question, allowance)]
    return [reply async for reply in triager.reply(question, document["asked"], before, allowance)]


def _turns(
    calls: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, Any]], trouble: TroubleError
) -> Iterator[Turn]:
    for call, said in zip(calls, messages, strict=True):
        if call["error"]:
            yield Turn(error=replace(trouble, has_begun=call["input_tokens"] > 0))
            continue
        contents: list[Content] = [
            content for one in said["answer"] for content in Message.from_dict(dict(one)).contents
        ]
        yield Turn(tuple(contents), call["finish"], call["input_tokens"], call["output_tokens"])


def _trouble(recorded: Mapping[str, Any]) -> TroubleError:
    after = recorded["retry_after_seconds"]
    return TroubleError(recorded["words"], recorded["code"], None if after is None else timedelta(seconds=after))
