"""The handlers of Alertmanager's API, called as plain functions on a store of their own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.wiring import Ports, ports
from domain.errors import NotFoundError, RejectedError, UnavailableError
from domain.groups import Transaction
from domain.incidents import decide
from domain.labels import Matcher, MatchType
from domain.sources.alertmanager_api import read_alerts
from endpoints import ingest, pipeline
from endpoints.alertmanager import gather_standing

CONFIGURATION = """\
# hunter2
route:
  receiver: default
  group_by: [alertname]
  routes:
    - matchers: [team="db"]
      receiver: dba
receivers:
  - name: default
  - name: dba
    labels: {owner: dba}
    webhook_configs: [{url: "http://127.0.0.1:9/hunter2"}]
"""

JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    """The ports of a process that has just started."""
    monkeypatch.setenv("TOCSIN_HOME", "sqlite")
    monkeypatch.setenv("TOCSIN_DATA", str(tmp_path))
    ports.cache_clear()
    home = ports()
    await home.policy.heard(home.clock(), resumed=True)
    await home.configurations.push(CONFIGURATION, name="alertmanager.yml")
    yield home
    await home.close()
    ports.cache_clear()


async def fold(home: Ports, *posted: Mapping[str, Any]) -> None:
    """What becomes of posted alerts once the queue is empty again."""
    situation = await home.configurations.gather()
    now = home.door.receive(home.clock())
    reading = read_alerts(json.dumps(posted).encode(), now, situation.configuration.resolve_timeout)
    events = [event for message in home.door.admit(reading.alerts, situation).messages for event in message.events]
    await home.groups.transact(
        [
            Transaction(event.group_id, partial(decide, event=event, situation=situation, now=now), event.names)
            for event in events
        ]
    )


def request(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> func.HttpRequest:
    return func.HttpRequest(method=method, url=f"http://127.0.0.1:7071{path}", headers=headers or {}, body=body)


async def get(path: str) -> tuple[int, Any]:
    """The answer of the handler of this path, as the pipeline gives it."""
    route = path.partition("?")[0].strip("/")
    (handler,) = [entry.handler for entry in pipeline.registry if (entry.method, entry.path) == ("GET", route)]
    asked = request("GET", path)
    try:
        response = await handler(asked)
    except Exception as error:  # noqa: BLE001 - as the pipeline does
        response = pipeline.answer(asked, error)
    assert response.mimetype == "application/json"
    return response.status_code, json.loads(response.get_body())


async def test_alerts_are_shown_with_alertmanagers_fields(home: Ports) -> None:
    await fold(
        home,
        {
            "labels": {"alertname": "DiskFull", "team": "db"},
            "annotations": {"summary": "full"},
            "startsAt": "2020-01-01T00:00:00.5+02:00",
            "endsAt": "2099-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph",
        },
    )
    status, (shown,) = await get("/api/v2/alerts")
    assert status == 200
    assert abs(datetime.fromisoformat(shown.pop("updatedAt")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert shown == {
        "annotations": {"summary": "full"},
        "endsAt": "2099-01-01T00:00:00.000Z",
        "fingerprint": shown["fingerprint"],
        "receivers": [{"labels": {"name": "dba", "owner": "dba"}, "name": "dba"}],
        "startsAt": "2020-01-01T00:00:00.500+02:00",
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
        "generatorURL": "http://prometheus/graph",
        "labels": {"alertname": "DiskFull", "team": "db"},
    }
    status, (group,) = await get("/api/v2/alerts/groups")
    assert status == 200
    assert [one["labels"] for one in group.pop("alerts")] == [shown["labels"]]
    assert group == {
        "labels": {"alertname": "DiskFull"},
        "receiver": {"labels": {"name": "dba", "owner": "dba"}, "name": "dba"},
        "routeLabels": {},
    }


async def test_many_groups_are_read_page_by_page(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home.groups, "list_heads", partial(home.groups.list_heads, limit=2))
    await fold(home, *[{"labels": {"alertname": f"a{number}"}} for number in range(5)])
    _, shown = await get("/api/v2/alerts")
    assert len(shown) == 5


async def test_only_the_groups_that_can_hold_what_is_asked_for_are_read(home: Ports) -> None:
    await fold(home, *[{"labels": {"alertname": f"a{number}", "team": "x"}} for number in range(5)])
    standing = await gather_standing((Matcher("alertname", MatchType.EQUAL, "a3"),))
    assert [member.alert.labels["alertname"] for _, member in standing.copies] == ["a3"]
    for path, count in (("alerts", 1), ("alerts/groups", 1)):
        assert len((await get(f"/api/v2/{path}?filter=alertname%3Da3"))[1]) == count
        assert len((await get(f"/api/v2/{path}?filter=team%3Dx"))[1]) == 5
        assert await get(f"/api/v2/{path}?filter=alertname%3Dnone") == (200, [])


async def test_a_resolved_alert_that_was_never_seen_is_not_shown(home: Ports) -> None:
    await fold(home, {"labels": {"alertname": "Over"}, "endsAt": "2020-01-01T00:00:00Z"})
    assert await get("/api/v2/alerts") == (200, [])
    assert await get("/api/v2/alerts/groups") == (200, [])


async def test_an_answer_waits_for_what_was_acknowledged_but_not_for_ever(home: Ports) -> None:
    alerts = json.dumps([{"labels": {"alertname": "Late"}}]).encode()
    await ingest.receive_alerts(request("POST", "/api/v2/alerts", alerts, JSON))
    began = asyncio.get_running_loop().time()
    assert await get("/api/v2/alerts") == (200, [])
    assert 0.9 <= asyncio.get_running_loop().time() - began < 5


async def test_repeated_parameters_are_told_apart_though_matchers_hold_commas(home: Ports) -> None:
    await fold(home, {"labels": {"alertname": "a,b", "team": "x"}}, {"labels": {"alertname": "a,b", "team": "y"}})
    filters = "&".join(f"filter={quote(text)}" for text in ('alertname="a,b"', "team=x"))
    for path in ("/api/v2/alerts", "/api/v2/alerts/groups"):
        assert len((await get(f"{path}?{filters}"))[1]) == 1
    assert len((await get("/api/v2/alerts?filter=alertname%3D%22a,b%22"))[1]) == 2


@pytest.mark.parametrize("path", ["alerts", "alerts/groups"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("filter=good", "bad matcher format: good", id="no matcher"),
        pytest.param("filter=", "bad matcher format: ", id="an empty one"),
        pytest.param("filter=a%3D~(", "invalid regular expression", id="a bad expression"),
        pytest.param("receiver=(", "failed to parse receiver param: ", id="a bad expression for receivers"),
        pytest.param("filter=%ff%3Dx", "the query is not UTF-8", id="no UTF-8"),
    ],
)
async def test_a_bad_question_is_answered_400_with_a_text(home: Ports, path: str, query: str, message: str) -> None:
    status, text = await get(f"/api/v2/{path}?{query}")
    assert status == 400
    assert isinstance(text, str)
    assert text.startswith(message)


async def test_receivers_are_those_of_the_configuration(home: Ports) -> None:
    assert await get("/api/v2/receivers?receiver_matchers=owner%3Ddba") == (
        200,
        [{"labels": {"name": "dba", "owner": "dba"}, "name": "dba"}],
    )
    assert [receiver["name"] for receiver in (await get("/api/v2/receivers"))[1]] == ["default", "dba"]


async def test_the_status_shows_the_configuration_without_its_secrets(home: Ports) -> None:
    status, shown = await get("/api/v2/status")
    assert status == 200
    assert shown["cluster"] == {"peers": [], "status": "disabled"}
    assert set(shown["versionInfo"]) == {"branch", "buildDate", "buildUser", "goVersion", "revision", "version"}
    assert datetime.fromisoformat(shown["uptime"]) <= datetime.now(UTC)
    assert "hunter2" not in json.dumps(shown)
    assert "receiver: dba" in shown["config"]["original"]


# --- posting --------------------------------------------------------------------------------------------------------


async def post(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    asked = request("POST", "/api/v2/alerts", body, headers)
    try:
        response = await ingest.receive_alerts(asked)
    except RejectedError as error:
        response = pipeline.answer(asked, error)
    return response.status_code, response.get_body()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('application/json; charset="utf-8"; x=y', 200),
        ("application/json;", 200),
        ("APPLICATION/JSON", 200),
        ("", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/json", 415),
        ("application/*", 415),
        ("application/vnd.api+json", 415),
        ("garbage", 415),
        ("application/json, text/plain", 400),
        ("application/json; =x", 400),
    ],
)
async def test_a_body_must_say_that_it_is_json(home: Ports, content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    code, body = await post(b'[{"labels":{"alertname":"x"}}]', headers)
    assert code == status
    assert body == b"" or json.loads(body)["code"] == status


async def test_no_body_needs_no_content_type(home: Ports) -> None:
    code, body = await post(b"", {})
    assert (code, json.loads(body)) == (422, {"code": 602, "message": "alerts in body is required"})


async def test_problems_are_answered_with_a_text_and_the_good_alerts_are_queued(home: Ports) -> None:
    code, body = await post(b'[{"labels":{}},{"labels":{"a":"b"}},{"labels":{"":"x"}}]', JSON)
    assert code == 400
    assert json.loads(body) == (
        'alert 0: at least one label pair required; alert 2: invalid label set: invalid name ""'
    )
    assert await home.queues.count_accepted() == 1


# --- errors in Alertmanager's form ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        pytest.param(NotFoundError("no such thing"), 404, {"code": 404, "message": "no such thing"}, id="not found"),
        pytest.param(RejectedError("no matcher"), 400, "no matcher", id="refused"),
        pytest.param(UnavailableError("not now"), 503, {"code": 503, "message": "not now"}, id="unavailable"),
    ],
)
def test_errors_below_api_v2_have_alertmanagers_form(error: Exception, status: int, body: object) -> None:
    response = pipeline.answer(request("GET", "/api/v2/alerts"), error)
    assert (response.status_code, json.loads(response.get_body())) == (status, body)
    elsewhere = pipeline.answer(request("GET", "/api/v1/incidents"), error)
    assert elsewhere.mimetype == "application/problem+json"
