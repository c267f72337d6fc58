"""Prometheus: one query, and what a person would tell of its series instead of reading out their points."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from yarl import URL

from adapters.agents.fetching import Fetcher, ToolError
from domain.explaining import clock
from domain.triage import PrometheusSource
from domain.triage.notes import counted

LONGEST_QUERY = 1_000
LONGEST_MINUTES = 24 * 60
MOST_POINTS = 400
MOST_SERIES = 30
FEW_POINTS = 6
"""So many are told one by one."""

FAR_OFF = 3.0
"""Standard deviations from what was usual that are not usual any longer."""


@dataclass(frozen=True)
class Series:
    """One series of a result: its labels, and its points in the order of time."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


async def query_prometheus(
    fetcher: Fetcher,
    source: PrometheusSource,
    query: str,
    now: datetime,
    minutes: int = 0,
    threshold: float | None = None,
) -> list[str]:
    """Ask for one instant, or for the minutes before it; a line for each series, what moved most first.

    Raises:
        ToolError: Prometheus was not reached, or did not understand.
    """
    if not query.strip() or len(query) > LONGEST_QUERY:
        raise ToolError(f"a query has 1 to {LONGEST_QUERY} characters")
    begin = URL(source.url.rstrip("/") + "/api/v1/")
    until = now.timestamp()
    if minutes <= 0:
        url = (begin / "query").with_query(query=query, time=f"{until:.3f}")
    else:
        minutes = min(minutes, LONGEST_MINUTES)
        step = max(15, math.ceil(minutes * 60 / MOST_POINTS))
        since = (now - timedelta(minutes=minutes)).timestamp()
        times = {"start": f"{since:.3f}", "end": f"{until:.3f}", "step": str(step)}
        url = (begin / "query_range").with_query(query=query, **times)
    fetched = await fetcher.get(url, await _authorization(source))
    return told(_result(fetched.status, fetched.body), now, threshold)


async def _authorization(source: PrometheusSource) -> Mapping[str, str]:
    if not source.bearer_token_file:
        return {}
    try:
        token = await asyncio.to_thread(Path(source.bearer_token_file).read_text, "utf-8")
    except (OSError, UnicodeDecodeError):
        raise ToolError("the file with Prometheus's token cannot be read") from None
    return {"Authorization": f"Bearer {token.strip()}"}


def _result(status: int, body: bytes) -> list[Series]:
    try:
        answer = json.loads(body)
        if status != 200:
            raise ToolError(f"Prometheus answered {status}: {answer['error']}")
        return [*map(_series, _rows(answer["data"]))]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise ToolError(f"Prometheus answered {status} with something that cannot be read") from None


def _rows(data: Mapping[str, Any]) -> list[Any]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return [{"metric": {}, "value": result}]
    return list(result) if kind in ("vector", "matrix") else []


def _series(row: Mapping[str, Any]) -> Series:
    points = row["values"] if "values" in row else [row["value"]]
    labels = {str(name): str(text) for name, text in row["metric"].items()}
    return Series(labels, [(float(at), float(number)) for at, number in points])


def told(found: Sequence[Series], now: datetime, threshold: float | None = None) -> list[str]:
    """A line for each series, what moved most first, behind one that says how many there are."""
    if not found:
        return ["no series: nothing matches, or nothing was measured"]
    ordered = sorted(found, key=lambda one: (-_moved(_numbers(one)), _name(one)))
    more = f", the {MOST_SERIES} that moved most" if len(found) > MOST_SERIES else ""
    lines = [f"{len(found)} series{more}"]
    return lines + [f"{_name(one)}: {_summary(one, now, threshold)}" for one in ordered[:MOST_SERIES]]


def _name(one: Series) -> str:
    labels = ", ".join(f"{name}={text}" for name, text in sorted(one.labels.items()) if name != "__name__")
    return f"{one.labels.get('__name__', '')}{{{labels}}}"


def _numbers(one: Series) -> list[tuple[float, float]]:
    return [(at, number) for at, number in one.points if math.isfinite(number)]


def _summary(one: Series, now: datetime, threshold: float | None) -> str:
    points = _numbers(one)
    missing = len(one.points) - len(points)
    more = f", {counted(missing, 'point')} without a number" if missing else ""
    if not points:
        return f"no number{more}"
    crossing = _crossing(points, now, threshold)
    if len(points) == 1:
        return f"{_short(points[0][1])}{more}"
    if len(points) <= FEW_POINTS:
        listed = ", ".join(f"{_time(at, now)} {_short(number)}" for at, number in points)
        return f"{listed}{more}{crossing}"
    numbers = [number for _, number in points]
    return (
        f"from {_time(points[0][0], now)} to {_time(points[-1][0], now)}"
        f" min {_short(min(numbers))} max {_short(max(numbers))} mean {_short(fmean(numbers))}"
        f" last {_short(numbers[-1])}{more}{crossing}"
    )


def _crossing(points: Sequence[tuple[float, float]], now: datetime, threshold: float | None) -> str:
    """When it first came above the threshold; without one, when it first left the range of its first third."""
    if threshold is not None:
        above = next(((at, number) for at, number in points if number > threshold), None)
        if above is None:
            return f", never above {_short(threshold)}"
        return f", first above {_short(threshold)} at {_time(above[0], now)} with {_short(above[1])}"
    if len(points) <= FEW_POINTS:
        return ""
    low, high = _usual(points)
    left = next(((at, number) for at, number in points[len(points) // 3 :] if not low <= number <= high), None)
    if left is None:
        return ", never far from what it was at first"
    return f", first unusual at {_time(left[0], now)} with {_short(left[1])}"


def _usual(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    numbers = [number for _, number in points[: max(2, len(points) // 3)]]
    mean = fmean(numbers)
    # One that never moved would leave its range by rounding.
    apart = max(FAR_OFF * pstdev(numbers), abs(mean) / 10)
    return mean - apart, mean + apart


def _moved(points: Sequence[tuple[float, float]]) -> float:
    """How far the series left its usual range, as a part of that; of one point its value."""
    if len(points) < 2:
        return abs(points[0][1]) if points else 0.0
    low, high = _usual(points)
    furthest = max(max(low - number, number - high) for _, number in points)
    return max(0.0, furthest) / ((high - low) or 1.0)


def _time(at: float, now: datetime) -> str:
    try:
        return clock(datetime.fromtimestamp(at, UTC), now)
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def _short(number: float) -> str:
    return f"{number:.4g}"
