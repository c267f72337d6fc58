"""Tracing: spans of ours as OpenTelemetry's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from adapters.telemetry import Attribute, Kind, Span

SCOPE = "tocsin"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?:-.*)?")
_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class Tracing:
    """What makes spans once telemetry is set up."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        """The process's own provider where none is given."""
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=provider)

    def span(self, name: str, kind: Kind, parent: str, attributes: Mapping[str, Attribute] | None) -> Span:
        """As `adapters.telemetry.span`."""
        caused_by = _read(parent)
        links, context = [], None
        if caused_by is not None:
            context = trace.set_span_in_context(NonRecordingSpan(caused_by))
            current = trace.get_current_span().get_span_context()
            if current.is_valid:
                links.append(Link(current))
        made = self._tracer.start_span(name, context, _KINDS[kind], attributes=attributes, links=links)
        return _Recorded(made)

    def carry(self) -> str:
        """As `adapters.telemetry.carry`."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return ""
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def current_ids(self) -> tuple[str, str] | None:
        """As `adapters.telemetry.current_ids`."""
        context = trace.get_current_span().get_span_context()
        return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


class _Recorded(Span):
    __slots__ = ("_entered", "_span")

    def __init__(self, made: trace.Span) -> None:
        self._span = made
        self._entered: AbstractContextManager[trace.Span] = trace.use_span(
            made, end_on_exit=True, record_exception=False, set_status_on_exception=False
        )

    def __enter__(self) -> Span:
        self._entered.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, Exception):
            self.fail(kind.__name__)
        self._entered.__exit__(kind, error, trace)

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        self._span.set_attributes(attributes)

    def link(self, traceparent: str) -> None:
        if (context := _read(traceparent)) is not None:
            self._span.add_link(context)

    def fail(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        self._span.set_status(Status(StatusCode.ERROR))


def _read(traceparent: str) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    context = SpanContext(
        int(match["trace"], 16), int(match["span"], 16), is_remote=True, trace_flags=TraceFlags(int(match["flags"], 16))
    )
    return context if context.is_valid else None
