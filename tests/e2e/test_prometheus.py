"""A real Prometheus with an alerting rule, pointed at Tocsin: one page, and when the rule clears, one resolve."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.receiver import Receiver
from tests.prometheus import running
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: team
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 12h
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""

PROMETHEUS = """\
global: {{scrape_interval: 500ms, evaluation_interval: 500ms, external_labels: {{cluster: test}}}}
rule_files: [{rules}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{tocsin}"]}}]
scrape_configs:
  - job_name: web
    static_configs: [{{targets: ["127.0.0.1:{web}"]}}]
"""

RULES = """\
groups:
  - name: web
    rules:
      - alert: TooHot
        expr: temperature > 30
        for: 1s
        labels: {severity: page}
        annotations: {summary: "It is {{ $value }} degrees."}
"""

RESEND_SECONDS = 1.0
"""Prometheus repeats what fires once a minute, unless told otherwise."""

pytestmark = pytest.mark.needs("prometheus", "amtool")


class Thermometer:
    """A target that Prometheus scrapes."""

    def __init__(self) -> None:
        self.temperature = 20

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                body = f"temperature {self.temperature}\n".encode()
                handler.send_response(200)
                handler.send_header("Content-Type", "text/plain; version=0.0.4")
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def prometheus(program: Path, folder: Path, tocsin: Serving, web: Thermometer) -> Iterator[None]:
    """A Prometheus that watches the thermometer, from when it is ready."""
    folder.mkdir()
    rules, configuration = folder / "rules.yml", folder / "prometheus.yml"
    rules.write_text(RULES)
    configuration.write_text(PROMETHEUS.format(rules=rules, web=web.port, tocsin=tocsin.port))
    arguments = [f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"]
    arguments += [f"--rules.alert.resend-delay={RESEND_SECONDS:.0f}s"]
    with running(program, folder, *arguments):
        yield


def test_one_page_when_the_rule_fires_and_one_resolve_when_it_clears(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    with (
        Receiver() as receiver,
        Thermometer() as web,
        Serving(tmp_path / "tocsin", CONFIGURATION.format(url=receiver.url("/team"))) as tocsin,
        prometheus(program("prometheus"), tmp_path / "prometheus", tocsin, web),
    ):
        web.temperature = 40
        eventually(receiver.pages, "the page", seconds=20)
        received_before = _reports(tocsin)
        # Several times it is said again in between, and that is no news.
        eventually(lambda: _reports(tocsin) >= received_before + 3, "re-sends", seconds=20)
        (page,) = receiver.pages()
        (alert,) = page.body["alerts"]
        assert page.status == "firing"
        target = {"job": "web", "instance": f"127.0.0.1:{web.port}"}
        assert alert["labels"] == {"alertname": "TooHot", "severity": "page", "cluster": "test", **target}
        assert alert["annotations"] == {"summary": "It is 40 degrees."}
        assert "/graph?g0.expr=" in alert["generatorURL"]
        assert _amtool(program, tocsin, "alert", "query", "--output=simple").count("TooHot") == 1

        web.temperature = 20
        eventually(lambda: len(receiver.pages()) > 1, "the resolve", seconds=20)
        # It repeats the resolve as well; that must not be told again.
        time.sleep(3 * RESEND_SECONDS)
        assert [page.status for page in receiver.pages()] == ["firing", "resolved"]
        assert "TooHot" not in _amtool(program, tocsin, "alert", "query", "--output=simple")


@pytest.mark.usefixtures("home")
def test_an_alert_added_by_amtool_is_shown_at_once_and_paged(tmp_path: Path, program: Callable[[str], Path]) -> None:
    with (
        Receiver() as receiver,
        Serving(tmp_path / "tocsin", CONFIGURATION.format(url=receiver.url("/team"))) as tocsin,
    ):
        _amtool(program, tocsin, "alert", "add", "alertname=DiskFull", "instance=db-1", "--annotation=summary=Full")
        shown = _amtool(program, tocsin, "alert", "query", "DiskFull", "--output=extended")
        assert 'instance="db-1"' in shown
        assert "Full" in shown
        (page,) = eventually(receiver.pages, "the page")
        assert page.group == {"alertname": "DiskFull"}
        assert "receiver: team" in _amtool(program, tocsin, "config", "show")


def _reports(tocsin: Serving) -> int:
    """How many reports have come, the absorbed ones too."""
    ledger = tocsin.get("/api/v1/ledger").json()
    return int(ledger["accepted"]) + int(ledger["absorbed"])


def _amtool(program: Callable[[str], Path], tocsin: Serving, *arguments: str) -> str:
    done = subprocess.run(
        [program("amtool"), f"--alertmanager.url={tocsin.url}", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
