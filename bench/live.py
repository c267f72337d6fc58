"""`python -m bench.live`: how long after its decision an event reaches a live client, by WebSocket and by long poll.

A decision bears the time at which it was made, and server and client have the same clock.  Meanwhile others may listen
too, in both ways, and a bare request is asked again and again: how long that takes is what the machine itself takes.
Exits with 1 where a p99 is above the target.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import quantiles
from typing import Any

import aiohttp
from websockets.asyncio.client import connect

from bench.receiver import running_receiver
from bench.servers import TOCSIN, running

TARGET_MS = 100.0
GROUP_WAIT = "50ms"
KINDS = ("opened", "paged", "delivered")

type Latencies = dict[str, list[float]]
"""In milliseconds, by the kind of event."""


def main() -> int:
    options = _options()
    with running_receiver() as receiver, running(TOCSIN, receiver.url, GROUP_WAIT) as server:
        found = asyncio.run(_measure(f"http://127.0.0.1:{server.port}", options))
    bare = found.pop("bare")
    is_missed = False
    print(f"{'':<12}{'event':<12}{'n':>6}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}  target p99 <= {TARGET_MS:g} ms")
    print(f"{'':<12}{'bare request':<12}{_figures(bare['request'])}")
    for way, latencies in found.items():
        for kind in KINDS:
            values = latencies[kind]
            p99 = quantiles(values, n=100, method="inclusive")[98]
            verdict = "ok" if p99 <= TARGET_MS else f"missed by {p99 / TARGET_MS:.2f} x"
            is_missed |= verdict != "ok"
            print(f"{way:<12}{kind:<12}{_figures(values)}  {verdict}")
    return 1 if is_missed else 0


def _figures(values: list[float]) -> str:
    centiles = quantiles(values, n=100, method="inclusive")
    return f"{len(values):>6}{centiles[49]:>10.1f}{centiles[98]:>10.1f}{max(values):>10.1f}"


async def _measure(url: str, options: argparse.Namespace) -> dict[str, Latencies]:
    found: dict[str, Latencies] = {way: {kind: [] for kind in KINDS} for way in ("websocket", "long poll")}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        tasks = [
            asyncio.create_task(_listen(session, found["websocket"])),
            asyncio.create_task(_poll(session, found["long poll"])),
        ]
        bare: list[float] = []
        tasks.append(asyncio.create_task(_ask(session, bare)))
        for _ in range(options.others):
            nobody: Latencies = {kind: [] for kind in KINDS}
            tasks += [asyncio.create_task(_listen(session, nobody)), asyncio.create_task(_poll(session, nobody))]
        await asyncio.sleep(2)
        for number in range(options.alerts):
            alert = {"labels": {"alertname": "Bench", "service": f"s{number}"}}
            async with session.post("/api/v2/alerts", json=[alert]) as answer:
                assert answer.status == 200, await answer.text()
            await asyncio.sleep(1 / options.rate)
        async with asyncio.timeout(20):
            while any(len(found[way][kind]) < options.alerts for way in found for kind in KINDS):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {**found, "bare": {"request": bare}}


async def _ask(session: aiohttp.ClientSession, times: list[float]) -> None:
    while True:
        began = time.perf_counter()
        async with session.get("/-/healthy") as answer:
            await answer.read()
        times.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.05)


async def _listen(session: aiohttp.ClientSession, latencies: Latencies) -> None:
    async with session.post("/api/v1/live/negotiate", json={}) as answer:
        url = (await answer.json())["url"]
    protocols: Any = ["json.webpubsub.azure.v1"]
    async with connect(url, subprotocols=protocols, proxy=None) as client:
        await client.send('{"type":"joinGroup","group":"incidents"}')
        async for text in client:
            now = time.time()
            message = json.loads(text)
            if message["type"] == "message":
                _note(message["data"]["events"], now, latencies)


async def _poll(session: aiohttp.ClientSession, latencies: Latencies) -> None:
    query: dict[str, str] = {}
    while True:
        async with session.get("/api/v1/events", params=query) as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.read()
        now = time.time()
        page = json.loads(body)
        _note(page["events"], now, latencies)
        query = {"after": page["cursor"], "wait": "20", "limit": "1000"}


def _note(events: Sequence[Mapping[str, Any]], now: float, latencies: Latencies) -> None:
    for event in events:
        if event["kind"] in latencies:
            latencies[event["kind"]].append((now - datetime.fromisoformat(event["at"]).timestamp()) * 1000)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.live", description=__doc__)
    parser.add_argument("--alerts", type=int, default=400, help="so many, each of an incident of its own (default 400)")
    parser.add_argument("--rate", type=float, default=20, help="so many a second (default 20)")
    parser.add_argument("--others", type=int, default=0, help="so many others listen in each way (default 0)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
