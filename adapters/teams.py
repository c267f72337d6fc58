"""Microsoft Teams: an adaptive card to a workflow's webhook, or a MessageCard to what once was a connector.

Source: notify/msteamsv2/msteamsv2.go and notify/msteams/msteams.go in Alertmanager 0.34;
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import msgspec

from adapters.http_client import HttpClient, Reply
from adapters.rendering import Page, Renderer, shortened
from adapters.secrets import read_secret
from domain.configuration import TeamsIntegration
from domain.configuration.bundle import Templates
from domain.notifications import Notification

MOST_BYTES = 28 * 1024
"""Teams refuses a message of more, and some of its fronts say 200 and drop it."""

LONGEST_TITLE = 1024
LONGEST_FACT = 256
MOST_FACTS = 16

CUT = "\n\n… cut to what Teams takes; all of it: "


class TeamsNotifier:
    """Implements `Notifier` for Microsoft Teams."""

    def __init__(self, client: HttpClient, renderer: Renderer) -> None:
        self._client = client
        self._renderer = renderer

    async def notify(
        self,
        integration: TeamsIntegration,
        notification: Notification,
        *,
        incident: str = "",
        templates: Templates = (),
    ) -> str:
        page = self._renderer.page(notification, incident, templates)
        address = read_secret(integration.url, "webhook_url")
        reply = await self._client.post(
            address, body(integration, page), integration.http, setting="Teams' webhook_url", wants_text=True
        )
        _judge(reply)
        return reply.words


def body(integration: TeamsIntegration, page: Page) -> bytes:
    """The message, its text cut where it would be too large for Teams."""
    title, text = shortened(page.text(integration.title), LONGEST_TITLE), page.text(integration.text)
    summary = page.text(integration.summary)

    def encoded(text: str) -> bytes:
        match integration.card:
            case "adaptive":
                return msgspec.json.encode(_adaptive(title, text, page))
            case "message":
                return msgspec.json.encode(_message_card(title, summary, text, page))

    def cut(length: int) -> bytes:
        return encoded(f"{text[:length]}{CUT}{page.link}")

    message = encoded(text)
    if len(message) <= MOST_BYTES:
        return message
    too_long = bisect_right(range(len(text)), MOST_BYTES, key=lambda length: len(cut(length)))
    return cut(max(0, too_long - 1))


def _adaptive(title: str, text: str, page: Page) -> dict[str, Any]:
    heading = {
        "type": "TextBlock",
        "text": title,
        "weight": "Bolder",
        "size": "Medium",
        "wrap": True,
        "style": "heading",
        "color": "Attention" if page.is_firing else "Good",
    }
    facts = [
        {"title": shortened(name, LONGEST_FACT), "value": shortened(value, LONGEST_FACT)}
        for name, value in list(page.notification.group_labels.items())[:MOST_FACTS]
    ]
    blocks: list[dict[str, Any]] = [heading]
    if facts:
        blocks.append({"type": "FactSet", "facts": facts})
    blocks.append({"type": "TextBlock", "text": text, "wrap": True})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": blocks,
        "actions": [{"type": "Action.OpenUrl", "title": title, "url": address} for title, address in _links(page)],
        "msteams": {"width": "full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _message_card(title: str, summary: str, text: str, page: Page) -> dict[str, Any]:
    return {
        "@context": "http://schema.org/extensions",
        "@type": "MessageCard",
        "type": "MessageCard",  # as Alertmanager has it, for gateways that were written for it
        "title": title,
        "summary": summary,
        "text": text,
        "themeColor": "8C1A1A" if page.is_firing else "2DC72D",
        "potentialAction": [
            {"@type": "OpenUri", "name": title, "targets": [{"os": "default", "uri": address}]}
            for title, address in _links(page)
        ],
    }


def _links(page: Page) -> list[tuple[str, str]]:
    acknowledge = [("Acknowledge", page.acknowledge_link)] if page.acknowledge_link else []
    return [*acknowledge, ("Open in Tocsin", page.link)]


def _judge(reply: Reply) -> None:
    """A connector's front says 200 also where Teams said no, and tells so in the text."""
    if "Microsoft Teams endpoint returned HTTP error 429" in reply.text:
        raise reply.unavailable()
    if "Microsoft Teams endpoint returned HTTP error" in reply.text:
        raise reply.refusal()
