"""Webhooks that are signed: what a receiver sees, which its library takes; and what a refused address is told as."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import standardwebhooks

from adapters.delivery import Deliverer, Postponed
from adapters.guard import UNGUARDED, Guard
from adapters.http_client import HttpClient
from adapters.rendering import Renderer
from adapters.signing import Signer
from adapters.webhook import WebhookNotifier
from domain.addresses import read_allowance
from domain.configuration import HttpConfig, Secret, WebhookIntegration
from domain.configuration import Receiver as ConfiguredReceiver
from domain.notifications import Delivery, Outcome
from domain.routing import GroupId
from tests.adapters.receiving import OK, Receiver, Request, receiving, says, status_line, told

OLD, NEW = (f"whsec_{base64.b64encode(letter * 24).decode()}" for letter in (b"o", b"n"))


@asynccontextmanager
async def delivering(*secrets: Secret, guard: Guard = UNGUARDED) -> AsyncIterator[Deliverer]:
    def clock() -> datetime:
        return datetime.now(UTC)  # the library judges by it

    client = HttpClient("0.1.0", clock, guard)
    url = "http://tocsin.example/x"
    signer = Signer(lambda receiver: secrets if receiver == "team" else (), clock)
    notifier = WebhookNotifier(client, Renderer(url, clock), url, signer=signer)
    yield Deliverer({WebhookIntegration: notifier}, clock, Random(1))
    await client.close()


def delivery(id: str = "1-0") -> Delivery:
    now = datetime.now(UTC)
    return Delivery(id, GroupId("g1"), "", 0, "v1", told(), now, now + timedelta(seconds=30))


def hook(receiver: Receiver) -> WebhookIntegration:
    headers = (("webhook-id", "somebody else's"), ("X-Other", "1"))
    return WebhookIntegration(Secret(f"{receiver.url}/s3cret"), http=HttpConfig(headers=headers))


def headers_of(request: Request) -> dict[str, str]:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    found = {name: request.all(name) for name in names}
    assert all(len(values) == 1 for values in found.values()), "one of each"
    return {name: values[0] for name, values in found.items()}


async def test_the_library_of_a_receiver_takes_what_is_signed() -> None:
    async with receiving(says(OK)) as receiver, delivering(Secret(NEW), Secret(OLD)) as deliverer:
        outcome = await deliverer.deliver(delivery(), hook(receiver))
    assert outcome == Outcome(True, "receiver 'team' webhook[0] answered 200 OK")
    (request,) = receiver.requests
    headers = headers_of(request)
    for secret in (NEW, OLD):
        assert standardwebhooks.Webhook(secret).verify(request.body, headers)["receiver"] == "team"
    assert request.all("x-other") == ["1"]
    first = headers["webhook-signature"].split()[0]
    assert standardwebhooks.Webhook(NEW).verify(request.body, headers | {"webhook-signature": first})


async def test_every_attempt_has_the_same_id_and_its_own_time() -> None:
    busy = status_line("503 Busy")
    async with receiving(says(busy, busy, OK)) as receiver, delivering(Secret(NEW)) as deliverer:
        one = delivery()
        postponed = await deliverer.deliver(one, hook(receiver))
        assert isinstance(postponed, Postponed)
        assert isinstance(await deliverer.deliver(one, hook(receiver)), Outcome)
        await deliverer.deliver(delivery("2-0"), hook(receiver))
    ids = [headers_of(request)["webhook-id"] for request in receiver.requests]
    assert len(ids) == 4
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert all(id.startswith("msg_") and "." not in id for id in ids)
    for request in receiver.requests:
        standardwebhooks.Webhook(NEW).verify(request.body, headers_of(request))


async def test_a_test_page_is_signed_too() -> None:
    async with receiving(says(OK)) as receiver, delivering(Secret(NEW)) as deliverer:
        team = ConfiguredReceiver("team", (hook(receiver),))
        assert [outcome.is_delivered for outcome in await deliverer.try_out(team, ())] == [True]
    ids = {headers_of(request)["webhook-id"] for request in receiver.requests}
    assert len(ids) == 2, "the page and what resolves it"


async def test_without_secrets_nothing_is_signed() -> None:
    async with receiving(says(OK)) as receiver, delivering() as deliverer:
        await deliverer.deliver(delivery(), hook(receiver))
    (request,) = receiver.requests
    assert not request.all("webhook-signature")
    assert request.all("webhook-id") == ["somebody else's"]


async def test_a_secret_in_a_file_is_read_at_each_use(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD)
    async with receiving(says(OK)) as receiver, delivering(Secret(file=str(file))) as deliverer:
        await deliverer.deliver(delivery("1-0"), hook(receiver))
        file.write_text(f"{NEW}\n")
        await deliverer.deliver(delivery("2-0"), hook(receiver))
    for secret, request in zip((OLD, NEW), receiver.requests, strict=True):
        standardwebhooks.Webhook(secret).verify(request.body, headers_of(request))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(None, "sign: secret 1 of the receiver cannot be read from", id="not there"),
        pytest.param("s3cr3t!", "sign: secret 1 of the receiver cannot be used: expected whsec_", id="no key"),
        pytest.param("", "sign: secret 1 of the receiver cannot be used: expected whsec_", id="empty"),
    ],
)
async def test_nothing_leaves_unsigned_that_should_be_signed(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "secret"
    if text is not None:
        file.write_text(text)
    async with receiving(says(OK)) as receiver, delivering(Secret(file=str(file)), Secret(NEW)) as deliverer:
        postponed = await deliverer.deliver(delivery(), hook(receiver))
    assert isinstance(postponed, Postponed), "the file may yet come"
    assert words in postponed.reason
    assert "s3cr3t" not in postponed.reason
    assert not receiver.requests


async def test_a_refused_address_is_the_reason_of_the_failure() -> None:
    guard = Guard(read_allowance(""))
    words = "was not asked: its host has a loopback address, and TOCSIN_PRIVATE_RECEIVERS does not allow it"
    async with receiving(says(OK)) as receiver, delivering(guard=guard) as deliverer:
        postponed = await deliverer.deliver(delivery(), hook(receiver))
        assert isinstance(postponed, Postponed), "a name may get another address"
        assert postponed.reason == f"receiver 'team' webhook[0] {words}"
        team = ConfiguredReceiver("team", (hook(receiver),))
        assert await deliverer.try_out(team, ()) == [Outcome(False, words)]
    assert not receiver.connections
