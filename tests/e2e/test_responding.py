"""What people do about an incident, by the command line alone, and what a receiver hears of it; killed in between."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost import cli
from tests.e2e.receiver import Receiver
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: team
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 500ms
  repeat_interval: 12h
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""

FOR = 2
"""Seconds of an acknowledgement, and of a snooze."""


def send(tocsin: Serving, *, ended: bool = False) -> None:
    now = datetime.now(UTC)
    alert: dict[str, Any] = {"labels": {"alertname": "DiskFull", "severity": "warning"}}
    alert["endsAt"] = (now if ended else now + timedelta(hours=1)).isoformat()
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


class CommandLine:
    def __init__(self, tocsin: Serving, output: pytest.CaptureFixture[str]) -> None:
        self._tocsin = tocsin
        self._output = output

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert cli.main(["incidents", *arguments, "--url", self._tocsin.url]) == code
        captured = self._output.readouterr()
        return captured.err if code else captured.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


def test_an_incident_from_its_first_page_to_its_end(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/team"))) as tocsin:
        incidents = CommandLine(tocsin, capsys)
        assert incidents("list") == "There are no incidents.\n"
        send(tocsin)

        def page(number: int, what: str) -> float:
            """When that page arrived; it is the last one so far."""
            eventually(lambda: len(receiver.taken()) >= number, what)
            pages = receiver.taken()
            assert len(pages) == number, f"one too many before {what}"
            return pages[-1].arrived_at

        page(1, "the first page")
        (incident,) = incidents.json("list", "--status", "triggered")["incidents"]
        short = incident["id"][:8]
        assert (incident["title"], incident["severity"], incident["firing"]) == ("DiskFull", "warning", 1)

        began = time.monotonic()
        said = incidents("ack", short, "--duration", f"{FOR}s", "--reason", "looking")
        assert said.startswith("DiskFull: acknowledged by local until ")
        incidents("assign", short, "--to", "ada")
        assert "it is not snoozed" in incidents("unsnooze", short, code=1)
        assert page(2, "the page when the acknowledgement times out") >= began + FOR

        began = time.monotonic()
        assert ", snoozed by local until " in incidents("snooze", short, "-d", f"{FOR}s")
        tocsin.kill()
        tocsin.start()
        assert page(3, "the page when the snooze ends") >= began + FOR

        send(tocsin, ended=True)
        over = eventually(
            lambda: (found := incidents.json("show", incident["id"]))["is_over"] and found, "the end of the incident"
        )
        assert [page.status for page in receiver.taken()] == ["firing", "firing", "firing", "resolved"]
        assert (over["status"], over["assignee"], over["pages"]) == ("resolved", "ada", 4)
        assert incidents("note", short, "it was the fan").startswith("DiskFull: noted; resolved")

        shown = incidents("show", short)
        for words in (
            "DiskFull: resolved",
            "local acknowledged it, until ",
            "at the latest: looking",
            "the acknowledgement by local has timed out: whoever was told is told again",
            "local assigned it to ada",
            "local snoozed it until",
            "the snooze by local is over: whoever was told is told again",
            "local noted: it was the fan",
        ):
            assert words in shown, shown
        assert "it is over" in incidents("ack", short, code=1)
        assert "no incident of the latest" in incidents("show", "zzz", code=1)
        assert incidents("list", "--status", "resolved").splitlines()[1].endswith(incident["id"])
