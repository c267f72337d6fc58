"""Collector: takes OTLP over HTTP, and what Application Insights takes, and remembers every byte of it."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    attributes: Mapping[str, Any]
    links: Sequence[str]
    """The ids of the traces that it links to."""


@dataclass(frozen=True, slots=True)
class CollectedLog:
    text: str
    trace_id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CollectedPoint:
    """One point of a metric; of a histogram `value` is how many values it counts."""

    name: str
    value: float
    attributes: Mapping[str, Any]


@dataclass
class Collector:
    """Listens from entering the block until its end.

    with Collector() as collector, Serving(folder, environment=collector.environment) as tocsin:
        ...
        assert "POST /api/v2/alerts" in {span.name for span in collector.spans}
    """

    spans: list[CollectedSpan] = field(default_factory=list)
    logs: list[CollectedLog] = field(default_factory=list)
    points: list[CollectedPoint] = field(default_factory=list)
    tracked: list[dict[str, Any]] = field(default_factory=list)
    """What came as to Application Insights."""
    received: list[str] = field(default_factory=list)
    """Everything as text, and each path with the headers that came with it."""

    def __enter__(self) -> Self:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, str(self.headers), _unpacked(body, self.headers.get("Content-Encoding", "")))
                answer = b"" if self.path.startswith("/v1/") else b'{"itemsReceived":1,"itemsAccepted":1,"errors":[]}'
                self.send_response(200)
                self.send_header("Content-Type", self.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="collector", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if error is not None:
            lines = [
                f"{span.trace_id[:6]} {span.parent_id[:6]:6} {span.span_id[:6]} {span.name}" for span in self.spans
            ]
            error.add_note("the collector has:\n" + "\n".join(lines))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """By which everything comes here, and soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_BLRP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }

    @property
    def connection_string(self) -> str:
        """Of an Application Insights that is here."""
        return f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={self.url}/"

    def take(self, path: str, headers: str, body: bytes) -> None:
        match path:
            case "/v1/traces":
                traces = ExportTraceServiceRequest.FromString(body)
                self.received.append(f"{path} {headers} {traces}")
                self.spans += [
                    CollectedSpan(
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.name,
                        type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                        _attributes(span.attributes),
                        [link.trace_id.hex() for link in span.links],
                    )
                    for resource in traces.resource_spans
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
            case "/v1/logs":
                logs = ExportLogsServiceRequest.FromString(body)
                self.received.append(f"{path} {headers} {logs}")
                self.logs += [
                    CollectedLog(record.body.string_value, record.trace_id.hex(), _attributes(record.attributes))
                    for resource in logs.resource_logs
                    for scope in resource.scope_logs
                    for record in scope.log_records
                ]
            case "/v1/metrics":
                metrics = ExportMetricsServiceRequest.FromString(body)
                self.received.append(f"{path} {headers} {metrics}")
                for resource in metrics.resource_metrics:
                    for scope in resource.scope_metrics:
                        for metric in scope.metrics:
                            self.points += _points(metric)
            case "/v2.1/track":
                self.received.append(f"{path} {headers} {body.decode()}")
                self.tracked += json.loads(body) if body.startswith(b"[") else map(json.loads, body.splitlines())
            case _:
                self.received.append(f"{path} {headers} {body!r}")

    def latest(self, name: str, **attributes: str) -> float | None:
        """The last value of the metric, its attributes given with `_` for each dot."""
        wanted = {key.replace("_", "."): value for key, value in attributes.items()}
        found = [
            point.value for point in self.points if point.name == name and wanted.items() <= point.attributes.items()
        ]
        return found[-1] if found else None


def _unpacked(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case _:
            return body


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


def _points(metric: Any) -> list[CollectedPoint]:
    match metric.WhichOneof("data"):
        case "histogram":
            points = metric.histogram.data_points
            return [CollectedPoint(metric.name, one.count, _attributes(one.attributes)) for one in points]
        case "sum" | "gauge" as kind:
            points = getattr(metric, kind).data_points
            return [
                CollectedPoint(metric.name, one.as_double or float(one.as_int), _attributes(one.attributes))
                for one in points
            ]
        case _:
            return []
