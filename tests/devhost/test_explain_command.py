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

GONE = {"alertname": "Gone", "instance": "db1"}
TWICE = {"alertname": "Twice", "instance": "db1"}

type Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("explain"), CONFIGURATION) as tocsin:
        over = [GONE, TWICE, {**TWICE, "instance": "db2"}]
        firing = [DB1, {**DB1, "instance": "db2"}, *over]
        now = datetime.now(UTC).isoformat()
        tocsin.post("/api/v2/alerts", [{"labels": labels} for labels in firing])
        tocsin.post("/api/v2/alerts", [{"labels": labels, "endsAt": now} for labels in over])
        paths = [f"/api/v1/alerts/{fingerprint(labels)}/explain" for labels in over]
        eventually(
            lambda: {tocsin.get(path).json()["groups"][0]["state"] for path in paths} == {"over"}, "the end of all"
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


@pytest.mark.parametrize("words", [["Gone"], ["instance=db1", "alertname=~G.*"]])
def test_one_that_is_over_is_found_by_matchers_among_late_incidents(
    tocsin: Serving, words: list[str], capsys: Output
) -> None:
    assert explain(tocsin, *words) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"Gone instance=db1\nfingerprint {fingerprint(GONE)}, as of ")
    assert "this one is over (looked for in the last 3 incidents, since 20" in said.err


def test_of_several_that_are_over_it_asks_to_choose(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "Twice") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert 'No alert fires that matches alertname="Twice"; 2 that are over do' in said.err
    assert f"{fingerprint(TWICE)}  last reported 20" in said.err


def test_where_none_fires_or_fired_it_says_how_to_find_it(tocsin: Serving, capsys: Output) -> None:
    assert explain(tocsin, "Unheard") == 1
    said = capsys.readouterr().err
    assert 'no alert fires that matches alertname="Unheard", and none that is over does' in said
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
