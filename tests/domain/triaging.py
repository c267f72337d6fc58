"""Questions for the tests of triage: each builder fills in what the test does not speak of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from domain.triage import Change, Claim, Evidence, EvidenceKind, Onset, Past, Question, TriageRules
from domain.triage.findings import Citation
from tests.builders import MINUTE, NOON, alert, incident

AT_TEN_PAST = NOON + 10 * MINUTE


def onset(
    name: str = "HighLatency",
    *,
    after: timedelta = timedelta(0),
    lasted: timedelta | None = None,
    firings: int = 1,
    usual: float = 0.0,
    annotations: Mapping[str, str] | None = None,
    **labels: str,
) -> Onset:
    """An alert that began so long after noon; it still fires unless it `lasted`."""
    began_at = NOON + after
    identity: dict[str, Any] = {"alertname": name, **labels}
    fired = alert(at=began_at, annotations=annotations, **identity)
    return Onset(fired, began_at, None if lasted is None else began_at + lasted, firings, usual=usual)


def question(*onsets: Onset, calls: Mapping[str, set[str]] | None = None, **changes: Any) -> Question:
    """Asked at ten past twelve; `calls` has the callees of each service."""
    graph = {caller: frozenset(callees) for caller, callees in (calls or {}).items()}
    known: dict[str, Any] = {
        "incident": incident(),
        "now": AT_TEN_PAST,
        "onsets": onsets,
        "rules": TriageRules(calls=graph),
    }
    return Question(**(known | changes))


def past(
    number: int, title: str, text: str = "", *, group: int = 2, notes: tuple[str, ...] = (), **changes: Any
) -> Past:
    opened_at = NOON - timedelta(days=number)
    ended = {"opened_at": opened_at, "resolved_at": opened_at + 20 * MINUTE}
    labels = {"alertname": title}
    return Past(incident(group, 1 + number, title=title, group_labels=labels, **(ended | changes)), text, notes)


def change(id: str = "c1", *, before: timedelta = 5 * MINUTE, service: str = "", at: datetime | None = None) -> Change:
    return Change(id, at or NOON - before, f"deploy {id}", service)


def evidence(id: str = "e1", text: str = "db fires since 12:00:00") -> Evidence:
    return Evidence(id, EvidenceKind.ALERTS, "alerts", text)


def claim(text: str = "The database fires.", *quotes: str, of: str = "e1") -> Claim:
    return Claim(text, tuple(Citation(of, quote) for quote in quotes or ("db fires",)))
