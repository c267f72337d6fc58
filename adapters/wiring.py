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

from adapters.configurations import Configurations
from adapters.delivery import Deliverer
from adapters.messages import Broker, MessageQueues
from adapters.outbox import Outbox
from adapters.settings import Settings
from adapters.webhook import WebhookNotifier
from domain.configuration import WebhookIntegration
from domain.door import Door
from domain.groups import GroupStore
from domain.queues import Queues
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
    configurations: Configurations
    outbox: Outbox
    deliverer: Deliverer
    broker: Broker
    close: Callable[[], Awaitable[None]]


def wire(settings: Settings, clock: Clock = utc_now) -> Ports:
    """Make every adapter that these settings name; clients connect when first used."""
    groups: GroupStore
    policy: PolicyStore
    silences: SilenceStore
    broker: Broker
    match settings.home:
        case "sqlite":
            from adapters.sqlite.broker import SqliteBroker
            from adapters.sqlite.groups import SqliteGroupStore
            from adapters.sqlite.journal import Journal
            from adapters.sqlite.policy import SqlitePolicyStore
            from adapters.sqlite.silences import SqliteSilenceStore

            journal = Journal(settings.data / "tocsin.db", settings.durability)
            groups = SqliteGroupStore(journal, lambda: clock().timestamp())
            policy = sqlite_policy = SqlitePolicyStore(journal)
            silences = SqliteSilenceStore(journal, sqlite_policy)
            broker = SqliteBroker(journal, lambda: clock().timestamp())
            close_home = journal.close
        case "memory":
            from adapters.memory import MemoryBroker, MemoryGroupStore, MemoryPolicyStore, MemorySilenceStore

            groups = MemoryGroupStore(lambda: clock().timestamp())
            policy = memory_policy = MemoryPolicyStore()
            silences = MemorySilenceStore(memory_policy)
            broker = MemoryBroker(lambda: clock().timestamp())

            def close_home() -> None:
                """Nothing to let go of."""

    queues = MessageQueues(broker)
    webhook = WebhookNotifier(settings.external_url, version("tocsin"), clock)

    async def close() -> None:
        await webhook.close()
        close_home()

    return Ports(
        settings=settings,
        clock=clock,
        door=Door(uuid.uuid4().hex[:8]),
        groups=groups,
        queues=queues,
        policy=policy,
        silences=silences,
        configurations=Configurations(
            policy, groups, queues, clock, is_strict=settings.compat == "strict", file=settings.configuration
        ),
        outbox=Outbox(groups, queues, clock),
        deliverer=Deliverer({WebhookIntegration: webhook}, clock, Random()),
        broker=broker,
        close=close,
    )


@cache
def ports() -> Ports:
    """The ports of this process, made at the first call, on the running event loop."""
    return wire(Settings.read(os.environ))
