"""Hints: what points at a service beside what fires: a label that names it, a change, and what people noted before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from domain.alerts import Alert
from domain.triage.questions import HISTORY_SEARCHED, Past, Question
from domain.triage.similarity import most_alike

PEER_LABELS = (
    *("upstream", "peer", "peer_service", "dependency", "target", "backend", "remote", "host", "server"),
    *("destination", "destination_service", "destination_service_name", "destination_workload", "server_address"),
    *("client", "caller", "source_workload", "application", "application_name", "usename", "user", "consumer"),
)
"""Labels by which an alert of one service names another: whom it calls, or who calls it."""

CHANGES_BEFORE = timedelta(hours=2)
"""A change is near if it came so long before the first alert, at most."""

HALF_AS_SUSPECT = timedelta(minutes=30)
"""A change that came so much earlier than another is half as suspect."""

LEAST_ALIKE = 0.4
NOTED_SEARCHED = 200
"""So many of the latest incidents whose notes name any of the services are compared."""
MOST_NOTED = 3
"""So many earlier incidents, the likest of those with notes, are asked for what was noted."""

_HOST = re.compile(r"(?:[a-z][a-z0-9+.\-]*://)?([^/:]+)", re.IGNORECASE)
_NAME = re.compile(r"[\w.\-]*\w")


def named_by(alert: Alert, services: frozenset[str]) -> frozenset[str]:
    """Which of the services its labels name as a peer, by the name itself or as the first part of a host's."""
    values = frozenset(alert.labels[name] for name in PEER_LABELS if name in alert.labels)
    hosts = [str(match[1]).partition(".")[0] for value in values if (match := _HOST.match(value))]
    return services & values.union(hosts)


def changed(question: Question, until: timedelta) -> Mapping[str, float]:
    """How suspect the services are that were changed: 1 for one just now, half for one half an hour ago.

    Args:
        question: The incident, and the changes.
        until: A change may come so long after the first alert, for alerts and clocks are not exact.
    """
    begin = min((onset.began_at for onset in question.onsets), default=question.now)
    found: dict[str, float] = {}
    for change in question.changes:
        before = begin - change.at
        if change.service and -until <= before <= CHANGES_BEFORE:
            suspect = 0.5 ** (max(timedelta(0), before) / HALF_AS_SUSPECT)
            found[change.service] = max(suspect, found.get(change.service, 0.0))
    return found


def noted(question: Question, services: frozenset[str]) -> Mapping[str, float]:
    """The services that people named when incidents ended that read like this one, each with how alike that was."""
    history = [past for past in question.history[:HISTORY_SEARCHED] if past.notes]
    named = [(past, names) for past in history if (names := _named_in(past, services))]
    del named[NOTED_SEARCHED:]
    if not named:
        return {}
    texts = [past.reads for past, _ in named]
    found: dict[str, float] = {}
    for place, likeness in most_alike(question.reads, texts, MOST_NOTED, LEAST_ALIKE):
        for service in named[place][1]:
            found[service] = max(likeness, found.get(service, 0.0))
    return found


def _named_in(past: Past, services: frozenset[str]) -> frozenset[str]:
    return services.intersection(word for note in past.notes for word in _NAME.findall(note))
