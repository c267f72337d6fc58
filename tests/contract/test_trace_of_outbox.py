"""What a crash left in an outbox is relayed in the trace of the fold that committed it, on a home that keeps that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from adapters import telemetry
from adapters.settings import Settings
from adapters.telemetry import carry, span
from adapters.telemetry.tracing import Tracing
from adapters.wiring import Ports, wire
from devhost.pumps import ChangeFeed
from domain.groups import Decision, Transaction
from tests.builders import MINUTE, delivery, group_id, head
from tests.contract.conftest import Clock
from tests.standins.azure import AzureStandIn, azure


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What is traced by this process while the test runs."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracing", Tracing(provider))
    return exporter


@pytest.fixture
async def stand_in(clock: Clock) -> AsyncIterator[AzureStandIn]:
    async with azure(lambda: clock().timestamp()) as stand_in:
        yield stand_in


@pytest.fixture
async def home(stand_in: AzureStandIn, clock: Clock) -> AsyncIterator[Ports]:
    home = wire(Settings.read(stand_in.environment), clock)
    yield home
    await home.close()


async def test_what_is_relayed_goes_on_in_the_trace_of_its_fold(
    home: Ports, stand_in: AzureStandIn, clock: Clock, spans: InMemorySpanExporter
) -> None:
    decision = Decision(head(), outbox=[delivery()])
    with span("fold"):
        committed_in = carry()
        await home.groups.transact([Transaction(group_id(1), lambda _: decision)])
    clock.advance(MINUTE)
    documents, _ = await cast(ChangeFeed, home.groups).changes("", limit=100)
    with span("relay_outbox"):
        began_in = carry()
        for document in documents:
            await home.outbox.relay(document)
    (relayed,) = named(spans, "relay")
    assert relayed.parent is not None
    assert ids(relayed.parent) in committed_in
    assert [ids(link.context) in began_in for link in relayed.links] == [True]
    (message,) = stand_in.service_bus.peek("deliveries")
    assert message.content.application_properties["traceparent"][:35] == committed_in[:35]


async def test_without_telemetry_nothing_is_written_of_it(home: Ports, stand_in: AzureStandIn) -> None:
    decision = Decision(head(), outbox=[delivery()])
    await home.outbox.send(await home.groups.transact([Transaction(group_id(1), lambda _: decision)]))
    documents, _ = await cast(ChangeFeed, home.groups).changes("", limit=100)
    assert not [document for document in documents if "trace" in document]
    (message,) = stand_in.service_bus.peek("deliveries")
    assert "traceparent" not in message.content.application_properties


@pytest.mark.parametrize(
    "parent",
    [
        pytest.param("", id="none"),
        pytest.param("00-" + "0" * 32 + "-" + "1" * 16 + "-01", id="of no trace"),
        pytest.param("nonsense " * 1000, id="nonsense"),
    ],
)
def test_a_parent_that_cannot_be_read_is_none(spans: InMemorySpanExporter, parent: str) -> None:
    with span("process", "consumer", parent=parent):
        pass
    assert named(spans, "process")[0].parent is None


def test_of_an_error_only_the_type_is_kept(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), span("fold"):
        raise ValueError("secret")
    (failed,) = named(spans, "fold")
    assert failed.attributes == {"error.type": "ValueError"}
    assert (failed.status.is_ok, failed.status.description, failed.events) == (False, None, ())


def ids(context: SpanContext) -> str:
    return f"{context.trace_id:032x}-{context.span_id:016x}"


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [one for one in spans.get_finished_spans() if one.name == name]
