"""Deliverer: when a notification is attempted, how often, and when its receiver is left in peace for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from weakref import WeakValueDictionary

from adapters.signing import name_message
from adapters.telemetry.instruments import BREAKER
from domain.configuration import Integration, Receiver
from domain.configuration.bundle import Templates
from domain.errors import RejectedError, UnavailableError
from domain.explaining import printable
from domain.notifications import Delivery, Notification, Notifier, Outcome
from domain.routing import GroupId
from domain.trial import trial_notifications

log = logging.getLogger("tocsin.delivery")

MARGIN = timedelta(milliseconds=250)
"""An attempt ends this long before the deadline, so that its result is folded before the next flush (rule 10)."""

SHORTEST_ATTEMPT = timedelta(milliseconds=500)
"""With less time than this no attempt begins: cut off, it would look like a failure, and yet may have been heard."""

LAST_CALL = timedelta(seconds=1)
"""A postponed delivery comes back at least this long before its deadline, for one more attempt."""

LONGEST_ATTEMPT = timedelta(minutes=5)
"""What one attempt may take where neither the integration nor the deadline says less: a slot is not held for a day."""

LONGEST_TRIAL = timedelta(seconds=15)
"""What the test page of one integration may take: somebody waits for the answer."""

LONGEST_WAIT_FOR_SLOT = timedelta(seconds=2)
QUICK = timedelta(seconds=1)
"""A failure that came faster than this is tried again at once: the receiver may just have closed an idle connection."""

FIRST_POSTPONEMENT = timedelta(seconds=1)
LONGEST_POSTPONEMENT = timedelta(seconds=15)
"""Also how long after a receiver's recovery the last of its deliveries is back, if it keeps up with them."""

OUTCOMES_REMEMBERED = 10_000

FIRST_PROBE_PAUSE = timedelta(seconds=1)
LONGEST_PROBE_PAUSE = timedelta(seconds=5)
PROBE_PATIENCE = timedelta(seconds=15)
"""A probe that hangs for longer no longer keeps the next from going; it is not cut off, for some receivers are slow."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """Not settled: to be delivered again at `until`, which is before the delivery's deadline."""

    until: datetime
    reason: str
    attempts: int = 0
    """How many attempts this round made; none when the receiver was left in peace."""


class Deliverer:
    """The policy around the notifiers; one for each process, because it counts what the process has in flight.

    A round is short: it makes one attempt, one more if the first failed at once, and then leaves the delivery to its
    queue, so that a receiver's trouble holds few slots.  For each integration at most `in_flight` rounds run and
    `waiting` more wait briefly.  After `failures_to_open` unavailable results in a row its breaker opens: then one
    delivery at a time is attempted, as a probe, and the others are postponed without an attempt.  That makes a dead
    receiver cost a few probes a minute however many deliveries it has; any answer of it, also a refusal, closes the
    breaker.

    A changed integration is another one, so a corrected URL does not inherit the breaker of the wrong one.
    """

    def __init__(
        self,
        notifiers: Mapping[type[Integration], Notifier[Any]],
        clock: Callable[[], datetime],
        random: Random,
        *,
        in_flight: int = 16,
        waiting: int = 16,
        failures_to_open: int = 5,
    ) -> None:
        self._notifiers = notifiers
        self._clock = clock
        self._random = random
        self._in_flight = in_flight
        self._waiting = waiting
        self._failures_to_open = failures_to_open
        self._lines: dict[tuple[str, int, Integration], _Line] = {}
        self._outcomes: dict[tuple[GroupId, str, str], Outcome] = {}
        """Of the latest deliveries: one whose outcome could not be folded, or whose message came twice, asks again."""
        self._turns: WeakValueDictionary[tuple[GroupId, str, str], asyncio.Lock] = WeakValueDictionary()

    async def deliver(
        self, delivery: Delivery, integration: Integration, templates: Templates = ()
    ) -> Outcome | Postponed:
        """Make one round for the delivery; `integration` is the one it names, in the configuration it names.

        One that has ended is not told again by this process, only its outcome is.

        Returns:
            How it ended, or until when it is postponed.  Every text names the receiver and holds no secret.
        """
        name = delivery.group_id, delivery.id, delivery.notification.receiver
        name_message(delivery)
        async with self._turns.setdefault(name, asyncio.Lock()):
            result: Outcome | Postponed | None = self._outcomes.get(name)
            if result is None:
                result = await self._deliver_once(delivery, integration, templates)
                if isinstance(result, Outcome):
                    self._outcomes[name] = result
                    if len(self._outcomes) > OUTCOMES_REMEMBERED:
                        del self._outcomes[next(iter(self._outcomes))]
            return result

    async def _deliver_once(
        self, delivery: Delivery, integration: Integration, templates: Templates
    ) -> Outcome | Postponed:
        key = (delivery.notification.receiver, delivery.integration, integration)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(_name(delivery, integration), self._in_flight)
        try:
            result = await self._deliver(delivery, integration, templates, line)
            self._note_change(line, result)
            integration_name = f"{integration.kind}[{delivery.integration}]"
            BREAKER.put(
                float(line.failures >= self._failures_to_open), delivery.notification.receiver, integration_name
            )
            return result
        finally:
            if line.is_blank:
                self._lines.pop(key, None)

    def _note_change(self, line: _Line, result: Outcome | Postponed) -> None:
        """Log that an integration fails, or works again; each once, however many notifications it is about."""
        match result:
            case Outcome(is_delivered=True):
                if line.is_failing:
                    log.warning("notifications arrive again: %s", printable(line.name))
                line.is_failing = False
            case Outcome(detail=reason) | Postponed(reason=reason):
                # What is only postponed may still arrive in time, so it takes as many failures as open the breaker.
                is_failing = isinstance(result, Outcome) or line.failures >= self._failures_to_open
                if is_failing and not line.is_failing:
                    line.is_failing = True
                    # The trail has the receiver's own words, which may repeat what it was told.
                    words = f"{line.name} {line.loggable}" if line.loggable else reason
                    log.warning("notifications fail, which is logged once until one arrives: %s", printable(words))

    async def try_out(self, receiver: Receiver, templates: Templates) -> list[Outcome]:
        """Send a test page through each integration at once, whatever its breaker says, and without a second attempt.

        Returns:
            How each ended, in their order, none later than `LONGEST_TRIAL`; every text is without secrets.
        """
        notifications = trial_notifications(receiver, self._clock())
        trials = [self._try_out(integration, notifications, templates) for integration in receiver.integrations]
        return list(await asyncio.gather(*trials))

    async def _try_out(
        self, integration: Integration, notifications: Sequence[Notification], templates: Templates
    ) -> Outcome:
        firing, resolved = notifications
        # What would stay open at the receiver is closed again.
        told = [firing, resolved] if integration.keeps_state and integration.send_resolved else [firing]
        limit = min(integration.timeout or LONGEST_TRIAL, LONGEST_TRIAL)
        answers = []
        try:
            async with asyncio.timeout(limit.total_seconds()):
                for notification in told:
                    notifier = self._notifiers[type(integration)]
                    answers.append(await notifier.notify(integration, notification, incident="", templates=templates))
        except TimeoutError:
            return Outcome(False, f"did not answer within {limit.total_seconds():g} s")
        except (RejectedError, UnavailableError) as error:
            return Outcome(False, f"{'the resolving page: ' if answers else ''}{error}")
        return Outcome(True, f"answered {', then '.join(dict.fromkeys(answers))}")

    async def _deliver(
        self, delivery: Delivery, integration: Integration, templates: Templates, line: _Line
    ) -> Outcome | Postponed:
        if refusal := self._refusal(delivery, line):
            return refusal
        if not await self._take_slot(delivery, line):
            return self._postpone(delivery, f"{line.name} is busy with {self._in_flight} notifications")
        try:
            return await self._round(delivery, integration, templates, line)
        finally:
            line.slots.release()
            line.used -= 1

    def _refusal(self, delivery: Delivery, line: _Line, attempts: int = 0) -> Outcome | Postponed | None:
        """What settles or postpones the delivery without another attempt."""
        now = self._clock()
        if delivery.not_before is not None and now < delivery.not_before:
            return Postponed(delivery.not_before, "another delivery may still be under way", attempts)
        if delivery.deadline - now < MARGIN + SHORTEST_ATTEMPT:
            # At its first sight: it waited too long, or a process died that had it before.
            is_unsure = attempts == 0 and delivery.postponed == 0
            words = f"deadline passed before {line.name} could be tried{line.last_words}"
            return Outcome(False, words, attempts, is_unsure=is_unsure)
        if now < line.resumes_at:
            return self._postpone(delivery, f"{line.name} is left in peace{line.last_words}", attempts)
        return None

    async def _take_slot(self, delivery: Delivery, line: _Line) -> bool:
        """Whether a slot is taken, after a short wait if few others wait."""
        if line.used - self._in_flight >= self._waiting:
            return False
        line.used += 1
        left = delivery.deadline - MARGIN - SHORTEST_ATTEMPT - self._clock()
        is_taken = False
        try:
            async with asyncio.timeout(min(left, LONGEST_WAIT_FOR_SLOT).total_seconds()):
                is_taken = await line.slots.acquire()
        except TimeoutError:
            return False
        finally:
            if not is_taken:
                line.used -= 1
        return is_taken

    async def _round(
        self, delivery: Delivery, integration: Integration, templates: Templates, line: _Line
    ) -> Outcome | Postponed:
        attempts = 0
        while True:
            # Asked again before each attempt: others may have learned meanwhile that the receiver is gone.
            if refusal := self._refusal(delivery, line, attempts):
                return refusal
            is_probe = line.failures >= self._failures_to_open
            began_at = self._clock()
            if is_probe:
                line.resumes_at = began_at + PROBE_PATIENCE
            attempts += 1
            try:
                answer = await self._attempt(delivery, integration, templates)
            except UnavailableError as error:
                now = self._clock()
                self._note_failure(line, error, is_probe=is_probe, now=now)
                if attempts == 1 and not is_probe and error.retry_after is None and now - began_at < QUICK:
                    await asyncio.sleep(self._random.uniform(0.05, 0.25))
                    continue
                return self._after_failure(delivery, line, error, attempts)
            except RejectedError as error:
                line.note_answer()
                line.loggable = error.loggable or str(error)
                return Outcome(False, f"{line.name} {error}", attempts)
            except BaseException:
                # Cancelled, or a bug: nothing was learned, so the next may probe at once.
                if is_probe:
                    line.resumes_at = began_at
                raise
            line.note_answer()
            return Outcome(True, f"{line.name} answered {answer}", attempts)

    async def _attempt(self, delivery: Delivery, integration: Integration, templates: Templates) -> str:
        left = delivery.deadline - MARGIN - self._clock()
        limit = min(left, integration.timeout or LONGEST_ATTEMPT, LONGEST_ATTEMPT)
        try:
            async with asyncio.timeout(limit.total_seconds()):
                return await self._notifiers[type(integration)].notify(
                    integration, delivery.notification, incident=delivery.incident, templates=templates
                )
        except TimeoutError:
            raise UnavailableError(f"did not answer within {limit.total_seconds():.3g} s") from None

    def _note_failure(self, line: _Line, error: UnavailableError, *, is_probe: bool, now: datetime) -> None:
        line.last = str(error)
        line.loggable = error.loggable or str(error)
        is_open = line.failures >= self._failures_to_open
        # Once it is open only probes count; what was under way before says nothing new.
        if is_probe or not is_open:
            line.failures += 1
        beyond = line.failures - self._failures_to_open
        pause = timedelta(0)
        if beyond >= 0 and (is_probe or not is_open):
            pause = self._jittered(min(FIRST_PROBE_PAUSE * 2 ** min(beyond, 10), LONGEST_PROBE_PAUSE))
        if error.retry_after is not None:
            # For others of this receiver at most as long as a delivery is postponed: a wrong header must not mute it.
            pause = max(pause, min(error.retry_after, LONGEST_POSTPONEMENT))
        if is_probe:
            line.resumes_at = now + pause
        else:
            line.resumes_at = max(line.resumes_at, now + pause)

    def _after_failure(
        self, delivery: Delivery, line: _Line, error: UnavailableError, attempts: int
    ) -> Outcome | Postponed:
        now = self._clock()
        reason = f"{line.name} {error}"
        left = delivery.deadline - MARGIN - now
        if left <= timedelta(0):
            return Outcome(False, f"deadline passed: {reason}", attempts)
        if error.retry_after is not None:
            if error.retry_after >= left:
                seconds = error.retry_after.total_seconds()
                return Outcome(False, f"{reason} (to be tried again in {seconds:g} s, past the deadline)", attempts)
            return Postponed(now + error.retry_after, reason, attempts)
        return self._postpone(delivery, reason, attempts, at_least=line.resumes_at - now)

    def _postpone(
        self, delivery: Delivery, reason: str, attempts: int = 0, *, at_least: timedelta = timedelta(0)
    ) -> Outcome | Postponed:
        """Postpone by a time that doubles with each postponement, but leave time for a last attempt."""
        now = self._clock()
        left = delivery.deadline - LAST_CALL - now
        if left < MARGIN:
            return Outcome(False, f"deadline passed: {reason}", attempts)
        pause = min(FIRST_POSTPONEMENT * 2 ** min(delivery.postponed, 10), LONGEST_POSTPONEMENT)
        # Jitter also where the deadline cuts it short, else a storm's deliveries would all come in its last second.
        pause = self._jittered(min(pause, left))
        return Postponed(now + min(max(pause, at_least), left), reason, attempts)

    def _jittered(self, pause: timedelta) -> timedelta:
        return pause * self._random.uniform(0.5, 1.0)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Line:
    """What the process knows of one integration."""

    def __init__(self, name: str, in_flight: int) -> None:
        self.name = name
        self.slots = asyncio.Semaphore(in_flight)
        self.used = 0
        """Rounds that hold a slot or wait for one."""
        self.failures = 0
        """Unavailable results since the last answer."""
        self.resumes_at = _LONG_AGO
        """Before this nothing is attempted."""
        self.last = ""
        """The last failure, in words without secrets."""
        self.loggable = ""
        """The last failure or refusal, without the receiver's own words."""
        self.is_failing = False
        """Whether it was logged that notifications fail here."""

    @property
    def is_blank(self) -> bool:
        """Whether forgetting it loses nothing."""
        return not (self.used or self.failures or self.is_failing)

    @property
    def last_words(self) -> str:
        return f" (the last attempt: {self.last})" if self.last else ""

    def note_answer(self) -> None:
        self.failures = 0
        self.resumes_at = _LONG_AGO
        self.last = self.loggable = ""


def _name(delivery: Delivery, integration: Integration) -> str:
    return f"receiver {delivery.notification.receiver!r} {integration.kind}[{delivery.integration}]"
