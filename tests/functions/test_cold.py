"""What an instance does not load before it needs it: each SDK takes as long to import as all of the app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# azure.core comes with any of the SDKs; msal, requests and cryptography with azure.identity.
SDKS = {
    "azure.core",
    "azure.cosmos",
    "azure.identity",
    "azure.servicebus",
    "cryptography",
    "msal",
    "requests",
    "aiohttp",
    "aiosmtplib",
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
