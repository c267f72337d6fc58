"""The tool over a real Prometheus, loaded with series whose story is known."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from adapters.agents.fetching import Fetcher, ToolError
from adapters.agents.prometheus import query_prometheus
from domain.triage import PrometheusSource
from tests.builders import MINUTE, NOON
from tests.domain.triaging import AT_TEN_PAST

READY_SECONDS = 30.0


def _series() -> str:
    """An hour in steps of 30 s: the database was quick until noon, the web is as it always is."""
    lines = ["# TYPE latency_seconds gauge"]
    for service in ("db", "web"):
        for step in range(-100, 21):
            slow = service == "db" and step >= 0
            lines.append(
                f'latency_seconds{{service="{service}"}} {2.5 if slow else 0.1} {NOON.timestamp() + 30 * step}'
            )
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[PrometheusSource]:
    (tmp_path / "series").write_text(_series())
    (tmp_path / "prometheus.yml").write_text("global: {}\n")
    data = tmp_path / "data"
    create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "series"), str(data)]
    subprocess.run(create, check=True, capture_output=True, timeout=60)  # noqa: ASYNC221 - nothing else runs yet
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _ready(f"http://{address}/-/ready")
        yield PrometheusSource(f"http://{address}")
    finally:
        process.kill()
        await process.wait()


async def _ready(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            assert time.monotonic() < deadline, "Prometheus is not ready"
            await asyncio.sleep(0.05)


@pytest.mark.needs("prometheus", "promtool")
async def test_a_real_prometheus_is_asked(source: PrometheusSource) -> None:
    fetcher = Fetcher()
    try:
        lines = await query_prometheus(fetcher, source, "latency_seconds", AT_TEN_PAST, minutes=40)
        assert lines == [
            "2 series",
            "latency_seconds{service=db}: from 11:30:00 to 12:10:00 min 0.1 max 2.5 mean 0.7112 last 2.5,"
            " first unusual at 12:00:00 with 2.5",
            "latency_seconds{service=web}: from 11:30:00 to 12:10:00 min 0.1 max 0.1 mean 0.1 last 0.1,"
            " never far from what it was at first",
        ]
        (_, *now) = await query_prometheus(fetcher, source, 'latency_seconds{service="db"}', AT_TEN_PAST)
        assert now == ["latency_seconds{service=db}: 2.5"]
        assert await query_prometheus(fetcher, source, "scalar(vector(7))", AT_TEN_PAST) == ["1 series", "{}: 7"]
        assert (await query_prometheus(fetcher, source, "nothing", AT_TEN_PAST))[0].startswith("no series")
        with pytest.raises(ToolError, match=r"Prometheus answered 400: .*parse error"):
            await query_prometheus(fetcher, source, "latency_seconds{", AT_TEN_PAST - MINUTE)
    finally:
        await fetcher.close()
