"""`python -m tests.standins.servicebus [--port N] [--queues JSON]`: the stand-in as a process of its own.

It prints one line of JSON when it is ready: connection_string, url, port, control_port. It ends by SIGTERM or SIGINT.
Its messages live in its memory, so they outlive a client that is killed, but not the stand-in itself.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import Mapping

from tests.standins.servicebus.control import listen
from tests.standins.servicebus.server import QUEUES, ServiceBusStandIn
from tests.standins.servicebus.settings import QueueSettings


async def serve(queues: Mapping[str, QueueSettings], port: int, seed: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with ServiceBusStandIn(queues, port=port, seed=seed) as broker:
        control = await listen(broker)
        ready = {
            "connection_string": broker.connection_string,
            "url": broker.url,
            "port": broker.port,
            "control_port": control.sockets[0].getsockname()[1],
        }
        print(json.dumps(ready), flush=True)
        await ended.wait()
        control.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standins.servicebus")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--seed", type=int, default=0, help="for faults with a probability")
    parser.add_argument(
        "--queues",
        type=json.loads,
        help='instead of those of Tocsin: {"name": {"sessions": true}}, see QueueSettings',
    )
    given = parser.parse_args()
    queues = QUEUES if given.queues is None else {name: QueueSettings(**own) for name, own in given.queues.items()}
    asyncio.run(serve(queues, given.port, given.seed))


if __name__ == "__main__":
    main()
