"""Receivers: who can be told, and a test page to see that they are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

import azure.functions as func

from adapters.wiring import ports
from domain.errors import NotFoundError
from domain.principals import Scope
from endpoints.pipeline import endpoint
from endpoints.shapes import Shape, show

if TYPE_CHECKING:
    from domain.configuration import Configuration, Receiver
    from domain.routing import GroupId

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


class ReceiverSummary(Shape):
    """A receiver of the configuration in force."""

    name: str
    integrations: list[str]
    """What explanations call them: `slack[1]`, the number being its place among all of this receiver."""
    ignored: list[str]
    """The kinds of integration that it has and that Tocsin was told to leave out."""


class Receivers(Shape):
    """In the order of the configuration."""

    receivers: list[ReceiverSummary]


class ReceiverPages(Shape):
    """How often it was told on the last seven UTC days, today among them."""

    delivered: int
    failed: int


class ReceiverDetail(ReceiverSummary):
    """A receiver, and how telling it went."""

    labels: dict[str, str]
    pages: ReceiverPages
    pending: int
    """Deliveries under way now."""


class TestResult(Shape):
    """What became of the test page at one integration."""

    __test__ = False  # no test of pytest's

    integration: str
    is_delivered: bool
    detail: str
    """The receiver's answer, or why there is none; without secrets."""


class TestResults(Shape):
    """One result for each integration; none where the receiver has none."""

    __test__ = False

    receiver: str
    results: list[TestResult]


@endpoint(blueprint, "GET", "api/v1/receivers", scope=Scope.READ, answers={200: Receivers}, conditional=True)
async def list_receivers(request: func.HttpRequest) -> func.HttpResponse:
    """The receivers of the configuration in force, and how each is told."""
    configuration = (await ports().configurations.gather()).configuration
    return show(
        Receivers(
            receivers=[
                ReceiverSummary(name=one.name, integrations=one.integration_names, ignored=list(one.ignored))
                for one in configuration.receivers
            ]
        )
    )


@endpoint(
    blueprint,
    "GET",
    "api/v1/receivers/{name}",
    scope=Scope.READ,
    answers={200: ReceiverDetail},
    problems=(404,),
    conditional=True,
)
async def show_receiver(request: func.HttpRequest) -> func.HttpResponse:
    """One receiver of the configuration in force, with how many notifications arrived in the last week."""
    from domain.statistics import day_of, merged, statistics

    receiver = _find((await ports().configurations.gather()).configuration, request.route_params["name"])
    today = day_of(ports().clock())
    days = await ports().statistics.list_days(today - timedelta(days=6), today)
    told = statistics(merged(days.values())).receivers.get(receiver.name)
    return show(
        ReceiverDetail(
            name=receiver.name,
            integrations=receiver.integration_names,
            ignored=list(receiver.ignored),
            labels=dict(receiver.labels),
            pages=ReceiverPages(delivered=told.delivered if told else 0, failed=told.failed if told else 0),
            pending=await _pending(receiver.name),
        )
    )


async def _pending(receiver: str) -> int:
    count = 0
    after: GroupId | None = None
    while heads := await ports().groups.list_heads(after=after):
        count += sum(len(head.pending) for head in heads if head.receiver == receiver)
        after = heads[-1].id
    return count


@endpoint(
    blueprint, "POST", "api/v1/receivers/{name}/test", scope=Scope.ADMIN, answers={200: TestResults}, problems=(404,)
)
async def test_receiver(request: func.HttpRequest) -> func.HttpResponse:
    """Send a page marked as a test through every integration of a receiver, past groups, silences and the log.

    What keeps a state (a webhook, PagerDuty) gets the page that resolves it too.  The answer comes within half a
    minute, and has status 200 also where nothing arrived.
    """
    configuration = (await ports().configurations.gather()).configuration
    receiver = _find(configuration, request.route_params["name"])
    outcomes = await ports().deliverer.try_out(receiver, configuration.templates)
    results = [
        TestResult(integration=name, is_delivered=outcome.is_delivered, detail=outcome.detail)
        for name, outcome in zip(receiver.integration_names, outcomes, strict=True)
    ]
    return show(TestResults(receiver=receiver.name, results=results))


def _find(configuration: Configuration, name: str) -> Receiver:
    """The receiver of that name; one with a slash in its name can only be asked for with that encoded twice."""
    try:
        return configuration.receiver(name)
    except NotFoundError:
        return configuration.receiver(unquote(name))
