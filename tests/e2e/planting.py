"""Planting: messages behind the back of a Tocsin that is stopped."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from tests.serving import Serving

RECEIVE_SECONDS = 10.0


def plant_message(tocsin: Serving, queue: str, body: Any) -> None:
    """Put a message into a queue without sessions; bytes as they are, anything else as JSON."""
    _plant(tocsin, queue, [None], body, size=0)


def plant_in_sessions(tocsin: Serving, sessions: Iterable[str], body: Any, *, size: int) -> None:
    """Put the message into these sessions of `groups`; its size counts as accepted, as if a door had sent it."""
    _plant(tocsin, "groups", list(sessions), body, size=size)


def _plant(tocsin: Serving, queue: str, sessions: Sequence[str | None], body: Any, *, size: int) -> None:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    if tocsin.home == "azure":
        properties: dict[str | bytes, Any] = {"size": size}
        messages = [ServiceBusMessage(encoded, session_id=one, application_properties=properties) for one in sessions]
        with _service_bus(tocsin) as client, client.get_queue_sender(queue) as sender:
            for message in messages:
                sender.send_messages(message)
        return
    with closing(sqlite3.connect(tocsin.data / "tocsin.db")) as db, db:
        (number,) = db.execute(
            "select coalesce(max(number), 0) from (select number from messages union all select number from parcels)"
        ).fetchone()
        for place, session in enumerate(sessions, start=1):
            db.execute(
                "insert into messages values (?, ?, ?, '', 0, ?, 0, ?, ?)",
                (number + place, queue, session, time.time(), size, encoded),
            )
        if size:
            db.execute(
                "insert into ledger values ('accepted', ?) on conflict do update set count = count + excluded.count",
                (size * len(sessions),),
            )


def plant_dead_letter(tocsin: Serving, queue: str, body: bytes, reason: str) -> None:
    """Put a message among those that the queue gave up on."""
    if tocsin.home == "azure":
        plant_message(tocsin, queue, body)
        with _service_bus(tocsin) as client, client.get_queue_receiver(queue) as receiver:
            (message,) = receiver.receive_messages(max_wait_time=RECEIVE_SECONDS)
            receiver.dead_letter_message(message, reason=reason)
        return
    with closing(sqlite3.connect(tocsin.data / "tocsin.db")) as db, db:
        db.execute(
            "insert into dead_letters (queue, session, kind, reason, at, delivery_count, size, body)"
            " values (?, null, 'dead', ?, ?, 1000, 0, ?)",
            (queue, reason, time.time(), body),
        )


def _service_bus(tocsin: Serving) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(tocsin.azure.service_bus)
