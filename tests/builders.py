"""Values for tests: each builder fills in what the test does not speak of; a test names what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from domain.alerts import Alert
from domain.groups import GroupEvents, Head, Incident, LogEntry, Member, Reported, Tally, Tick
from domain.labels import Matcher, MatchType, fingerprint
from domain.lifecycle import Action, Responded
from domain.notifications import Delivery, Notification, NotificationReason, ToldAlert
from domain.routing import GroupAddress, GroupId, RouteId
from domain.silences import Silence

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def alert(
    status: Literal["firing", "resolved"] = "firing",
    /,
    *,
    at: datetime = NOON,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    lease: timedelta = 5 * MINUTE,
    is_timeout: bool = False,
    annotations: Mapping[str, str] | None = None,
    **labels: str,
) -> Alert:
    """A report that the door took in at `at`; `DiskFull` unless the labels name another alert."""
    labels = {"alertname": "DiskFull", **labels}
    if status == "firing":
        starts_at, ends_at = starts_at or at, ends_at or at + lease
    else:
        starts_at, ends_at = starts_at or at - MINUTE, ends_at or at
    return Alert(fingerprint(labels), labels, annotations or {}, starts_at, ends_at, at, is_timeout=is_timeout)


def member(of: Alert | None = None, /, **changes: Any) -> Member:
    """A group's copy of a firing alert, as folded when the alert came in."""
    of = of or alert()
    known: dict[str, Any] = {
        "alert": of,
        "is_firing": True,
        "leased_at": of.received_at,
        "occurrence": 1,
        "is_leading": True,
    }
    return Member(**(known | changes))


def group_id(number: int) -> GroupId:
    """The groups 0 to 63 have shards of their own, and the ids are in order of the numbers."""
    return GroupId(f"{number:08x}{0:024x}")


def address(number: int = 1, **labels: str) -> GroupAddress:
    return GroupAddress(group_id(number), RouteId(0), labels or {"alertname": "DiskFull"})


def head(number: int = 1, **changes: Any) -> Head:
    """The head of group `number`, in which one alert fires."""
    known: dict[str, Any] = {
        "id": group_id(number),
        "route_id": RouteId(0),
        "configuration_version": "v1",
        "receiver": "team",
        "labels": {"alertname": "DiskFull"},
        "revision": 1,
        "present": 1,
        "firing": 1,
    }
    return Head(**(known | changes))


def reported(
    *alerts: Alert, group: int | GroupAddress = 1, number: int = 0, door: str = "door", at: datetime | None = None
) -> Reported:
    """One request's alerts for one group; one firing alert when none is given."""
    alerts = alerts or (alert(),)
    place = address(group) if isinstance(group, int) else group
    return Reported(place, door, number, at or alerts[0].received_at, alerts)


def events(*reports: Reported) -> GroupEvents:
    """One message of queue `groups`."""
    return GroupEvents("v1", reports or (reported(),))


def tick(group: int = 1, due_at: datetime = NOON) -> Tick:
    return Tick(group_id(group), due_at)


def notification(*alerts: Alert, **changes: Any) -> Notification:
    known: dict[str, Any] = {
        "receiver": "team",
        "group_key": '{}:{alertname="DiskFull"}',
        "group_labels": {"alertname": "DiskFull"},
        "route_labels": {},
        "reason": NotificationReason.FIRST,
        "alerts": tuple(ToldAlert(one, is_firing=one.ends_at > one.received_at) for one in alerts or (alert(),)),
    }
    return Notification(**(known | changes))


def delivery(id: str = "delivery-1", group: int = 1, **changes: Any) -> Delivery:
    known: dict[str, Any] = {
        "id": id,
        "group_id": group_id(group),
        "incident": f"{group_id(group)}-1",
        "integration": 0,
        "configuration_version": "v1",
        "notification": notification(),
        "due_at": NOON,
        "deadline": NOON + 5 * MINUTE,
    }
    return Delivery(**(known | changes))


def incident(group: int = 1, number: int = 1, **changes: Any) -> Incident:
    known: dict[str, Any] = {
        "id": f"{group_id(group)}-{number}",
        "group_id": group_id(group),
        "receiver": "team",
        "group_key": '{}:{alertname="DiskFull"}',
        "group_labels": {"alertname": "DiskFull"},
        "title": "DiskFull",
        "opened_at": NOON,
    }
    return Incident(**(known | changes))


def responded(group: int = 1, **changes: Any) -> Responded:
    """Ann acknowledged the first incident of the group at noon."""
    known: dict[str, Any] = {
        "group_id": group_id(group),
        "incident": f"{group_id(group)}-1",
        "id": "request",
        "action": Action.ACKNOWLEDGE,
        "actor": "ann",
        "at": NOON,
    }
    return Responded(**(known | changes))


def entry(group: int = 1, revision: int = 1, **changes: Any) -> LogEntry:
    known: dict[str, Any] = {
        "group_id": group_id(group),
        "revision": revision,
        "at": NOON,
        "configuration_version": "v1",
        "listening_since": NOON - HOUR,
        "incident": "",
        "reasons": (),
        "tally": Tally(),
    }
    return LogEntry(**(known | changes))


def silence(id: str = "silence-1", **changes: Any) -> Silence:
    """An hour of quiet about `DiskFull`, from noon."""
    known: dict[str, Any] = {
        "id": id,
        "matchers": (Matcher("alertname", MatchType.EQUAL, "DiskFull"),),
        "starts_at": NOON,
        "ends_at": NOON + HOUR,
        "created_by": "ada",
        "comment": "the disk is being replaced",
        "updated_at": NOON,
    }
    return Silence(**(known | changes))
