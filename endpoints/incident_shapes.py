"""The shapes of incidents: one as lists show it, and with its timeline; and how they are made of what is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from adapters.wiring import ports
from endpoints.finding_shapes import FindingShape, UsageShape
from endpoints.later import later
from endpoints.shapes import Shape

if TYPE_CHECKING:
    from domain.alerts import Alert
    from domain.explaining import EventName, Explained
    from domain.groups import Incident, Member
    from domain.labels import Fingerprint
else:
    (EventName,) = later("domain.explaining", "EventName")

type Status = Literal["triggered", "acknowledged", "resolved"]


class IncidentSummary(Shape):
    """One occurrence of a group, from its first firing alert until none fires and the resolve is settled."""

    id: str
    url: str
    """The page for people."""
    title: str
    status: Status
    """`resolved` by a person, while alerts still fire, or because none does any more: see `is_over`."""
    is_over: bool
    """Whether none of its alerts fires any more, and everybody knows; then it changes no more, but for notes."""
    severity: str
    """A person's word, or else the highest label `severity` of what fires; empty where there is none."""
    assignee: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    """When the acknowledgement times out; null if it does not."""
    snoozed_until: datetime | None
    snoozed_by: str | None
    receiver: str
    group_id: str
    group_key: str
    group_labels: dict[str, str]
    opened_at: datetime
    resolved_at: datetime | None
    """When it was over; or when a person resolved it, and it still is so."""
    resolved_by: str | None
    """The person; null where it is not resolved by one."""
    firing: int
    alerts: int
    """How many alerts are or were part of it."""
    pages: int
    """How many notifications arrived."""
    failed: int
    """How many did not: refused, or without a result by their deadline."""


class Incidents(Shape):
    """The newest first."""

    incidents: list[IncidentSummary]
    next: str | None
    """Give this as `cursor` for what follows; None at the end.  With a status wanted, a part may be short or empty."""


class AlertShape(Shape):
    """One alert, as it was reported."""

    fingerprint: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    """Until when its sender vouched for it, or when it ended."""
    received_at: datetime
    generator_url: str


class CurrentAlert(AlertShape):
    """One alert that the group holds now."""

    why: str | None
    """In a sentence why it was told or was not; of the first 20."""
    explain_url: str
    """Where all of it is told, step by step; a page for people."""


class ReasonShape(Shape):
    """One clause of a decision: what, about whom, and the detail in words."""

    code: str
    text: str
    integration: int | None
    fingerprints: list[str]


class DeliveryResult(Shape):
    """How a delivery ended."""

    delivery_id: str
    integration: int
    is_delivered: bool
    attempts: int
    answer: str


class TimelineEntry(Shape):
    """One event and all that was decided about it, also what was not sent, and why."""

    revision: int
    at: datetime
    event: EventName
    actor: str | None
    """The person who did it; null where nobody did."""
    action: str | None
    """What the person did, as it is called in the path: `acknowledge`, `snooze` and so on."""
    reason: str | None
    """Why, in the person's words; of a note, the note."""
    words: str
    """The whole entry as one sentence."""
    clauses: list[str]
    """The parts of that sentence."""
    reasons: list[ReasonShape]
    alerts: list[AlertShape]
    """What the event reported."""
    result: DeliveryResult | None
    next_due_at: datetime | None
    configuration_version: str


class CostShape(Shape):
    """Counted from the store's own answers."""

    request_units: float
    operations: int
    """Requests to the store."""
    bytes: int
    """Sent to and received from the store."""
    messages: int
    """Sent to the queues."""


class IncidentDetail(IncidentSummary):
    """The incident with its timeline."""

    current_alerts: list[CurrentAlert]
    """While it is triggered: the alerts of its group, the firing ones first; at most 1,000."""
    timeline: list[TimelineEntry]
    """The oldest first."""
    is_timeline_cut: bool
    """Whether there are earlier entries than these."""
    finding: FindingShape | None
    """What was found when it was last looked at; null where nobody has looked."""
    model_usage: UsageShape | None
    """What models have taken for it, by looks and by questions; null where no model is configured."""
    cost: CostShape | None
    """What it has cost the store and the queues so far; null where those charge nothing, as on one machine."""


def is_snoozed(incident: Incident) -> bool:
    """Whether nobody is told of it for now."""
    return incident.resolved_at is None and incident.standing.snoozed_until is not None


def summary_of(incident: Incident) -> IncidentSummary:
    """What lists show of one incident."""
    standing = incident.standing
    return IncidentSummary(
        id=incident.id,
        url=f"{ports().settings.external_url.rstrip('/')}/incidents/{incident.id}",
        title=incident.title,
        status=incident.status.value,
        is_over=incident.resolved_at is not None,
        severity=standing.severity or incident.severity,
        assignee=standing.assignee or None,
        acknowledged_at=standing.acknowledged_at,
        acknowledged_by=standing.acknowledged_by or None,
        acknowledged_until=standing.until,
        snoozed_until=standing.snoozed_until if is_snoozed(incident) else None,
        snoozed_by=standing.snoozed_by if is_snoozed(incident) else None,
        receiver=incident.receiver,
        group_id=incident.group_id,
        group_key=incident.group_key,
        group_labels=dict(incident.group_labels),
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at or standing.resolved_at,
        resolved_by=standing.resolved_by or None,
        firing=incident.firing,
        alerts=incident.alerts,
        pages=incident.pages,
        failed=incident.failed,
    )


def _alert(alert: Alert, *, is_firing: bool) -> AlertShape:
    return AlertShape(
        fingerprint=alert.fingerprint,
        status="firing" if is_firing else "resolved",
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        received_at=alert.received_at,
        generator_url=alert.generator_url,
    )


def show_current_alert(member: Member, why: Mapping[Fingerprint, str]) -> CurrentAlert:
    """One alert of the group, with why it was told or was not where that is known."""
    name = member.alert.fingerprint
    return CurrentAlert(
        **dict(_alert(member.alert, is_firing=member.is_firing)),
        why=why.get(name),
        explain_url=f"{ports().settings.external_url.rstrip('/')}/alerts/{name}",
    )


def show_entry(explained: Explained) -> TimelineEntry:
    """One entry of the trail."""
    from domain.explaining import reported_alerts

    entry, settled, responded = explained.entry, explained.entry.settled, explained.entry.responded
    return TimelineEntry(
        revision=entry.revision,
        at=entry.at,
        event=explained.event,
        actor=explained.actor or None,
        action=responded.action.value if responded else None,
        reason=responded.reason or None if responded else None,
        words=explained.words,
        clauses=list(explained.clauses),
        reasons=[
            ReasonShape(
                code=reason.code,
                text=reason.text,
                integration=reason.integration,
                fingerprints=list(reason.fingerprints),
            )
            for reason in entry.reasons
        ],
        alerts=[_alert(alert, is_firing=alert.ends_at > alert.received_at) for alert in reported_alerts(entry)],
        result=DeliveryResult(
            delivery_id=settled.delivery_id,
            integration=settled.integration,
            is_delivered=settled.is_delivered,
            attempts=settled.attempts,
            answer=settled.detail,
        )
        if settled
        else None,
        next_due_at=entry.next_due_at,
        configuration_version=entry.configuration_version,
    )
