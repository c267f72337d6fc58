"""Account: an incident as a draft tells of it, in words that are safe in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from domain.alerts import Alert
from domain.explaining import clock, reported_alerts
from domain.groups import Incident, LogEntry
from domain.labels import Fingerprint
from domain.lifecycle import Status
from domain.tracing.words import joined, span
from domain.triage.findings import DETERMINISTIC, Cause, Citation, Claim, Evidence, Finding
from domain.triage.judging import supports
from domain.triage.markdown import code, plain
from domain.triage.notes import counted, listed
from domain.triage.questions import Question

MOST_NAMED = 5
LONGEST_TITLE = 120
LONGEST_NAME = 60
LONGEST_LABELS = 300


class Account:
    """One draft under way: the incident in words, and what has been cited so far."""

    def __init__(
        self, question: Question, finding: Finding | None, entries: Sequence[LogEntry], *, is_shadow: bool = False
    ) -> None:
        self.question = question
        self.incident: Incident = question.incident
        self.entries = entries
        self.is_shadow = is_shadow
        self.finding = finding
        self.evidence: Mapping[str, Evidence] = {one.id: one for one in finding.evidence} if finding else {}
        self.cited: dict[Citation, int] = {}
        found: dict[Fingerprint, Alert] = {}
        for entry in entries:
            found.update((alert.fingerprint, alert) for alert in reported_alerts(entry))
        found.update((onset.fingerprint, onset.alert) for onset in question.onsets)
        self.alerts = list(found.values())

    # --- words ------------------------------------------------------------------------------------------------------

    def instant(self, at: datetime) -> str:
        """With its date."""
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def clock(self, at: datetime) -> str:
        """With its date only where it is not the day on which the incident began."""
        return clock(at, self.incident.opened_at)

    def claim(self, claim: Claim) -> str:
        """With the numbers of what it rests on."""
        numbers = [self.cited.setdefault(one, len(self.cited) + 1) for one in claim.citations]
        return f"{plain(claim.text)} {''.join(f'[{number}]' for number in dict.fromkeys(numbers))}".rstrip()

    def stands(self, claim: Claim) -> bool:
        """Whether it is borne out by what the finding itself holds; one that was judged always is."""
        return bool(claim.citations) and all(
            one.evidence in self.evidence and supports(self.evidence[one.evidence], one.quote)
            for one in claim.citations
        )

    def standing(self, claims: Iterable[Claim]) -> list[Claim]:
        """Those that may be told."""
        return [claim for claim in claims if self.stands(claim)]

    @property
    def causes(self) -> list[tuple[Cause, list[Claim]]]:
        """Those of which anything stands, the likeliest first, with what stands."""
        told = [(cause, self.standing(cause.claims)) for cause in (self.finding.causes if self.finding else ())]
        return [(cause, claims) for cause, claims in told if claims]

    # --- what it is about -------------------------------------------------------------------------------------------

    def mark(self, advice: str) -> list[str]:
        """That it is a draft, of when, and by whom."""
        finding = self.finding
        if finding is None:
            maker = "nobody has looked for the cause yet"
        elif finding.made_by == DETERMINISTIC:
            maker = "the finding was made by rules too, without a model"
        else:
            maker = f"the finding was made by the model {code(finding.made_by)}"
        shadow = " Tocsin ran in shadow mode: it told nobody." if self.is_shadow else ""
        at = self.instant(self.question.now)
        return [
            f"> **Draft**, written by rules from what Tocsin had recorded at {at}; {maker}.{shadow} {advice}",
            "",
            f"Incident {code(self.incident.id)}",
            "",
        ]

    @property
    def ended_at(self) -> datetime | None:
        """When it was over, or a person said so."""
        return self.incident.resolved_at or self.incident.standing.resolved_at

    @property
    def is_over(self) -> bool:
        """Whether nothing of it fires any more."""
        return self.incident.resolved_at is not None

    def duration(self) -> str:
        """For how long it has lasted, or did; what follows when it began."""
        ended_at = self.ended_at
        if ended_at is None:
            return f", for {lasting(self.question.now - self.incident.opened_at)} so far"
        return f" until {self.clock(ended_at)} ({lasting(ended_at - self.incident.opened_at)})"

    def status(self) -> str:
        """How it stands, and how people stand to it."""
        incident, standing = self.incident, self.incident.standing
        by = person(standing.resolved_by)
        if incident.resolved_at is not None:
            said = f"; {by} had resolved it at {self.clock(standing.resolved_at)}" if standing.resolved_at else ""
            return f"over since {self.clock(incident.resolved_at)}: nothing fires any more{said}"
        if standing.status is Status.RESOLVED and standing.resolved_at is not None:
            return f"resolved by {by} at {self.clock(standing.resolved_at)}, though {self.firing()}"
        snoozed = f"; snoozed until {self.clock(standing.snoozed_until)}" if standing.snoozed_until else ""
        if standing.status is Status.ACKNOWLEDGED:
            return f"being worked on, {self.firing()}{snoozed}"
        return f"going on, {self.firing()}; nobody has acknowledged it{snoozed}"

    def firing(self) -> str:
        """How many alerts fire."""
        return f"{counted(self.incident.firing, 'alert')} {'fires' if self.incident.firing == 1 else 'fire'}"

    def affected(self) -> str:
        """The services, those with most alerts first."""
        services = Counter(self.question.service_of(alert) for alert in self.alerts)
        if not services:
            labels = [f"{name}={value}" for name, value in sorted(self.incident.group_labels.items())]
            return plain(" ".join(labels), LONGEST_LABELS) or "not known"
        named = [plain(service, LONGEST_NAME) for service, _ in services.most_common(MOST_NAMED)]
        return f"{listed(named, len(services))} ({counted(self.total, 'alert')} in all)"

    @property
    def total(self) -> int:
        """How many alerts are or were part of it."""
        return max(self.incident.alerts, len(self.alerts))

    def severity(self) -> str:
        """How bad it is, and who says so."""
        word = self.incident.standing.severity
        if word:
            return f"{plain(word, LONGEST_NAME)}, as a person said"
        word = self.incident.severity
        return f"{plain(word, LONGEST_NAME)}, by its alerts" if word else "its alerts do not say"

    def responder(self) -> str:
        """Who works on it, or did."""
        standing = self.incident.standing
        said = []
        if standing.assignee:
            said.append(f"{person(standing.assignee)} (assigned)")
        if standing.acknowledged_at is not None:
            said.append(f"{person(standing.acknowledged_by)} (acknowledged at {self.clock(standing.acknowledged_at)})")
        if standing.resolved_at is not None:
            said.append(f"{person(standing.resolved_by)} (resolved it at {self.clock(standing.resolved_at)})")
        if said:
            return joined(said)
        return "nobody was, as far as is recorded" if self.is_over else "nobody yet, as far as is recorded"


def person(name: str) -> str:
    """Who did it."""
    return plain(name, LONGEST_NAME) or "somebody"


def lasting(duration: timedelta) -> str:
    """A length of time, to the second."""
    return span(duration) if duration >= timedelta(seconds=1) else "0s"
