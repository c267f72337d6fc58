"""Telemetry: spans, metrics and what log lines say of themselves, by name; where nobody asked for any it does nothing.

The rest of the code knows this module and `instruments`, which load nothing; OpenTelemetry is loaded by
`setup_telemetry`, and by nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from types import TracebackType

    from adapters.telemetry.tracing import Tracing

type Kind = Literal["internal", "server", "client", "producer", "consumer"]
type Attribute = str | int | float | bool | Sequence[str]

TRACEPARENT = "traceparent"
"""Under which name a message carries the span that sent it, as Azure's SDKs and its host do: W3C Trace Context."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Identifies the HTTP request being handled; on every log line, span and problem."""

incident_id: ContextVar[str] = ContextVar("incident_id", default="")
"""The incident that what runs is about, where it is about one; on every log line."""

log = logging.getLogger("tocsin.telemetry")

_tracing: Tracing | None = None


class Span:
    """One piece of work, from entering the block until its end; this one is seen by nobody."""

    __slots__ = ()

    def __enter__(self) -> Span:
        """It begins, and is what spans, messages and log lines inside the block belong to."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It ends; of an error it keeps the type, never the text."""

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Say more about it.  Ids, names of the configuration and counts: no label's value, no secret, no body."""

    def link(self, traceparent: str) -> None:
        """It has to do with that span of another trace."""

    def fail(self, reason: str) -> None:
        """It ended in an error of this kind, without raising one."""


_NOBODY_SEES = Span()


def setup_telemetry(environment: Mapping[str, str]) -> None:
    """Begin to send telemetry where these variables say; without any of them nothing is sent, and nothing is loaded.

    Application Insights where `APPLICATIONINSIGHTS_CONNECTION_STRING` is set, else OTLP over HTTP where
    `OTEL_EXPORTER_OTLP_ENDPOINT` is; standard error with `TOCSIN_TELEMETRY=console`, and nowhere with `off`.  A second
    call changes nothing.  What is wrong with a variable is logged, and alerts are handled without telemetry.
    """
    global _tracing
    wanted = environment.get("TOCSIN_TELEMETRY") or "auto"
    connection_string = environment.get("APPLICATIONINSIGHTS_CONNECTION_STRING", "")
    endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if _tracing is not None or wanted == "off" or not (wanted == "console" or connection_string or endpoint):
        return
    try:
        from adapters.telemetry.setting_up import to_application_insights, to_console, to_otlp

        if wanted == "console":
            to_console()
        elif connection_string:
            to_application_insights(connection_string)
        else:
            to_otlp()
        from adapters.telemetry.tracing import Tracing
    except Exception as error:  # noqa: BLE001  whatever it is, pages matter more; its text may quote the variable
        log.error("there is no telemetry: setting it up failed with %s", type(error).__name__)
        return
    _tracing = Tracing()


def is_tracing() -> bool:
    """Whether anybody sees spans; ask before making what only a span wants."""
    return _tracing is not None


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str = "",
    attributes: Mapping[str, Attribute] | None = None,
) -> Span:
    """A span, to be entered; names and attributes by OpenTelemetry's semantic conventions, ours begin `tocsin.`.

    Args:
        name: Few different ones: what is done, without ids.
        kind: As OpenTelemetry has them.
        parent: The `traceparent` of the span that caused it; the current one is linked then.  Without it, or where it
            cannot be read, the current one is its parent.
        attributes: As for `Span.set`.
    """
    return _NOBODY_SEES if _tracing is None else _tracing.span(name, kind, parent, attributes)


def carry() -> str:
    """The current span's `traceparent`, for a message to carry; empty where there is none."""
    return "" if _tracing is None else _tracing.carry()


def current_ids() -> tuple[str, str] | None:
    """The ids of the current trace and span, in hexadecimal digits."""
    return None if _tracing is None else _tracing.current_ids()


def known_of(record: logging.LogRecord) -> dict[str, str]:
    """What a log line says beside its words, as far as it is known: request, incident, trace and span."""
    known: dict[str, str] = {}
    if request := request_id.get():
        known["request_id"] = request
    # One that knows better is about that incident: `extra={"incident_id": ...}`.
    if incident := getattr(record, "incident_id", "") or incident_id.get():
        known["incident_id"] = incident
    if ids := current_ids():
        known["trace_id"], known["span_id"] = ids
    return known
