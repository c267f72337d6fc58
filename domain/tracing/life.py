"""Life: what a group's entries say of one alert's last occurrence there, from its first report to its being let go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from domain.alerts import Alert
from domain.groups import WITHHELD, LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint


class Outcome(StrEnum):
    """How a delivery ended, as far as is known."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given up"
    UNDER_WAY = "under way"


class End(StrEnum):
    """How an occurrence ended."""

    RESOLVED = "resolved"
    LEASE_ENDED = "lease ended"
    MOVED = "moved"


MUTING = (ReasonCode.INHIBITED, ReasonCode.OUT_OF_HOURS, ReasonCode.SILENCED)

_BEGINNING = frozenset({ReasonCode.FIRED, ReasonCode.REFIRED})
_REPORTED = frozenset({*_BEGINNING, ReasonCode.UPDATED, ReasonCode.RESOLVED, ReasonCode.SEEN_RESOLVED})
_ASKED = frozenset(
    {
        ReasonCode.NOTIFY,
        ReasonCode.NO_NEWS,
        ReasonCode.NEVER_TOLD,
        ReasonCode.NOT_SENT,
        ReasonCode.NO_INTEGRATION,
        ReasonCode.UNSETTLED,
        *WITHHELD,
    }
)
_LOOKED = frozenset(
    {*MUTING, *_ASKED, ReasonCode.LEASE_ENDED, ReasonCode.FORGOTTEN, ReasonCode.ALL_MUTED, ReasonCode.SUPERSEDED}
)
_ANSWERED = frozenset({ReasonCode.DELIVERED, ReasonCode.FAILED, ReasonCode.LATE})
_KEPT = frozenset({*_LOOKED, *_ANSWERED, ReasonCode.FAREWELL})


@dataclass(frozen=True, slots=True)
class Look:
    """What one flush of the group said that concerns the alert."""

    at: datetime
    is_firing: bool
    muted: tuple[Reason, ...] = ()
    """What muted it then."""
    said: tuple[Reason, ...] = ()
    """For each integration whether it was due, about whichever alerts were not muted; or that there is none."""

    def about(self, integration: int) -> Reason | None:
        """What it said of this integration; None where it was not asked, since all was muted."""
        return next((reason for reason in self.said if reason.integration == integration), None)

    def tells(self, reason: Reason) -> bool:
        """Whether a notification that this look sent for this reason is about the alert."""
        is_sent = reason.code is ReasonCode.NOTIFY and not self.muted
        return is_sent and (self.is_firing or "resolved" in reason.text.partition(":")[0])


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery that was decided while the group held the alert."""

    id: str
    integration: int
    at: datetime
    why: str
    """`2 firing: new alerts added`."""
    is_about_it: bool
    """Whether it tells of the alert, rather than of others of its group only."""
    is_firing: bool
    """Whether the alert fired then."""
    outcome: Outcome = Outcome.UNDER_WAY
    settled_at: datetime | None = None
    attempts: int = 0
    answer: str = ""

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.outcome is Outcome.DELIVERED

    @property
    def is_missed(self) -> bool:
        """Whether it is known not to have arrived."""
        return self.outcome in (Outcome.FAILED, Outcome.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Life:
    """The last occurrence of an alert in one group."""

    began: LogEntry | None = None
    """The entry in which it began to fire; None where it never did, or where the entries do not go so far back."""
    is_refire: bool = False
    first: Alert | None = None
    """The earliest report that the entries have, and then the latest."""
    last: Alert | None = None
    reports: int = 0
    """How many were stored: plain re-sends are mostly absorbed at the door."""
    ended_at: datetime | None = None
    end: End | None = None
    dropped_at: datetime | None = None
    """When it was let go, or moved elsewhere; what came later of it is not about this occurrence."""
    version: str = ""
    """The configuration under which the group last held it."""
    incident: str = ""
    looks: tuple[Look, ...] = ()
    sent: tuple[Sent, ...] = ()
    is_known: bool = False
    """Whether any entry names it."""

    @property
    def told(self) -> Sequence[Sent]:
        """The deliveries about it that arrived."""
        return [sent for sent in self.sent if sent.is_about_it and sent.is_delivered]


def begins(entry: LogEntry, fingerprint: Fingerprint) -> bool:
    """Whether an occurrence of the alert begins with this entry: none before it is needed."""
    return any(reason.code in _BEGINNING and fingerprint in reason.fingerprints for reason in entry.reasons)


def narrowed(entry: LogEntry, fingerprint: Fingerprint) -> LogEntry | None:
    """As much of the entry as its life is read from; None where that is nothing, as mostly."""
    if not entry.names(fingerprint) and _KEPT.isdisjoint(reason.code for reason in entry.reasons):
        return None
    if (reported := entry.reported) is None:
        return entry

    def its(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        return tuple([alert for alert in alerts if alert.fingerprint == fingerprint])

    return replace(entry, reported=replace(reported, alerts=its(reported.alerts), further=its(reported.further)))


def read_life(entries: Iterable[LogEntry], fingerprint: Fingerprint) -> Life:
    """The last life that these entries tell of, the oldest first; those before its beginning add nothing."""
    reader = _Reader(fingerprint)
    for entry in entries:
        if begins(entry, fingerprint):
            reader = _Reader(fingerprint)
        reader.read(entry)
    return reader.life()


def look_of(entry: LogEntry, fingerprint: Fingerprint, *, is_firing: bool) -> Look | None:
    """What the entry of a single flush says of an alert that the group holds; None where it says nothing at all."""
    reader = _Reader(fingerprint)
    reader.is_present, reader.is_firing = True, is_firing
    reader.read(entry)
    return reader.looks[-1] if reader.looks else None


@dataclass
class _Reader:
    """Goes through the entries once, reason by reason: one entry may hold a flush, reports, and another flush."""

    fingerprint: Fingerprint
    is_present: bool = False
    is_firing: bool = False
    is_known: bool = False
    began: LogEntry | None = None
    is_refire: bool = False
    reported: list[Alert] = field(default_factory=list)
    ended_at: datetime | None = None
    end: End | None = None
    dropped_at: datetime | None = None
    version: str = ""
    incident: str = ""
    looks: list[Look] = field(default_factory=list)
    sent: dict[str, Sent] = field(default_factory=dict)
    muted: list[Reason] = field(default_factory=list)
    said: list[Reason] = field(default_factory=list)

    def read(self, entry: LogEntry) -> None:
        for reason in entry.reasons:
            self._read_reason(entry, reason)
        self._close_look(entry)
        if self.is_present:
            self.version, self.incident = entry.configuration_version, entry.incident or self.incident

    def _read_reason(self, entry: LogEntry, reason: Reason) -> None:
        is_named = self.fingerprint in reason.fingerprints
        if reason.code not in _LOOKED:
            self._close_look(entry)
        match reason.code:
            case code if code in _REPORTED:
                if is_named:
                    self._report(entry, code)
            case ReasonCode.LEASE_ENDED if is_named:
                self._finish(End.LEASE_ENDED, entry.at)
            case ReasonCode.DROPPED | ReasonCode.MOVED if is_named and self.is_present:
                if reason.code is ReasonCode.MOVED and self.is_firing:
                    self._finish(End.MOVED, entry.at)
                self.is_present, self.dropped_at = False, entry.at
            case code if code in MUTING:
                if is_named:
                    self.muted.append(reason)
            case ReasonCode.SUPERSEDED:
                self._give_up(reason.text, entry.at)
            case ReasonCode.FAREWELL if self.began or self.is_present:
                self._send(entry, reason, "its group is over", is_about_it=self.dropped_at == entry.at, is_firing=False)
            case code if code in _ASKED:
                self.said.append(reason)
            case code if code in _ANSWERED:
                self._settle(entry)
            case _:
                """Nothing about any one alert."""

    def _report(self, entry: LogEntry, code: ReasonCode) -> None:
        self.is_known = True
        if code in _BEGINNING:
            self.began, self.is_refire = entry, code is ReasonCode.REFIRED
        elif self.dropped_at is not None:
            return  # Prometheus re-sends what has resolved for a quarter of an hour
        elif code is ReasonCode.RESOLVED:
            self._finish(End.RESOLVED, entry.reported.received_at if entry.reported else entry.at)
        self.is_present = True
        self.is_firing = code in _BEGINNING or code is ReasonCode.UPDATED
        if entry.reported is not None:
            alerts = (*entry.reported.alerts, *entry.reported.further)
            self.reported += [alert for alert in alerts if alert.fingerprint == self.fingerprint]

    def _finish(self, end: End, at: datetime) -> None:
        self.is_firing, self.end, self.ended_at = False, end, at

    def _close_look(self, entry: LogEntry) -> None:
        if self.is_present and (self.muted or self.said):
            look = Look(entry.at, self.is_firing, tuple(self.muted), tuple(self.said))
            self.looks.append(look)
            for reason in self.said:
                if reason.code is ReasonCode.NOTIFY:
                    self._send(entry, reason, reason.text, is_about_it=look.tells(reason), is_firing=self.is_firing)
        self.muted, self.said = [], []

    # --- deliveries -------------------------------------------------------------------------------------------------

    def _send(self, entry: LogEntry, reason: Reason, why: str, *, is_about_it: bool, is_firing: bool) -> None:
        assert reason.integration is not None
        id = f"{entry.group_id}-{entry.revision}-{reason.integration}"  # as `flushing` names them
        self.sent[id] = Sent(id, reason.integration, entry.at, why, is_about_it=is_about_it, is_firing=is_firing)

    def _give_up(self, id: str, at: datetime) -> None:
        if (sent := self.sent.get(id)) is not None:
            self.sent[id] = replace(sent, outcome=Outcome.GIVEN_UP, settled_at=at, answer="no result by its deadline")

    def _settle(self, entry: LogEntry) -> None:
        settled = entry.settled
        if settled is not None and (sent := self.sent.get(settled.delivery_id)) is not None:
            self.sent[sent.id] = replace(
                sent,
                outcome=Outcome.DELIVERED if settled.is_delivered else Outcome.FAILED,
                settled_at=settled.settled_at,
                attempts=settled.attempts,
                answer=settled.detail,
            )

    def life(self) -> Life:
        return Life(
            began=self.began,
            is_refire=self.is_refire,
            first=self.reported[0] if self.reported else None,
            last=self.reported[-1] if self.reported else None,
            reports=len(self.reported),
            ended_at=self.ended_at,
            end=self.end,
            dropped_at=self.dropped_at,
            version=self.version,
            incident=self.incident,
            looks=tuple(self.looks),
            sent=tuple(self.sent.values()),
            is_known=self.is_known,
        )
