"""PagerDuty: events of the Events API v2, and of v1 for a `service_key`.

Source: notify/pagerduty/pagerduty.go in Alertmanager 0.34; https://developer.pagerduty.com/docs/send-alert-event
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from adapters.http_client import HttpClient
from adapters.rendering import Page, Renderer, shortened
from adapters.secrets import read_secret
from domain.configuration import PagerdutyIntegration, Secret
from domain.configuration.bundle import Templates
from domain.errors import RejectedError
from domain.notifications import Notification

EVENTS_V1_URL = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"

LONGEST_SUMMARY = 1024
MOST_BYTES = 512_000
TOO_LARGE = {"error": "Custom details have been removed because with them the event is larger than 512 kB."}


class PagerdutyNotifier:
    """Implements `Notifier` for PagerDuty.

    The incident there is named by the hash of the group key, as Alertmanager names it: whoever moves to Tocsin keeps
    the incidents that are open.
    """

    def __init__(self, client: HttpClient, renderer: Renderer, events_v1_url: str = EVENTS_V1_URL) -> None:
        self._client = client
        self._renderer = renderer
        self._events_v1_url = events_v1_url

    async def notify(
        self,
        integration: PagerdutyIntegration,
        notification: Notification,
        *,
        incident: str = "",
        templates: Templates = (),
    ) -> str:
        page = self._renderer.page(notification, incident, templates)
        if integration.service_key is not None:
            key = _key(integration.service_key, "service_key", page)
            address, retried = self._events_v1_url, (403,)  # where v1 limits a rate
            body = _encoded(event_v1(integration, key, page), "details")
        else:
            key = _key(integration.routing_key or Secret(), "routing_key", page)
            address, retried = read_secret(integration.url, "url"), (429,)
            body = _encoded(event_v2(integration, key, page), "payload", "custom_details")
        reply = await self._client.post(
            address, body, integration.http, setting="PagerDuty's url", secrets=[key], retried=retried
        )
        return reply.words


def event_v2(integration: PagerdutyIntegration, routing_key: str, page: Page) -> dict[str, Any]:
    """The event for this integration key."""
    images = [
        {"src": page.text(image.src), "alt": page.text(image.alt), "href": page.text(image.href)}
        for image in integration.images
    ]
    links = [{"href": page.text(link.href), "text": page.text(link.text)} for link in integration.links]
    if page.acknowledge_link:
        links.append({"href": page.acknowledge_link, "text": "Acknowledge in Tocsin"})
    payload = {
        "class": page.text(integration.class_),
        "component": page.text(integration.component),
        "group": page.text(integration.group),
        "custom_details": page.data(integration.details),
    }
    optional = {
        "client": page.text(integration.client),
        "client_url": page.text(integration.client_url),
        "images": [image for image in images if image["src"]],
        "links": [link for link in links if link["href"]],
    }
    return {
        "routing_key": routing_key,
        "dedup_key": _dedup_key(page),
        "event_action": _action(page),
        "payload": {
            "summary": shortened(page.text(integration.description), LONGEST_SUMMARY),
            "source": page.text(integration.source),
            "severity": page.text(integration.severity),
            **{name: value for name, value in payload.items() if value},
        },
        **{name: value for name, value in optional.items() if value},
    }


def event_v1(integration: PagerdutyIntegration, service_key: str, page: Page) -> dict[str, Any]:
    """The event for this key of the older API; who resolves says no client."""
    client = {"client": page.text(integration.client), "client_url": page.text(integration.client_url)}
    contexts = [{"type": "link", "href": page.acknowledge_link, "text": "Acknowledge in Tocsin"}]
    return {
        "service_key": service_key,
        "incident_key": _dedup_key(page),
        "event_type": _action(page),
        "description": shortened(page.text(integration.description), LONGEST_SUMMARY),
        "details": page.data(integration.details),
        **({name: value for name, value in client.items() if value} if page.is_firing else {}),
        **({"contexts": contexts} if page.acknowledge_link else {}),
    }


def _key(secret: Secret, setting: str, page: Page) -> str:
    key = page.secret(read_secret(secret, setting), setting)
    if not key:
        raise RejectedError(f"{setting} is empty")
    return key


def _dedup_key(page: Page) -> str:
    return sha256(page.notification.group_key.encode("utf-8", "surrogatepass")).hexdigest()


def _action(page: Page) -> str:
    return "trigger" if page.is_firing else "resolve"


def _encoded(event: dict[str, Any], *place_of_details: str) -> bytes:
    """The event as JSON, without its details where they make it too large."""
    body = msgspec.json.encode(event)
    if len(body) <= MOST_BYTES:
        return body
    *outer, last = place_of_details
    holder = event
    for name in outer:
        holder = holder[name]
    holder[last] = TOO_LARGE
    return msgspec.json.encode(event)
