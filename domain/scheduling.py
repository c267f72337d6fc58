"""Schedule: when a group falls due next."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.alerts import END_OF_TIME, later
from domain.working import INSTANT, Working


def grid_after(anchor: datetime, interval: timedelta, instant: datetime) -> datetime:
    """The first point of the grid `anchor + k × interval`, k ≥ 1, that is not before `instant` (TM-2)."""
    steps = -((anchor - instant) // interval)
    return later(anchor, max(steps, 1) * interval)


def schedule(work: Working, since: datetime) -> None:
    """Set when the group next falls due, looking forward from `since` (rule 9).

    While anything is undecided, unsettled or muted that is the next grid point; otherwise the first one at which a
    lease may have ended or a repeat falls due.  Before the first flush nothing moves it (TM-1).
    """
    if work.present == 0 and not work.pending:
        work.next_due_at = work.flushed_at = work.earliest_end = work.repeat_at = None
        # The tick under way will find nothing and write nothing, so who comes next must not rely on it.
        work.armed_at = None
        work.has_news = work.has_muted = work.is_flush_failed = False
        return
    if work.flushed_at is None:
        return
    interval = work.route.group_interval
    if work.has_news or work.has_muted or work.pending or work.is_flush_failed:
        point = grid_after(work.flushed_at, interval, since)
        if work.next_due_at is None or not work.flushed_at < work.next_due_at <= point:
            work.next_due_at = point
        return
    causes = [work.repeat_at + INSTANT] if work.repeat_at else []
    if work.earliest_end is not None:
        causes.append(work.earliest_end)
    if work.response is not None:
        causes += work.response.ends
    point = grid_after(work.flushed_at, interval, max(min(causes), since)) if causes else END_OF_TIME
    work.next_due_at = point if point < END_OF_TIME else None
