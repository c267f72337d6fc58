"""Instruments: every metric, by name; counted in this process once anybody reads them, and by nobody before.

Attributes hold names of the configuration, routes and states: never the value of a label, an address or an id, of
which there are any number.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds that OpenTelemetry's conventions name for the duration of a request."""

LAGS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)

FRESH_SECONDS = 180.0
"""What was looked at longer ago is not shown: the sweep, which looks each minute, may run elsewhere by now."""

type Values = tuple[str, ...]
"""The values of an instrument's attributes, in their order."""


class Switch:
    """Whether anybody reads: nothing is counted before."""

    is_on = False


def begin_counting() -> None:
    """From now on somebody reads what is counted."""
    Switch.is_on = True


@dataclass(frozen=True, slots=True)
class Instrument:
    """What all metrics have."""

    name: str
    """By OpenTelemetry's conventions, without the unit."""
    unit: str
    words: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter(Instrument):
    """Counts what has happened in this process since it began to count."""

    counted: dict[Values, float] = field(default_factory=dict)

    def count(self, *values: str, by: float = 1) -> None:
        """It has happened, so often."""
        if Switch.is_on and by:
            self.counted[values] = self.counted.get(values, 0) + by


@dataclass(slots=True)
class Distribution:
    """How often a value fell below each bound, and above them all; and their sum."""

    buckets: list[int]
    sum: float = 0.0


@dataclass(frozen=True, slots=True)
class Histogram(Instrument):
    """How long something took, each time in this process."""

    bounds: tuple[float, ...] = SECONDS
    recorded: dict[Values, Distribution] = field(default_factory=dict)
    listeners: list[Callable[[float, Values], None]] = field(default_factory=list)

    def record(self, seconds: float, *values: str) -> None:
        """It took so long once more."""
        if not Switch.is_on:
            return
        found = self.recorded.get(values)
        if found is None:
            found = self.recorded[values] = Distribution([0] * (len(self.bounds) + 1))
        found.buckets[bisect_left(self.bounds, seconds)] += 1
        found.sum += seconds
        for listener in self.listeners:
            listener(seconds, values)


@dataclass(slots=True)
class _Shown:
    values: Mapping[Values, float] = field(default_factory=dict)
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Gauge(Instrument):
    """How it stands, as last looked at."""

    _shown: _Shown = field(default_factory=_Shown)

    def show(self, values: Mapping[Values, float]) -> None:
        """It stands so now; what was shown before is forgotten, and this after three minutes."""
        self._shown.values = dict(values)
        self._shown.until = time.monotonic() + FRESH_SECONDS

    def put(self, value: float, *values: str) -> None:
        """One of them stands so from now on, until it is put again."""
        if Switch.is_on:
            self._shown.values = {**self._shown.values, values: value}
            self._shown.until = float("inf")

    @property
    def shown(self) -> Mapping[Values, float]:
        """Empty where it was not looked at lately."""
        return self._shown.values if time.monotonic() < self._shown.until else {}


REQUESTS = Histogram(
    "http.server.request.duration",
    "s",
    "How long HTTP requests took.",
    ("http.request.method", "http.route", "http.response.status_code"),
)
INGEST_LAG = Histogram(
    "tocsin.ingest.lag", "s", "From an alert's arrival at the door until it is folded into its groups.", bounds=LAGS
)
DELIVERY_LAG = Histogram(
    "tocsin.delivery.lag",
    "s",
    "From the instant at which a notification was due until it arrived.",
    ("tocsin.receiver",),
    bounds=LAGS,
)
DELIVERIES = Counter(
    "tocsin.deliveries",
    "{delivery}",
    "Rounds of delivery by how they ended: delivered, failed, or postponed.",
    ("tocsin.receiver", "tocsin.integration", "tocsin.outcome"),
)
ABSORBED = Counter("tocsin.alerts.absorbed", "{alert}", "Re-sent alerts that were answered without being stored.")
PARKED = Counter(
    "tocsin.messages.parked", "{message}", "Messages put aside because they can never be accepted.", ("tocsin.queue",)
)
LOOKS = Counter(
    "tocsin.triage.looks", "{look}", "Looks at incidents that something came of, by who looked.", ("tocsin.made_by",)
)
TOKENS = Counter(
    "tocsin.triage.tokens", "{token}", "Tokens that models read (input) and wrote (output).", ("gen_ai.token.type",)
)
SPEND = Counter("tocsin.triage.spend", "{money}", "What models cost, in the currency of the configured prices.")
BREAKER = Gauge(
    "tocsin.breaker.open",
    "1",
    "1 while an integration is left in peace after failures, as this process sees it.",
    ("tocsin.receiver", "tocsin.integration"),
)

UNFOLDED_AGE = Gauge("tocsin.unfolded.age", "s", "How long the oldest message with alerts has waited to be folded.")
UNDELIVERED_AGE = Gauge(
    "tocsin.undelivered.age", "s", "How long the oldest notification that has not arrived has been due."
)
DEAD_LETTERS = Gauge(
    "tocsin.dead_letters", "{message}", "Messages that nobody tries again by themselves.", ("tocsin.queue",)
)
OVERDUE = Gauge("tocsin.ticks.overdue", "{group}", "Groups whose due time passed more than a minute ago.")
SWEEP_AGE = Gauge("tocsin.sweep.age", "s", "How long ago the sweep, which runs every minute, was last heard of.")
SPENT_TODAY = Gauge(
    "tocsin.triage.spend.today", "{money}", "What models cost since midnight UTC, counted over all instances."
)
TOKENS_TODAY = Gauge("tocsin.triage.tokens.today", "{token}", "Tokens since midnight UTC, over all instances.")
LEDGER_ALERTS = Gauge(
    "tocsin.ledger.alerts",
    "{alert}",
    "The ledger's (alert x group) pairs: accepted = folded + parked + waiting.",
    ("tocsin.state",),
)
LEDGER_NOTIFICATIONS = Gauge(
    "tocsin.ledger.notifications",
    "{notification}",
    "The ledger's notifications: due = delivered + failed + superseded + pending.",
    ("tocsin.state",),
)
UNREADABLE = Gauge("tocsin.readings.failed", "1", "1 where a reading failed the last time.", ("tocsin.reading",))

ALL: tuple[Counter | Histogram | Gauge, ...] = (
    REQUESTS,
    INGEST_LAG,
    DELIVERY_LAG,
    DELIVERIES,
    ABSORBED,
    PARKED,
    LOOKS,
    TOKENS,
    SPEND,
    BREAKER,
    UNFOLDED_AGE,
    UNDELIVERED_AGE,
    DEAD_LETTERS,
    OVERDUE,
    SWEEP_AGE,
    SPENT_TODAY,
    TOKENS_TODAY,
    LEDGER_ALERTS,
    LEDGER_NOTIFICATIONS,
    UNREADABLE,
)
