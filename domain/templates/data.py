"""Root data: what a template sees of a notification."""

from __future__ import annotations

import re
from datetime import datetime

from domain.notifications import Notification, ToldAlert, common_annotations, common_labels, status
from domain.quoting import quote_meta
from domain.templates import values
from domain.templates.times import ZERO, Time
from domain.templates.values import KV, Data

_FRACTION = re.compile(r"\.(\d{1,9})")


def template_data(
    notification: Notification, external_url: str, max_alerts: int = 0, acknowledge_url: str = ""
) -> Data:
    """The data of a notification about its first `max_alerts` alerts (0 for all); of more it tells only how many.

    Source: `Template.Data` in Alertmanager 0.34, template/template.go (WH-1 to WH-6); `group_key` and
    `truncated_alerts` are Tocsin's own addition, from the payload of webhooks, as is `acknowledge_url`.
    """
    told = notification.alerts[:max_alerts] if max_alerts else notification.alerts
    return Data(
        receiver=quote_meta(notification.receiver),
        status=status(notification, told),
        alerts=values.Alerts(tuple(map(_alert, told))),
        notification_reason=str(notification.reason),
        group_labels=KV(notification.group_labels),
        common_labels=KV(common_labels(told)),
        common_annotations=KV(common_annotations(told)),
        route_labels=KV(notification.route_labels),
        external_url=external_url,
        group_key=notification.group_key,
        truncated_alerts=notification.truncated + len(notification.alerts) - len(told),
        acknowledge_url=acknowledge_url,
    )


def _alert(told: ToldAlert) -> values.Alert:
    alert = told.alert
    return values.Alert(
        status="firing" if told.is_firing else "resolved",
        labels=KV(alert.labels),
        annotations=KV(alert.annotations),
        starts_at=_time(alert.starts_at, alert.starts_text),
        ends_at=ZERO if told.is_firing else _time(alert.ends_at, alert.ends_text),
        generator_url=alert.generator_url,
        fingerprint=alert.fingerprint,
    )


def _time(instant: datetime, text: str) -> Time:
    """The instant, to the nanosecond where the text tells it (WH-9)."""
    fraction = _FRACTION.search(text)
    return Time.of(instant, int(fraction[1].ljust(9, "0")) if fraction else None)
