"""A queue and its dead letters: order, locks, sessions, schedules, duplicates, as Service Bus documents them."""

import heapq
import itertools
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Literal

from tests.standins.servicebus.amqp import AmqpError
from tests.standins.servicebus.clock import Clock
from tests.standins.servicebus.duplicates import Duplicates
from tests.standins.servicebus.faults import Fault, Faults
from tests.standins.servicebus.messages import Content, State, Stored
from tests.standins.servicebus.sessions import Consumer, Session, SessionRequest
from tests.standins.servicebus.settings import Counts, QueueSettings

type Outcome = Literal["complete", "abandon", "release", "defer", "dead-letter"]

MESSAGE_LOCK_LOST = "com.microsoft:message-lock-lost"
SESSION_LOCK_LOST = "com.microsoft:session-lock-lost"
MESSAGE_NOT_FOUND = "com.microsoft:message-not-found"


class Queue:
    """Whoever changes something here calls `Namespace.pump` at last, so that receivers get what there is."""

    def __init__(
        self, name: str, settings: QueueSettings, clock: Clock, faults: Faults, dead_letters: "Queue | None" = None
    ) -> None:
        self.name = name
        self.settings = settings
        self.dead_letters = dead_letters
        self.messages: dict[int, Stored] = {}
        self.sessions: dict[str, Session] = {}
        self.dirty = False
        self._clock = clock
        self._faults = faults
        self._numbers = itertools.count(1)
        self._ready: list[int] = []
        self._locks: dict[uuid.UUID, Stored] = {}
        self._consumers: deque[Consumer] = deque()
        self._requests: list[SessionRequest] = []
        self._duplicates = Duplicates(settings.duplicate_window_seconds)

    # In

    def put(self, contents: Sequence[Content], scheduled_at: float | None = None) -> list[int]:
        """Stores all or none; returns their sequence numbers, 0 for a duplicate that was dropped in silence."""
        if self.settings.sessions and any(content.session_id is None for content in contents):
            raise AmqpError(
                "amqp:not-allowed",
                "The SessionId was not set on a message, and it cannot be sent to the entity. Entities that have"
                " session support enabled can only receive messages that have the SessionId set to a valid value.",
            )
        return [self._put(content, scheduled_at) for content in contents]

    def _put(self, content: Content, scheduled_at: float | None) -> int:
        now = self._clock.now()
        if self.settings.duplicate_window_seconds and self._duplicates.has(content.message_id, now):
            return 0
        due = content.scheduled_at if scheduled_at is None else scheduled_at
        message = Stored(content, next(self._numbers), now)
        self.messages[message.number] = message
        if due is not None and due > now:
            message.state, message.enqueued_at = State.SCHEDULED, due
            self._clock.at(due, lambda: self._release_scheduled(message))
        else:
            self._activate(message)
        return message.number

    def _release_scheduled(self, message: Stored) -> None:
        if self.messages.get(message.number) is not message or message.state != State.SCHEDULED:
            return
        # Documented: it is appended as if it had been sent now, with a new sequence number.
        del self.messages[message.number]
        message.number = next(self._numbers)
        self.messages[message.number] = message
        self._activate(message)

    def cancel_scheduled(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if (message := self.messages.get(number)) is None or message.state != State.SCHEDULED:
                raise AmqpError(MESSAGE_NOT_FOUND, f"no scheduled message has the sequence number {number}")
        for number in numbers:
            del self.messages[number]

    def bury(self, message: Stored) -> None:
        """Takes a message of the queue whose dead letters this one holds; it keeps its sequence number."""
        message.state, message.locked_until, message.holder = State.ACTIVE, 0.0, None
        self.messages[message.number] = message
        self._activate(message)

    def _activate(self, message: Stored) -> None:
        message.state, message.token, message.holder = State.ACTIVE, None, None
        session = message.content.session_id
        ready = self._session(session).ready if self.settings.sessions and session is not None else self._ready
        heapq.heappush(ready, message.number)
        self.dirty = True

    def _session(self, session_id: str) -> Session:
        return self.sessions.setdefault(session_id, Session())

    # Out

    def join(self, consumer: Consumer) -> None:
        self._consumers.append(consumer)
        self.dirty = True

    def leave(self, consumer: Consumer) -> None:
        """A link has ended: its session is free at once, and no delivery counts; locks without a session last.

        Source: https://learn.microsoft.com/azure/service-bus-messaging/message-sessions#impact-of-delivery-count
        """
        if consumer in self._consumers:
            self._consumers.remove(consumer)
        self._requests = [request for request in self._requests if request.consumer is not consumer]
        session = self.sessions.get(consumer.session) if consumer.session is not None else None
        if session is not None and session.owner is consumer:
            self._free(session, failed=False)
        self.dirty = True

    def accept_session(self, request: SessionRequest) -> None:
        self._requests.append(request)
        self.dirty = True

    def give_up(self, request: SessionRequest) -> None:
        """Refuses a request that still waits."""
        if request in self._requests:
            self._requests.remove(request)
            what = "The operation did not complete within the allotted timeout: no session has messages."
            request.refuse(AmqpError("com.microsoft:timeout", what))

    def _mark(self) -> None:
        self.dirty = True

    def pump(self) -> None:
        """Grants sessions and delivers, as far as credit goes."""
        self.dirty = False
        for request in list(self._requests):
            self._consider(request)
        if self.settings.sessions:
            for consumer in list(self._consumers):
                if consumer.session is not None and (session := self.sessions[consumer.session]).ready:
                    while consumer.has_credit() and self._deliver_next(session, consumer):
                        pass
            return
        idle = 0
        while self._ready and idle < len(self._consumers):
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            idle = 0 if consumer.has_credit() and self._deliver_next(None, consumer) else idle + 1

    def _consider(self, request: SessionRequest) -> None:
        now = self._clock.now()
        if request.wanted is not None:
            chosen: str | None = request.wanted
            owned = self._session(request.wanted)
            if owned.owner is not None and owned.locked_until > now:
                self._requests.remove(request)
                what = f"The requested session '{request.wanted}' cannot be accepted: another receiver holds it."
                request.refuse(AmqpError("com.microsoft:session-cannot-be-locked", what))
                return
        else:
            chosen = self._next_session(now)
        if chosen is None:
            return
        self._requests.remove(request)
        session = self.sessions[chosen]
        session.owner, session.locked_until = request.consumer, now + self.settings.lock_seconds
        request.consumer.session = chosen
        self._clock.at(session.locked_until, lambda: self._expire_session(session, request.consumer))
        request.grant(chosen, session.locked_until)
        self.join(request.consumer)

    def _next_session(self, now: float) -> str | None:
        free = (
            (session.ready[0], name)
            for name, session in self.sessions.items()
            if session.ready and session.late_until <= now and (session.owner is None or session.locked_until <= now)
        )
        return min(free, default=(0, None))[1]

    def _pop(self, ready: list[int]) -> Stored | None:
        while ready:
            message = self.messages.get(heapq.heappop(ready))
            if message is None or message.state != State.ACTIVE or message.token is not None:
                continue
            lifetime = message.content.lifetime or self.settings.lifetime_seconds
            if lifetime is None or self.dead_letters is None or message.enqueued_at + lifetime > self._clock.now():
                return message
            del self.messages[message.number]
            if self.settings.dead_letter_expired:
                self._bury(message, "TTLExpiredException", "The message expired and was dead lettered.")
        return None

    def _deliver_next(self, session: Session | None, consumer: Consumer) -> bool:
        if session is not None and session.late_until > self._clock.now():
            return False
        message = self._pop(self._ready if session is None else session.ready)
        if message is None:
            return False
        fault = self._faults.strike("deliver", self.name, session=consumer.session)
        if fault is not None and fault.does in ("late", "detach"):
            self._withhold(message, session, consumer, fault)
            return fault.does == "late"
        if consumer.keeps:
            del self.messages[message.number]
            message.token = uuid.uuid4()
        else:
            self._lock(message, consumer)
        consumer.deliver(message)
        if fault is not None and fault.does == "drop":
            consumer.drop()
        elif fault is not None:
            self.lose_lock(message)
        return True

    def _withhold(self, message: Stored, session: Session | None, consumer: Consumer, fault: Fault) -> None:
        if fault.does == "detach":
            self._activate(message)
            consumer.detach(AmqpError(fault.condition, fault.description))
            return
        until = self._clock.now() + (fault.seconds or 0)
        if session is None:
            self._clock.at(until, lambda: self._activate(message))
        else:
            session.late_until = until
            self._clock.at(until, self._mark)
            self._activate(message)

    # Locks

    def _lock(self, message: Stored, holder: Consumer | None) -> None:
        message.token, message.holder = uuid.uuid4(), holder
        message.locked_until = self._clock.now() + self.settings.lock_seconds
        self._locks[message.token] = message
        if self.settings.sessions and message.content.session_id is not None:
            session = self._session(message.content.session_id)
            session.locks.add(message.token)
            message.locked_until = session.locked_until
        else:
            token = message.token
            self._clock.at(message.locked_until, lambda: self._expire_lock(token))

    def _expire_lock(self, token: uuid.UUID) -> None:
        if (message := self._locks.get(token)) is None:
            return
        if message.locked_until > self._clock.now():  # renewed meanwhile
            self._clock.at(message.locked_until, lambda: self._expire_lock(token))
        else:
            self._give_back(message, failed=True)

    def _expire_session(self, session: Session, owner: Consumer) -> None:
        if session.owner is not owner:
            return
        if session.locked_until > self._clock.now():
            self._clock.at(session.locked_until, lambda: self._expire_session(session, owner))
        else:
            self._end_session(session, owner)

    def _end_session(self, session: Session, owner: Consumer) -> None:
        self._free(session, failed=True)
        owner.detach(AmqpError(SESSION_LOCK_LOST, "The session lock has expired. Accept a new session."))

    def _free(self, session: Session, *, failed: bool) -> None:
        session.owner = None
        for token in list(session.locks):
            self._give_back(self._locks[token], failed=failed)

    def lose_lock(self, message: Stored) -> None:
        """As if the lock had run out now: that of the message, or of its session."""
        session = self.sessions.get(message.content.session_id or "") if self.settings.sessions else None
        if session is None:
            self._give_back(message, failed=True)
        elif session.owner is not None:
            self._end_session(session, session.owner)

    def find_locked(self, token: uuid.UUID) -> Stored:
        """Raises AmqpError where the lock is gone: that of the message, or of its session."""
        message, now = self._locks.get(token), self._clock.now()
        if self.settings.sessions:
            session = self.sessions.get(message.content.session_id or "") if message else None
            if message is None or session is None or session.owner is not message.holder or session.locked_until <= now:
                raise AmqpError(SESSION_LOCK_LOST, "The session lock has expired on the MessageSession.")
        elif message is None or message.locked_until <= now:
            raise AmqpError(
                MESSAGE_LOCK_LOST,
                "The lock supplied is invalid. Either the lock expired, or the message has already been removed from"
                " the queue, or was received by a different receiver instance.",
            )
        return message

    def renew_lock(self, token: uuid.UUID) -> float:
        message = self.find_locked(token)
        message.locked_until = self._clock.now() + self.settings.lock_seconds
        return message.locked_until

    def owned_session(self, session_id: str) -> Session:
        """Raises AmqpError where nobody holds it."""
        session = self.sessions.get(session_id)
        if session is None or session.owner is None or session.locked_until <= self._clock.now():
            raise AmqpError(SESSION_LOCK_LOST, "The session lock has expired on the MessageSession.")
        return session

    def renew_session(self, session_id: str) -> float:
        session = self.owned_session(session_id)
        session.locked_until = self._clock.now() + self.settings.lock_seconds
        return session.locked_until

    # Settlement

    def settle(
        self, message: Stored, outcome: Outcome, reason: str | None = None, description: str | None = None
    ) -> None:
        """Of a message that `find_locked` has given."""
        match outcome:
            case "complete":
                self._unlock(message)
                del self.messages[message.number]
            case "dead-letter":
                self._unlock(message)
                del self.messages[message.number]
                self._bury(message, reason, description)
            case "defer":
                self._unlock(message)
                message.state = State.DEFERRED
                message.delivery_count += 1
            case "abandon" | "release":
                self._give_back(message, failed=outcome == "abandon")

    def repeat(self, message: Stored) -> None:
        """Takes a message that was completed as if that had been forgotten."""
        message.delivery_count += 1
        self.messages[message.number] = message
        self._activate(message)

    def take_deferred(self, number: int, session_id: str | None, *, keep: bool) -> Stored:
        message = self.messages.get(number)
        if message is None or message.state != State.DEFERRED or message.token is not None:
            raise AmqpError(MESSAGE_NOT_FOUND, f"no deferred message has the sequence number {number}")
        if keep:
            del self.messages[number]
            message.token = uuid.uuid4()
        else:
            self._lock(message, self.owned_session(session_id).owner if session_id is not None else None)
        return message

    def _unlock(self, message: Stored) -> None:
        if message.token is not None:
            self._locks.pop(message.token, None)
            if self.settings.sessions and message.content.session_id is not None:
                self.sessions[message.content.session_id].locks.discard(message.token)
        message.token, message.holder = None, None

    def _give_back(self, message: Stored, *, failed: bool) -> None:
        self._unlock(message)
        message.delivery_count += failed
        if message.state == State.DEFERRED:
            return
        most = self.settings.max_delivery_count
        if self.dead_letters is not None and message.delivery_count >= most:
            del self.messages[message.number]
            what = f"Message could not be consumed after {most} delivery attempts."
            self._bury(message, "MaxDeliveryCountExceeded", what)
        else:
            self._activate(message)

    def _bury(self, message: Stored, reason: str | None, description: str | None) -> None:
        if self.dead_letters is None:  # dead letters have none of their own
            return
        for name, text in (("DeadLetterReason", reason), ("DeadLetterErrorDescription", description)):
            if text is not None:
                message.added[name] = text
        message.dead_letter_source = self.name
        self.dead_letters.bury(message)

    # Looking

    def peek(self, first: int, most: int, session_id: str | None = None) -> list[Stored]:
        """Also what is locked, scheduled or deferred; in the order of the sequence numbers."""
        numbers = sorted(number for number in self.messages if number >= first)
        found = (self.messages[number] for number in numbers)
        return list(itertools.islice((m for m in found if session_id in (None, m.content.session_id)), most))

    def counts(self) -> Counts:
        waiting = [message for message in self.messages.values() if message.token is None]
        return Counts(
            active=sum(message.state == State.ACTIVE for message in waiting),
            locked=len(self.messages) - len(waiting),
            scheduled=sum(message.state == State.SCHEDULED for message in waiting),
            deferred=sum(message.state == State.DEFERRED for message in waiting),
        )

    def purge(self) -> None:
        """Forgets all messages, duplicates and the state of sessions; links and sessions' locks stay."""
        self.messages.clear()
        self._locks.clear()
        self._ready.clear()
        self._duplicates.clear()
        for session in self.sessions.values():
            session.ready.clear()
            session.locks.clear()
            session.state = None
            session.late_until = 0.0
