"""Alert: one report about one condition, and what two reports about the same condition make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.labels import Fingerprint
from domain.values import value

END_OF_TIME = datetime.max.replace(tzinfo=UTC)

TOMBSTONE_RETENTION = timedelta(minutes=30)
"""How long an alert that is over stays mergeable: the interval of Alertmanager's garbage collection (MG-3)."""


@value
class Alert:
    """What one report said, with every default of the door already filled in (IN-1, IN-2).

    The instants keep the offset they came with; what Python cannot hold of them (nanoseconds) stays in the `_text`
    fields, which are empty where the instant prints exactly as it came (WH-9).
    """

    fingerprint: Fingerprint
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    received_at: datetime
    """When the door took it in: Alertmanager's `updatedAt`, and the only order that merging knows (rule 7)."""
    generator_url: str = ""
    is_timeout: bool = False
    """Whether `ends_at` is the door's own `resolve_timeout` rather than the sender's word."""
    starts_text: str = ""
    ends_text: str = ""
    origin: tuple[str, ...] = ()
    """Which source sent it, `kind/key`, and then a line for each step of its enrichment; empty where it came by
    Alertmanager's own API."""

    @property
    def lease(self) -> timedelta:
        """How long the sender vouched for it; not positive when the report itself says that it is resolved."""
        return self.ends_at - self.received_at


def combine(stored: Alert, report: Alert) -> Alert:
    """What a stored alert and a later or earlier report of the same labels make together.

    Only `received_at` decides which is the younger, so the order of arrival does not matter; at equal instants the
    report counts as the younger.  Reports whose times do not overlap are about two things: the younger one stands.

    Source: `Alerts.Put` in Alertmanager 0.34, provider/mem/mem.go (MG-1), and `Alert.Merge` (MG-2).
    """
    older, younger = (stored, report) if stored.received_at <= report.received_at else (report, stored)
    is_overlapping = (
        older.starts_at < younger.ends_at < older.ends_at or older.starts_at < younger.starts_at < older.ends_at
    )
    return merge(older, younger) if is_overlapping else younger


def merge(older: Alert, younger: Alert) -> Alert:
    """The younger report, starting when the earlier of both did, ending as the table of MG-2 says.

    Whether the end counts as a `resolve_timeout` is always the younger's word, whoever's the end is.

    Source: `Alert.Merge` in Alertmanager 0.34, alert/alert.go; its clock is here the younger's `received_at`.
    """
    start = older if older.starts_at < younger.starts_at else younger
    end = younger
    if older.ends_at > younger.ends_at:
        if younger.ends_at <= younger.received_at:
            if older.ends_at <= younger.received_at:
                end = older
        elif not older.is_timeout:
            end = older
    if start is younger and end is younger:
        return younger
    return replace(
        younger,
        starts_at=start.starts_at,
        starts_text=start.starts_text,
        ends_at=end.ends_at,
        ends_text=end.ends_text,
    )


def lease_end(alert: Alert, leased_at: datetime, listening_since: datetime, *, is_strict: bool) -> datetime:
    """From when on the alert counts as resolved (a half-open range: at this instant it no longer fires).

    A report that said so itself ended when it said.  Otherwise nothing ends before one whole lease has passed since
    `leased_at` (when the copy was received, or folded if its lease ran out in a queue: rule 7) and since Tocsin last
    began to listen (rule 8).  Unless strict, the copy is read as ending half a lease later than it says, because the
    door absorbs re-sends for that long (rule 6).
    """
    lease = alert.ends_at - alert.received_at
    if lease <= timedelta(0):
        return alert.ends_at
    start = max(leased_at, listening_since)
    if start <= alert.received_at and is_strict:
        return alert.ends_at
    end = alert.ends_at if is_strict else later(alert.ends_at, lease / 2)
    return max(end, later(start, lease))


def later(instant: datetime, delta: timedelta) -> datetime:
    """`instant + delta`, but never past the end of time: senders do write the year 9999."""
    try:
        return instant + delta
    except OverflowError:
        return END_OF_TIME
