"""Collisions: alerts that may be two things which became one, or one thing which became several.

A *merge* is found where one alert was fired by payloads that differ in what tells machines and resources apart, or by
different senders: then one resolve closes what another one still fires.  A *split* is found where alerts differ in
nothing but a label that is another one each time, or where a resolve closed nothing: then nothing is ever closed, and
everything pages anew.  Both are guesses, told with what they are made of; a person decides.

Deterministic: the same arrivals give the same report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from domain.arrivals import Arrival
from domain.labels import Fingerprint
from domain.sources.closing import Closing
from domain.sources.marks import is_made_up, marks_of, pieces_of
from domain.sources.redaction import MASK
from domain.sources.suspicions import EXAMPLES, Example, Finding, Strength, some, times

MOST_IDENTITIES = 5_000
"""So many alerts are compared; those that are first heard of behind them are counted only."""
REPORTS_KEPT = 200
"""Of each of them."""
FINDINGS_TOLD = 100
LEAST_SPLIT = 3
LEAST_COUNTED = 5


@dataclass(frozen=True, slots=True)
class Report:
    """All suspicions, the most likely first."""

    findings: Sequence[Finding]
    arrivals: int
    identities: int
    since: datetime | None
    until: datetime | None
    is_cut: bool
    """Whether there were more alerts, or more findings, than are looked at or told."""


@dataclass(slots=True)
class _Said:
    """What one payload said of an alert."""

    arrival_id: str
    at: datetime
    source: str
    is_firing: bool
    marks: Mapping[str, str]


@dataclass(slots=True)
class _Identity:
    labels: Mapping[str, str]
    said: list[_Said] = field(default_factory=list)
    twins: int = 0
    """How often it stood in one payload more than once, each time saying something else."""


def find_collisions(arrivals: Iterable[Arrival]) -> Report:
    """What is suspicious about these; in the order of their ids, whatever order they come in."""
    in_order = sorted(arrivals, key=lambda arrival: arrival.id)
    identities: dict[Fingerprint, _Identity] = {}
    unseen: set[Fingerprint] = set()
    closing = Closing()
    for arrival in in_order:
        _gather(identities, unseen, arrival)
        closing.take(arrival)
    findings = [*_merges(identities), *_splits(identities), *closing.findings()]
    findings.sort(
        key=lambda one: (one.strength == "possible", -one.count, one.kind, one.words, sorted(one.labels.items()))
    )
    return Report(
        findings=findings[:FINDINGS_TOLD],
        arrivals=len(in_order),
        identities=len(identities) + len(unseen),
        since=in_order[0].received_at if in_order else None,
        until=in_order[-1].received_at if in_order else None,
        is_cut=bool(unseen) or len(findings) > FINDINGS_TOLD,
    )


def _gather(identities: dict[Fingerprint, _Identity], unseen: set[Fingerprint], arrival: Arrival) -> None:
    pieces = pieces_of(arrival.body, arrival.alert_count) if arrival.encoding == "text" and arrival.alerts else None
    here: dict[Fingerprint, object] = {}
    for number, alert in enumerate(arrival.alerts):
        name = alert.fingerprint
        known = identities.get(name)
        if known is None:
            if len(identities) >= MOST_IDENTITIES:
                unseen.add(name)
                continue
            known = identities[name] = _Identity(alert.labels)
        piece = pieces[number] if pieces is not None else None
        if piece is not None and here.get(name, piece) != piece:
            known.twins += 1
        here[name] = piece
        if len(known.said) < REPORTS_KEPT:
            marks = marks_of(piece) if piece is not None else {}
            known.said.append(_Said(arrival.id, arrival.received_at, arrival.source, alert.is_firing, marks))


# --- merges ---------------------------------------------------------------------------------------------------------


def _merges(identities: Mapping[Fingerprint, _Identity]) -> Iterable[Finding]:
    for identity in identities.values():
        fired = [said for said in identity.said if said.is_firing]
        sources = sorted({said.source for said in fired})
        if len(sources) > 1:
            yield _from_several(identity, sources, fired)
        paths = sorted({path for said in fired for path in said.marks})
        differing = [found for path in paths if (found := _difference(path, identity.said)) is not None]
        if differing:
            yield _of_several(identity, sources, differing, fired)
        elif identity.twins:
            yield Finding(
                kind="merge",
                strength="likely",
                source=", ".join(sources),
                words=f"{times(identity.twins)} a payload held this alert more than once, in different words",
                advice="find what its sender tells them apart by, and make that a label",
                labels=identity.labels,
                differs={},
                count=identity.twins,
                examples=_examples(fired, lambda said: ""),
            )


@dataclass(frozen=True, slots=True)
class _Difference:
    path: str
    values: Sequence[str]
    """In the order of their first appearance."""
    returns: int
    """How often a value came back after another, or came with it: then both are there at the same time."""
    wrong_ends: int
    """How often a resolve about one value ended what another had fired."""

    @property
    def is_likely(self) -> bool:
        return self.returns > 0 or self.wrong_ends > 0


def _difference(path: str, said: Sequence[_Said]) -> _Difference | None:
    values: list[str] = []
    last = last_id = ""
    returns = wrong_ends = 0
    is_open = False
    for one in said:
        value = one.marks.get(path)
        if value is None:
            continue
        if not one.is_firing:
            wrong_ends += is_open and value != last
            is_open = False
            continue
        if value != last and (value in values or one.arrival_id == last_id):
            returns += 1
        if value not in values:
            values.append(value)
        last, last_id, is_open = value, one.arrival_id, True
    if len(values) < 2 or all(is_made_up(value) for value in values):
        return None
    return _Difference(path, values, returns, wrong_ends)


def _from_several(identity: _Identity, sources: Sequence[str], fired: Sequence[_Said]) -> Finding:
    return Finding(
        kind="merge",
        strength="possible",
        source=", ".join(sources),
        words=f"{len(sources)} senders fire it as one alert: the resolve of one ends it for all",
        advice="right if they watch the same thing; else give each source a label of its own in the tocsin.yml",
        labels=identity.labels,
        differs={"sender": some(sources)},
        count=len(sources),
        examples=_examples(fired, lambda said: said.source, by=lambda said: said.source),
    )


def _of_several(
    identity: _Identity, sources: Sequence[str], differing: Sequence[_Difference], fired: Sequence[_Said]
) -> Finding:
    worst = max(differing, key=lambda one: (one.wrong_ends, one.returns, len(one.values), one.path))
    words = f"{len(worst.values)} values of {worst.path} fired as one alert"
    if worst.wrong_ends:
        words += f"; {times(worst.wrong_ends)} a resolve about one of them ended what another had fired"
    elif worst.returns:
        words += f"; they took turns {times(worst.returns)}, so they are there at the same time"
    else:
        words += ", one after the other"
    name = worst.path.rpartition(".")[2]
    return Finding(
        kind="merge",
        strength="likely" if worst.is_likely else "possible",
        source=", ".join(sources),
        words=words,
        advice=f"make {name} a label, at the sender or in the mapping, if each of them is to be an alert of its own",
        labels=identity.labels,
        differs={one.path: some(one.values) for one in [worst, *(one for one in differing if one is not worst)][:5]},
        count=len(worst.values),
        examples=_examples(
            [said for said in fired if worst.path in said.marks],
            lambda said: f"{name} = {said.marks[worst.path]}",
            by=lambda said: said.marks[worst.path],
        ),
    )


# --- splits ---------------------------------------------------------------------------------------------------------

_COUNTER = re.compile(r"([^0-9]{0,100}?)([0-9]{1,18})([^0-9]{0,100})")


def _is_counted(values: Sequence[str]) -> bool:
    """Whether these, in the order in which they came, look like a number that only grows."""
    matches = [_COUNTER.fullmatch(value) for value in values]
    if len(values) < LEAST_COUNTED or None in matches:
        return False
    found = [match.groups() for match in matches if match is not None]
    numbers = [int(number) for _, number, _ in found]
    is_growing = all(one < other for one, other in pairwise(numbers))
    # Machines are numbered too, but seldom beyond a thousand.
    return is_growing and numbers[0] >= 1000 and len({(before, after) for before, _, after in found}) == 1


def _splits(identities: Mapping[Fingerprint, _Identity]) -> Iterable[Finding]:
    alike: dict[tuple[str, str, frozenset[tuple[str, str]]], list[_Identity]] = {}
    for identity in identities.values():
        fired = [said for said in identity.said if said.is_firing]
        if not fired:
            continue
        items = frozenset(identity.labels.items())
        for name, value in identity.labels.items():
            if name != "alertname" and value != MASK:
                alike.setdefault((fired[0].source, name, items - {(name, value)}), []).append(identity)
    for (source, name, rest), members in alike.items():
        if len(members) < LEAST_SPLIT or not _follow_each_other(members):
            continue
        values = [member.labels[name] for member in members]
        if all(map(is_made_up, values)):
            strength: Strength = "likely"
        elif _is_counted(values):
            strength = "possible"
        else:
            continue
        yield _split(source, name, dict(sorted(rest)), members, strength)


def _split(
    source: str, name: str, labels: Mapping[str, str], members: Sequence[_Identity], strength: Strength
) -> Finding:
    values = [member.labels[name] for member in members]
    first = [(next(said for said in member.said if said.is_firing), member.labels[name]) for member in members]
    return Finding(
        kind="split",
        strength=strength,
        source=source,
        words=f"{len(values)} alerts differ in nothing but {name}, which is another one each time",
        advice=f"make {name} an annotation: as a label it keeps every resolve, re-send and silence from its alert",
        labels=labels,
        differs={name: some(values)},
        count=len(values),
        examples=[Example(said.arrival_id, said.at, f"{name} = {value}") for said, value in first[:EXAMPLES]],
    )


def _follow_each_other(members: Sequence[_Identity]) -> bool:
    """Whether none was fired again once the next one was: a value that comes back is a name of something."""
    spans = [[said.arrival_id for said in member.said if said.is_firing] for member in members]
    return all(one[-1] <= other[0] for one, other in pairwise(spans))


def _examples(
    said: Iterable[_Said], words: Callable[[_Said], str], *, by: Callable[[_Said], str] = lambda said: said.arrival_id
) -> Sequence[Example]:
    """The first of each kind, a few of them."""
    found: dict[str, _Said] = {}
    for one in said:
        if by(one) not in found and len(found) < EXAMPLES:
            found[by(one)] = one
    return [Example(one.arrival_id, one.at, words(one)) for one in found.values()]
