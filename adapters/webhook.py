"""Webhook: Alertmanager's payload, version 4, and the HTTP request that carries it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from adapters.http_client import HttpClient
from adapters.rendering import Renderer
from adapters.secrets import read_secret
from adapters.signing import Signer
from domain.configuration import WebhookIntegration
from domain.configuration.bundle import Templates
from domain.notifications import Notification, ToldAlert, common_annotations, common_labels, status
from domain.quoting import quote_meta
from domain.times import ZERO_TIME


def payload(notification: Notification, external_url: str, max_alerts: int) -> dict[str, Any]:
    """The message of version 4, about the first `max_alerts` alerts (0 for all); of more it tells only how many.

    Source: notify/webhook/webhook.go and template/template.go in Alertmanager 0.34 (WH-1 to WH-6, WH-9).
    """
    told = notification.alerts[:max_alerts] if max_alerts else notification.alerts
    return {
        "receiver": quote_meta(notification.receiver),
        "status": status(notification, told),
        "alerts": [_alert(one) for one in told],
        "notification_reason": str(notification.reason),
        "groupLabels": notification.group_labels,
        "commonLabels": common_labels(told),
        "commonAnnotations": common_annotations(told),
        "routeLabels": notification.route_labels,
        "externalURL": external_url,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": notification.truncated + len(notification.alerts) - len(told),
    }


def _alert(told: ToldAlert) -> dict[str, Any]:
    alert = told.alert
    return {
        "status": "firing" if told.is_firing else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts_text or go_time(alert.starts_at),
        "endsAt": ZERO_TIME if told.is_firing else alert.ends_text or go_time(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def go_time(instant: datetime) -> str:
    """The instant as Go's `time.RFC3339Nano` prints it: no trailing zeros of a second, and `Z` for any zero offset."""
    offset = instant.utcoffset() or timedelta(0)
    local = instant.replace(tzinfo=None)
    text = local.isoformat(timespec="microseconds").rstrip("0").rstrip(".") if local.microsecond else local.isoformat()
    if not offset:
        return f"{text}Z"
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{text}{'-' if offset < timedelta(0) else '+'}{minutes // 60:02}:{minutes % 60:02}"


class WebhookNotifier:
    """Implements `Notifier` for webhooks."""

    def __init__(
        self,
        client: HttpClient,
        renderer: Renderer,
        external_url: str,
        *,
        is_strict: bool = False,
        signer: Signer | None = None,
    ) -> None:
        """`is_strict`: the payload has nothing that Alertmanager's has not; `signer`: signs for some receivers."""
        self._signer = signer
        self._is_strict = is_strict
        self._client = client
        self._renderer = renderer
        self._external_url = external_url

    async def notify(
        self,
        integration: WebhookIntegration,
        notification: Notification,
        *,
        incident: str = "",
        templates: Templates = (),
    ) -> str:
        page = self._renderer.page(notification, incident, templates, integration.max_alerts)
        address = page.secret(read_secret(integration.url, "url"), "the webhook's url")
        message = payload(notification, self._external_url, integration.max_alerts)
        if incident and not self._is_strict:
            message["incidentURL"] = page.link
            if page.acknowledge_link:
                message["acknowledgeURL"] = page.acknowledge_link
        if integration.payload is not None:
            message = page.data(integration.payload)
        body = msgspec.json.encode(message)
        signature = self._signer.sign(notification.receiver, body) if self._signer is not None else None
        reply = await self._client.post(
            address, body, integration.http, setting="the webhook's url", signature=signature
        )
        return reply.words
