"""Durations, as Prometheus and Go write them: `1h30m`, `1d`, `1500ms`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from domain.quoting import quote

_PROMETHEUS = re.compile(
    r"(?:(?P<years>\d+)y)?(?:(?P<weeks>\d+)w)?(?:(?P<days>\d+)d)?"
    r"(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?(?:(?P<milliseconds>\d+)ms)?",
    re.ASCII,
)
_GO = re.compile(r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+", re.ASCII)
_GO_PART = re.compile(r"([\d.]+)([^\d.]+)", re.ASCII)
_GO_MICROSECONDS = {
    "ns": Decimal("0.001"),
    "us": Decimal(1),
    "µs": Decimal(1),
    "μs": Decimal(1),
    "ms": Decimal(1_000),
    "s": Decimal(1_000_000),
    "m": Decimal(60_000_000),
    "h": Decimal(3_600_000_000),
}

# Each with whether it is printed only where it is the only one.
_UNITS = (
    ("y", 365 * 86_400_000, True),
    ("w", 7 * 86_400_000, True),
    ("d", 86_400_000, False),
    ("h", 3_600_000, False),
    ("m", 60_000, False),
    ("s", 1_000, False),
    ("ms", 1, False),
)

# Both are counted in nanoseconds in 64 bits, which ends after 292 years.
_LONGEST = timedelta(microseconds=(2**63 - 1) // 1000)


def parse_duration(text: str) -> timedelta:
    """A duration of Prometheus: whole numbers with units from year to millisecond, in this order; or a bare `0`.

    Raises:
        ValueError: It is none, or longer than 292 years.

    Source: `ParseDuration` in prometheus/common, model/time.go.
    """
    if text == "0":
        return timedelta(0)
    found = _PROMETHEUS.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"not a valid duration: {quote(text)}")
    parts = {unit: int(number) for unit, number in found.groupdict(default="0").items()}
    parts["days"] += 365 * parts.pop("years")
    return _within_range(text, lambda: timedelta(**parts))


def parse_go_duration(text: str) -> timedelta:
    """A duration of Go: numbers, with fractions if need be, and units from hour to nanosecond in any order.

    Raises:
        ValueError: It is none, is negative, or is longer than 292 years.

    Source: `time.ParseDuration` in Go.
    """
    if text in ("0", "+0", "-0"):
        return timedelta(0)
    if not _GO.fullmatch(text.removeprefix("+")):
        raise ValueError(f"not a valid duration: {quote(text)}")
    parts = _GO_PART.findall(text)
    return _within_range(
        text,
        lambda: timedelta(microseconds=int(sum(Decimal(number) * _GO_MICROSECONDS[unit] for number, unit in parts))),
    )


def print_duration(duration: timedelta) -> str:
    """The duration as Prometheus prints it: `1h30m`, `90d`; years and weeks only where nothing is left over.

    Source: `Duration.String` in prometheus/common, model/time.go.
    """
    rest = duration // timedelta(milliseconds=1)
    if not rest:
        return "0s"
    printed = ""
    for unit, milliseconds, is_whole in _UNITS:
        if is_whole and rest % milliseconds:
            continue
        count, rest = divmod(rest, milliseconds)
        if count:
            printed += f"{count}{unit}"
    return printed


def _within_range(text: str, make: Callable[[], timedelta]) -> timedelta:
    try:
        duration = make()
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError(f"duration out of range: {quote(text)}")
    return duration
