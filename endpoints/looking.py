"""Looking: what is known of an incident is gathered, a triager is asked, and what it finds is judged and kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.wiring import ports
from domain.errors import NotFoundError, UnavailableError
from domain.groups import Incident
from domain.looks import DETERMINISTIC, Found, Triage
from domain.triage.budgeting import allow
from domain.triage.findings import Exchange, Finding, Reply
from domain.triage.first_look import first_look
from domain.triage.judging import judge, judge_reply
from domain.triage.keeping import Asked, Look
from domain.triage.pacing import AGAIN_AFTER, MOST_POSTPONED, headline, left_out, mutes_in, next_look
from domain.triage.questions import Question, onset_of
from domain.triage.spending import NO_MODEL, NOTHING_SPENT, Allowance, Usage, hour_of
from endpoints.observing import note_spent

log = logging.getLogger("tocsin.triage")

CHANGES_WITHIN = timedelta(hours=24)
MOST_CHANGES = 200
MOST_ENTRIES = 200
MOST_ASKED = 1_000
MOST_ONSETS = 2_000
"""Of more alerts those that fire, and then those that began first, are looked at."""

JUST_OPENED = timedelta(minutes=5)
"""What has not been looked at so long after it opened is not waiting for it any more."""

OVER_SECONDS = 5.0
"""How often it is looked whether the incident is over, while somebody is asked about it."""


async def look(triage: Triage) -> Found | None:
    """Look at the incident once; None where nothing came of it, and nothing need be folded.

    Raises:
        UnavailableError: The store or a queue did not answer.
    """
    try:
        incident = await ports().groups.get_incident(triage.incident)
    except NotFoundError:
        return None
    now = ports().clock()
    if incident.resolved_at is not None or incident.looks >= triage.look:
        return None
    if reason := left_out(incident.severity, now - triage.due_at, triage.look):
        await _ask_again(triage, now)
        if triage.look > 1:
            return None  # the trail has what was found before, or that nobody could look
        return _found(triage, now, DETERMINISTIC, reason, is_left_out=True)
    # Made again by rules it costs less than asking whether it is there; by a model it does not.
    has_model = ports().first_responder.has_model
    known = await ports().findings.get_look(incident.id, triage.look) if has_model else None
    if known is None:
        question = await gather(incident, now)
        allowance = await _allowance(question, triage)
        finding = await _ask(question, allowance, triage)
        if finding is None:
            return None
        await _count(f"{incident.id}-{triage.look}", now, finding.usage)
        if await _says_nothing_new(incident, finding):
            await _ask_again(triage, now)
            return None
        known = await ports().findings.keep_look(
            Look(incident.id, triage.look, now, finding, allowance.reason, len(question.onsets))
        )
    await _ask_again(triage, now)
    return _found(triage, known.at, known.finding.made_by, headline(known.finding, known.reason))


async def reply_to(incident: Incident, words: str, actor: str, id: str) -> AsyncGenerator[Reply]:
    """Answer a responder's question about the incident: the answer as it grows, judged; then it is kept.

    Raises:
        UnavailableError: The store or the model did not answer.
    """
    now = ports().clock()
    question = await gather(incident, now)
    asked = await ports().findings.list_asked(incident.id)
    before = [Exchange(one.words, one.reply.claims) for one in asked]
    allowance = await _allowance(question, None)
    said: Reply | None = None
    async for part in ports().first_responder.triager.reply(question, words, before, allowance):
        said = judge_reply(part, part.evidence, question)
        yield said
    if said is not None:
        await _count(f"{incident.id}-{id}", now, said.usage)
        await ports().findings.keep_asked(Asked(incident.id, id, now, actor, words, said))


async def gather(incident: Incident, now: datetime) -> Question:
    """Everything near the incident, as of now.

    Raises:
        UnavailableError: The store did not answer.
    """
    groups, history = ports().groups, ports().first_responder.history
    entries = await groups.list_entries(incident.group_id, incident=incident.id, limit=MOST_ENTRIES)
    # What an entry reported may be a whole request, and its alerts are asked for anyway.
    entries = [replace(entry, reported=None) for entry in entries]
    members = [member for _, member in await groups.list_members([incident.group_id])]
    members.sort(key=lambda member: (not member.is_firing, member.alert.starts_at, member.alert.fingerprint))
    past = await history.past(incident.group_id)
    onsets = [
        onset_of(member, history.usual.get(member.alert.labels.get("alertname", ""), 0.0))
        for member in members[:MOST_ONSETS]
    ]
    changes = await history.changes(incident.opened_at - CHANGES_WITHIN)
    return Question(
        incident=incident,
        now=now,
        onsets=tuple(onsets),
        entries=entries,
        history=past,
        changes=tuple(changes[:MOST_CHANGES]),
        mutes=mutes_in(entries),
        rules=ports().configurations.own.triage,
    )


async def _ask(question: Question, allowance: Allowance, triage: Triage) -> Finding | None:
    """What was found, judged; None where the incident was over first, or the look is put off."""
    task = asyncio.create_task(ports().first_responder.triager.triage(question, allowance))
    try:
        while not (await asyncio.wait({task}, timeout=OVER_SECONDS))[0]:
            incident = await ports().groups.get_incident(question.incident.id)
            if incident.resolved_at is not None:
                log.info("incident %s was over before it was looked at", incident.id)
                return None
        finding = task.result()
    except UnavailableError as error:
        if triage.postponed < MOST_POSTPONED:
            wait = min(error.retry_after or timedelta(seconds=30), timedelta(minutes=2))
            due_at = ports().clock() + wait
            await ports().queues.send_triages([replace(triage, due_at=due_at, postponed=triage.postponed + 1)])
            return None
        finding = replace(first_look(question), fallback=f"no model was to be had: {error}")
    finally:
        task.cancel()
    return judge(finding, finding.evidence, question)


async def _says_nothing_new(incident: Incident, finding: Finding) -> bool:
    """Whether it is what was found before, or rules alone made it where a model has looked already."""
    before = await ports().findings.get_look(incident.id, incident.looks) if incident.looks else None
    if before is None or finding == before.finding:
        return before is not None
    is_models = before.finding.made_by != DETERMINISTIC
    return is_models and finding.made_by == DETERMINISTIC


async def _allowance(question: Question, triage: Triage | None) -> Allowance:
    """Whether a model may be asked, and what it may take; where a person asks (no triage), only budgets may refuse."""
    if not ports().first_responder.has_model:
        return NO_MODEL
    if triage is not None and triage.look == 1:
        return Allowance(False, f"rules look first; whether a model is asked is seen in {AGAIN_AFTER[0].seconds} s")
    incident, now = question.incident, question.now
    looks = await _models_looks(incident)
    if triage is not None and looks and looks[-1].alerts == len(question.onsets):
        return Allowance(False, "a model has looked, and no alert has come since")
    hours = await ports().usage.list_usage(now.replace(hour=0, minute=0, second=0, microsecond=0))
    this_hour = hours.get(hour_of(now), NOTHING_SPENT)
    if triage is None:
        asked_about, last_asked_at, waiting = _worth_asking(question), None, 0
    else:
        asked_about, last_asked_at = question, await _last_asked_at(question)
        waiting = sum(_is_waiting(past.incident, now) for past in question.history)
    return allow(
        asked_about,
        await _spent(incident, looks),
        this_hour,
        sum(hours.values(), NOTHING_SPENT),
        last_asked_at,
        triage.look if triage else incident.looks + 1,
        has_model=True,
        waiting=waiting,
    )


async def spent_on(incident: Incident) -> Usage:
    """What models have taken for the incident: for looks, and for the questions of responders.

    Raises:
        UnavailableError: The store did not answer.
    """
    return await _spent(incident, await _models_looks(incident))


async def _spent(incident: Incident, looks: Sequence[Look]) -> Usage:
    asked = await ports().findings.list_asked(incident.id, limit=MOST_ASKED)
    return sum([*(known.finding.usage for known in looks), *(one.reply.usage for one in asked)], NOTHING_SPENT)


async def _models_looks(incident: Incident) -> Sequence[Look]:
    """Those for which a model was asked, in their order."""
    kept = [await ports().findings.get_look(incident.id, number) for number in range(1, incident.looks + 1)]
    return [known for known in kept if known is not None and known.finding.usage != NOTHING_SPENT]


def _worth_asking(question: Question) -> Question:
    """The question as one that nothing but budgets speaks against: a person wants to know."""
    incident = replace(question.incident, resolved_at=None)
    return replace(question, incident=incident, history=(), rules=replace(question.rules, least_severity="none"))


def _is_waiting(incident: Incident, now: datetime) -> bool:
    return incident.looks == 0 and incident.resolved_at is None and now - incident.opened_at < JUST_OPENED


async def _last_asked_at(question: Question) -> datetime | None:
    """When a model was last asked about an earlier incident of this group."""
    for past in question.history:
        earlier = past.incident
        if earlier.group_id == question.incident.group_id and earlier.id != question.incident.id:
            known = await ports().findings.get_look(earlier.id, earlier.looks) if earlier.looks else None
            return known.at if known is not None and known.finding.usage.calls else None
    return None


async def _count(name: str, at: datetime, usage: Usage) -> None:
    if usage != NOTHING_SPENT:
        note_spent(usage)
        await ports().usage.add_usage(name, at, usage)


async def _ask_again(triage: Triage, now: datetime) -> None:
    after = next_look(triage.look)
    if after is not None:
        again = Triage(triage.group_id, triage.incident, triage.look + 1, now + after)
        await ports().queues.send_triages([again])


def _found(triage: Triage, at: datetime, by: str, text: str, *, is_left_out: bool = False) -> Found:
    return Found(triage.group_id, triage.incident, triage.look, at, by, text, is_left_out)
