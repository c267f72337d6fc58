"""One trace id leads from the request that brought an alert to the page about it, in both homes; the log has it too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.receiver import Receiver, failing
from tests.serving import UNTRIAGED, Serving, eventually
from tests.standins.collector import CollectedSpan, Collector

CONFIGURATION = """
route: {{receiver: team, group_by: [alertname], group_wait: 1s, group_interval: 10s}}
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""

ALERT = {"labels": {"alertname": "DiskFull", "instance": "db-1"}}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def trail(collector: Collector, spans: list[CollectedSpan]) -> list[str]:
    """The names from the first span down to this trace's delivery."""
    by_id = {span.span_id: span for span in spans}
    (last,) = [span for span in spans if span.name.startswith("deliver ")]
    names = []
    while last is not None:
        names.append(last.name)
        last = by_id.get(last.parent_id)  # type: ignore[assignment]
    return names[::-1]


@pytest.mark.usefixtures("home")
def test_one_trace_leads_from_the_request_to_the_page(tmp_path: Path, receiver: Receiver, collector: Collector) -> None:
    receiver.behave("/team", failing(400))
    environment = collector.environment | UNTRIAGED
    configuration = CONFIGURATION.format(url=receiver.url("/team"))
    with Serving(tmp_path, configuration, ("--log-format", "json"), environment) as tocsin:
        first = tocsin.post("/api/v2/alerts", [ALERT])
        eventually(lambda: [span for span in collector.spans if span.name == "fold"], "the fold")
        second = tocsin.post("/api/v2/alerts", [{"labels": ALERT["labels"] | {"instance": "db-2"}}])
        eventually(lambda: receiver.pages("/team"), "the page")
        eventually(lambda: [span for span in collector.spans if span.name == "deliver webhook"], "the delivery's span")
        eventually(lambda: [log for log in collector.logs if "notifications fail" in log.text], "the log line")
        lines = eventually(lambda: _lines(tocsin, "notifications fail"), "the line in the output")

    def request(answer_id: str) -> CollectedSpan:
        (found,) = [span for span in collector.spans if span.attributes.get("tocsin.request.id") == answer_id]
        return found

    posted, joined = request(first.headers["x-request-id"]), request(second.headers["x-request-id"])
    spans = [span for span in collector.spans if span.trace_id == posted.trace_id]
    assert trail(collector, spans) == [
        *("POST /api/v2/alerts", "process groups", "fold"),
        *("process ticks", "fold", "process deliveries", "deliver webhook"),
    ]
    (delivered,) = [span for span in spans if span.name == "deliver webhook"]
    incident = delivered.attributes["tocsin.incident.id"]
    assert (posted.kind, delivered.kind) == ("server", "client")
    assert posted.attributes["http.route"] == "/api/v2/alerts"
    assert delivered.attributes["tocsin.outcome"] == "failed"
    assert delivered.attributes["error.type"] == "failed"
    assert incident.startswith(delivered.attributes["tocsin.group.id"])

    # The page tells of the second request's alert too: its trace links to the one that has the page.
    own = [span for span in collector.spans if span.trace_id == joined.trace_id]
    assert joined.trace_id != posted.trace_id
    assert [span.links for span in own if span.name == "fold"] == [[posted.trace_id]]

    (log,) = [log for log in collector.logs if "notifications fail" in log.text]
    assert (log.trace_id, log.attributes["incident_id"]) == (posted.trace_id, incident)
    assert (lines[0]["trace_id"], lines[0]["incident_id"]) == (posted.trace_id, incident)


def _lines(tocsin: Serving, words: str) -> list[dict[str, str]]:
    found = [line for line in tocsin.output.splitlines() if words in line and line.startswith("{")]
    return [json.loads(line) for line in found]


def test_whoever_asks_does_not_choose_the_trace(tmp_path: Path, collector: Collector) -> None:
    foreign = f"00-{'ab' * 16}-{'cd' * 8}-00"
    with Serving(tmp_path, environment=collector.environment | UNTRIAGED, home="sqlite") as tocsin:
        tocsin.request("GET", "/api/v2/status", headers={"traceparent": foreign, "X-Request-Id": "mine"})
        tocsin.request("GET", "/nothing/here", headers={"traceparent": "00-nonsense", "X-Request-Id": "lost"})
        mine = eventually(
            lambda: [span for span in collector.spans if span.attributes.get("tocsin.request.id") == "mine"], "its span"
        )[0]
        lost = eventually(
            lambda: [span for span in collector.spans if span.attributes.get("tocsin.request.id") == "lost"], "its span"
        )[0]
    assert mine.trace_id != "ab" * 16
    assert mine.links == ["ab" * 16]
    assert (lost.name, lost.links, "http.route" in lost.attributes) == ("GET", [], False)


def test_metrics_arrive_with_their_names(tmp_path: Path, receiver: Receiver, collector: Collector) -> None:
    environment = collector.environment | UNTRIAGED
    with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/team")), (), environment, home="sqlite") as tocsin:
        now = datetime.now(UTC)
        for minutes in (10, 11):
            ends_at = (now + timedelta(minutes=minutes)).isoformat()
            tocsin.post("/api/v2/alerts", [ALERT | {"startsAt": now.isoformat(), "endsAt": ends_at}])
        eventually(
            lambda: collector.latest("tocsin.deliveries", tocsin_receiver="team", tocsin_outcome="delivered") == 1,
            "the delivery's count",
        )
        eventually(lambda: collector.latest("tocsin.alerts.absorbed") == 1, "the absorbed re-send")
        eventually(
            lambda: collector.latest("http.server.request.duration", http_route="/api/v2/alerts") == 2, "the requests"
        )
        # The sweep at the start has looked.
        assert collector.latest("tocsin.ledger.alerts", tocsin_state="accepted") == 0
        assert collector.latest("tocsin.unfolded.age") == 0
        assert collector.latest("tocsin.ingest.lag") == 1
        assert collector.latest("tocsin.delivery.lag") == 1
        assert collector.latest("tocsin.ticks.overdue") == 0
