"""PagerDuty's Events API v2 at its own paths: who may, what it answers, and what becomes of the incident."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.memory.broker import MemoryBroker
from adapters.wiring import Ports, ports
from devhost.host import _functions, _pumping, _pumps
from devhost.sharing import Loop
from domain.errors import UnavailableError
from domain.principals import Scope
from domain.sources.reading import Payload
from domain.times import EARLIEST, LATEST
from endpoints.sources import take_in_from
from tests.endpoints.asking import ask, give_key
from tests.serving import Answer

LISTED = "0123456789abcdef0123456789abcdef"
OWN = f"""\
sources:
  - kind: pagerduty
    key: payments
    labels: {{team: payments}}
    verify: {{header: {{name: X-Routing-Key, secrets: [{LISTED}]}}}}
  - {{kind: pagerduty, key: other}}
"""


@pytest_asyncio.fixture(params=[pytest.param(False, id="open"), pytest.param(True, id="auth")])
async def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Ports]:
    """The app in memory, with its queues running."""
    file = tmp_path / "tocsin.yml"
    file.write_text(OWN)
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_AUTH", str(request.param).lower())
    monkeypatch.setenv("TOCSIN_OWN_CONFIGURATION", str(file))
    ports.cache_clear()
    async with _pumping(_pumps(_functions(), ports(), Loop())):
        yield ports()
    await ports().close()
    ports.cache_clear()


def only(*modes: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("home", [mode == "auth" for mode in modes], ids=modes, indirect=True)


async def send(action: str = "trigger", **changes: Any) -> Answer:
    event: dict[str, Any] = {"routing_key": LISTED, "event_action": action, "dedup_key": "srv01/mysql"}
    if action == "trigger":
        event["payload"] = {"summary": "disk at 99%", "source": "srv01", "severity": "critical"}
    headers = changes.pop("headers", None)
    event |= changes
    return await ask("enqueue_event", headers, body={name: value for name, value in event.items() if value is not None})


async def incidents() -> list[Any]:
    return list(await ports().groups.list_incidents())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110  the store has no event for it
            await asyncio.sleep(0.01)


async def labels() -> list[dict[str, str]]:
    return [dict(member.alert.labels) for _, member in await ports().groups.list_members()]


# --- what it does ---------------------------------------------------------------------------------------------------


async def test_trigger_acknowledge_and_resolve(home: Ports) -> None:
    answer = await send()
    assert (answer.status, answer.json()) == (
        202,
        {"status": "success", "message": "Event processed", "dedup_key": "srv01/mysql"},
    )
    # At once, before anybody waited for the fold.
    assert (await send("acknowledge")).status == 202
    (incident,) = await incidents()
    assert (incident.status, incident.standing.acknowledged_by) == ("acknowledged", "pagerduty/payments")
    assert [found["team"] for found in await labels()] == ["payments"], (
        "what the source's labels say, the key finds too"
    )
    assert (await send("resolve")).json()["dedup_key"] == "srv01/mysql"

    async def is_over() -> bool:
        return not any(member.is_firing for _, member in await ports().groups.list_members())

    await until(is_over)


async def test_an_acknowledgement_acknowledges_its_own(home: Ports) -> None:
    await send()
    await send(dedup_key="srv02/mysql")
    await home.queues.passed(5)
    assert len(await labels()) == 2
    assert (await send("acknowledge", dedup_key="nobody triggered it")).status == 202
    assert [incident.status for incident in await incidents()] == ["triggered"]


async def test_an_acknowledgement_works_by_the_other_doors_too(home: Ports) -> None:
    await send()
    source = home.configurations.own.sources.find("pagerduty", "payments")
    event = b'{"event_action": "acknowledge", "dedup_key": "srv01/mysql"}'
    await take_in_from(source, Payload(event, {}))
    assert [incident.status for incident in await incidents()] == ["acknowledged"]


async def test_acknowledging_what_a_person_resolved_is_no_fault(home: Ports) -> None:
    from endpoints.responding import respond

    await send()
    await home.queues.passed(5)
    (incident,) = await incidents()
    await respond(incident.id, "resolve", id="1")
    assert (await send("acknowledge")).status == 202
    assert [incident.status for incident in await incidents()] == ["resolved"]


async def test_a_trigger_without_a_key_is_given_one(home: Ports) -> None:
    first = (await send(dedup_key=None)).json()["dedup_key"]
    again = (await send(dedup_key=None)).json()["dedup_key"]
    other = (await send(dedup_key=None, client="x")).json()["dedup_key"]
    assert first == again != other, "whoever had no answer sends the same bytes again"
    await home.queues.passed(5)
    assert {found["dedup_key"] for found in await labels()} == {first, other}
    assert (await send("acknowledge", dedup_key=first)).status == 202
    assert [incident.status for incident in await incidents()] == ["acknowledged"]


CHANGE: dict[str, Any] = {
    "routing_key": LISTED,
    "payload": {
        "summary": "cart 7 is deployed",
        "source": "pipelines",
        "custom_details": {"service": "cart", "build": 7},
    },
    "links": [{"href": "https://git.example.com/7", "text": "the build"}],
}


async def changes() -> list[Any]:
    return list(await ports().changes.list_changes(EARLIEST, LATEST))


async def test_a_change_is_kept_once_and_is_no_alert(home: Ports) -> None:
    for _ in range(2):
        answer = await ask("enqueue_change", body=CHANGE)
        assert (answer.status, answer.json()) == (202, {"status": "success", "message": "Change event processed"})
    (change,) = await changes()
    assert (change.summary, change.service, change.source) == ("cart 7 is deployed", "cart", "pipelines")
    assert (change.url, change.labels) == ("https://git.example.com/7", {"team": "payments", "build": "7"})
    assert isinstance(home.broker, MemoryBroker)
    assert await home.queues.count_accepted() == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"payload": None}, "payload", id="no payload"),
        pytest.param({"payload": {"source": "s"}}, "payload.summary", id="no summary"),
        pytest.param({"payload": {"summary": "s", "timestamp": "2020-01-01T00:00:00Z"}}, "30 days", id="long ago"),
        pytest.param({"client": "x" * (512 * 1024)}, "at most 524288", id="too large"),
    ],
)
async def test_a_change_that_is_none(home: Ports, changed: dict[str, Any], words: str) -> None:
    answer = await ask("enqueue_change", body={**CHANGE, **changed})
    assert (answer.status, answer.json()["status"]) == (400, "invalid event")
    assert words in answer.json()["errors"][0]
    assert await changes() == []


async def test_a_change_that_cannot_be_kept_is_to_be_sent_again(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise UnavailableError("the store is away")

    monkeypatch.setattr(home.changes, "add_changes", fail)
    assert (await ask("enqueue_change", body=CHANGE)).status == 503


# --- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"event_action": "explode"}, "event_action", id="no such action"),
        pytest.param({"action": "resolve", "dedup_key": None}, "dedup_key: resolve needs", id="a resolve of nothing"),
        pytest.param({"action": "acknowledge", "dedup_key": None}, "dedup_key: acknowledge needs", id="nor that"),
        pytest.param({"payload": {"summary": "s"}}, "payload", id="half a payload"),
        pytest.param({"dedup_key": "x" * 256}, "at most 255", id="a long key"),
        pytest.param({"dedup_key": 7}, "dedup_key", id="a key that is no text"),
        pytest.param({"client": "x" * (512 * 1024)}, "at most 524288", id="too large"),
    ],
)
async def test_an_event_that_is_none(home: Ports, changes: dict[str, Any], words: str) -> None:
    answer = await send(**changes)
    assert (answer.status, answer.json()["status"]) == (400, "invalid event")
    assert answer.json()["message"] == "Event object is invalid"
    (error,) = answer.json()["errors"]
    assert words in error


@only("open")
@pytest.mark.parametrize("body", [[], "x", None, 7])
async def test_a_body_that_is_no_event(home: Ports, body: Any) -> None:
    answer = await ask("enqueue_event", body=body)
    assert (answer.status, answer.json()["status"]) == (400, "invalid event")


async def test_a_body_that_nobody_reads(home: Ports) -> None:
    big = {"routing_key": LISTED, "client": "x" * (5 * 1024 * 1024)}
    assert [(await ask(name, body=big)).status for name in ("enqueue_event", "enqueue_change")] == [413, 413]


async def test_trouble_is_to_be_sent_again(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise UnavailableError("the queue is away")

    monkeypatch.setattr(home.queues, "send_events", fail)
    answer = await send()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


# --- who may --------------------------------------------------------------------------------------------------------


@only("auth")
@pytest.mark.parametrize("routing_key", [None, "", "x" * 32, LISTED[:-1] + "0", "toc_000000000000_" + "a" * 43, 7])
async def test_nobody_who_is_not_known(home: Ports, routing_key: Any) -> None:
    assert (await send(routing_key=routing_key)).status == 401
    assert (await ask("enqueue_change", body={"routing_key": routing_key})).status == 401


@only("auth")
async def test_an_api_key_is_a_routing_key(home: Ports) -> None:
    token = await give_key(Scope.INGEST)
    assert (await send(routing_key=token)).status == 202
    await home.queues.passed(5)
    assert [found["integration"] for found in await labels()] == [token[4:16]]
    assert (await send("acknowledge", routing_key=await give_key(Scope.INGEST))).status == 202
    assert [incident.status for incident in await incidents()] == ["triggered"], "another key is another source"
    assert (await send("acknowledge", routing_key=token)).status == 202
    assert [incident.status for incident in await incidents()] == ["acknowledged"]


@only("auth")
async def test_an_api_key_names_the_source_that_it_is_limited_to(home: Ports) -> None:
    assert (await send(routing_key=await give_key(Scope.INGEST, source="pagerduty/other"))).status == 202
    await home.queues.passed(5)
    assert [found["integration"] for found in await labels()] == ["other"]
    assert (await send(routing_key=await give_key(Scope.INGEST, source="zabbix/x"))).status == 403


@only("auth")
async def test_an_api_key_must_be_for_sending(home: Ports) -> None:
    assert (await send(routing_key=await give_key(Scope.READ))).status == 403


@only("auth")
async def test_the_routing_key_may_stand_in_a_header(home: Ports) -> None:
    headers = {"x-routing-key": await give_key(Scope.INGEST)}
    assert (await send(routing_key=None, headers=headers)).status == 202
    assert (await send(routing_key=None, headers={"x-routing-key": LISTED})).status == 202


@only("open")
async def test_without_auth_any_routing_key_is_a_source_of_its_own(home: Ports) -> None:
    for routing_key in ("one", "two", None):
        assert (await send(routing_key=routing_key)).status == 202
    await home.queues.passed(5)
    found = {labels["integration"] for labels in await labels()}
    assert len(found) == 3
    assert found >= {"default"}
    assert not found & {"one", "two"}, "a secret names nothing"


@only("auth")
async def test_no_key_is_kept(home: Ports) -> None:
    token = await give_key(Scope.INGEST)
    await send(routing_key=token)
    await home.queues.passed(5)
    assert token not in str(await labels())
    assert LISTED not in str(await home.groups.list_entries((await home.groups.list_heads())[0].id))


@only("auth")
async def test_who_sends_too_often_is_told_so(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_INGEST_BURST", "1")
    monkeypatch.setenv("TOCSIN_INGEST_PER_SECOND", "0.001")
    ports.cache_clear()
    assert [(await send()).status for _ in range(2)] == [202, 429]
    await ports().close()
