"""Mangling: what no sender sends: fixtures with a value exchanged, and bodies that cost much or are not JSON."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from domain.errors import RejectedError
from domain.labels import fingerprint
from domain.sources.reading import LONGEST_TEXT, Payload, Read
from tests.domain.sources.cases import FIXTURES, RECEPTION

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
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


def check(kind: str, read: Read, body: bytes, headers: dict[str, str]) -> None:
    """Read the body; what becomes of it is alerts that can be kept, or a rejection that says why."""
    try:
        reading = read(Payload(body, headers), RECEPTION)
    except RejectedError as error:
        said = str(error)
        assert said
        assert len(said) < 10_000
        return
    assert len(reading.problems) < 100
    assert all(problem and len(problem) < 2000 for problem in reading.problems)
    for alert in reading.alerts:
        assert alert.labels["source"] == kind
        assert alert.labels["alertname"]
        assert all(map(_NAME.fullmatch, alert.labels)), alert.labels
        assert all(text and len(text) <= LONGEST_TEXT for text in alert.labels.values())
        assert alert.fingerprint == fingerprint(alert.labels)
        assert alert.starts_at <= alert.ends_at
        assert alert.is_timeout or alert.ends_at <= RECEPTION.received_at
        json.dumps([alert.labels, alert.annotations, alert.generator_url], ensure_ascii=False).encode()


def mangled(kind: str) -> st.SearchStrategy[tuple[bytes, dict[str, str]]]:
    """The bodies and headers of the kind's fixtures, some values exchanged for others; sometimes any bytes."""
    fixtures = [json.loads(path.read_text()) for path in sorted((FIXTURES / kind).glob("*.json"))]

    @st.composite
    def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
        case = draw(st.sampled_from(fixtures))
        body = copy.deepcopy(case["body"])
        headers = dict(case["headers"])
        if isinstance(body, str) or draw(st.integers(0, 9)) == 0:
            return draw(st.binary(max_size=60)), headers
        for _ in range(draw(st.integers(0, 3))):
            places = list(_places(body))
            if not places:
                break
            holder, key = draw(st.sampled_from(places))
            holder[key] = draw(_VALUES)
        if headers and draw(st.integers(0, 4)) == 0:
            headers[draw(st.sampled_from(sorted(headers)))] = draw(st.text(st.characters(), max_size=20))
        return json.dumps(body).encode(), headers

    return bodies()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)
