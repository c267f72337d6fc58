"""Health over HTTP: which part is ill, and not a word of what it said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.errors import UnavailableError
from endpoints import health
from tests.serving import UNTRIAGED, Serving, eventually

SECRET = "AccountKey=c2VjcmV0c2VjcmV0"


@pytest_asyncio.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    home = wire(Settings.read({"TOCSIN_DATA": str(tmp_path)}))
    monkeypatch.setattr(health, "ports", lambda: home)
    await home.policy.heard(home.clock(), resumed=True)
    yield home
    await home.close()


async def ready() -> tuple[int, dict[str, Any]]:
    answer = await health.show_readiness(func.HttpRequest("GET", "http://127.0.0.1/health/ready", body=b""))
    return answer.status_code, json.loads(answer.get_body())


def failing(error: Exception) -> Callable[..., Awaitable[None]]:
    async def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("home")
async def test_all_parts_are_well() -> None:
    status, told = await ready()
    assert (status, told["status"]) == (200, "ok")
    assert [part["name"] for part in told["parts"]] == ["store", "configuration", "queues", "sweep"]
    assert {(part["status"], part["detail"]) for part in told["parts"]} == {("ok", "")}


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        pytest.param(UnavailableError(f"the store said {SECRET}"), "does not answer", id="it is unavailable"),
        pytest.param(ValueError(SECRET), "failed: ValueError", id="a bug"),
        pytest.param(TimeoutError(SECRET), "did not answer within 5 s", id="it takes too long"),
    ],
)
async def test_the_ill_part_is_named_and_its_words_are_not_repeated(
    home: Ports, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, detail: str
) -> None:
    monkeypatch.setattr(home.queues, "oldest", failing(error))
    status, told = await ready()
    assert (status, told["status"]) == (503, "ill")
    assert [part for part in told["parts"] if part["status"] == "ill"] == [
        {"name": "queues", "status": "ill", "detail": detail}
    ]
    assert SECRET not in json.dumps(told) + caplog.text
    assert f"not ready: queues: {detail}" in caplog.text


async def test_a_part_that_hangs_is_given_up_and_asked_once(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def hang(*_: object, **__: object) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(home.groups, "list_entries", hang)
    answers = await asyncio.gather(*[ready() for _ in range(20)])
    assert {status for status, _ in answers} == {503}
    assert asked == 1
    assert answers[0][1]["parts"][0] == {"name": "store", "status": "ill", "detail": "did not answer within 0.05 s"}


def test_on_azure_the_broker_that_is_gone_is_named(tmp_path: Path) -> None:
    with Serving(tmp_path, environment=UNTRIAGED, home="azure") as tocsin:
        assert tocsin.get("/health/ready").json()["status"] == "ok"
        assert tocsin.get("/health").json() == {"status": "ok"}
        tocsin.azure.stop()

        def ill() -> set[str]:
            told = tocsin.get("/health/ready")
            return {part["name"] for part in told.json()["parts"] if part["status"] == "ill"} if told.body else set()

        eventually(lambda: {"queues", "store"} <= ill(), "the store and the queues are called ill", seconds=30)
        tocsin.kill()
