"""What port `Queues` promises, and how what it sends is received, asked of every adapter.

Service Bus is asked over the wire, of the stand-in, with a store in memory for what the store keeps for it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.documents import decode
from adapters.messages import read_events
from devhost.pumps import LocalBroker
from domain.errors import NotFoundError
from domain.groups import GroupEvents, Tick
from domain.notifications import Delivery
from domain.queues import Queues
from tests.builders import MINUTE, NOON, SECOND, alert, delivery, events, reported, tick
from tests.contract.conftest import Clock
from tests.contract.receiving import Receiver, Taken, let_others_run

# The links to the stand-in belong to the loop that opened them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def numbered(number: int, group: int = 1) -> GroupEvents:
    """One message with one alert; its number tells it from the others."""
    return events(reported(group=group, number=number))


def read(taken: Taken) -> GroupEvents:
    return read_events(taken.body, taken.id)


async def take(receiver: Receiver) -> tuple[Taken, int]:
    """The next message of `groups` and its number."""
    taken = await receiver.take("groups")
    assert taken is not None
    return taken, read(taken).events[0].number


async def take_all(receiver: Receiver) -> list[int]:
    """The numbers of all messages of `groups` that can be received, each one completed."""
    numbers = []
    while (taken := await receiver.take("groups")) is not None:
        numbers.append(read(taken).events[0].number)
        await receiver.complete(taken)
    return numbers


async def take_ticks(receiver: Receiver) -> list[Tick]:
    ticks = []
    while (taken := await receiver.take("ticks")) is not None:
        ticks.append(decode(Tick, taken.body))
        await receiver.complete(taken)
    return ticks


async def take_deliveries(receiver: Receiver) -> list[Delivery]:
    deliveries = []
    while (taken := await receiver.take("deliveries")) is not None:
        deliveries.append(decode(Delivery, taken.body))
        await receiver.complete(taken)
    return deliveries


async def kill(queues: Queues, receiver: Receiver, number: int = 1, group: int = 1) -> str:
    """Send a message and let it fail until it is dead; returns its dead letter's id."""
    await queues.send_events([numbered(number, group)])
    for _ in range(receiver.most_failures):
        taken, _ = await take(receiver)
        await receiver.abandon(taken, "ValueError: no")
    (letter,) = await queues.list_dead(limit=1)
    return letter.id


class TestSessions:
    async def test_what_is_received_is_what_was_sent(self, queues: Queues, receiver: Receiver) -> None:
        sent = events(reported(alert(), alert("resolved", instance="web")), reported(group=65, number=3))
        await queues.send_events([sent])
        message = await receiver.take("groups")
        assert message is not None
        assert read(message) == sent
        assert (message.session, message.failures, message.enqueued_at) == ("1", 0, NOON.timestamp())

    async def test_nothing_is_received_from_an_empty_queue(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_events([])
        assert await receiver.take("groups") is None

    async def test_messages_of_one_session_come_one_at_a_time_in_order(
        self, queues: Queues, receiver: Receiver
    ) -> None:
        await queues.send_events([numbered(1), numbered(2)])
        await queues.send_events([numbered(3, group=65)])  # another group of the same shard
        first, number = await take(receiver)
        assert number == 1
        assert await receiver.take("groups") is None
        await receiver.complete(first)
        assert await take_all(receiver) == [2, 3]

    async def test_a_locked_session_holds_up_no_other(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_events([numbered(1, group=1), numbered(2, group=1), numbered(3, group=2)])
        await take(receiver)
        assert await take_all(receiver) == [3]

    async def test_what_joins_a_locked_session_waits(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_events([numbered(1)])
        first, _ = await take(receiver)
        await queues.send_events([numbered(2)])
        assert await receiver.take("groups") is None
        await receiver.complete(first)
        assert await take_all(receiver) == [2]

    async def test_senders_at_once_lose_nothing(self, queues: Queues, receiver: Receiver) -> None:
        await asyncio.gather(*(queues.send_events([numbered(number, group=number % 5)]) for number in range(50)))
        assert sorted(await take_all(receiver)) == list(range(50))


class TestSchedules:
    async def test_a_tick_comes_at_its_time_and_not_before(
        self, queues: Queues, receiver: Receiver, clock: Clock
    ) -> None:
        await queues.send_ticks([tick(due_at=NOON + MINUTE)])
        clock.advance(MINUTE - timedelta(milliseconds=1))
        assert await receiver.take("ticks") is None
        clock.advance(timedelta(milliseconds=1))
        assert await take_ticks(receiver) == [tick(due_at=NOON + MINUTE)]

    async def test_a_tick_whose_time_has_passed_comes_at_once(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_ticks([tick(due_at=NOON - MINUTE)])
        assert await take_ticks(receiver) == [tick(due_at=NOON - MINUTE)]

    async def test_ticks_come_by_their_times_whenever_they_were_sent(
        self, queues: Queues, receiver: Receiver, clock: Clock
    ) -> None:
        seconds = [5, 1, 9, 3]
        await queues.send_ticks([tick(second, NOON + second * SECOND) for second in seconds[:3]])
        await queues.send_ticks([tick(second, NOON + second * SECOND) for second in seconds[3:]])
        clock.advance(5 * SECOND)
        assert [due.due_at - NOON for due in await take_ticks(receiver)] == [1 * SECOND, 3 * SECOND, 5 * SECOND]
        clock.advance(5 * SECOND)
        assert [due.due_at - NOON for due in await take_ticks(receiver)] == [9 * SECOND]

    async def test_ticks_wait_for_none_of_their_kind(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_ticks([tick(1), tick(1)])
        assert await receiver.take("ticks") is not None
        assert await receiver.take("ticks") is not None

    async def test_a_delivery_waits_until_it_may_go(self, queues: Queues, receiver: Receiver, clock: Clock) -> None:
        await queues.send_deliveries([delivery("later", postponed=1)], not_before=NOON + SECOND)
        await queues.send_deliveries([delivery("now")])
        assert await take_deliveries(receiver) == [delivery("now")]
        clock.advance(SECOND)
        assert await take_deliveries(receiver) == [delivery("later", postponed=1)]


class TestDuplicates:
    async def test_a_delivery_sent_twice_comes_once(self, queues: Queues, receiver: Receiver, clock: Clock) -> None:
        await queues.send_deliveries([delivery("a"), delivery("a"), delivery("b")])
        clock.advance(10 * MINUTE - SECOND)
        await queues.send_deliveries([delivery("b"), delivery("c")])
        assert [each.id for each in await take_deliveries(receiver)] == ["a", "b", "c"]

    async def test_it_is_dropped_though_the_first_one_is_done_with(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_deliveries([delivery("a")])
        await take_deliveries(receiver)
        await queues.send_deliveries([delivery("a")])
        assert not await take_deliveries(receiver)

    async def test_after_ten_minutes_it_is_a_new_one(self, queues: Queues, receiver: Receiver, clock: Clock) -> None:
        await queues.send_deliveries([delivery("a")])
        clock.advance(9 * MINUTE)
        await queues.send_deliveries([delivery("a"), delivery("b")])  # dropped, so that it does not count anew
        clock.advance(MINUTE + SECOND)
        await queues.send_deliveries([delivery("a"), delivery("b")])
        assert [each.id for each in await take_deliveries(receiver)] == ["a", "b", "a"]

    async def test_a_postponed_delivery_is_another_one(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_deliveries([delivery("a")])
        await queues.send_deliveries([delivery("a", postponed=1)])
        assert [each.postponed for each in await take_deliveries(receiver)] == [0, 1]

    async def test_ticks_and_events_are_never_dropped(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_ticks([tick(), tick()])
        await queues.send_events([numbered(1), numbered(1)])
        assert len(await take_ticks(receiver)) == len(await take_all(receiver)) == 2


class TestFailures:
    async def test_an_abandoned_message_comes_again_first_in_its_session(
        self, queues: Queues, receiver: Receiver
    ) -> None:
        await queues.send_events([numbered(1), numbered(2)])
        for failures in range(3):
            message, number = await take(receiver)
            assert (number, message.failures) == (1, failures)
            await receiver.abandon(message, "ValueError: no")
        assert await take_all(receiver) == [1, 2]

    async def test_an_abandoned_message_holds_up_no_other_session(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_events([numbered(1, group=1), numbered(2, group=2)])
        message, _ = await take(receiver)
        await receiver.abandon(message, "ValueError: no")
        assert sorted(await take_all(receiver)) == [1, 2]

    async def test_without_sessions_it_comes_again_too(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_deliveries([delivery("a"), delivery("b")])
        message = await receiver.take("deliveries")
        assert message is not None
        await receiver.abandon(message, "ValueError: no")
        assert sorted(each.id for each in await take_deliveries(receiver)) == ["a", "b"]

    async def test_after_too_many_failures_it_is_dead_and_its_session_goes_on(
        self, queues: Queues, receiver: Receiver, clock: Clock
    ) -> None:
        await queues.send_events([numbered(1), numbered(2)])
        for _ in range(receiver.most_failures - 1):
            message, _ = await take(receiver)
            await receiver.abandon(message, "ValueError: no")
        assert not await queues.list_dead()
        message, _ = await take(receiver)
        await receiver.abandon(message, "ValueError: at last")
        await let_others_run()
        assert await take_all(receiver) == [2]
        (letter,) = await queues.list_dead()
        assert (letter.queue, letter.kind, letter.at, letter.delivery_count, letter.size) == (
            "groups",
            "dead",
            clock(),
            receiver.most_failures,
            1,
        )
        # Service Bus is told nothing of a handler's error: an abandoned message carries no word of why.
        assert letter.reason == (
            "ValueError: at last"
            if receiver.hears_reasons
            else "MaxDeliveryCountExceeded: Message could not be consumed after 5 delivery attempts."
        )
        assert decode(GroupEvents, letter.body) == numbered(1)


class TestDeadLetters:
    async def test_parked_ones_are_kept_with_their_reasons_the_newest_first(self, queues: Queues, clock: Clock) -> None:
        for number in range(3):
            await queues.park("ticks", b"\x00\xff", f"reason {number}", size=number)
            clock.advance(SECOND)
        letters = await queues.list_dead()
        assert [(letter.reason, letter.size, letter.at) for letter in letters] == [
            (f"reason {number}", number, NOON + number * SECOND) for number in (2, 1, 0)
        ]
        assert {(letter.queue, letter.kind, letter.delivery_count, letter.body) for letter in letters} == {
            ("ticks", "parked", 0, b"\x00\xff")
        }
        assert await queues.list_dead(limit=1) == letters[:1]
        assert [await queues.get_dead(letter.id) for letter in letters] == letters

    async def test_they_are_listed_in_parts(self, queues: Queues, clock: Clock) -> None:
        for number in range(5):
            await queues.park("ticks", b"", f"reason {number}")
            clock.advance(SECOND)
        first = await queues.list_dead(limit=2)
        before = first[-1].at, first[-1].id
        await queues.park("ticks", b"", "meanwhile")
        assert [letter.reason for letter in await queues.list_dead(before=before, limit=2)] == ["reason 2", "reason 1"]
        await queues.replay(before[1])
        assert [letter.reason for letter in await queues.list_dead(before=before)][-3:] == [
            f"reason {number}" for number in (2, 1, 0)
        ]

    @pytest.mark.parametrize("id", ["", "x", "-1", "12345", "01", "1e0", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 40])
    async def test_an_unknown_one_is_not_found(self, queues: Queues, id: str) -> None:
        await queues.park("ticks", b"", "reason")
        with pytest.raises(NotFoundError):
            await queues.get_dead(id)
        with pytest.raises(NotFoundError):
            await queues.replay(id)

    async def test_a_replayed_one_comes_once(self, queues: Queues, receiver: Receiver) -> None:
        await queues.park("ticks", b"body", "reason")
        (letter,) = await queues.list_dead()
        await queues.replay(letter.id)
        assert not await queues.list_dead()
        message = await receiver.take("ticks")
        assert message is not None
        assert (message.body, message.id) == (b"body", f"replayed-{letter.id}")
        with pytest.raises(NotFoundError):
            await queues.replay(letter.id)
        assert await receiver.take("ticks") is None

    async def test_two_who_replay_at_once_replay_it_once(self, queues: Queues, receiver: Receiver) -> None:
        await queues.park("ticks", b"body", "reason")
        (letter,) = await queues.list_dead()
        results = await asyncio.gather(*(queues.replay(letter.id) for _ in range(2)), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), NotFoundError]
        assert await receiver.take("ticks") is not None
        assert await receiver.take("ticks") is None

    async def test_replayed_events_are_from_a_door_of_their_own(self, queues: Queues, receiver: Receiver) -> None:
        letter_id = await kill(queues, receiver, number=7)
        await queues.replay(letter_id)
        message, _ = await take(receiver)
        assert [(event.door, event.number) for event in read(message).events] == [(f"replayed-{letter_id}", 7)]

    async def test_a_dead_one_joins_its_session_again_with_all_its_chances(
        self, queues: Queues, receiver: Receiver
    ) -> None:
        letter_id = await kill(queues, receiver, number=1, group=5)
        await queues.send_events([numbered(2, group=5)])
        await queues.replay(letter_id)
        first, number = await take(receiver)
        assert (number, first.session) == (2, "5")
        assert await receiver.take("groups") is None
        await receiver.complete(first)
        again, number = await take(receiver)
        assert (number, again.session, again.failures) == (1, "5", 0)

    async def test_one_parked_without_its_session_is_received_all_the_same(
        self, queues: Queues, receiver: Receiver
    ) -> None:
        await queues.park("groups", b"body", "reason")
        (letter,) = await queues.list_dead()
        await queues.replay(letter.id)
        message = await receiver.take("groups")
        assert message is not None
        await receiver.abandon(message, "reason")
        again = await receiver.take("groups")
        assert again is not None
        assert (again.body, again.id, again.failures) == (b"body", message.id, 1)

    async def test_a_replayed_one_that_dies_again_can_be_replayed_again(
        self, queues: Queues, receiver: Receiver
    ) -> None:
        first = await kill(queues, receiver)
        await queues.replay(first)
        for _ in range(receiver.most_failures):
            message, _ = await take(receiver)
            await receiver.abandon(message, "ValueError: no")
        await let_others_run()
        (letter,) = await queues.list_dead()
        assert letter.id != first
        await queues.replay(letter.id)
        message, _ = await take(receiver)
        assert read(message).events[0].door == f"replayed-{letter.id}"


class TestPassed:
    async def test_nothing_sent_has_passed(self, queues: Queues) -> None:
        assert await queues.passed(0)

    async def test_it_waits_for_what_was_sent_before_and_not_for_what_came_after(
        self, queues: Queues, receiver: Receiver
    ) -> None:
        await queues.send_events([numbered(1, group=1), numbered(2, group=2)])
        passed = asyncio.create_task(queues.passed(60))
        await let_others_run()
        await queues.send_events([numbered(3, group=3)])
        messages = [(await take(receiver))[0] for _ in range(3)]
        for message in (messages[2], messages[0]):
            await receiver.complete(message)
            await let_others_run()
            assert not passed.done()
        await queues.send_events([numbered(4, group=4)])
        await receiver.complete(messages[1])
        assert await passed

    async def test_it_waits_for_an_abandoned_one(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_events([numbered(1)])
        passed = asyncio.create_task(queues.passed(60))
        await let_others_run()
        message, _ = await take(receiver)
        await receiver.abandon(message, "ValueError: no")
        await let_others_run()
        assert not passed.done()
        await take_all(receiver)
        assert await passed

    async def test_it_says_so_when_time_runs_out(self, queues: Queues, receiver: Receiver) -> None:
        await queues.send_events([numbered(1)])
        assert not await queues.passed(0)
        await take_all(receiver)
        assert await queues.passed(0)

    async def test_other_queues_do_not_matter(self, queues: Queues) -> None:
        await queues.send_ticks([tick()])
        await queues.send_deliveries([delivery()])
        assert await queues.passed(0)


class TestLedger:
    async def counts(self, queues: Queues) -> tuple[int, int, int]:
        return await queues.count_accepted(), await queues.count_waiting(), await queues.count_parked()

    async def test_it_is_empty_at_first(self, queues: Queues) -> None:
        assert await self.counts(queues) == (0, 0, 0)

    async def test_what_is_accepted_waits_until_it_is_completed(self, queues: Queues, receiver: Receiver) -> None:
        two = events(reported(alert(), alert(instance="web")))
        await queues.send_events([two, numbered(1, group=2)])
        assert await self.counts(queues) == (3, 3, 0)
        message = await receiver.take("groups")
        assert message is not None
        assert await self.counts(queues) == (3, 3, 0)
        await receiver.complete(message)
        assert await self.counts(queues) == (3, 1, 0)

    async def test_pairs_are_counted_not_messages_of_other_queues(self, queues: Queues) -> None:
        await queues.send_ticks([tick()])
        await queues.send_deliveries([delivery()])
        await queues.park("deliveries", b"", "reason", size=1)
        assert await self.counts(queues) == (0, 0, 0)

    async def test_a_dead_message_no_longer_waits_but_is_parked(self, queues: Queues, receiver: Receiver) -> None:
        await kill(queues, receiver)
        assert await self.counts(queues) == (1, 0, 1)

    async def test_parked_pairs_are_counted(self, queues: Queues) -> None:
        await queues.park("groups", b"", "reason", size=3)
        await queues.park("groups", b"", "reason", size=2)
        assert await queues.count_parked() == 5

    async def test_a_replay_is_not_accepted_again(self, queues: Queues, receiver: Receiver) -> None:
        await queues.replay(await kill(queues, receiver))
        assert await self.counts(queues) == (1, 1, 0)
        await take_all(receiver)
        assert await self.counts(queues) == (1, 0, 0)


@pytest.mark.parametrize("queue_home", ["memory", "sqlite"], indirect=True)
class TestLanes:
    """What the dev host's `QueuePump` waits by, where there is no link to wait at."""

    async def test_a_message_sent_wakes_whoever_waits_for_the_queue(self, queues: Queues, local: LocalBroker) -> None:
        arrived = local.lanes["groups"].arrived
        arrived.clear()
        await queues.send_events([numbered(1)])
        assert arrived.is_set()

    async def test_it_is_known_when_the_next_scheduled_message_can_be_taken(
        self, queues: Queues, local: LocalBroker
    ) -> None:
        await queues.send_ticks([tick(due_at=NOON + MINUTE)])
        assert local.lanes["ticks"].next_due_at() == (NOON + MINUTE).timestamp()
