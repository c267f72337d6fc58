"""Alerts of other systems over HTTP: who may send them, to which address, and what the answer says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.memory.broker import MemoryBroker
from adapters.wiring import Ports, ports
from domain.principals import Scope
from tests.endpoints.asking import ask, bearer, give_key
from tests.serving import Answer

DOWN = {"monitorID": "1", "monitorFriendlyName": "shop", "alertType": "1"}
OWN = """\
sources:
  - {kind: uptimerobot, key: berlin, time_to_live: 1h}
"""


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Ports]:
    file = tmp_path / "tocsin.yml"
    file.write_text(OWN)
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_AUTH", "true")
    monkeypatch.setenv("TOCSIN_OWN_CONFIGURATION", str(file))
    ports.cache_clear()
    yield ports()
    await ports().close()
    ports.cache_clear()


async def send(key: str, headers: dict[str, str] | None = None, *, kind: str = "uptimerobot", **more: Any) -> Answer:
    return await ask("receive_from_source", headers, body=DOWN | more.pop("body", {}), kind=kind, key=key, **more)


async def test_a_key_in_a_header(home: Ports) -> None:
    answer = await send("berlin", bearer(await give_key(Scope.INGEST)))
    assert (answer.status, answer.json()) == (202, {"accepted": 1, "problems": []})
    assert await home.queues.count_waiting() == 1


async def test_a_key_in_the_path(home: Ports) -> None:
    assert (await send(await give_key(Scope.INGEST))).status == 202
    assert (await send(await give_key(Scope.READ))).status == 403


async def test_a_key_in_the_path_wins_over_what_the_sender_says_by_habit(home: Ports) -> None:
    assert (await send(await give_key(Scope.INGEST), {"authorization": "Basic eDp5"})).status == 202


async def test_a_wrong_key_in_the_path(home: Ports) -> None:
    token = await give_key(Scope.INGEST)
    answer = await send(token[:-4] + "AAAA")
    assert answer.status == 401
    assert token[20:30] not in answer.text


async def test_nobody_is_taken_for_the_name_of_a_source(home: Ports) -> None:
    assert (await send("berlin")).status == 401


async def test_a_key_for_one_source_sends_as_no_other(home: Ports) -> None:
    token = await give_key(Scope.INGEST, source="uptimerobot/berlin")
    assert (await send("berlin", bearer(token))).status == 202
    assert (await send(token)).status == 202
    assert (await send("paris", bearer(token))).status == 403
    assert (await send(token, kind="zabbix")).status == 403


async def test_a_secret_names_nothing(home: Ports) -> None:
    token = await give_key(Scope.INGEST)
    event = {"event_action": "trigger", "payload": {"summary": "s", "source": "h", "severity": "info"}}
    assert (await send(token, kind="pagerduty", body=event)).status == 202
    assert isinstance(home.broker, MemoryBroker)
    message = home.broker.receive("groups")
    assert message is not None
    waiting = message.body or b""
    assert token[4:16].encode() in waiting
    assert token[17:].encode() not in waiting


@pytest.mark.parametrize(
    ("kind", "key", "status", "words"),
    [
        ("nagios", "berlin", 404, 'no kind of source "nagios"; there are alertmanager, azure-monitor'),
        ("zabbix", "a b", 422, "is no key: letters, digits"),
        ("zabbix", "x" * 101, 422, "is no key: letters, digits"),
    ],
)
async def test_an_address_that_is_none(home: Ports, kind: str, key: str, status: int, words: str) -> None:
    answer = await send(key, bearer(await give_key(Scope.INGEST)), kind=kind)
    assert answer.status == status
    assert words in answer.json()["detail"]


async def test_what_cannot_be_read_is_named(home: Ports) -> None:
    answer = await send("berlin", bearer(await give_key(Scope.INGEST)), body={"alertType": "nine"})
    assert answer.status == 422
    assert "alertType" in answer.json()["detail"]


async def test_senders_ask_and_accept_as_they_always_do(home: Ports) -> None:
    headers = bearer(await give_key(Scope.INGEST)) | {"accept": "text/html", "content-type": "text/plain"}
    assert (await send("berlin", headers, query="code=1")).status == 202


async def test_the_tocsin_yml_says_how_long_an_alert_fires(home: Ports) -> None:
    source = home.configurations.own.sources.find("uptimerobot", "berlin")
    assert source.time_to_live is not None
    assert source.time_to_live.total_seconds() == 3600
    assert home.configurations.own.sources.find("uptimerobot", "paris").time_to_live is None
