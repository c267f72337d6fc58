"""Reconciling: what Azure Monitor says fired, against what arrived here; and what becomes of the difference.

An action group calls a webhook six times within 75 seconds, and then leaves it alone for 15 minutes: what fires in that
time is never sent.  So Azure is asked once an hour which alerts fired, and each is looked for among the receipts: the
ids of the alerts that arrived, noted after they were durable.

- *Missing*: it fired, and there is no receipt.  A firing alert `TocsinAlertNeverArrived` tells of it, with the severity
  and the resources that the alert itself would have, so that the same routes lead to the same people.  It is no copy of
  the alert: the API does not say which dimensions it has, so a copy could be another alert, which no resolve closes.
  It is over when Azure says that the condition is, or when the alert arrives after all.  What was over before it was
  missed pages nobody; it is in the report, and in the log.
- *Unresolved*: it fired and arrived, Azure says that its condition is over, and that never arrived.  It is resolved
  here, by the labels in its receipt: exactly that alert, unless a later one of the same labels fires.
- *Suppressed* by an alert processing rule, or *elsewhere*: it triggered none of the action groups that are said to tell
  this Tocsin.  Neither is missing.

Receipts fail on the safe side: where one was not noted, an alert is said to be missing that is not, and the next hour
takes that back.

The pages: https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook-retry-behavior, and those that
`adapters.alerts_management` names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from domain.alerts import Alert
from domain.labels import Labels, fingerprint
from domain.sources.reading import TIME_TO_LIVE, Reading, Reception, make_alert
from domain.values import value

KIND = "azure-monitor"
"""The kind of source whose arrivals are noted."""

ALERTNAME = "TocsinAlertNeverArrived"

WINDOW = timedelta(hours=24)
"""What fired longer ago is not looked at again."""

LAG = timedelta(minutes=10)
"""What fired later may still be on its way: the last of six attempts comes after 75 seconds."""

RECEIPTS_KEPT = WINDOW + timedelta(hours=48)

MOST_MISSING = 500
"""So many are reported and told of; more are counted."""


@value
class FiredAlert:
    """One alert as Azure Monitor keeps it: one occurrence of a condition."""

    id: str
    """The last part of its resource ID, in lower case; an action group's payload ends in it too (`alertId`)."""
    resource_id: str
    subscription: str
    rule: str
    """The rule's resource ID, or its name: what the service gives."""
    service: str
    severity: str
    """`Sev0` to `Sev4`."""
    target: str
    """The resource ID of what it is about."""
    started_at: datetime
    resolved_at: datetime | None = None
    """When its condition was over; None while it is not."""
    is_suppressed: bool = False
    """Whether an alert processing rule kept its action groups from being called."""
    description: str = ""

    @property
    def rule_name(self) -> str:
        """What people call the rule."""
        return self.rule.rstrip("/").rpartition("/")[2] if self.rule.startswith("/") else self.rule


@value
class Receipt:
    """That an alert of Azure Monitor arrived."""

    id: str
    at: datetime
    labels: Mapping[str, str]
    """Of the alert that it became; empty where it became none."""
    is_resolved: bool = False
    """Whether the end of it arrived too."""


@value
class Reconciliation:
    """What one comparison found."""

    at: datetime
    since: datetime
    """Receipts are noted since then: what fired before is not looked for."""
    start: datetime | None = None
    """What fired from here on is compared; None where nothing was yet, as this is the first."""
    end: datetime | None = None
    """What fired before this."""
    subscriptions: tuple[str, ...] = ()
    fired: int = 0
    arrived: int = 0
    suppressed: int = 0
    elsewhere: tuple[str, ...] = ()
    """The ids of those that were for others; not asked about again."""
    unchecked: int = 0
    """Without a receipt, and which action groups they triggered is not known yet."""
    missing_count: int = 0
    missing: tuple[FiredAlert, ...] = ()
    """The first `MOST_MISSING` of them, the oldest first."""
    late: tuple[FiredAlert, ...] = ()
    """Missing at the comparison before, and arrived since."""
    unresolved: tuple[FiredAlert, ...] = ()
    """Resolved by this comparison, for Azure's word did not arrive."""
    failures: tuple[str, ...] = ()
    """What Azure did not answer; what it would have said is looked at in the next hour."""


@value
class Outcome:
    """What a comparison leads to."""

    report: Reconciliation
    alerts: tuple[Alert, ...]
    """To be taken in: those that tell of missing ones, and those that end."""
    receipts: tuple[Receipt, ...]
    """To be noted when the alerts are durable."""
    news: tuple[FiredAlert, ...]
    """Those of the missing that the comparison before did not know of."""


class FiredAlerts(Protocol):
    """What Azure Monitor knows of the alerts that fired; Azure keeps them for 30 days."""

    async def list_fired(self, subscription: str, start: datetime, end: datetime) -> Sequence[FiredAlert]:
        """All alerts of the subscription in that time, each once; may hold some from outside of it.

        Raises:
            UnavailableError: Azure did not answer, or not to the end.
            RejectedError: It refused: the subscription is not there, or the identity may not read it.
        """
        ...

    async def triggered_groups(self, alert: FiredAlert) -> Collection[str]:
        """The resource IDs of the action groups that it triggered, in lower case.

        Raises:
            UnavailableError: Azure did not answer.
            RejectedError: It refused.
        """
        ...


class ReceiptStore(Protocol):
    """Which alerts of Azure Monitor arrived, and what the last comparison found; across all instances."""

    async def note_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep them, each in the place of an older one of its id; returns when they are durable.

        Raises:
            UnavailableError: Some may not be kept.
        """
        ...

    async def find_receipts(self, ids: Collection[str]) -> Mapping[str, Receipt]:
        """Those that are kept under these ids.

        Raises:
            UnavailableError: The store did not answer.
        """
        ...

    async def forget_receipts(self, before: datetime) -> None:
        """Remove those that arrived before; where the store does that by itself, nothing happens."""
        ...

    async def get_reconciliation(self) -> Reconciliation | None:
        """What the last comparison found; None where none has been made, or it was forgotten."""
        ...

    async def keep_reconciliation(self, report: Reconciliation | None) -> None:
        """Keep it in the place of the one before; None forgets that."""
        ...


# --- what arrives -----------------------------------------------------------------------------------------------------


def receipts_of(body: bytes, reading: Reading, at: datetime) -> Sequence[Receipt]:
    """The receipt for a payload of Azure Monitor that could be read; none where it does not say which alert it is.

    Also for one that was no news: it arrived.
    """
    from domain.sources.bodies import plain
    from domain.sources.pairs import mapping, parse_object

    essentials = mapping(mapping(parse_object(body, "an alert of Azure Monitor").get("data")).get("essentials"))
    id = instance_id(plain(essentials.get("alertId"))[:4096])
    if not id:
        return ()
    for alert in reading.alerts:  # one at most
        return (Receipt(id, at, dict(alert.labels), is_resolved=alert.ends_at <= alert.received_at),)
    return (Receipt(id, at, {}),)


def instance_id(resource_id: str) -> str:
    """What tells an alert of Azure Monitor from all others, from a resource ID in any of its forms."""
    return resource_id.rstrip("/").rpartition("/")[2].lower()


# --- what did not -----------------------------------------------------------------------------------------------------


def window(previous: Reconciliation | None, now: datetime) -> tuple[datetime, datetime]:
    """From when on, and before when, what fired is compared; empty where that has no length."""
    since = now if previous is None else previous.since
    start = max(since, now - WINDOW)
    return start, max(start, now - LAG)


def unheard(
    fired: Sequence[FiredAlert], receipts: Mapping[str, Receipt], start: datetime, end: datetime
) -> Sequence[FiredAlert]:
    """Those that should have arrived in that time and did not, the oldest first, wherever they were sent to."""
    found = [
        alert
        for alert in fired
        if start <= alert.started_at < end and alert.id not in receipts and not alert.is_suppressed
    ]
    return sorted(found, key=lambda alert: (alert.started_at, alert.id))


def compare(
    fired: Sequence[FiredAlert],
    receipts: Mapping[str, Receipt],
    previous: Reconciliation,
    *,
    elsewhere: Collection[str] = (),
    unchecked: Collection[str] = (),
    silent: Collection[str] = (),
    failures: Sequence[str] = (),
    subscriptions: Sequence[str] = (),
    now: datetime,
) -> Outcome:
    """What has not arrived, and what to do about it.

    Args:
        fired: What Azure says, of all subscriptions that answered.
        receipts: Those of these alerts, and of the missing ones of the comparison before.
        previous: The comparison before.
        elsewhere: The ids of those that were not for this Tocsin.
        unchecked: The ids of those of which that is not known.
        silent: The subscriptions that did not answer: nothing is concluded from what they did not say.
        failures: What to say of them.
        subscriptions: All that were asked.
        now: The door's stamp: the alerts are received at this instant.
    """
    start, end = window(previous, now)
    within = [alert for alert in fired if start <= alert.started_at < end]
    known = {alert.id: alert for alert in previous.missing}
    missing = [
        # As it was told of: what Azure has changed of it since must not make another alert of it here.
        replace(known[alert.id], resolved_at=alert.resolved_at) if alert.id in known else alert
        for alert in unheard(fired, receipts, start, end)
        if alert.id not in {*elsewhere, *unchecked}
    ]
    # What a subscription said before it fell silent stands.
    missing += [alert for alert in previous.missing if alert.subscription in silent and alert.id not in receipts]
    told = missing[:MOST_MISSING]
    late = tuple(alert for alert in previous.missing if alert.id in receipts)
    unresolved = _unresolved(fired, receipts, now)
    alerts = [_never_arrived(alert, now) for alert in told if alert.resolved_at is None or alert.id in known]
    alerts += [_never_arrived(alert, now, is_over=True) for alert in late]
    alerts += [_resolve(alert, receipts[alert.id], now) for alert in unresolved]
    report = Reconciliation(
        at=now,
        since=previous.since,
        start=start,
        end=end,
        subscriptions=tuple(subscriptions),
        fired=len(within),
        arrived=sum(alert.id in receipts for alert in within),
        suppressed=sum(alert.is_suppressed and alert.id not in receipts for alert in within),
        elsewhere=tuple(sorted(alert.id for alert in within if alert.id in elsewhere)),
        unchecked=len(unchecked),
        missing_count=len(missing),
        missing=tuple(told),
        late=late,
        unresolved=unresolved,
        failures=tuple(failures),
    )
    noted = tuple(Receipt(alert.id, now, receipts[alert.id].labels, is_resolved=True) for alert in unresolved)
    return Outcome(report, tuple(alerts), noted, tuple(alert for alert in missing if alert.id not in known))


def _unresolved(fired: Sequence[FiredAlert], receipts: Mapping[str, Receipt], now: datetime) -> tuple[FiredAlert, ...]:
    """Those that fire here and are over in Azure, without a later one of the same labels."""
    latest: dict[str, datetime] = {}
    for alert in fired:
        if (receipt := receipts.get(alert.id)) is not None and receipt.labels:
            identity = fingerprint(receipt.labels)
            latest[identity] = max(alert.started_at, latest.get(identity, alert.started_at))
    found = []
    for alert in fired:
        receipt = receipts.get(alert.id)
        if receipt is None or receipt.is_resolved or not receipt.labels:
            continue
        if alert.resolved_at is None or alert.resolved_at >= now - LAG:
            continue
        if latest[fingerprint(receipt.labels)] == alert.started_at:
            found.append(alert)
    return tuple(found)


def _never_arrived(alert: FiredAlert, now: datetime, *, is_over: bool = False) -> Alert:
    from domain.sources.azure_monitor import SEVERITIES
    from domain.sources.azure_monitor.resources import name_resources

    labels: Labels = {
        **name_resources([alert.target] if alert.target else []),
        "alertname": ALERTNAME,
        "source": KIND,
        "severity": SEVERITIES.get(alert.severity.lower(), "warning"),
        "monitoring_service": alert.service,
        "rule_id": alert.rule.lower() if alert.rule.startswith("/") else "",
        "rule": alert.rule_name,
        "alert_id": alert.id,
    }
    annotations = {
        "summary": f"{alert.rule_name or 'An alert'} fired in Azure and never arrived here",
        "description": (
            f"Azure Monitor says that it fired at {alert.started_at:%Y-%m-%d %H:%M:%S} UTC. "
            f"No action group has told this Tocsin of it. {alert.description}"
        ).strip(),
    }
    return make_alert(
        Reception(key="", received_at=now, time_to_live=TIME_TO_LIVE),
        labels,
        annotations,
        is_firing=not is_over and alert.resolved_at is None,
        starts_at=alert.started_at,
        url=portal_url(alert.resource_id),
    )


def _resolve(alert: FiredAlert, receipt: Receipt, now: datetime) -> Alert:
    """The end of an alert that arrived, with the labels that it has here."""
    return make_alert(
        Reception(key="", received_at=now),
        receipt.labels,
        {
            "summary": alert.rule_name,
            "description": "Azure Monitor says that it is over; no action group has told this Tocsin of that.",
        },
        is_firing=False,
        starts_at=alert.started_at,
        ends_at=alert.resolved_at,
        url=portal_url(alert.resource_id),
    )


def portal_url(resource_id: str) -> str:
    """Where Azure's portal shows it."""
    from urllib.parse import quote

    portal = "https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts/AlertDetails.ReactView/alertId/"
    return portal + quote(resource_id, safe="") if resource_id.startswith("/") else ""
