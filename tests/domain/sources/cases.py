"""Case: a fixture of a format: a payload, the page that it was written from, and what must become of it."""

from __future__ import annotations

import copy
import json
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.labels import fingerprint
from domain.sources.reading import LONGEST_TEXT, Payload, Read, Reading, Reception
from tests.builders import HOUR, NOON

FIXTURES = Path(__file__).parent / "fixtures"

RECEPTION = Reception("default", NOON, HOUR)


def cases(kind: str) -> list[Any]:
    """The fixtures of a format: objects with `page`, `headers`, `body` (a text is sent as it is), and the outcome."""
    paths = sorted((FIXTURES / kind).glob("*.json"))
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in paths]


def outcome(read: Read, case: dict[str, Any]) -> dict[str, Any]:
    """What becomes of the case, in the shape of its own last key: `expected`, `problems` or `rejected`."""
    body = case["body"]
    encoded = (body if isinstance(body, str) else json.dumps(body)).encode()
    try:
        reading = read(Payload(encoded, case["headers"]), RECEPTION)
    except RejectedError as error:
        return {"rejected": str(error)}
    if not reading.alerts:
        return {"problems": list(reading.problems)}
    return {"expected": [shown(alert) for alert in reading.alerts]}


def shown(alert: Alert) -> dict[str, Any]:
    """An alert as the fixtures write it down."""
    return {
        "status": "firing" if alert.lease > timedelta(0) else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts_at.isoformat(),
        "endsAt": alert.ends_at.isoformat(),
        "generatorURL": alert.generator_url,
    }


def read_json(read: Read, body: object, headers: dict[str, str] | None = None) -> Reading:
    """The reading of a body made of Python's values."""
    return read(Payload(json.dumps(body).encode(), headers or {}), RECEPTION)


def alert_of(read: Read, body: object) -> Alert:
    """The one alert of a body."""
    (alert,) = read_json(read, body).alerts
    return alert


def is_firing(alert: Alert) -> bool:
    return alert.lease > timedelta(0)


# --- broken payloads --------------------------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def broken(draw: st.DrawFn, kind: str) -> bytes:
    """A fixture's body with some of its values replaced or left out; now and then any bytes at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=50))
    bodies = [case["body"] for case in _bodies(kind) if isinstance(case["body"], dict)]
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(0, 4))):
        _break(draw, body)
    return json.dumps(body).encode()


def _break(draw: st.DrawFn, body: Any) -> None:
    """Go some way into the body, and put another value there; a text that is JSON is gone into too."""
    place = body
    while place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, str) and inner.startswith("{") and draw(st.booleans()):
            inner = json.loads(inner)
            _break(draw, inner)
            place[key] = json.dumps(inner)
            return
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
            place = inner
            continue
        if draw(st.integers(0, 3)):
            place[key] = draw(_VALUES)
        else:
            del place[key]
        return


@cache
def _bodies(kind: str) -> list[dict[str, Any]]:
    paths = sorted((FIXTURES / kind).glob("[!h]*.json"))  # not the hostile ones
    return [json.loads(path.read_text()) for path in paths]


def check_sound(read: Read, body: bytes) -> Reading | None:
    """Whatever the bytes: alerts that can be stored and shown, or words that say why there are none."""
    reading, refusal = None, ""
    try:
        reading = read(Payload(body, {}), RECEPTION)
    except RejectedError as error:
        refusal = str(error)
    if reading is None:
        assert 0 < len(refusal) < 2_000
        return None
    assert all(0 < len(problem) < 2_000 for problem in reading.problems)
    for alert in reading.alerts:
        assert alert.labels["alertname"]
        assert alert.fingerprint == fingerprint(alert.labels)
        assert alert.starts_at <= alert.ends_at
        assert len(alert.generator_url) <= LONGEST_TEXT
        for name, text in (*alert.labels.items(), *alert.annotations.items()):
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)
            assert 0 < len(text.encode()) <= 4 * LONGEST_TEXT
        assert alert.labels["source"]
    return reading
