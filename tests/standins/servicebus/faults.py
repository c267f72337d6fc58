"""Faults on order: where they strike, what they do, how often."""

import random
from dataclasses import asdict, dataclass
from typing import Any, Literal

type Place = Literal["connect", "token", "open", "send", "deliver", "settle", "manage"]
type Effect = Literal["refuse", "hang", "drop", "detach", "lose-lock", "repeat", "late"]

EFFECTS: dict[Place, frozenset[Effect]] = {
    "connect": frozenset({"hang", "drop"}),
    "token": frozenset({"refuse", "hang", "drop"}),
    "open": frozenset({"refuse", "hang", "drop"}),
    "send": frozenset({"refuse", "hang", "drop", "detach"}),
    "deliver": frozenset({"drop", "detach", "lose-lock", "late"}),
    "settle": frozenset({"refuse", "hang", "drop", "detach", "lose-lock", "repeat"}),
    "manage": frozenset({"refuse", "hang", "drop"}),
}
ANSWERS: frozenset[Effect] = frozenset({"refuse", "hang"})
"""What can only befall an operation that is answered."""

SERVER_BUSY = "com.microsoft:server-busy"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of trouble.

    Args:
        at: When a connection, a token, a link comes; when a message is sent, delivered, settled; or at an
            operation on `$management` (peek, renew a lock, schedule).
        does:
            `refuse`: with `condition`.
            `hang`: no answer for `seconds`, or ever.
            `drop`: the connection is cut.
            `detach`: the link is detached with `condition`.
            `lose-lock`: that of the message, or of its session, ends at once.
            `repeat`: a completed message comes again.
            `late`: the message, with sessions all of its session, waits for `seconds` of the broker's clock; others
            overtake it.
        when: `after`: the operation takes effect first. A `send` with `drop` `after` is the lost acknowledgement.
        queue: Its name, or the name of a dead-letter queue, "intake/$DeadLetterQueue"; None strikes at every queue.
        role: Which links, for `open`.
        session: Which session, for `open`, `deliver` and `settle`.
        operation: Which one, for `manage` ("renew-session-lock") and `settle` ("complete", "abandon", "dead-letter").
        times: How often it strikes; None: until it is removed.
        after: How many matching occasions it lets pass first.
        probability: Of striking at a matching occasion, drawn from the seeded generator of `Faults`.
    """

    at: Place
    does: Effect
    when: Literal["before", "after"] = "before"
    queue: str | None = None
    role: Literal["sender", "receiver"] | None = None
    session: str | None = None
    operation: str | None = None
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    seconds: float | None = None
    condition: str = SERVER_BUSY
    description: str = "ordered by the test"

    def __post_init__(self) -> None:
        if self.does not in EFFECTS.get(self.at, frozenset()):
            raise ValueError(f"no fault {self.does!r} at {self.at!r}: {EFFECTS.get(self.at, 'there is no such place')}")
        if self.does == "late" and self.seconds is None:
            raise ValueError("how late? give seconds")


class Order:
    """A fault that was asked for, and how often it has struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.struck = 0

    @property
    def done(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times


class Faults:
    """The faults in force, in the order in which they were added; at one occasion at most one strikes."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self._orders: list[Order] = []

    def add(self, fault: Fault) -> Order:
        order = Order(fault)
        self._orders.append(order)
        return order

    def remove(self, order: Order) -> None:
        if order in self._orders:
            self._orders.remove(order)

    def clear(self) -> None:
        self._orders.clear()

    @property
    def pending(self) -> list[Order]:
        """Those that may still strike."""
        return list(self._orders)

    def describe(self) -> list[dict[str, Any]]:
        return [{**asdict(order.fault), "seen": order.seen, "struck": order.struck} for order in self._orders]

    def strike(
        self,
        at: Place,
        queue: str | None = None,
        *,
        role: str | None = None,
        session: str | None = None,
        operation: str | None = None,
        is_answered: bool = True,
    ) -> Fault | None:
        """The fault that strikes at this occasion, counted as used."""
        for order in self._orders:
            fault = order.fault
            if (
                fault.at != at
                or (fault.queue is not None and (queue is None or fault.queue.lower() != queue.lower()))
                or fault.role not in (None, role)
                or fault.session not in (None, session)
                or fault.operation not in (None, operation)
                or (fault.does in ANSWERS and not is_answered)
            ):
                continue
            order.seen += 1
            if order.seen <= fault.after or (fault.probability < 1 and self.random.random() >= fault.probability):
                continue
            order.struck += 1
            if order.done:
                self._orders.remove(order)
            return fault
        return None
