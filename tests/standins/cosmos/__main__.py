"""The stand-in as a process of its own: `python -m tests.standins.cosmos --port 0 --data FILE`.

When it is ready it prints one line of JSON with its `url` and a `key`; it ends with SIGTERM.  Faults are set over HTTP:
`POST {url}/_standin/faults` with the fields of `Fault` (one object, or a list), `DELETE` the same to clear them,
`PUT {url}/_standin/outage` with "down", "throttled" or null, `GET` and `DELETE {url}/_standin/calls`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from tests.standins.cosmos.server import CosmosStandIn


async def _serve(arguments: argparse.Namespace) -> None:
    server = CosmosStandIn(
        partitions=arguments.partitions,
        path=arguments.data,
        lag=arguments.lag,
        port=arguments.port,
        seed=arguments.seed,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        print(json.dumps({"url": server.url, "key": server.key}), flush=True)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standins.cosmos", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--data", type=Path, default=None, help="an SQLite file; without one, nothing outlives it")
    parser.add_argument("--partitions", type=int, default=1, help="physical partitions of a new container")
    parser.add_argument("--lag", type=int, default=0, help="commits that a read without a session token is behind")
    parser.add_argument("--seed", type=int, default=0, help="of the faults that come by chance")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
