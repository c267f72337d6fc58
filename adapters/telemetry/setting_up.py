"""Setting up: OpenTelemetry's providers for one place to send to; the file that loads the SDK."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from adapters.telemetry import instruments, known_of
from adapters.telemetry.instruments import Counter, Gauge, Histogram, Values
from adapters.telemetry.tracing import SCOPE

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

LIBRARIES = (
    *("azure_sdk", "django", "fastapi", "flask", "httpx", "httpx2"),
    *("psycopg2", "requests", "urllib", "urllib3"),
)
"""What the distribution would instrument.  None is: each would write down addresses, and a webhook's is a secret."""

OWN_TRAFFIC = ("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED")
"""What the distribution would tell, and ask, its maker about itself; `false` in the environment lets it."""


def to_application_insights(connection_string: str) -> None:
    """Send to Application Insights; by an identity where `APPLICATIONINSIGHTS_AUTHENTICATION_STRING` says so.

    Every trace is kept unless `OTEL_TRACES_SAMPLER` says otherwise: the distribution's own default takes five spans a
    second and drops children of a trace that it keeps.
    """
    _name_service()
    for name in OWN_TRAFFIC:
        os.environ.setdefault(name, "true")
    from azure.monitor.opentelemetry import configure_azure_monitor

    sampling = {} if os.environ.get("OTEL_TRACES_SAMPLER") else {"sampling_ratio": 1.0}
    configure_azure_monitor(
        connection_string=connection_string,
        logger_name=SCOPE,
        instrumentation_options={name: {"enabled": False} for name in LIBRARIES},
        enable_live_metrics=False,
        enable_performance_counters=False,
        **sampling,
    )
    for handler in logging.getLogger(SCOPE).handlers:
        handler.addFilter(_annotate)
    _offer_metrics()


def to_otlp() -> None:
    """Send by OTLP over HTTP, as the `OTEL_EXPORTER_OTLP_...` variables say."""
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.logging.handler import LoggingHandler
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # A collector that is gone must not keep a process from ending: each of the three exporters has one last try.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    resource = _resource()
    _provide(resource, BatchSpanProcessor(OTLPSpanExporter()), PeriodicExportingMetricReader(OTLPMetricExporter()))
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(provider)
    handler = LoggingHandler(logger_provider=provider)
    handler.addFilter(_annotate)
    logging.getLogger(SCOPE).addHandler(handler)
    _offer_metrics()


def to_console() -> None:
    """Write spans and metrics to standard error, one JSON object a line; the log is there already."""
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    spans = ConsoleSpanExporter(out=sys.stderr, formatter=lambda made: f"{made.to_json(indent=None)}\n")
    readings = ConsoleMetricExporter(out=sys.stderr, formatter=lambda data: f"{data.to_json(indent=None)}\n")
    _provide(_resource(), SimpleSpanProcessor(spans), PeriodicExportingMetricReader(readings))
    _offer_metrics()


def _name_service() -> None:
    os.environ.setdefault("OTEL_SERVICE_NAME", SCOPE)


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource

    _name_service()
    return Resource.create()


def _provide(resource: Resource, spans: SpanProcessor, readings: MetricReader) -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import set_tracer_provider

    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(spans)
    set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([readings], resource=resource))


def _annotate(record: logging.LogRecord) -> bool:
    """The handler sends what a record has beside its words as attributes; trace and span it knows by itself."""
    for name, value in known_of(record).items():
        if name in ("request_id", "incident_id"):
            setattr(record, name, value)
    return True


# --- metrics --------------------------------------------------------------------------------------------------------


def _offer_metrics() -> None:
    """Every instrument as one of OpenTelemetry's, read when it exports; from now on they count."""
    meter = metrics.get_meter(SCOPE)
    for instrument in instruments.ALL:
        name, unit, words = instrument.name, instrument.unit, instrument.words
        match instrument:
            case Counter():
                meter.create_observable_counter(name, [_counted(instrument)], unit, words)
            case Gauge():
                meter.create_observable_gauge(name, [_shown(instrument)], unit, words)
            case Histogram():
                theirs = meter.create_histogram(
                    name, unit, words, explicit_bucket_boundaries_advisory=[*instrument.bounds]
                )
                instrument.listeners.append(_recorder(instrument, theirs))
    instruments.begin_counting()


type _Callback = Callable[[CallbackOptions], Iterable[Observation]]


def _counted(counter: Counter) -> _Callback:
    return lambda _: [Observation(count, _named(counter, values)) for values, count in [*counter.counted.items()]]


def _shown(gauge: Gauge) -> _Callback:
    return lambda _: [Observation(value, _named(gauge, values)) for values, value in gauge.shown.items()]


def _recorder(histogram: Histogram, theirs: metrics.Histogram) -> Callable[[float, Values], None]:
    return lambda seconds, values: theirs.record(seconds, _named(histogram, values))


def _named(instrument: Counter | Gauge | Histogram, values: Values) -> dict[str, str]:
    return dict(zip(instrument.attributes, values, strict=True))
