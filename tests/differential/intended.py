"""Intended: every difference that is let pass, with its reason.

The first table is about Tocsin (strict) and Alertmanager 0.25.

Two kinds: what Alertmanager does at random, found by running it against itself; and what is meant to differ, which is
what Alertmanager 0.34, which strict follows, does otherwise than 0.25, and a reload that changes nothing.
`comparison.py` names the entry each time it uses one, so that a run's summary tells how often; an entry that nothing
uses any more should go.  Some are kept out of the generated scenarios; they say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Allowance:
    """One thing that may differ."""

    name: str
    kind: Literal["noise", "intended"]
    reason: str


REPEAT_TICK = Allowance(
    "a repeat one tick later",
    "noise",
    "The log's entry is stamped when the delivery has succeeded and compared with the next tick, so a repeat interval "
    "of k × group_interval comes at tick k or k+1, at random (DD-11).",
)
OLD_GRID = Allowance(
    "the old grid of an emptied group",
    "intended",
    "In 0.25 an emptied group keeps its grid until the process sweeps, every 30 s; in 0.34 it dies at once, and the "
    "next alert waits for group_wait (TM-4).  Pages after that come within the greater of the two timers.",
)
RETRY_MOMENT = Allowance(
    "the moment of a retry",
    "noise",
    "Both wait at random between the attempts at a receiver that fails with 5xx (TM-5), so the page that gets through "
    "comes some time after the failure has ended.",
)
NEW_FIELDS = Allowance(
    "fields of a newer payload",
    "intended",
    "notification_reason came with 0.32, routeLabels with 0.34 (webhook payload v4).",
)
STAMPED = Allowance(
    "an instant stamped by the server",
    "noise",
    "An alert without startsAt or endsAt gets them from the server's clock (IN-1, IN-2); both read theirs.",
)

EMPTY_GROUP_BY = Allowance(
    "an empty group_by below the root",
    "intended",
    "In 0.25 `group_by: []` in a child inherits (measured; prometheus/alertmanager#4221); since #4825 it makes one "
    "group of all (RT-4).  Every page would differ, so the generator writes it at the root only.",
)

SHARED_LOGS = Allowance(
    "the log that identical siblings share",
    "noise",
    "Sibling routes with equal matchers and one receiver have one log in Alertmanager (GK-1) and race for it: against "
    "itself it differs in one scenario of five.  Tocsin keeps a log for each.  Generated on request only.",
)

MUTED_BY = Allowance(
    "mutedBy in a listing",
    "intended",
    "0.25 shows an alert as active while the intervals of its routes mute it; 0.34 calls it suppressed and names them "
    "in `mutedBy` (TI-6).",
)

RELOADED_GROUP = Allowance(
    "several alerts of a group at a reload",
    "noise",
    "The new dispatcher takes up the alerts in any order, and the first old one flushes its group before the others "
    "are there: against itself it differs.  Stories about reloads give each alert a group of its own.",
)
RELOADED_UNDER_WAY = Allowance(
    "a delivery under way at a reload",
    "noise",
    "Alertmanager aborts it and sends it anew, whether or not the receiver has taken it already; Tocsin waits for its "
    "result.  No receiver is slow in stories about reloads.",
)
RELOADED_SAME = Allowance(
    "a reload of the same text",
    "intended",
    "Alertmanager begins all timers anew then too; Tocsin has the same version as before, and does nothing.  No two "
    "reloads are given the same text.",
)

ALL = (
    REPEAT_TICK,
    OLD_GRID,
    RETRY_MOMENT,
    NEW_FIELDS,
    STAMPED,
    EMPTY_GROUP_BY,
    SHARED_LOGS,
    MUTED_BY,
    RELOADED_GROUP,
    RELOADED_UNDER_WAY,
    RELOADED_SAME,
)

IGNORED_FIELDS = {"notification_reason": NEW_FIELDS, "routeLabels": NEW_FIELDS}


# --- by its own rules, and under strict compatibility ---------------------------------------------------------------


@dataclass(frozen=True)
class Mend:
    """One thing that Tocsin does otherwise than Alertmanager unless it is strict; `mended.py` finds where it shows."""

    name: str
    reason: str


SILENCE_ENDED = Mend(
    "a silence that ended",
    "What fires on when its silence ends is told again at the next point of the grid; Alertmanager waits for the "
    "repeat interval (gap B).  Repeats count from there.",
)
RESOLVED_MUTED = Mend(
    "resolved while it was muted",
    "What resolved while it was silenced, inhibited or out of hours is news when it fires again; Alertmanager's log "
    "says that it still fires (gap A).  A resolve that others would bring is not told about it either.",
)
NEW_START = Mend(
    "an old start",
    "An alert that is older than group_wait when it opens a group waits all the same; Alertmanager flushes at once "
    "(TM-1), before what inhibits it may have come.",
)
LONGER_LEASE = Mend(
    "a longer lease",
    "What nobody vouches for any more ends half a lease later than the last report said, because the door absorbs "
    "plain re-sends (rule 6 of the design).",
)

MENDED = (SILENCE_ENDED, RESOLVED_MUTED, NEW_START, LONGER_LEASE)
