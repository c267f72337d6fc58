"""Closing: which resolves closed nothing, and which alert they may have been meant for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from domain.arrivals import Arrival, ArrivedAlert
from domain.labels import Fingerprint
from domain.sources.marks import is_made_up, is_mark
from domain.sources.suspicions import EXAMPLES, VALUES_TOLD, Example, Finding, number

NEIGHBOURS = 300
"""A resolve that closed nothing is compared with so many alerts that fire."""
FARTHEST = 3
"""Alerts that differ in more labels than this are not taken for one."""


type _Miss = tuple[Arrival, ArrivedAlert, Mapping[str, str]]
"""A resolve, and the labels of the nearest alert that fires; none where nothing is near."""


class Closing:
    """Follows what fires, by its senders' words alone."""

    def __init__(self) -> None:
        self._known: set[tuple[str, Fingerprint]] = set()
        self._open: dict[tuple[str, str], dict[Fingerprint, Mapping[str, str]]] = {}
        self._missed: dict[tuple[str, str, tuple[str, ...]], list[_Miss]] = {}
        self._counts: dict[tuple[str, str, tuple[str, ...]], int] = {}

    def take(self, arrival: Arrival) -> None:
        """Follow what one payload says."""
        for alert in arrival.alerts:
            place = (arrival.source, alert.labels.get("alertname", ""))
            fires = self._open.setdefault(place, {})
            name = (arrival.source, alert.fingerprint)
            if alert.is_firing:
                fires[alert.fingerprint] = alert.labels
            elif fires.pop(alert.fingerprint, None) is None and name not in self._known:
                self._miss(place, arrival, alert, fires)
            self._known.add(name)

    def _miss(
        self,
        place: tuple[str, str],
        arrival: Arrival,
        alert: ArrivedAlert,
        fires: Mapping[Fingerprint, Mapping[str, str]],
    ) -> None:
        near, labels = _nearest(alert.labels, list(fires.values())[-NEIGHBOURS:])
        key = (*place, near)
        self._counts[key] = self._counts.get(key, 0) + 1
        kept = self._missed.setdefault(key, [])
        if len(kept) < VALUES_TOLD:
            kept.append((arrival, alert, labels))

    def findings(self) -> Iterable[Finding]:
        """What was missed, by what the nearest that fires differs in."""
        for (source, _, names), kept in self._missed.items():
            count = self._counts[source, kept[0][1].labels.get("alertname", ""), names]
            yield _unclosed(source, names, kept, count) if names else _unknown(source, kept, count)


def _nearest(
    labels: Mapping[str, str], fires: Sequence[Mapping[str, str]]
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Which labels differ in what the resolve may have meant, and its labels; nothing where none is likely."""
    found = [(names, other) for other in fires if len(names := _differing(labels, other)) <= FARTHEST]
    least = min((len(names) for names, _ in found), default=0)
    nearest = [(names, other) for names, other in found if len(names) == least]
    # Where several are as near, or a machine is another one, the label tells things apart, as it should.
    if len(nearest) != 1 or any(is_mark(name) and _has_both(name, labels, nearest[0][1]) for name in nearest[0][0]):
        return (), {}
    return nearest[0]


def _has_both(name: str, one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return name in one and name in other


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({name for name, _ in one.items() ^ other.items()}))


_STATES = frozenset(
    {"severity", "level", "priority", "status", "state", "condition", "color", "urgency", "value", "count", "summary"}
    | {"message", "reason", "title", "text", "description", "transition"}
)


def _is_state(name: str, one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether such a label says how a thing is and not which one, or is one that only firing or resolved has."""
    if not _has_both(name, one, other) or is_made_up(one[name]):
        return True
    return not _STATES.isdisjoint(re.split(r"[^a-z]+", name.lower()))


def _unclosed(source: str, names: tuple[str, ...], kept: Sequence[_Miss], count: int) -> Finding:
    told = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    _, first, fires = kept[0]
    return Finding(
        kind="unclosed",
        strength="likely" if all(_is_state(name, first.labels, fires) for name in names) else "possible",
        source=source,
        words=f"{number(count, 'resolve')} closed nothing: what fires has another {told}",
        advice=f"a label must be the same in firing and resolved: make {told} an annotation, or the sender repeat it",
        labels={name: text for name, text in first.labels.items() if fires.get(name) == text},
        differs={name: [f"{fires.get(name, '(none)')} → {first.labels.get(name, '(none)')}"] for name in names},
        count=count,
        examples=[
            Example(
                arrival.id,
                arrival.received_at,
                "; ".join(
                    [f"{name}: {fires.get(name, '(none)')} → {alert.labels.get(name, '(none)')}" for name in names]
                ),
            )
            for arrival, alert, fires in kept[:EXAMPLES]
        ],
    )


def _unknown(source: str, kept: Sequence[_Miss], count: int) -> Finding:
    _, first, _ = kept[0]
    return Finding(
        kind="unclosed",
        strength="possible",
        source=source,
        words=f"{number(count, 'resolve')} closed nothing, and nothing like it was fired",
        advice="right where it fired before these payloads begin, or where a sender says of everything that it is well",
        labels=first.labels,
        differs={},
        count=count,
        examples=[Example(arrival.id, arrival.received_at, "") for arrival, _, _ in kept[:EXAMPLES]],
    )
