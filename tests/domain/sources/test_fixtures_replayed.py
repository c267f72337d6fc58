"""Every fixture of every format is kept, stored, and read again as what it was."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from adapters.documents import decode, encode
from domain.arrivals import Arrival
from domain.errors import RejectedError
from domain.sources.collisions import find_collisions
from domain.sources.definitions import Source
from domain.sources.keeping import arrive
from domain.sources.reading import Payload, Reading
from domain.sources.receiving import read_source
from domain.sources.replaying import read_again
from tests.builders import NOON
from tests.domain.sources.cases import FIXTURES


def kept(kind: str, case: dict[str, Any]) -> tuple[Arrival, Source]:
    source = Source(kind.replace("_", "-"), "default")
    body = case["body"]
    payload = Payload((body if isinstance(body, str) else json.dumps(body)).encode(), case["headers"])
    read: Reading | RejectedError
    try:
        read = read_source(source, payload, NOON)
    except RejectedError as error:
        read = error
    return arrive(source, (), payload, NOON, read, "00"), source


@pytest.mark.parametrize("kind", sorted(path.name for path in FIXTURES.iterdir()))
def test_every_fixture_is_read_again_as_what_it_was(kind: str) -> None:
    arrivals, faults = [], []
    for path in sorted((FIXTURES / kind).glob("*.json")):
        arrival, source = kept(kind, json.loads(path.read_text()))
        stored = decode(Arrival, encode(arrival))
        assert stored == arrival, path
        again = read_again(stored, partial(read_source, source))
        expected = "still_rejected" if arrival.rejection else "unchanged"
        if again.verdict != expected:
            faults.append(f"{path.stem}: {again.verdict} for {expected}: {again.why} {arrival.redacted}")
        arrivals.append(arrival)
    assert not faults, "\n".join(faults)
    find_collisions(arrivals)
