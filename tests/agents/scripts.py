"""Scripts: what models of the tests answer, honest ones and the worst there can be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent_framework import Message

from adapters.agents.fetching import ToolError
from adapters.agents.models import Model
from adapters.agents.scripted import Answering, ScriptedClient, Turn, says
from adapters.agents.triager import AgentTriager
from domain.triage import (
    Allowance,
    Limits,
    PrometheusSource,
    Question,
    Runbooks,
)
from tests.builders import MINUTE
from tests.domain.triaging import change, onset, past, question

MODEL = Model("tiny", "http://127.0.0.1:1/v1", is_reviewed=False)
REVIEWED = Model("tiny", "http://127.0.0.1:1/v1")
ASKED = Allowance(True, "it is severe", Limits(tokens=60_000, calls=20, seconds=20))

_FENCED = re.compile(r"(<<data [0-9a-f]{16}>>)\n(.*?)\n\1", re.DOTALL)


class NoSources:
    """Implements `Sources`: nothing is configured, so nobody asks."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.asked: list[tuple[str, ...]] = []

    async def prometheus(
        self, source: PrometheusSource, query: str, now: datetime, minutes: int, threshold: float | None
    ) -> list[str]:
        return self._answer("prometheus", query)

    async def runbook(self, where: Runbooks, name: str, part: int) -> list[str]:
        return self._answer("runbook", name)

    async def logs(self, workspace: str, query: str, now: datetime, minutes: int) -> list[str]:
        return self._answer("logs", query)

    def _answer(self, *asked: str) -> list[str]:
        self.asked.append(asked)
        if not self.lines:
            raise ToolError("nothing is there")
        return [*self.lines]


def slow_orders(**changes: Any) -> Question:
    """Orders are slow since noon, the database a little longer; something was deployed, and it has happened before."""
    known: dict[str, Any] = {
        "calls": {"web": {"orders"}, "orders": {"db"}},
        "changes": [change("c7", service="db")],
        "history": [past(2, "HighLatency", "orders db", notes=("restarted the pool",))],
    }
    onsets = changes.pop("onsets", None) or (
        onset("SlowQueries", after=-2 * MINUTE, service="db", severity="critical"),
        onset(service="orders", severity="warning", annotations={"runbook_url": "https://runbooks.example/orders"}),
    )
    return question(*onsets, **(known | changes))


def with_rules(asked: Question, **changes: Any) -> Question:
    from dataclasses import replace

    return replace(asked, rules=replace(asked.rules, **changes))


ALL_TOOLS = {
    "prometheus": PrometheusSource("http://prometheus.example:9090"),
    "runbooks": Runbooks("/nowhere", ("https://runbooks.example/team/",)),
    "log_workspace": "00000000-0000-0000-0000-000000000000",
}


def triager(*turns: Turn | Answering, model: Model = MODEL, sources: NoSources | None = None) -> AgentTriager:
    return AgentTriager(model, ScriptedClient(*turns), sources or NoSources())


# --- what a model is shown --------------------------------------------------------------------------------------------


def text_of(messages: Sequence[Message]) -> str:
    """Everything that a request says."""
    said = []
    for message in messages:
        for content in message.contents:
            said += [content.text or "", str(content.result or ""), str(content.arguments or "")]
    return "\n".join(said)


def documents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The fenced documents of a request, in their order."""
    return [json.loads(found[2]) for found in _FENCED.finditer(text_of(messages))]


def evidence_shown(messages: Sequence[Message]) -> dict[str, str]:
    """All evidence of a request by its id."""
    found = {}
    for document in documents(messages):
        for one in [document, *document.get("evidence", [])]:
            if "id" in one and "text" in one:
                found[one["id"]] = one["text"]
    return found


# --- what it answers --------------------------------------------------------------------------------------------------


def claim(text: str, evidence: str = "t1", quote: str = "fires since") -> dict[str, Any]:
    return {"text": text, "citations": [{"evidence": evidence, "quote": quote}]}


def answer(**parts: Any) -> str:
    """A finding as a model writes one: the database is to blame, by what the alerts say."""
    known: dict[str, Any] = {
        "summary": [claim("Orders are slow, and so is the database.")],
        "causes": [{"service": "db", "confidence": "medium", "claims": [claim("The database was first.")]}],
        "blast_radius": [],
        "suspected_changes": [],
        "next_steps": [{"kind": "inspect", "target": "db"}],
    }
    return json.dumps(known | parts)


def reply(*claims: Mapping[str, Any]) -> str:
    return json.dumps({"claims": claims or [claim("The database fires.")]})


def review(*struck: str) -> str:
    return json.dumps({"unsupported": struck})


def last_seen(text: str) -> Answering:
    """Claims that text of the evidence that was shown last, quoting its first line."""

    def turn(messages: Sequence[Message], options: Mapping[str, Any]) -> Turn:
        name, shown = [*evidence_shown(messages).items()][-1]
        return says(answer(summary=[claim(text, name, shown.splitlines()[0])]))

    return turn
