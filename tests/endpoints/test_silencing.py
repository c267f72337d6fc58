"""Silences under /api/v1, in this process on the memory home: made, changed, ended, previewed, and what they hid."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.settings import Settings
from adapters.wiring import Ports, ports, wire
from domain.alerts import Alert
from domain.groups import Event, Tick, Transaction
from domain.incidents import decide
from domain.looks import Triage
from domain.notifications import Delivery, Settled
from endpoints import silencing
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.contract.conftest import Clock
from tests.endpoints.asking import functions, routes

CONFIGURATION = """\
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers: [{name: team, webhook_configs: [{url: "http://127.0.0.1:9/"}]}]
"""


class Running:
    """The app's handlers over a home in memory, whose ticks and deliveries a test runs by its clock."""

    def __init__(self, home: Ports, clock: Clock) -> None:
        self.home = home
        self.clock = clock
        self.due: list[Tick] = []

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> func.HttpResponse:
        """Through the pipeline, as a request would."""
        place, _, query = path.partition("?")
        entry, found = next(
            (one, parts)
            for one in sorted(routes(), key=lambda one: "{" in one.path)
            if one.method == method and (parts := _parts(one.path, f"api/v1/{place}")) is not None
        )
        request = func.HttpRequest(
            method,
            f"http://127.0.0.1/api/v1/{path}",
            headers={"Content-Type": "application/json"}
            | {name.replace("_", "-"): text for name, text in headers.items()},
            params=dict(pair.split("=") for pair in query.split("&") if pair),
            route_params=found,
            body=b"" if body is None else json.dumps(body).encode(),
        )
        response: func.HttpResponse = await functions()[entry.name](request=request)
        return response

    async def json(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        response = await self.ask(method, path, body)
        assert response.status_code == status, response.get_body()
        return json.loads(response.get_body())

    async def silence(self, *matchers: str, **more: Any) -> Any:
        wanted = {"matchers": list(matchers), "duration": "1h", "created_by": "ada", **more}
        return await self.json("POST", "silences", wanted, status=201)

    async def report(self, *alerts: Alert) -> None:
        situation = await self.home.configurations.gather()
        for message in self.home.door.route(alerts, situation):
            await self._fold(list(message.events))

    async def run(self, until: timedelta) -> None:
        """Let the time pass, with everything that falls due."""
        end = self.clock() + until
        while due := [tick for tick in self.due if tick.due_at <= end]:
            tick = min(due, key=lambda one: one.due_at)
            self.due.remove(tick)
            self.clock.now = max(self.clock.now, tick.due_at)
            await self._fold([tick])
        self.clock.now = end

    async def _fold(self, events: Sequence[Event]) -> None:
        situation = await self.home.configurations.gather()
        for event in events:
            rule = partial(decide, event=event, situation=situation, now=self.clock())
            left = await self.home.groups.transact([Transaction(event.group_id, rule, event.names)])
            await self.home.groups.clear_outbox(left)
            for outgone in left:
                match outgone.outgoing:
                    case Tick() as tick:
                        self.due.append(tick)
                    case Delivery() as sent:
                        settled = Settled(sent.group_id, sent.id, sent.integration, True, self.clock(), "200 OK")
                        await self._fold([settled])
                    case Triage():
                        pass
                    case _:
                        raise AssertionError(outgone)


def _parts(path: str, asked: str) -> Mapping[str, str] | None:
    names, values = path.split("/"), asked.split("/")
    if len(names) != len(values):
        return None
    pairs = list(zip(names, values, strict=True))
    if any(name != given for name, given in pairs if not name.startswith("{")):
        return None
    return {name[1:-1]: given for name, given in pairs if name.startswith("{")}


@pytest_asyncio.fixture
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    clock = Clock()
    home = wire(Settings.read({"TOCSIN_HOME": "memory"}), clock)
    monkeypatch.setattr("adapters.wiring.wire", lambda *_: home)
    ports.cache_clear()
    await home.policy.heard(clock(), resumed=True)
    await home.configurations.push(CONFIGURATION, name="alertmanager.yml")
    yield Running(home, clock)
    ports.cache_clear()
    await home.close()


def firing(running: Running, *instances: str, name: str = "DiskFull") -> list[Alert]:
    return [alert(at=running.clock(), lease=9 * HOUR, alertname=name, instance=instance) for instance in instances]


# --- making and ending them -----------------------------------------------------------------------------------------


async def test_one_is_made_shown_changed_and_ended(running: Running) -> None:
    made = await running.silence('alertname="DiskFull"', 'instance=~"db.*"', comment="replaced")
    assert (made["state"], made["created_by"], made["ends_at"]) == ("active", "ada", "2026-11-22T13:00:00Z")
    assert made["matchers"] == ['alertname="DiskFull"', 'instance=~"db.*"']
    assert await running.json("GET", f"silences/{made['id']}") == made
    longer = {"id": made["id"], "matchers": made["matchers"], "duration": "2h", "comment": "longer"}
    longer |= {"starts_at": made["starts_at"]}
    changed = await running.json("POST", "silences", longer)
    assert (changed["id"], changed["ends_at"]) == (made["id"], "2026-11-22T14:00:00Z")
    assert changed["created_by"] == "local", "whoever asks"
    running.clock.advance(MINUTE)
    ended = await running.json("DELETE", f"silences/{made['id']}")
    assert (ended["state"], ended["ends_at"]) == ("expired", "2026-11-22T12:01:00Z")
    assert await running.json("DELETE", f"silences/{made['id']}") == ended


async def test_a_change_of_history_makes_another(running: Running) -> None:
    made = await running.silence("a=b")
    other = {"id": made["id"], "matchers": ["a=c"], "duration": "1h"}
    changed = await running.json("POST", "silences", other, status=201)
    assert changed["id"] != made["id"]
    assert (await running.json("GET", f"silences/{made['id']}"))["state"] == "expired"


async def test_the_answer_says_where_it_is(running: Running) -> None:
    made = await running.ask("POST", "silences", {"matchers": ["a=b"], "duration": "1h"})
    assert made.headers["Location"] == f"/api/v1/silences/{json.loads(made.get_body())['id']}"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        pytest.param({"matchers": []}, "matchers", id="without matchers"),
        pytest.param({"matchers": ["a=b", "a"]}, "matchers.1", id="a matcher that is none"),
        pytest.param({"matchers": ["a=b"] * 101}, "matchers", id="too many"),
        pytest.param({"matchers": [f"a={'x' * 10_001}"]}, "matchers.0", id="one that is too long"),
        pytest.param({"duration": "soon"}, "duration", id="a duration that is none"),
        pytest.param({"duration": None}, "ends_at", id="without an end"),
        pytest.param({"ends_at": "2026-11-23T00:00:00Z"}, "ends_at", id="with two"),
        pytest.param({"duration": None, "ends_at": "2026-11-23T00:00:00"}, "ends_at", id="an end somewhere"),
        pytest.param({"starts_at": "9999-12-31T23:59:59-14:00"}, "starts_at", id="a start that UTC has not"),
        pytest.param({"starts_at": "9999-12-31T23:59:59Z"}, "duration", id="an end behind all times"),
        pytest.param({"who": "me"}, "who", id="what nobody knows"),
        pytest.param({"matchers": ["a!=b"]}, None, id="of nearly everything"),
        pytest.param({"matchers": ['a=""']}, None, id="of what is not there"),
        pytest.param({"duration": None, "ends_at": "2020-01-01T00:00:00Z"}, None, id="that is over"),
    ],
)
async def test_what_is_wrong_is_named(running: Running, wanted: dict[str, Any], field: str | None) -> None:
    answer = await running.json("POST", "silences", {"matchers": ["a=b"], "duration": "1h", **wanted}, status=422)
    assert [error["field"] for error in answer.get("errors", [])] == ([field] if field else [])
    assert not await running.home.silences.list_silences()


async def test_one_of_nearly_everything_is_confirmed(running: Running) -> None:
    await running.silence("a!=b", confirm=True)


async def test_there_is_none_of_that_id(running: Running) -> None:
    for method, path in (("GET", "silences/x"), ("DELETE", "silences/x"), ("GET", "silences/x/digest")):
        assert (await running.ask(method, path)).status_code == 404
    wanted = {"id": "x", "matchers": ["a=b"], "duration": "1h"}
    assert (await running.ask("POST", "silences", wanted)).status_code == 404


async def test_what_has_changed_meanwhile_is_not_changed_again(running: Running) -> None:
    made = await running.silence("a=b")
    path = f"silences/{made['id']}"
    tag = (await running.ask("GET", path)).headers["ETag"]
    assert (await running.ask("GET", path, if_none_match=tag)).status_code == 304
    longer = {"id": made["id"], "matchers": ["a=b"], "duration": "2h", "starts_at": made["starts_at"]}
    assert (await running.ask("POST", "silences", longer, if_match='"another"')).status_code == 412
    assert (await running.ask("POST", "silences", longer, if_match=tag)).status_code == 200
    assert (await running.ask("DELETE", path, if_match=tag)).status_code == 412
    assert (await running.json("GET", path))["state"] == "active"


async def test_the_latest_to_begin_come_first_in_parts(running: Running) -> None:
    ids = []
    for number in range(5):
        ids.append((await running.silence(f"a={number}"))["id"])
        running.clock.advance(SECOND)
    await running.json("DELETE", f"silences/{ids[0]}")
    found, cursor = [], ""
    while True:
        part = await running.json("GET", f"silences?limit=2{cursor}")
        found += [one["id"] for one in part["silences"]]
        if part["next"] is None:
            break
        cursor = f"&cursor={part['next']}"
        await running.silence("later=x", starts_at="2026-11-22T12:30:00Z")  # which is no news to what follows
    assert found == ids[::-1]
    assert len((await running.json("GET", "silences?state=expired"))["silences"]) == 1


# --- what they hide -------------------------------------------------------------------------------------------------


async def test_a_preview_tells_what_is_live_and_what_was_sent(running: Running) -> None:
    await running.report(*firing(running, "db", "web"), *firing(running, "db", name="Slow"))
    await running.run(MINUTE)
    told = await running.json("POST", "silences/preview", {"matchers": ["instance=db"]})
    assert [one["labels"]["alertname"] for one in told["alerts"]] == ["DiskFull", "Slow"]
    assert (told["alerts_muted"], told["groups_wholly"], told["groups_partly"]) == (2, 1, 1)
    assert {page["title"]: page["muted"] for page in told["pages"]} == {"DiskFull": "partly", "Slow": "wholly"}
    assert (told["receivers"], told["pages_wholly"], told["pages_partly"]) == (["team"], 1, 1)
    assert not told["is_cut"]
    now = await running.json("POST", "silences/preview", {"matchers": ["instance=db"], "days": 0})
    assert (now["alerts_muted"], now["pages"]) == (2, [])
    none = await running.json("POST", "silences/preview", {"matchers": ["alertname=Other"]})
    assert (none["alerts"], none["pages"], none["receivers"]) == ([], [], [])
    assert (await running.ask("POST", "silences/preview", {"matchers": ["a"]})).status_code == 422


async def test_a_preview_forgets_what_is_a_week_old(running: Running) -> None:
    await running.report(*firing(running, "db"))
    await running.run(MINUTE)
    await running.report(alert("resolved", at=running.clock(), instance="db"))
    await running.run(6 * 24 * HOUR)
    assert (await running.json("POST", "silences/preview", {"matchers": ["instance=db"]}))["pages_wholly"] == 1
    await running.run(2 * 24 * HOUR)
    assert (await running.json("POST", "silences/preview", {"matchers": ["instance=db"]}))["pages_wholly"] == 0


async def test_a_digest_tells_what_was_hidden(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    made = await running.silence("alertname=DiskFull")
    other = await running.silence("alertname=Nothing")
    await running.report(*firing(running, "db", "web"), *firing(running, "db", name="Slow"))
    await running.run(2 * MINUTE)
    await running.report(*firing(running, "api"))
    await running.run(2 * MINUTE)
    told = await running.json("GET", f"silences/{made['id']}/digest")
    assert (told["alerts"], told["pages_withheld"], told["still_firing"]) == (3, 2, 3)
    (hidden,) = told["incidents"]
    assert (hidden["title"], hidden["alerts"], hidden["is_over"]) == ("DiskFull", 3, False)
    assert told["silence"] == made
    nothing = await running.json("GET", f"silences/{other['id']}/digest")
    assert (nothing["alerts"], nothing["incidents"], nothing["pages_withheld"]) == (0, [], 0)
    await running.run(HOUR)
    with caplog.at_level(logging.INFO, "tocsin.silences"):
        await silencing.log_ended(NOON, running.clock())
        await silencing.log_ended(running.clock(), running.clock() + HOUR)
    (line,) = caplog.messages
    assert line == (
        f"silence {made['id']} of ada ended: it muted 3 alerts of 1 incidents and withheld 2 pages; 3 still fire"
    )
