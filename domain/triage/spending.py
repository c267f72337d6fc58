"""Spending: what models have cost, and what a look may still cost; port `UsageStore`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from domain.triage.rules import Limits
from domain.values import value

HOUR = timedelta(hours=1)

USAGE_KEPT = timedelta(days=35)
"""A month, and some days in which to look at it."""


@value
class Usage:
    """What was spent on models; adds up."""

    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    money: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.calls + other.calls,
            self.seconds + other.seconds,
            self.money + other.money,
        )

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.input_tokens + self.output_tokens


NOTHING_SPENT = Usage()


@value
class Allowance:
    """Whether a model is asked this time, why, and what it may take."""

    is_asked: bool
    reason: str
    """Why it is asked or not, in words; stands in the trail."""
    limits: Limits = Limits()
    """What is left of all budgets, the smallest of each kind; means nothing where no model is asked."""


NO_MODEL = Allowance(False, "no model is configured")


def hour_of(at: datetime) -> datetime:
    """When the hour began that this instant is in, by UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


class UsageStore(Protocol):
    """What was spent in each hour, counted once for each look."""

    async def add_usage(self, look: str, at: datetime, usage: Usage) -> None:
        """Count what this look has spent, in the hour of `at`; the same look a second time changes nothing.

        Args:
            look: Names the look: its incident and its number.
            at: When it ended.
            usage: What it spent.

        Raises:
            UnavailableError: The store did not answer; call again.
        """
        ...

    async def list_usage(self, since: datetime) -> Mapping[datetime, Usage]:
        """What was spent in each hour (UTC, by its beginning) from that of `since` on; hours without any are missing.

        Raises:
            UnavailableError: The store did not answer.
        """
        ...

    async def forget_usage(self, before: datetime) -> None:
        """Remove the hours that were over by that instant, and forget which looks they counted."""
        ...
