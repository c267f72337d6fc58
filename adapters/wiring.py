"""Composition root: settings in, `Ports` out; with `adapters.homes`, the only place that knows every adapter."""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any

import domain

# Every handler imports this file, so it loads what it wires when it wires it.
if TYPE_CHECKING:
    from adapters.arrivals import Arrivals
    from adapters.configurations import Configurations
    from adapters.delivery import Deliverer
    from adapters.entra import Entra
    from adapters.first_responder import FirstResponder
    from adapters.keyring import Keyring
    from adapters.links import Links
    from adapters.live.service import Live
    from adapters.messages import Broker
    from adapters.outbox import Outbox
    from adapters.settings import Settings
    from adapters.shadow import ShadowDeliverer
    from adapters.verifying import Verifier
    from domain.audit import AuditStore
    from domain.changes import ChangeStore
    from domain.door import Door
    from domain.groups import GroupStore
    from domain.idempotency import IdempotencyStore
    from domain.inhibition import SourceStore
    from domain.keys import KeyStore
    from domain.limits import Attempts, Limits
    from domain.queues import Queues
    from domain.reconciling import FiredAlerts, ReceiptStore
    from domain.shadowing import ShadowStore
    from domain.silences import SilenceStore
    from domain.situations import PolicyStore
    from domain.statistics import StatisticsStore
    from domain.triage.keeping import FindingStore
    from domain.triage.spending import UsageStore

type Clock = Callable[[], datetime]

type Project = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Brings what is listed up to date with a document that the change feed shows; safe to repeat."""


def utc_now() -> datetime:
    """The clock of everything outside the domain."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Ports:
    """What the handlers ask: every port, wired to the adapters that the settings chose."""

    settings: Settings
    clock: Clock
    door: Door
    groups: GroupStore
    queues: Queues
    policy: PolicyStore
    silences: SilenceStore
    sources: SourceStore
    keys: KeyStore
    audit: AuditStore
    keyring: Keyring
    links: Links
    entra: Entra | None
    """None where no tenant is listed."""
    verifier: Verifier
    limits: Limits
    attempts: Attempts
    configurations: Configurations
    outbox: Outbox
    deliverer: Deliverer | ShadowDeliverer
    shadow: ShadowStore
    requests: IdempotencyStore
    statistics: StatisticsStore
    receipts: ReceiptStore
    fired_alerts: FiredAlerts
    arrivals: Arrivals
    findings: FindingStore
    first_responder: FirstResponder
    changes: ChangeStore
    usage: UsageStore
    broker: Broker
    backlog: Callable[[], int]
    """How many messages with alerts wait in this process's memory; 0 where the queue is another's."""
    trouble: Callable[[], str]
    """Why nothing can be written at present; empty where it can, or where only asking would tell."""
    project: Project
    live: Live
    prepare: Callable[[], None]
    """Load what the first page, and the first request of each kind, would otherwise wait for.

    For a process that does everything.  An instance that does one thing loads what that needs when it needs it.
    """
    close: Callable[[], Awaitable[None]]


# --- all of it --------------------------------------------------------------------------------------------------------


def wire(settings: Settings, clock: Clock = utc_now) -> Ports:
    """Make every adapter that these settings name; clients connect when first used."""
    from adapters.alerts_management import AlertsManagement
    from adapters.arrivals import Arrivals
    from adapters.configurations import Configurations
    from adapters.delivery import Deliverer
    from adapters.entra import Entra
    from adapters.first_responder import FirstResponder
    from adapters.homes import HOMES
    from adapters.identity import Identity
    from adapters.keyring import Keyring, read_pepper
    from adapters.links import Links
    from adapters.live.service import Live
    from adapters.messages import MessageQueues
    from adapters.notifiers import Notifiers
    from adapters.outbox import Outbox
    from adapters.secrets import look_beside
    from adapters.shadow import ShadowDeliverer
    from adapters.verifying import Verifier
    from domain.door import Door
    from domain.limits import Attempts, Limits, Rate

    identity = Identity()
    home = HOMES[settings.home](settings, clock, identity)
    look_beside(settings.configuration)
    queues = MessageQueues(home.broker)
    keyring = Keyring(
        home.keys,
        lambda: read_pepper(settings.key_pepper, settings.data if settings.home == "sqlite" else None),
        clock,
    )
    # On Azure a secret that nobody set would be another one in each process.
    has_secret = settings.home != "azure" or bool(settings.key_pepper)
    links = Links(settings.external_url, (lambda: keyring.pepper) if has_secret else None, clock)
    notifiers = Notifiers(
        settings.external_url,
        clock,
        links,
        is_strict=settings.compat == "strict",
        is_interactive=bool(settings.slack_signing_secret),
        allowance=settings.allowance,
        signing=lambda receiver: configurations.own.receivers.secrets_of(receiver),
    )
    configurations = Configurations(
        home.policy,
        home.groups,
        home.silences,
        home.sources,
        queues,
        clock,
        is_strict=settings.compat == "strict",
        file=settings.configuration,
        own_file=settings.own_configuration,
        ignore_unsupported_receivers=settings.ignore_unsupported_receivers,
        is_shadow=settings.shadow,
        is_triaged=settings.triage,
        allowance=settings.allowance,
    )
    first_responder = FirstResponder(home, settings, clock, identity)

    def prepare() -> None:
        notifiers.prepare()
        _load_rules()

    live = Live(home, settings, clock, configurations, identity)
    fired_alerts = AlertsManagement(settings.reconcile_endpoint, identity.get)

    async def close() -> None:
        await first_responder.close()
        await live.close()
        await fired_alerts.close()
        await notifiers.close()
        await home.close()
        await identity.close()

    return Ports(
        settings=settings,
        clock=clock,
        door=Door(uuid.uuid4().hex[:8]),
        groups=home.groups,
        queues=queues,
        policy=home.policy,
        silences=home.silences,
        sources=home.sources,
        keys=home.keys,
        audit=home.audit,
        keyring=keyring,
        links=links,
        entra=Entra(settings.tenants, settings.audiences, settings.entra_authority) if settings.tenants else None,
        verifier=Verifier(settings.tenants, settings.entra_authority),
        limits=Limits(
            Rate(settings.ingest_per_second, settings.ingest_burst),
            Rate(settings.requests_per_second, settings.requests_burst),
        ),
        attempts=Attempts(),
        configurations=configurations,
        outbox=Outbox(home.groups, queues, clock),
        # A shadow has none of the notifiers: nothing in it could send.
        deliverer=ShadowDeliverer(home.shadow, configurations, clock)
        if settings.shadow
        else Deliverer(notifiers, clock, Random()),
        shadow=home.shadow,
        requests=home.requests,
        receipts=home.receipts,
        fired_alerts=fired_alerts,
        arrivals=Arrivals(home.arrivals, clock, timedelta(hours=settings.raw_retention_hours)),
        changes=home.changes,
        usage=home.usage,
        statistics=home.statistics,
        findings=home.findings,
        first_responder=first_responder,
        broker=home.broker,
        backlog=home.backlog,
        trouble=home.trouble,
        project=home.project,
        live=live,
        prepare=prepare,
        close=close,
    )


def _load_rules(package: ModuleType = domain) -> None:
    for found in iter_modules(package.__path__, f"{package.__name__}."):
        # Of that one the reader is wired; the rest checks configurations, for the command line.
        if found.name == "domain.configuration":
            continue
        module = import_module(found.name)
        if found.ispkg:
            _load_rules(module)


@cache
def ports() -> Ports:
    """The ports of this process, made at the first call, on the running event loop."""
    from adapters.settings import Settings

    return wire(Settings.read(os.environ))
