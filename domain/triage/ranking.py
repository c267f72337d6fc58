"""Ranking: which service an incident most likely comes from, by what fires, since when, and who calls whom.

Each service that fires, or that one which fires calls, is a candidate.  Its score is how much of what fires it would
explain.  By its name an alert is about one of the golden signals (`Aspect`), so speaks of its service, or of others:

- A *resource* (processor, memory, disk, restarts) is the service's own affair, *traffic* mostly that of who sends it.
- A *symptom* (latency, errors, whatever else) may be the service's own, or come from what it calls, directly or further
  down, less with each call in between.
- An *outward* alert (client, upstream, dependency) says that what the service calls is slow or wrong: it speaks less of
  the service itself, and so does its symptom beside it.

A candidate explains the alert of a caller the better, the stronger its own alerts speak of itself, unless they came
after the caller's.  Where they are silent, as they mostly are about a network, it explains half as much, and less for
each of its direct callers that is well.

Beside that, some things point at a service (`hints`):

- A label that names it as a peer (upstream, destination, client): it explains that alert wholly.
- A *place* (node, host, rack) that alerts of several services share is a candidate as well; it explains all of theirs,
  half as much where it is silent.
- A caller explains a little of the traffic, and of what the traffic uses up, of those it calls.
- A change of it makes it explain more, the more the later it came; so does that people noted it when it was so before.

Of one service's alerts of one aspect the strongest counts, for three percentiles of one latency say no more than one.
An alert is the stronger the higher its severity, the longer it has fired, and the rarer it is.  One that still fires
counts for something at once: its rule may have waited longer than those of others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from domain.lifecycle import SEVERITY_LABEL, severity_rank
from domain.triage.findings import Confidence
from domain.triage.hints import changed, named_by, noted
from domain.triage.questions import Onset, Question, callers, distances
from domain.triage.rules import Calls
from domain.values import value

ABOUT_AS_EARLY = timedelta(seconds=90)
"""A scrape and an evaluation: of two alerts that began within this time neither was first."""

LASTING = timedelta(minutes=5)
"""What has fired for so long is no blip; what has fired for less counts for that part of it."""

LEAST_LASTING = 0.1
"""So much an alert counts at least that is over."""

LEAST_FIRING = 0.4
"""So much one counts at least that still fires."""

FURTHER = 0.8
"""For each call between a candidate and a symptom that it would explain."""
TOO_LATE = 0.5
SILENT = 0.5
OWN_OUTWARD = 0.3
"""How much an outward alert speaks of the service that has it."""


MOST_SIGNS = 100
"""So many are weighed, the strongest: each is asked of every service that it reaches, and there may be thousands."""

OWN_TRAFFIC = 0.3
"""How much more traffic speaks of the service that has it: it is mostly those that send it."""
SENT = 0.3
"""How much a caller that speaks as strongly of itself explains of its callee's traffic, and of what that uses up."""

CHANGED = 0.5
"""How much more a service explains that has just been changed."""
NOTED = 0.5
"""How much of everything a service explains that people noted when it was exactly so before."""
LEAST_SURPRISE = 0.05


class Aspect(StrEnum):
    """Which of the golden signals an alert is about, and of whom it speaks."""

    RESOURCE = "resource"
    SYMPTOM = "symptom"
    OUTWARD = "outward"
    TRAFFIC = "traffic"


@value
class Sign:
    """The strongest alert of one aspect that a service has."""

    service: str
    aspect: Aspect
    weight: float
    began_at: datetime
    """The earliest of them."""
    peers: frozenset[str] = frozenset()
    """Other services that any of them names."""
    places: frozenset[str] = frozenset()
    """Where any of them comes from."""


@value
class Candidate:
    """A service that the incident may come from."""

    service: str
    score: float
    """How much of the incident it would explain; comparable within one ranking only."""
    share: float
    """Its part of all that fires, 0 to 1; what a change or a note adds counts here too."""
    is_silent: bool
    """Whether it has no alert itself."""
    began_at: datetime | None
    """When its first alert began."""
    explains: tuple[str, ...]
    """The other services whose alerts it would explain, by name."""
    named_by: tuple[str, ...] = ()
    """Those of them whose alerts have a label that names it."""


_INHERITED = frozenset({Aspect.SYMPTOM, Aspect.OUTWARD})
_WARNING = severity_rank("warning")  # what says nothing of its severity counts as one

_RESOURCE = re.compile(
    r"cpu|memory|\bmem\b|oom|disk|filesystem|inode|volume|swap|throttl|saturat|syscall|file ?descriptor|fd\b|"
    r"threads?\b|heap|\bgc\b|restart|crash|pod (not )?ready|down\b|unreachable|evict|fsync|iops|burst|clock|storage",
    re.IGNORECASE,
)
_OUTWARD = re.compile(r"client|upstream|downstream|dependenc|outbound|egress|backend|\bcallee", re.IGNORECASE)
_TRAFFIC = re.compile(
    r"traffic|network|bytes|workload|throughput|\b[qr]ps\b|\bops\b|request(s|rate| rate)", re.IGNORECASE
)
_WRONG = re.compile(r"latency|slow|duration|error|fail|5xx|success|drop", re.IGNORECASE)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./:]+")


def aspect_of(name: str) -> Aspect:
    """What an alert of that name says; by the words that people use in names, so it may be wrong."""
    words = _WORDS.sub(" ", name)
    if _OUTWARD.search(words):
        return Aspect.OUTWARD
    if _RESOURCE.search(words):
        return Aspect.RESOURCE
    return Aspect.TRAFFIC if _TRAFFIC.search(words) and not _WRONG.search(words) else Aspect.SYMPTOM


def rank(question: Question) -> list[Candidate]:
    """The candidates, the likeliest first; equals by onset, then by name."""
    signs = _signs(question)
    if not signs:
        return []
    scene = _Scene(signs, question)
    names = set(scene.own).union(*(scene.down[service] for service in scene.inherited))
    names.update(scene.places, scene.noted, *(sign.peers for sign in signs))
    names.update(*(scene.above.get(service, ()) for service in scene.traffic))
    last = max(scene.began_at.values())
    found = [_candidate(name, scene) for name in names]
    return sorted(found, key=lambda one: (-round(one.score, 9), one.is_silent, one.began_at or last, one.service))


@dataclass(frozen=True)
class _Scene:
    """What every candidate is judged before."""

    signs: Sequence[Sign]
    question: Question

    @cached_property
    def calls(self) -> Calls:
        return self.question.calls

    @cached_property
    def places(self) -> frozenset[str]:
        return self.question.places

    @cached_property
    def changed(self) -> Mapping[str, float]:
        return changed(self.question, ABOUT_AS_EARLY)

    @cached_property
    def noted(self) -> Mapping[str, float]:
        return noted(self.question, self.question.services)

    @cached_property
    def traffic(self) -> Mapping[str, float]:
        """The weight of each service's alert that it has more traffic, or less."""
        return {sign.service: sign.weight for sign in self.signs if sign.aspect is Aspect.TRAFFIC}

    @cached_property
    def total(self) -> float:
        return sum(sign.weight for sign in self.signs)

    @cached_property
    def outward(self) -> Mapping[str, float]:
        """The weight of each service's outward alert."""
        return {sign.service: sign.weight for sign in self.signs if sign.aspect is Aspect.OUTWARD}

    @cached_property
    def inherited(self) -> Mapping[str, float]:
        """The weight of each service's strongest alert that may come from what it calls."""
        return _highest((sign.service, sign.weight) for sign in self.signs if sign.aspect in _INHERITED)

    @cached_property
    def own(self) -> Mapping[str, float]:
        """How strongly each service speaks of itself."""
        return _highest((sign.service, self.own_part(sign) * sign.weight) for sign in self.signs)

    @cached_property
    def began_at(self) -> Mapping[str, datetime]:
        """When each service's first alert began."""
        ordered = sorted(self.signs, key=lambda sign: sign.began_at, reverse=True)
        return {sign.service: sign.began_at for sign in ordered}

    @cached_property
    def down(self) -> Mapping[str, Mapping[str, int]]:
        """From each service that fires, how many calls away everything is that it reaches."""
        peers = {peer for sign in self.signs for peer in sign.peers}
        return {service: distances(self.calls, service) for service in peers | self.began_at.keys()}

    @cached_property
    def above(self) -> Calls:
        """Who calls whom, the other way round."""
        return callers(self.calls)

    def own_part(self, sign: Sign) -> float:
        """How much of an alert its own service explains: of a symptom less, where what it calls is slow as well."""
        match sign.aspect:
            case Aspect.RESOURCE:
                return 1.0
            case Aspect.SYMPTOM:
                return 1 - (1 - OWN_OUTWARD) * min(1.0, self.outward.get(sign.service, 0.0) / sign.weight)
            case Aspect.OUTWARD:
                return OWN_OUTWARD
            case Aspect.TRAFFIC:
                return OWN_TRAFFIC


def _highest(weights: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for service, weight in weights:
        found[service] = max(weight, found.get(service, 0.0))
    return found


def _signs(question: Question) -> list[Sign]:
    services = question.services
    strongest: dict[tuple[str, Aspect], Sign] = {}
    for onset in question.onsets:
        service = question.service_of(onset.alert)
        peers = named_by(onset.alert, services) - {service}
        aspect = aspect_of(onset.alert.labels.get("alertname", ""))
        if aspect is Aspect.OUTWARD and not peers and not question.calls.get(service):
            aspect = Aspect.SYMPTOM  # it calls nobody that is known
        places = question.places_of(onset.alert) - {service}
        sign = Sign(service, aspect, weight_of(onset, question.now), onset.began_at, peers, places)
        if (known := strongest.get((service, aspect))) is not None:
            sign = Sign(
                service,
                aspect,
                max(sign.weight, known.weight),
                min(sign.began_at, known.began_at),
                sign.peers | known.peers,
                sign.places | known.places,
            )
        strongest[service, aspect] = sign
    # In an order of its own: sums of floats must not depend on that of the alerts.
    found = sorted(strongest.values(), key=lambda sign: (-sign.weight, sign.began_at, sign.service, sign.aspect))
    return found[:MOST_SIGNS]


def weight_of(onset: Onset, now: datetime) -> float:
    """How much an alert counts: 1 for a warning that has lasted and is rare, 1.5 for one that is critical."""
    rank = severity_rank(onset.alert.labels.get(SEVERITY_LABEL, ""))
    severity = math.sqrt((1 + (rank if rank >= 0 else _WARNING)) / (1 + _WARNING))
    least = LEAST_FIRING if onset.ended_at is None else LEAST_LASTING
    lasting = min(1.0, max(least, onset.lasted(now) / LASTING))
    return severity * lasting * surprise(onset.usual)


def confidence_in(candidates: Sequence[Candidate]) -> Confidence:
    """How sure the ranking is of its first; not at all by a few alerts that have only just begun.

    On a day of injected faults (bench/README.md) high was right 11 times of 11, and never said where nothing was wrong;
    of incidents written to be hard 4 times of 7.
    """
    if not candidates:
        return Confidence.LOW
    first, second = candidates[0].score, candidates[1].score if len(candidates) > 1 else 0.0
    for confidence, least, ahead in ((Confidence.HIGH, 1.0, 2.0), (Confidence.MEDIUM, 0.5, 1.25)):
        if first >= least and first >= ahead * second:
            # Where one alone alerts it is named because nobody else is: what made it so may be unseen.
            return confidence if len(candidates) > 1 else Confidence.MEDIUM
    return Confidence.LOW


def surprise(usual: float) -> float:
    """How much it says that an alert fires at all: 1 for one that never does, towards 0 for one that always does.

    The information in its firing within `LASTING`, as a part of that in what happens once a day.
    """
    spans = timedelta(days=1) / LASTING
    return max(LEAST_SURPRISE, 1 - math.log(1 + usual) / math.log(spans))


def _candidate(name: str, scene: _Scene) -> Candidate:
    own = scene.own.get(name, 0.0)
    began_at = scene.began_at.get(name)
    direct = scene.above.get(name, frozenset())
    score, explains, naming = 0.0, set[str](), set[str]()
    for sign in scene.signs:
        if sign.service == name:
            score += scene.own_part(sign) * sign.weight
            continue
        backing = min(1.0, own / sign.weight) ** 2
        if began_at is not None and sign.began_at + ABOUT_AS_EARLY < began_at:
            backing *= TOO_LATE
        if name in sign.peers:
            part = 1.0
            naming.add(sign.service)
        elif name in sign.places and name in scene.places:
            part = FURTHER * (backing + (1 - backing) * SILENT)
        elif downward := _downward(sign, name, scene):
            explains.add(sign.service)  # also where its callers' being well speaks against it
            unwell = sum(min(1.0, scene.inherited.get(one, 0.0) / sign.weight) for one in sorted(direct)) / len(direct)
            part = downward * (backing + (1 - backing) * SILENT * unwell)
        else:
            part = backing * _upward(sign, name, scene)
        if part:
            explains.add(sign.service)
            score += part * sign.weight
    score = score * (1 + CHANGED * scene.changed.get(name, 0.0)) + NOTED * scene.noted.get(name, 0.0) * scene.total
    share = min(1.0, score / scene.total)
    return Candidate(name, score, share, began_at is None, began_at, tuple(sorted(explains)), tuple(sorted(naming)))


def _downward(sign: Sign, name: str, scene: _Scene) -> float:
    """How much of the alert a service explains that is called from there, however far down."""
    match sign.aspect:
        case Aspect.RESOURCE | Aspect.TRAFFIC:
            return 0.0
        case Aspect.OUTWARD if sign.peers:
            steps = [scene.down[peer][name] for peer in sorted(sign.peers) if name in scene.down[peer]]
            return float(FURTHER ** min(steps)) if steps else 0.0
        case Aspect.SYMPTOM | Aspect.OUTWARD:
            distance = scene.down[sign.service].get(name)
            nearer = 1 if sign.aspect is Aspect.OUTWARD else 0
            return 0.0 if distance is None else float(FURTHER ** (distance - nearer))


def _upward(sign: Sign, name: str, scene: _Scene) -> float:
    """How much of a service's traffic, and of what that uses up, one explains that calls it."""
    if name not in scene.above.get(sign.service, ()) or sign.aspect not in (Aspect.TRAFFIC, Aspect.RESOURCE):
        return 0.0
    return SENT * min(1.0, scene.traffic.get(sign.service, 0.0) / sign.weight)
