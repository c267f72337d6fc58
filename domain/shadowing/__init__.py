"""Shadowing: Tocsin beside a running Alertmanager, sending nothing; what each of the two would tell, side by side.

A *record* is one notification, of either side.  Records of one receiver and group key are paired in the order of time
(`pairing`); `reasons` says why two of a pair differ, or why one has no partner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from domain.configuration import Configuration, Receiver, WebhookIntegration
from domain.labels import Labels
from domain.routing import GroupId, Route, group_address, group_key
from domain.values import value

WEBHOOK_PATH = "/api/v1/shadow/alertmanager"
"""Where Alertmanager's webhooks are pointed at; the integration with this in its URL stands for its receiver."""

RETENTION = timedelta(days=7)
MOST_RECORDS = 100_000
"""So many are kept, and for so long."""

LABELS_KEPT = 20
"""A record keeps the labels of so many of its alerts, to call them by name."""

SLACK = timedelta(seconds=30)
"""So much further apart than the route's timers may two notifications of the same be."""

LONGEST_REACH = timedelta(hours=6)
"""Two repeats of the same may be this far apart at most: each side repeats on a clock of its own."""

type Side = Literal["tocsin", "alertmanager"]


@value
class ShadowRecord:
    """One notification: what Tocsin would have sent, or what Alertmanager did send."""

    id: str
    """Of Tocsin's, the id of the delivery; so a delivery seen twice is recorded once."""
    side: Side
    at: datetime
    """When it would have left, or when it came in; both by Tocsin's clock."""
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    status: Literal["firing", "resolved"]
    firing: bytes
    """Fingerprints, packed."""
    resolved: bytes
    truncated: int = 0
    """How many more alerts there were."""
    reason: str = ""
    """The `notification_reason`; Alertmanager tells it since 0.32."""
    since: datetime | None = None
    """Since when the longest of the firing alerts fires."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of the first alerts, by their fingerprints."""
    integration: str = ""
    counts: bool = True
    """Whether it stands for its receiver: of Tocsin's integrations only one has a counterpart."""
    group_id: GroupId = GroupId("")
    incident: str = ""
    sender: str = ""
    """The User-Agent, which names Alertmanager's version."""


@value
class Heard:
    """What has ever come from Alertmanager, as far as it is kept."""

    receivers: frozenset[str] = frozenset()
    since: datetime | None = None


class ShadowStore(Protocol):
    """Where both sides' notifications are kept."""

    async def add_record(self, record: ShadowRecord) -> None:
        """Keep it; returns when it is durable.  One whose id is known changes nothing, so it is safe to repeat.

        Raises:
            UnavailableError: It is not kept.
        """
        ...

    async def list_records(
        self, since: datetime, until: datetime, *, after: ShadowRecord | None = None, limit: int = 1000
    ) -> Sequence[ShadowRecord]:
        """Those from `since` to before `until`, the oldest first, at equal instants by their ids.

        The next part begins behind `after`, the last one of the part before; that one may be forgotten by now.
        """
        ...

    async def get_heard(self) -> Heard:
        """From whom Alertmanager's notifications came, and since when."""
        ...

    async def forget_records(self, before: datetime, *, most: int) -> None:
        """Remove those older than that, and the oldest of more than `most`."""
        ...


def counterpart(receiver: Receiver) -> int:
    """The place of the integration whose notifications Alertmanager's webhooks correspond to.

    The very webhook that is pointed at Tocsin, where the configuration has it; else the one most like it.
    """

    def likeness(place: int) -> tuple[bool, bool, bool]:
        integration = receiver.integrations[place]
        is_webhook = isinstance(integration, WebhookIntegration)
        is_it = isinstance(integration, WebhookIntegration) and WEBHOOK_PATH in (integration.url.value or "")
        return is_it, integration.send_resolved, is_webhook

    return max(range(len(receiver.integrations)), key=likeness, default=0)


def shadow_doors(configuration: Configuration) -> list[str]:
    """The receivers with a webhook to the door of a shadow: without a shadow there it is refused for ever."""
    return [
        receiver.name
        for receiver in configuration.receivers
        if any(
            isinstance(one, WebhookIntegration) and WEBHOOK_PATH in (one.url.value or "")
            for one in receiver.integrations
        )
    ]


def routes_of(configuration: Configuration, receiver: str, key: str, labels: Labels) -> list[Route]:
    """The routes that this group can be one of: several where siblings are identical, none under other rules."""
    return [route for route in configuration.routes if route.receiver == receiver and group_key(route, labels) == key]


def groups_of(configuration: Configuration, record: ShadowRecord) -> list[GroupId]:
    """The groups that a notification can be about, under this configuration."""
    routes = routes_of(configuration, record.receiver, record.group_key, record.group_labels)
    found = [group_address(route, record.group_labels).group_id for route in routes]
    return list(dict.fromkeys([*([record.group_id] if record.group_id else []), *found]))


def reach(configuration: Configuration) -> timedelta:
    """How far apart partners can be under this configuration: so much more than asked for must be looked at."""
    return max(max(window(route), repeat_window(route)) for route in configuration.routes)


def window(route: Route) -> timedelta:
    """How far apart two notifications of the same may be: a tick, or the wait before the first one, and some slack."""
    return max(route.group_interval, route.group_wait) + SLACK


def repeat_window(route: Route) -> timedelta:
    """The same for repeats, which drift: each comes at the tick k or k+1 after the one before (DD-11)."""
    return max(window(route), min(route.repeat_interval / 2, LONGEST_REACH))


def feed_lease(configuration: Configuration, labels: Labels) -> timedelta:
    """For how long an alert counts as firing that only Alertmanager's webhooks tell of.

    The next webhook about it comes after repeat_interval at the latest, which the payload does not tell; Tocsin's own
    route knows it, if both have the same configuration.  Twice that and a tick: one webhook may be lost.
    """
    routes = [configuration.routes[address.route_id] for address in configuration.group_addresses(labels)]
    return max(2 * route.repeat_interval + route.group_interval for route in routes)
