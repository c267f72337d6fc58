"""The queues of one namespace by name, and what all connections share."""

from collections.abc import Callable, Mapping

from tests.standins.servicebus.amqp import AmqpError
from tests.standins.servicebus.calls import Calls
from tests.standins.servicebus.clock import Clock
from tests.standins.servicebus.faults import Faults
from tests.standins.servicebus.queues import Queue
from tests.standins.servicebus.settings import QueueSettings

DEAD_LETTERS = "/$DeadLetterQueue"
MANAGEMENT = "/$management"
CBS = "$cbs"


class Namespace:
    def __init__(self, queues: Mapping[str, QueueSettings], clock: Clock, faults: Faults, calls: Calls) -> None:
        self.clock = clock
        self.faults = faults
        self.calls = calls
        self.queues: dict[str, Queue] = {}
        self.after_pump: Callable[[], None] = lambda: None
        for name, settings in queues.items():
            self.declare(name, settings)

    def declare(self, name: str, settings: QueueSettings) -> Queue:
        """A queue and its dead letters, which need no session to be read and are delivered as often as one likes."""
        if name.lower() in self.queues:
            raise ValueError(f"queue {name!r} is there already")
        dead_settings = QueueSettings(lock_seconds=settings.lock_seconds, max_delivery_count=2**31)
        dead_letters = Queue(name + DEAD_LETTERS, dead_settings, self.clock, self.faults)
        queue = Queue(name, settings, self.clock, self.faults, dead_letters)
        self.queues[name.lower()] = queue
        self.queues[dead_letters.name.lower()] = dead_letters
        return queue

    def find(self, address: str) -> Queue:
        """By a name or a link's address, "amqps://host/intake"; names are the same in upper and lower case."""
        path = path_of(address)
        queue = self.queues.get(path.lower())
        if queue is None:
            raise AmqpError("amqp:not-found", f"The messaging entity '{path}' could not be found.")
        return queue

    def pump(self) -> None:
        """Delivers what became deliverable, and what that set free."""
        while dirty := [queue for queue in self.queues.values() if queue.dirty]:
            for queue in dirty:
                queue.pump()
        self.after_pump()

    def ring(self) -> None:
        """Does what has fallen due by the clock."""
        self.clock.ring()
        self.pump()


def path_of(address: str) -> str:
    if "://" in address:
        address = address.split("://", 1)[1].partition("/")[2]
    return address.strip("/")
