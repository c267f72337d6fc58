"""The stand-in as a process of its own, and the line of JSON by which a test steers it from outside."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from tests.standins.servicebus.faults import Fault
from tests.standins.servicebus.messages import Stored
from tests.standins.servicebus.server import ServiceBusStandIn
from tests.standins.servicebus.settings import QueueSettings

READY_SECONDS = 20.0


async def obey(broker: ServiceBusStandIn, order: dict[str, Any]) -> Any:
    """Carries out one order: {"do": its name, …} with the arguments of the broker's method."""
    given = {key: value for key, value in order.items() if key != "do"}
    match order.get("do"):
        case "fault":
            broker.faults.add(Fault(**given))
        case "faults":
            return broker.faults.describe()
        case "clear-faults":
            broker.faults.clear()
        case "down":
            await broker.down()
        case "up":
            await broker.up()
        case "detach-links":
            return broker.detach_links(**given)
        case "drop-connections":
            return broker.drop_connections(None) if given.get("cut") else broker.drop_connections()
        case "advance":
            broker.advance(**given)
        case "declare":
            broker.namespace.declare(given.pop("name"), QueueSettings(**given))
        case "purge":
            broker.purge(**given)
        case "counts":
            return {queue.name: asdict(queue.counts()) for queue in broker.namespace.queues.values()}
        case "totals":
            return broker.calls.totals()
        case "links":
            return broker.describe_links(**given)
        case "peek":
            return [_shown(message) for message in broker.peek(**given)]
        case unknown:
            raise ValueError(f"no order {unknown!r}")
    return None


def _shown(message: Stored) -> dict[str, Any]:
    return {
        "message_id": message.content.message_id,
        "session_id": message.content.session_id,
        "number": message.number,
        "state": message.state.name.lower(),
        "locked": message.token is not None,
        "delivery_count": message.delivery_count,
        "body": message.content.body.decode(errors="backslashreplace"),
    }


async def listen(broker: ServiceBusStandIn) -> asyncio.Server:
    """Orders come as lines of JSON; each is answered by one: {"ok": result} or {"error": text}."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while line := await reader.readline():
                try:
                    answer = {"ok": await obey(broker, json.loads(line))}
                except (TypeError, ValueError, KeyError) as error:
                    answer = {"error": repr(error)}
                writer.write(json.dumps(answer, default=str).encode() + b"\n")
                await writer.drain()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


class RemoteStandIn:
    """A stand-in in another process, as a test steers it."""

    def __init__(self, connection_string: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_string = connection_string
        self._reader = reader
        self._writer = writer

    async def order(self, do: str, **given: Any) -> Any:
        """See `obey`. Raises RuntimeError where the order is refused."""
        self._writer.write(json.dumps({"do": do, **given}).encode() + b"\n")
        await self._writer.drain()
        answer = json.loads(await self._reader.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]


@contextlib.asynccontextmanager
async def stand_in_process(*arguments: str) -> AsyncIterator[RemoteStandIn]:
    """Starts `python -m tests.standins.servicebus`, and ends it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.standins.servicebus", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            ready = json.loads(await process.stdout.readline())
            reader, writer = await asyncio.open_connection("127.0.0.1", ready["control_port"])
        with contextlib.closing(writer):
            yield RemoteStandIn(ready["connection_string"], reader, writer)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
