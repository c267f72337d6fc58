"""The policy around notifiers, told in virtual time: no test here waits, and none depends on the machine's speed."""

import asyncio
import heapq
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import pytest

from adapters.delivery import Deliverer, Postponed
from domain.configuration import Receiver as ConfiguredReceiver
from domain.configuration import Secret, WebhookIntegration
from domain.configuration.bundle import Templates
from domain.errors import RejectedError, UnavailableError
from domain.notifications import Delivery, Notification, NotificationReason, Outcome
from domain.routing import GroupId

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOOK = WebhookIntegration(Secret("http://receiver.test/hook"))


class _Jump(selectors.DefaultSelector):
    """Instead of waiting, moves the clock on to when something is due."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise AssertionError("everything waits for something that nothing will do")
        if not events and timeout:
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.now


def run[T](story: Coroutine[object, object, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def now() -> datetime:
    return NOON + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass
class Receiver:
    """A notifier whose answers a test writes down; it records when it was asked, and what for."""

    answer: Callable[[], Awaitable[str]]
    asked_at: list[datetime] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def notify(
        self, integration: WebhookIntegration, notification: Notification, *, incident: str, templates: Templates
    ) -> str:
        self.asked_at.append(now())
        self.told.append(notification.group_key)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = await self.answer()
        finally:
            self.in_flight -= 1
        self.heard.append(notification.group_key)
        return answer

    @property
    def seconds(self) -> list[float]:
        return [(at - NOON).total_seconds() for at in self.asked_at]


async def healthy() -> str:
    return "200 OK"


async def dead() -> str:
    raise UnavailableError("cannot connect: Connection refused")


async def refusing() -> str:
    raise RejectedError("answered 404 Not Found")


async def hanging() -> str:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


def asks_to_wait(time: timedelta) -> Callable[[], Awaitable[str]]:
    async def answer() -> str:
        raise UnavailableError("answered 429 Too Many Requests", time)

    return answer


def slow(time: timedelta) -> Callable[[], Awaitable[str]]:
    async def answer() -> str:
        await asyncio.sleep(time.total_seconds())
        return "200 OK"

    return answer


def one_after_another(*answers: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    rest = list(answers)

    async def answer() -> str:
        return await rest.pop(0)()

    return answer


def dead_until(time: timedelta, then: Callable[[], Awaitable[str]] = healthy) -> Callable[[], Awaitable[str]]:
    async def answer() -> str:
        return await (dead() if now() < NOON + time else then())

    return answer


def deliverer(receiver: Receiver, **limits: int) -> Deliverer:
    return Deliverer({WebhookIntegration: receiver}, now, Random(42), **limits)


def delivery(
    name: str = "1", *, receiver: str = "team", deadline: timedelta = 5 * MINUTE, postponed: int = 0
) -> Delivery:
    notification = Notification(receiver, name, {}, {}, NotificationReason.FIRST, ())
    return Delivery(
        name, GroupId("0" * 32), "incident", 0, "version", notification, NOON, NOON + deadline, postponed=postponed
    )


async def until_settled(policy: Deliverer, job: Delivery, integration: WebhookIntegration = HOOK) -> Outcome:
    """What the queue does: bring it again when it is due."""
    while isinstance(result := await policy.deliver(job, integration), Postponed):
        assert now() <= result.until < job.deadline
        await asyncio.sleep((result.until - now()).total_seconds())
        job = replace(job, postponed=job.postponed + 1)
    return result


def test_an_answer_settles_the_delivery() -> None:
    result = run(deliverer(Receiver(healthy)).deliver(delivery(), HOOK))
    assert result == Outcome(True, "receiver 'team' webhook[0] answered 200 OK", 1)


def test_a_refusal_settles_it_without_another_attempt() -> None:
    receiver = Receiver(refusing)
    result = run(deliverer(receiver).deliver(delivery(), HOOK))
    assert result == Outcome(False, "receiver 'team' webhook[0] answered 404 Not Found", 1)
    assert len(receiver.asked_at) == 1


@pytest.mark.parametrize("answer", [healthy, refusing])
def test_one_whose_result_could_not_be_recorded_is_not_told_twice(answer: Callable[[], Awaitable[str]]) -> None:
    receiver = Receiver(answer)
    policy = deliverer(receiver)

    async def again_and_again() -> list[Outcome | Postponed]:
        one_by_one = [await policy.deliver(delivery(), HOOK) for _ in range(3)]
        return one_by_one + list(await asyncio.gather(*[policy.deliver(delivery("2"), HOOK) for _ in range(3)]))

    outcomes = run(again_and_again())
    assert len(receiver.asked_at) == 2
    assert len(set(outcomes)) == 1


def test_a_quick_failure_is_tried_again_at_once() -> None:
    receiver = Receiver(one_after_another(dead, healthy))
    result = run(deliverer(receiver).deliver(delivery(), HOOK))
    assert result == Outcome(True, "receiver 'team' webhook[0] answered 200 OK", 2)
    assert receiver.seconds[1] <= 0.25


def test_after_two_failures_it_is_postponed() -> None:
    receiver = Receiver(dead)
    result = run(deliverer(receiver).deliver(delivery(), HOOK))
    assert isinstance(result, Postponed)
    assert result.attempts == len(receiver.asked_at) == 2
    assert result.reason == "receiver 'team' webhook[0] cannot connect: Connection refused"
    assert NOON + SECOND / 2 < result.until < NOON + 2 * SECOND


def test_a_slow_failure_is_not_tried_again_in_the_same_round() -> None:
    async def slowly_dead() -> str:
        await asyncio.sleep(3)
        return await dead()

    receiver = Receiver(slowly_dead)
    assert isinstance(run(deliverer(receiver).deliver(delivery(), HOOK)), Postponed)
    assert len(receiver.asked_at) == 1


@pytest.mark.parametrize(
    ("postponed", "least", "most"),
    [(0, 0.5, 1), (1, 1, 2), (2, 2, 4), (3, 4, 8), (4, 7.5, 15), (5, 7.5, 15), (1000, 7.5, 15)],
)
def test_postponements_double_up_to_fifteen_seconds(postponed: int, least: float, most: float) -> None:
    async def story() -> set[float]:
        policy = deliverer(Receiver(dead), failures_to_open=1000)
        pauses = set()
        for number in range(50):
            result = await policy.deliver(delivery(f"{number}", postponed=postponed), HOOK)
            assert isinstance(result, Postponed)
            pauses.add((result.until - now()).total_seconds())
        return pauses

    pauses = run(story())
    assert len(pauses) == 50, "each has its own jitter"
    assert least <= min(pauses) < max(pauses) <= most


def test_a_dead_receiver_s_delivery_ends_before_its_deadline_with_the_last_words() -> None:
    receiver = Receiver(dead)

    async def story() -> tuple[Outcome, datetime]:
        return await until_settled(deliverer(receiver), delivery(deadline=MINUTE)), now()

    outcome, ended_at = run(story())
    assert not outcome.is_delivered
    assert outcome.detail.startswith("deadline passed")
    assert "cannot connect: Connection refused" in outcome.detail
    assert ended_at <= NOON + MINUTE
    assert NOON + 45 * SECOND < receiver.asked_at[-1] <= NOON + MINUTE - SECOND / 4
    assert 6 <= len(receiver.asked_at) <= 20


def test_the_last_words_of_a_receiver_left_in_peace_are_its_last_failure() -> None:
    async def story() -> Outcome | Postponed:
        policy = deliverer(Receiver(dead))
        for number in range(3):
            await policy.deliver(delivery(f"{number}"), HOOK)
        return await policy.deliver(delivery("late", deadline=SECOND / 2), HOOK)

    assert run(story()) == Outcome(
        False,
        "deadline passed before receiver 'team' webhook[0] could be tried"
        " (the last attempt: cannot connect: Connection refused)",
        0,
        is_unsure=True,
    )


@pytest.mark.parametrize("left", [0.74, 0.2, 0, -60])
def test_past_its_deadline_nothing_is_attempted(left: float) -> None:
    receiver = Receiver(healthy)
    result = run(deliverer(receiver).deliver(delivery(deadline=timedelta(seconds=left)), HOOK))
    # Whoever had it before may have tried, and died.
    words = "deadline passed before receiver 'team' webhook[0] could be tried"
    assert result == Outcome(False, words, 0, is_unsure=True)
    assert receiver.asked_at == []


def test_an_attempt_ends_before_the_deadline() -> None:
    async def story() -> tuple[Outcome | Postponed, datetime]:
        return await deliverer(Receiver(hanging)).deliver(delivery(deadline=10 * SECOND), HOOK), now()

    result, ended_at = run(story())
    detail = "deadline passed: receiver 'team' webhook[0] did not answer within 9.75 s"
    assert result == Outcome(False, detail, 1)
    assert ended_at == NOON + timedelta(seconds=9.75)


def test_the_integration_s_timeout_bounds_one_attempt() -> None:
    async def story() -> tuple[Outcome | Postponed, datetime]:
        return await deliverer(Receiver(hanging)).deliver(delivery(), replace(HOOK, timeout=3 * SECOND)), now()

    result, _ = run(story())
    assert isinstance(result, Postponed)
    assert result.reason == "receiver 'team' webhook[0] did not answer within 3 s"


def test_no_attempt_holds_its_slot_for_more_than_five_minutes() -> None:
    async def story() -> datetime:
        await deliverer(Receiver(hanging)).deliver(delivery(deadline=timedelta(days=1)), HOOK)
        return now()

    assert run(story()) == NOON + 5 * MINUTE


def test_retry_after_is_honoured() -> None:
    receiver = Receiver(one_after_another(asks_to_wait(40 * SECOND), healthy))

    async def story() -> Outcome:
        return await until_settled(deliverer(receiver), delivery())

    assert run(story()).is_delivered
    assert receiver.seconds == [0, 40]


def test_retry_after_beyond_the_deadline_ends_the_delivery() -> None:
    receiver = Receiver(asks_to_wait(10 * MINUTE))
    result = run(deliverer(receiver).deliver(delivery(), HOOK))
    detail = "receiver 'team' webhook[0] answered 429 Too Many Requests (to be tried again in 600 s, past the deadline)"
    assert result == Outcome(False, detail, 1)


def test_retry_after_holds_the_receiver_s_other_deliveries_for_fifteen_seconds_at_most() -> None:
    receiver = Receiver(one_after_another(asks_to_wait(2 * MINUTE), healthy))

    async def story() -> None:
        policy = deliverer(receiver)
        await policy.deliver(delivery("1"), HOOK)
        assert (await until_settled(policy, delivery("2"))).is_delivered

    run(story())
    assert 15 <= receiver.seconds[1] <= 30


def test_the_breaker_opens_after_five_failures_and_probes_one_at_a_time() -> None:
    receiver = Receiver(dead)

    async def story() -> list[Outcome | Postponed]:
        policy = deliverer(receiver)
        for number in range(3):
            await policy.deliver(delivery(f"{number}"), HOOK)
        assert len(receiver.asked_at) == 5, "the sixth attempt would have been the third one's second"
        receiver.answer = slow(SECOND)
        await asyncio.sleep(1)
        return await asyncio.gather(*(policy.deliver(delivery(f"after {number}"), HOOK) for number in range(20)))

    first, *others = run(story())
    assert isinstance(first, Outcome)
    assert first.is_delivered
    assert all(isinstance(result, Postponed) and result.attempts == 0 for result in others)
    assert receiver.most_in_flight == 1


def test_a_failed_probe_makes_the_next_one_wait_longer_but_never_more_than_five_seconds() -> None:
    receiver = Receiver(dead)

    async def story() -> None:
        policy = deliverer(receiver)
        job = delivery(deadline=timedelta(hours=1))
        while now() < NOON + MINUTE:
            await policy.deliver(job, HOOK)
            await asyncio.sleep(0.01)

    run(story())
    pauses = [after - before for before, after in zip(receiver.seconds[5:], receiver.seconds[6:], strict=False)]
    assert 12 <= len(pauses) <= 25
    assert pauses[0] < 2.1
    assert min(pauses[3:]) >= 2.5
    assert max(pauses) <= 5.1


def test_what_was_in_flight_when_the_breaker_opened_does_not_slow_the_probes() -> None:
    async def dead_after_a_while() -> str:
        await asyncio.sleep(3)
        return await dead()

    receiver = Receiver(dead_after_a_while)

    async def story() -> None:
        policy = deliverer(receiver)
        await asyncio.gather(*(policy.deliver(delivery(f"{number}"), HOOK) for number in range(16)))
        receiver.answer = dead
        for _ in range(400):
            await policy.deliver(delivery("probe"), HOOK)
            await asyncio.sleep(0.01)

    run(story())
    first, second, *_ = receiver.seconds[16:]
    assert first - 3 <= 1.02
    assert second - first <= 2.02


@pytest.mark.parametrize("answer", [healthy, refusing], ids=["success", "refusal"])
def test_any_answer_closes_the_breaker(answer: Callable[[], Awaitable[str]]) -> None:
    receiver = Receiver(dead)

    async def story() -> None:
        policy = deliverer(receiver)
        for number in range(3):
            await policy.deliver(delivery(f"{number}"), HOOK)
        receiver.answer = answer
        await asyncio.sleep(5)
        results = [await policy.deliver(delivery(f"after {number}"), HOOK) for number in range(10)]
        assert all(isinstance(result, Outcome) for result in results)

    run(story())


def test_a_probe_that_hangs_keeps_the_next_one_for_fifteen_seconds_only() -> None:
    receiver = Receiver(dead)

    async def story() -> None:
        policy = deliverer(receiver)
        for number in range(3):
            await policy.deliver(delivery(f"{number}"), HOOK)
        await asyncio.sleep(1)
        receiver.answer = one_after_another(slow(MINUTE), healthy)
        probe = asyncio.create_task(policy.deliver(delivery("probe"), HOOK))
        await asyncio.sleep(14)
        assert isinstance(await policy.deliver(delivery("early"), HOOK), Postponed)
        await asyncio.sleep(1)
        assert isinstance(await policy.deliver(delivery("next"), HOOK), Outcome)
        # And the one that was slow is not cut off.
        assert isinstance(await probe, Outcome)

    run(story())


def test_a_cancelled_probe_leaves_its_turn_to_the_next() -> None:
    receiver = Receiver(dead)

    async def story() -> None:
        policy = deliverer(receiver)
        for number in range(3):
            await policy.deliver(delivery(f"{number}"), HOOK)
        await asyncio.sleep(1)
        receiver.answer = one_after_another(hanging, healthy)
        probe = asyncio.create_task(policy.deliver(delivery("probe"), HOOK))
        await asyncio.sleep(1)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert isinstance(await policy.deliver(delivery("next"), HOOK), Outcome)

    run(story())


def test_cancelled_deliveries_give_their_slots_back() -> None:
    receiver = Receiver(hanging)

    async def story() -> None:
        policy = deliverer(receiver, in_flight=2, waiting=2)
        jobs = [asyncio.create_task(policy.deliver(delivery(f"{number}"), HOOK)) for number in range(4)]
        await asyncio.sleep(1)
        for job in jobs:
            job.cancel()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        receiver.answer = slow(SECOND)
        outcomes = await asyncio.gather(*(policy.deliver(delivery(f"after {number}"), HOOK) for number in range(4)))
        assert all(isinstance(outcome, Outcome) and outcome.is_delivered for outcome in outcomes)

    run(story())


def test_a_notifier_s_bug_comes_out_and_frees_the_slot() -> None:
    async def buggy() -> str:
        raise KeyError("bug")

    async def story() -> None:
        receiver = Receiver(buggy)
        policy = deliverer(receiver, in_flight=1)
        with pytest.raises(KeyError):
            await policy.deliver(delivery(), HOOK)
        receiver.answer = healthy
        assert isinstance(await policy.deliver(delivery(), HOOK), Outcome)

    run(story())


def test_at_most_the_limit_is_in_flight_a_few_wait_and_the_rest_is_postponed() -> None:
    receiver = Receiver(slow(SECOND))

    async def story() -> list[Outcome | Postponed]:
        policy = deliverer(receiver, in_flight=4, waiting=3)
        return await asyncio.gather(*(policy.deliver(delivery(f"{number}"), HOOK) for number in range(20)))

    results = run(story())
    assert receiver.most_in_flight == 4
    assert Counter(type(result) for result in results) == {Outcome: 7, Postponed: 13}
    assert results[-1].reason == "receiver 'team' webhook[0] is busy with 4 notifications"  # type: ignore[union-attr]


def test_who_waits_for_a_slot_is_postponed_after_two_seconds() -> None:
    async def story() -> tuple[Outcome | Postponed, datetime]:
        policy = deliverer(Receiver(slow(MINUTE)), in_flight=1, waiting=1)
        running = asyncio.create_task(policy.deliver(delivery("1"), HOOK))
        await asyncio.sleep(0)
        result, at = await policy.deliver(delivery("2"), HOOK), now()
        assert isinstance(await running, Outcome)
        return result, at

    result, at = run(story())
    assert isinstance(result, Postponed)
    assert at == NOON + 2 * SECOND


def test_a_hanging_receiver_holds_up_no_other() -> None:
    async def story() -> None:
        bad, good = Receiver(hanging), Receiver(healthy)
        other = replace(HOOK, url=Secret("http://other.test/"))

        class Both:
            async def notify(
                self,
                integration: WebhookIntegration,
                notification: Notification,
                *,
                incident: str,
                templates: Templates,
            ) -> str:
                told = bad if integration is HOOK else good
                return await told.notify(integration, notification, incident=incident, templates=templates)

        policy = Deliverer({WebhookIntegration: Both()}, now, Random(1))
        stuck = [asyncio.create_task(policy.deliver(delivery(f"{number}"), HOOK)) for number in range(100)]
        await asyncio.sleep(0)
        began_at = now()
        for number in range(100):
            assert isinstance(await policy.deliver(delivery(f"{number}", receiver="other"), other), Outcome)
        assert now() == began_at
        await asyncio.gather(*stuck)

    run(story())


def test_that_an_integration_fails_and_that_it_works_again_is_logged_once_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = (refusing, refusing, healthy, healthy, refusing)

    async def story() -> None:
        policy = deliverer(Receiver(one_after_another(*answers)))
        for number in range(len(answers)):
            await policy.deliver(delivery(f"{number}"), HOOK)

    run(story())
    fails = (
        "notifications fail, which is logged once until one arrives: receiver 'team' webhook[0] answered 404 Not Found"
    )
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", fails),
        ("WARNING", "notifications arrive again: receiver 'team' webhook[0]"),
        ("WARNING", fails),
    ]


def test_what_is_only_postponed_is_logged_when_the_breaker_opens(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        receiver = Receiver(dead)
        policy = deliverer(receiver)
        for number in range(2):
            await policy.deliver(delivery(f"{number}"), HOOK)
        assert not caplog.records
        await policy.deliver(delivery("2"), HOOK)
        receiver.answer = healthy
        await until_settled(policy, delivery("2"))

    run(story())
    first, last = [record.getMessage() for record in caplog.records]
    assert "receiver 'team' webhook[0] " in first
    assert "cannot connect: Connection refused" in first
    assert last == "notifications arrive again: receiver 'team' webhook[0]"


def test_a_corrected_url_does_not_inherit_the_breaker() -> None:
    receiver = Receiver(dead)

    async def story() -> None:
        policy = deliverer(receiver)
        for number in range(3):
            await policy.deliver(delivery(f"{number}"), HOOK)
        receiver.answer = healthy
        assert isinstance(await policy.deliver(delivery("old"), HOOK), Postponed)
        corrected = replace(HOOK, url=Secret("http://receiver.test/right"))
        assert isinstance(await policy.deliver(delivery("new"), corrected), Outcome)

    run(story())


@pytest.mark.parametrize(
    ("then", "seconds"),
    [
        pytest.param(healthy, 21, id="it answers at once"),
        pytest.param(slow(timedelta(milliseconds=100)), 40, id="it takes a tenth of a second for each"),
    ],
)
def test_a_storm_against_a_dead_receiver_costs_a_few_probes_and_ends_soon_after_it_is_back(
    then: Callable[[], Awaitable[str]], seconds: float
) -> None:
    deliveries, dead_time = 2_000, 2 * MINUTE
    receiver = Receiver(dead_until(dead_time, then))

    async def story() -> tuple[int, datetime]:
        policy = deliverer(receiver)
        number = count()
        queue = [(NOON, next(number), delivery(f"{n}", deadline=10 * MINUTE)) for n in range(deliveries)]
        rounds = 0
        slots = asyncio.Semaphore(64)
        running: set[asyncio.Task[None]] = set()

        async def handle(job: Delivery) -> None:
            try:
                result = await policy.deliver(job, HOOK)
            finally:
                slots.release()
            if isinstance(result, Postponed):
                heapq.heappush(queue, (result.until, next(number), replace(job, postponed=job.postponed + 1)))
            else:
                assert result.is_delivered, result.detail

        while queue or running:
            if not queue or queue[0][0] > now():
                pause = (queue[0][0] - now()).total_seconds() if queue else 0.01
                await asyncio.sleep(min(pause, 0.01) if running else pause)
                continue
            await slots.acquire()
            rounds += 1
            task = asyncio.create_task(handle(heapq.heappop(queue)[2]))
            running.add(task)
            task.add_done_callback(running.discard)
        return rounds, now()

    rounds, ended_at = run(story())
    while_dead = [at for at in receiver.asked_at if at < NOON + dead_time]
    assert len(while_dead) < 80, "a few probes a minute"
    assert sorted(receiver.heard) == sorted(f"{n}" for n in range(deliveries)), "each once"
    assert ended_at < NOON + dead_time + timedelta(seconds=seconds)
    assert rounds < deliveries * 25


# ---- Test pages ------------------------------------------------------------------------------------------------------


def trial(answers: list[Receiver], *hooks: WebhookIntegration) -> list[Outcome]:
    by_hook = dict(zip(hooks, answers, strict=True))

    class Each:
        async def notify(
            self,
            integration: WebhookIntegration,
            notification: Notification,
            *,
            incident: str,
            templates: Templates,
        ) -> str:
            answer = by_hook[integration]
            return await answer.notify(integration, notification, incident=incident, templates=templates)

    policy = Deliverer({WebhookIntegration: Each()}, now, Random(42))
    return run(policy.try_out(ConfiguredReceiver("team", hooks), ()))


def test_a_test_page_is_tried_once_everywhere_at_once_and_not_for_long() -> None:
    answers = [Receiver(answer) for answer in (healthy, dead, refusing, hanging, slow(20 * SECOND))]
    hooks = [replace(HOOK, max_alerts=number) for number in range(4)]
    impatient = replace(HOOK, timeout=2 * SECOND)
    outcomes = trial(answers, *hooks[1:], replace(HOOK, max_alerts=9), impatient)
    assert [(outcome.is_delivered, outcome.detail) for outcome in outcomes] == [
        (True, "answered 200 OK"),
        (False, "cannot connect: Connection refused"),
        (False, "answered 404 Not Found"),
        (False, "did not answer within 15 s"),
        (False, "did not answer within 2 s"),
    ]
    assert [len(answer.asked_at) for answer in answers] == [2, 1, 1, 1, 1]  # the healthy one is told of the end too
    assert {second for answer in answers for second in answer.seconds} == {0.0}


def test_who_wants_no_resolves_gets_none_of_the_test() -> None:
    answer = Receiver(healthy)
    trial([answer], replace(HOOK, send_resolved=False))
    assert len(answer.asked_at) == 1


def test_a_test_whose_end_is_refused_says_so() -> None:
    (outcome,) = trial([Receiver(one_after_another(healthy, refusing))], HOOK)
    assert outcome == Outcome(False, "the resolving page: answered 404 Not Found")
