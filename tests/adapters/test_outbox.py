"""The outbox: what the feed relays has nobody behind it, so it must be cleared, or come again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from adapters.documents import embed
from adapters.outbox import Outbox
from domain.errors import UnavailableError
from domain.groups import GroupStore, Outgone, Tick
from domain.queues import Queues
from domain.routing import GroupId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TICK = Tick(GroupId("1" * 32), NOW)
DOCUMENT = {
    "type": "outbox",
    "group_id": TICK.group_id,
    "key": "key",
    "kind": "tick",
    "at": NOW.timestamp() - 60,
    "outgoing": embed(TICK),
}


class Groups:
    """Holds one outbox of one tick; so often it cannot be cleared, which is only logged."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.keys = {"key"}

    async def has_outbox(self, group_id: GroupId, key: str) -> bool:
        return key in self.keys

    async def clear_outbox(self, sent: Sequence[Outgone]) -> None:
        if self.failures:
            self.failures -= 1
        else:
            self.keys -= {outgone.key for outgone in sent}


class Sent:
    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    async def send_ticks(self, ticks: Sequence[Tick]) -> None:
        self.ticks += ticks


async def test_what_is_relayed_and_cannot_be_cleared_comes_again() -> None:
    groups, sent = Groups(failures=1), Sent()
    outbox = Outbox(cast(GroupStore, groups), cast(Queues, sent), lambda: NOW)
    document: dict[str, Any] = dict(DOCUMENT)
    with pytest.raises(UnavailableError, match="could not be cleared"):
        await outbox.relay(document)
    await outbox.relay(document)
    await outbox.relay(document)
    assert sent.ticks == [TICK, TICK]
    assert not groups.keys
