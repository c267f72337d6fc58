"""What reaches Azure Web PubSub on the wire, and what each of its answers means; and what the feed announces there."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from aiohttp import web

from adapters.cosmos.live import entries_in
from adapters.documents import embed
from adapters.live import webpubsub
from adapters.live.announcing import Announcer
from adapters.live.messages import MESSAGE_BYTES, messages_of
from adapters.live.narrating import Library, Narrator
from adapters.live.webpubsub import WebPubSub
from adapters.settings import Settings
from adapters.wiring import wire
from domain.errors import RejectedError, UnavailableError
from domain.groups import Decision, Reason, ReasonCode, Transaction
from domain.live import ALL
from tests.builders import NOON, entry, group_id, head, incident
from tests.devhost.listening import event
from tests.standins.azure import azure

KEY = "QWNjZXNzIGtleSBvZiBhbiBlbXVsYXRvcg=="


@dataclass
class Service:
    """Records what comes; answers with the statuses that a test lays out, then with success."""

    statuses: list[int] = field(default_factory=list)
    retry_after: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(
            {
                "path": request.rel_url.raw_path,
                "query": parse_qs(request.rel_url.raw_query_string),
                "type": request.content_type,
                "authorization": request.headers.get("Authorization", ""),
                "body": json.loads(body) if body else None,
            }
        )
        status = self.statuses.pop(0) if self.statuses else 0
        if status:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=status, text="no", headers=headers)
        if request.path.endswith(":generateToken"):
            return web.json_response({"token": "made.by.service"})
        return web.Response(status=202)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    app = web.Application()
    app.router.add_post("/{path:.*}", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setattr(webpubsub, "PAUSE_SECONDS", 0.001)
    async with serving(Service()) as service:
        yield service


@pytest.fixture
async def by_key(service: Service) -> AsyncIterator[WebPubSub]:
    publisher = WebPubSub(service.url, "tocsin", key=KEY)
    yield publisher
    await publisher.close()


class Token:
    token = "from-entra"


class Credential:
    """An identity: hands out a token for the scope it is asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str) -> Token:
        self.scopes += scopes
        return Token()


# --- publishing -----------------------------------------------------------------------------------------------------


async def test_each_channel_is_told_once_for_all_its_events(service: Service, by_key: WebPubSub) -> None:
    await by_key.publish([event(1, incident=1), event(2, incident=2), event(3, incident=1)])
    said = {
        request["path"]: [one["id"].split("-")[1] for one in request["body"]["events"]] for request in service.requests
    }
    base = "/api/hubs/tocsin/groups/"
    one, two = event(incident=1).incident_id, event(incident=2).incident_id
    assert said == {
        f"{base}incidents/:send": ["1", "2", "3"],
        f"{base}receiver%3Ateam/:send": ["1", "2", "3"],
        f"{base}incident%3A{one}/:send": ["1", "3"],
        f"{base}incident%3A{two}/:send": ["2"],
    }
    assert {request["type"] for request in service.requests} == {"application/json"}
    assert all(request["query"]["api-version"] == ["2024-12-01"] for request in service.requests)


async def test_an_event_is_on_the_wire_as_in_the_api(service: Service, by_key: WebPubSub) -> None:
    await by_key.publish([event(1, words="größe")])
    (shown,) = service.requests[0]["body"]["events"]
    assert shown == {
        "id": event(1).id,
        "cursor": "c1",
        "at": "2026-11-22T12:00:00Z",
        "kind": "paged",
        "group_id": event(1).group_id,
        "incident_id": event(1).incident_id,
        "receiver": "team",
        "title": "DiskFull",
        "status": "triggered",
        "words": "größe",
        "actor": "",
    }


async def test_the_name_of_a_channel_is_one_segment_of_the_path(service: Service, by_key: WebPubSub) -> None:
    await by_key.publish([event(1, receiver="a/b ?#%é")])
    paths = [request["path"] for request in service.requests]
    assert "/api/hubs/tocsin/groups/receiver%3Aa%2Fb%20%3F%23%25%C3%A9/:send" in paths


async def test_the_emulators_key_signs_each_request_for_its_address(service: Service, by_key: WebPubSub) -> None:
    await by_key.publish([event(1)])
    for request in service.requests:
        kind, _, token = request["authorization"].partition(" ")
        assert kind == "Bearer"
        claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_aud": False, "require": ["exp"]})
        assert claims["aud"] == service.url + request["path"]


async def test_an_identity_is_asked_for_a_token(service: Service) -> None:
    credential: Any = Credential()
    publisher = WebPubSub(service.url, "tocsin", credential=lambda: credential)
    await publisher.publish([event(1)])
    await publisher.close()
    assert set(credential.scopes) == {"https://webpubsub.azure.com/.default"}
    assert {request["authorization"] for request in service.requests} == {"Bearer from-entra"}


@pytest.mark.parametrize("statuses", [[503], [500, 502], [429], [408], [401]])
async def test_what_may_help_is_tried_again(service: Service, by_key: WebPubSub, statuses: list[int]) -> None:
    service.statuses = list(statuses)
    await by_key.publish([event(1)])
    assert len(service.requests) == 3 + len(statuses)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (503, UnavailableError),
        (429, UnavailableError),
        (403, UnavailableError),
        (400, RejectedError),
        (413, RejectedError),
    ],
)
async def test_what_does_not_help_is_told(
    service: Service, by_key: WebPubSub, status: int, error: type[Exception]
) -> None:
    service.statuses = [status] * 20
    with pytest.raises(error) as refused:
        await by_key.publish([event(1)])
    assert KEY not in str(refused.value)
    assert "eyJ" not in str(refused.value)


async def test_nobody_there_is_unavailable() -> None:
    publisher = WebPubSub("http://127.0.0.1:9", "tocsin", key=KEY)
    with pytest.raises(UnavailableError):
        await publisher.publish([event(1)])
    await publisher.close()


async def test_retry_after_is_kept_to_within_reason(
    service: Service, by_key: WebPubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webpubsub, "LONGEST_PAUSE_SECONDS", 0.01)
    service.statuses, service.retry_after = [429], "3600"
    async with asyncio.timeout(5):
        await by_key.publish([event(1)])


def test_a_message_is_never_too_large() -> None:
    events = [event(number, words="x" * 1_000) for number in range(500)]
    messages = messages_of(events)
    assert len(messages) > 1
    assert all(len(message) < MESSAGE_BYTES + 2_000 for message in messages)
    said = [one["id"] for message in messages for one in json.loads(message)["events"]]
    assert said == [one.id for one in events]
    assert messages_of([]) == []


# --- letting in -----------------------------------------------------------------------------------------------------


async def test_a_client_may_join_its_channels_and_send_nothing(service: Service, by_key: WebPubSub) -> None:
    access = await by_key.admit("key:ada", ["incidents", "receiver:team"], NOON)
    parts = urlsplit(access.url)
    assert (parts.scheme, parts.netloc, parts.path) == ("ws", urlsplit(service.url).netloc, "/client/hubs/tocsin")
    token = parse_qs(parts.query)["access_token"][0]
    head, body, signature = token.split(".")
    expected = hmac.new(KEY.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_aud": False})
    assert claims["aud"] == f"{service.url}/client/hubs/tocsin"
    assert claims["sub"] == "key:ada"
    assert claims["role"] == ["webpubsub.joinLeaveGroup.incidents", "webpubsub.joinLeaveGroup.receiver:team"]
    assert claims["exp"] == access.expires_at.timestamp()
    assert service.requests == []


async def test_with_an_identity_the_service_makes_the_token(service: Service) -> None:
    credential: Any = Credential()
    publisher = WebPubSub(service.url, "tocsin", credential=lambda: credential)
    access = await publisher.admit("user:ada", ["incidents", "receiver:team"], NOON)
    await publisher.close()
    assert access.url.endswith("/client/hubs/tocsin?access_token=made.by.service")
    (request,) = service.requests
    assert request["path"] == "/api/hubs/tocsin/:generateToken"
    assert request["query"] == {
        "api-version": ["2024-12-01"],
        "userId": ["user:ada"],
        "role": ["webpubsub.joinLeaveGroup.incidents", "webpubsub.joinLeaveGroup.receiver:team"],
        "minutesToExpire": ["60"],
    }


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {"WEB_PUBSUB__endpoint": "tocsin.webpubsub.azure.com"},
        {"WEB_PUBSUB__endpoint": "https://a/b"},
        {"WEB_PUBSUB": f"Endpoint=https://tocsin.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(RejectedError) as refused:
        Settings.read({"TOCSIN_HOME": "memory", **variables})
    assert KEY not in str(refused.value)


async def test_settings_choose_the_publisher() -> None:
    emulator = f"Endpoint=http://127.0.0.1:8080;AccessKey={KEY};Version=1.0;"
    for variables, is_service in (({}, False), ({"WEB_PUBSUB": emulator}, True)):
        home = wire(Settings.read({"TOCSIN_HOME": "memory", **variables}))
        assert isinstance(home.live.publisher, WebPubSub) == is_service
        await home.close()


# --- announcing -----------------------------------------------------------------------------------------------------


class Deaf:
    """A service that takes nothing."""

    async def publish(self, events: Sequence[Any]) -> None:
        raise UnavailableError("down")


async def test_announcing_never_fails() -> None:
    async def called(version: str, receiver: str) -> Sequence[str]:
        return ()

    async def receiver_of(group_id: str) -> str:
        return "team"

    home = wire(Settings.read({"TOCSIN_HOME": "memory"}))
    deaf: Any = Deaf()
    announcer = Announcer(deaf, Narrator(Library(home.groups, receiver_of, called)), entries_in)
    said = {"type": "entry", "id": "e-1", "body": embed(entry(reasons=(Reason(ReasonCode.NOTIFY),)))}
    await announcer.announce([said, {"type": "entry", "id": "e-2", "body": 5}, {"type": "entry"}, {"type": "head"}])
    await home.close()


async def test_what_the_feed_shows_is_announced(service: Service) -> None:
    async with azure(lambda: NOON.timestamp(), partitions=1) as stand_in:
        variables = {**stand_in.environment, "WEB_PUBSUB": f"Endpoint={service.url};AccessKey={KEY};"}
        home = wire(Settings.read(variables), lambda: NOON)
        assert home.live.is_announced
        decision = Decision(
            head(), incident=incident(), entry=entry(reasons=(Reason(ReasonCode.NOTIFY),), incident=incident().id)
        )
        await home.groups.transact([Transaction(group_id(1), lambda state: decision)])
        feed: Any = home.groups
        documents, _ = await feed.changes("", limit=100)
        await home.live.announce(documents)
        await home.close()
    (said,) = [request["body"]["events"] for request in service.requests if f"/{ALL}/" in request["path"]]
    assert [(one["kind"], one["title"], one["cursor"]) for one in said] == [("paged", "DiskFull", None)]


async def test_where_this_process_sees_everything_the_feed_is_not_announced(service: Service) -> None:
    said = {"type": "entry", "id": "e-1", "body": embed(entry(reasons=(Reason(ReasonCode.NOTIFY),)))}
    for variables in ({}, {"WEB_PUBSUB": f"Endpoint={service.url};AccessKey={KEY};"}):
        home = wire(Settings.read({"TOCSIN_HOME": "memory", **variables}))
        assert not home.live.is_announced
        await home.live.announce([said])
        await home.close()
    assert service.requests == []
