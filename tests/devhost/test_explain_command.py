"""`tocsin explain`: which alert is meant, and what is printed of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from devhost import cli
from domain.labels import fingerprint
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 1s
receivers:
  - name: nobody
"""

DB1 = {"alertname": "DiskFull", "instance": "db1"}

type Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("explain"), CONFIGURATION) as tocsin:
        over = {"alertname": "Gone", "instance": "db1"}
        now = datetime.now(UTC).isoformat()
        tocsin.post("/api/v2/alerts", [{"labels": DB1}, {"labels": {**DB1, "instance": "db2"}}, {"labels": over}])
        tocsin.post("/api/v2/alerts", [{"labels": over, "endsAt": now}])
        its = fingerprint(over)
        eventually(
            lambda: tocsin.get(f"/api/v1/alerts/{its}/explain").json()["groups"][0]["state"] == "over", "its end"
        )
        yield tocsin


def explain(tocsin: Serving, *words: str) -> int:
    return cli.main(["explain", *words, "--url", tocsin.url])


@pytest.mark.parametrize(
    "words",
    [
        [fingerprint(DB1)],
        ["alertname=DiskFull", "instance=db1"],
        ["DiskFull", 'instance="db1"'],
        ["instance=~.*1", "alertname!=Gone"],
    ],
)
def test_an_alert_is_found_by_its_fingerprint_or_by_matchers(tocsin: Serving, words: list[str], capsys: Output) -> None:
    assert explain(tocsin, *words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"DiskFull instance=db1\nfingerprint {fingerprint(DB1)}, as of ")
    assert 'Nobody is told: receiver "nobody" has no integrations' in printed
    assert "  1 received            Received at " in printed
    assert "  2 routed       stops  Routed by {} to receiver" in printed


def test_it_is_readable_in_eighty_columns(tocsin: Serving, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert explain(tocsin, fingerprint(DB1)) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_of_several_it_asks_to_choose(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "DiskFull") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 alerts match; explain one of them by its fingerprint:" in said.err
    assert f"{fingerprint(DB1)}  DiskFull instance=db1\n" in said.err


def test_one_that_is_over_is_found_by_all_its_labels(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "Gone", "instance=db1") == 0
    assert "nobody was told" in capsys.readouterr().out


def test_where_none_fires_it_says_how_to_find_it(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "Gone") == 1
    said = capsys.readouterr().err
    assert 'no alert fires that matches alertname="Gone"' in said
    assert "by its fingerprint" in said


def test_an_unknown_fingerprint_is_refused(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "0123456789abcdef") == 1
    assert "no alert '0123456789abcdef'" in capsys.readouterr().err


def test_a_wrong_matcher_is_refused(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "instance=~(") == 1
    assert "400" in capsys.readouterr().err


def test_programs_get_the_answer_as_it_is(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, fingerprint(DB1), "--json") == 0
    assert json.loads(capsys.readouterr().out)["labels"] == DB1
