"""What clients did to the broker, for tests that count."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from tests.standins.servicebus.messages import Content

KEPT = 20_000  # the totals go on counting after that


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as the broker saw it.

    Args:
        kind: connect, token, open, send, schedule, cancel, deliver, complete, abandon, release, defer, dead-letter,
            peek, renew-lock, renew-session-lock, accept-session, list-sessions, fault; others by their AMQP names.
        messages: Of a send or a delivery; several where they came as one batch.
        at: By the broker's clock.
        size: Bytes of the payload on the wire; a batch counts as one.
        connection: Its number; a client opens one for each sender and receiver.
        identity: Who put the token: the name of a key, "jwt:" and a claim, or empty.
        error: The AMQP condition that it was refused with.
    """

    kind: str
    queue: str
    at: float
    messages: tuple[Content, ...] = ()
    size: int = 0
    session: str | None = None
    connection: int = 0
    identity: str = ""
    error: str | None = None
    detail: str = ""


class Calls:
    """The newest calls, oldest first, and totals over all."""

    def __init__(self, kept: int = KEPT) -> None:
        self._newest: deque[Call] = deque(maxlen=kept)
        self._count: Counter[tuple[str, str]] = Counter()
        self._messages: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()

    def add(self, call: Call) -> None:
        self._newest.append(call)
        if call.error is None:
            key = call.kind, call.queue
            self._count[key] += 1
            self._messages[key] += len(call.messages)
            self._bytes[key] += call.size

    def clear(self) -> None:
        self._newest.clear()
        for totals in (self._count, self._messages, self._bytes):
            totals.clear()

    def find(self, kind: str | None = None, queue: str | None = None) -> list[Call]:
        """With those that were refused."""
        return [call for call in self._newest if kind in (None, call.kind) and queue in (None, call.queue)]

    def messages(self, kind: str, queue: str | None = None) -> list[Content]:
        return [content for call in self.find(kind, queue) if call.error is None for content in call.messages]

    def count(self, kind: str, queue: str | None = None) -> int:
        """How often it succeeded; a batch counts once."""
        return _sum(self._count, kind, queue)

    def count_messages(self, kind: str, queue: str | None = None) -> int:
        return _sum(self._messages, kind, queue)

    def count_bytes(self, kind: str, queue: str | None = None) -> int:
        return _sum(self._bytes, kind, queue)

    def totals(self) -> list[tuple[str, str, int, int, int]]:
        """Kind, queue, operations, messages, bytes."""
        return [(*key, self._count[key], self._messages[key], self._bytes[key]) for key in sorted(self._count)]


def _sum(totals: Counter[tuple[str, str]], kind: str, queue: str | None) -> int:
    entries: Iterable[tuple[tuple[str, str], int]] = totals.items()
    return sum(number for (a_kind, a_queue), number in entries if a_kind == kind and queue in (None, a_queue))
