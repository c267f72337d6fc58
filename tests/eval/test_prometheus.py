"""The series of an incident, as a real Prometheus answers them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from bench.triage import with_metrics
from tests.eval.incidents import INCIDENTS, Case, Series, read_case, read_cases
from tests.eval.prometheus import openmetrics, serving

MINUTE = timedelta(minutes=1)


def series(**changes: object) -> Series:
    known: dict[str, object] = {"name": "m", "labels": {}, "shape": "step", "low": 1, "high": 5, "from": -MINUTE}
    return Series.model_validate(known | changes)


@pytest.mark.parametrize(
    ("one", "values"),
    [
        pytest.param(series(shape="flat"), [1, 1, 1, 1], id="flat"),
        pytest.param(series(), [1, 5, 5, 5], id="a step stays"),
        pytest.param(series(shape="spike", to=MINUTE), [1, 5, 5, 1], id="a spike ends"),
        pytest.param(series(shape="ramp", to=MINUTE), [1, 1, 3, 5], id="a ramp ends at the top"),
        pytest.param(series(shape="saw", period=2 * MINUTE), [1, 1, 3, 1], id="a saw falls at once"),
    ],
)
def test_a_shape(one: Series, values: list[float]) -> None:
    assert [one.value_at(minute * MINUTE) for minute in (-2, -1, 0, 1)] == values


def test_every_incident_has_series_that_say_when() -> None:
    for case in read_cases():
        text = openmetrics(case.series, case.opened_at, case.asked)
        assert text.endswith("# EOF\n")
        assert f" {(case.opened_at - timedelta(hours=1)).timestamp():.3f}\n" in text
        assert f" {(case.opened_at + case.asked).timestamp():.3f}\n" in text


def ask(url: str, path: str, **parameters: str) -> list[dict[str, object]]:
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"{url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
        body = json.load(answer)
    assert body["status"] == "success"
    found: list[dict[str, object]] = body["data"]["result"]
    return found


@pytest.mark.needs("prometheus", "promtool")
def test_a_query_answers_what_was_made(tmp_path: Path, program: Callable[[str], Path]) -> None:
    case: Case = read_case(INCIDENTS / "bad-deploy-checkout.yaml")
    of_checkout = 'http_requests_5xx_ratio{service="checkout"}'
    with serving(case, tmp_path, program("prometheus"), program("promtool")) as url:
        for since, expected in ((-10, "0.002"), (-3, "0.41"), (5, "0.41")):
            at = (case.opened_at + since * MINUTE).timestamp()
            (found,) = ask(url, "query", query=of_checkout, time=str(at))
            assert found["metric"] == {"__name__": "http_requests_5xx_ratio", "service": "checkout"}
            assert found["value"] == [at, expected]
        begin, end = (str((case.opened_at + minutes * MINUTE).timestamp()) for minutes in (-30, 5))
        (found,) = ask(url, "query_range", query=f"max_over_time({of_checkout}[5m])", start=begin, end=end, step="300")
        assert isinstance(found["values"], list)
        assert [value for _, value in found["values"]] == ["0.002"] * 6 + ["0.41"] * 2
        loudest = ask(url, "query", query="topk(1, http_requests_5xx_ratio)", time=end)
        assert [one["metric"] for one in loudest] == [{"__name__": "http_requests_5xx_ratio", "service": "checkout"}]


@pytest.mark.needs("prometheus", "promtool")
def test_a_way_with_a_model_is_asked_with_each_incidents_series_at_hand(
    program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS", str(program("prometheus")))
    monkeypatch.setenv("PROMTOOL", str(program("promtool")))
    cases = [read_case(INCIDENTS / f"{name}.yaml") for name in ("one-pod-crash-loops", "saved-to-zero")]
    for case, asked in zip(cases, with_metrics(cases), strict=True):
        at = str(asked.question.now.timestamp())
        found = ask(asked.question.rules.prometheus.url, "query", query='{__name__=~".+"}', time=at)
        names = [metric["__name__"] for one in found if isinstance(metric := one["metric"], dict)]
        assert sorted(names) == sorted(one.name for one in case.series)
