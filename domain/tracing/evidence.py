"""Evidence: everything that is known about one alert in one group, gathered so that its trace can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.alerts import Alert
from domain.configuration import Configuration, Receiver
from domain.errors import NotFoundError
from domain.groups import Decision, GroupState, Head, LogEntry, Member, Tick
from domain.incidents import decide
from domain.inhibition import InhibitRule, Source, SourceKey, Sources
from domain.labels import Fingerprint, Labels
from domain.notifications import NotificationLog
from domain.routing import GroupId, Route, group_address
from domain.silences import Silence
from domain.situations import Situation
from domain.tracing.life import Life, Look


@dataclass(frozen=True, slots=True)
class Heard:
    """An alert that mutes others, and when Tocsin first heard of the occurrence in question."""

    alert: Alert
    at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the steps of one trace are told from, all of it as of `now`."""

    alert: Alert
    head: Head
    life: Life
    situation: Situation
    """With the configuration under which the group last held the alert, if that is still known."""
    now: datetime
    member: Member | None = None
    """The group's copy; perhaps a tombstone."""
    logs: Mapping[int, NotificationLog] = field(default_factory=dict)
    sources: Mapping[SourceKey, Sources] = field(default_factory=dict)
    """At least the documents of inhibition that decide about the alert."""
    heard: Mapping[Fingerprint, Heard] = field(default_factory=dict)
    """Of what inhibits or inhibited it, what could be found out."""
    silences: Mapping[str, Silence] = field(default_factory=dict)
    """Those that the looks name, as far as they are kept."""
    prospect: Look | None = None
    """What a look at this moment would say; only while the group holds the alert."""
    is_shadow: bool = False
    """Whether nobody is told anything: what counts as delivered was only recorded."""
    is_cut: bool = False
    """Whether the entries that were read do not reach back to the beginning of its life."""

    @property
    def is_present(self) -> bool:
        """Whether the group holds it, and what it tells of it is still to be decided."""
        return self.member is not None and self.member.dropped_at is None and self.life.dropped_at is None

    @property
    def is_firing(self) -> bool:
        """Whether it fires now, as a look at this moment would see it."""
        if self.member is None or not (self.is_present and self.member.is_firing):
            return False
        return self.situation.lease_end(self.member.alert, self.member.leased_at) > self.now

    @property
    def lapsed_at(self) -> datetime | None:
        """When the lease ran out of one that no look has seen resolved yet."""
        if self.member is None or not (self.is_present and self.member.is_firing) or self.is_firing:
            return None
        return self.situation.lease_end(self.member.alert, self.member.leased_at)

    @property
    def route(self) -> Route | None:
        """The route that leads it here under this configuration, and None where none does any more."""
        found = place_of(self.situation.configuration, self.alert.labels, self.head.id)
        return found[0] if found else None

    @property
    def receiver(self) -> Receiver | None:
        """Who is told; None where the configuration is too new to know."""
        try:
            return self.situation.configuration.receiver(self.head.receiver)
        except NotFoundError:
            return None

    def called(self, integration: int) -> str:
        """What to call that integration of the receiver."""
        names = self.receiver.integration_names if self.receiver else ()
        return names[integration] if integration < len(names) else f"integration[{integration}]"

    def rivals(self, rule: InhibitRule) -> list[Source]:
        """The sources, firing or not, that inhibit the alert under this rule while they fire."""
        is_two_sided = rule.is_source(self.alert.labels)  # IH-3: neither mutes the other, nor itself
        found = self.sources.get(rule.key(self.alert.labels), {}).values()
        return [source for source in found if not (is_two_sided and source.is_two_sided)]

    def is_live(self, source: Source) -> bool:
        """Whether the source fires now."""
        return self.situation.lease_end(source.alert, source.alert.received_at) > self.now


def place_of(configuration: Configuration, labels: Labels, group_id: GroupId) -> tuple[Route, bool] | None:
    """The route by which an alert with these labels comes into that group, and whether it is its first one."""
    for place, route in enumerate(configuration.root.find(labels)):
        if group_address(route, labels).group_id == group_id:
            return route, place == 0
    return None


def look_now(state: GroupState, situation: Situation, now: datetime) -> LogEntry | None:
    """What a look at the group would decide at this moment: the very rules are asked, and nothing is written.

    Args:
        state: All of it, with the documents of inhibition that decide about its alerts.
        situation: The rules in force, of the version that the head names.
        now: The moment.
    """
    if state.head is None or not state.head.present:
        return None
    due = replace(state, head=replace(state.head, next_due_at=now))
    decision = decide(due, Tick(state.head.id, now), situation, now)
    return decision.entry if isinstance(decision, Decision) else None
