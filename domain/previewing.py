"""Previewing: what a silence would mute, would have muted, and has muted; asked of what is live and of the trails.

What has been told is known by its deliveries.  What has been withheld is not: the look ended with the silence, before
anybody asked whether there was news.  So a page counts as withheld when a look finds an alert silenced that fires and
that nobody has been told of: somebody would have been, but for the silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.deliveries import BEGUN, ENDED, MUTED, TrackedDelivery
from domain.groups import Incident, LogEntry, ReasonCode
from domain.labels import Fingerprint, Labels, Matcher, match_all

LOOKED_BACK = timedelta(days=7)
"""A preview asks for the pages of so long; an incident that began so long before the time asked for may be missed."""


class Muted(StrEnum):
    """How much of a page a silence takes away."""

    WHOLLY = "wholly"
    """All that it told to fire: there would have been no page."""
    PARTLY = "partly"
    """Some of it: the page would have told less."""


def may_concern(matchers: Sequence[Matcher], group_labels: Labels) -> bool:
    """Whether an alert of a group with these labels can match: all of its alerts have them.

    So most incidents are ruled out without reading their trails.
    """
    return all(matcher.matches(group_labels) for matcher in matchers if matcher.name in group_labels)


def is_within(incident: Incident, since: datetime, until: datetime) -> bool:
    """Whether the incident lasted at any instant from `since` to before `until`."""
    return incident.opened_at < until and (incident.resolved_at is None or incident.resolved_at >= since)


def muted_part(
    delivery: TrackedDelivery, labels: Mapping[Fingerprint, Labels], matchers: tuple[Matcher, ...]
) -> Muted | None:
    """How much of the page a silence of these matchers would have taken away; None where nothing, or nothing fired."""
    known = [labels[name] for name in delivery.firing if name in labels]
    muted = sum(match_all(matchers, one) for one in known)
    if not muted:
        return None
    return Muted.WHOLLY if muted == len(delivery.firing) else Muted.PARTLY


@dataclass(frozen=True, slots=True)
class Hidden:
    """What one silence has hidden of one incident, or of a group that opens none."""

    alerts: frozenset[Fingerprint]
    pages: int
    """Looks at which somebody would have been told something new, had it not been for a silence."""
    first_at: datetime
    last_at: datetime


def hidden_by(silence_id: str, entries: Iterable[LogEntry]) -> Hidden | None:
    """What a group's entries, the oldest first, say that this silence has muted; None where nothing."""
    alerts: set[Fingerprint] = set()
    firing: set[Fingerprint] = set()
    known: set[Fingerprint] = set()
    """What somebody has been told of, or would have been."""
    pages = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    for entry in entries:
        muted: set[Fingerprint] = set()
        for reason in entry.reasons:
            names = frozenset(reason.fingerprints)
            if reason.code in BEGUN:
                firing |= names
                if reason.code is not ReasonCode.UPDATED:
                    known -= names  # whoever fires anew would have been told anew
            elif reason.code in ENDED:
                firing -= names
            elif reason.code in MUTED:
                muted |= names
                if reason.code is ReasonCode.SILENCED and reason.by == silence_id:
                    alerts |= names
                    pages += not names & firing <= known
                    known |= names & firing
                    first_at, last_at = first_at or entry.at, entry.at
            elif reason.code is ReasonCode.NOTIFY:
                known |= firing - muted
    if first_at is None or last_at is None:
        return None
    return Hidden(frozenset(alerts), pages, first_at, last_at)
