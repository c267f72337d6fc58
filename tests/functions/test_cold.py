"""What an instance does not load before it needs it: the SDKs, and the rules behind what nobody has asked for yet."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# azure.core comes with any of the SDKs; msal, requests and cryptography with azure.identity.
SDKS = {
    "agent_framework",
    "azure.core",
    "azure.cosmos",
    "azure.identity",
    "azure.monitor",
    "azure.servicebus",
    "cryptography",
    "msal",
    "openai",
    "opentelemetry",
    "prometheus_client",
    "requests",
    "aiohttp",
    "aiosmtplib",
}
# Half of the app, and its compiled libraries: everything that takes values, rules or documents apart begins with these.
RULES = {
    "adapters.configurations",
    "adapters.documents",
    "adapters.settings",
    "domain.alerts",
    "domain.configuration",
    "domain.groups",
    "domain.labels",
    "domain.routing",
    "domain.templates",
    "msgspec",
    "re2",
    "yaml",
}
ONE_MACHINE = {"adapters.sqlite", "devhost", "sqlite3", "uvicorn"}
EMULATORS = {
    "TOCSIN_HOME": "azure",
    "COSMOS": "AccountEndpoint=http://localhost:8081/;AccountKey=a2V5;",
    "SERVICE_BUS": "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;",
}


def loaded(code: str) -> set[str]:
    """The modules that there are after this code, in an interpreter of its own."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps([*sys.modules]))"],
        cwd=ROOT,
        # Coverage would measure this process too, and bring modules of its own.
        env={name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return set(json.loads(run.stdout))


WIRED = f"""
import asyncio, function_app
from adapters.settings import Settings
from adapters.wiring import wire

async def start() -> None:
    wire(Settings.read({EMULATORS}))

asyncio.run(start())
"""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import function_app", id="imported, as before the first invocation"),
        pytest.param(WIRED, id="wired, as in the first invocation"),
    ],
)
def test_no_sdk_is_loaded_before_it_is_used(code: str) -> None:
    modules = loaded(code)
    assert "function_app" in modules
    assert modules & (SDKS | ONE_MACHINE) == set()


def test_no_rule_is_loaded_before_the_first_invocation() -> None:
    found = loaded("import function_app") & RULES
    assert found == set(), "import them in the handlers that need them, or for the type checker only"


PREPARED = """
import function_app
from adapters.settings import Settings
from adapters.wiring import wire

wire(Settings.read({"TOCSIN_HOME": "memory"})).prepare()
"""


def test_the_rules_that_handlers_load_at_their_first_call_a_prepared_process_has_loaded() -> None:
    files = [ROOT / "function_app.py", *(ROOT / "endpoints").glob("*.py")]
    needed = {module for file in files for module in _needed(ast.parse(file.read_text()))}
    assert "domain.incidents" in needed  # of a function
    assert "domain.explaining" in needed  # of a shape
    assert needed - loaded(PREPARED) == set()


def _needed(tree: ast.AST) -> Iterator[str]:
    """The rules that this code imports anywhere, or that its shapes take with `later`."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                for other in node.orelse:
                    yield from _needed(other)
            case ast.ImportFrom(module=str(module)) if module.startswith("domain."):
                yield module
            case ast.Call(func=ast.Name("later"), args=[ast.Constant(str(module)), *_]):
                yield module
            case _:
                yield from _needed(node)
