"""Metrics page: what Tocsin counts, as Prometheus reads it, at `/metrics` of the dev host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from itertools import accumulate
from secrets import token_hex
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.telemetry import request_id
from adapters.telemetry.instruments import ALL, Counter, Gauge, Histogram, begin_counting
from adapters.telemetry.names import label_name, page_name
from devhost.index import Function
from domain.errors import ForbiddenError, UnauthenticatedError
from domain.principals import Scope
from endpoints.authentication import authenticate, challenge
from endpoints.headers import secure
from endpoints.limits import check_rate
from endpoints.problems import answer
from endpoints.watching import watch

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MEDIA_TYPE = "text/plain; version=0.0.4"

LOOK_SECONDS = 5.0
"""The store and the queues are looked at once in so long, however many read."""


class MetricsPage:
    """The page.  Processes count nothing until it is read the first time."""

    def __init__(self) -> None:
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")

    @property
    def function(self) -> Function:
        """It as a function of the dev host; the Functions host does not have it."""
        binding = {"route": "metrics", "methods": ["GET"]}
        return Function("metrics", "httpTrigger", "request", binding, None, self.show)

    async def show(self, request: func.HttpRequest) -> func.HttpResponse:
        """The page; with `--auth` for those who may read, wherever they ask from: behind a proxy all come from here."""
        request_id.set(token_hex(16))
        try:
            principal = await authenticate(request)
            check_rate(principal, Scope.READ)
            if not principal.may(Scope.READ):
                raise ForbiddenError(f"{principal.name} lacks the scope {Scope.READ.value!r}, which this needs")
            begin_counting()
            await self._look()
            response = func.HttpResponse(_written(), mimetype=MEDIA_TYPE)
        except Exception as error:  # noqa: BLE001  the top of a request: each error becomes an answer
            response = answer(request, error)
            if isinstance(error, UnauthenticatedError):
                response.headers["WWW-Authenticate"] = challenge(request)
        secure(request, response, request_id.get())
        return response

    async def _look(self) -> None:
        async with self._looking:
            if time.monotonic() - self._looked_at > LOOK_SECONDS:
                await watch()
                self._looked_at = time.monotonic()


def _written() -> bytes:
    # Here, so that whoever reads no metrics does not load it.
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector())
    return generate_latest(registry)


class _Collector:
    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for instrument in ALL:
            name, labels = page_name(instrument), [label_name(name) for name in instrument.attributes]
            match instrument:
                case Counter():
                    counter = CounterMetricFamily(name, instrument.words, labels=labels)
                    for values, count in instrument.counted.items():
                        counter.add_metric(values, count)
                    if not labels and not instrument.counted:
                        counter.add_metric((), 0)
                    yield counter
                case Gauge():
                    gauge = GaugeMetricFamily(name, instrument.words, labels=labels)
                    for values, value in instrument.shown.items():
                        gauge.add_metric(values, value)
                    yield gauge
                case Histogram():
                    histogram = HistogramMetricFamily(name, instrument.words, labels=labels)
                    bounds = [*map(str, instrument.bounds), "+Inf"]
                    for values, found in instrument.recorded.items():
                        below = list(zip(bounds, accumulate(found.buckets), strict=True))
                        histogram.add_metric(values, below, found.sum)
                    yield histogram
