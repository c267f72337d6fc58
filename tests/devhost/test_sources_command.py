"""`tocsin sources test`: what becomes of a payload, for people and for programs, without a server."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from devhost import cli

FOLDER = Path(__file__).parents[1] / "domain" / "sources" / "fixtures"

OWN = """\
sources:
- kind: generic
  key: shop
  lookup:
  - {file: services.csv, match: service, labels: [team]}
  mapping:
    alerts: items
    name: check
    status: state
    severity: prio
    labels: {service: app}
    starts_at: since
"""

type Output = pytest.CaptureFixture[str]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "tocsin.yml"
    file.write_text(OWN)
    (tmp_path / "services.csv").write_text("service,team,owner\ncheckout,shop,ann\n")
    return file


def run(monkeypatch: pytest.MonkeyPatch, body: object, *arguments: str) -> int:
    text = body if isinstance(body, str) else json.dumps(body)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    monkeypatch.setenv("COLUMNS", "120")
    return cli.main(["sources", "test", *arguments])


def test_every_alert_is_shown_with_what_enrichment_did(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    items = [
        {"check": "Latency", "app": "checkout", "state": "alerting", "prio": "crit", "since": "2026-11-22T11:00:00Z"},
        {"check": "Latency", "app": "checkout", "state": "wat"},
    ]
    assert run(monkeypatch, {"items": items}, "generic", "--key", "shop", "--tocsin-config", str(own)) == 0
    shown = capsys.readouterr().out
    head, _, rest = shown.partition("   times (UTC)\n     since        2026-11-22 11:00:00\n     fires until  ")
    assert head == (
        "generic/shop: 1 alert\n\n"
        "1. Latency: firing, fingerprint d79a3fdc4e2395a5\n"
        "   labels: what identifies it\n"
        "     alertname   Latency\n"
        "     service     checkout\n"
        "     severity    critical\n"
        "     source      generic\n"
        "     source_key  shop\n"
        "     team        shop\n"
        "   annotations\n"
        "     original_severity  crit\n"
        "     owner              ann\n"
        "     summary            Latency\n"
    )
    assert rest.partition("\n")[2] == (
        "   enrichment\n"
        '     - severity "crit" became "critical" (the usual words)\n'
        '     - team="shop" from lookup services.csv, line 2 (service="checkout")\n'
        '     - owner="ann" from lookup services.csv, line 2 (service="checkout")\n'
        "\nProblems\n"
        '  - alerts[1]: status: nothing says whether "wat" is firing or resolved\n'
    )


def test_for_programs(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    body = {"items": [{"check": "Latency", "app": "x", "state": "ok"}]}
    assert run(monkeypatch, body, "generic", "--key", "shop", "--tocsin-config", str(own), "--json") == 0
    found: Any = json.loads(capsys.readouterr().out)
    assert found["source"] == "generic/shop"
    assert found["problems"] == []
    (alert,) = found["alerts"]
    assert alert["status"] == "resolved"
    assert alert["changes"] == ['lookup services.csv: no row for service="x"']


def test_two_that_are_one_are_told_of(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    alert = {"status": "firing", "labels": {"alertname": "Memory"}}
    assert run(monkeypatch, {"alerts": [alert, alert]}, "grafana") == 0
    assert "the same labels as number 1: they are one alert" in capsys.readouterr().out


def test_headers_are_heeded(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    headers = ["ce-specversion: 1.0", "ce-type:com.acme.disk.firing", "CE-Source:/disks", "ce-id: 1"]
    arguments = [word for header in headers for word in ("--header", header)]
    assert run(monkeypatch, {"text": "91 %"}, "cloudevents", *arguments) == 0
    assert "cloudevents/default: 1 alert" in capsys.readouterr().out


@pytest.mark.parametrize("is_json", [False, True])
def test_what_is_rejected_is_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, is_json: bool
) -> None:
    assert run(monkeypatch, "{", "generic", *(["--json"] if is_json else [])) == 1
    shown = capsys.readouterr().out
    if is_json:
        found = json.loads(shown)
        assert found.pop("rejected").startswith("the body is not JSON: ")
        assert found == {"source": "generic/default", "alerts": [], "problems": []}
    else:
        assert shown.startswith("generic/default: rejected: the body is not JSON: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["generic", "--key", "a b"], "is no key", id="a key that is none"),
        pytest.param(["generic", "--header", "x"], "is no header", id="a header that is none"),
        pytest.param(["generic", "--tocsin-config", "/nowhere.yml"], "cannot be read", id="a file that is none"),
    ],
)
def test_a_wrong_command_line_exits_with_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert run(monkeypatch, {}, *arguments) == 2
    assert words in capsys.readouterr().err


def test_a_wrong_configuration_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    file = tmp_path / "tocsin.yml"
    file.write_text("sources:\n- kind: generic\n  lookup: [{file: gone.csv, match: a}]\n")
    assert run(monkeypatch, {}, "generic", "--tocsin-config", str(file)) == 2
    assert capsys.readouterr().err == (
        f"tocsin: {file}:3: sources[0].lookup[0].file: {tmp_path / 'gone.csv'} cannot be read: "
        "No such file or directory\n"
    )


@pytest.mark.parametrize("kind", ["alertmanager", "grafana", "sns", "zabbix"])
def test_the_fixtures_of_formats_are_shown(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    for path in sorted((FOLDER / kind).glob("*.json")):
        case = json.loads(path.read_text())
        headers = [word for name, text in case["headers"].items() for word in ("--header", f"{name}: {text}")]
        code = run(monkeypatch, case["body"], kind, *headers)
        assert code == (0 if "expected" in case else 1), path.name
        assert capsys.readouterr().out.startswith(f"{kind}/default: ")
