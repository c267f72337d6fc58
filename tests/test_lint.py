"""The dependency rule, function_app → domain ← adapters, is one that the linter keeps."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOMAIN = ROOT / "domain"


def findings(code: str, filename: str = "domain/x.py") -> dict[str, str]:
    """What ruff says about a file of that name: the codes, each with its (last) message."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=json"]
    command += ["--stdin-filename", filename, "-"]
    run = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False)
    assert run.returncode in {0, 1}, run.stderr
    return {finding["code"]: finding["message"] for finding in json.loads(run.stdout)}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        pytest.param("from datetime import datetime\nX = datetime.now()", "take `now` as a parameter", id="the clock"),
        pytest.param("import datetime as dt\nX = dt.datetime.utcnow()", "take `now` as a parameter", id="renamed"),
        pytest.param("import datetime\nX = datetime.date.today()", "take `now` as a parameter", id="the calendar"),
        pytest.param("def f():\n    import time\n    return time.time()", "take `now` as a parameter", id="time"),
        pytest.param("import random", "take what chance decides as a parameter", id="chance"),
        pytest.param("from uuid import uuid4", "take the id as a parameter", id="new ids"),
        pytest.param("from adapters.wiring import wire", "the domain points at nobody", id="adapters"),
        pytest.param("import devhost.cli", "the domain points at nobody", id="the dev host"),
        pytest.param("from endpoints import alerts", "the domain points at nobody", id="endpoints"),
        pytest.param("import function_app", "the domain points at nobody", id="the app"),
        pytest.param("import azure.functions as func", "belong in function_app.py and adapters/", id="triggers"),
        pytest.param("import sqlite3", "storage belongs in adapters/", id="storage"),
        pytest.param("import aiohttp", "the network belongs in adapters/", id="the network"),
        pytest.param("import msgspec", "the stored form", id="the stored form"),
        pytest.param("from os import environ", "take what you need as a parameter", id="settings"),
        pytest.param("import pathlib", "take their content as a parameter", id="files"),
        pytest.param("import logging", "return a Reason", id="logging"),
        pytest.param("import asyncio", "rules wait for nothing", id="waiting"),
    ],
)
def test_the_domain_may_not(code: str, advice: str) -> None:
    assert advice in findings(code)["TID251"]
    assert "TID251" not in findings(code, "adapters/x.py")


def test_the_domain_may_not_print_or_open() -> None:
    assert {"T201", "PTH123"} <= findings('print(open("x").read())').keys()


def test_the_domain_may() -> None:
    code = '"""A rule."""\n\nfrom datetime import UTC, datetime\n\nimport pydantic\nimport re2\n\n'
    code += "from domain.labels import Labels\n\n"
    code += "__all__ = [UTC, Labels, datetime(2026, 7, 1, tzinfo=UTC), pydantic, re2]\n"
    assert "TID251" not in findings(code)


def test_the_domain_imports_only_the_libraries_its_settings_name() -> None:
    settings = tomllib.loads((DOMAIN / "ruff.toml").read_text())
    allowed = {"domain", *sys.stdlib_module_names, *settings["lint"]["isort"]["known-third-party"]}
    strangers = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in DOMAIN.rglob("*.py")
        for name in _imports(path)
        if name.partition(".")[0] not in allowed
    }
    assert not strangers


def test_the_linter_leaves_the_list_the_worker_wants() -> None:
    code = '"""Triggers."""\n\nimport typing\n\n\ndef f(messages: typing.List[str]) -> None:\n    """Take them."""\n'
    assert not findings(code, "function_app.py")
    assert not findings(code, "endpoints/x.py")
    assert "UP006" in findings(code, "adapters/x.py")


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module if node.module and not node.level else "domain")
    return names
