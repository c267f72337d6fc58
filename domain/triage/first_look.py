"""First look: what rules alone can say about an incident, every sentence with the evidence that it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime

from domain.changes import Change
from domain.groups import Incident, ReasonCode
from domain.labels import Fingerprint
from domain.lifecycle import SEVERITY_LABEL, severity_rank
from domain.tracing.words import joined, span
from domain.triage.findings import (
    DETERMINISTIC,
    Cause,
    Claim,
    Confidence,
    EvidenceKind,
    Exchange,
    Finding,
    NextStep,
    Reply,
    Runbook,
    Similar,
    StepKind,
    SuspectedChange,
    TargetKind,
)
from domain.triage.hints import CHANGES_BEFORE, LEAST_ALIKE
from domain.triage.judging import MOST_CAUSES, RUNBOOK_ANNOTATION, claims_of, judge, judge_reply, targets
from domain.triage.notes import Notes, as_line, counted, listed
from domain.triage.questions import HISTORY_SEARCHED, Onset, Past, Question, callers, reachable
from domain.triage.ranking import ABOUT_AS_EARLY, Candidate, confidence_in, rank
from domain.triage.similarity import most_alike
from domain.triage.spending import NO_MODEL, Allowance
from domain.triage.text import clean

FLAPS = 3
"""An alert flaps that has begun to fire so often."""

MOST_SIMILAR = 3
MOST_NAMED = 5
MOST_REPLIED = 5
LEAST_SHARED = 0.4


class FirstLook:
    """Implements `Triager` with rules alone: it waits for nothing, and never fails."""

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        """Answer at once."""
        return first_look(question)

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        """Whatever of the first look reads most like what was asked."""
        yield first_reply(question, asked)


def first_reply(question: Question, asked: str) -> Reply:
    """The claims of the first look that share words with what was asked, else its summary; judged already."""
    finding = first_look(question)
    claims = list(dict.fromkeys(claims_of(finding)))
    alike = most_alike(asked, [claim.text for claim in claims], MOST_REPLIED, LEAST_SHARED)
    reply = Reply(
        finding.incident,
        DETERMINISTIC,
        tuple(claims[place] for place, _ in alike) or finding.summary,
        fallback="no model was asked: this is what the first look says of it"
        if alike
        else "no model was asked, and the first look says nothing of it: this is its summary",
    )
    return judge_reply(reply, finding.evidence, question)


def first_look(question: Question) -> Finding:
    """The finding that needs no model, judged already."""
    notes = Notes(question)
    causes = _causes(notes)
    suspected = _suspected_change(notes, causes)
    similar = _similar(notes)
    runbook = _runbook(notes, causes)
    finding = Finding(
        question.incident.id,
        DETERMINISTIC,
        (*_shape(notes), *_onsets(notes), *_flapping(notes), *_mutes(notes), *_recurrence(notes)),
        causes,
        tuple(_blast_radius(notes, causes)),
        suspected,
        tuple(_steps(notes, causes, suspected, runbook, similar)),
        runbook,
        similar,
    )
    return judge(finding, notes.evidence, question)


# --- what fires -------------------------------------------------------------------------------------------------------


def _shape(notes: Notes) -> Iterable[Claim]:
    """Which labels all alerts share, and which tell them apart."""
    if not notes.onsets:
        return
    labels = [onset.alert.labels for onset in notes.onsets]
    names = sorted({name for one in labels for name in one})
    values = {name: Counter(one[name] for one in labels if name in one) for name in names}
    varying = {name: found for name, found in values.items() if len(found) > 1 or found.total() < len(labels)}
    constant = [f"{name}={labels[0][name]}" for name in names if name not in varying]
    firing = sum(onset.ended_at is None for onset in notes.onsets)
    total = f"{counted(len(labels), 'alert')}, {firing} firing now"
    same = as_line(f"the same in all: {' '.join(constant)}" if constant else "no label is the same in all")
    apart = [as_line(f"{name} has {_values(found)}") for name, found in varying.items()]
    source = notes.saw(EvidenceKind.ALERTS, "group_shape", [total, same, *apart])
    yield source.claim(f"{total}; {same}.", total, same)
    if apart:
        yield source.claim(f"What tells them apart: {'; '.join(apart[:3])}.", *apart[:3])


def _values(found: Counter[str]) -> str:
    most = [value for value, _ in found.most_common(MOST_NAMED)]
    return f"{counted(len(found), 'value')}: {listed(most, len(found))}"


def _onsets(notes: Notes) -> Iterable[Claim]:
    """Which began first, which is the loudest, and in which order the services followed."""
    if not notes.onsets:
        return
    first = notes.onsets[0]
    loudest = min(notes.onsets, key=lambda one: (-_rank(one), one.began_at, one.fingerprint))
    order: dict[str, datetime] = {}
    for onset in notes.onsets:
        order.setdefault(notes.question.service_of(onset.alert), onset.began_at)
    services = [f"{notes.clock(at)} {service}" for service, at in order.items()]
    first_line = f"first: {_line(first, notes)}"
    loudest_line = f"loudest: {_line(loudest, notes)}"
    order_line = as_line(f"in this order: {listed(services[:MOST_NAMED], len(services))}")
    lines = [first_line, loudest_line, order_line, *(_line(onset, notes) for onset in notes.onsets)]
    source = notes.saw(EvidenceKind.ALERTS, "alert_onsets", lines)
    yield source.claim(f"The first was {notes.name(first)} at {notes.clock(first.began_at)}.", first_line)
    if loudest is not first:
        severity = loudest.alert.labels.get(SEVERITY_LABEL)
        said = f", of severity {severity}" if severity else ""
        yield source.claim(f"The loudest is {notes.name(loudest)}{said}.", loudest_line)
    if len(order) > 1:
        yield source.claim(f"Services began to fire {order_line}.", order_line)


def _flapping(notes: Notes) -> Iterable[Claim]:
    """Alerts that come and go."""
    said: Counter[Fingerprint] = Counter()
    for entry in notes.question.entries:
        for reason in entry.reasons:
            if reason.code in (ReasonCode.FIRED, ReasonCode.REFIRED):
                said.update(reason.fingerprints)
    times = {onset.fingerprint: max(onset.firings, said[onset.fingerprint]) for onset in notes.onsets}
    flapping = [onset for onset in notes.onsets if times[onset.fingerprint] >= FLAPS]
    if not flapping:
        return
    flapping.sort(key=lambda one: -times[one.fingerprint])
    lines = [f"{notes.name(one)} began to fire {times[one.fingerprint]} times" for one in flapping]
    source = notes.saw(EvidenceKind.TRAIL, "group_trail", lines)
    how_many = f"{len(flapping)} alerts come and go" if len(flapping) > 1 else "1 alert comes and goes"
    yield source.claim(f"{how_many}: {lines[0]}.", lines[0])


def _mutes(notes: Notes) -> Iterable[Claim]:
    """What keeps people from hearing of it."""
    present = {onset.fingerprint for onset in notes.onsets}
    alerts = counted(len(present), "alert")
    lines = [
        f"{mute.kind} {mute.by} mutes {len(present.intersection(mute.fingerprints))} of {alerts}: {mute.text}"
        for mute in notes.question.mutes
    ]
    if lines:
        source = notes.saw(EvidenceKind.MUTING, "mutes", lines)
        yield from (source.telling(line) for line in lines[:2])


# --- where it comes from ----------------------------------------------------------------------------------------------


def _is_anybodys(notes: Notes) -> bool:
    """Whether any alert says whose it is, and not only what it is called."""
    names = notes.question.rules.service_labels
    return any(onset.alert.labels.get(name) for onset in notes.onsets for name in names)


def _causes(notes: Notes) -> tuple[Cause, ...]:
    """The first candidates of the ranking, with what each would explain."""
    ranking = rank(notes.question)
    candidates = ranking[:MOST_CAUSES]
    if not candidates or (len(ranking) == 1 and not _is_anybodys(notes)):
        return ()  # that a rule fires because of itself tells nobody anything
    own = [_candidate_line(candidate, notes) for candidate in candidates]
    calls = [
        f"{caller} calls {candidate.service}"
        for candidate in candidates
        for caller in candidate.explains
        if candidate.service in notes.question.calls.get(caller, ())
    ]
    ranked = notes.saw(EvidenceKind.ALERTS, "rank_services", own)
    graph = notes.saw(EvidenceKind.CALLS, "call_graph", calls) if calls else None
    found = []
    for place, candidate in enumerate(candidates):
        claims = [ranked.claim(f"{_because(candidate, notes)}.", own[place])]
        if candidate.named_by:
            naming = joined(candidate.named_by[:MOST_NAMED])
            claims.append(ranked.claim(f"Alerts of {naming} name {candidate.service} in a label.", own[place]))
        mine = [line for line in calls if line.endswith(f" calls {candidate.service}")][:3]
        if graph and mine:
            claims.append(graph.claim(f"{joined(mine)}.", *mine))
        confidence = confidence_in(ranking) if place == 0 else Confidence.LOW
        found.append(Cause(candidate.service, confidence, tuple(claims)))
    return tuple(found)


def _candidate_line(candidate: Candidate, notes: Notes) -> str:
    since = f"began to fire at {notes.clock(candidate.began_at)}" if candidate.began_at else "is silent itself"
    explains = f", would explain {joined(candidate.explains[:MOST_NAMED])}" if candidate.explains else ""
    named = f"; alerts of {joined(candidate.named_by[:MOST_NAMED])} name it" if candidate.named_by else ""
    return f"{candidate.service} {since}{explains}; {candidate.share:.0%} of what fires{named}"


def _because(candidate: Candidate, notes: Notes) -> str:
    others = joined(candidate.explains[:MOST_NAMED])
    if candidate.began_at is None:
        return f"{candidate.service} has no alert itself, but would explain {others}"
    since = f"{candidate.service} began to fire at {notes.clock(candidate.began_at)}"
    return f"{since}, and would explain {others}" if others else since


def _blast_radius(notes: Notes, causes: Sequence[Cause]) -> Iterable[Claim]:
    """How much fires, and who calls what it may come from."""
    if not notes.onsets:
        return
    fires = Counter(notes.question.service_of(one.alert) for one in notes.onsets if one.ended_at is None)
    ever = {notes.question.service_of(one.alert) for one in notes.onsets}
    named = [f"{service} ({times})" for service, times in fires.most_common(MOST_NAMED)]
    line = f"{len(fires)} of {len(ever)} services fire now: {listed(named, len(fires))}" if fires else "nothing fires"
    lines = [line]
    above = reachable(callers(notes.question.calls), {causes[0].service}) - {causes[0].service} if causes else set()
    well = sorted(above - ever)
    if above:
        lines.append(f"{len(above - set(well))} of {len(above)} services that reach {causes[0].service} have alerts")
    if well:
        lines.append(f"without an alert so far: {listed(well[:MOST_NAMED], len(well))}")
    source = notes.saw(EvidenceKind.CALLS, "blast_radius", lines)
    yield from (source.telling(line) for line in lines)


def _suspected_change(notes: Notes, causes: Sequence[Cause]) -> SuspectedChange | None:
    """The change that fits best: of the likeliest cause, else of any service of the incident, and the latest."""
    if not notes.onsets:
        return None
    begin = notes.onsets[0].began_at
    near = [one for one in notes.question.changes if begin - CHANGES_BEFORE <= one.at <= begin + ABOUT_AS_EARLY]
    likely = [cause.service for cause in causes]
    services = notes.question.services

    def fit(change: Change) -> tuple[int, float, str]:
        if change.service in likely:
            place = likely.index(change.service)
        else:
            place = len(likely) + (change.service not in services)
        return (place, abs((begin - change.at).total_seconds()), change.id)

    fitting = sorted((one for one in near if not one.service or one.service in services), key=fit)
    if not fitting:
        return None
    lines = [_change_line(change, begin, notes) for change in sorted(near, key=fit)]
    source = notes.saw(EvidenceKind.CHANGES, "recent_changes", lines)
    best = _change_line(fitting[0], begin, notes)
    return SuspectedChange(fitting[0].id, source.telling(best))


def _change_line(change: Change, begin: datetime, notes: Notes) -> str:
    apart = span(abs(begin - change.at)) or "0s"
    when = "before" if change.at <= begin else "after"
    of = f" of {change.service}" if change.service else ""
    return f"change {change.id}{of} came at {notes.clock(change.at)}, {apart} {when} the first alert: {change.summary}"


# --- what happened before ---------------------------------------------------------------------------------------------


def _similar(notes: Notes) -> tuple[Similar, ...]:
    """The earlier incidents that read most alike, and how they ended."""
    history = [
        one for one in notes.question.history[:HISTORY_SEARCHED] if one.incident.id != notes.question.incident.id
    ]
    alike = most_alike(notes.question.reads, [past.reads for past in history], MOST_SIMILAR, LEAST_ALIKE)
    if not alike:
        return ()
    lines = [_past_line(history[place], likeness, notes) for place, likeness in alike]
    source = notes.saw(EvidenceKind.HISTORY, "similar_incidents", lines)
    return tuple(
        Similar(history[place].incident.id, round(likeness, 3), source.telling(line))
        for (place, likeness), line in zip(alike, lines, strict=True)
    )


def _past_line(past: Past, likeness: float, notes: Notes) -> str:
    incident = past.incident
    note = f"; noted: {past.notes[-1]}" if past.notes else ""
    return (
        f"incident {incident.id} of {notes.clock(incident.opened_at)} is {likeness:.0%} alike, "
        f"{_ending(incident)}: {clean(incident.title, 60)}{note}"
    )


def _ending(incident: Incident) -> str:
    by = incident.standing.resolved_by
    if by and incident.standing.resolved_at is not None:
        return f"resolved by {clean(by, 40)} after {span(incident.standing.resolved_at - incident.opened_at)}"
    if incident.resolved_at is None:
        return "not over yet"
    return f"ended by itself after {span(incident.resolved_at - incident.opened_at)}"


def _recurrence(notes: Notes) -> Iterable[Claim]:
    """Whether the same group has had incidents lately."""
    asked = notes.question.incident
    before = [
        past.incident
        for past in notes.question.history[:HISTORY_SEARCHED]
        if past.incident.group_id == asked.group_id and past.incident.id != asked.id
    ]
    if not before:
        return
    last = max(before, key=lambda one: one.opened_at)
    line = f"{counted(len(before), 'earlier incident')} of this group, the last at {notes.clock(last.opened_at)}"
    source = notes.saw(EvidenceKind.HISTORY, "group_history", [line])
    yield source.claim(f"It has happened before: {line}.", line)


# --- what to do -------------------------------------------------------------------------------------------------------


def _runbook(notes: Notes, causes: Sequence[Cause]) -> Runbook | None:
    """The one that most alerts of the likeliest cause name, else most of all."""
    allowed = targets(notes.question)[TargetKind.RUNBOOK]
    named = [one for one in notes.onsets if one.alert.annotations.get(RUNBOOK_ANNOTATION) in allowed]
    likely = [one for one in named if causes and notes.question.service_of(one.alert) == causes[0].service]
    naming = Counter(one.alert.annotations[RUNBOOK_ANNOTATION] for one in likely or named)
    for url, times in naming.most_common():
        line = f"runbook of {counted(times, 'alert')}: {url}"
        if as_line(line) == line:  # one that is cut, or hides something, is no good to anybody
            source = notes.saw(EvidenceKind.RUNBOOK, "runbook", [line])
            return Runbook(url, source.telling(line))
    return None


def _steps(
    notes: Notes,
    causes: Sequence[Cause],
    suspected: SuspectedChange | None,
    runbook: Runbook | None,
    similar: Sequence[Similar],
) -> Iterable[NextStep]:
    """Looking only: what to change is for people to say, or for a model to propose to them."""
    if runbook:
        yield NextStep(StepKind.READ_RUNBOOK, runbook.url)
    if causes:
        yield NextStep(StepKind.INSPECT, causes[0].service)
    if suspected:
        yield NextStep(StepKind.REVIEW_CHANGE, suspected.change)
    if notes.onsets:
        yield NextStep(StepKind.INSPECT_ALERT, notes.onsets[0].fingerprint)
    if similar:
        yield NextStep(StepKind.COMPARE, similar[0].incident)


# --- words ------------------------------------------------------------------------------------------------------------


def _rank(onset: Onset) -> int:
    return severity_rank(onset.alert.labels.get(SEVERITY_LABEL, ""))


def _line(onset: Onset, notes: Notes) -> str:
    ended = f" until {notes.clock(onset.ended_at)}" if onset.ended_at else ""
    return f"{notes.name(onset)} fires since {notes.clock(onset.began_at)}{ended}"
