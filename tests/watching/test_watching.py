"""The rules and the dashboard name metrics that there are, promtool takes them, and each alert has its runbook."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.telemetry.instruments import ALL, Counter, Histogram, Instrument
from adapters.telemetry.names import label_name, page_name

DOCS = Path(__file__).parents[2] / "docs"
WATCHING = DOCS / "watching"
RULES = WATCHING / "tocsin.rules.yml"
TESTS = WATCHING / "tocsin.rules.test.yml"
DASHBOARD: dict[str, Any] = json.loads((WATCHING / "dashboard.json").read_text())

_METRIC = re.compile(r"\b(?:tocsin|http_server)_\w+")
_LABEL = re.compile(r"\b((?:tocsin|http)_\w+)(?==|=~|!=)|\b(?:by|ignoring|on) \(([^)]*)\)")


def series(instrument: Instrument) -> set[str]:
    name = page_name(instrument)
    match instrument:
        case Counter():
            return {f"{name}_total"}
        case Histogram():
            return {f"{name}_{part}" for part in ("bucket", "count", "sum")}
        case _:
            return {name}


NAMES = {name for one in ALL for name in series(one)}
LABELS = {label_name(name) for one in ALL for name in one.attributes} | {"le"}


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def panels() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard, with its panel's title."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


EXPRESSIONS = [*((rule["alert"], rule["expr"]) for rule in rules()), *panels()]


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_what_is_asked_for_is_there(where: str, expression: str) -> None:
    labels = {name.strip() for match in _LABEL.finditer(expression) for name in (match[1] or match[2]).split(",")}
    assert labels <= LABELS, where
    asked = set(_METRIC.findall(expression)) - labels
    assert asked <= NAMES, where
    assert asked or "up{" in expression


def test_every_metric_is_on_the_dashboard_or_has_an_alert() -> None:
    asked = {name for _, expression in EXPRESSIONS for name in _METRIC.findall(expression)}
    unseen = {one.name for one in ALL if not series(one) & asked}
    # What is sent by this process, which the counts of the day sum up; and what dead letters tell.
    assert unseen == {"tocsin.triage.tokens", "tocsin.triage.spend", "tocsin.messages.parked"}


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("arguments", [("check", "rules", RULES), ("test", "rules", TESTS)], ids=["checked", "tested"])
def test_promtool_takes_the_rules(program: Callable[[str], Path], arguments: tuple[str | Path, ...]) -> None:
    run(program("promtool"), *arguments)


@pytest.mark.needs("promtool")
def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path, program: Callable[[str], Path]) -> None:
    recorded = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, (_, expression) in enumerate(panels())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    run(program("promtool"), "check", "rules", file)


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_test() -> None:
    tested = {
        expected["alertname"]
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for expected in test["alert_rule_test"]
        if expected["exp_alerts"]
    }
    assert {rule["alert"] for rule in rules()} == tested


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    headings = re.findall(r"^### (Tocsin\w+)$", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()], "in the same order"
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_grafana_can_lay_the_panels_out() -> None:
    placed = DASHBOARD["panels"]
    assert len({panel["id"] for panel in placed}) == len(placed)
    cells: set[tuple[int, int]] = set()
    for panel in placed:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own
