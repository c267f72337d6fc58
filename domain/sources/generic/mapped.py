"""JsonMapping: where a sender puts the parts of an alert; and what is made of a body by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.labels import Labels
from domain.quoting import quote
from domain.sources.bodies import check_count, instant_of, outcome, valid_names
from domain.sources.generic.expressions import Choice, Expression, Search
from domain.sources.generic.words import ALERTNAME, KIND, RESOLVED, is_firing, shown
from domain.sources.pairs import cut_url, labelled
from domain.sources.reading import TIME_TO_LIVE, Reading, Reception, make_alert, paired, remembered


@dataclass(frozen=True, slots=True)
class JsonMapping:
    """Where in a sender's JSON the parts of an alert stand."""

    alerts: Expression | None = None
    """The list of alerts, or the only one; None for the whole body as one."""
    name: Choice = ()
    status: Choice = ()
    """None where the sender never says that anything is over."""
    firing: frozenset[str] = frozenset()
    """The words for it, in lower case; none for every other word, where there are some for `resolved`."""
    resolved: frozenset[str] = frozenset()
    severity: Choice = ()
    title: Choice = ()
    description: Choice = ()
    labels: Mapping[str, Choice] | Choice = ()
    """What finds each, or what finds an object of all."""
    annotations: Mapping[str, Choice] | Choice = ()
    starts_at: Choice = ()
    ends_at: Choice = ()
    url: Choice = ()


def read_mapped(mapping: JsonMapping, body: Any, reception: Reception) -> Reading:
    """The alerts of a body.

    Raises:
        RejectedError: Not one alert can be made of it.
    """
    search = Search(body)
    entries = _entries(mapping, search, body)
    check_count(len(entries))
    alerts: list[Alert] = []
    problems: list[str] = []
    for place, entry in enumerate(entries):
        where = f"alerts[{place}]: " if len(entries) > 1 else ""
        try:
            alert, doubts = _read_mapped(mapping, search, entry, reception)
        except ValueError as error:
            problems.append(f"{where}{error}")
            continue
        alerts.append(alert)
        problems += [f"{where}{doubt}" for doubt in doubts]
    return outcome(alerts, problems)


def _entries(mapping: JsonMapping, search: Search, body: Any) -> Sequence[Any]:
    if mapping.alerts is None:
        return [body]
    try:
        found = search.value(mapping.alerts, body)
    except ValueError as error:
        raise RejectedError(f"mapping.alerts: {error}") from None
    if found is None:
        raise RejectedError(f"mapping.alerts: {quote(mapping.alerts.text[:100])} finds nothing in this body")
    return found if isinstance(found, list) else [found]


def _read_mapped(mapping: JsonMapping, search: Search, entry: Any, reception: Reception) -> tuple[Alert, Sequence[str]]:
    """The alert, and what is doubtful about it.

    Raises:
        ValueError: It cannot be told from others, or what it says of its state is not known.
    """
    doubts: list[str] = []
    word = search.text(mapping.status, entry)
    fires = is_firing(word, mapping.firing, mapping.resolved)
    name = search.text(mapping.name, entry)
    theirs = search.texts(mapping.labels, entry)
    if mapping.labels and not theirs:
        raise ValueError("none of the labels is found: it would be one with all others of its name")
    if not name and not theirs:
        raise ValueError("no name and no label is found: nothing tells it from others")
    name_told = name or theirs.pop("alertname", "") or ALERTNAME
    severity = search.text(mapping.severity, entry)
    if not fires and severity.strip().lower() in RESOLVED:
        doubts.append(
            f"severity is {quote(severity[:40])} in what is over, and a label: if it was another when it fired, this "
            "closes nothing; map it under annotations"
        )
    title = search.text(mapping.title, entry)
    annotations = {
        "summary": title or name_told,
        "description": search.text(mapping.description, entry),
        **valid_names(search.texts(mapping.annotations, entry)),
    }
    alert = make_alert(
        reception,
        _known_by(reception.key, name_told, severity, *theirs, *theirs.values()),
        annotations,
        is_firing=fires,
        lease=None if mapping.status else reception.lease(TIME_TO_LIVE),
        starts_at=_instant(mapping.starts_at, "starts_at", search, entry, doubts),
        ends_at=_instant(mapping.ends_at, "ends_at", search, entry, doubts) if not fires else None,
        url=cut_url(search.text(mapping.url, entry)),
    )
    return alert, doubts


@remembered
def _known_by(key: str, name: str, severity: str, *theirs: str) -> Labels:
    """By the labels of theirs: all names, then all values."""
    own = {"alertname": name, "source": KIND, "source_key": key, "severity": severity}
    return labelled(own, paired(theirs))


def _instant(choice: Choice, what: str, search: Search, entry: Any, doubts: list[str]) -> datetime | None:
    _, found = search.first(choice, entry)
    at = instant_of(found)
    if found is not None and at is None:
        doubts.append(f"{what}: {quote(shown(found)[:40])} is no date-time with an offset and no seconds since 1970")
    return at
