"""The Nezha day as incidents: alerts derived from its metrics alone, its call graph, and where each fault was injected.

An alert fires for a pod and a metric at each sample more than 4 standard deviations above the mean.  Mean and deviation
are those of the whole day with what stands out clipped away, again and again until nothing does: so the list of faults
is not needed for them.  (A trailing window cannot be had: the first fault comes two minutes after the first sample.)
The list says only when an incident is looked at, and what would have been right.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pstdev
from typing import Literal

from domain.alerts import Alert
from domain.groups import Incident
from domain.labels import fingerprint
from domain.routing import GroupId
from domain.triage.questions import Onset, Question
from domain.triage.rules import Calls, TriageRules

DAY = Path(__file__).parents[2] / "shared" / "data" / "nezha-online-boutique-2022-08-22"

DEVIATIONS = 4.0
"""The rule of the data's README."""

SEVERITIES = ((32 * DEVIATIONS, "page"), (8 * DEVIATIONS, "critical"), (2 * DEVIATIONS, "error"), (0.0, "warning"))
"""From how many deviations on an alert has which severity."""

LASTS = timedelta(minutes=5)
"""An incident is what fires within this time of a fault, and did not yet fire before."""

VALUE = "value"
"""The annotation that has the highest deviation seen."""

type Rarity = Literal["day", "before", "unknown"]
"""What is known of how often each alert fires: as in the whole day, by what came before, or nothing."""

LEAST_DEVIATION = 0.02
"""Of the mean: a metric that hardly ever moves is not called wild when it moves a little."""


@dataclass(frozen=True)
class Series:
    """One metric of one pod."""

    service: str
    metric: str
    samples: tuple[tuple[datetime, float], ...]
    """As deviations above the mean, in order of time."""

    def firings(self, deviations: float, before: datetime | None = None) -> float:
        """How often a day its alert begins to fire: in the whole day, or by what came before that instant."""
        samples = [(at, value) for at, value in self.samples if before is None or at < before]
        highs = [value > deviations for _, value in samples]
        begun = sum(high and not was_high for was_high, high in pairwise([False, *highs]))
        # An hour at least, so that what has been seen for two minutes is not taken for a habit.
        watched = max(samples[-1][0] - samples[0][0], timedelta(hours=1)) if samples else timedelta(hours=1)
        return begun * (timedelta(days=1) / watched)


@dataclass(frozen=True)
class Fault:
    """What was injected."""

    at: datetime
    service: str
    kind: str


@dataclass(frozen=True)
class Day:
    """All of it."""

    series: tuple[Series, ...]
    calls: Calls
    faults: tuple[Fault, ...]


def read_day(folder: Path = DAY, *, is_clipped: bool = True) -> Day:
    """The stored files; the metrics of the machines are left out, for they are no pod's."""
    paths = sorted(folder.glob("metric/*-*_metric.csv"))
    series = tuple(one for path in paths for one in _read_pod(path, is_clipped=is_clipped))
    calls: dict[str, set[str]] = {}
    services = {one.service for one in series}
    with (folder / "metric" / "dependency.csv").open() as file:
        for row in csv.DictReader(file):
            if {row["Source"], row["Target"]} <= services:
                calls.setdefault(row["Source"], set()).add(row["Target"])
    listed = json.loads((folder / "fault_list.json").read_text())
    faults = [
        Fault(_instant(one["inject_time"]), _service(one["inject_pod"]), one["inject_type"])
        for hour in listed.values()
        for one in hour
    ]
    graph = {caller: frozenset(callees) for caller, callees in calls.items()}
    return Day(series, graph, tuple(sorted(faults, key=lambda fault: fault.at)))


def _read_pod(path: Path, *, is_clipped: bool) -> Iterator[Series]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for metric in rows[0]:
        if metric in ("Time", "TimeStamp", "PodName") or metric.startswith("Node"):
            continue
        values = [(_instant(row["Time"]), float(row[metric] or "nan")) for row in rows]
        known = [(at, value) for at, value in values if not math.isnan(value)]
        numbers = [value for _, value in known]
        mean, deviation = clipped(numbers) if is_clipped else (fmean(numbers), pstdev(numbers))
        scale = max(deviation, LEAST_DEVIATION * abs(mean), 1e-9)
        yield Series(_service(path.name), metric, tuple((at, (value - mean) / scale) for at, value in known))


def clipped(values: Sequence[float], deviations: float = DEVIATIONS) -> tuple[float, float]:
    """Mean and standard deviation of what remains when everything further out has been left out, until nothing is."""
    while True:
        mean, deviation = fmean(values), pstdev(values)
        kept = [value for value in values if abs(value - mean) <= deviations * deviation]
        if len(kept) == len(values):
            return mean, deviation
        values = kept


def alert_name(metric: str) -> str:
    """`PodServerLatencyP90(s)` becomes `ServerLatencyP90High`."""
    return metric.partition("(")[0].removeprefix("Pod") + "High"


def question_at(
    day: Day, at: datetime, *, lasts: timedelta = LASTS, deviations: float = DEVIATIONS, rarity: Rarity = "day"
) -> Question:
    """What Tocsin would be asked when the incident has lasted so long; no alerts where nothing fired."""
    until = at + lasts
    onsets = [
        replace(onset, usual=_usual(one, at, deviations, rarity))
        for one in day.series
        if (onset := _onset(one, at, until, deviations)) is not None
    ]
    group_id = GroupId(f"{int(at.timestamp()):032x}")
    labels = {"cluster": "boutique"}
    opened_at = min((onset.began_at for onset in onsets), default=at)
    incident = Incident(f"{group_id}-1", group_id, "team", '{}:{cluster="boutique"}', labels, "boutique", opened_at)
    return Question(incident, until, onsets, rules=TriageRules(calls=day.calls))


def _usual(series: Series, at: datetime, deviations: float, rarity: Rarity) -> float:
    if rarity == "unknown":
        return 0.0
    return series.firings(deviations, at if rarity == "before" else None)


def _onset(series: Series, since: datetime, until: datetime, deviations: float) -> Onset | None:
    """The alert of one series, if it fired at any sample of that time; it may have begun to before.

    What has fired for longer than `LASTS` before is another incident's.
    """
    began: datetime | None = None
    ended: datetime | None = None
    firings, highest, paused, was_high = 0, 0.0, timedelta(0), False
    for at, value in series.samples:
        if at >= until:
            break
        is_high = value > deviations
        if at < since and not is_high:
            began, firings, highest = None, 0, 0.0
        elif is_high:
            highest = max(highest, value)
            if not was_high:
                firings += 1
                began = began or at
                paused += at - ended if ended else timedelta(0)
                ended = None
        elif was_high:
            ended = at
        was_high = is_high
    if began is None or began < since - LASTS:
        return None
    severity = next(word for least, word in SEVERITIES if highest >= least)
    labels = {"alertname": alert_name(series.metric), "service": series.service, "severity": severity}
    alert = Alert(fingerprint(labels), labels, {VALUE: f"{highest:.1f}"}, began, ended or until, until)
    return Onset(alert, began, ended, firings, paused)


def _instant(text: str) -> datetime:
    """The files have Go's clock readings, with nanoseconds and `m=+`; the list of faults plain ones; all are UTC."""
    return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def _service(pod: str) -> str:
    return pod.partition("-")[0]
