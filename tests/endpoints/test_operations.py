"""Running Tocsin over HTTP: health, configurations, the ledger, dead letters."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.errors import UnavailableError
from endpoints import health, operations
from tests.e2e.receiver import Receiver
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: team
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 200ms
receivers:
  - name: team
    webhook_configs:
      - url: {url}
"""

WRONG = "route:\n  receiver: teem\n  group_wait: 1x\nreceivers:\n  - name: team\n"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def tocsin(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("operations"), CONFIGURATION.format(url=receiver.url("/team"))) as tocsin:
        yield tocsin


def version(tocsin: Serving) -> str:
    return str(tocsin.get("/api/v1/configuration").json()["version"])


# --- health ---------------------------------------------------------------------------------------------------------


def test_it_is_healthy_and_ready(tocsin: Serving) -> None:
    for path in ("/-/healthy", "/-/ready"):
        answer = tocsin.get(path)
        assert (answer.status, answer.text) == (200, "OK")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def home(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    """What the handlers ask in this process, at a time of the test's own."""
    home = wire(Settings.read({"TOCSIN_DATA": str(tmp_path)}), clock)
    for module in (operations, health):
        monkeypatch.setattr(module, "ports", lambda: home)
    yield home
    await home.close()


def get(path: str = "/", **parameters: str) -> func.HttpRequest:
    return func.HttpRequest("GET", f"http://127.0.0.1{path}", body=b"", route_params=parameters)


async def test_it_is_not_ready_before_it_listens(home: Ports) -> None:
    with pytest.raises(UnavailableError, match="not listening yet"):
        await operations.check_ready(get())


async def test_it_is_not_ready_when_the_sweep_has_stopped(home: Ports, clock: Clock) -> None:
    await home.policy.heard(clock(), resumed=True)
    clock.now += timedelta(minutes=2)
    assert (await operations.check_ready(get())).status_code == 200
    clock.now += timedelta(minutes=2)
    with pytest.raises(UnavailableError, match="last heard of 4 minutes ago"):
        await operations.check_ready(get())


# --- configurations -------------------------------------------------------------------------------------------------


def test_a_pushed_configuration_is_in_force(tocsin: Serving, receiver: Receiver) -> None:
    before = version(tocsin)
    text = "# pushed\n" + CONFIGURATION.format(url=receiver.url("/team"))
    pushed = tocsin.request("POST", "/api/v1/configuration", text.encode())
    assert (pushed.status, list(pushed.json())) == (200, ["version"])
    shown = tocsin.get("/api/v1/configuration").json()
    assert shown["version"] == pushed.json()["version"] != before
    assert not shown["is_default"]
    assert [known["version"] for known in shown["versions"]][:2] == [shown["version"], before]
    assert shown["activated_at"] == shown["versions"][0]["activated_at"]
    assert "receiver" not in json.dumps(shown), "the text holds secrets"
    assert tocsin.post("/-/reload").status == 200
    assert version(tocsin) == before


def test_a_wrong_configuration_changes_nothing_and_names_every_fault(tocsin: Serving) -> None:
    before = version(tocsin)
    answer = tocsin.request("POST", "/api/v1/configuration", WRONG.encode())
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (422, "application/problem+json")
    faults = [(fault["line"], fault["key"]) for fault in answer.json()["problems"]]
    assert faults == [(2, "route.receiver"), (3, "route.group_wait")]
    assert 'undefined receiver "teem"' in answer.json()["detail"]
    assert version(tocsin) == before


def test_what_is_no_text_is_refused(tocsin: Serving) -> None:
    answer = tocsin.request("POST", "/api/v1/configuration", b"route: \xff")
    assert (answer.status, answer.json()["detail"]) == (
        400,
        "the configuration is not UTF-8: invalid start byte at byte 7",
    )


def test_a_changed_file_is_in_force_without_a_word(tocsin: Serving, receiver: Receiver) -> None:
    before = version(tocsin)
    good = CONFIGURATION.format(url=receiver.url("/team"))
    tocsin.configure(WRONG)
    eventually(lambda: "is not taken" in tocsin.output, "the complaint about the wrong file")
    assert "alertmanager.yml:2: route.receiver" in tocsin.output
    assert version(tocsin) == before
    refused = tocsin.post("/-/reload")
    assert (refused.status, len(refused.json()["problems"])) == (400, 2)
    tocsin.configure(f"# changed\n{good}")
    eventually(lambda: version(tocsin) != before, "the changed file to be in force")
    tocsin.configure(good)
    eventually(lambda: version(tocsin) == before, "the old file to be in force again")


def test_a_file_that_is_gone_changes_nothing(tocsin: Serving) -> None:
    before, good = version(tocsin), tocsin.configuration_file.read_text()
    tocsin.configuration_file.unlink()
    eventually(lambda: "cannot be read: No such file" in tocsin.output, "the complaint about the missing file")
    assert version(tocsin) == before
    tocsin.configure(f"# back\n{good}")
    eventually(lambda: version(tocsin) != before, "the new file to be in force")
    tocsin.configure(good)
    eventually(lambda: version(tocsin) == before, "the old file to be in force again")


def test_without_a_file_there_is_nothing_to_reload(tmp_path: Path) -> None:
    with Serving(tmp_path) as tocsin:
        assert tocsin.get("/api/v1/configuration").json() | {"version": ""} == {
            "version": "",
            "activated_at": None,
            "is_default": True,
            "versions": [],
        }
        answer = tocsin.post("/-/reload")
        assert answer.status == 400
        assert "tocsin config push" in answer.json()["detail"]


# --- the ledger -----------------------------------------------------------------------------------------------------


def test_the_ledger_balances(tocsin: Serving, receiver: Receiver) -> None:
    before = tocsin.get("/api/v1/ledger").json()
    began_at = datetime.now(UTC).isoformat()
    alerts = [
        {"labels": {"alertname": "Counted", "instance": f"db-{number}"}, "startsAt": began_at} for number in range(3)
    ]
    tocsin.post("/api/v2/alerts", alerts)
    tocsin.post("/api/v2/alerts", alerts)

    def settled() -> Any:
        now = tocsin.get("/api/v1/ledger").json()
        return now["delivered"] > before["delivered"] and now

    after = eventually(settled, "the delivery")
    assert after["balanced"]
    assert {name: after[name] - before[name] for name in after if name != "balanced"} == {
        "accepted": 3,
        "folded": 3,
        "parked": 0,
        "waiting": 0,
        "absorbed": 3,
        "due": 1,
        "delivered": 1,
        "failed": 0,
        "superseded": 0,
        "pending": 0,
    }


# --- dead letters ---------------------------------------------------------------------------------------------------


async def answer(handler: Any, request: func.HttpRequest) -> Any:
    return json.loads((await handler(request)).get_body())


@pytest.mark.parametrize(
    ("body", "encoding", "shown"),
    [
        pytest.param(b'{"a": [1]}', "json", {"a": [1]}, id="as the value it spells"),
        pytest.param(b"not JSON", "text", "not JSON", id="as text"),
        pytest.param(b"\xff\x00", "base64", "/wA=", id="as base64"),
        pytest.param(b"[" * 5000, "text", "[" * 5000, id="as text when nested too deeply to read"),
        pytest.param(b"[" * 500 + b"]" * 500, "text", "[" * 500 + "]" * 500, id="as text when too deep to show"),
    ],
)
async def test_a_dead_letter_shows_its_body(home: Ports, body: bytes, encoding: str, shown: Any) -> None:
    await home.queues.park("intake", body, "not alerts")
    (letter,) = (await answer(operations.list_dead_letters, get()))["dead_letters"]
    assert (letter["queue"], letter["kind"], letter["reason"]) == ("intake", "parked", "not alerts")
    assert letter["body_bytes"] == len(body)
    detail = await answer(operations.show_dead_letter, get(id=letter["id"]))
    assert (detail["body_encoding"], detail["body"]) == (encoding, shown)


async def test_the_newest_dead_letters_come_first(home: Ports) -> None:
    for number in range(3):
        await home.queues.park("intake", b"", f"reason {number}")
    request = func.HttpRequest("GET", "http://127.0.0.1/", params={"limit": "2"}, body=b"")
    letters = (await answer(operations.list_dead_letters, request))["dead_letters"]
    assert [letter["reason"] for letter in letters] == ["reason 2", "reason 1"]


def test_a_replayed_dead_letter_is_one_no_more(tocsin: Serving) -> None:
    assert tocsin.get("/api/v1/dead-letters").json() == {"dead_letters": [], "next": None}
    for path in ("/api/v1/dead-letters/7", "/api/v1/dead-letters/x%2F..%2Fy"):
        assert tocsin.get(path).status == 404
        assert tocsin.request("POST", f"{path}/replay").status == 404


async def test_replaying_names_the_queue(home: Ports) -> None:
    await home.queues.park("intake", b"[]", "not alerts")
    (letter,) = await home.queues.list_dead()
    assert await answer(operations.replay_dead_letter, get(id=letter.id)) == {"id": letter.id, "queue": "intake"}
    assert await home.queues.list_dead() == []
