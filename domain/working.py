"""The working copy: a group while one decision is made about it; what `decide` and its parts write to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from domain.alerts import Alert
from domain.configuration import Receiver
from domain.groups import (
    NO_NEWS,
    Decision,
    Event,
    GroupState,
    Head,
    Incident,
    LogEntry,
    Member,
    Outgoing,
    Reason,
    ReasonCode,
    Reported,
    Tally,
    Tick,
)
from domain.inhibition import SourceKey
from domain.labels import Fingerprint
from domain.lifecycle import RESPONSES_REMEMBERED, SEVERITY_LABEL, Responded, Response, severity_rank
from domain.looks import Found, Triage
from domain.notifications import NotificationLog, Settled
from domain.routing import GroupAddress, Route, group_key
from domain.situations import Situation

INSTANT = timedelta(microseconds=1)


class Working:
    """A group being decided about; `decision()` turns what has changed into a value.

    Lives for one call of `decide` only, so that the rules can be written as steps without copying the head at each.
    """

    def __init__(self, state: GroupState, address: GroupAddress, situation: Situation, now: datetime) -> None:
        head = state.head
        if head is None:
            head = Head(
                id=address.group_id,
                route_id=address.route_id,
                configuration_version=situation.configuration.version,
                receiver=situation.configuration.routes[address.route_id].receiver,
                labels=address.labels,
            )
        self.before = head
        self.situation = situation
        self.now = now
        self.members = state.members
        self.is_complete = state.is_complete
        self.logs = dict(state.logs) if state.logs else {}
        self.has_logs = state.logs is not None or state.head is None
        self.sources = state.sources
        self.wanted_sources: frozenset[SourceKey] = frozenset()
        """Documents of inhibition without which nothing can be decided; then whatever else is here means nothing."""
        self.changed: dict[Fingerprint, Member] = {}
        self.forgotten: list[Fingerprint] = []
        self.changed_logs: dict[int, NotificationLog] = {}
        self.outbox: list[Outgoing] = []
        self.reasons: list[Reason] = []
        self.revision = head.revision + 1
        self.route_id = head.route_id
        self.present = head.present
        self.firing = head.firing
        self.flushed_at = head.flushed_at
        self.next_due_at = head.next_due_at
        self.armed_at = head.armed_at
        self.earliest_end = head.earliest_end
        self.repeat_at = head.repeat_at
        self.has_news = head.has_news
        self.pending = head.pending
        self.has_muted = head.has_muted
        self.is_flush_failed = head.is_flush_failed
        self.incidents = head.incidents
        self.incident = head.incident
        self.folded = head.folded
        self.responded = head.responded
        self.severity: str | None = None
        """The highest of what fires, where a flush has looked."""
        self.anew = ""
        """Why what was told before is told again, where this decision has found that out."""
        self.is_flushed = False
        self.present_at_most = head.present
        self.due = self.delivered = self.failed = self.superseded = 0

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def route(self) -> Route:
        """The route that leads here."""
        return self.situation.configuration.routes[self.route_id]

    @property
    def receiver(self) -> Receiver:
        """Who is told."""
        return self.situation.configuration.receiver(self.route.receiver)

    def member(self, fingerprint: Fingerprint) -> Member | None:
        """That member as it is now, perhaps a tombstone; None also when it is not loaded."""
        return self.changed.get(fingerprint) or self.members.get(fingerprint)

    def present_members(self) -> Iterable[Member]:
        """The members that are no tombstones, as they are now; only whole when all are loaded."""
        for fingerprint, stored in self.members.items():
            member = self.changed.get(fingerprint, stored)
            if member.dropped_at is None:
                yield member
        for fingerprint, member in self.changed.items():
            if fingerprint not in self.members and member.dropped_at is None:
                yield member

    def lease_end(self, member: Member) -> datetime:
        """From when on the member counts as resolved."""
        return self.situation.lease_end(member.alert, member.leased_at)

    @property
    def response(self) -> Response | None:
        """How people stand to the incident; None where there is none, or nobody has done anything about it."""
        return self.incident.response if self.incident else None

    # --- writing ----------------------------------------------------------------------------------------------------

    def say(
        self,
        code: ReasonCode,
        text: str = "",
        *,
        integration: int | None = None,
        fingerprints: Iterable[Fingerprint] = (),
        by: str = "",
    ) -> None:
        """Add one clause to the trail."""
        self.reasons.append(Reason(code, text, integration, tuple(fingerprints), by))

    def put(self, member: Member) -> None:
        """Keep this in the place of whatever was known of the alert; the head's counts are the caller's to mend."""
        self.changed[member.alert.fingerprint] = member

    def put_log(self, log: NotificationLog) -> None:
        """Keep this in the place of the integration's log."""
        self.logs[log.integration] = self.changed_logs[log.integration] = log

    def open_incident(self, first: Alert, at: datetime) -> None:
        """Begin the group's next incident with this alert."""
        self.incidents += 1
        names = self.before.labels
        self.incident = Incident(
            id=f"{self.before.id}-{self.incidents}",
            group_id=self.before.id,
            receiver=self.before.receiver,
            group_key=group_key(self.route, names),
            group_labels=names,
            title=names.get("alertname") or first.labels.get("alertname") or "alert",
            opened_at=at,
            firing=1,
            alerts=1,
            severity=first.labels.get(SEVERITY_LABEL, ""),
        )
        self.say(ReasonCode.INCIDENT_OPENED, self.incident.id)

    def respond(self, response: Response) -> None:
        """Keep this as how people stand to the incident, which must be open."""
        assert self.incident is not None
        self.incident = replace(self.incident, response=response)

    def remember_response(self, id: str) -> None:
        """Know this response by its id should it come again."""
        self.responded = (*self.responded, id)[-RESPONSES_REMEMBERED:]

    def note_found(self, found: Found) -> None:
        """Keep in the trail what came of a look at the incident, which must be open."""
        assert self.incident is not None
        self.incident = replace(self.incident, looks=found.look)
        code = ReasonCode.NOT_LOOKED_AT if found.is_left_out else ReasonCode.FOUND
        self.say(code, found.text, by=found.by)

    # --- the outcome ------------------------------------------------------------------------------------------------

    def decision(self, event: Event) -> Decision:
        """Everything that has changed, as one value; empty when nothing has."""
        if self.next_due_at is not None and (self.armed_at is None or self.next_due_at < self.armed_at):
            self.outbox.append(Tick(self.before.id, self.next_due_at))
            self.armed_at = self.next_due_at
        reported = event if isinstance(event, Reported) else None
        responded = event if isinstance(event, Responded) else None
        incident = self._incident()
        if self.situation.is_triaged and incident is not None and self._wants_look(incident):
            # Behind the deliveries: a page goes out first.
            self.outbox.append(Triage(incident.group_id, incident.id, incident.looks + 1, self.now))
        if not self.reasons and not self.outbox and reported is None and self.armed_at == self.before.armed_at:
            return NO_NEWS
        head = self._head(incident)
        last = incident or self.before.incident
        return Decision(
            head=head,
            members=tuple(self.changed.values()),
            # What was forgotten at the flush may have been reported anew since.
            forgotten=tuple([name for name in self.forgotten if name not in self.changed]) if self.forgotten else (),
            logs=tuple(self.changed_logs.values()),
            incident=incident if incident != self.before.incident else None,
            entry=LogEntry(
                group_id=head.id,
                revision=self.revision,
                at=self.now,
                configuration_version=head.configuration_version,
                listening_since=self.situation.listening_since,
                # A note may be about one that is over.
                incident=responded.incident if responded else last.id if last else "",
                reasons=tuple(self.reasons),
                tally=Tally(
                    folded=reported.size if reported else 0,
                    due=self.due,
                    delivered=self.delivered,
                    failed=self.failed,
                    superseded=self.superseded,
                ),
                reported=reported,
                due_at=event.due_at if isinstance(event, Tick) else None,
                why=event.why if isinstance(event, Tick) else "",
                settled=event if isinstance(event, Settled) else None,
                next_due_at=self.next_due_at,
                responded=responded,
                found=event if isinstance(event, Found) else None,
            )
            if self.reasons or reported
            else None,
            outbox=tuple(self.outbox),
        )

    def _incident(self) -> Incident | None:
        """The incident as this decision leaves it; a closed one is written once more and then gone from the head."""
        incident = self.incident
        if incident is None:
            return None
        is_over = self.firing == 0 and not (self.has_news or self.pending or self.is_flush_failed)
        if is_over:
            self.say(ReasonCode.INCIDENT_RESOLVED, incident.id)
        if not (is_over or self.is_flushed or self.delivered or self.failed):
            return incident  # the counts follow at the next flush: a fold need not write them
        return Incident(
            id=incident.id,
            group_id=incident.group_id,
            receiver=incident.receiver,
            group_key=incident.group_key,
            group_labels=incident.group_labels,
            title=incident.title,
            opened_at=incident.opened_at,
            resolved_at=self.now if is_over else None,
            firing=self.firing,
            alerts=max(incident.alerts, self.present_at_most),
            pages=incident.pages + self.delivered,
            failed=incident.failed + self.failed + self.superseded,
            response=incident.response,
            severity=incident.severity if self.severity is None else self.severity,
            looks=incident.looks,
        )

    def _wants_look(self, incident: Incident) -> bool:
        """Whether it has just opened, or become worse."""
        before = self.before.incident
        if before is None or before.id != incident.id:
            return True
        is_worse = severity_rank(incident.severity) > severity_rank(before.severity)
        return is_worse and incident.resolved_at is None

    def _head(self, incident: Incident | None) -> Head:
        return Head(
            id=self.before.id,
            route_id=self.route_id,
            configuration_version=self.situation.configuration.version,
            receiver=self.before.receiver,
            labels=self.before.labels,
            revision=self.revision,
            present=self.present,
            firing=self.firing,
            flushed_at=self.flushed_at,
            next_due_at=self.next_due_at,
            armed_at=self.armed_at,
            earliest_end=self.earliest_end,
            repeat_at=self.repeat_at,
            has_news=self.has_news,
            pending=self.pending,
            has_muted=self.has_muted,
            is_flush_failed=self.is_flush_failed,
            incidents=self.incidents,
            incident=None if incident is None or incident.resolved_at is not None else incident,
            folded=self.folded,
            responded=self.responded,
        )
