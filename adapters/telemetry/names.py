"""Names: what Prometheus calls OpenTelemetry's metrics, as the collectors of both translate them."""

from __future__ import annotations

from adapters.telemetry.instruments import Instrument


def page_name(instrument: Instrument) -> str:
    """Without the endings `_total` of a counter, and `_bucket`, `_count` and `_sum` of a histogram."""
    return instrument.name.replace(".", "_") + ("_seconds" if instrument.unit == "s" else "")


def label_name(attribute: str) -> str:
    """The label that an attribute becomes."""
    return attribute.replace(".", "_")
