"""Group: the alerts that one receiver hears of together; its stored state, its events, and port `GroupStore`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from domain.alerts import Alert
from domain.inhibition import SourceKey, Sources
from domain.labels import Fingerprint
from domain.lifecycle import UNTOUCHED, Responded, Response, Status
from domain.looks import Found, Triage
from domain.notifications import Delivery, NotificationLog, Settled
from domain.routing import GroupAddress, GroupId, RouteId
from domain.values import value

SHARDS = 64


def shard(group_id: GroupId) -> int:
    """Which of the 64 sessions of queue `groups` keeps this group's events in order."""
    return int(group_id[:8], 16) % SHARDS


# --- what is stored -------------------------------------------------------------------------------------------------


@value
class Member:
    """This group's own copy of one alert; a dropped one stays as a tombstone, still mergeable (MG-3)."""

    alert: Alert
    is_firing: bool
    """As the last fold or flush saw it: between two ticks a lease may have run out unseen."""
    leased_at: datetime
    occurrence: int
    """Counts how often it began to fire, having been absent or resolved (rule 11)."""
    is_leading: bool
    """Whether this group is that of the alert's first matching route, which alone opens incidents."""
    dropped_at: datetime | None = None


@value
class Incident:
    """One occurrence of a group: from its first firing alert until none fires and the resolve is settled (rule 11)."""

    id: str
    group_id: GroupId
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    title: str
    opened_at: datetime
    resolved_at: datetime | None = None
    firing: int = 0
    alerts: int = 0
    """How many alerts are or were part of it; an alert that fires twice counts once while it is kept."""
    pages: int = 0
    """Notifications that arrived."""
    failed: int = 0
    """Notifications that did not: refused, or without a result by their deadline."""
    response: Response | None = None
    """None as long as nobody has done anything about it."""
    severity: str = ""
    """The highest label `severity` of what fires, as the last flush saw it; see `domain.lifecycle`."""
    looks: int = 0
    """The number of the last look that something came of; one that comes twice is known by it."""

    @property
    def standing(self) -> Response:
        """How people stand to it."""
        return self.response or UNTOUCHED

    @property
    def status(self) -> Status:
        """Over and resolved by a person are both `resolved`; `resolved_at` tells them apart."""
        return self.standing.status if self.resolved_at is None else Status.RESOLVED


@value
class Head:
    """What a fold must know of a group without reading its members (rule 13); every change makes a new value."""

    id: GroupId
    route_id: RouteId
    configuration_version: str
    receiver: str
    labels: Mapping[str, str]
    revision: int = 0
    present: int = 0
    firing: int = 0
    flushed_at: datetime | None = None
    """The grid point of the last flush; None before the first flush since the group was last empty."""
    next_due_at: datetime | None = None
    armed_at: datetime | None = None
    """The due time of the tick that is known to be under way."""
    earliest_end: datetime | None = None
    """No firing member's lease ends before this; a lower bound."""
    repeat_at: datetime | None = None
    """From when on (exclusive) an integration is due to be told again."""
    has_news: bool = False
    """Whether something changed that no flush has looked at yet."""
    pending: tuple[int, ...] = ()
    """The integrations whose deliveries have no result yet."""
    has_muted: bool = False
    """Whether the last flush found a member muted: then the next grid point looks again (rule 9)."""
    is_flush_failed: bool = False
    """Whether a delivery of the last flush failed: then the next one tries again, and nothing is dropped."""
    incidents: int = 0
    incident: Incident | None = None
    folded: Mapping[str, int] = field(default_factory=dict)
    """For each door the number of its last event folded here: a message seen twice is known by it."""
    responded: tuple[str, ...] = ()
    """The ids of the last responses, also to incidents that are over: one that comes twice is known by it."""

    @property
    def is_live(self) -> bool:
        """Whether it has members, or deliveries under way."""
        return self.present > 0 or bool(self.pending)


@value
class GroupState:
    """What a decision may look at: the head, and as much of the rest as has been loaded."""

    head: Head | None
    members: Mapping[Fingerprint, Member]
    logs: Mapping[int, NotificationLog] | None
    """By integration; None when they are not loaded."""
    is_complete: bool
    """Whether all members are loaded, not only the named ones; always so where there is no head."""
    sources: Mapping[SourceKey, Sources] = field(default_factory=dict)
    """The documents of inhibition that were asked for."""


# --- what happens ---------------------------------------------------------------------------------------------------


@value
class Reported:
    """Alerts that one request brought to one group."""

    group: GroupAddress
    door: str
    number: int
    """Ascending for each door, so that a group knows what it has folded already."""
    received_at: datetime
    alerts: tuple[Alert, ...]
    further: tuple[Alert, ...] = ()
    """Those that came by a further `continue` route: told here, but they open no incident."""

    @property
    def group_id(self) -> GroupId:
        """The group that all of it concerns."""
        return self.group.group_id

    @property
    def size(self) -> int:
        """How many (alert × group) pairs of the ledger this is."""
        return len(self.alerts) + len(self.further)

    @property
    def names(self) -> Sequence[Fingerprint]:
        """The members that folding this in looks at."""
        return [alert.fingerprint for alert in (*self.alerts, *self.further)]


@value
class GroupEvents:
    """One message of queue `groups`: what one request means for the groups of one shard."""

    configuration_version: str
    events: tuple[Reported, ...]

    @property
    def size(self) -> int:
        """How many (alert × group) pairs of the ledger this is."""
        return sum(event.size for event in self.events)

    @property
    def alerts(self) -> list[Alert]:
        """The alerts of the request, each once, however many groups of the shard it goes to."""
        alerts = {alert.fingerprint: alert for event in self.events for alert in (*event.alerts, *event.further)}
        return list(alerts.values())


@value
class Tick:
    """A hint that a group may be due; never cancelled, may come early, late or twice (rule 5)."""

    group_id: GroupId
    due_at: datetime
    why: str = ""
    """What changed outside the group, in words, where that is why it comes: then the next grid point looks again."""
    names: ClassVar[Sequence[Fingerprint]] = ()


type Event = Reported | Tick | Settled | Responded | Found


# --- what a decision says -------------------------------------------------------------------------------------------


class ReasonCode(StrEnum):
    """Why something was or was not done; what the explain trail is made of."""

    OPENED = "opened"
    FIRED = "fired"
    REFIRED = "refired"
    UPDATED = "updated"
    RESOLVED = "resolved"
    LEASE_ENDED = "lease_ended"
    SEEN_RESOLVED = "seen_resolved"
    WOKEN = "woken"
    INHIBITED = "inhibited"
    OUT_OF_HOURS = "out_of_hours"
    SILENCED = "silenced"
    ALL_MUTED = "all_muted"
    FORGOTTEN = "forgotten"
    FAREWELL = "farewell"
    WAITING = "waiting"
    NOTIFY = "notify"
    NO_NEWS = "no_news"
    NEVER_TOLD = "never_told"
    NOT_SENT = "not_sent"
    NO_INTEGRATION = "no_integration"
    UNSETTLED = "unsettled"
    SUPERSEDED = "superseded"
    DELIVERED = "delivered"
    FAILED = "failed"
    LATE = "late"
    DROPPED = "dropped"
    INCIDENT_OPENED = "incident_opened"
    INCIDENT_RESOLVED = "incident_resolved"
    ROUTED_ANEW = "routed_anew"
    MOVED = "moved"
    RESPONDED = "responded"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED_BY_PERSON = "resolved_by_person"
    ACKNOWLEDGEMENT_ENDED = "acknowledgement_ended"
    SNOOZE_ENDED = "snooze_ended"
    REOPENED = "reopened"
    FOUND = "found"
    NOT_LOOKED_AT = "not_looked_at"


WITHHELD = (ReasonCode.ACKNOWLEDGED, ReasonCode.SNOOZED, ReasonCode.RESOLVED_BY_PERSON)
"""Why an integration is not told of what it would have been."""


@value
class Reason:
    """One clause of the trail: what, about whom, and the detail in words."""

    code: ReasonCode
    text: str = ""
    integration: int | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    by: str = ""
    """What mutes: the fingerprint of the source, the names of the intervals, the id of the silence; or a person; or
    who looked."""


@value
class Tally:
    """What one decision adds to the ledger of the design."""

    folded: int = 0
    due: int = 0
    delivered: int = 0
    failed: int = 0
    superseded: int = 0


@value
class LogEntry:
    """One event and everything that was decided about it: enough to explain it, and to replay it."""

    group_id: GroupId
    revision: int
    at: datetime
    configuration_version: str
    listening_since: datetime
    incident: str
    reasons: tuple[Reason, ...]
    tally: Tally
    reported: Reported | None = None
    due_at: datetime | None = None
    why: str = ""
    """Why the tick came, where something outside the group had changed."""
    settled: Settled | None = None
    next_due_at: datetime | None = None
    """When the group is looked at again, as this decision leaves it."""
    responded: Responded | None = None
    found: Found | None = None

    def names(self, fingerprint: Fingerprint) -> bool:
        """Whether the event reported this alert, or a reason is about it; being what mutes another is neither."""
        return any(fingerprint in reason.fingerprints for reason in self.reasons) or (
            self.reported is not None and fingerprint in self.reported.names
        )

    def opens(self, incident: str) -> bool:
        """Whether that incident began with it: no earlier entry is about it."""
        return any(reason.code is ReasonCode.INCIDENT_OPENED and reason.text == incident for reason in self.reasons)


ENTRIES_SEARCHED = 200_000
"""So many entries, the latest of all groups, are searched for an alert that no group holds any more."""

type Outgoing = Tick | Delivery | GroupEvents | Triage
"""What leaves a group after the commit: to queue `ticks`, `deliveries`, `groups` (alerts routed anew), or `triage`."""


@value
class Decision:
    """What to write, all or nothing, and what to send afterwards; empty when the event is no news."""

    head: Head | None = None
    members: Sequence[Member] = ()
    forgotten: Collection[Fingerprint] = ()
    logs: Sequence[NotificationLog] = ()
    incident: Incident | None = None
    entry: LogEntry | None = None
    outbox: Sequence[Outgoing] = ()
    refused: str = ""
    """Why what a person wanted cannot be done now; then all else is empty, and nothing is written."""


NO_NEWS = Decision()


@value
class Wanted:
    """A decision that cannot be made yet: ask again with these members and all logs; None wants every member.

    What has been loaded stays loaded, and so do the documents of inhibition: those that are wanted come in addition.
    """

    members: frozenset[Fingerprint] | None = None
    sources: frozenset[SourceKey] = frozenset()


type Decide = Callable[[GroupState], Decision | Wanted]


@value
class Transaction:
    """One group, what to ask about it, and the members that the rule is sure to want."""

    group_id: GroupId
    decide: Decide
    names: Collection[Fingerprint] = ()


@value
class Cost:
    """What an incident has cost its store and queues so far; nothing where neither charges."""

    request_units: float = 0.0
    operations: int = 0
    """Requests to the store."""
    bytes: int = 0
    """Sent to and received from the store."""
    messages: int = 0
    """Sent to the queues."""


@value
class Outgone:
    """One thing that a committed decision left in its group's outbox, to be sent and then cleared."""

    group_id: GroupId
    key: str
    outgoing: Outgoing


class GroupStore(Protocol):
    """Where groups live: head, members, notification logs, log and outbox of one group in one partition."""

    async def transact(self, transactions: Sequence[Transaction]) -> Sequence[Outgone]:
        """Ask each rule about its stored group and write everything it says, or nothing.

        Each transaction is atomic by itself; of several groups some may be written when the call fails.  Another
        writer may come in between; then `decide` is asked again about the newer state, and so it must be pure.  It
        first sees the head and the members in `names`; when it answers `Wanted` it is asked again with those.

        Returns:
            What the decisions left in their outboxes, durable now: send it, then `clear_outbox`.

        Raises:
            UnavailableError: The store did not answer; what is not written will be when the call is repeated.
        """
        ...

    async def clear_outbox(self, sent: Sequence[Outgone]) -> None:
        """Forget what has been sent; content if it is gone already.  May be lost by a crash: then it is sent twice."""
        ...

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        """Whether that has not been cleared yet: a crash between commit and send left it behind."""
        ...

    async def list_overdue(self, before: datetime, *, limit: int) -> Sequence[GroupId]:
        """Groups whose `next_due_at` is before that instant, the longest overdue first."""
        ...

    async def list_heads(self, *, after: GroupId | None = None, limit: int = 1000) -> Sequence[Head]:
        """The heads of live groups, in order of their ids, from the one behind `after`."""
        ...

    async def list_members(self, group_ids: Collection[GroupId] | None = None) -> Sequence[tuple[GroupId, Member]]:
        """The present members (no tombstones) of these groups, or of all; in no order."""
        ...

    async def list_dropped(self, since: datetime) -> Collection[GroupId]:
        """The groups that have tombstones of alerts which they dropped since then; each once, in no order.

        One whose alert has come back meanwhile may be among them.
        """
        ...

    async def get_incident(self, incident_id: str) -> Incident:
        """Raises NotFoundError when there is none under that id."""
        ...

    async def get_cost(self, incident_id: str) -> Cost | None:
        """What the folds and flushes of this incident have cost; None where the store charges nothing.

        Whatever an instance spent since its last commit for the group, and did not live to write down, is missing.

        Raises:
            NotFoundError: There is none under that id.
        """
        ...

    async def list_incidents(self, *, before: str | None = None, limit: int = 100) -> Sequence[Incident]:
        """The newest first; `before` is the id of the last one already seen."""
        ...

    async def list_entries(
        self, group_id: GroupId, *, incident: str | None = None, limit: int = 1000
    ) -> Sequence[LogEntry]:
        """The trail of a group, or of one of its incidents, the oldest first; the latest `limit` of them.

        An incident's entries stand together, but for notes that came when it was over.
        """
        ...

    def walk_entries(self, group_id: GroupId) -> AsyncGenerator[LogEntry]:
        """The trail of a group from its latest entry back, until the caller closes it; others run in between."""
        ...

    async def find_groups(self, fingerprint: Fingerprint) -> Sequence[GroupId]:
        """The groups that have, or had, that alert: those that hold it now first.

        Then come those that have a tombstone of it, and those that one of the latest `ENTRIES_SEARCHED` entries of all
        groups names it in, the latest first.

        Raises:
            UnavailableError: The store did not answer.
        """
        ...

    async def forget(self, now: datetime) -> None:
        """Remove the tombstones whose time is over, and what of the history is older than is kept, a part at a time."""
        ...

    async def tally(self) -> Tally:
        """The ledger's counts over everything this store ever committed."""
        ...
