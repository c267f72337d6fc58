"""`/metrics` of the dev host: what Prometheus reads there, who may, and that nothing is counted unread."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.telemetry.instruments import ALL
from adapters.telemetry.names import page_name
from tests.e2e.receiver import Receiver, failing
from tests.serving import UNTRIAGED, Answer, Serving, eventually

CONFIGURATION = """
route: {{receiver: team, group_by: [alertname], group_wait: 0s}}
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""


def read(answer: Answer) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    assert answer.status == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(tocsin: Serving, name: str, **labels: str) -> float | None:
    found = read(tocsin.get("/metrics"))
    return next(
        (one for (known, has), one in found.items() if known == name and has >= frozenset(labels.items())), None
    )


def test_what_happened_is_counted_once_somebody_reads(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.behave_always(lambda _: failing(503))
        with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/")), environment=UNTRIAGED) as tocsin:
            first = tocsin.get("/metrics")
            assert first.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "http_server_request_duration_seconds_count" not in first.text
            tocsin.post("/api/v2/alerts", [{"labels": {"alertname": "DiskFull"}}])
            assert (
                value(
                    tocsin,
                    "http_server_request_duration_seconds_count",
                    http_request_method="POST",
                    http_route="/api/v2/alerts",
                    http_response_status_code="200",
                )
                == 1
            )
            eventually(lambda: value(tocsin, "tocsin_ingest_lag_seconds_count") == 1, "the fold")
            eventually(
                lambda: value(tocsin, "tocsin_deliveries_total", tocsin_outcome="postponed", tocsin_receiver="team"),
                "a postponed delivery",
            )
            eventually(
                lambda: value(tocsin, "tocsin_breaker_open", tocsin_integration="webhook[0]") == 1,
                "the open breaker",
                seconds=30,
            )
            eventually(lambda: (value(tocsin, "tocsin_undelivered_age_seconds") or 0) > 1, "the page that waits")
            assert value(tocsin, "tocsin_ledger_alerts", tocsin_state="accepted") == 1
            assert value(tocsin, "tocsin_ledger_notifications", tocsin_state="pending") == 1
            assert value(tocsin, "tocsin_dead_letters", tocsin_queue="groups") == 0
            assert value(tocsin, "tocsin_readings_failed", tocsin_reading="ledger") == 0
            receiver.behave_always(lambda _: failing(200))
            eventually(
                lambda: value(tocsin, "tocsin_deliveries_total", tocsin_outcome="delivered"), "the page", seconds=30
            )
            assert value(tocsin, "tocsin_breaker_open", tocsin_integration="webhook[0]") == 0


def test_with_auth_it_takes_a_key_that_may_read(tmp_path: Path) -> None:
    pepper = {"TOCSIN_KEY_PEPPER": "p" * 40}
    with Serving(tmp_path, arguments=("--auth",), environment=pepper | UNTRIAGED, home="sqlite") as tocsin:
        refused = tocsin.get("/metrics")
        assert (refused.status, refused.headers["www-authenticate"].partition(" ")[0]) == (401, "Bearer")
        key = next(word for word in tocsin.output.split() if word.startswith("toc_"))
        made = {}
        for scope in ("read", "ingest"):
            answer = tocsin.request(
                "POST",
                "/api/v1/keys",
                f'{{"name": "{scope}", "scopes": ["{scope}"]}}'.encode(),
                {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            )
            made[scope] = answer.json()["key"]
        asked = {
            scope: tocsin.request("GET", "/metrics", headers={"Authorization": f"Bearer {one}"})
            for scope, one in made.items()
        }
        assert {scope: answer.status for scope, answer in asked.items()} == {"read": 200, "ingest": 403}


@pytest.mark.needs("promtool")
def test_prometheus_finds_nothing_to_say_against_it(tmp_path: Path, program: Callable[[str], Path]) -> None:
    with Serving(tmp_path, environment=UNTRIAGED, home="sqlite") as tocsin:
        tocsin.get("/metrics")
        tocsin.get("/api/v2/status")
        page = tocsin.get("/metrics")
        checked = subprocess.run(
            [program("promtool"), "check", "metrics"], input=page.body, capture_output=True, timeout=30, check=False
        )
        said = (checked.stdout + checked.stderr).decode()
    assert checked.returncode == 0, said
    assert {page_name(one) for one in ALL} <= {family.name for family in text_string_to_metric_families(page.text)}
