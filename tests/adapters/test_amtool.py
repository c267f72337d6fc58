"""amtool, as Debian ships it, against a Tocsin that serves."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving import Serving

pytestmark = pytest.mark.needs("amtool")

CONFIGURATION = """\
global:
  http_config:
    authorization: {credentials: hunter2}
route:
  receiver: default
  group_by: [alertname]
  routes:
    - matchers: [team="db"]
      receiver: dba
      continue: true
    - matchers: [team=~"db|web"]
      receiver: web
receivers:
  - name: default
  - name: dba
    webhook_configs: [{url: "http://127.0.0.1:9/hunter2"}]
  - name: web
"""

type Amtool = Callable[..., str]


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("tocsin"), CONFIGURATION) as serving:
        yield serving


@pytest.fixture
def amtool(tocsin: Serving, program: Callable[[str], Path]) -> Amtool:
    def run(*arguments: str, code: int = 0) -> str:
        """What it prints; it must end with this code."""
        command = [str(program("amtool")), "--alertmanager.url", tocsin.url, *arguments]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_an_alert_that_was_added_is_found_at_once(amtool: Amtool) -> None:
    amtool("alert", "add", "DiskFull", "instance=db-1", "team=db", "--annotation=summary=disk is full")
    heading, found = lines(amtool("alert", "query", "DiskFull"))
    assert heading == ["Alertname", "Starts", "At", "Summary", "State"]
    assert (found[0], found[-1]) == ("DiskFull", "active")
    assert "disk is full" in amtool("alert", "query", "DiskFull")


def test_an_alert_that_is_added_as_ended_is_found_no_more(amtool: Amtool) -> None:
    amtool("alert", "add", "Flapping", "instance=db-1")
    assert len(lines(amtool("alert", "query", "Flapping"))) == 2
    amtool("alert", "add", "Flapping", "instance=db-1", "--end=2020-01-01T00:00:00Z", "--start=2019-01-01T00:00:00Z")
    assert len(lines(amtool("alert", "query", "Flapping"))) == 1


def test_alerts_are_queried_by_matchers_and_receiver(amtool: Amtool) -> None:
    amtool("alert", "add", "Queried", "team=web", "size=1,2")
    for question in (
        ["alertname=Queried"],
        ["alertname=~Quer.*", "team!=db"],
        ["alertname=Queried", 'size="1,2"'],
        ["--receiver=web", "Queried"],
    ):
        assert len(lines(amtool("alert", "query", *question))) == 2, question
    for question in (["alertname=Queried", "team=db"], ["--receiver=we", "Queried"], ["--silenced", "Queried"]):
        assert len(lines(amtool("alert", "query", *question))) == 1, question


def test_the_extended_and_the_json_form(amtool: Amtool) -> None:
    amtool("alert", "add", "Shown", "team=db", "--generator-url=http://prometheus/graph", "--annotation=a=b")
    (_, found) = lines(amtool("--output=extended", "alert", "query", "Shown"))
    assert found[:3] == ['alertname="Shown"', 'team="db"', 'a="b"']
    assert found[-2:] == ["http://prometheus/graph", "active"]
    (shown,) = json.loads(amtool("--output=json", "alert", "query", "Shown"))
    assert shown["labels"] == {"alertname": "Shown", "team": "db"}
    assert [receiver["name"] for receiver in shown["receivers"]] == ["dba", "web"]


def test_a_bad_question_fails(amtool: Amtool) -> None:
    amtool("alert", "query", "--receiver=(", code=1)


def test_the_configuration_is_shown_without_its_secrets(amtool: Amtool) -> None:
    shown = amtool("config", "show")
    assert "receiver: dba" in shown
    assert "hunter2" not in shown


def test_the_routing_tree_is_shown(amtool: Amtool) -> None:
    shown = amtool("config", "routes", "show")
    assert "default-route  receiver: default" in shown
    assert '{team="db"}  continue: true  receiver: dba' in shown


def test_routes_are_tested(amtool: Amtool) -> None:
    assert amtool("config", "routes", "test", "team=db").strip() == "dba,web"
    assert amtool("config", "routes", "test", "team=x").strip() == "default"
    amtool("config", "routes", "test", "--verify.receivers=web", "team=web")
    amtool("config", "routes", "test", "--verify.receivers=dba", "team=web", code=1)


def test_the_configuration_that_is_shown_is_one(amtool: Amtool, tmp_path: Path) -> None:
    (tmp_path / "shown.yml").write_text(amtool("config", "show"))
    assert "SUCCESS" in amtool("check-config", str(tmp_path / "shown.yml"))


def test_there_is_no_cluster(amtool: Amtool) -> None:
    assert lines(amtool("cluster", "show"))[0] == ["Cluster", "Status:", "disabled"]
