"""Shadow: what stands in the place of everything that sends, when Tocsin only shows what it would have sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from adapters.configurations import Configurations
from domain.configuration import Integration, Receiver, WebhookIntegration
from domain.configuration.bundle import Templates
from domain.errors import ConflictError
from domain.notifications import Delivery, Outcome, pack
from domain.shadowing import LABELS_KEPT, ShadowRecord, ShadowStore, counterpart

RECORDED = "would be told (shadow: recorded, not sent)"
"""What every delivery is answered with."""

REFUSED = "this Tocsin is a shadow: it sends nothing to anybody, also no test page; start it without --shadow for that"


class ShadowDeliverer:
    """Takes the place of `Deliverer`, and has no notifier: there is nothing here that could send."""

    def __init__(self, store: ShadowStore, configurations: Configurations, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._configurations = configurations
        self._clock = clock

    async def deliver(self, delivery: Delivery, integration: Integration, templates: Templates = ()) -> Outcome:
        """Record what the integration would be told; the delivery counts as delivered, so all goes on as if it was.

        Raises:
            UnavailableError: It is not recorded; to be delivered again.
        """
        configuration = await self._configurations.get(delivery.configuration_version)
        receiver = configuration.receiver(delivery.notification.receiver)
        counts = counterpart(receiver) == delivery.integration
        await self._store.add_record(_record(delivery, integration, self._clock(), counts=counts))
        name = f"receiver {delivery.notification.receiver!r} {integration.kind}[{delivery.integration}]"
        return Outcome(True, f"{name} {RECORDED}")

    async def try_out(self, receiver: Receiver, templates: Templates) -> NoReturn:
        """Refuse to send a test page.

        Raises:
            ConflictError: Always.
        """
        raise ConflictError(REFUSED)


def _record(delivery: Delivery, integration: Integration, at: datetime, *, counts: bool) -> ShadowRecord:
    notification = delivery.notification
    most = integration.max_alerts if isinstance(integration, WebhookIntegration) else 0
    told = notification.alerts[:most] if most else notification.alerts
    firing = [one.alert for one in told if one.is_firing]
    return ShadowRecord(
        id=delivery.id,
        side="tocsin",
        at=at,
        receiver=notification.receiver,
        group_key=notification.group_key,
        group_labels=notification.group_labels,
        status="firing" if firing else "resolved",
        firing=pack(alert.fingerprint for alert in firing),
        resolved=pack(one.alert.fingerprint for one in told if not one.is_firing),
        truncated=notification.truncated + len(notification.alerts) - len(told),
        reason=str(notification.reason),
        since=min((alert.starts_at for alert in firing), default=None),
        labels={one.alert.fingerprint: dict(one.alert.labels) for one in told[:LABELS_KEPT]},
        integration=f"{integration.kind}[{delivery.integration}]",
        counts=counts,
        group_id=delivery.group_id,
        incident=delivery.incident,
    )
