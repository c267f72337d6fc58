"""Every trigger: decode, gather, ask the domain, answer.  No rule lives here."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.telemetry import incident_id, is_tracing, setup_telemetry, span
from adapters.telemetry.instruments import OVERDUE
from adapters.wiring import ports
from endpoints import (
    alertmanager,
    arrivals,
    audit,
    changes,
    configurations,
    deliveries,
    docs,
    enqueue,
    explain,
    first_responder,
    groups,
    health,
    incidents,
    ingest,
    keys,
    links,
    live,
    operations,
    receivers,
    reconciliation,
    replaying,
    responding,
    shadow,
    silences,
    silencing,
    sources,
    statistics,
)
from endpoints.consumer import consumer
from endpoints.observing import describe_fold, note_folded, note_look, observe_delivery, observed
from endpoints.pipeline import refuse_the_rest
from endpoints.reacting import react_to, read_document
from endpoints.watching import watch

# The platform waits for this file before anything else, and an instance mostly runs one function of it: so each loads
# what it needs at its first call (tests/functions/test_cold.py).
if TYPE_CHECKING:
    from domain.groups import Event
    from domain.situations import Situation

# Before any function runs; loads nothing where nobody asked for telemetry.
setup_telemetry(os.environ)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for resource in (
    ingest,
    sources,
    enqueue,
    alertmanager,
    silences,
    incidents,
    responding,
    first_responder,
    links,
    explain,
    receivers,
    shadow,
    operations,
    health,
    keys,
    audit,
    live,
    groups,
    deliveries,
    silencing,
    statistics,
    configurations,
    reconciliation,
    arrivals,
    replaying,
    changes,
    docs,
):
    app.register_functions(resource.blueprint)
others = func.Blueprint()  # type: ignore[no-untyped-call]
refuse_the_rest(others)
app.register_functions(others)

log = logging.getLogger("tocsin")


@app.service_bus_queue_trigger(arg_name="message", queue_name="%INTAKE_QUEUE%", connection="SERVICE_BUS")
@consumer("intake")
async def take_in(message: func.ServiceBusMessage) -> None:
    """Take in alerts that a producer put on the queue, in any form; if this raises, the queue delivers it again."""
    from endpoints.intake import take_in as take_in_message

    await take_in_message(message)


@app.service_bus_queue_trigger(
    arg_name="message", queue_name="%GROUPS_QUEUE%", connection="SERVICE_BUS", is_sessions_enabled=True
)
@consumer("groups")
async def fold_groups(message: func.ServiceBusMessage) -> None:
    """Fold one request's alerts into the groups of one shard; if this raises, the queue delivers it again."""
    from adapters.messages import read_events

    events = read_events(message.get_body(), message.message_id)
    situation = await ports().configurations.gather()
    if events.configuration_version != situation.configuration.version:
        await ports().configurations.feed_sources(events.alerts, situation.configuration)
        await ports().queues.send_events(ports().door.route_anew(events, situation), replacing=events.size)
    else:
        await _fold(events.events, situation)
        note_folded(events)


@app.service_bus_queue_trigger(arg_name="message", queue_name="%TICKS_QUEUE%", connection="SERVICE_BUS")
@consumer("ticks")
async def flush_group(message: func.ServiceBusMessage) -> None:
    """Let a group do what is due; if this raises, the queue delivers the tick again."""
    from adapters.documents import decode
    from domain.groups import Tick

    tick = decode(Tick, message.get_body())
    await _fold([tick], await ports().configurations.gather())


@app.service_bus_queue_trigger(arg_name="message", queue_name="%DELIVERIES_QUEUE%", connection="SERVICE_BUS")
@consumer("deliveries")
async def deliver(message: func.ServiceBusMessage) -> None:
    """Tell one integration, and fold the result; if this raises, the queue delivers it again: the page comes twice."""
    from adapters.delivery import Postponed
    from adapters.documents import decode
    from domain.notifications import Delivery, Settled

    delivery = decode(Delivery, message.get_body())
    configuration = await ports().configurations.get(delivery.configuration_version)
    integration = configuration.receiver(delivery.notification.receiver).integrations[delivery.integration]
    outcome = await observe_delivery(delivery, integration, configuration.templates)
    if isinstance(outcome, Postponed):
        again = replace(delivery, postponed=delivery.postponed + 1)
        await ports().queues.send_deliveries([again], not_before=outcome.until)
        return
    settled = Settled(
        group_id=delivery.group_id,
        delivery_id=delivery.id,
        integration=delivery.integration,
        is_delivered=outcome.is_delivered,
        settled_at=ports().clock(),
        detail=outcome.detail,
        attempts=outcome.attempts + delivery.postponed,
        is_unsure=outcome.is_unsure,
    )
    await _fold([settled], await ports().configurations.gather())


@app.service_bus_queue_trigger(arg_name="message", queue_name="%TRIAGE_QUEUE%", connection="SERVICE_BUS")
@consumer("triage")
async def look_first(message: func.ServiceBusMessage) -> None:
    """Look at an incident before people do, and tell its group what was found; if this raises, it comes again."""
    from adapters.documents import decode
    from domain.looks import Triage
    from endpoints.looking import look

    triage = decode(Triage, message.get_body())
    incident_id.set(triage.incident)
    if (found := await look(triage)) is not None:
        note_look(found)
        await _fold([found], await ports().configurations.gather())


@app.cosmos_db_trigger(
    arg_name="documents",
    connection="COSMOS",
    database_name="%COSMOS_DATABASE%",
    container_name="groups",
    lease_container_name="leases",
    lease_container_prefix="outbox",
    feed_poll_delay=1000,
)
@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:05")
@observed("relay_outbox")
async def relay_outbox(documents: func.DocumentList) -> None:
    """Send what a crash between commit and send left in an outbox; if this raises, the feed shows it again."""
    await react_to(documents, ports().outbox.relay)


@app.cosmos_db_trigger(
    arg_name="documents",
    connection="COSMOS",
    database_name="%COSMOS_DATABASE%",
    container_name="groups",
    lease_container_name="leases",
    lease_container_prefix="history",
    feed_poll_delay=1000,
)
@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:05")
@observed("write_history")
async def write_history(documents: func.DocumentList) -> None:
    """Tell who listens, and copy entries and incidents to where they are listed; if this raises, they come again."""
    await ports().live.announce(documents)
    await react_to(documents, ports().project)


@app.service_bus_queue_trigger(arg_name="message", queue_name="%REACTIONS_QUEUE%", connection="SERVICE_BUS")
@consumer("reactions")
async def react_again(message: func.ServiceBusMessage) -> None:
    """React to a document of the feed that could not be reacted to before, and that a person has sent again."""
    document = read_document(message.get_body())
    await ports().outbox.relay(document)
    await ports().project(document)


@app.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=True)
@observed("sweep")
async def sweep(timer: func.TimerRequest) -> None:
    """Wake the groups whose due time passed unseen; if this raises, the next minute does it."""
    from domain.changes import CHANGES_KEPT
    from domain.groups import Tick
    from domain.idempotency import RETENTION as REQUESTS_RETENTION
    from domain.shadowing import MOST_RECORDS
    from domain.shadowing import RETENTION as SHADOW_RETENTION
    from domain.silences import RETENTION
    from domain.statistics import RETENTION as DAYS_RETENTION
    from domain.statistics import day_of
    from domain.triage.keeping import FINDINGS_KEPT
    from domain.triage.spending import USAGE_KEPT

    now = ports().clock()
    head = await ports().policy.get_head()
    # Longer than a sweep can be late: nobody listened in between, so no lease may count it (rule 8).
    # Before all else, for the ticks that fell due meanwhile are on their way.
    await ports().policy.heard(now, resumed=head.heard_at is None or now - head.heard_at > timedelta(minutes=3))
    if head.heard_at is not None:
        await ports().configurations.silences_passed(head.heard_at, now)
    overdue = await ports().groups.list_overdue(now - timedelta(minutes=1), limit=10_000)
    await ports().queues.send_ticks([Tick(group_id, now) for group_id in overdue])
    await ports().groups.forget(now)
    await ports().sources.forget_sources(now)
    await ports().silences.forget_silences(now - RETENTION)
    await ports().shadow.forget_records(now - SHADOW_RETENTION, most=MOST_RECORDS)
    await ports().requests.forget_requests(now - REQUESTS_RETENTION)
    await ports().statistics.forget_days(day_of(now - DAYS_RETENTION))
    await ports().arrivals.forget(now)
    await ports().findings.forget_findings(now - FINDINGS_KEPT)
    await ports().changes.forget_changes(now - CHANGES_KEPT)
    await ports().usage.forget_usage(now - USAGE_KEPT)
    await ports().broker.gather_dead()
    if head.heard_at is not None:
        await silencing.log_ended(head.heard_at, now)
    OVERDUE.show({(): len(overdue)})
    if is_tracing():
        await watch()
    if overdue:
        log.warning("%d groups were overdue and are woken", len(overdue))


@app.timer_trigger(arg_name="timer", schedule="0 7 * * * *")
@observed("reconcile")
async def reconcile(timer: func.TimerRequest) -> None:
    """Compare what Azure Monitor says fired with what arrived; if this raises, the next hour does it."""
    await reconciliation.reconcile()


async def _fold(events: Sequence[Event], situation: Situation) -> None:
    from domain.groups import Transaction
    from domain.incidents import decide

    now = ports().clock()
    transactions = [
        Transaction(event.group_id, partial(decide, event=event, situation=situation, now=now), event.names)
        for event in events
    ]
    with span("fold") as fold:
        outbox = await ports().groups.transact(transactions)
        describe_fold(fold, events, outbox)
        await ports().outbox.send(outbox)
