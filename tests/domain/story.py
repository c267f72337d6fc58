"""Story: the domain alone on a virtual clock; alerts in, pages and reasons out.

A story keeps groups as a store would, feeds reports through a door, keeps the schedule of ticks, lets receivers answer
as they are told to, and folds the results.  Whatever happens, each step is checked against what must always hold, and
each event is folded a second time to see that this changes nothing.

    story = Story(configuration)
    story.fire("db")
    story.run(MINUTE)
    assert story.told() == ["0:00:30 team: db fires (first notification)"]

The time before the colon is what has passed since the story began.  `acknowledged` is what the door made durable; the
same list can be replayed under another configuration: `Story(other).replay(story.acknowledged).run(HOUR)`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from itertools import count
from typing import Self

from domain.alerts import TOMBSTONE_RETENTION, Alert, later
from domain.configuration import Configuration
from domain.configuration.file import read_configuration
from domain.door import Door
from domain.groups import (
    NO_NEWS,
    Decision,
    Event,
    GroupEvents,
    GroupState,
    Head,
    Incident,
    LogEntry,
    Member,
    Outgoing,
    Reason,
    ReasonCode,
    Tally,
    Tick,
    shard,
)
from domain.incidents import decide
from domain.inhibition import SourceKey, Sources, source_reports, with_reports
from domain.labels import Fingerprint, fingerprint, match_all
from domain.lifecycle import Action, Responded
from domain.looks import Found, Triage
from domain.matchers import parse_matchers
from domain.notifications import Delivery, NotificationLog, NotificationReason, Settled, unpack
from domain.routing import GroupId
from domain.silences import NO_SILENCES, Silence, Silences
from domain.situations import Situation
from tests.builders import MINUTE, NOON, SECOND

RESUMED_AFTER = 3 * MINUTE
"""So long the sweep must have been silent for Tocsin not to have listened (as in `function_app.sweep`)."""

MARGIN = SECOND / 4

LEASE = 4 * MINUTE
"""What Prometheus vouches for: four times the interval at which it re-sends."""

read = lru_cache(maxsize=None)(partial(read_configuration, name="alertmanager.yml"))


def configuration(
    *,
    wait: str = "30s",
    interval: str = "5m",
    repeat: str = "4h",
    group_by: str = "[alertname]",
    send_resolved: Sequence[bool] = (True,),
) -> str:
    """An alertmanager.yml of one route; its receiver `team` has one webhook for each of `send_resolved`."""
    webhooks = "".join(
        f'\n      - {{url: "http://team/{number}", send_resolved: {str(sends).lower()}}}'
        for number, sends in enumerate(send_resolved)
    )
    return f"""
route:
  receiver: team
  group_by: {group_by}
  group_wait: {wait}
  group_interval: {interval}
  repeat_interval: {repeat}
receivers:
  - name: team
    webhook_configs: {webhooks or "[]"}
"""


# --- what may go wrong ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """How a receiver answers one delivery; an answer that comes after the deadline is a failure."""

    is_delivered: bool = True
    after: timedelta = timedelta(0)
    folded_after: timedelta | None = timedelta(0)
    """How long the result then takes to its group; None for ever, as when the process dies in between."""
    detail: str = ""
    """Its answer in words."""
    is_unsure: bool = False
    """Whether one who died may have been heard before."""


OK = Answer()
FAILS = Answer(is_delivered=False)
HANGS = Answer(after=timedelta(days=9999))
LOST = Answer(folded_after=None)
"""The receiver heard it, but nobody learns that."""

type Timing = Callable[[Tick, datetime], Iterable[datetime]]
"""When a tick that is sent now arrives: once, more than once, or never."""


def on_time(tick: Tick, now: datetime) -> Iterable[datetime]:
    return [max(tick.due_at, now)]


def shifted(by: timedelta) -> Timing:
    """Every tick comes so much later, or earlier where negative."""
    return lambda tick, now: [max(later(tick.due_at, by), now)]


def twice(tick: Tick, now: datetime) -> Iterable[datetime]:
    return [*on_time(tick, now), *on_time(tick, now)]


def never(tick: Tick, now: datetime) -> Iterable[datetime]:
    return []


# --- what comes out -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """What one integration heard, and when."""

    at: datetime
    receiver: str
    integration: int
    group_id: str
    group_labels: Mapping[str, str]
    reason: NotificationReason
    firing: tuple[str, ...]
    resolved: tuple[str, ...]
    truncated: int
    delivery: Delivery = field(repr=False, compare=False)

    def words(self, start: datetime, *, name: str) -> str:
        parts = []
        if self.firing:
            parts.append(f"{', '.join(self.firing)} fires" if len(self.firing) == 1 else f"{_join(self.firing)} fire")
        if self.resolved:
            parts.append(f"{_join(self.resolved)} resolved")
        if self.truncated:
            parts.append(f"{self.truncated} more")
        return f"{self.at - start} {name}: {'; '.join(parts)} ({self.reason})"


def _join(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 10 else f"{len(names)} alerts"


@dataclass(frozen=True)
class Acknowledged:
    """Alerts that the door made durable together."""

    received_at: datetime
    alerts: tuple[Alert, ...]


@dataclass
class Stored:
    """One group as a store keeps it."""

    head: Head | None = None
    members: dict[Fingerprint, Member] = field(default_factory=dict)
    logs: dict[int, NotificationLog] = field(default_factory=dict)
    entries: list[LogEntry] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def ask(
        self,
        event: Event,
        situation: Situation,
        now: datetime,
        names: Collection[Fingerprint],
        sources: Mapping[SourceKey, Sources] | None = None,
    ) -> Decision:
        """Ask as `GroupStore.transact` promises: the head and the named members first, then what is wanted."""
        state = GroupState(self.head, self._named(names), None, is_complete=self.head is None)
        for _ in range(4):
            answer = decide(state, event, situation, now)
            if isinstance(answer, Decision):
                return answer
            loaded = {**state.sources, **{key: (sources or {}).get(key, {}) for key in answer.sources}}
            if answer.members is None:
                state = GroupState(state.head, dict(self.members), dict(self.logs), True, loaded)
            else:
                members = {**state.members, **self._named(answer.members)}
                state = GroupState(state.head, members, dict(self.logs), state.is_complete, loaded)
        raise AssertionError(f"wants more and more for {event}")

    def _named(self, names: Collection[Fingerprint]) -> dict[Fingerprint, Member]:
        return {name: self.members[name] for name in names if name in self.members}

    def write(self, decision: Decision) -> None:
        assert decision.head is not None
        self.head = decision.head
        self.members.update((member.alert.fingerprint, member) for member in decision.members)
        for name in decision.forgotten:
            self.members.pop(name, None)
        self.logs.update((log.integration, log) for log in decision.logs)
        if decision.entry is not None:
            self.entries.append(decision.entry)
            self.tally = total([self.tally, decision.entry.tally])

    def forget(self, now: datetime) -> None:
        for name, member in list(self.members.items()):
            if member.dropped_at is not None and member.dropped_at < now - TOMBSTONE_RETENTION:
                del self.members[name]

    @property
    def present(self) -> list[Member]:
        return [member for member in self.members.values() if member.dropped_at is None]


def total(tallies: Sequence[Tally]) -> Tally:
    return Tally(
        folded=sum(tally.folded for tally in tallies),
        due=sum(tally.due for tally in tallies),
        delivered=sum(tally.delivered for tally in tallies),
        failed=sum(tally.failed for tally in tallies),
        superseded=sum(tally.superseded for tally in tallies),
    )


# --- the story ------------------------------------------------------------------------------------------------------


@dataclass
class _Source:
    """What a monitoring system says about one condition."""

    labels: dict[str, str]
    starts_at: datetime
    lease: timedelta
    annotations: dict[str, str]


class Story:
    """One Tocsin, its sources and its receivers, until the test stops running it."""

    def __init__(
        self,
        configuration: str,
        *,
        start: datetime = NOON,
        is_strict: bool = False,
        ticks: Timing = on_time,
        lag: timedelta = timedelta(0),
        resend_every: timedelta | None = None,
        is_swept: bool = True,
        is_triaged: bool = False,
    ) -> None:
        """A story that begins at `start`.

        Args:
            configuration: The text of an alertmanager.yml.
            start: The first instant.
            is_strict: `compat: strict`.
            ticks: When ticks arrive; may be changed as the story goes, as may `lag`.
            lag: How long reports wait in their queue; their order within a shard is kept.
            resend_every: How often the source repeats whatever fires, as Prometheus does each minute.
            is_swept: Whether the minute's sweep runs, which finds the groups whose tick was lost.
            is_triaged: Whether incidents are looked at; what is found comes twice, after a second and a minute.
        """
        self.start = self.now = start
        self.configuration: Configuration = read(configuration)
        self.is_strict = is_strict
        self.is_triaged = is_triaged
        self.ticks = ticks
        self.lag = lag
        self.listening_since = start
        self.silent_since: datetime | None = None
        self.is_listening = True
        self.answers: dict[str, list[Answer]] = {}
        """By receiver, or `receiver[integration]`: its answers in order, the last one for good; `OK` without any."""
        self.groups: dict[GroupId, Stored] = {}
        self.incidents: dict[str, Incident] = {}
        self.sources: dict[SourceKey, Sources] = {}
        self.silences: dict[str, Silence] = {}
        self.acknowledged: list[Acknowledged] = []
        self.pages: list[Page] = []
        self.due: list[Delivery] = []
        self.wanted: list[Triage] = []
        """The looks that were asked for."""
        self.flushes: list[tuple[datetime, GroupId]] = []
        self.ticked: list[Tick] = []
        self._is_punctual = ticks is on_time
        self._sources: dict[str, _Source] = {}
        self.sending: set[str] = set()
        """What the source says is firing."""
        self._doors = count(1)
        self._responses = count(1)
        self.door = Door(f"door-{next(self._doors)}")
        self._agenda: list[tuple[datetime, int, bool, Callable[[], object]]] = []
        self._order = count()
        self._held: list[Callable[[], object]] = []
        self._stopped_at = start
        self._last_fold: dict[int, datetime] = {}
        self._under_way: dict[GroupId, Counter[datetime]] = {}
        if is_swept:
            self._every(MINUTE, self._sweep)
        if resend_every is not None:
            self._every(resend_every, self.resend, is_ours=False)

    # --- time -------------------------------------------------------------------------------------------------------

    def at(self, instant: datetime, act: Callable[[], object], *, is_ours: bool = False) -> None:
        """Have something happen then; what is Tocsin's own waits while it is stopped."""
        heapq.heappush(self._agenda, (instant, next(self._order), is_ours, act))

    def run(self, duration: timedelta) -> Self:
        """Let time pass; what falls on the last instant happens too."""
        return self.run_until(self.now + duration)

    def run_until(self, end: datetime) -> Self:
        while self._agenda and self._agenda[0][0] <= end:
            instant, _, is_ours, act = heapq.heappop(self._agenda)
            self.now = max(self.now, instant)
            if is_ours and not self.is_listening:
                self._held.append(act)
            else:
                act()
        self.now = max(self.now, end)
        return self

    def _every(self, interval: timedelta, act: Callable[[], object], *, is_ours: bool = True) -> None:
        def again() -> None:
            if not is_ours or self.is_listening:
                act()
            self.at(self.now + interval, again)

        self.at(self.now + interval, again)

    # --- what the world does ----------------------------------------------------------------------------------------

    def fire(
        self,
        *names: str,
        lease: timedelta = LEASE,
        starts_at: datetime | None = None,
        annotations: Mapping[str, str] | None = None,
        **labels: str,
    ) -> Self:
        """The source reports that these fire, in one request; until they are resolved it re-sends them.

        A name is the label `instance`; `alertname` is DiskFull unless the labels say otherwise.
        """
        for name in names:
            source = self._sources.get(name)
            if source is None or labels or name not in self.sending:
                known = source.labels if source and not labels else {"alertname": "DiskFull", "instance": name} | labels
                source = self._sources[name] = _Source(known, starts_at or self.now, lease, {})
            source.lease = lease
            source.starts_at = starts_at or source.starts_at
            source.annotations = dict(annotations or {})
            self.sending.add(name)
        self._post([self._firing(name) for name in names])
        return self

    def resolve(self, *names: str) -> Self:
        """The source reports that these are over."""
        self.sending.difference_update(names)
        self._post([self._resolved(name) for name in names])
        return self

    def knows(self, name: str) -> bool:
        """Whether the source ever spoke of it."""
        return name in self._sources

    def fall_silent(self, *names: str) -> Self:
        """The source says nothing more about these; their leases will run out."""
        self.sending.difference_update(names)
        return self

    def resend(self) -> None:
        """The source repeats everything that fires, in one request."""
        self._post([self._firing(name) for name in sorted(self.sending)])

    def _firing(self, name: str) -> Callable[[datetime], Alert]:
        source = self._sources[name]
        return lambda at: Alert(
            fingerprint(source.labels),
            source.labels,
            source.annotations,
            source.starts_at,
            later(self.now, source.lease),
            at,
        )

    def _resolved(self, name: str) -> Callable[[datetime], Alert]:
        source = self._sources[name]
        return lambda at: Alert(
            fingerprint(source.labels), source.labels, source.annotations, source.starts_at, self.now, at
        )

    def _post(self, reports: Sequence[Callable[[datetime], Alert]]) -> None:
        if reports and self.is_listening:
            received_at = self.door.receive(self.now)
            self.post(*[report(received_at) for report in reports])

    def post(self, *alerts: Alert) -> Self:
        """One request, as the door has read and stamped it."""
        admission = self.door.admit(alerts, self.situation)
        self._feed(admission.alerts)
        self.enqueue(admission.messages)
        self.door.remember(admission.alerts)
        if admission.alerts:
            self.acknowledged.append(Acknowledged(alerts[0].received_at, tuple(admission.alerts)))
        return self

    def replay(self, acknowledged: Iterable[Acknowledged]) -> Self:
        """Let the same happen again: each request at its own instant, whatever is in force now."""
        for request in acknowledged:
            self.at(request.received_at, partial(self._take_again, request), is_ours=True)
        return self

    def _take_again(self, request: Acknowledged) -> None:
        self.acknowledged.append(request)
        self._feed(request.alerts)
        self.enqueue(self.door.route(request.alerts, self.situation))

    def reload(self, configuration: str) -> Self:
        """Put another configuration in force: every live group is woken (rule 12)."""
        known = {rule.id for rule in self.configuration.inhibit_rules}
        self.configuration = read(configuration)
        fresh = {rule.id for rule in self.configuration.inhibit_rules} - known
        self.sources = {key: found for key, found in self.sources.items() if key[:16] not in fresh}
        self._feed([member.alert for stored in self.groups.values() for member in stored.present])
        for group_id, stored in list(self.groups.items()):
            # Strict: also what has resolved is placed anew.
            if stored.head is not None and (stored.head.present or (self.is_strict and stored.members)):
                self.at(self.now, partial(self.fold, Tick(group_id, self.now)), is_ours=True)
        return self.run(timedelta(0))

    def silence(self, matchers: str, duration: timedelta, *, by: str = "ann", comment: str = "") -> str:
        """A person silences what these matchers select, from now on; returns the silence's id."""
        id = f"silence-{len(self.silences) + 1}"
        silence = Silence(id, parse_matchers(matchers), self.now, self.now + duration, by, comment, self.now)
        self.silences[id] = silence
        self._wake(silence, "began")
        self.at(silence.ends_at, partial(self._ended, id), is_ours=True)
        return id

    def end_silence(self, id: str) -> Self:
        """A person ends it before its time."""
        self.silences[id] = replace(self.silences[id], ends_at=self.now)
        self._wake(self.silences[id], "was ended")
        return self.run(timedelta(0))

    def change_silence(self, id: str, duration: timedelta) -> Self:
        """A person has it end so much from now instead."""
        self.silences[id] = replace(self.silences[id], ends_at=self.now + duration)
        self._wake(self.silences[id], "changed")
        self.at(self.silences[id].ends_at, partial(self._ended, id), is_ours=True)
        return self.run(timedelta(0))

    def _ended(self, id: str) -> None:
        if self.silences[id].ends_at == self.now:
            self._wake(self.silences[id], "ended")

    def _wake(self, silence: Silence, what: str) -> None:
        for group_id, stored in list(self.groups.items()):
            if any(match_all(silence.matchers, member.alert.labels) for member in stored.present):
                tick = Tick(group_id, self.now, f"silence {silence.id} {what}")
                self.at(self.now, partial(self.fold, tick), is_ours=True)

    def respond(
        self,
        action: Action,
        until: timedelta | None = None,
        *,
        by: str = "ann",
        reason: str = "",
        to: str = "",
        incident: str = "",
        id: str = "",
    ) -> str:
        """A person does something about the last incident, or this one; returns why that is refused, if it is.

        `until` is counted from now.
        """
        at = incident or list(self.incidents)[-1]
        response = Responded(
            group_id=self.incidents[at].group_id,
            incident=at,
            id=id or f"response-{next(self._responses)}",
            action=action,
            actor=by,
            at=self.now,
            reason=reason,
            until=self.now + until if until else None,
            to=to,
        )
        refused = self.fold(response).refused
        self.run(timedelta(0))
        return refused

    def stop(self) -> Self:
        """Tocsin ends; sources find nobody, and whatever it had to do waits."""
        self.is_listening = False
        self._stopped_at = self.now
        return self

    def begin(self) -> Self:
        """It is there again, with what it had stored and what its queues held."""
        self.is_listening = True
        self.door = Door(f"door-{next(self._doors)}")
        if self.now - self._stopped_at > RESUMED_AFTER:
            self.listening_since, self.silent_since = self.now, self._stopped_at
        for act in self._held:
            self.at(self.now, act, is_ours=True)
        self._held.clear()
        return self.run(timedelta(0))

    # --- what Tocsin does -------------------------------------------------------------------------------------------

    @property
    def situation(self) -> Situation:
        silences = Silences(self.silences.values()) if self.silences else NO_SILENCES
        return Situation(
            self.configuration, self.listening_since, self.is_strict, silences, self.silent_since, self.is_triaged
        )

    def _feed(self, alerts: Iterable[Alert]) -> None:
        """As the door does before it enqueues, as messages are addressed anew, and as a configuration takes effect."""
        for key, sources in source_reports(alerts, self.configuration.inhibit_rules).items():
            self.sources[key] = with_reports(self.sources.get(key, {}), sources, self.now)

    def enqueue(self, messages: Iterable[GroupEvents]) -> None:
        """Queue `groups`: in order within each shard."""
        for message in messages:
            session = shard(message.events[0].group_id)
            at = max(self.now + self.lag, self._last_fold.get(session, self.now))
            self._last_fold[session] = at
            self.at(at, partial(self._fold_message, message), is_ours=True)

    def _fold_message(self, message: GroupEvents) -> None:
        if message.configuration_version != self.configuration.version:
            self._feed(message.alerts)
            self.enqueue(self.door.route_anew(message, self.situation))
            return
        for event in message.events:
            self.fold(event)

    def fold(self, event: Event) -> Decision:
        """Decide about one event, write what is decided, and send what is to be sent."""
        group_id = GroupId(event.group_id)
        stored = self.groups.setdefault(group_id, Stored())
        if isinstance(event, Tick):
            self.ticked.append(event)
        before = stored.head.flushed_at if stored.head else None
        decision = stored.ask(event, self.situation, self.now, event.names, self.sources)
        if decision.head is not None:
            stored.write(decision)
            after = decision.head.flushed_at
            if (after is not None and after != before) or _is_flushed(decision):
                self.flushes.append((self.now, group_id))
            if decision.incident is not None:
                self.incidents[decision.incident.id] = decision.incident
            for outgoing in decision.outbox:
                self._send(outgoing)
        else:
            assert replace(decision, refused="") == NO_NEWS
        self._check(group_id, stored)
        self._check_again(stored, event, decision)
        return decision

    def _send(self, outgoing: Outgoing) -> None:
        match outgoing:
            case Tick():
                arrivals = list(self.ticks(outgoing, self.now))
                self._under_way.setdefault(outgoing.group_id, Counter())[outgoing.due_at] += len(arrivals)
                for arrival in arrivals:
                    self.at(arrival, partial(self._arrive, outgoing), is_ours=True)
            case Delivery():
                assert all(outgoing.id != other.id for other in self.due), "two deliveries of one id"
                self.due.append(outgoing)
                self.at(self.now, partial(self._deliver, outgoing), is_ours=True)
            case GroupEvents():
                self.enqueue([outgoing])
            case Triage():
                self.wanted.append(outgoing)
                found = Found(outgoing.group_id, outgoing.incident, outgoing.look, self.now, "rules", "something")
                for after in (SECOND, MINUTE):  # the queue brings it twice
                    self.at(outgoing.due_at + after, partial(self.fold, found), is_ours=True)

    def _arrive(self, tick: Tick) -> None:
        self._under_way[tick.group_id][tick.due_at] -= 1
        self.fold(tick)

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.not_before and delivery.not_before > self.now:
            self.at(delivery.not_before, partial(self._deliver, delivery), is_ours=True)
            return
        answer = self._answer(delivery)
        # As `adapters.delivery` does: an attempt is cut off shortly before the deadline.
        last = delivery.deadline - MARGIN
        answered_at = later(self.now, answer.after)
        is_delivered = answer.is_delivered and answered_at <= last
        answered_at = min(answered_at, max(last, self.now))
        if is_delivered:
            self.at(answered_at, partial(self._hear, delivery))
        if answer.folded_after is not None:
            settled = Settled(
                delivery.group_id,
                delivery.id,
                delivery.integration,
                is_delivered,
                answered_at,
                answer.detail,
                is_unsure=answer.is_unsure,
            )
            self.at(later(answered_at, answer.folded_after), partial(self.fold, settled), is_ours=True)

    def _answer(self, delivery: Delivery) -> Answer:
        receiver = delivery.notification.receiver
        script = self.answers.get(f"{receiver}[{delivery.integration}]") or self.answers.get(receiver) or [OK]
        return script.pop(0) if len(script) > 1 else script[0]

    def _hear(self, delivery: Delivery) -> None:
        told = delivery.notification
        self.pages.append(
            Page(
                at=self.now,
                receiver=told.receiver,
                integration=delivery.integration,
                group_id=delivery.group_id,
                group_labels=told.group_labels,
                reason=told.reason,
                firing=tuple(_name(one.alert) for one in told.alerts if one.is_firing),
                resolved=tuple(_name(one.alert) for one in told.alerts if not one.is_firing),
                truncated=told.truncated,
                delivery=delivery,
            )
        )

    def _sweep(self) -> None:
        for group_id, stored in list(self.groups.items()):
            due_at = stored.head.next_due_at if stored.head else None
            if due_at is not None and due_at < self.now - MINUTE:
                self.fold(Tick(group_id, self.now))
            stored.forget(self.now)

    # --- what must always hold --------------------------------------------------------------------------------------

    def _check_again(self, stored: Stored, event: Event, first: Decision) -> None:
        """Folding the same in again changes nothing: queues deliver twice."""
        again = stored.ask(event, self.situation, self.now, event.names, self.sources)
        if again.entry and first.entry and [reason.code for reason in again.entry.reasons] == [ReasonCode.LATE]:
            # Each late result is a line of the trail, and nothing else.
            assert [reason.code for reason in first.entry.reasons] == [ReasonCode.LATE]
            return
        if not first.refused:
            assert again == NO_NEWS, f"folded twice: {event} then {again}"

    def _check(self, group_id: GroupId, stored: Stored) -> None:
        head = stored.head
        if head is None:
            return
        present = stored.present
        firing = [member for member in present if member.is_firing]
        assert head.present == len(present)
        assert head.firing == len(firing)
        pending = {number: log.pending for number, log in stored.logs.items() if log.pending}
        assert sorted(head.pending) == sorted(pending)
        names = {member.alert.fingerprint for member in present}
        assert all(unpack(one.resolved) <= names for one in pending.values())
        tally = stored.tally
        assert tally.due == tally.delivered + tally.failed + tally.superseded + len(head.pending)
        is_alive = bool(present or pending)
        if not is_alive:
            assert (head.next_due_at, head.flushed_at, head.earliest_end) == (None, None, None)
            assert head.incident is None
            assert not head.has_news
            assert not head.has_muted
            assert not head.is_flush_failed
            return
        assert head.flushed_at is not None or head.next_due_at is not None
        if head.configuration_version == self.configuration.version:
            self._check_due(group_id, head, firing)

    def _check_due(self, group_id: GroupId, head: Head, firing: Sequence[Member]) -> None:
        route = self.configuration.routes[head.route_id]
        ends = [self.situation.lease_end(member.alert, member.leased_at) for member in firing]
        if firing and head.flushed_at is not None:
            assert head.earliest_end is not None
            assert head.earliest_end <= min(ends)
        if head.flushed_at is not None and (head.has_news or head.has_muted or head.pending or head.is_flush_failed):
            assert head.next_due_at is not None, "something is undone, and nothing is due"
            assert head.next_due_at <= max(head.flushed_at, self.now) + route.group_interval
        if head.next_due_at is not None:
            assert head.armed_at is not None
            assert head.armed_at <= head.next_due_at
            if self._is_punctual and self.ticks is on_time and self.is_listening:
                coming = +self._under_way.get(group_id, Counter())
                assert any(due_at <= max(head.next_due_at, self.now) for due_at in coming), "no tick is under way"

    # --- what a test looks at ---------------------------------------------------------------------------------------

    def told(self, receiver: str | None = None) -> list[str]:
        """The pages so far, in words; of one receiver where it is named."""
        return [
            page.words(self.start, name=self._words(page))
            for page in self.pages
            if receiver is None or page.receiver == receiver
        ]

    def _words(self, page: Page) -> str:
        several = len(self.configuration.receiver(page.receiver).integrations) > 1
        return f"{page.receiver}[{page.integration}]" if several else page.receiver

    @property
    def entries(self) -> list[LogEntry]:
        """The trail of all groups, in order of time."""
        return sorted(
            (entry for stored in self.groups.values() for entry in stored.entries), key=lambda entry: entry.at
        )

    @property
    def reasons(self) -> list[list[ReasonCode]]:
        """For each decision that left a line in the trail, why."""
        return [[reason.code for reason in entry.reasons] for entry in self.entries]

    def count(self, code: ReasonCode) -> int:
        return sum(codes.count(code) for codes in self.reasons)

    @property
    def group(self) -> Stored:
        """The one group of the story."""
        (stored,) = self.groups.values()
        return stored

    @property
    def incident(self) -> Incident:
        """The last incident, as it was last written."""
        return list(self.incidents.values())[-1]

    @property
    def head(self) -> Head:
        assert self.group.head is not None
        return self.group.head

    def member(self, name: str, of: Stored | None = None) -> Member:
        """The copy of that alert which the one group, or this one, has."""
        return (of or self.group).members[fingerprint(self._sources[name].labels)]

    @property
    def tally(self) -> Tally:
        """The ledger's counts."""
        return total([stored.tally for stored in self.groups.values()])

    @property
    def pending(self) -> int:
        return sum(len(stored.head.pending) for stored in self.groups.values() if stored.head)

    def clock(self, instant: datetime | None) -> str:
        """An instant as the time since the story began."""
        return "never" if instant is None else str(instant - self.start)


def _is_flushed(decision: Decision) -> bool:
    looked = {
        ReasonCode.ALL_MUTED,
        ReasonCode.NOTIFY,
        ReasonCode.NO_NEWS,
        ReasonCode.NEVER_TOLD,
        ReasonCode.NO_INTEGRATION,
    }
    return decision.entry is not None and any(reason.code in looked for reason in decision.entry.reasons)


def _name(alert: Alert) -> str:
    return alert.labels.get("instance") or alert.labels["alertname"]


def explain_again(
    entries: Sequence[LogEntry], configurations: Sequence[str], *, is_strict: bool = False
) -> list[tuple[Reason, ...]]:
    """Decide anew, from the log of one group alone, everything that it says was decided (rule 2).

    Each reason's alerts are in order, for a store may keep members in any.
    """
    versions = {read(text).version: read(text) for text in configurations}
    stored = Stored()
    for entry in entries:
        event: Event
        if entry.reported is not None:
            event = entry.reported
        elif entry.settled is not None:
            event = entry.settled
        elif entry.responded is not None:
            event = entry.responded
        elif entry.found is not None:
            event = entry.found
        else:
            assert entry.due_at is not None
            event = Tick(entry.group_id, entry.due_at, entry.why)
        if stored.head is not None:
            # Ticks that only sent the next one left no entry, and deliveries are named by the revision.
            stored.head = replace(stored.head, revision=entry.revision - 1)
        situation = Situation(versions[entry.configuration_version], entry.listening_since, is_strict)
        decision = stored.ask(event, situation, entry.at, event.names)
        if decision.head is not None:
            stored.write(decision)
    return [in_order(entry.reasons) for entry in stored.entries]


def in_order(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """The reasons with their alerts sorted."""
    return tuple(replace(reason, fingerprints=tuple(sorted(reason.fingerprints))) for reason in reasons)


__all__ = [
    "FAILS",
    "HANGS",
    "LEASE",
    "LOST",
    "OK",
    "SECOND",
    "Acknowledged",
    "Answer",
    "Page",
    "Stored",
    "Story",
    "configuration",
    "explain_again",
    "in_order",
    "never",
    "on_time",
    "shifted",
    "twice",
]
