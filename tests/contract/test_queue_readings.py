"""What port `Queues` says of what waits, asked of every adapter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.queues import Queues
from tests.builders import MINUTE, NOON, SECOND, delivery, events, reported, tick
from tests.contract.conftest import Clock
from tests.contract.receiving import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_oldest_message_is_the_one_sent_first(queues: Queues, receiver: Receiver, clock: Clock) -> None:
    assert await queues.oldest("groups") is None
    sent_at = clock()
    await queues.send_events([events(reported(number=1))])
    clock.advance(MINUTE)
    await queues.send_events([events(reported(number=2, group=2))])
    assert await queues.oldest("groups") == pytest.approx(sent_at, abs=SECOND)
    taken = await receiver.take("groups")
    assert taken is not None
    assert await queues.oldest("groups") == pytest.approx(sent_at, abs=SECOND)  # it is still under way
    await receiver.complete(taken)
    assert await queues.oldest("groups") == pytest.approx(sent_at + MINUTE, abs=SECOND)


async def test_a_delivery_waits_since_it_was_due(queues: Queues, clock: Clock) -> None:
    due_at = clock() - timedelta(minutes=7)
    await queues.send_ticks([tick(due_at=NOON + timedelta(days=1))])
    assert await queues.oldest("deliveries") is None
    await queues.send_deliveries([delivery(due_at=due_at)], not_before=clock() + MINUTE)
    assert await queues.oldest("deliveries") == pytest.approx(due_at, abs=SECOND)


async def test_dead_letters_are_counted_by_their_queues(queues: Queues) -> None:
    assert await queues.count_dead() == {}
    await queues.park("intake", b"one", "no")
    await queues.park("intake", b"two", "no")
    await queues.park("reactions", b"three", "no")
    assert await queues.count_dead() == {"intake": 2, "reactions": 1}
