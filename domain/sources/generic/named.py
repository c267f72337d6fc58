"""What is made of a body without a mapping, by the names that senders use most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from domain.alerts import Alert
from domain.labels import Labels
from domain.sources.bodies import check_count, instant_of, outcome, plain, text_of, valid_names
from domain.sources.generic.words import ALERTNAME, KIND, RESOLVED, is_firing, texts_of
from domain.sources.pairs import cut_url, labelled
from domain.sources.reading import TIME_TO_LIVE, Reading, Reception, make_alert, paired, remembered

_KEYS = ("dedup_key", "alert_uid", "dedup", "fingerprint")
_STATES = ("status", "state", "action")
_TITLES = ("title", "summary")
_NAMES = ("alertname", "name")
_TEXTS = ("description", "message", "details")
_STARTS = ("starts_at", "startsAt")
_ENDS = ("ends_at", "endsAt")
_URLS = ("url", "link", "link_to_upstream_details")
_CHANGING = frozenset({*_STATES, *_STARTS, *_ENDS, *_URLS, "severity", "annotations", "image_url", "timestamp", "time"})


def read_named(body: Any, reception: Reception) -> Reading:
    """The alerts of a body: an object, a list of them, or an object with a list `alerts`.

    Raises:
        RejectedError: Not one alert can be made of it.
    """
    listed = body.get("alerts") if isinstance(body, dict) else body
    entries = listed if isinstance(listed, list) else [body]
    check_count(len(entries))
    alerts: list[Alert] = []
    problems: list[str] = []
    guessed = 0
    for place, entry in enumerate(entries):
        where = f"alerts[{place}]: " if len(entries) > 1 else ""
        if not isinstance(entry, dict):
            problems.append(f"{where}expected an object with names such as dedup_key, title and status")
            continue
        try:
            alert, is_guessed = _read_named(entry, reception)
        except ValueError as error:
            problems.append(f"{where}{error}")
            continue
        alerts.append(alert)
        guessed += is_guessed
    if guessed:
        many = "it is" if len(entries) == 1 else f"{guessed} alerts are"
        problems.append(
            f"{many} known by a hash of what was sent, for there is no dedup_key, no alert_uid and no labels: write a"
            " `mapping` for this source, or nothing will ever be resolved"
        )
    return outcome(alerts, problems)


def _read_named(entry: Mapping[str, Any], reception: Reception) -> tuple[Alert, bool]:
    """The alert, and whether its identity is a guess."""

    state = _first(entry, _STATES, plain)
    is_goalert = "summary" in entry and "title" not in entry and "state" not in entry and "status" not in entry
    # GoAlert knows one action, `close`; whatever else it is told counts for nothing there.
    fires = state.lower() not in RESOLVED if is_goalert else is_firing(state, frozenset(), frozenset())
    key, title, details = _first(entry, _KEYS, plain), _first(entry, _TITLES), _first(entry, _TEXTS)
    theirs = texts_of(entry.get("labels"))
    name, shown_name = theirs.pop("alertname", ""), _first(entry, _NAMES, plain)
    is_guessed = False
    if not key:
        is_goalert = is_goalert and bool(title) and not theirs
        is_guessed = not theirs and not is_goalert
        name = name or shown_name or title
    if is_goalert and not key:
        key = _digest({"summary": title, "details": details})
    elif is_guessed:
        said = {field: entry[field] for field in entry if field not in _CHANGING}
        if not said:
            raise ValueError("expected dedup_key, labels or title: nothing tells it from others")
        key = _digest(said)
    name = name or ALERTNAME
    url = _first(entry, _URLS, plain)
    if not url and isinstance(links := entry.get("links"), list) and links:
        url = plain(links[0])
    severity = plain(entry.get("severity"))
    annotations = {
        "summary": title or shown_name or name,
        "description": details,
        "severity_now": "" if severity == theirs.get("severity") else severity,
        "image_url": cut_url(entry.get("image_url")),
    }
    if "annotations" in entry:
        annotations.update(valid_names(texts_of(entry["annotations"])))
    alert = make_alert(
        reception,
        _known_by(reception.key, name, key, *theirs, *theirs.values()),
        annotations,
        is_firing=fires,
        lease=reception.lease(TIME_TO_LIVE) if is_guessed else None,
        starts_at=_first_instant(entry, _STARTS),
        ends_at=_first_instant(entry, _ENDS),
        url=cut_url(url),
    )
    return alert, is_guessed


@remembered
def _known_by(key: str, name: str, dedup_key: str, *theirs: str) -> Labels:
    """By the labels of theirs: all names, then all values."""
    own = {"alertname": name, "source": KIND, "source_key": key, "dedup_key": dedup_key}
    return labelled(own, paired(theirs))


def _first(entry: Mapping[str, Any], names: Iterable[str], show: Callable[[object], str] = text_of) -> str:
    """The first of these fields that has a text."""
    for name in names:
        if name in entry and (found := show(entry[name])):
            return found
    return ""


def _first_instant(entry: Mapping[str, Any], names: Iterable[str]) -> datetime | None:
    """The first of these fields that names an instant."""
    for name in names:
        if name in entry and (at := instant_of(entry[name])) is not None:
            return at
    return None


def _digest(value: Mapping[str, Any]) -> str:
    """The same for the same values, in whatever order they came."""
    return sha256(_encode(value).encode()).hexdigest()[:32]


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
