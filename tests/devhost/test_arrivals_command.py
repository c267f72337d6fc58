"""`tocsin sources list|show|replay|collisions`: what is printed of what came, and what it became."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devhost import cli
from tests.serving import Serving, eventually

CONFIGURATION = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
OWN = """\
sources:
  - kind: generic
    key: lab
    mapping: {name: title, labels: {%s}}
"""

type Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def tocsin(folder: Path) -> Iterator[Serving]:
    (folder / "tocsin.yml").write_text(OWN % "rule: rule")
    with Serving(folder, CONFIGURATION, ("--tocsin-config", str(folder / "tocsin.yml"))) as tocsin:
        for host in ("web-1", "web-2", "web-1"):
            body = {"title": "DiskFull", "rule": "r1", "host": host, "password": "hunter2"}
            assert tocsin.post("/api/v1/sources/generic/lab", body).status == 202
        assert tocsin.post("/api/v1/sources/zabbix/x", {"\x1b[31m": 1}).status == 422
        yield tocsin


def run(tocsin: Serving, *words: str) -> int:
    return cli.main(["sources", *words, "--url", tocsin.url])


def told(tocsin: Serving, output: Output, *words: str) -> Any:
    assert run(tocsin, *words, "--json") == 0
    return json.loads(output.readouterr().out)


def test_what_came_is_listed(tocsin: Serving, capsys: Output) -> None:
    assert run(tocsin, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["RECEIVED", "SOURCE", "BYTES", "BECAME", "ID"]
    assert "zabbix/x" in lines[1]
    assert "refused: " in lines[1]
    assert 'firing DiskFull{rule="r1"' in lines[2]
    assert run(tocsin, "list", "generic/other") == 0
    assert capsys.readouterr().out == "Nothing of that is kept.\n"
    assert len(told(tocsin, capsys, "list", "--rejected")["arrivals"]) == 1


def test_one_is_shown(tocsin: Serving, capsys: Output) -> None:
    id = told(tocsin, capsys, "list", "generic/lab", "--limit", "1")["arrivals"][0]["id"]
    assert run(tocsin, "show", id) == 0
    text = capsys.readouterr().out
    assert '"host": "web-1"' in text
    assert "hunter2" not in text
    assert "What is secret was not kept: $.password" in text
    assert 'DiskFull{rule="r1"' in text
    assert run(tocsin, "show", "nothing") == 1
    assert "no arrival 'nothing'" in capsys.readouterr().err


def test_what_a_sender_wrote_does_not_steer_the_terminal(tocsin: Serving, capsys: Output) -> None:
    (one,) = told(tocsin, capsys, "list", "zabbix")["arrivals"]
    assert run(tocsin, "show", one["id"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_collisions_and_their_mending(tocsin: Serving, folder: Path, capsys: Output) -> None:
    assert run(tocsin, "collisions", "generic/lab") == 0
    text = capsys.readouterr().out
    assert "MERGE: several as one (likely)  generic/lab" in text
    assert "$.host: web-1, web-2" in text
    assert "1 suspicion (3 payloads, 1 alert" in text

    (folder / "tocsin.yml").write_text(OWN % "rule: rule, host: host")
    eventually(
        lambda: told(tocsin, capsys, "replay", "generic/lab", "--dry-run")["counts"]["changed"] == 3,
        "the mapping to be in force",
    )
    assert run(tocsin, "replay", "generic/lab", "--dry-run") == 0
    dry = capsys.readouterr().out
    assert "3 payloads of generic/lab: 3 changed." in dry
    assert "host: (none) → web-2" in dry
    assert "It would send (this was a dry run):" in dry
    assert run(tocsin, "replay", "generic/lab") == 0
    real = capsys.readouterr().out
    assert real == dry.replace("It would send (this was a dry run):", "Sent:")
    assert real.count("FIRES ") == 2
    assert real.count("RESOLVES ") == 1
    assert run(tocsin, "replay", "generic/lab") == 0
    assert "Nothing has to be sent" in capsys.readouterr().out

    assert run(tocsin, "collisions", "generic/lab") == 0
    assert "Nothing is suspicious (3 payloads, 2 alerts" in capsys.readouterr().out
    assert run(tocsin, "replay", "generic/other") == 0
    assert "Nothing is kept of generic/other" in capsys.readouterr().out
    assert run(tocsin, "replay", "nothing/x") == 1
