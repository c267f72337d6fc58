"""Specialists: agents that another agent asks as it asks a tool."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from agent_framework import FunctionInvocationContext, FunctionMiddleware, FunctionTool, tool

from adapters.agents import prompts

if TYPE_CHECKING:
    from adapters.agents.look import Look

MOST_TOKENS = 600


def metrics_specialist(look: Look) -> FunctionTool:
    """Asks Prometheus until it can say something; whoever asks it sees what Prometheus returned, to cite that."""
    agent = look.agent(
        "metrics",
        prompts.METRICS,
        None,
        [tool(look.toolbox.query_prometheus, name="query_prometheus")],
        most_tokens=MOST_TOKENS,
    )
    return agent.as_tool(
        name="ask_metrics",
        description="Ask a specialist what the metrics show; it may query Prometheus several times.",
        arg_name="question",
        arg_description="One question, with the services and the times that it is about",
    )


class Showing(FunctionMiddleware):
    """Puts what a specialist has seen beside what it says: its words are no evidence."""

    def __init__(self, look: Look) -> None:
        """For the tools of one look."""
        self._look = look

    async def process(self, context: FunctionInvocationContext, call_next: Callable[[], Awaitable[None]]) -> None:
        seen = len(self._look.toolbox.evidence)
        await call_next()
        if context.function.name == "ask_metrics":
            found = self._look.toolbox.evidence[seen:]
            words = self._look.fence.line(_text(context.result), 1_000)
            shown = [{"id": one.id, "text": one.text} for one in found]
            context.result = self._look.fence.document({"said": words, "evidence": shown})


def _text(result: object) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, list):
        return " ".join(str(getattr(one, "text", "") or "") for one in result)
    return json.dumps(result, default=str)
