"""Slack messages as they cross the wire, and what each of Slack's answers means."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.http_client import HttpClient
from adapters.rendering import Renderer
from adapters.slack import SlackNotifier
from domain.configuration import SlackIntegration
from domain.errors import DomainError, RejectedError, UnavailableError
from tests.adapters.receiving import NOON, SECRET, Answer, Receiver, reads, receiving, says, status_line, told

URL = "http://tocsin.example/x"
ANSWERED_OK = status_line("200 OK", "ok", "Content-Type: text/html")


def in_json(**answer: Any) -> bytes:
    return status_line("200 OK", json.dumps(answer), "Content-Type: application/json; charset=utf-8")


@pytest.fixture
async def notifier() -> AsyncIterator[SlackNotifier]:
    client = HttpClient("0.1.0", lambda: NOON)
    yield SlackNotifier(client, Renderer(URL, lambda: NOON))
    await client.close()


def slack(receiver: Receiver, lines: str = "channel: '#ops'") -> SlackIntegration:
    integration: SlackIntegration = reads("slack", f"api_url: {receiver.url}/services/{SECRET}\n{lines}")
    return integration


def sent(receiver: Receiver) -> Any:
    return json.loads(receiver.requests[-1].body)


async def test_the_request_on_the_wire(notifier: SlackNotifier) -> None:
    async with receiving(says(ANSWERED_OK)) as receiver:
        assert await notifier.notify(slack(receiver), told(), incident="abc-1") == "200 OK"
    (request,) = receiver.requests
    assert request.line == f"POST /services/{SECRET} HTTP/1.1"
    assert request.all("Content-Type") == ["application/json"]
    body = sent(receiver)
    (attachment,) = body.pop("attachments")
    assert body == {"channel": "#ops", "username": "Tocsin"}
    text = attachment.pop("text")
    assert "disk 0 is full" in text
    assert attachment == {
        "title": "[FIRING:1] Disk (instance=0, team=db)",
        "title_link": "http://tocsin.example/x/incidents/abc-1",
        "fallback": "[FIRING:1] Disk (instance=0, team=db) http://tocsin.example/x/incidents/abc-1",
        "color": "danger",
        "callback_id": "",
        "footer": "",
        "mrkdwn_in": ["fallback", "pretext", "text"],
    }


EVERYTHING = """\
channel: '#{{ .GroupLabels.alertname }}'
username: a
icon_emoji: ':b:'
icon_url: http://c
link_names: true
message_text: '{{ .Status }}'
title: t
title_link: http://d
pretext: e
text: '{{ range .Alerts }}{{ .Labels.instance }};{{ end }}'
fallback: f
callback_id: g
footer: h
image_url: http://i
thumb_url: http://j
color: '#fff'
mrkdwn_in: [text]
short_fields: true
fields: [{title: k, value: '{{ .Receiver }}'}, {title: l, value: m, short: false}]
actions:
- {type: button, text: n, url: 'http://o/{{ .CommonLabels.team }}', style: primary}
- {type: button, text: p, name: q, value: r, confirm: {text: s, title: t, ok_text: u, dismiss_text: v}}
"""


async def test_everything_that_can_be_set_is_sent(notifier: SlackNotifier) -> None:
    async with receiving(says(ANSWERED_OK)) as receiver:
        await notifier.notify(slack(receiver, EVERYTHING), told(firing=1, resolved=1))
    assert sent(receiver) == {
        "channel": "#Disk",
        "username": "a",
        "icon_emoji": ":b:",
        "icon_url": "http://c",
        "link_names": True,
        "text": "firing",
        "attachments": [
            {
                "title": "t",
                "title_link": "http://d",
                "pretext": "e",
                "text": "0;1;",
                "fallback": "f",
                "callback_id": "g",
                "footer": "h",
                "image_url": "http://i",
                "thumb_url": "http://j",
                "color": "#fff",
                "mrkdwn_in": ["text"],
                "fields": [
                    {"title": "k", "value": "team", "short": True},
                    {"title": "l", "value": "m", "short": False},
                ],
                "actions": [
                    {"type": "button", "text": "n", "url": "http://o/db", "style": "primary"},
                    {
                        "type": "button",
                        "text": "p",
                        "name": "q",
                        "value": "r",
                        "confirm": {"text": "s", "title": "t", "ok_text": "u", "dismiss_text": "v"},
                    },
                ],
            }
        ],
    }


async def test_what_is_resolved_is_green(notifier: SlackNotifier) -> None:
    async with receiving(says(ANSWERED_OK)) as receiver:
        await notifier.notify(slack(receiver), told(firing=0, resolved=1))
    assert sent(receiver)["attachments"][0]["color"] == "good"


async def test_a_long_title_is_cut(notifier: SlackNotifier) -> None:
    async with receiving(says(ANSWERED_OK)) as receiver:
        await notifier.notify(slack(receiver, f"title: {'ü' * 1025}"), told())
        await notifier.notify(slack(receiver, f"title: {'ü' * 1024}"), told())
    titles = [json.loads(request.body)["attachments"][0]["title"] for request in receiver.requests]
    assert titles == ["ü" * 1023 + "…", "ü" * 1024]


async def test_an_app_s_token_is_a_bearer_s(notifier: SlackNotifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_TOKEN", SECRET)
    async with receiving(says(in_json(ok=True, ts="1.2", channel="C1"))) as receiver:
        url = f"{receiver.url}/api/chat.postMessage"
        integration = reads("slack", f"app_token: '${{env:SLACK_TOKEN}}'\napp_url: {url}\nchannel: C1")
        assert await notifier.notify(integration, told()) == "200 OK"
    assert receiver.requests[0].line == "POST /api/chat.postMessage HTTP/1.1"
    assert receiver.requests[0].all("Authorization") == [f"Bearer {SECRET}"]


async def test_a_variable_that_is_not_set_is_named(notifier: SlackNotifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_URL", raising=False)
    with pytest.raises(RejectedError, match=r"^api_url is not there: environment variable SLACK_URL is not set$"):
        await notifier.notify(reads("slack", "api_url: '${env:SLACK_URL}'"), told())


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        pytest.param(
            status_line("200 OK", "invalid_token"),
            RejectedError,
            "answered 200 OK: not `ok` but invalid_token",
            id="no `ok`",
        ),
        pytest.param(
            status_line("200 OK", "ok", "Content-Type: application/json"),
            UnavailableError,
            "answered 200 OK: no JSON, though it says so: ok",
            id="no Slack, but some webhook",
        ),
        pytest.param(
            in_json(status="accepted"),
            RejectedError,
            'answered 200 OK: JSON whose `ok` is not true: {"status": "accepted"}',
            id="some other JSON",
        ),
        pytest.param(
            in_json(ok=False, error="channel_not_found"),
            RejectedError,
            "answered 200 OK: channel_not_found",
            id="no, in JSON",
        ),
        pytest.param(
            in_json(ok=False, error="internal_error"), UnavailableError, "answered 200 OK: internal_error", id="not now"
        ),
        pytest.param(
            status_line("200 OK", "{", "Content-Type: application/json"),
            UnavailableError,
            "answered 200 OK: no JSON, though it says so: {",
            id="broken JSON",
        ),
        pytest.param(
            status_line("404 Not Found", "no_team"), RejectedError, "answered 404 Not Found: no_team", id="a refusal"
        ),
        pytest.param(status_line("500 Oops"), UnavailableError, "answered 500 Oops", id="trouble"),
    ],
)
async def test_answers(notifier: SlackNotifier, answer: bytes, expected: type[DomainError], message: str) -> None:
    async with receiving(says(answer)) as receiver:
        with pytest.raises(expected) as caught:
            await notifier.notify(slack(receiver), told())
    assert str(caught.value) == message


async def test_it_waits_as_long_as_slack_asks(notifier: SlackNotifier) -> None:
    async with receiving(says(status_line("429 Slow Down", "", "Retry-After: 30"))) as receiver:
        with pytest.raises(UnavailableError) as caught:
            await notifier.notify(slack(receiver), told())
    assert caught.value.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize("answer", [says(status_line("400 No", f"/services/{SECRET}")), says(b"no HTTP\r\n\r\n")])
async def test_no_error_holds_the_address(
    notifier: SlackNotifier, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving(answer) as receiver:
        with pytest.raises(DomainError) as caught:
            await notifier.notify(slack(receiver), told())
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text
    assert caught.value.__cause__ is None
