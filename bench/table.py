"""The table: which figures are shown, what they must reach, and whether they do."""

from dataclasses import dataclass

from bench.rows import Figures
from bench.servers import ALERTMANAGER, TOCSIN, TOCSIN_POWER, TOCSIN_STRICT, Side

type Medians = dict[tuple[str, str], Figures]
"""The median figures of each (row, side)."""


@dataclass(frozen=True)
class Target:
    """A ratio to reach, or a figure of Tocsin's own not to exceed; `later` is the next ratio, not judged yet."""

    ratio: float | None = None
    later: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Line:
    """One line of the table: a figure of a row, for one way of running Tocsin."""

    title: str
    row: str
    figure: str
    unit: str
    side: Side = TOCSIN
    target: Target = Target()


LINES = (
    Line("new alerts, batches of 64", "batches", "rate", "alerts/s", target=Target(ratio=1.0)),
    Line("  p99 of a request", "batches", "p99", "ms"),
    Line("  --durability power", "batches", "rate", "alerts/s", TOCSIN_POWER),
    Line("new alerts, one by one", "singles", "rate", "alerts/s", target=Target(ratio=0.25, later=0.5)),
    Line("  p99 of a request", "singles", "p99", "ms"),
    Line("  --durability power", "singles", "rate", "alerts/s", TOCSIN_POWER),
    Line("all readable, 6 groups a batch", "readable-6", "rate", "alerts/s", target=Target(ratio=0.4)),
    Line("  of which the requests", "readable-6", "posts_ms", "ms"),
    Line("all readable, 64 groups a batch", "readable-64", "rate", "alerts/s", target=Target(ratio=0.3)),
    Line("  of which the requests", "readable-64", "posts_ms", "ms"),
    Line("re-sent alerts, 30,000 active", "resent", "rate", "alerts/s", target=Target(ratio=1.0)),
    Line("  --compat strict", "resent", "rate", "alerts/s", TOCSIN_STRICT),
    Line("  endsAt a minute on each pass", "resent-minutely", "rate", "alerts/s"),
    Line("storm, dead receiver", "storm", "rate", "alerts/s", target=Target(ratio=10)),
    Line("  p99 of a request", "storm", "p99", "ms", target=Target(at_most=500)),
    Line("  slowest request", "storm", "slowest", "ms"),
    Line("  requests refused", "storm", "refused", ""),
    Line("alert to webhook, p50", "latency", "p50", "ms"),
    Line("alert to webhook, p99", "latency", "p99", "ms", target=Target(at_most=50)),
    Line("fold 64 into a group of 100", "fold", "small", "ms"),
    Line("fold 64 into a group of 100,000", "fold", "large", "ms"),
    Line("  against the group of 100", "fold", "factor", "x", target=Target(at_most=2)),
    Line("memory, 100,000 active alerts", "memory", "rss", "MB"),
    Line("  when empty", "memory", "rss_empty", "MB"),
)


def render(medians: Medians) -> str:
    """The table of all lines that have a figure."""
    rows = [("", ALERTMANAGER.name, "Tocsin", "unit", "ratio", "target", "")]
    for line in LINES:
        peer = medians.get((line.row, ALERTMANAGER.name), {}).get(line.figure)
        own = medians.get((line.row, line.side.name), {}).get(line.figure)
        if peer is not None or own is not None:
            ratio = _ratio(line, peer, own)
            shown = "" if ratio is None else f"{ratio:.2f}"
            verdict = _verdict(line.target, ratio, own)
            rows.append((line.title, _number(peer), _number(own), line.unit, shown, _wanted(line), verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = (1, 2, 4)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _ratio(line: Line, peer: float | None, own: float | None) -> float | None:
    """How many times as good as Alertmanager: more than 1 speaks for Tocsin, also where less is better."""
    if not peer or not own or line.unit in ("x", ""):
        return None
    return own / peer if line.unit == "alerts/s" else peer / own


def _verdict(target: Target, ratio: float | None, own: float | None) -> str:
    if target.ratio is not None and ratio is not None:
        if ratio < target.ratio:
            return f"missed by {target.ratio / ratio:.2f} x"
        if target.later is not None and ratio < target.later:
            return f"ok; {target.later} missed by {target.later / ratio:.2f} x"
        return "ok"
    if target.at_most is not None and own is not None:
        return "ok" if own <= target.at_most else f"missed by {own / target.at_most:.2f} x"
    return ""


def _wanted(line: Line) -> str:
    target = line.target
    if target.ratio is not None:
        return f"ratio >= {target.ratio:g}" + (f", then {target.later:g}" if target.later is not None else "")
    return "" if target.at_most is None else f"<= {target.at_most:g} {line.unit}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
