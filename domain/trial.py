"""Trial: pages that say nothing but that they arrive, so that a receiver can be tried before it is needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.alerts import Alert
from domain.configuration import Receiver
from domain.labels import fingerprint
from domain.notifications import Notification, NotificationReason, ToldAlert

TRIAL_ALERTNAME = "TocsinTest"


def trial_notifications(receiver: Receiver, now: datetime) -> tuple[Notification, Notification]:
    """A page that fires and the one that resolves it; of a group of their own, new with each `now`."""
    labels = {"alertname": TRIAL_ALERTNAME, "severity": "none"}
    annotations = {
        "summary": "Test page from Tocsin: no action needed",
        "description": f"Somebody tries receiver {receiver.name}. Nothing is wrong.",
    }

    def told(reason: NotificationReason, *, is_firing: bool) -> Notification:
        ends_at = now + timedelta(minutes=5) if is_firing else now
        alert = Alert(fingerprint(labels), labels, annotations, now, ends_at, now)
        return Notification(
            receiver=receiver.name,
            group_key=f'tocsin-test/{now.isoformat()}:{{alertname="{TRIAL_ALERTNAME}"}}',
            group_labels={"alertname": TRIAL_ALERTNAME},
            route_labels={},
            reason=reason,
            alerts=(ToldAlert(alert, is_firing),),
        )

    return told(NotificationReason.FIRST, is_firing=True), told(NotificationReason.ALL_RESOLVED, is_firing=False)
