"""Slack: a message with one attachment, to an incoming webhook or to the Web API.

Source: notify/slack/slack.go in Alertmanager 0.34; https://docs.slack.dev/legacy/legacy-messaging/
"""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.http_client import HttpClient, Reply
from adapters.rendering import Page, Renderer, shortened
from adapters.secrets import read_secret
from domain.configuration import SlackAction, SlackIntegration
from domain.configuration.bundle import Templates
from domain.links import ACKNOWLEDGE
from domain.notifications import Notification

LONGEST_TITLE = 1024
"""In characters; the text has no limit that Alertmanager keeps, and Slack folds a long one away itself."""

CALLBACK = "tocsin"
_MARKDOWN_IN = ("fallback", "pretext", "text")

# What the Web API says with status 200 and may not say the next time.
_PASSING_ERRORS = frozenset({"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"})


class SlackNotifier:
    """Implements `Notifier` for Slack."""

    def __init__(self, client: HttpClient, renderer: Renderer, *, is_interactive: bool = False) -> None:
        """`is_interactive`: Slack's answers to a button reach Tocsin, signed; otherwise the button is a link."""
        self._client = client
        self._renderer = renderer
        self._is_interactive = is_interactive

    async def notify(
        self,
        integration: SlackIntegration,
        notification: Notification,
        *,
        incident: str = "",
        templates: Templates = (),
    ) -> str:
        page = self._renderer.page(notification, incident, templates)
        body = msgspec.json.encode(message(integration, page, is_interactive=self._is_interactive))
        address = read_secret(integration.url, "api_url")
        reply = await self._client.post(address, body, integration.http, setting="Slack's api_url", wants_text=True)
        _judge(reply)
        return reply.words


def message(integration: SlackIntegration, page: Page, *, is_interactive: bool = False) -> dict[str, Any]:
    """The message as Slack takes it; what comes out empty is left out where Alertmanager leaves it out."""
    attachment = {
        "title": shortened(page.text(integration.title), LONGEST_TITLE),
        "title_link": page.text(integration.title_link),
        "pretext": page.text(integration.pretext),
        "fields": [
            {"title": page.text(field.title), "value": page.text(field.value), "short": field.short}
            for field in integration.fields
        ],
        "actions": [
            *([_acknowledge(page, is_interactive=is_interactive)] if page.acknowledge_link else []),
            *(_action(action, page) for action in integration.actions),
        ],
        "image_url": page.text(integration.image_url),
        "thumb_url": page.text(integration.thumb_url),
        "color": page.text(integration.color),
        "mrkdwn_in": list(integration.mrkdwn_in or _MARKDOWN_IN),
    }
    always = {
        "text": page.text(integration.text),
        "fallback": page.text(integration.fallback),
        "callback_id": page.text(integration.callback_id),
        "footer": page.text(integration.footer),
    }
    if page.acknowledge_link and is_interactive and not always["callback_id"]:
        always["callback_id"] = CALLBACK  # without one, Slack answers no button
    about = {
        "channel": page.text(integration.channel),
        "username": page.text(integration.username),
        "icon_emoji": page.text(integration.icon_emoji),
        "icon_url": page.text(integration.icon_url),
        "link_names": integration.link_names,
        "text": page.text(integration.message_text),
    }
    return _without_empty(about) | {"attachments": [_without_empty(attachment) | always]}


def _acknowledge(page: Page, *, is_interactive: bool) -> dict[str, Any]:
    """The button that acknowledges: it answers in Slack, or opens the page that asks."""
    button = {"type": "button", "text": "Acknowledge", "style": "primary"}
    return button | ({"name": ACKNOWLEDGE, "value": page.token} if is_interactive else {"url": page.acknowledge_link})


def _action(action: SlackAction, page: Page) -> dict[str, Any]:
    filled: dict[str, Any] = {
        "type": page.text(action.type),
        "text": page.text(action.text),
        "url": page.text(action.url),
        "style": page.text(action.style),
        "name": page.text(action.name),
        "value": page.text(action.value),
    }
    if (confirm := action.confirm) is not None:
        filled["confirm"] = _without_empty(
            {
                "text": page.text(confirm.text),
                "title": page.text(confirm.title),
                "ok_text": page.text(confirm.ok_text),
                "dismiss_text": page.text(confirm.dismiss_text),
            }
        )
    return _without_empty(filled)


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _judge(reply: Reply) -> None:
    """Slack says no with a status of 200 too: the Web API in JSON, a webhook with any text but `ok`."""
    if not reply.content_type.startswith("application/json"):
        if reply.text.strip() != "ok":
            raise reply.refusal(f"not `ok` but {reply.text.strip() or 'nothing'}")
        return
    try:
        answer = msgspec.json.decode(reply.text)
    except msgspec.DecodeError:
        raise reply.unavailable(f"no JSON, though it says so: {reply.text}") from None
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        error = str(answer.get("error") or "") if isinstance(answer, dict) else ""
        if error in _PASSING_ERRORS:
            raise reply.unavailable(error)
        raise reply.refusal(error or f"JSON whose `ok` is not true: {reply.text}")
