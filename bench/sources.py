"""`python bench/sources.py`: what normalising a payload costs, beside parsing its JSON with pydantic alone.

The payloads are the fixtures of tests/domain/sources that become alerts, each in as many variants as a round has
calls: every instant in it is another one, so that no cache of instants helps, while machines, rules and tags come
again, as they do.  Both are timed in this process, in turn, in the processor's time; the best rounds are compared, for
whatever else a busy machine does only ever adds.  Exits with 1 where a format costs more than the target.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydantic import TypeAdapter

from domain.configuration.own import read_own_configuration
from domain.sources import reading
from domain.sources.reading import Payload, Read, Reception
from domain.sources.registry import KINDS, reader_of

TARGET = 3.0

FIXTURES = Path(__file__).parents[1] / "tests" / "domain" / "sources" / "fixtures"

RECEPTION = Reception("default", datetime(2026, 11, 22, 12, tzinfo=UTC))

_CLOCK = re.compile(rb"(?<=[T ]\d\d:)\d\d:\d\d(?=[.Z+])")
_SECONDS = re.compile(rb"(?<=\b17953)\d{5}(?=\d{0,3}\b)")

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help="only these formats")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument(
        "--calls", type=int, default=10, help="in each round, of each fixture: few, to fit between interruptions"
    )
    parser.add_argument("--each", action="store_true", help="a line for each fixture")
    parser.add_argument("--new", action="store_true", help="as if no alert had ever been heard of: none is remembered")
    options = parser.parse_args()
    if options.new:
        reading.MOST_REMEMBERED = 0  # each format is imported below
    is_met = True
    for kind in options.kinds or KINDS:
        figures = {name: _compare(kind, found, options.rounds, options.calls) for name, found in _fixtures(kind)}
        if not figures:
            continue
        if options.each:
            for name, (parsing, whole) in figures.items():
                print(f"  {name:46} JSON {parsing:6.1f} µs  normalised {whole:6.1f} µs  ratio {whole / parsing:5.2f}")
        parsing, whole = (sum(parts) / len(figures) for parts in zip(*figures.values(), strict=True))
        is_met &= whole <= TARGET * parsing
        print(
            f"{kind:14} {len(figures):3} fixtures  JSON {parsing:6.1f} µs  normalised {whole:6.1f} µs"
            f"  ratio {whole / parsing:5.2f}{'' if whole <= TARGET * parsing else '  MISSED'}"
        )
    return 0 if is_met else 1


def _fixtures(kind: str) -> Sequence[tuple[str, dict[str, Any]]]:
    """Those that become alerts and were not made to harm."""
    found = []
    for path in sorted((FIXTURES / kind.replace("-", "_")).glob("*.json")):
        case = json.loads(path.read_text())
        if case.get("expected") and isinstance(case["body"], dict | list) and not path.stem.startswith("hostile"):
            found.append((path.stem, case))
    return found


def _compare(kind: str, case: dict[str, Any], rounds: int, calls: int) -> tuple[float, float]:
    """Microseconds for the JSON alone, and for all."""
    body = json.dumps(case["body"]).encode()
    payloads = [Payload(_at(body, number), case["headers"]) for number in range(calls)]
    read = _reader(kind, case)
    parsings, readings = [], []
    for _ in range(rounds):
        parsings.append(_time(lambda payload: _ANYTHING.validate_json(payload.body), payloads))
        readings.append(_time(lambda payload: read(payload, RECEPTION), payloads))
    return min(parsings), min(readings)


def _reader(kind: str, case: dict[str, Any]) -> Read:
    if "mapping" not in case:
        return reader_of(kind)
    text = json.dumps({"sources": [{"kind": kind, "mapping": case["mapping"]}]})
    from domain.sources import generic

    return partial(generic.read, mapping=read_own_configuration(text).sources.find(kind, "bench").mapping)


def _at(body: bytes, number: int) -> bytes:
    clock = b"%02d:%02d" % divmod(number % 3600, 60)
    return _SECONDS.sub(b"%05d" % (number % 100_000), _CLOCK.sub(clock, body))


def _time(call: Callable[[Payload], object], payloads: Sequence[Payload]) -> float:
    began = time.process_time()
    for payload in payloads:
        call(payload)
    return (time.process_time() - began) / len(payloads) * 1e6


if __name__ == "__main__":
    sys.exit(main())
