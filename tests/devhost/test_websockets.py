"""The dev host's WebSockets: Azure's own client is content with them, and no client harms another."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OnGroupDataMessageArgs,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from devhost import websockets
from devhost.websockets import PLAIN, RELIABLE
from tests.devhost.listening import Listening, event, listening

PROTOCOLS: Any = [PLAIN, RELIABLE]


@pytest.fixture
async def server() -> AsyncIterator[Listening]:
    async with listening() as server:
        yield server


async def open_socket(
    server: Listening, *channels: str, url: str = "", protocol: str = PLAIN, **options: Any
) -> tuple[ClientConnection, dict[str, Any]]:
    """A connection that has joined these channels, and what it was greeted with."""
    protocols: Any = [protocol]
    client = await connect(url or await server.url(*channels), subprotocols=protocols, proxy=None, **options)
    connected = json.loads(await client.recv())
    for channel in channels:
        await client.send(json.dumps({"type": "joinGroup", "group": channel, "ackId": 1}))
        assert json.loads(await client.recv()) == {"type": "ack", "ackId": 1, "success": True}
    return client, connected


async def ask(client: ClientConnection, **message: Any) -> dict[str, Any]:
    await client.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(client.recv(), 5))
    return answer


def heard(text: str | bytes) -> list[str]:
    return [event["id"].split("-")[1] for event in json.loads(text)["data"]["events"]]


# --- Azure's own client ---------------------------------------------------------------------------------------------


class Azure:
    """The official client, and what it has heard."""

    def __init__(self, server: Listening, protocol: WebPubSubProtocolType, *channels: str) -> None:
        async def url() -> str:
            return await server.url(*channels)

        self.client = WebPubSubClient(
            WebPubSubClientCredential(url),
            protocol_type=protocol,
            message_retry_total=0,
            reconnect_retry_backoff_factor=0.01,
        )
        self.numbers: list[str] = []
        self.connected = 0

    async def __aenter__(self) -> Azure:
        await self.client.subscribe(CallbackType.GROUP_MESSAGE, self._hear)
        await self.client.subscribe(CallbackType.CONNECTED, self._connect)
        await self.client.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def _hear(self, message: OnGroupDataMessageArgs) -> None:
        self.numbers += [event["id"].split("-")[1] for event in message.data["events"]]

    async def _connect(self, _: object) -> None:
        self.connected += 1


@pytest.mark.parametrize("protocol", list(WebPubSubProtocolType))
async def test_the_official_client_hears_what_happens_in_order(
    server: Listening, protocol: WebPubSubProtocolType
) -> None:
    async with Azure(server, protocol, "incidents") as azure:
        await azure.client.join_group("incidents")
        for number in range(50):
            await server.hub.publish([event(number)])
        await server.until(lambda: len(azure.numbers) == 50, "all events")
        assert azure.numbers == [str(number) for number in range(50)]
        await azure.client.leave_group("incidents")
        await server.hub.publish([event(99)])
        await azure.client.join_group("incidents")
        await server.hub.publish([event(100)])
        await server.until(lambda: "100" in azure.numbers, "the last event")
        assert "99" not in azure.numbers


async def test_the_official_client_may_join_only_what_it_negotiated(server: Listening) -> None:
    async with Azure(server, WebPubSubProtocolType.JSON_RELIABLE, "incidents") as azure:
        with pytest.raises(SendMessageError) as refused:
            await azure.client.join_group("receiver:other")
        assert refused.value.error_detail is not None
        assert refused.value.error_detail.name == "Forbidden"
        with pytest.raises(SendMessageError):
            await azure.client.send_to_group("incidents", "hello", WebPubSubDataType.TEXT)
        with pytest.raises(SendMessageError):
            await azure.client.send_event("hello", "you", WebPubSubDataType.TEXT)


async def test_the_official_client_recovers_after_a_cut_and_misses_nothing(server: Listening) -> None:
    async with Azure(server, WebPubSubProtocolType.JSON_RELIABLE, "incidents") as azure:
        await azure.client.join_group("incidents")
        for number in range(20):
            await server.hub.publish([event(number)])
            if number in (5, 12):
                server.cut()
                await asyncio.sleep(0)
        await server.until(lambda: len(azure.numbers) >= 20, "all events")
        assert azure.numbers == [str(number) for number in range(20)]
        assert azure.connected == 1


async def test_the_official_client_without_recovery_connects_anew_and_rejoins(server: Listening) -> None:
    async with Azure(server, WebPubSubProtocolType.JSON, "incidents") as azure:
        await azure.client.join_group("incidents")
        server.cut()
        await server.until(lambda: azure.connected == 2, "a second connection")
        await server.until(server.hub.someone.is_set, "the group to be joined again")
        await server.hub.publish([event(7)])
        await server.until(lambda: azure.numbers == ["7"], "the event")


# --- who may connect ------------------------------------------------------------------------------------------------


async def refused(server: Listening, url: str, protocols: Any = PROTOCOLS, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(url, subprotocols=protocols, proxy=None, **options)
    body = json.loads(refusal.value.response.body or b"")
    assert body["status"] == refusal.value.response.status_code
    return int(body["status"])


async def test_a_wrong_token_is_refused(server: Listening) -> None:
    url = await server.url()
    base, _, token = url.partition("?access_token=")
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"channels": ["incidents", "x"]}).encode()).decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for wrong in ("", "x", token[:-2], f"{head}.{forged}.{signature}", f"{none}.{body}.", f"{head}..", "größe"):
        assert await refused(server, f"{base}?access_token={wrong}") == 401, wrong
    assert await refused(server, base) == 401


async def test_an_expired_token_is_refused(server: Listening) -> None:
    from datetime import timedelta

    from adapters.wiring import utc_now

    access = await server.hub.admit("ada", ["incidents"], utc_now() - timedelta(hours=2))
    assert await refused(server, access.url) == 401


async def test_a_token_may_come_in_the_header(server: Listening) -> None:
    base, _, token = (await server.url("incidents")).partition("?access_token=")
    client, _ = await open_socket(server, url=base, additional_headers={"Authorization": f"Bearer {token}"})
    await client.close()


async def test_a_refusal_is_no_error_of_ours(server: Listening, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        assert await refused(server, "ws" + (await server.url())[2:] + "x") == 401
    assert not caplog.records


@pytest.mark.parametrize("protocols", [None, ["mqtt"], ["json.webpubsub.azure.v2"]])
async def test_a_wrong_subprotocol_is_refused(server: Listening, protocols: Any) -> None:
    assert await refused(server, await server.url(), protocols) == 400


async def test_other_paths_have_no_web_sockets(server: Listening) -> None:
    url = await server.url()
    assert await refused(server, url.replace("/hubs/tocsin", "/hubs/other")) == 404


async def test_a_page_of_another_site_is_refused(server: Listening) -> None:
    url = await server.url()
    assert await refused(server, url, origin="http://evil.example") == 403
    assert await refused(server, url.replace("127.0.0.1", "localhost")) == 403
    client, _ = await open_socket(server, url=url, origin=f"http://{server.origin}")
    await client.close()


async def test_there_is_a_limit_on_connections(server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "MOST_CONNECTIONS", 2)
    first, _ = await open_socket(server, "incidents")
    second, _ = await open_socket(server, "incidents")
    assert await refused(server, await server.url()) == 503
    await first.close()
    await server.until(lambda: len(server.sockets._sessions) == 1, "a place")
    third, _ = await open_socket(server, "incidents")
    await second.close()
    await third.close()


async def test_coming_back_needs_the_key_of_the_connection(server: Listening) -> None:
    url = await server.url("incidents")
    client, greeted = await open_socket(server, url=url, protocol=RELIABLE)
    server.cut()
    with pytest.raises(ConnectionClosed):
        await client.recv()
    back = f"{url}&awps_connection_id={greeted['connectionId']}&awps_reconnection_token="
    assert await refused(server, back + "x") == 404
    assert await refused(server, back + greeted["reconnectionToken"], [PLAIN]) == 404
    assert await refused(server, f"{url}&awps_connection_id=x&awps_reconnection_token=x") == 404
    again, regreeted = await open_socket(server, url=back + greeted["reconnectionToken"], protocol=RELIABLE)
    assert regreeted["connectionId"] == greeted["connectionId"]
    await again.close()
    await server.until(lambda: not server.sockets._sessions, "the end")
    assert await refused(server, back + greeted["reconnectionToken"]) == 404


# --- what is said ---------------------------------------------------------------------------------------------------


async def test_only_who_joined_a_channel_hears_it(server: Listening) -> None:
    one, _ = await open_socket(server, f"incident:{event(incident=1).incident_id}")
    every, _ = await open_socket(server, "incidents")
    await server.hub.publish([event(1, incident=1), event(2, incident=2), event(3, incident=1)])
    assert heard(await one.recv()) == ["1", "3"]
    assert heard(await every.recv()) == ["1", "2", "3"]
    assert (await ask(every, type="ping")) == {"type": "pong"}
    await one.close()
    await every.close()


async def test_the_end_of_the_last_listener_is_noticed(server: Listening) -> None:
    client, _ = await open_socket(server, "incidents")
    assert server.hub.someone.is_set()
    await client.close()
    await server.until(lambda: not server.hub.someone.is_set(), "nobody to be there")


GARBAGE: dict[str, tuple[str | bytes, int]] = {
    "no JSON": ("{", 1007),
    "too deep": ("[" * 10_000, 1007),
    "no object": ("[]", 1008),
    "unknown type": ('{"type":"dance"}', 1008),
    "type of a wrong type": ('{"type":["joinGroup"]}', 1008),
    "no type": ("{}", 1008),
    "no group": ('{"type":"joinGroup"}', 1008),
    "group of a wrong type": ('{"type":"joinGroup","group":5}', 1008),
    "ackId of a wrong type": ('{"type":"joinGroup","group":"incidents","ackId":"1"}', 1008),
    "ackId a boolean": ('{"type":"joinGroup","group":"incidents","ackId":true}', 1008),
    "a broken number": ('{"type":"sequenceAck","sequenceId":1.5}', 1008),
    "binary": (b"\x00", 1003),
    "no UTF-8": (b"\xff", 1007),
    "too large": ('{"type":"ping","x":"' + "x" * 20_000 + '"}', 1009),
}


async def client_messages(client: ClientConnection) -> AsyncIterator[str | bytes]:
    """What it hears until its connection ends, however that does."""
    try:
        async for text in client:
            yield text
    except ConnectionClosed:
        return


async def test_garbage_ends_the_connection_and_no_other(server: Listening) -> None:
    bystander, _ = await open_socket(server, "incidents")
    codes: dict[str, int | None] = {}
    for case, (message, _) in GARBAGE.items():
        client, _ = await open_socket(server, "incidents")
        await client.send(message, text=case != "binary")
        async with asyncio.timeout(5):
            said = [json.loads(text) async for text in client_messages(client)]
        assert [(each["type"], each["event"]) for each in said] in ([], [("system", "disconnected")]), case
        codes[case] = client.close_code
    assert codes == {case: code for case, (_, code) in GARBAGE.items()}
    await server.hub.publish([event(5)])
    assert heard(await bystander.recv()) == ["5"]
    await bystander.close()


async def test_nothing_is_acknowledged_that_did_not_ask_for_it(server: Listening) -> None:
    client, _ = await open_socket(server)
    for message in ({"type": "joinGroup", "group": "other"}, {"type": "sendToGroup", "group": "incidents"}):
        await client.send(json.dumps(message))
    assert await ask(client, type="ping") == {"type": "pong"}
    answer = await ask(client, type="leaveGroup", group="never joined", ackId=3)
    assert answer == {"type": "ack", "ackId": 3, "success": True}
    await client.close()


async def test_a_client_is_in_so_many_channels_at_most(server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "MOST_CHANNELS", 1)
    client, _ = await open_socket(server, "incidents", url=await server.url("incidents", "receiver:a"))
    assert (await ask(client, type="joinGroup", group="receiver:a", ackId=2))["success"] is False
    assert (await ask(client, type="joinGroup", group="incidents", ackId=3))["success"] is True
    await client.close()


# --- slow and vanished clients --------------------------------------------------------------------------------------


async def join_and_sleep(url: str, origin: str) -> socket.socket:
    """A client that joins, and then reads nothing at all."""
    path = url.partition(origin)[2]
    loop, client = asyncio.get_running_loop(), socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    host, _, port = origin.partition(":")
    await loop.sock_connect(client, (host, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {origin}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Protocol: {PLAIN}", "", ""]
    join = b'{"type":"joinGroup","group":"incidents"}'
    frame = bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join
    await loop.sock_sendall(client, "\r\n".join(lines).encode())
    assert (await loop.sock_recv(client, 12)).endswith(b"101")
    await loop.sock_sendall(client, frame)
    return client


async def test_a_slow_reader_is_dropped_while_another_hears_all(server: Listening) -> None:
    slow = await join_and_sleep(await server.url("incidents"), server.origin)
    await server.until(server.hub.someone.is_set, "the slow one to be there")
    quick, _ = await open_socket(server, "incidents", max_queue=None)
    words = "x" * 50_000
    rounds = 400
    for number in range(rounds):
        await server.hub.publish([event(number, words=words)])
        await asyncio.sleep(0)
    numbers = [number for _ in range(rounds) for number in heard(await asyncio.wait_for(quick.recv(), 10))]
    assert numbers == [str(number) for number in range(rounds)]
    await server.until(lambda: len(server.sockets._sessions) == 1, "the slow one to be gone")
    await server.until(lambda: len(server.server.server_state.connections) == 1, "its connection to be gone")
    slow.close()
    await quick.close()


async def test_a_reliable_client_that_acknowledges_nothing_is_dropped(
    server: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websockets, "KEPT_MESSAGES", 10)
    client, _ = await open_socket(server, "incidents", protocol=RELIABLE)
    for number in range(10):
        await server.hub.publish([event(number)])
    await client.send('{"type":"sequenceAck","sequenceId":5}')
    assert await ask_behind(client, type="ping") == {"type": "pong"}
    for number in range(5):
        await server.hub.publish([event(number)])
    assert len(server.sockets._sessions) == 1
    await server.hub.publish([event(99)])
    await server.until(lambda: not server.sockets._sessions, "the client to be gone")
    assert not server.hub.someone.is_set()


async def ask_behind(client: ClientConnection, **message: Any) -> dict[str, Any]:
    """The answer, behind the events that came before it."""
    answer = await ask(client, **message)
    while answer["type"] == "message":
        answer = json.loads(await client.recv())
    return answer


async def test_a_client_that_vanished_is_noticed() -> None:
    async with listening(ping_seconds=0.1) as server:
        # It reads nothing, so it answers no ping; but its connection stays.
        gone = await join_and_sleep(await server.url("incidents"), server.origin)
        await server.until(server.hub.someone.is_set, "it to be there")
        there, _ = await open_socket(server, "incidents")
        await server.until(lambda: len(server.sockets._sessions) == 1, "it to be gone")
        await server.hub.publish([event(1)])
        assert heard(await there.recv()) == ["1"]
        gone.close()
        await there.close()


async def test_a_client_that_stays_away_is_forgotten(server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "RECOVERY_SECONDS", 0.05)
    await open_socket(server, "incidents", protocol=RELIABLE)
    server.cut()
    await server.until(lambda: not server.sockets._sessions, "it to be forgotten")
    assert not server.hub.someone.is_set()
