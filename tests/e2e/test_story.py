"""One incident from its first alert to its end, with `--auth`, by HTTP and the command line alone; and who saw it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.test_responding import CONFIGURATION
from tests.serving import ROOT, Answer, Serving, eventually

FOR_SECONDS = 2


class Person:
    """Somebody with a key, at a terminal."""

    def __init__(self, tocsin: Serving, key: str) -> None:
        self._tocsin = tocsin
        self.key = key
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self.environment = {**inherited, "TOCSIN_KEY": key}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "devhost.cli", *arguments, "--url", self._tocsin.url]

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return self._tocsin.request(method, path, None if body is None else json.dumps(body).encode(), headers)


def send(prometheus: Person, *, ended: bool = False) -> None:
    now = datetime.now(UTC)
    alert: dict[str, Any] = {"labels": {"alertname": "DiskFull", "severity": "critical"}}
    alert["endsAt"] = (now if ended else now + timedelta(hours=1)).isoformat()
    assert prometheus.ask("POST", "/api/v2/alerts", [alert]).status == 200


@pytest.mark.usefixtures("home")
def test_everybody_sees_an_incident_from_its_page_to_its_end(tmp_path: Path, receiver: Receiver) -> None:
    configuration = CONFIGURATION.format(url=receiver.url("/team"))
    pepper = {"TOCSIN_KEY_PEPPER": "p" * 40, "TOCSIN_PRIVATE_RECEIVERS": "127.0.0.1"}
    with Serving(tmp_path, configuration, arguments=("--auth",), environment=pepper) as tocsin:
        (first_key,) = re.findall(r"toc_\w+_[\w-]+", tocsin.output)
        admin = Person(tocsin, first_key)
        made: Mapping[str, str] = {
            scope: admin.json("keys", "create", f"for {scope}", "--scope", scope)["key"]
            for scope in ("ingest", "respond", "read")
        }
        prometheus, ada, screen = (Person(tocsin, made[scope]) for scope in ("ingest", "respond", "read"))
        assert ada.ask("POST", "/api/v2/alerts", []).status == 403
        assert prometheus.ask("GET", "/api/v1/incidents").status == 403

        cursor = screen.ask("GET", "/api/v1/events?wait=0").json()["cursor"]
        tail = tmp_path / "tail.jsonl"
        with tail.open("wb") as output:
            watching = subprocess.Popen(
                screen.command("tail", "--json", "--after", cursor),
                cwd=ROOT,
                env=screen.environment,
                stdout=output,
                stderr=output,
            )
        try:
            story(tocsin, receiver, prometheus, ada, tail)
        finally:
            watching.terminate()
            watching.wait(10)

        # What it was is told by the statistics and by the audit log, whose chain holds.
        def counted() -> Any:
            totals = ada.ask("GET", "/api/v1/statistics").json()["totals"]
            return totals if totals["incidents"]["resolved"] == 1 else None

        totals = eventually(counted, "the statistics to have it")
        assert (totals["incidents"]["opened"], totals["incidents"]["acknowledged"]) == (1, 1)
        took = totals["incidents"]
        assert 0 < took["mean_seconds_to_acknowledge"] < took["mean_seconds_to_resolve"]
        assert totals["receivers"] == [{"delivered": 4, "failed": 0, "receiver": "team"}]
        (rule,) = totals["rules"]
        assert (rule["alertname"], rule["fired"], rule["resolved"], rule["pages"]) == ("DiskFull", 1, 1, 4)

        said = [(entry["actor_name"], entry["action"]) for entry in admin.json("audit", "list")["entries"]][::-1]
        assert said[0] == ("local", "make_first_key")
        assert said[-2:] == [("for respond", "snooze_incident"), ("for respond", "add_note")]
        assert ("somebody told by 'team'", "follow_link") in said
        admin.run("audit", "verify")
        assert admin.key not in tocsin.output.replace(first_key, "", 1)
        for secret in made.values():
            assert secret not in tocsin.output
            assert secret not in admin.run("audit", "export")


def story(tocsin: Serving, receiver: Receiver, prometheus: Person, ada: Person, tail: Path) -> None:
    def seen() -> list[str]:
        return [json.loads(line)["kind"] for line in tail.read_text().splitlines()]

    def page(number: int, what: str) -> float:
        eventually(lambda: len(receiver.taken()) >= number, what)
        pages = receiver.taken()
        assert len(pages) == number, f"one too many before {what}"
        return pages[-1].arrived_at

    send(prometheus)
    page(1, "the first page")
    (incident,) = eventually(
        lambda: ada.json("incidents", "list", "--status", "triggered")["incidents"], "the incident to be listed"
    )

    # Whoever is woken presses the button in the message; no key is needed, for the link proves itself.
    link = urlsplit(receiver.taken()[0].body["acknowledgeURL"]).path
    assert "DiskFull" in tocsin.get(link).text
    assert tocsin.request("POST", link).status == 303
    shown = ada.json("incidents", "show", incident["id"])
    assert (shown["status"], shown["acknowledged_by"]) == ("acknowledged", "somebody told by 'team'")

    began = time.monotonic()
    ada.run("incidents", "ack", incident["id"], "-d", f"{FOR_SECONDS}s", "-r", "looking")
    assert page(2, "the page when the acknowledgement times out") >= began + FOR_SECONDS

    began = time.monotonic()
    ada.run("incidents", "snooze", incident["id"], "-d", f"{FOR_SECONDS}s")
    assert page(3, "the page when the snooze ends") >= began + FOR_SECONDS

    send(prometheus, ended=True)
    page(4, "the page of the end")
    eventually(lambda: ada.json("incidents", "show", incident["id"])["is_over"], "the end of the incident")
    assert [page.status for page in receiver.taken()] == ["firing", "firing", "firing", "resolved"]
    ada.run("incidents", "note", incident["id"], "it was the fan")

    steps = ["acknowledged", "acknowledged", "unacknowledged", "snoozed", "unsnoozed", "resolved", "noted"]
    eventually(lambda: "noted" in seen(), "the tail to see the last of it")
    assert [kind for kind in seen() if kind in steps] == steps
    assert [kind for kind in seen() if kind == "delivered"] == ["delivered"] * 4
