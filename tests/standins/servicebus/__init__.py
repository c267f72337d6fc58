"""A Service Bus namespace for tests: real SDKs speak AMQP to it over a loopback port.

It has what Tocsin uses of Service Bus (queues, sessions, locks, schedules, dead letters, duplicates), and the trouble
that Tocsin must stand. Anything else it refuses with `amqp:not-implemented` and a message that names it.
"""

from tests.standins.servicebus.calls import Call, Calls
from tests.standins.servicebus.faults import Fault, Faults, Order
from tests.standins.servicebus.server import QUEUES, ServiceBusStandIn
from tests.standins.servicebus.settings import Counts, QueueSettings

__all__ = ["QUEUES", "Call", "Calls", "Counts", "Fault", "Faults", "Order", "QueueSettings", "ServiceBusStandIn"]
