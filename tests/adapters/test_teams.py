"""Messages to Microsoft Teams as they cross the wire."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.http_client import HttpClient
from adapters.rendering import Renderer
from adapters.teams import MOST_BYTES, TeamsNotifier
from domain.configuration import TeamsIntegration
from domain.errors import DomainError, RejectedError, UnavailableError
from tests.adapters.receiving import NOON, SECRET, Receiver, reads, receiving, says, status_line, told

ACCEPTED = status_line("202 Accepted")
LINK = "http://tocsin.example/incidents/abc-1"


@pytest.fixture
async def notifier() -> AsyncIterator[TeamsNotifier]:
    client = HttpClient("0.1.0", lambda: NOON)
    yield TeamsNotifier(client, Renderer("http://tocsin.example/", lambda: NOON))
    await client.close()


def teams(receiver: Receiver, lines: str = "title: t", kind: str = "msteamsv2") -> TeamsIntegration:
    integration: TeamsIntegration = reads(kind, f"webhook_url: {receiver.url}/workflows/{SECRET}?sig=x\n{lines}")
    return integration


def sent(receiver: Receiver) -> Any:
    return json.loads(receiver.requests[-1].body)


async def test_an_adaptive_card_on_the_wire(notifier: TeamsNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        integration = teams(receiver, "title: '{{ .Status }}'\ntext: '{{ len .Alerts }}'")
        assert await notifier.notify(integration, told(), incident="abc-1") == "202 Accepted"
    assert receiver.requests[0].line == f"POST /workflows/{SECRET}?sig=x HTTP/1.1"
    assert sent(receiver) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [
                        {
                            "type": "TextBlock",
                            "text": "firing",
                            "weight": "Bolder",
                            "size": "Medium",
                            "wrap": True,
                            "style": "heading",
                            "color": "Attention",
                        },
                        {"type": "FactSet", "facts": [{"title": "alertname", "value": "Disk"}]},
                        {"type": "TextBlock", "text": "1", "wrap": True},
                    ],
                    "actions": [{"type": "Action.OpenUrl", "title": "Open in Tocsin", "url": LINK}],
                    "msteams": {"width": "full"},
                },
            }
        ],
    }


async def test_the_default_words(notifier: TeamsNotifier) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        integration: TeamsIntegration = reads("msteamsv2", f"webhook_url: {receiver.url}")
        await notifier.notify(integration, told(firing=0, resolved=1))
        await notifier.notify(replace(integration), replace(told(), group_labels={}))
    heading, _, text = json.loads(receiver.requests[0].body)["attachments"][0]["content"]["body"]
    assert heading["text"].startswith("[RESOLVED] Disk")
    assert heading["color"] == "Good"
    assert "disk 0 is full" in text["text"]
    assert [block["type"] for block in sent(receiver)["attachments"][0]["content"]["body"]] == ["TextBlock"] * 2


async def test_the_older_kind_is_a_message_card(notifier: TeamsNotifier) -> None:
    async with receiving(says(status_line("200 OK", "1"))) as receiver:
        integration = teams(receiver, "title: t\nsummary: s\ntext: x", "msteams")
        await notifier.notify(integration, told(), incident="abc-1")
    body = sent(receiver)
    assert body.pop("potentialAction") == [
        {"@type": "OpenUri", "name": "Open in Tocsin", "targets": [{"os": "default", "uri": LINK}]}
    ]
    assert body == {
        "@context": "http://schema.org/extensions",
        "@type": "MessageCard",
        "type": "MessageCard",
        "title": "t",
        "summary": "s",
        "text": "x",
        "themeColor": "8C1A1A",
    }


@pytest.mark.parametrize("kind", ["msteamsv2", "msteams"])
@pytest.mark.parametrize("character", ["x", "ü", "😀", '"', "\\n"])
async def test_what_is_too_large_is_cut_and_says_so(notifier: TeamsNotifier, kind: str, character: str) -> None:
    async with receiving(says(ACCEPTED)) as receiver:
        integration = replace(teams(receiver, "title: t", kind), text=character * 100_000)
        await notifier.notify(integration, told(), incident="abc-1")
    assert MOST_BYTES - 16 < len(receiver.requests[0].body) <= MOST_BYTES
    assert f"cut to what Teams takes; all of it: {LINK}" in receiver.requests[0].body.decode()


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (status_line("400 Bad Request", "no"), RejectedError, "answered 400 Bad Request: no"),
        (status_line("429 Slow Down"), UnavailableError, "answered 429 Slow Down"),
        (status_line("502 Bad Gateway"), UnavailableError, "answered 502 Bad Gateway"),
        (
            status_line("200 OK", "Webhook failed: Microsoft Teams endpoint returned HTTP error 429 with ContextId x"),
            UnavailableError,
            "answered 200 OK: Webhook failed: Microsoft Teams endpoint returned HTTP error 429 with ContextId x",
        ),
        (
            status_line("200 OK", "Webhook failed: Microsoft Teams endpoint returned HTTP error 413"),
            RejectedError,
            "answered 200 OK: Webhook failed: Microsoft Teams endpoint returned HTTP error 413",
        ),
        (status_line("404 Gone", f"no workflow {SECRET}"), RejectedError, "answered 404 Gone: no workflow <hidden>"),
    ],
)
async def test_answers(notifier: TeamsNotifier, answer: bytes, expected: type[DomainError], message: str) -> None:
    async with receiving(says(answer)) as receiver:
        with pytest.raises(expected) as caught:
            await notifier.notify(teams(receiver), told())
    assert str(caught.value) == message
