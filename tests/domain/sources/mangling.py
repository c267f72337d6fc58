"""Mangling: what no sender sends: fixtures with values exchanged or left out, bodies that cost much or are no JSON."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import strategies as st

from domain.errors import RejectedError
from domain.labels import fingerprint
from domain.sources.reading import LONGEST_TEXT, Payload, Read, Reading
from tests.domain.sources.cases import FIXTURES, RECEPTION

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(
        ["", "*", "[]", '{"a":', "null", "1", "0", "firing", "ok", "\x00", "\ud800", "{EVENT.ID}", "*UNKNOWN*"]
    )
    | st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "10" * 40, "x" * 20_000])
    | st.sampled_from([10**400, -(10**19), 253402300799, 253402300800, 253402300799999, 1e308])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)

HOSTILE = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\xff\xfe{}", id="no UTF-8"),
    pytest.param(b'{"a": "\\ud800"}', id="a lone surrogate"),
    pytest.param(b"[" * 100_000, id="deep arrays"),
    pytest.param(b'{"alerts":' * 100_000, id="deep objects"),
    pytest.param(b"{}" * 100_000, id="many objects after each other"),
    pytest.param(b"}" + b" " * 1_000_000 + b"{", id="a long gap"),
    pytest.param(b"9" * 100_000, id="a number of many digits"),
    pytest.param(b'{"alerts":[' + b"{}," * 100_000 + b"{}]}", id="a hundred thousand alerts"),
    pytest.param(b"[" + b'{"alert":{}},' * 100_000 + b"{}]", id="a hundred thousand elements"),
    pytest.param(b'{"alerts":{"new":{"data":[' + b"1," * 50_000 + b"1]}}}", id="a summary of no documents"),
    pytest.param(b"{" + b",".join(b'"k%d":1' % i for i in range(100_000)) + b"}", id="a hundred thousand fields"),
    pytest.param(b"a=1&" * 100_000, id="a form of many fields"),
    pytest.param(b"[NaN, Infinity, -1e999]", id="no numbers"),
    pytest.param(b" " * 6_000_000, id="too large"),
]


def check(kind: str, read: Read, body: bytes, headers: dict[str, str]) -> Reading | None:
    """Read the body; what becomes of it is alerts that can be kept, or a rejection that says why (then None)."""
    reading, refusal = None, ""
    try:
        reading = read(Payload(body, headers), RECEPTION)
    except RejectedError as error:
        refusal = str(error)
    if reading is None:
        assert 0 < len(refusal) < 10_000
        return None
    assert len(reading.problems) < 100
    assert all(problem and len(problem) < 2_000 for problem in reading.problems)
    for alert in reading.alerts:
        if kind != "alertmanager":  # whose labels stay as they are
            assert alert.labels["source"] == kind
            assert alert.labels["alertname"]
            assert all(map(_NAME.fullmatch, (*alert.labels, *alert.annotations))), (alert.labels, alert.annotations)
        assert alert.labels
        assert all(text and len(text) <= LONGEST_TEXT for text in (*alert.labels.values(), *alert.annotations.values()))
        assert alert.fingerprint == fingerprint(alert.labels)
        assert alert.starts_at <= alert.ends_at
        assert alert.is_timeout or alert.ends_at <= RECEPTION.received_at
        assert len(alert.generator_url) <= LONGEST_TEXT
        json.dumps([alert.labels, alert.annotations, alert.generator_url], ensure_ascii=False).encode()
    return reading


@st.composite
def mangled(draw: st.DrawFn, kind: str) -> tuple[bytes, dict[str, str]]:
    """The body and headers of one of the kind's fixtures, some values exchanged or left out; now and then any bytes."""
    case = draw(st.sampled_from(_fixtures(kind)))
    headers = dict(case["headers"])
    if isinstance(case["body"], str) or draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60)), headers
    body = copy.deepcopy(case["body"])
    for _ in range(draw(st.integers(0, 4))):
        _mangle(draw, body)
    if headers and draw(st.integers(0, 4)) == 0:
        headers[draw(st.sampled_from(sorted(headers)))] = draw(st.text(st.characters(), max_size=20))
    return json.dumps(body).encode(), headers


def _mangle(draw: st.DrawFn, body: Any) -> None:
    """Exchange one of the body's values, wherever it stands, or leave it out; a text that is JSON is gone into too."""
    places = list(_places(body))
    if not places:
        return
    holder, key = draw(st.sampled_from(places))
    inner = holder[key]
    opened = _opened(inner)
    if opened and draw(st.booleans()):
        _mangle(draw, opened)
        holder[key] = json.dumps(opened)
    elif draw(st.integers(0, 3)):
        holder[key] = draw(_VALUES)
    else:
        del holder[key]


def _opened(value: Any) -> Any:
    """The object that a text is; None where it is none."""
    if not isinstance(value, str) or not value.startswith("{"):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


@cache
def _fixtures(kind: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((FIXTURES / kind.replace("-", "_")).glob("*.json"))]
