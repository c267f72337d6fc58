"""Put plain CloudEvents 1.0 on Tocsin's queue `intake`; no property of Tocsin's own is needed.

Which alert it is, `source`, `subject` and `type` say, the last without the state that it ends in: `.firing` and
`.resolved` of one type are one alert.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from datetime import UTC, datetime

from azure.identity.aio import DefaultAzureCredential
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

QUEUE = "intake"

type Event = dict[str, object]


def event(state: str, subject: str) -> Event:
    """One event that says that a disk is full, or no longer."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/shop/databases",
        "type": f"com.example.disk.full.{state}",
        "subject": subject,
        "time": datetime.now(UTC).isoformat(),
        "severity": "critical",
        "data": {"summary": f"The disk of {subject} is full", "runbook_url": "https://wiki.example/disk-full"},
    }


def structured(event: Event) -> ServiceBusMessage:
    """All of it in the body."""
    return ServiceBusMessage(json.dumps(event), content_type="application/cloudevents+json")


def batch(events: list[Event]) -> ServiceBusMessage:
    """Several in one body."""
    return ServiceBusMessage(json.dumps(events), content_type="application/cloudevents-batch+json")


def binary(event: Event) -> ServiceBusMessage:
    """The data in the body, all else in application properties, as the AMQP binding names them."""
    return ServiceBusMessage(
        json.dumps(event["data"]),
        content_type="application/json",
        application_properties={f"cloudEvents:{name}": str(value) for name, value in event.items() if name != "data"},
    )


async def send(client: ServiceBusClient) -> None:
    """Send the same kind of event in each mode: four databases, one of which recovers."""
    async with client.get_queue_sender(QUEUE) as sender:
        await sender.send_messages(structured(event("firing", "db-1")))
        await sender.send_messages(binary(event("firing", "db-2")))
        await sender.send_messages(batch([event("firing", "db-3"), event("firing", "db-4")]))
        await sender.send_messages(structured(event("resolved", "db-2")))


async def main() -> None:
    """Connect by the identity of whoever is signed in, or of the machine; to an emulator by its connection string."""
    if connection_string := os.environ.get("SERVICE_BUS_CONNECTION_STRING"):
        async with ServiceBusClient.from_connection_string(connection_string) as client:
            await send(client)
        return
    async with (
        DefaultAzureCredential() as credential,
        ServiceBusClient(os.environ["SERVICE_BUS_NAMESPACE"], credential) as client,
    ):
        await send(client)


if __name__ == "__main__":
    asyncio.run(main())
