"""Case: one incident of the evaluation set, read from its file in `incidents/`.

A file tells what happened (`story`, for people), what a triager sees (alerts, changes, history, mutes, call graph,
series), and what would have been right.  Instants are durations from when the incident opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from domain.alerts import Alert
from domain.changes import Change
from domain.durations import parse_duration
from domain.groups import Incident
from domain.labels import fingerprint
from domain.lifecycle import Response, Status
from domain.routing import GroupId
from domain.triage import Finding, Mute, Onset, Past, Question, TriageRules
from domain.triage.judging import RUNBOOK_ANNOTATION
from domain.triage.rules import SERVICE_LABELS

INCIDENTS = Path(__file__).parent / "incidents"

ASKED = timedelta(minutes=5)
"""A triager is asked when the incident is so old, unless its file says otherwise."""

SERIES_BEFORE = timedelta(hours=1)
"""So much of each series there is before the incident opens."""

SCRAPE = timedelta(seconds=15)


def _signed(text: object) -> object:
    if not isinstance(text, str):
        return text
    length = parse_duration(text.removeprefix("-"))
    return -length if text.startswith("-") else length


type Signed = Annotated[timedelta, BeforeValidator(_signed)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AlertPart(_Part):
    """One alert, or with `each` one for each of those values of a label, `every` so much later than the one before."""

    alert: str
    at: Signed
    labels: Mapping[str, str]
    summary: str
    runbook: str = ""
    each: Mapping[str, Sequence[str]] = Field(default_factory=dict, max_length=1)
    every: Signed = timedelta(0)
    until: Signed | None = None
    firings: int = 1
    paused: Signed = timedelta(0)
    usual: float = 0.0
    muted: str = ""


class ChangePart(_Part):
    id: str
    at: Signed
    service: str
    source: str
    summary: str


class PastPart(_Part):
    title: str
    text: str
    at: Signed
    ended: Signed
    by: str = ""
    notes: Sequence[str] = ()
    group: Literal["same", "other"] = "other"


class MutePart(_Part):
    kind: Literal["silence", "inhibition", "interval"]
    by: str
    text: str


class Series(_Part):
    """A metric as a simple shape: `low` before `from`, and then what the shape says.

    flat: always `low`; step and spike: `high` (until `to`); ramp: from `low` to `high` by `to`, and there it stays;
    saw: from `low` to `high` in each `period`, and down at once.
    """

    name: str
    labels: Mapping[str, str]
    shape: Literal["flat", "step", "ramp", "spike", "saw"]
    low: float
    high: float = 0.0
    begin: Signed = Field(default=timedelta(0), alias="from")
    end: Signed | None = Field(default=None, alias="to")
    period: Signed = timedelta(minutes=1)

    def value_at(self, since: timedelta) -> float:
        """Its value so long after the incident opened."""
        into = since - self.begin
        if into < timedelta(0):
            return self.low
        return self.low + self._share(since, into) * (self.high - self.low)

    def _share(self, since: timedelta, into: timedelta) -> float:
        is_over = self.end is not None and since >= self.end
        match self.shape:
            case "flat":
                return 0.0
            case "step" | "spike":
                return 0.0 if is_over else 1.0
            case "saw":
                return math.modf(into / self.period)[0]
            case "ramp":
                return 1.0 if is_over or self.end is None else into / (self.end - self.begin)


class IncidentFile(_Part):
    title: str
    kind: str
    story: str
    causes: Sequence[str | Sequence[str]]
    """Every one must be named; of a list any one will do.  None: the right answer is that it is not known."""
    change: str = ""
    """The change that is to blame; empty: none."""
    held_out: bool = False
    """Looked at once, when the rules stood."""
    opened: AwareDatetime
    asked: Signed = ASKED
    group: Mapping[str, str]
    """What the incident is grouped by; all its alerts have these labels."""
    service_labels: Sequence[str] = SERVICE_LABELS
    calls: Mapping[str, Sequence[str]] = Field(default_factory=dict)
    alerts: Sequence[AlertPart] = Field(min_length=1)
    changes: Sequence[ChangePart] = ()
    history: Sequence[PastPart] = ()
    mutes: Sequence[MutePart] = ()
    series: Sequence[Series] = Field(min_length=1)


@dataclass(frozen=True)
class Expected:
    """What would be right to answer."""

    causes: Sequence[frozenset[str]]
    """One of each set; none where the right answer is that it is not known."""
    change: str = ""
    """The id of the change that is to blame, if one is."""

    def is_first(self, finding: Finding) -> bool:
        """Whether the first cause that is named is one of the right ones."""
        return bool(finding.causes) and any(finding.causes[0].service in names for names in self.causes)

    def is_among(self, finding: Finding, most: int = 3) -> bool:
        """Whether all the right ones are among the first so many."""
        named = {cause.service for cause in finding.causes[:most]}
        return bool(self.causes) and all(names & named for names in self.causes)


@dataclass(frozen=True)
class Case:
    """One incident, what is asked about it, and what would be right."""

    name: str
    kind: str
    is_held_out: bool
    expected: Expected
    opened_at: datetime
    asked: timedelta
    whole: Question = field(repr=False)
    """All that is in the file, also what a triager cannot have seen yet."""
    series: Sequence[Series] = field(repr=False)

    @property
    def question(self) -> Question:
        """What a triager is asked."""
        return self.question_after(self.asked)

    def question_after(self, since: timedelta) -> Question:
        """What it would be asked when the incident was so old: of what came later it knows nothing."""
        now = self.opened_at + since
        onsets = [_seen(onset, now) for onset in self.whole.onsets if onset.began_at <= now]
        changes = [change for change in self.whole.changes if change.at <= now]
        return replace(self.whole, now=now, onsets=onsets, changes=changes)


def read_cases(folder: Path = INCIDENTS) -> list[Case]:
    """All of the set, by name."""
    return [read_case(path) for path in sorted(folder.glob("*.yaml"))]


def read_case(path: Path) -> Case:
    """One of them.

    Raises:
        ValueError: The file is not as `IncidentFile` says, or speaks of what it does not have.
    """
    file = IncidentFile.model_validate(yaml.safe_load(path.read_text()))
    group_id = _group_id(path.stem)
    onsets = [onset for part in file.alerts for onset in _onsets(part, file)]
    title = file.group.get("alertname") or file.alerts[0].alert
    incident = Incident(
        f"{group_id}-9", group_id, "team", f"{{}}:{dict(file.group)}", file.group, title, file.opened.astimezone(UTC)
    )
    question = Question(
        incident,
        incident.opened_at,
        onsets,
        history=_history(file, group_id),
        changes=[
            Change(part.id, file.opened + part.at, part.summary, part.service, part.source) for part in file.changes
        ],
        mutes=[_mute(part, file) for part in file.mutes],
        rules=TriageRules(
            service_labels=tuple(file.service_labels),
            calls={caller: frozenset(callees) for caller, callees in file.calls.items()},
        ),
    )
    if file.change and file.change not in {change.id for change in question.changes}:
        raise ValueError(f"{path.name}: no change {file.change!r}")
    causes = [frozenset([one] if isinstance(one, str) else one) for one in file.causes]
    expected = Expected(causes, file.change)
    return Case(path.stem, file.kind, file.held_out, expected, incident.opened_at, file.asked, question, file.series)


def _onsets(part: AlertPart, file: IncidentFile) -> Iterator[Onset]:
    ((label, values),) = part.each.items() or [("", [""])]
    for place, value in enumerate(values):
        labels = {"alertname": part.alert, **file.group, **part.labels} | ({label: value} if label else {})
        annotations = {"summary": part.summary} | ({RUNBOOK_ANNOTATION: part.runbook} if part.runbook else {})
        began_at = file.opened + part.at + place * part.every
        ended_at = None if part.until is None else file.opened + part.until
        ends_at = ended_at or file.opened + file.asked + timedelta(minutes=4)
        alert = Alert(fingerprint(labels), labels, annotations, began_at, ends_at, began_at)
        yield Onset(alert, began_at, ended_at, part.firings, part.paused, part.usual)


def _seen(onset: Onset, now: datetime) -> Onset:
    """The alert as it stood then; what its pauses were before its end is not known."""
    if onset.ended_at is None or onset.ended_at <= now:
        return onset
    return replace(onset, ended_at=None, firings=1, paused=timedelta(0))


def _history(file: IncidentFile, group_id: GroupId) -> list[Past]:
    """The newest first."""
    found = []
    for number, part in enumerate(sorted(file.history, key=lambda part: part.at)):
        of = group_id if part.group == "same" else _group_id(f"{group_id} {part.title} {part.text}")
        opened_at = file.opened + part.at
        ended_at = opened_at + part.ended
        response = Response(Status.RESOLVED, resolved_at=ended_at, resolved_by=part.by) if part.by else None
        labels = {**file.group, "alertname": part.title}
        incident = Incident(f"{of}-{number}", of, "team", "{}", labels, part.title, opened_at, ended_at)
        found.append(Past(replace(incident, response=response), part.text, tuple(part.notes)))
    return found[::-1]


def _mute(part: MutePart, file: IncidentFile) -> Mute:
    muted = [onset for alert in file.alerts if alert.muted == part.by for onset in _onsets(alert, file)]
    if not muted:
        raise ValueError(f"{part.by} mutes no alert")
    return Mute(part.kind, part.by, part.text, tuple(onset.fingerprint for onset in muted))


def _group_id(text: str) -> GroupId:
    return GroupId(blake2b(text.encode(), digest_size=16).hexdigest())
