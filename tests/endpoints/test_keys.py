"""API keys over HTTP, what the limits refuse, and what of all that the audit log tells."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.keyring import KEPT_SECONDS, Keyring
from adapters.wiring import Ports, ports
from domain.audit import Head, verify
from domain.errors import UnauthenticatedError, UnavailableError
from domain.principals import Principal, Scope
from endpoints import auditing
from endpoints.limits import within_time
from tests.endpoints.asking import ask, bearer, give_key


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_AUTH", "true")
    ports.cache_clear()
    yield ports()
    await auditing.fold_refused()
    await ports().close()
    ports.cache_clear()


@pytest_asyncio.fixture
async def admin(home: Ports) -> dict[str, str]:
    return bearer(await give_key(Scope.ADMIN))


async def made(admin: dict[str, str], *scopes: str, **wanted: Any) -> dict[str, Any]:
    answer = await ask("create_key", admin, body={"name": "prometheus", "scopes": scopes or ["read"], **wanted})
    assert answer.status == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


# --- keys -----------------------------------------------------------------------------------------------------------


async def test_a_new_key_may_what_it_was_made_for(admin: dict[str, str]) -> None:
    key = await made(admin, "read")
    assert (await ask("list_receivers", bearer(key["key"]))).status == 200
    assert (await ask("list_keys", bearer(key["key"]))).status == 403


async def test_its_secret_is_in_that_answer_only(admin: dict[str, str], home: Ports) -> None:
    key = await made(admin, "read", expires_at="2126-01-01T00:00:00Z")
    secret = key["key"][17:]
    listed = await ask("list_keys", admin)
    shown = await ask("show_key", admin, id=key["id"])
    assert shown.json() == {name: value for name, value in key.items() if name != "key"}
    audited = await ask("list_audit", admin)
    kept = repr(await home.keys.get_key(key["id"]))
    for text in (listed.text, shown.text, audited.text, kept):
        assert key["id"] in text
        assert secret not in text


async def test_they_are_listed_in_parts(admin: dict[str, str]) -> None:
    keys = [(await made(admin))["id"] for _ in range(4)]
    first = (await ask("list_keys", admin, query="limit=2")).json()
    assert [key["id"] for key in first["keys"]] == keys[:1:-1]
    await made(admin)  # what comes meanwhile moves nothing
    second = (await ask("list_keys", admin, query=f"limit=2&cursor={first['next']}")).json()
    assert [key["id"] for key in second["keys"]] == keys[1::-1]
    last = (await ask("list_keys", admin, query=f"limit=2&cursor={second['next']}")).json()
    assert [key["name"] for key in last["keys"]] == ["admin"]
    assert last["next"] is None


async def test_a_revoked_one_is_refused_at_once(admin: dict[str, str]) -> None:
    key = await made(admin)
    assert (await ask("list_receivers", bearer(key["key"]))).status == 200
    assert (await ask("revoke_key", admin, id=key["id"])).json()["status"] == "revoked"
    answer = await ask("list_receivers", bearer(key["key"]))
    assert answer.status == 401
    assert answer.json()["detail"] == "this API key is revoked"
    assert (await ask("revoke_key", admin, id=key["id"])).status == 200, "content if it is so already"


async def test_the_last_one_that_may_administer_stays(admin: dict[str, str], home: Ports) -> None:
    (mine,) = await home.keys.list_keys()
    assert (await ask("revoke_key", admin, id=mine.id)).status == 409
    other = await made(admin, "admin")
    assert (await ask("revoke_key", bearer(other["key"]), id=mine.id)).status == 200
    assert (await ask("revoke_key", bearer(other["key"]), id=other["id"])).status == 409


async def test_after_a_rotation_both_are_valid_for_a_while(admin: dict[str, str]) -> None:
    old = await made(admin, "read")
    new = (await ask("rotate_key", admin, id=old["id"], body={"overlap_seconds": 3600})).json()
    for key in (old, new):
        assert (await ask("list_receivers", bearer(key["key"]))).status == 200
    assert (await ask("show_key", admin, id=old["id"])).json()["successor"] == new["id"]
    assert (await ask("rotate_key", admin, id=old["id"])).status == 409
    newest = (await ask("rotate_key", admin, id=new["id"], body={"overlap_seconds": 0})).json()
    assert (await ask("list_receivers", bearer(new["key"]))).status == 401
    assert (await ask("list_receivers", bearer(newest["key"]))).status == 200


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes.0"),
        ({"source": "alertmanager"}, "source"),
        ({"expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2126-01-01T00:00:00"}, "expires_at"),
        ({"hash": "x"}, "hash"),
    ],
)
async def test_a_wrong_wish_names_its_field(admin: dict[str, str], wanted: dict[str, Any], field: str) -> None:
    answer = await ask("create_key", admin, body={"name": "x", "scopes": ["read"], **wanted})
    assert answer.status == 422
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("name", ["show_key", "rotate_key", "revoke_key"])
async def test_an_unknown_one_is_not_found(admin: dict[str, str], name: str) -> None:
    assert (await ask(name, admin, id="f" * 12)).status == 404


async def test_a_secret_is_not_kept_for_who_asks_twice(admin: dict[str, str], home: Ports) -> None:
    twice = admin | {"idempotency-key": "once"}
    wanted = {"name": "x", "scopes": ["read"]}
    assert (await ask("create_key", twice, body=wanted)).status == 201
    answer = await ask("create_key", twice, body=wanted)
    assert (answer.status, "shown only once" in answer.text) == (409, True)
    assert len(await home.keys.list_keys()) == 2


# --- the keyring ----------------------------------------------------------------------------------------------------


class Counting:
    """The key store, with a count of what is asked."""

    def __init__(self, home: Ports) -> None:
        self._keys = home.keys
        self.reads = 0
        self.notes = 0
        self.is_down = False

    async def get_key(self, key_id: str) -> Any:
        self.reads += 1
        if self.is_down:
            raise UnavailableError("down")
        return await self._keys.get_key(key_id)

    async def note_used(self, key_id: str, at: Any) -> None:
        self.notes += 1
        if self.is_down:
            raise UnavailableError("down")
        await self._keys.note_used(key_id, at)


async def test_the_store_is_asked_once_in_a_while(home: Ports) -> None:
    token = await give_key(Scope.READ)
    store, seconds = Counting(home), 0.0
    keyring = Keyring(store, lambda: home.keyring.pepper, home.clock, lambda: seconds)  # type: ignore[arg-type]
    for _ in range(100):
        assert isinstance(await keyring.prove(token), Principal)
    assert (store.reads, store.notes) == (1, 1)
    await home.keys.change_keys(lambda keys: [_revoked(keys[0], home)])
    await keyring.prove(token)
    seconds = KEPT_SECONDS
    with pytest.raises(UnauthenticatedError):
        await keyring.prove(token)


def _revoked(key: Any, home: Ports) -> Any:
    from dataclasses import replace

    return replace(key, revoked_at=home.clock())


async def test_a_use_that_cannot_be_noted_refuses_nobody(home: Ports) -> None:
    token = await give_key(Scope.READ)
    store = Counting(home)
    keyring = Keyring(store, lambda: home.keyring.pepper, home.clock)  # type: ignore[arg-type]
    store.is_down = True
    with pytest.raises(UnavailableError):
        await keyring.prove(token)
    store.is_down = False
    store.note_used = _down  # type: ignore[method-assign]
    assert (await keyring.prove(token)).name == "read"


async def _down(key_id: str, at: Any) -> None:
    raise UnavailableError("down")


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_who_asks_too_often_is_told_when_to_come_back(
    admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports().limits._other, "rate", type(ports().limits._other.rate)(0.1, 3))
    answers = [await ask("list_receivers", admin) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["retry-after"] == "10"
    assert (await ask("receive_alerts", admin, body=[])).status == 200, "alerts are counted apart"


async def test_who_guesses_is_held_back_before_anything_is_looked_up(home: Ports) -> None:
    key_id = (await give_key(Scope.ADMIN))[4:16]
    answers = [await ask("list_keys", bearer(f"toc_{key_id}_{number:043}")) for number in range(25)]
    assert [answer.status for answer in answers] == [401] * 20 + [429] * 5
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
    elsewhere = bearer(await give_key(Scope.READ))
    assert (await ask("list_receivers", elsewhere, address="192.0.2.77")).status == 200


async def test_the_same_wrong_key_again_and_again_locks_nobody_out(home: Ports) -> None:
    """A sender whose key was revoked goes on for days, from behind the gateway that everybody is behind."""
    wrong = bearer("toc_ffffffffffff_" + "a" * 43)
    assert {(await ask("list_keys", wrong)).status for _ in range(50)} == {401}
    assert (await ask("list_receivers", bearer(await give_key(Scope.READ)))).status == 200


async def test_an_address_of_ipv6_is_its_network(home: Ports) -> None:
    for number in range(20):
        await ask("list_keys", bearer(f"toc_{number:012x}_{'a' * 43}"), address=f"2001:db8::{number:x}")
    assert (await ask("list_keys", bearer("toc_ffffffffffff_" + "a" * 43), address="2001:db8::ff")).status == 429
    assert (await ask("list_keys", bearer("toc_ffffffffffff_" + "a" * 43), address="2001:db8:1::")).status == 401


async def test_a_request_that_takes_too_long_is_given_up(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_REQUEST_SECONDS", "0.05")
    ports.cache_clear()

    async def never(request: func.HttpRequest) -> func.HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def late(request: func.HttpRequest) -> func.HttpResponse:
        raise TimeoutError("one of the handler's own")

    request = func.HttpRequest("GET", "/", body=b"")
    with pytest.raises(UnavailableError, match="took too long"):
        await within_time(never)(request)
    with pytest.raises(TimeoutError, match="of the handler's own"):
        await within_time(late)(request)


# --- the audit log --------------------------------------------------------------------------------------------------


async def entries(admin: dict[str, str]) -> list[dict[str, Any]]:
    """All that was audited, the oldest first."""
    found: list[dict[str, Any]] = (await ask("list_audit", admin, query="limit=1000")).json()["entries"]
    return found[::-1]


async def test_every_change_is_told_with_who_and_whence(admin: dict[str, str], home: Ports) -> None:
    (mine,) = await home.keys.list_keys()
    key = await made(admin)
    await ask("revoke_key", admin | {"x-request-id": "the-second"}, id=key["id"], address="192.0.2.9")
    silence = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}],
        "startsAt": "2126-01-01T00:00:00Z",
        "endsAt": "2126-01-02T00:00:00Z",
        "createdBy": "ada",
        "comment": "none",
    }
    silence_id = (await ask("post_silence", admin, body=silence)).json()["silenceID"]
    told = await entries(admin)
    assert [(entry["action"], entry["target"], entry["target_id"], entry["outcome"]) for entry in told] == [
        ("create_key", "keys", key["id"], "201"),
        ("revoke_key", "keys", key["id"], "200"),
        ("post_silence", "silences", silence_id, "200"),
    ]
    assert {(entry["actor"], entry["actor_name"]) for entry in told} == {(f"key:{mine.id}", "admin")}
    assert [entry["address"] for entry in told] == ["192.0.2.1", "192.0.2.9", "192.0.2.1"]
    assert told[1]["request_id"] == "the-second"


async def test_what_changes_nothing_is_not_told(admin: dict[str, str]) -> None:
    await ask("list_keys", admin)
    await ask("receive_alerts", admin, body=[{"labels": {"alertname": "DiskFull"}}])
    assert (await ask("rotate_key", admin, id="f" * 12)).status == 404
    assert await entries(admin) == []


async def test_refused_ones_are_folded(admin: dict[str, str]) -> None:
    reader = bearer((await made(admin))["key"])
    for _ in range(10):
        await ask("create_key", reader, body={"name": "x", "scopes": ["admin"]})
    for number in range(15):
        await ask("list_keys", bearer(f"toc_{number:012x}_{'a' * 43}"), address="192.0.2.66")
    await ask("list_keys")  # who says nothing has guessed nothing
    await auditing.fold_refused()
    told = [
        (entry["action"], entry["actor_name"], entry["address"], entry["outcome"], entry["count"])
        for entry in (await entries(admin))[1:]
    ]
    assert told == [
        ("create_key", "prometheus", "192.0.2.1", "403", 1),
        ("list_keys", "", "192.0.2.66", "401", 1),
        ("create_key", "prometheus", "192.0.2.1", "403", 9),
        ("list_keys", "", "192.0.2.66", "401", 14),
    ]


async def test_a_flood_of_addresses_fills_no_store(home: Ports, admin: dict[str, str]) -> None:
    for number in range(500):
        await ask("list_keys", bearer(f"toc_{number:012x}_{'a' * 43}"), address=f"10.0.{number // 250}.{number % 250}")
    await auditing.fold_refused()
    told = [entry for entry in await entries(admin) if entry["action"] != "create_key"]
    assert len(told) <= auditing.MOST_ADDRESSES + 2
    assert sum(entry["count"] for entry in told) == 500
    assert told[-1]["address"] == "many addresses"


async def test_an_export_is_a_chain_that_can_be_verified(admin: dict[str, str], home: Ports) -> None:
    for _ in range(5):
        await made(admin)
    first = await ask("export_audit", admin, query="limit=3")
    assert first.headers.get("content-type", "") in ("", "application/x-ndjson")
    lines = first.text.splitlines()
    lines += (await ask("export_audit", admin, query=f"after={json.loads(lines[-1])['number']}")).text.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2, 3, 4, 5]
    assert (await ask("export_audit", admin, query="after=5")).text == ""
    stored = await home.audit.list_entries()
    assert isinstance(verify(stored), Head)
    assert json.loads(lines[-1])["hash"] == stored[-1].hash


async def test_it_is_listed_in_parts(admin: dict[str, str]) -> None:
    for _ in range(5):
        await made(admin)
    numbers, query = [], "limit=2"
    while True:
        page = (await ask("list_audit", admin, query=query)).json()
        numbers.append([entry["number"] for entry in page["entries"]])
        if page["next"] is None:
            break
        query = f"limit=2&cursor={page['next']}"
    assert numbers == [[5, 4], [3, 2], [1]]


async def test_a_change_that_cannot_be_audited_is_told_to_the_log(
    admin: dict[str, str], home: Ports, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(record: Any) -> Any:
        raise UnavailableError("the store is away")

    monkeypatch.setattr(home.audit, "append", fail)
    with caplog.at_level(logging.ERROR, "tocsin.audit"):
        key = await made(admin)
    assert "the audit log lacks an entry (the store is away)" in caplog.text
    assert key["id"] in caplog.text
    assert key["key"] not in caplog.text
