"""Real senders: what others wrote to send alerts with, against `tocsin serve`.

SNS is not here: nothing on this machine may pass for AWS (tests/adapters/test_verifying.py signs its messages).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx2
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from pagerduty import EventsApiV2Client
from standardwebhooks.webhooks import Webhook

from tests.differential.systems import Alertmanager
from tests.serving import Serving, eventually

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

ROUTING_KEY = "0123456789abcdef0123456789abcdef"

CONFIGURATION = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 1s}
receivers: [{name: nobody}]
"""

OWN = f"""\
sources:
  - kind: cloudevents
    key: signed
    verify: {{standard_webhooks: {{secrets: ["{SECRET}"]}}}}
  - kind: pagerduty
    key: payments
    verify: {{header: {{name: X-Routing-Key, secrets: ["{ROUTING_KEY}"]}}}}
"""

SIGNED = "cloudevents/signed"

UPSTREAM = """\
route: {{receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: tocsin
    webhook_configs: [{{url: "{url}/api/v1/sources/alertmanager/upstream"}}]
"""


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("tocsin")
    own = folder / "own.yml"
    own.write_text(OWN)
    with Serving(folder, CONFIGURATION, ("--tocsin-config", str(own)), home="sqlite") as tocsin:
        yield tocsin


def alerts(tocsin: Serving, **labels: str) -> list[Any]:
    """Those that fire and have these labels."""
    answer = tocsin.get("/api/v2/alerts")
    assert answer.status == 200, answer.text
    return [alert for alert in answer.json() if labels.items() <= alert["labels"].items()]


def fires(tocsin: Serving, **labels: str) -> Any:
    """The one alert with these labels, as soon as it fires."""
    (alert,) = eventually(lambda: alerts(tocsin, **labels), f"an alert with {labels}")
    return alert


def is_over(tocsin: Serving, **labels: str) -> None:
    eventually(lambda: not alerts(tocsin, **labels), f"the end of the alert with {labels}")


def send(tocsin: Serving, source: str, body: bytes, headers: Mapping[str, str]) -> int:
    return tocsin.request("POST", f"/api/v1/sources/{source}", body, headers).status


@pytest.mark.needs("prometheus-alertmanager")
def test_an_alertmanager_forwards_what_it_has(tocsin: Serving, tmp_path: Path) -> None:
    labels = {"alertname": "DiskFull", "instance": "db1", "source": "node exporter"}
    upstream = Alertmanager(tmp_path / "upstream", UPSTREAM.format(url=tocsin.url))
    upstream.start()
    try:
        _post_alert(upstream.port, {"labels": labels, "annotations": {"summary": "3 % left"}})
        alert = fires(tocsin, instance="db1")
        (theirs,) = _get_alerts(upstream.port)
        same = ("labels", "annotations", "fingerprint", "startsAt")
        assert {name: alert[name] for name in same} == {name: theirs[name] for name in same}
        # What Prometheus would tell us itself is the same alert.
        assert tocsin.post("/api/v2/alerts", [{"labels": labels}]).status == 200
        assert len(alerts(tocsin, instance="db1")) == 1
        _post_alert(upstream.port, {"labels": labels, "endsAt": datetime.now(UTC).isoformat()})
        is_over(tocsin, instance="db1")
    finally:
        upstream.stop()


def _post_alert(port: int, alert: dict[str, Any]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/api/v2/alerts", json.dumps([alert]), {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def _get_alerts(port: int) -> Any:
    with urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=10) as response:
        return json.load(response)


class WithoutTls(httpx2.HTTPTransport):
    """The client insists on an https URL; here there is nothing to hide."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)


def test_the_client_of_pagerduty_triggers_acknowledges_and_resolves(tocsin: Serving) -> None:
    url = f"https://127.0.0.1:{tocsin.port}"
    with EventsApiV2Client(ROUTING_KEY, base_url=url, transport=WithoutTls()) as client:
        _page(tocsin, client)


def _page(tocsin: Serving, client: EventsApiV2Client) -> None:
    key = client.trigger("97 % full", "db1", severity="error", custom_details={"mount": "/"})
    other = client.trigger("98 % full", "db2", dedup_key="db2/disk", severity="critical")
    alert = fires(tocsin, dedup_key=key)
    assert alert["labels"]["integration"] == "payments"
    assert (alert["annotations"]["summary"], alert["annotations"]["severity_now"]) == ("97 % full", "high")
    assert client.acknowledge(key) == key
    assert client.resolve(key) == key
    is_over(tocsin, dedup_key=key)
    assert fires(tocsin, dedup_key=other)
    links = [{"href": "https://git.example.com/7"}]
    # With a time, for the client's own (7.2.0) raises AttributeError.
    client.submit("cart 7 is deployed", "pipelines", {"service": "cart"}, links, datetime.now(UTC).isoformat())
    (change,) = tocsin.get("/api/v1/changes").json()["changes"]
    assert (change["summary"], change["service"]) == ("cart 7 is deployed", "cart")
    assert (change["source"], change["url"]) == ("pipelines", "https://git.example.com/7")


@pytest.mark.parametrize("encode", [http.to_binary_event, http.to_structured_event])
def test_the_sdk_of_cloudevents(tocsin: Serving, encode: Any) -> None:
    subject = f"db € {encode.__name__}"

    def tell(type_: str, value: int) -> None:
        attributes = {"type": type_, "source": "/acme/disks", "subject": subject, "severity": "major"}
        message = encode(CloudEvent(attributes, {"summary": f"{value} % full", "labels": {"mount": "/"}}))
        assert send(tocsin, "cloudevents/acme", message.body, message.headers) == 202

    tell("com.acme.disk.firing", 91)
    alert = fires(tocsin, subject=subject)
    assert (alert["labels"]["severity"], alert["labels"]["mount"]) == ("high", "/")
    assert alert["annotations"]["summary"] == "91 % full"
    tell("com.acme.disk.resolved", 40)
    is_over(tocsin, subject=subject)


def test_what_standardwebhooks_signs_is_taken_and_nothing_else(tocsin: Serving) -> None:
    body = json.dumps({"specversion": "1.0", "id": "1", "type": "a.firing", "source": "/signed", "subject": "s"})
    now = datetime.now(UTC)
    headers = {
        "content-type": "application/cloudevents+json",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    assert send(tocsin, SIGNED, body.replace("firing", "failed").encode(), headers) == 401
    old = {**headers, "webhook-timestamp": str(int(time.time()) - 600)}
    assert send(tocsin, SIGNED, body.encode(), old) == 401
    assert send(tocsin, SIGNED, body.encode(), {"content-type": headers["content-type"]}) == 401
    assert send(tocsin, SIGNED, body.encode(), headers) == 202
    assert fires(tocsin, event_source="/signed")
