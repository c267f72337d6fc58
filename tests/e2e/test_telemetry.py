"""Where telemetry goes, as the settings say; whatever they say, alerts are handled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import variable_of
from adapters.telemetry import is_tracing, setup_telemetry
from tests.e2e.receiver import Receiver, failing
from tests.serving import UNTRIAGED, Serving, eventually
from tests.standins.collector import Collector

CONFIGURATION = """
route: {{receiver: team, group_by: [alertname], group_wait: 0s}}
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""
ALERT = {"labels": {"alertname": "DiskFull"}}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def test_nothing_is_set_up_unasked() -> None:
    setup_telemetry({"TOCSIN_TELEMETRY": "auto", "OTEL_SERVICE_NAME": "tocsin"})
    setup_telemetry({"TOCSIN_TELEMETRY": "off", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert not is_tracing()


def test_its_variables_are_those_of_the_settings() -> None:
    asked: list[str] = []

    class Environment(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.append(name)
            return default

    setup_telemetry(Environment())
    assert asked == [variable_of(field) for field in ("telemetry", "applicationinsights", "otlp_endpoint")]


def test_application_insights_has_the_whole_trace_and_the_log(
    tmp_path: Path, receiver: Receiver, collector: Collector
) -> None:
    receiver.behave("/team", failing(400))
    environment = {
        **collector.environment,  # which would send to the same place by OTLP
        **UNTRIAGED,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": collector.connection_string,
    }
    configuration = CONFIGURATION.format(url=receiver.url("/team"))
    with Serving(tmp_path, configuration, (), environment, home="sqlite") as tocsin:
        request_id = tocsin.post("/api/v2/alerts", [ALERT]).headers["x-request-id"]
        eventually(lambda: named(collector, "deliver webhook"), "the delivery's span", seconds=20)
        eventually(lambda: messages(collector, "notifications fail"), "the log line", seconds=20)
        eventually(lambda: named(collector, "tocsin.ledger.alerts"), "a metric", seconds=20)
    (posted,) = [
        one
        for one in named(collector, "POST /api/v2/alerts")
        if one["data"]["baseData"]["properties"].get("tocsin.request.id") == request_id
    ]
    trace_id = posted["tags"]["ai.operation.id"]
    (delivered,) = named(collector, "deliver webhook")
    assert delivered["tags"]["ai.operation.id"] == trace_id
    names = {
        base(one)["name"]
        for one in collector.tracked
        if one["tags"].get("ai.operation.id") == trace_id and "name" in base(one)
    }
    assert {"POST /api/v2/alerts", "process groups", "fold", "process deliveries", "deliver webhook"} <= names
    (line,) = messages(collector, "notifications fail")
    assert line["tags"]["ai.operation.id"] == trace_id
    assert base(line)["properties"]["incident_id"] == base(delivered)["properties"]["tocsin.incident.id"]
    assert not collector.spans, "it goes to one place"
    assert {one["tags"]["ai.cloud.role"] for one in collector.tracked} == {"tocsin"}
    paths = {text.split(" ", 1)[0] for text in collector.received}
    assert paths == {"/v2.1/track"}


def base(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["data"]["baseData"]
    return found


def named(collector: Collector, name: str) -> list[dict[str, Any]]:
    return [
        one
        for one in collector.tracked
        if base(one).get("name") == name or name in [metric.get("name") for metric in base(one).get("metrics", [])]
    ]


def messages(collector: Collector, words: str) -> list[dict[str, Any]]:
    return [one for one in collector.tracked if words in base(one).get("message", "")]


def test_the_console_has_a_line_for_each_span(tmp_path: Path) -> None:
    with Serving(tmp_path, environment=UNTRIAGED | {"TOCSIN_TELEMETRY": "console"}, home="sqlite") as tocsin:
        tocsin.post("/api/v2/alerts", [ALERT])

        def spans() -> list[Any]:
            lines = [json.loads(line) for line in tocsin.output.splitlines() if line.startswith("{")]
            return [line for line in lines if line.get("name") == "POST /api/v2/alerts"]

        (span,) = eventually(spans, "the span")
    assert span["attributes"]["http.response.status_code"] == 200


def test_what_is_wrong_is_said_without_its_words_and_alerts_are_taken(tmp_path: Path) -> None:
    wrong = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=not-a-key-7f3a"}
    with Serving(tmp_path, environment=UNTRIAGED | wrong, home="sqlite") as tocsin:
        assert tocsin.post("/api/v2/alerts", [ALERT]).status == 200
        assert "there is no telemetry: setting it up failed with ValueError" in tocsin.output
        assert "not-a-key-7f3a" not in tocsin.output


def test_a_collector_that_is_gone_holds_nobody_up(tmp_path: Path, receiver: Receiver) -> None:
    environment = UNTRIAGED | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/team")), (), environment, home="sqlite") as tocsin:
        assert tocsin.post("/api/v2/alerts", [ALERT]).status == 200
        eventually(lambda: receiver.pages("/team"), "the page")
