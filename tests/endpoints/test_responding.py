"""What people do about an incident over HTTP: asked of the functions themselves, in the home in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import azure.functions as func
import pytest

import function_app
from adapters.wiring import Ports
from devhost.index import Function, index
from domain.groups import Incident, ReasonCode, Tick
from domain.principals import Principal, Scope
from endpoints.authentication import acting
from tests.builders import HOUR, MINUTE, NOON, alert
from tests.contract.conftest import Clock
from tests.endpoints.in_memory import in_memory

CONFIGURATION = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 10m}
receivers: [{name: nobody}]
"""

FUNCTIONS = {
    "acknowledge": "acknowledge_incident",
    "unacknowledge": "unacknowledge_incident",
    "snooze": "snooze_incident",
    "unsnooze": "unsnooze_incident",
    "resolve": "resolve_incident",
    "reopen": "reopen_incident",
    "assign": "assign_incident",
    "severity": "change_severity",
    "notes": "add_note",
}
OURS = {"origin": "http://localhost:7071", "sec-fetch-site": "same-origin"}


def at(hours: int) -> str:
    """So many hours after the clock's time, as answers show it."""
    return (NOON + hours * HOUR).isoformat().replace("+00:00", "Z")


class Answered:
    def __init__(self, response: func.HttpResponse) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.get_body().decode()

    def json(self) -> Any:
        return json.loads(self.text)


class Tocsin:
    """The app's functions on a clock that stands; nobody is told."""

    def __init__(self, home: Ports, clock: Clock) -> None:
        self.home = home
        self.clock = clock
        self.functions: dict[str, Function] = {function.name: function for function in index(function_app.app)}

    async def ask(
        self,
        function: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        **route: str,
    ) -> Answered:
        request = func.HttpRequest(
            method="POST" if function in (*FUNCTIONS.values(), "press_button") else "GET",
            url=f"http://localhost:7071/{path}",
            headers={"host": "localhost:7071", "content-type": "application/json", **(headers or {})},
            params=query or {},
            route_params=route,
            body=body,
        )
        return Answered(await self.functions[function].call(request=request))

    async def do(self, action: str, incident: Incident | str, body: Any = None, **headers: str) -> Answered:
        id = incident if isinstance(incident, str) else incident.id
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(FUNCTIONS[action], f"api/v1/incidents/{id}/{action}", content, given, id=id)

    async def press(
        self, action: str, incident: Incident, headers: dict[str, str] | None = None, **form: str
    ) -> Answered:
        given = {"content-type": "application/x-www-form-urlencoded", **(OURS if headers is None else headers)}
        path = f"incidents/{incident.id}/{action}"
        return await self.ask("press_button", path, urlencode(form).encode(), given, id=incident.id, action=action)

    async def show(self, incident: Incident) -> Answered:
        return await self.ask("show_incident", f"api/v1/incidents/{incident.id}", id=incident.id)

    async def page(self, incident: Incident) -> str:
        return (await self.ask("show_incident_page", f"incidents/{incident.id}", id=incident.id)).text

    async def listed(self, **query: str) -> list[str]:
        answer = (await self.ask("list_incidents", "api/v1/incidents", query=query)).json()
        return [incident["title"] for incident in answer["incidents"]]

    async def fire(self, *, ended: bool = False, **labels: str) -> Incident:
        now = self.clock()
        told: dict[str, Any] = {**labels, "starts_at": NOON, "ends_at": now if ended else now + 240 * HOUR}
        report = alert(at=now, **told)
        situation = await self.home.configurations.gather()
        for message in self.home.door.admit([report], situation).messages:
            await function_app._fold(message.events, situation)
        return (await self.home.groups.list_incidents(limit=1))[0]

    async def end(self, incident: Incident, **labels: str) -> None:
        """The alert ends, and the group looks at that."""
        await self.fire(ended=True, **labels)
        self.clock.advance(5 * MINUTE)
        await function_app._fold([Tick(incident.group_id, self.clock())], await self.home.configurations.gather())
        assert (await self.home.groups.get_incident(incident.id)).resolved_at is not None


@pytest.fixture
async def tocsin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tocsin]:
    async with in_memory(monkeypatch, CONFIGURATION) as (home, clock):
        yield Tocsin(home, clock)


async def test_a_life(tocsin: Tocsin) -> None:
    incident = await tocsin.fire(severity="warning")
    (before,) = (await tocsin.ask("list_incidents", "api/v1/incidents")).json()["incidents"]
    assert (before["status"], before["severity"], before["assignee"]) == ("triggered", "warning", None)

    answer = await tocsin.do("acknowledge", incident, {"duration": "2h", "reason": "looking"})
    assert answer.status == 200
    now = answer.json()
    assert (now["status"], now["acknowledged_by"]) == ("acknowledged", "local")
    assert (now["acknowledged_at"], now["acknowledged_until"]) == (at(0), at(2))

    await tocsin.do("assign", incident, {"assignee": "ada"})
    await tocsin.do("severity", incident, {"severity": "critical"})
    now = (await tocsin.do("snooze", incident, {"until": at(1)})).json()
    assert (now["status"], now["assignee"], now["severity"]) == ("acknowledged", "ada", "critical")
    assert (now["snoozed_until"], now["snoozed_by"]) == (at(1), "local")

    await tocsin.do("unsnooze", incident)
    now = (await tocsin.do("resolve", incident, {"reason": "noise"})).json()
    assert (now["status"], now["is_over"], now["resolved_by"]) == ("resolved", False, "local")
    assert (now["acknowledged_by"], now["snoozed_until"]) == (None, None)
    assert (await tocsin.do("reopen", incident)).json()["status"] == "triggered"
    await tocsin.do("notes", incident, {"note": "it was the fan"})

    timeline = (await tocsin.show(incident)).json()["timeline"]
    said = [(entry["actor"], entry["action"], entry["reason"]) for entry in timeline if entry["event"] == "response"]
    assert said == [
        ("local", "acknowledge", "looking"),
        ("local", "assign", None),
        ("local", "severity", None),
        ("local", "snooze", None),
        ("local", "unsnooze", None),
        ("local", "resolve", "noise"),
        ("local", "reopen", None),
        ("local", "note", "it was the fan"),
    ]
    assert timeline[1]["words"].startswith("local acknowledged it, until 14:00:00 at the latest: looking")


@pytest.mark.parametrize(
    ("action", "body", "status", "words"),
    [
        pytest.param("snooze", None, 422, "say until when", id="a snooze without an end"),
        pytest.param("snooze", {"until": at(0)}, 422, "in the future", id="until now"),
        pytest.param("snooze", {"until": at(1).rstrip("Z")}, 422, "timezone", id="an instant of no zone"),
        pytest.param("snooze", {"duration": "91d"}, 422, "at most 90 days", id="a snooze that never ends"),
        pytest.param("snooze", {"duration": "1x"}, 422, "not a valid duration", id="no duration"),
        pytest.param("snooze", {"duration": "0s"}, 422, "longer than nothing", id="no time at all"),
        pytest.param("acknowledge", {"duration": "300y"}, 422, "duration", id="for ever and a day"),
        pytest.param("acknowledge", {"duration": "1h", "until": at(1)}, 422, "one of them", id="both"),
        pytest.param("acknowledge", {"forever": True}, 422, "forever", id="what is not known"),
        pytest.param("acknowledge", b"{", 400, "no JSON", id="no JSON"),
        pytest.param("resolve", {"reason": "x" * 1001}, 422, "reason", id="too much said"),
        pytest.param("assign", {}, 422, "assignee", id="to whom?"),
        pytest.param("severity", {"severity": 3}, 422, "severity", id="a number"),
        pytest.param("notes", {"note": ""}, 422, "note", id="an empty note"),
        pytest.param("unacknowledge", None, 409, "nobody has acknowledged it", id="nothing to take back"),
        pytest.param("unsnooze", None, 409, "it is not snoozed", id="not snoozed"),
        pytest.param("reopen", None, 409, "it is not resolved", id="not resolved"),
    ],
)
async def test_what_is_refused(tocsin: Tocsin, action: str, body: Any, status: int, words: str) -> None:
    incident = await tocsin.fire()
    answer = await tocsin.do(action, incident, body)
    assert answer.status == status, answer.text
    assert words in answer.json()["detail"]
    assert (await tocsin.home.groups.get_incident(incident.id)).response is None


@pytest.mark.parametrize("action", FUNCTIONS)
async def test_of_no_incident(tocsin: Tocsin, action: str) -> None:
    bodies = {
        "snooze": {"duration": "1h"},
        "assign": {"assignee": "ada"},
        "severity": {"severity": "x"},
        "notes": {"note": "x"},
    }
    incident = await tocsin.fire()
    for id in ("nothing", f"{incident.group_id}-7"):
        assert (await tocsin.do(action, id, bodies.get(action))).status == 404


async def test_one_that_is_over_takes_notes_only(tocsin: Tocsin) -> None:
    first = await tocsin.fire()
    await tocsin.do("acknowledge", first)
    await tocsin.end(first)
    second = await tocsin.fire()
    answer = await tocsin.do("acknowledge", first)
    assert (answer.status, "it is over" in answer.json()["detail"]) == (409, True)
    noted = await tocsin.do("notes", first, {"note": "the fan"})
    assert (noted.status, noted.json()["id"], noted.json()["status"]) == (200, first.id, "resolved")
    shown = (await tocsin.show(first)).json()
    assert (shown["is_over"], shown["acknowledged_by"]) == (True, "local"), "as it was at its end"
    assert shown["timeline"][0]["event"] == "received"
    assert shown["timeline"][-1]["words"] == "local noted: the fan"
    other = (await tocsin.show(second)).json()
    assert (other["status"], other["acknowledged_by"]) == ("triggered", None)
    assert "response" not in [entry["event"] for entry in other["timeline"]]


async def test_the_same_request_again_does_it_once(tocsin: Tocsin) -> None:
    incident = await tocsin.fire()
    first = await tocsin.do("notes", incident, {"note": "x"}, idempotency_key="k")
    # As if the answer to the first had never been remembered.
    again = await _respond_directly(incident, f"{acting.get().id} k")
    assert (first.status, again.id) == (200, incident.id)
    entries = await tocsin.home.groups.list_entries(incident.group_id)
    assert sum(entry.responded is not None for entry in entries) == 1


async def _respond_directly(incident: Incident, id: str) -> Incident:
    from endpoints.responding import respond

    return await respond(incident.id, "note", id=id, reason="x")


async def test_if_match(tocsin: Tocsin) -> None:
    incident = await tocsin.fire()
    tag = (await tocsin.show(incident)).headers["ETag"]
    assert (await tocsin.do("acknowledge", incident, if_match='"another"')).status == 412
    assert (await tocsin.do("acknowledge", incident, if_match=tag)).status == 200
    assert (await tocsin.do("unacknowledge", incident, if_match=tag)).status == 412
    assert (await tocsin.do("unacknowledge", incident, if_match="*")).status == 200


async def test_lists_know_every_status(tocsin: Tocsin) -> None:
    for name in ("New", "Known", "Asleep", "Done"):
        tocsin.clock.advance(MINUTE)
        incident = await tocsin.fire(alertname=name)
        if name == "Known":
            await tocsin.do("acknowledge", incident)
        if name == "Asleep":
            await tocsin.do("snooze", incident, {"duration": "1h"})
        if name == "Done":
            await tocsin.do("resolve", incident)
    assert await tocsin.listed(status="triggered") == ["Asleep", "New"]
    assert await tocsin.listed(status="triggered", snoozed="false") == ["New"]
    assert await tocsin.listed(snoozed="true") == ["Asleep"]
    assert await tocsin.listed(status="acknowledged") == ["Known"]
    assert await tocsin.listed(status="resolved") == ["Done"]
    assert await tocsin.listed() == ["Done", "Asleep", "Known", "New"]


async def test_who_asks_is_who_did_it(tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch) -> None:
    async def authenticate(request: func.HttpRequest) -> Principal:
        return Principal("key:1", "ada's key", frozenset({Scope.RESPOND}))

    incident = await tocsin.fire()
    monkeypatch.setattr("endpoints.authentication.authenticate", authenticate)
    assert (await tocsin.do("acknowledge", incident)).json()["acknowledged_by"] == "ada's key"
    (entry,) = [entry for entry in await tocsin.home.groups.list_entries(incident.group_id) if entry.responded]
    assert entry.responded is not None
    assert (entry.responded.actor, entry.responded.actor_id) == ("ada's key", "key:1")
    assert [reason.code for reason in entry.reasons] == [ReasonCode.RESPONDED]


# --- the page -------------------------------------------------------------------------------------------------------


async def test_the_page_has_the_buttons_that_do_something(tocsin: Tocsin) -> None:
    incident = await tocsin.fire()

    async def buttons() -> set[str]:
        html = await tocsin.page(incident)
        return {name for name in FUNCTIONS if f'action="../incidents/{incident.id}/{name}"' in html}

    assert await buttons() == {"acknowledge", "snooze", "resolve", "notes"}
    pressed = await tocsin.press("acknowledge", incident, reason="<b>looking</b>", duration="1h")
    assert (pressed.status, pressed.headers["Location"]) == (303, f"../{incident.id}")
    assert await buttons() == {"unacknowledge", "snooze", "resolve", "notes"}
    html = await tocsin.page(incident)
    assert "acknowledged</span>, for 0 s by local, until 13:00:00" in html
    assert "&lt;b&gt;looking&lt;/b&gt;" in html
    await tocsin.press("snooze", incident, duration="1d")
    assert await buttons() == {"unacknowledge", "unsnooze", "resolve", "notes"}
    await tocsin.press("resolve", incident)
    assert await buttons() == {"reopen", "notes"}
    assert (await tocsin.press("reopen", incident)).status == 303
    await tocsin.end(incident)
    assert await buttons() == {"notes"}
    assert (await tocsin.press("notes", incident, reason="the fan")).status == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(OURS, 303, id="our own page"),
        pytest.param({"origin": "http://localhost:7071"}, 303, id="a browser that says its origin only"),
        pytest.param({"sec-fetch-site": "same-origin"}, 303, id="a browser that says where it was only"),
        pytest.param({}, 403, id="no browser at all"),
        pytest.param({"origin": "http://evil.example"}, 403, id="another site"),
        pytest.param({"origin": "null"}, 403, id="a site that hides"),
        pytest.param({"origin": "http://localhost:7071", "sec-fetch-site": "cross-site"}, 403, id="contradictory"),
        pytest.param({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 403, id="forged in part"),
        pytest.param({"sec-fetch-site": "same-site"}, 403, id="a neighbour of the same domain"),
        pytest.param({"origin": "http://localhost:7072", "sec-fetch-site": "same-site"}, 403, id="another port"),
        pytest.param({"sec-fetch-site": "none"}, 403, id="no page"),
    ],
)
async def test_only_our_own_page_presses_buttons(tocsin: Tocsin, headers: dict[str, str], status: int) -> None:
    incident = await tocsin.fire()
    assert (await tocsin.press("acknowledge", incident, headers)).status == status
    is_done = (await tocsin.home.groups.get_incident(incident.id)).response is not None
    assert is_done == (status == 303)


@pytest.mark.parametrize(
    ("action", "form", "status"),
    [
        pytest.param("explode", {}, 404, id="no such button"),
        pytest.param("assign", {}, 404, id="one of the API alone"),
        pytest.param("snooze", {}, 400, id="for how long?"),
        pytest.param("snooze", {"duration": "x"}, 400, id="no duration"),
        pytest.param("notes", {"reason": " "}, 400, id="an empty note"),
        pytest.param("notes", {"reason": "x" * 10_001}, 400, id="a book"),
        pytest.param("unacknowledge", {}, 409, id="as it is now it cannot be done"),
    ],
)
async def test_buttons_that_cannot_be_pressed(tocsin: Tocsin, action: str, form: dict[str, str], status: int) -> None:
    incident = await tocsin.fire()
    answer = await tocsin.press(action, incident, None, **form)
    assert answer.status == status
    if status == 409:
        assert "nobody has acknowledged it" in answer.text
        assert f'<a href="../{incident.id}">' in answer.text
