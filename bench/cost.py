"""`python -m bench.cost`: what Tocsin costs on Azure in a month, from what its tests count and from list prices.

Operations and messages are those that `tests/adapters/test_cost.py` holds; request units are what the stand-in charges
for them (`tests/standins/cosmos/charges.py`), a model of the service's published figures, not a bill.  The mix of
events and the prices are assumptions, named below: put in your own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS = 30 * 24 * 3600
"""A month."""

# --- what one event costs (request units; messages) -------------------------------------------------------------------

POLICY_READ = 1.0
FOLD = 23.0
"""Of whatever alerts into one group: one query, one batch with the head and the log entry."""
FOLD_PER_RENEWAL = 0.6
"""For each alert that only moved its lease: its document is read, and the head says the rest (decision 0013)."""
FOLD_PER_NEWS = 10.0
"""For each that is new (6.7) or resolved (13)."""
FLUSH = 67.0
"""A tick that tells somebody: one query, one batch, two things of the outbox cleared."""
RESULT = 37.0
"""The result of a delivery, folded."""
HISTORY_COPY = 16.0
"""An entry that the feed brings to the history."""
COUNTED = 10.5
"""An entry with news, or with the result of a page, that the feed adds to the day's statistics (decision 0011)."""
FEED_READS = 2.0
"""Each document is read by both functions of the change feed, a unit or so each."""
IDLE_POLL = 2.0
"""Of one function and one physical partition, each second."""
SWEEP = 25.0

# --- the mix ----------------------------------------------------------------------------------------------------------

BATCH = 64
"""Prometheus sends so many at a time."""
GROUPS_A_BATCH = 6
ABSORBED, STORED, CHANGED = 0.45, 0.45, 0.10
"""Of all alerts in requests: plain re-sends, re-sends that are stored since half of the lease is used, news."""
DASHBOARDS = 0.5
"""Requests a second by people and programs that look; none at rest."""
NEWS_A_PAGE = 10
"""So many new or resolved alerts go into one page."""
BYTES_LOGGED = 300
"""An event; twenty times less at 10 % sampling and 100M."""

# --- prices (USD, East US list; the last three are from general knowledge, see reference) -----------------------------

RU_SERVERLESS = 0.25 / 1e6
RU_AUTOSCALE_HOUR = 0.012 / 100
GB_SECOND = 0.000026
EXECUTION = 0.40 / 1e6
SERVICE_BUS_BASE = 9.86
SERVICE_BUS_FREE = 13e6
SERVICE_BUS_OPERATION = 0.80 / 1e6
LOG_GB = 2.30


@dataclass(frozen=True)
class Month:
    """The costs of one month, in dollars, and the counts they are made of."""

    events: float
    memory_gb: float

    @property
    def posts(self) -> float:
        return self.events / BATCH

    @property
    def folds(self) -> float:
        """Groups folded: every request with news or with stored re-sends touches some."""
        return self.posts * (1 - ABSORBED**4) * GROUPS_A_BATCH

    @property
    def pages(self) -> float:
        return self.events * CHANGED / NEWS_A_PAGE

    @property
    def request_units(self) -> float:
        news = self.events * CHANGED
        folded = self.folds * (FOLD + POLICY_READ) + self.events * STORED * FOLD_PER_RENEWAL + news * FOLD_PER_NEWS
        told = self.pages * (FLUSH + RESULT + 2 * POLICY_READ)
        entries = self.folds + 2 * self.pages
        with_news = self.posts * GROUPS_A_BATCH * (1 - math.pow(1 - CHANGED, BATCH / GROUPS_A_BATCH))
        counted = with_news + self.pages
        feed = (news + 3 * entries) * FEED_READS + entries * HISTORY_COPY + counted * COUNTED
        idle = SECONDS * 2 * IDLE_POLL + SECONDS / 60 * SWEEP
        return self.posts * POLICY_READ + folded + told + feed + idle

    @property
    def messages(self) -> float:
        """On groups, ticks and deliveries."""
        return self.folds + self.pages * 3

    @property
    def cosmos(self) -> float:
        """The cheaper of serverless and autoscale; a peak of five times the mean, but a tenth of it at least."""
        peak = max(1000.0, 5 * self.request_units / SECONDS)
        autoscale = RU_AUTOSCALE_HOUR * max(peak / 10, 2 * self.request_units / SECONDS) * SECONDS / 3600
        return min(RU_SERVERLESS * self.request_units, autoscale)

    @property
    def service_bus(self) -> float:
        # A message is sent, delivered and completed; idle receivers poll.
        operations = 3 * self.messages + 5 * SECONDS / 60
        return SERVICE_BUS_BASE + max(0.0, operations - SERVICE_BUS_FREE) * SERVICE_BUS_OPERATION

    @property
    def functions(self) -> float:
        # Executions a month and seconds of each, for each group that scales by itself.
        groups = [
            (self.posts + (DASHBOARDS * SECONDS if self.events else 0), 0.02),
            (self.folds, 0.05),
            (self.pages * 2, 0.05),
            (self.pages, 0.3),
            (SECONDS / 2 * min(1.0, self.folds / SECONDS * 2), 0.05),
            (SECONDS / 2 * min(1.0, self.folds / SECONDS * 2), 0.1),
            (SECONDS / 60, 0.2),
        ]
        busy = sum(_busy_seconds(count / SECONDS, seconds) for count, seconds in groups)
        return busy * self.memory_gb * GB_SECOND + sum(count for count, _ in groups) * EXECUTION

    @property
    def logs(self) -> float:
        sampled = 0.1 if self.events >= 1e8 else 1.0
        return max(0.0, self.events * BYTES_LOGGED * sampled / 1e9 - 5) * LOG_GB

    @property
    def total(self) -> float:
        return self.cosmos + self.service_bus + self.functions + self.logs


def _busy_seconds(rate: float, seconds: float, concurrency: int = 16) -> float:
    """Seconds a month in which some instance is billed: each start counts for a second at least."""
    return SECONDS * max(1 - math.exp(-rate * max(seconds, 1.0)), rate * seconds / (0.7 * concurrency))


def main() -> None:
    """Print the table of docs/cost.md."""
    columns = "events", "request units", "Cosmos DB", "messages", "Service Bus", "Functions", "logs", "total"
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for events in (0.0, 1e6, 1e7, 1e8):
        small, large = Month(events, 0.5), Month(events, 2.0)
        cells = (
            f"{events / 1e6:.0f}M" if events else "at rest",
            f"{small.request_units / 1e6:,.0f}M",
            f"{small.cosmos:,.0f}",
            f"{small.messages / 1e6:,.1f}M",
            f"{small.service_bus:,.0f}",
            f"{small.functions:,.0f} / {large.functions:,.0f}",
            f"{small.logs:,.0f}",
            f"{small.total:,.0f} / {large.total:,.0f}",
        )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
