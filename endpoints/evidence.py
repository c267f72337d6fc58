"""Gathering what a trace is told from: the group's state and entries, and what is known of whatever muted the alert."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.wiring import ports
from domain.errors import NotFoundError, UnavailableError
from domain.groups import NO_NEWS, Decision, GroupState, Head, LogEntry, ReasonCode, Transaction, Wanted
from domain.inhibition import Source
from domain.labels import Fingerprint, Labels
from domain.muting import source_keys
from domain.routing import GroupId
from domain.silences import Silence
from domain.situations import Situation
from domain.tracing import (
    Evidence,
    Heard,
    Life,
    Trace,
    begins,
    look_now,
    look_of,
    narrowed,
    read_life,
    source_of,
    trace,
)
from endpoints.folds import await_folds

ENTRIES_WALKED = 10_000
"""So many entries of a group are read back at most for the beginning of an alert's occurrence."""

GROUPS_TOLD = 20
SOURCES_HEARD = 5
"""Of so many alerts that inhibit is looked up when they came."""

SILENCES_NAMED = 20

MANY = 2000
"""Members of a group that are looked at in a thread rather than on the loop."""


async def traces_of(fingerprint: Fingerprint) -> Sequence[Trace]:
    """The traces of an alert: those of the groups that hold it first, in the order of the routing tree."""
    await await_folds()
    situation = await ports().configurations.gather()
    told: list[tuple[tuple[bool, int], Trace]] = []
    for group_id in (await ports().groups.find_groups(fingerprint))[:GROUPS_TOLD]:
        entries, is_cut = await _its_entries(group_id, fingerprint)
        inquiry = await inquire(group_id, situation)
        if inquiry and (evidence := await inquiry.evidence(fingerprint, entries, is_cut=is_cut)):
            route = evidence.route
            order = (not evidence.is_present, route.id if route else 0)
            told.append((order, trace(evidence)))
    return [one for _, one in sorted(told, key=lambda pair: pair[0])]


async def inquire(group_id: GroupId, situation: Situation | None = None) -> Inquiry | None:
    """Look at one group as it is, with what it would decide at this moment; None where there is none."""
    state = await _whole(group_id)
    if (head := state.head) is None:
        return None
    situation = situation or await ports().configurations.gather()
    ruling = await _under(situation, head.configuration_version)
    labels = [member.alert.labels for member in state.members.values()]
    keys = await asyncio.to_thread(source_keys, labels, ruling) if len(labels) >= MANY else source_keys(labels, ruling)
    state = replace(state, sources=await ports().sources.get_sources(keys))
    now = ports().clock()
    if len(labels) >= MANY:
        decided = await asyncio.to_thread(look_now, state, ruling, now)
    else:
        decided = look_now(state, ruling, now)
    return Inquiry(head, state, situation, now, decided)


@dataclass
class Inquiry:
    """One group while its alerts are explained; what was found out for one of them serves the others."""

    head: Head
    state: GroupState
    situation: Situation
    now: datetime
    decided: LogEntry | None
    """What a look at this moment would say."""
    _heard: dict[Fingerprint, Heard | None] = field(default_factory=dict)

    async def evidence(self, fingerprint: Fingerprint, entries: Iterable[LogEntry], *, is_cut: bool) -> Evidence | None:
        """What is known of one alert; None where the group never had it.

        Args:
            fingerprint: The alert's.
            entries: Those from which its life can be read, the oldest first.
            is_cut: Whether they may not reach back to its beginning.
        """
        member = self.state.members.get(fingerprint)
        life = read_life(entries, fingerprint)
        is_present = member is not None and member.dropped_at is None and life.dropped_at is None
        alert = member.alert if member and (is_present or life.last is None) else life.last
        if alert is None:
            return None
        version = self.head.configuration_version if is_present or not life.version else life.version
        situation = await _under(self.situation, version)
        keys = source_keys([alert.labels], situation)
        evidence = Evidence(
            alert=alert,
            head=self.head,
            life=life,
            situation=situation,
            now=self.now,
            member=member,
            logs=self.state.logs or {},
            sources=await ports().sources.get_sources(keys),
            is_shadow=ports().settings.shadow,
            is_cut=is_cut and life.began is None,
        )
        if self.decided is not None and is_present:
            evidence = replace(evidence, prospect=look_of(self.decided, fingerprint, is_firing=evidence.is_firing))
        return replace(evidence, heard=await self._hear(evidence), silences=await _silences(life, evidence))

    async def _hear(self, evidence: Evidence) -> dict[Fingerprint, Heard]:
        """What inhibits it, did so at a look, or could have: who that is, and when it was first heard of."""
        wanted: dict[Fingerprint, datetime | None] = {}
        for look in (*evidence.life.looks, *([evidence.prospect] if evidence.prospect else [])):
            for reason in look.muted:
                if reason.code is ReasonCode.INHIBITED:
                    wanted.setdefault(source_of(reason, evidence.alert.fingerprint), look.at)
        known: dict[Fingerprint, Source] = {}
        for rule in evidence.situation.configuration.inhibit_rules:
            if rule.is_target(evidence.alert.labels):
                known |= {source.alert.fingerprint: source for source in evidence.rivals(rule)}
        for name in sorted(known, key=lambda name: known[name].alert.starts_at):
            wanted.setdefault(name, None)
        for name, before in wanted.items():
            if name not in self._heard and len(self._heard) < SOURCES_HEARD:
                source = known.get(name)
                self._heard[name] = await _hear(name, source, before, self.situation)
        return {name: heard for name in wanted if (heard := self._heard.get(name)) is not None}


async def _hear(
    fingerprint: Fingerprint, source: Source | None, before: datetime | None, situation: Situation
) -> Heard | None:
    """When the last occurrence of an alert that began before that instant was first heard of."""
    if source is not None:
        groups = _leading_group(source.alert.labels, situation)
    else:
        groups = (await ports().groups.find_groups(fingerprint))[:1]
    for group_id in groups:
        async with aclosing(ports().groups.walk_entries(group_id)) as walk:
            place = 0
            async for entry in walk:
                reported, place = entry.reported, place + 1
                if reported and begins(entry, fingerprint) and (before is None or reported.received_at <= before):
                    alerts = (*reported.alerts, *reported.further)
                    alert = next(alert for alert in alerts if alert.fingerprint == fingerprint)
                    return Heard(alert, reported.received_at)
                if place >= ENTRIES_WALKED:
                    break
    return Heard(source.alert, source.alert.received_at) if source else None


def _leading_group(labels: Labels, situation: Situation) -> Sequence[GroupId]:
    return [situation.configuration.group_addresses(labels)[0].group_id]


async def _its_entries(group_id: GroupId, fingerprint: Fingerprint) -> tuple[Sequence[LogEntry], bool]:
    """What the group's entries say since the alert's last occurrence began, and whether they may go further back."""
    kept: list[LogEntry] = []
    async with aclosing(ports().groups.walk_entries(group_id)) as walk:
        place = 0
        async for entry in walk:
            place += 1
            if (one := narrowed(entry, fingerprint)) is not None:
                kept.append(one)
            if begins(entry, fingerprint):
                break
            if place >= ENTRIES_WALKED:
                return kept[::-1], True
    return kept[::-1], False


async def _whole(group_id: GroupId) -> GroupState:
    """The group with all its members and logs; nothing is written, so it can be read while nothing can be."""
    seen: list[GroupState] = []

    def look(state: GroupState) -> Decision | Wanted:
        seen.append(state)
        return NO_NEWS if state.is_complete else Wanted()

    try:
        await ports().groups.transact([Transaction(group_id, look)])
    except UnavailableError:
        # On a full disk what others write along with it fails, and people want to see what goes on just then.
        if not seen or not seen[-1].is_complete:
            raise
    return seen[-1]


async def _under(situation: Situation, version: str) -> Situation:
    """The situation under that version of the configuration, or as it is where that is no longer known."""
    if version == situation.configuration.version:
        return situation
    try:
        return replace(situation, configuration=await ports().configurations.get(version))
    except NotFoundError:
        return situation


async def _silences(life: Life, evidence: Evidence) -> dict[str, Silence]:
    """The silences that the looks name, as far as they are kept."""
    looks = (*life.looks, *([evidence.prospect] if evidence.prospect else []))
    ids = dict.fromkeys(reason.by for look in looks for reason in look.muted if reason.code is ReasonCode.SILENCED)
    found: dict[str, Silence] = {}
    for id in list(ids)[-SILENCES_NAMED:]:
        try:
            found[id] = await ports().silences.get_silence(id)
        except NotFoundError:
            continue
    return found
