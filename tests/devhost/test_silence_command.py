"""`tocsin silence`: made, listed, previewed, shown and ended over the public API, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
  group_interval: 200ms
receivers:
  - name: team
    webhook_configs:
      - url: {url}
"""

type Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Receiver() as receiver:
        configuration = CONFIGURATION.format(url=receiver.url("/team"))
        with Serving(tmp_path_factory.mktemp("silence"), configuration) as tocsin:
            alerts = [{"labels": {"alertname": "DiskFull", "instance": f"db{number}"}} for number in range(3)]
            assert tocsin.post("/api/v2/alerts", alerts).status == 200
            path = "/api/v1/deliveries?status=delivered"
            eventually(lambda: tocsin.get(path).json()["deliveries"], "the page")
            yield tocsin


def silence(tocsin: Serving, *words: str) -> int:
    return cli.main(["silence", *words, "--url", tocsin.url])


def told(tocsin: Serving, capsys: Output, *words: str) -> Any:
    assert silence(tocsin, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_preview_tells_what_is_muted_now_and_which_pages_would_not_have_come(tocsin: Serving, capsys: Output) -> None:
    assert silence(tocsin, "preview", "DiskFull") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "It mutes 3 live alerts (1 group wholly, 0 partly) of team:"
    assert lines[1] == "    alertname=DiskFull instance=db0"
    assert lines[4].endswith("it would have kept 1 page away, and told less in 0:")
    assert lines[5].endswith("  wholly  team  DiskFull")
    assert silence(tocsin, "preview", "alertname=DiskFull", "instance=db1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "It mutes 1 live alert (0 groups wholly, 1 partly) of team:"
    assert lines[2].endswith("it would have kept 0 pages away, and told less in 1:")
    assert silence(tocsin, "preview", "Nothing") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "It mutes nothing that fires now."
    assert lines[1].startswith("It would have kept no page away since ")


def test_a_life_of_a_silence(tocsin: Serving, capsys: Output) -> None:
    assert silence(tocsin, "add", "DiskFull", "instance=db2", "-c", "replaced", "-a", "ada", "-d", "2h") == 0
    lines = capsys.readouterr().out.splitlines()
    id = lines[0].split()[1]
    assert lines[0].startswith(f"Silence {id} is active, until ")
    assert lines[1] == "It mutes 1 live alert (0 groups wholly, 1 partly) of team:"
    (listed,) = told(tocsin, capsys, "list", "instance=db2")["silences"]
    assert (listed["id"], listed["created_by"], listed["comment"]) == (id, "ada", "replaced")
    assert silence(tocsin, "list") == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["ID", "STATE", "ENDS", "(UTC)", "BY", "MATCHERS", "COMMENT"]
    assert row.split()[:2] == [id, "active"]
    eventually(lambda: told(tocsin, capsys, "show", id)["alerts"] == 1, "the look that finds it silenced")
    assert silence(tocsin, "show", id) == 0
    shown = capsys.readouterr().out
    assert f"{id}: active" in shown
    assert "It has muted 1 alert of 1 incident and withheld 0 pages; 1 that match fire now." in shown
    assert silence(tocsin, "expire", id) == 0
    assert capsys.readouterr().out == f"Silence {id} has ended.\n"
    assert silence(tocsin, "list") == 0
    assert capsys.readouterr().out == "There are no such silences.\n"
    (ended,) = told(tocsin, capsys, "list", "--state", "expired")["silences"]
    assert ended["id"] == id


def test_a_preview_makes_none(tocsin: Serving, capsys: Output) -> None:
    assert told(tocsin, capsys, "add", "DiskFull", "--preview")["alerts_muted"] == 3
    assert told(tocsin, capsys, "list")["silences"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["add", "alertname!=x"], 1, "mutes nearly everything", id="of nearly everything"),
        pytest.param(["add", "DiskFull", "-d", "soon"], 1, "duration", id="for no time that there is"),
        pytest.param(["add", "a=~("], 1, "matchers.0", id="of what is no matcher"),
        pytest.param(["show", "nobody"], 1, "no silence 'nobody'", id="that nobody made"),
        pytest.param(["expire", "a/b?c"], 1, "not found", id="of an odd id"),
    ],
)
def test_what_is_refused(tocsin: Serving, capsys: Output, words: list[str], code: int, said: str) -> None:
    assert silence(tocsin, *words) == code
    assert said in capsys.readouterr().err
