"""Enriching: what becomes of an alert's labels and annotations once its format has read it, and a line for each step.

The order: severity, extractions, lookups, and then what the source sets on all its alerts.  Labels identify: what sets
a label reads labels alone, so that a resolve comes out with the labels of its firing.  Annotations may be made of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import re2

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.labels import Labels, fingerprint
from domain.quoting import quote
from domain.sources.reading import SEVERITIES, Reading

if TYPE_CHECKING:  # it knows what is done to a source's alerts, and so comes after this module
    from domain.sources.definitions import Source

type Into = Literal["labels", "annotations"]

ORIGINAL_SEVERITY = "original_severity"
"""The annotation with the sender's own word, where it was changed."""

OWN_WORDS = frozenset({"alertmanager", "grafana"})
"""Kinds whose labels were chosen by whoever wrote the rules: nothing is translated there unless the source says so."""

WORDS: Mapping[str, str] = {
    word: ours
    for ours, words in {
        "critical": "crit fatal emergency emerg alert panic disaster severe blocker p1 sev1 s1",
        "high": "error err major p2 sev2 s2",
        "warning": "warn medium moderate average p3 sev3 s3",
        "info": "information informational notice p4 sev4 s4",
        "low": "minor debug trace verbose lowest p5 sev5 s5",
    }.items()
    for word in words.split()
}
"""What is made of the words that senders use most, in lower case; those of `SEVERITIES` stay."""

ANY = "*"
"""In a column that is matched: whatever the label says, also nothing."""

MOST_EXTRACTIONS = 100
MOST_LOOKUPS = 50
MOST_ROWS = 50_000
MOST_OPEN_ROWS = 1_000
"""Rows with `*` are tried one after the other."""

STEPS_KEPT = 20
LONGEST_STEP = 300
_LONGEST_VALUE = 60
_SEVERITY_ANNOTATIONS = ("severity", "severity_now")


@dataclass(frozen=True, slots=True)
class Extraction:
    """A regular expression (RE2) whose named groups become labels, or annotations.

    Raises:
        RejectedError: It is no such expression, has no named group, or would make labels of an annotation.
    """

    origin: Into
    """Where the text stands that is read."""
    name: str
    """The name of that label or annotation."""
    pattern: str
    into: Into
    override: bool = False
    """Whether it replaces what is there."""
    place: str = "extract"
    """What the trail calls it."""
    _groups: Callable[[str], Mapping[str, str | None] | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.origin == "annotations" and self.into == "labels":
            raise RejectedError(
                "labels can be made of labels only: an annotation may be another in the resolve, which then closes "
                "nothing; use `into: annotations`"
            )
        object.__setattr__(self, "_groups", _compile(self.pattern))

    def groups(self, text: str) -> dict[str, str] | None:
        """What the named groups hold, the empty ones left out; None where the text does not match."""
        found = self._groups(text)
        return None if found is None else {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: what must be so, and what is set then."""

    match: tuple[str, ...]
    """One value for each label that is matched: empty for a label that is not there, `ANY` for every value."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    """What the trail calls it: `line 3`."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table: the first row that matches sets labels and annotations."""

    name: str
    """What the trail calls it: its file, or its place in the configuration."""
    match: tuple[str, ...]
    """The labels that are looked up, never none."""
    rows: tuple[Row, ...]
    default: Row | None = None
    """What counts where no row matches."""
    override: bool = False
    """Whether it replaces what is there."""
    _exact: Mapping[tuple[str, ...], int] = field(init=False, repr=False, compare=False)
    _open: Sequence[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exact: dict[tuple[str, ...], int] = {}
        open_rows: list[int] = []
        for number, row in enumerate(self.rows):
            if ANY in row.match:
                open_rows.append(number)
            else:
                exact.setdefault(row.match, number)
        object.__setattr__(self, "_exact", exact)
        object.__setattr__(self, "_open", tuple(open_rows))

    def find(self, labels: Labels) -> Row | None:
        """The first row that matches; the default where none does."""
        values = tuple([labels.get(name, "") for name in self.match])
        number = self._exact.get(values, len(self.rows))
        for candidate in self._open:
            if candidate > number:
                break
            row = self.rows[candidate]
            if all(cell in (ANY, value) for cell, value in zip(row.match, values, strict=True)):
                return row
        return self.rows[number] if number < len(self.rows) else self.default


def enrich_reading(reading: Reading, source: Source) -> Reading:
    """The reading with all its alerts enriched, and with their origin."""
    return replace(reading, alerts=[enrich_alert(alert, source) for alert in reading.alerts])


def enrich_alert(alert: Alert, source: Source) -> Alert:
    """The alert as the source wants it; its origin tells what was done, and its fingerprint is that of its labels."""
    if alert.origin and not _has_work(alert, source):
        return alert
    labels, annotations, steps = enrich(alert.labels, alert.annotations, source)
    if len(steps) > STEPS_KEPT:
        steps = (*steps[:STEPS_KEPT], f"and {len(steps) - STEPS_KEPT} steps more")
    identity = alert.fingerprint if labels == alert.labels else fingerprint(labels)
    return replace(alert, fingerprint=identity, labels=labels, annotations=annotations, origin=(source.name, *steps))


def _has_work(alert: Alert, source: Source) -> bool:
    """Whether enrichment has anything to say of it: of most alerts of most sources it has not."""
    if source.labels or source.annotations or source.severities or source.extractions or source.lookups:
        return True
    return source.kind not in OWN_WORDS and not (
        alert.labels.get("severity", "") in _SETTLED
        and alert.annotations.get("severity", "") in _SETTLED
        and alert.annotations.get("severity_now", "") in _SETTLED
    )


_SETTLED = frozenset({"", *SEVERITIES})


def enrich(
    labels: Labels, annotations: Mapping[str, str], source: Source
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """The labels and annotations that the source makes of these, and a line for each step; the same ones give the same.

    The labels that come out depend on those that went in, and on nothing else.
    """
    result = _Result(dict(labels), dict(annotations))
    _normalise(result, source)
    for extraction in source.extractions:
        _extract(result, extraction)
    for lookup in source.lookups:
        _look_up(result, lookup)
    if source.labels:
        result.put("labels", source.labels, "by the source's labels", override=source.override)
    if source.annotations:
        result.put("annotations", source.annotations, "by the source's annotations", override=source.override)
    return result.labels, result.annotations, tuple(result.steps)


@dataclass(slots=True)
class _Result:
    labels: dict[str, str]
    annotations: dict[str, str]
    steps: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        self.steps.append(words if len(words) <= LONGEST_STEP else f"{words[: LONGEST_STEP - 1]}…")

    def put(self, into: Into, found: Mapping[str, str], why: str, *, override: bool) -> None:
        """Set what is not there yet, or all of it, and say so."""
        target = self.labels if into == "labels" else self.annotations
        new = {name: text for name, text in found.items() if text and (override or not target.get(name))}
        target.update(new)
        if new:
            self.say(f"{_pairs(new.items())} {why}")
        kept = {name: target[name] for name, text in found.items() if text and target[name] != text}
        if kept:
            self.say(f"{_pairs(kept.items())} stayed as it was: not set {why}")


# --- the steps ------------------------------------------------------------------------------------------------------


def _normalise(result: _Result, source: Source) -> None:
    has_own = bool(source.severities)
    if not has_own and source.kind in OWN_WORDS:
        return
    labels, annotations = result.labels, result.annotations
    if word := labels.get("severity"):
        _translate(result, labels, "severity", word, source)
    for name in _SEVERITY_ANNOTATIONS:
        if word := annotations.get(name):
            _translate(result, annotations, name, word, source)


def _translate(result: _Result, target: dict[str, str], name: str, word: str, source: Source) -> None:
    spelt = word.strip().lower()
    ours = source.severities.get(spelt)
    table = "the source's table"
    if ours is None:
        if source.kind in OWN_WORDS:
            return
        ours, table = (spelt if spelt in SEVERITIES else WORDS.get(spelt)), "the usual words"
    if ours is None or ours == word:
        return
    target[name] = ours
    result.annotations.setdefault(ORIGINAL_SEVERITY, word)
    what = name if target is result.labels else f"annotation {name}"
    result.say(f"{what} {_shown(word)} became {_shown(ours)} ({table})")


def _extract(result: _Result, extraction: Extraction) -> None:
    target = result.labels if extraction.origin == "labels" else result.annotations
    text = target.get(extraction.name, "")
    what = f"{extraction.origin[:-1]} {extraction.name}"
    groups = extraction.groups(text)
    if groups is None:
        result.say(f"{extraction.place}: {what} does not match" if text else f"{extraction.place}: no {what}")
        return
    result.put(extraction.into, groups, f"from {what} ({extraction.place})", override=extraction.override)


def _look_up(result: _Result, lookup: Lookup) -> None:
    row = lookup.find(result.labels)
    seen = ", ".join([f"{name}={_shown(result.labels.get(name, ''))}" for name in lookup.match])
    if row is None:
        result.say(f"{lookup.name}: no row for {seen}")
        return
    where = f"from {lookup.name}, {row.place} ({seen})" if row.place else f"from {lookup.name}, its default ({seen})"
    result.put("labels", row.labels, where, override=lookup.override)
    result.put("annotations", row.annotations, where, override=lookup.override)


# --- words ----------------------------------------------------------------------------------------------------------


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join([f"{name}={_shown(text)}" for name, text in sorted(pairs)])


def _shown(text: str) -> str:
    return quote(text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…")


def _compile(pattern: str) -> Callable[[str], Mapping[str, str | None] | None]:
    options = re2.Options()
    options.log_errors = False  # it would write to standard error by itself
    try:
        regex = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise RejectedError(f"invalid regular expression {quote(pattern)}: {reason}") from error
    if not regex.groupindex:
        raise RejectedError(f"{quote(pattern)} has no named group, such as (?P<team>[a-z]+): nothing would be set")

    def groups(text: str) -> Mapping[str, str | None] | None:
        match = regex.search(text)
        return None if match is None else match.groupdict()

    return groups
