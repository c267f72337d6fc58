"""Alertmanager's webhook, payload version 4, read: what Alertmanager told a receiver.

Source: notify/webhook/webhook.go and template/template.go of Alertmanager 0.25 to 0.34 (WH-1 to WH-9).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

from domain.errors import RejectedError, TooLargeError, UnreadableError
from domain.labels import Fingerprint, Labels, fingerprint
from domain.notifications import pack
from domain.shadowing import LABELS_KEPT, ShadowRecord
from domain.sources.alertmanager_api import MOST_ALERTS
from domain.sources.bodies import LARGEST_BODY_BYTES, faults
from domain.times import print_instant, read_instant

VERSION = "4"

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_QUOTED = re.compile(r"\\([\\.+*?()|\[\]{}^$])")


type _Texts = Annotated[dict[str, str], FailFast()]


class WebhookAlert(BaseModel):
    """One alert of the payload; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    status: Literal["firing", "resolved"]
    labels: _Texts
    annotations: _Texts | None = None
    startsAt: str = ""
    endsAt: str = ""
    generatorURL: str = ""
    fingerprint: str | None = None


class Message(BaseModel):
    """The whole payload; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    version: str
    receiver: str
    status: Literal["firing", "resolved"]
    groupKey: str
    groupLabels: _Texts | None = None
    alerts: Annotated[list[WebhookAlert], FailFast()] | None
    truncatedAlerts: Annotated[int, Field(ge=0)] = 0
    notification_reason: str = ""


_MESSAGE = TypeAdapter(Message)


@dataclass(frozen=True, slots=True)
class Webhook:
    """What one webhook of Alertmanager's said."""

    receiver: str
    """As the configuration writes it, not quoted as the payload has it (WH-4)."""
    group_key: str
    group_labels: Labels
    status: Literal["firing", "resolved"]
    alerts: tuple[tuple[Fingerprint, WebhookAlert], ...]
    truncated: int
    reason: str
    since: datetime | None

    def record(self, id: str, at: datetime, sender: str) -> ShadowRecord:
        """The notification, as it is kept."""
        return ShadowRecord(
            id=id,
            side="alertmanager",
            at=at,
            receiver=self.receiver,
            group_key=self.group_key,
            group_labels=dict(self.group_labels),
            status=self.status,
            firing=pack({name for name, alert in self.alerts if alert.status == "firing"}),
            resolved=pack({name for name, alert in self.alerts if alert.status == "resolved"}),
            truncated=self.truncated,
            reason=self.reason,
            since=self.since,
            labels={name: alert.labels for name, alert in self.alerts[:LABELS_KEPT]},
            sender=sender,
        )

    def reports(self, at: datetime, lease: Callable[[Labels], timedelta]) -> list[dict[str, Any]]:
        """Its alerts as `POST /api/v2/alerts` takes them; what fires does so for as long as `lease` says."""
        return [
            {
                "labels": alert.labels,
                "annotations": alert.annotations or {},
                "startsAt": alert.startsAt or print_instant(at),
                "endsAt": print_instant(at + lease(alert.labels)) if alert.status == "firing" else alert.endsAt,
                "generatorURL": alert.generatorURL,
            }
            for _, alert in self.alerts
        ]


def read_webhook(body: bytes) -> Webhook:
    """Read one payload; what later versions add to it is ignored.

    Raises:
        TooLargeError: It is larger than what is taken.
        RejectedError: It is no such payload; the error names each fault.
    """
    message = parse_message(body)
    alerts = message.alerts or []
    starts = [_check_times(place, alert) for place, alert in enumerate(alerts)]
    return Webhook(
        receiver=_QUOTED.sub(r"\1", message.receiver),
        group_key=message.groupKey,
        group_labels=message.groupLabels or {},
        status=message.status,
        alerts=tuple([(_fingerprint(place, alert), alert) for place, alert in enumerate(alerts)]),
        truncated=message.truncatedAlerts,
        reason=message.notification_reason,
        since=min(
            (at for at, alert in zip(starts, alerts, strict=True) if at and alert.status == "firing"), default=None
        ),
    )


def parse_message(body: bytes) -> Message:
    """The payload by its shape and its version; times and fingerprints are texts.

    Raises:
        TooLargeError: It is larger than what is taken.
        RejectedError: It is no such payload; the error names each fault.
    """
    if len(body) > LARGEST_BODY_BYTES:
        raise TooLargeError(f"the body has {len(body)} bytes; at most {LARGEST_BODY_BYTES} are taken")
    try:
        message = _MESSAGE.validate_json(body)
    except ValidationError as error:
        is_json = error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
        refusal = RejectedError if is_json else UnreadableError
        raise refusal(f"the body is not Alertmanager's webhook payload: {faults(error)}") from None
    if message.version != VERSION:
        raise RejectedError(f"version {message.version[:20]!r} of the webhook payload is not known, only {VERSION!r}")
    if len(message.alerts or ()) > MOST_ALERTS:
        raise TooLargeError(
            f"the body holds {len(message.alerts or ())} alerts; at most {MOST_ALERTS} are taken: set max_alerts"
        )
    return message


def _check_times(place: int, alert: WebhookAlert) -> datetime | None:
    """Since when it fires, if that is told."""
    found = {}
    for name, text in (("startsAt", alert.startsAt), ("endsAt", alert.endsAt)):
        try:
            found[name] = read_instant(text) if text else None
        except ValueError as error:
            raise RejectedError(f"alerts.{place}.{name}: {error}") from None
    if alert.status == "resolved" and found["endsAt"] is None:
        raise RejectedError(f"alerts.{place}.endsAt: a resolved alert has an end")
    starts = found["startsAt"]
    return starts[0] if starts else None


def _fingerprint(place: int, alert: WebhookAlert) -> Fingerprint:
    if alert.fingerprint is None:
        return fingerprint({name: text for name, text in alert.labels.items() if text})
    if not _FINGERPRINT.fullmatch(alert.fingerprint):
        raise RejectedError(f"alerts.{place}.fingerprint: {alert.fingerprint[:40]!r} is not sixteen hexadecimal digits")
    return Fingerprint(alert.fingerprint)
