"""The handshakes by which Event Grid, and whoever sends CloudEvents, asks whether events are wanted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.wiring import ports
from domain.principals import Scope
from endpoints.pipeline import LAST
from tests.endpoints.asking import ask, bearer, functions, give_key

ORIGIN = {"webhook-request-origin": "eventgrid.azure.net"}
OWN = """\
sources:
  - kind: cloudevents
    key: signed
    verify: {header: {name: X-Secret, secrets: [hunter2hunter2hunter2]}}
"""


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[None]:
    """The app in memory, with `--auth`."""
    file = tmp_path / "tocsin.yml"
    file.write_text(OWN)
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_AUTH", "true")
    monkeypatch.setenv("TOCSIN_CORS_ORIGINS", "https://console.example.com")
    monkeypatch.setenv("TOCSIN_OWN_CONFIGURATION", str(file))
    ports.cache_clear()
    yield
    await ports().close()
    ports.cache_clear()


async def options(path: str, headers: Mapping[str, str] = ORIGIN, method: str = "OPTIONS") -> func.HttpResponse:
    """What OPTIONS is answered, which no endpoint takes."""
    url = f"https://tocsin.example.com/{path}"
    request = func.HttpRequest(method, url, headers=dict(headers), body=b"")
    response: func.HttpResponse = await functions()[LAST](request=request)
    return response


def granted(response: func.HttpResponse) -> tuple[int, str | None, str | None]:
    headers = response.headers
    return response.status_code, headers.get("WebHook-Allowed-Origin"), headers.get("WebHook-Allowed-Rate")


async def test_permission_is_given_at_the_address_of_a_source(home: None) -> None:
    token = await give_key(Scope.INGEST)
    response = await options(f"api/v1/sources/cloudevents/{token}")
    assert granted(response) == (200, "eventgrid.azure.net", "120000")
    assert response.headers["Allow"] == "POST"


async def test_a_key_in_a_header_will_do(home: None) -> None:
    headers = {**ORIGIN, **bearer(await give_key(Scope.INGEST))}
    assert granted(await options("api/v1/sources/cloudevents/shop", headers))[0] == 200


async def test_a_key_for_another_source_gets_none(home: None) -> None:
    token = await give_key(Scope.INGEST, source="cloudevents/shop")
    assert granted(await options(f"api/v1/sources/cloudevents/{token}"))[0] == 200
    assert granted(await options(f"api/v1/sources/grafana/{token}"))[0] == 405
    assert granted(await options("api/v1/sources/cloudevents/other", {**ORIGIN, **bearer(token)}))[0] == 405


async def test_a_source_that_signs_needs_no_key(home: None) -> None:
    assert granted(await options("api/v1/sources/cloudevents/signed"))[0] == 200


@pytest.mark.parametrize(("wanted", "given"), [("120", "120"), ("999999", "120000"), ("0", "120000"), ("x", "120000")])
async def test_no_more_is_permitted_than_may_be_sent(home: None, wanted: str, given: str) -> None:
    path = f"api/v1/sources/cloudevents/{await give_key(Scope.INGEST)}"
    assert granted(await options(path, {**ORIGIN, "webhook-request-rate": wanted}))[2] == given


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("api/v1/sources/cloudevents/shop", ORIGIN, id="without a key"),
        pytest.param("api/v1/sources/cloudevents/toc_000000000000_" + "a" * 43, ORIGIN, id="with a wrong key"),
        pytest.param("api/v1/sources/nagios/signed", ORIGIN, id="for no kind"),
        pytest.param("api/v2/alerts", ORIGIN, id="elsewhere"),
        pytest.param("api/v1/sources/cloudevents/signed", {}, id="unasked"),
        pytest.param(
            "api/v1/sources/cloudevents/signed", {"webhook-request-origin": "x\r\nSet-Cookie: a"}, id="to no name"
        ),
    ],
)
async def test_it_is_not_given(home: None, path: str, headers: dict[str, str]) -> None:
    response = await options(path, headers)
    assert granted(response) == (404 if "x/" in path else 405, None, None)
    assert "POST" in response.headers["Allow"]


async def test_a_key_that_may_not_send_asks_in_vain(home: None) -> None:
    assert granted(await options(f"api/v1/sources/cloudevents/{await give_key(Scope.READ)}"))[0] == 405


async def test_only_options_asks(home: None) -> None:
    assert granted(await options("api/v1/sources/cloudevents/signed", method="PUT"))[0] == 405


async def test_the_callback_is_not_called(home: None) -> None:
    headers = {**ORIGIN, "webhook-request-callback": "http://127.0.0.1:1/confirm"}
    assert granted(await options("api/v1/sources/cloudevents/signed", headers))[0] == 200


async def test_a_browser_asks_as_before(home: None) -> None:
    headers = {"origin": "https://console.example.com", "access-control-request-method": "POST"}
    response = await options("api/v1/sources/cloudevents/signed", headers)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers.get("WebHook-Allowed-Origin") is None


# --- Event Grid's own schema ------------------------------------------------------------------------------------------


async def validate(body: Any, *, kind: str = "generic", event_type: str = "SubscriptionValidation") -> Any:
    headers = {**bearer(await give_key(Scope.INGEST)), "aeg-event-type": event_type}
    return await ask("receive_from_source", headers, body=body, kind=kind, key="grid")


def event(**changes: Any) -> list[dict[str, Any]]:
    known = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}
    return [known | changes]


async def test_a_subscription_is_validated(home: None) -> None:
    answer = await validate(event())
    assert (answer.status, answer.json()) == (200, {"validationResponse": "512d38b6"})
    assert await ports().queues.count_accepted() == 0


@pytest.mark.parametrize(
    ("body", "event_type"),
    [
        pytest.param(event(), "Notification", id="not asked"),
        pytest.param(event(eventType="Other"), "SubscriptionValidation", id="another event"),
        pytest.param(event(data={}), "SubscriptionValidation", id="without a code"),
        pytest.param(event(data={"validationCode": 7}), "SubscriptionValidation", id="with a number"),
        pytest.param(event() * 2, "SubscriptionValidation", id="two at once"),
        pytest.param({}, "SubscriptionValidation", id="no list"),
    ],
)
async def test_nothing_else_is(home: None, body: Any, event_type: str) -> None:
    answer = await validate(body, kind="uptimerobot", event_type=event_type)
    assert answer.status == 422
    assert "512d38b6" not in json.dumps(answer.json())


async def test_nobody_unknown_is_answered(home: None) -> None:
    headers = {"aeg-event-type": "SubscriptionValidation"}
    assert (await ask("receive_from_source", headers, body=event(), kind="generic", key="grid")).status == 401
