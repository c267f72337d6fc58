"""A shadow beside a real Alertmanager 0.25: where they agree, and where not, with the reason."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.differential.systems import Alertmanager
from tests.e2e.receiver import Receiver
from tests.e2e.test_prometheus import RULES, Thermometer
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: team.a
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 12h
  routes:
    - {{receiver: team.a, matchers: [kind="often"], repeat_interval: 2s}}
    - {{receiver: no-webhook, matchers: [kind="unheard"]}}
receivers:
  - name: team.a
    webhook_configs:
      - url: "{own}"
      - url: "http://127.0.0.1:{port}/api/v1/shadow/alertmanager{query}"
  - name: no-webhook
    webhook_configs: [{{url: "{own}"}}]
"""

PROMETHEUS = """\
global: {{scrape_interval: 500ms, evaluation_interval: 500ms, external_labels: {{cluster: test}}}}
rule_files: [{rules}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: [{targets}]}}]
scrape_configs:
  - job_name: web
    static_configs: [{{targets: ["127.0.0.1:{web}"]}}]
"""

WITHIN = "within=5s"
"""What has found no partner by then will find none: neither of the two is ever that late here."""

pytestmark = pytest.mark.needs("prometheus-alertmanager")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Both:
    """An Alertmanager, and the shadow beside it."""

    alertmanager: Alertmanager
    tocsin: Serving
    receiver: Receiver

    def post(self, path: str, value: Any, ports: Sequence[int] = ()) -> None:
        for port in ports or (self.alertmanager.port, self.tocsin.port):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
                assert connection.getresponse().status == 200
            finally:
                connection.close()

    def report(self, name: str, *instances: str, ended: bool = False, ports: Sequence[int] = (), **labels: str) -> None:
        times = {"endsAt": datetime.now(UTC).isoformat()} if ended else {}
        alerts = [{"labels": {"alertname": name, "instance": one, **labels}, **times} for one in instances]
        self.post("/api/v2/alerts", alerts, ports)

    def silence(self, name: str, port: int) -> None:
        now = datetime.now(UTC)
        matcher = {"name": "alertname", "value": name, "isRegex": False}
        silence = {
            "matchers": [matcher],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "ada",
            "comment": "known",
        }
        self.post("/api/v2/silences", silence, [port])

    def shadow(self, asked: str = "") -> Any:
        answer = self.tocsin.get(f"/api/v1/shadow?limit=1000&{asked}")
        assert answer.status == 200, answer.text
        return answer.json()

    def pairs(self, name: str, asked: str = "") -> list[Any]:
        """The verdicts about that alert, the oldest first."""
        return [pair for pair in reversed(self.shadow(asked)["pairs"]) if pair["group_labels"]["alertname"] == name]

    def agree(self, name: str, count: int) -> None:
        """Wait until so many notifications about it were the same."""

        def verdicts() -> list[str]:
            return [pair["verdict"] for pair in self.pairs(name)]

        eventually(lambda: verdicts().count("same") >= count, f"{count} equal notifications of {name}", seconds=20)

    def disagree(self, name: str, verdict: str) -> Any:
        """Wait until that verdict stands, and return the pair."""
        pairs = eventually(
            lambda: [pair for pair in self.pairs(name, WITHIN) if pair["verdict"] == verdict],
            f"{name}: {verdict}",
            seconds=20,
        )
        return pairs[-1]


@contextmanager
def both(folder: Path, *, query: str = "", compat: str = "strict") -> Iterator[Both]:
    port = free_port()
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())

        def configuration(path: str) -> str:
            return CONFIGURATION.format(own=receiver.url(path), port=port, query=query)

        arguments = ("--shadow", "--compat", compat)
        tocsin = stack.enter_context(Serving(folder / "tocsin", configuration("/tocsin"), arguments, port=port))
        alertmanager = Alertmanager(folder / "alertmanager", configuration("/alertmanager"))
        alertmanager.start()
        stack.callback(alertmanager.stop)
        yield Both(alertmanager, tocsin, receiver)
        assert not receiver.pages("/tocsin"), "a shadow sends nothing"


def test_in_strict_all_is_the_same(tmp_path: Path) -> None:
    with both(tmp_path) as two:
        two.report("Often", "db-1", kind="often")
        two.report("Disk", "db-1", "db-2")
        two.report("Load", "web-1")
        two.agree("Disk", 1)
        two.report("Disk", "db-3")
        two.agree("Disk", 2)
        two.report("Disk", "db-1", ended=True)
        two.agree("Disk", 3)
        two.report("Disk", "db-2", "db-3", ended=True)
        two.report("Load", "web-1", ended=True)
        two.agree("Disk", 4)
        two.agree("Load", 2)
        two.report("Load", "web-1")
        two.agree("Load", 3)
        two.agree("Often", 3)
        answer = two.shadow()
        counts = answer["counts"]
        assert (counts["differs"], counts["only_tocsin"], counts["only_alertmanager"]) == (0, 0, 0), answer
        assert answer["heard_receivers"] == ["team.a"]
        sender = {pair["alertmanager"]["sender"] for pair in answer["pairs"] if pair["alertmanager"]}
        assert {text.partition("/")[0] for text in sender} == {"Alertmanager"}
        told = [page for page in two.receiver.pages("/alertmanager") if page.group["alertname"] != "Often"]
        assert len(told) == 7

        # A receiver whose webhooks do not come here cannot be compared, and says so.
        two.report("Unheard", "db-1", kind="unheard")
        (pair,) = eventually(lambda: two.pairs("Unheard"), "the record")
        assert pair["verdict"] == "uncompared"
        assert "nothing has come from Alertmanager for receiver no-webhook yet" in pair["why"][0]["words"]


def test_a_silence_that_only_one_of_them_has_is_found(tmp_path: Path) -> None:
    with both(tmp_path) as two:
        for name in ("Here", "There", "Lost", "Never"):
            two.report(name, "db-0")
            two.agree(name, 1)

        two.silence("There", two.alertmanager.port)
        two.silence("Here", two.tocsin.port)
        (silence,) = two.tocsin.get("/api/v2/silences").json()
        two.report("There", "db-1")
        two.report("Here", "db-1")
        two.report("Lost", "db-1", ports=[two.alertmanager.port])
        two.report("Never", "db-1", ports=[two.tocsin.port])

        pair = two.disagree("There", "only_tocsin")
        assert [reason["cause"] for reason in pair["why"]] == ["unexplained"]
        assert pair["why"][0]["words"].startswith("There (instance=db-1): unexplained here: Tocsin knows of no silence")

        pair = two.disagree("Here", "only_alertmanager")
        assert pair["why"] == [
            {"cause": "muted", "words": f"Here (instance=db-1): silenced here by {silence['id']} (ada: known)"}
        ]

        pair = two.disagree("Lost", "only_alertmanager")
        assert [reason["words"] for reason in pair["why"]] == [
            "Lost (instance=db-1): has not come here: Alertmanager was sent what Tocsin was not"
        ]
        pair = two.disagree("Never", "only_tocsin")
        assert "or was not sent the alert" in pair["why"][0]["words"]

        counts = two.shadow(WITHIN)["counts"]
        assert (counts["same"], counts["only_tocsin"], counts["only_alertmanager"]) == (4, 2, 2)
        shown = two.shadow(f"{WITHIN}&only=differences")["pairs"]
        assert {pair["group_labels"]["alertname"] for pair in shown} == {"There", "Here", "Lost", "Never"}


def test_what_tocsin_means_to_do_otherwise_is_said_to_be_meant(tmp_path: Path) -> None:
    with both(tmp_path, compat="mended") as two:
        two.report("Disk", "db-1")
        two.agree("Disk", 1)
        # It resolves under a silence, and fires again when that is over: Alertmanager keeps quiet.
        for port in (two.alertmanager.port, two.tocsin.port):
            two.silence("Disk", port)

        def trail() -> list[str]:
            incident = two.pairs("Disk")[0]["incident_url"].removeprefix(two.tocsin.url)
            entries = two.tocsin.get(f"/api/v1{incident}").json()["timeline"]
            return [reason["code"] for entry in entries for reason in entry["reasons"]]

        eventually(lambda: "silenced" in trail(), "Tocsin to see the silence")
        two.report("Disk", "db-1", ended=True)
        eventually(lambda: "forgotten" in trail() and "dropped" in trail(), "the resolve under it")
        for port in (two.alertmanager.port, two.tocsin.port):
            _expire_silences(port)
        two.report("Disk", "db-1")
        pair = two.disagree("Disk", "only_tocsin")
        assert [reason["cause"] for reason in pair["why"]] == ["mended"]
        assert "Alertmanager keeps quiet until repeat_interval" in pair["why"][0]["words"]


def _expire_silences(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/v2/silences")
        for silence in json.loads(connection.getresponse().read()):
            connection.request("DELETE", f"/api/v2/silence/{silence['id']}")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
    finally:
        connection.close()


def test_alertmanager_alone_may_feed_it(tmp_path: Path) -> None:
    with both(tmp_path, query="?feed=true") as two:
        only = [two.alertmanager.port]
        two.report("Disk", "db-1", "db-2", ports=only)
        two.agree("Disk", 1)
        two.report("Disk", "db-1", ended=True, ports=only)
        two.agree("Disk", 2)
        two.report("Disk", "db-2", ended=True, ports=only)
        two.agree("Disk", 3)
        assert not two.shadow("only=differences")["pairs"]


@pytest.mark.needs("prometheus")
def test_both_are_targets_of_one_prometheus(tmp_path: Path, program: Callable[[str], Path]) -> None:
    with both(tmp_path) as two, Thermometer() as web:
        rules, configuration = tmp_path / "rules.yml", tmp_path / "prometheus.yml"
        rules.write_text(RULES)
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in (two.alertmanager.port, two.tocsin.port))
        configuration.write_text(PROMETHEUS.format(rules=rules, web=web.port, targets=targets))
        command = [str(program("prometheus")), f"--config.file={configuration}"]
        command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{free_port()}"]
        with (tmp_path / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--rules.alert.resend-delay=1s"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
            )
        try:
            web.temperature = 40
            two.agree("TooHot", 1)
            web.temperature = 20
            two.agree("TooHot", 2)
        finally:
            process.kill()
            process.wait()
        assert [pair["alertmanager"]["status"] for pair in two.pairs("TooHot")] == ["firing", "resolved"]
        assert not two.shadow("only=differences")["pairs"]
