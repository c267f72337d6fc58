"""Inhibition: a firing source alert mutes the targets that share its values; port `SourceStore`.

Inhibition crosses groups, so it has documents of its own (rule 14 of the design): one for each rule and each set of
equal values, listing the source alerts with these values.  The door writes them before it enqueues the alerts; a flush
reads one document for each rule whose target side matches one of its alerts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import NewType, Protocol

from domain.alerts import TOMBSTONE_RETENTION, Alert, combine, later
from domain.labels import Fingerprint, Labels, Matcher, match_all
from domain.values import value

LAPSED_SOURCE_RETENTION = timedelta(hours=24)
"""A source whose lease ran out is kept so long: after an outage its lease begins anew (rule 8)."""

SourceKey = NewType("SourceKey", str)
"""Thirty-two hexadecimal digits: sixteen for the rule (`InhibitRule.id`), sixteen for the `equal` values."""

# The byte 0xFF cannot occur in UTF-8, so it separates; surrogateescape writes it from the lone U+DCFF.
_SEPARATOR = "\udcff"


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """One entry of `inhibit_rules`: while a source fires, targets with the same `equal` values are muted (IH-1)."""

    sources: tuple[Matcher, ...]
    targets: tuple[Matcher, ...]
    equal: tuple[str, ...]
    """Sorted and without duplicates; empty: any source mutes every target (IH-4)."""
    name: str = ""
    """What 0.34 lets a rule be called; for people."""
    id: str = field(init=False, repr=False, compare=False)
    """Sixteen hexadecimal digits, the same for the same rule in any configuration; its name does not count."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", _digest(*map(str, self.sources), "", *map(str, self.targets), "", *self.equal))

    def is_source(self, labels: Labels) -> bool:
        """Whether an alert with these labels mutes others while it fires."""
        return match_all(self.sources, labels)

    def is_target(self, labels: Labels) -> bool:
        """Whether an alert with these labels can be muted by this rule."""
        return match_all(self.targets, labels)

    def key(self, labels: Labels) -> SourceKey:
        """The document in which sources and targets with these labels meet; absent reads as empty (IH-2)."""
        return SourceKey(self.id + _digest(*[labels.get(name, "") for name in self.equal]))

    def __str__(self) -> str:
        if self.name:
            return self.name
        sides = (", ".join(map(str, matchers)) or "anything" for matchers in (self.sources, self.targets))
        return " mutes ".join(sides) + (f", equal {', '.join(self.equal)}" if self.equal else "")


@lru_cache(maxsize=8192)  # the alerts of one storm share their clusters and namespaces
def _digest(*parts: str) -> str:
    data = _SEPARATOR.join(parts).encode("utf-8", "surrogateescape")
    return blake2b(data, digest_size=8).hexdigest()


@value
class Source:
    """One alert that matches the source side of a rule, as far as inhibition must know it."""

    alert: Alert
    """Without annotations: they mute nobody."""
    is_two_sided: bool
    """Whether it matches the target side of the same rule as well (IH-3)."""

    @property
    def kept_until(self) -> datetime:
        """When it is long over: until then a late report may still overlap it (MG-3)."""
        kept = LAPSED_SOURCE_RETENTION if self.alert.lease > timedelta(0) else TOMBSTONE_RETENTION
        return later(self.alert.ends_at, kept)


type Sources = Mapping[Fingerprint, Source]
"""What one document holds."""


def source_reports(alerts: Iterable[Alert], rules: Sequence[InhibitRule]) -> dict[SourceKey, list[Source]]:
    """What the door tells the documents about these alerts, firing and resolved ones; mostly nothing."""
    reports: dict[SourceKey, list[Source]] = {}
    for alert in alerts:
        for rule in rules:
            if rule.is_source(alert.labels):
                source = Source(_bare(alert), rule.is_target(alert.labels))
                reports.setdefault(rule.key(alert.labels), []).append(source)
    return reports


def _bare(alert: Alert) -> Alert:
    return Alert(
        fingerprint=alert.fingerprint,
        labels=alert.labels,
        annotations={},
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        received_at=alert.received_at,
        is_timeout=alert.is_timeout,
    )


def with_reports(sources: Sources, reports: Iterable[Source], now: datetime) -> Sources:
    """The document after these reports; merged exactly as groups merge, so that the two cannot disagree.

    What ended long ago is left out.
    """
    merged = dict(sources)
    for report in reports:
        known = merged.get(report.alert.fingerprint)
        if known is not None:
            report = Source(combine(known.alert, report.alert), report.is_two_sided)
        merged[report.alert.fingerprint] = report
    return {name: source for name, source in merged.items() if source.kept_until >= now}


class SourceStore(Protocol):
    """Where the documents of inhibition are kept; each is read and written alone."""

    async def report_sources(self, reports: Mapping[SourceKey, Sequence[Source]], now: datetime) -> None:
        """Merge these into their documents (`with_reports`); safe to repeat, in any order.

        Raises:
            UnavailableError: The store did not answer; what is not written will be when the call is repeated.
        """
        ...

    async def forget_rules(self, rules: Collection[InhibitRule]) -> None:
        """Empty all documents of these rules: while a rule is not in force nobody tells them what ends."""
        ...

    async def forget_sources(self, now: datetime) -> None:
        """Leave out of all documents what is long over (`kept_until`)."""
        ...

    async def get_sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Sources]:
        """These documents as they are now; one that was never written is empty."""
        ...
