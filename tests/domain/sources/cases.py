"""Case: a fixture of a format: a payload, the page that it was written from, and what must become of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.sources.reading import Payload, Read, Reading, Reception
from tests.builders import NOON

FIXTURES = Path(__file__).parent / "fixtures"

RECEPTION = Reception("default", NOON)


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
