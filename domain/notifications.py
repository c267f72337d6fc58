"""Notification: what one integration of a receiver is told about a group, and the log of what it was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

from domain.alerts import Alert
from domain.configuration.bundle import Templates
from domain.labels import Fingerprint, label_order
from domain.routing import GroupId
from domain.values import value

LOG_RETENTION = timedelta(hours=120)
"""How long an entry of the notification log counts at most (DD-10)."""

LOG_COLLECTION = timedelta(minutes=15)
"""How often Alertmanager removes the entries that have expired; until then it heeds them (R 0.25)."""


class NotificationReason(StrEnum):
    """Why an integration is told; the words are Alertmanager's `notification_reason`."""

    FIRST = "first notification"
    NEW_ALERTS = "new alerts added"
    ALL_RESOLVED = "all alerts resolved"
    SOME_RESOLVED = "some alerts resolved"
    REPEAT = "repeat interval elapsed"


@value
class ToldAlert:
    """One alert as a notification tells it: fixed at the flush, whatever becomes of it later."""

    alert: Alert
    is_firing: bool


@value
class Notification:
    """Everything that a receiver's words are made from, before any vendor's format."""

    receiver: str
    group_key: str
    group_labels: dict[str, str]
    route_labels: dict[str, str]
    reason: NotificationReason
    alerts: tuple[ToldAlert, ...]
    """In the order of WH-2: by the labels `job`, then `instance`, then all labels."""
    truncated: int = 0
    """How many more alerts there were than are told."""


@value
class Delivery:
    """One notification on its way to one integration.

    `id` names the flush and the integration, so a message seen twice is known.  No attempt runs past `deadline`
    (rule 10); `postponed` counts how often the receiver's breaker or limit sent it back to the queue.
    """

    id: str
    group_id: GroupId
    incident: str
    integration: int
    configuration_version: str
    notification: Notification
    due_at: datetime
    deadline: datetime
    postponed: int = 0
    not_before: datetime | None = None
    """No attempt is made earlier: until then another delivery to the same integration may be under way."""


@value
class Settled:
    """How a delivery ended, as an event for its group: `settled_at` is the clock at the answer."""

    group_id: GroupId
    delivery_id: str
    integration: int
    is_delivered: bool
    settled_at: datetime
    detail: str = ""
    attempts: int = 1
    is_unsure: bool = False
    """Not delivered as far as is known; but somebody who died since may have tried, and been heard."""
    names: ClassVar[Sequence[Fingerprint]] = ()
    """What it drops is known only by the log that it settles."""


@value
class Pending:
    """A delivery whose result is not folded yet: what the log will say if it succeeds."""

    delivery_id: str
    at: datetime
    deadline: datetime
    firing: bytes
    resolved: bytes
    let_go: bytes = b""
    """What was resolved but muted: told to nobody, and dropped with the rest (TM-4)."""
    void: bytes = b""
    """What of `firing` is to be told anew by what came after it was sent: the log's `void` once it is delivered."""

    @property
    def over(self) -> frozenset[Fingerprint]:
        """What is dropped when this is delivered."""
        return unpack(self.resolved) | unpack(self.let_go)


@value
class NotificationLog:
    """What one integration of a group was last told, as packed sets of 8-byte fingerprints; it outlives the members."""

    integration: int
    sent_at: datetime | None = None
    firing: bytes = b""
    resolved: bytes = b""
    pending: Pending | None = None
    told_as: str = ""
    """The group key that it knows the group by, if it keeps a state that only a resolve closes (PagerDuty does)."""
    moved: bytes = b""
    """What it believes to fire that a change of configuration has moved elsewhere, at `moved_at`."""
    moved_at: datetime | None = None
    void: bytes = b""
    """What of `firing` is told anew if it fires on, and that it is over if it does not: it was silenced since, say."""
    unsure: tuple[Pending, ...] = ()
    """What was given up without a result, the latest last: whoever was told so cannot be known until it comes."""


def pack(fingerprints: Iterable[Fingerprint]) -> bytes:
    """The fingerprints, eight bytes each, in ascending order."""
    return bytes.fromhex("".join(sorted(fingerprints)))


def unpack(packed: bytes) -> frozenset[Fingerprint]:
    """The set that `pack` packed."""
    digits = packed.hex()
    return frozenset(Fingerprint(digits[at : at + 16]) for at in range(0, len(digits), 16))


def news(
    log: NotificationLog | None,
    firing: frozenset[Fingerprint],
    resolved: frozenset[Fingerprint],
    *,
    sends_resolved: bool,
    repeat_interval: timedelta,
    at: datetime,
    collected_at: datetime | None = None,
) -> NotificationReason | None:
    """Whether the integration must hear of the group as it is at the flush `at`, and why; None when it knows.

    An entry that has expired says no more whom a firing is known to (DD-10), but still who must hear of a resolve.
    Under strict compatibility it says both until Alertmanager's log would have been collected, and nothing from then
    on: `collected_at` is when that last happened, and None otherwise.

    Source: `needsUpdate` in Alertmanager 0.34, notify/dedup_stage.go (DD-1 to DD-8).
    """
    if log is None or log.sent_at is None:
        return NotificationReason.FIRST if firing else None
    expires_at = log.sent_at + min(LOG_RETENTION, 2 * repeat_interval)
    if collected_at is not None and expires_at <= collected_at:
        return NotificationReason.FIRST if firing else None
    if collected_at is None and expires_at < at and firing:
        return NotificationReason.FIRST
    last_firing = unpack(log.firing)
    known = last_firing - unpack(log.void)
    if not firing <= known:
        return NotificationReason.NEW_ALERTS if known else NotificationReason.FIRST
    if not firing:
        return NotificationReason.ALL_RESOLVED if last_firing else None
    if sends_resolved and not resolved <= unpack(log.resolved):
        return NotificationReason.SOME_RESOLVED
    if is_repeat_due(log.sent_at, repeat_interval, at):
        return NotificationReason.REPEAT
    return None


def is_repeat_due(sent_at: datetime, repeat_interval: timedelta, at: datetime) -> bool:
    """Whether more than the repeat interval has passed since the delivery, seen from the flush `at` (DD-7, DD-11)."""
    return sent_at < at - repeat_interval


@value
class Outcome:
    """What became of one attempt round: delivered, or not and whether trying again before the deadline could help."""

    is_delivered: bool
    detail: str
    attempts: int = 1
    is_unsure: bool = False
    """Whether one who died since may have tried before, and been heard."""


class Notifier[KindOfIntegration](Protocol):
    """Tells one integration; one adapter for each kind."""

    async def notify(
        self, integration: KindOfIntegration, notification: Notification, *, incident: str, templates: Templates
    ) -> str:
        """Make one attempt; the caller bounds its time and cancels it at the deadline.

        Args:
            integration: Where to, and in which words.
            notification: What of.
            incident: The incident that it is about, for a link; empty where there is none.
            templates: What the words may use beside the default ones.

        Returns:
            The receiver's answer in a few words, without secrets: `200 OK`.

        Raises:
            UnavailableError: The receiver did not answer or asked to be tried later (`retry_after`): try again.
            RejectedError: It refused for good; not tried again in this flush (WH-7).
        """
        ...


# What the words of every receiver share, whatever the vendor's format.


def display_order(alert: Alert) -> tuple[object, ...]:
    """Sorts alerts as notifications show them (WH-2): by `job`, by `instance` (without one: last), then by all labels.

    Source: `AlertSlice.Less` in Alertmanager 0.34, alert/alert.go.
    """
    labels = alert.labels
    job, instance = labels.get("job"), labels.get("instance")
    return (job is None, job or "", instance is None, instance or "", label_order(labels))


def status(notification: Notification, told: Sequence[ToldAlert]) -> Literal["firing", "resolved"]:
    """Whether any alert fires (WH-1), of those that a receiver shows and of those that Tocsin's own limit left out.

    What the receiver's own limit left out does not count, as in Alertmanager.
    """
    is_firing = any(one.is_firing for one in told)
    if notification.truncated and notification.reason is not NotificationReason.ALL_RESOLVED:
        is_firing = True
    return "firing" if is_firing else "resolved"


def common_labels(told: Sequence[ToldAlert]) -> dict[str, str]:
    """The labels that all alerts share, with their values (WH-3)."""
    return _common([one.alert.labels for one in told])


def common_annotations(told: Sequence[ToldAlert]) -> dict[str, str]:
    """The annotations that all alerts share, with their values (WH-3); who lacks one shares it if it is empty."""
    return _common([one.alert.annotations for one in told])


def _common(sets: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The pairs of the first set that no other contradicts.

    Source: `Template.Data` in Alertmanager 0.34, template/template.go, where an absent value reads as the empty one.
    """
    if not sets:
        return {}
    common = dict(sets[0])
    for other in sets[1:]:
        common = {name: value for name, value in common.items() if other.get(name, "") == value}
        if not common:
            break
    return common
