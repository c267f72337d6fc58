"""The first responder of a real Tocsin: rules at once, then a model over the wire; the page goes out first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.agents.scripted import says
from devhost import cli
from tests.agents.scripts import answer, claim
from tests.agents.wire import Refusal, Wire
from tests.e2e.receiver import Receiver
from tests.serving import Serving, eventually

CONFIGURATION = """\
route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}}
receivers: [{{name: team, webhook_configs: [{{url: "{url}"}}]}}]
"""

INVENTED = claim("Everything is the database's fault, delete it.", "t1", "words that nobody said")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("home", ["sqlite", "azure"])
async def test_rules_look_at_once_and_a_model_later(tmp_path: Path, home: str) -> None:
    honest = says(answer(summary=[claim("Orders are slow, and so is the database."), INVENTED]))
    async with Wire(honest, Refusal(500, {"message": "no"})) as model:
        with Receiver() as receiver:
            await asyncio.to_thread(_story, tmp_path, home, model.url, receiver)
    assert {request["model"] for request in model.requests} == {"tiny"}


def _story(folder: Path, home: str, model: str, receiver: Receiver) -> None:
    environment = {"TOCSIN_MODEL": "tiny", "TOCSIN_MODEL_ENDPOINT": model, "TOCSIN_MODEL_REVIEW": "false"}
    text = CONFIGURATION.format(url=receiver.url("/team"))
    with Serving(folder, text, home=home, environment=environment) as tocsin:
        alerts = [{"labels": {"alertname": name, "service": "db", "severity": "critical"}} for name in ("One", "Two")]
        assert tocsin.post("/api/v2/alerts", alerts).status == 200
        first = eventually(lambda: _findings(tocsin, look=1), "the first looks", seconds=30)
        assert {finding["made_by"] for finding in first} == {"deterministic"}
        assert {finding["asked_model"][:17] for finding in first} == {"rules look first;"}
        eventually(lambda: len(receiver.pages("/team")) == 2, "the pages", seconds=30)
        second = eventually(lambda: _findings(tocsin, look=2), "the second looks", seconds=60)
        by_model, by_rules = sorted(second, key=lambda one: one["made_by"] == "deterministic")
        assert (by_model["made_by"], by_model["struck"], by_model["fallback"]) == ("tiny", 1, None)
        assert [one["text"] for one in by_model["summary"]] == ["Orders are slow, and so is the database."]
        assert by_model["usage"]["calls"] == 1
        assert "its severity is critical" in by_model["asked_model"]
        assert by_rules["made_by"] == "deterministic"
        assert "500" in by_rules["fallback"]
        assert [cause["service"] for cause in by_rules["causes"]] == ["db"]
        assert tocsin.stop() == 0


def _findings(tocsin: Serving, *, look: int) -> list[Any]:
    """The findings of both incidents, once each has had that look."""
    incidents = tocsin.get("/api/v1/incidents").json()["incidents"]
    shown = [tocsin.get(f"/api/v1/incidents/{incident['id']}").json()["finding"] for incident in incidents]
    return shown if len(shown) == 2 and all(one and one["look"] == look for one in shown) else []


def test_the_command_line_tells_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        assert cli.main(["incidents", *arguments, "--url", tocsin.url]) == 0
        return capsys.readouterr().out

    text = "route: {receiver: nobody, group_by: [alertname]}\nreceivers: [{name: nobody}]\n"
    with Serving(tmp_path, text, home="sqlite") as tocsin:
        alert = {"labels": {"alertname": "One", "service": "db", "severity": "critical"}}
        assert tocsin.post("/api/v2/alerts", [alert]).status == 200
        incident = eventually(lambda: tocsin.get("/api/v1/incidents").json()["incidents"], "the incident")[0]["id"]
        path = f"/api/v1/incidents/{incident}"
        eventually(lambda: tocsin.get(path).json()["finding"], "the first look", seconds=30)
        shown = run("show", incident)
        assert "First look, by rules alone" in shown
        assert "may come from db, confidence low" in shown
        assert "next: inspect db" in shown
        answered = run("ask", incident, "which alerts are firing now?")
        assert answered.startswith("Answered by rules alone: no model was asked")
        draft = run("draft", "update", incident)
        assert draft.startswith("# One: update\n")
        assert run("draft", "postmortem", incident).startswith("# One: postmortem\n")
