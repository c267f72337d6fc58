"""Reconciliation: what Azure Monitor says fired and never arrived here; asked each hour, or when somebody wants it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import ConflictError, DomainError, NotFoundError, UnavailableError
from domain.principals import Scope
from endpoints.ingest import admit
from endpoints.pipeline import endpoint
from endpoints.shapes import Shape, show

if TYPE_CHECKING:
    from domain.reconciling import FiredAlert, Reconciliation
    from domain.sources.reading import Payload, Reading

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

log = logging.getLogger("tocsin.azure")

MOST_ASKED = 200
"""Of so many alerts it is asked in one comparison whom they were sent to; the others wait for the next."""


# --- shapes ---------------------------------------------------------------------------------------------------------


class AzureAlert(Shape):
    """An alert of Azure Monitor."""

    id: str = Field(examples=["66114d64-d9d9-478b-95c9-b789d6502100"])
    resource_id: str
    rule: str = Field(description="The rule's name.", examples=["cpu-high"])
    severity: str = Field(examples=["Sev1"])
    service: str = Field(examples=["Platform"])
    target: str = Field(description="The resource ID of what it is about.")
    started_at: datetime
    resolved_at: datetime | None
    url: str = Field(description="Where Azure's portal shows it.")


class ReconciliationReport(Shape):
    """What the last comparison found."""

    at: datetime
    since: datetime = Field(description="When comparing began: what fired before is not looked for.")
    start: datetime | None = Field(description="What fired from here on was compared; null at the very first.")
    end: datetime | None = Field(description="What fired before this; later ones may still be on their way.")
    subscriptions: list[str]
    fired: int = Field(description="So many fired in that time.")
    arrived: int = Field(description="So many of them arrived here.")
    suppressed: int = Field(description="Kept from all by an alert processing rule.")
    elsewhere: int = Field(description="For other action groups than ours.")
    unchecked: int = Field(description="Not here, and not known yet whether they were for us.")
    missing_count: int
    missing: list[AzureAlert] = Field(description="Should have arrived and did not; the first 500.")
    late: list[AzureAlert] = Field(description="Missing an hour ago, here now.")
    unresolved: list[AzureAlert] = Field(description="Arrived, and their end did not: this comparison ended them.")
    failures: list[str] = Field(description="What Azure did not answer, a line each.")


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "GET",
    "api/v1/reconciliation",
    scope=Scope.READ,
    answers={200: ReconciliationReport},
    problems=(404,),
)
async def get_reconciliation(_: func.HttpRequest) -> func.HttpResponse:
    """Show what Azure Monitor says fired and what arrived here, as last compared."""
    report = await ports().receipts.get_reconciliation()
    if report is None:
        raise NotFoundError("nothing has been compared yet; TOCSIN_RECONCILE_SUBSCRIPTIONS names what is")
    return show(_shown(report))


@endpoint(
    blueprint,
    "POST",
    "api/v1/reconciliation",
    scope=Scope.ADMIN,
    answers={200: ReconciliationReport},
    problems=(409,),
)
async def run_reconciliation(_: func.HttpRequest) -> func.HttpResponse:
    """Compare now, as is done each hour: after an outage, say."""
    report = await reconcile()
    if report is None:
        raise ConflictError("TOCSIN_RECONCILE_SUBSCRIPTIONS names no subscription")
    return show(_shown(report))


def _shown(report: Reconciliation) -> ReconciliationReport:
    return ReconciliationReport(
        at=report.at,
        since=report.since,
        start=report.start,
        end=report.end,
        subscriptions=list(report.subscriptions),
        fired=report.fired,
        arrived=report.arrived,
        suppressed=report.suppressed,
        elsewhere=len(report.elsewhere),
        unchecked=report.unchecked,
        missing_count=report.missing_count,
        missing=[_alert(alert) for alert in report.missing],
        late=[_alert(alert) for alert in report.late],
        unresolved=[_alert(alert) for alert in report.unresolved],
        failures=list(report.failures),
    )


def _alert(alert: FiredAlert) -> AzureAlert:
    from domain.reconciling import portal_url

    return AzureAlert(
        id=alert.id,
        resource_id=alert.resource_id,
        rule=alert.rule_name,
        severity=alert.severity,
        service=alert.service,
        target=alert.target,
        started_at=alert.started_at,
        resolved_at=alert.resolved_at,
        url=portal_url(alert.resource_id),
    )


# --- what arrives ---------------------------------------------------------------------------------------------------


async def note_arrival(payload: Payload, reading: Reading, at: datetime) -> None:
    """Remember that it arrived, now that its alerts are durable; never raises, for nothing is lost without it."""
    from domain.reconciling import receipts_of

    try:
        await ports().receipts.note_receipts(receipts_of(payload.body, reading, at))
    except Exception as error:  # noqa: BLE001 - whatever it is: the alert is durable, and the next comparison mends it
        log.warning("that an alert of Azure Monitor arrived is not noted: %r", error)


# --- comparing ------------------------------------------------------------------------------------------------------


async def reconcile() -> Reconciliation | None:
    """Compare what fired with what arrived, tell of what did not, and keep the report; None where nothing is asked.

    Raises:
        UnavailableError: The store or the queue did not answer; to be repeated.
    """
    from domain.reconciling import RECEIPTS_KEPT, Reconciliation, compare, unheard, window

    home = ports()
    subscriptions, store = home.settings.reconciled_subscriptions, home.receipts
    previous = await store.get_reconciliation()
    if not subscriptions:
        if previous is not None:
            # From now on no receipts are noted: whoever switches it on again begins anew.
            await store.keep_reconciliation(None)
        return None
    now = home.door.receive(home.clock())
    await store.forget_receipts(now - RECEIPTS_KEPT)
    if previous is None:
        report = Reconciliation(at=now, since=now, subscriptions=subscriptions)
        await store.keep_reconciliation(report)
        return report
    fired, silent, failures = await _ask(subscriptions, previous, now)
    receipts = await store.find_receipts({alert.id for alert in (*fired, *previous.missing)})
    start, end = window(previous, now)
    known = {alert.id for alert in previous.missing} | set(previous.elsewhere)
    asked = [alert for alert in unheard(fired, receipts, start, end) if alert.id not in known]
    elsewhere, unchecked = await _sort_out(asked, failures)
    outcome = compare(
        fired,
        receipts,
        previous,
        elsewhere=elsewhere | set(previous.elsewhere),
        unchecked=unchecked,
        silent=silent,
        failures=failures,
        subscriptions=subscriptions,
        now=now,
    )
    if outcome.alerts:
        await admit(outcome.alerts, await home.configurations.gather())
        await store.note_receipts(outcome.receipts)
    await store.keep_reconciliation(outcome.report)
    _log(outcome.report, outcome.news)
    return outcome.report


async def _ask(
    subscriptions: Sequence[str], previous: Reconciliation, now: datetime
) -> tuple[list[FiredAlert], set[str], list[str]]:
    """What fired, the subscriptions that did not say, and what was the matter."""
    from domain.reconciling import window

    start, _ = window(previous, now)
    fired: list[FiredAlert] = []
    silent: set[str] = set()
    failures: list[str] = []
    for subscription in subscriptions:
        try:
            fired += await ports().fired_alerts.list_fired(subscription, start, now)
        except DomainError as error:
            log.error("what fired in subscription %s is not known: %s", subscription, error)
            silent.add(subscription)
            failures.append(f"{subscription}: {error}")
    return fired, silent, failures


async def _sort_out(alerts: Sequence[FiredAlert], failures: list[str]) -> tuple[set[str], set[str]]:
    """The ids of those that were sent to others only, and of those of which that is not known."""
    ours = ports().settings.reconciled_action_groups
    if not ours:
        return set(), set()
    elsewhere, unchecked = set[str](), {alert.id for alert in alerts[MOST_ASKED:]}
    for place, alert in enumerate(alerts[:MOST_ASKED]):
        try:
            groups = await ports().fired_alerts.triggered_groups(alert)
        except DomainError as error:
            unchecked.add(alert.id)
            failures.append(f"{alert.subscription}: whom alert {alert.id} was sent to: {error}")
            if isinstance(error, UnavailableError):  # nor will it answer for the others
                unchecked |= {other.id for other in alerts[place:]}
                break
            continue
        if ours.isdisjoint(groups):
            elsewhere.add(alert.id)
    return elsewhere, unchecked


def _log(report: Reconciliation, news: Sequence[FiredAlert]) -> None:
    for alert in news:
        log.error(
            "an alert of Azure Monitor never arrived: rule %r, %s, fired at %s, about %s: %s",
            alert.rule_name,
            alert.severity,
            alert.started_at.isoformat(),
            alert.target or "nothing named",
            alert.resource_id,
        )
    for alert in report.unresolved:
        log.error("the end of an alert of Azure Monitor never arrived: rule %r: %s", alert.rule_name, alert.resource_id)
    log.info(
        "Azure Monitor: of %d alerts that fired, %d arrived and %d are missing",
        report.fired,
        report.arrived,
        report.missing_count,
    )
