"""Composition root: settings in, `Ports` out; the only file that knows every adapter."""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from random import Random
from typing import Any

from adapters.configurations import Configurations
from adapters.delivery import Deliverer
from adapters.email import EmailNotifier
from adapters.http_client import HttpClient
from adapters.messages import Broker, MessageQueues
from adapters.outbox import Outbox
from adapters.pagerduty import PagerdutyNotifier
from adapters.rendering import Renderer
from adapters.settings import Settings
from adapters.shadow import ShadowDeliverer
from adapters.slack import SlackNotifier
from adapters.teams import TeamsNotifier
from adapters.webhook import WebhookNotifier
from domain.configuration import (
    EmailIntegration,
    Integration,
    PagerdutyIntegration,
    SlackIntegration,
    TeamsIntegration,
    WebhookIntegration,
)
from domain.door import Door
from domain.groups import GroupStore
from domain.inhibition import SourceStore
from domain.notifications import Notifier
from domain.queues import Queues
from domain.shadowing import ShadowStore
from domain.silences import SilenceStore
from domain.situations import PolicyStore

type Clock = Callable[[], datetime]


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
    configurations: Configurations
    outbox: Outbox
    deliverer: Deliverer | ShadowDeliverer
    shadow: ShadowStore
    broker: Broker
    close: Callable[[], Awaitable[None]]


def wire(settings: Settings, clock: Clock = utc_now) -> Ports:
    """Make every adapter that these settings name; clients connect when first used."""
    groups: GroupStore
    policy: PolicyStore
    silences: SilenceStore
    sources: SourceStore
    shadow: ShadowStore
    broker: Broker
    match settings.home:
        case "sqlite":
            from adapters.sqlite.broker import SqliteBroker
            from adapters.sqlite.groups import SqliteGroupStore
            from adapters.sqlite.journal import Journal
            from adapters.sqlite.policy import SqlitePolicyStore
            from adapters.sqlite.shadow import SqliteShadowStore
            from adapters.sqlite.silences import SqliteSilenceStore
            from adapters.sqlite.sources import SqliteSourceStore

            journal = Journal(settings.data / "tocsin.db", settings.durability)
            sources = sqlite_sources = SqliteSourceStore(journal)
            groups = SqliteGroupStore(journal, sqlite_sources, lambda: clock().timestamp())
            policy = sqlite_policy = SqlitePolicyStore(journal)
            silences = SqliteSilenceStore(journal, sqlite_policy)
            shadow = SqliteShadowStore(journal)
            broker = SqliteBroker(journal, lambda: clock().timestamp())
            close_home = journal.close
        case "memory":
            from adapters.memory.broker import MemoryBroker
            from adapters.memory.groups import MemoryGroupStore
            from adapters.memory.policy import MemoryPolicyStore, MemorySilenceStore
            from adapters.memory.shadow import MemoryShadowStore
            from adapters.memory.sources import MemorySourceStore

            sources = memory_sources = MemorySourceStore()
            groups = MemoryGroupStore(memory_sources, lambda: clock().timestamp())
            policy = memory_policy = MemoryPolicyStore()
            silences = MemorySilenceStore(memory_policy)
            shadow = MemoryShadowStore()
            broker = MemoryBroker(lambda: clock().timestamp())

            def close_home() -> None:
                """Nothing to let go of."""

    queues = MessageQueues(broker)
    client = HttpClient(version("tocsin"), clock)
    renderer = Renderer(settings.external_url, clock)
    notifiers: dict[type[Integration], Notifier[Any]] = {
        WebhookIntegration: WebhookNotifier(client, renderer, settings.external_url),
        SlackIntegration: SlackNotifier(client, renderer),
        TeamsIntegration: TeamsNotifier(client, renderer),
        PagerdutyIntegration: PagerdutyNotifier(client, renderer),
        EmailIntegration: EmailNotifier(renderer, clock),
    }

    configurations = Configurations(
        policy,
        groups,
        silences,
        sources,
        queues,
        clock,
        is_strict=settings.compat == "strict",
        file=settings.configuration,
        own_file=settings.own_configuration,
        ignore_unsupported_receivers=settings.ignore_unsupported_receivers,
    )

    async def close() -> None:
        await client.close()
        close_home()

    return Ports(
        settings=settings,
        clock=clock,
        door=Door(uuid.uuid4().hex[:8]),
        groups=groups,
        queues=queues,
        policy=policy,
        silences=silences,
        sources=sources,
        configurations=configurations,
        outbox=Outbox(groups, queues, clock),
        # A shadow has none of the notifiers: nothing in it could send.
        deliverer=ShadowDeliverer(shadow, configurations, clock)
        if settings.shadow
        else Deliverer(notifiers, clock, Random()),
        shadow=shadow,
        broker=broker,
        close=close,
    )


@cache
def ports() -> Ports:
    """The ports of this process, made at the first call, on the running event loop."""
    return wire(Settings.read(os.environ))
