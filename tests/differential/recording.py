"""Recording: what the webhook receivers of one scenario got from one system, in the scenario's own moments and names.

The scope is taken out of it, and instants become seconds after the start, so that recordings of other days compare.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from domain.labels import fingerprint
from tests.differential.scenario import SCOPE_LABEL, Job

NO_END = "0001-01-01T00:00:00Z"
EXTERNAL_URL = "http://differential.test"
"""Both systems are told that they are reached here."""

# Python reads no nanoseconds.
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Page:
    at: float
    path: str
    """`receiver/index`."""
    is_taken: bool
    body: dict[str, Any]

    @property
    def group_key(self) -> str:
        return str(self.body["groupKey"])

    @property
    def firing(self) -> frozenset[str]:
        return self._fingerprints("firing")

    @property
    def resolved(self) -> frozenset[str]:
        return self._fingerprints("resolved")

    def _fingerprints(self, status: str) -> frozenset[str]:
        return frozenset(repr(sorted(one["labels"].items())) for one in self.body["alerts"] if one["status"] == status)

    def words(self) -> str:
        """`7.51 {A, B} fire; {C} resolved`, by the labels in which the alerts of the page differ."""
        common = self.body["commonLabels"] if len(self.body["alerts"]) > 1 else {}
        parts = []
        for status, verb in (("firing", "firing"), ("resolved", "resolved")):
            names = [
                ",".join(f"{name}={value}" for name, value in one["labels"].items() if name not in common)
                for one in self.body["alerts"]
                if one["status"] == status
            ]
            parts += [f"{{{'; '.join(names)}}} {verb}"] * bool(names)
        if self.body["truncatedAlerts"]:
            parts.append(f"{self.body['truncatedAlerts']} more")
        return f"{self.at:.2f} {', '.join(parts)}{'' if self.is_taken else ' (refused)'}"


type Shown = dict[str, Any]
"""An alert, a group or a silence as the API shows it, in a form that compares (`listings.py`)."""


@dataclass(frozen=True)
class Listing:
    """What one system showed at one moment."""

    at: float
    alerts: tuple[Shown, ...]
    """In its order."""
    groups: tuple[Shown, ...]
    """By labels and receiver."""
    silences: tuple[Shown, ...]
    """By comment and state."""


@dataclass(frozen=True)
class Recording:
    pages: tuple[Page, ...]
    """In order of arrival."""
    answers: tuple[str, ...] = ()
    """What each event of the scenario was answered with, as `answer` words it."""
    listings: tuple[Listing, ...] = ()
    lateness: float = 0.0
    """By how much the harness itself missed its moments, at worst."""
    starvation: float = 0.0
    """How long the server stood ready and had no processor, at worst within a third of a second."""

    def streams(self) -> dict[tuple[str, str], list[Page]]:
        """The pages by path and group key."""
        found: dict[tuple[str, str], list[Page]] = {}
        for page in self.pages:
            found.setdefault((page.path, page.group_key), []).append(page)
        return found


def answer(status: int, known_as: str | None = None, id: str | None = None) -> str:
    """An answer in words: `200`, and where a silence was known by an id, `200, kept` or `200, anew`."""
    return f"{status}" if known_as is None or id is None else f"{status}, {'kept' if id == known_as else 'anew'}"


READER: TypeAdapter[Recording] = TypeAdapter(Recording)


def normalise(job: Job, body: dict[str, Any], began_at: float) -> dict[str, Any]:
    """The payload without the scope, its instants as seconds after `began_at` (a UNIX time)."""
    receiver, prefix = str(body["receiver"]), f"{job.scope}\\."
    if job.scope and receiver.startswith(prefix):
        receiver = receiver.removeprefix(prefix)
    return body | {
        "receiver": receiver,
        "groupKey": _unscoped_key(job, str(body["groupKey"])),
        "alerts": [_alert(job, alert, began_at) for alert in body["alerts"]],
        "groupLabels": unscoped(job, body["groupLabels"]),
        "commonLabels": unscoped(job, body["commonLabels"]),
    }


def _alert(job: Job, alert: dict[str, Any], began_at: float) -> dict[str, Any]:
    is_named_right = alert["fingerprint"] == fingerprint(alert["labels"])
    return alert | {
        "labels": unscoped(job, alert["labels"]),
        "fingerprint": "as its labels say" if is_named_right else alert["fingerprint"],
        "startsAt": moment(alert["startsAt"], began_at),
        "endsAt": moment(alert["endsAt"], began_at),
    }


def moment(text: str, began_at: float) -> str:
    """`12.5+02:00`: seconds after the start, and the zone as it is written."""
    match = _INSTANT.fullmatch(text)
    if text == NO_END or match is None:
        return text
    whole, fraction, zone = match.groups()
    seconds = datetime.fromisoformat(whole + zone).timestamp() - began_at + float(fraction or 0)
    # A UNIX time in a float is good for some seven digits of a second.
    return f"{round(seconds, 5) + 0.0:.10g}{zone}"


def unscoped(job: Job, labels: dict[str, str]) -> dict[str, str]:
    if labels.get(SCOPE_LABEL) != job.scope:
        return labels
    return {name: value for name, value in labels.items() if name != SCOPE_LABEL}


def _unscoped_key(job: Job, key: str) -> str:
    if not job.scope:
        return key
    mark = f'{SCOPE_LABEL}="{job.scope}"'
    return key.replace(f"{{}}/{{{mark}}}", "{}", 1).replace(f", {mark}", "").replace(f"{{{mark}}}", "{}")
