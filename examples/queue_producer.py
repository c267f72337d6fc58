"""Put alerts on Tocsin's queue `intake`: in Alertmanager's form, or in that of any other system by its `kind`."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime

from azure.identity.aio import DefaultAzureCredential
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

QUEUE = "intake"


def alert(name: str, *, resolved: bool = False, **labels: str) -> dict[str, object]:
    """One alert as `POST /api/v2/alerts` takes it; its labels say which it is, so a resolve has the same ones."""
    found: dict[str, object] = {
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": f"{name}: see logs"},
    }
    if resolved:
        found["endsAt"] = datetime.now(UTC).isoformat()
    return found


async def send(client: ServiceBusClient) -> None:
    """Send a firing alert, its end, and a payload as UptimeRobot would post it."""
    async with client.get_queue_sender(QUEUE) as sender:
        # A list without any property is what Alertmanager's API takes.  Send it again while it fires: like Prometheus.
        firing = alert("NightlyJobFailed", job="invoices", severity="critical")
        await sender.send_messages(ServiceBusMessage(json.dumps([firing])))
        over = alert("NightlyJobFailed", job="invoices", severity="critical", resolved=True)
        await sender.send_messages(ServiceBusMessage(json.dumps([over])))
        # Any other form: `kind` names it, `key` the sender, as in /api/v1/sources/{kind}/{key}.
        down = {
            "monitorID": "777",
            "monitorFriendlyName": "shop",
            "monitorURL": "https://shop.example",
            "alertType": "1",
        }
        message = ServiceBusMessage(json.dumps(down), application_properties={"kind": "uptimerobot", "key": "berlin"})
        await sender.send_messages(message)


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
