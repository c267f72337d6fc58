"""Deliveries as the trail tells them: each was due at a look of its group, and then arrived, failed or was given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.explaining import reported_alerts
from domain.groups import LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint, Labels
from domain.routing import GroupId


class DeliveryStatus(StrEnum):
    """What became of a delivery so far."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    """Given up: there was no result by its deadline."""


@dataclass(frozen=True, slots=True)
class TrackedDelivery:
    """One delivery, from the look at which it was due to its result."""

    id: str
    group_id: GroupId
    incident: str
    """Empty where the group opens none."""
    integration: int
    configuration_version: str
    revision: int
    """Of the look; in order of time within a group."""
    due_at: datetime
    why: str
    """How many alerts it tells, and why now, in words."""
    firing: frozenset[Fingerprint]
    """What it tells to fire; what is resolved, it may tell besides."""
    status: DeliveryStatus = DeliveryStatus.PENDING
    settled_at: datetime | None = None
    answer: str = ""
    attempts: int = 0


# What the codes of reasons say about the alerts that they name.
MUTED = frozenset({ReasonCode.SILENCED, ReasonCode.INHIBITED, ReasonCode.OUT_OF_HOURS})
BEGUN = frozenset({ReasonCode.FIRED, ReasonCode.REFIRED, ReasonCode.UPDATED})
ENDED = frozenset({ReasonCode.RESOLVED, ReasonCode.LEASE_ENDED, ReasonCode.DROPPED, ReasonCode.MOVED})


def find_deliveries(entries: Iterable[LogEntry]) -> list[TrackedDelivery]:
    """What the entries of one group, the oldest first, say of its deliveries; the oldest first.

    Where the trail does not begin with the first of them, a delivery may tell more alerts than is known here.
    """
    found: dict[str, TrackedDelivery] = {}
    firing: set[Fingerprint] = set()
    for entry in entries:
        muted: set[Fingerprint] = set()
        for reason in entry.reasons:
            if reason.code in BEGUN:
                firing.update(reason.fingerprints)
            elif reason.code in ENDED:
                firing.difference_update(reason.fingerprints)
            elif reason.code in MUTED:
                muted.update(reason.fingerprints)
            elif reason.code in (ReasonCode.NOTIFY, ReasonCode.FAREWELL) and reason.integration is not None:
                one = _due(entry, reason, reason.integration, frozenset(firing - muted))
                found[one.id] = one
            elif reason.code is ReasonCode.SUPERSEDED and (known := found.get(reason.text)):
                found[known.id] = replace(known, status=DeliveryStatus.SUPERSEDED, settled_at=entry.at)
        settled = entry.settled
        if settled is not None and (known := found.get(settled.delivery_id)):
            found[known.id] = replace(
                known,
                status=DeliveryStatus.DELIVERED if settled.is_delivered else DeliveryStatus.FAILED,
                settled_at=settled.settled_at,
                answer=settled.detail,
                attempts=settled.attempts,
            )
    return list(found.values())


def _due(entry: LogEntry, reason: Reason, integration: int, firing: frozenset[Fingerprint]) -> TrackedDelivery:
    is_farewell = reason.code is ReasonCode.FAREWELL
    return TrackedDelivery(
        id=delivery_id(entry.group_id, entry.revision, integration),
        group_id=entry.group_id,
        incident=entry.incident,
        integration=integration,
        configuration_version=entry.configuration_version,
        revision=entry.revision,
        due_at=entry.at,
        why="the new configuration has no such group" if is_farewell else reason.text,
        firing=frozenset() if is_farewell else firing,
    )


def delivery_id(group_id: GroupId, revision: int, integration: int) -> str:
    """The id of the delivery that the look of this revision has sent to this integration."""
    return f"{group_id}-{revision}-{integration}"


def read_delivery_id(text: str) -> tuple[GroupId, int, int] | None:
    """The group, the revision and the integration in a delivery's id; None for what is none."""
    group, *numbers = text.split("-")
    if not group or len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        return None
    if any(len(number) > 18 for number in numbers):
        return None
    return GroupId(group), int(numbers[0]), int(numbers[1])


def labels_in(entries: Iterable[LogEntry]) -> Mapping[Fingerprint, Labels]:
    """The labels of every alert that the entries report."""
    return {alert.fingerprint: alert.labels for entry in entries for alert in reported_alerts(entry)}


def newest_first(deliveries: Sequence[TrackedDelivery]) -> list[TrackedDelivery]:
    """Of one group, in the order of lists."""
    return sorted(deliveries, key=lambda one: (-one.revision, -one.integration))
