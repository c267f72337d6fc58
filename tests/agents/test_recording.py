"""What is left of a run: one line of the log, on request a file; and the run once more from that file."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from adapters.agents import prompts
from adapters.agents.models import Model
from adapters.agents.recording import log
from adapters.agents.replaying import replay
from adapters.agents.scripted import ScriptedClient, Turn, asks, says
from adapters.agents.triager import AgentTriager
from adapters.agents.trouble import TroubleError
from domain.errors import RejectedError, UnavailableError
from domain.triage import Exchange, Finding, Reply, Usage
from tests.agents.scripts import (
    ALL_TOOLS,
    ASKED,
    MODEL,
    REVIEWED,
    NoSources,
    answer,
    claim,
    reply,
    review,
    slow_orders,
    triager,
    with_rules,
)

QUESTION = with_rules(slow_orders(), **ALL_TOOLS)
LINES = ("up{service=db} 0", "password=S3cretS3cret")
RUN = (
    asks("query_prometheus", query="up"),
    asks("recent_changes", "call_2", hours=2),
    says(answer(summary=[claim("The database is down.", "t2", "up{service=db} 0")])),
)


def recorded(folder: Path, *turns: Any, model: Model = MODEL) -> AgentTriager:
    return AgentTriager(model, ScriptedClient(*turns), NoSources(*LINES), records=folder, make_name=lambda: "run1")


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def said(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (line,) = [one.getMessage() for one in caplog.records if one.name == log.name and one.levelno == logging.INFO]
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


async def test_a_line_tells_what_was_done_and_what_came_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, log.name)
    asked = AgentTriager(REVIEWED, ScriptedClient(*RUN, says(review())), NoSources(*LINES), make_name=lambda: "run1")
    finding = await asked.triage(QUESTION, ASKED)
    line = said(caplog)
    assert (line["run"], line["incident"], line["look"]) == ("run1", QUESTION.incident.id, "triage")
    assert (line["model"], line["prompts"], line["outcome"]) == ("tiny", prompts.VERSION, "model")
    assert line["settings"]["temperature"] == 0
    assert line["settings"]["limits"]["tokens"] == 60_000
    assert [one["agent"] for one in line["calls"]] == ["triage"] * 3 + ["review"]
    assert [(one["tool"], one["arguments"], one["evidence"]) for one in line["tools"]] == [
        ("query_prometheus", {"query": "up", "minutes": 0, "threshold": None}, "t2"),
        ("recent_changes", {"service": "", "hours": 2}, "t3"),
    ]
    assert all(len(one["digest"]) == 16 for one in line["tools"])
    assert Usage(**line["usage"]) == finding.usage
    assert line["steps"][0].startswith("review: struck 0 of")
    # What anybody wrote stands in no line that is always written.
    assert "up{service" not in json.dumps(line)
    assert "The database is down." not in json.dumps(line)


async def test_what_was_shown_and_said_is_told_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, log.name)
    await AgentTriager(MODEL, ScriptedClient(*RUN), NoSources(*LINES)).triage(QUESTION, ASKED)
    (line,) = [one.getMessage() for one in caplog.records if one.levelno == logging.DEBUG and one.name == log.name]
    assert "up{service=db} 0" in line
    assert "S3cretS3cret" not in line


@pytest.mark.parametrize(
    ("turns", "model"),
    [
        pytest.param(RUN, MODEL, id="a finding"),
        pytest.param((*RUN, says(review("c1"))), REVIEWED, id="with a reviewer"),
        pytest.param((*RUN, says("?")), REVIEWED, id="with a reviewer that fails"),
        pytest.param((*RUN[:2], says("Well"), RUN[2]), MODEL, id="repaired"),
        pytest.param((says("Well"), says("Well")), MODEL, id="malformed"),
        pytest.param((asks("runbook", name="x"), says("", "content_filter")), MODEL, id="filtered"),
        pytest.param((Turn(error=ZeroDivisionError("secret")),), MODEL, id="broken"),
        pytest.param((asks("ask_metrics", question="?"), RUN[0], says("It is down."), RUN[2]), MODEL, id="specialist"),
    ],
)
async def test_a_recorded_run_can_be_run_again(tmp_path: Path, turns: tuple[Turn, ...], model: Model) -> None:
    finding = await recorded(tmp_path / "runs", *turns, model=model).triage(QUESTION, ASKED)
    file = only_file(tmp_path / "runs")
    assert file.name.endswith("-run1.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert "S3cretS3cret" not in text
    (again,) = await replay(text)
    assert isinstance(again, Finding)
    assert timeless(again) == timeless(finding)


def timeless[A: (Finding, Reply)](answered: A) -> A:
    return replace(answered, usage=replace(answered.usage, seconds=0.0))


async def test_a_recorded_reply_can_be_run_again(tmp_path: Path) -> None:
    turns = (RUN[0], says(reply(claim("It is down.", "t2", "up{service=db} 0"), claim("It fires."))))
    before = [Exchange("What is down?", ())]
    replies = [one async for one in recorded(tmp_path, *turns).reply(QUESTION, "Is it?", before, ASKED)]
    file = only_file(tmp_path)
    again = await replay(file.read_bytes())
    assert [timeless(one) for one in again if isinstance(one, Reply)] == [timeless(one) for one in replies]


async def test_a_run_that_was_told_to_come_again_is_told_so_again(tmp_path: Path) -> None:
    busy = Turn(
        error=TroubleError("the model's service is busy", "rate_limited", timedelta(seconds=5), has_begun=False)
    )
    with pytest.raises(UnavailableError):
        await recorded(tmp_path, busy).triage(QUESTION, ASKED)
    file = only_file(tmp_path)
    assert json.loads(file.read_text())["summary"]["outcome"] == "rate_limited"
    with pytest.raises(UnavailableError, match="is busy") as raised:
        await replay(file.read_bytes())
    assert raised.value.retry_after == timedelta(seconds=5)


async def test_a_run_that_is_given_up_is_recorded_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, log.name)
    replies = triager(says(reply(*[claim(f"C{number}.") for number in range(9)]))).reply(QUESTION, "?", (), ASKED)
    await anext(replies)
    await replies.aclose()
    line = said(caplog)
    assert (line["look"], line["outcome"]) == ("reply", "cancelled")
    assert line["usage"]["calls"] == 1


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "runs").write_text("a file")
    finding = await recorded(tmp_path / "runs", *RUN).triage(QUESTION, ASKED)
    assert finding.made_by == "tiny"
    assert "the record of run run1 cannot be written" in caplog.text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99}', '{"version": 1}'])
async def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RejectedError, match="record"):
        await replay(text)


# --- telemetry --------------------------------------------------------------------------------------------------------


class Span(trace.NonRecordingSpan):
    """Keeps all that is said of it."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self._kept = kept

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self._kept.append(f"{key}={value}")

    def set_attributes(self, attributes: Any) -> None:
        self._kept += [f"{key}={one}" for key, one in attributes.items()]

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self._kept.append(f"{name} {dict(attributes or {})}")

    def update_name(self, name: str) -> None:
        self._kept.append(name)

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        self._kept.append(str(exception))


class Tracer(trace.Tracer):
    def __init__(self) -> None:
        self.kept: list[str] = []

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> trace.Span:
        self.kept.append(f"span {name}")
        span = Span(self.kept)
        span.set_attributes(kwargs.get("attributes") or {})
        return span

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Iterator[trace.Span]:  # type: ignore[override]
        yield self.start_span(name, *args, **kwargs)


async def test_spans_hold_no_content(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = Tracer()
    monkeypatch.setattr("agent_framework.observability.get_tracer", lambda *_, **__: tracer)
    finding = await triager(*RUN, sources=NoSources(*LINES)).triage(QUESTION, ASKED)
    assert finding.made_by == "tiny"
    kept = "\n".join(tracer.kept)
    assert "gen_ai.usage.input_tokens=100" in kept
    assert any(one.startswith("span chat") for one in tracer.kept)
    for word in ("SlowQueries", "up{service", "The database is down.", "You look at an incident"):
        assert word not in kept
