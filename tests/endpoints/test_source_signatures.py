"""Sources that prove themselves: by what the `tocsin.yml` asks of them, in the place of an API key or beside it."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.wiring import Ports, ports
from domain.principals import Scope
from tests.endpoints.asking import ask, bearer, give_key
from tests.serving import Answer

DOWN = {"monitorID": "1", "monitorFriendlyName": "shop", "alertType": "1"}
BODY = json.dumps(DOWN).encode()
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
OWN = """\
sources:
  - {kind: uptimerobot, key: berlin, verify: {github: {secrets: [old, new]}}}
  - {kind: uptimerobot, key: rome, verify: {bearer: {secrets: [new]}}}
  - {kind: zabbix, verify: {header: {name: X-Secret, secrets: [new]}}}
"""


@pytest_asyncio.fixture(params=["true", "false"])
async def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Ports]:
    file = tmp_path / "tocsin.yml"
    file.write_text(OWN)
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_AUTH", request.param)
    monkeypatch.setenv("TOCSIN_OWN_CONFIGURATION", str(file))
    ports.cache_clear()
    yield ports()
    await ports().close()
    ports.cache_clear()


async def send(key: str, headers: Mapping[str, str], kind: str = "uptimerobot", body: object = DOWN) -> Answer:
    return await ask("receive_from_source", headers, body=body, kind=kind, key=key)


def signed(secret: str) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), BODY, "sha256").hex()}


async def test_a_signature_is_enough(home: Ports) -> None:
    for secret in ("old", "new"):
        answer = await send("berlin", signed(secret))
        assert (answer.status, answer.json()) == (202, {"accepted": 1, "problems": []})
    assert (await send("rome", {"authorization": "Bearer new"})).status == 202


async def test_nothing_else_is(home: Ports) -> None:
    key = await give_key(Scope.ADMIN)
    for headers in ({}, signed("other"), bearer(key), {"x-api-key": key}):
        answer = await send("berlin", headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"]
    assert not await home.queues.count_waiting()
    assert (await send("rome", {"authorization": "Bearer other"})).status == 401


async def test_it_is_judged_before_the_body_is_read(home: Ports) -> None:
    answer = await send("berlin", signed("new"), body={"no": "alert"})
    assert answer.status == 401
    assert (await send("any", {"x-secret": "new"}, kind="zabbix", body={"no": "alert"})).status == 422


async def test_a_key_in_the_path_must_be_right_and_the_secret_too(home: Ports) -> None:
    body = {"event_id": "7", "event_value": "1", "event_name": "disk", "host_name": "db1", "trigger_id": "3"}
    key = await give_key(Scope.INGEST)
    assert (await send(key, {}, kind="zabbix", body=body)).status == 401
    if home.settings.auth:
        assert (await send(key[:-4] + "AAAA", {"x-secret": "new"}, kind="zabbix", body=body)).status == 401
    assert (await send(key, {"x-secret": "new"}, kind="zabbix", body=body)).status != 401


async def test_an_address_that_fails_again_and_again_has_to_wait_and_no_other(home: Ports) -> None:
    answers = [await send("berlin", signed("x"), body={**DOWN, "monitorID": str(number)}) for number in range(30)]
    assert answers[0].status == 401
    answer = answers[-1]
    assert answer.status == 429
    assert "retry-after" in answer.headers
    answer = await ask(
        "receive_from_source", signed("new"), body=DOWN, address="192.0.2.77", kind="uptimerobot", key="berlin"
    )
    assert answer.status == 202


async def test_a_subscription_that_nobody_asked_for_is_not_confirmed(home: Ports) -> None:
    offer = {
        "Type": "SubscriptionConfirmation",
        "TopicArn": TOPIC,
        "Token": "x",
        "SubscribeURL": "https://evil.example.com/",
    }
    headers = bearer(await give_key(Scope.INGEST)) if home.settings.auth else {}
    answer = await send("mine", headers, kind="sns", body=offer)
    said = f"the subscription to {TOPIC} is not confirmed: the source does not list the topic"
    assert (answer.status, answer.json()) == (202, {"accepted": 0, "problems": [said]})
