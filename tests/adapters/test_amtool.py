"""amtool, as Debian ships it, against a Tocsin that serves."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

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

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Amtool(Protocol):
    """Runs amtool."""

    def __call__(self, *arguments: str, code: int = 0, given: str | None = None) -> str: ...


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("tocsin"), CONFIGURATION) as serving:
        yield serving


@pytest.fixture
def amtool(tocsin: Serving, program: Callable[[str], Path]) -> Amtool:
    def run(*arguments: str, code: int = 0, given: str | None = None) -> str:
        """What it prints to standard output, or to standard error when it is to fail; it must end with this code."""
        command = [str(program("amtool")), "--alertmanager.url", tocsin.url, *arguments]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, input=given
        )
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


# --- alerts ---------------------------------------------------------------------------------------------------------


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


# --- silences -------------------------------------------------------------------------------------------------------


def shown(tocsin: Serving, id: str) -> dict[str, Any]:
    silence: dict[str, Any] = tocsin.get(f"/api/v2/silence/{id}").json()
    return silence


def seconds(silence: dict[str, Any]) -> float:
    starts_at, ends_at = (datetime.fromisoformat(silence[name]) for name in ("startsAt", "endsAt"))
    return (ends_at - starts_at).total_seconds()


def add(amtool: Amtool, *matchers: str, duration: str = "1h", author: str = "ada") -> str:
    """The id that it prints."""
    id = amtool("silence", "add", *matchers, f"--duration={duration}", f"--author={author}", "--comment=why").strip()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id)
    return id


def ids(amtool: Amtool, *question: str) -> list[str]:
    return amtool("silence", "query", "--quiet", *question).split()


def test_a_silence_is_added(amtool: Amtool, tocsin: Serving) -> None:
    silence = shown(tocsin, add(amtool, "Added", 'team=~"db|web"', "zone!=a", "rack!~b.*", duration="2h"))
    assert (silence["status"], silence["createdBy"], silence["comment"]) == ({"state": "active"}, "ada", "why")
    assert abs(seconds(silence) - 7200) < 1
    assert [(one["name"], one["value"], one["isEqual"], one["isRegex"]) for one in silence["matchers"]] == [
        ("alertname", "Added", True, False),
        ("team", "db|web", True, True),
        ("zone", "a", False, False),
        ("rack", "b.*", False, True),
    ]


def test_a_silence_is_added_for_later(amtool: Amtool, tocsin: Serving) -> None:
    times = ["--start=2098-01-01T00:00:00+02:00", "--end=2098-01-02T00:00:00+02:00"]
    silence = shown(tocsin, amtool("silence", "add", "alertname=AddedForLater", "--comment=c", *times).strip())
    assert silence["status"] == {"state": "pending"}
    assert (silence["startsAt"], silence["endsAt"]) == ("2097-12-31T22:00:00.000Z", "2098-01-01T22:00:00.000Z")


def test_a_silence_that_is_refused_says_why(amtool: Amtool) -> None:
    assert "comment required" in amtool("silence", "add", "Refused", code=1)
    assert "[400]" in amtool("silence", "add", "alertname=~.*", "--comment=c", code=1)
    refused = amtool("silence", "add", "zone!=a", "--comment=c", code=1)
    assert 'a silence of only zone!="a" mutes nearly everything' in refused
    assert "confirm=true (with curl: amtool cannot)" in refused
    assert not ids(amtool, "alertname=~.*")


def test_silences_are_shown_in_three_forms(amtool: Amtool) -> None:
    id = add(amtool, "Queried", 'team=~"db|web"')
    heading, found = lines(amtool("silence", "query", "Queried"))
    assert heading == ["ID", "Matchers", "Ends", "At", "Created", "By", "Comment"]
    assert (found[:3], found[-2:]) == ([id, 'alertname="Queried"', 'team=~"db|web"'], ["ada", "why"])
    heading, found = lines(amtool("--output=extended", "silence", "query", "Queried"))
    assert heading[2:8] == ["Starts", "At", "Ends", "At", "Updated", "At"]
    assert found[:2] == [id, '{alertname="Queried",team=~"db|web"}']
    (one,) = json.loads(amtool("--output=json", "silence", "query", "Queried"))
    assert (one["id"], one["status"]) == (id, {"state": "active"})
    assert id in amtool("silence")


def test_silences_are_queried(amtool: Amtool) -> None:
    soon = add(amtool, "alertname=Chosen", "size=1", duration="30m", author="grace")
    late = add(amtool, "alertname=Chosen", "size=2", duration="5h")
    ended = add(amtool, "alertname=Chosen", "size=3")
    amtool("silence", "expire", ended)
    chosen = "alertname=Chosen"
    assert ids(amtool, chosen) == [soon, late]
    assert ids(amtool, "Chosen") == [soon, late]
    assert ids(amtool, chosen, "size=2") == [late]
    assert ids(amtool, "alertname=~Chosen") == [], "matchers are compared as they are written"
    assert ids(amtool, chosen, "--within=1h") == [soon]
    assert ids(amtool, chosen, "--created-by=grace") == [soon]
    assert ids(amtool, chosen, "--expired") == [ended]
    assert ids(amtool, chosen, "--expired", "--within=1h") == [ended]


def test_a_silence_is_updated(amtool: Amtool, tocsin: Serving) -> None:
    id = add(amtool, "Updated")
    found = lines(amtool("silence", "update", id, "--duration=4h", "--comment=longer"))[1]
    assert (found[0], found[-1]) == (id, "longer")
    assert abs(seconds(shown(tocsin, id)) - 4 * 3600) < 1
    assert "404" in amtool("silence", "update", UNKNOWN, "--comment=c", code=1)


def test_an_ended_silence_is_updated_into_a_new_one(amtool: Amtool, tocsin: Serving) -> None:
    id = add(amtool, "UpdatedLate")
    amtool("silence", "expire", id)
    found = lines(amtool("silence", "update", id, "--duration=1h"))[1]
    assert found[0] != id
    assert shown(tocsin, found[0])["status"] == {"state": "active"}
    assert shown(tocsin, id)["status"] == {"state": "expired"}


def test_silences_are_expired(amtool: Amtool, tocsin: Serving) -> None:
    several = [add(amtool, "Expired", f"size={number}") for number in range(2)]
    for _ in range(2):
        amtool("silence", "expire", *several)
        assert [shown(tocsin, id)["status"]["state"] for id in several] == ["expired"] * 2
    assert "404" in amtool("silence", "expire", UNKNOWN, code=1)
    assert "422" in amtool("silence", "expire", "x", code=1)


def test_silences_are_imported(amtool: Amtool, tocsin: Serving, tmp_path: Path) -> None:
    id = add(amtool, "Imported")
    exported = amtool("--output=json", "silence", "query", "Imported")
    assert amtool("silence", "import", given=exported).split() == [id], "it is there already"
    (new,) = amtool("silence", "import", given=exported.replace(id, UNKNOWN)).split()
    assert new not in {id, UNKNOWN}
    (tmp_path / "silences.json").write_text(exported)
    (forced,) = amtool("silence", "import", "--force", str(tmp_path / "silences.json")).split()
    assert set(ids(amtool, "Imported")) == {id, new, forced}
    assert {json.dumps(shown(tocsin, one)["matchers"]) for one in (id, new, forced)} == {
        json.dumps(shown(tocsin, id)["matchers"])
    }


def test_a_silenced_alert_is_found_among_the_silenced(amtool: Amtool) -> None:
    amtool("alert", "add", "Silenced", "team=db")
    id = add(amtool, "Silenced")
    assert len(lines(amtool("alert", "query", "Silenced"))) == 1
    (_, found) = lines(amtool("alert", "query", "--silenced", "Silenced"))
    assert found[-1] == "suppressed"
    amtool("silence", "expire", id)
    assert len(lines(amtool("alert", "query", "Silenced"))) == 2


# --- the configuration, the cluster, templates ----------------------------------------------------------------------


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
    assert '{team="db"}  receiver: dba' in amtool("config", "routes", "test", "--tree", "team=db")


def test_the_configuration_that_is_shown_is_one(amtool: Amtool, tmp_path: Path) -> None:
    (tmp_path / "shown.yml").write_text(amtool("config", "show"))
    assert "SUCCESS" in amtool("check-config", str(tmp_path / "shown.yml"))


def test_there_is_no_cluster(amtool: Amtool) -> None:
    assert lines(amtool("cluster", "show"))[0] == ["Cluster", "Status:", "disabled"]
    assert json.loads(amtool("--output=json", "cluster", "show"))["status"] == "disabled"


def test_a_configuration_that_is_wrong_fails(amtool: Amtool, tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("route: {receiver: nobody}\n")
    assert "failed to validate 1 file" in amtool("check-config", str(tmp_path / "wrong.yml"), code=1)


def test_templates_are_rendered(amtool: Amtool, tmp_path: Path) -> None:
    (tmp_path / "words.tmpl").write_text('{{ define "words" }}{{ .Status | toUpper }} {{ len .Alerts }}{{ end }}')
    options = [f"--template.glob={tmp_path}/*.tmpl", '--template.text={{ template "words" . }}']
    assert amtool("template", "render", *options) == "ALERTSTATUS 2"
