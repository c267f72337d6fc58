"""Drafting: what is known of an incident as Markdown, for a person to finish: an update, and a postmortem.

Rules alone write it, from the question, the finding and the trail; where a model made the finding, the draft says so.
Whatever senders, people and models wrote stands in it as text (`markdown.plain`), and no longer than is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from domain.groups import LogEntry
from domain.lifecycle import Action
from domain.tracing.words import joined
from domain.triage.account import LONGEST_NAME, LONGEST_TITLE, MOST_NAMED, Account, lasting
from domain.triage.findings import Cause, Confidence, Finding
from domain.triage.hints import CHANGES_BEFORE
from domain.triage.judging import RUNBOOK_ANNOTATION
from domain.triage.markdown import BLANK, bullets, code, plain, section
from domain.triage.notes import counted
from domain.triage.questions import Question
from domain.triage.timeline import UNKNOWN, Called, Moment, deliveries, timeline

MOST_MOMENTS = 200
"""Of a longer timeline the middle is left out."""
MOST_CHANGES = 10
MOST_QUOTES = 40
MOST_FAILURES = 3
LONGEST_MOMENT = 300

_INTERNAL = frozenset({"group_shape", "group_trail", "mutes"})
"""Tools that tell of labels and of who is told: nothing for people who do not run the system."""


def stakeholder_update(question: Question, finding: Finding | None) -> str:
    """An update for people who are affected and do not run the system.

    Args:
        question: The incident as it is now.
        finding: What was found, judged already; None where nobody has looked.
    """
    account = Account(question, finding, question.entries)
    incident = question.incident
    lines = [
        f"# {plain(incident.title, LONGEST_TITLE) or 'An incident'}: update",
        "",
        *account.mark("Read it, fill in the blanks, and send it yourself."),
        f"- **Status:** {account.status()}",
        f"- **Affected:** {account.affected()}",
        f"- **Since:** {account.instant(incident.opened_at)}{account.duration()}",
        f"- **How bad:** {account.severity()}",
        f"- **Who {'was' if account.is_over else 'is'} on it:** {account.responder()}",
        "",
        *section("What is known", bullets(_known(account), "Nothing beyond the above.")),
        *section("What is not known", bullets(_unknown(account))),
        *section("Next update", [_next_update(account)]),
    ]
    return _text(lines)


def postmortem(
    question: Question,
    finding: Finding | None,
    entries: Sequence[LogEntry],
    *,
    called: Called = UNKNOWN,
    is_shadow: bool = False,
) -> str:
    """A postmortem, as far as records can tell it.

    Args:
        question: The incident as it is now.
        finding: What was found, judged already; None where nobody has looked.
        entries: All that is kept of the incident's trail, the oldest first.
        called: By the version of the configuration, what the receiver's integrations are called.
        is_shadow: Whether nobody was told, and the trail says what would have been.
    """
    account = Account(question, finding, entries, is_shadow=is_shadow)
    incident = question.incident
    moments = timeline(entries, account.alerts, seen_from=incident.opened_at, called=called, is_shadow=is_shadow)
    lines = [
        f"# {plain(incident.title, LONGEST_TITLE) or 'An incident'}: postmortem",
        "",
        *account.mark("It tells what was recorded; why it came so far, and what to change, is for people to say."),
        *section("Summary", _summary(account)),
        *section("Impact", bullets(_impact(account))),
        *section("Timeline (UTC)", _timeline(account, moments)),
        *section("Suspected cause", _causes(account)),
        *section("What changed", bullets(_changes(account), "No change is recorded near its beginning.")),
        *section("Similar incidents", bullets(_similar(account), "None that reads alike is known.")),
        *section("Open questions", bullets(_questions(account))),
        *section("Actions", [f"- [ ] What: {BLANK} Who: {BLANK} By when: {BLANK}"] * 3),
        *section("Evidence", _evidence(account)),  # last, for it lists what was cited before
    ]
    return _text(lines)


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


# --- an update


def _known(account: Account) -> Iterator[str]:
    """What stands, for people who do not run the system: without numbers, with how sure it is."""
    finding = account.finding
    if finding is None:
        return
    if not account.is_over:  # it says how far it goes now
        yield from (plain(claim.text) for claim in account.standing(finding.blast_radius))
    for claim in account.standing(finding.summary):
        if all(account.evidence[one.evidence].tool not in _INTERNAL for one in claim.citations):
            yield plain(claim.text)
    for place, (cause, claims) in enumerate(account.causes):
        if cause.confidence is not Confidence.LOW:
            likely = "Likely cause" if place == 0 else "Another possible cause"
            yield f"{likely}: **{plain(cause.service, LONGEST_NAME)}** ({_sure(cause)}). {plain(claims[0].text)}"
    change = finding.suspected_change
    if change is not None and account.stands(change.claim):
        yield f"A change came near its beginning; whether it is the cause is not known. {plain(change.claim.text)}"


def _unknown(account: Account) -> Iterator[str]:
    causes = [cause for cause, _ in account.causes]
    if all(cause.confidence is Confidence.LOW for cause in causes):
        guess = f"; the first guess is {plain(causes[0].service, LONGEST_NAME)} ({_sure(causes[0])})" if causes else ""
        yield f"The cause{guess}."
    if account.ended_at is None:
        yield "When it will be over."
    elif not account.is_over:
        yield f"Whether it is really over: {account.firing()}."
    elif not account.incident.standing.resolved_by:
        yield "What ended it: its alerts stopped by themselves, and nobody said that they had resolved it."
    yield f"What customers notice: {BLANK}"


def _next_update(account: Account) -> str:
    if account.is_over:
        return f"None is planned. A postmortem follows by {BLANK} (from {BLANK})."
    return f"At {BLANK} UTC, from {BLANK}."


# --- a postmortem


def _summary(account: Account) -> Iterator[str]:
    incident = account.incident
    title = plain(incident.title, LONGEST_TITLE) or "An incident"
    yield f"{title}: from {account.instant(incident.opened_at)}{account.duration()}. It is {account.status()}."
    finding = account.finding
    claims = account.standing((*finding.summary, *finding.blast_radius)) if finding else []
    if claims:
        yield ""
        yield "When it was looked at:"
        yield ""
        yield from bullets(account.claim(claim) for claim in claims)
    yield ""
    yield f"In a person's words: {BLANK}"


def _impact(account: Account) -> Iterator[str]:
    incident, standing = account.incident, account.incident.standing
    yield f"Affected: {account.affected()}"
    yield f"Severity: {account.severity()}"
    begins = [onset.began_at for onset in account.question.onsets] or [alert.starts_at for alert in account.alerts]
    if begins and min(begins) < incident.opened_at:
        late = lasting(incident.opened_at - min(begins))
        at = account.clock(min(begins))
        yield f"The first alert began at {at}, by its sender's clock: {late} before the incident"
    acknowledged_at = standing.first_acknowledged_at
    if acknowledged_at is None:
        yield "Time to acknowledge: nobody acknowledged it"
    else:
        taken = lasting(acknowledged_at - incident.opened_at)
        yield f"Time to acknowledge: {taken} (at {account.clock(acknowledged_at)})"
    if incident.resolved_at is None:
        yield f"Time to resolve: not over after {lasting(account.question.now - incident.opened_at)}"
    else:
        taken = lasting(incident.resolved_at - incident.opened_at)
        yield f"Time to resolve: {taken} (at {account.clock(incident.resolved_at)})"
    if standing.resolved_at is not None:
        taken = lasting(standing.resolved_at - incident.opened_at)
        yield f"A person resolved it after {taken} (at {account.clock(standing.resolved_at)})"
    told = "Pages that would have arrived" if account.is_shadow else "Pages that arrived"
    yield f"{told}: {incident.pages}; that did not: {incident.failed}"
    yield f"Who noticed, and what it cost them: {BLANK}"


def _timeline(account: Account, moments: Sequence[Moment]) -> Iterator[str]:
    opened_at = account.incident.opened_at
    if not account.entries or not account.entries[0].opens(account.incident.id):
        since = f" before {account.clock(account.entries[0].at)}" if account.entries else ""
        yield f"What happened{since} is no longer kept, but for its beginning at {account.clock(opened_at)}."
        yield ""
    half = MOST_MOMENTS // 2
    is_cut = len(moments) > MOST_MOMENTS
    for moment in moments[: half if is_cut else None]:
        yield _moment(account, moment)
    if is_cut:
        yield f"- … {len(moments) - 2 * half} more left out for room …"
        yield from (_moment(account, moment) for moment in moments[-half:])


def _moment(account: Account, moment: Moment) -> str:
    return f"- **{account.clock(moment.at)}** {plain(moment.words, LONGEST_MOMENT)}"


def _causes(account: Account) -> Iterator[str]:
    causes = account.causes
    for place, (cause, claims) in enumerate(causes, 1):
        yield f"{place}. **{plain(cause.service, LONGEST_NAME)}** ({_sure(cause)})"
        yield from (f"   - {account.claim(claim)}" for claim in claims)
    if not causes:
        yield "Nothing that is recorded points to one."


def _changes(account: Account) -> Iterator[str]:
    finding = account.finding
    suspected = finding.suspected_change if finding else None
    if suspected is not None and account.stands(suspected.claim):
        yield f"Suspected: {account.claim(suspected.claim)}"
    since, until = account.incident.opened_at - CHANGES_BEFORE, account.ended_at or account.question.now
    near = [one for one in account.question.changes if since <= one.at <= until]
    others = [one for one in near if suspected is None or one.id != suspected.change]
    # Those next to its beginning are the ones to be asked about.
    others.sort(key=lambda one: (abs(one.at - account.incident.opened_at), one.id))
    for change in sorted(others[:MOST_CHANGES], key=lambda one: (one.at, one.id)):
        of = f" of {plain(change.service, LONGEST_NAME)}" if change.service else ""
        url = f" ({code(change.url)})" if change.url else ""
        yield f"{account.clock(change.at)} {code(change.id, LONGEST_NAME)}{of}: {plain(change.summary)}{url}"
    if len(others) > MOST_CHANGES:
        yield f"… and {len(others) - MOST_CHANGES} more between {account.clock(since)} and {account.clock(until)}"


def _similar(account: Account) -> Iterator[str]:
    for one in account.finding.similar if account.finding else ():
        if account.stands(one.claim):
            yield account.claim(one.claim)


def _evidence(account: Account) -> Iterator[str]:
    for citation, number in list(account.cited.items())[:MOST_QUOTES]:
        evidence = account.evidence[citation.evidence]
        yield f"{number}. “{plain(citation.quote)}”, {code(evidence.tool)} ({evidence.kind})"
    if len(account.cited) > MOST_QUOTES:
        yield f"\n… and {len(account.cited) - MOST_QUOTES} more, in the finding itself."


def _questions(account: Account) -> Iterator[str]:
    """What nobody knows, as far as records tell."""
    yield from _questions_of_cause(account)
    yield from _questions_of_telling(account)
    standing = account.incident.standing
    notes = [entry for entry in account.entries if entry.responded and entry.responded.action is Action.NOTE]
    if standing.first_acknowledged_at is None:
        yield "Nobody acknowledged it. Did anybody work on it?"
    if account.is_over and not standing.resolved_by and not notes:
        yield "Its alerts stopped by themselves, and nobody noted anything. What ended it?"
    runbooks = [alert for alert in account.alerts if alert.annotations.get(RUNBOOK_ANNOTATION)]
    if not runbooks:
        yield f"No alert names a runbook (annotation {code(RUNBOOK_ANNOTATION)}). What should one read next time?"


def _questions_of_cause(account: Account) -> Iterator[str]:
    finding = account.finding
    if finding is None:
        yield "Nobody has looked for the cause. Where did it come from?"
        return
    if finding.fallback:
        yield f"A model was wanted, and rules answered: {plain(finding.fallback)}. What would it have added?"
    causes = [cause for cause, _ in account.causes]
    if not causes:
        yield "Nothing points to a service. Where did it come from?"
    elif causes[0].confidence is not Confidence.HIGH:
        named = [plain(cause.service, LONGEST_NAME) for cause in causes]
        yield f"Was it really {joined(named, 'or')}? The finding names the first, with {_sure(causes[0])}."
    if finding.suspected_change is not None and account.stands(finding.suspected_change.claim):
        change = code(finding.suspected_change.change)
        yield f"Did change {change} cause it? That it came near is all that is known."
    if finding.struck:
        yield f"{counted(finding.struck, 'statement')} of the finding had to be struck for want of evidence. Why?"


def _questions_of_telling(account: Account) -> Iterator[str]:
    if account.incident.failed:
        missed = [sent for sent in deliveries(account.entries) if sent.is_missed]
        answers = [answer for answer, _ in Counter(sent.answer for sent in missed).most_common(MOST_FAILURES)]
        why = f" ({'; '.join(plain(answer) for answer in answers if answer)})" if any(answers) else ""
        what = counted(account.incident.failed, "notification")
        yield f"{what} did not arrive{why}. Who did not hear of it in time?"
    muted = {name for mute in account.question.mutes for name in mute.fingerprints}
    if muted:
        by = joined([f"{mute.kind} {plain(mute.by, LONGEST_NAME)}" for mute in account.question.mutes[:MOST_NAMED]])
        verb = "is" if len(muted) == 1 else "are"
        yield f"{counted(len(muted), 'alert')} {verb} muted by {by}. Should that be so?"


def _sure(cause: Cause) -> str:
    return f"{cause.confidence} confidence"
