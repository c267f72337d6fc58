"""Statistics by day: how soon people answer, how long incidents last, which rules are noisy, who is told how often."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import azure.functions as func
from pydantic import Field, create_model

from adapters.wiring import ports
from domain.errors import InputError
from domain.principals import Scope
from endpoints.folds import await_folds
from endpoints.pipeline import endpoint
from endpoints.shapes import Query, Shape, read_query, show

if TYPE_CHECKING:
    from domain.statistics import Counts, Statistics

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

DEFAULT_DAYS = 7


# --- shapes ---------------------------------------------------------------------------------------------------------

# `from` is a word of Python's own, so the class cannot be written down as the others are.
StatisticsQuery: type[Query] = create_model(
    "StatisticsQuery",
    __base__=Query,
    **{
        "from": (date | None, Field(None, description="The first UTC day; by default six days before the last one.")),
        "to": (date | None, Field(None, description="The last UTC day, included; by default today.")),
        "alertname": (str | None, Field(None, description="Only this rule among the rules.")),
        "receiver": (str | None, Field(None, description="Only this receiver among the receivers, and in the pages.")),
        "top": (int, Field(10, ge=1, le=1000, description="So many rules, the noisiest, of each day and of all.")),
    },  # type: ignore[call-overload]
)


class IncidentStatistics(Shape):
    """How many incidents began, were acknowledged for the first time, and ended; and how long that took on average."""

    opened: int
    acknowledged: int
    resolved: int
    mean_seconds_to_acknowledge: float | None
    """MTTA, of those acknowledged; null where there is none."""
    mean_seconds_to_resolve: float | None
    """MTTR, of those that ended, by whatever ended them."""


class PageStatistics(Shape):
    """How many notifications arrived, and how many did not: refused, or without a result by their deadline."""

    delivered: int
    failed: int


class RuleStatistics(Shape):
    """How noisy one rule was, counted where its alerts lead."""

    alertname: str
    fired: int
    """How often an alert of it began to fire; refires and flaps are among them."""
    resolved: int
    refires: int
    """Fired again within half an hour or so of the end."""
    flaps: int
    """Fired again even before the incident was over."""
    pages: int


class ReceiverStatistics(PageStatistics):
    """How often one receiver was told."""

    receiver: str


class PeriodStatistics(Shape):
    """What happened in a time."""

    incidents: IncidentStatistics
    pages: PageStatistics
    rules: list[RuleStatistics]
    """The noisiest first: by pages, then by firings."""
    receivers: list[ReceiverStatistics]
    """Who is told most, first."""


class DayOfStatistics(PeriodStatistics):
    """What happened on one UTC day."""

    day: date


class StatisticsByDay(Shape):
    """Each day of the time asked for, the oldest first, and all of them together."""

    first_day: date
    last_day: date
    days: list[DayOfStatistics]
    totals: PeriodStatistics


# --- the handler ----------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "GET",
    "api/v1/statistics",
    scope=Scope.READ,
    query=StatisticsQuery,
    answers={200: StatisticsByDay},
    conditional=True,
)
async def show_statistics(request: func.HttpRequest) -> func.HttpResponse:
    """Mean times to acknowledge and to resolve, noise by rule, pages by receiver; by UTC day, of 92 days at most."""
    from domain.statistics import merged

    asked = read_query(StatisticsQuery, request).model_dump()
    first, last = _period(asked["from"], asked["to"])
    await await_folds()
    known = await ports().statistics.list_days(first, last)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return show(
        StatisticsByDay(
            first_day=first,
            last_day=last,
            days=[DayOfStatistics(day=day, **_period_of(known.get(day, {}), asked)) for day in days],
            totals=PeriodStatistics(**_period_of(merged(known.values()), asked)),
        )
    )


def _period(first: date | None, last: date | None) -> tuple[date, date]:
    from domain.statistics import MOST_DAYS, day_of

    last = last or day_of(ports().clock())
    if first is None:
        first = last - timedelta(days=min(DEFAULT_DAYS - 1, (last - date.min).days))
    if first > last:
        raise _wrong("from", f"{first} is after {last}, the last day")
    if (last - first).days >= MOST_DAYS:
        raise _wrong("from", f"{first} to {last} are {(last - first).days + 1} days; at most {MOST_DAYS} are told")
    return first, last


def _wrong(name: str, why: str) -> InputError:
    message = f"query parameter {name!r}: {why}"
    return InputError(message, ((name, message),))


def _period_of(counts: Counts, asked: dict[str, Any]) -> dict[str, Any]:
    from domain.statistics import statistics

    told = statistics(counts)
    receivers = {name: each for name, each in told.receivers.items() if asked["receiver"] in (None, name)}
    rules = [(name, each) for name, each in told.rules.items() if asked["alertname"] in (None, name)]
    return {
        "incidents": _incidents(told),
        "pages": PageStatistics(
            delivered=sum(each.delivered for each in receivers.values()),
            failed=sum(each.failed for each in receivers.values()),
        ),
        "rules": [
            RuleStatistics(
                alertname=name,
                fired=each.fired,
                resolved=each.resolved,
                refires=each.refires,
                flaps=each.flaps,
                pages=each.pages,
            )
            for name, each in rules[: asked["top"]]
        ],
        "receivers": [
            ReceiverStatistics(receiver=name, delivered=each.delivered, failed=each.failed)
            for name, each in receivers.items()
        ],
    }


def _incidents(told: Statistics) -> IncidentStatistics:
    to_acknowledge, to_resolve = told.mean_time_to_acknowledge, told.mean_time_to_resolve
    return IncidentStatistics(
        opened=told.opened,
        acknowledged=told.acknowledged,
        resolved=told.resolved,
        mean_seconds_to_acknowledge=None if to_acknowledge is None else round(to_acknowledge.total_seconds(), 3),
        mean_seconds_to_resolve=None if to_resolve is None else round(to_resolve.total_seconds(), 3),
    )
